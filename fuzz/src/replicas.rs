//! Digests of two members: parsing is bounded, a truncated reply adds no digests, and the comparison is symmetric.

use zookeeper_exporter::config::Command;
use zookeeper_exporter::ensemble::{Replica, Scheme, compare};
use zookeeper_exporter::reply::{self, hash as reply_hash};
use zookeeper_exporter::scrape::reading::Replies;

use super::mntr::page_holds;
use super::replies::heard;

/// Two replies, separated by a zero byte.
pub fn hash(data: &[u8]) {
    let middle = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (one, other) = (&data[..middle], data.get(middle + 1..).unwrap_or(&[]));
    let logs = [one, other].map(|bytes| {
        let text = reply::text(bytes);
        let log = reply_hash::parse(&text);
        assert!(log.entries.len() <= reply_hash::MAX_DIGESTS);
        assert!(log.entries.is_sorted_by(|(earlier, _), (later, _)| earlier < later));
        let (_, from_json) = reply_hash::from_json(&text);
        assert!(from_json.entries.len() <= reply_hash::MAX_DIGESTS);
        let replies = Replies {
            hash: Some(heard(Command::Hash, bytes)),
            admin_hash: Some(heard(Command::AdminHash, bytes)),
            ..Replies::default()
        };
        page_holds(&replies.report("zk-1:2181".into(), None));
        log
    });
    let [one, other] = logs.map(|log| Replica {
        member: "zk-1:2181".into(),
        live_after: log.entries.first().map(|(zxid, _)| *zxid),
        scheme: Scheme::Version(2),
        log,
    });
    let found = |pair: [&Replica; 2]| {
        let pair = compare(&pair.map(Clone::clone));
        pair.first().map(|pair| (pair.zxid, pair.difference))
    };
    assert_eq!(found([&one, &other]), found([&other, &one]));
    assert!(found([&one, &one]).is_none_or(|(_, difference)| difference.is_none()), "a log differs from itself");
}

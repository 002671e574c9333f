//! ZooKeeper's own metrics endpoint: any body is classified, and equal figures give the same samples as `mntr`.

use arbitrary::Unstructured;
use zookeeper_exporter::config::Command;
use zookeeper_exporter::reply::{self, ReplyKind, mntr, native as reply_native};
use zookeeper_exporter::scrape::reading::Replies;
use zookeeper_exporter::scrape::typed::typed;

use super::lines;
use super::mntr::page_holds;
use super::replies::heard;

/// Parses arbitrary bytes as a body, and the endpoint's format of a generated `mntr` reply.
pub fn native(data: &[u8]) {
    let body = reply::text(data);
    let (kind, text) = reply_native::as_mntr(&body);
    assert!(kind == ReplyKind::Answer || text.is_empty());
    assert!(mntr::lines(&text) <= mntr::lines(&body), "a value adds a line");
    assert!(!mntr::ends_whole(&text) || body.ends_with('\n'), "a cut body passes for whole");
    shown(data);
    if let Ok(text) = lines::reply(&mut Unstructured::new(data)) {
        twin(&text);
    }
}

/// The same entries in both formats must give the same samples.
fn twin(text: &str) {
    let mut body = String::from("fsynctime_count 0.0\n");
    let mut lines = String::from("zk_fsynctime_count\t0.0\n");
    for entry in mntr::entries(text) {
        let name_fits = entry.key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let value_fits =
            !entry.value.is_empty() && !entry.value.contains(|c: char| c.is_whitespace() || c.is_control());
        if !name_fits
            || entry.key.is_empty()
            || !value_fits
            || entry.labels.is_some()
            || entry.key.ends_with("_created")
        {
            continue;
        }
        body.push_str(&format!("{} {}\n", entry.key, entry.value));
        lines.push_str(&format!("zk_{}\t{}\n", entry.key, entry.value));
    }
    let (kind, as_mntr) = reply_native::as_mntr(&body);
    assert_eq!((kind, &*as_mntr), (ReplyKind::Answer, &*lines));
    let (from_endpoint, _) = typed(mntr::entries(&as_mntr), 0, 10_000);
    let (from_text, _) = typed(mntr::entries(&lines), 0, 10_000);
    assert_eq!(format!("{from_endpoint:?}"), format!("{from_text:?}"));
}

fn shown(body: &[u8]) {
    let replies = Replies { native: Some(heard(Command::Native, body)), ..Replies::default() };
    page_holds(&replies.report("zk-1:2181".into(), None));
}

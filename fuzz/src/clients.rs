//! Connections by client: parsing is bounded, no connection is lost in a sum, and a mask only merges clients.

use std::time::Duration;

use zookeeper_exporter::config::Command;
use zookeeper_exporter::config::probes::AddressMask;
use zookeeper_exporter::ensemble::{MemberClients, PacketCounters};
use zookeeper_exporter::reply::{self, cons as reply_cons};
use zookeeper_exporter::scrape::reading::Replies;

use super::mntr::page_holds;
use super::replies::heard;

/// A reply to `cons`, or the JSON of the AdminServer.
pub fn cons(data: &[u8]) {
    let text = reply::text(data);
    for list in [reply_cons::parse(&text), reply_cons::from_json(&text).1] {
        let all = list.by_port.concat();
        assert!(all.len() * 20 <= text.len());
        let counters = PacketCounters::of(&list);
        let of = |mask: Option<u8>| {
            let earlier = Some((&counters, Duration::from_secs(1)));
            MemberClients::new("zk-1:2181".into(), &list, Some(60), mask.and_then(AddressMask::new), earlier)
        };
        let (each, networks) = (of(None), of(Some(24)));
        assert_eq!(each.total().connections, all.len() as u64);
        assert_eq!(networks.total().connections, all.len() as u64);
        assert!(networks.by_client.len() <= each.by_client.len());
        assert!(networks.limited.values().max() == each.limited.values().max());
        assert!(each.limit_ratios().all(|(_, ratio)| ratio > 0.0 && ratio.is_finite()));
    }
    let replies = Replies {
        cons: Some(heard(Command::Cons, data)),
        admin_connections: Some(heard(Command::AdminConnections, data)),
        ..Replies::default()
    };
    page_holds(&replies.report("zk-1:2181".into(), None));
}

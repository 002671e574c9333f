//! Five voters, two of them (including the leader) partitioned from the others; the exporter reaches all. Needs root.

use std::time::Instant;

use crate::apart::Apart;
use crate::bench::Bench;
use crate::{Expected, Row, prove};

pub fn partition(rows: &mut Vec<Row>) {
    let apart = Apart::start(5, 10);
    let members: Vec<String> = (1..=5).map(|id| apart.member(id)).collect();
    let mut bench = Bench::start(&format!("ensembles: [{{name: e, members: [{}]}}]\n", members.join(", ")), 1);
    let begun = Instant::now();
    bench.until("the five have met", || bench.query("zk_ensemble_quorum_margin") == Some(2.0));
    let leads = |bench: &Bench| {
        let leader = (1..=5).find(|id| {
            bench.query(&format!("zk_server_state{{state=\"leader\",member=\"{}\"}}", apart.member(*id))) == Some(1.0)
        });
        leader.unwrap()
    };
    let old = leads(&bench);
    let small = [old, old % 5 + 1];
    let large: Vec<usize> = (1..=5).filter(|id| !small.contains(id)).collect();
    let roads = || small.iter().flat_map(|one| large.iter().map(move |other| (*one, *other)));
    for (member, alert, severity, says, fault) in [
        (
            None,
            "ZooKeeperQuorumMarginZero",
            "warning",
            "have exceeded a majority by only 0",
            "two of five cut off, the leader with them",
        ),
        (
            Some(apart.member(small[1])),
            "ZooKeeperMemberReadOnly",
            "critical",
            "read-only",
            "two of five cut off: a member of the small side",
        ),
    ] {
        rows.push(prove(
            &mut bench,
            &Expected { fault, alert, severity, member: member.as_deref(), says },
            |_| roads().for_each(|(one, other)| apart.cut(one, other)),
            |bench| {
                roads().for_each(|(one, other)| apart.mend(one, other));
                bench.until("all are back", || bench.query("zk_ensemble_quorum_margin") == Some(2.0));
            },
        ));
    }
    let untrue: Vec<_> = bench
        .since(begun)
        .into_iter()
        .map(|notice| notice.labels["alertname"].clone())
        .filter(|name| {
            ["ZooKeeperQuorumLost", "ZooKeeperMultipleLeaders", "ZooKeeperMemberDown"].contains(&name.as_str())
        })
        .collect();
    assert!(untrue.is_empty(), "the large side serves, and all answer the exporter: {untrue:?}");
}

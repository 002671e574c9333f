//! Member lists that do not match the ensemble, and two exporters of which one fails.

use crate::bench::Bench;
use crate::live::{Ensemble, forwarder};
use crate::long::{expected, first};
use crate::{Row, prove};

fn list(members: &[String]) -> String {
    let quoted: Vec<String> = members.iter().map(|member| format!("'{member}'")).collect();
    format!("ensembles: [{{name: e, members: [{}]}}]\n", quoted.join(", "))
}

/// The member list of the configuration is wrong.
pub fn lists_that_do_not_fit(rows: &mut Vec<Row>) {
    let (ensemble, other) = (Ensemble::start(&[]), Ensemble::start(&[]));
    let members = ensemble.members();
    let right = list(&members);
    let mut bench = Bench::start(&right, 1);
    let begun = std::time::Instant::now();
    let mixed = list(&[members.clone(), other.members()].concat());
    rows.push(prove(
        &mut bench,
        &expected(
            "two ensembles in one list",
            "ZooKeeperEnsemblesMixed",
            "warning",
            None,
            "belong to another ensemble",
        ),
        |bench| bench.configure(0, &mixed),
        |bench| bench.configure(0, &right),
    ));
    let leaders = bench.since(begun).into_iter().filter(|notice| notice.labels["severity"] == "critical");
    let leaders: Vec<_> = leaders.map(|notice| notice.labels["alertname"].clone()).collect();
    assert!(leaders.is_empty(), "two healthy ensembles in one list are not a fault: {leaders:?}");
    let twice = list(&[members.clone(), vec![forwarder(members[0].clone())]].concat());
    rows.push(prove(
        &mut bench,
        &expected(
            "a server listed under two addresses",
            "ZooKeeperMemberListedTwice",
            "warning",
            None,
            "already listed under another address",
        ),
        |bench| bench.configure(0, &twice),
        |bench| bench.configure(0, &right),
    ));
    let short = list(&members[..2]);
    rows.push(prove(
        &mut bench,
        &expected("a voter that is not in the list", "ZooKeeperVoterNotWatched", "warning", None, "1 voter(s)"),
        |bench| bench.configure(0, &short),
        |bench| bench.configure(0, &right),
    ));
}

/// One of two exporters is killed together with the quorum, or cannot reach all members.
pub fn two_exporters(rows: &mut Vec<Row>) {
    let ensemble = Ensemble::start(&[]);
    let members = ensemble.members();
    let right = list(&members);
    let mut bench = Bench::start(&right, 2);
    rows.push(prove(
        &mut bench,
        &expected(
            "one of two exporters dies together with two of three members",
            "ZooKeeperQuorumLost",
            "critical",
            None,
            "not-serving",
        ),
        |bench| {
            ensemble.run(&["kill", "follower"]);
            ensemble.run(&["kill", "leader"]);
            bench.stop_exporter(1);
        },
        |bench| {
            bench.start_exporter(1);
            ensemble.run(&["restart", "down"]);
            ensemble.run(&["restart", "down", "--wait"]);
        },
    ));
    let (_, follower) = first(&ensemble, "follower");
    let elsewhere = right.replace(&follower, "127.0.0.1:1");
    assert_ne!(elsewhere, right);
    let blind = format!("{right}modules: {{default: {{tls: {{insecure_skip_verify: true}}}}}}\n");
    rows.push(prove(
        &mut bench,
        &expected(
            "one of two exporters speaks TLS to plain members",
            "ZooKeeperExporterBlind",
            "warning",
            None,
            "3 member(s)",
        ),
        |bench| bench.configure(1, &blind),
        |bench| bench.configure(1, &right),
    ));
}

//! Edge cases of the verdict that real ensembles do not reach; found as mutations that no test detected.

use std::collections::BTreeSet;
use std::sync::Arc;

use zookeeper_exporter::alert::Thresholds;
use zookeeper_exporter::ensemble::Known;
use zookeeper_exporter::incident::Judged;
use zookeeper_exporter::scrape::{EnsembleReport, MemberReport, Report, Samples};
use zookeeper_exporter::verdict::{Difference, Mark, Verdict, findings, judge};

use crate::common::member;

/// `zk-ID:2181` with `srvr`, `mntr` and `conf` replies; `servers` are lines of the membership.
fn made(id: usize, mode: &str, zxid: u64, servers: &[&str]) -> MemberReport {
    counting(2, id, mode, zxid, servers)
}

/// Like `made`, with a number of synced followers.
fn counting(synced: usize, id: usize, mode: &str, zxid: u64, servers: &[&str]) -> MemberReport {
    let srvr = format!("Zookeeper version: 3.8.0-x, built\nZxid: 0x{zxid:x}\nMode: {mode}\nNode count: 5\n");
    let mntr = format!("zk_version\t3.8.0-x\nzk_server_state\t{mode}\nzk_synced_followers\t{synced}\n");
    let conf = format!("clientPort=2181\nserverId={id}\nmembership: \n{}\nversion=0", servers.join("\n"));
    let conf = (!servers.is_empty()).then_some(conf);
    member(&format!("zk-{id}:2181"), Some(mntr.as_bytes()), Some(srvr.as_bytes()), conf.as_deref().map(str::as_bytes))
}

fn report(members: Vec<MemberReport>) -> EnsembleReport {
    EnsembleReport { name: "prod".into(), members, known: Known::default(), samples: Samples::default() }
}

const VOTERS: [&str; 5] = [
    "server.1=zk-1:2888:3888:participant;0.0.0.0:2181",
    "server.2=zk-2:2888:3888:participant;0.0.0.0:2181",
    "server.3=zk-3:2888:3888:participant;0.0.0.0:2181",
    "server.4=zk-4:2888:3888:participant;0.0.0.0:2181",
    "server.5=zk-5:2888:3888:participant;0.0.0.0:2181",
];

fn said(report: &EnsembleReport, part: &str) -> bool {
    findings(report, &judge(report)).iter().any(|finding| finding.text.contains(part))
}

#[test]
fn an_even_number_of_voters_is_reported() {
    let of = |count: usize| {
        let servers = &VOTERS[..count];
        let mode = |id| if id == 1 { "leader" } else { "follower" };
        report((1..=count).map(|id| made(id, mode(id), 1 << 32 | 5, servers)).collect())
    };
    assert!(said(&of(4), "4 voters tolerate no more failures than 3"));
    assert!(!said(&of(3), "tolerate no more failures"));
}

#[test]
fn an_epoch_near_its_zxid_limit_is_reported() {
    let rollover = |sequence: u64| {
        let report = report(vec![made(1, "leader", 1 << 32 | sequence, &[])]);
        let (verdict, report) = (judge(&report), Arc::new(report));
        let all = Arc::new(Report { ensembles: vec![Arc::clone(&report)] });
        let found = Judged::new(all, None, &Thresholds::default()).findings(&report, &verdict);
        found.iter().any(|finding| finding.alert() == Some("ZooKeeperZxidRollover"))
    };
    assert!(rollover(0xf000_0000) && !rollover(0x1000));
}

#[test]
fn only_followers_have_a_lag() {
    let all = vec![
        made(1, "leader", 1 << 32 | 9, &[]),
        made(2, "follower", 1 << 32 | 7, &[]),
        made(3, "read-only", 1 << 32 | 2, &[]),
    ];
    assert_eq!(judge(&report(all)).lags, [Some(0), Some(2), None]);
}

#[test]
fn the_leader_is_a_voter_regardless_of_the_configuration() {
    let mut report = report(vec![made(1, "leader", 1 << 32 | 9, &[]), made(2, "follower", 1 << 32 | 9, &[])]);
    report.known.observers = BTreeSet::from(["zk-1:2181".into(), "zk-2:2181".into()]);
    assert_eq!(judge(&report).votes, [true, false]);
}

#[test]
fn a_silent_member_is_known_by_its_address() {
    let servers = [VOTERS[0], "server.2=zk-2:2888:3888:observer;0.0.0.0:2181", VOTERS[2]];
    let silent = |id: usize| MemberReport::silent(format!("zk-{id}:2181").into());
    let report = report(vec![made(1, "leader", 1 << 32 | 9, &servers), silent(2), silent(3)]);
    assert_eq!(judge(&report).votes, [true, false, true]);
}

#[test]
fn a_standalone_server_differs_and_a_silent_member_does_not() {
    let mut alone = made(3, "standalone", 1 << 32 | 9, &[]);
    let silent = made(4, "follower", 1 << 32 | 9, &[]);
    let two = [made(1, "leader", 1 << 32 | 9, &VOTERS), made(2, "follower", 1 << 32 | 9, &VOTERS)];
    alone.conf = member("x:1", None, None, Some(b"clientPort=2181\nserverId=0")).conf;
    let [one, other] = two;
    let verdict = judge(&report(vec![one, other, alone, silent]));
    let servers = verdict.drift.differences.iter().find(|difference| difference.key == "servers");
    let servers = servers.unwrap_or_else(|| panic!("{:?}", verdict.drift));
    assert_eq!(
        servers.by_value(),
        [("1 2 3 4 5", vec![0, 1]), ("none: standalone", vec![2])],
        "member 4 does not report it"
    );
}

#[test]
fn differing_values_are_listed_with_their_members() {
    let value = |text: &str| Some(text.to_owned());
    let difference = Difference { key: "tickTime".into(), values: vec![value("2"), None, value("3"), value("2")] };
    assert_eq!(difference.by_value(), [("2", vec![0, 3]), ("3", vec![2])]);
    assert!(Verdict::is_common("tickTime") && !Verdict::is_common("clientPort"));
}

#[test]
fn two_of_five_are_not_a_majority() {
    let of = |synced: usize| {
        let leader = counting(synced, 1, "leader", 1 << 32 | 9, &VOTERS);
        let followers = (2..=1 + synced).map(|id| made(id, "follower", 1 << 32 | 9, &VOTERS));
        judge(&report(std::iter::once(leader).chain(followers).collect())).quorum
    };
    assert_eq!((of(1).has_quorum(), of(1).margin()), (Some(false), Some(-1)));
    assert_eq!((of(2).has_quorum(), of(2).margin()), (Some(true), Some(0)));
}

#[test]
fn an_older_leader_without_a_majority_is_not_counted() {
    let of = |synced: usize, followers: usize| {
        let mut members =
            vec![counting(0, 1, "leader", 2 << 32 | 1, &VOTERS), counting(synced, 2, "leader", 1 << 32 | 9, &VOTERS)];
        members.extend((3..3 + followers).map(|id| made(id, "follower", 1 << 32 | 9, &VOTERS)));
        judge(&report(members))
    };
    assert_eq!((of(1, 1).leaders, of(1, 1).stale_leaders), (vec![0], vec![1]), "two of five");
    assert_eq!((of(2, 2).leaders, of(2, 2).stale_leaders), (vec![0, 1], vec![]), "three of five");
}

#[test]
fn latency_is_the_mean_of_reads_and_writes() {
    let mark = |reads: u32, writes: u32| {
        let text = format!(
            "zk_version\t3.8.0-x\nzk_sum_readlatency\t{reads}000\nzk_cnt_readlatency\t{reads}\n\
             zk_sum_updatelatency\t{writes}000\nzk_cnt_updatelatency\t{writes}\n"
        );
        Mark::of(&member("zk-1:2181", Some(text.as_bytes()), None, None))
    };
    // Each took one second, read or write.
    assert_eq!(mark(30, 50).since(&mark(10, 10), 1.0).latency, Some(1.0));
}

#[test]
fn without_mntr_and_with_unlisted_members_the_quorum_is_unknown() {
    let without_mntr = |id: usize, mode: &str| {
        let srvr = format!("Zookeeper version: 3.8.0-x, built\nZxid: 0x100000009\nMode: {mode}\nNode count: 5\n");
        let conf = format!("clientPort=2181\nserverId={id}\nmembership: \n{}\nversion=0", VOTERS.join("\n"));
        member(&format!("zk-{id}:2181"), None, Some(srvr.as_bytes()), Some(conf.as_bytes()))
    };
    let verdict = judge(&report(vec![without_mntr(1, "leader"), without_mntr(2, "follower")]));
    assert_eq!((verdict.quorum.has_quorum(), verdict.quorum.margin()), (None, None));
    let three = vec![without_mntr(1, "leader"), without_mntr(2, "follower"), without_mntr(3, "follower")];
    assert_eq!(judge(&report(three)).quorum.has_quorum(), Some(true));
}

//! Edges of the verdict that the states of a real ensemble do not reach: found as mutations that no test noticed.

use std::collections::BTreeSet;

use zookeeper_exporter::ensemble::Known;
use zookeeper_exporter::scrape::{EnsembleReport, MemberReport, Samples};
use zookeeper_exporter::verdict::{Difference, Mark, Verdict, findings, judge};

use crate::common::member;

/// `zk-ID:2181`, as `srvr`, `mntr` and `conf` show it; `servers` are lines of a membership.
fn made(id: usize, mode: &str, zxid: u64, servers: &[&str]) -> MemberReport {
    counting(2, id, mode, zxid, servers)
}

/// The same, with so many followers in sync.
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
fn an_even_number_of_voters_is_said_and_an_odd_one_is_not() {
    let of = |count: usize| {
        let servers = &VOTERS[..count];
        let mode = |id| if id == 1 { "leader" } else { "follower" };
        report((1..=count).map(|id| made(id, mode(id), 1 << 32 | 5, servers)).collect())
    };
    assert!(said(&of(4), "4 voters survive no more failures than 3 would"));
    assert!(!said(&of(3), "survive no more failures"));
}

#[test]
fn an_epoch_that_is_nearly_used_up_is_said() {
    assert!(said(&report(vec![made(1, "leader", 1 << 32 | 0xf000_0000, &[])]), "of the epoch's transaction numbers"));
    assert!(!said(&report(vec![made(1, "leader", 1 << 32 | 0x1000, &[])]), "of the epoch's transaction numbers"));
}

#[test]
fn only_members_that_follow_are_behind() {
    let all = vec![
        made(1, "leader", 1 << 32 | 9, &[]),
        made(2, "follower", 1 << 32 | 7, &[]),
        made(3, "read-only", 1 << 32 | 2, &[]),
    ];
    assert_eq!(judge(&report(all)).lags, [Some(0), Some(2), None]);
}

#[test]
fn who_leads_votes_whatever_the_configuration_says() {
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
fn who_serves_alone_differs_and_who_says_nothing_does_not() {
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
        [("1 2 3 4 5", vec![0, 1]), ("none: it serves alone", vec![2])],
        "member 4 says nothing of it"
    );
}

#[test]
fn values_are_listed_with_those_who_have_them() {
    let value = |text: &str| Some(text.to_owned());
    let difference = Difference { key: "tickTime".into(), values: vec![value("2"), None, value("3"), value("2")] };
    assert_eq!(difference.by_value(), [("2", vec![0, 3]), ("3", vec![2])]);
    assert!(Verdict::is_common("tickTime") && !Verdict::is_common("clientPort"));
}

#[test]
fn two_of_five_are_no_majority() {
    let of = |synced: usize| {
        let leader = counting(synced, 1, "leader", 1 << 32 | 9, &VOTERS);
        let followers = (2..=1 + synced).map(|id| made(id, "follower", 1 << 32 | 9, &VOTERS));
        judge(&report(std::iter::once(leader).chain(followers).collect())).quorum
    };
    assert_eq!((of(1).has_quorum(), of(1).margin()), (Some(false), Some(-1)));
    assert_eq!((of(2).has_quorum(), of(2).margin()), (Some(true), Some(0)));
}

#[test]
fn an_older_leader_without_a_majority_is_no_second_one() {
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
fn latency_is_that_of_reads_and_writes_together() {
    let mark = |reads: u32, writes: u32| {
        let text = format!(
            "zk_version\t3.8.0-x\nzk_sum_readlatency\t{reads}000\nzk_cnt_readlatency\t{reads}\n\
             zk_sum_updatelatency\t{writes}000\nzk_cnt_updatelatency\t{writes}\n"
        );
        Mark::of(&member("zk-1:2181", Some(text.as_bytes()), None, None))
    };
    // Each took a second, whichever it was.
    assert_eq!(mark(30, 50).since(&mark(10, 10), 1.0).latency, Some(1.0));
}

#[test]
fn where_mntr_is_refused_and_not_all_are_asked_nothing_is_said_of_the_quorum() {
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

//! Members that look like others: servers of their own, other ensembles in the list, and members out of sight.

use std::time::Duration;

use zookeeper_exporter::ensemble::Known;
use zookeeper_exporter::exposition::Format;
use zookeeper_exporter::scrape::{EnsembleReport, MemberReport, Samples, State};
use zookeeper_exporter::verdict::{Finding, LeaderState, Verdict, findings, judge};

use crate::common::exporter::Exporter;
use crate::common::listeners::{Listener, closed_port};
use crate::common::{Page, fixtures, member, page, read_page};
use crate::legal::{judged, members, stating};

/// A server with the replies of a fixture, queried in 20 ms. `values` replace those of `mntr`; empty: it refuses `mntr`.
fn server(place: usize, name: &str, values: &[(&str, u64)], zxid: u64, conf: Option<&str>) -> MemberReport {
    let fixture = fixtures().into_iter().find(|fixture| fixture.name == name).unwrap();
    let line = |line: &str| match values.iter().find(|(key, _)| line.starts_with(&format!("zk_{key}\t"))) {
        Some((key, value)) => format!("zk_{key}\t{value}\n"),
        None => format!("{line}\n"),
    };
    let mntr: String = fixture.mntr().lines().map(line).collect();
    let mntr =
        if values.is_empty() { "mntr is not executed because it is not in the whitelist.\n".into() } else { mntr };
    let srvr = String::from_utf8(fixture.read("srvr.txt").unwrap()).unwrap();
    let member =
        member(&format!("m{place}:2181"), Some(mntr.as_bytes()), Some(srvr.as_bytes()), conf.map(str::as_bytes));
    MemberReport { zxid: Some(zxid), duration: Some(Duration::from_millis(20)), ..member }
}

const ALONE: &str = "clientPort=2181\nserverId=0\ntickTime=2000\n";

#[test]
fn standalone_servers_that_started_together_are_not_one_server() {
    let of = |place, uptime, zxid, packets, znodes| {
        let values = [("uptime", uptime), ("packets_received", packets), ("znode_count", znodes)];
        server(place, "3.9.3/standalone", &values, zxid, Some(ALONE))
    };
    let busy = [(7_200_000, 0x5a12, 120_000, 900), (7_201_500, 0x7711, 50_000, 4000), (7_200_700, 0x12, 900, 5)];
    // Only one value differs: the uptime, the data, the clients.
    let started = [(7_200_000, 5, 900, 5), (7_200_400, 5, 900, 5), (7_200_900, 5, 900, 5)];
    let written = [(7_200_000, 5, 900, 5), (7_200_000, 5, 900, 80_000), (7_200_000, 90_000, 900, 5)];
    let read = [(7_200_000, 5, 900, 5), (7_200_000, 5, 9000, 5), (7_200_000, 5, 90_000, 5)];
    for values in [busy, started, written, read] {
        let all: Vec<MemberReport> =
            values.iter().zip(0..).map(|((u, z, p, n), place)| of(place, *u, *z, *p, *n)).collect();
        for conf in [true, false] {
            let strip = |member: &MemberReport| MemberReport { conf: None, ..member.clone() };
            let made = if conf { all.clone() } else { all.iter().map(strip).collect() };
            let (verdict, found) = judged(made);
            assert_eq!((verdict.duplicates, verdict.strangers), (vec![], vec![0, 1, 2]), "{values:?}");
            assert!(found[0].text.contains("is a standalone server"), "{found:?}");
        }
    }
    // The replies to two queries of one server.
    let twice = [(7_200_000, 5000, 120_000, 900), (7_200_015, 5020, 120_300, 903)];
    let made = twice.iter().zip(0..).map(|((u, z, p, n), place)| of(place, *u, *z, *p, *n)).collect();
    assert_eq!(judged(made).0.duplicates, [(1, 0)]);
}

#[test]
fn servers_without_an_uptime_and_with_few_packets_are_not_one_server() {
    for (release, conf) in [("3.4.14", Some(ALONE)), ("3.4.14", None), ("3.5.10", Some(ALONE))] {
        for values in [&[("packets_received", 100)][..], &[]] {
            let of = |place| server(place, &format!("{release}/standalone"), values, 5, conf);
            assert_eq!(judged(vec![of(0), of(1)]).0.duplicates, [], "{release}");
        }
    }
}

#[test]
fn leaders_without_conf_are_one_only_if_all_metrics_agree() {
    let of = |place, uptime, zxid| {
        let values = [("uptime", uptime), ("synced_followers", 1)];
        server(place, "3.9.3/leader", &values, (1_u64 << 32) | zxid, None)
    };
    let leaders = |other| {
        let verdict = judged(vec![of(0, 7_200_000, 500), other]).0;
        (verdict.leaders, verdict.duplicates)
    };
    assert_eq!(leaders(of(1, 7_200_900, 500)), (vec![0, 1], vec![]));
    assert_eq!(leaders(of(1, 7_200_000, 9000)), (vec![0, 1], vec![]));
    assert_eq!(leaders(of(1, 7_200_030, 520)), (vec![0], vec![(1, 0)]));
    // Without an uptime, after an election: few packets, all figures nearly equal.
    let of = |place, packets, zxid| {
        server(place, "3.4.14/leader", &[("packets_received", packets)], (1_u64 << 32) | zxid, None)
    };
    let leaders = |other| judged(vec![of(0, 40, 500), other]).0.duplicates;
    assert_eq!(leaders(of(1, 46, 502)), [(1, 0)]);
    assert_eq!(leaders(of(1, 46, 900)), []);
    assert_eq!(leaders(of(1, 400, 502)), []);
}

fn with(members: Vec<MemberReport>, known: Known) -> (Verdict, Vec<Finding>) {
    let report = EnsembleReport { name: "prod".into(), members, known, samples: Samples::default() };
    let verdict = judge(&report);
    let found = findings(&report, &verdict);
    (verdict, found)
}

/// These members of a membership, all not serving.
#[test]
fn one_query_cannot_distinguish_a_hung_leader_from_one_out_of_sight() {
    let mut made = members("leader-serves-no", &[]);
    made[2] = MemberReport::silent("zk-3:2181".into());
    let (verdict, found) = with(made.clone(), Known { one_shot: true, ..Known::default() });
    assert_eq!((verdict.leader_state, verdict.quorum.has_quorum()), (LeaderState::Hidden, None));
    assert!(found.iter().any(|finding| finding.member.as_deref() == Some("zk-3:2181")), "{found:?}");
    assert_eq!(judged(made).0.leader_state, LeaderState::Silent);
}

#[test]
fn a_probe_by_address_does_not_report_a_silent_leader() {
    let texts = |name: &str, conf: &'static str| {
        let fixture = fixtures().into_iter().find(|fixture| fixture.name == name).unwrap();
        let srvr = String::from_utf8(fixture.read("srvr.txt").unwrap()).unwrap();
        Listener::answering_words(&[("mntr", &fixture.mntr()), ("srvr", &srvr), ("conf", conf)])
    };
    let refused = "conf is not executed because it is not in the whitelist.\n";
    let followers = [texts("3.9.3/follower", refused), texts("3.9.3/follower", refused)];
    let list = format!("{},{},{}", followers[0].address, followers[1].address, closed_port());
    let exporter = Exporter::start(&["--zookeeper", &format!("one={list}")]);
    let read = |path: &str| -> Page {
        read_page(exporter.get(path, &[("X-Prometheus-Scrape-Timeout-Seconds", "5")]).text(), Format::Classic).unwrap()
    };
    let bare = read(&format!("/probe?target={list}&ensemble=bare"));
    assert_eq!(bare.value("zk_ensemble_leader_state", &[("state", "hidden")]), Some(1.0));
    assert_eq!(
        (bare.value("zk_ensemble_has_quorum", &[]), bare.value("zk_ensemble_members_up", &[])),
        (None, Some(2.0))
    );
    // With memory, the first scrapes may be those of a leader that hangs.
    let configured = read("/probe?ensemble=one");
    assert_eq!(configured.value("zk_ensemble_leader_state", &[("state", "silent")]), Some(1.0));
}

#[test]
fn a_state_with_blanks_is_read_and_another_one_is_unknown() {
    let srvr = |mode: &str| {
        format!(
            "Zookeeper version: 3.9.3-x, built on 2024-10-17 23:21 UTC\nLatency min/avg/max: 0/0.0/0\nReceived: 1\n\
        Sent: 1\nConnections: 1\nOutstanding: 0\nZxid: 0x100000001\nMode: {mode}\nNode count: 5\n"
        )
    };
    let of = |mode: &str| {
        let refused = "mntr is not executed because it is not in the whitelist.\n";
        member("zk-9:2181", Some(refused.as_bytes()), Some(srvr(mode).as_bytes()), None)
    };
    assert_eq!(of("leader ").state, State::Leader);
    assert_eq!(of(" Follower ").state, State::Follower);
    let odd = of("observer-reconnecting");
    assert_eq!((odd.up, odd.state), (true, State::Unknown));
    let mut made = members("one-server-two-names", &[]);
    made[3] = odd;
    let text = page(&crate::common::report(made.clone()), Format::Classic);
    assert!(text.contains("zk_up{ensemble=\"prod\",member=\"zk-9:2181\"} 1"), "{text}");
    assert!(!text.contains("zk_serving{ensemble=\"prod\",member=\"zk-9:2181\"}"), "{text}");
    let (verdict, found) = judged(made);
    assert_eq!(verdict.quorum.has_quorum(), Some(true));
    let told: Vec<&Finding> = found.iter().filter(|finding| finding.member.as_deref() == Some("zk-9:2181")).collect();
    assert!(told.iter().any(|finding| finding.text.contains("state that the exporter does not know")), "{found:?}");
    assert!(!told.iter().any(|finding| finding.text.contains("is refused")), "{found:?}");
}

/// Three members without `conf`; the last one leads, with two followers.
fn three(first: usize, epoch: u64) -> Vec<MemberReport> {
    let of = |offset: usize| {
        let values = [("uptime", 90_000_000 + offset as u64), ("synced_followers", 2), ("quorum_size", 3)];
        let role = if offset == 2 { "3.9.3/leader" } else { "3.9.3/follower" };
        server(first + offset, role, &values, epoch << 32 | offset as u64, None)
    };
    (0..3).map(of).collect()
}

#[test]
fn two_complete_ensembles_without_conf_are_told_apart_by_their_epochs() {
    for (first, second) in [(5, 7), (7, 5)] {
        let (verdict, found) = judged([three(0, first), three(3, second)].concat());
        assert_eq!((verdict.leaders.clone(), verdict.foreign.clone(), verdict.mixed), (vec![2], vec![3, 4, 5], true));
        assert_eq!((verdict.quorum.voters, verdict.quorum.margin()), (3, Some(1)), "{found:?}");
        assert!(found[0].text.contains("members of two ensembles"), "{found:?}");
        // The larger part is the ensemble.
        let mut made = [three(0, first), three(3, second)].concat();
        made.remove(0);
        made[1] = server(2, "3.9.3/leader", &[("synced_followers", 1), ("quorum_size", 3)], first << 32 | 9, None);
        let (verdict, found) = judged(made);
        assert_eq!((verdict.leaders, verdict.foreign), (vec![4], vec![0, 1]), "{found:?}");
    }
    // A leader that was paused claims the followers of the new one.
    let mut resumed = three(0, 5);
    resumed[1] = server(1, "3.9.3/leader", &[("synced_followers", 1), ("quorum_size", 3)], 6 << 32, None);
    let verdict = judged(resumed).0;
    assert_eq!((verdict.leaders, verdict.stale_leaders, verdict.foreign), (vec![1], vec![2], vec![]));
}

#[test]
fn a_server_may_write_its_own_line_with_an_internal_name() {
    for memberships in [
        ["1=ip-10-0-0-1.internal 2=zk-2", "1=zk-1 2=ip-10-0-0-2.internal"].as_slice(),
        &["1=10.0.0.1 2=192.0.2.2", "1=192.0.2.1 2=10.0.0.2"],
        &["1=a.internal 2=zk-2 3=zk-3", "1=zk-1 2=b.internal 3=zk-3", "1=zk-1 2=zk-2 3=c.internal"],
    ] {
        let (verdict, found) = judged(stating(memberships));
        assert_eq!(verdict.strangers, Vec::<usize>::new(), "{memberships:?} {found:?}");
        assert_eq!(verdict.quorum.serving, memberships.len() as u64, "{memberships:?}");
    }
    // One of three is enough to compare, and two servers with one id are not one ensemble.
    for memberships in [
        ["1=zk-1 2=zk-2 3=zk-3", "1=kafka-1 2=kafka-2 3=kafka-3"].as_slice(),
        &["1=zk-1 2=zk-2", "1=zk-1 2=zk-2", "1=kafka-1 2=kafka-2", "1=kafka-1 2=kafka-2"],
    ] {
        assert!(!judged(stating(memberships)).0.foreign.is_empty(), "{memberships:?}");
    }
}

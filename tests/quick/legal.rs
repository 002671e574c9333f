//! Unusual but valid ensemble configurations: each is judged correctly.
//!
//! `tests/legal/NAME/mN` has the replies of member N, reconstructed from public reports and real servers; a member
//! without replies is down.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use zookeeper_exporter::config::Command;
use zookeeper_exporter::ensemble::{Known, LastLeader};
use zookeeper_exporter::exposition::Format;
use zookeeper_exporter::scrape::reading::{ParsedReply, Replies};
use zookeeper_exporter::scrape::{EnsembleReport, MemberReport, Samples, Source, State};
use zookeeper_exporter::verdict::{Finding, LeaderState, Level, Verdict, findings, judge};
use zookeeper_exporter::wire::{Exchange, Failure, Reason};

use crate::common::exporter::{Exporter, run};
use crate::common::listeners::closed_port;
use crate::common::replies::{READING, heard};
use crate::common::{member, named_page, page, read_page, root};

/// The members of a folder, named `zk-1:2181` etc., with text in their replies replaced.
pub fn members(name: &str, changes: &[(&str, &str)]) -> Vec<MemberReport> {
    let folder = root().join("tests/legal").join(name);
    let count = std::fs::read_dir(&folder).unwrap().count();
    let read = |id: usize, file: &str| {
        let mut text = std::fs::read_to_string(folder.join(format!("m{id}/{file}.txt"))).ok()?;
        for (from, to) in changes {
            text = text.replace(from, to);
        }
        Some(text.into_bytes())
    };
    let of = |id| {
        let (mntr, srvr, conf) = (read(id, "mntr"), read(id, "srvr"), read(id, "conf"));
        member(&format!("zk-{id}:2181"), mntr.as_deref(), srvr.as_deref(), conf.as_deref())
    };
    (1..=count).map(of).collect()
}

fn report(members: Vec<MemberReport>, known: Known) -> EnsembleReport {
    EnsembleReport { name: "prod".into(), members, known, samples: Samples::default() }
}

pub fn judged(members: Vec<MemberReport>) -> (Verdict, Vec<Finding>) {
    known(members, Known::default())
}

fn known(members: Vec<MemberReport>, known: Known) -> (Verdict, Vec<Finding>) {
    let report = report(members, known);
    let verdict = judge(&report);
    let found = findings(&report, &verdict);
    for finding in &found {
        let text = finding.text.to_lowercase();
        assert!(!text.contains("kill") && !text.contains("stop one"), "{text}");
    }
    (verdict, found)
}

/// Voters, synced voters, quorum margin, has quorum.
fn numbers(verdict: &Verdict) -> (u64, Option<u64>, Option<i64>, Option<bool>) {
    let quorum = verdict.quorum;
    (quorum.voters, quorum.synced, quorum.margin(), quorum.has_quorum())
}

fn texts(found: &[Finding]) -> Vec<&str> {
    found.iter().map(|finding| finding.text.as_str()).collect()
}

fn worst(found: &[Finding]) -> Option<Level> {
    found.first().map(|finding| finding.level)
}

fn silent(member: &MemberReport) -> MemberReport {
    MemberReport { conf: member.conf.clone(), ..MemberReport::silent(Arc::clone(&member.name)) }
}

fn not_serving(member: &MemberReport) -> MemberReport {
    MemberReport { up: true, state: State::NotServing, ..silent(member) }
}

const LONG: Known = Known {
    newest: std::collections::BTreeMap::new(),
    replicas: None,
    clients: None,
    observers: std::collections::BTreeSet::new(),
    quorum_size: None,
    unseen: Some(Duration::from_mins(2)),
    one_shot: false,
    short: None,
    leader: None,
    apart: std::collections::BTreeSet::new(),
    zones: std::collections::BTreeMap::new(),
};

/// The remembered leadership of member 3 in this epoch.
fn led(epoch: u64) -> LastLeader {
    LastLeader { member: "zk-3:2181".into(), epoch, serves_no_clients: false }
}

#[test]
fn a_leader_that_serves_no_clients_is_not_an_outage() {
    // While the leader may still be a hung one, the quorum is unknown and no failure is reported.
    let (verdict, found) = judged(members("leader-serves-no", &[]));
    assert_eq!((verdict.leader_state, verdict.suspect, verdict.leader), (LeaderState::Hidden, Some(2), None));
    assert_eq!(numbers(&verdict), (3, None, None, None));
    assert_eq!(worst(&found), Some(Level::Notice), "{found:?}");
    // After that the followers' reports are sufficient.
    let (verdict, found) = known(members("leader-serves-no", &[]), LONG);
    assert_eq!(
        (verdict.leader_state, verdict.leader, verdict.leaders.clone()),
        (LeaderState::Hidden, Some(2), vec![2])
    );
    assert_eq!(numbers(&verdict), (3, Some(3), Some(1), Some(true)));
    assert_eq!(worst(&found), Some(Level::Notice), "{found:?}");
    // A follower that is down as well is reported as such.
    let mut made = members("leader-serves-no", &[]);
    made[0] = silent(&made[0]);
    let hidden = Known { leader: Some(led(5)), ..LONG };
    let (verdict, found) = known(made, hidden);
    assert_eq!((verdict.leader, numbers(&verdict)), (Some(2), (3, Some(2), Some(0), Some(true))));
    assert!(texts(&found).iter().any(|text| text.contains("exactly a majority")), "{found:?}");
}

#[test]
fn the_admin_server_reports_a_leader_that_serves_no_clients() {
    let body = br#"{"version":"3.5.9-x, built on 2021","avg_latency":0,"max_latency":0,"min_latency":0,"packets_received":1,
        "packets_sent":1,"num_alive_connections":1,"outstanding_requests":0,"server_state":"leader","znode_count":5,
        "watch_count":0,"ephemerals_count":0,"approximate_data_size":27,"open_file_descriptor_count":40,
        "max_file_descriptor_count":4096,"followers":2,"synced_followers":2,"pending_syncs":0,"command":"monitor","error":null}"#;
    let refuses = b"This ZooKeeper instance is not currently serving requests\n";
    let replies = Replies {
        mntr: Some(heard(Command::Mntr, refuses)),
        srvr: Some(heard(Command::Srvr, refuses)),
        monitor: Some(heard(Command::Monitor, body)),
        ..Replies::default()
    };
    let leader = replies.report("zk-3:2181".into(), None);
    assert_eq!((leader.state, leader.complete, leader.failures.len()), (State::Leader, true, 0));
    assert_eq!(leader.identity.as_ref().map(|identity| identity.source), Some(Source::AdminServer));
    let mut made = members("leader-serves-no", &[]);
    made[2] = leader;
    let (verdict, found) = judged(made);
    assert_eq!((verdict.leader_state, numbers(&verdict)), (LeaderState::Seen, (3, Some(3), Some(1), Some(true))));
    assert_eq!(found, []);
}

#[test]
fn a_hung_leader_is_distinguished_from_a_hidden_one() {
    let made = || {
        let mut made = members("leader-serves-no", &[]);
        made[2] = MemberReport::silent("zk-3:2181".into());
        made
    };
    // Its followers have not timed out yet: writes may fail.
    for unseen in [None, Some(Duration::from_secs(4))] {
        let (verdict, found) = known(made(), Known { unseen, ..Known::default() });
        assert_eq!(
            (verdict.leader_state, numbers(&verdict)),
            (LeaderState::Silent, (3, Some(0), Some(-2), Some(false)))
        );
        assert!(found[0].text.contains("If it hangs") && found[0].text.contains("within 6 s"), "{found:?}");
    }
    // They follow it longer than they would follow a hung leader: it is leading.
    let (verdict, found) = known(made(), LONG);
    assert_eq!((verdict.leader_state, numbers(&verdict)), (LeaderState::Hidden, (3, Some(3), Some(1), Some(true))));
    assert!(!texts(&found).iter().any(|text| text.contains("write")), "{found:?}");
    // A follower that has just joined proves nothing.
    let young = |made: Vec<MemberReport>| -> Vec<MemberReport> {
        let real = crate::common::fixtures().into_iter().find(|fixture| fixture.name == "3.8.0/follower").unwrap();
        let text = real.mntr();
        let mntr = text.lines().map(|line| match line.strip_prefix("zk_uptime\t") {
            Some(_) => "zk_uptime\t1500\n".to_owned(),
            None => format!("{line}\n"),
        });
        let mntr: String = mntr.collect();
        made.into_iter()
            .map(|report| match report.state {
                State::Follower => {
                    MemberReport { conf: report.conf, ..member(&report.name, Some(mntr.as_bytes()), None, None) }
                }
                _ => report,
            })
            .collect()
    };
    let (verdict, _) = known(young(made()), LONG);
    assert_eq!(verdict.leader_state, LeaderState::Silent);
}

#[test]
fn the_last_leader_of_the_epoch_leads_among_members_not_serving() {
    let five = [(
        "server.3=zk-3:2888:3888:participant;0.0.0.0:2181",
        "server.3=zk-3:2888:3888:participant;0.0.0.0:2181\nserver.4=zk-4:2888:3888:participant\nserver.5=zk-5:2888:3888:participant",
    )];
    let mut made = members("leader-serves-no", &five);
    let mut third = made[0].clone();
    third.name = "zk-4:2181".into();
    let mut conf = (*third.conf.clone().unwrap()).clone();
    conf.server_id = "4".into();
    third.conf = Some(Arc::new(conf));
    made.push(third);
    made.push(MemberReport { name: "zk-5:2181".into(), ..not_serving(&MemberReport::silent("zk-5:2181".into())) });
    let (verdict, _) = known(made.clone(), LONG);
    assert_eq!((verdict.suspect, verdict.leader, numbers(&verdict).3), (None, None, Some(true)));
    let last = Known { leader: Some(led(5)), ..LONG };
    assert_eq!(known(made.clone(), last).0.leader, Some(2));
    let earlier = Known { leader: Some(led(4)), ..LONG };
    assert_eq!(known(made.clone(), earlier).0.leader, None, "it led another epoch");
    // With leaderServes=no, the only member that is not serving, beside a dead one, leads the next epoch too.
    made[2] = silent(&made[2]);
    let usual = |serves_no_clients| Some(LastLeader { member: "zk-3:2181".into(), epoch: 4, serves_no_clients });
    assert_eq!(known(made.clone(), Known { leader: usual(true), ..LONG }).0.leader, Some(4));
    assert_eq!(known(made, Known { leader: usual(false), ..LONG }).0.leader, None);
}

#[test]
fn an_oracle_may_decide_in_place_of_a_majority() {
    let (verdict, found) = judged(members("oracle-quorum", &[]));
    assert_eq!(numbers(&verdict), (2, Some(1), None, None));
    assert_eq!((verdict.quorum.undecided, verdict.quorum.unsupported, verdict.leader), (true, false, Some(0)));
    assert!(!texts(&found).iter().any(|text| text.contains("o write succeeds")), "{found:?}");
    assert!(texts(&found).iter().any(|text| text.contains("oraclePath")), "{found:?}");
    let lasting = Known { short: Some(Duration::from_mins(1)), ..Known::default() };
    assert!(known(members("oracle-quorum", &[]), lasting).0.quorum.unsupported);
    // A leader that has just started, or is not in broadcast, has no majority yet.
    for change in
        [("zk_leader_uptime\t86400000", "zk_leader_uptime\t1500"), ("leading - broadcast", "leading - discovery")]
    {
        let (verdict, found) = judged(members("oracle-quorum", &[change]));
        assert_eq!(numbers(&verdict), (2, Some(1), Some(-1), Some(false)), "{change:?}");
        assert!(found[0].text.starts_with("No quorum: zk-1:2181 leads with 1 of 2"), "{found:?}");
    }
}

#[test]
fn the_not_serving_reply_of_keeper_is_recognised() {
    let made = members("keeper-not-serving", &[]);
    assert_eq!((made[2].up, made[2].state, made[2].failures.len()), (true, State::NotServing, 0));
    let (verdict, found) = judged(made);
    assert_eq!(numbers(&verdict), (3, Some(2), Some(0), Some(true)));
    assert!(texts(&found).iter().any(|text| text.starts_with("zk-3:2181 is running but not serving")), "{found:?}");
}

#[test]
fn learners_of_keeper_are_counted_separately() {
    let (verdict, found) = judged(members("keeper-learner", &[]));
    assert_eq!(numbers(&verdict), (3, Some(3), Some(1), Some(true)));
    assert_eq!(found, []);
}

#[test]
fn configuration_of_keeper_and_raftkeeper_is_parsed() {
    for (name, ids) in [("keeper-conf", ["1", "2", "3"]), ("raftkeeper", ["1", "2", "3"])] {
        let made = members(name, &[]);
        for (report, id) in made.iter().zip(ids) {
            let identity = report.identity.as_ref().expect("an identity");
            assert_eq!((identity.server_id.as_str(), report.failures.len()), (id, 0), "{name}");
            assert!(report.conf.as_ref().is_some_and(|conf| conf.settings.len() > 3 && conf.membership.is_none()));
        }
        let (verdict, found) = judged(made);
        assert_eq!(numbers(&verdict), (3, Some(3), Some(1), Some(true)), "{name}");
        assert!(verdict.duplicates.is_empty() && worst(&found).is_none_or(|level| level == Level::Notice), "{found:?}");
    }
}

#[test]
fn all_metrics_of_raftkeeper_are_exported() {
    let made = members("raftkeeper", &[("zk_in_snapshot", "zk_snap_count\t619\nzk_build\tv2.0.5-x64\nzk_in_snapshot")]);
    let versions: Vec<&str> = made.iter().map(|report| &*report.identity.as_ref().unwrap().version).collect();
    assert_eq!(versions, ["v2.0.5", "v2.0.5", "v2.0.4"]);
    for report in &made {
        assert_eq!(report.samples.dropped().len(), 0, "{:?}", report.samples.dropped());
        assert_eq!((report.epoch(), report.count("snap_count")), (Some(1), None));
    }
    let (verdict, _) = judged(made.clone());
    assert_eq!((verdict.drift.versions, verdict.lags), (Some(2), vec![Some(0); 3]));
    // Snapshots created are not snapshots sent.
    let text = page(&crate::common::report(made), Format::Classic);
    assert!(text.contains("key=\"snap_count\"} 619") && !text.contains("zk_snaps_total{"), "{text}");
}

#[test]
fn wrapped_negative_counts_are_not_exported() {
    const WRAPPED: [&str; 3] = ["18446744073709551615", "9223372036854775808", "1.8446744073709552E19"];
    for wrapped in WRAPPED {
        let change = format!("zk_ephemerals_count\t{wrapped}");
        let latency = format!("zk_max_latency\t{wrapped}");
        let own = format!("zk_latest_snapshot_size\t{wrapped}");
        let changes = [
            ("zk_ephemerals_count\t3", &*change),
            ("zk_max_latency\t11", &latency),
            ("zk_latest_snapshot_size\t0", &own),
        ];
        let made = crate::common::report(members("keeper-conf", &changes));
        for names in [zookeeper_exporter::exposition::Names::Catalogue, zookeeper_exporter::exposition::Names::Mntr] {
            let text = named_page(&made, names, Format::Classic);
            let value = |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
            let large: Vec<&str> = text
                .lines()
                .filter(|line| !line.starts_with('#') && value(line).is_some_and(|value| value > 9e15))
                .collect();
            assert_eq!(large, [""; 0], "{wrapped} {names:?}");
        }
        assert!(made.ensembles[0].members.iter().all(|member| !member.samples.dropped().is_empty()), "it is counted");
    }
}

#[test]
fn one_server_under_two_names_counts_once() {
    let (verdict, found) = judged(members("one-server-two-names", &[]));
    assert_eq!((verdict.leaders.clone(), verdict.duplicates.clone()), (vec![2], vec![(3, 2)]));
    assert_eq!((numbers(&verdict), verdict.quorum.serving), ((3, Some(3), Some(1), Some(true)), 3));
    assert_eq!((worst(&found), found.len()), (Some(Level::Warning), 1), "{found:?}");
    assert!(found[0].text.starts_with("zk-4:2181 and zk-3:2181 may be the same server"), "{found:?}");
    // It remains one server while it is down; the member that replies is counted.
    let mut made = members("one-server-two-names", &[]);
    made[2] = silent(&made[2]);
    let (verdict, _) = judged(made);
    assert_eq!((verdict.leader, verdict.duplicates.clone(), numbers(&verdict).1), (Some(3), vec![(2, 3)], Some(3)));
}

#[test]
fn servers_with_equal_ids_and_different_metrics_count_twice() {
    // The same short names in two networks: different data and counters.
    let mut made = members("one-server-two-names", &[]);
    made[3].zxid = Some(9 << 32);
    assert_eq!(judged(made.clone()).0.duplicates, []);
    // While one of them is silent, the comparison from when both replied applies.
    let names: Vec<Arc<str>> = made.iter().map(|report| Arc::clone(&report.name)).collect();
    made[3] = silent(&made[3]);
    let mut before = Known::default();
    before.note_apart(&names[3], &names[2], true);
    assert_eq!(known(made.clone(), before.clone()).0.duplicates, []);
    before.note_apart(&names[2], &names[3], false);
    assert_eq!(known(made, before).0.duplicates, [(3, 2)]);
    // Without a membership (3.4), two ensembles have the same ids.
    let strip = |report: &MemberReport| {
        let mut conf = (*report.conf.clone().unwrap()).clone();
        conf.membership = None;
        MemberReport { conf: Some(Arc::new(conf)), ..report.clone() }
    };
    let made: Vec<MemberReport> = members("one-server-two-names", &[]).iter().map(strip).collect();
    assert_eq!(judged(made.clone()).0.duplicates, [(3, 2)], "the figures agree");
    let other = members("one-server-two-names", &[("zk_packets_received\t4168", "zk_packets_received\t99999999")]);
    let mut mixed = made;
    mixed[3] = strip(&other[3]);
    assert_eq!(judged(mixed).0.duplicates, []);
}

#[test]
fn without_ids_only_certain_duplicates_are_merged() {
    let strip = |report: MemberReport| MemberReport { conf: None, ..report };
    let made: Vec<MemberReport> = members("one-server-two-names", &[]).into_iter().map(strip).collect();
    // Both followers have the same counters but may be two servers.
    assert_eq!(judged(made).0.duplicates, [(3, 2)]);
    let alone = crate::common::fixtures().into_iter().find(|fixture| fixture.name == "3.8.0/standalone").unwrap();
    let standalone =
        |name: &str| member(name, alone.read("mntr.txt").as_deref(), alone.read("srvr.txt").as_deref(), None);
    let (verdict, found) = judged(vec![standalone("zk:2181"), standalone("10.0.0.1:2181")]);
    assert_eq!((numbers(&verdict), verdict.duplicates), ((1, Some(1), Some(0), Some(true)), vec![(1, 0)]));
    assert_eq!((worst(&found), found.len()), (Some(Level::Warning), 1), "{found:?}");
}

#[test]
fn different_spellings_of_a_host_are_equal() {
    for name in ["upper-case", "trailing-dot", "partial-name"] {
        let (verdict, found) = judged(members(name, &[]));
        assert_eq!((verdict.strangers.clone(), verdict.quorum.serving), (vec![], 3), "{name}");
        assert_eq!(
            (numbers(&verdict).1, verdict.drift.configs),
            (Some(3), Some(1)),
            "{name}: {:?}",
            verdict.drift.differences
        );
        assert_eq!((verdict.lags, verdict.not_asked.map(|not_asked| not_asked.count)), (vec![Some(0); 3], Some(0)));
        assert_eq!(found, [], "{name}");
    }
}

/// Members that report these memberships (`1=a 2=b`), each as the server of its position; the last one leads.
pub fn stating(memberships: &[&str]) -> Vec<MemberReport> {
    let base = members("one-server-two-names", &[]);
    let last = memberships.len() - 1;
    let state = |(place, servers): (usize, &&str)| {
        let lines: String = servers
            .split_whitespace()
            .map(|server| {
                let (id, host) = server.split_once('=').unwrap();
                format!("server.{id}={host}:2888:3888:participant;0.0.0.0:2181\n")
            })
            .collect();
        let conf = format!(
            "clientPort=2181\ntickTime=2000\nserverId={}\nsyncLimit=2\npeerType=0\nmembership: \n{lines}version=0",
            place % 3 + 1
        );
        let conf = member("x", None, None, Some(conf.as_bytes())).conf;
        let from = if place == last { &base[2] } else { &base[0] };
        MemberReport { name: format!("m{place}:2181").into(), conf, ..from.clone() }
    };
    memberships.iter().enumerate().map(state).collect()
}

#[test]
fn members_that_configure_themselves_as_0_0_0_0_are_one_ensemble() {
    for memberships in [
        ["1=0.0.0.0 2=zk-2", "1=zk-1 2=0.0.0.0"].as_slice(),
        &["1=[::] 2=zk-2", "1=zk-1 2=[0:0:0:0:0:0:0:0]"],
        &["1=0.0.0.0 2=zk-2 3=zk-3", "1=zk-1 2=0.0.0.0 3=zk-3", "1=zk-1 2=zk-2 3=0.0.0.0"],
        &["1=0.0.0.0 2=10.0.0.2 3=10.0.0.3", "1=zk-1 2=0.0.0.0 3=zk-3", "1=zk-1 2=zk-2 3=0.0.0.0"],
    ] {
        let (verdict, found) = judged(stating(memberships));
        assert_eq!((verdict.strangers.clone(), verdict.duplicates.clone()), (vec![], vec![]), "{memberships:?}");
        assert_eq!(
            (verdict.quorum.serving, verdict.drift.configs > Some(1)),
            // Host names and addresses differ as text but may be the same host.
            (memberships.len() as u64, memberships[0].contains("10.")),
            "{memberships:?} {found:?}"
        );
        assert_eq!(verdict.not_asked.map(|not_asked| not_asked.count), Some(0));
    }
}

#[test]
fn two_ensembles_in_one_list_are_reported_without_advice_to_stop_one() {
    let ours = "1=zk-1 2=zk-2 3=zk-3";
    let theirs = "1=kafka-1 2=kafka-2 3=kafka-3";
    // A clear majority belongs to one ensemble.
    let mut made = stating(&[ours, ours, ours, theirs]);
    made[2] = MemberReport {
        name: "m2:2181".into(),
        conf: made[2].conf.clone(),
        ..members("one-server-two-names", &[])[2].clone()
    };
    let (verdict, found) = judged(made.clone());
    assert_eq!((verdict.foreign.clone(), verdict.mixed, verdict.leaders.clone()), (vec![3], false, vec![2]));
    assert_eq!(numbers(&verdict), (3, Some(3), Some(1), Some(true)));
    assert!(found[0].text.starts_with("m3:2181 belongs to another ensemble"), "{found:?}");
    let text = page(&crate::common::report(made), Format::Classic);
    assert!(
        text.contains("zk_ensemble_foreign_members{ensemble=\"prod\"} 1")
            && text.contains("zk_ensemble_leaders{ensemble=\"prod\"} 1")
    );
    assert!(text.contains("zk_ensemble_leader_info{ensemble=\"prod\",member=\"m2:2181\"} 1"), "{text}");
    assert!(!text.contains("zk_ensemble_leader_info{ensemble=\"prod\",member=\"m3:2181\"}"), "a stranger is named");
    // Equal numbers: it is unknown which ensemble is meant.
    for list in [[ours, ours, theirs, theirs], [theirs, theirs, ours, ours]] {
        let (verdict, found) = judged(stating(&list));
        assert_eq!((verdict.foreign, verdict.mixed), (vec![2, 3], true));
        let told: Vec<&str> = texts(&found).into_iter().filter(|text| text.contains("two ensembles")).collect();
        assert_eq!(told.len(), 1, "{found:?}");
        assert!(told[0].contains("m0:2181, m1:2181 and m2:2181, m3:2181"), "{told:?}");
        assert!(!texts(&found).iter().any(|text| text.contains("belongs to another")), "{found:?}");
    }
}

#[test]
fn ensembles_without_a_common_id_are_two_although_one_uses_names_and_the_other_addresses() {
    let (ours, theirs) = ("1=zk-1 2=zk-2 3=zk-3", "11=10.0.0.1 12=10.0.0.2 13=10.0.0.3");
    let (verdict, _) = judged(stating(&[ours, ours, ours, theirs]));
    assert_eq!((verdict.foreign, verdict.leaders.len() < 2), (vec![3], true));
}

#[test]
fn a_follower_alone_does_not_decide_the_membership() {
    let (ours, wrong) = ("1=zk-1 2=zk-2 3=zk-3", "1=zk-1 2=zk-2 3=zk-3 4=zk-4 5=zk-5 6=zk-6 7=zk-7");
    let newer = |mut made: Vec<MemberReport>, places: &[usize]| {
        for place in places {
            let mut conf = (*made[*place].conf.clone().unwrap()).clone();
            conf.membership.as_mut().unwrap().version = 0x7fff_ffff;
            made[*place].conf = Some(Arc::new(conf));
        }
        judged(made).0.quorum.voters
    };
    assert_eq!(newer(stating(&[wrong, ours, ours]), &[0]), 3);
    // The leader, or two members, decide.
    assert_eq!(newer(stating(&[ours, ours, wrong]), &[2]), 7);
    assert_eq!(newer(stating(&[wrong, wrong, ours]), &[0, 1]), 7);
}

#[test]
fn a_server_may_write_its_own_line_with_a_loopback_address() {
    for memberships in [
        ["1=localhost 2=zk-2 3=zk-3", "1=zk-1 2=127.0.1.1 3=zk-3", "1=zk-1 2=zk-2 3=127.0.0.1"],
        ["1=[::1] 2=zk-2 3=zk-3", "1=zk-1 2=localhost 3=zk-3", "1=zk-1 2=zk-2 3=zk-3"],
    ] {
        assert_eq!(judged(stating(&memberships)).0.drift.configs, Some(1), "{memberships:?}");
    }
    // The line of another server must have an address that is reachable.
    let wrong = ["1=zk-1 2=localhost 3=zk-3", "1=zk-1 2=zk-2 3=zk-3", "1=zk-1 2=zk-2 3=zk-3"];
    assert_eq!(judged(stating(&wrong)).0.drift.configs, Some(2));
}

#[test]
fn different_groups_and_weights_are_a_difference() {
    let made = |groups: [&str; 3], weights: [&str; 3]| {
        let mut made = stating(&["1=zk-1 2=zk-2 3=zk-3"; 3]);
        for (report, (group, weight)) in made.iter_mut().zip(groups.into_iter().zip(weights)) {
            let mut conf = (*report.conf.clone().unwrap()).clone();
            let hierarchy = zookeeper_exporter::ensemble::Hierarchy::new(
                &[("1".to_owned(), group.to_owned())],
                &[("2".to_owned(), weight.to_owned())],
                &["1", "2", "3"].into(),
            );
            conf.membership.as_mut().unwrap().hierarchy = Some(hierarchy);
            report.conf = Some(Arc::new(conf));
        }
        judged(made).0.drift
    };
    assert_eq!(made(["1:2:3"; 3], ["1"; 3]).configs, Some(1));
    let drift = made(["1:2:3"; 3], ["1", "1", "2"]);
    assert_eq!((drift.configs, drift.differences[0].key.as_str()), (Some(2), "groups and weights"));
    assert_eq!(drift.differences[0].values[2].as_deref(), Some("1:2*2:3"));
    assert_eq!(made(["1:2:3", "1:2:3", "1:2"], ["1"; 3]).configs, Some(2));
}

#[test]
fn a_follower_listed_twice_without_conf_is_not_out_of_sync() {
    let strip = |report: MemberReport| MemberReport { conf: None, ..report };
    let made = |synced: &str| {
        let changes = format!("zk_synced_followers\t{synced}\n");
        let all = members("one-server-two-names", &[("zk_synced_followers\t2\n", &changes)]);
        let mut made: Vec<MemberReport> = all.into_iter().take(3).map(strip).collect();
        made.push(MemberReport { name: "other-name:2181".into(), ..made[0].clone() });
        made
    };
    let judge = |made: Vec<MemberReport>| {
        let quorum = known(made, Known { quorum_size: Some(3), ..Known::default() }).0.quorum;
        (quorum.voters, quorum.serving, quorum.synced)
    };
    assert_eq!(judge(made("2")), (3, 3, Some(3)));
    // With the other follower down, the two names are one voter.
    let mut made = made("1");
    made[1] = silent(&made[1]);
    assert_eq!(judge(made), (3, 2, Some(2)));
}

#[test]
fn a_member_whose_commands_are_refused_is_up_and_its_state_is_unknown() {
    let refused = |command: &str| format!("{command} is not executed because it is not in the whitelist.\n");
    let (mntr, srvr) = (refused("mntr"), refused("srvr"));
    for (mntr, srvr) in [(&mntr, Some(&srvr)), (&mntr, None)] {
        let of = |id: usize| member(&format!("zk-{id}:2181"), Some(mntr.as_bytes()), srvr.map(String::as_bytes), None);
        let made: Vec<MemberReport> = (1..=3).map(of).collect();
        assert!(made.iter().all(|member| member.up && member.state == State::Unknown));
        let text = page(&crate::common::report(made.clone()), Format::Classic);
        assert!(text.contains("zk_up{ensemble=\"prod\",member=\"zk-1:2181\"} 1") && !text.contains("\nzk_serving{"));
        let (verdict, found) = judged(made);
        assert_eq!(numbers(&verdict), (3, None, None, None));
        assert_eq!((worst(&found), found.len()), (Some(Level::Warning), 3), "{found:?}");
        assert!(found.iter().all(|finding| finding.text.contains("every command that reports its state is refused")));
    }
}

#[test]
fn a_silent_observer_is_known_by_its_address() {
    let mut made = members("silent-observer-by-address", &[]);
    for (place, report) in made.iter_mut().enumerate() {
        report.name = format!("[::1]:{}", 22181 + place).into();
    }
    made[3] = MemberReport::silent("[::1]:22184".into());
    let (verdict, found) = judged(made.clone());
    assert_eq!(
        (verdict.votes.clone(), numbers(&verdict)),
        (vec![true, true, true, false], (3, Some(3), Some(1), Some(true)))
    );
    assert!(texts(&found).iter().any(|text| text.ends_with("It has no vote.")), "{found:?}");
    let observer = found.iter().find(|finding| finding.text.ends_with("It has no vote.")).unwrap();
    assert_eq!(observer.level, Level::Warning);
    // The leader is not listed: the quorum is unknown and no failure is reported.
    made.remove(2);
    let (verdict, found) = judged(made);
    assert_eq!((verdict.leader_state, numbers(&verdict)), (LeaderState::Hidden, (3, None, None, None)));
    assert!(verdict.not_asked.is_some_and(|not_asked| not_asked.count == 1), "{found:?}");
}

#[test]
fn a_reply_of_another_program_is_named() {
    let about = |bytes: &[u8], failure: Option<Reason>| {
        let reply = |command| {
            let failure = failure.map(|reason| Failure::new(reason, "no more bytes"));
            let connect = Some(Duration::from_millis(1));
            let exchange = Exchange { bytes: bytes.to_vec(), failure, connect, ..Exchange::default() };
            Some(ParsedReply::new(command, exchange, READING))
        };
        let replies = Replies { mntr: reply(Command::Mntr), srvr: reply(Command::Srvr), ..Replies::default() };
        let mut made = stating(&["1=zk-1 2=zk-2 3=zk-3"; 3]);
        made[0] = replies.report("other:2181".into(), None);
        let (_, found) = judged(made);
        found.iter().find(|one| one.member.as_deref() == Some("other:2181")).unwrap().text.clone()
    };
    for (bytes, failure, begin) in [
        (
            b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n".as_slice(),
            None,
            "`HTTP/1.1 400 Bad Request`",
        ),
        (b"\x15\x03\x01\x00\x02\x02\x50", None, "a TLS record: the port expects TLS"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", Some(Reason::Timeout), "`SSH-2.0-OpenSSH_9.2p1`"),
        (b"220 mail ESMTP version: Postfix\r\n", None, "`220 mail ESMTP version: Postfix`"),
        (b"\x1b[31m\r\n", Some(Reason::Reset), "`\u{fffd}[31m`"),
    ] {
        let text = about(bytes, failure);
        let wanted = format!("it begins with {begin}; does another service listen on this port?");
        assert!(
            text.starts_with("Another program answers at other:2181 (garbage): ") && text.ends_with(&wanted),
            "{text}"
        );
    }
    assert!(about(&[b'x'; 5000], None).contains(&format!("`{}…`", "x".repeat(60))));
    // The begin of a reply that may be of ZooKeeper.
    assert!(!about(b"zk_", Some(Reason::Timeout)).starts_with("Another"));
}

/// Whether each member votes, as far as known, and the level of the finding about the last one, which is silent.
fn votes_of(
    mut members: Vec<MemberReport>,
    observers: &[&str],
    quorum_size: Option<u64>,
) -> (Vec<Option<bool>>, Option<Level>) {
    members.push(MemberReport::silent("gone:2181".into()));
    let observers = observers.iter().map(|name| (*name).into()).collect();
    let (verdict, found) = known(members, Known { observers, quorum_size, ..Known::default() });
    let about = found.iter().find(|finding| finding.member.as_deref() == Some("gone:2181"));
    if let Some(about) = about {
        let no_vote = verdict.voters.last() == Some(&Some(false));
        assert_eq!(about.text.ends_with("It has no vote."), no_vote, "{about:?}");
        assert_eq!(about.guide.contains("ObserverDown"), no_vote, "{about:?}");
    }
    (verdict.voters, about.map(|finding| finding.level))
}

#[test]
fn whether_a_member_votes_is_known_before_it_has_ever_answered() {
    let (yes, no) = (Some(true), Some(false));
    let three = "1=zk-1 2=zk-2 3=zk-3";
    // All voters are other members, and nothing explains this one.
    assert_eq!(votes_of(stating(&[three; 3]), &[], None), (vec![yes, yes, yes, None], Some(Level::Critical)));
    // It may be the voter that is missing.
    assert_eq!(votes_of(stating(&["1=zk-1 2=zk-2 3=zk-3 4=zk-4"; 3]), &[], None).0, [yes, yes, yes, None]);
    assert_eq!(votes_of(stating(&[three; 2]), &[], None), (vec![yes, yes, None], Some(Level::Critical)));
    // The membership names it by its address.
    let named = |role: &str| {
        let mut made = stating(&["1=zk-1 2=zk-2 3=zk-3 4=gone"; 3]);
        for report in &mut made {
            let mut conf = (*report.conf.clone().unwrap()).clone();
            conf.membership.as_mut().unwrap().servers[3].voter = role == "participant";
            report.conf = Some(Arc::new(conf));
        }
        made
    };
    assert_eq!(votes_of(named("participant"), &["gone:2181"], None), (vec![yes, yes, yes, yes], Some(Level::Critical)));
    assert_eq!(votes_of(named("observer"), &[], None), (vec![yes, yes, yes, no], Some(Level::Warning)));
    // Without a membership: its role in the configuration.
    let bare = |count: usize| {
        let mut made = stating(&[three; 3]);
        for report in &mut made {
            report.conf = None;
        }
        made.drain(count..);
        made
    };
    assert_eq!(votes_of(bare(3), &[], Some(3)), (vec![yes, yes, yes, None], Some(Level::Critical)));
    assert_eq!(votes_of(bare(2), &[], Some(3)).0, [yes, yes, None]);
    assert_eq!(votes_of(bare(2), &["gone:2181"], None).0, [yes, yes, no]);
}

#[test]
fn digits_of_any_script_are_ports_and_unreadable_servers_are_voters() {
    let (verdict, found) = judged(members("digits-of-the-locale", &[]));
    assert_eq!((numbers(&verdict), found), ((3, Some(3), Some(1), Some(true)), vec![]));
    let made = members("digits-of-the-locale", &[("127.77.7.3:٢٨٨٣:٣٨٨٣:participant", "zk-3:port:port:participant")]);
    let (verdict, found) = judged(made);
    assert_eq!(numbers(&verdict), (3, Some(3), Some(1), Some(true)));
    assert!(found[0].text.contains("cannot be read: server.3"), "{found:?}");
}

#[test]
fn groups_and_weights_are_computed() {
    // Nine voters in three groups.
    let servers: String = (1..=9).map(|id| format!("{id}=zk-{id} ")).collect();
    let grouped = |up: &[usize], leads: usize| {
        let list = vec![servers.trim(); 9];
        let base = members("one-server-two-names", &[]);
        let followers = up.len() - usize::from(up.contains(&leads));
        let made = stating(&list).into_iter().enumerate().map(|(place, report)| {
            let id = place + 1;
            let mut conf = (*report.conf.clone().unwrap()).clone();
            conf.server_id = id.to_string();
            let voters = (1..=9).map(|id: usize| id.to_string()).collect::<Vec<_>>();
            let groups = ["1:2:3", "4:5:6", "7:8:9"].iter().enumerate();
            let groups: Vec<(String, String)> =
                groups.map(|(number, ids)| (number.to_string(), (*ids).to_owned())).collect();
            let hierarchy = zookeeper_exporter::ensemble::Hierarchy::new(
                &groups,
                &[],
                &voters.iter().map(String::as_str).collect(),
            );
            conf.membership.as_mut().unwrap().hierarchy = Some(hierarchy);
            let report =
                MemberReport { name: format!("zk-{id}:2181").into(), conf: Some(Arc::new(conf)), ..base[0].clone() };
            if id == leads {
                let changes = format!("zk_synced_followers\t{followers}\n");
                let leader = members("one-server-two-names", &[("zk_synced_followers\t2\n", &changes)]);
                MemberReport { name: report.name, conf: report.conf, ..leader[2].clone() }
            } else if up.contains(&id) {
                report
            } else {
                silent(&report)
            }
        });
        made.collect::<Vec<_>>()
    };
    let all: Vec<usize> = (1..=9).collect();
    let (verdict, found) = judged(grouped(&all, 9));
    assert_eq!((numbers(&verdict), verdict.quorum.majority()), ((9, Some(9), Some(3), Some(true)), None));
    assert_eq!(found, [], "no notice of an even size, or of a majority of heads");
    // One group lost: the other two form a quorum.
    let (verdict, _) = judged(grouped(&[4, 5, 6, 7, 8, 9], 9));
    assert_eq!((numbers(&verdict).2, numbers(&verdict).3), (Some(1), Some(true)));
    // Five of nine voters, without a majority in two groups.
    let (verdict, _) = judged(grouped(&[1, 2, 3, 4, 7], 7));
    assert_eq!((numbers(&verdict).2, numbers(&verdict).3), (Some(-1), Some(false)));
    // Two of three groups are down: the remaining one does not serve.
    let mut made = grouped(&[1, 2, 3], 99);
    for report in &mut made[..3] {
        *report = not_serving(report);
    }
    let (verdict, found) = judged(made);
    assert_eq!((numbers(&verdict).2, numbers(&verdict).3), (Some(-4), Some(false)));
    assert!(found[0].text.starts_with("No quorum answers the exporter: 3 voters answer"), "{found:?}");
}

/// Five voters in sync, in groups and with weights, of which not every one is needed.
#[test]
fn with_groups_and_weights_the_needed_voters_are_named() {
    let grouped = |groups: &[&str], weights: &[(&str, &str)]| {
        let mut made = stating(&["1=zk-1 2=zk-2 3=zk-3 4=zk-4 5=zk-5"; 5]);
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let groups: Vec<_> = groups.iter().enumerate().map(|(at, ids)| (at.to_string(), (*ids).to_owned())).collect();
        let weights: Vec<_> = weights.iter().copied().map(owned).collect();
        let hierarchy =
            zookeeper_exporter::ensemble::Hierarchy::new(&groups, &weights, &["1", "2", "3", "4", "5"].into());
        for (place, report) in made.iter_mut().enumerate() {
            let mut conf = (*report.conf.clone().unwrap()).clone();
            conf.server_id = (place + 1).to_string();
            conf.membership.as_mut().unwrap().hierarchy = Some(hierarchy.clone());
            (report.conf, report.name) = (Some(Arc::new(conf)), format!("zk-{}:2181", place + 1).into());
        }
        let leader = members("one-server-two-names", &[("zk_synced_followers\t2\n", "zk_synced_followers\t4\n")]);
        made[4] = MemberReport { name: made[4].name.clone(), conf: made[4].conf.clone(), ..leader[2].clone() };
        let (verdict, found) = judged(made);
        (numbers(&verdict).2, found.into_iter().map(|finding| finding.text).find(|text| text.contains("in sync")))
    };
    let said = |who: &str| {
        Some(format!("5 of 5 voters are in sync: by their groups and weights, the loss of {who} stops the ensemble."))
    };
    assert_eq!(grouped(&["1:2:3:4:5"], &[("1", "10")]), (Some(0), said("zk-1:2181")));
    assert_eq!(grouped(&["1:2:3", "4:5"], &[]), (Some(0), said("any one of zk-4:2181, zk-5:2181")));
    assert_eq!(grouped(&["1:2:3:4:5"], &[]), (Some(2), None));
}

/// Its role in the configuration is older than the membership.
#[test]
fn a_promoted_observer_that_never_answered_is_a_voter() {
    let of = |servers: &str, observers: &[&str], count: usize| {
        let mut made = stating(&[servers; 3]);
        made.extend((0..count).map(|number| MemberReport::silent(format!("gone-{number}:2181").into())));
        let observers = observers.iter().map(|name| (*name).into()).collect();
        let (verdict, found) = known(made, Known { observers, ..Known::default() });
        let level = found.iter().find(|finding| finding.member.is_some()).map(|finding| finding.level);
        (verdict.votes[3..].to_vec(), verdict.voters[3], verdict.not_asked.unwrap().count, level)
    };
    let (three, four) = ("1=zk-1 2=zk-2 3=zk-3", "1=zk-1 2=zk-2 3=zk-3 4=zk-4");
    let critical = Some(Level::Critical);
    assert_eq!(of(four, &["gone-0:2181"], 1), (vec![true], None, 0, critical));
    // The membership has no further server: it is an observer that the others do not list.
    assert_eq!(of(three, &["gone-0:2181"], 1), (vec![false], Some(false), 0, Some(Level::Warning)));
    // Another member is the missing voter.
    assert_eq!(of(four, &["gone-1:2181"], 2), (vec![true, false], None, 0, critical));
}

#[test]
fn unlisted_voters_are_reported() {
    let five = "1=zk-1 2=zk-2 3=zk-3 4=zk-4 5=zk-5";
    let with_ids = |made: Vec<MemberReport>, ids: &[&str]| -> Vec<MemberReport> {
        let made = made.into_iter().zip(ids).map(|(mut report, id)| {
            let mut conf = (*report.conf.clone().unwrap()).clone();
            conf.server_id = (*id).into();
            report.conf = Some(Arc::new(conf));
            report
        });
        made.collect()
    };
    // Pods listed by address; the address of server 2 is no longer in DNS.
    let mut made = with_ids(stating(&[five; 4]), &["1", "3", "4", "5"]);
    for (place, report) in made.iter_mut().enumerate() {
        report.name = format!("10.0.0.{place}:2181").into();
    }
    let (verdict, found) = judged(made.clone());
    let not_asked = verdict.not_asked.clone().expect("a membership is known");
    assert_eq!((not_asked.count, not_asked.servers), (1, vec![("2".to_owned(), "zk-2:2888".to_owned())]));
    assert!(texts(&found).iter().any(|text| text.contains("server 2 (zk-2:2888)")), "{found:?}");
    let text = page(&crate::common::report(made.clone()), Format::Classic);
    assert!(text.contains("zk_ensemble_voters_not_asked{ensemble=\"prod\"} 1"), "{text}");
    // A single configured member is intentional.
    let (verdict, found) = judged(made.drain(..1).collect());
    assert_eq!((verdict.not_asked, texts(&found).iter().any(|text| text.contains("not queried"))), (None, false));
}

#[test]
fn the_old_address_of_a_moved_server_does_not_reduce_the_margin() {
    // Server 3 moved from 10.0.0.3 to 10.0.0.4; the list has the old address.
    let before = "1=10.0.0.1 2=10.0.0.2 3=10.0.0.3";
    let now = "1=10.0.0.1 2=10.0.0.2 3=10.0.0.4";
    let list = |silent_conf: bool| {
        let mut made = stating(&[now, now, before]);
        let base = members("one-server-two-names", &[]);
        for (place, report) in made.iter_mut().enumerate() {
            report.name = format!("10.0.0.{}:2181", place + 1).into();
            let mut conf = (*report.conf.clone().unwrap()).clone();
            conf.membership.as_mut().unwrap().version = if place == 2 { 0 } else { 7 };
            report.conf = Some(Arc::new(conf));
        }
        made[0] = MemberReport { name: made[0].name.clone(), conf: made[0].conf.clone(), ..base[2].clone() };
        made[2] = silent(&made[2]);
        if !silent_conf {
            made[2].conf = None;
        }
        made
    };
    for silent_conf in [true, false] {
        let (verdict, found) = judged(list(silent_conf));
        assert_eq!(numbers(&verdict), (3, Some(3), Some(1), Some(true)), "{silent_conf} {found:?}");
        assert_eq!(verdict.not_asked.map(|not_asked| not_asked.count), Some(1));
        assert!(texts(&found).iter().any(|text| text.contains("server 3 (10.0.0.4:2888)")), "{found:?}");
        assert!(texts(&found).iter().any(|text| text.starts_with("10.0.0.3:2181 does not answer.")), "{found:?}");
    }
    // A host name cannot be compared with the address and is assumed to be the server.
    let mut made = list(false);
    made[2].name = "third:2181".into();
    let (verdict, _) = judged(made);
    assert_eq!((numbers(&verdict).2, verdict.not_asked.map(|not_asked| not_asked.count)), (Some(0), Some(0)));
}

#[test]
fn members_that_could_not_be_queried_are_not_counted_as_down() {
    let limit = |name: &str| MemberReport {
        state: State::Unknown,
        failures: vec![(Command::Mntr, Reason::Limit), (Command::Srvr, Reason::Limit)],
        ..MemberReport::silent(name.into())
    };
    // A follower: the leader's report is sufficient.
    let mut made = members("one-server-two-names", &[]);
    made.truncate(3);
    made[0] = limit("zk-1:2181");
    let (verdict, found) = judged(made.clone());
    assert_eq!(numbers(&verdict), (3, Some(3), Some(1), Some(true)));
    assert_eq!(worst(&found), Some(Level::Warning), "{found:?}");
    // The leader: the quorum is unknown.
    made[0] = members("one-server-two-names", &[])[0].clone();
    made[2] = limit("zk-3:2181");
    let (verdict, found) = judged(made.clone());
    assert_eq!((verdict.leader_state, numbers(&verdict)), (LeaderState::Hidden, (3, None, None, None)));
    assert_eq!(worst(&found), Some(Level::Warning), "{found:?}");
    made[0] = limit("zk-1:2181");
    made[1] = not_serving(&made[1]);
    let (verdict, found) = judged(made);
    assert_eq!((verdict.leader_state, numbers(&verdict)), (LeaderState::None, (3, None, None, None)));
    assert!(!texts(&found).iter().any(|text| text.contains("No quorum")), "{found:?}");
}

#[test]
fn a_hung_member_gets_no_advice_to_start_it() {
    let mut made = members("one-server-two-names", &[]);
    made.truncate(3);
    made[0] = MemberReport {
        connect: Some(Duration::from_millis(1)),
        failures: vec![(Command::Mntr, Reason::Timeout)],
        ..silent(&made[0])
    };
    let (_, found) = judged(made);
    assert!(
        texts(&found)
            .iter()
            .any(|text| text.contains("accepts connections but does not answer (timeout): it is loading")),
        "{found:?}"
    );
}

/// Listens on this address and replies to each command with its text.
pub fn listen(address: &str, answers: Vec<(&'static str, String)>) -> String {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut command = [0; 4];
            let _ = stream.read_exact(&mut command);
            let answer = answers.iter().find(|(known, _)| known.as_bytes() == command);
            let _ = stream.write_all(answer.map_or(&[], |(_, answer)| answer.as_bytes()));
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    address
}

/// Three servers of one membership at these addresses on one port; the first leads. `lines` gives the membership.
fn ensemble(hosts: &[&str], lines: impl Fn(u16) -> String) -> u16 {
    versioned(hosts, "0", lines)
}

/// Like `ensemble`, with this version of the membership.
pub fn versioned(hosts: &[&str], version: &str, lines: impl Fn(u16) -> String) -> u16 {
    let base = root().join("tests/legal/one-server-two-names");
    let read = |place: usize, file: &str| {
        let from = if place == 0 { "m3" } else { "m1" };
        std::fs::read_to_string(base.join(format!("{from}/{file}.txt"))).unwrap()
    };
    let free = TcpListener::bind((hosts[0].trim_matches(['[', ']']), 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    for (place, host) in hosts.iter().enumerate() {
        let head: String = read(place, "conf")
            .lines()
            .filter(|line| !line.starts_with("server.") && !line.starts_with("serverId"))
            .map(|line| format!("{line}\n"))
            .collect();
        let (before, after) = head.split_once("membership: \n").unwrap();
        let after = after.trim_end().replace("version=0", &format!("version={version}"));
        let conf = format!("{before}serverId={}\nmembership: \n{}{after}", place + 1, lines(port));
        listen(
            &format!("{host}:{port}"),
            vec![("mntr", read(place, "mntr")), ("srvr", read(place, "srvr")), ("conf", conf)],
        );
    }
    port
}

fn config(members: &[String]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let list: Vec<String> = members.iter().map(|member| format!("'{member}'")).collect();
    let text = format!(
        "ensembles:\n  - {{name: prod, members: [{}], discovery: conf}}\nmodules: {{default: {{timeout: 2s}}}}\n",
        list.join(", ")
    );
    std::fs::write(file.path(), text).unwrap();
    file
}

pub fn members_of(text: &str) -> Vec<(String, f64)> {
    let page = read_page(text, Format::Classic).unwrap();
    let up = page.series.iter().filter(|(series, _)| series.name == "zk_up");
    up.map(|(series, value)| (series.label("member").to_owned(), *value)).collect()
}

#[test]
fn the_next_address_of_a_server_is_tried() {
    let hosts = ["127.103.8.1", "127.103.8.2", "127.103.8.3"];
    let lines = |port: u16| {
        let line = |id: usize| {
            format!("server.{id}=127.103.7.{id}:2888:3888|127.103.8.{id}:2888:3888:participant;0.0.0.0:{port}\n")
        };
        (1..=3).map(line).collect()
    };
    let port = ensemble(&hosts, lines);
    let file = config(&[format!("127.103.8.1:{port}")]);
    let exporter = Exporter::start(&["--config.file", file.path().to_str().unwrap()]);
    exporter.scrape("5");
    let first = members_of(exporter.scrape("5").text());
    let expected: Vec<String> =
        ["127.103.8.1", "127.103.7.2", "127.103.7.3"].iter().map(|host| format!("{host}:{port}")).collect();
    assert_eq!(first.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), expected);
    assert!(first.iter().all(|(_, up)| *up == 1.0), "{first:?}\n{}", exporter.log());
    assert_eq!(members_of(exporter.scrape("5").text()), first, "the labels stay");
}

#[test]
fn a_server_with_one_silent_address_is_up() {
    let lines = |port: u16| {
        let line = |id: usize| {
            format!("server.{id}=127.103.12.{id}:2888:3888|127.103.11.{id}:2888:3888:participant;0.0.0.0:{port}\n")
        };
        (1..=3).map(line).collect()
    };
    let port = ensemble(&["127.103.11.1", "127.103.11.2", "127.103.11.3"], lines);
    // Connections to these addresses are established but get no reply.
    let _silent: Vec<TcpListener> =
        (2..=3).map(|id| TcpListener::bind(format!("127.103.12.{id}:{port}")).unwrap()).collect();
    let file = config(&[format!("127.103.11.1:{port}")]);
    let exporter = Exporter::start(&["--config.file", file.path().to_str().unwrap()]);
    exporter.scrape("8");
    for look in ["first", "next"] {
        let answer = exporter.scrape("8");
        let members = members_of(answer.text());
        assert!(members.len() == 3 && members.iter().all(|(_, up)| *up == 1.0), "{members:?}\n{}", exporter.log());
        // The address that replied is tried first from then on.
        assert!(look == "first" || answer.took < Duration::from_secs(1), "{:?}", answer.took);
    }
}

#[test]
fn an_ipv6_seed_keeps_its_label() {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("SKIPPED: no IPv6 here");
        return;
    }
    let lines = |port: u16| format!("server.1=[0:0:0:0:0:0:0:1]:2888:3888:participant;[0:0:0:0:0:0:0:1]:{port}\n");
    let port = ensemble(&["[::1]"], lines);
    let file = config(&[format!("[0:0:0:0:0:0:0:1]:{port}")]);
    let exporter = Exporter::start(&["--config.file", file.path().to_str().unwrap()]);
    for _ in 0..3 {
        assert_eq!(members_of(exporter.scrape("5").text()), [(format!("[::1]:{port}"), 1.0)]);
    }
    assert!(!exporter.log().contains("new leader"), "{}", exporter.log());
}

#[test]
fn commands_evaluate_only_current_members() {
    let hosts = ["127.103.9.1", "127.103.9.2", "127.103.9.3"];
    let lines = |port: u16| {
        let line = |id: usize| format!("server.{id}=127.103.9.{id}:2888:3888:participant;127.103.9.{id}:{port}\n");
        (1..=3).map(line).collect()
    };
    let port = ensemble(&hosts, lines);
    // A seed that was removed from the ensemble and is down.
    let removed = closed_port();
    let file = config(&[format!("127.103.9.2:{port}"), removed.clone()]);
    let file = file.path().to_str().unwrap();
    for arguments in [&["info"][..], &["stat", "--interval", "100ms"], &["check", "--interval", "100ms"]] {
        let output = run(&[arguments, &["--config.file", file]].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!text.contains(&removed), "{arguments:?}: {text}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {text}");
        if arguments[0] != "check" {
            assert!(text.contains("3 of 3 voters in sync") && text.contains(&format!("127.103.9.1:{port}")), "{text}");
        }
    }
}

#[test]
fn duplicate_members_are_rejected_in_any_spelling() {
    for (list, shown) in [
        ("zk-1:2181,ZK-1.:2181", "zk-1:2181"),
        ("localhost,LOCALHOST:2181", "localhost:2181"),
        ("[::1]:2181,[0:0:0:0:0:0:0:1]:2181", "[::1]:2181"),
        ("10.0.0.1:2181,[::ffff:10.0.0.1]:2181", "10.0.0.1:2181"),
    ] {
        let output = run(&["info", "--zookeeper", list]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(&format!("duplicate member `{shown}` of ensemble `default`")), "{list}: {text}");
    }
}

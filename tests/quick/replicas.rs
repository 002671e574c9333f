//! Comparison of member data: replies of real servers, the verdict, and the exported metrics.

use std::sync::Arc;

use zookeeper_exporter::config::Command;
use zookeeper_exporter::ensemble::{DataDifference, Known, Replica, ReplicaComparison, Scheme, compare};
use zookeeper_exporter::exposition::Format;
use zookeeper_exporter::reply::{ReplyKind, hash};
use zookeeper_exporter::scrape::reading::Replies;
use zookeeper_exporter::scrape::{EnsembleReport, MemberReport, Samples, State};
use zookeeper_exporter::verdict::{Level, findings, judge};

use crate::common::exporter::Exporter;
use crate::common::listeners::Listener;
use crate::common::{Page, fixtures, heard, read_page};

const HASH: &str = include_str!("../fixtures/3.9.3/follower/hash.txt");
const CONF: &str = include_str!("../fixtures/3.9.3/follower/conf.txt");
const MNTR: &str = include_str!("../fixtures/3.9.3/follower/mntr.txt");
const SRVR: &str = include_str!("../fixtures/3.9.3/follower/srvr.txt");

#[test]
fn captured_hash_replies_are_parsed_or_classified() {
    let mut seen = [0; 3];
    for fixture in fixtures() {
        let Some(bytes) = fixture.read("hash.txt") else { continue };
        let text = String::from_utf8(bytes).unwrap();
        let (recognised, log) = (hash::kind(&text), hash::parse(&text));
        let (expected, kind) = match &*text {
            _ if text.contains("not currently serving") => (ReplyKind::NotServing, 0),
            _ if text.contains("whitelist") => (ReplyKind::NotAllowed, 1),
            _ => (ReplyKind::Answer, 2),
        };
        assert_eq!(recognised, expected, "{}", fixture.name);
        assert_eq!(log.entries.len(), if kind == 2 { text.lines().count() } else { 0 }, "{}", fixture.name);
        assert!(log.entries.iter().all(|(zxid, _)| zxid % 128 == 0), "{}", fixture.name);
        seen[kind] += 1;
    }
    assert!(seen.iter().all(|seen| *seen >= 3), "{seen:?}");
}

#[test]
fn members_of_a_real_ensemble_agree_and_two_ensembles_do_not() {
    for release in ["3.6.3", "3.8.0", "3.9.3"] {
        let replica = |role: &str| {
            let name = format!("{release}/{role}");
            let fixture = fixtures().into_iter().find(|fixture| fixture.name == name).unwrap();
            let log = hash::parse(&String::from_utf8(fixture.read("hash.txt").unwrap()).unwrap());
            Replica { member: role.into(), log, scheme: Scheme::of_release(release), live_after: Some(0) }
        };
        let same = compare(&[replica("leader"), replica("follower"), replica("observer")]);
        assert_eq!(same.len(), 3);
        assert!(same.iter().all(|pair| pair.zxid == 0x1_0000_0480 && pair.difference.is_none()), "{same:?}");
        let others = compare(&[replica("leader"), replica("leader-prometheus-provider")]);
        let difference = DataDifference { after: None, from: 0x1_0000_0080, proven: true };
        assert_eq!(others[0].difference, Some(difference), "{release}");
    }
}

/// `zk-1` leads; the compared pairs, each with its result.
fn ensemble(pairs: &[(usize, usize, Option<bool>)]) -> EnsembleReport {
    let name = |place: usize| -> Arc<str> { format!("zk-{place}:2181").into() };
    let state = |place| if place == 1 { State::Leader } else { State::Follower };
    let member = |place| MemberReport { up: true, state: state(place), ..MemberReport::silent(name(place)) };
    let pair = |(one, other, differs): &(usize, usize, Option<bool>)| ReplicaComparison {
        one: name(*one),
        other: name(*other),
        zxid: 0x1_0000_0500,
        difference: differs.map(|proven| DataDifference { after: Some(0x1_0000_0080), from: 0x1_0000_0100, proven }),
    };
    let replicas = Some(pairs.iter().map(pair).collect());
    EnsembleReport {
        name: "prod".into(),
        members: (1..=4).map(member).collect(),
        known: Known { replicas, ..Known::default() },
        samples: Samples::default(),
    }
}

#[test]
fn the_majority_decides_and_otherwise_the_leader() {
    let (same, proven, pending) = (None, Some(true), Some(false));
    let (yes, no) = (Some(true), Some(false));
    for (pairs, agrees, diverged) in [
        (&[][..], [None; 4], None),
        (&[(1, 2, same), (1, 3, same), (2, 3, same)], [yes, yes, yes, None], no),
        (&[(1, 2, same), (1, 3, proven), (2, 3, proven)], [yes, yes, no, None], yes),
        (&[(1, 2, proven), (1, 3, proven), (2, 3, same)], [no, yes, yes, None], yes),
        (&[(1, 2, proven)], [yes, no, None, None], yes),
        (&[(2, 3, proven)], [None, no, no, None], yes),
        (&[(1, 2, same), (1, 3, pending), (2, 3, pending)], [yes, yes, None, None], None),
        // Two releases whose digests are not comparable with each other.
        (&[(1, 2, same), (3, 4, proven)], [yes, yes, no, no], yes),
    ] {
        let data = judge(&ensemble(pairs)).data;
        assert_eq!(data.agrees, agrees, "{pairs:?}");
        assert_eq!(data.diverged, diverged, "{pairs:?}");
        assert_eq!(data.zxid.is_some(), !pairs.is_empty(), "{pairs:?}");
    }
}

#[test]
fn a_finding_names_the_members_and_the_first_difference() {
    let found = |differs| {
        let report = ensemble(&[(1, 2, None), (1, 3, Some(differs)), (2, 3, Some(differs))]);
        let all = findings(&report, &judge(&report));
        all.into_iter().filter(|finding| finding.guide.ends_with("ZooKeeperDataDiverged.md")).collect::<Vec<_>>()
    };
    let proven = found(true);
    assert_eq!((proven.len(), proven[0].level), (1, Level::Critical));
    let begin = "The data of zk-3:2181 and zk-1:2181 differ: their digests differ since a transaction between 0x100000080 and 0x100000100";
    assert!(proven[0].text.starts_with(begin), "{}", proven[0].text);
    let pending = found(false);
    assert_eq!((pending.len(), pending[0].level), (1, Level::Warning));
    assert!(pending[0].text.contains("proves nothing"), "{}", pending[0].text);
}

#[test]
fn a_member_of_another_ensemble_is_not_compared() {
    let mut report = ensemble(&[(1, 2, None), (1, 3, Some(true))]);
    let conf = |id: usize, host: &str| {
        let servers: String = (1..=3).map(|id| format!("server.{id}={host}-{id}:2888:3888:participant\n")).collect();
        let text = format!("clientPort=2181\nserverId={id}\nmembership: \n{servers}version=0");
        heard(Command::Conf, text.as_bytes()).conf().cloned().map(Arc::new)
    };
    for (place, member) in report.members.iter_mut().enumerate() {
        member.conf = conf(place + 1, if place == 2 { "other" } else { "zk" });
    }
    let verdict = judge(&report);
    assert_eq!(verdict.foreign, [2]);
    assert_eq!(verdict.data.agrees[2], None);
    assert_eq!(verdict.data.diverged, Some(false));
}

/// A member with a `hash` reply, as server `id`.
fn server(id: usize, hash: &str) -> Listener {
    let conf =
        CONF.replace(CONF.lines().find(|line| line.starts_with("serverId=")).unwrap(), &format!("serverId={id}"));
    Listener::answering_words(&[("mntr", MNTR), ("srvr", SRVR), ("conf", &conf), ("hash", hash)])
}

fn first_page(members: &[Listener], module: &str) -> (Page, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("zookeeper-exporter.yml");
    let addresses: Vec<&str> = members.iter().map(|member| &*member.address).collect();
    let text =
        format!("ensembles: [{{name: e, members: [{}]}}]\nmodules: {{default: {{{module}}}}}\n", addresses.join(", "));
    std::fs::write(&file, text).unwrap();
    let exporter = Exporter::start(&["--config.file", file.to_str().unwrap()]);
    let answer = exporter.get("/metrics", &[]);
    (read_page(answer.text(), Format::Classic).unwrap(), exporter.log())
}

#[test]
fn digests_of_one_scrape_are_exported() {
    let other = HASH.replace("100000480: 1", "100000480: 2");
    let members = [server(1, HASH), server(2, HASH), server(3, &other)];
    let (page, _) = first_page(&members, "digests: {}");
    let of = |name: &str, place: usize| page.value(name, &[("member", &members[place].address)]);
    for place in [0, 1] {
        assert_eq!(of("zk_data_digest_agrees", place), Some(1.0));
        assert_eq!(of("zk_data_digest_pending", place), None);
    }
    // A single scrape cannot prove a difference.
    assert_eq!((of("zk_data_digest_agrees", 2), of("zk_data_digest_pending", 2)), (None, Some(1.0)));
    assert_eq!(page.value("zk_ensemble_data_compared_zxid", &[]), Some(f64::from(0x480) + 4_294_967_296.0));
    assert_eq!(page.value("zk_ensemble_data_diverged", &[]), None);
    let (page, _) = first_page(&members[..2], "digests: {}");
    assert_eq!(page.value("zk_ensemble_data_diverged", &[]), Some(0.0));
    let (page, _) = first_page(&members, "timeout: 4s");
    assert_eq!(page.value("zk_ensemble_data_compared_zxid", &[]), None, "no module key, no query");
}

#[test]
fn incomparable_members_have_no_sample() {
    let refused = "hash is not executed because it is not in the whitelist.\n";
    let cut = &HASH[..HASH.len() - 3];
    for (reply, reason) in
        [(refused, "not_allowed"), (cut, "truncated"), ("imok", "garbage"), ("", ""), ("80: 5\n", "")]
    {
        let members = [server(1, HASH), server(2, reply)];
        let (page, log) = first_page(&members, "digests: {}");
        for name in ["zk_data_digest_agrees", "zk_data_digest_pending", "zk_ensemble_data_diverged"] {
            assert!(!page.types.contains_key(name), "{reply:?}: {name}");
        }
        let failure = [("member", &*members[1].address), ("command", "hash"), ("reason", reason)];
        let expected = (!reason.is_empty()).then_some(1.0);
        assert_eq!(page.value("zk_scrape_failure", &failure), expected, "{reply:?}");
        assert_eq!(page.value("zk_up", &[("member", &members[1].address)]), Some(1.0), "{reply:?}");
        assert_eq!(page.value("zk_mntr_complete", &[("member", &members[1].address)]), Some(1.0), "{reply:?}");
        let lines = log.lines().filter(|line| line.contains("WARN")).count();
        assert_eq!(lines, usize::from(!reason.is_empty()), "{reply:?}: {log}");
        assert_eq!(log.contains("cons,wchs,isro,hash"), reason == "not_allowed", "{log}");
    }
}

#[test]
fn the_admin_server_replaces_a_refused_hash() {
    let refused: &[u8] = b"hash is not executed because it is not in the whitelist.\n";
    let body: &[u8] = include_bytes!("../fixtures/3.8.0/follower/admin-hash.json");
    let read = |admin: &[u8]| {
        let (hash, admin_hash) = (Some(heard(Command::Hash, refused)), Some(heard(Command::AdminHash, admin)));
        Replies { hash, admin_hash, ..Replies::default() }.report("zk-1:2181".into(), None)
    };
    let member = read(body);
    let digests = member.digests.expect("digests");
    assert_eq!((digests.version, digests.entries.len()), (Some(2), 3));
    assert_eq!(digests.entries[0], (0x1_0000_0080, 243_255_317_377));
    assert!(member.failures.is_empty(), "{:?}", member.failures);
    for cut in [&body[..body.len() / 2], &body[..0], b"<html>"] {
        let member = read(cut);
        assert!(member.digests.is_none());
        assert!(member.failures.iter().any(|(command, _)| *command == Command::Hash), "{:?}", member.failures);
    }
}

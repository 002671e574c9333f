//! Zones and shared hosts: configuration, verdict, findings, exported metrics, and `simulate`.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use zookeeper_exporter::config::{self, Config};
use zookeeper_exporter::ensemble::{self, Member, ReportedMembership, by_addresses, by_membership};
use zookeeper_exporter::exposition::Format;
use zookeeper_exporter::scrape::{EnsembleReport, MemberReport, Report};
use zookeeper_exporter::verdict::{Level, ZoneVerdict, findings, judge, without};

use crate::common::exporter::run;
use crate::common::listeners::Listener;
use crate::common::replies::page;
use crate::common::{member, read_page, root};
use crate::verdicts::Made;

/// `zk-1` to `zk-COUNT`, of which `zk-1` leads; `lines` are added to the membership.
fn ensemble(count: usize, lines: &str, hosts: &dyn Fn(usize) -> String) -> EnsembleReport {
    counting(count - 1, count, lines, hosts)
}

/// Like `ensemble`, with the number of synced followers that the leader reports.
fn counting(synced: usize, count: usize, lines: &str, hosts: &dyn Fn(usize) -> String) -> EnsembleReport {
    let servers: String =
        (1..=count).map(|id| format!("server.{id}={}:2888:3888:participant;0.0.0.0:2181\n", hosts(id))).collect();
    let made = |id: usize| {
        let mode = if id == 1 { "leader" } else { "follower" };
        let srvr = format!("Zookeeper version: 3.8.0-x, built\nZxid: 0x100000005\nMode: {mode}\nNode count: 5\n");
        let mntr = format!("zk_version\t3.8.0-x\nzk_server_state\t{mode}\nzk_synced_followers\t{synced}\n");
        let conf = format!("clientPort=2181\nserverId={id}\nmembership: \n{servers}{lines}version=0");
        member(&format!("zk-{id}:2181"), Some(mntr.as_bytes()), Some(srvr.as_bytes()), Some(conf.as_bytes()))
    };
    let mut report = Made::all_up("3.8.0").report();
    report.members = (1..=count).map(made).collect();
    report
}

fn plain(count: usize, lines: &str) -> EnsembleReport {
    ensemble(count, lines, &|id| format!("zk-{id}"))
}

/// Assigns zones to `zk-1`, `zk-2` and so on; `-` for none.
fn in_zones(mut report: EnsembleReport, zones: &str) -> EnsembleReport {
    let zones = zones.split(' ').zip(1..).filter(|(zone, _)| *zone != "-");
    report.known.zones = zones.map(|(zone, id)| (format!("zk-{id}:2181").into(), zone.into())).collect();
    report
}

fn silent(mut report: EnsembleReport, id: usize) -> EnsembleReport {
    let member = &mut report.members[id - 1];
    *member = MemberReport { conf: member.conf.clone(), ..MemberReport::silent(Arc::clone(&member.name)) };
    report
}

fn said(report: &EnsembleReport, guide: &str) -> Vec<(Level, String)> {
    let found = findings(report, &judge(report));
    found.into_iter().filter(|one| one.guide.contains(guide)).map(|one| (one.level, one.text)).collect()
}

#[test]
fn the_margin_is_that_without_the_worst_zone() {
    let groups = "group.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9\n";
    for (count, lines, zones, down, margin, worst) in [
        (3, "", "a b c", None, Some(0), "a"),
        (3, "", "a a b", None, Some(-1), "a"),
        (3, "", "a a a", None, Some(-2), "a"),
        (5, "", "a a b b c", None, Some(0), "a"),
        (5, "", "a c a b b", Some(2), Some(-1), "a"),
        (5, "", "b b b a a", None, Some(-1), "b"),
        // A voter that is already down is not lost again.
        (5, "", "a a b b c", Some(2), Some(-1), "b"),
        // Not all voters have a zone.
        (3, "", "a b -", None, None, ""),
        // One voter is a quorum by its weight.
        (3, "group.1=1:2:3\nweight.1=5\nweight.2=1\nweight.3=1\n", "a b c", None, Some(-1), "a"),
        (3, "group.1=1:2:3\nweight.1=1\nweight.2=1\nweight.3=1\n", "a b c", None, Some(0), "a"),
        // A zone for each group, and one that takes a part of each.
        (9, groups, "a a a b b b c c c", None, Some(1), "a"),
        (9, groups, "a a c a a c a a c", None, Some(-2), "a"),
    ] {
        let mut report = in_zones(plain(count, lines), zones);
        if let Some(id) = down {
            report = silent(report, id);
        }
        let found = judge(&report).zones;
        assert_eq!((found.margin, found.worst.as_deref().unwrap_or("")), (margin, worst), "{zones} {lines} {found:?}");
    }
}

#[test]
fn the_zone_margin_is_unknown_without_zones_or_a_quorum() {
    assert_eq!(judge(&plain(3, "")).zones, ZoneVerdict::default());
    // Only two of three voters are queried, and the leader is not one of them.
    let mut partial = in_zones(plain(3, ""), "a b c");
    partial.members.remove(0);
    let zones = judge(&partial).zones;
    assert_eq!((zones.margin, zones.voters.len()), (None, 2));
    // Invalid groups.
    assert_eq!(judge(&in_zones(plain(3, "group.1=1:2\nweight.1=1\n"), "a b c")).zones.margin, None);
    // An observer has no vote: its zone has no sample.
    let mut with_observer = Made::all_up("3.8.0").report();
    let zones = ["a", "b", "c", "d"].into_iter().zip(1..);
    with_observer.known.zones = zones.map(|(zone, id)| (format!("zk-{id}:2181").into(), zone.into())).collect();
    let zones = judge(&with_observer).zones;
    assert_eq!((zones.margin, zones.voters.len()), (Some(0), 3), "{zones:?}");
}

#[test]
fn zones_have_a_bounded_number_of_samples() {
    let report = plain(40, "");
    let names: Vec<String> = (1..=40).map(|id| format!("z{:02}", if id > 38 { 38 } else { id })).collect();
    let found = judge(&in_zones(report, &names.join(" "))).zones;
    assert_eq!((found.voters.len(), found.margin), (32, Some(40 - 21 - 3)));
    assert!(found.voters.is_sorted() && found.voters.contains(&("z38".into(), 3)), "{found:?}");
}

#[test]
fn a_badly_placed_zone_is_a_finding_only_while_all_voters_are_in_sync() {
    let bad = || in_zones(plain(5, ""), "b b b a c");
    let zone_finding = |report: &EnsembleReport| said(report, "ZoneLossStopsQuorum");
    let expected = "The loss of zone b stops the ensemble: 3 of 5 voters are there.";
    assert_eq!(zone_finding(&bad()), [(Level::Warning, expected.to_owned())]);
    assert_eq!(zone_finding(&silent(bad(), 5)), []);
    assert_eq!(zone_finding(&in_zones(plain(5, ""), "a a b b c")), []);
    // No placement in two zones survives the loss of each.
    assert_eq!(zone_finding(&in_zones(plain(5, ""), "b b b a a")), []);
    // Its loss is the loss of the ensemble.
    assert_eq!(zone_finding(&in_zones(plain(1, ""), "a")), []);
}

#[test]
fn the_attainable_margin_is_that_of_voters_spread_evenly() {
    let groups = "group.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9\n";
    for (count, lines, zones, attainable) in [
        (1, "", "a", Some(-1)),
        (2, "", "a b", Some(-1)),
        (3, "", "a a a", Some(-2)),
        (3, "", "a a b", Some(-1)),
        (3, "", "a b c", Some(0)),
        (4, "", "a a b c", Some(-1)),
        (4, "", "a b c d", Some(0)),
        (5, "", "a a a b c", Some(0)),
        (7, "", "a a a a b c d", Some(1)),
        (5, "", "a a a b -", None),
        (9, groups, "a a a b b b c c c", None),
    ] {
        let found = judge(&in_zones(plain(count, lines), zones)).zones;
        assert_eq!(found.attainable, attainable, "{zones} {lines} {found:?}");
        // A placement is at most as good as the best one.
        assert!(found.attainable.is_none_or(|best| found.margin <= Some(best)), "{zones} {found:?}");
    }
    // An observer is in a third zone, where a voter could be.
    let mut with_observer = Made::all_up("3.8.0").report();
    let zones = ["a", "a", "b", "c"].into_iter().zip(1..);
    with_observer.known.zones = zones.map(|(zone, id)| (format!("zk-{id}:2181").into(), zone.into())).collect();
    let zones = judge(&with_observer).zones;
    assert_eq!((zones.margin, zones.attainable), (Some(-1), Some(0)), "{zones:?}");
}

#[test]
fn two_voters_on_one_host_are_a_finding() {
    let hosts = |report: &EnsembleReport| said(report, "two-voters-on-one-host");
    let on = |names: &'static [&'static str]| ensemble(names.len(), "", &move |id| names[id - 1].to_owned());
    let shared = hosts(&on(&["host-a", "host-b", "host-a"]));
    let text = "2 of 3 voters are on one host, host-a: zk-1:2181, zk-3:2181. One failure takes all of them.";
    assert_eq!(shared, [(Level::Warning, text.to_owned())]);
    assert_eq!(hosts(&on(&["10.0.0.1", "10.0.0.2", "10.0.0.1"])).len(), 1);
    for distinct in [
        on(&["host-a", "host-b", "host-c"]),
        // Loopback is an ensemble for tests.
        on(&["127.0.0.1", "127.0.0.1", "127.0.0.1"]),
        on(&["localhost", "localhost", "localhost"]),
        // Containers that listen on all addresses.
        on(&["0.0.0.0", "0.0.0.0", "0.0.0.0"]),
    ] {
        assert_eq!(hosts(&distinct), []);
    }
    let reached = |mut report: EnsembleReport, ips: [&str; 3]| {
        for (member, ip) in report.members.iter_mut().zip(ips) {
            member.ip = Some(ip.parse().unwrap());
        }
        report
    };
    let one_ip = ["10.0.0.7", "10.0.0.7", "10.0.0.8"];
    // Two names of one machine.
    let named = hosts(&reached(plain(3, ""), one_ip));
    let text = "2 of 3 voters answer at one address, 10.0.0.7: zk-1:2181, zk-2:2181. If it is one host, not a proxy or a \
                port mapping, one failure takes all of them.";
    assert_eq!(named, [(Level::Notice, text.to_owned())], "the membership does not show that it is one host");
    // Members behind a proxy: the membership has other hosts.
    assert_eq!(hosts(&reached(on(&["host-a", "host-b", "host-c"]), one_ip)), []);
    assert_eq!(hosts(&reached(plain(3, ""), ["127.0.0.1"; 3])), []);
    // Without a membership (3.4) the addresses of the members decide; one address and port is one server.
    let mut old = Made::all_up("3.4.14").report();
    old.members.truncate(3);
    assert_eq!(hosts(&reached(old.clone(), one_ip)), []);
    old.members[1].name = "zk-2:2182".into();
    assert_eq!(hosts(&reached(old.clone(), one_ip)).len(), 1);
    (old.members[0].name, old.members[1].name) = ("zk:2181".into(), "zk:2182".into());
    let shared = hosts(&old);
    assert!(shared[0].0 == Level::Notice && shared[0].1.contains("at one address, zk: zk:2181, zk:2182"), "{shared:?}");
}

#[test]
fn a_simulated_loss_equals_the_loss() {
    for lines in ["", "group.1=1:2:3\ngroup.2=4:5\n", "group.1=1:2:3:4:5\nweight.1=3\nweight.2=2\n"] {
        let report = plain(5, lines);
        for mask in 0..32_usize {
            let lost: BTreeSet<usize> = (0..5).filter(|place| mask >> place & 1 == 1).collect();
            let simulated = without(&report, &lost);
            assert_eq!(simulated.leader_lost, lost.contains(&0));
            if lost.contains(&0) {
                continue;
            }
            // The leader has noticed the loss.
            let mut real = counting(4 - lost.len(), 5, lines, &|id| format!("zk-{id}"));
            for place in &lost {
                real = silent(real, place + 1);
            }
            let quorum = judge(&real).quorum;
            assert!(simulated.margin.is_some());
            assert_eq!(
                (simulated.margin, simulated.synced),
                (quorum.margin(), quorum.synced),
                "{lines} without {lost:?}"
            );
        }
    }
}

#[test]
fn voters_that_only_the_leader_counts_may_be_the_lost_ones() {
    // Just after an election: the leader counts both followers, which do not serve yet.
    let early = Made::all_up("3.8.0").not_serving(1).not_serving(2).report();
    assert_eq!(judge(&early).quorum.synced, Some(2));
    let left = without(&early, &[0].into());
    assert_eq!((left.synced, left.margin), (Some(1), Some(-1)));
}

#[test]
fn the_page_has_the_zones() {
    let report = Arc::new(Report { ensembles: vec![Arc::new(in_zones(plain(5, ""), "a a b b c"))] });
    let page = read_page(&page(&report, Format::Classic), Format::Classic).unwrap();
    assert_eq!(page.value("zk_ensemble_zone_margin", &[("ensemble", "prod")]), Some(0.0));
    for (zone, voters) in [("a", 2.0), ("b", 2.0), ("c", 1.0)] {
        assert_eq!(page.value("zk_zone_voters", &[("ensemble", "prod"), ("zone", zone)]), Some(voters));
    }
}

fn parsed(text: &str) -> Config {
    config::parse(Path::new("x.yml"), text).unwrap()
}

#[test]
fn discovered_members_have_the_zone_of_their_name_or_of_the_configured_member() {
    let text = r"ensembles: [{name: prod, zone_pattern: '\.(az\d)\.', discovery: conf,
        members: [{address: 'zk-1.az1.x:2181', zone: special}, 'zk-2.az2.x:2181']}]";
    let prod = &ensemble::ensembles(&parsed(text))[0];
    let conf = "clientPort=1\nmembership: \nserver.1=zk-1.az1.x:2888:3888:participant;0.0.0.0:2181\n\
        server.2=zk-2.az2.x:2888:3888:participant;0.0.0.0:2181\nserver.3=zk-3.az3.x:2888:3888:participant;0.0.0.0:2181\n\
        server.4=zk-4:2888:3888:participant;0.0.0.0:2181\nversion=1";
    let membership =
        ensemble::Membership::from_conf(&zookeeper_exporter::reply::conf::parse(conf)).expect("a membership");
    let reported = ReportedMembership { membership, by: "zk-2.az2.x:2181".parse().unwrap(), id: "2".into() };
    let roster = by_membership(&reported, &[], &prod.members, false, 9);
    let zones: Vec<Option<String>> =
        roster.members.iter().map(|member| prod.zone_of(member).map(|zone| zone.to_string())).collect();
    assert_eq!(zones, [Some("special".into()), Some("az2".into()), Some("az3".into()), None]);
    // Every address of a name has the zone of the name.
    let names: Vec<(Member, Vec<std::net::SocketAddr>)> =
        prod.members.iter().map(|member| (member.clone(), vec!["10.0.0.1:2181".parse().unwrap()])).collect();
    for (number, zone) in [(0, "special"), (1, "az2")] {
        let roster = by_addresses(&names[number..=number], 9);
        assert_eq!(prod.zone_of(&roster.members[0]).as_deref(), Some(zone));
    }
}

#[test]
fn simulate_prints_what_remains() {
    let replayed = |role: &str| {
        let read = |file: &str| {
            std::fs::read_to_string(root().join(format!("tests/fixtures/3.9.3/{role}/{file}.txt"))).unwrap()
        };
        Listener::answering_words(&[("mntr", &read("mntr")), ("srvr", &read("srvr")), ("conf", &read("conf"))])
    };
    let (leader, follower) = (replayed("leader"), replayed("follower"));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let (one, two) = (&leader.address, &follower.address);
    let text =
        format!("ensembles: [{{name: prod, members: [{{address: '{one}', zone: a}}, {{address: '{two}', zone: b}}]}}]");
    file.write_all(text.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    let simulate = |arguments: &[&str]| {
        let all = [&["simulate", "--config.file", path][..], arguments].concat();
        let output = run(&all);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    // Two of three voters are queried; the leader counts both followers.
    let (code, text) = simulate(&["--without", "zone=a"]);
    let expected = format!(
        "prod without {one} (zone a)\n  quorum          yes (now yes)\n  quorum margin   0 (now 1)\n  \
         voters in sync  2 (now 3); 2 of 3 are needed\n  leader          {one} is lost, the others elect a new one\n"
    );
    assert_eq!((code, text), (Some(0), expected));
    let member = format!("member={two}");
    let (code, json) = simulate(&["prod", "--output", "json", "--without", "zone=a", "--without", &member]);
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(code, Some(1), "{json}");
    let prod = &found[0];
    assert_eq!((prod["has_quorum"].as_bool(), prod["quorum_margin"].as_i64()), (Some(false), Some(-1)), "{json}");
    assert_eq!((prod["leader_lost"].as_bool(), prod["lost"][1]["zone"].as_str()), (Some(true), Some("b")), "{json}");
    for (without, part) in [
        ("zone=c", "unknown zone `c`: expected one of a, b"),
        ("member=zk-9", "unknown member `zk-9`: expected one of 127.0.0.1:"),
        ("zk-9", "expected zone=NAME or member=HOST:PORT"),
        ("zone=", "expected zone=NAME or member=HOST:PORT"),
    ] {
        let (code, text) = simulate(&["--without", without]);
        assert!(code == Some(2) && text.contains(part), "{without}: {text}");
    }
}

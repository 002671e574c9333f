//! Every role of a real server is reported, and only that role.

use std::time::Duration;

use crate::common::exporter::Exporter;
use crate::live::{Ensemble, reason, release, scrape, series, state, until};

#[test]
fn leader_followers_and_observer() {
    let ensemble = Ensemble::start(&["--members", "3", "--observers", "1"]);
    let exporter = Exporter::start(&["--zookeeper", &ensemble.flag("prod")]);
    let page = scrape(&exporter, Duration::from_secs(3));
    let (members, leader) = (ensemble.members(), ensemble.leader());
    let release = release(&leader);
    for (number, member) in members.iter().enumerate() {
        let expected = match number {
            3 => "observer",
            _ if *member == leader => "leader",
            _ => "follower",
        };
        assert_eq!(state(&page, member), expected);
        for family in ["zk_up", "zk_serving", "zk_mntr_complete"] {
            assert_eq!(page.value(family, &[("member", member)]), Some(1.0), "{family} of {member}");
        }
        let id = (number + 1).to_string();
        let peer_type = if number == 3 { "observer" } else { "participant" };
        let labels = [
            ("member", member.as_str()),
            ("version", release.as_str()),
            ("server_id", &id),
            ("peer_type", peer_type),
            ("source", "mntr"),
        ];
        assert_eq!(page.value("zk_member_info", &labels), Some(1.0), "{member}");
        assert!(series(&page, member) > 400);
    }
    let leader_labels = [("member", leader.as_str())];
    assert_eq!(page.value("zk_synced_followers", &leader_labels), Some(2.0));
    assert_eq!(page.value("zk_quorum_size", &leader_labels), Some(3.0));
    assert_eq!(page.value("zk_learners", &leader_labels), Some(3.0));
    assert_eq!(
        page.value("zk_peer_state_info", &[("member", leader.as_str()), ("peer_state", "leading - broadcast")]),
        Some(1.0)
    );
    let of_observer = page.series.iter().filter(|(series, _)| series.name == "zk_observer_master_info").count();
    assert_eq!(of_observer, 1);
}

#[test]
fn a_standalone_server() {
    let ensemble = Ensemble::start(&["--members", "1"]);
    let exporter = Exporter::start(&["--zookeeper", &ensemble.flag("solo")]);
    let page = scrape(&exporter, Duration::from_secs(3));
    let member = &ensemble.members()[0];
    assert_eq!(state(&page, member), "standalone");
    assert_eq!(page.value("zk_serving", &[("ensemble", "solo"), ("member", member)]), Some(1.0));
    assert!(page.value("zk_peer_state_info", &[]).is_none());
}

#[test]
fn a_member_cut_off_from_the_quorum_serves_read_only() {
    let ensemble = Ensemble::start(&["--members", "3", "--jvm", "-Dreadonlymode.enabled=true"]);
    let exporter = Exporter::start(&["--zookeeper", &ensemble.flag("prod")]);
    let members = ensemble.members();
    ensemble.run(&["kill", "1"]);
    ensemble.run(&["kill", "2"]);
    let page = until(&exporter, "the third member read-only, with a whole mntr", |page| {
        state(page, &members[2]) == "read-only"
            && page.value("zk_mntr_complete", &[("member", &members[2])]) == Some(1.0)
    });
    assert_eq!(page.value("zk_serving", &[("member", &members[2])]), Some(1.0));
    assert_eq!(state(&page, &members[0]), "no-answer");
    assert_eq!(reason(&page, &members[0], "mntr"), "connect");
}

#[test]
fn a_member_with_the_default_whitelist_is_up() {
    let ensemble = Ensemble::start(&["--members", "1", "--whitelist", "default"]);
    let exporter = Exporter::start(&["--zookeeper", &ensemble.flag("prod")]);
    let (member, release) = (ensemble.members()[0].clone(), release(&ensemble.members()[0]));
    for _ in 0..3 {
        let page = scrape(&exporter, Duration::from_secs(3));
        assert_eq!(state(&page, &member), "standalone");
        assert_eq!(page.value("zk_up", &[]), Some(1.0));
        assert_eq!(page.value("zk_mntr_complete", &[]), Some(0.0));
        assert_eq!(reason(&page, &member, "mntr"), "not_allowed");
        assert_eq!(page.value("zk_member_info", &[("source", "srvr"), ("version", release.as_str())]), Some(1.0));
        for family in [
            "zk_znodes",
            "zk_avg_latency_seconds",
            "zk_num_alive_connections",
            "zk_zxid_epoch",
            "zk_outstanding_requests",
        ] {
            assert!(page.value(family, &[]).is_some(), "{family}");
        }
    }
    let log = exporter.log();
    let told: Vec<_> = log
        .lines()
        .filter(|line| line.contains("4lw.commands.whitelist") && line.contains("commands=\"mntr\""))
        .collect();
    assert_eq!(told.len(), 1, "{log}");
}

#[test]
fn several_ensembles_from_a_file() {
    let (one, two) = (Ensemble::start(&["--members", "1"]), Ensemble::start(&["--members", "3"]));
    let file = tempfile::NamedTempFile::new().unwrap();
    let list = |ensemble: &Ensemble| ensemble.members().join(", ");
    let text = format!(
        "ensembles:\n  - name: one\n    members: [{}]\n  - name: two\n    members: [{}]\n    module: quick\nmodules:\n  quick: {{timeout: 2s, commands: [mntr]}}\n",
        list(&one),
        list(&two)
    );
    std::fs::write(file.path(), text).unwrap();
    let exporter = Exporter::start(&["--config.file", file.path().to_str().unwrap()]);
    let page = scrape(&exporter, Duration::from_secs(3));
    let up = |ensemble: &str| {
        page.series
            .iter()
            .filter(|(series, value)| series.name == "zk_up" && series.label("ensemble") == ensemble && *value == 1.0)
            .count()
    };
    assert_eq!((up("one"), up("two")), (1, 3));
    // The module of `two` queries only mntr, so there is no zxid.
    let zxids = page.series.iter().filter(|(series, _)| series.name == "zk_zxid_epoch").count();
    assert_eq!(zxids, 1);
}

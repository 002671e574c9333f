//! Unusual but valid ensemble configurations on real servers.

use std::time::{Duration, Instant};

use crate::common::Page;
use crate::common::exporter::{Exporter, run};
use crate::live::{Ensemble, client, forwarder, scrape, state, until};

/// `syncLimit` ticks of the test ensemble, plus one.
const SYNC: Duration = Duration::from_millis(5500);

fn leader_state(page: &Page) -> String {
    let states =
        page.series.iter().filter(|(series, value)| series.name == "zk_ensemble_leader_state" && *value == 1.0);
    let states: Vec<&str> = states.map(|(series, _)| series.label("state")).collect();
    assert_eq!(states.len(), 1, "{states:?}");
    states[0].to_owned()
}

fn of_ensemble(page: &Page, name: &str) -> Option<f64> {
    page.value(&format!("zk_ensemble_{name}"), &[])
}

/// Three members with leaderServes=no, scraped by one exporter without and one with the AdminServer.
#[test]
fn a_leader_that_serves_no_clients_raises_no_alert() {
    let ensemble = Ensemble::start(&["--members", "3", "--admin", "--no-wait", "--cfg", "leaderServes=no"]);
    let members = ensemble.members();
    let plain = Exporter::start(&["--zookeeper", &ensemble.flag("prod")]);
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = format!(
        "ensembles: [{{name: prod, members: [{}]}}]\nmodules: {{default: {{timeout: 3s, admin: 'http://{{host}}:28080'}}}}\n",
        members.join(", ")
    );
    std::fs::write(file.path(), config).unwrap();
    let with_admin = Exporter::start(&["--config.file", file.path().to_str().unwrap()]);

    let followers = |page: &Page| members.iter().filter(|member| state(page, member) == "follower").count();
    let page = until(&plain, "two followers and a leader that serves no clients", |page| {
        followers(page) == 2 && members.iter().any(|member| state(page, member) == "not-serving")
    });
    let leader = members.iter().find(|member| state(&page, member) == "not-serving").unwrap();
    // The quorum is unknown for syncLimit ticks and never reported as lost; then the followers prove the leader.
    let begun = Instant::now();
    let page = until(&plain, "the followers' word", |page| {
        assert_eq!(leader_state(page), "hidden");
        assert_ne!(of_ensemble(page, "has_quorum"), Some(0.0));
        of_ensemble(page, "has_quorum") == Some(1.0)
    });
    println!("proven after {:?}", begun.elapsed());
    assert!(begun.elapsed() < SYNC * 3);
    assert_eq!((of_ensemble(&page, "voters_synced"), of_ensemble(&page, "quorum_margin")), (Some(3.0), Some(1.0)));
    assert_eq!(
        (of_ensemble(&page, "leaders"), page.value("zk_ensemble_leader_info", &[("member", leader)])),
        (Some(1.0), Some(1.0))
    );
    let other = members.iter().find(|member| *member != leader).unwrap();
    client(other, "zk.create('/written', b'x')");

    let page = until(&with_admin, "the AdminServer's word", |page| state(page, leader) == "leader");
    assert_eq!(
        (leader_state(&page).as_str(), of_ensemble(&page, "has_quorum"), of_ensemble(&page, "quorum_margin")),
        ("seen", Some(1.0), Some(1.0))
    );
    assert_eq!(page.value("zk_mntr_complete", &[("member", leader)]), Some(1.0));

    // A one-shot command has no history: it reports the uncertainty and suggests no harmful action.
    let output = run(&["info", "--zookeeper", &ensemble.flag("prod")]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("leads with leaderServes=no, or has") && !text.contains("critical") && !text.contains("kill"),
        "{text}"
    );

    // A paused leader is distinguished from this state by its followers, which abandon it.
    ensemble.run(&["pause", &ensemble.id(leader)]);
    until(&plain, "the leader silent", |page| {
        leader_state(page) != "hidden" || of_ensemble(page, "leaders") == Some(0.0)
    });
    until(&plain, "another leader, hidden too", |page| {
        followers(page) == 1
            && members.iter().filter(|member| *member != leader).any(|member| state(page, member) == "not-serving")
    });
    ensemble.run(&["resume", &ensemble.id(leader)]);
}

#[test]
fn quorums_by_groups_are_computed() {
    let groups = ["group.1=1:2", "group.2=3:4", "group.3=5"];
    let mut arguments = vec!["--members", "5"];
    for line in groups {
        arguments.extend(["--cfg", line]);
    }
    let ensemble = Ensemble::start(&arguments);
    let exporter = Exporter::start(&["--zookeeper", &ensemble.flag("prod")]);
    // One failure breaks any of the three groups; two failures can leave a single group.
    let page = until(&exporter, "all five in sync", |page| of_ensemble(page, "voters_synced") == Some(5.0));
    assert_eq!(
        (of_ensemble(&page, "quorum_margin"), of_ensemble(&page, "has_quorum"), of_ensemble(&page, "majority")),
        (Some(1.0), Some(1.0), None)
    );
    assert_eq!(of_ensemble(&page, "quorum_unsupported"), Some(0.0));
    // Three of five voters are up: a majority of servers, but not a quorum of groups.
    ensemble.run(&["kill", "3"]);
    let page = until(&exporter, "one group lost", |page| of_ensemble(page, "quorum_margin") == Some(0.0));
    assert_eq!(of_ensemble(&page, "has_quorum"), Some(1.0));
    ensemble.run(&["kill", "5"]);
    until(&exporter, "two groups lost", |page| {
        of_ensemble(page, "has_quorum") == Some(0.0) && of_ensemble(page, "members_up") == Some(3.0)
    });
    let page = until(&exporter, "no leader any more", |page| leader_state(page) == "none");
    assert_eq!(of_ensemble(&page, "has_quorum"), Some(0.0));
}

/// Two voters, of which the oracle lets the leader continue alone.
#[test]
fn an_oracle_in_place_of_a_majority_is_not_a_lost_quorum() {
    let oracle = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(oracle.path(), "1").unwrap();
    let line = format!("oraclePath={}", oracle.path().display());
    let ensemble = Ensemble::start(&["--members", "2", "--cfg", &line]);
    let exporter = Exporter::start(&["--zookeeper", &ensemble.flag("prod")]);
    let page = until(&exporter, "both in sync", |page| of_ensemble(page, "voters_synced") == Some(2.0));
    assert_eq!((of_ensemble(&page, "quorum_margin"), of_ensemble(&page, "has_quorum")), (Some(0.0), Some(1.0)));
    let leader = ensemble.leader();
    ensemble.run(&["kill", "follower"]);
    let page =
        until(&exporter, "the leader continues alone", |page| of_ensemble(page, "quorum_unsupported") == Some(1.0));
    assert_eq!((state(&page, &leader).as_str(), leader_state(&page).as_str()), ("leader", "seen"));
    assert_eq!((of_ensemble(&page, "quorum_margin"), of_ensemble(&page, "has_quorum")), (None, None));
    assert_eq!((of_ensemble(&page, "members_up"), of_ensemble(&page, "voters_synced")), (Some(1.0), Some(1.0)));
    client(&leader, "zk.create('/alone', b'')");

    // The oracle decides otherwise: the leader steps down.
    std::fs::write(oracle.path(), "0").unwrap();
    until(&exporter, "no quorum", |page| of_ensemble(page, "has_quorum") == Some(0.0) && leader_state(page) == "none");
}

#[test]
fn one_server_under_two_names_is_one_member() {
    let ensemble = Ensemble::start(&["--members", "3"]);
    let leader = ensemble.leader();
    let exporter = Exporter::start(&["--zookeeper", &format!("{},{}", ensemble.flag("prod"), forwarder(leader))]);
    for _ in 0..3 {
        let page = scrape(&exporter, Duration::from_secs(3));
        assert_eq!((of_ensemble(&page, "leaders"), of_ensemble(&page, "duplicate_members")), (Some(1.0), Some(1.0)));
        assert_eq!((of_ensemble(&page, "voters_serving"), of_ensemble(&page, "quorum_margin")), (Some(3.0), Some(1.0)));
        assert_eq!((of_ensemble(&page, "members"), of_ensemble(&page, "voters_not_asked")), (Some(4.0), Some(0.0)));
    }
}

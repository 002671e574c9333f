//! The faults that are part of every test run.

use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::live::Ensemble;
use crate::{ALONE, Expected, assert_well, prove};

fn config(ensemble: &Ensemble) -> String {
    format!("ensembles: [{{name: e, members: [{}]}}]\n", ensemble.members().join(", "))
}

/// A follower, the quorum, the exporters; and two exporters of the same ensemble do not duplicate alerts.
#[test]
fn alerts_of_lost_members_quorum_and_exporters_reach_the_webhook_and_resolve() {
    let _alone = ALONE.lock();
    let ensemble = Ensemble::start(&[]);
    let mut bench = Bench::start(&config(&ensemble), 2);
    let begun = Instant::now();
    let mut rows = Vec::new();
    let follower = ensemble.run(&["mode", "follower"]).lines().next().unwrap().to_owned();
    let follower_address = ensemble.members()[follower.parse::<usize>().unwrap() - 1].clone();
    rows.push(prove(
        &mut bench,
        &Expected {
            fault: "follower killed",
            alert: "ZooKeeperMemberDown",
            severity: "critical",
            member: Some(&follower_address),
            says: "reason: connect",
        },
        |bench| {
            ensemble.run(&["kill", &follower]);
            let within = Duration::from_mins(2);
            let margin = bench.notice(begun, within, |notice| {
                notice.status == "firing" && notice.labels["alertname"] == "ZooKeeperQuorumMarginZero"
            });
            assert_eq!(margin.unwrap().labels["ensemble"], "e");
        },
        |_| drop(ensemble.run(&["restart", &follower, "--wait"])),
    ));
    rows.push(prove(
        &mut bench,
        &Expected {
            fault: "two of three killed",
            alert: "ZooKeeperQuorumLost",
            severity: "critical",
            member: None,
            says: "not-serving",
        },
        |_| {
            ensemble.run(&["kill", "follower"]);
            ensemble.run(&["kill", "leader"]);
        },
        |_| {
            ensemble.run(&["restart", "down"]);
            ensemble.run(&["restart", "down", "--wait"]);
        },
    ));
    // One of two exporters: a warning, and the ensemble is still monitored.
    let lost = Instant::now();
    rows.push(prove(
        &mut bench,
        &Expected {
            fault: "one of two exporters gone",
            alert: "ZooKeeperExporterDown",
            severity: "warning",
            member: None,
            says: "has not reached",
        },
        |bench| bench.stop_exporter(0),
        |bench| bench.start_exporter(0),
    ));
    let blind =
        bench.since(lost).into_iter().filter(|notice| notice.labels["alertname"] == "ZooKeeperEnsembleUnwatched");
    assert_eq!(blind.count(), 0, "the second exporter watched all the time");
    rows.push(prove(
        &mut bench,
        &Expected {
            fault: "both exporters gone",
            alert: "ZooKeeperEnsembleUnwatched",
            severity: "critical",
            member: None,
            says: "no metrics of ensemble e",
        },
        |bench| (0..2).for_each(|number| bench.stop_exporter(number)),
        |bench| (0..2).for_each(|number| bench.start_exporter(number)),
    ));
    assert_well(&rows);
    // Alertmanager identifies an alert by its labels: two exporters raising the same alert would appear as two.
    // Only an alert about the exporters themselves comes once for each of them.
    let mut alerts: Vec<_> = bench.since(begun).into_iter().map(|notice| notice.labels).collect();
    alerts.sort();
    alerts.dedup();
    for labels in &alerts {
        let same = alerts.iter().filter(|other| {
            let told_by = ["alertname", "severity", "ensemble", "member", "indicator", "objective", "resource"];
            told_by.iter().all(|name| other.get(*name) == labels.get(*name))
                && (labels["alertname"] != "ZooKeeperExporterDown" || other.get("instance") == labels.get("instance"))
        });
        assert!(same.count() == 1, "{labels:?} came more than once");
    }
}

//! Zones of a real ensemble of five: each zone is killed, and the ensemble behaves as margin and `simulate` predicted.
#![allow(clippy::disallowed_methods, reason = "these tests have no async runtime and wait by sleeping")]

use std::io::Write;
use std::time::{Duration, Instant};

use crate::common::exporter::{Exporter, run};
use crate::live::{Ensemble, command, until};

/// Zones of the members 1 to 5; the loss of `a` stops the ensemble.
const ZONES: [&str; 5] = ["a", "a", "a", "b", "c"];

#[test]
fn the_loss_of_each_zone_is_predicted() {
    let ensemble = Ensemble::start(&["--members", "5"]);
    let members = ensemble.members();
    let listed = members.iter().zip(ZONES).map(|(member, zone)| format!("{{address: '{member}', zone: {zone}}}"));
    let listed: Vec<String> = listed.collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "ensembles: [{{name: prod, members: [{}]}}]", listed.join(", ")).unwrap();
    let path = file.path().to_str().unwrap();
    let exporter = Exporter::start(&["--config.file", path]);
    let whole = |exporter: &Exporter| {
        until(exporter, "five voters in sync", |page| page.value("zk_ensemble_voters_synced", &[]) == Some(5.0))
    };
    let page = whole(&exporter);
    assert_eq!(page.value("zk_ensemble_zone_margin", &[]), Some(-1.0));
    assert_eq!(page.value("zk_zone_voters", &[("zone", "a")]), Some(3.0));
    for (zone, margin) in [("c", 1), ("b", 1), ("a", -1)] {
        let leader = ensemble.leader();
        let output =
            run(&["simulate", "--config.file", path, "--output", "json", "--without", &format!("zone={zone}")]);
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let lost: Vec<&String> =
            members.iter().zip(ZONES).filter(|(_, of)| *of == zone).map(|(name, _)| name).collect();
        let expected = (Some(margin), Some(margin >= 0), Some(lost.contains(&&leader)));
        let said = &found[0];
        let said = (said["quorum_margin"].as_i64(), said["has_quorum"].as_bool(), said["leader_lost"].as_bool());
        assert_eq!(said, expected, "{zone}: {found}");
        assert_eq!(output.status.code(), Some(i32::from(margin < 0)), "{zone}");

        for member in &lost {
            ensemble.run(&["kill", &ensemble.id(member)]);
        }
        if margin >= 0 {
            let margin = f64::from(i32::try_from(margin).unwrap());
            until(&exporter, "the predicted margin", |page| {
                page.value("zk_ensemble_quorum_margin", &[]) == Some(margin)
                    && page.value("zk_ensemble_has_quorum", &[]) == Some(1.0)
            });
        } else {
            until(&exporter, "no quorum", |page| page.value("zk_ensemble_has_quorum", &[]) == Some(0.0));
            // The servers themselves report it.
            let left = members.iter().zip(ZONES).filter(|(_, of)| *of != zone).map(|(name, _)| name);
            let deadline = Instant::now() + Duration::from_secs(30);
            for member in left {
                while !command(member, "srvr").contains("not currently serving") {
                    assert!(Instant::now() < deadline, "{member} still serves");
                    std::thread::sleep(Duration::from_millis(500));
                }
            }
        }
        for member in &lost {
            ensemble.run(&["restart", &ensemble.id(member)]);
        }
        ensemble.run(&["wait"]);
        whole(&exporter);
    }
}

//! Alertmanager's side of the alerts: the shipped file and the written one inhibit what the table says, cluster by cluster.

use std::process::Command;

use serde_json::{Value, json};
use zookeeper_exporter::alert::alertmanager::configuration;
use zookeeper_exporter::alert::expr::Keys;
use zookeeper_exporter::alert::inhibit::INHIBITIONS;
use zookeeper_exporter::alert::{Deployment, conditions};

use crate::common::root;

fn written(keep: &[&str]) -> String {
    let keep_labels = keep.iter().map(|&label| label.to_owned()).collect();
    configuration(&Deployment { keep_labels, ..Deployment::default() })
}

fn read(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn the_shipped_file_inhibits_and_groups_as_the_written_one() {
    let shipped = read(&std::fs::read_to_string(root().join("deploy/alertmanager/alertmanager.yml")).unwrap());
    let written = read(&written(&["cluster"]));
    assert_eq!(shipped["inhibit_rules"], written["inhibit_rules"]);
    assert_eq!(shipped["inhibit_rules"].as_array().unwrap().len(), INHIBITIONS.len() + 1);
    assert_eq!(shipped["route"]["group_by"], written["route"]["group_by"]);
    let critical = |file: &Value| file["route"]["routes"][1]["group_by"].clone();
    assert_eq!(critical(&shipped), critical(&written));
}

#[test]
fn every_inhibition_tells_all_kept_labels_apart() {
    for keep in [&[][..], &["cluster"], &["region", "cluster"]] {
        let file = read(&written(keep));
        let rules = file["inhibit_rules"].as_array().unwrap();
        for (number, rule) in rules.iter().enumerate() {
            let own: &[&str] =
                if number == 0 { &["alertname", "ensemble", "member"] } else { INHIBITIONS[number - 1].equal };
            let wanted: Vec<&str> = keep.iter().chain(own).copied().collect();
            assert_eq!(rule["equal"], json!(wanted));
        }
        assert_eq!(file["route"]["group_by"].as_array().unwrap().len(), keep.len() + 2);
    }
}

#[test]
fn every_inhibition_names_alerts_that_exist_and_have_its_labels() {
    for rule in INHIBITIONS {
        let targets = match rule.targets {
            zookeeper_exporter::alert::inhibit::Targets::Named(names) => names,
            zookeeper_exporter::alert::inhibit::Targets::Warnings => &[],
        };
        for name in rule.sources.iter().chain(targets) {
            let condition = conditions().iter().find(|condition| condition.name == *name);
            let condition = condition.unwrap_or_else(|| panic!("there is no alert {name}"));
            // A canary is of an ensemble or of a member.
            assert!(
                rule.equal.iter().all(|label| condition.keys().names().contains(label))
                    || condition.keys() == Keys::Canary,
                "{name} lacks a label of {:?}",
                rule.equal
            );
        }
    }
}

#[test]
fn alertmanager_accepts_the_written_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alertmanager.yml");
    std::fs::write(&file, written(&["cluster"])).unwrap();
    let output = Command::new("amtool").arg("check-config").arg(&file).output().expect("amtool runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

//! Alertmanager configuration: the shipped and the generated file inhibit according to the table, separately per
//! cluster.

use std::process::Command;

use serde_json::{Value, json};
use zookeeper_exporter::alert::alertmanager::{SAME_ALERT, configuration};
use zookeeper_exporter::alert::expr::Keys;
use zookeeper_exporter::alert::inhibit::inhibitions;
use zookeeper_exporter::alert::{Deployment, Severity, conditions};

use crate::common::root;

fn written(keep: &[&str]) -> String {
    let keep_labels = keep.iter().map(|&label| label.to_owned()).collect();
    configuration(&Deployment { keep_labels, ..Deployment::default() })
}

fn read(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn shipped_and_generated_files_inhibit_and_group_alike() {
    let shipped = read(&std::fs::read_to_string(root().join("deploy/alertmanager/alertmanager.yml")).unwrap());
    let written = read(&written(&["cluster"]));
    assert_eq!(shipped["inhibit_rules"], written["inhibit_rules"]);
    assert_eq!(shipped["inhibit_rules"].as_array().unwrap().len(), inhibitions().count() + 1);
    assert_eq!(shipped["route"]["group_by"], written["route"]["group_by"]);
    let critical = |file: &Value| file["route"]["routes"][1]["group_by"].clone();
    assert_eq!(critical(&shipped), critical(&written));
}

#[test]
fn every_inhibition_compares_all_kept_labels() {
    for keep in [&[][..], &["cluster"], &["region", "cluster"]] {
        let file = read(&written(keep));
        let rules = file["inhibit_rules"].as_array().unwrap();
        for (number, rule) in rules.iter().enumerate() {
            let own: &[&str] = match number.checked_sub(1) {
                None => &SAME_ALERT,
                Some(number) => inhibitions().nth(number).unwrap().equal,
            };
            let wanted: Vec<&str> = keep.iter().chain(own).copied().collect();
            assert_eq!(rule["equal"], json!(wanted));
        }
        assert_eq!(file["route"]["group_by"].as_array().unwrap().len(), keep.len() + 2);
    }
}

/// A critical alert about one znode or certificate must not hide the warning about another.
#[test]
fn a_critical_alert_silences_only_the_warning_with_its_own_labels() {
    let has_both = |condition: &&zookeeper_exporter::alert::Condition| {
        [Severity::Warning, Severity::Critical].iter().all(|severity| condition.level_of(*severity).is_some())
    };
    for condition in conditions().iter().filter(has_both) {
        for label in condition.keys().names() {
            assert!(SAME_ALERT.contains(label), "{}: {label}", condition.name);
        }
    }
}

#[test]
fn inhibitions_refer_to_existing_alerts_and_their_labels() {
    for rule in inhibitions() {
        let targets = match rule.targets {
            zookeeper_exporter::alert::inhibit::Targets::Named(names) => names,
            zookeeper_exporter::alert::inhibit::Targets::Warnings => &[],
        };
        for name in rule.sources.iter().chain(targets) {
            let condition = conditions().iter().find(|condition| condition.name == *name);
            let condition = condition.unwrap_or_else(|| panic!("there is no alert {name}"));
            // A canary belongs to an ensemble or to a member.
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
fn alertmanager_accepts_the_generated_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alertmanager.yml");
    std::fs::write(&file, written(&["cluster"])).unwrap();
    let output = Command::new("amtool").arg("check-config").arg(&file).output().expect("amtool runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

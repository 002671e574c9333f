//! The shipped Alertmanager configuration: routes checked by amtool, and all texts of the rules expanded by a real
//! Prometheus.

use std::process::Command;

use crate::common::root;

fn amtool(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("amtool").args(arguments).current_dir(root()).output().expect("amtool is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

const FILE: &str = "deploy/alertmanager/alertmanager.yml";

#[test]
fn alerts_follow_the_routes() {
    let (good, said) = amtool(&["check-config", FILE]);
    assert!(good, "{said}");
    for (labels, receiver) in [
        (&["alertname=ZooKeeperMemberDown", "severity=critical", "ensemble=prod", "member=zk-1:2181"][..], "critical"),
        (&["alertname=ZooKeeperSlowFsync", "severity=warning", "ensemble=prod"], "warning"),
        (&["alertname=ZooKeeperWatchdog", "severity=info"], "watchdog"),
        (&["alertname=Other"], "warning"),
    ] {
        let config = format!("--config.file={FILE}");
        let verify = format!("--verify.receivers={receiver}");
        let mut arguments = vec!["config", "routes", "test", &config, &verify];
        arguments.extend(labels);
        let (good, said) = amtool(&arguments);
        assert!(good, "{labels:?}: {said}");
    }
}

#[test]
fn the_examples_of_receivers_are_valid_once_uncommented() {
    let text = std::fs::read_to_string(root().join(FILE)).unwrap();
    let (before, examples) = text.split_once("# --- receivers to copy from").unwrap();
    let examples = examples.split("# --- silences").next().unwrap();
    // Examples are indented by three spaces; prose is not.
    let lines: Vec<&str> = examples.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
    let mut whole = before.to_owned();
    for (number, line) in lines.iter().enumerate() {
        if line.ends_with("_configs:") {
            whole.push_str(&format!("  - name: example-{number}\n"));
        }
        // Debian's Alertmanager predates this key.
        whole.push_str(&format!(
            "    {}\n",
            line.replace("routing_key_file: /etc/alertmanager/pagerduty-key", "routing_key: key")
        ));
    }
    assert!(whole.matches("name: example-").count() >= 6);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alertmanager.yml");
    std::fs::write(&file, &whole).unwrap();
    let (good, said) = amtool(&["check-config", file.to_str().unwrap()]);
    assert!(good, "{said}\n{whole}");
}

#[test]
fn every_inhibition_names_existing_alerts() {
    let text = std::fs::read_to_string(root().join(FILE)).unwrap();
    let names: Vec<String> =
        zookeeper_exporter::alert::conditions().iter().map(zookeeper_exporter::alert::Condition::alert).collect();
    let words = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.starts_with("ZooKeeper") && word.len() > 12);
    let mut seen = 0;
    for word in words {
        assert!(names.iter().any(|name| name == word) || word == "ZooKeeperMember", "{word}");
        seen += 1;
    }
    assert!(seen > 15);
    for rule in text.split("- source_matchers").skip(1) {
        assert!(rule.split("\n  - ").next().unwrap().contains("equal: [") || rule.contains("equal: ["), "{rule}");
    }
}

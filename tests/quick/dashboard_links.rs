//! The annotation `dashboard_url`: absent by default, and a link to a dashboard that shows the condition of the alert.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use xtask::dashboard::boards;
use xtask::dashboard::query::written;
use zookeeper_exporter::alert::conditions;
use zookeeper_exporter::alert::dashboard_link::dashboard_path;
use zookeeper_exporter::alert::rules::{Deployment, Format, RuleFile};
use zookeeper_exporter::alert::thresholds::Thresholds;
use zookeeper_exporter::config::parse;

use crate::common::promql::selectors;

/// Conditions that no panel of their dashboard shows, although another dashboard does, and why.
const SHOWN_ELSEWHERE: &[(&str, &str)] = &[
    ("MemberDown", "the overview has the states, which include no-answer"),
    ("QuorumLost", "the overview has leader, voters in sync and margin"),
    ("LeaderSilent", "the overview has leader, voters in sync and margin"),
];

#[test]
fn every_alert_links_to_a_dashboard_that_shows_its_value() {
    let shown: BTreeMap<&str, BTreeSet<String>> = boards()
        .iter()
        .map(|board| {
            let panels = board.rows.iter().flat_map(|row| &row.panels);
            let queries = panels.flat_map(|panel| panel.expressions().map(written).collect::<Vec<_>>());
            let names = queries.flat_map(|query| selectors(&query).unwrap()).map(|selected| selected.name);
            (board.uid, names.collect())
        })
        .collect();
    let mut elsewhere = Vec::new();
    for condition in conditions() {
        let path = dashboard_path(condition, &[]);
        let uid = path.split('?').next().unwrap();
        let series = shown.get(uid).unwrap_or_else(|| panic!("{}: no dashboard {uid}", condition.name));
        let Some(value) = condition.expr.selectors().first().map(|selector| selector.name) else { continue };
        if !series.contains(value) && shown.values().any(|names| names.contains(value)) {
            elsewhere.push(condition.name);
        }
    }
    let expected: Vec<&str> = SHOWN_ELSEWHERE.iter().map(|(name, _)| *name).collect();
    assert_eq!(elsewhere, expected);
}

#[test]
fn links_to_dashboards_are_optional_and_have_the_labels_of_the_alert() {
    let rules = |alerts: &str| {
        let text = format!("ensembles: [{{name: prod, members: [zk-1]}}]\nalerts: {{{alerts}}}\n");
        let config = parse(Path::new("c.yml"), &text).unwrap();
        RuleFile::new(&Thresholds::of(&config).unwrap(), &Deployment::of(&config))
    };
    let links = |file: &RuleFile| -> BTreeMap<String, String> {
        let of = |rule: &zookeeper_exporter::alert::rules::Rule| {
            let link = rule.annotations.iter().find(|(name, _)| *name == "dashboard_url")?;
            Some((rule.alert.clone(), link.1.clone()))
        };
        file.rules().filter_map(of).collect()
    };
    assert_eq!(links(&rules("")), BTreeMap::new());

    let file = rules("keep_labels: [cluster], dashboard_url: 'https://grafana.example.com/d/'");
    let found = links(&file);
    assert_eq!(found.len(), file.rules().map(|rule| &rule.alert).collect::<BTreeSet<_>>().len());
    for (alert, link) in [
        (
            "ZooKeeperQuorumLost",
            "zookeeper-overview?var-cluster={{ $labels.cluster }}&var-ensemble={{ $labels.ensemble }}",
        ),
        (
            "ZooKeeperSlowFsync",
            "zookeeper-latency?var-cluster={{ $labels.cluster }}&var-ensemble={{ $labels.ensemble }}&var-member={{ $labels.member }}",
        ),
    ] {
        assert_eq!(found[alert], format!("https://grafana.example.com/d/{link}"));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yml");
    std::fs::write(&path, file.text(Format::Prometheus)).unwrap();
    let output = Command::new("promtool").args(["check", "rules"]).arg(&path).output().expect("promtool runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

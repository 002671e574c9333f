//! The shipped dashboards: generated in `xtask`, parsed by the model, checked with the rules of `lint`.

use std::collections::BTreeSet;

use serde_json::json;
use xtask::dashboard::grafana::Dashboard;
use xtask::dashboard::{boards, files};
use zookeeper_exporter::catalogue::{catalogue, essential, is_own};

use crate::common::root;
use crate::lint::{RULES, faults};

fn read() -> Vec<Dashboard> {
    files().iter().map(|(_, text)| serde_json::from_str(text).expect("the model reads what it wrote")).collect()
}

#[test]
fn no_dashboard_is_left_over() {
    let written = files();
    assert_eq!(written.len(), 10);
    let committed: BTreeSet<String> = std::fs::read_dir(root().join("dashboards"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(committed, written.into_iter().map(|(name, _)| name).collect());
}

#[test]
fn the_model_round_trips_the_dashboards() {
    for (name, text) in files() {
        let dashboard: Dashboard = serde_json::from_str(&text).unwrap();
        assert_eq!(dashboard.to_text(), text, "{name}");
        let misspelled = text.replacen("\"gridPos\"", "\"gridPosition\"", 1);
        assert!(serde_json::from_str::<Dashboard>(&misspelled).is_err(), "the model is not strict");
    }
}

#[test]
fn dashboards_satisfy_every_rule() {
    let all = read();
    let found: Vec<String> = all.iter().flat_map(|dashboard| faults(dashboard, &all)).map(|(_, text)| text).collect();
    assert!(found.is_empty(), "{found:#?}");
    let expressions: usize = boards()
        .iter()
        .flat_map(|board| &board.rows)
        .flat_map(|row| &row.panels)
        .map(|panel| panel.expressions().count())
        .sum();
    assert!(expressions > 150, "the rules look at {expressions} expressions");
}

/// A change that violates a rule.
type Break = fn(&mut Dashboard);

/// Each of these changes violates a rule in a valid dashboard, and that rule must report it.
#[test]
fn every_rule_detects_a_violation() {
    let breaks: &[(&str, Break)] = &[
        ("template-datasource-rule", |d| d.templating.list[0].name = "prometheus".into()),
        ("template-job-rule", |d| d.templating.list[1].multi = false),
        ("template-instance-rule", |d| d.templating.list[4].all_value = None),
        ("template-cluster-rule", |d| d.templating.list[2].all_value = Some(".+".into())),
        ("template-ensemble-rule", |d| d.templating.list[3].label = String::new()),
        ("template-label-promql-rule", |d| d.templating.list[1].definition = Some("label_values(zk_up{, job)".into())),
        ("template-on-time-change-reload-rule", |d| d.templating.list[2].refresh = 1),
        ("panel-datasource-rule", |d| d.panels[1].datasource.as_mut().unwrap().uid = "abc".into()),
        ("panel-title-description-rule", |d| d.panels[1].description = None),
        ("panel-units-rule", |d| d.panels[1].field_config.as_mut().unwrap().defaults.unit = "furlong".into()),
        ("panel-no-targets-rule", |d| d.panels[1].targets.clear()),
        ("target-promql-rule", |d| d.panels[1].targets[0].expr.push(')')),
        ("target-rate-interval-rule", |d| {
            d.panels[1].targets[0].expr =
                "rate(zk_snaps_total{job=~\"$job\",ensemble=~\"$ensemble\",member=~\"$member\"}[5m])".into();
        }),
        ("target-job-rule", |d| {
            d.panels[1].targets[0].expr = "zk_up{ensemble=~\"$ensemble\",member=~\"$member\"}".into();
        }),
        ("target-ensemble-rule", |d| d.panels[1].targets[0].expr = "zk_up{job=~\"$job\",member=~\"$member\"}".into()),
        ("target-instance-rule", |d| {
            d.panels[1].targets[0].expr = "zk_up{job=~\"$job\",ensemble=~\"$ensemble\"}".into();
        }),
        ("target-cluster-rule", |d| {
            d.panels[1].targets[0].expr = "zk_up{job=~\"$job\",ensemble=~\"$ensemble\",member=~\"$member\"}".into();
        }),
        ("target-counter-agg-rule", |d| {
            d.panels[1].targets[0].expr =
                "max(zk_snaps_total{job=~\"$job\",ensemble=~\"$ensemble\",member=~\"$member\"})".into();
        }),
        ("target-family-rule", |d| {
            d.panels[1].targets[0].expr = "zk_gone{job=~\"$job\",ensemble=~\"$ensemble\"}".into();
        }),
        ("target-ref-rule", |d| {
            let again = d.panels[1].targets[0].clone();
            d.panels[1].targets.push(again);
        }),
        ("target-ref-rule", |d| d.panels[1].targets[0].datasource.uid = "abc".into()),
        ("uneditable-dashboard", |d| d.editable = true),
        ("identity-rule", |d| d.title.clear()),
        ("identity-rule", |d| d.uid = "x".repeat(41)),
        ("panel-id-rule", |d| d.panels[2].id = d.panels[1].id),
        ("grid-rule", |d| d.panels[2].grid_pos = d.panels[1].grid_pos),
        ("grid-rule", |d| d.panels[1].grid_pos.x = 23),
        ("link-rule", |d| d.links[0].keep_time = false),
        ("link-rule", |d| {
            d.panels[1].field_config.as_mut().unwrap().defaults.links.push(
                serde_json::from_value(json!({"title": "x", "url": "/d/nowhere?a", "targetBlank": false})).unwrap(),
            );
        }),
        ("annotation-rule", |d| {
            d.annotations.list.pop();
        }),
        ("annotation-rule", |d| d.annotations.list[0].expr = "zk_gone".into()),
        ("no-value-rule", |d| d.panels[1].field_config.as_mut().unwrap().defaults.no_value.clear()),
        ("bad-and-then-rule", |d| d.panels[1].description = Some("Numbers.".into())),
        ("mapping-rule", |d| d.panels[1].field_config.as_mut().unwrap().defaults.thresholds.steps.clear()),
    ];
    let all = read();
    for (rule, hurt) in breaks {
        let mut dashboard = all[0].clone();
        hurt(&mut dashboard);
        let found = faults(&dashboard, &all);
        assert!(found.iter().any(|(noticed, _)| noticed == rule), "{rule} does not notice: {found:#?}");
    }
    let proven: BTreeSet<&str> = breaks.iter().map(|(rule, _)| *rule).collect();
    let without_logs: BTreeSet<&str> = RULES.iter().copied().filter(|rule| !rule.contains("logql")).collect();
    assert_eq!(proven, without_logs, "every rule is proven");
}

/// Queries of the main dashboards that are empty with `metrics: essential`, and why.
const NOT_ESSENTIAL: &[(&str, &str)] = &[
    ("zk_avg_latency_seconds", "the mean since the start, for servers without summaries"),
    ("zk_diffs_total", "details of replication; whole snapshots are there"),
    ("zk_learner_handler_qp_size", "details of replication: a series for each learner"),
    ("zk_looking_total", "elections are there"),
    ("zk_quorum_ack_latency_seconds", "details of replication; the write latency is there"),
];

#[test]
fn essential_metrics_fill_the_main_dashboards() {
    let mut lacking = BTreeSet::new();
    for dashboard in
        read().iter().filter(|one| matches!(one.uid.as_str(), "zookeeper-ensembles" | "zookeeper-overview"))
    {
        for target in dashboard.panels.iter().flat_map(|panel| &panel.targets) {
            for selected in crate::common::promql::selectors(&target.expr).unwrap() {
                let family = catalogue().families().find(|(_, family)| {
                    let name = family.full_name();
                    selected.name == name
                        || ["_sum", "_count"].iter().any(|end| selected.name == format!("{name}{end}"))
                });
                let Some((id, family)) = family else { continue };
                if !is_own(id) && !essential().contains(&id) {
                    lacking.insert(family.full_name());
                }
            }
        }
    }
    let known: BTreeSet<String> = NOT_ESSENTIAL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(lacking, known, "mark them as essential, or list them with a reason");
}

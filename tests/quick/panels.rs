//! Panel queries evaluated by promtool: two clusters, custom limits, the nearest exhaustion.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Command;

use xtask::dashboard::query::written;
use xtask::dashboard::{Panel, boards};
use zookeeper_exporter::alert::conditions;

use crate::common::promql::selectors;

/// The query of a panel, or of a table column, as Grafana sends it with all variables set to "All".
fn query(board: &str, panel: &str, column: usize) -> String {
    let boards = boards();
    let board = boards.iter().find(|one| one.uid == board).expect("a dashboard");
    let found = board.rows.iter().flat_map(|row| &row.panels).find(|one| one.title == panel).expect("a panel");
    let expr = written(found.expressions().nth(column).expect("a query"));
    expr.replace("$cluster", ".*")
        .replace("$job", ".+")
        .replace("$ensemble", ".+")
        .replace("$member", ".+")
        .replace("$__rate_interval", "4m")
}

/// Evaluates an expression after one hour, with one sample per minute, and compares the result.
fn assert_gives(expr: &str, series: &[(&str, &str)], expected: &[(&str, &str)]) {
    let expr = expr.replace('\'', "''");
    let mut text = String::from("evaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n");
    for (name, values) in series {
        writeln!(text, "      - {{series: '{name}', values: '{values}'}}").unwrap();
    }
    write!(text, "    promql_expr_test:\n      - expr: '{expr}'\n        eval_time: 1h\n        exp_samples:").unwrap();
    text.push_str(if expected.is_empty() { " []\n" } else { "\n" });
    for (labels, value) in expected {
        writeln!(text, "          - {{labels: '{labels}', value: {value}}}").unwrap();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let output = Command::new("promtool").args(["test", "rules"]).arg(file.path()).output().expect("promtool runs");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{said}");
}

/// The values of a family for an ensemble `prod` in each of two clusters.
fn in_two_clusters(family: &str, values: [&str; 2]) -> Vec<(String, String)> {
    ["eu", "us"]
        .iter()
        .zip(values)
        .map(|(cluster, value)| {
            (
                format!("{family}{{cluster=\"{cluster}\",job=\"z\",instance=\"prod\",ensemble=\"prod\"}}"),
                format!("{value}x60"),
            )
        })
        .collect()
}

#[test]
fn a_lost_quorum_of_one_cluster_is_not_hidden_by_an_ensemble_of_the_same_name() {
    let mut series = in_two_clusters("zk_ensemble_has_quorum", ["0", "1"]);
    series.extend(in_two_clusters("zk_ensemble_members_up", ["1", "3"]));
    series.extend(in_two_clusters("zk_ensemble_members", ["3", "3"]));
    let series: Vec<(&str, &str)> = series.iter().map(|(name, values)| (name.as_str(), values.as_str())).collect();
    assert_gives(&query("zookeeper-ensembles", "Without quorum", 0), &series, &[("{}", "1")]);
    let watched = query("zookeeper-ensembles", "Ensembles watched", 0);
    assert_gives(&watched, &series, &[("{}", "2")]);
}

#[test]
fn panels_work_where_no_series_has_the_label_cluster() {
    let series = [
        ("zk_ensemble_has_quorum{job=\"z\",instance=\"e\",ensemble=\"prod\"}", "0x60"),
        ("zk_ensemble_members_up{job=\"z\",instance=\"e\",ensemble=\"prod\"}", "1x60"),
        ("zk_ensemble_members{job=\"z\",instance=\"e\",ensemble=\"prod\"}", "3x60"),
    ];
    assert_gives(&query("zookeeper-ensembles", "Without quorum", 0), &series, &[("{}", "1")]);
}

#[test]
fn disk_exhaustion_is_that_of_the_first_full_file_system() {
    let of = |family: &str, fs: &str, mount: &str| {
        format!("{family}{{job=\"node\",instance=\"zk-1:9100\",fstype=\"{fs}\",mountpoint=\"{mount}\"}}")
    };
    let (root, data) = (
        of("node_filesystem_avail_bytes", "ext4", "/"),
        of("node_filesystem_avail_bytes", "xfs", "/var/lib/zookeeper"),
    );
    let series = [
        ("zk_scrape_duration_seconds{job=\"z\",instance=\"e:9141\",ensemble=\"prod\",member=\"zk-1:2181\"}", "0.01x60"),
        (root.as_str(), "50000000000-10000x60"),
        (data.as_str(), "2600000000-20000000x60"),
    ];
    // 1.4 GB are left after an hour, decreasing by 20 MB per minute.
    let expr = format!("{} / 60", paren(&query("zookeeper-ensembles", "Next exhausted resources", 1)));
    let labels = "{ensemble=\"prod\",member=\"zk-1:2181\",resource=\"disk\"}";
    assert_gives(&format!("round({expr})"), &series, &[(labels, "70")]);
}

fn paren(expr: &str) -> String {
    format!("({expr})")
}

#[test]
fn indicators_are_compared_with_the_active_limit() {
    let threshold = |labels: &str| {
        format!(
            "zk_alert_threshold{{job=\"z\",instance=\"e\",alert=\"ZooKeeperOutstandingRequests\",severity=\"warning\"{labels}}}"
        )
    };
    let (usual, own) = (threshold(""), threshold(",ensemble=\"busy\""));
    let series = [
        (usual.as_str(), "20x60"),
        (own.as_str(), "200x60"),
        ("zk_ensemble_members{job=\"z\",instance=\"e\",ensemble=\"prod\"}", "3x60"),
        ("zk_ensemble_members{job=\"z\",instance=\"e\",ensemble=\"busy\"}", "3x60"),
        ("zk_outstanding_requests{job=\"z\",instance=\"e\",ensemble=\"prod\",member=\"a\"}", "50x60"),
        ("zk_outstanding_requests{job=\"z\",instance=\"e\",ensemble=\"busy\",member=\"b\"}", "50x60"),
    ];
    let expr = query("zookeeper-early-warning", "Nearest to a limit now", 0);
    assert_gives(
        &expr,
        &series,
        &[
            ("{ensemble=\"prod\",indicator=\"outstanding requests\",member=\"a\"}", "2.5"),
            ("{ensemble=\"busy\",indicator=\"outstanding requests\",member=\"b\"}", "0.25"),
        ],
    );
}

#[test]
fn the_risk_is_not_green_during_an_alert_or_after_an_election() {
    let risk = |name: &str| format!("ensemble:zk_risk:noisy_or{{ensemble=\"{name}\"}}");
    let (sick, fresh, well) = (risk("sick"), risk("fresh"), risk("well"));
    let series = [
        (sick.as_str(), "0x60"),
        (fresh.as_str(), "0x60"),
        (well.as_str(), "0.1x60"),
        (
            "ALERTS{alertname=\"ZooKeeperSlowWrites\",alertstate=\"firing\",severity=\"critical\",ensemble=\"sick\",member=\"m\"}",
            "1x60",
        ),
        ("member:zk_restarted:group15m{ensemble=\"fresh\",member=\"m\"}", "1x60"),
    ];
    let expr = query("zookeeper-early-warning", "Risk of the ensemble", 0);
    assert_gives(
        &expr,
        &series,
        &[("{ensemble=\"sick\"}", "2"), ("{ensemble=\"fresh\"}", "-1"), ("{ensemble=\"well\"}", "0.1")],
    );
}

/// Alerts that use the same series as a green panel but have another subject.
const OTHER_SUBJECTS: &[(&str, &str)] = &[
    ("Quorum margin 0", "EnsembleEvenSize"),
    ("Quorum margin 0", "VotersNotSynced"),
    ("Members with incomplete mntr", "MemberDown"),
    ("Elections in 24 h", "MemberLosesLeader"),
];

#[test]
fn panels_are_not_green_while_an_alert_on_their_subject_fires() {
    let boards = boards();
    let described = |uid: &str, title: &str| {
        let board = boards.iter().find(|board| board.uid == uid).unwrap();
        board.rows.iter().flat_map(|row| &row.panels).find(|panel| panel.title == title).unwrap()
    };
    let (mut seen, mut lacking) = (0, Vec::new());
    for (_, text) in xtask::dashboard::files() {
        let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
        let uid = dashboard["uid"].as_str().unwrap();
        for placed in dashboard["panels"].as_array().unwrap() {
            let (kind, title) = (placed["type"].as_str().unwrap(), placed["title"].as_str().unwrap());
            if !placed.to_string().contains("green") {
                continue;
            }
            assert!(["stat", "state-timeline"].contains(&kind), "{uid}: {title} ({kind}) is green without an alert");
            let panel = described(uid, title);
            let expr = panel.expressions().next().unwrap();
            seen += 1;
            // The panel includes all alerts.
            if expr.contains(r#"alertname=~"ZooKeeper.*""#) {
                continue;
            }
            let named = expr.split(r#"alertname=~"ZooKeeper("#).nth(1).and_then(|rest| rest.split(')').next());
            let named: BTreeSet<&str> = named.unwrap_or_else(|| panic!("{uid}: {title}")).split('|').collect();
            let told: BTreeSet<&str> = panel.alarms.iter().copied().collect();
            assert_eq!(named, told, "{uid}: {title}");
            let known: Vec<&str> = conditions().iter().map(|condition| condition.name).collect();
            assert!(named.iter().all(|name| known.contains(name)), "{uid}: {title}: {named:?}");
            // Alerts whose value is a series of the panel have the panel's subject.
            let shown: BTreeSet<String> =
                selectors(&written(expr)).unwrap().into_iter().map(|selected| selected.name).collect();
            for condition in conditions() {
                let Some(value) = condition.expr.selectors().first().map(|first| first.name) else { continue };
                let other = OTHER_SUBJECTS.contains(&(title, condition.name));
                if shown.contains(value) && !other && !named.contains(condition.name) {
                    lacking.push(format!("{uid}: {title} shows {value}, the value of {}", condition.name));
                }
            }
        }
    }
    assert!(lacking.is_empty(), "{lacking:#?}");
    assert!(seen >= 12, "{seen}");
}

#[test]
fn intermittent_quorum_loss_is_counted_while_its_alert_fires() {
    let series = [
        ("zk_ensemble_has_quorum{job=\"z\",instance=\"e\",ensemble=\"prod\"}", "1x60"),
        ("zk_ensemble_members_up{job=\"z\",instance=\"e\",ensemble=\"prod\"}", "3x60"),
        ("zk_ensemble_members{job=\"z\",instance=\"e\",ensemble=\"prod\"}", "3x60"),
        ("zk_ensemble_quorum_margin{job=\"z\",instance=\"e\",ensemble=\"prod\"}", "1x60"),
        (
            "ALERTS{alertname=\"ZooKeeperQuorumLost\",alertstate=\"firing\",severity=\"critical\",ensemble=\"prod\"}",
            "1x60",
        ),
    ];
    assert_gives(&query("zookeeper-ensembles", "Without quorum", 0), &series, &[("{}", "1")]);
    let margin = query("zookeeper-overview", "Quorum margin", 0);
    assert_gives(&margin, &series, &[("{ensemble=\"prod\"}", "-999999")]);
    let member = [
        ("zk_server_state{job=\"z\",instance=\"e\",ensemble=\"prod\",member=\"a\",state=\"follower\"}", "1x60"),
        ("zk_serving{job=\"z\",instance=\"e\",ensemble=\"prod\",member=\"a\"}", "1x60"),
        (
            "ALERTS{alertname=\"ZooKeeperMemberNotServing\",alertstate=\"firing\",severity=\"critical\",ensemble=\"prod\",member=\"a\"}",
            "1x60",
        ),
    ];
    let state = query("zookeeper-member", "State", 0);
    assert_gives(&state, &member, &[("{ensemble=\"prod\",member=\"a\"}", "8")]);
    assert_gives(&state, &member[..2], &[("{ensemble=\"prod\",member=\"a\"}", "6")]);
}

#[test]
fn every_query_keeps_the_cluster_and_takes_limits_from_the_exporter() {
    let boards = boards();
    let panels = || boards.iter().flat_map(|board| &board.rows).flat_map(|row| &row.panels);
    let mut joins = 0;
    for expr in panels().flat_map(Panel::expressions).map(written) {
        for list in [" by (", " on ("].iter().flat_map(|word| expr.split(word).skip(1)) {
            let labels = list.split(')').next().unwrap_or_default();
            assert!(labels.is_empty() || labels.starts_with("cluster"), "{labels}: {expr}");
            joins += 1;
        }
        assert!(!expr.contains("without ("), "{expr}");
    }
    assert!(joins > 300, "{joins} joins");
    let limits = panels().flat_map(Panel::expressions).filter(|expr| expr.contains("zk_alert_threshold")).count();
    assert!(limits >= 6, "{limits} panels take limits from zk_alert_threshold");
    for condition in zookeeper_exporter::alert::conditions() {
        for limit in condition.levels.iter().filter_map(|level| level.limit).filter(|limit| *limit >= 100_000.0) {
            let literal = format!("{limit}");
            let found = panels().find(|panel| panel.expressions().any(|expr| expr.contains(&literal)));
            assert!(found.is_none(), "{} has the limit {literal}", found.map_or("", |panel| panel.title));
        }
    }
}

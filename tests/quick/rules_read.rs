//! Rule files of random configurations: if `config check` accepts a configuration, promtool and YAML parsers of both
//! versions accept its rules and read the expected content.
//!
//! `RULES_CONFIGURATIONS=10000 cargo test --test quick rules_read` tests that number of accepted configurations.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use zookeeper_exporter::alert::alertmanager::configuration;
use zookeeper_exporter::alert::{Deployment, Format, RuleFile, Template, Thresholds, conditions};
use zookeeper_exporter::config::{self, Config};

use crate::common::root;

/// A deterministic pseudo-random number generator (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ mixed >> 31) % end as u64).unwrap()
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    fn text(&mut self, most: usize) -> String {
        (0..self.below(most + 1)).map(|_| self.of(PIECES)).collect()
    }
}

const PIECES: &[&str] = &[
    "on",
    "null",
    "yes",
    "~",
    "1",
    "1.5",
    "0x1f",
    "0o7",
    "1_000",
    "1:30",
    ".inf",
    "2001-01-01",
    "a",
    "Team",
    "é",
    "漢",
    "🦀",
    " ",
    " ",
    ": ",
    " #",
    ":",
    "#",
    "'",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    "&x",
    "*x",
    "!t",
    "|",
    ">",
    "%",
    "@",
    "`",
    "-",
    "- ",
    "?",
    "? ",
    "<<",
    "=",
    ",",
    "\\n",
    "---",
    "...",
    "\u{a0}",
    "{{ $labels.ensemble }}",
    "{{ $value | humanize }}",
    "{{ if $value }}a{{ else }}b{{ end }}",
    "{{ with $labels.cluster }}{{ . }}{{ end }}",
    "{{ \"}}\" }}",
    "{{ eq $labels.a `b` }}",
    "{{ printf \"%v: %s\" $value ($labels.a | title) }}",
    // Rejected.
    "\t",
    "\n",
    "\r",
    "\u{7f}",
    "\u{85}",
    "\u{9b}",
    "\u{2028}",
    "\u{202e}",
    "\u{feff}",
    "\u{fffe}",
    "{{ nope }}",
    "{{",
    "}}",
    "{{ }}",
];
const LABELS: &[&str] = &[
    "on", "null", "y", "No", "Team", "_x", "a1", "true", "off", "team", "cluster", "__name__", "é", "a-b", "severity",
];
const KEPT: &[&str] = &[
    "cluster",
    "dc",
    "on",
    "by",
    "bool",
    "without",
    "and",
    "or",
    "unless",
    "offset",
    "avg",
    "sum",
    "min",
    "max",
    "count",
    "group",
    "group_left",
    "ignoring",
    "quantile",
    "start",
    "end",
    "atan2",
    "topk",
    "Inf",
    "nan",
    "inf",
    "step",
    "range",
    "limitk",
    "e",
    "smoothed",
    "anchored",
    "fill",
];
const LIMITS: &[&str] =
    &["10", "0", "0.001", "300ms", "85%", "2GiB", "14d", "1e3", "99999999999999999999", "0.30000000000000004"];
const HOLDS: &[&str] = &["5m", "1h30m", "0s", "1w", "500ms", "1s500ms", "90s"];

/// A configuration that may be valid, with most conditions off to keep its files small.
fn written(random: &mut Random) -> String {
    let mut thresholds = serde_json::Map::new();
    let kept: Vec<usize> = (0..3).map(|_| random.below(conditions().len())).collect();
    for (place, condition) in conditions().iter().enumerate() {
        if !kept.contains(&place) {
            thresholds.insert(condition.name.to_owned(), json!("off"));
        } else if random.below(2) == 0 {
            let limit = if random.below(12) == 0 { "9".repeat(400) } else { random.of(LIMITS).to_owned() };
            let mut levels = serde_json::Map::new();
            levels.insert(random.of(&["warning", "critical"]).to_owned(), json!(limit));
            if random.below(2) == 0 {
                levels.insert("for".to_owned(), json!(random.of(HOLDS)));
            }
            thresholds.insert(condition.name.to_owned(), Value::Object(levels));
        }
    }
    let labels: serde_json::Map<String, Value> =
        (0..random.below(3)).map(|_| (random.of(LABELS).to_owned(), json!(random.text(3)))).collect();
    let kept: Vec<&str> = (0..random.below(2)).map(|_| random.of(KEPT)).collect();
    let mut alerts = json!({ "thresholds": thresholds, "labels": labels, "keep_labels": kept });
    if random.below(2) == 0 {
        alerts["runbook_url"] = json!(format!("https://wiki.example.com/{}", random.text(2)));
    }
    if random.below(2) == 0 {
        alerts["dashboard_url"] = json!(format!("https://grafana.example.com/{}", random.text(2)));
    }
    let file = json!({
        "ensembles": [{ "name": "prod", "members": ["zk-1"] }, { "name": "on", "members": ["zk-2"] }],
        "modules": { "default": { "host": true, "tls": {}, "znodes": { "paths": ["/a"] } } },
        "alerts": alerts,
    });
    zookeeper_exporter::text::escape_json(&file.to_string()).into_owned()
}

fn read(text: &str) -> Result<(Config, Thresholds), String> {
    let config = config::parse(Path::new("config.yml"), text).map_err(|error| error.to_string())?;
    let thresholds = Thresholds::of(&config).map_err(|error| error.to_string())?;
    Ok((config, thresholds))
}

fn meant(file: &RuleFile) -> Vec<Value> {
    let of = |rule: &zookeeper_exporter::alert::rules::Rule| {
        let annotations: serde_json::Map<String, Value> =
            rule.annotations.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
        let mut meant = json!({
            "alert": rule.alert, "expr": rule.expr.trim_end_matches('\n'), "labels": rule.labels, "annotations": annotations,
        });
        if rule.hold.0 > 0 {
            meant["for"] = json!(rule.hold.to_string());
        }
        if rule.keep.0 > 0 {
            meant["keep_firing_for"] = json!(rule.keep.to_string());
        }
        meant
    };
    file.rules().map(of).collect()
}

#[test]
fn rules_of_accepted_configurations_are_parsed_as_intended() {
    let wanted = std::env::var("RULES_CONFIGURATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(24);
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(21);
    let (mut cases, mut files, mut accepted, mut refused) = (String::new(), Vec::new(), 0, 0);
    while accepted < wanted {
        let text = written(&mut random);
        let Ok((config, thresholds)) = read(&text).inspect_err(|error| {
            refused += 1;
            assert!(!error.contains('\n') && error.starts_with("config.yml:1:"), "{error}");
        }) else {
            continue;
        };
        let deployment = Deployment::of(&config);
        let file = RuleFile::new(&thresholds, &deployment);
        let prometheus = file.text(Format::Prometheus);
        let path = folder.path().join(format!("{accepted}.yml"));
        std::fs::write(&path, &prometheus).unwrap();
        files.push(path);
        let url = deployment.runbooks.clone().unwrap_or_else(|| "https://".to_owned());
        // The Zabbix template is large and depends only on addresses and macros.
        let zabbix = (accepted % 10 == 0).then(|| Template::new(&thresholds, &deployment).text());
        let case = json!({
            "name": text, "prometheus": prometheus, "kubernetes": file.text(Format::Kubernetes), "zabbix": zabbix,
            "alertmanager": configuration(&deployment), "rules": meant(&file), "url": url.trim_end_matches('/'),
            "kept": deployment.keep_labels,
        });
        cases.push_str(&(case.to_string() + "\n"));
        accepted += 1;
    }
    assert!(refused > wanted / 4, "{refused} of {} configurations were refused", wanted + refused);
    for files in files.chunks(250) {
        let output = Command::new("promtool").args(["check", "rules"]).args(files).output().expect("promtool runs");
        let said = String::from_utf8_lossy(&output.stderr);
        let place = said.split(".yml").next().and_then(|text| text.rsplit('/').next()).unwrap_or("").to_owned();
        let bad = std::fs::read_to_string(folder.path().join(format!("{place}.yml"))).unwrap_or_default();
        assert!(output.status.success(), "{said}\n{bad}");
    }
    let path = folder.path().join("cases");
    std::fs::write(&path, cases).unwrap();
    let output =
        Command::new("/usr/bin/python3").arg(root().join("tests/quick/rules_read.py")).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn invalid_alert_values_are_rejected_with_their_position() {
    for (alerts, line, part) in [
        ("labels:\n    team: \"a\\x9b\"", 4, "U+009B"),
        ("labels:\n    team: \"a\\x7f\"", 4, "U+007F"),
        ("labels:\n    team: \"a\\nb\"", 4, "U+000A"),
        ("labels:\n    team: \"\\uFFFE\"", 4, "U+FFFE"),
        ("labels:\n    team: \"\\u2028\"", 4, "U+2028"),
        ("labels:\n    team: \"{{ nope }}\"", 4, "unsupported function `nope`"),
        ("labels:\n    team: \"{{ if }}\"", 4, "an action without a value"),
        ("labels:\n    __name__: a", 4, "reserved label `__name__`"),
        ("keep_labels: [inf]", 3, "`inf` cannot be grouped by"),
        ("keep_labels: [Without]", 3, "`Without` cannot be grouped by"),
        ("runbook_url: \"https://x/\\n- alert: Evil\"", 3, "U+000A"),
        ("runbook_url: \"https://x/{{ nope }}\"", 3, "unsupported function `nope`"),
        ("dashboard_url: \"grafana/d\"", 3, "invalid URL `grafana/d`: expected e.g. https://grafana.example.com/d"),
        ("thresholds: {OutstandingRequests: {for: 500ms}}", 3, "whole seconds"),
    ] {
        let text = format!("ensembles: [{{name: a, members: [zk-1]}}]\nalerts:\n  {alerts}\n");
        let error = read(&text).map(|_| ()).expect_err(alerts);
        assert!(error.starts_with(&format!("config.yml:{line}:")) && error.contains(part), "{alerts}: {error}");
    }
    let long = "9".repeat(400);
    let text = format!(
        "ensembles: [{{name: a, members: [zk-1]}}]\nalerts: {{thresholds: {{OutstandingRequests: {{critical: \"{long}\"}}}}}}\n"
    );
    let error = read(&text).map(|_| ()).expect_err("infinite");
    assert!(error.starts_with("config.yml:2:") && error.contains("is too large"), "{error}");
}

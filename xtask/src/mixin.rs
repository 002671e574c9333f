//! `deploy/mixin/rules.json`: every rule with placeholders for its thresholds, for the mixin and the Helm chart.
//!
//! The rules are generated with limits that occur nowhere else, and each occurrence becomes a placeholder. Filling the
//! placeholders with the limits of the catalogue must give the shipped rules: `tests/quick/mixin.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};
use zookeeper_exporter::alert::dashboard_link::dashboard_path;
use zookeeper_exporter::alert::early::{INDICATORS, Indicator, steepness};
use zookeeper_exporter::alert::expr::Span;
use zookeeper_exporter::alert::text::in_words;
use zookeeper_exporter::alert::{
    Condition, Deployment, Format, Level, RuleFile, Severity, Thresholds, Unit, conditions,
};

use crate::File;

/// A `for` duration that no alert of the catalogue uses.
const HOLD: Span = Span(7919);

/// Limits that occur in no rule; the critical one is worse than the warning.
fn marker(condition: &Condition, severity: Severity) -> f64 {
    let worse = (severity == Severity::Critical) == condition.larger_is_worse().unwrap_or(true);
    match (condition.unit, worse) {
        (Unit::Ratio, false) => 0.27617,
        (Unit::Ratio, true) => 0.37617,
        (_, false) => 73519.0,
        (_, true) => 83519.0,
    }
}

fn thresholds() -> Thresholds {
    let mut text = String::from("ensembles: [{name: a, members: [zk-1]}]\nalerts:\n  thresholds:\n");
    for condition in conditions() {
        text.push_str(&format!("    {}: {{for: {HOLD}", condition.name));
        for level in condition.levels.iter().filter(|level| level.severity != Severity::Info) {
            let limit = level.limit.map_or("on".to_owned(), |_| marker(condition, level.severity).to_string());
            text.push_str(&format!(", {}: {limit}", level.severity.text()));
        }
        text.push_str("}\n");
    }
    Thresholds::of(&zookeeper_exporter::config::parse(Path::new("c.yml"), &text).unwrap()).unwrap()
}

/// All rule groups of a deployment, parsed.
#[must_use]
pub fn groups(thresholds: &Thresholds, deployment: &Deployment) -> Vec<Value> {
    let text = RuleFile::new(thresholds, deployment).text(Format::Prometheus);
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    file["groups"].as_array().unwrap().clone()
}

/// Optional probes of a module.
const NEEDS: [&str; 5] = ["canary", "clients", "digests", "host", "znodes"];

/// A deployment whose modules have these probes.
fn with(what: &[&str]) -> Deployment {
    let has = |name| what.contains(&name);
    Deployment {
        canary: has("canary"),
        clients: has("clients"),
        digests: has("digests"),
        host: has("host"),
        znodes: has("znodes"),
        ..Deployment::default()
    }
}

/// Alerts and indicators that need an optional probe, by the name under which they are reported as omitted.
fn needing() -> BTreeMap<String, &'static str> {
    let left_out = |what: &[&str]| -> BTreeSet<String> {
        let file = RuleFile::new(&Thresholds::default(), &with(what));
        file.left_out.into_iter().filter(|one| one.reason.starts_with("needs ")).map(|one| one.alert).collect()
    };
    assert!(left_out(&NEEDS).is_empty(), "something is needed that NEEDS lacks");
    let enough = NEEDS.map(|what| (what, left_out(&[what])));
    let of = |name: &String| enough.iter().find(|(_, without)| !without.contains(name)).expect("it needs two things").0;
    left_out(&[]).into_iter().map(|name| (name.clone(), of(&name))).collect()
}

fn condition_of(alert: &str) -> &'static Condition {
    conditions().iter().find(|condition| condition.alert() == alert).unwrap()
}

/// Four significant digits, as in the scores.
#[must_use]
pub fn rounded(value: f64) -> String {
    let exact = format!("{value:.3e}").parse::<f64>().unwrap();
    format!("{exact}")
}

/// `text` with every whole number equal to `number` replaced.
fn replace_number(text: &str, number: &str, placeholder: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(number) {
        let whole = !before.ends_with(|c: char| c.is_ascii_digit() || c == '.')
            && !behind.starts_with(|c: char| c.is_ascii_digit());
        out.push_str(before);
        out.push_str(if whole { placeholder } else { number });
        rest = behind;
    }
    out + rest
}

/// Adds `__SELECTOR__` after, or `__MATCHERS__` inside, every selector of a raw series.
fn selectors(expr: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let (mut out, mut rest, mut quoted) = (String::new(), expr, false);
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(length.max(first.len_utf8()));
        quoted ^= first == '"';
        out.push_str(word);
        rest = behind;
        if !quoted && (word == "up" || word.starts_with("zk_")) {
            match rest.strip_prefix('{') {
                Some(inner) => {
                    out.push_str("{__MATCHERS__");
                    rest = inner;
                }
                None => out.push_str("__SELECTOR__"),
            }
        }
    }
    out
}

/// An alert: its rule with placeholders, its condition and level, and the probe it needs.
fn alert(mut rule: Value, needing: &BTreeMap<String, &str>) -> Value {
    let condition = condition_of(rule["alert"].as_str().unwrap());
    let severity = rule["labels"]["severity"].as_str().unwrap().to_owned();
    let level = condition.levels.iter().find(|level| level.severity.text() == severity).unwrap();
    let (expr, description) = (rule["expr"].as_str().unwrap(), rule["annotations"]["description"].as_str().unwrap());
    let (mut expr, mut description) = (expr.to_owned(), description.to_owned());
    if level.limit.is_some() {
        let limit = marker(condition, level.severity);
        expr = replace_number(&expr, &limit.to_string(), "__LIMIT__");
        description = description.replace(&condition.unit.words(limit), "__LIMIT_TEXT__");
        assert!(expr.contains("__LIMIT__"), "{} ({severity}) has no limit in {expr}", condition.name);
    }
    expr = replace_number(&expr, &HOLD.0.to_string(), "__FOR_SECONDS__");
    description = description.replace(&in_words(HOLD), "__FOR_TEXT__");
    rule["expr"] = selectors(&expr).into();
    rule["annotations"]["description"] = description.into();
    // The templates add `for` themselves.
    rule.as_object_mut().unwrap().remove("for");
    let dashboard = dashboard_path(condition, &[]);
    let mut entry = json!({"condition": condition.name, "level": severity, "dashboard": dashboard, "rule": rule});
    if let Some(what) = needing.get(&condition.alert()) {
        entry["needs"] = (*what).into();
    }
    entry
}

/// The indicator of an expression, if it refers to exactly one.
fn only_indicator(expr: &str) -> Option<String> {
    let named = expr.split("indicator=\"").skip(1).filter_map(|behind| behind.split('"').next());
    let named: BTreeSet<&str> = named.collect();
    if named.len() == 1 { named.first().map(|name| (*name).to_owned()) } else { None }
}

/// A recording rule; those of a single indicator have placeholders for its numbers.
fn record(mut rule: Value, needing: &BTreeMap<String, &str>) -> Value {
    let of_label = rule["labels"]["indicator"].as_str().map(str::to_owned);
    let name = of_label.or_else(|| only_indicator(rule["expr"].as_str().unwrap()));
    let Some(name) = name else {
        rule["expr"] = selectors(rule["expr"].as_str().unwrap()).into();
        return json!({"rule": rule});
    };
    let indicator = INDICATORS.iter().find(|one| one.name == name).unwrap();
    let condition = indicator.condition();
    let limit = |severity| {
        condition.level_of(severity).and_then(|level| level.limit).map(|_| indicator.limit(marker(condition, severity)))
    };
    let (nu, tau) = steepness(limit(Severity::Warning).unwrap(), limit(Severity::Critical)).unwrap();
    let mut expr = rule["expr"].as_str().unwrap().to_owned();
    for (number, placeholder) in
        [(nu.to_string(), "__NU__"), (rounded(tau), "__TAU__"), (rounded(nu / 20.0), "__SIGMA__")]
    {
        expr = replace_number(&expr, &number, placeholder);
    }
    rule["expr"] = selectors(&expr).into();
    let mut entry = json!({"indicator": name, "rule": rule});
    if let Some(what) = needing.get(&format!("the indicator {name}")) {
        entry["needs"] = (*what).into();
    }
    entry
}

fn level(condition: &Condition, level: &Level) -> Value {
    json!({
        "limit": level.limit,
        "text": level.limit.map(|limit| condition.unit.words(limit)),
        "for": level.hold.to_string(),
        "for_text": in_words(level.hold),
        "on": level.on,
    })
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::State | Unit::Count | Unit::Number => "number",
        Unit::Seconds => "seconds",
        Unit::Bytes => "bytes",
        Unit::Ratio => "ratio",
    }
}

/// The data needed to validate and describe a threshold setting.
fn described(condition: &Condition) -> Value {
    let levels: Map<String, Value> =
        condition.levels.iter().map(|one| (one.severity.text().to_owned(), level(condition, one))).collect();
    let mut described = json!({
        "unit": unit(condition.unit),
        "larger_is_worse": condition.larger_is_worse().unwrap_or(true),
        "levels": levels,
    });
    let indicator: Option<&Indicator> = INDICATORS.iter().find(|one| one.condition == condition.name);
    if let Some(indicator) = indicator {
        described["indicator"] = json!({"name": indicator.name, "falls": indicator.falls()});
    }
    described
}

fn model() -> Value {
    let mut groups = groups(&thresholds(), &with(&NEEDS));
    let needing = needing();
    for group in &mut groups {
        for rule in group["rules"].as_array_mut().unwrap() {
            let plain = std::mem::take(rule);
            *rule = if plain.get("alert").is_some() { alert(plain, &needing) } else { record(plain, &needing) };
        }
    }
    let alerts: BTreeMap<&str, Value> =
        conditions().iter().map(|condition| (condition.name, described(condition))).collect();
    json!({"alerts": alerts, "groups": groups, "runbook_url": zookeeper_exporter::runbook::RUNBOOKS})
}

/// `deploy/mixin/rules.json`.
pub(crate) fn file() -> File {
    let text = serde_json::to_string_pretty(&model()).unwrap() + "\n";
    for marker in ["7919", "73519", "83519", "27617", "37617"] {
        assert!(!text.contains(marker), "a threshold is left where no placeholder is: {marker}");
    }
    ("deploy/mixin/rules.json".to_owned(), text)
}

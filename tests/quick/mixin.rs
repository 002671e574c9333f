//! The rules of chart and mixin, filled with the limits of the catalogue, are the shipped rules. `xtask/src/mixin.rs`
//! generates them.

use serde_json::Value;
use xtask::mixin::{groups, rounded};
use zookeeper_exporter::alert::early::{INDICATORS, steepness};
use zookeeper_exporter::alert::expr::Span;
use zookeeper_exporter::alert::text::in_words;
use zookeeper_exporter::alert::{Deployment, Severity, Thresholds, conditions};

use crate::common::root;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The values of an indicator's placeholders with the limits of the catalogue.
fn of_catalogue(name: &str) -> Option<(f64, f64)> {
    let indicator = INDICATORS.iter().find(|one| one.name == name).unwrap();
    let condition = indicator.condition();
    let warning = condition.level_of(Severity::Warning).filter(|level| level.on)?;
    let critical = condition.level_of(Severity::Critical).and_then(|level| level.limit);
    steepness(indicator.limit(warning.limit.unwrap()), critical.map(|limit| indicator.limit(limit)))
}

/// A rule filled with the limits of the catalogue; `None` if it is off.
fn filled(entry: &Value) -> Option<Value> {
    if entry.get("needs").is_some() {
        return None;
    }
    let mut rule = entry["rule"].clone();
    let fill = |text: &Value, with: &[(&str, String)]| -> Value {
        let text = text.as_str().unwrap().to_owned();
        with.iter().fold(text, |text, (placeholder, value)| text.replace(placeholder, value)).into()
    };
    rule["expr"] = fill(&rule["expr"], &[("__SELECTOR__", String::new()), ("__MATCHERS__", String::new())]);
    if let Some(name) = entry["condition"].as_str() {
        let condition = conditions().iter().find(|one| one.name == name).unwrap();
        let level = condition.levels.iter().find(|one| one.severity.text() == entry["level"]).unwrap();
        if !level.on {
            return None;
        }
        let limit = level.limit.unwrap_or_default();
        let numbers = [("__LIMIT__", limit.to_string()), ("__FOR_SECONDS__", level.hold.0.to_string())];
        rule["expr"] = fill(&rule["expr"], &numbers);
        let words = [("__LIMIT_TEXT__", condition.unit.words(limit)), ("__FOR_TEXT__", in_words(level.hold))];
        rule["annotations"]["description"] = fill(&rule["annotations"]["description"], &words);
        if level.hold > Span(0) {
            rule["for"] = level.hold.to_string().into();
        }
    } else if let Some(name) = entry["indicator"].as_str() {
        let (nu, tau) = of_catalogue(name)?;
        let numbers = [("__NU__", nu.to_string()), ("__TAU__", rounded(tau)), ("__SIGMA__", rounded(nu / 20.0))];
        rule["expr"] = fill(&rule["expr"], &numbers);
    }
    Some(rule)
}

#[test]
fn rules_of_chart_and_mixin_match_the_shipped_rules() {
    let model: Value = serde_json::from_str(&read("deploy/mixin/rules.json")).unwrap();
    let mut filled_groups = Vec::new();
    for group in model["groups"].as_array().unwrap() {
        let rules: Vec<Value> = group["rules"].as_array().unwrap().iter().filter_map(filled).collect();
        if !rules.is_empty() {
            let mut group = group.clone();
            group["rules"] = rules.into();
            filled_groups.push(group);
        }
    }
    let shipped = groups(&Thresholds::default(), &Deployment::default());
    assert_eq!(bare(&filled_groups), bare(&shipped));
    let files = ["zookeeper.yml", "early-warning.yml"].map(|name| {
        let text = read(&format!("alert-rules/{name}"));
        serde_saphyr::from_str::<Value>(&text).unwrap()["groups"].as_array().unwrap().clone()
    });
    assert_eq!(bare(&files.concat()), bare(&filled_groups));
}

/// Rules with white space removed from expressions: line breaks depend on the length of numbers.
fn bare(groups: &[Value]) -> Vec<Value> {
    let mut groups = groups.to_vec();
    for rule in groups.iter_mut().flat_map(|group| group["rules"].as_array_mut().unwrap()) {
        let expr: String = rule["expr"].as_str().unwrap().split_whitespace().collect();
        rule["expr"] = expr.into();
    }
    groups
}

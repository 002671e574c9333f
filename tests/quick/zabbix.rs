//! The Zabbix template: all its references resolve, and every omitted condition is reported.

use std::collections::BTreeSet;

use serde_json::Value;
use zookeeper_exporter::alert::promql::family_of;
use zookeeper_exporter::alert::{Deployment, Severity, Template, Thresholds, conditions};

use crate::common::root;

const NAME: &str = "ZooKeeper by zookeeper-exporter";

fn of(text: &str) -> Value {
    serde_saphyr::from_str::<Value>(text).unwrap()["zabbix_export"].clone()
}

fn shipped() -> Template {
    Template::new(&Thresholds::default(), &Deployment::default())
}

/// The template for a configuration file.
fn configured(text: &str) -> Template {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yml");
    std::fs::write(&path, text).unwrap();
    let config = zookeeper_exporter::config::load(&path).unwrap();
    Template::new(&Thresholds::of(&config).unwrap(), &Deployment::of(&config))
}

/// All conditions and probes enabled.
fn everything() -> Template {
    let on: String = conditions().iter().map(|condition| format!("    {}: on\n", condition.name)).collect();
    configured(&format!(
        "ensembles: [{{name: a, members: [zk-1], module: all}}]\n\
         modules: {{all: {{host: true, digests: {{}}, clients: {{}}, canary: {{}}, znodes: {{paths: [/a]}}, tls: {{}}}}}}\nalerts:\n  thresholds:\n{on}"
    ))
}

/// All maps in the document, with the key of the enclosing list.
fn walk<'v>(value: &'v Value, under: &'v str, found: &mut Vec<(&'v str, &'v Value)>) {
    match value {
        Value::Object(map) => {
            found.push((under, value));
            map.iter().for_each(|(key, value)| walk(value, key, found));
        }
        Value::Array(list) => list.iter().for_each(|value| walk(value, under, found)),
        _ => {}
    }
}

fn list<'v>(value: &'v Value, key: &str) -> Vec<&'v Value> {
    value[key].as_array().map(|list| list.iter().collect()).unwrap_or_default()
}

fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// The discovery rules with their items and triggers, preceded by those outside of discovery.
fn rules(export: &Value) -> Vec<(&str, Vec<&Value>, Vec<&Value>)> {
    let template = &export["templates"][0];
    let mut all = vec![("", list(template, "items"), list(export, "triggers"))];
    for rule in list(template, "discovery_rules") {
        all.push((word(rule, "key"), list(rule, "item_prototypes"), list(rule, "trigger_prototypes")));
    }
    all
}

/// The item keys in an expression.
fn keys(expression: &str) -> BTreeSet<String> {
    let place = format!("/{NAME}/");
    let begin = |behind: &str| {
        let mut quoted = false;
        let mut depth = 0;
        let end = behind.find(|c: char| {
            match c {
                '"' => quoted = !quoted,
                '[' if !quoted => depth += 1,
                ']' if !quoted => depth -= 1,
                ',' | ')' => return !quoted && depth == 0,
                _ => {}
            }
            false
        });
        behind[..end.unwrap()].to_owned()
    };
    expression.split(&place).skip(1).map(begin).collect()
}

/// The macro names of a text, e.g. `{$ZK.X}` for `{$ZK.X:"context"}`.
fn macros_in(text: &str) -> BTreeSet<String> {
    let end = |behind: &str| behind.find([':', '}']).map(|end| format!("{{$ZK.{}}}", &behind[..end]));
    text.split("{$ZK.").skip(1).filter_map(end).collect()
}

#[test]
fn references_in_the_template_resolve() {
    for template in [shipped(), everything()] {
        let text = template.text();
        let export = of(&text);
        let mut maps = Vec::new();
        walk(&export, "", &mut maps);
        let named = |under: &str| {
            let names = maps.iter().filter(|(key, map)| *key == under && map.get("uuid").is_some());
            names.map(|(_, map)| word(map, "name")).collect::<BTreeSet<_>>()
        };
        let (value_maps, graphs) = (named("valuemaps"), named("graph_prototypes"));

        let mut uuids = BTreeSet::new();
        for (_, map) in &maps {
            if let Some(uuid) = map.get("uuid").and_then(Value::as_str) {
                assert!(uuid.len() == 32 && uuid.bytes().all(|byte| b"0123456789abcdef".contains(&byte)), "{uuid}");
                assert!(
                    uuid.as_bytes()[12] == b'4' && b"89ab".contains(&uuid.as_bytes()[16]),
                    "{uuid} is no version 4"
                );
                assert!(uuids.insert(uuid), "{uuid} twice");
            }
            if let Some(name) = map.get("valuemap") {
                assert!(value_maps.contains(word(name, "name")), "{name}");
            }
            if word(map, "type") == "GRAPH_PROTOTYPE"
                && let Some(Value::Object(value)) = map.get("value")
            {
                assert!(graphs.contains(value["name"].as_str().unwrap()), "{value:?}");
            }
        }

        let mut triggers_seen = 0;
        for (rule, items, triggers) in rules(&export) {
            let known: BTreeSet<&str> = items.iter().map(|item| word(item, "key")).collect();
            assert_eq!(known.len(), items.len(), "{rule}: a key twice");
            let plain: BTreeSet<&str> = rules(&export)[0].1.iter().map(|item| word(item, "key")).collect();
            let there = |key: &str| known.contains(key) || plain.contains(key);
            let named: BTreeSet<(&str, &str)> =
                triggers.iter().map(|one| (word(one, "name"), word(one, "expression"))).collect();
            assert_eq!(named.len(), triggers.len(), "{rule}: a trigger twice");
            for trigger in &triggers {
                let (name, expression) = (word(trigger, "name"), word(trigger, "expression"));
                let used = keys(expression);
                assert!(!used.is_empty() && used.iter().all(|key| there(key)), "{name}: {used:?}");
                assert!(rule.is_empty() || used.iter().any(|key| known.contains(&**key)), "{name} uses no prototype");
                // The limits of Zabbix; expanded text has its own limit.
                assert!(expression.len() < 2048 && word(trigger, "event_name").len() < 2048, "{name}");
                for dependency in list(trigger, "dependencies") {
                    let pair = (word(dependency, "name"), word(dependency, "expression"));
                    assert!(named.contains(&pair) && pair != (name, expression), "{name} depends on {pair:?}");
                }
                for part in ["name", "event_name", "description"] {
                    let text = word(trigger, part);
                    assert!(!text.is_empty(), "{name} has no {part}");
                    for (place, _) in text.match_indices('<') {
                        let next = text[place + 1..].chars().next();
                        let shell = text[..place].ends_with("srvr ") || next.is_none_or(|c| !c.is_ascii_lowercase());
                        assert!(shell, "{name}: a placeholder is left in {text}");
                    }
                }
                let runbook = word(trigger, "url").rsplit('/').next().unwrap();
                assert!(root().join("docs/runbooks").join(runbook).exists(), "{runbook}");
                triggers_seen += 1;
            }
            for graph in
                maps.iter().filter(|(key, map)| *key == "graph_items" && !rule.is_empty() && map.get("item").is_some())
            {
                let key = word(&graph.1["item"], "key");
                assert!(
                    rules(&export).iter().any(|(_, items, _)| items.iter().any(|item| word(item, "key") == key)),
                    "{key}"
                );
            }
            for item in items.iter().filter(|item| word(item, "type") == "DEPENDENT") {
                assert_eq!(word(&item["master_item"], "key"), "zk.page");
                let pattern = item["preprocessing"][0]["parameters"][0].as_str().unwrap();
                let metric = pattern.split(['{', ' ']).next().unwrap();
                assert!(family_of(metric).is_some(), "{pattern} names no metric");
                assert!(!word(item, "description").is_empty(), "{pattern} has no description");
            }
        }
        assert_eq!(triggers_seen, template.len());

        let defined: Vec<&str> =
            list(&export["templates"][0], "macros").iter().map(|one| one["macro"].as_str().unwrap()).collect();
        let defined: BTreeSet<String> = defined.iter().flat_map(|name| macros_in(name)).collect();
        let (_, body) = text.split_once("\n      items:").unwrap();
        let (before, after) = body.split_once("\n      macros:").unwrap();
        let behind = after.split_once("\n      dashboards:").unwrap().1;
        let used = macros_in(&(before.to_owned() + behind));
        assert_eq!(defined, used, "macros that are defined, and those that are used");
    }
}

#[test]
fn every_condition_is_included_or_reported() {
    for template in [shipped(), everything()] {
        let export = of(&template.text());
        for condition in conditions() {
            let alert = condition.alert();
            for level in &condition.levels {
                let priorities: &[&str] = match level.severity {
                    Severity::Critical => &["HIGH", "DISASTER"],
                    Severity::Warning => &["WARNING"],
                    Severity::Info => &["INFO"],
                };
                let is = |trigger: &&Value| {
                    priorities.contains(&word(trigger, "priority"))
                        && list(trigger, "tags").iter().any(|tag| word(tag, "value") == alert)
                };
                let there = rules(&export).iter().any(|(_, _, triggers)| triggers.iter().any(is));
                let own = format!("{alert} ({})", level.severity.text());
                let reported = template.left_out().iter().any(|out| out.alert == alert || out.alert == own);
                assert!(there != reported, "{own}: there {there}, reported as left out {reported}");
            }
        }
    }
    // With everything enabled, the rest cannot be expressed in Zabbix.
    let template = everything();
    let unsaid =
        template.left_out().iter().filter(|out| !out.reason.ends_with("it needs the recording rules of Prometheus"));
    let left_out: Vec<&str> = unsaid.map(|out| &*out.alert).collect();
    assert_eq!(
        left_out,
        [
            "ZooKeeperUnavailableTime",
            "ZooKeeperMemberNameShared",
            "ZooKeeperWatchdog",
            "ZooKeeperDiskSpaceLow",
            "ZooKeeperCanaryFailing",
            "ZooKeeperCanarySlow"
        ]
    );
}

#[test]
fn an_unreachable_observer_is_a_warning_and_not_critical() {
    let export = of(&shipped().text());
    let expression = |alert: &str| {
        let mut found = Vec::new();
        for (_, _, triggers) in rules(&export) {
            let of_alert = |trigger: &&Value| list(trigger, "tags").iter().any(|tag| word(tag, "value") == alert);
            found.extend(triggers.into_iter().filter(of_alert).map(|one| word(one, "expression").to_owned()));
        }
        assert_eq!(found.len(), 1, "{alert}");
        found.remove(0)
    };
    let observes =
        "count(/ZooKeeper by zookeeper-exporter/zk.observer[\"{#ENSEMBLE}\",\"{#MEMBER}\"],#1,\"eq\",\"1\")=1";
    for alert in ["ZooKeeperMemberDown", "ZooKeeperMemberNotServing"] {
        assert!(expression(alert).contains(&format!(" and not ({observes})")), "{alert}: {}", expression(alert));
    }
    let warning = expression("ZooKeeperObserverDown");
    assert!(
        warning.contains(&format!(" and {observes}")) && !warning.contains(&format!("not ({observes}")),
        "{warning}"
    );
}

/// A gate per item makes expressions long, but without it a vanished series would fire.
#[test]
fn every_item_in_an_expression_is_gated() {
    for template in [shipped(), everything()] {
        let export = of(&template.text());
        for (_, _, triggers) in rules(&export) {
            for trigger in triggers {
                let expression = word(trigger, "expression");
                for key in keys(expression) {
                    let gated = expression.contains(&format!("nodata(/{NAME}/{key},"));
                    assert!(gated || key.starts_with("zk.observer"), "{key} in {expression}");
                }
            }
        }
    }
}

#[test]
fn only_quorum_loss_is_a_disaster() {
    let export = of(&shipped().text());
    let mut found = Vec::new();
    for (_, _, triggers) in rules(&export) {
        for trigger in triggers.into_iter().filter(|trigger| word(trigger, "priority") == "DISASTER") {
            let tags = list(trigger, "tags");
            found.push(word(tags.iter().find(|tag| word(tag, "tag") == "alert").unwrap(), "value").to_owned());
        }
    }
    assert_eq!(found, ["ZooKeeperQuorumLost", "ZooKeeperLeaderSilent", "ZooKeeperEnsembleUnreachable"]);
}

#[test]
fn configured_thresholds_become_macros() {
    let template = configured(
        "ensembles: [{name: prod, members: [zk-1]}, {name: dev, members: [zk-2]}]\n\
         alerts:\n  thresholds: {OutstandingRequests: {warning: 20, critical: 300}, ZxidLag: off}\n  \
         ensembles: {prod: {OutstandingRequests: {warning: 50}, WatchesHigh: off}}\n",
    );
    let export = of(&template.text());
    let value = |name: &str| {
        let macros = list(&export["templates"][0], "macros");
        macros.iter().find(|one| word(one, "macro") == name).map(|one| word(one, "value").to_owned())
    };
    assert_eq!(value("{$ZK.OUTSTANDING_REQUESTS.WARN}").as_deref(), Some("20"));
    assert_eq!(value("{$ZK.OUTSTANDING_REQUESTS.CRIT}").as_deref(), Some("300"));
    assert_eq!(value("{$ZK.OUTSTANDING_REQUESTS.WARN:\"prod\"}").as_deref(), Some("50"));
    assert_eq!(value("{$ZK.OUTSTANDING_REQUESTS.CRIT:\"prod\"}"), None);
    assert_eq!(value("{$ZK.WATCHES_HIGH.WARN.ON}").as_deref(), Some("1"));
    assert_eq!(value("{$ZK.WATCHES_HIGH.WARN.ON:\"prod\"}").as_deref(), Some("0"));
    assert_eq!(value("{$ZK.ZXID_LAG.WARN}"), None);
    assert!(template.text().contains("{$ZK.WATCHES_HIGH.WARN.ON:\"{#ENSEMBLE}\"}=1 and ("));
    assert!(template.left_out().iter().any(|out| out.alert == "ZooKeeperZxidLag"));
}

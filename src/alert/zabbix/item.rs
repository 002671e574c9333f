//! Zabbix items: one for each series of an ensemble, a member, a certificate or a znode, all dependent on one page.

use std::collections::BTreeMap;

use super::yaml::{Node, text, texts, uuid};
use super::{MASTER, TEMPLATE};
use crate::alert::expr::{Agg, Keys, Selector};
use crate::alert::promql::family_of;
use crate::catalogue::Scope;

/// The discovery macros that identify an object, with their labels.
pub(super) const fn macros(keys: Keys) -> &'static [(&'static str, &'static str)] {
    match keys {
        Keys::Ensemble => &[("ensemble", "{#ENSEMBLE}")],
        Keys::Member | Keys::Canary | Keys::MemberOfTarget | Keys::ServerOfMember => {
            &[("ensemble", "{#ENSEMBLE}"), ("member", "{#MEMBER}")]
        }
        Keys::Certificate => &[("ensemble", "{#ENSEMBLE}"), ("member", "{#MEMBER}"), ("subject", "{#SUBJECT}")],
        Keys::Znode => &[("ensemble", "{#ENSEMBLE}"), ("path", "{#PATH}")],
        // Recorded series are not part of a page.
        Keys::Target | Keys::EnsembleOfTarget | Keys::Nothing | Keys::Indicator | Keys::Objective | Keys::Resource => {
            &[]
        }
    }
}

/// Prefix of item and trigger names, before the colon.
pub(super) fn prefix(rule: Keys) -> String {
    match macros(rule) {
        [] => "ZooKeeper exporter".to_owned(),
        all => all.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(" "),
    }
}

/// The parameters of a key: `["{#ENSEMBLE}","{#MEMBER}"]`.
pub(super) fn parameters(rule: Keys) -> String {
    match macros(rule) {
        [] => String::new(),
        all => format!("[{}]", all.iter().map(|(_, name)| format!("\"{name}\"")).collect::<Vec<_>>().join(",")),
    }
}

/// Label matchers of a Prometheus pattern.
pub(super) fn matchers(of: Keys, labels: &[(&str, &str)]) -> String {
    let own = macros(of).iter().map(|(label, name)| format!("{label}=\"{name}\""));
    let further = labels.iter().map(|(label, value)| {
        if value.contains('|') { format!("{label}=~\"^({value})$\"") } else { format!("{label}=\"{value}\"") }
    });
    let all: Vec<String> = own.chain(further).collect();
    if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) }
}

/// A dependent item.
#[derive(Clone, Debug)]
pub(super) struct Item {
    key: String,
    name: String,
    about: String,
    value_type: &'static str,
    units: &'static str,
    map: Option<&'static str>,
    steps: Vec<Node>,
}

/// A preprocessing step; on failure the value is discarded without an error.
pub(super) fn step(kind: &'static str, parameters: Node) -> Node {
    Node::Map(vec![("type", text(kind)), ("parameters", parameters), ("error_handler", text("DISCARD_VALUE"))])
}

/// A preprocessing step that cannot fail.
pub(super) fn plain_step(kind: &'static str, parameters: Node) -> Node {
    Node::Map(vec![("type", text(kind)), ("parameters", parameters)])
}

/// Items by discovery rule, without duplicates.
#[derive(Clone, Debug, Default)]
pub(super) struct Items {
    rules: BTreeMap<&'static str, (Option<Keys>, BTreeMap<String, Item>)>,
}

/// A sortable name for a rule; `Keys` does not implement `Ord`.
pub(super) const fn rule_name(rule: Keys) -> &'static str {
    match rule {
        Keys::Ensemble => "1 ensembles",
        Keys::Member | Keys::MemberOfTarget | Keys::ServerOfMember | Keys::Canary => "2 members",
        Keys::Certificate => "3 certificates",
        Keys::Znode => "4 znodes",
        Keys::Target | Keys::EnsembleOfTarget | Keys::Nothing | Keys::Indicator | Keys::Objective | Keys::Resource => {
            "0 exporter"
        }
    }
}

impl Items {
    fn put(&mut self, rule: Keys, item: Item) {
        let entry = self.rules.entry(rule_name(rule)).or_default();
        entry.0 = Some(rule);
        entry.1.entry(item.key.clone()).or_insert(item);
    }

    /// Adds an item for the aggregated series as a number; returns its key.
    pub(super) fn number(&mut self, rule: Keys, of: Keys, agg: Agg, selector: &Selector) -> String {
        let short = selector.name.trim_start_matches("zk_");
        let labels: String = selector.labels.iter().map(|(_, value)| format!(".{}", value.replace('|', "_"))).collect();
        let (wide, of_all) = if of == rule { ("", "") } else { ("of_ensemble.", ", of the ensemble") };
        // A single series needs no aggregation.
        let alone = of == Keys::Member
            && rule == Keys::Member
            && family_of(selector.name).is_some_and(|family| family.scope == Scope::Member && family.labels.is_empty());
        let (function, joined) = match agg {
            Agg::Min if alone => ("max", ""),
            Agg::Sum => ("sum", ".sum"),
            Agg::Min => ("min", ".min"),
            Agg::Max | Agg::Group => ("max", ""),
        };
        let key = format!("zk.{wide}{short}{labels}{joined}{}", parameters(rule));
        let words = labels.replace(['.', '_'], " ");
        // Zabbix shows the unit, and the prefix names the subject.
        let plain = short.replace("_seconds", "").replace('_', " ");
        let plain = plain.strip_prefix("ensemble ").unwrap_or(&plain);
        let name = format!("{}: {plain}{words}{of_all}", prefix(rule));
        let pattern = format!("{}{}", selector.name, matchers(of, &selector.labels));
        self.put(
            rule,
            Item {
                key: key.clone(),
                name: if joined.is_empty() { name } else { format!("{name} ({function})") },
                about: about(selector.name),
                value_type: "FLOAT",
                units: units(selector.name),
                map: map(selector.name),
                steps: vec![step("PROMETHEUS_PATTERN", texts([&pattern, "function", function]))],
            },
        );
        key
    }

    /// Adds an item for the rate of a counter per second, used only by graphs.
    pub(super) fn speed(&mut self, rule: Keys, name: &'static str) {
        let short = name.trim_start_matches("zk_").trim_end_matches("_total");
        let pattern = format!("{name}{}", matchers(rule, &[]));
        self.put(
            rule,
            Item {
                key: format!("zk.{short}.rate{}", parameters(rule)),
                name: format!("{}: {} per second", prefix(rule), short.replace('_', " ")),
                about: about(name),
                value_type: "FLOAT",
                units: if units(name) == "B" { "Bps" } else { "" },
                map: None,
                steps: vec![
                    step("PROMETHEUS_PATTERN", texts([&pattern, "function", "sum"])),
                    plain_step("CHANGE_PER_SECOND", texts([""])),
                ],
            },
        );
    }

    /// Adds an item for the value of a label.
    pub(super) fn word(&mut self, rule: Keys, key: &str, title: &str, metric: &str, label: &str) {
        let pattern = format!("{metric}{}", matchers(rule, &[]));
        self.put(
            rule,
            Item {
                key: format!("zk.{key}{}", parameters(rule)),
                name: format!("{}: {title}", prefix(rule)),
                about: about(metric),
                value_type: "CHAR",
                units: "",
                map: None,
                steps: vec![
                    step("PROMETHEUS_PATTERN", texts([&pattern, "label", label])),
                    plain_step("DISCARD_UNCHANGED_HEARTBEAT", texts(["1h"])),
                ],
            },
        );
    }

    /// Adds an item for the role of a member, as a number of the value map.
    pub(super) fn role(&mut self) {
        let pattern = format!("zk_server_state{} == 1", matchers(Keys::Member, &[]));
        let list = super::ROLES.map(|role| format!("'{role}'")).join(",");
        let script = format!("return [{list}].indexOf(value)");
        self.put(
            Keys::Member,
            Item {
                key: format!("zk.role{}", parameters(Keys::Member)),
                name: format!("{}: role", prefix(Keys::Member)),
                about: about("zk_server_state"),
                value_type: "FLOAT",
                units: "",
                map: Some(super::ROLE_MAP),
                steps: vec![
                    step("PROMETHEUS_PATTERN", texts([&pattern, "label", "state"])),
                    plain_step("JAVASCRIPT", texts([&script])),
                ],
            },
        );
    }

    /// Adds an item for whether a member has no vote, as far as known; returns its key.
    pub(super) fn observer(&mut self, rule: Keys) -> String {
        let pattern = format!("zk_member_voter{}", matchers(rule, &[]));
        let key = format!("zk.observer{}", parameters(rule));
        self.put(
            rule,
            Item {
                key: key.clone(),
                name: format!("{}: no vote", prefix(rule)),
                about: about("zk_member_voter"),
                value_type: "FLOAT",
                units: "",
                map: Some(super::YES_MAP),
                // The pattern finds nothing while the vote is unknown; the item keeps its last value.
                steps: vec![
                    step("PROMETHEUS_PATTERN", texts([&pattern, "value", ""])),
                    plain_step("JAVASCRIPT", texts(["return value == 0 ? 1 : 0"])),
                ],
            },
        );
        key
    }

    /// The items of one rule, as YAML nodes.
    pub(super) fn nodes(&self, rule: Keys) -> Vec<Node> {
        let items = self.rules.get(rule_name(rule)).map(|(_, items)| items.values());
        items.into_iter().flatten().map(|item| item.node(rule)).collect()
    }

    /// The rules that have items, except the exporter's own.
    pub(super) fn rules(&self) -> Vec<Keys> {
        self.rules.values().filter_map(|(rule, _)| *rule).filter(|rule| !macros(*rule).is_empty()).collect()
    }
}

impl Item {
    fn node(&self, rule: Keys) -> Node {
        let mut map = vec![
            ("uuid", uuid(&format!("{TEMPLATE}/item/{}", self.key))),
            ("name", text(&self.name)),
            ("type", text("DEPENDENT")),
            ("key", text(&self.key)),
            ("delay", text("0")),
            ("history", text("7d")),
        ];
        if self.value_type == "CHAR" {
            map.push(("trends", text("0")));
        }
        map.push(("value_type", text(self.value_type)));
        if !self.units.is_empty() {
            map.push(("units", text(self.units)));
        }
        map.push(("description", text(&self.about)));
        if let Some(name) = self.map {
            map.push(("valuemap", Node::Map(vec![("name", text(name))])));
        }
        map.push(("preprocessing", Node::List(self.steps.clone())));
        map.push(("master_item", Node::Map(vec![("key", text(MASTER))])));
        map.push(("tags", tags(rule, None)));
        Node::Map(map)
    }
}

/// Tags by which Zabbix groups and filters items and problems.
pub(super) fn tags(rule: Keys, more: Option<(&'static str, String)>) -> Node {
    let tag = |name: &str, value: &str| Node::Map(vec![("tag", text(name)), ("value", text(value))]);
    let mut all = vec![tag("component", "zookeeper")];
    all.extend(macros(rule).iter().map(|(label, value)| tag(label, value)));
    all.extend(more.map(|(name, value)| tag(name, &value)));
    Node::List(all)
}

fn about(sample: &str) -> String {
    family_of(sample).map_or_else(String::new, |family| format!("{sample}: {}.", family.help))
}

fn units(sample: &str) -> &'static str {
    if sample.ends_with("_timestamp_seconds") {
        "unixtime"
    } else if sample.ends_with("_count") {
        ""
    } else if sample.contains("_seconds") {
        "s"
    } else if sample.contains("_bytes") {
        "B"
    } else {
        ""
    }
}

fn map(sample: &str) -> Option<&'static str> {
    let yes_or_no = ["zk_up", "zk_serving", "zk_mntr_complete", "zk_ensemble_has_quorum", "zk_server_state"];
    yes_or_no.contains(&sample).then_some(super::YES_MAP)
}

//! Template for Zabbix 6.0 and later: one page fetched from the exporter, split into items by low-level discovery, with
//! a trigger for every condition that can be expressed in Zabbix.

mod dashboard;
mod expression;
mod item;
mod macros;
mod shape;
mod words;
mod yaml;

use self::expression::Writer;
use self::item::{Items, macros, plain_step, prefix, tags};
use self::macros::{is_switched, limits, short_of};
use self::shape::rule_of;
use self::words::{Words, macro_name, sentence};
use self::yaml::{Node, text, texts, uuid};
use super::condition::{Condition, Severity};
use super::conditions;
use super::early;
use super::expr::{Agg, Keys, Selector};
use super::inhibit::silences;
use super::rules::{Deployment, LeftOut, RuleFile};
use super::thresholds::{InForce, Thresholds};
use super::watch;
use crate::runbook::RUNBOOKS;

/// The name of the template.
pub(crate) const TEMPLATE: &str = "ZooKeeper by zookeeper-exporter";
/// The key of the item that fetches the page.
const MASTER: &str = "zk.page";
/// Value map of booleans.
const YES_MAP: &str = "ZooKeeper yes or no";
/// The value map of roles.
const ROLE_MAP: &str = "ZooKeeper role";
/// Member roles, indexed by their number in the value map.
const ROLES: [&str; 7] = ["leader", "follower", "observer", "standalone", "read-only", "not-serving", "no-answer"];

/// The template.
#[derive(Clone, Debug)]
pub struct Template {
    items: Items,
    triggers: Vec<Trigger>,
    macros: Vec<(String, String, String)>,
    left_out: Vec<LeftOut>,
}

/// A trigger, or a trigger prototype.
#[derive(Clone, Debug)]
struct Trigger {
    rule: Keys,
    condition: &'static Condition,
    severity: Severity,
    name: String,
    expression: String,
    event: String,
    comment: String,
    url: String,
}

impl Template {
    /// The template for a deployment.
    #[must_use]
    pub fn new(thresholds: &Thresholds, deployment: &Deployment) -> Self {
        let file = RuleFile::new(thresholds, deployment);
        let mut template = Self {
            items: Items::default(),
            triggers: Vec::new(),
            macros: macros::general(),
            left_out: file.left_out.iter().filter(|left_out| is_alert(left_out)).cloned().collect(),
        };
        let kept = |level: &&InForce| {
            let severity = level.level.severity.text();
            let is = |rule: &super::rules::Rule| {
                rule.condition.name == level.condition.name
                    && rule.labels.get("severity").is_some_and(|text| text == severity)
            };
            file.rules().any(is)
        };
        let levels: Vec<&InForce> = thresholds.levels().iter().filter(kept).collect();
        dashboard::note_items(&mut template.items);
        for level in &levels {
            // A condition that cannot be expressed must leave no items behind, so they are collected in a copy first.
            let mut items = template.items.clone();
            match trigger(level, &levels, &mut items, deployment) {
                Ok(trigger) => {
                    template.items = items;
                    template.triggers.push(trigger);
                    template.macros.extend(limits(level));
                }
                Err(reason) => {
                    let alert = level.condition.alert();
                    if template.left_out.iter().all(|left_out| left_out.alert != alert) {
                        template
                            .left_out
                            .push(LeftOut { alert, reason: format!("cannot be expressed in Zabbix: {reason}") });
                    }
                }
            }
        }
        template
    }

    /// Omitted alerts and the reasons.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The number of triggers and trigger prototypes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.triggers.len()
    }

    /// Whether there is no trigger.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.triggers.is_empty()
    }

    /// The template as YAML.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::from(
            "# Written by `zookeeper-exporter rules --format zabbix`: change the thresholds in the configuration and write it\n\
             # again, or set the macros of the host in Zabbix.\n",
        );
        for LeftOut { alert, reason } in &self.left_out {
            out.push_str(&format!("# Left out: {alert}: {reason}.\n"));
        }
        let template = Node::Map(vec![
            ("uuid", uuid(TEMPLATE)),
            ("template", text(TEMPLATE)),
            ("name", text(TEMPLATE)),
            (
                "description",
                text(
                    "ZooKeeper ensembles and their members, as reported by zookeeper-exporter. Set {$ZK.URL} on the host.",
                ),
            ),
            ("groups", Node::List(vec![Node::Map(vec![("name", text("Templates/Applications"))])])),
            ("items", Node::List(self.plain_items())),
            ("discovery_rules", Node::List(self.items.rules().into_iter().map(|rule| self.discovery(rule)).collect())),
            ("tags", Node::List(vec![tag("class", "software"), tag("target", "zookeeper")])),
            ("macros", Node::List(self.macros.iter().map(macro_node).collect())),
            ("dashboards", dashboard::node()),
            ("valuemaps", value_maps()),
        ]);
        let group = Node::Map(vec![
            ("uuid", text("a571c0d144b14fd4a87a9d9b2aa9fcd6")),
            ("name", text("Templates/Applications")),
        ]);
        let whole = Node::Map(vec![
            ("version", text("6.0")),
            ("date", text("2026-01-01T00:00:00Z")),
            ("groups", Node::List(vec![group])),
            ("templates", Node::List(vec![template])),
            ("triggers", Node::List(self.triggers_of(Keys::Target))),
        ]);
        out + &whole.document("zabbix_export")
    }

    fn plain_items(&self) -> Vec<Node> {
        let header = Node::Map(vec![("name", text("X-Prometheus-Scrape-Timeout-Seconds")), ("value", text("15"))]);
        let mut all = vec![Node::Map(vec![
            ("uuid", uuid(&format!("{TEMPLATE}/item/{MASTER}"))),
            ("name", text("ZooKeeper exporter: page")),
            ("type", text("HTTP_AGENT")),
            ("key", text(MASTER)),
            ("delay", text("{$ZK.INTERVAL}")),
            ("history", text("0")),
            ("trends", text("0")),
            ("value_type", text("TEXT")),
            ("description", text("All metrics of all ensembles. Every other item is extracted from it.")),
            ("timeout", text("15s")),
            ("url", text("{$ZK.URL}")),
            ("headers", Node::List(vec![header])),
            ("tags", tags(Keys::Target, None)),
        ])];
        all.extend(self.items.nodes(Keys::Target));
        all
    }

    fn discovery(&self, rule: Keys) -> Node {
        let (name, source) = match rule {
            Keys::Ensemble => ("ensembles", "zk_ensemble_members"),
            Keys::Certificate => ("certificates", "zk_tls_certificate_not_after_timestamp_seconds"),
            Keys::Znode => ("znodes", "zk_znode_value"),
            _ => ("members", "zk_up"),
        };
        let path = |(label, name): &(&'static str, &'static str)| {
            Node::Map(vec![("lld_macro", text(*name)), ("path", text(format!("$.labels.{label}")))])
        };
        let filter = Node::Map(vec![
            ("macro", text("{#ENSEMBLE}")),
            ("value", text("{$ZK.ENSEMBLES}")),
            ("formulaid", text("A")),
        ]);
        let mut map = vec![
            ("uuid", uuid(&format!("{TEMPLATE}/discovery/{name}"))),
            ("name", text(format!("ZooKeeper {name}"))),
            ("type", text("DEPENDENT")),
            ("key", text(format!("zk.{name}.discovery"))),
            ("delay", text("0")),
            ("filter", Node::Map(vec![("evaltype", text("AND")), ("conditions", Node::List(vec![filter]))])),
            ("lifetime", text("1d")),
            ("description", text(format!("From the series of {source} on the page."))),
            ("item_prototypes", Node::List(self.items.nodes(rule))),
        ];
        let triggers = self.triggers_of(rule);
        if !triggers.is_empty() {
            map.push(("trigger_prototypes", Node::List(triggers)));
        }
        let graphs = dashboard::graphs(rule);
        if !graphs.is_empty() {
            map.push(("graph_prototypes", Node::List(graphs)));
        }
        map.push(("master_item", Node::Map(vec![("key", text(MASTER))])));
        map.push(("lld_macro_paths", Node::List(macros(rule).iter().map(path).collect())));
        map.push((
            "preprocessing",
            Node::List(vec![
                plain_step("PROMETHEUS_TO_JSON", texts([source])),
                // Values change with every page, the set of objects rarely.
                plain_step("JAVASCRIPT", texts([LABELS_ALONE])),
                plain_step("DISCARD_UNCHANGED_HEARTBEAT", texts(["1h"])),
            ]),
        ));
        Node::Map(map)
    }

    fn triggers_of(&self, rule: Keys) -> Vec<Node> {
        self.triggers.iter().filter(|one| one.rule == rule).map(|one| self.trigger_node(one)).collect()
    }

    fn trigger_node(&self, trigger: &Trigger) -> Node {
        let severity = trigger.severity.text();
        let mut map = vec![
            ("uuid", uuid(&format!("{TEMPLATE}/trigger/{}/{severity}", trigger.condition.name))),
            ("expression", text(&trigger.expression)),
            ("name", text(&trigger.name)),
            ("event_name", text(&trigger.event)),
            ("url", text(&trigger.url)),
            ("priority", text(priority(trigger))),
            ("description", text(&trigger.comment)),
        ];
        let worse = self.triggers.iter().filter(|other| {
            other.rule == trigger.rule
                && other.severity == Severity::Critical
                && silences(other.condition, trigger.condition, trigger.severity)
        });
        let dependencies: Vec<Node> = worse
            .map(|other| Node::Map(vec![("name", text(&other.name)), ("expression", text(&other.expression))]))
            .collect();
        if !dependencies.is_empty() {
            map.push(("dependencies", Node::List(dependencies)));
        }
        map.push(("tags", tags(trigger.rule, Some(("alert", trigger.condition.alert())))));
        Node::Map(map)
    }
}

/// Whether it is an alert; recording rules have no counterpart in Zabbix.
fn is_alert(left_out: &LeftOut) -> bool {
    let name = left_out.alert.split(' ').next();
    conditions().iter().any(|condition| Some(&*condition.alert()) == name)
}

/// Keeps only the labels of each series, so that an unchanged set is recognized.
const LABELS_ALONE: &str =
    "return JSON.stringify(JSON.parse(value).map(function (one) { return {labels: one.labels} }))";

fn tag(name: &str, value: &str) -> Node {
    Node::Map(vec![("tag", text(name)), ("value", text(value))])
}

fn macro_node((name, value, about): &(String, String, String)) -> Node {
    Node::Map(vec![("macro", text(name)), ("value", text(value)), ("description", text(about))])
}

/// Without a quorum no writes are possible; this is the highest priority.
const fn priority(trigger: &Trigger) -> &'static str {
    match (trigger.severity, trigger.condition.name.as_bytes()) {
        (Severity::Critical, b"QuorumLost" | b"EnsembleUnreachable" | b"LeaderSilent") => "DISASTER",
        (Severity::Critical, _) => "HIGH",
        (Severity::Warning, _) => "WARNING",
        (Severity::Info, _) => "INFO",
    }
}

/// Maximum length of a trigger expression in Zabbix.
const MAX_EXPRESSION_BYTES: usize = 2048;

fn trigger(
    level: &InForce,
    levels: &[&InForce],
    items: &mut Items,
    deployment: &Deployment,
) -> Result<Trigger, &'static str> {
    let (condition, severity) = (level.condition, level.level.severity);
    let samples = condition.samples();
    let only_watch = !samples.is_empty() && samples.iter().all(|name| watch::is_recorded(name));
    if only_watch || samples.iter().any(|name| early::is_recorded(name)) {
        return Err("it needs the recording rules of Prometheus");
    }
    let rule = rule_of(&condition.expr);
    let context = (!macros(rule).is_empty()).then_some("{#ENSEMBLE}");
    let limit = macro_name(condition, short_of(severity), context);
    let mut writer = Writer { rule, limit: &limit, hold: level.hold, brief: false, items, given: Vec::new() };
    let mut expression = writer.write(&level.expr().of_one_exporter())?;
    let value = writer.value(&level.expr().of_one_exporter());
    if is_switched(level) {
        let on = macro_name(condition, &format!("{}.ON", short_of(severity)), context);
        expression = format!("{on}=1 and ({expression})");
    }
    // A trigger can only depend on one of the same discovery rule. Inhibition by others is part of the expression.
    for other in levels {
        let elsewhere = rule_of(&other.condition.expr);
        if other.level.severity == Severity::Critical
            && elsewhere == Keys::Ensemble
            && rule == Keys::Member
            && silences(other.condition, condition, severity)
            && !macros(elsewhere).is_empty()
            && other.condition.name != "EnsembleUnwatched"
        {
            let mut writer =
                Writer { rule, limit: "", hold: other.hold, brief: true, items: &mut *items, given: Vec::new() };
            // A lost quorum and a silent leader are the same state here.
            if let Ok(worse) = writer.write(&other.expr().of_one_exporter())
                && !expression.contains(&worse)
            {
                expression = format!("({expression}) and not ({worse})");
            }
        }
    }
    if expression.len() >= MAX_EXPRESSION_BYTES {
        return Err("it exceeds Zabbix' limit of 2048 bytes");
    }
    let short = level.level.limit.is_none_or(|limit| limit < 3600.0);
    let words = Words { condition, rule, hold: level.hold, limit: &limit, short, value: value.as_deref() };
    let base = deployment.runbooks.as_deref().unwrap_or(RUNBOOKS).trim_end_matches('/');
    Ok(Trigger {
        rule,
        condition,
        severity,
        name: format!("{}: {}", prefix(rule), sentence(level.level.summary)),
        expression,
        event: words.event(),
        comment: words.comment(),
        url: format!("{base}/{}.md", condition.alert()),
    })
}

fn value_maps() -> Node {
    let map = |name: &str, values: &[(usize, &str)]| {
        let mappings = values
            .iter()
            .map(|(number, word)| Node::Map(vec![("value", text(number.to_string())), ("newvalue", text(*word))]));
        Node::Map(vec![
            ("uuid", uuid(&format!("{TEMPLATE}/valuemap/{name}"))),
            ("name", text(name)),
            ("mappings", Node::List(mappings.collect())),
        ])
    };
    let roles: Vec<(usize, &str)> = ROLES.into_iter().enumerate().collect();
    Node::List(vec![map(YES_MAP, &[(0, "no"), (1, "yes")]), map(ROLE_MAP, &roles)])
}

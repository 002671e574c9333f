//! Alert rules for Prometheus, made of the conditions and the active limits: literal numbers, overrides inside one
//! expression, and what the deployment cannot feed left out with the reason.

use std::collections::BTreeMap;

use super::condition::{Condition, Group, release};
use super::conditions;
use super::early::{self, Record, RecordGroup};
use super::expr::{Expr, Keys, Span};
use super::promql::{Ensembles, Setting, promql};
use super::text::Words;
use super::thresholds::{InForce, Thresholds};
use super::watch;
use super::yaml::{folded, prose, quoted};
use crate::config::{Command, Config, DEFAULT_MODULE};

/// Where the runbooks of a release are.
pub const RUNBOOKS: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/runbooks");

/// What is known of what is watched, so that rules without figures are left out.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a yes or no of its own")]
pub struct Deployment {
    /// The ensembles by name; empty where they are not known.
    pub ensembles: Vec<String>,
    /// The commands that some module asks; `None` where that is not known.
    pub commands: Option<Vec<Command>>,
    /// Whether some module has an AdminServer.
    pub admin: bool,
    /// Whether some member is asked over TLS; `None` where that is not known.
    pub tls: Option<bool>,
    /// Whether some module looks at the member's own host.
    pub host: bool,
    /// Whether some module has a canary.
    pub canary: bool,
    /// Whether some module reads znodes.
    pub znodes: bool,
    /// Whether members serve the figures of their JVM; `None` where that is not known.
    pub jvm: Option<bool>,
    /// The oldest ZooKeeper release; `None` where that is not known.
    pub zookeeper: Option<String>,
    /// Labels that are kept.
    pub keep_labels: Vec<String>,
    /// Labels that every alert gets.
    pub labels: BTreeMap<String, String>,
    /// Where the runbooks are.
    pub runbooks: Option<String>,
}

impl Deployment {
    /// What a configuration says.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        // A module that no ensemble names is there for probes; the default one need not be in a file.
        let written = || config.modules.iter().filter(|(name, _)| *name != DEFAULT_MODULE).map(|(_, module)| module);
        let modules = || config.ensembles.iter().map(|ensemble| &ensemble.module).chain(written());
        let alerts = &config.alerts;
        Self {
            ensembles: config.ensembles.iter().map(|ensemble| ensemble.name.clone()).collect(),
            commands: Some(modules().flat_map(|module| module.commands.iter().copied()).collect()),
            admin: modules().any(|module| module.admin.is_some()),
            tls: Some(modules().any(|module| module.tls.is_some())),
            host: modules().any(|module| module.extras.host),
            canary: modules().any(|module| module.extras.canary.is_some()),
            znodes: modules().any(|module| module.extras.znodes.is_some()),
            jvm: alerts.jvm,
            zookeeper: alerts.zookeeper.clone(),
            keep_labels: alerts.keep_labels.clone(),
            labels: alerts.labels.clone(),
            runbooks: alerts.runbooks.clone(),
        }
    }

    /// Why a condition can never fire here.
    pub(super) fn lacks(&self, condition: &Condition) -> Option<String> {
        let asks = |command| self.commands.as_ref().is_none_or(|commands| commands.contains(&command));
        if let Some(oldest) = &self.zookeeper
            && release(condition.since()) > release(oldest)
        {
            return Some(format!("needs ZooKeeper {}, and alerts.zookeeper is {oldest}", condition.since()));
        }
        if condition.needs_jvm() && self.jvm == Some(false) {
            return Some("needs the figures of the JVM (exportJvmInfo), and alerts.jvm is false".to_owned());
        }
        if condition.keys() == Keys::Certificate && self.tls == Some(false) {
            return Some("no module has tls".to_owned());
        }
        let samples = condition.samples();
        let about = |names: &[&str]| samples.iter().any(|sample| names.iter().any(|name| sample.starts_with(name)));
        if !self.host && about(&["zk_dir_", "zk_process_cpus"]) {
            return Some("needs host: true in a module, and an exporter on the member's host".to_owned());
        }
        if !self.canary && about(&["zk_canary_"]) {
            return Some("needs canary: in a module".to_owned());
        }
        if !self.znodes && about(&["zk_znode_"]) {
            return Some("needs znodes: in a module".to_owned());
        }
        if !asks(Command::Mntr) && !self.admin && samples.iter().any(|name| needs_mntr(name)) {
            return Some("no module asks mntr, and none has an AdminServer".to_owned());
        }
        if !asks(Command::Conf) && samples.contains(&"zk_ensemble_distinct_configs") {
            return Some("no module asks conf".to_owned());
        }
        None
    }
}

/// Whether `srvr` alone does not give it.
fn needs_mntr(name: &str) -> bool {
    let from_srvr = [
        "avg_latency",
        "max_latency",
        "min_latency",
        "packets_received",
        "packets_sent",
        "num_alive_connections",
        "outstanding_requests",
        "znode_count",
        "last_proposal_size",
        "max_proposal_size",
        "min_proposal_size",
    ];
    super::condition::row_of(name).is_some_and(|row| !from_srvr.contains(&row.key))
}

/// A rule that is not in the file, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The alert, with the level where only that is left out.
    pub alert: String,
    /// Why.
    pub reason: String,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The condition.
    pub condition: &'static Condition,
    /// The alert's name.
    pub alert: String,
    /// The expression.
    pub expr: String,
    /// `for`.
    pub hold: Span,
    /// All labels, `severity` among them.
    pub labels: BTreeMap<String, String>,
    /// `summary`, `description`, `runbook_url`.
    pub annotations: [(&'static str, String); 3],
}

/// The rules as they are written to a file.
#[derive(Clone, Debug)]
pub struct RuleFile {
    /// The alerts of each group that has some.
    pub groups: Vec<(Group, Vec<Rule>)>,
    /// The recording rules of who watches, which stand before the alerts about availability.
    pub watch: Vec<Record>,
    /// The recording rules of early warning.
    pub records: Vec<RecordGroup>,
    /// What is not there, and why.
    pub left_out: Vec<LeftOut>,
}

/// How the file looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A rule file of Prometheus.
    #[default]
    Prometheus,
    /// A `PrometheusRule` of the Prometheus operator.
    Kubernetes,
}

impl RuleFile {
    /// The rules for a deployment.
    #[must_use]
    pub fn new(thresholds: &Thresholds, deployment: &Deployment) -> Self {
        let (records, without) = early::groups(thresholds, deployment);
        let watch = watch::records(conditions(), &deployment.keep_labels);
        let mut file = Self { groups: Vec::new(), watch, records, left_out: Vec::new() };
        let lacking: BTreeMap<&str, String> =
            conditions().iter().filter_map(|condition| Some((condition.name, deployment.lacks(condition)?))).collect();
        for group in Group::ALL {
            let mut rules = Vec::new();
            for level in thresholds.levels().iter().filter(|level| level.condition.group == group) {
                let condition = level.condition;
                let whole = condition.levels.len() == 1;
                let alert = condition.alert();
                let name = || if whole { alert.clone() } else { format!("{alert} ({})", level.level.severity.text()) };
                if let Some(reason) = lacking.get(condition.name) {
                    if file.left_out.last().is_none_or(|last| last.alert != alert) {
                        file.left_out.push(LeftOut { alert, reason: reason.clone() });
                    }
                } else if level.is_on() {
                    rules.push(rule(level, deployment));
                } else {
                    let reason =
                        if level.level.on { "turned off in the configuration" } else { "off unless turned on" };
                    file.left_out.push(LeftOut { alert: name(), reason: reason.to_owned() });
                }
            }
            if !rules.is_empty() {
                file.groups.push((group, rules));
            }
        }
        file.left_out.extend(without);
        file
    }

    /// Every rule.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.groups.iter().flat_map(|(_, rules)| rules)
    }

    /// All of it as one text.
    #[must_use]
    pub fn text(&self, format: Format) -> String {
        let groups = self.groups_text(|_| true, &self.records);
        match format {
            Format::Prometheus => format!("{}{groups}", self.head(|_| true)),
            Format::Kubernetes => {
                let object = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: zookeeper-exporter\n  labels:\n    app.kubernetes.io/name: zookeeper-exporter\nspec:\n";
                let indented: String = groups.lines().map(|line| format!("  {line}\n")).collect();
                format!("{}{object}{indented}", self.head(|_| true))
            }
        }
    }

    /// Two files of Prometheus: the alerts that look at metrics, and early warning with what it records.
    #[must_use]
    pub fn files(&self) -> [(&'static str, String); 2] {
        let alerts = self.head(|name| !about_early(name)) + &self.groups_text(|group| !group.is_early(), &[]);
        let early = self.head(about_early) + &self.groups_text(Group::is_early, &self.records);
        [("zookeeper.yml", alerts), ("early-warning.yml", early)]
    }

    fn head(&self, about: impl Fn(&str) -> bool) -> String {
        let mut head = String::from(
            "# Written by `zookeeper-exporter rules`: change the thresholds in the configuration and write it again.\n\
             # Every expression joins what several exporters say, so that one fault is one alert.\n",
        );
        for LeftOut { alert, reason } in self.left_out.iter().filter(|left_out| about(&left_out.alert)) {
            head.push_str(&format!("# Left out: {alert}: {reason}.\n"));
        }
        head
    }

    fn groups_text(&self, wanted: impl Fn(Group) -> bool, records: &[RecordGroup]) -> String {
        let mut out = String::from("groups:\n");
        let (early, others): (Vec<_>, Vec<_>) =
            self.groups.iter().filter(|(group, _)| wanted(*group)).partition(|(group, _)| group.is_early());
        let write = |groups: Vec<&(Group, Vec<Rule>)>, out: &mut String| {
            for (group, rules) in groups {
                out.push_str(&format!("  - name: {}\n    rules:\n", group.name()));
                if *group == Group::Availability {
                    self.watch.iter().for_each(|record| record.write(out));
                }
                for rule in rules {
                    rule.write(out);
                }
            }
        };
        write(others, &mut out);
        records.iter().filter(|group| !group.records.is_empty()).for_each(|group| group.write(&mut out));
        write(early, &mut out);
        out
    }
}

/// Whether the omitted rule would belong to the file of early warning.
fn about_early(name: &str) -> bool {
    let alert = name.split(' ').next().unwrap_or(name);
    name.starts_with("the ")
        || conditions().iter().any(|condition| condition.group.is_early() && condition.alert() == alert)
}

fn rule(level: &InForce, deployment: &Deployment) -> Rule {
    let condition = level.condition;
    let limits: Vec<(String, f64)> =
        level.own.iter().filter_map(|(name, limit)| Some((name.clone(), limit.flatten()?))).collect();
    let words = Words {
        keys: condition.keys(),
        unit: condition.unit,
        limit: level.usual.flatten().or(level.level.limit),
        limits: &limits,
        hold: level.hold,
    };
    let mut labels = deployment.labels.clone();
    labels.insert("severity".to_owned(), level.level.severity.text().to_owned());
    let base = deployment.runbooks.as_deref().unwrap_or(RUNBOOKS).trim_end_matches('/');
    let description = words.template(&format!("{} {}", condition.says, condition.first));
    let mut letters = description.chars();
    let description = letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    Rule {
        condition,
        alert: condition.alert(),
        expr: expression(level, deployment),
        hold: level.hold,
        labels,
        annotations: [
            ("summary", level.level.summary.to_owned()),
            ("description", description),
            ("runbook_url", format!("{base}/{}.md", condition.alert())),
        ],
    }
}

/// One expression for all ensembles: those with a limit of their own are named, and left out of the rest.
fn expression(level: &InForce, deployment: &Deployment) -> String {
    let part = |limit: Option<f64>, ensembles: Ensembles| {
        let (keep, configured) = (&deployment.keep_labels[..], &deployment.ensembles[..]);
        let setting = Setting { limit: limit.unwrap_or(f64::NAN), hold: level.hold, keep, ensembles, configured };
        let expr = without_absent(level.expr(), configured.is_empty());
        promql(&expr, &setting)
    };
    let mut parts = Vec::new();
    for (name, limit) in &level.own {
        if let Some(limit) = limit {
            parts.push(part(*limit, Ensembles::Only(name.clone())));
        }
    }
    if let Some(limit) = level.usual {
        let named: Vec<String> = level.own.iter().map(|(name, _)| name.clone()).collect();
        parts.push(part(limit, if named.is_empty() { Ensembles::All } else { Ensembles::But(named) }));
    }
    match &parts[..] {
        [one] => one.clone(),
        parts => parts.iter().map(|part| format!("(\n{part}\n)")).collect::<Vec<_>>().join("\nor\n"),
    }
}

/// Without names there is no series to miss.
fn without_absent(expr: &Expr, nameless: bool) -> Expr {
    match expr {
        Expr::Sets(super::expr::Set::Or, _, left, right) if nameless && matches!(**right, Expr::AbsentEnsembles(_)) => {
            (**left).clone()
        }
        other => other.clone(),
    }
}

impl Rule {
    fn write(&self, out: &mut String) {
        out.push_str(&format!("      - alert: {}\n        expr: |\n", self.alert));
        self.expr.lines().for_each(|line| out.push_str(&format!("          {line}\n")));
        if self.hold > Span(0) {
            out.push_str(&format!("        for: {}\n", self.hold));
        }
        out.push_str("        labels:\n");
        for (name, value) in &self.labels {
            out.push_str(&format!("          {}: {}\n", quoted(name), quoted(value)));
        }
        out.push_str("        annotations:\n");
        for (name, text) in &self.annotations {
            if *name == "description" {
                out.push_str("          description: >-\n");
                folded(text, out);
            } else {
                out.push_str(&format!("          {name}: {}\n", prose(text)));
            }
        }
    }
}

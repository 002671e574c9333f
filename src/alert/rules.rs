//! Prometheus alert rules, generated from the conditions and the active limits: numbers are literal, per-ensemble
//! limits are part of the expression, and rules without data in this deployment are omitted with a reason.

use std::collections::BTreeMap;

use super::condition::{Condition, Group, release};
use super::conditions;
use super::dashboard_link::dashboard_path;
use super::early::{self, Record, RecordGroup};
use super::expr::{Expr, Keys, Span};
use super::promql::{Ensembles, Setting, promql};
use super::text::Words;
use super::thresholds::{InForce, Thresholds};
use super::watch;
use super::yaml::{folded, prose, quoted};
use crate::config::{Command, Config, DEFAULT_MODULE};
use crate::runbook::RUNBOOKS;

/// Properties of a deployment; rules without data in it are omitted.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Deployment {
    /// Names of the ensembles; empty if unknown.
    pub ensembles: Vec<String>,
    /// Commands that some module sends; `None` if unknown.
    pub commands: Option<Vec<Command>>,
    /// Whether some module uses the AdminServer.
    pub admin: bool,
    /// Whether some member is queried over TLS; `None` if unknown.
    pub tls: Option<bool>,
    /// Whether some module reads the member's process on the local host.
    pub host: bool,
    /// Whether some module compares digests.
    pub digests: bool,
    /// Whether some module reads the clients.
    pub clients: bool,
    /// Whether some module has a canary.
    pub canary: bool,
    /// Whether some module reads znodes.
    pub znodes: bool,
    /// The oldest Prometheus release that evaluates the rules; `None` if unknown.
    pub prometheus: Option<String>,
    /// Whether members export JVM metrics; `None` if unknown.
    pub jvm: Option<bool>,
    /// The oldest ZooKeeper release; `None` if unknown.
    pub zookeeper: Option<String>,
    /// Labels that the expressions keep.
    pub keep_labels: Vec<String>,
    /// Labels added to every alert.
    pub labels: BTreeMap<String, String>,
    /// Base URL of the runbooks.
    pub runbooks: Option<String>,
    /// Base URL of the dashboards; without it alerts have no link to a dashboard.
    pub dashboards: Option<String>,
}

impl Deployment {
    /// Derives the deployment from a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        // A module without an ensemble is used by probes; the default module may be absent from the file.
        let written = || config.modules.iter().filter(|(name, _)| *name != DEFAULT_MODULE).map(|(_, module)| module);
        let modules = || config.ensembles.iter().map(|ensemble| &ensemble.module).chain(written());
        let alerts = &config.alerts;
        Self {
            ensembles: config.ensembles.iter().map(|ensemble| ensemble.name.clone()).collect(),
            commands: Some(modules().flat_map(|module| module.commands.iter().copied()).collect()),
            admin: modules().any(|module| module.admin.is_some()),
            tls: Some(modules().any(|module| module.tls.is_some())),
            host: modules().any(|module| module.probes.host),
            digests: modules().any(|module| module.probes.digests.is_some()),
            clients: modules().any(|module| module.probes.clients.is_some()),
            canary: modules().any(|module| module.probes.canary.is_some()),
            znodes: modules().any(|module| module.probes.znodes.is_some()),
            prometheus: alerts.prometheus.clone(),
            jvm: alerts.jvm,
            zookeeper: alerts.zookeeper.clone(),
            keep_labels: alerts.keep_labels.clone(),
            labels: alerts.labels.clone(),
            runbooks: alerts.runbooks.clone(),
            dashboards: alerts.dashboards.clone(),
        }
    }

    /// How long a level keeps firing after its end; zero if Prometheus is too old for `keep_firing_for`.
    pub(super) fn keep_of(&self, level: &InForce) -> Span {
        let supported = |oldest: &String| release(oldest) >= release(KEEP_SINCE);
        if self.prometheus.as_ref().is_none_or(supported) { level.level.keep } else { Span(0) }
    }

    /// The reason why a condition can never fire in this deployment.
    pub(super) fn lacks(&self, condition: &Condition) -> Option<String> {
        let asks = |command| self.commands.as_ref().is_none_or(|commands| commands.contains(&command));
        if let Some(oldest) = &self.zookeeper
            && release(condition.since()) > release(oldest)
        {
            return Some(format!("needs ZooKeeper {}, but alerts.zookeeper is {oldest}", condition.since()));
        }
        if condition.needs_jvm() && self.jvm == Some(false) {
            return Some("needs JVM metrics (exportJvmInfo), but alerts.jvm is false".to_owned());
        }
        if condition.keys() == Keys::Certificate && self.tls == Some(false) {
            return Some("no module has tls".to_owned());
        }
        let samples = condition.samples();
        let about = |names: &[&str]| samples.iter().any(|sample| names.iter().any(|name| sample.starts_with(name)));
        if !self.host && about(&["zk_dir_", "zk_process_cpus"]) {
            return Some("needs host: true in a module, and an exporter on the member's host".to_owned());
        }
        if !self.digests && about(&["zk_data_digest_"]) {
            return Some("needs digests: in a module".to_owned());
        }
        if !self.clients && about(&["zk_client_connection_limit"]) {
            return Some("needs clients: in a module".to_owned());
        }
        if !self.canary && about(&["zk_canary_"]) {
            return Some("needs canary: in a module".to_owned());
        }
        if !self.znodes && about(&["zk_znode_"]) {
            return Some("needs znodes: in a module".to_owned());
        }
        if !asks(Command::Mntr) && !self.admin && samples.iter().any(|name| needs_mntr(name)) {
            return Some("no module queries mntr, and none has an AdminServer".to_owned());
        }
        if !asks(Command::Conf) && samples.contains(&"zk_ensemble_distinct_configs") {
            return Some("no module queries conf".to_owned());
        }
        None
    }
}

/// The first Prometheus release with `keep_firing_for`.
const KEEP_SINCE: &str = "2.42";

/// Whether the metric is not available from `srvr`.
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

/// An omitted rule and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The alert, with the level if only that level is omitted.
    pub alert: String,
    /// The reason.
    pub reason: String,
}

/// An alert rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The condition.
    pub condition: &'static Condition,
    /// The name of the alert.
    pub alert: String,
    /// The expression.
    pub expr: String,
    /// `for`.
    pub hold: Span,
    /// `keep_firing_for`.
    pub keep: Span,
    /// All labels, including `severity`.
    pub labels: BTreeMap<String, String>,
    /// `summary`, `description`, `runbook_url`, and `dashboard_url` if configured.
    pub annotations: Vec<(&'static str, String)>,
}

/// The content of a rule file.
#[derive(Clone, Debug)]
pub struct RuleFile {
    /// Alert rules by group; empty groups are absent.
    pub groups: Vec<(Group, Vec<Rule>)>,
    /// Recording rules for watched ensembles and members; they precede the availability alerts.
    pub watch: Vec<Record>,
    /// Recording rules for early warning.
    pub records: Vec<RecordGroup>,
    /// Omitted rules and the reasons.
    pub left_out: Vec<LeftOut>,
}

/// Output format of the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Prometheus rule file.
    #[default]
    Prometheus,
    /// `PrometheusRule` resource of the Prometheus operator.
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
                    let reason = if level.level.on { "disabled in the configuration" } else { "disabled by default" };
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

    /// All alert rules.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.groups.iter().flat_map(|(_, rules)| rules)
    }

    /// The rules as one text.
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

    /// The rules as two Prometheus rule files: alerts on plain metrics, and early warning with its recording rules.
    #[must_use]
    pub fn files(&self) -> [(&'static str, String); 2] {
        let alerts = self.head(|name| !about_early(name)) + &self.groups_text(|group| !group.is_early(), &[]);
        let early = self.head(about_early) + &self.groups_text(Group::is_early, &self.records);
        [("zookeeper.yml", alerts), ("early-warning.yml", early)]
    }

    fn head(&self, about: impl Fn(&str) -> bool) -> String {
        let mut head = String::from(
            "# Written by `zookeeper-exporter rules`: change the thresholds in the configuration and write it again.\n\
             # Every expression aggregates the series of all exporters, so that one fault is one alert.\n",
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

/// Whether the omitted rule belongs to the early warning file.
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
        keep: &deployment.keep_labels,
    };
    let mut labels = deployment.labels.clone();
    labels.insert("severity".to_owned(), level.level.severity.text().to_owned());
    let base = deployment.runbooks.as_deref().unwrap_or(RUNBOOKS).trim_end_matches('/');
    let description = words.kept() + &words.template(&format!("{} {}", condition.says, condition.first));
    let mut letters = description.chars();
    let description = letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    let mut annotations = vec![
        ("summary", level.level.summary.to_owned()),
        ("description", description),
        ("runbook_url", format!("{base}/{}.md", condition.alert())),
    ];
    if let Some(base) = &deployment.dashboards {
        let path = dashboard_path(condition, &deployment.keep_labels);
        annotations.push(("dashboard_url", format!("{}/{path}", base.trim_end_matches('/'))));
    }
    Rule {
        condition,
        alert: condition.alert(),
        expr: expression(level, deployment),
        hold: level.hold,
        keep: deployment.keep_of(level),
        labels,
        annotations,
    }
}

fn expression(level: &InForce, deployment: &Deployment) -> String {
    expression_of(level.expr(), level, deployment)
}

/// One expression for all ensembles. Ensembles with their own limit get a separate branch and are excluded from the
/// rest.
pub(super) fn expression_of(expr: &Expr, level: &InForce, deployment: &Deployment) -> String {
    let part = |limit: Option<f64>, ensembles: Ensembles| {
        let (keep, configured) = (&deployment.keep_labels[..], &deployment.ensembles[..]);
        let setting = Setting { limit: limit.unwrap_or(f64::NAN), hold: level.hold, keep, ensembles, configured };
        let expr = without_absent(expr, configured.is_empty());
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

/// Removes checks for absent ensembles if no ensemble names are configured.
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
        if self.keep > Span(0) {
            out.push_str(&format!("        keep_firing_for: {}\n", self.keep));
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

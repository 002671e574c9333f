//! Early warning: recording rules, derived from the catalogue's thresholds, for scores that rise before an alert fires.
//!
//! `docs/early-warning.md` explains the formulas. Every number here is derived from an active warning and critical
//! limit, so that settings under `alerts:` change the scores as well.

pub mod indicators;
mod objectives;
mod scores;

use super::expr::Span;
use super::rules::{Deployment, LeftOut};
use super::thresholds::Thresholds;
use super::yaml::quoted;

pub use indicators::{INDICATORS, Indicator, steepness};
pub use objectives::OBJECTIVES;
pub use scores::DEAD_ZONE;

/// One recording rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The name of the recorded series: `level:metric:operation`.
    pub name: &'static str,
    /// Its `PromQL` expression.
    pub expr: String,
    /// Labels added to the recorded series.
    pub labels: Vec<(&'static str, String)>,
}

/// Recording rules that are evaluated in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordGroup {
    /// The name of the group.
    pub name: &'static str,
    /// Evaluation interval; `None` for the default of Prometheus.
    pub interval: Option<Span>,
    /// Its rules; each may use the results of those before it.
    pub records: Vec<Record>,
}

/// The recorded value of each indicator.
pub(super) const INDICATOR: &str = "member:zk_indicator:value";

/// Series that the recording rules write: name and meaning.
pub const RECORDED: &[(&str, &str)] = &[
    (INDICATOR, "the indicator, measured as in its alert, for example the mean fsync of 5 minutes"),
    (
        "member:zk_restarted:group15m",
        "1 for 15 minutes after a start or a change of role, while caches are cold; otherwise absent",
    ),
    ("member:zk_indicator:mean1d", "mean of the indicator over a day that ended an hour ago"),
    ("member:zk_indicator:stddev1d", "standard deviation of the indicator over that day"),
    (
        "member:zk_indicator:sigma1d",
        "the standard deviation, but at least a tenth of the mean and a twentieth of the warning limit",
    ),
    ("member:zk_detection:probability", "P: 0.5 is the usual value, near 1 is unusually high"),
    ("member:zk_warning:score", "W: 0.5 at the warning limit, at least 0.9 at the critical limit"),
    (
        "member:zk_risk_group:max",
        "the highest score of each group: disk, JVM, load, replication, connections, data; absent below 0.05",
    ),
    ("member:zk_risk:noisy_or", "the risk of the member: its groups combined; exactly 0 at rest"),
    ("ensemble:zk_risk:noisy_or", "the risk of the ensemble: its voters combined, reduced by the quorum margin"),
    (
        "ensemble:zk_objective_missed:bool",
        "1 while an objective is missed: no quorum, or the mean write of the slowest member above its warning limit",
    ),
    (
        "ensemble:zk_budget_burn:ratio",
        "that value divided by the allowed fraction of time: the burn rate; 1 is exactly as fast as allowed",
    ),
    ("ensemble:zk_budget_burn:avg5m", "mean burn rate of 5 minutes"),
    ("ensemble:zk_budget_burn:avg30m", "mean burn rate of 30 minutes"),
    ("ensemble:zk_budget_burn:avg1h", "mean burn rate of an hour"),
    ("ensemble:zk_budget_burn:avg2h", "mean burn rate of 2 hours"),
    ("ensemble:zk_budget_burn:avg6h", "mean burn rate of 6 hours"),
    ("ensemble:zk_budget_burn:ratio_thinned", "the burn rate at one sample every 2 minutes, for the windows of days"),
    ("ensemble:zk_budget_burn:avg1d", "mean burn rate of a day"),
    ("ensemble:zk_budget_burn:avg3d", "mean burn rate of 3 days"),
    ("ensemble:zk_objective_kept:ratio1d", "fraction of the last day in which the objective was met"),
    ("ensemble:zk_budget_left:ratio30d", "remaining budget of 30 days: 1 is all of it, below 0 is overspent"),
    (
        "member:zk_forecast:seconds",
        "seconds until a resource is used up at the current growth; absent if it does not grow steadily, is below 30 %, or was as high the day before or a week ago",
    ),
];

/// Whether a recording rule of early warning writes series of this name.
#[must_use]
pub fn is_recorded(name: &str) -> bool {
    RECORDED.iter().any(|(recorded, _)| *recorded == name)
}

/// The recording rules for a deployment, and the omitted indicators with reasons.
#[must_use]
pub fn groups(thresholds: &Thresholds, deployment: &Deployment) -> (Vec<RecordGroup>, Vec<LeftOut>) {
    scores::groups(thresholds, deployment)
}

impl RecordGroup {
    /// Appends the group in the format of a Prometheus rule file.
    pub(super) fn write(&self, out: &mut String) {
        out.push_str(&format!("  - name: {}\n", self.name));
        if let Some(interval) = self.interval {
            out.push_str(&format!("    interval: {interval}\n"));
        }
        out.push_str("    rules:\n");
        self.records.iter().for_each(|record| record.write(out));
    }
}

impl Record {
    /// Appends the rule in the format of a Prometheus rule file.
    pub(super) fn write(&self, out: &mut String) {
        out.push_str(&format!("      - record: {}\n        expr: |\n", self.name));
        self.expr.lines().for_each(|line| out.push_str(&format!("          {line}\n")));
        if !self.labels.is_empty() {
            out.push_str("        labels:\n");
            for (name, value) in &self.labels {
                out.push_str(&format!("          {}: {}\n", quoted(name), quoted(value)));
            }
        }
    }
}

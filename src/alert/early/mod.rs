//! Early warning: recording rules made of the catalogue's thresholds, for scores that rise before an alarm fires.
//!
//! `docs/early-warning.md` explains the formulas. Every number here follows from an active warning and critical limit,
//! so that what a user sets under `alerts:` moves the scores as well.

pub mod indicators;
mod objectives;
mod scores;

use super::rules::{Deployment, LeftOut};
use super::thresholds::Thresholds;
use super::yaml::quoted;

pub use indicators::{INDICATORS, Indicator, steepness};
pub use objectives::OBJECTIVES;
pub use scores::DEAD_ZONE;

/// One recording rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The name: `level:metric:operation`.
    pub name: &'static str,
    /// What it is made of.
    pub expr: String,
    /// Labels that it gets.
    pub labels: Vec<(&'static str, String)>,
}

/// Recording rules that are evaluated one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordGroup {
    /// The name of the group.
    pub name: &'static str,
    /// How often it is evaluated, where that is not as often as all others.
    pub interval: Option<&'static str>,
    /// Its rules, in the order in which each needs those before it.
    pub records: Vec<Record>,
}

/// Series that the recording rules write: name and meaning.
pub const RECORDED: &[(&str, &str)] = &[
    ("member:zk_indicator:value", "the indicator as its alert measures it, for example the mean fsync of 5 minutes"),
    (
        "member:zk_restarted:group15m",
        "1 for 15 minutes after a start or a change of role, while caches are cold; else absent",
    ),
    ("member:zk_indicator:mean1d", "mean of the indicator over a day that ended an hour ago"),
    ("member:zk_indicator:stddev1d", "its standard deviation over that day"),
    ("member:zk_indicator:sigma1d", "the same, never below a tenth of the mean and a twentieth of the warning limit"),
    ("member:zk_detection:probability", "P: 0.5 is as usual, near 1 is unusually high"),
    ("member:zk_warning:score", "W: 0.5 at the warning limit, at least 0.9 at the critical one"),
    (
        "member:zk_risk_group:max",
        "the worst score of disk, JVM, load, replication, connections, data; absent below 0.05",
    ),
    ("member:zk_risk:noisy_or", "the risk of the member: its groups combined; exactly 0 at rest"),
    ("ensemble:zk_risk:noisy_or", "the risk of the ensemble: its voters combined, softened by the quorum margin"),
    (
        "ensemble:zk_objective_missed:bool",
        "1 while an objective is missed: no quorum, or the mean write of the slowest member above its warning limit",
    ),
    (
        "ensemble:zk_budget_burn:ratio",
        "the same, divided by the part of the time in which it may be: 1 is just as fast as allowed",
    ),
    ("ensemble:zk_budget_burn:avg5m", "how fast the budget burned in 5 minutes"),
    ("ensemble:zk_budget_burn:avg30m", "in 30 minutes"),
    ("ensemble:zk_budget_burn:avg1h", "in an hour"),
    ("ensemble:zk_budget_burn:avg2h", "in 2 hours"),
    ("ensemble:zk_budget_burn:avg6h", "in 6 hours"),
    ("ensemble:zk_budget_burn:ratio_thinned", "a sample every 2 minutes, for the windows of days"),
    ("ensemble:zk_budget_burn:avg1d", "in a day"),
    ("ensemble:zk_budget_burn:avg3d", "in 3 days"),
    ("ensemble:zk_objective_kept:ratio1d", "the part of the last day in which the objective was kept"),
    ("ensemble:zk_budget_left:ratio30d", "what is left of the budget of 30 days: 1 is all, below 0 is overspent"),
    (
        "member:zk_forecast:seconds",
        "seconds until a resource is used up, if it goes on; absent where it does not grow steadily, is below 30 %, or was as high the day before",
    ),
];

/// Whether some recording rule writes series of this name.
#[must_use]
pub fn is_recorded(name: &str) -> bool {
    RECORDED.iter().any(|(recorded, _)| *recorded == name)
}

/// The recording rules for a deployment, and which indicators are left out, and why.
#[must_use]
pub fn groups(thresholds: &Thresholds, deployment: &Deployment) -> (Vec<RecordGroup>, Vec<LeftOut>) {
    scores::groups(thresholds, deployment)
}

impl RecordGroup {
    /// The group as a rule file of Prometheus has it.
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
    /// The rule as a rule file of Prometheus has it.
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

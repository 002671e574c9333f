//! Early warning: recording rules made of the catalogue's thresholds, for scores that rise before an alarm fires.
//!
//! `docs/early-warning.md` explains the formulas. Every number here follows from a warning and a critical limit in force,
//! so that what a user sets under `alerts:` moves the scores as well.

pub mod indicators;
mod scores;

use super::rules::{Deployment, LeftOut, quoted};
use super::thresholds::Thresholds;

pub use indicators::{INDICATORS, Indicator, steepness};
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
        out.push_str(&format!("  - name: {}\n    rules:\n", self.name));
        for record in &self.records {
            out.push_str(&format!("      - record: {}\n        expr: |\n", record.name));
            record.expr.lines().for_each(|line| out.push_str(&format!("          {line}\n")));
            if !record.labels.is_empty() {
                out.push_str("        labels:\n");
                for (name, value) in &record.labels {
                    out.push_str(&format!("          {name}: {}\n", quoted(value)));
                }
            }
        }
    }
}

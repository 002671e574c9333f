//! The limits of alerts, for colours; and the query that draws those in force as lines.

use super::panel::Target;
use crate::alert::{Severity, conditions};

/// Warning and critical limit of an alert, as far as it has them.
pub(super) fn of(alert: &str) -> (Option<f64>, Option<f64>) {
    let condition = conditions().iter().find(|condition| condition.name == alert);
    let limit = |severity| condition.and_then(|condition| condition.level_of(severity)?.limit);
    (limit(Severity::Warning), limit(Severity::Critical))
}

/// A line for each level of an alert.
pub(super) fn lines(alert: &str) -> Target {
    Target {
        expr: format!(
            r#"max by (ensemble, severity) (zk_alert_threshold{{job=~"$job",ensemble=~"$ensemble|",alert="ZooKeeper{alert}"}})"#
        ),
        legend: "{{severity}} limit {{ensemble}}",
        right: None,
        forecast: false,
    }
}

/// The warning limit of an alert; infinite where it has none, so that nothing ever reaches it.
pub(super) fn warning(alert: &str) -> f64 {
    of(alert).0.unwrap_or(f64::INFINITY)
}

//! The active limits of alerts, as exported: `zk_alert_threshold`. Never as numbers.

use super::panel::Target;

/// A line for each level of an alert.
pub(super) fn lines(alert: &str) -> Target {
    Target {
        expr: format!(
            r#"max by (ensemble, severity) (zk_alert_threshold{{J,ensemble=~"$ensemble|",alert="ZooKeeper{alert}"}})"#
        ),
        legend: "{{severity}} limit {{ensemble}}",
        right: None,
        forecast: false,
    }
}

/// The warning limit of an alert for each ensemble: its own, or else that of all.
pub(super) fn warning(alert: &str) -> String {
    let limit = |ensemble: &str| {
        format!(r#"zk_alert_threshold{{J,alert="ZooKeeper{alert}",severity="warning",ensemble{ensemble}}}"#)
    };
    format!(
        r"(max by (ensemble) ({}) or group by (ensemble) (zk_ensemble_members{{E}}) * on (cluster) group_left () max by (cluster) ({}))",
        limit(r#"=~"$ensemble",ensemble!="""#),
        limit(r#"="""#),
    )
}

/// The part of the way to the warning limit of an alert that a figure has gone: 1 is at the limit.
pub(super) fn part(expr: &str, alert: &str) -> String {
    format!("{expr} / on (ensemble) group_left () {}", warning(alert))
}

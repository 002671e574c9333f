//! The active alert limits as exported by `zk_alert_threshold`; panels contain no literal limits.

use super::panel::Target;

/// One limit line per severity of an alert.
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

/// The warning limit of an alert for each ensemble: the limit of the ensemble, else the common one.
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

/// A value as a fraction of the warning limit of an alert; 1 is at the limit.
pub(super) fn part(expr: &str, alert: &str) -> String {
    format!("{expr} / on (ensemble) group_left () {}", warning(alert))
}

//! User macros of the template: the URL of the page, and a limit for every level.

use super::words::{described, limit, macro_name};
use crate::alert::condition::Severity;
use crate::alert::thresholds::InForce;

/// Macros of the host.
pub(super) fn general() -> Vec<(String, String, String)> {
    let one = |name: &str, value: &str, about: &str| (name.to_owned(), value.to_owned(), about.to_owned());
    vec![
        one(
            "{$ZK.URL}",
            "http://localhost:9141/metrics",
            "URL of the exporter's page, reachable from the Zabbix server or proxy.",
        ),
        one(
            "{$ZK.INTERVAL}",
            "30s",
            "Interval at which the page is fetched; at most 1m, since short conditions need several values.",
        ),
        one("{$ZK.ENSEMBLES}", ".*", "Pattern for the names of the ensembles shown on this host."),
    ]
}

/// The macros of a level: its limit, limits of single ensembles, and whether it is disabled.
pub(super) fn limits(level: &InForce) -> Vec<(String, String, String)> {
    let (condition, severity) = (level.condition, level.level.severity.text());
    let short = short_of(level.level.severity);
    let mut all = Vec::new();
    let put = |all: &mut Vec<_>, context: Option<&str>, value: f64| {
        let name = macro_name(condition, short, context);
        all.push((name, limit(condition.unit, value), described(condition, severity)));
    };
    if let Some(usual) = level.usual.flatten().or(level.level.limit) {
        put(&mut all, None, usual);
    }
    for (ensemble, own) in &level.own {
        if let Some(own) = own.flatten() {
            put(&mut all, Some(ensemble), own);
        }
    }
    if is_switched(level) {
        let name = |context: Option<&str>| macro_name(condition, &format!("{short}.ON"), context);
        let about = format!("1 if {} ({severity}) is enabled.", condition.alert());
        let number = |on: bool| if on { "1" } else { "0" }.to_owned();
        all.push((name(None), number(level.usual.is_some()), about.clone()));
        for (ensemble, own) in &level.own {
            all.push((name(Some(ensemble)), number(own.is_some()), about.clone()));
        }
    }
    all
}

/// Whether the level is enabled for some ensembles and disabled for others.
pub(super) fn is_switched(level: &InForce) -> bool {
    level.own.iter().any(|(_, own)| own.is_some() != level.usual.is_some())
}

/// The severity as used in macro names.
pub(super) const fn short_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "CRIT",
        Severity::Warning | Severity::Info => "WARN",
    }
}

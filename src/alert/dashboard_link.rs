//! The dashboard that shows the condition of an alert, for the annotation `dashboard_url`.

use super::condition::{Condition, Group};
use super::expr::Keys;

/// The UID of the dashboard.
fn uid(condition: &Condition) -> &'static str {
    match condition.name {
        "CanaryFailing" | "CanarySlow" | "ZnodeAboveThreshold" | "ZnodeUnreadable" => "zookeeper-client",
        "MemberRestarting" | "ClientNearConnectionLimit" => "zookeeper-member",
        "EpochMismatch" | "MemberNameShared" => "zookeeper-compare",
        "SlowFsync" | "BudgetBurn" | "OutageBudgetBurn" => "zookeeper-latency",
        "CertificateExpiring" | "RunsOut" | "ZxidRollover" => "zookeeper-capacity",
        "EnsembleUnreachable" | "EnsembleUnwatched" => "zookeeper-ensembles",
        "ZoneLossStopsQuorum" => "zookeeper-overview",
        _ => match condition.group {
            Group::Availability
            | Group::Leadership
            | Group::Replication
            | Group::Requests
            | Group::Connections
            | Group::Security => "zookeeper-overview",
            Group::Latency => "zookeeper-latency",
            Group::Data | Group::Disk => "zookeeper-capacity",
            Group::Jvm => "zookeeper-jvm",
            Group::Drift => "zookeeper-compare",
            Group::Exporter => "zookeeper-exporter",
            Group::EarlyWarning => "zookeeper-early-warning",
        },
    }
}

/// The UID of the dashboard, and its variables with the labels of the alert as Prometheus templates. `keep` are the labels
/// that the rules keep; `cluster` is a variable of the dashboards.
#[must_use]
pub fn dashboard_path(condition: &Condition, keep: &[String]) -> String {
    let keys = condition.keys();
    // The canary of an ensemble has no member, and an empty variable would select no series.
    let has = |name: &str| keys.names().contains(&name) && !(name == "member" && keys == Keys::Canary);
    let shown = ["job", "cluster", "ensemble", "member"];
    let variables: Vec<String> = shown
        .into_iter()
        .filter(|name| has(name) || (*name == "cluster" && keep.iter().any(|kept| kept == name)))
        .map(|name| format!("var-{name}={{{{ $labels.{name} }}}}"))
        .collect();
    if variables.is_empty() { uid(condition).to_owned() } else { format!("{}?{}", uid(condition), variables.join("&")) }
}

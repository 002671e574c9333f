//! What is not told beside something worse: the one table behind Alertmanager's inhibitions and Zabbix' dependencies.

use super::condition::{Condition, Severity};

/// Alarms that silence others of the same ensemble or member.
#[derive(Clone, Copy, Debug)]
pub struct Inhibition {
    /// The alarms, by the name of their condition.
    pub sources: &'static [&'static str],
    /// What they silence.
    pub targets: Targets,
    /// What both must have in common.
    pub equal: &'static [&'static str],
}

/// What an alarm silences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Targets {
    /// These conditions, in both levels.
    Named(&'static [&'static str]),
    /// Every warning.
    Warnings,
}

/// Without a quorum no member serves, nothing is in sync and everything is slow.
const WITHOUT_QUORUM: &[&str] = &[
    "MemberNotServing",
    "ObserverDown",
    "MemberReadOnly",
    "QuorumMarginZero",
    "VotersNotSynced",
    "OutstandingRequests",
    "SlowWrites",
    "PendingSyncs",
    "CanaryFailing",
    "UnavailableTime",
    "FrequentElections",
    "MemberLosesLeader",
    "ConnectionsCollapsed",
    "EphemeralsCollapsed",
    "SessionsExpiring",
    "OutageBudgetBurn",
    "BudgetBurn",
];

/// What follows from a leader that does not answer, while its followers do. A member that loses a leader which the others
/// keep (`MemberLosesLeader`) has a fault of its own.
const WITHOUT_LEADER: &[&str] = &[
    "QuorumLost",
    "OutstandingRequests",
    "SlowWrites",
    "PendingSyncs",
    "CanaryFailing",
    "UnavailableTime",
    "FrequentElections",
    "OutageBudgetBurn",
    "BudgetBurn",
];

/// Beside the rule that an alarm silences the warning of the same condition.
pub const INHIBITIONS: [Inhibition; 7] = [
    Inhibition {
        sources: &["QuorumLost", "EnsembleUnreachable"],
        targets: Targets::Named(WITHOUT_QUORUM),
        equal: &["ensemble"],
    },
    Inhibition { sources: &["LeaderSilent"], targets: Targets::Named(WITHOUT_LEADER), equal: &["ensemble"] },
    // All members at once are one alarm.
    Inhibition {
        sources: &["EnsembleUnreachable"],
        targets: Targets::Named(&["MemberDown", "QuorumLost"]),
        equal: &["ensemble"],
    },
    // A dead member does not serve.
    Inhibition {
        sources: &["MemberDown"],
        targets: Targets::Named(&["MemberNotServing"]),
        equal: &["ensemble", "member"],
    },
    // What a dead member did before it died.
    Inhibition {
        sources: &["MemberDown", "MemberNotServing"],
        targets: Targets::Warnings,
        equal: &["ensemble", "member"],
    },
    // Two ensembles have two leaders, two epochs and two configurations.
    Inhibition {
        sources: &["EnsemblesMixed"],
        targets: Targets::Named(&["MultipleLeaders", "EpochMismatch", "ConfigMismatch"]),
        equal: &["ensemble"],
    },
    // What was known is not news.
    Inhibition { sources: &["EnsembleUnwatched"], targets: Targets::Warnings, equal: &["ensemble"] },
];

/// Whether the alarm of one condition silences a level of another.
#[must_use]
pub fn silences(source: &Condition, target: &Condition, level: Severity) -> bool {
    let about = |condition: &Condition, label: &&str| condition.keys().names().contains(label);
    if source.name == target.name {
        return level == Severity::Warning && source.level_of(Severity::Critical).is_some();
    }
    INHIBITIONS.iter().any(|rule| {
        rule.sources.contains(&source.name)
            && rule.equal.iter().all(|label| about(source, label) && about(target, label))
            && match rule.targets {
                Targets::Named(names) => names.contains(&target.name),
                Targets::Warnings => level == Severity::Warning,
            }
    })
}

//! Inhibition: alerts silenced by a more severe one, because they always follow from it or because their data is stale.
//! Used for Alertmanager's inhibition rules and Zabbix dependencies.

use super::causes::{CauseScope, EDGES, Link};
use super::condition::{Condition, Severity};

/// Critical alerts that silence others of the same ensemble or member.
#[derive(Clone, Copy, Debug)]
pub struct Inhibition {
    /// Condition names of the silencing alerts.
    pub sources: &'static [&'static str],
    /// The silenced alerts.
    pub targets: Targets,
    /// Labels that must be equal on both.
    pub equal: &'static [&'static str],
}

/// The alerts that an inhibition silences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Targets {
    /// These conditions, at both levels.
    Named(&'static [&'static str]),
    /// All warnings.
    Warnings,
}

/// Not causes: the data behind the warnings is stale.
const OUTDATED: [Inhibition; 2] = [
    // Behaviour of an unreachable member before it failed.
    Inhibition {
        sources: &["MemberDown", "MemberNotServing"],
        targets: Targets::Warnings,
        equal: &["ensemble", "member"],
    },
    // Last known state of an ensemble that is no longer watched.
    Inhibition { sources: &["EnsembleUnwatched"], targets: Targets::Warnings, equal: &["ensemble"] },
];

/// All inhibitions, except the rule that a critical alert silences the warning of the same condition.
pub fn inhibitions() -> impl Iterator<Item = Inhibition> {
    let always = EDGES.iter().filter(|edge| edge.link == Link::Always);
    let of_symptoms = always.map(|edge| Inhibition {
        sources: edge.causes,
        targets: Targets::Named(edge.symptoms),
        equal: if edge.scope == CauseScope::SameMember { &["ensemble", "member"] } else { &["ensemble"] },
    });
    of_symptoms.chain(OUTDATED)
}

/// Whether the critical alert of one condition silences a level of another.
#[must_use]
pub fn silences(source: &Condition, target: &Condition, level: Severity) -> bool {
    let about = |condition: &Condition, label: &&str| condition.keys().names().contains(label);
    if source.name == target.name {
        return level == Severity::Warning && source.level_of(Severity::Critical).is_some();
    }
    inhibitions().any(|rule| {
        rule.sources.contains(&source.name)
            && rule.equal.iter().all(|label| about(source, label) && about(target, label))
            && match rule.targets {
                Targets::Named(names) => names.contains(&target.name),
                Targets::Warnings => level == Severity::Warning,
            }
    })
}

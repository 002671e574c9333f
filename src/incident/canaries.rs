//! The canaries of one ensemble: which of them fail, and in which operations.

use std::collections::BTreeMap;

use super::transition::{Transition, TransitionKind};
use crate::catalogue::{FamilyId, Own};
use crate::scrape::{Cell, EnsembleReport};

/// Keyed by the member that a canary connects to; empty for the canary of the ensemble. Bounded by the members.
#[derive(Clone, Debug, Default)]
pub(super) struct Canaries(BTreeMap<Box<str>, LastCanary>);

#[derive(Clone, Debug)]
struct LastCanary {
    up: bool,
    /// Failures since the exporter started, by operation and error.
    failures: BTreeMap<(Box<str>, Box<str>), u64>,
    failure: Option<CanaryFailure>,
}

/// The last failure of a canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CanaryFailure {
    /// Operations and errors: `create: no_auth`.
    pub(super) text: Box<str>,
    /// The errors alone.
    pub(super) errors: Vec<Box<str>>,
}

impl Canaries {
    /// Compares a report with the last one; adds a change for each canary that began to fail or to succeed.
    pub(super) fn take(&mut self, report: &EnsembleReport, changes: &mut Vec<Transition>) {
        let mut before = std::mem::take(&mut self.0);
        for (member, up) in cells(report, Own::CanaryUp).map(|(labels, value)| (labels[0], value > 0)) {
            let last = before.remove(member);
            let failures = failures(report, member);
            // A restarted canary counts from zero.
            let again = last.as_ref().is_some_and(|last| {
                last.failures.iter().any(|(key, before)| failures.get(key).is_none_or(|now| now < before))
            });
            let known = |key: &(Box<str>, Box<str>)| {
                last.as_ref().filter(|_| !again).and_then(|last| last.failures.get(key)).copied()
            };
            let mut grown: Vec<_> = failures.iter().filter(|(key, count)| **count > known(key).unwrap_or(0)).collect();
            grown.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            let texts: Vec<String> =
                grown.iter().map(|((operation, error), _)| format!("{operation}: {error}")).collect();
            // Without a round since the last report, the previous failure is kept.
            let failure = match grown.first() {
                _ if up => None,
                Some(_) => {
                    let errors = grown.iter().map(|((_, error), _)| error.clone()).collect();
                    Some(CanaryFailure { text: texts.join(", ").into(), errors })
                }
                None => last.as_ref().and_then(|last| last.failure.clone()),
            };
            if let Some(last) = last.filter(|last| last.up != up) {
                let text = |up: bool| if up { "up" } else { "failing" };
                let evidence = failure.as_ref().map_or("", |failure| &failure.text);
                let change = Transition::new(TransitionKind::Canary, text(last.up), text(up), evidence);
                changes.push(if member.is_empty() { change } else { change.of(&member.into()) });
            }
            self.0.insert(member.into(), LastCanary { up, failures, failure });
        }
        // A canary without a result, e.g. before its first round after a reload, keeps its last state.
        let is_listed = |name: &str| name.is_empty() || report.members.iter().any(|member| *member.name == *name);
        before.retain(|name, _| is_listed(name));
        self.0.append(&mut before);
    }

    /// The last failure of each canary that fails, by its member.
    pub(super) fn failing(&self) -> impl Iterator<Item = (&str, &CanaryFailure)> {
        self.0.iter().filter_map(|(member, last)| Some((&**member, last.failure.as_ref()?)))
    }
}

fn failures(report: &EnsembleReport, member: &str) -> BTreeMap<(Box<str>, Box<str>), u64> {
    let of_member = cells(report, Own::CanaryFailures).filter(|(labels, _)| labels[0] == member);
    of_member.map(|(labels, count)| ((labels[1].into(), labels[2].into()), count)).collect()
}

/// The samples of a family: the values of all its labels, and the value.
fn cells(report: &EnsembleReport, own: Own) -> impl Iterator<Item = (Vec<&str>, u64)> {
    let (family, labels) = (FamilyId::from(own), if own == Own::CanaryUp { 1 } else { 3 });
    let of_cell = move |cell: &Cell| {
        let values: Vec<&str> = report.samples.label_values(*cell).collect();
        (values.len() == labels).then(|| (values, cell.value().as_count().unwrap_or(0)))
    };
    report.samples.cells().iter().filter(move |cell| cell.family() == family).filter_map(of_cell)
}

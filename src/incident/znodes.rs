//! The watched znodes of one ensemble: which values are above their thresholds, and which cannot be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::transition::{Transition, TransitionKind};
use crate::alert::{Severity, Unit};
use crate::catalogue::{FamilyId, Own};
use crate::scrape::{Cell, EnsembleReport};

/// The state of a znode that can be read.
pub(super) const READABLE: &str = "readable";

/// Keyed by path; bounded by the samples of a report.
#[derive(Clone, Debug, Default)]
pub(super) struct Znodes(BTreeMap<Arc<str>, LastZnode>);

#[derive(Clone, Debug, Default)]
struct LastZnode {
    /// Whether its value was compared with its thresholds before.
    is_judged: bool,
    /// The highest threshold that the value exceeded then.
    level: Option<Severity>,
    /// Why it could not be read; `None` if it could.
    failure: Option<Box<str>>,
}

impl Znodes {
    /// Compares a report with the last one; adds a change for each threshold that was crossed, and for each znode that
    /// can no longer be read or can be read again. The first result of a znode is the baseline.
    pub(super) fn take(&mut self, report: &EnsembleReport, changes: &mut Vec<Transition>) {
        let mut seen: BTreeMap<&str, (Option<f64>, Option<&str>)> = BTreeMap::new();
        for (path, _, value) in cells(report, Own::ZnodeValue) {
            let highest = &mut seen.entry(path).or_default().0;
            *highest = Some(highest.map_or(value, |other| other.max(value)));
        }
        for (path, reason, _) in cells(report, Own::ZnodeFailure) {
            seen.entry(path).or_default().1 = Some(reason);
        }
        // Without any result the session has no reading, e.g. after a reload.
        if seen.is_empty() {
            return;
        }
        self.0.retain(|path, _| seen.contains_key(&**path));
        for (path, (value, failure)) in seen {
            let is_new = !self.0.contains_key(path);
            let path: Arc<str> = self.0.get_key_value(path).map_or_else(|| path.into(), |(known, _)| Arc::clone(known));
            let last = self.0.entry(Arc::clone(&path)).or_default();
            let before = std::mem::replace(&mut last.failure, failure.map(Into::into));
            if !is_new && before.as_deref() != failure {
                let (before, after) = (before.as_deref().unwrap_or(READABLE), failure.unwrap_or(READABLE));
                let change = Transition::new(TransitionKind::Znode, before, after, "");
                changes.push(Transition {
                    condition: Some("ZnodeUnreadable"),
                    path: Some(Arc::clone(&path)),
                    ..change
                });
            }
            let Some(value) = value else { continue };
            let limits = thresholds(report, &path);
            let above = limits.iter().filter(|(_, limit)| value > *limit).map(|(severity, _)| *severity).max();
            let before = std::mem::replace(&mut last.level, above);
            if !std::mem::replace(&mut last.is_judged, true) || before == above {
                continue;
            }
            changes.push(crossing(before, above, value, &limits, path));
        }
    }
}

fn crossing(
    before: Option<Severity>,
    after: Option<Severity>,
    value: f64,
    limits: &[(Severity, f64)],
    path: Arc<str>,
) -> Transition {
    let text = |level: Option<Severity>| level.map_or("ok", Severity::text);
    let worse = before.max(after);
    let limit = limits.iter().find(|(severity, _)| Some(*severity) == worse);
    let limit =
        limit.map_or_else(|| "its threshold was removed".to_owned(), |(_, limit)| format!("limit {}", words(*limit)));
    let change =
        Transition::new(TransitionKind::Threshold, text(before), text(after), &format!("{}, {limit}", words(value)));
    Transition { condition: Some("ZnodeAboveThreshold"), path: Some(path), ..change }
}

/// A value or threshold in text.
pub(super) fn words(value: f64) -> String {
    Unit::Number.words(value)
}

/// The thresholds of a znode, that of the warning first.
pub(super) fn thresholds(report: &EnsembleReport, path: &str) -> Vec<(Severity, f64)> {
    let of_path = cells(report, Own::ZnodeAlarmThreshold).filter(|(of, ..)| *of == path);
    let severity = |text: &str| [Severity::Warning, Severity::Critical].into_iter().find(|one| one.text() == text);
    let mut limits: Vec<(Severity, f64)> =
        of_path.filter_map(|(_, text, limit)| Some((severity(text)?, limit))).collect();
    limits.sort_by_key(|(severity, _)| *severity);
    limits
}

/// The samples of a family of znodes: the path, the other label, the value.
pub(super) fn cells(report: &EnsembleReport, own: Own) -> impl Iterator<Item = (&str, &str, f64)> {
    let family = FamilyId::from(own);
    let of_cell = move |cell: &Cell| {
        let mut labels = report.samples.label_values(*cell);
        Some((labels.next()?, labels.next()?, cell.value().as_f64()))
    };
    report.samples.cells().iter().filter(move |cell| cell.family() == family).filter_map(of_cell)
}

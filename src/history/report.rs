//! The summary of a backtest: one row per alert, level and ensemble.

use std::collections::{BTreeMap, BTreeSet};

use super::backtest::{BacktestPlan, Replayed};
use super::levels::Firing;
use super::matrix::SeriesLabels;
use super::seen::Presence;
use crate::alert::condition::{Condition, Group, Severity};
use crate::alert::history_query::{HistoryQuery, ReplayedLevel};

/// A warning counts as ahead of a critical alert that begins while it fires, or at most this many seconds later.
const AFTER: i64 = 900;

/// Summary of the firings of a level in an ensemble.
#[derive(Clone, Debug)]
pub struct BacktestRow {
    /// The condition of the alert.
    pub condition: &'static Condition,
    /// The level of the alert.
    pub severity: Severity,
    /// Index of the configuration.
    pub configuration: usize,
    /// The ensemble; `None` for alerts without one.
    pub ensemble: Option<String>,
    /// The firings, ordered by start time.
    pub firings: Vec<Firing>,
    /// Seconds during which at least one alert fired.
    pub total: i64,
    /// Duration of the longest firing in seconds.
    pub longest: i64,
    /// Seconds for which data exists.
    pub seen: i64,
    /// Number of firings that end where the data ends.
    pub cut: usize,
    /// For warnings: how many were followed by a critical alert of the same cause, and the median delay in seconds.
    pub ahead: Option<(usize, i64)>,
}

impl BacktestRow {
    /// The fraction of the observed time during which it fired.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "seconds of some years")]
        let share = self.total as f64 / self.seen as f64;
        (self.seen > 0).then_some(share.min(1.0))
    }
}

/// A query without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedQuery {
    /// The alert.
    pub alert: String,
    /// The error.
    pub why: String,
}

/// All rows in catalogue order, and the failed queries.
#[must_use]
pub fn rows(plan: &BacktestPlan, done: &Replayed) -> (Vec<BacktestRow>, Vec<FailedQuery>) {
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (query, firings) in plan.queries.iter().zip(&done.firings) {
        match firings {
            Some(Ok(firings)) => {
                for (level, firings) in query.levels.iter().zip(firings) {
                    rows.extend(of_level(plan, done, query, level, firings));
                }
            }
            Some(Err(why)) => failed.push(FailedQuery { alert: query.condition.alert(), why: why.clone() }),
            None => {}
        }
    }
    let alarms: Vec<(usize, &'static Condition, SeriesLabels, i64)> = rows
        .iter()
        .filter(|row| row.severity == Severity::Critical)
        .flat_map(|row| {
            row.firings.iter().map(|one| (row.configuration, row.condition, one.labels.clone(), one.time.start))
        })
        .collect();
    for row in rows.iter_mut().filter(|row| row.severity == Severity::Warning) {
        row.ahead = ahead(row, &alarms);
    }
    (rows, failed)
}

fn of_level(
    plan: &BacktestPlan,
    done: &Replayed,
    query: &HistoryQuery,
    level: &ReplayedLevel,
    firings: &[Firing],
) -> Vec<BacktestRow> {
    let mut by_ensemble: BTreeMap<Option<String>, Vec<Firing>> = BTreeMap::new();
    for firing in firings {
        by_ensemble.entry(firing.labels.get("ensemble").cloned()).or_default().push(firing.clone());
    }
    let names = query.condition.keys().names();
    if names.contains(&"ensemble") {
        for name in done.watched.keys().filter(|name| level.level.of_ensemble(name).is_some()) {
            by_ensemble.entry(Some(name.clone())).or_default();
        }
    } else {
        by_ensemble.entry(None).or_default();
    }
    let step = plan.grid.step;
    let row = |(ensemble, firings): (Option<String>, Vec<Firing>)| {
        let presence = presence(done, query, ensemble.as_deref(), step);
        let cut = |one: &&Firing| !one.time.goes_on && !presence.contains(one.time.end);
        BacktestRow {
            condition: query.condition,
            severity: level.severity,
            configuration: level.configuration,
            total: union(&firings),
            longest: firings.iter().map(|one| one.time.end - one.time.start).max().unwrap_or(0),
            seen: presence.seconds(step),
            cut: firings.iter().filter(cut).count(),
            ahead: None,
            ensemble,
            firings,
        }
    };
    by_ensemble.into_iter().map(row).collect()
}

/// The times for which the query has data: the ensemble was monitored, and its members exported the required metrics.
fn presence(done: &Replayed, query: &HistoryQuery, ensemble: Option<&str>, step: i64) -> Presence {
    let Some(ensemble) = ensemble else {
        // For alerts without an ensemble, the one monitored longest shows when the exporter was running.
        return done.watched.values().max_by_key(|presence| presence.seconds(step)).cloned().unwrap_or_default();
    };
    let Some(watched) = done.watched.get(ensemble) else { return Presence::default() };
    let nothing = BTreeSet::new();
    let hours = |name: &str| done.families.get(name).and_then(|of| of.get(ensemble)).unwrap_or(&nothing);
    let fits = |hour: i64| query.needs.iter().any(|names| names.iter().all(|name| hours(name).contains(&hour)));
    watched.within_hours(step, fits)
}

/// Seconds during which at least one alert fired.
fn union(firings: &[Firing]) -> i64 {
    let (mut total, mut until) = (0, i64::MIN);
    for Firing { time, .. } in firings {
        total += (time.end - time.start.max(until)).max(0);
        until = until.max(time.end);
    }
    total
}

fn ahead(row: &BacktestRow, alarms: &[(usize, &'static Condition, SeriesLabels, i64)]) -> Option<(usize, i64)> {
    let condition = row.condition;
    let own = condition.level_of(Severity::Critical).is_some();
    // An early-warning condition is ahead of any critical alert of the same member or ensemble.
    let early = condition.group == Group::EarlyWarning;
    if !own && !early {
        return None;
    }
    let mut leads: Vec<i64> = row
        .firings
        .iter()
        .filter_map(|warning| {
            let same_cause = |(configuration, alarm, labels, _): &&(usize, &'static Condition, SeriesLabels, i64)| {
                let same = |label: &str| match (warning.labels.get(label), labels.get(label)) {
                    (Some(one), Some(other)) => one == other,
                    _ => true,
                };
                *configuration == row.configuration
                    && if early {
                        same("ensemble") && same("member")
                    } else {
                        alarm.name == condition.name && *labels == warning.labels
                    }
            };
            let after = alarms.iter().filter(same_cause).map(|(.., start)| start - warning.time.start);
            after.filter(|lead| (0..=warning.time.end - warning.time.start + AFTER).contains(lead)).min()
        })
        .collect();
    leads.sort_unstable();
    Some((leads.len(), leads.get(leads.len() / 2).copied().unwrap_or(0)))
}

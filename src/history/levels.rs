//! Replays one query for all its levels, piece by piece: the firings with their times and labels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::client::{QueryApi, QueryConnection, QueryError};
use super::fetch::Pieces;
use super::grid::Grid;
use super::matrix::{Matrix, SeriesLabels};
use super::replay::{AlertReplay, FiringTime, RuleTimes};
use crate::alert::history_query::{HeldQueries, HistoryQuery};

/// Maximum number of firings of one alert, which are held in memory; more are an error.
const MAX_FIRINGS: usize = 200_000;

/// A firing of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    /// The labels, without those that the rule adds.
    pub labels: SeriesLabels,
    /// Start and end of the firing.
    pub time: FiringTime,
}

/// The state of replaying a query.
struct Levels<'q> {
    query: &'q HistoryQuery,
    grid: Grid,
    /// Alerts by level and labels.
    alerts: BTreeMap<(usize, SeriesLabels), AlertReplay>,
    firings: Vec<Vec<Firing>>,
}

/// The times at which an active alert is kept although its expression has no sample.
#[derive(Default)]
struct Kept {
    /// While the ensemble was not scraped.
    no_page: LabelTimes,
    /// While the value was unknown.
    unknown: LabelTimes,
    /// While the ensemble was not scraped after a good value.
    recovered: LabelTimes,
}

/// The times of each series of a query; all series have the same label names.
#[derive(Default)]
struct LabelTimes {
    names: Vec<String>,
    times: BTreeMap<SeriesLabels, Vec<i64>>,
}

/// The firings of each level, in the order of the query's levels. `tick` is called after each piece.
///
/// # Errors
/// If the server does not respond, or if there are too many firings.
pub async fn replay(
    api: &QueryApi,
    connection: &mut QueryConnection,
    query: &HistoryQuery,
    grid: Grid,
    moments: usize,
    tick: impl Fn(),
) -> Result<Vec<Vec<Firing>>, QueryError> {
    let longest = query.levels.iter().map(|level| seconds(level.hold.0) + seconds(level.keep.0)).max().unwrap_or(0);
    // Begins earlier by the longest `for`, so that alerts already active at the start have their full history.
    let all = grid.earlier(longest + grid.step);
    let mut levels = Levels { query, grid, alerts: BTreeMap::new(), firings: vec![Vec::new(); query.levels.len()] };
    let mut exprs: Vec<&str> = query.exprs.iter().map(String::as_str).collect();
    exprs.extend(query.held.iter().flat_map(HeldQueries::all));
    let mut pieces = Pieces::new(&all, moments);
    while let Some((piece, matrices)) = pieces.next(api, connection, &exprs).await? {
        levels.advance(&piece, matrices);
        tick();
        if levels.firings.iter().map(Vec::len).sum::<usize>() > MAX_FIRINGS {
            return Err(QueryError::Refused(format!("more than {MAX_FIRINGS} firings")));
        }
    }
    Ok(levels.finish())
}

impl Levels<'_> {
    fn times(&self, level: usize) -> RuleTimes {
        let level = &self.query.levels[level];
        RuleTimes { hold: seconds(level.hold.0), keep_firing: seconds(level.keep.0), step: self.grid.step }
    }

    fn advance(&mut self, piece: &Grid, matrices: Vec<Matrix>) {
        let mut matrices = matrices.into_iter();
        let values =
            matrices.by_ref().take(self.query.exprs.len()).flat_map(|matrix| matrix.series).collect::<Vec<_>>();
        let kept = Kept::of(matrices);
        let mut samples: BTreeMap<(usize, SeriesLabels), Vec<i64>> = BTreeMap::new();
        for series in values {
            let ensemble = series.labels.get("ensemble").map(String::as_str);
            for (number, level) in self.query.levels.iter().enumerate() {
                let reached = |(_, value): &&(i64, f64)| level.is_reached(self.query.compare, ensemble, *value);
                let moments: Vec<i64> = series.points.iter().filter(reached).map(|(moment, _)| *moment).collect();
                if !moments.is_empty() {
                    samples.insert((number, series.labels.clone()), moments);
                }
            }
        }
        for key in samples.keys() {
            if !self.alerts.contains_key(key) {
                self.alerts.insert(key.clone(), AlertReplay::default());
            }
        }
        let mut alerts = std::mem::take(&mut self.alerts);
        let mut times = Vec::new();
        for ((level, labels), alert) in &mut alerts {
            let with = samples.remove(&(*level, labels.clone())).unwrap_or_default();
            alert.advance(self.times(*level), with, piece.end, |moment| kept.holds(labels, moment), &mut times);
            times.drain(..).for_each(|time| self.keep(*level, labels, time));
        }
        alerts.retain(|_, alert| alert.is_active());
        self.alerts = alerts;
    }

    /// Keeps a firing that overlaps the grid.
    fn keep(&mut self, level: usize, labels: &SeriesLabels, time: FiringTime) {
        if time.end <= self.grid.start {
            return;
        }
        let from_before = time.start < self.grid.start;
        let time = FiringTime { start: time.start.max(self.grid.start), from_before, ..time };
        self.firings[level].push(Firing { labels: labels.clone(), time });
    }

    fn finish(mut self) -> Vec<Vec<Firing>> {
        for ((level, labels), alert) in std::mem::take(&mut self.alerts) {
            if let Some(time) = alert.finish(self.times(level), self.grid.end) {
                self.keep(level, &labels, time);
            }
        }
        for firings in &mut self.firings {
            firings.sort_by(|one, other| (one.time.start, &one.labels).cmp(&(other.time.start, &other.labels)));
        }
        self.firings
    }
}

impl Kept {
    /// The results of the queries of `HeldQueries`.
    fn of(matrices: impl Iterator<Item = Matrix>) -> Self {
        let mut all = matrices.map(LabelTimes::of);
        let mut next = || all.next().unwrap_or_default();
        Self { no_page: next(), unknown: next(), recovered: next() }
    }

    fn holds(&self, labels: &SeriesLabels, moment: i64) -> bool {
        let no_page = self.no_page.contains(labels, moment) && !self.recovered.contains(labels, moment);
        no_page || self.unknown.contains(labels, moment)
    }
}

impl LabelTimes {
    fn of(matrix: Matrix) -> Self {
        let names = matrix.series.first().map(|series| series.labels.keys().cloned().collect()).unwrap_or_default();
        let times = matrix.series.into_iter().map(|series| {
            let times = series.points.into_iter().map(|(moment, _)| moment).collect();
            (series.labels, times)
        });
        Self { names, times: times.collect() }
    }

    /// Whether the series with the same labels, as far as the query has them, has this time.
    fn contains(&self, labels: &SeriesLabels, moment: i64) -> bool {
        if self.times.is_empty() {
            return false;
        }
        let same = self.names.iter().filter_map(|name| Some((name.clone(), labels.get(name)?.clone())));
        self.times.get(&same.collect::<SeriesLabels>()).is_some_and(|times| times.binary_search(&moment).is_ok())
    }
}

fn seconds(span: u64) -> i64 {
    i64::try_from(span).unwrap_or(i64::MAX / 4)
}

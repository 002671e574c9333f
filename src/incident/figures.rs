//! Compares figures of a member with the limits of alerts at every scrape; much cheaper than evaluating the whole
//! catalogue.
//!
//! A mean covers at least [`SHORTEST_MEAN`], so that with a scrape every second a single slow fsync is not reported. A
//! growth is measured since a mark, which is moved every [`GROWTH_WINDOW`].

use crate::alert::{InForce, Severity, Thresholds};
use crate::reply::Number;
use crate::scrape::{MemberReport, State};

/// How a figure is measured.
#[derive(Clone, Copy, Debug)]
enum Measure {
    /// The mean of a summary since the mark, by the base name of its sum and count.
    Mean(&'static str),
    /// The value.
    Value(&'static str),
    /// The ratio of two values.
    Share(&'static str, &'static str),
    /// The growth since the mark.
    Growth(&'static str),
}

/// The conditions that are compared with their limits, by the keys of `mntr`.
const FIGURES: [(&str, Measure); 14] = [
    ("SlowFsync", Measure::Mean("fsynctime")),
    ("SlowWrites", Measure::Mean("updatelatency")),
    ("SlowReads", Measure::Mean("readlatency")),
    ("OutstandingRequests", Measure::Value("outstanding_requests")),
    ("PendingSyncs", Measure::Value("pending_syncs")),
    ("ConnectionsHigh", Measure::Value("num_alive_connections")),
    ("FileDescriptors", Measure::Share("open_file_descriptor_count", "max_file_descriptor_count")),
    ("WatchesHigh", Measure::Value("watch_count")),
    ("ZnodesHigh", Measure::Value("znode_count")),
    ("DataSizeHigh", Measure::Value("approximate_data_size")),
    ("LargeProposal", Measure::Value("max_proposal_size")),
    ("ConnectionsRejected", Measure::Growth("connection_rejected")),
    ("StaleRequestsDropped", Measure::Growth("stale_requests_dropped")),
    ("RequestsThrottled", Measure::Growth("throttled_ops")),
];

const SHORTEST_MEAN: f64 = 5.0;

/// Maximum interval of a mean in seconds; a longer one does not describe the present.
const LONGEST_MEAN: f64 = 600.0;

/// Window in seconds, as in the alerts that measure growth.
pub(super) const GROWTH_WINDOW: f64 = 600.0;

/// The limits of one ensemble, looked up once for all its members.
#[derive(Debug)]
pub(super) struct FigureLimits([[Option<f64>; 2]; FIGURES.len()]);

impl FigureLimits {
    pub(super) fn of(thresholds: &Thresholds, ensemble: &str) -> Self {
        let mut limits = [[None; 2]; FIGURES.len()];
        for level in thresholds.levels() {
            let Some(place) = FIGURES.iter().position(|(name, _)| *name == level.condition.name) else { continue };
            let column = usize::from(level.level.severity == Severity::Critical);
            limits[place][column] = limit(level, ensemble);
        }
        Self(limits)
    }
}

fn limit(level: &InForce, ensemble: &str) -> Option<f64> {
    level.of_ensemble(ensemble).flatten()
}

/// A threshold that was crossed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Crossing {
    pub(super) condition: &'static str,
    pub(super) before: Option<Severity>,
    pub(super) after: Option<Severity>,
    pub(super) value: f64,
    /// The limit of the more severe of the two levels.
    pub(super) limit: f64,
}

/// State of the figures of one member.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    /// Time of the mark, with sum and count, or with the value.
    marks: [Option<(f64, f64, f64)>; FIGURES.len()],
    /// When each figure was measured last, and its severity. The time of one that describes no present process is
    /// before every other time.
    levels: [Option<(f64, Option<Severity>)>; FIGURES.len()],
}

impl Figures {
    /// The time of the last measurement of a figure, and its severity; `None` if it did not exceed a limit.
    pub(super) fn level(&self, condition: &str) -> Option<(f64, Severity)> {
        let place = FIGURES.iter().position(|(name, _)| *name == condition)?;
        self.levels[place].and_then(|(time, level)| Some((time, level?)))
    }

    /// Marks all figures as old. The severities are kept, so that the next measurement is compared with them.
    pub(super) fn expire(&mut self) {
        self.levels.iter_mut().flatten().for_each(|(time, _)| *time = f64::NEG_INFINITY);
    }

    /// The means that were measured: condition, time, and severity.
    pub(super) fn means(&self) -> impl Iterator<Item = (&'static str, f64, Option<Severity>)> {
        let is_mean = |(_, measure): &&(&'static str, Measure)| matches!(measure, Measure::Mean(_));
        let levels = FIGURES.iter().zip(&self.levels).filter(move |(figure, _)| is_mean(figure));
        levels.filter_map(|((name, _), level)| level.map(|(time, level)| (*name, time, level)))
    }

    /// Compares the figures of a scrape; returns the thresholds crossed since the previous one.
    pub(super) fn take(&mut self, member: &MemberReport, limits: &FigureLimits, now: f64) -> Vec<Crossing> {
        let mut crossed = Vec::new();
        if member.state == State::NoAnswer {
            self.expire();
        }
        for (place, (condition, measure)) in FIGURES.iter().enumerate() {
            let [warning, critical] = limits.0[place];
            if warning.is_none() && critical.is_none() {
                self.levels[place] = None;
                continue;
            }
            let Some(value) = self.measured(place, *measure, member, now) else { continue };
            let reached = |limit: Option<f64>| limit.is_some_and(|limit| value > limit);
            let after = if reached(critical) {
                Some(Severity::Critical)
            } else {
                reached(warning).then_some(Severity::Warning)
            };
            // The first value is not a change.
            let Some((_, before)) = self.levels[place].replace((now, after)) else { continue };
            if before != after {
                let worse = if before.max(after) == Some(Severity::Critical) { critical } else { warning };
                let limit = worse.or(warning).or(critical).unwrap_or(f64::NAN);
                crossed.push(Crossing { condition, before, after, value, limit });
            }
        }
        crossed
    }

    /// The value of a figure; `None` if it cannot be measured yet.
    fn measured(&mut self, place: usize, measure: Measure, member: &MemberReport, now: f64) -> Option<f64> {
        let figure = |key: &str| member.figure(key).map(Number::as_f64);
        let mark = &mut self.marks[place];
        match measure {
            Measure::Value(key) => figure(key),
            Measure::Share(part, whole) => {
                let (part, whole) = (figure(part)?, figure(whole)?);
                (whole > 0.0).then_some(part / whole)
            }
            Measure::Mean(name) => {
                // The keys of the default provider, then those of the Prometheus provider.
                let sum = figure(&format!("sum_{name}")).or_else(|| figure(&format!("{name}_sum")))?;
                let count = figure(&format!("cnt_{name}")).or_else(|| figure(&format!("{name}_count")))?;
                let Some((at, old_sum, old_count)) = *mark else {
                    *mark = Some((now, sum, count));
                    return None;
                };
                if (0.0..SHORTEST_MEAN).contains(&(now - at)) {
                    return None;
                }
                *mark = Some((now, sum, count));
                let usable = now > at && now - at <= LONGEST_MEAN && sum >= old_sum && count > old_count;
                usable.then(|| (sum - old_sum) / (count - old_count))
            }
            Measure::Growth(key) => {
                let value = figure(key)?;
                let (at, old, _) = *mark.get_or_insert((now, value, 0.0));
                let grown = value - old;
                if grown < 0.0 || !(0.0..GROWTH_WINDOW).contains(&(now - at)) {
                    *mark = Some((now, value, 0.0));
                }
                (grown >= 0.0).then_some(grown)
            }
        }
    }
}

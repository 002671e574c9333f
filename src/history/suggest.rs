//! Suggests a warning limit for an ensemble from its history: pure arithmetic on the values of an indicator.
//!
//! Times of incidents are excluded. The result is the strictest limit, between the catalogue's and the loosest harmless
//! one, whose firings stay within the budget; a margin is added because the future differs from the past. If even the
//! loosest limit exceeds the budget, the ensemble needs repair, not a different limit.

use std::collections::BTreeMap;

use super::grid::Grid;
use super::matrix::SeriesLabels;
use super::replay::{AlertReplay, RuleTimes};
use crate::alert::condition::Unit;
use crate::alert::expr::Cmp;
use crate::alert::tuning::{TuningRange, ladder};

/// Minimum history in seconds: a week, which contains every day of the week.
pub const MIN_SEEN: i64 = 7 * 86_400;

/// Maximum fraction of incident time; above it the remaining time is not representative.
const MAX_INCIDENTS: f64 = 0.2;

/// Factor between the first limit within the budget and the suggested one.
const MARGIN: f64 = 1.15;

/// A suggested stricter limit is at least this multiple of the highest value.
const HEADROOM: f64 = 3.0;

/// The reason if there is no value at all.
pub const NO_DATA: &str = "no data";

/// The values of one alert at each evaluation time; NaN without a sample.
#[derive(Clone, Debug)]
pub struct IndicatorSeries {
    /// The labels of the series.
    pub labels: SeriesLabels,
    /// Values in the order of the grid.
    pub values: Vec<f64>,
}

/// Distribution of an indicator; at each time, the worst value of all members counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Half of the values are better.
    pub median: f64,
    /// One value in a hundred is worse.
    pub p99: f64,
    /// One value in a thousand is worse.
    pub p999: f64,
    /// The worst value.
    pub worst: f64,
    /// Seconds above the limit of the catalogue.
    pub beyond: i64,
    /// Seconds taken into account.
    pub seen: i64,
    /// Seconds excluded because a critical alert fired.
    pub incidents: i64,
}

/// The parameters of a suggestion.
#[derive(Clone, Copy, Debug)]
pub struct TuningQuestion {
    /// The evaluation times.
    pub grid: Grid,
    /// How values are compared with the limit.
    pub compare: Cmp,
    /// Unit of the values.
    pub unit: Unit,
    /// The active warning limit.
    pub limit: f64,
    /// `for` of the warning, in seconds.
    pub hold: i64,
    /// `keep_firing_for`, in seconds.
    pub keep: i64,
    /// Permitted range of the limit.
    pub range: TuningRange,
    /// Acceptable number of firings in the whole range.
    pub budget: f64,
}

/// A suggestion for an ensemble.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// The distribution; `None` without values.
    pub spread: Option<Spread>,
    /// Number of firings with the active limit, outside of incidents.
    pub firings: usize,
    /// The suggested limit, and its number of firings.
    pub proposed: Option<(f64, usize)>,
    /// The reason for the suggestion, or for its absence.
    pub why: String,
}

impl TuningQuestion {
    fn rises(&self) -> bool {
        matches!(self.compare, Cmp::Gt | Cmp::Ge)
    }

    /// Number of firings with a limit, outside of incidents.
    fn firings(&self, series: &[IndicatorSeries], incident: &[bool], limit: f64) -> usize {
        let times = RuleTimes { hold: self.hold, keep_firing: self.keep, step: self.grid.step };
        series
            .iter()
            .map(|one| {
                let moments = (self.grid.start..).step_by(usize::try_from(self.grid.step).unwrap_or(1));
                let samples = moments.zip(one.values.iter().zip(incident)).filter_map(|(moment, (value, incident))| {
                    (!incident && self.compare.holds(*value, limit)).then_some(moment)
                });
                let (mut replay, mut out) = (AlertReplay::default(), Vec::new());
                replay.advance(times, samples, self.grid.end, |_| false, &mut out);
                out.len() + usize::from(replay.finish(times, self.grid.end).is_some())
            })
            .sum()
    }

    /// The worst value of all series at each time outside of incidents, in ascending order of severity.
    fn worst(&self, series: &[IndicatorSeries], incident: &[bool]) -> Vec<f64> {
        let mut worst: Vec<f64> = (0..self.grid.len())
            .filter(|at| !incident.get(*at).copied().unwrap_or(false))
            .filter_map(|at| {
                let values =
                    series.iter().filter_map(|one| one.values.get(at).copied()).filter(|value| !value.is_nan());
                values.reduce(if self.rises() { f64::max } else { f64::min })
            })
            .collect();
        worst.sort_by(f64::total_cmp);
        if !self.rises() {
            worst.reverse();
        }
        worst
    }

    fn spread(&self, worst: &[f64], incident: &[bool]) -> Option<Spread> {
        let at = |part: usize, of: usize| worst.get((worst.len().saturating_sub(1)) * part / of).copied();
        let seconds = |moments: usize| i64::try_from(moments).unwrap_or(i64::MAX).saturating_mul(self.grid.step);
        Some(Spread {
            median: at(1, 2)?,
            p99: at(99, 100)?,
            p999: at(999, 1000)?,
            worst: *worst.last()?,
            beyond: seconds(worst.iter().filter(|value| self.compare.holds(**value, self.limit)).count()),
            seen: seconds(worst.len()),
            incidents: seconds(incident.iter().filter(|one| **one).count()),
        })
    }

    /// Suggests a limit for one ensemble. `incident` has one entry per evaluation time: whether a critical alert fired.
    #[must_use]
    pub fn answer(&self, series: &[IndicatorSeries], incident: &[bool]) -> Suggestion {
        let worst = self.worst(series, incident);
        let Some(spread) = self.spread(&worst, incident) else {
            let has_data = series.iter().any(|one| one.values.iter().any(|value| !value.is_nan()));
            let why = if has_data { "no data outside of incidents" } else { NO_DATA };
            return Suggestion { spread: None, firings: 0, proposed: None, why: why.to_owned() };
        };
        let firings = self.firings(series, incident, self.limit);
        let nothing = |why: String| Suggestion { spread: Some(spread), firings, proposed: None, why };
        if spread.seen < MIN_SEEN {
            return nothing(format!(
                "history too short: {} h of data, {} h needed",
                spread.seen / 3600,
                MIN_SEEN / 3600
            ));
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds of some years")]
        let part = spread.incidents as f64 / (spread.seen + spread.incidents) as f64;
        if part > MAX_INCIDENTS {
            return nothing(format!(
                "a critical alert fired for {:.0} % of the time: the rest is not representative",
                part * 100.0
            ));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a handful")]
        let budget = self.budget.floor() as usize;
        if firings <= budget {
            return self
                .stricter(series, incident, spread, firings)
                .unwrap_or_else(|| nothing("within the budget".to_owned()));
        }
        let has_room = if self.rises() { self.limit < self.range.loosest } else { self.limit > self.range.loosest };
        if !has_room {
            return nothing(format!("no looser limit: {}", self.range.end));
        }
        let limits = ladder(self.unit, self.limit, self.range.loosest);
        let fits = |limit: &f64| self.firings(series, incident, *limit) <= budget;
        // The number of firings is not monotonic: a long firing may split in two. The first limit that fits is used.
        let Some(first) = limits.iter().position(fits) else {
            let (loosest, left) = (self.range.loosest, self.firings(series, incident, self.range.loosest));
            return nothing(format!(
                "no limit meets the budget: even {} would have fired {left} times, and {}",
                crate::alert::tuning::written(self.unit, loosest),
                self.range.end
            ));
        };
        let wanted = if self.rises() { limits[first] * MARGIN } else { limits[first] / MARGIN };
        let beyond = |limit: &f64| if self.rises() { *limit >= wanted } else { *limit <= wanted };
        let limit = limits[first..].iter().copied().find(beyond).unwrap_or(self.range.loosest);
        let after = self.firings(series, incident, limit);
        if after > budget {
            return nothing("no limit with a margin meets the budget".to_owned());
        }
        let why = "the strictest limit within the budget, with a margin".to_owned();
        Suggestion { spread: Some(spread), firings, proposed: Some((limit, after)), why }
    }

    /// A stricter limit, if the ensemble never comes near the active one.
    fn stricter(
        &self,
        series: &[IndicatorSeries],
        incident: &[bool],
        spread: Spread,
        firings: usize,
    ) -> Option<Suggestion> {
        // An indicator that is always 0 does not show how high it may get.
        let strictest = self.range.strictest.filter(|_| firings == 0 && spread.worst > 0.0 && self.rises())?;
        let wanted = (spread.worst * HEADROOM).max(strictest);
        let limit = ladder(self.unit, strictest, self.limit).into_iter().find(|limit| *limit >= wanted)?;
        if limit > self.limit / 1.5 {
            return None;
        }
        let after = self.firings(series, incident, limit);
        let why = format!("stricter: {HEADROOM} times the worst value or more");
        (after == 0).then_some(Suggestion { spread: Some(spread), firings, proposed: Some((limit, after)), why })
    }
}

/// The evaluation times at which a critical alert fires, extended by the time in which its cause has an effect.
#[must_use]
pub fn incident_moments(grid: &Grid, spans: &[(i64, i64)]) -> Vec<bool> {
    const BEFORE: i64 = 3600;
    const AFTER: i64 = 1800;
    let mut incident = vec![false; grid.len()];
    let last = i64::try_from(incident.len()).unwrap_or(i64::MAX);
    for (start, end) in spans {
        let at = |moment: i64| usize::try_from(((moment - grid.start) / grid.step).clamp(0, last)).unwrap_or(0);
        incident[at(start - BEFORE)..at(end + AFTER)].fill(true);
    }
    incident
}

/// Series by ensemble.
pub type IndicatorsByEnsemble = BTreeMap<String, Vec<IndicatorSeries>>;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60;

    fn question(budget: f64, days: i64) -> TuningQuestion {
        let range = TuningRange { condition: "x", loosest: 0.25, strictest: Some(0.01), end: "clients suffer" };
        let grid = Grid { start: 0, end: days * 86_400 - MINUTE, step: MINUTE };
        TuningQuestion { grid, compare: Cmp::Gt, unit: Unit::Seconds, limit: 0.05, hold: 300, keep: 0, range, budget }
    }

    /// A base value, with a peak of one hour at noon of each day.
    fn daily(question: &TuningQuestion, base: f64, peak: impl Fn(usize) -> f64) -> Vec<IndicatorSeries> {
        let value = |at: usize| if (720..780).contains(&(at % 1440)) { peak(at / 1440) } else { base };
        let values = (0..question.grid.len()).map(value).collect();
        vec![IndicatorSeries { labels: SeriesLabels::new(), values }]
    }

    #[test]
    fn daily_peaks_raise_the_limit_to_the_budget() {
        let question = question(2.0, 20);
        let series = daily(&question, 0.02, |day| if day == 3 { 0.2 } else { 0.08 });
        let answer = question.answer(&series, &vec![false; question.grid.len()]);
        assert_eq!(answer.firings, 20);
        assert_eq!(answer.proposed, Some((0.1, 1)));
        let spread = answer.spread.expect("values");
        assert_eq!((spread.median, spread.worst, spread.beyond), (0.02, 0.2, 20 * 3600));
    }

    #[test]
    fn no_limit_is_suggested_beyond_the_harmless_range() {
        let question = question(2.0, 20);
        let series = daily(&question, 0.02, |_| 0.28);
        let answer = question.answer(&series, &vec![false; question.grid.len()]);
        assert_eq!(answer.proposed, None);
        assert!(answer.why.contains("clients suffer"), "{}", answer.why);
    }

    #[test]
    fn no_looser_limit_is_suggested_where_the_critical_one_is_near() {
        let mut question = question(2.0, 20);
        question.range = question.range.before(0.06, question.compare);
        let series = daily(&question, 0.02, |_| 0.055);
        let answer = question.answer(&series, &vec![false; question.grid.len()]);
        assert_eq!((answer.firings, answer.proposed), (20, None));
        assert_eq!(answer.why, "no looser limit: the critical limit of the ensemble is near");
    }

    #[test]
    fn incidents_are_excluded() {
        let question = question(0.0, 10);
        let series = daily(&question, 0.02, |day| if day == 5 { 0.4 } else { 0.03 });
        let noon = 5 * 86_400 + 43_200;
        let incident = incident_moments(&question.grid, &[(noon + 300, noon + 3600)]);
        let answer = question.answer(&series, &incident);
        let spread = answer.spread.expect("values");
        assert_eq!((answer.firings, spread.worst, spread.incidents), (0, 0.03, 3600 + 3300 + 1800));
    }

    #[test]
    fn a_short_or_incident_ridden_history_gives_no_suggestion() {
        let short = question(2.0, 6);
        let answer = short.answer(&daily(&short, 0.02, |_| 0.08), &vec![false; short.grid.len()]);
        assert!(answer.proposed.is_none() && answer.why.contains("too short"), "{}", answer.why);
        let broken = question(2.0, 20);
        let mut incident = vec![false; broken.grid.len()];
        incident[..8000].fill(true);
        let answer = broken.answer(&daily(&broken, 0.02, |_| 0.08), &incident);
        assert!(answer.proposed.is_none() && answer.why.contains("28 %"), "{}", answer.why);
        assert_eq!(broken.answer(&[], &incident).why, NO_DATA);
        let all = broken.answer(&daily(&broken, 0.02, |_| 0.08), &vec![true; broken.grid.len()]);
        assert_eq!((all.spread, all.why.as_str()), (None, "no data outside of incidents"));
    }

    #[test]
    fn an_idle_ensemble_gets_a_stricter_limit() {
        let question = question(2.0, 20);
        let answer = question.answer(&daily(&question, 0.004, |_| 0.006), &vec![false; question.grid.len()]);
        assert_eq!(answer.proposed, Some((0.02, 0)));
        let near = question.answer(&daily(&question, 0.02, |_| 0.03), &vec![false; question.grid.len()]);
        assert_eq!((near.proposed, near.why.as_str()), (None, "within the budget"));
    }
}

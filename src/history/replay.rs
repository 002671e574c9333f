//! The state machine of one alert, equivalent to Prometheus' rule evaluation (`rules.AlertingRule.Eval`).
//!
//! ```text
//!             sample                 `for` is over
//! inactive ───────────▶ pending ──────────────────▶ firing
//!     ▲                    │                          │
//!     └──── no sample ─────┘                          │
//!     └──────── no sample, `keep_firing_for` is over ─┘
//! ```
//!
//! An alert becomes pending at the first evaluation with a sample, and fires once it has been active for `for`. An
//! evaluation without a sample resets a pending alert. A firing alert without a sample keeps firing for
//! `keep_firing_for`.

use serde::{Deserialize, Serialize};

/// The durations of a rule, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleTimes {
    /// `for`.
    pub hold: i64,
    /// `keep_firing_for`.
    pub keep_firing: i64,
    /// The evaluation interval.
    pub step: i64,
}

/// The time range of a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiringTime {
    /// The first evaluation at which the alert fired.
    pub start: i64,
    /// The first evaluation at which it no longer fired; after the last evaluation if it was still firing.
    pub end: i64,
    /// Whether it already fired before the first evaluation.
    pub from_before: bool,
    /// Whether it was still firing at the last evaluation.
    pub goes_on: bool,
}

/// The state of one alert.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlertReplay {
    active_since: Option<i64>,
    firing_since: Option<i64>,
    kept_since: Option<i64>,
    /// The time of the last evaluation.
    evaluated: Option<i64>,
}

impl AlertReplay {
    /// Evaluates all times up to `until`. `samples` contains the times, in ascending order, at which the expression has
    /// a sample; `holds` returns whether an active alert is kept at a time without one.
    pub fn advance(
        &mut self,
        times: RuleTimes,
        samples: impl IntoIterator<Item = i64>,
        until: i64,
        holds: impl Fn(i64) -> bool,
        out: &mut Vec<FiringTime>,
    ) {
        for moment in samples {
            self.without_samples(times, moment - times.step, &holds, out);
            self.evaluate(times, moment, true, out);
        }
        self.without_samples(times, until, &holds, out);
        self.evaluated = Some(until);
    }

    /// Whether the alert is pending or firing.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active_since.is_some()
    }

    /// The firing that is in progress at the last evaluation.
    #[must_use]
    pub fn finish(&self, times: RuleTimes, until: i64) -> Option<FiringTime> {
        let start = self.firing_since?;
        Some(FiringTime { start, end: until + times.step, from_before: false, goes_on: true })
    }

    /// Evaluates the times up to `until` without samples; skips them for an inactive alert.
    fn without_samples(
        &mut self,
        times: RuleTimes,
        until: i64,
        holds: &impl Fn(i64) -> bool,
        out: &mut Vec<FiringTime>,
    ) {
        while let (Some(since), Some(evaluated)) = (self.active_since, self.evaluated) {
            let now = evaluated + times.step;
            if now > until {
                return;
            }
            // Equivalent to the recorded `ALERTS` and `ALERTS_FOR_STATE` of the previous evaluation.
            let is_kept = (self.firing_since.is_some() || now - since < times.hold) && holds(now);
            self.evaluate(times, now, is_kept, out);
        }
    }

    fn evaluate(&mut self, times: RuleTimes, now: i64, has_sample: bool, out: &mut Vec<FiringTime>) {
        self.evaluated = Some(now);
        if has_sample {
            self.kept_since = None;
            self.active_since = self.active_since.or(Some(now));
        } else if let Some(start) = self.firing_since {
            let kept_since = *self.kept_since.get_or_insert(now);
            if now - kept_since < times.keep_firing {
                return;
            }
            out.push(FiringTime { start, end: now, from_before: false, goes_on: false });
            *self = Self { evaluated: Some(now), ..Self::default() };
            return;
        } else {
            self.active_since = None;
        }
        if self.firing_since.is_none() && self.active_since.is_some_and(|since| now - since >= times.hold) {
            self.firing_since = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Reference implementation: a map of alerts that evaluates every time.
    fn brute_force(times: RuleTimes, samples: &[bool], held: &[bool]) -> Vec<FiringTime> {
        #[derive(Clone, Copy, PartialEq)]
        enum BookState {
            Pending,
            Firing,
        }
        struct Active {
            state: BookState,
            since: i64,
            fired: i64,
            kept: Option<i64>,
        }
        let mut active: BTreeMap<u8, Active> = BTreeMap::new();
        let mut firings = Vec::new();
        for (number, sample) in samples.iter().enumerate() {
            let now = i64::try_from(number).unwrap() * times.step;
            let mut result = *sample;
            if let Some(alert) = active.get(&0)
                && held[number]
                && (alert.state == BookState::Firing || now - alert.since < times.hold)
            {
                result = true;
            }
            if result {
                active.entry(0).or_insert(Active { state: BookState::Pending, since: now, fired: 0, kept: None });
            }
            let mut gone = false;
            if let Some(alert) = active.get_mut(&0) {
                if result {
                    alert.kept = None;
                } else {
                    let mut keep = false;
                    if alert.state == BookState::Firing && times.keep_firing > 0 {
                        let since = *alert.kept.get_or_insert(now);
                        keep = now - since < times.keep_firing;
                    }
                    if !keep {
                        gone = true;
                        if alert.state == BookState::Firing {
                            let start = alert.fired;
                            firings.push(FiringTime { start, end: now, from_before: false, goes_on: false });
                        }
                    }
                }
                if !gone && alert.state == BookState::Pending && now - alert.since >= times.hold {
                    (alert.state, alert.fired) = (BookState::Firing, now);
                }
            }
            if gone {
                active.remove(&0);
            }
        }
        if let Some(alert) = active.get(&0).filter(|alert| alert.state == BookState::Firing) {
            let end = i64::try_from(samples.len()).unwrap() * times.step;
            firings.push(FiringTime { start: alert.fired, end, from_before: false, goes_on: true });
        }
        firings
    }

    proptest! {
        #[test]
        fn equals_the_reference_evaluator(
            spells in prop::collection::vec((any::<bool>(), any::<bool>(), 1..12_usize), 1..12),
            hold in 0..9_i64,
            keep in 0..5_i64,
            step in 1..90_i64,
            piece in 1..20_usize,
        ) {
            let times = RuleTimes { hold: hold * step - hold.min(1), keep_firing: keep * step, step };
            let of = |pick: fn(&(bool, bool, usize)) -> bool| -> Vec<bool> {
                spells.iter().flat_map(|spell| std::iter::repeat_n(pick(spell), spell.2)).collect()
            };
            let (samples, held) = (of(|spell| spell.0), of(|spell| !spell.0 && spell.1));
            let mut replay = AlertReplay::default();
            let mut firings = Vec::new();
            let moment = |number: usize| i64::try_from(number).unwrap() * step;
            let numbers: Vec<usize> = (0..samples.len()).collect();
            for numbers in numbers.chunks(piece) {
                let with = numbers.iter().filter(|number| samples[**number]).map(|number| moment(*number));
                let until = moment(numbers[numbers.len() - 1]);
                let holds = |now: i64| held[usize::try_from(now / step).unwrap()];
                replay.advance(times, with, until, holds, &mut firings);
            }
            firings.extend(replay.finish(times, moment(samples.len() - 1)));
            prop_assert_eq!(firings, brute_force(times, &samples, &held));
        }
    }

    #[test]
    fn a_single_missing_sample_resets_a_pending_alert() {
        let times = RuleTimes { hold: 120, keep_firing: 0, step: 60 };
        let fired = |samples: &[i64]| {
            let (mut replay, mut out) = (AlertReplay::default(), Vec::new());
            replay.advance(times, samples.iter().copied(), 600, |_| false, &mut out);
            out.iter().map(|firing| (firing.start, firing.end)).collect::<Vec<_>>()
        };
        assert_eq!(fired(&[0, 60, 120, 180]), [(120, 240)]);
        assert_eq!(fired(&[0, 60, 180, 240, 300]), [(300, 360)]);
        assert_eq!(fired(&[0, 60, 180]), []);
    }
}

//! The times for which data exists. A time without data is reported as not seen, not as free of alerts.

use serde::{Deserialize, Serialize};

/// Ranges of evaluation times, each with its first and last one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    spans: Vec<(i64, i64)>,
}

impl Presence {
    /// Appends a time; must be later than all others.
    pub fn add(&mut self, moment: i64, step: i64) {
        match self.spans.last_mut() {
            Some((_, last)) if moment <= *last => {}
            Some((_, last)) if moment == *last + step => *last = moment,
            _ => self.spans.push((moment, moment)),
        }
    }

    /// Whether it contains this time.
    #[must_use]
    pub fn contains(&self, moment: i64) -> bool {
        let at = self.spans.partition_point(|(start, _)| *start <= moment);
        at > 0 && self.spans[at - 1].1 >= moment
    }

    /// The total duration in seconds.
    #[must_use]
    pub fn seconds(&self, step: i64) -> i64 {
        self.spans.iter().map(|(start, end)| end - start + step).sum()
    }

    /// The ranges.
    #[must_use]
    pub fn spans(&self) -> &[(i64, i64)] {
        &self.spans
    }

    /// The times whose hour satisfies `fits`.
    #[must_use]
    pub fn within_hours(&self, step: i64, fits: impl Fn(i64) -> bool) -> Self {
        let mut found = Self::default();
        for (start, end) in &self.spans {
            let mut moment = *start;
            while moment <= *end {
                let hour = hour_of(moment);
                let last = (*end).min(hour.div_euclid(step) * step).max(moment);
                if fits(hour) {
                    match found.spans.last_mut() {
                        Some((_, before)) if *before + step == moment => *before = last,
                        _ => found.spans.push((moment, last)),
                    }
                }
                moment = last + step;
            }
        }
        found
    }
}

/// Seconds of an hour.
pub const HOUR: i64 = 3600;

/// The end of the hour that contains a time; the end belongs to the hour.
#[must_use]
pub fn hour_of(moment: i64) -> i64 {
    (moment + HOUR - 1).div_euclid(HOUR) * HOUR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_times_are_one_span() {
        let mut presence = Presence::default();
        for moment in [60, 120, 120, 180, 300, 360] {
            presence.add(moment, 60);
        }
        assert_eq!(presence.spans(), [(60, 180), (300, 360)]);
        assert_eq!(presence.seconds(60), 300);
        assert!(presence.contains(120) && !presence.contains(240) && !presence.contains(0) && !presence.contains(420));
    }

    #[test]
    fn hours_without_a_family_are_excluded() {
        let mut presence = Presence::default();
        (0..=180).for_each(|minute| presence.add(minute * 60, 60));
        let cut = presence.within_hours(60, |hour| hour != 7200);
        assert_eq!(cut.spans(), [(0, 3600), (7260, 10_800)]);
        assert_eq!(presence.within_hours(60, |_| true), presence);
        assert_eq!((hour_of(0), hour_of(1), hour_of(3600), hour_of(3601)), (0, 3600, 3600, 7200));
    }
}

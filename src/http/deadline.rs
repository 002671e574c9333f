//! The one deadline of a request: set when its head has been read, kept by all that answers it.
//!
//! ```text
//! received ──────────▶ admit_by ────▶ verify_by ───▶ answer_by ──▶ expires
//!           waiting for a share      for a password      │  offset   │
//!                                                  last byte due   the client gives up
//! ```
//! No step has a duration of its own that begins when the step before ended: waiting longer for one leaves less for the
//! next.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use tokio::time::Instant;

/// Prometheus sends its scrape timeout with every scrape, in seconds.
pub(super) const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// Without the header the module's timeout decides; this only bounds it.
const MAX_BUDGET: Duration = Duration::from_mins(1);

/// Below this no member could answer at all.
const MIN_BUDGET: Duration = Duration::from_millis(50);

/// Longest wait for a share of the memory, however long the client would wait.
const MAX_ADMISSION_WAIT: Duration = Duration::from_secs(10);

/// When a request must have been answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    received: Instant,
    answer_by: Instant,
    expires: Instant,
}

impl Deadline {
    /// The deadline of a request whose head was read at `received`.
    pub(super) fn new(headers: &HeaderMap, offset: Duration, received: Instant) -> Self {
        let header = headers.get(TIMEOUT_HEADER).and_then(|value| value.to_str().ok());
        let budget = budget(header, offset);
        // The client's own timeout; nothing is written after it.
        let timeout = timeout(header).unwrap_or(MAX_BUDGET).clamp(budget, MAX_BUDGET + offset);
        Self { received, answer_by: received + budget, expires: received + timeout }
    }

    /// The same, but answered within `limit`.
    #[must_use]
    pub(super) fn within(self, limit: Duration) -> Self {
        Self { answer_by: self.answer_by.min(self.received + limit), ..self }
    }

    /// When the last byte should leave.
    pub(super) fn answer_by(&self) -> Instant {
        self.answer_by
    }

    /// When a response must have begun and a large page must be written: half of the offset is left for the network.
    pub(super) fn begin_by(&self) -> Instant {
        self.answer_by + self.expires.saturating_duration_since(self.answer_by) / 2
    }

    /// When the client has given up.
    pub(super) fn expires(&self) -> Instant {
        self.expires
    }

    /// Until when a request may wait for its share of the memory; the rest is for asking and writing.
    pub(super) fn admit_by(&self) -> Instant {
        self.received + (self.budget() / 2).min(MAX_ADMISSION_WAIT)
    }

    /// Until when a request may wait for its password to be verified.
    pub(super) fn verify_by(&self) -> Instant {
        self.received + self.budget() * 3 / 4
    }

    fn budget(&self) -> Duration {
        self.answer_by.saturating_duration_since(self.received)
    }
}

/// The time that a request may take. A header that is not a positive number is ignored.
#[must_use]
pub fn budget(header: Option<&str>, offset: Duration) -> Duration {
    let Some(timeout) = timeout(header) else { return MAX_BUDGET };
    // A timeout that is shorter than twice the offset is halved.
    let left = timeout.checked_sub(offset).filter(|left| *left > timeout / 2).unwrap_or(timeout / 2);
    left.clamp(MIN_BUDGET, MAX_BUDGET)
}

fn timeout(header: Option<&str>) -> Option<Duration> {
    let seconds = header?.trim().parse::<f64>().ok().filter(|seconds| *seconds > 0.0)?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_clear_of_prometheus_deadline() {
        let offset = Duration::from_millis(500);
        for (header, seconds) in [
            (Some("10"), 9.5),
            (Some(" 2.5 "), 2.0),
            (Some("0.8"), 0.4),
            (Some("0.01"), 0.05),
            (Some("1e9"), 60.0),
            (None, 60.0),
            (Some(""), 60.0),
            (Some("ten"), 60.0),
            (Some("-1"), 60.0),
            (Some("NaN"), 60.0),
            (Some("inf"), 60.0),
            (Some("1e400"), 60.0),
        ] {
            assert_eq!(budget(header, offset), Duration::from_secs_f64(seconds), "{header:?}");
        }
    }

    #[test]
    fn every_step_ends_before_the_next_and_all_before_the_client_gives_up() {
        let received = Instant::now();
        for header in [None, Some("0.01"), Some("0.3"), Some("1"), Some("10"), Some("1e9"), Some("nonsense")] {
            for offset in [0, 500, 20_000].map(Duration::from_millis) {
                let headers = header.iter().map(|value| (TIMEOUT_HEADER, value.parse().expect("a value")));
                let deadline = Deadline::new(&headers.collect(), offset, received);
                for deadline in [deadline, deadline.within(Duration::from_secs(2))] {
                    let steps = [
                        received,
                        deadline.admit_by(),
                        deadline.verify_by(),
                        deadline.answer_by(),
                        deadline.begin_by(),
                    ];
                    assert!(steps.is_sorted(), "{header:?} {offset:?} {deadline:?}");
                    assert!(deadline.answer_by() <= deadline.expires(), "{header:?} {offset:?} {deadline:?}");
                }
            }
        }
    }
}

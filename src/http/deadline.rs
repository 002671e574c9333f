//! The deadline of a request: set when its head has been read, and used by every later step.
//!
//! ```text
//! received ──────────▶ admit_by ────▶ verify_by ───▶ answer_by ──▶ expires
//!           waiting for a share      for a password      │  offset   │
//!                                                  last byte due   the client gives up
//! ```
//! All steps use absolute times: a longer wait in one step leaves less time for the next.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use tokio::time::Instant;

/// The scrape timeout in seconds, which Prometheus sends with every scrape.
pub(super) const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// Maximum time of a request. Applies alone without the header; the timeout of the module then limits each member.
const MAX_BUDGET: Duration = Duration::from_mins(1);

/// Minimum time of a request.
const MIN_BUDGET: Duration = Duration::from_millis(50);

/// Maximum wait for admission, independent of the client's timeout.
const MAX_ADMISSION_WAIT: Duration = Duration::from_secs(10);

/// The deadlines of the steps of a request.
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
        // The client's own timeout; writing stops then.
        let timeout = timeout(header).unwrap_or(MAX_BUDGET).clamp(budget, MAX_BUDGET + offset);
        Self { received, answer_by: received + budget, expires: received + timeout }
    }

    /// The same deadline, but at most `limit` after the request was received.
    #[must_use]
    pub(super) fn within(self, limit: Duration) -> Self {
        Self { answer_by: self.answer_by.min(self.received + limit), ..self }
    }

    /// Time by which the last byte should be sent.
    pub(super) fn answer_by(&self) -> Instant {
        self.answer_by
    }

    /// Time by which a response must begin and a large one must be written; leaves half of the offset for the network.
    pub(super) fn begin_by(&self) -> Instant {
        self.answer_by + self.expires.saturating_duration_since(self.answer_by) / 2
    }

    /// Time at which the client's own timeout ends.
    pub(super) fn expires(&self) -> Instant {
        self.expires
    }

    /// Time until which a request may wait for admission; leaves time for querying and writing.
    pub(super) fn admit_by(&self) -> Instant {
        self.received + (self.budget() / 2).min(MAX_ADMISSION_WAIT)
    }

    /// Time until which a request may wait for its password to be verified.
    pub(super) fn verify_by(&self) -> Instant {
        self.received + self.budget() * 3 / 4
    }

    fn budget(&self) -> Duration {
        self.answer_by.saturating_duration_since(self.received)
    }
}

/// The time available for a request. A header that is not a positive number is ignored.
#[must_use]
pub fn budget(header: Option<&str>, offset: Duration) -> Duration {
    let Some(timeout) = timeout(header) else { return MAX_BUDGET };
    // The offset takes at most half of the timeout.
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
    fn responses_are_due_before_the_scrape_timeout() {
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

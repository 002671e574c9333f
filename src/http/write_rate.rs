//! Estimates the time to write a response from previous ones; a scrape reserves it before querying the members.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::deadline::Deadline;

/// Assumed time per member before the first measurement: about one second for 3,000 members.
const EXPECTED_NANOS: u64 = 300_000;

/// Minimum number of members of a response that is measured.
const MIN_MEMBERS: usize = 50;

/// Time to write the metrics of one member, in nanoseconds.
#[derive(Debug)]
pub(super) struct WriteRate {
    plain: AtomicU64,
    gzip: AtomicU64,
}

impl Default for WriteRate {
    fn default() -> Self {
        Self { plain: AtomicU64::new(EXPECTED_NANOS), gzip: AtomicU64::new(EXPECTED_NANOS) }
    }
}

impl WriteRate {
    /// Time until which the members may be queried. Reserves twice the expected time to write the response, but at most
    /// half of the remaining time.
    pub(super) fn ask_by(&self, deadline: &Deadline, members: usize, gzip: bool) -> Instant {
        let nanos = self.of(gzip).load(Ordering::Relaxed).saturating_mul(2).saturating_mul(members as u64);
        let left = deadline.answer_by().saturating_duration_since(Instant::now());
        // In the past if no time is left.
        deadline.answer_by().checked_sub(Duration::from_nanos(nanos).min(left / 2)).unwrap_or(deadline.answer_by())
    }

    /// The expected time to write the metrics of `members`, in the slower encoding.
    pub(super) fn time(&self, members: usize) -> Duration {
        let nanos = [true, false].map(|gzip| self.of(gzip).load(Ordering::Relaxed)).into_iter().max().unwrap_or(0);
        Duration::from_nanos(nanos.saturating_mul(members as u64))
    }

    /// Records the time that writing a response took, without the time spent waiting for the client.
    pub(super) fn note(&self, members: usize, gzip: bool, took: Duration) {
        if members >= MIN_MEMBERS {
            let each = u64::try_from(took.as_nanos() / members as u128).unwrap_or(u64::MAX);
            let known = self.of(gzip);
            let before = known.load(Ordering::Relaxed);
            known.store((before / 4).saturating_mul(3).saturating_add(each / 4), Ordering::Relaxed);
        }
    }

    fn of(&self, gzip: bool) -> &AtomicU64 {
        if gzip { &self.gzip } else { &self.plain }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;
    use crate::http::deadline::TIMEOUT_HEADER;

    #[tokio::test]
    async fn time_is_left_for_the_page_and_half_for_the_members() {
        let pace = WriteRate::default();
        let headers = HeaderMap::from_iter([(TIMEOUT_HEADER, "10".parse().expect("a value"))]);
        // Seconds reserved for writing, for a request received `ago` seconds ago.
        let left = |ago: u64, members, gzip| {
            let received = Instant::now().checked_sub(Duration::from_secs(ago)).expect("the machine is up");
            let deadline = Deadline::new(&headers, Duration::from_millis(500), received);
            (deadline.answer_by() - pace.ask_by(&deadline, members, gzip)).as_secs_f64()
        };
        let close = |seconds: f64, expected: f64| (seconds - expected).abs() < 0.2;
        assert!(close(left(0, 3, false), 0.0));
        assert!(close(left(0, 3000, false), 1.8));
        for _ in 0..100 {
            pace.note(3000, true, Duration::from_secs(2));
            pace.note(1, true, Duration::from_secs(100));
        }
        assert!(close(left(0, 3000, true), 4.0), "{}", left(0, 3000, true));
        assert!(close(left(0, 3000, false), 1.8), "each coding has a pace of its own");
        assert!(close(left(0, 1_000_000, false), 4.75), "half is for the members");
        // After a long wait, half of the remaining time is reserved.
        assert!(close(left(9, 3000, false), 0.25));
        assert!(close(left(15, 3000, false), 0.0));
    }
}

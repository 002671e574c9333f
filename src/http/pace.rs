//! How long a page takes to write, measured on those before it: the time that a scrape must leave for its page.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::deadline::Deadline;

/// Before a page was measured: 3 000 members take about a second.
const EXPECTED_NANOS: u64 = 300_000;

/// Pages of fewer members say little about what one costs.
const MIN_MEMBERS: usize = 50;

/// Nanoseconds to write the part of one member.
#[derive(Debug)]
pub(super) struct Pace {
    plain: AtomicU64,
    gzip: AtomicU64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { plain: AtomicU64::new(EXPECTED_NANOS), gzip: AtomicU64::new(EXPECTED_NANOS) }
    }
}

impl Pace {
    /// Until when so many members may be asked. Twice the time that their page is expected to take is left for it, and
    /// at most half of what there is.
    pub(super) fn ask_by(&self, deadline: &Deadline, members: usize, gzip: bool) -> Instant {
        let nanos = self.of(gzip).load(Ordering::Relaxed).saturating_mul(2).saturating_mul(members as u64);
        let left = deadline.answer_by().saturating_duration_since(Instant::now());
        // Before now, where no time is left.
        deadline.answer_by().checked_sub(Duration::from_nanos(nanos).min(left / 2)).unwrap_or(deadline.answer_by())
    }

    /// The time that the page of so many members takes to write in either coding.
    pub(super) fn time(&self, members: usize) -> Duration {
        let nanos = [true, false].map(|gzip| self.of(gzip).load(Ordering::Relaxed)).into_iter().max().unwrap_or(0);
        Duration::from_nanos(nanos.saturating_mul(members as u64))
    }

    /// Notes how long the page of so many members took, without the time in which its client was not ready.
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
        let pace = Pace::default();
        let headers = HeaderMap::from_iter([(TIMEOUT_HEADER, "10".parse().expect("a value"))]);
        // Seconds that are left to a request that came so many seconds ago.
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
        // A request that waited long leaves half of the rest.
        assert!(close(left(9, 3000, false), 0.25));
        assert!(close(left(15, 3000, false), 0.0));
    }
}

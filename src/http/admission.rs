//! Admission control for responses that contain a report: a request takes a share of a budget before any member is
//! queried.
//!
//! The budget covers memory and the time to write responses. The share is the larger of two estimates: the number of
//! members times the recent size per member, corrected once the real size is known, and the fraction of `MAX_WRITING`
//! that writing is expected to take. It is held until the client has read the response. Requests wait for their share
//! in order of arrival, and get 503 after half of their time. A share is at most a third of the budget, so that three
//! responses of any size proceed at once: two Prometheus servers and one user.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use super::deadline::Deadline;
use super::guard::try_again;
use super::write_rate::WriteRate;

/// Unit of the budgets in bytes; keeps the permits of a semaphore within 32 bits.
const UNIT: usize = 1 << 10;

/// Number of responses of any size that proceed at once.
const CONCURRENT: usize = 3;

/// Maximum total time to write the responses of one budget; short compared to a scrape timeout.
const MAX_WRITING: Duration = Duration::from_secs(4);

/// Assumed size of a member's report before one is known.
const EXPECTED_MEMBER_BYTES: usize = 24 << 10;

/// The number of requests that wait for a share. While it is not zero, connections of stalled clients are closed.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    pub(super) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    fn begin(&self) -> Wait {
        self.0.fetch_add(1, Ordering::Relaxed);
        Wait(self.clone())
    }
}

/// Counts one waiting request until dropped.
struct Wait(Waiting);

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One budget, shared by all requests of a kind.
#[derive(Debug)]
pub(super) struct Admission {
    shares: Arc<Semaphore>,
    total: usize,
    member_bytes: AtomicUsize,
    waiting: Waiting,
    pace: Arc<WriteRate>,
}

/// No share became available in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overloaded;

impl IntoResponse for Overloaded {
    fn into_response(self) -> Response {
        try_again("too many responses in flight, try again later\n")
    }
}

/// The share of one response, released when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Arc<Admission>,
    share: OwnedSemaphorePermit,
}

impl Admission {
    pub(super) fn new(bytes: usize, waiting: &Waiting, pace: &Arc<WriteRate>) -> Arc<Self> {
        let total = (bytes / UNIT).clamp(CONCURRENT, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let shares = Arc::new(Semaphore::new(total));
        let member_bytes = AtomicUsize::new(EXPECTED_MEMBER_BYTES);
        Arc::new(Self { shares, total, member_bytes, waiting: waiting.clone(), pace: Arc::clone(pace) })
    }

    /// Waits for the share of a report with `members` members.
    pub(super) async fn admit(self: &Arc<Self>, members: usize, deadline: &Deadline) -> Result<Permit, Overloaded> {
        let bytes = members.saturating_mul(self.member_bytes.load(Ordering::Relaxed));
        let share = self.share(bytes, members);
        let share = if let Ok(share) = Arc::clone(&self.shares).try_acquire_many_owned(share) {
            share
        } else {
            let _wait = self.waiting.begin();
            let acquired = Arc::clone(&self.shares).acquire_many_owned(share);
            let acquired = timeout_at(deadline.admit_by(), acquired).await;
            // The semaphore is never closed.
            acquired.ok().and_then(Result::ok).ok_or(Overloaded)?
        };
        Ok(Permit { admission: Arc::clone(self), share })
    }

    /// The share in units, for a report of `bytes` and the time to write the metrics of `members`.
    fn share(&self, bytes: usize, members: usize) -> u32 {
        let time = self.pace.time(members).as_millis() * self.total as u128 / MAX_WRITING.as_millis();
        let share = bytes.div_ceil(UNIT).max(usize::try_from(time).unwrap_or(usize::MAX));
        let share = share.clamp(1, self.total / CONCURRENT);
        // At most `total`, which fits.
        u32::try_from(share).unwrap_or(u32::MAX)
    }
}

impl Permit {
    /// Corrects the share to the real size of a report.
    pub(super) fn count_report(&mut self, members: usize, bytes: usize) -> Result<(), Overloaded> {
        if let Some(each) = bytes.checked_div(members) {
            let known = &self.admission.member_bytes;
            // The estimate falls slowly: a small report does not predict the next one.
            let before = known.load(Ordering::Relaxed);
            known.store(each.max(before - before / 8).max(1), Ordering::Relaxed);
        }
        self.resize(self.admission.share(bytes, members))
    }

    /// Corrects the share to the real size of a response that is already written.
    pub(super) fn count(&mut self, bytes: usize) -> Result<(), Overloaded> {
        self.resize(self.admission.share(bytes, 0))
    }

    fn resize(&mut self, needed: u32) -> Result<(), Overloaded> {
        let needed = needed as usize;
        let held = self.share.num_permits();
        if let Some(more) = needed.checked_sub(held).filter(|more| *more > 0) {
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            let more = Arc::clone(&self.admission.shares).try_acquire_many_owned(more);
            self.share.merge(more.map_err(|_| Overloaded)?);
        } else {
            drop(self.share.split(held - needed));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use tokio::time::Instant;

    use super::*;
    use crate::http::deadline::TIMEOUT_HEADER;

    const MIB: usize = 1 << 20;

    fn admission() -> Arc<Admission> {
        Admission::new(30 * MIB, &Waiting::default(), &Arc::default())
    }

    fn deadline(seconds: &str) -> Deadline {
        let headers = HeaderMap::from_iter([(TIMEOUT_HEADER, seconds.parse().expect("a value"))]);
        Deadline::new(&headers, Duration::from_millis(500), Instant::now())
    }

    #[tokio::test]
    async fn many_small_or_three_large_reports_are_admitted() {
        let admission = admission();
        let mut held = Vec::new();
        for _ in 0..200 {
            held.push(admission.admit(3, &deadline("10")).await.expect("small"));
        }
        held.clear();
        for _ in 0..CONCURRENT {
            held.push(admission.admit(100_000, &deadline("10")).await.expect("three of any size"));
        }
        let begun = Instant::now();
        let refused = admission.admit(100_000, &deadline("0.8")).await.expect_err("a fourth").into_response();
        assert_eq!(refused.status(), 503);
        assert!(refused.headers().contains_key("retry-after"));
        assert!(begun.elapsed() >= Duration::from_millis(190), "it waits half of its time: {:?}", begun.elapsed());
        assert!(!admission.waiting.any());
    }

    #[tokio::test]
    async fn slow_responses_are_limited_by_their_write_time() {
        let admission = admission();
        // A slow machine: two seconds per page, with little memory each.
        for _ in 0..50 {
            admission.pace.note(100, false, Duration::from_secs(2));
        }
        let mut held = Vec::new();
        for _ in 0..CONCURRENT {
            held.push(admission.admit(100, &deadline("0.2")).await.expect("three of any kind"));
        }
        assert!(admission.admit(100, &deadline("0.2")).await.is_err());
        // A written response no longer holds time.
        held[0].count(UNIT).expect("less");
        assert!(admission.admit(10, &deadline("0.2")).await.is_ok());
    }

    #[tokio::test]
    async fn a_waiting_request_is_counted_and_gets_the_released_share() {
        let admission = admission();
        let mut held: Vec<Permit> = Vec::new();
        for _ in 0..CONCURRENT {
            held.push(admission.admit(100_000, &deadline("10")).await.expect("three of any size"));
        }
        let (waits, waiting) = (Arc::clone(&admission), admission.waiting.clone());
        let task = tokio::spawn(async move { waits.admit(100_000, &deadline("10")).await.is_ok() });
        while !waiting.any() {
            tokio::task::yield_now().await;
        }
        held.pop();
        assert!(task.await.expect("no panic"));
        assert!(!waiting.any());
    }

    #[tokio::test]
    async fn real_bytes_are_counted_and_remembered() {
        let admission = admission();
        // The estimate is small, but each report is as large as the budget.
        let mut held = Vec::new();
        for _ in 0..6 {
            held.push(admission.admit(10, &deadline("0.2")).await.expect("expected to be small"));
        }
        let fit: Vec<bool> = held.iter_mut().map(|permit| permit.count_report(10, 30 * MIB).is_ok()).collect();
        assert_eq!(fit.iter().filter(|fit| **fit).count(), 2, "the small shares of the others are in the way: {fit:?}");
        held.clear();
        assert_eq!(admission.shares.available_permits(), admission.total, "all is given back");
        for _ in 0..CONCURRENT {
            held.push(admission.admit(10, &deadline("0.2")).await.expect("three of any size"));
        }
        assert!(admission.admit(10, &deadline("0.2")).await.is_err(), "now the size is known");
        // The share is reduced to the size of the response.
        held[0].count(UNIT).expect("less");
        assert!(admission.admit(10, &deadline("0.2")).await.is_err());
        held[1].count(0).expect("less");
        held[2].count(0).expect("less");
        assert!(admission.admit(10, &deadline("0.2")).await.is_ok());
    }
}

//! Rate limit for log lines about one subject: a burst, then one line per interval.
//!
//! A misbehaving member, and the members that it reports, can change at every scrape. Suppressed lines are counted; the
//! next permitted line contains their number.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Token bucket for log lines.
#[derive(Debug)]
pub(super) struct LogBudget {
    burst: u32,
    every: Duration,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    left: u32,
    /// When the last token was added.
    filled: Instant,
    suppressed: u64,
}

impl LogBudget {
    /// Budget of one member; a healthy member logs rarely.
    pub(super) fn of_member() -> Self {
        Self::new(12, Duration::from_secs(30))
    }

    /// Shared budget of an ensemble and its discovered members; all members of a site may fail at the same time.
    pub(super) fn of_ensemble() -> Self {
        Self::new(300, Duration::from_secs(2))
    }

    /// `burst` lines at once, then one line per `every`.
    fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, bucket: Mutex::new(Bucket { left: burst, filled: Instant::now(), suppressed: 0 }) }
    }

    /// Takes a token if one is available; returns the number of lines suppressed since the last one.
    pub(super) fn take(&self, now: Instant) -> Option<u64> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let back = now.duration_since(bucket.filled).as_nanos() / self.every.as_nanos().max(1);
        if back > 0 {
            bucket.left = u32::try_from(back).unwrap_or(u32::MAX).saturating_add(bucket.left).min(self.burst);
            bucket.filled = now;
        }
        if bucket.left == 0 {
            bucket.suppressed += 1;
            return None;
        }
        bucket.left -= 1;
        Some(std::mem::take(&mut bucket.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_followed_by_one_line_per_interval() {
        let budget = LogBudget::new(3, Duration::from_secs(10));
        let now = Instant::now();
        let taken: Vec<_> = (0..5).map(|_| budget.take(now)).collect();
        assert_eq!(taken, [Some(0), Some(0), Some(0), None, None]);
        let later = now + Duration::from_secs(11);
        assert_eq!((budget.take(later), budget.take(later)), (Some(2), None));
        let later = now + Duration::from_hours(1);
        let taken: Vec<_> = (0..4).map(|_| budget.take(later)).collect();
        assert_eq!(taken, [Some(1), Some(0), Some(0), None]);
    }
}

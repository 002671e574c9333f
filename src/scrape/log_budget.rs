//! How many lines one subject may write to the log: some at once, then one in a while.
//!
//! A member that lies, and the members that it names, can change what is told of them at every scrape. What is over the
//! budget is counted, and the next line that is within it has the count.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A bucket of lines that fills up again.
#[derive(Debug)]
pub(super) struct LogBudget {
    burst: u32,
    every: Duration,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    left: u32,
    /// When the last line came back.
    filled: Instant,
    suppressed: u64,
}

impl LogBudget {
    /// Of one member: what is told of an honest one is rare.
    pub(super) fn of_member() -> Self {
        Self::new(12, Duration::from_secs(30))
    }

    /// Of an ensemble and its discovered members together: all members of a site may fail at one moment.
    pub(super) fn of_ensemble() -> Self {
        Self::new(300, Duration::from_secs(2))
    }

    /// `burst` lines at once, and one more after each `every`.
    fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, bucket: Mutex::new(Bucket { left: burst, filled: Instant::now(), suppressed: 0 }) }
    }

    /// Whether a line may be written now; then how many were not since the last one.
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
    fn a_burst_then_a_line_in_a_while() {
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

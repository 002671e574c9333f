//! The token bucket of `rate_limit` in the web-config file.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::rate_limit::RateLimit;

/// The token bucket; full at the start.
#[derive(Debug)]
pub(super) struct RateLimiter {
    limit: RateLimit,
    bucket: Mutex<TokenBucket>,
}

#[derive(Debug)]
struct TokenBucket {
    tokens: u32,
    /// Time at which the last token was added.
    filled: Instant,
}

impl RateLimiter {
    pub(super) fn new(limit: RateLimit) -> Self {
        Self { limit, bucket: Mutex::new(TokenBucket { tokens: limit.burst, filled: Instant::now() }) }
    }

    pub(super) const fn limit(&self) -> RateLimit {
        self.limit
    }

    /// Takes a token, or returns the time until the next one is available.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        let RateLimit { interval, burst } = self.limit;
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = now.saturating_duration_since(bucket.filled);
        let due = u32::try_from(elapsed.as_nanos() / interval.as_nanos().max(1)).unwrap_or(u32::MAX);
        if bucket.tokens.saturating_add(due) >= burst {
            (bucket.tokens, bucket.filled) = (burst, now);
        } else {
            bucket.tokens += due;
            bucket.filled += interval * due;
        }
        match bucket.tokens.checked_sub(1) {
            Some(left) => {
                bucket.tokens = left;
                Ok(())
            }
            None => Err(interval.saturating_sub(now.saturating_duration_since(bucket.filled))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_request_each_interval() {
        let second = Duration::from_secs(1);
        let limiter = RateLimiter::new(RateLimit { interval: second, burst: 2 });
        let begin = Instant::now();
        let at = |seconds: f64| limiter.take(begin + Duration::from_secs_f64(seconds)).is_ok();
        assert!(at(0.0) && at(0.0) && !at(0.5));
        assert!(at(1.5) && !at(1.6), "the bucket gained one token");
        assert!(at(2.5), "no part of an interval is lost");
        assert!(at(60.0) && at(60.0) && !at(60.0), "the bucket holds the burst at most");
    }

    #[test]
    fn a_burst_of_zero_refuses_every_request() {
        let limiter = RateLimiter::new(RateLimit { interval: Duration::from_millis(1), burst: 0 });
        let begin = Instant::now();
        assert!((0..5).all(|second| limiter.take(begin + Duration::from_secs(second)).is_err()));
    }
}

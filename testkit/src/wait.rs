//! Waiting by polling, with a deadline.

use std::time::{Duration, Instant};

/// Sleeps.
#[expect(clippy::disallowed_methods, reason = "there is no async runtime here")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Polls every 20 ms until the condition holds; returns whether it did within this time.
pub fn until(within: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    while !holds() {
        if Instant::now() >= deadline {
            return false;
        }
        pause(Duration::from_millis(20));
    }
    true
}

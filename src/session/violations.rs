//! Rate limit for log lines about protocol violations, so that a member cannot fill the log.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Address;

/// Minimum interval between two lines about a member.
const LOG_INTERVAL: Duration = Duration::from_mins(10);

/// By configured member: the time of its last line, and the number of violations since.
#[derive(Debug, Default)]
pub(super) struct ViolationLog(Mutex<HashMap<Address, (Instant, u64)>>);

impl ViolationLog {
    pub(super) fn log(&self, member: &Address) {
        if let Some(suppressed) = self.count(member, Instant::now()) {
            tracing::warn!(%member, suppressed, "session ended: the server violated the protocol");
        }
    }

    /// The number of violations since the last line; `None` if no line may be logged yet.
    fn count(&self, member: &Address, now: Instant) -> Option<u64> {
        let mut members = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match members.get_mut(member) {
            Some((last, suppressed)) if now.duration_since(*last) < LOG_INTERVAL => {
                *suppressed += 1;
                None
            }
            _ => Some(members.insert(member.clone(), (now, 0)).map_or(0, |(_, suppressed)| suppressed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_has_one_line_per_ten_minutes_with_the_suppressed_count() {
        let log = ViolationLog::default();
        let [first, second] = ["127.0.0.1:1", "127.0.0.1:2"].map(|text| text.parse().expect("an address"));
        let begun = Instant::now();
        assert_eq!(log.count(&first, begun), Some(0));
        for seconds in 1..=7 {
            assert_eq!(log.count(&first, begun + Duration::from_secs(seconds)), None);
        }
        assert_eq!(log.count(&second, begun), Some(0), "members do not share a line");
        assert_eq!(log.count(&first, begun + LOG_INTERVAL), Some(7));
        assert_eq!(log.count(&first, begun + LOG_INTERVAL + Duration::from_secs(1)), None);
    }
}

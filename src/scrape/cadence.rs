//! When a probe is due that is sent in some rounds only.

use std::time::Duration;

use tokio::time::Instant;

/// The start of the last round that sent the probe.
#[derive(Debug, Default)]
pub(super) struct Cadence {
    last: Option<Instant>,
}

/// Tolerance for a round that starts shortly before the interval has elapsed.
const EARLY: Duration = Duration::from_secs(1);

impl Cadence {
    /// Whether the probe is due; if so, it is sent in this round.
    pub(super) fn is_due(&mut self, now: Instant, interval: Duration) -> bool {
        let is_due = self.last.is_none_or(|last| now.duration_since(last) + EARLY >= interval);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_due_once_per_interval() {
        let (mut cadence, now) = (Cadence::default(), Instant::now());
        let due = [0, 15, 45, 59, 75, 119, 120]
            .map(|seconds| (seconds, cadence.is_due(now + Duration::from_secs(seconds), Duration::from_mins(1))));
        assert_eq!(due.map(|(_, due)| due), [true, false, false, true, false, true, false]);
    }
}

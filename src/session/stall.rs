//! Stalls of the exporter itself: a stopped process, or one without CPU. A timeout in that period is not evidence about a
//! member, and the ensemble may have ended the session.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

/// A timer that fires later than this was delayed by a stall.
const MAX_TIMER_DELAY: Duration = Duration::from_secs(1);

/// Interval of the timer that notices stalls.
const TICK: Duration = Duration::from_millis(250);

/// Whether a timer that was due at this moment and fires now was delayed by a stall.
#[must_use]
pub fn is_stalled(due: Instant) -> bool {
    due.elapsed() > MAX_TIMER_DELAY
}

/// Runs a short piece of work; also returns whether the exporter was stalled meanwhile.
pub async fn noticing_stalls<T>(work: impl Future<Output = T>) -> (T, bool) {
    let (mut work, mut ticks) = (pin!(work), interval(TICK));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut due, mut stalled) = (Instant::now() + TICK, false);
    loop {
        tokio::select! {
            done = &mut work => return (done, stalled || is_stalled(due)),
            tick = ticks.tick() => {
                stalled |= is_stalled(tick);
                due = Instant::now() + TICK;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "stalls the runtime, which has one thread")]
    fn stall() {
        std::thread::sleep(Duration::from_millis(1500));
    }

    #[tokio::test]
    async fn a_stall_is_noticed_at_any_point_of_the_work() {
        for (before, after) in [(0, 0), (300, 0), (0, 600), (300, 600)] {
            let work = async {
                sleep(Duration::from_millis(before)).await;
                stall();
                sleep(Duration::from_millis(after)).await;
                7
            };
            assert_eq!(noticing_stalls(work).await, (7, true), "{before} {after}");
        }
        assert!(!noticing_stalls(sleep(Duration::from_millis(1600))).await.1);
    }
}

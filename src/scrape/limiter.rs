//! Limits the number of open connections to members, and the rate of new ones.
//!
//! A command acquires a slot before it connects and keeps it until the reply is complete or its deadline has passed; it
//! is never preempted. The number of slots depends on the file descriptor limit, so normally every command has a slot
//! immediately and silent members keep theirs. If slots are short, priority decides: members queried longest ago come
//! first, members that were silent in their last query come last. A command without a slot is not evidence about
//! its member.
//!
//! ```text
//! acquire ──▶ waiting (by priority) ──▶ slot ──▶ paced ──▶ connect, send, read ──▶ slot dropped ──▶ next in queue
//!                  └── deadline ──▶ no slot: unknown, first in the queue next time
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// Interval between two connects after a burst: 10 000 per second.
const CONNECT_GAP: Duration = Duration::from_micros(100);

/// Maximum burst of connects; below the queue length of network cards and the kernel's loopback backlog.
const CONNECT_BURST: u32 = 256;

/// If slots are short, all commands of a scrape enter the queue during this time before the first slot is granted.
const LINE_UP: Duration = Duration::from_millis(5);

/// How long slots count as short after a command found none.
const SHORT_FOR: Duration = Duration::from_mins(10);

/// The connection limit of all scrapes, or of all probes.
#[derive(Debug)]
pub(super) struct ConnectionLimiter {
    max: usize,
    queue: Mutex<Queue>,
    next_connect: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Queue {
    open: usize,
    waiting: BTreeMap<(Priority, u64), oneshot::Sender<Slot>>,
    arrivals: u64,
    /// When a command last found no slot.
    short_at: Option<Instant>,
}

/// Queue order of waiting commands; the smallest is first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Priority {
    /// The member kept a connection until the deadline in its last query.
    pub(super) silent: bool,
    /// Time of its last query; `None` sorts first.
    pub(super) asked: Option<Instant>,
}

/// Permit for one open connection.
#[derive(Debug)]
pub(super) struct Slot(Option<Arc<ConnectionLimiter>>);

/// Entry in the queue; removed on drop.
struct Place<'l> {
    limiter: &'l ConnectionLimiter,
    key: (Priority, u64),
}

impl ConnectionLimiter {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, queue: Mutex::default(), next_connect: Mutex::default() })
    }

    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// Waits for a slot and for permission to connect; `None` if the deadline passes first.
    pub(super) async fn acquire(self: &Arc<Self>, priority: Priority, deadline: Instant) -> Option<Slot> {
        let (grant, slot) = oneshot::channel();
        let (place, short) = {
            let mut queue = self.lock();
            queue.arrivals += 1;
            let key = (priority, queue.arrivals);
            queue.waiting.insert(key, grant);
            let short = queue.short_at.is_some_and(|at| at.elapsed() < SHORT_FOR);
            if !short {
                self.grant(&mut queue);
            }
            (Place { limiter: self, key }, short)
        };
        if short {
            sleep(LINE_UP).await;
            self.grant(&mut self.lock());
        }
        let slot = timeout_at(deadline, slot).await.ok().and_then(Result::ok);
        drop(place);
        let slot = match slot {
            Some(slot) if self.pace(deadline).await => Some(slot),
            _ => None,
        };
        if slot.is_none() {
            self.lock().short_at = Some(Instant::now());
        }
        slot
    }

    /// Waits for the next permitted connect; `false` if that is after the deadline.
    async fn pace(&self, deadline: Instant) -> bool {
        let now = Instant::now();
        let at = {
            let mut next = self.next_connect.lock().unwrap_or_else(PoisonError::into_inner);
            let earliest = now.checked_sub(CONNECT_GAP * CONNECT_BURST).unwrap_or(now);
            let at = next.map_or(earliest, |next| next.max(earliest));
            *next = Some(at + CONNECT_GAP);
            at
        };
        if at > now {
            sleep_until(at.min(deadline)).await;
        }
        at.max(now) < deadline
    }

    /// Grants free slots to waiting commands.
    fn grant(self: &Arc<Self>, queue: &mut Queue) {
        while queue.open < self.max {
            let Some((_, waiting)) = queue.waiting.pop_first() else { return };
            match waiting.send(Slot(Some(Arc::clone(self)))) {
                Ok(()) => queue.open += 1,
                // The scrape was dropped. The slot was never counted as open, so it must not be returned.
                Err(mut slot) => slot.0 = None,
            }
        }
    }

    /// A panic leaves the queue consistent.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(limiter) = self.0.take() {
            let mut queue = limiter.lock();
            queue.open -= 1;
            limiter.grant(&mut queue);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.limiter.lock().waiting.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::JoinSet;

    const SILENT: Duration = Duration::from_millis(500);

    fn deadline() -> Instant {
        Instant::now() + SILENT
    }

    /// Runs commands that keep their slot for a given time; returns the indices of those that got one, in order.
    async fn ask(limiter: &Arc<ConnectionLimiter>, commands: &[(Priority, Duration)]) -> Vec<usize> {
        let (deadline, mut asked) = (deadline(), JoinSet::new());
        let order = Arc::new(Mutex::new(Vec::new()));
        for (number, (priority, time)) in commands.iter().copied().enumerate() {
            let (limiter, order) = (Arc::clone(limiter), Arc::clone(&order));
            asked.spawn(async move {
                let Some(_slot) = limiter.acquire(priority, deadline).await else { return };
                order.lock().unwrap().push(number);
                sleep_until(deadline.min(Instant::now() + time)).await;
            });
        }
        asked.join_all().await;
        let queue = limiter.lock();
        assert_eq!((queue.open, queue.waiting.len()), (0, 0), "every slot came back, every place is left");
        order.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn an_open_connection_is_never_dropped_for_a_waiting_command() {
        let limiter = ConnectionLimiter::new(4);
        let silent = (Priority::default(), SILENT);
        let mut commands = vec![silent; 4];
        commands.extend([(Priority::default(), Duration::ZERO); 3]);
        assert_eq!(ask(&limiter, &commands).await, [0, 1, 2, 3], "the rest found no slot before the deadline");
    }

    #[tokio::test]
    async fn unqueried_members_are_first_and_silent_ones_last() {
        let limiter = ConnectionLimiter::new(1);
        let early = Instant::now();
        sleep(Duration::from_millis(5)).await;
        let late = Instant::now();
        // All commands enter the queue first only if slots were short before.
        ask(&limiter, &[(Priority::default(), SILENT); 2]).await;
        let at = |silent, asked| (Priority { silent, asked }, Duration::from_millis(1));
        let order =
            ask(&limiter, &[at(true, Some(late)), at(true, Some(early)), at(false, Some(late)), at(false, None)]).await;
        assert_eq!(order, [3, 2, 1, 0]);
    }

    #[tokio::test]
    async fn a_dropped_scrape_releases_its_slots_and_queue_entries() {
        let limiter = ConnectionLimiter::new(1);
        let held = limiter.acquire(Priority::default(), deadline()).await;
        let waiting = tokio::spawn({
            let limiter = Arc::clone(&limiter);
            async move { limiter.acquire(Priority::default(), deadline()).await.is_some() }
        });
        sleep(Duration::from_millis(10)).await;
        assert_eq!(limiter.lock().waiting.len(), 1);
        waiting.abort();
        assert!(waiting.await.is_err());
        assert_eq!(limiter.lock().waiting.len(), 0);
        drop(held);
        assert_eq!(limiter.lock().open, 0);
        assert!(limiter.acquire(Priority::default(), deadline()).await.is_some());
    }

    #[tokio::test]
    async fn connects_are_limited_to_a_burst_and_a_rate() {
        let limiter = ConnectionLimiter::new(10_000);
        let begun = Instant::now();
        let mut left = JoinSet::new();
        for _ in 0..2000 {
            let limiter = Arc::clone(&limiter);
            left.spawn(async move {
                limiter.acquire(Priority::default(), deadline()).await.map(|slot| (begun.elapsed(), slot))
            });
        }
        let mut left: Vec<_> = left.join_all().await.into_iter().flatten().map(|(time, _)| time).collect();
        left.sort_unstable();
        assert_eq!(left.len(), 2000);
        // Never faster than the rate; slower is possible on a busy machine.
        for (number, time) in left.iter().enumerate().skip(CONNECT_BURST as usize) {
            let earliest = CONNECT_GAP * (u32::try_from(number).unwrap() - CONNECT_BURST);
            assert!(*time + Duration::from_millis(1) >= earliest, "connect {number} after {time:?}");
        }
        assert!(left[CONNECT_BURST as usize / 2] < Duration::from_millis(100), "a burst leaves at once: {left:?}");
    }
}

//! Connection slots: limits the number of connections; the longest idle connection is closed to admit a new one.
//!
//! ```text
//! new connection ─┬─ below the limit ─────────────▶ a slot
//!                 ├─ a connection is idle ────────▶ its slot; it is closed
//!                 └─ all have a request in flight ▶ a reserved slot: health checks only; the oldest of these is closed
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The open connections.
#[derive(Clone, Debug)]
pub(super) struct ConnectionSlots {
    open: Arc<Mutex<Open>>,
    limit: usize,
    /// One permit per socket, including connections that lost their slot and are still closing.
    sockets: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    connections: BTreeMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    in_flight: u32,
    /// When the last response began, or when the connection was accepted.
    idle_since: Instant,
    /// Whether no request was received yet.
    is_fresh: bool,
    is_reserved: bool,
    task: Option<AbortHandle>,
}

/// The slot of one connection, released when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    number: u64,
    slots: ConnectionSlots,
    /// Whether only health checks are served.
    is_reserved: bool,
    client: Option<IpAddr>,
    /// When the timeout of the client of the last request ends.
    expires: Mutex<Option<Instant>>,
}

/// A request in flight, until its response begins.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Slot>);

/// Number of additional slots for health checks while all others have a request in flight.
const RESERVED: usize = 16;

/// Maximum number of connections that are still closing while their slots are reused.
const CLOSING: usize = 16;

/// A connection that has sent no request for this long counts as idle.
const SILENT: Duration = Duration::from_secs(1);

impl ConnectionSlots {
    pub(super) fn new(limit: usize) -> Self {
        let sockets = limit.saturating_add(RESERVED + CLOSING).min(Semaphore::MAX_PERMITS);
        Self { open: Arc::default(), limit, sockets: Arc::new(Semaphore::new(sockets)) }
    }

    /// Waits until another socket may be opened; the permit is held as long as the socket is open.
    ///
    /// An aborted connection closes with a delay: without this wait, a burst of new connections would open sockets
    /// faster than the previous ones are closed.
    pub(super) async fn socket(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.sockets).acquire_owned().await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a slot for a new connection; also returns whether another connection was closed for it.
    pub(super) fn take(&self, client: Option<IpAddr>) -> (Arc<Slot>, bool) {
        let mut open = self.lock();
        let (mut is_reserved, mut evict) = (false, None);
        if open.count(false) >= self.limit {
            let idle = open.connections.iter().filter(|(_, one)| one.in_flight == 0 && !one.is_reserved);
            evict = idle.min_by_key(|(_, one)| one.idle_since).map(|(number, _)| *number);
            is_reserved = evict.is_none();
            if is_reserved && open.count(true) >= RESERVED {
                evict = open.connections.iter().find(|(_, one)| one.is_reserved).map(|(number, _)| *number);
            }
        }
        let evicted = evict.and_then(|number| open.connections.remove(&number));
        evicted.iter().filter_map(|one| one.task.as_ref()).for_each(AbortHandle::abort);
        let number = open.next;
        open.next += 1;
        let fresh = Connection { in_flight: 0, idle_since: Instant::now(), is_fresh: true, is_reserved, task: None };
        open.connections.insert(number, fresh);
        let slot = Slot { number, slots: self.clone(), is_reserved, client, expires: Mutex::default() };
        (Arc::new(slot), evicted.is_some())
    }

    /// Registers the task of a connection, which is aborted when its slot is needed.
    pub(super) fn driven_by(&self, number: u64, task: AbortHandle) {
        match self.lock().connections.get_mut(&number) {
            Some(connection) => connection.task = Some(task),
            // The slot was already reused, or the connection has ended.
            None => task.abort(),
        }
    }

    /// Closes the longest idle connection, if one is idle.
    pub(super) fn close_idle(&self) -> bool {
        let mut open = self.lock();
        let idle = open.connections.iter().filter(|(_, one)| one.in_flight == 0);
        let longest = idle.min_by_key(|(_, one)| one.idle_since).map(|(number, _)| *number);
        let closed = longest.and_then(|number| open.connections.remove(&number));
        closed.iter().filter_map(|one| one.task.as_ref()).for_each(AbortHandle::abort);
        closed.is_some()
    }

    /// Closes every connection that has been open for a while without a request.
    pub(super) fn close_silent(&self) {
        self.lock()
            .connections
            .values()
            .filter(|one| one.is_fresh && one.idle_since.elapsed() > SILENT)
            .filter_map(|one| one.task.as_ref())
            .for_each(AbortHandle::abort);
    }
}

impl Open {
    fn count(&self, is_reserved: bool) -> usize {
        self.connections.values().filter(|one| one.is_reserved == is_reserved).count()
    }
}

impl Slot {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn is_reserved(&self) -> bool {
        self.is_reserved
    }

    pub(super) fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// Time after which writing to the client is useless.
    pub(super) fn expires(&self) -> Option<Instant> {
        *self.expires.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the start of a request.
    pub(super) fn begin(self: &Arc<Self>, expires: Instant) -> InFlight {
        *self.expires.lock().unwrap_or_else(PoisonError::into_inner) = Some(expires);
        if let Some(connection) = self.slots.lock().connections.get_mut(&self.number) {
            connection.in_flight += 1;
            connection.is_fresh = false;
        }
        InFlight(Arc::clone(self))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(connection) = self.0.slots.lock().connections.get_mut(&self.0.number) {
            connection.in_flight -= 1;
            connection.idle_since = Instant::now();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().connections.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sockets_are_bounded_while_closed_connections_have_not_ended() {
        let slots = ConnectionSlots::new(2);
        let mut open = Vec::new();
        for _ in 0..2 + RESERVED + CLOSING {
            open.push(slots.socket().await);
        }
        let mut next = Box::pin(slots.socket());
        let waker = std::task::Waker::noop();
        let polled = next.as_mut().poll(&mut std::task::Context::from_waker(waker));
        assert!(polled.is_pending(), "one too many");
        open.pop();
        assert!(next.await.is_some());
    }

    #[tokio::test]
    async fn the_longest_idle_connection_is_evicted_and_busy_ones_are_kept() {
        let slots = ConnectionSlots::new(2);
        let (first, _) = slots.take(None);
        let (second, _) = slots.take(None);
        let task = tokio::spawn(std::future::pending::<()>());
        slots.driven_by(second.number(), task.abort_handle());
        let busy = first.begin(Instant::now());
        let (third, evicted) = slots.take(None);
        assert!(evicted && !third.is_reserved());
        assert!(task.await.expect_err("ended").is_cancelled());
        // The slot of an evicted connection is not freed twice.
        drop(second);
        let working = third.begin(Instant::now());
        assert!(slots.take(None).0.is_reserved(), "both are busy");
        drop((working, busy));
        let (fourth, evicted) = slots.take(None);
        assert!(evicted && !fourth.is_reserved());
        let task = tokio::spawn(std::future::pending::<()>());
        slots.driven_by(first.number(), task.abort_handle());
        assert!(slots.close_idle(), "without a free file descriptor");
        assert!(task.await.expect_err("ended").is_cancelled());
        drop((first, third, fourth));
        let (fifth, evicted) = slots.take(None);
        assert!(!evicted && !fifth.is_reserved());
    }

    #[tokio::test]
    async fn health_checks_have_slots_while_all_others_are_busy() {
        let slots = ConnectionSlots::new(1);
        let (first, _) = slots.take(None);
        let _busy = first.begin(Instant::now());
        let mut reserved = Vec::new();
        for _ in 0..RESERVED {
            let (slot, evicted) = slots.take(None);
            assert!(slot.is_reserved() && !evicted);
            reserved.push(slot);
        }
        let task = tokio::spawn(std::future::pending::<()>());
        slots.driven_by(reserved[0].number(), task.abort_handle());
        let (slot, evicted) = slots.take(None);
        assert!(slot.is_reserved() && evicted, "the oldest reserved one makes room");
        assert!(task.await.expect_err("ended").is_cancelled());
    }
}

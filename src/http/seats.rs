//! Who may be connected: a bounded number of seats, and when all are taken, whoever has been idle longest makes room.
//!
//! Without that, as many silent connections as there are seats would shut everybody else out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::pages::Ticket;

/// The connections that are open.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    taken: Arc<Mutex<Taken>>,
    most: usize,
    /// As many as there may be sockets: the seats, and those who have lost theirs but are not closed yet.
    sockets: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    seats: BTreeMap<u64, Occupied>,
}

#[derive(Debug)]
struct Occupied {
    /// Requests under way.
    busy: u32,
    /// When the last of them was answered, or the connection came.
    idle_since: Instant,
    /// No request came yet.
    fresh: bool,
    task: Option<AbortHandle>,
}

/// One connection's place; free again when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    number: u64,
    seats: Seats,
    /// Since when its client has not taken what is written.
    stalled: Mutex<Option<Instant>>,
    /// The page that is being written.
    page: Mutex<Option<Arc<Ticket>>>,
}

/// A request under way on a connection.
#[derive(Debug)]
pub(super) struct Busy(Arc<Seat>);

/// What came of asking for a seat.
#[derive(Debug)]
pub(super) enum Asked {
    /// There was room.
    Free(Arc<Seat>),
    /// An idle connection was closed to make room.
    MadeFree(Arc<Seat>),
    /// Every connection has a request under way.
    Full,
}

/// Connections that may be about to close while the seats they had are taken again.
const LEAVING: usize = 16;

/// Who connects in order to ask has asked by then.
const SILENT: Duration = Duration::from_secs(1);

impl Seats {
    pub(super) fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most, sockets: Arc::new(Semaphore::new(most.saturating_add(LEAVING))) }
    }

    /// Waits until one more socket may be open; it is held for as long as the socket is.
    ///
    /// To close a connection is to ask its task to end, which it does a little later: without this wait, a burst of
    /// new connections would open sockets faster than those before them close.
    pub(super) async fn socket(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed, so there is always one to come.
        Arc::clone(&self.sockets).acquire_owned().await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for a new connection.
    pub(super) fn ask(&self) -> Asked {
        let mut taken = self.lock();
        let mut made_free = false;
        if taken.seats.len() >= self.most {
            let idle = taken.seats.iter().filter(|(_, seat)| seat.busy == 0);
            let Some((&number, _)) = idle.min_by_key(|(_, seat)| seat.idle_since) else { return Asked::Full };
            taken.seats.remove(&number).and_then(|seat| seat.task).inspect(AbortHandle::abort);
            made_free = true;
        }
        let number = taken.next;
        taken.next += 1;
        taken.seats.insert(number, Occupied { busy: 0, idle_since: Instant::now(), fresh: true, task: None });
        let seat = Arc::new(Seat { number, seats: self.clone(), stalled: Mutex::default(), page: Mutex::default() });
        if made_free { Asked::MadeFree(seat) } else { Asked::Free(seat) }
    }

    /// Closes every connection that has been open for a while without a request.
    pub(super) fn close_silent(&self) {
        self.lock()
            .seats
            .values()
            .filter(|seat| seat.fresh && seat.idle_since.elapsed() > SILENT)
            .filter_map(|seat| seat.task.as_ref())
            .for_each(AbortHandle::abort);
    }
}

impl Seat {
    /// Names the task that drives the connection, to be ended when the seat is needed.
    pub(super) fn driven_by(number: u64, seats: &Seats, task: AbortHandle) {
        match seats.lock().seats.get_mut(&number) {
            Some(seat) => seat.task = Some(task),
            // It was already given to another, or the connection has ended.
            None => task.abort(),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// A page is about to be written; it is counted until all of it has left.
    pub(super) fn carries(&self, page: Arc<Ticket>) {
        *self.page.lock().unwrap_or_else(PoisonError::into_inner) = Some(page);
    }

    /// All that was written has left.
    pub(super) fn has_sent(&self) {
        self.page.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// The client took something, or something waits for it to.
    pub(super) fn note_stalled(&self, stalled: bool) {
        let mut since = self.stalled.lock().unwrap_or_else(PoisonError::into_inner);
        *since = if stalled { Some(since.unwrap_or_else(Instant::now)) } else { None };
    }

    pub(super) fn stalled_since(&self) -> Option<Instant> {
        *self.stalled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection.
    pub(super) fn close(&self) {
        let taken = self.seats.lock();
        taken.seats.get(&self.number).and_then(|seat| seat.task.as_ref()).inspect(|task| task.abort());
    }

    /// A request begins.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        if let Some(seat) = self.seats.lock().seats.get_mut(&self.number) {
            seat.busy += 1;
            seat.fresh = false;
        }
        Busy(Arc::clone(self))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(seat) = self.0.seats.lock().seats.get_mut(&self.0.number) {
            seat.busy -= 1;
            seat.idle_since = Instant::now();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().seats.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sockets_are_bounded_while_the_closed_have_not_ended() {
        let seats = Seats::new(2);
        let mut open = Vec::new();
        for _ in 0..2 + LEAVING {
            open.push(seats.socket().await);
        }
        let next = seats.socket();
        tokio::pin!(next);
        assert!(at_once(next.as_mut()).is_none(), "one too many");
        open.pop();
        assert!(next.await.is_some());
    }

    /// What a future gives without waiting.
    fn at_once<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn the_longest_idle_makes_room_and_the_busy_stay() {
        let seats = Seats::new(2);
        let seat = |asked| match asked {
            Asked::Free(seat) | Asked::MadeFree(seat) => seat,
            Asked::Full => panic!("full"),
        };
        let (first, second) = (seat(seats.ask()), seat(seats.ask()));
        let task = tokio::spawn(std::future::pending::<()>());
        Seat::driven_by(second.number(), &seats, task.abort_handle());
        let busy = first.busy();
        let third = seats.ask();
        assert!(matches!(third, Asked::MadeFree(_)), "{third:?}");
        assert!(task.await.expect_err("ended").is_cancelled());
        // The seat of one that was sent away is not freed twice.
        drop(second);
        let third = seat(third);
        let working = third.busy();
        assert!(matches!(seats.ask(), Asked::Full));
        drop((working, busy));
        assert!(matches!(seats.ask(), Asked::MadeFree(_)));
        drop((first, third));
        assert!(matches!(seats.ask(), Asked::Free(_)));
    }
}

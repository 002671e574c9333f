//! How much of pages may be under way: clients that ask and do not take must not fill the memory.
//!
//! Each page holds the report it is made of until its client has it. Where there are many and large ones, whoever has
//! not taken a byte for longest is cut off to make room, and a new page waits until there is some.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::budget::{TIMEOUT_HEADER, budget};
use super::metrics::header;
use super::seats::Seat;
use super::{App, PLAIN};

/// Text of the pages that may be under way at once; what they hold is about as much.
const MOST_BYTES: usize = 128 << 20;

/// So many may be, however large they are: two Prometheus servers and somebody who looks.
const FEW: usize = 3;

/// Who has not taken a byte for so long may be cut off.
const STALLED: Duration = Duration::from_secs(3);

/// Between two looks for somebody who stalls.
const PAUSE: Duration = Duration::from_millis(100);

/// The expected length of the text that an answer is to bring; put beside it by who makes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected(pub(super) usize);

/// The pages that are under way.
#[derive(Debug, Default)]
pub(super) struct Pages {
    under_way: Mutex<BTreeMap<u64, UnderWay>>,
    next: AtomicU64,
    /// The length that the next page is likely to have at most.
    usual: AtomicUsize,
    ended: Notify,
}

#[derive(Debug)]
struct UnderWay {
    bytes: usize,
    seat: Weak<Seat>,
}

/// A page under way, until dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    pages: Arc<Pages>,
    number: u64,
}

/// Lets a page begin when there is room for it, and counts it until its client has it.
pub(super) async fn bounded(
    State((app, pages)): State<(Arc<App>, Arc<Pages>)>,
    seat: Option<Extension<Arc<Seat>>>,
    request: Request,
    next: Next,
) -> Response {
    // Without a connection of ours there is nobody to wait for.
    let Some(Extension(seat)) = seat else { return next.run(request).await };
    let budget =
        budget(header(request.headers(), &axum::http::HeaderName::from_static(TIMEOUT_HEADER)), app.timeout_offset);
    let Some(ticket) = pages.admit(&seat, Instant::now() + budget / 3).await else {
        return refused();
    };
    let response = next.run(request).await;
    let Some(Expected(bytes)) = response.extensions().get().copied() else { return response };
    if !ticket.weigh(bytes) {
        // Nobody knew how long it would be: what came before it goes first.
        return refused();
    }
    let ticket = Arc::new(ticket);
    seat.carries(Arc::clone(&ticket));
    response.map(|body| Body::new(Carried { body, _ticket: ticket }))
}

fn refused() -> Response {
    let why = "too many pages are under way to clients that take them slowly; try again\n";
    (StatusCode::SERVICE_UNAVAILABLE, PLAIN, why).into_response()
}

impl Pages {
    /// A panic elsewhere leaves the data whole: every change is one assignment.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a page as long as the last one, as soon as there is one.
    async fn admit(self: &Arc<Self>, seat: &Arc<Seat>, until: Instant) -> Option<Ticket> {
        loop {
            let ended = self.ended.notified();
            if let Some(ticket) = self.try_admit(seat) {
                return Some(ticket);
            }
            let slowest = self.slowest();
            if let Some(seat) = slowest {
                tracing::debug!("a client that does not take its page is cut off to make room for another");
                seat.close();
            }
            let now = Instant::now();
            if now >= until {
                return None;
            }
            // An error is the time for another look.
            let _ = timeout_at(until.min(now + PAUSE), ended).await;
        }
    }

    fn try_admit(self: &Arc<Self>, seat: &Arc<Seat>) -> Option<Ticket> {
        let bytes = self.usual.load(Ordering::Relaxed);
        let mut under_way = self.lock();
        let sum: usize = under_way.values().map(|page| page.bytes).sum();
        if under_way.len() >= FEW && sum.saturating_add(bytes) > MOST_BYTES {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        under_way.insert(number, UnderWay { bytes, seat: Arc::downgrade(seat) });
        Some(Ticket { pages: Arc::clone(self), number })
    }

    /// Who has not taken a byte for longest, and too long.
    fn slowest(&self) -> Option<Arc<Seat>> {
        let under_way = self.lock();
        let stalled = under_way.values().filter_map(|page| {
            let seat = page.seat.upgrade()?;
            let since = seat.stalled_since().filter(|since| since.elapsed() >= STALLED)?;
            Some((since, seat))
        });
        stalled.min_by_key(|(since, _)| *since).map(|(_, seat)| seat)
    }
}

impl Ticket {
    /// Counts the page as what it is; whether there is room for it beside those that came before.
    fn weigh(&self, bytes: usize) -> bool {
        // A short page does not make the next one short.
        let usual = self.pages.usual.load(Ordering::Relaxed);
        self.pages.usual.store(bytes.max(usual - usual / 8), Ordering::Relaxed);
        let mut under_way = self.pages.lock();
        if let Some(page) = under_way.get_mut(&self.number) {
            page.bytes = bytes;
        }
        let before = under_way.range(..self.number);
        let (count, sum) = before.fold((0, 0), |(count, sum), (_, page)| (count + 1, page.bytes + sum));
        count < FEW || bytes.saturating_add(sum) <= MOST_BYTES
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.pages.lock().remove(&self.number);
        self.pages.ended.notify_waiters();
    }
}

/// The body of an answer that is counted.
struct Carried {
    body: Body,
    _ticket: Arc<Ticket>,
}

impl hyper::body::Body for Carried {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::seats::{Asked, Seats};

    /// A connection with a page under way, which lasts until it is cut off.
    async fn client(seats: &Seats, pages: &Arc<Pages>, bytes: usize) -> Option<Arc<Seat>> {
        let (Asked::Free(seat) | Asked::MadeFree(seat)) = seats.ask() else { panic!("no seat") };
        let ticket = pages.admit(&seat, Instant::now() + 3 * PAUSE).await?;
        assert!(ticket.weigh(bytes));
        let kept = Arc::clone(&seat);
        let task = tokio::spawn(async move {
            kept.carries(Arc::new(ticket));
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        Seat::driven_by(seat.number(), seats, task.abort_handle());
        Some(seat)
    }

    fn under_way(pages: &Pages) -> usize {
        pages.lock().len()
    }

    #[tokio::test]
    async fn small_pages_are_as_many_as_connections_and_large_ones_few() {
        let (seats, pages) = (Seats::new(1000), Arc::<Pages>::default());
        let mut clients = Vec::new();
        for _ in 0..200 {
            clients.push(client(&seats, &pages, MOST_BYTES / 1000).await.expect("there is room"));
        }
        drop(clients);
        let pages = Arc::<Pages>::default();
        let mut clients = Vec::new();
        for _ in 0..FEW {
            clients.push(client(&seats, &pages, MOST_BYTES).await.expect("there is room for a few"));
        }
        assert!(client(&seats, &pages, MOST_BYTES).await.is_none(), "one too many");
        assert_eq!(under_way(&pages), FEW, "who takes its page keeps it");
    }

    #[tokio::test]
    async fn who_takes_nothing_makes_room() {
        let (seats, pages) = (Seats::new(10), Arc::<Pages>::default());
        let mut clients = Vec::new();
        for _ in 0..FEW {
            clients.push(client(&seats, &pages, MOST_BYTES).await.expect("there is room for a few"));
        }
        clients[1].note_stalled(true);
        clients[2].note_stalled(true);
        clients[2].note_stalled(false);
        assert!(client(&seats, &pages, MOST_BYTES).await.is_none(), "nobody has stalled for long");
        tokio::time::sleep(STALLED + PAUSE).await;
        // The page that was cut off goes with the connection, which holds the seat.
        let stalled = clients.remove(1);
        let number = stalled.number();
        drop(stalled);
        let last = client(&seats, &pages, MOST_BYTES).await.expect("room was made");
        assert_eq!(under_way(&pages), FEW);
        assert!(clients.iter().chain([&last]).all(|seat| seat.number() != number));
    }

    #[tokio::test]
    async fn a_page_that_is_longer_than_thought_is_not_sent_beside_others() {
        let (seats, pages) = (Seats::new(10), Arc::<Pages>::default());
        let (Asked::Free(seat) | Asked::MadeFree(seat)) = seats.ask() else { panic!("no seat") };
        let mut tickets = Vec::new();
        for _ in 0..6 {
            tickets.push(pages.admit(&seat, Instant::now()).await.expect("nobody knows how long they are"));
        }
        let fit: Vec<bool> = tickets.iter().map(|ticket| ticket.weigh(MOST_BYTES / 2)).collect();
        assert_eq!(fit, [true, true, true, false, false, false]);
        assert!(pages.admit(&seat, Instant::now()).await.is_none(), "now it is known");
        drop(tickets);
        let ticket = pages.admit(&seat, Instant::now()).await.expect("there is room");
        assert!(ticket.weigh(1) && pages.usual.load(Ordering::Relaxed) > MOST_BYTES / 3, "one short page says little");
    }

    #[tokio::test]
    async fn a_page_ends_when_all_of_it_was_sent() {
        let (seats, pages) = (Seats::new(10), Arc::<Pages>::default());
        let seat = client(&seats, &pages, 1).await.expect("there is room");
        assert_eq!(under_way(&pages), 1);
        seat.has_sent();
        assert_eq!(under_way(&pages), 0);
    }
}

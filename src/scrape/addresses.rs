//! Tries the addresses of a member in turn until one replies.
//!
//! A server in two networks (`a|b` in its membership), or a name with several addresses, may be reachable at only one
//! of them. After a refused or closed connection, the next address is tried immediately. A silent address may only be
//! slow: the next one is tried concurrently after a share of the time. The first reply is used.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::wire::{Exchange, Failure, Reason};

/// Maximum delay before the next address is tried.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// A command in progress.
pub(super) type Pending<'a> = Pin<Box<dyn Future<Output = Attempt> + Send + 'a>>;

/// Result of a command at one address.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) exchange: Exchange,
    /// The address that replied, if known.
    pub(super) address: Option<SocketAddr>,
    /// Time spent waiting for a slot.
    pub(super) waited: Duration,
    /// When the slot was acquired.
    pub(super) sent: Instant,
}

impl Attempt {
    fn has_reply(&self) -> bool {
        !self.exchange.bytes.is_empty()
    }

    /// This attempt, or the result at the next addresses.
    fn or(self, next: Self) -> Self {
        if self.has_reply() {
            return self;
        }
        if next.has_reply() {
            return next;
        }
        let since = [self.exchange.unanswered_since, next.exchange.unanswered_since].into_iter().flatten().min();
        let Self { exchange, waited, sent, .. } = self;
        let weight = |exchange: &Exchange| exchange.failure.as_ref().map(Failure::weight);
        let exchange = if weight(&exchange) > weight(&next.exchange) { exchange } else { next.exchange };
        // The member could have replied since the first address was tried.
        let unanswered_since = exchange.unanswered_since.and(since);
        Self { exchange: Exchange { unanswered_since, ..exchange }, address: None, waited, sent }
    }
}

/// Tries one address after the other until there is a reply. `ask` sends the command to one address.
pub(super) fn first_reply<'a>(
    addresses: &'a [SocketAddr],
    deadline: Instant,
    ask: &'a (dyn Fn(&'a [SocketAddr]) -> Pending<'a> + Sync),
) -> Pending<'a> {
    Box::pin(async move {
        let Some((first, rest)) = addresses.split_at_checked(1).filter(|(_, rest)| !rest.is_empty()) else {
            return match addresses {
                [] => nowhere(),
                last => ask(last).await,
            };
        };
        let mut one = ask(first);
        let shares = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / shares;
        if let Ok(attempt) = timeout(share.min(MAX_DELAY), &mut one).await {
            return if attempt.has_reply() { attempt } else { attempt.or(first_reply(rest, deadline, ask).await) };
        }
        let mut next = first_reply(rest, deadline, ask);
        tokio::select! {
            attempt = &mut one => if attempt.has_reply() { attempt } else { attempt.or(next.await) },
            attempt = &mut next => if attempt.has_reply() { attempt } else { one.await.or(attempt) },
        }
    })
}

fn nowhere() -> Attempt {
    let exchange = Exchange::failed(Failure::new(Reason::Connect, "no address to connect to"));
    Attempt { exchange, address: None, waited: Duration::ZERO, sent: Instant::now() }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::sleep_until;

    use super::*;

    /// Behaviour of an address: a reply or a failure reason, and the time until then.
    type Manner = (Result<(), Reason>, u64);

    const LIMIT: Duration = Duration::from_millis(1200);

    /// Result of trying a list of addresses within `LIMIT`.
    #[derive(Debug)]
    struct Outcome {
        port: Option<u16>,
        reason: Option<Reason>,
        took: Duration,
        /// When each address was tried.
        asked: Vec<Duration>,
        /// Since when the member could have replied.
        since: Option<Duration>,
    }

    async fn outcome(manners: &[Manner]) -> Outcome {
        let begun = Instant::now();
        let addresses: Vec<SocketAddr> =
            (0..manners.len()).map(|port| SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap()))).collect();
        let asked = Mutex::new(Vec::new());
        let ask = |address: &'_ [SocketAddr]| -> Pending<'_> {
            let address = address[0];
            let (reply, after) = manners[usize::from(address.port())];
            let sent = Instant::now();
            asked.lock().unwrap().push(sent - begun);
            Box::pin(async move {
                sleep_until((sent + Duration::from_millis(after)).min(begun + LIMIT)).await;
                let exchange = match reply {
                    Ok(()) => Exchange { bytes: b"imok".to_vec(), ..Exchange::default() },
                    Err(reason) => Exchange {
                        unanswered_since: (reason == Reason::Timeout).then_some(sent),
                        ..Exchange::failed(Failure::new(reason, "x"))
                    },
                };
                Attempt { exchange, address: Some(address), waited: Duration::ZERO, sent }
            })
        };
        let Attempt { exchange, address, .. } = first_reply(&addresses, begun + LIMIT, &ask).await;
        Outcome {
            reason: exchange.failure.map(|failure| failure.reason),
            port: address.map(|address| address.port()),
            took: begun.elapsed(),
            asked: asked.into_inner().unwrap(),
            since: exchange.unanswered_since.map(|since| since - begun),
        }
    }

    const SILENT: Manner = (Err(Reason::Timeout), 100_000);
    const REFUSES: Manner = (Err(Reason::Connect), 0);
    const REPLIES: Manner = (Ok(()), 0);

    #[tokio::test]
    async fn a_silent_address_is_followed_by_the_next_one() {
        let refuse = [REFUSES, (Err(Reason::Empty), 0), (Err(Reason::Tls), 0), REPLIES];
        let (at_once, later, last) =
            tokio::join!(outcome(&refuse), outcome(&[SILENT, REPLIES]), outcome(&[SILENT, SILENT, SILENT, REPLIES]));
        assert!(at_once.port == Some(3) && at_once.took < LIMIT / 4, "{at_once:?}");
        assert!(later.port == Some(1) && later.took >= LIMIT / 2 && later.took < LIMIT, "{later:?}");
        assert!(last.port == Some(3) && last.took < LIMIT, "{last:?}");
        assert!(last.asked[1] >= LIMIT / 4, "{last:?}");
    }

    #[tokio::test]
    async fn a_slow_address_is_awaited() {
        for others in [SILENT, REFUSES, (Ok(()), 100_000)] {
            let slow = outcome(&[(Ok(()), 800), others]).await;
            assert!(slow.port == Some(0) && slow.took < LIMIT, "{slow:?}");
        }
    }

    #[tokio::test]
    async fn without_a_reply_the_most_specific_failure_is_reported() {
        for (manners, expected) in [
            (&[REFUSES, SILENT][..], Reason::Timeout),
            (&[SILENT, REFUSES], Reason::Timeout),
            (&[SILENT, SILENT], Reason::Timeout),
            (&[REFUSES, REFUSES], Reason::Connect),
            (&[(Err(Reason::Limit), 0), SILENT], Reason::Limit),
            (&[SILENT, (Err(Reason::Limit), 0)], Reason::Limit),
        ] {
            let failed = outcome(manners).await;
            assert!(failed.reason == Some(expected), "{manners:?}: {failed:?}");
            // The member's time counts from the first attempt at a silent address.
            let first = manners.iter().position(|manner| *manner == SILENT).filter(|_| expected == Reason::Timeout);
            assert!(first.is_none_or(|first| failed.since == Some(failed.asked[first])), "{manners:?}: {failed:?}");
        }
        assert!(outcome(&[]).await.reason == Some(Reason::Connect));
    }
}

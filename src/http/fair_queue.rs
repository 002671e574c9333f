//! A fair queue for a limited resource: permits alternate between clients, and between the newest and the oldest
//! request of each client.
//!
//! A client that floods the queue delays its own requests, and every other client by one permit. If all requests come
//! from one address, as behind a proxy, the newest and the oldest of them alternate: a new request is served within two
//! permits unless newer ones arrive, and the oldest request always makes progress.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot::{Sender, channel};

/// The address of a client, if known. For IPv6 its /64 network, which a single host may own.
type Client = Option<IpAddr>;

/// The part of an address that a client cannot choose: the /64 network for IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        ip @ IpAddr::V4(_) => ip,
    }
}

/// The queue. A request leaves it when its future is dropped.
#[derive(Debug)]
pub(super) struct FairQueue {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Free permits.
    free: usize,
    waiting: BTreeMap<Client, Requests>,
    last: Client,
}

/// The requests of one client, in order of arrival.
#[derive(Debug, Default)]
struct Requests {
    senders: VecDeque<Sender<Turn>>,
    last_was_newest: bool,
}

/// One permit, passed to the next request when dropped.
#[derive(Debug)]
pub(super) struct Turn(Arc<FairQueue>);

impl FairQueue {
    /// A queue with `turns` permits.
    pub(super) fn new(turns: usize) -> Arc<Self> {
        let state = State { free: turns, waiting: BTreeMap::new(), last: None };
        Arc::new(Self { state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a permit.
    pub(super) async fn turn(self: &Arc<Self>, client: Client) -> Turn {
        let receiver = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Turn(Arc::clone(self));
            }
            let (sender, receiver) = channel();
            state.waiting.entry(client.map(network)).or_default().senders.push_back(sender);
            receiver
        };
        match receiver.await {
            Ok(turn) => turn,
            // Unreachable: a sender is dropped only after its receiver.
            Err(_) => std::future::pending().await,
        }
    }
}

impl State {
    /// Removes and returns the next request that still waits.
    fn next(&mut self) -> Option<Sender<Turn>> {
        self.waiting.retain(|_, requests| {
            requests.senders.retain(|request| !request.is_closed());
            !requests.senders.is_empty()
        });
        let after = (Bound::Excluded(self.last), Bound::Unbounded);
        let client = *self.waiting.range(after).next().or_else(|| self.waiting.iter().next())?.0;
        self.last = client;
        let requests = self.waiting.get_mut(&client)?;
        requests.last_was_newest = !requests.last_was_newest;
        if requests.last_was_newest { requests.senders.pop_back() } else { requests.senders.pop_front() }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.lock();
            let next = state.next();
            state.free += usize::from(next.is_none());
            next
        };
        if let Some(next) = next {
            // If the receiver was dropped meanwhile, the returned permit is dropped here and passed on.
            drop(next.send(Turn(Arc::clone(&self.0))));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn client(number: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, number).into()
    }

    /// Queues the requests in this order behind a single permit; returns the order in which they are served.
    async fn dealt(requests: &[(&'static str, IpAddr)]) -> Vec<&'static str> {
        let (queue, order) = (FairQueue::new(1), Arc::new(Mutex::new(Vec::new())));
        let first = queue.turn(None).await;
        let mut tasks = Vec::new();
        for (name, client) in requests.iter().copied() {
            let (queue, order) = (Arc::clone(&queue), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let _turn = queue.turn(Some(client)).await;
                order.lock().expect("whole").push(name);
            }));
            tokio::task::yield_now().await;
        }
        drop(first);
        for task in tasks {
            task.await.expect("no panic");
        }
        assert_eq!(queue.lock().free, 1, "the turn is free again");
        order.lock().expect("whole").clone()
    }

    #[tokio::test]
    async fn a_flood_of_one_client_does_not_delay_another() {
        let mut requests = vec![("flood", client(1)); 60];
        requests.push(("good", client(2)));
        let order = dealt(&requests).await;
        assert_eq!(order.len(), 61);
        assert!(order[..2].contains(&"good"), "{order:?}");
    }

    #[tokio::test]
    async fn a_flood_from_many_addresses_of_one_network_is_of_one_client() {
        let flood = (0..60).map(|host: u16| ("flood", Ipv6Addr::new(0x2001, 0xdb8, 0, 1, host, 0, 0, host).into()));
        let good = ("good", Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 1).into());
        for good in
            [good, ("good", client(1).to_canonical()), ("good", Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped().into())]
        {
            let requests: Vec<_> = flood.clone().chain([good]).collect();
            let order = dealt(&requests).await;
            assert!(order[..2].contains(&"good"), "{order:?}");
        }
    }

    #[tokio::test]
    async fn newest_and_oldest_request_of_a_flooding_address_alternate() {
        let mut requests = vec![("flood", client(1)); 60];
        requests[0].0 = "oldest";
        requests.push(("newest", client(1)));
        let order = dealt(&requests).await;
        assert!(order[..2].contains(&"newest") && order[..2].contains(&"oldest"), "{order:?}");
    }

    #[tokio::test]
    async fn cancelled_requests_do_not_keep_a_permit() {
        let queue = FairQueue::new(1);
        let first = queue.turn(None).await;
        let given_up: Vec<_> = (0..50)
            .map(|number| {
                let queue = Arc::clone(&queue);
                tokio::spawn(async move { queue.turn(Some(client(number))).await })
            })
            .collect();
        tokio::task::yield_now().await;
        given_up.iter().for_each(tokio::task::JoinHandle::abort);
        for task in given_up {
            drop(task.await);
        }
        drop(first);
        let _again = queue.turn(Some(client(1))).await;
    }
}

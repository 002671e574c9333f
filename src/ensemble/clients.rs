//! The clients of an ensemble: connections summed by client address.
//!
//! Packet counters belong to connections, so that their sum over an address falls whenever a connection is closed. A
//! rate is therefore computed for each connection from two readings, and then summed: a connection of both readings
//! counts with the increase of its counters, a new one with its whole counters. Packets of connections that were closed
//! between the readings are not counted: a rate is a lower bound.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::config::probes::AddressMask;
use crate::reply::cons::{Connection, ConnectionList};

/// The address of a client, or the network to which it is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientAddress {
    address: IpAddr,
    prefix: Option<u8>,
}

impl ClientAddress {
    /// An address, masked if there is a mask.
    #[must_use]
    pub fn new(address: IpAddr, mask: Option<AddressMask>) -> Self {
        let address = address.to_canonical();
        let Some(prefix) = mask.map(|mask| mask.prefix(address)) else { return Self { address, prefix: None } };
        let address = match address {
            IpAddr::V4(address) => {
                let hidden = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
                Ipv4Addr::from_bits(address.to_bits() & !hidden).into()
            }
            IpAddr::V6(address) => {
                let hidden = u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & !hidden).into()
            }
        };
        Self { address, prefix: Some(prefix) }
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix {
            None => write!(f, "{}", self.address),
            Some(prefix) => write!(f, "{}/{prefix}", self.address),
        }
    }
}

/// Totals of the connections of one client.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClientTotals {
    /// Connections, with and without a session.
    pub connections: u64,
    /// Connections with a session.
    pub sessions: u64,
    /// Requests without a reply.
    pub outstanding: u64,
    /// The longest latency of a request since the connection was opened, in milliseconds.
    pub max_latency_ms: u64,
    /// Packets received per second; `None` before the second reading.
    pub received_rate: Option<f64>,
    /// Packets sent per second; `None` before the second reading.
    pub sent_rate: Option<f64>,
}

impl ClientTotals {
    /// Adds the totals of other connections.
    pub fn add(&mut self, other: &Self) {
        self.connections = self.connections.saturating_add(other.connections);
        self.sessions = self.sessions.saturating_add(other.sessions);
        self.outstanding = self.outstanding.saturating_add(other.outstanding);
        self.max_latency_ms = self.max_latency_ms.max(other.max_latency_ms);
        for (rate, more) in [(&mut self.received_rate, other.received_rate), (&mut self.sent_rate, other.sent_rate)] {
            *rate = rate.map_or(more, |rate| Some(rate + more.unwrap_or(0.0)));
        }
    }
}

/// The clients of one member.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberClients {
    /// The member.
    pub member: Arc<str>,
    /// Totals by client.
    pub by_client: BTreeMap<ClientAddress, ClientTotals>,
    /// Connections that the member allows from one address to one of its ports (`maxClientCnxns`); `None` if there is no
    /// limit or it is unknown.
    pub limit: Option<u64>,
    /// The number of connections that the limit applies to: of one address to one port, and of a masked client the
    /// highest number of one of its addresses.
    pub limited: BTreeMap<ClientAddress, u64>,
}

impl MemberClients {
    /// Sums the connections of a member. `earlier` are the packet counters of an earlier reading, and the time since it.
    #[must_use]
    pub fn new(
        member: Arc<str>,
        list: &ConnectionList,
        limit: Option<u64>,
        mask: Option<AddressMask>,
        earlier: Option<(&PacketCounters, Duration)>,
    ) -> Self {
        let mut by_client: BTreeMap<ClientAddress, ClientTotals> = BTreeMap::new();
        let mut limited = BTreeMap::new();
        for port in &list.by_port {
            let mut by_address: BTreeMap<IpAddr, u64> = BTreeMap::new();
            for connection in port {
                let totals = totals(connection, earlier);
                by_client.entry(ClientAddress::new(connection.address, mask)).or_default().add(&totals);
                *by_address.entry(connection.address).or_default() += 1;
            }
            for (address, count) in by_address {
                let highest = limited.entry(ClientAddress::new(address, mask)).or_default();
                *highest = count.max(*highest);
            }
        }
        Self { member, by_client, limit: limit.filter(|limit| *limit > 0), limited }
    }

    /// The totals of all clients.
    #[must_use]
    pub fn total(&self) -> ClientTotals {
        let mut all = ClientTotals::default();
        self.by_client.values().for_each(|totals| all.add(totals));
        all
    }

    /// The share of the limit that each client uses; empty without a limit.
    pub fn limit_ratios(&self) -> impl Iterator<Item = (ClientAddress, f64)> {
        #[expect(clippy::cast_precision_loss, reason = "numbers of connections are small")]
        let ratio = |(client, count): (&ClientAddress, &u64)| Some((*client, *count as f64 / self.limit? as f64));
        self.limited.iter().filter_map(ratio)
    }
}

fn totals(connection: &Connection, earlier: Option<(&PacketCounters, Duration)>) -> ClientTotals {
    let rates = earlier.filter(|(_, passed)| !passed.is_zero()).map(|(counters, passed)| {
        let (received, sent) = counters.since(connection);
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 packets")]
        let rate = |packets: u64| packets as f64 / passed.as_secs_f64();
        (rate(received), rate(sent))
    });
    ClientTotals {
        connections: 1,
        sessions: u64::from(connection.session != 0),
        outstanding: connection.outstanding,
        max_latency_ms: connection.max_latency_ms,
        received_rate: rates.map(|(received, _)| received),
        sent_rate: rates.map(|(_, sent)| sent),
    }
}

/// The packet counters of the connections of one reading, about 40 bytes each.
#[derive(Clone, Debug, Default)]
pub struct PacketCounters {
    /// Sorted by key.
    by_connection: Vec<(ConnectionKey, (u64, u64))>,
}

/// Identifies a connection: a client may use a port again, but with another session.
type ConnectionKey = (IpAddr, u16, u64);

fn key(connection: &Connection) -> ConnectionKey {
    (connection.address, connection.port, connection.session)
}

impl PacketCounters {
    /// The counters of a reading.
    #[must_use]
    pub fn of(list: &ConnectionList) -> Self {
        let counters = |connection: &Connection| (key(connection), (connection.received, connection.sent));
        let mut by_connection: Vec<_> = list.by_port.iter().flatten().map(counters).collect();
        by_connection.sort_unstable();
        Self { by_connection }
    }

    /// Packets received and sent by a connection since this reading. Counters that fell were reset (`crst`).
    fn since(&self, connection: &Connection) -> (u64, u64) {
        let found = self.by_connection.binary_search_by_key(&key(connection), |(key, _)| *key);
        let (received, sent) = found.map_or((0, 0), |place| self.by_connection[place].1);
        let increase = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        (increase(connection.received, received), increase(connection.sent, sent))
    }
}

/// The clients of an ensemble at the last reading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clients {
    /// The members whose connections were read.
    pub members: Vec<MemberClients>,
}

impl Clients {
    /// Totals by client, over all members.
    #[must_use]
    pub fn by_client(&self) -> BTreeMap<ClientAddress, ClientTotals> {
        let mut all: BTreeMap<ClientAddress, ClientTotals> = BTreeMap::new();
        for (client, totals) in self.members.iter().flat_map(|member| &member.by_client) {
            all.entry(*client).or_default().add(totals);
        }
        all
    }
}

/// The largest values with their clients, largest first, and the other values.
#[derive(Clone, Debug, PartialEq)]
pub struct TopClients<T> {
    /// At most the requested number, without values of 0.
    pub top: Vec<(ClientAddress, T)>,
    /// All further values.
    pub others: Vec<T>,
}

impl<T: PartialOrd + Default + Copy> TopClients<T> {
    /// Selects at most `count` clients; of equal values, the lower address comes first.
    #[must_use]
    pub fn of(all: impl Iterator<Item = (ClientAddress, T)>, count: usize) -> Self {
        let mut all: Vec<(ClientAddress, T)> = all.filter(|(_, value)| *value > T::default()).collect();
        let order = |one: &T, other: &T| other.partial_cmp(one).unwrap_or(std::cmp::Ordering::Equal);
        all.sort_by(|(one, value), (other, more)| order(value, more).then(one.cmp(other)));
        let others = all.split_off(count.min(all.len())).into_iter().map(|(_, value)| value).collect();
        Self { top: all, others }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(address: &str, port: u16, session: u64, received: u64) -> Connection {
        let address = address.parse().expect("an address");
        Connection { address, port, session, outstanding: 1, received, sent: received + 1, max_latency_ms: 7 }
    }

    fn list(connections: &[Connection]) -> ConnectionList {
        ConnectionList { by_port: vec![connections.to_vec()] }
    }

    fn client(text: &str) -> ClientAddress {
        ClientAddress::new(text.parse().expect("an address"), None)
    }

    #[test]
    fn addresses_are_masked_and_mapped_ones_are_unified() {
        let shown = |text: &str, mask: Option<u8>| {
            let mask = mask.and_then(AddressMask::new);
            ClientAddress::new(text.parse().expect("an address"), mask).to_string()
        };
        for (text, mask, expected) in [
            ("10.1.2.3", None, "10.1.2.3"),
            ("::ffff:10.1.2.3", None, "10.1.2.3"),
            ("10.1.2.3", Some(24), "10.1.2.0/24"),
            ("::ffff:10.1.2.3", Some(24), "10.1.2.0/24"),
            ("10.1.2.3", Some(32), "10.1.2.3/32"),
            ("203.0.113.9", Some(1), "128.0.0.0/1"),
            ("2001:db8:1:2:3::4", None, "2001:db8:1:2:3::4"),
            ("2001:db8:1:2:3::4", Some(24), "2001:db8:1:2::/64"),
            ("2001:db8:1:2:3::4", Some(16), "2001:db8:1::/48"),
        ] {
            assert_eq!(shown(text, mask), expected, "{text} {mask:?}");
        }
    }

    #[test]
    fn connections_are_summed_by_client() {
        let all =
            list(&[connection("10.0.0.1", 1, 5, 9), connection("10.0.0.1", 2, 0, 1), connection("10.0.0.2", 1, 6, 3)]);
        let found = MemberClients::new("a:1".into(), &all, Some(4), None, None);
        let expected =
            ClientTotals { connections: 2, sessions: 1, outstanding: 2, max_latency_ms: 7, ..ClientTotals::default() };
        assert_eq!(found.by_client[&client("10.0.0.1")], expected);
        assert_eq!(found.total().connections, 3);
        let ratios: Vec<_> = found.limit_ratios().collect();
        assert_eq!(ratios, [(client("10.0.0.1"), 0.5), (client("10.0.0.2"), 0.25)]);
        let unlimited = MemberClients::new("a:1".into(), &all, Some(0), None, None);
        assert_eq!((unlimited.limit, unlimited.limit_ratios().count()), (None, 0));
    }

    #[test]
    fn the_limit_applies_to_one_address_at_one_port() {
        let (one, other) = (connection("10.0.0.1", 1, 5, 9), connection("10.0.0.2", 1, 6, 3));
        let both_ports = ConnectionList { by_port: vec![vec![one, one, other], vec![one, other, other]] };
        let mask = AddressMask::new(24);
        let found = MemberClients::new("a:1".into(), &both_ports, Some(10), mask, None);
        let network = ClientAddress::new(one.address, mask);
        assert_eq!(found.by_client[&network].connections, 6);
        assert_eq!(found.limited, BTreeMap::from([(network, 2)]));
    }

    #[test]
    fn a_closed_connection_does_not_lower_the_rate_of_its_client() {
        let before = PacketCounters::of(&list(&[
            connection("10.0.0.1", 1, 5, 1000),
            connection("10.0.0.1", 2, 6, 5000),
            connection("10.0.0.1", 3, 7, 800),
        ]));
        let now = list(&[
            // One continues, one was closed, one was reset, one is new at the port of another.
            connection("10.0.0.1", 1, 5, 1020),
            connection("10.0.0.1", 3, 7, 30),
            connection("10.0.0.1", 2, 8, 50),
        ]);
        let found = MemberClients::new("a:1".into(), &now, None, None, Some((&before, Duration::from_secs(10))));
        assert_eq!(found.by_client[&client("10.0.0.1")].received_rate, Some(10.0));
        let first = MemberClients::new("a:1".into(), &now, None, None, None);
        assert_eq!(first.by_client[&client("10.0.0.1")].received_rate, None, "one reading has no rate");
        let at_once = MemberClients::new("a:1".into(), &now, None, None, Some((&before, Duration::ZERO)));
        assert_eq!(at_once.by_client[&client("10.0.0.1")].received_rate, None);
    }

    #[test]
    fn clients_of_all_members_are_summed() {
        let member = |name: &str, received, earlier: Option<(&PacketCounters, Duration)>| {
            MemberClients::new(name.into(), &list(&[connection("10.0.0.1", 1, 5, received)]), None, None, earlier)
        };
        let nothing = PacketCounters::default();
        let second = Duration::from_secs(1);
        let clients = Clients { members: vec![member("a:1", 3, Some((&nothing, second))), member("b:1", 4, None)] };
        let totals = clients.by_client()[&client("10.0.0.1")];
        assert_eq!((totals.connections, totals.max_latency_ms, totals.received_rate), (2, 7, Some(3.0)));
    }

    #[test]
    fn the_largest_values_come_first_and_zeros_are_omitted() {
        let all = [("10.0.0.3", 5_u64), ("10.0.0.2", 5), ("10.0.0.1", 0), ("10.0.0.4", 9), ("10.0.0.5", 1)];
        let found = TopClients::of(all.iter().map(|(address, value)| (client(address), *value)), 2);
        assert_eq!(found.top, [(client("10.0.0.4"), 9), (client("10.0.0.2"), 5)]);
        assert_eq!(found.others, [5, 1]);
    }
}

//! One query to one member, a command or a request to its AdminServer: returns the bytes or a failure, within one
//! absolute deadline and a byte limit.
//!
//! A reply ends with the connection (`ServerCnxn.cleanupWriterSocket`); it has neither a length nor a terminator. A
//! command has exactly four bytes: some servers reset the connection if they receive more.

mod client;
mod failure;
mod handshake;
mod http;
mod names;
mod peer;
mod reply_budget;
mod resolver;
mod timed;
mod tls;
mod verifier;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

pub use client::{Client, Stream};
pub use failure::{CONNECTION_REFUSED, Failure, Limit, Reason};
use names::Fallback;
pub use peer::PeerCertificate;
pub use resolver::max_lookups;
pub use timed::TimedStream;
pub use tls::unverified as unverified_tls;

use crate::config::Address;

/// The result of one query: the bytes received, and the failure, if any.
#[derive(Debug, Default)]
pub struct Exchange {
    /// All received bytes, even of an incomplete reply.
    pub bytes: Vec<u8>,
    /// `None` if the member closed the connection after at least one byte.
    pub failure: Option<Failure>,
    /// Duration of the TCP connect and the TLS handshake, if both succeeded.
    pub connect: Option<Duration>,
    /// The certificates presented by the member, with its own first.
    pub certificates: Vec<PeerCertificate>,
    /// At a timeout, the time since which the member could have replied.
    pub unanswered_since: Option<Instant>,
}

impl Exchange {
    /// The result of a query that did not reach the member.
    #[must_use]
    pub fn failed(failure: Failure) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }
}

/// Maximum number of addresses of a member's name; with more, each attempt would have too little time.
const MAX_ADDRESSES: usize = 8;

/// Maximum number of addresses of a name with several members; more than a DNS message over TCP can hold.
const MAX_MEMBER_ADDRESSES: usize = 4096;

/// The socket addresses of a member.
///
/// # Errors
/// `dns` if the name has no address, or if the resolver did not respond before the deadline.
pub async fn resolve(address: &Address, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
    lookup(address.host(), address.port(), deadline).await
}

/// All addresses of a name whose addresses are separate members, in numerical order.
///
/// # Errors
/// As for [`resolve`].
pub async fn resolve_all(address: &Address, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
    let mut found =
        lookup_up_to(MAX_MEMBER_ADDRESSES, address.host(), address.port(), Fallback::None, deadline).await?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

async fn lookup(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
    lookup_up_to(MAX_ADDRESSES, host, port, Fallback::Earlier, deadline).await
}

async fn lookup_up_to(
    max: usize,
    host: &str,
    port: u16,
    fallback: Fallback,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, Failure> {
    // IP addresses need no lookup, which would occupy a thread.
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let found = names::lookup(host, fallback, deadline).await?;
    let mut addresses: Vec<SocketAddr> = found.iter().take(max).copied().collect();
    for address in &mut addresses {
        address.set_port(port);
    }
    Ok(addresses)
}

/// Tries the addresses one after the other, each with its share of the remaining time.
///
/// If the exporter lacked the resources to try an address that might have worked, the failure is a limit.
async fn connect(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Exchange> {
    let begun = Instant::now();
    let mut last: Option<Exchange> = None;
    let weight = |exchange: &Exchange| exchange.failure.as_ref().map(Failure::weight);
    for (tried, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let shares = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let failed = match timeout_at(Instant::now() + left / shares, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => Exchange::failed(not_connected(*address, &error)),
            Err(_) => Exchange {
                unanswered_since: Some(begun),
                ..Exchange::failed(Failure::new(
                    Reason::Connect,
                    format!("{address}: no answer to the connect in time"),
                ))
            },
        };
        if last.as_ref().is_none_or(|last| weight(&failed) >= weight(last)) {
            last = Some(failed);
        }
    }
    Err(last.unwrap_or_else(|| Exchange::failed(Failure::new(Reason::Connect, "no address to connect to"))))
}

/// The failure for a connect error: refused by the member, reset by it, or a limit of the exporter.
fn not_connected(address: SocketAddr, error: &io::Error) -> Failure {
    // A member that refuses gives ECONNREFUSED. These two mean that it accepted and closed before the result was read.
    if matches!(Errno::from_io_error(error), Some(Errno::CONNRESET | Errno::PIPE)) {
        return Failure::new(Reason::Reset, format!("{address}: connected, and reset immediately: {error}"));
    }
    let limit = match Errno::from_io_error(error) {
        Some(Errno::ADDRNOTAVAIL) if has_source(address) => Some(Limit::Ports),
        _ => Limit::of(error),
    };
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return Failure::new(Reason::Connect, format!("{address}: {CONNECTION_REFUSED}"));
    }
    let advice = match limit {
        None if matches!(Errno::from_io_error(error), Some(Errno::PERM | Errno::ACCESS)) => {
            let by = "refused by a firewall or sandbox of this host, or by the network";
            return Failure::new(Reason::Connect, format!("{address}: {error}; {by}"));
        }
        None => return Failure::new(Reason::Connect, format!("{address}: {error}")),
        Some(Limit::Files) => "raise the limit of open files (ulimit -n, LimitNOFILE) or lower --limit.sockets",
        Some(Limit::Family) => {
            "this host has no sockets of this address family: enable it (IPv6, RestrictAddressFamilies of the service)"
        }
        Some(Limit::Ports) => "no local port is free: widen net.ipv4.ip_local_port_range or scrape less often",
        Some(_) => "the kernel has no memory for a socket",
    };
    Failure::limited(limit.unwrap_or(Limit::Memory), format!("{address}: {error}; {advice}"))
}

/// Whether this host has a source address for the target. If so, the local ports are exhausted.
fn has_source(address: SocketAddr) -> bool {
    let any = match address {
        SocketAddr::V4(_) => IpAddr::from([0; 4]),
        SocketAddr::V6(_) => IpAddr::from([0; 16]),
    };
    // Connecting a UDP socket sends no packet: the kernel only selects a route and a source address.
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect(address)).is_ok()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::{Command, Module};

    #[tokio::test]
    async fn a_member_that_accepts_and_resets_is_not_a_refused_connect() {
        let address = SocketAddr::from(([127, 0, 0, 1], 2181));
        for errno in [Errno::CONNRESET, Errno::PIPE] {
            assert_eq!(not_connected(address, &errno.into()).reason, Reason::Reset);
        }
        assert_eq!(not_connected(address, &Errno::CONNREFUSED.into()).reason, Reason::Connect);
        // The network may refuse a dead member in this way.
        for errno in [Errno::PERM, Errno::ACCESS] {
            assert_eq!(not_connected(address, &errno.into()).reason, Reason::Connect);
        }
        // Without the address family the state is unknown, unless another address failed.
        let unsupported = not_connected(address, &Errno::AFNOSUPPORT.into());
        assert_eq!((unsupported.reason, unsupported.limit), (Reason::Limit, Some(Limit::Family)));
        assert!(unsupported.weight() < not_connected(address, &Errno::CONNREFUSED.into()).weight());

        // As ZooKeeper does above maxClientCnxns.
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_zero_linger();
            }
        });
        let client = Client::new(&Module::default());
        for _ in 0..100 {
            let deadline = Instant::now() + Duration::from_secs(5);
            let exchange = client.ask("127.0.0.1", &[address], Command::Mntr, deadline, 1000).await;
            let failure = exchange.failure.expect("no reply");
            assert!(matches!(failure.reason, Reason::Reset | Reason::Empty), "{failure:?}");
            assert!(failure.detail.ends_with("is maxClientCnxns reached?"), "{failure:?}");
        }
    }
}

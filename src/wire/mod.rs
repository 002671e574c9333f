//! Ask one member one thing, a command or the AdminServer's `monitor`: bytes or a reason, under one absolute deadline
//! and a byte cap.
//!
//! The end of a reply is the end of the connection (`ServerCnxn.cleanupWriterSocket`); there is no
//! length and no terminator. A command is exactly its four bytes: some servers answer a reset to more.

mod admin;
mod client;
mod failure;
mod handshake;
mod names;
mod peer;
mod resolver;
mod tls;
mod verifier;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

pub use client::{Client, Stream};
pub use failure::{Failure, Limit, Reason};
use names::Fallback;
pub use peer::PeerCertificate;
pub use resolver::max_lookups;
pub use tls::unverified as unverified_tls;

use crate::config::Address;

/// What came of one question: the bytes that arrived, and why it stopped short where it did.
#[derive(Debug, Default)]
pub struct Exchange {
    /// All that was read, also of a reply that failed half-way.
    pub bytes: Vec<u8>,
    /// Absent when the member closed the connection after at least one byte.
    pub failure: Option<Failure>,
    /// Time of the TCP connect, and of the TLS handshake where there is one, where both succeeded.
    pub connect: Option<Duration>,
    /// The certificates that the member showed, its own first.
    pub certificates: Vec<PeerCertificate>,
    /// Where the deadline ended it: the moment since which the member could have answered.
    pub unanswered_since: Option<Instant>,
}

impl Exchange {
    /// A question that never reached the member.
    #[must_use]
    pub fn failed(failure: Failure) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }
}

/// A name with more addresses than this is cut: the rest would never get its turn.
const MAX_ADDRESSES: usize = 8;

/// More than a whole message over TCP holds.
const MOST_ADDRESSES: usize = 4096;

/// The socket addresses of a member.
///
/// # Errors
/// `dns` when the name has none, or the resolver did not answer before the deadline.
pub async fn resolve(address: &Address, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
    lookup(address.host(), address.port(), deadline).await
}

/// Every address of a name whose addresses are members of their own, in the order of the numbers.
///
/// # Errors
/// As [`resolve`].
pub async fn resolve_all(address: &Address, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
    let mut found = lookup_up_to(MOST_ADDRESSES, address.host(), address.port(), Fallback::None, deadline).await?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

async fn lookup(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
    lookup_up_to(MAX_ADDRESSES, host, port, Fallback::Earlier, deadline).await
}

async fn lookup_up_to(
    most: usize,
    host: &str,
    port: u16,
    fallback: Fallback,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, Failure> {
    // Numbers need no resolver, which would occupy a thread.
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let found = names::lookup(host, fallback, deadline).await?;
    let mut addresses: Vec<SocketAddr> = found.iter().take(most).copied().collect();
    for address in &mut addresses {
        address.set_port(port);
    }
    Ok(addresses)
}

/// Tries the addresses in turn, each with its share of the time that is left.
///
/// An address that the exporter had no means to try might have answered: then the failure is a limit.
async fn connect(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Exchange> {
    let begun = Instant::now();
    let mut last = Exchange::failed(Failure::new(Reason::Connect, "no address to connect to"));
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
        if last.failure.as_ref().is_none_or(|failure| failure.limit.is_none()) {
            last = failed;
        }
    }
    Err(last)
}

/// Whether the member refused, or the exporter had no means to ask.
fn not_connected(address: SocketAddr, error: &io::Error) -> Failure {
    let limit = match Errno::from_io_error(error) {
        Some(Errno::ADDRNOTAVAIL) if has_source(address) => Some(Limit::Ports),
        _ => Limit::of(error),
    };
    let advice = match limit {
        None => return Failure::new(Reason::Connect, format!("{address}: {error}")),
        Some(Limit::Files) => "raise the limit of open files (ulimit -n, LimitNOFILE) or lower --limit.sockets",
        Some(Limit::Ports) => "no local port is free: widen net.ipv4.ip_local_port_range or scrape less often",
        Some(_) => "the kernel has no memory for a socket",
    };
    Failure::limited(limit.unwrap_or(Limit::Memory), format!("{address}: {error}; {advice}"))
}

/// Whether this host has an address from which the other can be reached: then it is the ports that ran out.
fn has_source(address: SocketAddr) -> bool {
    let any = match address {
        SocketAddr::V4(_) => IpAddr::from([0; 4]),
        SocketAddr::V6(_) => IpAddr::from([0; 16]),
    };
    // Connecting a datagram socket sends nothing: the kernel only looks for a route and a source address.
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect(address)).is_ok()
}

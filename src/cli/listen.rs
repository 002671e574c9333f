//! `--web.listen-address`: `:9141`, `127.0.0.1:9141`, `[::1]:9141`, `host:9141`.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net::TcpListener;

/// What the kernel keeps of a page for a client at most: with the megabytes it would grow to by itself, a client that
/// reads steadily but slowly seems to take nothing for seconds.
const SEND_BUFFER: usize = 192 << 10;

/// Checks the form; the name is resolved when it is bound.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(_)) => Ok(text.to_owned()),
        _ => Err("write ADDRESS:PORT or :PORT, for example :9141 or 127.0.0.1:9141".to_owned()),
    }
}

/// Binds one address, or says why it cannot be bound now.
pub(super) async fn bind(text: &str) -> Result<TcpListener, String> {
    let bound = match text.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()) {
        Some(port) => bind_any(port).await,
        None => TcpListener::bind(text).await,
    };
    if let Ok(listener) = &bound {
        // Only a hint to the kernel.
        let _ = set_socket_send_buffer_size(listener, SEND_BUFFER);
    }
    bound.map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "the address is in use; stop what listens there, or choose another port".to_owned()
            }
            io::ErrorKind::PermissionDenied => "no permission; choose a port above 1023".to_owned(),
            io::ErrorKind::AddrNotAvailable => {
                "this host does not have that address; write one it has, or :PORT for all".to_owned()
            }
            _ => error.to_string(),
        };
        format!("--web.listen-address: cannot listen on {text}: {why}")
    })
}

/// All addresses of the host: both families where the kernel has IPv6, else IPv4.
async fn bind_any(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await {
        Err(error) if !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {
            TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await
        }
        bound => bound,
    }
}

/// Where a client on this host reaches what listens on `text`.
pub(super) fn reachable(text: &str) -> io::Result<Vec<SocketAddr>> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port = port.parse().map_err(|_| io::Error::other("no port"))?;
    let local = [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))];
    if matches!(host, "" | "0.0.0.0" | "[::]") { Ok(local.to_vec()) } else { Ok(text.to_socket_addrs()?.collect()) }
}

//! `--web.listen-address`: `:9141`, `127.0.0.1:9141`, `[::1]:9141` or `host:9141`.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use listenfd::ListenFd;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net::TcpListener;

/// Send buffer of a connection. The kernel default of several megabytes hides the progress of a slow but steady client
/// for seconds, and it would look stalled.
const SEND_BUFFER: usize = 192 << 10;

/// Checks the syntax; the host name is resolved when the address is bound.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(_)) => Ok(text.to_owned()),
        _ => Err("expected ADDRESS:PORT or :PORT, e.g. :9141 or 127.0.0.1:9141".to_owned()),
    }
}

/// Binds one address.
pub(super) async fn bind(text: &str) -> Result<TcpListener, String> {
    let bound = match text.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()) {
        Some(port) => bind_any(port).await,
        None => TcpListener::bind(text).await,
    };
    if let Ok(listener) = &bound {
        // An optimisation; a failure is harmless.
        let _ = set_socket_send_buffer_size(listener, SEND_BUFFER);
    }
    bound.map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "the address is in use: stop the process that listens there, or choose another port".to_owned()
            }
            io::ErrorKind::PermissionDenied => "permission denied: choose a port above 1023".to_owned(),
            io::ErrorKind::AddrNotAvailable => {
                "this host does not have that address: expected one of its addresses, or :PORT for all".to_owned()
            }
            _ => error.to_string(),
        };
        format!("--web.listen-address: cannot listen on {text}: {why}")
    })
}

/// The listening sockets that systemd passes (`LISTEN_FDS`).
pub(super) fn passed() -> Result<Vec<TcpListener>, String> {
    let mut passed = ListenFd::from_env();
    if passed.len() == 0 {
        return Err("no socket was passed: expected a start by a .socket unit, which sets LISTEN_FDS".to_owned());
    }
    (0..passed.len()).map(|place| listener(&mut passed, place)).collect()
}

fn listener(passed: &mut ListenFd, place: usize) -> Result<TcpListener, String> {
    let wrong = |why: &str| format!("socket {place} cannot be used: {why}: expected ListenStream= with a TCP port");
    let socket = passed.take_tcp_listener(place).map_err(|error| wrong(&error.to_string()))?;
    let socket = socket.ok_or_else(|| wrong("it was not passed"))?;
    socket.set_nonblocking(true).map_err(|error| wrong(&error.to_string()))?;
    // An optimisation; a failure is harmless.
    let _ = set_socket_send_buffer_size(&socket, SEND_BUFFER);
    TcpListener::from_std(socket).map_err(|error| wrong(&error.to_string()))
}

/// Binds the port on all addresses: both families if the kernel supports IPv6, else IPv4.
async fn bind_any(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await {
        Err(error) if !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {
            TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await
        }
        bound => bound,
    }
}

/// The addresses at which a client on this host reaches a listener bound to `text`.
pub(super) fn reachable(text: &str) -> io::Result<Vec<SocketAddr>> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port = port.parse().map_err(|_| io::Error::other("no port"))?;
    let local = [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))];
    if matches!(host, "" | "0.0.0.0" | "[::]") { Ok(local.to_vec()) } else { Ok(text.to_socket_addrs()?.collect()) }
}

//! The client's connections end here, and `wire` carries them on to the members.
//!
//! The client crate brings its own TLS, with a second crypto library and without `server_name`, reloaded files or the
//! system's CAs, and takes whatever a member sends. Instead it connects to a port of this process on loopback. Where
//! there is TLS, that takes connections of this very process only, so that no other user of the host comes in the
//! exporter's name; without, whoever can come here can go there.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use procfs::process::{FDTarget, Process};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};

use super::{Trouble, relay};
use crate::config::Address;
use crate::wire;

/// A session has one connection at a time, and while it moves, two.
const MOST_CONNECTIONS: usize = 4;

/// Most time for connect and handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// A port for each member; all ends with it.
#[derive(Debug)]
pub(super) struct Tunnels {
    ports: Vec<SocketAddr>,
    _tasks: JoinSet<()>,
}

impl Tunnels {
    /// Ports for the connections of a session that is asked for with this timeout. `turn` counts the sessions: of a name
    /// with several addresses, each connection begins with the next, for the first may be that of a member that is
    /// connected to and then silent.
    pub(super) async fn open(
        client: &Arc<wire::Client>,
        members: &[Address],
        timeout: Duration,
        turn: usize,
    ) -> Result<Self, Trouble> {
        let (mut ports, mut tasks) = (Vec::with_capacity(members.len()), JoinSet::new());
        for member in members {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|_| Trouble::Connect)?;
            let port = listener.local_addr().map_err(|_| Trouble::Connect)?;
            ports.push(port);
            let way = Way { port, client: Arc::clone(client), member: member.clone(), timeout, turn };
            tasks.spawn(serve(listener, way));
        }
        Ok(Self { ports, _tasks: tasks })
    }

    /// What the client connects to.
    pub(super) fn servers(&self) -> String {
        self.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

/// From a port to a member.
#[derive(Clone, Debug)]
struct Way {
    port: SocketAddr,
    client: Arc<wire::Client>,
    member: Address,
    timeout: Duration,
    turn: usize,
}

async fn serve(listener: TcpListener, mut way: Way) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of descriptors: a pause, not a loop.
            sleep(Duration::from_secs(1)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        if connections.len() < MOST_CONNECTIONS {
            connections.spawn(carry(stream, peer, way.clone()));
            way.turn = way.turn.wrapping_add(1);
        }
    }
}

async fn carry(near: TcpStream, peer: SocketAddr, way: Way) {
    let Way { port, client, member, timeout, turn } = way;
    if client.has_tls() && !spawn_blocking(move || is_ours(peer, port)).await.unwrap_or(false) {
        tracing::warn!(%peer, "another process came to the port of a TLS session and was turned away");
        return;
    }
    let deadline = Instant::now() + PATIENCE;
    let far = match wire::resolve(&member, deadline).await {
        Ok(mut addresses) => {
            let first = turn % addresses.len().max(1);
            addresses.rotate_left(first);
            client.connect(member.host(), &addresses, deadline).await
        }
        Err(failure) => Err(failure),
    };
    match far {
        Ok(far) => {
            let _ = near.set_nodelay(true);
            // How it ends, the client sees for itself; only a lie is nothing it would tell.
            if let Err(error) = relay::carry(near, far, timeout).await
                && error.kind() == ErrorKind::InvalidData
            {
                tracing::warn!(%member, "a session's connection was ended: {error}");
            }
        }
        Err(failure) => tracing::debug!(%member, reason = failure.reason.text(), "session: {}", failure.detail),
    }
}

/// Whether the other end of a loopback connection is a socket of this process.
fn is_ours(peer: SocketAddr, port: SocketAddr) -> bool {
    let Ok(entries) = procfs::net::tcp() else { return false };
    let end = entries.iter().find(|entry| entry.local_address == peer && entry.remote_address == port);
    let Some(inode) = end.map(|entry| entry.inode) else { return false };
    let Ok(fds) = Process::myself().and_then(|me| me.fd()) else { return false };
    fds.flatten().any(|fd| matches!(fd.target, FDTarget::Socket(open) if open == inode))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;

    use super::is_ours;

    #[test]
    fn only_this_process_gets_in() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address");
        let near = TcpStream::connect(port).expect("a connection");
        assert!(is_ours(near.local_addr().expect("its address"), port));
        let (_, _) = listener.accept().expect("the first");

        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{} && read -r -t 20 <&3", port.port());
        let mut stranger = Command::new("bash").args(["-c", &script]).spawn().expect("bash");
        let (_, peer) = listener.accept().expect("the stranger");
        assert!(!is_ours(peer, port));
        let _ = stranger.kill();
        let _ = stranger.wait();
    }
}

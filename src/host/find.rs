//! Finds the process of a member by the socket that listens at its address.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use procfs::ProcError;
use procfs::net::{TcpNetEntry, TcpState, tcp, tcp6};
use procfs::process::{FDTarget, Process, all_processes};

use super::HostFailure;

/// A process. The start time distinguishes it from a later process with the same pid.
#[derive(Debug)]
pub(super) struct MemberProcess {
    pub(super) process: Process,
    started: u64,
}

impl MemberProcess {
    /// Whether the process is running. Reads one file in `/proc`.
    pub(super) fn lives(&self) -> bool {
        Process::new(self.process.pid()).and_then(|process| process.stat()).is_ok_and(|stat| {
            // A zombie has neither open files nor usage figures.
            stat.starttime == self.started && stat.state != 'Z'
        })
    }
}

/// Finds the process that listens at one of the addresses; `Ok(None)` if none of them belongs to this host.
pub(super) fn find(addresses: &[SocketAddr]) -> Result<Option<MemberProcess>, HostFailure> {
    let mut local = false;
    for address in addresses {
        let Some(inode) = listener(*address)? else {
            local |= is_local(address.ip());
            continue;
        };
        return owner(inode).map(Some);
    }
    if local { Err(HostFailure::NoListener) } else { Ok(None) }
}

/// The inode of the listening socket at an address of this host.
fn listener(address: SocketAddr) -> Result<Option<u64>, HostFailure> {
    let at_port = |entry: &TcpNetEntry| entry.state == TcpState::Listen && entry.local_address.port() == address.port();
    // The file does not exist if the kernel has no IPv6.
    let all = tcp().map_err(|_| HostFailure::Proc)?.into_iter().chain(tcp6().unwrap_or_default());
    let entries: Vec<(IpAddr, u64)> =
        all.filter(at_port).map(|entry| (entry.local_address.ip().to_canonical(), entry.inode)).collect();
    let wanted = address.ip().to_canonical();
    if let Some((_, inode)) = entries.iter().find(|(ip, _)| *ip == wanted) {
        return Ok(Some(*inode));
    }
    let anywhere = entries.iter().find(|(ip, _)| ip.is_unspecified());
    Ok(anywhere.filter(|_| is_local(wanted)).map(|(_, inode)| *inode))
}

/// Whether the address belongs to this host.
fn is_local(ip: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok()
}

/// The process that owns the socket.
fn owner(inode: u64) -> Result<MemberProcess, HostFailure> {
    let mut hidden = false;
    for process in all_processes().map_err(|_| HostFailure::Proc)?.flatten() {
        let fds = match process.fd() {
            Ok(fds) => fds,
            Err(error) => {
                hidden |= matches!(error, ProcError::PermissionDenied(_));
                continue;
            }
        };
        if fds.flatten().any(|fd| matches!(fd.target, FDTarget::Socket(open) if open == inode)) {
            return accept(process);
        }
    }
    // No visible owner: the socket was just closed, or belongs to a process of another user.
    Err(if hidden { HostFailure::NoPermission } else { HostFailure::NoListener })
}

/// Accepts ZooKeeper only: a published port of a container belongs to a proxy, whose CPU and memory usage is not
/// ZooKeeper's.
fn accept(process: Process) -> Result<MemberProcess, HostFailure> {
    const NAMES: [&str; 4] = ["java", "zookeeper", "keeper", "clickhouse"];
    let words = process.cmdline().map_err(|_| HostFailure::NoPermission)?;
    let named = words.iter().any(|word| {
        let word = word.to_ascii_lowercase();
        NAMES.iter().any(|name| word.contains(name))
    });
    if !named {
        return Err(HostFailure::NotZooKeeper);
    }
    let started = process.stat().map_err(|_| HostFailure::NoListener)?.starttime;
    Ok(MemberProcess { process, started })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_stranger_on_the_port_is_not_taken_for_zookeeper() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        // The test process listens; it is not ZooKeeper unless its path contains the name.
        let found = find(&[address]);
        let path_says_so = std::env::args().any(|word| word.contains("zookeeper"));
        match found {
            Ok(Some(found)) if path_says_so => {
                assert_eq!(u32::try_from(found.process.pid()), Ok(std::process::id()));
                assert!(found.lives());
            }
            other => assert_eq!(other.map(|_| ()), Err(HostFailure::NotZooKeeper)),
        }
    }

    #[test]
    fn elsewhere_is_no_failure_and_a_free_port_is() {
        let far: SocketAddr = "192.0.2.1:2181".parse().expect("an address");
        assert!(matches!(find(&[far]), Ok(None)));
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        assert_eq!(find(&[free]).map(|_| ()), Err(HostFailure::NoListener));
    }
}

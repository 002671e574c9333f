//! The process of a member that runs on this host, and the disks it writes to: what the kernel says of them.

mod dirs;
mod find;
mod process;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use find::Found;

pub use dirs::{Dir, DirFigures};
pub use process::ProcessFigures;

/// What was read of one member that runs on this host.
#[derive(Clone, Debug, Default)]
pub struct HostReading {
    /// Its process, as far as the kernel lets it be seen.
    pub process: Option<ProcessFigures>,
    /// Its directories.
    pub dirs: Vec<DirFigures>,
    /// Why something is missing.
    pub failure: Option<HostFailure>,
}

impl HostReading {
    fn failed(failure: HostFailure) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }
}

/// The values of the label `reason` of `zk_host_failure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostFailure {
    /// The address is this host's, but no process listens at the port.
    NoListener,
    /// A process listens, but the exporter has no permission to see which.
    NoPermission,
    /// The one who listens is not ZooKeeper: a proxy, for example.
    NotZooKeeper,
    /// `/proc` could not be read.
    Proc,
    /// A disk or `/proc` did not answer in time.
    Timeout,
}

impl HostFailure {
    /// The value of the label.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoListener => "no_listener",
            Self::NoPermission => "no_permission",
            Self::NotZooKeeper => "not_zookeeper",
            Self::Proc => "proc",
            Self::Timeout => "timeout",
        }
    }
}

/// Reads one member; remembers its process and a reading that has not come back.
#[derive(Debug, Default)]
pub struct Watch {
    found: Arc<Mutex<Option<Found>>>,
    pending: Mutex<Option<JoinHandle<Option<HostReading>>>>,
}

impl Watch {
    /// The reading; `None` where the member does not run on this host.
    ///
    /// `dirs` are its directories where `conf` named them. A disk that hangs (NFS) holds one thread at most: until it
    /// answers, no second reading is begun.
    pub async fn read(
        &self,
        addresses: &[SocketAddr],
        dirs: Vec<(Dir, PathBuf)>,
        deadline: Instant,
    ) -> Option<HostReading> {
        let mut reading = self.take_pending().unwrap_or_else(|| {
            let (found, addresses) = (Arc::clone(&self.found), addresses.to_vec());
            spawn_blocking(move || read(&found, &addresses, dirs))
        });
        match timeout_at(deadline, &mut reading).await {
            Ok(Ok(reading)) => reading,
            Ok(Err(error)) => {
                tracing::error!(%error, "reading /proc panicked");
                Some(HostReading::failed(HostFailure::Proc))
            }
            Err(_) => {
                *self.pending.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
                Some(HostReading::failed(HostFailure::Timeout))
            }
        }
    }

    fn take_pending(&self) -> Option<JoinHandle<Option<HostReading>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn read(found: &Mutex<Option<Found>>, addresses: &[SocketAddr], dirs: Vec<(Dir, PathBuf)>) -> Option<HostReading> {
    let mut known = found.lock().unwrap_or_else(PoisonError::into_inner);
    if !known.as_ref().is_some_and(Found::lives) {
        *known = match find::find(addresses) {
            Ok(found) => Some(found?),
            Err(failure) => {
                *known = None;
                return Some(HostReading::failed(failure));
            }
        };
    }
    let found = known.as_ref()?;
    match process::figures(found) {
        // It ended while it was read: the next scrape looks for its successor.
        Err(_) if !found.lives() => Some(HostReading::failed(HostFailure::NoListener)),
        Err(failure) => Some(HostReading::failed(failure)),
        Ok(process) => {
            let dirs = if dirs.is_empty() { dirs::of_process(found) } else { dirs };
            Some(HostReading { dirs: dirs::figures(found, dirs), process: Some(process), failure: None })
        }
    }
}

//! The process and the disks of a member that runs on this host, as reported by the kernel.

mod dirs;
mod find;
mod process;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use find::MemberProcess;

pub use dirs::{Dir, DirFigures};
pub use process::ProcessFigures;

/// Process and directory figures of a member.
#[derive(Clone, Debug, Default)]
pub struct HostReading {
    /// The process, as far as it is visible.
    pub process: Option<ProcessFigures>,
    /// The data and log directories.
    pub dirs: Vec<DirFigures>,
    /// Why figures are missing, if any are.
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
    /// The address belongs to this host, but no process listens at the port.
    NoListener,
    /// A process listens, but the exporter has no permission to identify it.
    NoPermission,
    /// The listening process is not ZooKeeper, e.g. a proxy.
    NotZooKeeper,
    /// `/proc` could not be read.
    Proc,
    /// A disk or `/proc` did not respond in time.
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

/// Reads one member. Remembers its process and a reading that has not finished.
#[derive(Debug, Default)]
pub struct HostReader {
    found: Arc<Mutex<Option<MemberProcess>>>,
    pending: Mutex<Option<JoinHandle<Option<HostReading>>>>,
}

impl HostReader {
    /// Reads the figures; `None` if the member does not run on this host.
    ///
    /// `dirs` are the directories from `conf`, if known. A hanging disk (NFS) blocks at most one thread: no further
    /// reading starts until the first one has finished.
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

fn read(
    found: &Mutex<Option<MemberProcess>>,
    addresses: &[SocketAddr],
    dirs: Vec<(Dir, PathBuf)>,
) -> Option<HostReading> {
    let mut known = found.lock().unwrap_or_else(PoisonError::into_inner);
    if !known.as_ref().is_some_and(MemberProcess::lives) {
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
        // The process ended during the reading; the next scrape finds its successor.
        Err(_) if !found.lives() => Some(HostReading::failed(HostFailure::NoListener)),
        Err(failure) => Some(HostReading::failed(failure)),
        Ok(process) => {
            let dirs = if dirs.is_empty() { dirs::of_process(found) } else { dirs };
            Some(HostReading { dirs: dirs::figures(found, dirs), process: Some(process), failure: None })
        }
    }
}

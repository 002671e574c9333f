//! One lookup with the system resolver, on a separate thread.
//!
//! The blocking pool of the runtime is not used: reading files and verifying passwords need it as well, and it panics
//! if the system refuses a thread.

use std::fs::File;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::{fmt, io, thread};

use rustix::process::{Resource, getrlimit};
use tokio::sync::oneshot;

use super::Limit;

/// Maximum number of concurrent lookups; each one may open files and sockets.
const MAX_LOOKUPS: usize = 384;

/// One in this number of file descriptors is reserved for lookups.
const DESCRIPTORS_PER_LOOKUP: u64 = 16;

/// Stack size of a lookup thread; `getaddrinfo` needs some tens of kilobytes.
const STACK_BYTES: usize = 256 << 10;

/// A function that looks up a name.
pub(super) type LookupFn = fn(&str) -> io::Result<Vec<SocketAddr>>;

/// The result of a lookup.
pub(super) type LookupResult = Result<Arc<[SocketAddr]>, Arc<LookupError>>;

/// Why a lookup failed.
#[derive(Debug)]
pub(super) enum LookupError {
    /// The resolver returned an error.
    Resolver(io::Error),
    /// The exporter lacked the resources for the lookup.
    Limited(Limit, io::Error),
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolver(error) => write!(f, "the name does not resolve: {error}"),
            Self::Limited(Limit::Threads, error) => {
                write!(f, "no thread for the resolver: {error}; raise the limit of processes (ulimit -u, TasksMax)")
            }
            Self::Limited(_, error) => {
                write!(
                    f,
                    "the resolver is not available: {error}; raise the limit of open files (ulimit -n, LimitNOFILE)"
                )
            }
        }
    }
}

impl LookupError {
    /// Whether the resolver failed, and not the name (`EAI_AGAIN`, for which the standard library has no error kind).
    pub(super) fn is_temporary(error: &io::Error) -> bool {
        let text = error.to_string();
        text.contains("Temporary failure") || text.contains("Try again")
    }
}

/// Maximum number of concurrent lookups for the current limit of open files.
#[must_use]
pub fn max_lookups() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files / DESCRIPTORS_PER_LOOKUP).unwrap_or(MAX_LOOKUPS).clamp(4, MAX_LOOKUPS)
}

pub(super) fn by_system(host: &str) -> io::Result<Vec<SocketAddr>> {
    (host, 0).to_socket_addrs().map(Iterator::collect).map_err(|error| {
        // Without a free descriptor, the resolver may report that the name does not exist.
        File::open("/dev/null").err().filter(|reason| Limit::of(reason) == Some(Limit::Files)).unwrap_or(error)
    })
}

/// Runs a lookup on a separate thread.
pub(super) async fn on_thread(find: LookupFn, host: Arc<str>) -> LookupResult {
    let (sender, found) = oneshot::channel();
    let run = move || {
        // A dropped receiver is not an error.
        let _ = sender.send(find(&host));
    };
    let started = thread::Builder::new().name("lookup".to_owned()).stack_size(STACK_BYTES).spawn(run);
    let found = match started {
        Ok(_) => found.await.unwrap_or_else(|_| Err(io::Error::other("the lookup panicked"))),
        Err(error) => return Err(Arc::new(LookupError::Limited(Limit::Threads, error))),
    };
    found.map(Arc::from).map_err(|error| {
        Arc::new(match Limit::of(&error) {
            Some(limit) => LookupError::Limited(limit, error),
            None => LookupError::Resolver(error),
        })
    })
}

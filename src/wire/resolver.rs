//! One name asked of the system's resolver, on a thread of its own.
//!
//! The pool of the runtime is also needed for files and passwords, and panics where the system refuses it a thread.

use std::fs::File;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::{fmt, io, thread};

use rustix::process::{Resource, getrlimit};
use tokio::sync::oneshot;

use super::Limit;

/// Lookups at once; a lookup may open files and sockets of its own.
const MAX_LOOKUPS: usize = 384;

/// One descriptor in so many is for lookups.
const DESCRIPTORS_PER_LOOKUP: u64 = 16;

/// `getaddrinfo` puts some tens of kilobytes on its stack.
const STACK_BYTES: usize = 256 << 10;

/// How a name is looked up.
pub(super) type Find = fn(&str) -> io::Result<Vec<SocketAddr>>;

/// What came of a lookup.
pub(super) type Found = Result<Arc<[SocketAddr]>, Arc<LookupError>>;

/// Why a lookup found nothing.
#[derive(Debug)]
pub(super) enum LookupError {
    /// The resolver said so.
    Resolver(io::Error),
    /// The exporter could not ask it.
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
                    "the resolver cannot be asked: {error}; raise the limit of open files (ulimit -n, LimitNOFILE)"
                )
            }
        }
    }
}

impl LookupError {
    /// Whether the resolver failed, and not the name (`EAI_AGAIN`, for which the standard library has no kind).
    pub(super) fn is_temporary(error: &io::Error) -> bool {
        let text = error.to_string();
        text.contains("Temporary failure") || text.contains("Try again")
    }
}

/// Lookups that may run at once under the present limit of open files.
#[must_use]
pub fn max_lookups() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files / DESCRIPTORS_PER_LOOKUP).unwrap_or(MAX_LOOKUPS).clamp(4, MAX_LOOKUPS)
}

pub(super) fn by_system(host: &str) -> io::Result<Vec<SocketAddr>> {
    (host, 0).to_socket_addrs().map(Iterator::collect).map_err(|error| {
        // Without a descriptor the resolver may say that there is no such name.
        File::open("/dev/null").err().filter(|reason| Limit::of(reason) == Some(Limit::Files)).unwrap_or(error)
    })
}

/// Runs a lookup on a thread of its own.
pub(super) async fn on_thread(find: Find, host: Arc<str>) -> Found {
    let (tell, found) = oneshot::channel();
    let run = move || {
        // The receiver may be gone; not an error.
        let _ = tell.send(find(&host));
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

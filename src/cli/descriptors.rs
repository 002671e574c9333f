//! The open files that the process may have, and how many of them are for connections to members.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::UsageError;
use crate::wire;

/// Descriptors beside connections and lookups: the log, listeners, the runtime, files that are read.
const OTHER: usize = 64;

/// With fewer than this nothing works.
const MIN_FILES: usize = 32;

/// Raises the limit of open files to the hard limit, and returns the resulting limit.
pub(super) fn raise_limit() -> Result<usize, UsageError> {
    let limit = getrlimit(Resource::Nofile);
    // The administrator's intent is the hard limit; if raising it is refused, the soft one remains.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let files = getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
    if files < MIN_FILES {
        let message = format!("limit of open files {files}: expected at least {MIN_FILES} (ulimit -n, LimitNOFILE)");
        return Err(UsageError(message));
    }
    Ok(files)
}

/// Connections to members that may be open at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sockets {
    /// What `--limit.sockets` says, or else what the descriptors allow.
    pub(super) max: usize,
    /// The descriptors do not suffice for the reserve and that many connections.
    pub(super) short: bool,
}

/// Divides the open files: `reserve` of them are for web clients and sessions.
pub(super) fn sockets(files: usize, wanted: Option<usize>, reserve: usize) -> Sockets {
    let reserve = reserve.saturating_add(OTHER).saturating_add(wire::max_lookups());
    let left = files.saturating_sub(reserve);
    // Where the reserve alone is too much, not all of it is in use at once.
    let allowed = left.max(files / 4).max(1);
    let max = wanted.unwrap_or(allowed);
    Sockets { max, short: max > left }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_get_what_the_reserve_leaves() {
        let lookups = wire::max_lookups();
        let of = |files, wanted| sockets(files, wanted, 600);
        assert_eq!(of(20_000, None), Sockets { max: 20_000 - 600 - 64 - lookups, short: false });
        assert_eq!(of(20_000, Some(100)), Sockets { max: 100, short: false });
        assert_eq!(of(20_000, Some(20_000)), Sockets { max: 20_000, short: true });
        assert_eq!(of(64, None), Sockets { max: 16, short: true });
    }
}

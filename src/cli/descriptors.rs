//! The limit of open files, and the share of it for connections to members.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::UsageError;
use crate::wire;

/// File descriptors reserved for log, listeners, runtime and files.
const OTHER: usize = 64;

/// Minimum limit of open files.
const MIN_FILES: usize = 32;

/// Raises the limit of open files to the hard limit, and returns the resulting limit.
pub(super) fn raise_limit() -> Result<usize, UsageError> {
    let limit = getrlimit(Resource::Nofile);
    // If the kernel refuses, the soft limit remains.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let files = getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
    if files < MIN_FILES {
        let message = format!("limit of open files {files}: expected at least {MIN_FILES} (ulimit -n, LimitNOFILE)");
        return Err(UsageError(message));
    }
    Ok(files)
}

/// The maximum number of connections to members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sockets {
    /// `--limit.sockets`, or the number that the limit of open files allows.
    pub(super) max: usize,
    /// Whether the limit of open files is too low for the reserve and `max`.
    pub(super) short: bool,
}

/// Divides the open files; `reserve` of them are kept for web clients and sessions.
pub(super) fn sockets(files: usize, wanted: Option<usize>, reserve: usize) -> Sockets {
    let reserve = reserve.saturating_add(OTHER).saturating_add(wire::max_lookups());
    let left = files.saturating_sub(reserve);
    // The reserve alone may exceed the limit, but it is rarely used completely.
    let allowed = left.max(files / 4).max(1);
    let max = wanted.unwrap_or(allowed);
    Sockets { max, short: max > left }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_get_the_open_files_beyond_the_reserve() {
        let lookups = wire::max_lookups();
        let of = |files, wanted| sockets(files, wanted, 600);
        assert_eq!(of(20_000, None), Sockets { max: 20_000 - 600 - 64 - lookups, short: false });
        assert_eq!(of(20_000, Some(100)), Sockets { max: 100, short: false });
        assert_eq!(of(20_000, Some(20_000)), Sockets { max: 20_000, short: true });
        assert_eq!(of(64, None), Sockets { max: 16, short: true });
    }
}

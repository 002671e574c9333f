//! Why a command has no complete reply: a reason from a fixed list, and details for the log.

use std::borrow::Cow;
use std::{fmt, io};

use rustix::io::Errno;

use crate::text;

/// The values of the label `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The name has no address.
    Dns,
    /// The TCP connect was refused or timed out.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// Connected, but the reply was not complete before the deadline.
    Timeout,
    /// The connection was closed before the first byte.
    Empty,
    /// The connection was lost.
    Reset,
    /// The command is not in `4lw.commands.whitelist`.
    NotAllowed,
    /// The reply is from ZooKeeper, but incomplete.
    Truncated,
    /// The reply is not from ZooKeeper.
    Garbage,
    /// The reply exceeds the byte limit.
    TooLarge,
    /// The AdminServer returned an HTTP error.
    Http,
    /// A limit of the exporter prevented the query: the state of the member is unknown.
    Limit,
}

impl Reason {
    /// The value of the label.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Empty => "empty",
            Self::Reset => "reset",
            Self::NotAllowed => "not_allowed",
            Self::Truncated => "truncated",
            Self::Garbage => "garbage",
            Self::TooLarge => "too_large",
            Self::Http => "http",
            Self::Limit => "limit",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// The end of the detail of a connect that the host refused: no process listens on the port.
pub const CONNECTION_REFUSED: &str = "Connection refused";

/// Limits of the exporter, which are independent of the state of the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// No connection was free in time: `--limit.sockets`, or the limit of open files.
    Sockets,
    /// No free file descriptor, in the process or on the host.
    Files,
    /// No free local port.
    Ports,
    /// No kernel memory for a socket, or no room for large replies.
    Memory,
    /// No thread for a DNS lookup.
    Threads,
    /// The deadline of the scrape left too little time for a reply.
    Deadline,
    /// The exporter had too little CPU to read the reply in time.
    Cpu,
    /// Every address of a discovered name is one that the exporter refuses to connect to.
    Address,
    /// The host has no sockets of the address family.
    Family,
    /// A bug of the exporter.
    Internal,
}

impl Limit {
    /// All limits.
    pub const ALL: [Self; 10] = [
        Self::Sockets,
        Self::Files,
        Self::Ports,
        Self::Memory,
        Self::Threads,
        Self::Deadline,
        Self::Cpu,
        Self::Address,
        Self::Family,
        Self::Internal,
    ];

    /// The value of the label `limit`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Sockets => "sockets",
            Self::Files => "files",
            Self::Ports => "ports",
            Self::Memory => "memory",
            Self::Threads => "threads",
            Self::Deadline => "deadline",
            Self::Cpu => "cpu",
            Self::Address => "address",
            Self::Family => "family",
            Self::Internal => "internal",
        }
    }

    /// The limit that caused an error of the operating system, if any.
    ///
    /// Does not include `EADDRNOTAVAIL`, which may also mean that this host has no address of the family.
    #[must_use]
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        match Errno::from_io_error(error)? {
            Errno::MFILE | Errno::NFILE => Some(Self::Files),
            Errno::NOBUFS | Errno::NOMEM => Some(Self::Memory),
            Errno::AGAIN => Some(Self::Ports),
            // EPERM and EACCES may come from the network: ICMPv6 "prohibited", or a service address without backends.
            Errno::AFNOSUPPORT => Some(Self::Family),
            _ => None,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A reason with its detail.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The label.
    pub reason: Reason,
    /// One line of detail, for the log.
    pub detail: Cow<'static, str>,
    /// The limit; only with [`Reason::Limit`].
    pub limit: Option<Limit>,
}

impl Failure {
    /// Its weight among the failures of a member with several addresses: an address that was not tried might have replied,
    /// unless the host cannot use it at all.
    #[must_use]
    pub fn weight(&self) -> u8 {
        match (self.reason, self.limit) {
            (_, Some(Limit::Family)) => 0,
            (Reason::Connect, _) => 1,
            (Reason::Limit, _) => 3,
            _ => 2,
        }
    }

    /// Creates a failure. Server text in the detail is truncated and made printable.
    #[must_use]
    pub fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = match detail.into() {
            Cow::Owned(detail) => Cow::Owned(text::fact(&detail)),
            ours @ Cow::Borrowed(_) => ours,
        };
        Self { reason, detail, limit: None }
    }

    /// Creates a failure caused by a limit of the exporter: [`Reason::Limit`].
    #[must_use]
    pub fn limited(limit: Limit, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: Reason::Limit, detail: detail.into(), limit: Some(limit) }
    }
}

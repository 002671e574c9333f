//! Why a command got no whole answer: a reason from a fixed list, and the detail for the log.

use std::borrow::Cow;
use std::{fmt, io};

use rustix::io::Errno;

use crate::text;

/// The values of the label `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The name has no address.
    Dns,
    /// The TCP connect was refused or not answered.
    Connect,
    /// TLS could not be agreed on.
    Tls,
    /// Connected, but the reply did not come or not end in time.
    Timeout,
    /// Closed without a byte.
    Empty,
    /// The connection broke.
    Reset,
    /// The command is not in `4lw.commands.whitelist`.
    NotAllowed,
    /// The reply is ZooKeeper's but not whole.
    Truncated,
    /// The reply is not ZooKeeper's.
    Garbage,
    /// The reply has more bytes than the cap.
    TooLarge,
    /// The AdminServer answered with an HTTP error.
    Http,
    /// The exporter's own limits kept it from asking: nothing is known of the member.
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

/// The exporter's own limits, which say nothing about a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// No connection was free in time: `--limit.sockets`, or what the descriptors allow.
    Sockets,
    /// No file descriptor, of the process or of the host.
    Files,
    /// No local port.
    Ports,
    /// No memory of the kernel for a socket.
    Memory,
    /// No thread for the resolver.
    Threads,
    /// The scrape left too little time for an answer.
    Deadline,
    /// The exporter had no CPU to read the answer in time.
    Cpu,
    /// A defect of the exporter.
    Internal,
}

impl Limit {
    /// Every limit.
    pub const ALL: [Self; 8] = [
        Self::Sockets,
        Self::Files,
        Self::Ports,
        Self::Memory,
        Self::Threads,
        Self::Deadline,
        Self::Cpu,
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
            Self::Internal => "internal",
        }
    }

    /// The limit behind an error of the operating system, where it is one of ours.
    ///
    /// `EADDRNOTAVAIL` is not among them: it may also mean that this host has no address of the family.
    #[must_use]
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        match Errno::from_io_error(error)? {
            Errno::MFILE | Errno::NFILE => Some(Self::Files),
            Errno::NOBUFS | Errno::NOMEM => Some(Self::Memory),
            Errno::AGAIN => Some(Self::Ports),
            _ => None,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A reason with what the log says about it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The label.
    pub reason: Reason,
    /// One line for a person.
    pub detail: Cow<'static, str>,
    /// Which limit it was; with [`Reason::Limit`] only.
    pub limit: Option<Limit>,
}

impl Failure {
    /// A failure. What a server said of it is cut and made printable.
    #[must_use]
    pub fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = match detail.into() {
            Cow::Owned(detail) => Cow::Owned(text::fact(&detail)),
            ours @ Cow::Borrowed(_) => ours,
        };
        Self { reason, detail, limit: None }
    }

    /// A failure of the exporter's own: [`Reason::Limit`].
    #[must_use]
    pub fn limited(limit: Limit, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: Reason::Limit, detail: detail.into(), limit: Some(limit) }
    }
}

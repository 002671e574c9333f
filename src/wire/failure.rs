//! Why a word got no whole answer: a reason from a fixed list, and the detail for the log.

use std::borrow::Cow;
use std::fmt;

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
    /// The word is not in `4lw.commands.whitelist`.
    NotAllowed,
    /// The reply is ZooKeeper's but not whole.
    Truncated,
    /// The reply is not ZooKeeper's.
    Garbage,
    /// The reply has more bytes than the cap.
    TooLarge,
    /// The AdminServer answered with an HTTP error.
    Http,
    /// No socket was free before the deadline.
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

/// A reason with what the log says about it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The label.
    pub reason: Reason,
    /// One line for a person.
    pub detail: Cow<'static, str>,
}

impl Failure {
    /// A failure. What a server said of it is cut and made printable.
    #[must_use]
    pub fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = match detail.into() {
            Cow::Owned(detail) => Cow::Owned(text::fact(&detail)),
            ours @ Cow::Borrowed(_) => ours,
        };
        Self { reason, detail }
    }
}

//! Why an operation of a session failed: the values of the labels `error` and `reason`.

use zookeeper_client::Error;

/// A fixed list, so that labels stay bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// No member was reached, or the connection was lost.
    Connect,
    /// No answer in time.
    Timeout,
    /// The identity was refused.
    AuthFailed,
    /// The ACL does not allow it; with a wrong password, too: ZooKeeper checks that only here.
    NoAuth,
    /// There is no such znode.
    NoNode,
    /// The znode is there already.
    NodeExists,
    /// The ensemble ended the session.
    SessionExpired,
    /// The member may not write: cut off from the quorum.
    ReadOnly,
    /// Over a quota.
    Quota,
    /// The server sheds load.
    Throttled,
    /// The file with the password cannot be read.
    DigestFile,
    /// More bytes than are read.
    TooLarge,
    /// The data is no number.
    NotANumber,
    /// The data is no JSON, or the pointer leads to no number.
    Pointer,
    /// An alarm's data is neither a number nor thresholds.
    BadAlarm,
    /// A glob finds more znodes than are read.
    Limit,
    /// Changed by another in between.
    Changed,
    /// Anything else.
    Other,
}

impl Trouble {
    /// The value of the label.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::AuthFailed => "auth_failed",
            Self::NoAuth => "no_auth",
            Self::NoNode => "no_node",
            Self::NodeExists => "node_exists",
            Self::SessionExpired => "session_expired",
            Self::ReadOnly => "read_only",
            Self::Quota => "quota",
            Self::Throttled => "throttled",
            Self::DigestFile => "digest_file",
            Self::TooLarge => "too_large",
            Self::NotANumber => "not_a_number",
            Self::Pointer => "pointer",
            Self::BadAlarm => "bad_alarm",
            Self::Limit => "limit",
            Self::Changed => "changed",
            Self::Other => "other",
        }
    }

    /// Whether the session itself is in doubt, and not only the znode.
    #[must_use]
    pub const fn is_of_session(self) -> bool {
        matches!(self, Self::Connect | Self::Timeout | Self::SessionExpired | Self::AuthFailed | Self::DigestFile)
    }
}

impl From<&Error> for Trouble {
    fn from(error: &Error) -> Self {
        match error {
            // A broken socket comes as `Custom`, an error of the operating system.
            Error::NoHosts | Error::ConnectionLoss | Error::ClientClosed | Error::SessionMoved | Error::Custom(_) => {
                Self::Connect
            }
            Error::Timeout => Self::Timeout,
            Error::AuthFailed => Self::AuthFailed,
            Error::NoAuth | Error::InvalidAcl => Self::NoAuth,
            Error::NoNode => Self::NoNode,
            Error::NodeExists => Self::NodeExists,
            Error::SessionExpired => Self::SessionExpired,
            Error::NotReadOnly => Self::ReadOnly,
            Error::QuotaExceeded => Self::Quota,
            Error::Throttled => Self::Throttled,
            Error::BadVersion => Self::Changed,
            _ => Self::Other,
        }
    }
}

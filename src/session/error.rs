//! Errors of session operations: the values of the labels `error` and `reason`.

/// A fixed list, so that label values are bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SessionError {
    /// No member could be reached, or the connection was lost.
    Connect,
    /// The member's name has no address.
    Dns,
    /// The TLS handshake failed.
    Tls,
    /// No reply before the deadline.
    Timeout,
    /// The server violated the protocol.
    Protocol,
    /// The identity was refused, or the server accepts SASL only.
    AuthFailed,
    /// The ACL does not permit the operation. Also the result of a wrong password, which ZooKeeper detects only here.
    NoAuth,
    /// The znode does not exist.
    NoNode,
    /// The znode exists already.
    NodeExists,
    /// The znode has children.
    NotEmpty,
    /// The ensemble ended the session.
    SessionExpired,
    /// The member is in read-only mode, without a quorum.
    ReadOnly,
    /// A quota is exceeded.
    Quota,
    /// The server rejected the request because of overload.
    Throttled,
    /// The password file cannot be read.
    DigestFile,
    /// The reply is larger than the limit.
    TooLarge,
    /// The data is not a number.
    NotANumber,
    /// The data is not JSON, or the pointer does not refer to a number.
    Pointer,
    /// The data of an alarm is neither a number nor thresholds.
    BadAlarm,
    /// A glob matched more znodes than the limit.
    Limit,
    /// Another client changed the znode concurrently.
    Changed,
    /// Another error code of the server.
    Other,
}

impl SessionError {
    /// The value of the label.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::AuthFailed => "auth_failed",
            Self::NoAuth => "no_auth",
            Self::NoNode => "no_node",
            Self::NodeExists => "node_exists",
            Self::NotEmpty => "not_empty",
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

    /// Whether the session can be continued on another connection.
    pub(super) const fn is_of_connection(self) -> bool {
        matches!(self, Self::Connect | Self::Dns | Self::Tls | Self::Timeout)
    }

    /// Whether a stall of the exporter may cause it.
    #[must_use]
    pub const fn may_be_a_stall(self) -> bool {
        self.is_of_connection() || matches!(self, Self::SessionExpired)
    }

    /// A hint for the log and the command line.
    #[must_use]
    pub const fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::AuthFailed => "the member refused the identity of digest_file, or accepts SASL only",
            Self::NoAuth => {
                "the ACL does not allow it: set session: digest_file: of the module to a user:password that may"
            }
            Self::Protocol => "the reply is not ZooKeeper's session protocol: is this its client port?",
            Self::Quota => "a quota of the path is exceeded",
            Self::Throttled => "the server sheds load",
            Self::ReadOnly => "the member is cut off from the quorum",
            _ => return None,
        })
    }

    /// The error for a non-zero code of a reply (`KeeperException.Code`).
    #[must_use]
    pub const fn from_code(code: i32) -> Self {
        match code {
            // CONNECTIONLOSS, SESSIONMOVED: another connection may work.
            -4 | -118 => Self::Connect,
            // OPERATIONTIMEOUT, REQUESTTIMEOUT
            -7 | -122 => Self::Timeout,
            -101 => Self::NoNode,
            // NOAUTH, INVALIDACL
            -102 | -114 => Self::NoAuth,
            -103 => Self::Changed,
            -110 => Self::NodeExists,
            -111 => Self::NotEmpty,
            -112 => Self::SessionExpired,
            // AUTHFAILED, SESSIONCLOSEDREQUIRESASLAUTH
            -115 | -124 => Self::AuthFailed,
            -119 => Self::ReadOnly,
            -125 => Self::Quota,
            -127 => Self::Throttled,
            _ => Self::Other,
        }
    }
}

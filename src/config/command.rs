//! The commands that the exporter sends; none of them changes the state of a server.

use std::fmt;
use std::str::FromStr;

/// A command. `srst`, `crst`, `dump`, `wchc` and `wchp` are excluded: they change state or are too expensive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command {
    /// All metrics.
    Mntr,
    /// The short status with the zxid.
    Srvr,
    /// The configuration and the membership.
    Conf,
    /// Digests of the data; configured with `digests:`, not as a command.
    Hash,
    /// The AdminServer's equivalent of `hash`, requested over HTTP if `hash` is refused.
    AdminHash,
    /// All client connections; configured with `clients:`, not as a command.
    Cons,
    /// The AdminServer's equivalent of `cons`, requested over HTTP if `cons` is refused.
    AdminConnections,
    /// ZooKeeper's own metrics endpoint, requested over HTTP if `mntr` is not available; cannot be configured.
    Native,
    /// The AdminServer's equivalent of `mntr`, requested over HTTP if `mntr` is refused; cannot be configured.
    Monitor,
}

impl Command {
    /// All commands.
    pub const ALL: [Self; 9] = [
        Self::Mntr,
        Self::Srvr,
        Self::Conf,
        Self::Hash,
        Self::AdminHash,
        Self::Cons,
        Self::AdminConnections,
        Self::Native,
        Self::Monitor,
    ];

    /// The text of the command, and the value of the label `command`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Mntr => "mntr",
            Self::Srvr => "srvr",
            Self::Conf => "conf",
            Self::Hash => "hash",
            Self::AdminHash => "admin_hash",
            Self::Cons => "cons",
            Self::AdminConnections => "admin_connections",
            Self::Native => "native",
            Self::Monitor => "monitor",
        }
    }
}

impl Command {
    /// Whether it is an HTTP request to another port of the member.
    #[must_use]
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Native | Self::Monitor | Self::AdminHash | Self::AdminConnections)
    }

    /// Whether it belongs to a probe and is sent in some scrapes only.
    #[must_use]
    pub const fn is_of_probe(self) -> bool {
        matches!(self, Self::Hash | Self::AdminHash | Self::Cons | Self::AdminConnections)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl FromStr for Command {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|command| command.text() == text && !command.is_http() && !command.is_of_probe())
            .ok_or_else(|| match text {
                "hash" => "`hash` cannot be listed here: set `digests: {}` in the module".to_owned(),
                "cons" => "`cons` cannot be listed here: set `clients: {}` in the module".to_owned(),
                _ => format!("unsupported command `{text}`: expected mntr, srvr or conf"),
            })
    }
}

//! The four-letter commands the exporter asks; none of them changes anything in a server.

use std::fmt;
use std::str::FromStr;

/// A command. `srst`, `crst`, `dump`, `wchc` and `wchp` are left out on purpose: they change state or cost too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command {
    /// All metrics.
    Mntr,
    /// The short status with the zxid.
    Srvr,
    /// The configuration and the membership.
    Conf,
    /// The AdminServer's twin of `mntr`, asked over HTTP where `mntr` is refused; it cannot be configured.
    Monitor,
}

impl Command {
    /// Every command there is.
    pub const ALL: [Self; 4] = [Self::Mntr, Self::Srvr, Self::Conf, Self::Monitor];

    /// The command itself, which is also the value of the label `command`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Mntr => "mntr",
            Self::Srvr => "srvr",
            Self::Conf => "conf",
            Self::Monitor => "monitor",
        }
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
            .find(|command| command.text() == text && *command != Self::Monitor)
            .ok_or_else(|| format!("unsupported command `{text}`: expected mntr, srvr or conf"))
    }
}

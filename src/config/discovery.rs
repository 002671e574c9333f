//! `discovery:` of an ensemble: where its present members come from.

use std::str::FromStr;

/// Where the members of an ensemble come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Discovery {
    /// The members written are the members.
    #[default]
    Static,
    /// Every address of the names written is a member.
    Dns,
    /// The members written are asked first; the servers of the membership that they tell in `conf` are the members.
    Conf,
}

impl Discovery {
    /// The word as it is written.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Dns => "dns",
            Self::Conf => "conf",
        }
    }
}

impl FromStr for Discovery {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Static, Self::Dns, Self::Conf]
            .into_iter()
            .find(|way| way.text() == text)
            .ok_or_else(|| format!("`{text}` is no way of discovery; write static, dns or conf"))
    }
}

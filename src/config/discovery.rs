//! `discovery:` of an ensemble: the source of its current members.

use std::str::FromStr;

/// The source of the members of an ensemble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Discovery {
    /// The configured members.
    #[default]
    Static,
    /// Every address of the configured names is a member.
    Dns,
    /// The servers of the membership in the `conf` reply of a configured member.
    Conf,
}

impl Discovery {
    /// The value in the configuration.
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
            .ok_or_else(|| format!("invalid discovery `{text}`: expected static, dns or conf"))
    }
}

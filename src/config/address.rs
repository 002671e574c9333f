//! Where a member listens: `host:port`, `host` with the default port, or `[v6]:port`.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// ZooKeeper's default client port.
pub const DEFAULT_PORT: u16 = 2181;

/// A host and a port as written; the host is resolved at each scrape, not here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// An address of parts that somebody else wrote; an IPv6 address without its brackets.
    ///
    /// # Errors
    /// When the host can be none.
    pub fn new(host: &str, port: u16) -> Result<Self, BadAddress> {
        if port == 0 {
            return Err(BadAddress::Port(host.into()));
        }
        if host.parse::<std::net::IpAddr>().is_ok() || is_host(host) {
            return Ok(Self { host: host.into(), port });
        }
        Err(BadAddress::Host(host.into()))
    }

    /// The name or number of the host, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_canonical().to_string(), port: address.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Why a text is no address; the message says what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Nothing there.
    #[error("the member address is empty; write HOST:PORT, for example zk-1:2181")]
    Empty,
    /// `zk-1:` or `zk-1:zk` or a port outside 1 to 65535.
    #[error("`{0}` has no valid port; write HOST:PORT with a port from 1 to 65535, for example zk-1:2181")]
    Port(String),
    /// A host that can be no host name.
    #[error("`{0}` has no valid host name; write HOST:PORT, for example zk-1:2181 or [::1]:2181")]
    Host(String),
    /// An IPv6 address without brackets.
    #[error("`{0}` looks like an IPv6 address; write it in brackets, for example [{0}]:2181")]
    Bare6(String),
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        if text.is_empty() {
            return Err(BadAddress::Empty);
        }
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => {
                if host.parse::<std::net::Ipv6Addr>().is_err() {
                    return Err(BadAddress::Host(text.into()));
                }
                let port = match rest {
                    "" => None,
                    _ => Some(rest.strip_prefix(':').ok_or_else(|| BadAddress::Port(text.into()))?),
                };
                (host, port)
            }
            None if text.parse::<std::net::Ipv6Addr>().is_ok() => return Err(BadAddress::Bare6(text.into())),
            None => {
                let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
                if !is_host(host) {
                    return Err(BadAddress::Host(text.into()));
                }
                (host, port)
            }
        };
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(|| BadAddress::Port(text.into()))?,
        };
        Ok(Self { host: host.into(), port })
    }
}

/// Letters, digits, `-`, `_` and `.`: what a resolver or `/etc/hosts` may know (RFC 1123, and `_` as seen in the field).
fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 253
        && !host.starts_with(['-', '.'])
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, shown) in [
            ("zk-1:2181", "zk-1:2181"),
            ("zk-1", "zk-1:2181"),
            ("zk_1.example.com:2281", "zk_1.example.com:2281"),
            ("127.0.0.1:2182", "127.0.0.1:2182"),
            ("[::1]:2181", "[::1]:2181"),
            ("[fe80::1]", "[fe80::1]:2181"),
        ] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, error) in [
            ("", BadAddress::Empty),
            ("zk-1:", BadAddress::Port("zk-1:".into())),
            ("zk-1:0", BadAddress::Port("zk-1:0".into())),
            ("zk-1:99999", BadAddress::Port("zk-1:99999".into())),
            ("zk-1:2181:x", BadAddress::Port("zk-1:2181:x".into())),
            (":2181", BadAddress::Host(":2181".into())),
            ("http://zk-1:2181", BadAddress::Port("http://zk-1:2181".into())),
            ("zk 1:2181", BadAddress::Host("zk 1:2181".into())),
            ("::1", BadAddress::Bare6("::1".into())),
            ("[zk]:2181", BadAddress::Host("[zk]:2181".into())),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
    }
}

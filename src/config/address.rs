//! Address of a member: `host:port`, `host` with the default port, or `[v6]:port`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::reach::literal;

/// ZooKeeper's default client port.
pub const DEFAULT_PORT: u16 = 2181;

/// A host in canonical form (see [`canonical`]) and a port; resolved at each scrape. Different spellings of an address
/// compare equal, and have the same label value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// An address from a host and a port reported by a member or the resolver; IPv6 without brackets.
    ///
    /// # Errors
    /// If the host or the port is invalid.
    pub fn new(host: &str, port: u16) -> Result<Self, BadAddress> {
        if port == 0 {
            return Err(BadAddress::Port(host.into()));
        }
        canonical(host).map(|host| Self { host, port }).ok_or_else(|| BadAddress::Host(host.into()))
    }

    /// The host name or IP address, without the brackets of an IPv6 address.
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

/// The canonical form of a host: an IP address as the standard library writes it, whichever spelling resolvers accept
/// (`127.1`), an IPv4-mapped IPv6 address as IPv4, a name in lower case without its final dot. `None` for an invalid
/// host.
#[must_use]
pub fn canonical(host: &str) -> Option<String> {
    let name = host.strip_suffix('.').unwrap_or(host);
    if let Some(ip) = literal(name) {
        return Some(ip.to_canonical().to_string());
    }
    is_host(name).then(|| name.to_ascii_lowercase())
}

/// A host without the interface of a link-local address (`fe80::1%eth0`), which differs between hosts.
#[must_use]
pub fn without_interface(host: &str) -> &str {
    host.split_once('%').map_or(host, |(host, _)| host)
}

/// Whether two canonical hosts are the same: equal, or one is the other with a search domain appended.
#[must_use]
pub fn is_same_host(one: &str, other: &str) -> bool {
    let (one, other) = (without_interface(one), without_interface(other));
    let begins = |short: &str, long: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with('.'));
    one == other || (begins(one, other) || begins(other, one)) && !is_number(one) && !is_number(other)
}

/// Whether a host is an IP address.
#[must_use]
pub fn is_number(host: &str) -> bool {
    without_interface(host).parse::<IpAddr>().is_ok()
}

/// Whether a host is the wildcard address, which a server reports when it listens on all addresses.
#[must_use]
pub fn is_wildcard(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
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

/// Why a text is not an address, and what is expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// An empty text.
    #[error("empty member address: expected HOST:PORT, e.g. zk-1:2181")]
    Empty,
    /// `zk-1:`, `zk-1:zk`, or a port outside 1 to 65535.
    #[error("invalid port in `{0}`: expected HOST:PORT with a port from 1 to 65535, e.g. zk-1:2181")]
    Port(String),
    /// An invalid host name.
    #[error("invalid host in `{0}`: expected HOST:PORT, e.g. zk-1:2181 or [::1]:2181")]
    Host(String),
    /// `zk-1:2181/kafka`, or a URL.
    #[error("unexpected path in `{0}`: expected HOST:PORT without a chroot, e.g. zk-1:2181")]
    Path(String),
    /// An IPv6 address without brackets.
    #[error("IPv6 address without brackets `{0}`: expected e.g. [{0}]:2181")]
    Bare6(String),
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        if text.is_empty() {
            return Err(BadAddress::Empty);
        }
        if text.contains('/') {
            return Err(BadAddress::Path(text.into()));
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
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) => number(port).ok_or_else(|| BadAddress::Port(text.into()))?,
        };
        let host = canonical(host).ok_or_else(|| BadAddress::Host(text.into()))?;
        Ok(Self { host, port })
    }
}

/// A port from 1 to 65535, digits only.
fn number(port: &str) -> Option<u16> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|port| digits && *port > 0)
}

/// Letters, digits, `-`, `_` and `.`: the names that resolvers accept (RFC 1123, and `_`, which is common).
fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 253
        && !host.starts_with(['-', '.'])
        && !host.ends_with('.')
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_every_spelling_of_an_address() {
        for (text, shown) in [
            ("zk-1:2181", "zk-1:2181"),
            ("zk-1", "zk-1:2181"),
            ("zk_1.example.com:2281", "zk_1.example.com:2281"),
            ("127.0.0.1:2182", "127.0.0.1:2182"),
            ("[::1]:2181", "[::1]:2181"),
            ("[fe80::1]", "[fe80::1]:2181"),
            // All spellings of an address are displayed alike.
            ("[0:0:0:0:0:0:0:1]:2181", "[::1]:2181"),
            ("[FD00:0000::00AB]:2181", "[fd00::ab]:2181"),
            ("[::ffff:10.0.0.1]:2181", "10.0.0.1:2181"),
            ("ZK-1.Example.COM.:2181", "zk-1.example.com:2181"),
            ("127.1:2181", "127.0.0.1:2181"),
            ("0x7f.1", "127.0.0.1:2181"),
            ("2130706433", "127.0.0.1:2181"),
            ("localhost.", "localhost:2181"),
        ] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn invalid_addresses_are_refused_with_the_reason() {
        for (text, error) in [
            ("", BadAddress::Empty),
            ("zk-1:", BadAddress::Port("zk-1:".into())),
            ("zk-1:0", BadAddress::Port("zk-1:0".into())),
            ("zk-1:99999", BadAddress::Port("zk-1:99999".into())),
            ("zk-1:2181:x", BadAddress::Port("zk-1:2181:x".into())),
            (":2181", BadAddress::Host(":2181".into())),
            ("http://zk-1:2181", BadAddress::Path("http://zk-1:2181".into())),
            ("zk-1:2181/kafka", BadAddress::Path("zk-1:2181/kafka".into())),
            ("zk-1:+2181", BadAddress::Port("zk-1:+2181".into())),
            ("zk-1..:2181", BadAddress::Host("zk-1..:2181".into())),
            (".:2181", BadAddress::Host(".:2181".into())),
            ("zk 1:2181", BadAddress::Host("zk 1:2181".into())),
            ("::1", BadAddress::Bare6("::1".into())),
            ("[zk]:2181", BadAddress::Host("[zk]:2181".into())),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_name_that_a_search_domain_completes_is_the_same_host() {
        for (one, other, same) in [
            ("zk-1", "zk-1.example.com", true),
            ("zk-0.zk-hs", "zk-0.zk-hs.ns.svc.cluster.local", true),
            ("zk-1", "zk-10.example.com", false),
            ("zk-1.a", "zk-1.b", false),
            ("10.0", "10.0.0.1", false),
            ("10.0.0.1", "10.0.0.1", true),
        ] {
            assert_eq!((is_same_host(one, other), is_same_host(other, one)), (same, same), "{one} {other}");
        }
    }
}

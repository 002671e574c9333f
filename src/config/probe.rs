//! `probe:`: the targets that `/probe` may query besides the configured members; none by default.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::Address;
use super::choice::fits;
use super::reach::{Reach, literal};

/// The targets that `/probe` may query, in addition to configured members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeConfig {
    /// Networks and name patterns, each with its ports.
    pub allow: Vec<Allow>,
}

/// One entry of `allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    what: What,
    ports: RangeInclusive<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// A network: base address and prefix length.
    Network(IpAddr, u8),
    /// A pattern for names, in lower case.
    Names(String),
}

impl ProbeConfig {
    /// Whether a pattern allows the target by its name, whatever it resolves to.
    #[must_use]
    pub fn allows_name(&self, target: &Address) -> bool {
        let host = target.host().trim_end_matches('.').to_ascii_lowercase();
        literal(&host).is_none()
            && self.allow.iter().any(|allow| match &allow.what {
                What::Names(glob) => allow.ports.contains(&target.port()) && fits(glob, &host),
                What::Network(..) => false,
            })
    }

    /// The resolved addresses of the target that may be connected to; empty if the target is not allowed. A name
    /// pattern allows all addresses except local ones ([`Reach::Discovered`]), a network those within it.
    #[must_use]
    pub fn allowed(&self, target: &Address, resolved: &[SocketAddr]) -> Vec<SocketAddr> {
        let by_name = self.allows_name(target);
        let allowed = |address: &&SocketAddr| {
            let ip = address.ip().to_canonical();
            by_name && Reach::Discovered.allows(ip)
                || self.allow.iter().any(|allow| match allow.what {
                    What::Network(base, bits) => allow.ports.contains(&address.port()) && within(ip, base, bits),
                    What::Names(_) => false,
                })
        };
        let addresses: Vec<_> = resolved.iter().filter(allowed).copied().collect();
        // Against DNS rebinding: a single address that is not allowed excludes the whole name.
        if addresses.len() == resolved.len() { addresses } else { Vec::new() }
    }
}

fn within(ip: IpAddr, base: IpAddr, bits: u8) -> bool {
    match (ip, base) {
        (IpAddr::V4(ip), IpAddr::V4(base)) => u32::from(ip) & mask32(bits) == u32::from(base) & mask32(bits),
        (IpAddr::V6(ip), IpAddr::V6(base)) => u128::from(ip) & mask128(bits) == u128::from(base) & mask128(bits),
        _ => false,
    }
}

fn mask32(bits: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
}

fn mask128(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

impl FromStr for Allow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |why: &str| {
            format!(
                "`{text}` {why}: expected a network, e.g. 10.0.0.0/8:2181, or a name pattern, e.g. *.zk.example.com:2181-2183"
            )
        };
        let (what, ports) = if let Some((base, rest)) = text.split_once('/') {
            let base = base.strip_prefix('[').and_then(|base| base.strip_suffix(']')).unwrap_or(base);
            let base: IpAddr = base.parse().map_err(|_| bad("has no valid address before the slash"))?;
            let (bits, ports) = rest.split_once(':').map_or((rest, None), |(bits, ports)| (bits, Some(ports)));
            let max = if base.is_ipv4() { 32 } else { 128 };
            let bits: u8 = bits
                .parse()
                .ok()
                .filter(|bits| *bits <= max)
                .ok_or_else(|| bad(&format!("has no valid prefix length after the slash (0 to {max})")))?;
            if !is_base(base, bits) {
                return Err(bad(&format!("has bits set after the first {bits}")));
            }
            (What::Network(base, bits), ports)
        } else if let Ok(ip) = text.parse::<IpAddr>() {
            (What::Network(ip, if ip.is_ipv4() { 32 } else { 128 }), None)
        } else if let Some((ip, rest)) = text.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            // IPv4 in brackets is invalid; with a prefix of 128 bits it would match all addresses.
            let ip: Ipv6Addr = ip.parse().map_err(|_| bad("has no valid IPv6 address in its brackets"))?;
            let ports =
                if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or_else(|| bad("is invalid"))?) };
            (What::Network(ip.into(), 128), ports)
        } else {
            let (host, ports) = text.split_once(':').map_or((text, None), |(host, ports)| (host, Some(ports)));
            if let Ok(ip) = host.parse::<IpAddr>() {
                (What::Network(ip, 32), ports)
            } else {
                let sane = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*?".contains(&byte);
                if host.is_empty() || !host.bytes().all(sane) {
                    return Err(bad("is neither a network nor a name pattern"));
                }
                (What::Names(host.to_ascii_lowercase()), ports)
            }
        };
        let ports = match ports {
            None => 1..=u16::MAX,
            Some(ports) => {
                let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
                match (first.parse(), last.parse()) {
                    (Ok(first), Ok(last)) if 0 < first && first <= last => first..=last,
                    _ => return Err(bad("has no valid port or port range")),
                }
            }
        };
        Ok(Self { what, ports })
    }
}

fn is_base(base: IpAddr, bits: u8) -> bool {
    match base {
        IpAddr::V4(base) => u32::from(base) & !mask32(bits) == 0,
        IpAddr::V6(base) => u128::from(base) & !mask128(bits) == 0,
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Network(base, bits) => write!(f, "{base}/{bits}")?,
            What::Names(glob) => f.write_str(glob)?,
        }
        match (*self.ports.start(), *self.ports.end()) {
            (1, u16::MAX) => Ok(()),
            (first, last) if first == last => write!(f, ":{first}"),
            (first, last) => write!(f, ":{first}-{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(allow: &str, target: &str, resolved: &[&str]) -> bool {
        let config = ProbeConfig { allow: vec![allow.parse().expect("valid")] };
        let target: Address = target.parse().expect("an address");
        let resolved: Vec<_> =
            resolved.iter().map(|ip| SocketAddr::new(ip.parse().expect("an address"), target.port())).collect();
        let allowed = config.allowed(&target, &resolved);
        assert!(allowed.is_empty() || allowed == resolved);
        !allowed.is_empty()
    }

    #[test]
    fn what_is_resolved_decides() {
        for (allow, target, resolved, allowed) in [
            ("10.0.0.0/8:2181", "10.1.2.3:2181", &["10.1.2.3"][..], true),
            ("10.0.0.0/8:2181", "10.1.2.3:2182", &["10.1.2.3"], false),
            ("10.0.0.0/8:2181-2183", "10.1.2.3:2183", &["10.1.2.3"], true),
            ("10.0.0.0/8", "10.1.2.3:1", &["10.1.2.3"], true),
            ("10.0.0.0/8", "11.1.2.3:2181", &["11.1.2.3"], false),
            ("10.0.0.0/8", "zk-1:2181", &["10.0.0.1"], true),
            // DNS rebinding: one address inside the network, one outside.
            ("10.0.0.0/8", "zk-1:2181", &["10.0.0.1", "127.0.0.1"], false),
            ("10.0.0.0/8", "zk-1:2181", &["::ffff:10.0.0.1"], true),
            ("0.0.0.0/0", "zk-1:2181", &["fd00::1"], false),
            ("fd00::/8:2181", "[fd00::1]:2181", &["fd00::1"], true),
            ("[fd00::1]:2181", "[fd00::1]:2181", &["fd00::1"], true),
            ("10.1.2.3:2181", "10.1.2.3:2181", &["10.1.2.3"], true),
            ("*.zk.example.com:2181", "a.ZK.example.com:2181", &["192.0.2.1"], true),
            ("*.zk.example.com", "zk.example.com:2181", &["192.0.2.1"], false),
            ("*", "metadata:2181", &["169.254.169.254"], false),
            ("*", "localhost:2181", &["127.0.0.1"], false),
            ("127.0.0.0/8", "localhost:2181", &["127.0.0.1"], true),
            // A name pattern does not match IP addresses.
            ("*", "10.0.0.1:2181", &["10.0.0.1"], false),
            ("*", "10.1:2181", &["10.0.0.1"], false),
            ("*", "0xa000001:2181", &["10.0.0.1"], false),
            ("*", "167772161:2181", &["10.0.0.1"], false),
            ("*", "zk-1:2181", &["64:ff9b::a9fe:a9fe"], false),
        ] {
            assert_eq!(allows(allow, target, resolved), allowed, "{allow} {target} {resolved:?}");
        }
        assert!(!allows("10.0.0.0/8", "zk-1:2181", &[]), "nothing resolved is nothing allowed");
    }

    #[test]
    fn every_mistake_is_named() {
        for (text, part) in [
            ("10.0.0.0/33", "prefix length"),
            ("10.0.0.1/8", "bits set"),
            ("zk/8", "address before the slash"),
            ("10.0.0.0/8:0", "port"),
            ("10.0.0.0/8:3-2", "port"),
            ("", "neither a network"),
            ("a b", "neither a network"),
            ("http://zk:1", "slash"),
            ("zk:port", "port"),
            ("[fe80]:1", "brackets"),
            ("[10.1.2.3]:2181", "brackets"),
        ] {
            let error = text.parse::<Allow>().expect_err(text);
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        }
        for text in ["10.0.0.0/8:2181", "*.example.com:2181-2183", "fd00::/8"] {
            assert_eq!(text.parse::<Allow>().expect("valid").to_string(), text);
        }
    }
}

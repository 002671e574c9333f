//! The addresses that the exporter may connect to, depending on the source of the address. Discovered members and
//! `/probe` targets are checked here after name resolution, and the connection uses the checked address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Address;

/// The source of an address, which determines the addresses that are allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Configured by the operator: all addresses are allowed.
    #[default]
    Configured,
    /// Reported by a member, or requested with `/probe`: local addresses of the exporter are not allowed.
    Discovered,
    /// As `Discovered`, for an ensemble configured on loopback: loopback is allowed as well.
    DiscoveredOnLoopback,
}

/// Local addresses that are not allowed for untrusted targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Surrounding {
    Loopback,
    /// Link-local, multicast, broadcast, unspecified, or the metadata service of a cloud.
    Other,
}

/// Cloud services for instances without a link-local address: Google over IPv6, Azure, Alibaba, Oracle.
const METADATA: [IpAddr; 4] = [
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

impl Reach {
    /// The reach of discovered members; loopback is allowed only if every configured member is on loopback.
    #[must_use]
    pub fn of_discovered<'a>(configured: impl IntoIterator<Item = &'a Address>) -> Self {
        let mut configured = configured.into_iter().peekable();
        if configured.peek().is_some() && configured.all(|address| is_loopback(address.host())) {
            Self::DiscoveredOnLoopback
        } else {
            Self::Discovered
        }
    }

    /// Whether this address may be connected to.
    #[must_use]
    pub fn allows(self, ip: IpAddr) -> bool {
        match (self, surrounding(ip)) {
            (Self::Configured, _) | (_, None) | (Self::DiscoveredOnLoopback, Some(Surrounding::Loopback)) => true,
            (_, Some(_)) => false,
        }
    }

    /// Whether a host is allowed as written, before it is resolved.
    #[must_use]
    pub fn allows_host(self, host: &str) -> bool {
        match literal(host) {
            Some(ip) => self.allows(ip),
            None => self != Self::Discovered || !is_loopback(host),
        }
    }
}

/// A host as an IP address, in any spelling that resolvers accept: `127.0.0.1`, `127.1`, `2130706433`, `0x7f.1`, `::1`.
#[must_use]
pub fn literal(host: &str) -> Option<IpAddr> {
    host.parse().ok().or_else(|| number(host).map(IpAddr::V4))
}

/// Parses one to four parts, decimal, octal or hexadecimal; the last part fills the remaining bytes (`inet_aton`).
fn number(host: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = host.split('.').map(part).collect::<Option<_>>()?;
    let (last, bytes) = parts.split_last()?;
    let rest = u32::try_from(bytes.len()).ok().filter(|bytes| *bytes < 4)?;
    let room = u32::MAX >> (8 * rest);
    if *last > room || bytes.iter().any(|byte| *byte > 255) {
        return None;
    }
    let high = bytes.iter().zip([24, 16, 8]).map(|(byte, shift)| byte << shift).sum::<u32>();
    Some(Ipv4Addr::from(high | last))
}

fn part(text: &str) -> Option<u32> {
    // `from_str_radix` accepts a sign, which is invalid in an address.
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some("") => Some(0),
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

/// Whether a host is a loopback address in any spelling, or a name for one.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || literal(host).is_some_and(|ip| surrounding(ip) == Some(Surrounding::Loopback))
}

fn surrounding(ip: IpAddr) -> Option<Surrounding> {
    if METADATA.contains(&ip) {
        return Some(Surrounding::Other);
    }
    match ip {
        IpAddr::V4(ip) => {
            let other = ip.is_link_local() || ip.is_multicast() || ip.is_broadcast() || ip.octets()[0] == 0;
            if ip.is_loopback() { Some(Surrounding::Loopback) } else { other.then_some(Surrounding::Other) }
        }
        IpAddr::V6(ip) if ip.is_loopback() => Some(Surrounding::Loopback),
        IpAddr::V6(ip) if ip.is_unicast_link_local() || ip.is_multicast() || ip.is_unspecified() => {
            Some(Surrounding::Other)
        }
        // AWS: `fd00:ec2::/32` has metadata, credentials of pods, DNS and time.
        IpAddr::V6(ip) if ip.segments()[..2] == [0xfd00, 0xec2] => Some(Surrounding::Other),
        // An embedded IPv4 address decides.
        IpAddr::V6(ip) => embedded(ip).and_then(|ip| surrounding(IpAddr::V4(ip))),
    }
}

/// The IPv4 address embedded in an IPv6 address: mapped, compatible, translated (SIIT, NAT64), or 6to4.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = ip.segments();
    let two = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => Some(two(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn what_was_discovered_may_not_be_around_the_exporter() {
        for (text, loopback) in [
            ("127.0.0.1", true),
            ("127.255.0.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("::127.0.0.1", true),
            ("::ffff:0:127.0.0.1", true),
            ("64:ff9b::127.0.0.1", true),
            ("64:ff9b:1::7f00:1", true),
            ("2002:7f00:1::", true),
            ("169.254.169.254", false),
            ("::ffff:169.254.169.254", false),
            ("64:ff9b::a9fe:a9fe", false),
            ("2002:a9fe:a9fe::1", false),
            ("fe80::1", false),
            ("febf::1", false),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("::", false),
            ("::ffff:0.0.0.0", false),
            ("224.0.0.1", false),
            ("239.255.255.255", false),
            ("ff02::1", false),
            ("255.255.255.255", false),
            ("::ffff:255.255.255.255", false),
            ("fd00:ec2::254", false),
            ("fd00:ec2::23", false),
            ("fd20:ce::254", false),
            ("168.63.129.16", false),
        ] {
            assert!(Reach::Configured.allows(ip(text)), "{text}");
            assert!(!Reach::Discovered.allows(ip(text)), "{text}");
            assert_eq!(Reach::DiscoveredOnLoopback.allows(ip(text)), loopback, "{text}");
        }
        for text in
            ["10.0.0.1", "192.168.0.1", "8.8.8.8", "fd00::1", "2001:db8::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1"]
        {
            assert!(Reach::Discovered.allows(ip(text)), "{text}");
        }
    }

    #[test]
    fn numbers_are_known_in_every_spelling() {
        for (host, expected) in [
            ("127.1", "127.0.0.1"),
            ("0", "0.0.0.0"),
            ("2130706433", "127.0.0.1"),
            ("0x7f000001", "127.0.0.1"),
            ("0X7F.1", "127.0.0.1"),
            ("017700000001", "127.0.0.1"),
            ("0177.0.0.01", "127.0.0.1"),
            ("0xa9fea9fe", "169.254.169.254"),
            ("169.16689662", "169.254.169.254"),
            ("10.0.257", "10.0.1.1"),
            ("0x", "0.0.0.0"),
        ] {
            assert_eq!(literal(host), Some(ip(expected)), "{host}");
            assert_eq!(Reach::Discovered.allows_host(host), Reach::Discovered.allows(ip(expected)), "{host}");
        }
        for host in ["zk-1", "1.2.3.4.5", "256.0.0.1", "4294967296", "08", "127.", "+1", "0x7g", "zk.1", ""] {
            assert_eq!(literal(host), None, "{host}");
        }
    }

    #[test]
    fn an_ensemble_on_loopback_may_find_its_members_there() {
        let of = |hosts: &[&str]| {
            let hosts: Vec<Address> = hosts.iter().map(|host| host.parse().expect("an address")).collect();
            Reach::of_discovered(&hosts)
        };
        assert_eq!(of(&["localhost:2181", "127.0.0.2:2182", "[::1]:2181"]), Reach::DiscoveredOnLoopback);
        assert_eq!(of(&["localhost:2181", "zk-1:2181"]), Reach::Discovered);
        assert_eq!(of(&["169.254.0.1:2181"]), Reach::Discovered);
        assert_eq!(of(&[]), Reach::Discovered);
        assert!(!Reach::Discovered.allows_host("LocalHost.") && !Reach::Discovered.allows_host("a.localhost"));
        assert!(Reach::DiscoveredOnLoopback.allows_host("localhost") && Reach::Discovered.allows_host("zk-1"));
    }
}

//! The membership of an ensemble, as its servers report it in the membership block of `conf`.

use std::collections::BTreeSet;

use super::Hierarchy;
use crate::config::{canonical, is_same_host, is_wildcard};
use crate::reply::conf::Conf;
use crate::reply::digits;
use crate::text;

/// The membership of one configuration version (`QuorumVerifier.toString`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// The version of the dynamic configuration; 0 until the first reconfiguration.
    pub version: u64,
    /// The servers, in the order of their ids.
    pub servers: Vec<Server>,
    /// Servers beyond the limit that is parsed, counted as voters.
    pub servers_over_cap: usize,
    /// Hierarchical quorums, if configured.
    pub hierarchy: Option<Hierarchy>,
}

/// One server of a membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The server id.
    pub id: String,
    /// Host and quorum port of each address, sorted, the host in canonical form without the brackets of an IPv6
    /// address. Empty if the line is unreadable; the server counts nevertheless.
    pub addresses: Vec<(String, u16)>,
    /// Whether it votes; an observer does not.
    pub voter: bool,
    /// The client address, if the membership has one; the host may be a wildcard such as `0.0.0.0`.
    pub client: Option<(String, u16)>,
}

impl Membership {
    /// The membership in a `conf` reply; `None` before 3.5, on a standalone server, and without voters.
    #[must_use]
    pub fn from_conf(conf: &Conf<'_>) -> Option<Self> {
        let mut servers: Vec<Server> = conf.servers.iter().map(|line| Server::parse(line.id, line.spec)).collect();
        // Servers write them in the order of a hash table, which differs between servers.
        servers.sort_by_cached_key(|server| (server.id.parse::<u64>().unwrap_or(u64::MAX), server.id.clone()));
        // An ensemble without a voter cannot exist.
        if !servers.iter().any(|server| server.voter) {
            return None;
        }
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| (digits::ascii(name).into(), digits::ascii(value).into())).collect()
        };
        let voters: BTreeSet<&str> =
            servers.iter().filter(|server| server.voter).map(|server| server.id.as_str()).collect();
        let is_flat = conf.groups.is_empty() && conf.weights.is_empty();
        let hierarchy = (!is_flat).then(|| Hierarchy::new(&owned(&conf.groups), &owned(&conf.weights), &voters));
        let (version, servers_over_cap) = (conf.version.unwrap_or(0), conf.servers_over_cap);
        Some(Self { version, servers, servers_over_cap, hierarchy })
    }

    /// The number of voters.
    #[must_use]
    pub fn voters(&self) -> usize {
        self.servers.iter().filter(|server| server.voter).count() + self.servers_over_cap
    }

    /// The server with this id.
    #[must_use]
    pub fn server(&self, id: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.id == id)
    }

    /// The ids of servers whose line is unreadable.
    pub fn unreadable(&self) -> impl Iterator<Item = &str> {
        self.servers.iter().filter(|server| server.addresses.is_empty()).map(|server| server.id.as_str())
    }
}

impl Server {
    /// Reads `host:2888:3888:participant;0.0.0.0:2181` (`QuorumServer.toString`); several quorum addresses are joined
    /// with `|`, the role and the client part may be missing.
    fn parse(id: &str, spec: &str) -> Self {
        let (id, spec) = (digits::ascii(id), digits::ascii(spec));
        let (quorum, client) = spec.split_once(';').map_or((&*spec, None), |(quorum, client)| (quorum, Some(client)));
        let voter = !quorum.ends_with(":observer");
        let quorum = quorum.strip_suffix(":observer").or_else(|| quorum.strip_suffix(":participant")).unwrap_or(quorum);
        let addresses: Option<Vec<_>> = quorum.split('|').map(quorum_address).collect();
        let mut addresses = addresses.unwrap_or_default();
        // Servers sort them by their own spelling, so that the order may differ.
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(MAX_ADDRESSES);
        let client = client.and_then(|client| match client.parse() {
            // Only a port: all addresses of the server.
            Ok(port) => Some(("0.0.0.0".to_owned(), port)),
            Err(_) => host_and_port(client),
        });
        Self { id: text::fact(&id), addresses, voter, client }
    }

    /// Whether another server has the same addresses, in any order and spelling. `0.0.0.0` and `::` are equal.
    #[must_use]
    pub fn has_addresses_of(&self, other: &Self) -> bool {
        let alike = |(host, port): &(String, u16), (other, same): &(String, u16)| {
            port == same && (is_same_host(host, other) || is_wildcard(host) && is_wildcard(other))
        };
        if self.addresses.len() != other.addresses.len() {
            return false;
        }
        // Equal texts first: a short name may match several long ones.
        let mut ours = self.addresses.iter().filter(|address| !other.addresses.contains(address));
        let mut theirs: Vec<_> = other.addresses.iter().filter(|address| !self.addresses.contains(address)).collect();
        ours.all(|address| {
            theirs.iter().position(|other| alike(address, other)).map(|at| theirs.swap_remove(at)).is_some()
        })
    }

    /// `host:2888`, or several of them joined with `|`; `?` if the line is unreadable.
    #[must_use]
    pub fn place(&self) -> String {
        if self.addresses.is_empty() { "?".into() } else { self.places().join("|") }
    }

    /// `host:2888` of each address.
    #[must_use]
    pub fn places(&self) -> Vec<String> {
        self.addresses.iter().map(|(host, port)| join(host, *port)).collect()
    }

    /// The client address as text.
    #[must_use]
    pub fn client_place(&self) -> Option<String> {
        self.client.as_ref().map(|(host, port)| join(host, *port))
    }
}

fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Host and quorum port of `host:2888:3888`; the alphas of 3.5 wrote IPv6 addresses without brackets.
fn quorum_address(text: &str) -> Option<(String, u16)> {
    let (front, last) = text.rsplit_once(':')?;
    match host_and_port(front) {
        Some(found) if last.parse::<u16>().is_ok() => Some(found),
        _ => host_and_port(text),
    }
}

/// `host:port`, the host with or without brackets.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().ok()?;
    Some((known_host(bare)?, port))
}

/// Maximum number of addresses of a server; each one costs time of a scrape.
const MAX_ADDRESSES: usize = 8;

/// Maximum length of a host name (RFC 1035).
const MAX_HOST_BYTES: usize = 253;

/// A host in canonical form; a link-local IPv6 address may have its interface after a `%`.
fn known_host(host: &str) -> Option<String> {
    let (host, zone) = host.split_once('%').map_or((host, ""), |(host, zone)| (host, zone));
    let is_colonless = !host.contains(':');
    match canonical(host) {
        Some(known) if zone.is_empty() => Some(known),
        Some(known) => Some(format!("{known}%{}", text::line(zone, 15))),
        // A resolver may accept it; it is rejected later as a member.
        None => {
            let may_be_name = is_colonless && zone.is_empty() && (1..=MAX_HOST_BYTES).contains(&host.len());
            may_be_name.then(|| text::fact(host).to_lowercase())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::conf;

    fn read(lines: &str) -> Option<Membership> {
        Membership::from_conf(&conf::parse(&format!("clientPort=1\nmembership: \n{lines}\nversion=100000000")))
    }

    #[test]
    fn parses_every_form_that_servers_write() {
        for (spec, place, voter, client) in [
            ("zk-1:2888:3888:participant;0.0.0.0:2181", "zk-1:2888", true, Some("0.0.0.0:2181")),
            ("[fd00::2]:2888:3888:participant;[fd00::2]:2281", "[fd00::2]:2888", true, Some("[fd00::2]:2281")),
            ("[0:0:0:0:0:0:0:1]:2888:3888:participant;[0:0:0:0:0:0:0:1]:1", "[::1]:2888", true, Some("[::1]:1")),
            ("a:1:2|B.:3:4:observer", "a:1|b:3", false, None),
            ("b:3:4|A:1:2|b.:3:4:observer", "a:1|b:3", false, None),
            ("zk-4:2888:3888;2381", "zk-4:2888", true, Some("0.0.0.0:2381")),
            ("zk-4:2888", "zk-4:2888", true, None),
            ("127.77.7.1:٢٨٨١:٣٨٨١:participant;127.77.7.1:22181", "127.77.7.1:2881", true, Some("127.77.7.1:22181")),
            ("fd00::1:2888:3888:participant;fd00::1:2181", "[fd00::1]:2888", true, Some("[fd00::1]:2181")),
            ("[fe80:0:0:0:0:0:0:1%eth0]:2888:3888:participant", "[fe80::1%eth0]:2888", true, None),
            // An unreadable line is a voter at an unknown address.
            ("nonsense", "?", true, None),
            ("", "?", true, None),
            ("zk-5:port:port:observer;2181", "?", false, Some("0.0.0.0:2181")),
            ("a:1:2|nonsense:participant", "?", true, None),
        ] {
            let membership = read(&format!("server.9=x:1:2:participant\nserver.1={spec}")).expect("a membership");
            let server = membership.server("1").unwrap_or_else(|| panic!("{spec} is lost"));
            assert_eq!(
                (&*server.place(), server.voter, server.client_place().as_deref()),
                (place, voter, client),
                "{spec}"
            );
            assert_eq!(membership.voters(), 1 + usize::from(voter), "{spec}");
            assert_eq!(membership.unreadable().count(), usize::from(place == "?"), "{spec}");
        }
    }

    #[test]
    fn the_order_of_addresses_and_servers_is_irrelevant() {
        let server = |spec: &str| read(&format!("server.1={spec}")).and_then(|read| read.server("1").cloned());
        let same =
            |one: &str, other: &str| server(one).zip(server(other)).map(|(one, other)| one.has_addresses_of(&other));
        for (one, other, expected) in [
            ("a:1:2|b:3:4", "b:3:4|a:1:2", true),
            ("a:1:2|b:3:4", "B.example.com:3:4|A:1:2", true),
            ("zk:1:2|zk.a:1:2", "zk.b:1:2|zk.a:1:2", true),
            ("10.0.0.1:1:2|0.0.0.0:3:4", "[::]:3:4|10.0.0.1:1:2", true),
            ("a:1:2|b:3:4", "a:3:4|b:1:2", false),
            ("a:1:2|b:3:4", "a:1:2", false),
            ("a:1:2|b:3:4", "a:1:2|a.example.com:1:2", false),
            ("zk:1:2|zk.a:1:2", "zk.b:1:2|zk.c:1:2", false),
        ] {
            assert_eq!((same(one, other), same(other, one)), (Some(expected), Some(expected)), "{one} {other}");
        }
        let many: Vec<_> = (0..20_000).map(|number| format!("10.0.{}.{}:1:2", number / 250, number % 250)).collect();
        assert_eq!(server(&many.join("|")).map(|server| server.addresses.len()), Some(MAX_ADDRESSES));
        let ids = |lines: &str| -> Vec<String> {
            read(lines).into_iter().flat_map(|read| read.servers).map(|server| server.id).collect()
        };
        assert_eq!(ids("server.x=a:1:2\nserver.10=a:1:2\nserver.9=a:1:2\nserver.2=a:1:2"), ["2", "9", "10", "x"]);
    }

    #[test]
    fn servers_beyond_the_cap_are_counted() {
        let lines: Vec<_> = (1..=1003).map(|id| format!("server.{id}=h{id}:1:2:participant")).collect();
        let membership = read(&lines.join("\n")).expect("a membership");
        assert_eq!((membership.servers.len(), membership.voters(), membership.version), (1000, 1003, 0x1_0000_0000));
    }

    #[test]
    fn groups_and_weights_are_kept() {
        let lines = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\ngroup.1=1\ngroup.٢=٢\nweight.1=1";
        let membership = read(lines).expect("a membership");
        let hierarchy = membership.hierarchy.expect("groups");
        assert_eq!(hierarchy.margin(&["1", "2"].into()), Some(0));
        assert_eq!(hierarchy.margin(&["1"].into()), Some(-1));
        assert_eq!(Membership::from_conf(&conf::parse("clientPort=1\nserverId=0\n")), None);
        assert_eq!(read("server.1=a:1:2:observer"), None, "no voter");
    }
}

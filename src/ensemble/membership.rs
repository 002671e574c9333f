//! Who belongs to an ensemble, as its own servers say it in the membership block of `conf`.

use std::collections::BTreeSet;

use super::Hierarchy;
use crate::config::canonical;
use crate::reply::conf::Conf;
use crate::reply::digits;
use crate::text;

/// The membership of one configuration version (`QuorumVerifier.toString`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// The version of the dynamic configuration; 0 until the first reconfiguration.
    pub version: u64,
    /// The servers, in the order of the reply.
    pub servers: Vec<Server>,
    /// Servers beyond those that are read, counted as voters.
    pub servers_over_cap: usize,
    /// Quorums by groups and weights, where there are such.
    pub hierarchy: Option<Hierarchy>,
}

/// One server of a membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The server id.
    pub id: String,
    /// Host and quorum port of each of its addresses, the host in its canonical form, without the brackets of an IPv6
    /// address. Empty where the line cannot be read: the server is there all the same.
    pub addresses: Vec<(String, u16)>,
    /// It votes; an observer does not.
    pub voter: bool,
    /// Where its clients connect, if the membership says so; the host may be a wildcard such as `0.0.0.0`.
    pub client: Option<(String, u16)>,
}

impl Membership {
    /// The membership that a `conf` reply holds; `None` before 3.5, on a standalone server, and without voters.
    #[must_use]
    pub fn from_conf(conf: &Conf<'_>) -> Option<Self> {
        let servers: Vec<Server> = conf.servers.iter().map(|line| Server::parse(line.id, line.spec)).collect();
        // Without a voter nothing could ever have been decided: not the membership of an ensemble.
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

    /// The number of servers that vote.
    #[must_use]
    pub fn voters(&self) -> usize {
        self.servers.iter().filter(|server| server.voter).count() + self.servers_over_cap
    }

    /// The server of an id.
    #[must_use]
    pub fn server(&self, id: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.id == id)
    }

    /// The ids of servers whose line cannot be read.
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
        let client = client.and_then(|client| match client.parse() {
            // Only a port: any address of the server.
            Ok(port) => Some(("0.0.0.0".to_owned(), port)),
            Err(_) => host_and_port(client),
        });
        Self { id: text::fact(&id), addresses: addresses.unwrap_or_default(), voter, client }
    }

    /// `host:2888`, or several of them joined with `|`; `?` where the line cannot be read.
    #[must_use]
    pub fn place(&self) -> String {
        if self.addresses.is_empty() { "?".into() } else { self.places().join("|") }
    }

    /// `host:2888` of each address.
    #[must_use]
    pub fn places(&self) -> Vec<String> {
        self.addresses.iter().map(|(host, port)| join(host, *port)).collect()
    }

    /// Where clients connect, as it is written.
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

/// The longest host name.
const MAX_HOST_BYTES: usize = 253;

/// A host in its canonical form; a link-local IPv6 address may name its interface behind a `%`.
fn known_host(host: &str) -> Option<String> {
    let (host, zone) = host.split_once('%').map_or((host, ""), |(host, zone)| (host, zone));
    let is_colonless = !host.contains(':');
    match canonical(host) {
        Some(known) if zone.is_empty() => Some(known),
        Some(known) => Some(format!("{known}%{}", text::line(zone, 15))),
        // Some resolver may know it; as a member it will be refused.
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
    fn reads_every_form_a_server_writes() {
        for (spec, place, voter, client) in [
            ("zk-1:2888:3888:participant;0.0.0.0:2181", "zk-1:2888", true, Some("0.0.0.0:2181")),
            ("[fd00::2]:2888:3888:participant;[fd00::2]:2281", "[fd00::2]:2888", true, Some("[fd00::2]:2281")),
            ("[0:0:0:0:0:0:0:1]:2888:3888:participant;[0:0:0:0:0:0:0:1]:1", "[::1]:2888", true, Some("[::1]:1")),
            ("a:1:2|B.:3:4:observer", "a:1|b:3", false, None),
            ("zk-4:2888:3888;2381", "zk-4:2888", true, Some("0.0.0.0:2381")),
            ("zk-4:2888", "zk-4:2888", true, None),
            ("127.77.7.1:٢٨٨١:٣٨٨١:participant;127.77.7.1:22181", "127.77.7.1:2881", true, Some("127.77.7.1:22181")),
            ("fd00::1:2888:3888:participant;fd00::1:2181", "[fd00::1]:2888", true, Some("[fd00::1]:2181")),
            ("[fe80:0:0:0:0:0:0:1%eth0]:2888:3888:participant", "[fe80::1%eth0]:2888", true, None),
            // What cannot be read is a voter at an unknown address.
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

//! The present members of an ensemble, made of what a resolver or a member of it said. Pure.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::{Member, Membership, Server};
use crate::config::{Address, Reach, is_wildcard};

/// A membership and who told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What was told.
    pub membership: Membership,
    /// Where the member was reached that told it.
    pub by: Address,
    /// Its server id.
    pub id: String,
}

/// Members that were found, and how many were left out.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// The members in a stable order, without duplicates.
    pub members: Vec<Member>,
    /// Over the cap.
    pub over_cap: u64,
    /// With an address that is none, or that is around the exporter ([`Reach`]).
    pub unusable: u64,
}

impl Roster {
    fn add(&mut self, seen: &mut BTreeSet<Address>, cap: usize, member: Member) {
        if self.members.len() >= cap {
            self.over_cap += 1;
        } else if seen.insert(member.address.clone()) {
            self.members.push(member);
        }
    }
}

/// Where the addresses of a configured name may be.
pub const REACH_OF_NAMES: Reach = Reach::DiscoveredOnLoopback;

/// Every address of a name as a member, in the order of the numbers.
///
/// The operator wrote the name, so loopback may be meant; what can be no member is left out.
#[must_use]
pub fn by_addresses(names: &[(Member, Vec<SocketAddr>)], cap: usize) -> Roster {
    let (mut roster, mut seen) = (Roster::default(), BTreeSet::new());
    for (name, addresses) in names {
        let mut addresses = addresses.clone();
        addresses.sort_unstable();
        for address in addresses {
            if !REACH_OF_NAMES.allows(address.ip()) {
                roster.unusable += 1;
                continue;
            }
            // The certificate of a member has its name, hardly ever its number.
            let member = Member {
                observer: name.observer,
                host: Some(name.address.host().into()),
                reach: REACH_OF_NAMES,
                ..Address::from(address).into()
            };
            roster.add(&mut seen, cap, member);
        }
    }
    roster
}

/// The servers of a membership as members.
///
/// `known` gives the address by which the server of an id was reached before: it decides where the membership names no
/// host for clients. `configured`: the members that the operator
/// named, which alone may be anywhere. `secure`: clients use TLS, whose port is not part of a membership.
#[must_use]
pub fn by_membership(
    told: &Told,
    known: &[(String, Member)],
    configured: &[Member],
    secure: bool,
    cap: usize,
) -> Roster {
    let mut servers: Vec<&Server> = told.membership.servers.iter().collect();
    servers.sort_by_key(|server| (server.id.parse::<u64>().unwrap_or(u64::MAX), &server.id));
    servers.dedup_by_key(|server| &server.id);
    let (mut roster, mut seen) = (Roster::default(), BTreeSet::new());
    let place = Place { told, known, configured, reach: reach_of(configured), secure };
    for server in servers {
        let Some(member) = place.member(server) else {
            roster.unusable += 1;
            continue;
        };
        roster.add(&mut seen, cap, Member { observer: !server.voter, ..member });
    }
    roster
}

/// What places the servers of a membership.
struct Place<'a> {
    told: &'a Told,
    known: &'a [(String, Member)],
    configured: &'a [Member],
    reach: Reach,
    secure: bool,
}

impl Place<'_> {
    fn member(&self, server: &Server) -> Option<Member> {
        let Self { told, known, secure, .. } = self;
        let named = server.client.as_ref().filter(|(host, _)| !is_wildcard(host));
        let port = match &server.client {
            Some((_, port)) if !secure => *port,
            _ => told.by.port(),
        };
        if let Some((host, _)) = named {
            return self.discovered(host, port);
        }
        if let Some((_, member)) = known.iter().find(|(id, _)| *id == server.id) {
            return Some(member.clone());
        }
        if server.addresses.iter().any(|(host, _)| is_wildcard(host)) {
            // A server that names itself so is the one that told.
            return (server.id == told.id).then(|| self.discovered(told.by.host(), told.by.port())).flatten();
        }
        // Of several addresses the first is the name of the member, whichever of them answers.
        let mut usable = server.addresses.iter().filter_map(|(host, _)| self.discovered(host, port));
        let member = usable.next()?;
        Some(Member { others: usable.map(|other| other.address).collect(), ..member })
    }

    /// A member by an address that another member told: only a configured one may be anywhere.
    fn discovered(&self, host: &str, port: u16) -> Option<Member> {
        let address = Address::new(host, port).ok()?;
        if self.configured.iter().any(|member| member.address == address) {
            return Some(address.into());
        }
        self.reach.allows_host(host).then(|| Member { reach: self.reach, ..address.into() })
    }
}

fn reach_of(configured: &[Member]) -> Reach {
    Reach::of_discovered(configured.iter().map(|member| &member.address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::conf;

    fn told(servers: &str, by: &str, id: &str) -> Told {
        let text = format!("clientPort=1\nmembership: \n{servers}\nversion=7");
        let membership = Membership::from_conf(&conf::parse(&text)).expect("a membership");
        Told { membership, by: by.parse().expect("an address"), id: id.into() }
    }

    fn names(roster: &Roster) -> Vec<&str> {
        roster.members.iter().map(|member| &*member.name).collect()
    }

    #[test]
    fn a_server_is_where_its_clients_are_told_to_go() {
        let servers = "server.10=zk-j:2888:3888:observer\nserver.1=zk-a:2888:3888:participant;10.0.0.1:2181\n\
            server.2=zk-b:2888:3888:participant;0.0.0.0:2182\nserver.3=zk-c:2888:3888:participant;[::]:2183\n\
            server.4=zk-d:2888:3888\nserver.5=0.0.0.0:2888:3888;2181\nserver.6=0.0.0.0:2888:3888";
        let told = told(servers, "zk-e:12181", "5");
        let roster = by_membership(&told, &[], &[], false, 100);
        assert_eq!(
            names(&roster),
            ["10.0.0.1:2181", "zk-b:2182", "zk-c:2183", "zk-d:12181", "zk-e:12181", "zk-j:12181"]
        );
        assert_eq!(roster.unusable, 1);
        let observers: Vec<_> = roster.members.iter().map(|member| member.observer).collect();
        assert_eq!(observers, [false, false, false, false, false, true]);
        // The port for TLS is not part of a membership.
        let secure = by_membership(&told, &[], &[], true, 100);
        assert_eq!(names(&secure)[..4], ["10.0.0.1:12181", "zk-b:12181", "zk-c:12181", "zk-d:12181"]);
    }

    #[test]
    fn a_server_that_was_reached_before_is_not_asked_twice() {
        let told = told("server.1=zoo1:2888:3888;2181\nserver.2=zoo2:2888:3888;2181", "localhost:12181", "1");
        let known = [("1", "localhost:12181"), ("2", "localhost:12182")]
            .map(|(id, address)| (id.to_owned(), address.parse::<Address>().expect("an address").into()));
        assert_eq!(names(&by_membership(&told, &known, &[], false, 100)), ["localhost:12181", "localhost:12182"]);
        assert_eq!(names(&by_membership(&told, &known[..1], &[], false, 100)), ["localhost:12181", "zoo2:2181"]);
    }

    #[test]
    fn a_hostile_membership_is_bounded_and_sends_nobody_home() {
        let mut servers: Vec<_> = (1..=1000).map(|id| format!("server.{id}=h{id}:2888:3888;2181")).collect();
        servers.push("server.1001=h1:2888:3888;2181".into());
        let servers = servers.join("\n");
        let told_of = told(&servers, "zk-1:2181", "1");
        let roster = by_membership(&told_of, &[], &[], false, 255);
        assert_eq!(roster.members.len(), 255);
        assert_eq!(roster.over_cap, told_of.membership.servers.len() as u64 - 255);
        let servers = "server.1=zk-1:1:1;127.0.0.1:2181\nserver.2=169.254.169.254:1:1;80\nserver.3=::1:1:1\n\
            server.4=a:1:1;localhost:9141\nserver.5=bad host:1:1;2181\nserver.6=[::ffff:127.0.0.1]:1:1;2181\n\
            server.7=ok:1:1;2181\nserver.8=h:1:1;0.0.0.0:0";
        let configured = [member("zk-1:2181"), member("127.0.0.9:2181")];
        let roster = by_membership(&told(servers, "zk-1:2181", "1"), &[], &configured, false, 255);
        assert_eq!(names(&roster), ["ok:2181"]);
        assert_eq!(roster.members[0].reach, Reach::Discovered);
        // An ensemble on loopback finds its members there, and no others around the exporter.
        let servers = "server.1=127.0.0.2:1:1;127.0.0.2:2181\nserver.2=[fe80::1]:1:1;2181\nserver.3=127.1:1:1;2181";
        let home = told(servers, "127.0.0.1:2181", "1");
        let roster = by_membership(&home, &[], &[member("localhost:2181")], false, 9);
        assert_eq!((names(&roster), roster.unusable), (vec!["127.0.0.2:2181", "127.1:2181"], 1));
        // One that is asked by a name finds on loopback what is configured there alone.
        let told_of = told("server.1=127.0.0.9:1:1;127.0.0.9:2181\nserver.2=0.0.0.0:1:1", "127.0.0.8:2181", "2");
        let roster = by_membership(&told_of, &[], &configured, false, 9);
        assert_eq!((names(&roster), roster.members[0].reach), (vec!["127.0.0.9:2181"], Reach::Configured));
    }

    fn member(name: &str) -> Member {
        Member::from(name.parse::<Address>().expect("an address"))
    }

    #[test]
    fn every_address_of_a_name_once() {
        let ip = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let names_found = [
            (member("zk:2181"), vec![ip("10.0.0.2:2181"), ip("10.0.0.1:2181"), ip("[fd00::1]:2181")]),
            (member("zk-2:2181"), vec![ip("10.0.0.2:2181")]),
        ];
        let roster = by_addresses(&names_found, 10);
        assert_eq!(names(&roster), ["10.0.0.1:2181", "10.0.0.2:2181", "[fd00::1]:2181"]);
        assert_eq!(roster.members[0].host.as_deref(), Some("zk"));
        assert_eq!(by_addresses(&names_found, 2).over_cap, 2);
        let around = [(member("zk:80"), vec![ip("169.254.169.254:80"), ip("[ff02::1]:80"), ip("127.0.0.1:80")])];
        let roster = by_addresses(&around, 10);
        assert_eq!((names(&roster), roster.unusable), (vec!["127.0.0.1:80"], 2));
    }
}

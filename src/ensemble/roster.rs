//! The current members of an ensemble, computed from resolved addresses or from a reported membership. No I/O.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

use super::{Member, Membership, Server};
use crate::config::{Address, Reach, is_wildcard};

/// A membership and the member that reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedMembership {
    /// The reported membership.
    pub membership: Membership,
    /// The address at which the reporting member was reached.
    pub by: Address,
    /// Its server id.
    pub id: String,
}

/// Discovered members, and the number of omitted ones.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// The members in a stable order, without duplicates.
    pub members: Vec<Member>,
    /// Members above the limit.
    pub over_cap: u64,
    /// Members whose address is invalid or not allowed ([`Reach`]).
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

/// The allowed addresses of a configured name.
pub const REACH_OF_NAMES: Reach = Reach::DiscoveredOnLoopback;

/// Every address of a name as a member, in numerical order.
///
/// The operator configured the name, so loopback is allowed; other addresses that cannot be members are omitted.
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
            // The certificate of a member has its name, rarely its IP address.
            let member = Member {
                observer: name.observer,
                host: Some(name.address.host().into()),
                zone: name.zone.clone(),
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
/// `known`: the address at which the server with an id was reached before, used if the membership has no client host.
/// `configured`: the members configured by the operator, the only ones that may have any address. `secure`: clients use
/// TLS, whose port is not part of a membership.
#[must_use]
pub fn by_membership(
    reported: &ReportedMembership,
    known: &[(String, Member)],
    configured: &[Member],
    secure: bool,
    cap: usize,
) -> Roster {
    let mut servers: Vec<&Server> = reported.membership.servers.iter().collect();
    servers.sort_by_key(|server| (server.id.parse::<u64>().unwrap_or(u64::MAX), &server.id));
    servers.dedup_by_key(|server| &server.id);
    let (mut roster, mut seen) = (Roster::default(), BTreeSet::new());
    let placement = Placement { reported, known, configured, reach: reach_of(configured), secure };
    for server in servers {
        let Some(member) = placement.member(server) else {
            roster.unusable += 1;
            continue;
        };
        roster.add(&mut seen, cap, Member { observer: !server.voter, ..member });
    }
    roster
}

/// The inputs for the address of a server.
struct Placement<'a> {
    reported: &'a ReportedMembership,
    known: &'a [(String, Member)],
    configured: &'a [Member],
    reach: Reach,
    secure: bool,
}

impl Placement<'_> {
    fn member(&self, server: &Server) -> Option<Member> {
        let Self { reported, known, secure, .. } = self;
        let named = server.client.as_ref().filter(|(host, _)| !is_wildcard(host));
        let port = match &server.client {
            Some((_, port)) if !secure => *port,
            _ => reported.by.port(),
        };
        if let Some((host, _)) = named {
            return self.discovered(host, port);
        }
        if let Some((_, member)) = known.iter().find(|(id, _)| *id == server.id) {
            return Some(member.clone());
        }
        if server.addresses.iter().any(|(host, _)| is_wildcard(host)) {
            // A wildcard address is that of the server that reported the membership.
            return (server.id == reported.id)
                .then(|| self.discovered(reported.by.host(), reported.by.port()))
                .flatten();
        }
        // A configured address names the member if there is one, otherwise the first address, regardless of which one
        // replies.
        let mut usable: VecDeque<Member> =
            server.addresses.iter().filter_map(|(host, _)| self.discovered(host, port)).collect();
        let place = usable.iter().position(|member| member.reach == Reach::Configured).unwrap_or(0);
        let member = usable.remove(place)?;
        Some(Member { others: usable.into_iter().map(|other| (other.address, other.reach)).collect(), ..member })
    }

    /// A member by an address that another member reported: only a configured member may have any address.
    fn discovered(&self, host: &str, port: u16) -> Option<Member> {
        let address = Address::new(host, port).ok()?;
        if let Some(member) = self.configured.iter().find(|member| member.address == address) {
            return Some(Member { zone: member.zone.clone(), ..address.into() });
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

    fn reported(servers: &str, by: &str, id: &str) -> ReportedMembership {
        let text = format!("clientPort=1\nmembership: \n{servers}\nversion=7");
        let membership = Membership::from_conf(&conf::parse(&text)).expect("a membership");
        ReportedMembership { membership, by: by.parse().expect("an address"), id: id.into() }
    }

    fn names(roster: &Roster) -> Vec<&str> {
        roster.members.iter().map(|member| &*member.name).collect()
    }

    #[test]
    fn servers_are_found_at_their_client_addresses() {
        let servers = "server.10=zk-j:2888:3888:observer\nserver.1=zk-a:2888:3888:participant;10.0.0.1:2181\n\
            server.2=zk-b:2888:3888:participant;0.0.0.0:2182\nserver.3=zk-c:2888:3888:participant;[::]:2183\n\
            server.4=zk-d:2888:3888\nserver.5=0.0.0.0:2888:3888;2181\nserver.6=0.0.0.0:2888:3888";
        let reported = reported(servers, "zk-e:12181", "5");
        let roster = by_membership(&reported, &[], &[], false, 100);
        assert_eq!(
            names(&roster),
            ["10.0.0.1:2181", "zk-b:2182", "zk-c:2183", "zk-d:12181", "zk-e:12181", "zk-j:12181"]
        );
        assert_eq!(roster.unusable, 1);
        let observers: Vec<_> = roster.members.iter().map(|member| member.observer).collect();
        assert_eq!(observers, [false, false, false, false, false, true]);
        // The port for TLS is not part of a membership.
        let secure = by_membership(&reported, &[], &[], true, 100);
        assert_eq!(names(&secure)[..4], ["10.0.0.1:12181", "zk-b:12181", "zk-c:12181", "zk-d:12181"]);
    }

    #[test]
    fn a_server_that_was_reached_before_keeps_its_address() {
        let reported = reported("server.1=zoo1:2888:3888;2181\nserver.2=zoo2:2888:3888;2181", "localhost:12181", "1");
        let known = [("1", "localhost:12181"), ("2", "localhost:12182")]
            .map(|(id, address)| (id.to_owned(), address.parse::<Address>().expect("an address").into()));
        assert_eq!(names(&by_membership(&reported, &known, &[], false, 100)), ["localhost:12181", "localhost:12182"]);
        assert_eq!(names(&by_membership(&reported, &known[..1], &[], false, 100)), ["localhost:12181", "zoo2:2181"]);
    }

    #[test]
    fn a_hostile_membership_is_bounded_and_adds_no_local_addresses() {
        let mut servers: Vec<_> = (1..=1000).map(|id| format!("server.{id}=h{id}:2888:3888;2181")).collect();
        servers.push("server.1001=h1:2888:3888;2181".into());
        let servers = servers.join("\n");
        let of_many = reported(&servers, "zk-1:2181", "1");
        let roster = by_membership(&of_many, &[], &[], false, 255);
        assert_eq!(roster.members.len(), 255);
        assert_eq!(roster.over_cap, of_many.membership.servers.len() as u64 - 255);
        let servers = "server.1=zk-1:1:1;127.0.0.1:2181\nserver.2=169.254.169.254:1:1;80\nserver.3=::1:1:1\n\
            server.4=a:1:1;localhost:9141\nserver.5=bad host:1:1;2181\nserver.6=[::ffff:127.0.0.1]:1:1;2181\n\
            server.7=ok:1:1;2181\nserver.8=h:1:1;0.0.0.0:0";
        let configured = [member("zk-1:2181"), member("127.0.0.9:2181")];
        let roster = by_membership(&reported(servers, "zk-1:2181", "1"), &[], &configured, false, 255);
        assert_eq!(names(&roster), ["ok:2181"]);
        assert_eq!(roster.members[0].reach, Reach::Discovered);
        // An ensemble on loopback discovers its members there, but no other services around the exporter.
        let servers = "server.1=127.0.0.2:1:1;127.0.0.2:2181\nserver.2=[fe80::1]:1:1;2181\nserver.3=127.1:1:1;2181";
        let home = reported(servers, "127.0.0.1:2181", "1");
        let roster = by_membership(&home, &[], &[member("localhost:2181")], false, 9);
        assert_eq!((names(&roster), roster.unusable), (vec!["127.0.0.2:2181", "127.0.0.1:2181"], 1));
        // An ensemble configured by name discovers on loopback only members that are configured.
        let of_many = reported("server.1=127.0.0.9:1:1;127.0.0.9:2181\nserver.2=0.0.0.0:1:1", "127.0.0.8:2181", "2");
        let roster = by_membership(&of_many, &[], &configured, false, 9);
        assert_eq!((names(&roster), roster.members[0].reach), (vec!["127.0.0.9:2181"], Reach::Configured));
    }

    #[test]
    fn a_server_of_several_addresses_is_named_by_the_one_that_is_configured() {
        let configured = [member("zk-9:2181"), member("zk-b:2181")];
        for servers in [
            "server.1=zk-a:1:2|zk-b:1:2:participant\nserver.2=zk-d:1:2|zk-c:1:2:participant",
            "server.2=zk-c:1:2|zk-d:1:2:participant\nserver.1=zk-b:1:2|zk-a:1:2:participant",
        ] {
            let roster = by_membership(&reported(servers, "zk-9:2181", "9"), &[], &configured, false, 9);
            let found: Vec<_> = roster.members.iter().map(|member| (&*member.name, &*member.others)).collect();
            // Further addresses that a configured server reports do not count as configured.
            let other = |name: &str| [(name.parse::<Address>().expect("an address"), Reach::Discovered)];
            assert_eq!(found, [("zk-b:2181", &other("zk-a:2181")[..]), ("zk-c:2181", &other("zk-d:2181"))]);
        }
    }

    fn member(name: &str) -> Member {
        Member::from(name.parse::<Address>().expect("an address"))
    }

    #[test]
    fn every_address_of_a_name_is_one_member() {
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

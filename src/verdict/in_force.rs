//! Maps a member to its server in the current membership.

use std::collections::BTreeMap;

use super::membership_groups::states_membership;
use crate::config::{Address, is_number, is_same_host, is_wildcard};
use crate::ensemble::{Membership, Server};
use crate::scrape::MemberReport;

/// Maximum number of hosts of a server; a server has at most eight, which its peers may write differently.
const MAX_HOSTS: usize = 32;

/// The current membership. For a server that configures itself as `0.0.0.0`, it includes the hosts known to other
/// members with the same version.
pub(super) struct InForce<'r> {
    pub(super) membership: &'r Membership,
    /// Hosts by server id.
    hosts: BTreeMap<&'r str, Vec<&'r str>>,
}

impl<'r> InForce<'r> {
    pub(super) fn new(
        membership: &'r Membership,
        different: &[&'r Membership],
        groups: &[usize],
        judged: usize,
    ) -> Self {
        let alike = |number: &usize| groups[*number] == judged && different[*number].version == membership.version;
        let others = (0..different.len()).filter(alike).map(|number| different[number]);
        let mut hosts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for server in std::iter::once(membership).chain(others).flat_map(|membership| &membership.servers) {
            let known = hosts.entry(&server.id).or_default();
            for (host, _) in server.addresses.iter().filter(|(host, _)| !is_wildcard(host)) {
                if known.len() < MAX_HOSTS && !known.contains(&host.as_str()) {
                    known.push(host);
                }
            }
        }
        Self { membership, hosts }
    }

    /// The hosts of a server id, as known to any member.
    fn hosts(&self, id: &str) -> impl Iterator<Item = &'r str> {
        self.hosts.get(id).into_iter().flatten().copied()
    }

    /// The server of a member: by the id it states, unless that server has moved, otherwise by its address.
    pub(super) fn id(&self, member: &MemberReport) -> Option<&'r str> {
        let stated = member.conf.as_ref().map(|conf| conf.server_id.as_str()).filter(|id| !id.is_empty());
        match stated.and_then(|id| self.membership.server(id)) {
            Some(server) => (!self.has_moved(member, server)).then_some(server.id.as_str()),
            None if states_membership(member) => None,
            None => self.by_address(member).map(|server| server.id.as_str()),
        }
    }

    /// Whether a silent member was this server, which now has another address.
    fn has_moved(&self, member: &MemberReport, server: &Server) -> bool {
        if member.up {
            return false;
        }
        let own = member.conf.as_ref().and_then(|conf| conf.membership.as_ref());
        let Some(before) =
            own.filter(|own| own.version < self.membership.version).and_then(|own| own.server(&server.id))
        else {
            return false;
        };
        let name = host_of(member);
        let now = || self.hosts(&server.id);
        let then = || before.addresses.iter().map(|(host, _)| host.as_str()).filter(|host| !is_wildcard(host));
        let stays = |host: &str| now().any(|now| is_same_host(now, host) || is_number(now) != is_number(host));
        let is_listed_so = name.is_some_and(|name| now().any(|now| is_same_host(now, &name)));
        now().next().is_some() && then().next().is_some() && !then().any(stays) && !is_listed_so
    }

    /// The server with this address, if it is unique.
    fn by_address(&self, member: &MemberReport) -> Option<&'r Server> {
        let address: Address = member.name.parse().ok()?;
        let mut fitting = self.membership.servers.iter().filter(|server| match &server.client {
            Some((host, port)) if *port == address.port() && !is_wildcard(host) => is_same_host(host, address.host()),
            Some((_, port)) if *port != address.port() => false,
            _ => self.hosts(&server.id).any(|host| is_same_host(host, address.host())),
        });
        let found = fitting.next()?;
        fitting.next().is_none().then_some(found)
    }

    /// Whether the member is listed under a host of its server.
    pub(super) fn is_named_so(&self, member: &MemberReport) -> bool {
        let Some(name) = host_of(member) else { return false };
        let server = self.id(member).and_then(|id| self.membership.server(id));
        server.is_some_and(|server| {
            self.hosts(&server.id).any(|host| is_same_host(host, &name))
                || server.client.as_ref().is_some_and(|(host, _)| is_same_host(host, &name))
        })
    }

    /// Whether every server has a host comparable with the member's, and none matches.
    pub(super) fn has_no_such_host(&self, member: &MemberReport) -> bool {
        let Some(name) = host_of(member) else { return false };
        self.membership.servers.iter().all(|server| {
            let mut hosts = self.hosts(&server.id).peekable();
            hosts.peek().is_some()
                && hosts.all(|host| is_number(host) == is_number(&name) && !is_same_host(host, &name))
        })
    }
}

fn host_of(member: &MemberReport) -> Option<String> {
    member.name.parse::<Address>().ok().map(|address| address.host().to_owned())
}

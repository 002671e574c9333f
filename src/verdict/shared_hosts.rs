//! Voters that share a host, so that one failure takes all of them.
//!
//! The hosts of the membership decide, and the IP address of a member that is queried by such a host: behind a proxy or
//! a port mapping, several servers have one address. Without a membership, the addresses of the members decide.
//! Loopback is omitted: it is an ensemble for tests, on one host by intention.

use std::collections::{BTreeMap, BTreeSet};

use super::membership_groups::Groups;
use crate::config::reach::is_loopback;
use crate::config::{Address, is_number, is_same_host, is_wildcard};
use crate::ensemble::Server;
use crate::scrape::{EnsembleReport, MemberReport};

/// A host with several voters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedHost {
    /// Its name or IP address.
    pub host: String,
    /// The indices of the members.
    pub members: Vec<usize>,
    /// Whether the membership has this host for all of them. A shared IP address may also be that of a proxy or of a port
    /// mapping.
    pub is_stated: bool,
}

pub(super) fn find(report: &EnsembleReport, groups: &Groups<'_>) -> Vec<SharedHost> {
    let servers: BTreeMap<&str, &Server> = groups
        .membership
        .iter()
        .flat_map(|membership| &membership.servers)
        .map(|server| (server.id.as_str(), server))
        .collect();
    let mut by_host: BTreeMap<String, (Vec<usize>, bool)> = BTreeMap::new();
    for place in (0..report.members.len()).filter(|place| groups.votes[*place]) {
        let server = groups.ids[place].and_then(|id| servers.get(id).copied());
        for host in hosts(&report.members[place], server) {
            let is_stated = server.is_some_and(|server| server.addresses.iter().any(|(stated, _)| *stated == host));
            let (members, all_stated) = by_host.entry(host).or_insert((Vec::new(), true));
            members.push(place);
            *all_stated &= is_stated;
        }
    }
    let port = |place: usize| report.members[place].name.rsplit_once(':').map_or("", |(_, port)| port);
    // One address and port is one server, even if it is not known which one.
    let server = |place: usize| groups.ids[place].unwrap_or_else(|| port(place));
    let mut found: BTreeMap<Vec<usize>, (String, bool)> = BTreeMap::new();
    for (host, (members, is_stated)) in by_host {
        if members.iter().map(|place| server(*place)).collect::<BTreeSet<_>>().len() < 2 {
            continue;
        }
        let (known, known_stated) = found.entry(members).or_insert_with(|| (host.clone(), false));
        *known_stated |= is_stated;
        if is_number(known) {
            *known = host;
        }
    }
    found.into_iter().map(|(members, (host, is_stated))| SharedHost { host, members, is_stated }).collect()
}

/// The hosts that a voter is on, each once.
fn hosts(member: &MemberReport, server: Option<&Server>) -> BTreeSet<String> {
    let stated: Vec<&str> = server
        .iter()
        .flat_map(|server| &server.addresses)
        .map(|(host, _)| host.as_str())
        .filter(|host| !is_wildcard(host))
        .collect();
    let own: Option<Address> = member.name.parse().ok();
    let own = own.as_ref().map(Address::host);
    let is_stated = own.is_some_and(|own| stated.iter().any(|host| is_same_host(host, own)));
    let mut hosts: BTreeSet<String> = stated.iter().map(|host| (*host).to_owned()).collect();
    if stated.is_empty() {
        hosts.extend(own.map(str::to_owned));
    }
    if stated.is_empty() || is_stated {
        hosts.extend(member.ip.map(|ip| ip.to_string()));
    }
    hosts.retain(|host| !is_loopback(host));
    // A name that resolves to loopback is an ensemble for tests as well.
    if member.ip.is_some_and(|ip| ip.is_loopback()) {
        hosts.clear();
    }
    hosts
}

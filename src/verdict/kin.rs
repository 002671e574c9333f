//! Who of the listed members belongs together, and who of them votes.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::config::Address;
use crate::ensemble::{Membership, Server};
use crate::scrape::{EnsembleReport, MemberReport, State};

/// More different memberships than this are not compared: a healthy ensemble has one.
const MAX_MEMBERSHIPS: usize = 16;

/// The members of one ensemble, told from those that were listed by mistake.
#[derive(Debug)]
pub(super) struct Kin<'r> {
    /// One entry a member: the number of the ensemble it belongs to by its membership.
    pub(super) family: Vec<usize>,
    /// The number of the ensemble that is judged.
    pub(super) ours: usize,
    /// One entry a member: it votes, as far as is known.
    pub(super) votes: Vec<bool>,
    /// The membership of the newest configuration version.
    pub(super) membership: Option<&'r Membership>,
    /// The one listed member serves alone.
    pub(super) standalone: bool,
}

impl<'r> Kin<'r> {
    pub(super) fn of(report: &'r EnsembleReport) -> Self {
        let members = &report.members;
        let standalone = members.len() == 1 && members[0].state == State::Standalone;
        let (different, stated) = different(members);
        let families = families(&different);
        let family: Vec<Option<usize>> = stated.iter().map(|stated| stated.map(|number| families[number])).collect();
        let ours = biggest(members, &family);
        let membership = newest(members, &different, &stated, &families, ours);
        // Whoever says nothing of its ensemble is taken at the operator's word, unless it serves alone.
        let alone = |member: &MemberReport| member.state == State::Standalone && !standalone;
        let family: Vec<usize> = members
            .iter()
            .zip(family)
            .enumerate()
            .map(|(place, (member, family))| match family {
                _ if alone(member) => MAX_MEMBERSHIPS + place,
                Some(family) => family,
                None => ours,
            })
            .collect();
        let votes = members
            .iter()
            .zip(&family)
            .map(|(member, family)| {
                *family == ours && votes(member, membership, report.known.observers.contains(&member.name))
            })
            .collect();
        Self { family, ours, votes, membership, standalone }
    }

    /// Whether a member belongs to the ensemble that is judged.
    pub(super) fn is_ours(&self, place: usize) -> bool {
        self.family[place] == self.ours
    }

    /// The members that do not belong.
    pub(super) fn strangers(&self) -> Vec<usize> {
        (0..self.family.len()).filter(|place| !self.is_ours(*place)).collect()
    }
}

/// The different memberships that are stated, and which of them each member states.
fn different(members: &[MemberReport]) -> (Vec<&Membership>, Vec<Option<usize>>) {
    let mut different: Vec<&Membership> = Vec::new();
    let stated = members.iter().map(|member| {
        let membership = member.conf.as_ref()?.membership.as_ref()?;
        let known = different.iter().position(|other| same(other, membership));
        if known.is_none() && different.len() < MAX_MEMBERSHIPS {
            different.push(membership);
            return Some(different.len() - 1);
        }
        known
    });
    let stated = stated.collect();
    (different, stated)
}

/// The same servers in the same roles. Where clients connect is left out: a server knows only its own.
pub(super) fn same(one: &Membership, other: &Membership) -> bool {
    let alike = |(one, other): (&Server, &Server)| {
        one.id == other.id && one.host == other.host && one.quorum_port == other.quorum_port && one.voter == other.voter
    };
    one.version == other.version
        && one.hierarchical == other.hierarchical
        && one.servers.len() == other.servers.len()
        && one.servers.iter().zip(&other.servers).all(alike)
}

/// Memberships that share a server are of one ensemble: the number of the ensemble of each.
fn families(different: &[&Membership]) -> Vec<usize> {
    let mut family: Vec<usize> = (0..different.len()).collect();
    if different.len() < 2 {
        return family;
    }
    let places: Vec<Places<'_>> = different.iter().map(|membership| Places::of(membership)).collect();
    for later in 1..different.len() {
        for earlier in 0..later {
            if places[earlier].touch(&places[later]) {
                let (from, to) = (family[later], family[earlier]);
                family.iter_mut().filter(|number| **number == from).for_each(|number| *number = to);
            }
        }
    }
    family
}

/// Where the servers of a membership are.
struct Places<'m> {
    whole: BTreeSet<(&'m str, u16)>,
    /// `zk-1` of `zk-1.example.com`: some servers are given the short name.
    short: BTreeSet<(&'m str, u16)>,
    numeric: bool,
    named: bool,
}

impl<'m> Places<'m> {
    fn of(membership: &'m Membership) -> Self {
        let known = membership.servers.iter().filter(|server| !is_wildcard(&server.host));
        let whole: BTreeSet<_> = known.map(|server| (server.host.as_str(), server.quorum_port)).collect();
        let is_number =
            |host: &str| host.contains(':') || host.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit());
        let numeric = whole.iter().any(|(host, _)| is_number(host));
        let named = whole.iter().any(|(host, _)| !is_number(host));
        let short = whole.iter().filter(|(host, _)| !is_number(host));
        let short = short.filter_map(|(host, port)| Some((host.split_once('.')?.0, *port))).collect();
        Self { whole, short, numeric, named }
    }

    fn touch(&self, other: &Self) -> bool {
        // Names on the one side and numbers on the other cannot be compared without a resolver.
        let comparable = self.numeric && other.numeric || self.named && other.named;
        !comparable
            || !self.whole.is_disjoint(&other.whole)
            || !self.short.is_disjoint(&other.whole)
            || !self.whole.is_disjoint(&other.short)
    }
}

/// The address by which a server names itself when it listens everywhere.
pub(super) fn is_wildcard(host: &str) -> bool {
    matches!(host, "0.0.0.0" | "::" | "0:0:0:0:0:0:0:0")
}

/// The ensemble of most members; of two, the one that has a leader; of two, the first.
fn biggest(members: &[MemberReport], family: &[Option<usize>]) -> usize {
    let found = family.iter().flatten().copied().max_by_key(|number| {
        let of_it = || members.iter().zip(family).filter(|(_, family)| **family == Some(*number));
        (of_it().count(), of_it().any(|(member, _)| member.state == State::Leader), Reverse(*number))
    });
    found.unwrap_or(0)
}

/// The membership in force: the newest version; of two, the one the leader states, else the one most members state.
fn newest<'r>(
    members: &[MemberReport],
    different: &[&'r Membership],
    stated: &[Option<usize>],
    families: &[usize],
    ours: usize,
) -> Option<&'r Membership> {
    let ours = (0..different.len()).filter(|number| families[*number] == ours);
    let newest = ours.max_by_key(|number| {
        let by =
            || members.iter().zip(stated).filter(|(_, stated)| **stated == Some(*number)).map(|(member, _)| member);
        let led = by().filter(|member| member.state == State::Leader).map(MemberReport::epoch).max();
        (different[*number].version, led, by().count(), Reverse(*number))
    });
    newest.map(|number| different[number])
}

/// Whether a member votes, by the best that is known of it.
fn votes(member: &MemberReport, membership: Option<&Membership>, known_observer: bool) -> bool {
    match member.state {
        State::Leader => return true,
        State::Observer => return false,
        _ => {}
    }
    if let (Some(conf), Some(membership)) = (&member.conf, membership)
        && let Some(server) = membership.servers.iter().find(|server| server.id == conf.server_id)
    {
        return server.voter;
    }
    // A server that is not in the membership yet follows without a vote.
    if let (Some(conf), Some(_), State::Follower) = (&member.conf, membership, member.state)
        && conf.membership.is_some()
    {
        return false;
    }
    match membership.and_then(|membership| by_address(&member.name, membership)) {
        Some(server) => server.voter,
        None => !known_observer && member.conf.as_ref().is_none_or(|conf| conf.peer_type != Some("observer")),
    }
}

/// The one server of a membership that has this address.
fn by_address<'m>(name: &str, membership: &'m Membership) -> Option<&'m Server> {
    let address: Address = name.parse().ok()?;
    let mut fitting = membership.servers.iter().filter(|server| match &server.client {
        Some((host, port)) => {
            let host = if is_wildcard(host) { &server.host } else { host };
            *port == address.port() && host == address.host()
        }
        None => server.host == address.host(),
    });
    let found = fitting.next()?;
    fitting.next().is_none().then_some(found)
}

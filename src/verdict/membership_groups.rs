//! Groups the listed members: one ensemble, another ensemble, or the same server twice; and determines the voters.
//!
//! Everything is derived from the membership in `conf`. A member that states none is assumed to belong to the
//! configured ensemble.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::in_force::InForce;
use super::leaders::by_epoch;
use super::same_server::is_same_server;
use crate::config::{is_loopback, is_number, is_wildcard, without_interface};
use crate::ensemble::{Membership, Server};
use crate::scrape::{EnsembleReport, MemberReport, State};

/// Maximum number of distinct memberships compared; a healthy ensemble has one.
const MAX_MEMBERSHIPS: usize = 16;

/// The members of the judged ensemble, separated from those listed by mistake.
#[derive(Debug)]
pub(super) struct Groups<'r> {
    /// Per member: the number of its ensemble, by membership.
    group: Vec<usize>,
    /// The number of the judged ensemble.
    judged: usize,
    /// Another ensemble has the same number of listed members.
    pub(super) tied: bool,
    /// Per member: whether it votes, as far as known. A duplicate does not.
    pub(super) votes: Vec<bool>,
    /// Per member: whether there is evidence for that; without any, a member is assumed to vote.
    evident: Vec<bool>,
    /// Per member: its server id in the current membership, if known.
    pub(super) ids: Vec<Option<&'r str>>,
    /// Per member: the member that is the same server and is counted instead.
    pub(super) same_as: Vec<Option<usize>>,
    /// The membership with the newest configuration version.
    pub(super) membership: Option<&'r Membership>,
    /// Voters of the membership that are not among the members.
    pub(super) not_asked: Option<Vec<&'r Server>>,
    /// Maximum number of these; members with unknown identity may be some of them.
    pub(super) not_asked_count: usize,
    /// The only listed server is standalone.
    pub(super) standalone: bool,
}

impl<'r> Groups<'r> {
    pub(super) fn of(report: &'r EnsembleReport) -> Self {
        let members = &report.members;
        let (different, stated) = different(members);
        let groups = groups(&different, |number| sole(members, &stated, number));
        let mut group: Vec<Option<usize>> = stated.iter().map(|stated| stated.map(|number| groups[number])).collect();
        if different.is_empty() {
            group = by_epoch(members);
        }
        let (judged, tied) = biggest(&group);
        let membership = newest(members, &different, &stated, &groups, judged);
        let same_as = same_servers(report, &group, &stated);
        let standalone = {
            let mut servers = (0..members.len()).filter(|place| same_as[*place].is_none());
            let first = servers.next();
            first.is_some_and(|place| members[place].state == State::Standalone) && servers.next().is_none()
        };
        // A standalone member in a list of several belongs to no ensemble.
        let alone = |member: &MemberReport| member.state == State::Standalone && !standalone;
        let group: Vec<usize> = members
            .iter()
            .zip(group)
            .enumerate()
            .map(
                |(place, (member, group))| {
                    if alone(member) { MAX_MEMBERSHIPS + place } else { group.unwrap_or(judged) }
                },
            )
            .collect();
        let force = membership.map(|membership| InForce::new(membership, &different, &groups, judged));
        let mut found = Self {
            group,
            judged,
            tied,
            votes: vec![false; members.len()],
            evident: vec![false; members.len()],
            ids: vec![None; members.len()],
            same_as,
            membership,
            not_asked: None,
            not_asked_count: 0,
            standalone,
        };
        let counted: Vec<usize> = (0..members.len()).filter(|place| found.is_counted(*place)).collect();
        match &force {
            Some(force) => found.by_membership(report, force, &counted),
            None => counted.iter().for_each(|place| found.set_vote(report, *place, None)),
        }
        found
    }

    /// Determines the voters of the current membership, and those that are not among the members.
    fn by_membership(&mut self, report: &'r EnsembleReport, force: &InForce<'r>, counted: &[usize]) {
        let members = &report.members;
        for place in counted {
            self.ids[*place] = force.id(&members[*place]);
        }
        // If all identified servers are listed under names of the membership, a name it lacks is not one of its
        // servers.
        let named_alike = counted.iter().any(|place| self.ids[*place].is_some())
            && counted.iter().all(|place| self.ids[*place].is_none() || force.is_named_so(&members[*place]));
        let (mut unknown, mut by_role) = (0, Vec::new());
        for place in counted {
            let member = &members[*place];
            let is_absent = self.ids[*place].is_none()
                && !matches!(member.state, State::Leader | State::Observer)
                && !states_membership(member)
                && named_alike
                && force.has_no_such_host(member);
            let vote = match (member.state, self.ids[*place]) {
                (State::Leader, _) => Some(true),
                (State::Observer, _) => Some(false),
                (_, Some(id)) => Some(force.membership.server(id).is_some_and(|server| server.voter)),
                // A server that was removed, has not joined yet, or moved to another address has no vote.
                (_, None) if states_membership(member) => Some(false),
                (_, None) if is_absent => Some(false),
                (_, None) => None,
            };
            self.set_vote(report, *place, vote);
            if is_absent {
                // It is not counted, but may be a mistake in the list, or have been a voter: only its role is evident.
                self.evident[*place] = votes_unlisted(report, *place) == Some(false);
            }
            if vote.is_none() && !self.votes[*place] {
                by_role.push(*place);
            }
            unknown += usize::from(self.votes[*place] && self.ids[*place].is_none());
        }
        // A standalone server listed as a voter is missing from the ensemble, not unknown.
        unknown += (0..members.len()).filter(|place| self.serves_alone(members, *place)).count();
        let known: BTreeSet<&str> = self.ids.iter().flatten().copied().collect();
        let missing = |server: &&Server| server.voter && !known.contains(server.id.as_str());
        let missing: Vec<&Server> = force.membership.servers.iter().filter(missing).collect();
        self.not_asked_count = (missing.len() + force.membership.servers_over_cap).saturating_sub(unknown);
        // The configured role of a member is older than the membership: if that has no further observer, a member of
        // unknown identity that is configured as one is a voter that is missing so far.
        let has_observer =
            force.membership.servers.iter().any(|server| !server.voter && !known.contains(server.id.as_str()));
        if !has_observer && by_role.len() <= self.not_asked_count {
            for place in by_role {
                (self.votes[place], self.evident[place]) = (true, false);
                self.not_asked_count -= 1;
            }
        }
        self.not_asked = Some(missing);
    }

    /// Sets whether a member votes; `None` if the membership does not decide it.
    fn set_vote(&mut self, report: &EnsembleReport, place: usize, vote: Option<bool>) {
        let vote = vote.or_else(|| votes_unlisted(report, place));
        self.votes[place] = vote.unwrap_or(true);
        self.evident[place] = vote.is_some();
    }

    /// Per member: whether it votes, where that is known. A silent address that no membership and no role explains may
    /// be that of a voter, even if every voter of the membership is another member.
    pub(super) fn known_votes(&self, report: &EnsembleReport) -> Vec<Option<bool>> {
        let known = |place: usize| {
            let server = self.same_as[place].unwrap_or(place);
            match self.is_judged(server) {
                false if report.members[server].state == State::Standalone || self.tied => None,
                false => Some(false),
                true => self.evident[server].then(|| self.votes[server]),
            }
        };
        (0..report.members.len()).map(known).collect()
    }

    /// Whether a member belongs to the judged ensemble.
    pub(super) fn is_judged(&self, place: usize) -> bool {
        self.group[place] == self.judged
    }

    /// Whether a member is counted as a server of the judged ensemble.
    pub(super) fn is_counted(&self, place: usize) -> bool {
        self.is_judged(place) && self.same_as[place].is_none()
    }

    /// Whether a member is standalone although several are listed.
    pub(super) fn serves_alone(&self, members: &[MemberReport], place: usize) -> bool {
        !self.is_judged(place) && members[place].state == State::Standalone
    }

    /// The members that do not belong to the judged ensemble.
    pub(super) fn strangers(&self) -> Vec<usize> {
        (0..self.group.len()).filter(|place| !self.is_judged(*place)).collect()
    }
}

pub(super) fn states_membership(member: &MemberReport) -> bool {
    member.conf.as_ref().is_some_and(|conf| conf.membership.is_some())
}

/// Whether a member votes, if no membership lists it and this is known.
fn votes_unlisted(report: &EnsembleReport, place: usize) -> Option<bool> {
    let member = &report.members[place];
    let is_observer = report.known.observers.contains(&member.name)
        || member.conf.as_ref().is_some_and(|conf| conf.peer_type == Some("observer"));
    match member.state {
        State::Leader => Some(true),
        State::Observer => Some(false),
        _ if is_observer => Some(false),
        State::Follower => Some(true),
        _ => None,
    }
}

/// The distinct memberships, and the index of the one that each member states.
fn different(members: &[MemberReport]) -> (Vec<&Membership>, Vec<Option<usize>>) {
    let mut different: Vec<&Membership> = Vec::new();
    let stated = members.iter().map(|member| {
        let membership = member.conf.as_ref()?.membership.as_ref()?;
        let known = different.iter().position(|other| is_same(other, membership));
        if known.is_none() && different.len() < MAX_MEMBERSHIPS {
            different.push(membership);
            return Some(different.len() - 1);
        }
        known
    });
    let stated = stated.collect();
    (different, stated)
}

/// Whether both have the same servers in the same roles, regardless of how hosts are written. Client addresses are
/// ignored, because a server knows only its own.
pub(super) fn is_same(one: &Membership, other: &Membership) -> bool {
    let alike = |(one, other): (&Server, &Server)| {
        one.id == other.id && one.voter == other.voter && one.has_addresses_of(other)
    };
    one.version == other.version
        && one.hierarchy == other.hierarchy
        && one.servers.len() == other.servers.len()
        && one.servers.iter().zip(&other.servers).all(alike)
}

/// Assigns an ensemble number to each membership; memberships that share a server belong to one ensemble.
///
/// `sole` is the id of the member that states a membership, if there is only one.
fn groups<'m>(different: &[&'m Membership], sole: impl Fn(usize) -> Option<&'m str>) -> Vec<usize> {
    let hosts = different.iter().enumerate();
    let hosts: Vec<KnownHosts<'_>> =
        hosts.map(|(number, membership)| KnownHosts { own: sole(number), ..KnownHosts::of(membership) }).collect();
    let mut group: Vec<usize> = (0..different.len()).collect();
    for later in 1..different.len() {
        for earlier in 0..later {
            if share_a_server(&hosts[earlier], &hosts[later]) {
                let (from, to) = (group[later], group[earlier]);
                group.iter_mut().filter(|number| **number == from).for_each(|number| *number = to);
            }
        }
    }
    group
}

/// The id of the only member that states this membership.
fn sole<'r>(members: &'r [MemberReport], stated: &[Option<usize>], number: usize) -> Option<&'r str> {
    let mut by = members.iter().zip(stated).filter(|(_, stated)| **stated == Some(number));
    let (member, _) = by.next()?;
    member.server_id().filter(|_| by.next().is_none())
}

/// Whether two memberships may belong to one ensemble: they have a server in common, or cannot be compared.
///
/// Each server may write hosts differently: short or full names, IP addresses, and `0.0.0.0` for itself. Names cannot
/// be compared with IP addresses or `0.0.0.0`, and a server may write its own line with an internal name. If both have comparable hosts for the same ids, at least one must match.
fn share_a_server(ours: &KnownHosts<'_>, theirs: &KnownHosts<'_>) -> bool {
    if ours.meets(theirs) {
        return true;
    }
    let comparable = |one: &Kinds, other: &Kinds| one.names && other.names || one.numbers && other.numbers;
    if ours.ids.is_disjoint(&theirs.ids) {
        // Within one ensemble, memberships of one version have the same servers.
        return ours.version != theirs.version && !comparable(&ours.all, &theirs.all);
    }
    let is_own = |id: &str| ours.own != theirs.own && [ours.own, theirs.own].contains(&Some(id));
    let mut others = ours.of_id.iter().filter(|(id, _)| !is_own(id));
    !others.any(|(id, kinds)| theirs.of_id.get(id).is_some_and(|other| comparable(kinds, other)))
}

/// The hosts of a membership's servers.
#[derive(Default)]
struct KnownHosts<'m> {
    /// The server that states the membership, if it is the only one.
    own: Option<&'m str>,
    version: u64,
    ids: BTreeSet<&'m str>,
    whole: BTreeSet<(&'m str, u16)>,
    /// Prefixes of host names, up to each dot.
    short: BTreeSet<(&'m str, u16)>,
    of_id: BTreeMap<&'m str, Kinds>,
    all: Kinds,
}

/// The kinds of hosts present.
#[derive(Clone, Copy, Default)]
struct Kinds {
    names: bool,
    numbers: bool,
}

impl<'m> KnownHosts<'m> {
    fn of(membership: &'m Membership) -> Self {
        let mut found = Self { version: membership.version, ..Self::default() };
        // A server may write its own line with a loopback address. Only an ensemble on one host has no other ones.
        let mut addresses = membership.servers.iter().flat_map(|server| &server.addresses);
        let is_local = addresses.all(|(host, _)| is_wildcard(host) || is_loopback(host));
        let says_where = |host: &str| !is_wildcard(host) && (is_local || !is_loopback(host));
        for server in &membership.servers {
            found.ids.insert(&server.id);
            for (host, port) in server.addresses.iter().filter(|(host, _)| says_where(host)) {
                if found.whole.len() + found.short.len() > MAX_HOSTS {
                    continue;
                }
                let host = without_interface(host);
                found.whole.insert((host, *port));
                let numeric = is_number(host);
                for kinds in [&mut found.all, found.of_id.entry(&server.id).or_default()] {
                    kinds.names |= !numeric;
                    kinds.numbers |= numeric;
                }
                if !numeric {
                    let dots = host.match_indices('.').take(MAX_DOTS).map(|(dot, _)| (&host[..dot], *port));
                    found.short.extend(dots);
                }
            }
        }
        found
    }

    fn meets(&self, other: &Self) -> bool {
        !self.whole.is_disjoint(&other.whole)
            || !self.short.is_disjoint(&other.whole)
            || !self.whole.is_disjoint(&other.short)
    }
}

/// Maximum number of prefixes of a host name that are compared.
const MAX_DOTS: usize = 16;

/// Maximum number of hosts and prefixes of a membership that are compared; real ensembles have at most some hundred.
const MAX_HOSTS: usize = 4096;

/// The ensemble with most members, or the first listed of equals; and whether there is a tie.
fn biggest(group: &[Option<usize>]) -> (usize, bool) {
    let size = |number: usize| group.iter().filter(|group| **group == Some(number)).count();
    let first = |number: usize| group.iter().position(|group| *group == Some(number));
    let all: BTreeSet<usize> = group.iter().flatten().copied().collect();
    let judged = all.iter().copied().max_by_key(|number| (size(*number), Reverse(first(*number)))).unwrap_or(0);
    let tied = all.iter().any(|number| *number != judged && size(*number) == size(judged));
    (judged, tied)
}

/// The current membership: the newest version; of equals, the one the leader states, else the most frequent one.
fn newest<'r>(
    members: &[MemberReport],
    different: &[&'r Membership],
    stated: &[Option<usize>],
    groups: &[usize],
    judged: usize,
) -> Option<&'r Membership> {
    let ours = || (0..different.len()).filter(|number| groups[*number] == judged);
    // A single follower may be wrong, and its version may be higher than that of the others. The last `conf` of a member
    // that no longer serves may be obsolete.
    let is_confirmed = |number: &usize| {
        let serves = |member: &MemberReport| member.state.serves();
        let by = members.iter().zip(stated);
        let mut by = by.filter(|(member, stated)| serves(member) && **stated == Some(*number));
        by.clone().any(|(member, _)| member.state == State::Leader) || by.nth(1).is_some()
    };
    let any_confirmed = ours().any(|number| is_confirmed(&number));
    let ours = ours().filter(|number| !any_confirmed || is_confirmed(number));
    let newest = ours.max_by_key(|number| {
        let by =
            || members.iter().zip(stated).filter(|(_, stated)| **stated == Some(*number)).map(|(member, _)| member);
        let led = by().filter(|member| member.state == State::Leader).map(MemberReport::epoch).max();
        (different[*number].version, led, by().count(), Reverse(*number))
    });
    newest.map(|number| different[number])
}

/// For each member, the member that is the same server and is counted instead: preferably one that serves, then one
/// that replies, then the first.
fn same_servers(report: &EnsembleReport, group: &[Option<usize>], stated: &[Option<usize>]) -> Vec<Option<usize>> {
    let members = &report.members;
    let mut order: Vec<usize> = (0..members.len()).collect();
    let rank = |member: &MemberReport| (!member.state.serves(), !member.up);
    order.sort_by_key(|place| (rank(&members[*place]), *place));
    let mut same_as = vec![None; members.len()];
    let mut counted: Vec<usize> = Vec::with_capacity(members.len());
    for place in order {
        let same = |other: &usize| {
            let same_membership = stated[place].is_some() && stated[*other] == stated[place];
            group[*other] == group[place]
                && is_same_server(&report.known, &members[*other], &members[place], same_membership)
        };
        match counted.iter().copied().find(same) {
            Some(other) => same_as[place] = Some(other),
            None => counted.push(place),
        }
    }
    same_as
}

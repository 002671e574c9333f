//! Where members differ that should be equal: versions, configurations, quorum sizes, epochs.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::membership_groups::is_same;
use crate::config::{is_same_host, is_wildcard};
use crate::ensemble::Membership;
use crate::scrape::{EnsembleReport, MemberReport, State};

/// How many different ones there are; 1 is healthy, `None` if no member states it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// Versions of `ZooKeeper`.
    pub versions: Option<usize>,
    /// Configurations, by what must be equal everywhere.
    pub configs: Option<usize>,
    /// Opinions about the number of voters.
    pub quorum_sizes: Option<usize>,
    /// Epochs of those that lead, follow or observe.
    pub epochs: Option<usize>,
    /// The keys in which configurations differ, at most 40 of them.
    pub differences: Vec<Difference>,
}

/// A key of `conf` that has not the same value everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `tickTime`, `server.2` and so on; `servers` for who votes.
    pub key: String,
    /// One entry a member; `None` where its `conf` does not say.
    pub values: Vec<Option<String>>,
}

impl Difference {
    /// The values with the members that have each, in the order in which they are met.
    #[must_use]
    pub fn by_value(&self) -> Vec<(&str, Vec<usize>)> {
        let mut found: Vec<(&str, Vec<usize>)> = Vec::new();
        for (place, value) in self.values.iter().enumerate() {
            let Some(value) = value.as_deref() else { continue };
            match found.iter_mut().find(|(known, _)| *known == value) {
                Some((_, places)) => places.push(place),
                None => found.push((value, vec![place])),
            }
        }
        found
    }
}

/// More keys than this are not listed: they are two ensembles.
pub(super) const MAX_DIFFERENCES: usize = 40;

/// Settings that one ensemble must have in common; identities, ports and paths are each member's own.
pub(super) const COMMON: [&str; 6] =
    ["tickTime", "initLimit", "syncLimit", "minSessionTimeout", "maxSessionTimeout", "maxClientCnxns"];

/// Compares all members. Those of another ensemble differ in their configuration alone: the rest is their own affair.
pub(super) fn between(report: &EnsembleReport, foreign: &[usize]) -> Drift {
    let members = &report.members;
    let own: Vec<&MemberReport> =
        (0..members.len()).filter(|place| !foreign.contains(place)).map(|place| &members[place]).collect();
    let versions = own.iter().filter_map(|member| member.identity.as_ref()).map(|identity| identity.version.as_str());
    let sizes = own.iter().filter_map(|member| member.count("quorum_size"));
    let (configs, differences) = configurations(members);
    Drift {
        versions: distinct(versions),
        configs,
        quorum_sizes: distinct(sizes),
        epochs: distinct(epochs(&own).into_iter()),
        differences,
    }
}

fn distinct<T: Ord>(all: impl Iterator<Item = T>) -> Option<usize> {
    let different: BTreeSet<T> = all.collect();
    (!different.is_empty()).then_some(different.len())
}

/// The epochs of those that take part; none without a leader in sight, since a member that follows shows the epoch of
/// its last transaction, which may be the one before. For the same reason a leader whose epoch has no transaction yet
/// shares it with its followers.
fn epochs(members: &[&MemberReport]) -> Vec<u64> {
    let takes_part = |member: &&MemberReport| matches!(member.state, State::Leader | State::Follower | State::Observer);
    let taking = || members.iter().copied().filter(takes_part);
    if !taking().any(|member| member.state == State::Leader) {
        return Vec::new();
    }
    let newest = taking().filter_map(MemberReport::epoch).max();
    let begun = !taking()
        .any(|member| member.state == State::Leader && member.epoch() == newest && member.sequence() == Some(0));
    let follows = |member: &MemberReport| member.state != State::Leader;
    taking()
        .filter_map(|member| if begun || !follows(member) { member.epoch() } else { member.epoch().and(newest) })
        .collect()
}

/// One key, and what each member says to it.
struct Column<'m> {
    key: Cow<'m, str>,
    values: Vec<Option<Cow<'m, str>>>,
}

/// How many configurations there are, and in which keys they differ.
fn configurations(members: &[MemberReport]) -> (Option<usize>, Vec<Difference>) {
    if members.iter().all(|member| member.conf.is_none()) {
        return (None, Vec::new());
    }
    let mut columns: Vec<Column<'_>> = COMMON.iter().map(|key| setting(members, key)).collect();
    columns.extend(memberships(members));
    columns.retain(Column::differs);
    // A member that does not say is taken to agree with most.
    let numbered: Vec<Vec<usize>> = columns.iter().map(Column::numbers).collect();
    let stated = (0..members.len()).filter(|place| members[*place].conf.is_some());
    let rows = stated.map(|place| numbered.iter().map(|column| column[place]).collect::<Vec<_>>());
    let configs = distinct(rows);
    columns.truncate(MAX_DIFFERENCES);
    (configs, columns.into_iter().map(Column::shown).collect())
}

fn setting<'m>(members: &'m [MemberReport], key: &'static str) -> Column<'m> {
    let value = |member: &'m MemberReport| {
        let (_, value) = member.conf.as_ref()?.settings.iter().find(|(name, _)| name == key)?;
        Some(Cow::Borrowed(value.as_str()))
    };
    Column { key: key.into(), values: members.iter().map(value).collect() }
}

/// Columns for the membership; none where all agree, which is nearly always.
fn memberships(members: &[MemberReport]) -> Vec<Column<'_>> {
    let stated: Vec<Option<&Membership>> =
        members.iter().map(|member| member.conf.as_ref().and_then(|conf| conf.membership.as_ref())).collect();
    let Some(first) = stated.iter().copied().flatten().next() else { return Vec::new() };
    let agrees = |(member, stated): (&MemberReport, Option<&Membership>)| match stated {
        Some(stated) => is_same(first, stated),
        None => member.state != State::Standalone,
    };
    if members.iter().zip(stated.iter().copied()).all(agrees) {
        return Vec::new();
    }
    let version = |membership: &Membership| Cow::Owned(format!("{:x}", membership.version));
    let column = |key: &'static str, value: &dyn Fn(&Membership) -> Cow<'static, str>| {
        let value = |(member, stated): (&MemberReport, Option<&Membership>)| match stated {
            Some(stated) => Some(value(stated)),
            None if member.state == State::Standalone => Some(Cow::Borrowed("none: it serves alone")),
            None => None,
        };
        Column { key: key.into(), values: members.iter().zip(stated.iter().copied()).map(value).collect() }
    };
    let mut columns = vec![column("version", &version), column("servers", &|membership| Cow::Owned(roles(membership)))];
    // Hosts one by one, since a server often names itself 0.0.0.0, which says nothing.
    let ids: BTreeSet<&str> = stated
        .iter()
        .flatten()
        .flat_map(|membership| membership.servers.iter().map(|server| server.id.as_str()))
        .collect();
    for id in ids.into_iter().take(MAX_DIFFERENCES) {
        let place = |membership: &&Membership| {
            let server = membership.server(id)?;
            let says_where = !server.addresses.iter().any(|(host, _)| is_wildcard(host));
            says_where.then(|| Cow::Owned(server.place()))
        };
        let mut values: Vec<Option<Cow<'_, str>>> =
            stated.iter().map(|stated| stated.as_ref().and_then(place)).collect();
        write_alike(&mut values);
        columns.push(Column { key: format!("server.{id}").into(), values });
    }
    columns
}

/// Writes a host as the first member does that means the same one.
fn write_alike(values: &mut [Option<Cow<'_, str>>]) {
    let mut written: Vec<Cow<'_, str>> = Vec::new();
    for value in values.iter_mut().flatten() {
        match written.iter().find(|other| *other == value || is_same_place(other, value)) {
            Some(same) => *value = same.clone(),
            None if written.len() < MAX_DIFFERENCES => written.push(value.clone()),
            None => {}
        }
    }
}

/// Whether two lists of `host:port` mean the same addresses.
fn is_same_place(one: &str, other: &str) -> bool {
    let alike = |(one, other): (&str, &str)| {
        let parts = one.rsplit_once(':').zip(other.rsplit_once(':'));
        parts.is_some_and(|((host, port), (other, same))| port == same && is_same_host(host, other))
    };
    one.split('|').count() == other.split('|').count() && one.split('|').zip(other.split('|')).all(alike)
}

/// `1 2 3 4:observer`.
fn roles(membership: &Membership) -> String {
    let role = |server: &crate::ensemble::Server| {
        if server.voter { server.id.clone() } else { format!("{}:observer", server.id) }
    };
    let mut roles: Vec<String> = membership.servers.iter().map(role).collect();
    roles.sort_unstable();
    roles.join(" ")
}

impl Column<'_> {
    fn differs(&self) -> bool {
        let mut said = self.values.iter().flatten();
        let first = said.next();
        said.any(|value| Some(value) != first)
    }

    /// Each value as a number; where there is none, the number of the value that most members have.
    fn numbers(&self) -> Vec<usize> {
        let mut different: Vec<(&str, usize)> = Vec::new();
        let numbers: Vec<Option<usize>> = self
            .values
            .iter()
            .map(|value| {
                let value = value.as_deref()?;
                let place = different.iter().position(|(known, _)| *known == value).unwrap_or_else(|| {
                    different.push((value, 0));
                    different.len() - 1
                });
                different[place].1 += 1;
                Some(place)
            })
            .collect();
        let usual = (0..different.len()).rev().max_by_key(|place| different[*place].1).unwrap_or(0);
        numbers.into_iter().map(|number| number.unwrap_or(usual)).collect()
    }

    fn shown(self) -> Difference {
        let values = self.values.into_iter().map(|value| value.map(Cow::into_owned)).collect();
        Difference { key: self.key.into_owned(), values }
    }
}

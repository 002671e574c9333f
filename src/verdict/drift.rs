//! Differences between members that should be equal: versions, configurations, quorum sizes, epochs.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::membership_groups::is_same;
use crate::config::{is_loopback, is_wildcard};
use crate::ensemble::{Membership, Server};
use crate::scrape::{EnsembleReport, MemberReport, State};
use crate::text::{self, line};

/// Number of distinct values; 1 is healthy, `None` if no member reports one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// Distinct ZooKeeper versions.
    pub versions: Option<usize>,
    /// Distinct configurations, by the settings that must be equal.
    pub configs: Option<usize>,
    /// Distinct reported quorum sizes.
    pub quorum_sizes: Option<usize>,
    /// Distinct epochs of leaders, followers and observers.
    pub epochs: Option<usize>,
    /// The keys in which configurations differ, at most 40.
    pub differences: Vec<Difference>,
}

/// A `conf` key whose value differs between members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `tickTime`, `server.2` etc.; `servers` for the roles.
    pub key: String,
    /// One entry per member; `None` if its `conf` lacks the key.
    pub values: Vec<Option<String>>,
}

impl Difference {
    /// The distinct values and the members that have each, in order of first occurrence.
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

/// Maximum number of keys, values and members in a text.
const MAX_SHOWN: usize = 3;

/// Maximum length of a value in a text.
const MAX_VALUE: usize = 60;

impl Drift {
    /// The settings that differ, their values, and the members with each value: `tickTime is 2000 (zk-1), 4000 (zk-2)`.
    pub(super) fn text(&self, members: &[MemberReport]) -> String {
        let value = |(value, places): (&str, Vec<usize>)| {
            let names: Vec<&str> = places.iter().take(MAX_SHOWN).map(|place| &*members[*place].name).collect();
            let more = if places.len() > MAX_SHOWN { " and others" } else { "" };
            format!("{} ({}{more})", line(value, MAX_VALUE), names.join(", "))
        };
        let setting = |difference: &Difference| {
            let all = difference.by_value();
            let more = if all.len() > MAX_SHOWN { ", and others" } else { "" };
            let values: Vec<String> = all.into_iter().take(MAX_SHOWN).map(value).collect();
            format!("{} is {}{more}", line(&difference.key, MAX_VALUE), values.join(", "))
        };
        let shown: Vec<String> = self.differences.iter().take(MAX_SHOWN).map(setting).collect();
        let others: Vec<String> =
            self.differences.iter().skip(MAX_SHOWN).map(|difference| line(&difference.key, MAX_VALUE)).collect();
        let others = if others.is_empty() { String::new() } else { format!("; also {}", others.join(", ")) };
        shown.join("; ") + &others
    }
}

/// Maximum number of keys listed; more differences indicate two ensembles.
pub(super) const MAX_DIFFERENCES: usize = 40;

/// Settings that must be equal within one ensemble; identities, ports and paths are member-specific.
pub(super) const COMMON: [&str; 6] =
    ["tickTime", "initLimit", "syncLimit", "minSessionTimeout", "maxSessionTimeout", "maxClientCnxns"];

/// Compares all members. Members of another ensemble count only for the configuration.
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

/// The epochs of members with a role; empty without a visible leader, because a follower shows the epoch of its last
/// transaction, which may be the previous one. For the same reason followers are counted with the newest epoch while
/// its leader has no transaction yet.
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

/// One key, and its value per member.
struct Column<'m> {
    key: Cow<'m, str>,
    values: Vec<Option<Cow<'m, str>>>,
}

/// The number of distinct configurations, and the keys in which they differ.
fn configurations(members: &[MemberReport]) -> (Option<usize>, Vec<Difference>) {
    if members.iter().all(|member| member.conf.is_none()) {
        return (None, Vec::new());
    }
    let mut columns: Vec<Column<'_>> = COMMON.iter().map(|key| setting(members, key)).collect();
    columns.extend(memberships(members));
    columns.retain(Column::differs);
    // A member without a value is assumed to agree with the majority.
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

/// Columns for the membership; empty if all agree, which is the usual case.
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
            None if member.state == State::Standalone => Some(Cow::Borrowed("none: standalone")),
            None => None,
        };
        Column { key: key.into(), values: members.iter().zip(stated.iter().copied()).map(value).collect() }
    };
    let mut columns = vec![column("version", &version), column("servers", &|membership| Cow::Owned(roles(membership)))];
    let groups = |membership: &Membership| {
        let hierarchy = membership.hierarchy.as_ref();
        hierarchy.map_or(Cow::Borrowed("none"), |hierarchy| Cow::Owned(text::fact(&hierarchy.to_string())))
    };
    columns.push(column("groups and weights", &groups));
    // Compared per server, because a server often configures itself as 0.0.0.0, which matches any host.
    let ids: BTreeSet<&str> = stated
        .iter()
        .flatten()
        .flat_map(|membership| membership.servers.iter().map(|server| server.id.as_str()))
        .collect();
    for id in ids.into_iter().take(MAX_DIFFERENCES) {
        columns.push(Column { key: format!("server.{id}").into(), values: places(members, &stated, id) });
    }
    columns
}

/// The address of one server as each member knows it; equivalent addresses are written like the first one.
fn places(members: &[MemberReport], stated: &[Option<&Membership>], id: &str) -> Vec<Option<Cow<'static, str>>> {
    let mut written: Vec<&Server> = Vec::new();
    let places = members.iter().zip(stated).map(|(member, membership)| {
        let server = membership.as_ref()?.server(id)?;
        // In its own line, a server may use any address at which it listens.
        let is_own = member.server_id() == Some(id);
        if server.addresses.iter().any(|(host, _)| is_wildcard(host) || is_own && is_loopback(host)) {
            return None;
        }
        let same = written.iter().copied().find(|other| other.has_addresses_of(server));
        if same.is_none() && written.len() < MAX_DIFFERENCES {
            written.push(server);
        }
        Some(Cow::Owned(same.unwrap_or(server).place()))
    });
    places.collect()
}

/// `1 2 3 4:observer`.
fn roles(membership: &Membership) -> String {
    let role = |server: &Server| {
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

    /// Each value as a number; a missing value gets the number of the most frequent one.
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

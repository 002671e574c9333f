//! What is remembered of an ensemble while its members are silent. Bounded by its members.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Member;

/// What earlier scrapes, or the configuration, taught about an ensemble.
///
/// What `conf` said is remembered member by member, beside this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Members known not to vote: configured as observers, or last seen as one.
    pub observers: BTreeSet<Arc<str>>,
    /// The number of voters, as the member of the newest epoch had it in `zk_quorum_size`.
    pub quorum_size: Option<u64>,
    /// How long members have followed a leader while none answered and no further member fell silent.
    pub unseen: Option<Duration>,
    /// How long the leader has gone on leading while it counts fewer than a majority.
    pub short: Option<Duration>,
    /// The member that led last.
    pub leader: Option<LastLeader>,
    /// Pairs of members with one server id that were two servers when both answered last.
    pub apart: BTreeSet<(Arc<str>, Arc<str>)>,
}

/// The leader of an epoch; every epoch has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastLeader {
    /// The member.
    pub member: Arc<str>,
    /// The epoch.
    pub epoch: u64,
    /// It says that it serves no clients: all others follow, so it must be the leader (`leaderServes=no`).
    pub serves_no_clients: bool,
}

fn pair(one: &Arc<str>, other: &Arc<str>) -> (Arc<str>, Arc<str>) {
    if one <= other { (Arc::clone(one), Arc::clone(other)) } else { (Arc::clone(other), Arc::clone(one)) }
}

impl Known {
    /// What is said of these members before any is asked.
    #[must_use]
    pub fn of<'m>(members: impl IntoIterator<Item = &'m Member>) -> Self {
        let observers = members.into_iter().filter(|member| member.observer).map(|member| Arc::clone(&member.name));
        Self { observers: observers.collect(), ..Self::default() }
    }

    /// Whether two members were two servers when both answered last.
    #[must_use]
    pub fn were_apart(&self, one: &Arc<str>, other: &Arc<str>) -> bool {
        self.apart.contains(&pair(one, other))
    }

    /// Notes whether two members that answer are two servers.
    pub fn note_apart(&mut self, one: &Arc<str>, other: &Arc<str>, apart: bool) {
        if apart {
            self.apart.insert(pair(one, other));
        } else {
            self.apart.remove(&pair(one, other));
        }
    }

    /// Forgets members that are no longer there.
    pub fn keep<'m>(&mut self, members: impl IntoIterator<Item = &'m Member>) {
        let present: BTreeSet<_> = members.into_iter().map(|member| &member.name).collect();
        self.observers.retain(|name| present.contains(name));
        self.apart.retain(|(one, other)| present.contains(one) && present.contains(other));
    }
}

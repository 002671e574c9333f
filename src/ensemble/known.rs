//! State of an ensemble that is kept between scrapes, for members that do not reply. Bounded by its members.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Clients, Member, ReplicaComparison};

/// Facts about an ensemble from the configuration and from earlier scrapes. `conf` replies are kept separately, per
/// member.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Members known not to vote: configured as observers, or last seen as observers.
    pub observers: BTreeSet<Arc<str>>,
    /// The number of voters, from `zk_quorum_size` of the member with the newest epoch.
    pub quorum_size: Option<u64>,
    /// Time during which members followed a leader that did not reply, while no further member stopped replying.
    pub unseen: Option<Duration>,
    /// There is no earlier scrape and no later one, so that no time can be known.
    pub one_shot: bool,
    /// Time during which the leader kept leading while it reported fewer synced voters than a majority.
    pub short: Option<Duration>,
    /// The last leader.
    pub leader: Option<LastLeader>,
    /// Pairs of members with the same server id that were two servers when both last replied.
    pub apart: BTreeSet<(Arc<str>, Arc<str>)>,
    /// The newest zxid of each member, from the time it took part in a quorum.
    pub newest: BTreeMap<Arc<str>, NewestZxid>,
    /// The last comparison of the members' data.
    pub replicas: Option<Arc<[ReplicaComparison]>>,
    /// The clients at the last reading, of the members that still answer.
    pub clients: Option<Arc<Clients>>,
    /// The zone of each member, where one is configured.
    pub zones: BTreeMap<Arc<str>, Arc<str>>,
}

/// The leader of an epoch; an epoch has exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastLeader {
    /// The member.
    pub member: Arc<str>,
    /// The epoch.
    pub epoch: u64,
    /// It reports that it serves no clients, and all others follow, so it must be the leader (`leaderServes=no`).
    pub serves_no_clients: bool,
}

/// The newest transaction that a member showed while it took part in a quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewestZxid {
    /// The zxid.
    pub zxid: u64,
    /// How long the member had led then; `None` if it followed, or does not report it.
    pub led_for: Option<Duration>,
}

fn pair(one: &Arc<str>, other: &Arc<str>) -> (Arc<str>, Arc<str>) {
    if one <= other { (Arc::clone(one), Arc::clone(other)) } else { (Arc::clone(other), Arc::clone(one)) }
}

impl Known {
    /// The state before the first scrape, from the configuration.
    #[must_use]
    pub fn of<'m>(members: impl IntoIterator<Item = &'m Member>) -> Self {
        let observers = members.into_iter().filter(|member| member.observer).map(|member| Arc::clone(&member.name));
        Self { observers: observers.collect(), ..Self::default() }
    }

    /// Whether two members were two servers when both last replied.
    #[must_use]
    pub fn were_apart(&self, one: &Arc<str>, other: &Arc<str>) -> bool {
        self.apart.contains(&pair(one, other))
    }

    /// Records whether two members that reply are two servers.
    pub fn note_apart(&mut self, one: &Arc<str>, other: &Arc<str>, apart: bool) {
        if apart {
            self.apart.insert(pair(one, other));
        } else {
            self.apart.remove(&pair(one, other));
        }
    }

    /// Evicts members that left.
    pub fn keep<'m>(&mut self, members: impl IntoIterator<Item = &'m Member>) {
        let present: BTreeSet<_> = members.into_iter().map(|member| &member.name).collect();
        self.observers.retain(|name| present.contains(name));
        self.newest.retain(|name, _| present.contains(name));
        self.apart.retain(|(one, other)| present.contains(one) && present.contains(other));
        let stays = |pair: &ReplicaComparison| present.contains(&pair.one) && present.contains(&pair.other);
        if let Some(replicas) = self.replicas.as_mut().filter(|replicas| !replicas.iter().all(stays)) {
            *replicas = replicas.iter().filter(|pair| stays(pair)).cloned().collect();
        }
    }
}

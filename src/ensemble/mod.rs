//! Ensembles and their current members.

mod clients;
mod hierarchy;
mod known;
mod membership;
mod replicas;
mod roster;

use std::sync::Arc;

pub use clients::{ClientAddress, ClientTotals, Clients, MemberClients, PacketCounters, TopClients};
pub use hierarchy::Hierarchy;
pub use known::{Known, LastLeader, NewestZxid};
pub use membership::{Membership, Server};
pub use replicas::{DataDifference, MAX_REPLICAS, Replica, ReplicaComparison, Scheme, compare};
pub use roster::{REACH_OF_NAMES, ReportedMembership, Roster, by_addresses, by_membership};

use crate::config::{Address, Config, Discovery, EnsembleConfig, MemberConfig, Module, Reach, ZonePattern};

/// An ensemble as configured.
#[derive(Clone, Debug)]
pub struct Ensemble {
    /// The value of the label `ensemble`.
    pub name: Arc<str>,
    /// Its members, in the order of the output. With a discovery, the starting point.
    pub members: Vec<Member>,
    /// The source of its current members.
    pub discovery: Discovery,
    /// Finds the zone of members without a configured one in their host names.
    pub zone_pattern: Option<ZonePattern>,
    /// How its members are queried.
    pub module: Arc<Module>,
}

/// One member.
#[derive(Clone, Debug)]
pub struct Member {
    /// The value of the label `member`: its address as configured or discovered.
    pub name: Arc<str>,
    /// Its address.
    pub address: Address,
    /// Other addresses of the same server, used if the first does not answer, each with its own reach.
    pub others: Vec<(Address, Reach)>,
    /// Known to be an observer, which does not vote.
    pub observer: bool,
    /// The expected name in its certificate, if that is not the host of its address.
    pub host: Option<Arc<str>>,
    /// The source of its address, which decides where it may be.
    pub reach: Reach,
    /// Its zone, if configured.
    pub zone: Option<Arc<str>>,
}

impl Ensemble {
    /// The zone of a member: as configured, else by the pattern in the name it was resolved from, or in its host.
    #[must_use]
    pub fn zone_of(&self, member: &Member) -> Option<Arc<str>> {
        let by_pattern = || {
            let host = member.host.as_deref().unwrap_or(member.address.host());
            self.zone_pattern.as_ref()?.zone_of(host).map(Arc::from)
        };
        member.zone.clone().or_else(by_pattern)
    }
}

impl From<&EnsembleConfig> for Ensemble {
    fn from(config: &EnsembleConfig) -> Self {
        Self {
            name: config.name.as_str().into(),
            members: config.members.iter().map(Member::from).collect(),
            discovery: config.discovery,
            zone_pattern: config.zone_pattern.clone(),
            module: Arc::clone(&config.module),
        }
    }
}

impl From<&MemberConfig> for Member {
    fn from(config: &MemberConfig) -> Self {
        let zone = config.zone.as_deref().map(Arc::from);
        Self { observer: config.observer, zone, ..config.address.clone().into() }
    }
}

impl From<Address> for Member {
    fn from(address: Address) -> Self {
        Self {
            name: address.to_string().into(),
            address,
            others: Vec::new(),
            observer: false,
            host: None,
            reach: Reach::Configured,
            zone: None,
        }
    }
}

/// All ensembles of a configuration.
#[must_use]
pub fn ensembles(config: &Config) -> Vec<Ensemble> {
    config.ensembles.iter().map(Ensemble::from).collect()
}

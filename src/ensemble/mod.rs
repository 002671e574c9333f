//! Ensembles and their current members.

mod hierarchy;
mod known;
mod membership;
mod roster;

use std::sync::Arc;

pub use hierarchy::Hierarchy;
pub use known::{Known, LastLeader};
pub use membership::{Membership, Server};
pub use roster::{REACH_OF_NAMES, Roster, Told, by_addresses, by_membership};

use crate::config::{Address, Config, Discovery, EnsembleConfig, MemberConfig, Module, Reach};

/// An ensemble as configured.
#[derive(Clone, Debug)]
pub struct Ensemble {
    /// The value of the label `ensemble`.
    pub name: Arc<str>,
    /// Its members, in the order of the page. With a discovery, where it begins.
    pub members: Vec<Member>,
    /// Where its present members come from.
    pub discovery: Discovery,
    /// How they are asked.
    pub module: Arc<Module>,
}

/// One member.
#[derive(Clone, Debug)]
pub struct Member {
    /// The value of the label `member`: its address as configured or discovered.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: Address,
    /// Other addresses of the same server, asked where the first does not answer.
    pub others: Vec<Address>,
    /// It is known to be an observer: no voter.
    pub observer: bool,
    /// The name that its certificate must have, where it is not the host of its address.
    pub host: Option<Arc<str>>,
    /// Who named its address, and so where it may be.
    pub reach: Reach,
}

impl From<&EnsembleConfig> for Ensemble {
    fn from(config: &EnsembleConfig) -> Self {
        Self {
            name: config.name.as_str().into(),
            members: config.members.iter().map(Member::from).collect(),
            discovery: config.discovery,
            module: Arc::clone(&config.module),
        }
    }
}

impl From<&MemberConfig> for Member {
    fn from(config: &MemberConfig) -> Self {
        Self { observer: config.observer, ..config.address.clone().into() }
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
        }
    }
}

/// All ensembles of a configuration.
#[must_use]
pub fn ensembles(config: &Config) -> Vec<Ensemble> {
    config.ensembles.iter().map(Ensemble::from).collect()
}

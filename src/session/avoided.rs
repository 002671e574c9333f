//! The members that sessions do not use, because they belong to another ensemble or are standalone. They are known only
//! after a scrape, so a session may already be on one of them: it ends then.

use std::collections::BTreeSet;

use tokio::sync::watch;

use crate::config::Address;

/// The avoided members, shared by all sessions with an ensemble; none before the first scrape.
#[derive(Debug)]
pub struct AvoidedMembers(watch::Sender<BTreeSet<Address>>);

/// The member of a connection.
#[derive(Clone, Debug)]
pub struct SessionPeer {
    pub(super) member: Address,
    /// The addresses of its name; the connection has one of them.
    pub(super) addresses: Vec<Address>,
}

impl Default for AvoidedMembers {
    fn default() -> Self {
        Self(watch::Sender::new(BTreeSet::new()))
    }
}

impl AvoidedMembers {
    /// Replaces them.
    pub fn replace(&self, members: BTreeSet<Address>) {
        self.0.send_if_modified(|avoided| {
            let is_new = *avoided != members;
            *avoided = members;
            is_new
        });
    }

    /// The avoided members.
    #[must_use]
    pub fn get(&self) -> BTreeSet<Address> {
        self.0.borrow().clone()
    }

    /// Whether a connection with this member is avoided.
    #[must_use]
    pub fn includes(&self, peer: &SessionPeer) -> bool {
        is_in(&self.0.borrow(), peer)
    }

    /// Whether all of these members are avoided.
    #[must_use]
    pub fn include_all(&self, members: &[Address]) -> bool {
        let avoided = self.0.borrow();
        members.iter().all(|member| avoided.contains(member))
    }

    /// Returns when a connection with this member is avoided.
    pub(super) async fn until_includes(&self, peer: &SessionPeer) {
        // Cannot fail: the sender exists as long as `self`.
        let _ = self.0.subscribe().wait_for(|avoided| is_in(avoided, peer)).await;
    }
}

fn is_in(avoided: &BTreeSet<Address>, peer: &SessionPeer) -> bool {
    avoided.contains(&peer.member) || peer.addresses.iter().any(|address| avoided.contains(address))
}

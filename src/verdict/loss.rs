//! What remains of a quorum when members are lost: those of a zone, or those of a simulation.
//!
//! Voters in sync are a lower bound, and so is what remains of them. If the leader counts more voters in sync than reply
//! as such, the lost ones may be among them.

use std::collections::BTreeSet;

use super::leaders::{self, Leading};
use super::membership_groups::Groups;
use super::quorum::{self, Quorum, in_sync};
use crate::scrape::EnsembleReport;

/// An ensemble without some of its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remainder {
    /// Voters in sync that are left; `None` if unknown.
    pub synced: Option<u64>,
    /// The quorum margin that is left; `None` if unknown.
    pub margin: Option<i64>,
    /// The leader is among the lost members.
    pub leader_lost: bool,
}

/// An ensemble whose losses are examined.
pub(super) struct Losses<'r> {
    pub(super) report: &'r EnsembleReport,
    pub(super) groups: &'r Groups<'r>,
    pub(super) leading: &'r Leading,
    pub(super) quorum: &'r Quorum,
    synced: Vec<usize>,
}

/// What remains of an ensemble without the members at these places.
#[must_use]
pub fn without(report: &EnsembleReport, lost: &BTreeSet<usize>) -> Remainder {
    let groups = Groups::of(report);
    let leading = leaders::find(report, &groups);
    let quorum = quorum::count(report, &groups, &leading);
    // A server that is listed twice is lost under both names.
    let same: BTreeSet<usize> = lost.iter().filter_map(|place| *groups.same_as.get(*place)?).collect();
    Losses::new(report, &groups, &leading, &quorum).without(&|place| lost.contains(&place) || same.contains(&place))
}

/// Members each of whose loss ends the quorum; empty if unknown.
pub(super) fn decisive(report: &EnsembleReport) -> Vec<usize> {
    let groups = Groups::of(report);
    let leading = leaders::find(report, &groups);
    let quorum = quorum::count(report, &groups, &leading);
    let losses = Losses::new(report, &groups, &leading, &quorum);
    let is_decisive = |place: &usize| losses.without(&|lost| lost == *place).margin.is_some_and(|margin| margin < 0);
    losses.synced.iter().copied().filter(is_decisive).collect()
}

impl<'r> Losses<'r> {
    pub(super) fn new(
        report: &'r EnsembleReport,
        groups: &'r Groups<'r>,
        leading: &'r Leading,
        quorum: &'r Quorum,
    ) -> Self {
        Self { report, groups, leading, quorum, synced: in_sync(report, groups, leading) }
    }

    /// What remains without the members for which `is_lost` holds.
    pub(super) fn without(&self, is_lost: &dyn Fn(usize) -> bool) -> Remainder {
        let voters_lost = (0..self.report.members.len()).filter(|place| self.groups.votes[*place] && is_lost(*place));
        let replying = self.synced.iter().filter(|place| is_lost(**place)).count() as u64;
        let others = voters_lost.count() as u64 - replying;
        let synced = self.quorum.synced.map(|synced| {
            let uncertain = synced.saturating_sub(self.synced.len() as u64);
            synced.saturating_sub(replying + uncertain.min(others))
        });
        let hierarchy = self.groups.membership.and_then(|membership| membership.hierarchy.as_ref());
        let margin = match hierarchy {
            None => synced.zip(self.quorum.majority()).and_then(|(synced, majority)| {
                // Without a margin now, e.g. by the decision of an oracle, there is none later either.
                self.quorum.margin()?;
                Some(i64::try_from(synced).ok()? - i64::try_from(majority).ok()?)
            }),
            Some(hierarchy) => {
                let ids = |is_left: &dyn Fn(usize) -> bool| -> Option<BTreeSet<&str>> {
                    self.synced.iter().filter(|place| is_left(**place)).map(|place| self.groups.ids[*place]).collect()
                };
                let now = ids(&|_| true).and_then(|ids| hierarchy.margin(&ids));
                // Unless the replies alone give the margin, it is not known which voters are in sync.
                let is_exact = now.is_some() && now == self.quorum.margin();
                ids(&|place| !is_lost(place)).filter(|_| is_exact).and_then(|ids| hierarchy.margin(&ids))
            }
        };
        Remainder { synced, margin, leader_lost: self.leading.leader.is_some_and(is_lost) }
    }
}

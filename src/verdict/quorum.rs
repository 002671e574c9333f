//! Voters, majority and margin: how far the ensemble is from standing still.

use super::kin::Kin;
use super::leaders::{Leading, followers};
use crate::scrape::{EnsembleReport, State};

/// How an ensemble decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// Members that vote, whether they answer or not.
    pub voters: u64,
    /// Where that number comes from.
    pub source: VotersSource,
    /// Listed voters that serve clients.
    pub serving: u64,
    /// By groups and weights: no majority of heads decides.
    pub hierarchical: bool,
    /// Fewer voters are listed than vote: the leader may be one that is not asked.
    pub incomplete: bool,
    /// Voters in sync with the leader, itself included: a lower bound, seen from the exporter, but a majority where the
    /// leader says that it has one. `None` where the leader is not among the members asked.
    pub synced: Option<u64>,
}

/// Where the number of voters comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VotersSource {
    /// The membership in `conf` of the newest configuration version.
    Conf,
    /// `zk_quorum_size` of the newest epoch, now or last.
    QuorumSize,
    /// The members of the exporter's own configuration that are not known as observers.
    Configuration,
    /// There is one server, and it says that it stands alone.
    Standalone,
}

impl VotersSource {
    /// The value of the label `source`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Conf => "conf",
            Self::QuorumSize => "quorum_size",
            Self::Configuration => "configuration",
            Self::Standalone => "standalone",
        }
    }
}

impl Quorum {
    /// Voters that must be in sync for a write; `None` where heads are not what counts.
    #[must_use]
    pub fn majority(&self) -> Option<u64> {
        (!self.hierarchical).then_some(self.voters / 2 + 1)
    }

    /// Voters in sync beyond the majority; negative where the ensemble has stopped or is out of sight.
    #[must_use]
    pub fn margin(&self) -> Option<i64> {
        let (synced, majority) = (self.synced?, self.majority()?);
        Some(i64::try_from(synced).ok()? - i64::try_from(majority).ok()?)
    }

    /// Whether writes are possible, as far as that is known: the margin says the same, so that the two never contradict.
    #[must_use]
    pub fn has_quorum(&self) -> Option<bool> {
        self.margin().map(|margin| margin >= 0)
    }
}

/// Counts.
pub(super) fn count(report: &EnsembleReport, kin: &Kin<'_>, leading: &Leading) -> Quorum {
    if kin.standalone {
        let (source, hierarchical, incomplete) = (VotersSource::Standalone, false, false);
        return Quorum { voters: 1, source, serving: 1, hierarchical, incomplete, synced: Some(1) };
    }
    let voting = || report.members.iter().enumerate().filter(|(place, _)| kin.votes[*place]);
    // One that serves alone was listed as a voter: it is missing, not out of sight.
    let alone = |place: &usize| report.members[*place].state == State::Standalone;
    let listed = (voting().count() + kin.strangers().iter().filter(|place| alone(place)).count()) as u64;
    let (voters, source) = voters(report, kin, listed);
    let serving =
        voting().filter(|(_, member)| matches!(member.state, State::Leader | State::Follower | State::ReadOnly));
    let quorum = Quorum {
        voters,
        source,
        serving: serving.count() as u64,
        hierarchical: kin.membership.is_some_and(|membership| membership.hierarchical),
        incomplete: listed < voters,
        synced: None,
    };
    let unknown = voting().filter(|(_, member)| member.state == State::Unknown).count() as u64;
    let out_of_sight = OutOfSight { unlisted: voters.saturating_sub(listed), unknown };
    Quorum { synced: synced(report, kin, leading, quorum, out_of_sight), ..quorum }
}

fn voters(report: &EnsembleReport, kin: &Kin<'_>, listed: u64) -> (u64, VotersSource) {
    if let Some(membership) = kin.membership {
        return (membership.voters() as u64, VotersSource::Conf);
    }
    let said = report.quorum_size().or(report.known.quorum_size);
    said.map_or((listed, VotersSource::Configuration), |size| (size, VotersSource::QuorumSize))
}

/// Voters of which this scrape says nothing: nothing is held against them.
#[derive(Clone, Copy, Debug)]
struct OutOfSight {
    /// Not among the members asked.
    unlisted: u64,
    /// Listed, but the exporter could not ask them for reasons of its own.
    unknown: u64,
}

fn synced(
    report: &EnsembleReport,
    kin: &Kin<'_>,
    leading: &Leading,
    quorum: Quorum,
    out_of_sight: OutOfSight,
) -> Option<u64> {
    let OutOfSight { unlisted, unknown } = out_of_sight;
    let ours = || report.members.iter().enumerate().filter(|(place, _)| kin.is_ours(*place));
    let following = |state: State| matches!(state, State::Follower | State::Observer);
    let Some(place) = leading.leader else {
        // The leader may be one that was not asked: one of the unknown, or the unlisted one that others follow.
        let hidden = unknown > 0 || unlisted > 0 && ours().any(|(_, member)| following(member.state));
        return (!hidden).then_some(0);
    };
    let leader = &report.members[place];
    // Of a member that has just joined the leader's epoch, the last transaction may still be of the one before.
    let with_leader = |epoch: Option<u64>| epoch.is_none() || leader.epoch().is_none() || epoch <= leader.epoch();
    let follows =
        |member: &&crate::scrape::MemberReport| member.state == State::Follower && with_leader(member.epoch());
    let of_voters = ours().filter(|(place, _)| kin.votes[*place]).map(|(_, member)| member);
    let answering = 1 + of_voters.filter(follows).count() as u64;
    let word = followers(leader).map(|number| {
        let counted = leader.count("synced_non_voting_followers").is_some();
        let without_vote = ours().filter(|(place, member)| !kin.votes[*place] && member.state == State::Follower);
        1 + if counted { number } else { number.saturating_sub(without_vote.count() as u64) }
    });
    let majority = quorum.voters / 2 + 1;
    let synced = match word {
        // Just after an election followers are in sync that did not serve yet when they were asked a moment before: that
        // must not look like a lost quorum, so of a majority the leader's word is enough.
        Some(word) => word.min((answering + unlisted + unknown).max(majority)),
        // Its `mntr` is refused: those that say they follow it are what there is.
        None if unknown > 0 || answering < majority && unlisted > 0 => return None,
        None => answering,
    };
    Some(synced.min(quorum.voters))
}

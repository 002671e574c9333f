//! Voters, quorum and margin: how many failures the ensemble survives.

use std::collections::BTreeSet;
use std::time::Duration;

use super::leaders::{DEFAULT_SYNC_TIMEOUT, LeaderState, Leading, followers, is_unknown, sync_timeout};
use super::membership_groups::Groups;
use crate::scrape::{EnsembleReport, MemberReport, State};

/// Voters and quorum of an ensemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// Independent facts, not states of one variable.
#[expect(clippy::struct_excessive_bools)]
pub struct Quorum {
    /// Number of voters, whether they reply or not.
    pub voters: u64,
    /// Source of that number.
    pub source: VotersSource,
    /// Listed voters that serve clients.
    pub serving: u64,
    /// Uses groups and weights; the number of voters alone is not decisive.
    pub hierarchical: bool,
    /// Fewer voters are listed than exist; the leader may not be queried.
    pub incomplete: bool,
    /// Voters in sync with the leader, including itself. A lower bound, but at least a majority if the leader reports
    /// one. `None` if unknown.
    pub synced: Option<u64>,
    /// The same number as the leader reports it, if it does.
    pub counted: Option<u64>,
    /// Voters in sync beyond the quorum; see [`Quorum::margin`].
    margin: Option<i64>,
    /// The leader continues with fewer than a majority: it is about to step down, or an oracle decides.
    pub undecided: bool,
    /// It has done so for longer than a leader without an oracle would.
    pub unsupported: bool,
}

/// Source of the number of voters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VotersSource {
    /// The membership in `conf` with the newest configuration version.
    Conf,
    /// `zk_quorum_size` of the newest epoch, current or last known.
    QuorumSize,
    /// The configured members that are not known to be observers.
    Configuration,
    /// The only server reports that it is standalone.
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
    /// Voters that must be in sync for a write; `None` if the number alone is not decisive.
    #[must_use]
    pub fn majority(&self) -> Option<u64> {
        (!self.hierarchical).then_some(self.voters / 2 + 1)
    }

    /// The number of further failures that the quorum survives in the worst case. Negative if there is no quorum: the
    /// number of additional voters that are needed. `None` if unknown.
    #[must_use]
    pub fn margin(&self) -> Option<i64> {
        self.margin
    }

    /// Whether writes are possible, as far as known. Derived from the margin, so that both agree.
    #[must_use]
    pub fn has_quorum(&self) -> Option<bool> {
        self.margin.map(|margin| margin >= 0)
    }
}

/// Computes voters, quorum and margin.
pub(super) fn count(report: &EnsembleReport, groups: &Groups<'_>, leading: &Leading) -> Quorum {
    let nothing = Quorum {
        voters: 1,
        source: VotersSource::Standalone,
        serving: 1,
        hierarchical: false,
        incomplete: false,
        synced: Some(1),
        counted: None,
        margin: Some(0),
        undecided: false,
        unsupported: false,
    };
    if groups.standalone {
        return nothing;
    }
    let members = &report.members;
    let voting = || members.iter().enumerate().filter(|(place, _)| groups.votes[*place]);
    // A standalone server listed as a voter is missing from the ensemble, not unknown.
    let alone = (0..members.len()).filter(|place| groups.serves_alone(members, *place)).count();
    let listed = (voting().count() + alone) as u64;
    let (voters, source) = voters(report, groups, leading, listed);
    let serving =
        voting().filter(|(_, member)| matches!(member.state, State::Leader | State::Follower | State::ReadOnly));
    let unlisted = match groups.not_asked {
        Some(_) => groups.not_asked_count as u64,
        None => voters.saturating_sub(listed),
    };
    let unknown = voting().filter(|(_, member)| is_unknown(member)).count() as u64;
    let hierarchy = groups.membership.and_then(|membership| membership.hierarchy.as_ref());
    let mut quorum = Quorum {
        voters,
        source,
        serving: (serving.count() as u64).min(voters),
        hierarchical: hierarchy.is_some(),
        incomplete: unlisted > 0,
        synced: None,
        margin: None,
        ..nothing
    };
    let seen = Seen::of(report, groups, leading, unlisted + unknown);
    quorum.counted = seen.word;
    quorum.synced = seen.synced(leading, quorum, unknown);
    if let Some(synced) = quorum.synced.filter(|_| listed > voters) {
        // Some members are one server twice, or have no vote: one that is not in sync may be such a member.
        quorum.serving = quorum.serving.min(synced);
    }
    // A foreign member may have other settings.
    let counted = (0..members.len()).filter(|place| groups.is_counted(*place));
    let longest = sync_timeout(counted.map(|place| &members[place])).unwrap_or(DEFAULT_SYNC_TIMEOUT);
    quorum.undecided = is_undecided(report, leading, quorum, longest);
    let only_standalone = alone > 0 && members.iter().filter(|member| member.up).count() == alone;
    quorum.unsupported = quorum.undecided && report.known.short.is_some_and(|short| short > longest);
    quorum.margin = match hierarchy {
        _ if quorum.undecided => None,
        Some(_) if seen.is_out_of_sight(leading, unknown, None) => None,
        Some(hierarchy) => {
            let margin = hierarchy.margin(&seen.ids);
            quorum.unsupported = margin.is_none();
            seen.margin_of_groups(margin, |ids| hierarchy.margin(ids))
        }
        // Each serves on its own: none of them is a voter of another one.
        None if only_standalone => None,
        None => quorum
            .synced
            .and_then(|synced| Some(i64::try_from(synced).ok()? - i64::try_from(quorum.voters / 2 + 1).ok()?)),
    };
    if (quorum.hierarchical || only_standalone) && quorum.margin.is_none() {
        quorum.synced = None;
    }
    quorum
}

fn voters(report: &EnsembleReport, groups: &Groups<'_>, leading: &Leading, listed: u64) -> (u64, VotersSource) {
    if let Some(membership) = groups.membership {
        return (membership.voters() as u64, VotersSource::Conf);
    }
    // A member of another ensemble may have a newer epoch.
    let of_leader = leading.leader.filter(|_| !groups.strangers().is_empty());
    let of_leader = of_leader.and_then(|leader| report.members[leader].quorum_size());
    let said = of_leader.or_else(|| report.quorum_size()).or(report.known.quorum_size);
    said.map_or((listed, VotersSource::Configuration), |size| (size, VotersSource::QuorumSize))
}

/// Whether a leader reports fewer than a majority and remains in broadcast. Without an oracle (`oraclePath`) it steps
/// down within two ticks of the loss; if it has led for longer, the two cases cannot be distinguished.
fn is_undecided(report: &EnsembleReport, leading: &Leading, quorum: Quorum, longest: Duration) -> bool {
    let Some(leader) = leading.leader.map(|place| &report.members[place]) else { return false };
    let broadcasts = leader.peer_state.as_deref().is_some_and(|state| state.contains("broadcast"));
    let leads_long = leader.figure("leader_uptime").is_some_and(|uptime| uptime.as_f64() > longest.as_secs_f64());
    let short = quorum.counted.is_some_and(|counted| counted < quorum.voters / 2 + 1);
    broadcasts && leads_long && short && !quorum.hierarchical
}

/// The voters that reply as the leader or as its followers.
pub(super) fn in_sync(report: &EnsembleReport, groups: &Groups<'_>, leading: &Leading) -> Vec<usize> {
    let members = &report.members;
    let epoch = leading.leader.and_then(|leader| members[leader].epoch());
    // The last zxid of a member that has just joined may still be of the previous epoch.
    let with_leader = |member: &MemberReport| member.epoch().is_none() || epoch.is_none() || member.epoch() <= epoch;
    let follows = |place: usize| members[place].state == State::Follower && with_leader(&members[place]);
    let is_in_sync = |place: &usize| groups.votes[*place] && (Some(*place) == leading.leader || follows(*place));
    (0..members.len()).filter(is_in_sync).collect()
}

/// Observations of voters in sync.
struct Seen<'r> {
    /// Ids of the leader and of members that reply as its followers, where known.
    ids: BTreeSet<&'r str>,
    /// Ids of voters with unknown state.
    unheld_ids: Vec<&'r str>,
    /// Ids of all other voters.
    blind_ids: Vec<&'r str>,
    /// Ids of voters that do not reply, where known.
    silent_ids: Vec<Option<&'r str>>,
    /// The leader and the members that reply as its followers.
    answering: u64,
    /// Voters that may be in sync: not listed, or not queried because of the exporter's own limits.
    unheld: u64,
    /// Number reported by the leader, including itself.
    word: Option<u64>,
    state: LeaderState,
}

impl<'r> Seen<'r> {
    fn of(report: &'r EnsembleReport, groups: &Groups<'r>, leading: &Leading, unheld: u64) -> Self {
        let members = &report.members;
        let leader = leading.leader.map(|place| &members[place]);
        let synced = in_sync(report, groups, leading);
        let voting: Vec<usize> = (0..members.len()).filter(|place| groups.votes[*place]).collect();
        let in_sync = |place: usize| synced.contains(&place);
        let ids = |wanted: &dyn Fn(usize) -> bool| -> Vec<&'r str> {
            voting.iter().filter(|place| wanted(**place)).filter_map(|place| groups.ids[*place]).collect()
        };
        let silent = |place: usize| !members[place].up && !is_unknown(&members[place]);
        let not_asked = groups.not_asked.iter().flatten().map(|server| server.id.as_str());
        let unheld_ids = ids(&|place| is_unknown(&members[place])).into_iter().chain(not_asked).collect();
        let followers_in_sight = synced.iter().filter(|place| Some(**place) != leading.leader).count();
        let without_vote = || {
            let place = |place: &usize| {
                groups.is_counted(*place) && !groups.votes[*place] && members[*place].state == State::Follower
            };
            (0..members.len()).filter(place).count() as u64
        };
        let word = leader.and_then(|leader| {
            let number = followers(leader)?;
            let is_counted = leader.count("synced_non_voting_followers").is_some();
            Some(1 + if is_counted { number } else { number.saturating_sub(without_vote()) })
        });
        Self {
            ids: ids(&in_sync).into_iter().collect(),
            unheld_ids,
            blind_ids: ids(&|place| !in_sync(place)),
            silent_ids: voting.iter().filter(|place| silent(**place)).map(|place| groups.ids[*place]).collect(),
            answering: 1 + followers_in_sight as u64,
            unheld,
            word,
            state: leading.state,
        }
    }

    /// Number of voters that do not reply.
    fn silent(&self) -> u64 {
        self.silent_ids.len() as u64
    }

    /// Whether the leader may be a voter with unknown state.
    /// Without any follower, that takes as many as a majority, which is not a number with groups.
    /// Unlisted voters alone do not leave the quorum unknown: with one exporter per member, and with pods that DNS no
    /// longer lists, no exporter would ever report that it is lost.
    fn is_out_of_sight(&self, leading: &Leading, unknown: u64, majority: Option<u64>) -> bool {
        match leading.state {
            LeaderState::Seen => false,
            LeaderState::Hidden => !leading.proven || leading.leader.is_none() && self.unheld > 0,
            LeaderState::Silent => unknown > 0,
            LeaderState::None => unknown > 0 && majority.is_none_or(|majority| self.unheld >= majority),
        }
    }

    fn synced(&self, leading: &Leading, quorum: Quorum, unknown: u64) -> Option<u64> {
        if self.is_out_of_sight(leading, unknown, quorum.majority()) {
            return None;
        }
        let majority = quorum.voters / 2 + 1;
        let synced = match (leading.state, self.word) {
            (LeaderState::Silent | LeaderState::None, _) => 0,
            // Followers have a leader, so a majority follows it; the exact number is unknown.
            (LeaderState::Hidden, None) if self.answering < majority && !quorum.hierarchical => return None,
            (LeaderState::Hidden, None) => self.answering,
            // Right after an election, followers are in sync that did not serve yet when they were queried a moment
            // before. This must not be reported as a lost quorum, so the leader's number is accepted up to a majority.
            (_, Some(word)) => word.min((self.answering + self.unheld).max(majority)),
            // `mntr` of the leader is refused; only the members that reply as followers count.
            // Voters that do not reply may be in sync: a leader that lost them steps down within `syncLimit` ticks.
            (_, None)
                if unknown > 0
                    || self.answering < majority && self.answering + self.unheld + self.silent() >= majority =>
            {
                return None;
            }
            (_, None) => self.answering,
        };
        Some(synced.min(quorum.voters))
    }

    /// The margin by groups of the members that reply. If it is negative and the leader reports more voters in sync, it
    /// is 0 if these could form a quorum.
    fn margin_of_groups(&self, answering: Option<i64>, margin: impl Fn(&BTreeSet<&str>) -> Option<i64>) -> Option<i64> {
        let answering = answering?;
        match self.state {
            LeaderState::Silent | LeaderState::None => return margin(&BTreeSet::new()),
            LeaderState::Hidden if answering < 0 => return None,
            LeaderState::Hidden | LeaderState::Seen => {}
        }
        let with = |more: &[&'r str]| -> BTreeSet<&str> { self.ids.iter().chain(more).copied().collect() };
        let more = self.word.map_or(self.unheld, |word| word.saturating_sub(self.ids.len() as u64));
        if more >= self.unheld_ids.len() as u64 && !self.unheld_ids.is_empty() {
            return margin(&with(&self.unheld_ids));
        }
        if answering >= 0 {
            return Some(answering);
        }
        let silent: Vec<&str> = self.silent_ids.iter().copied().flatten().collect();
        let all: Vec<&str> = self.unheld_ids.iter().chain(&self.blind_ids).copied().collect();
        let lacking = answering.unsigned_abs();
        match self.word {
            Some(_) if lacking <= more && margin(&with(&all))? >= 0 => Some(0),
            None if self.unheld > 0 || margin(&with(&silent))? >= 0 => None,
            _ => Some(answering),
        }
    }
}

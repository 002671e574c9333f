//! Voters, quorum and margin: how many failures the ensemble survives.

use std::collections::BTreeSet;

use super::leaders::{DEFAULT_PATIENCE, LeaderState, Leading, followers, is_unknown, patience};
use super::membership_groups::Groups;
use crate::scrape::{EnsembleReport, MemberReport, State};

/// How an ensemble decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// Independent facts, each read by a rule of its own.
#[expect(clippy::struct_excessive_bools)]
pub struct Quorum {
    /// Members that vote, whether they answer or not.
    pub voters: u64,
    /// Where that number comes from.
    pub source: VotersSource,
    /// Listed voters that serve clients.
    pub serving: u64,
    /// By groups and weights: the number of voters alone decides nothing.
    pub hierarchical: bool,
    /// Fewer voters are listed than vote: the leader may be one that is not asked.
    pub incomplete: bool,
    /// Voters in sync with the leader, itself included: a lower bound, seen from the exporter, but a majority where the
    /// leader says that it has one. `None` where the exporter cannot know.
    pub synced: Option<u64>,
    /// The same as the leader counts it, where it does.
    pub counted: Option<u64>,
    /// Voters in sync beyond the quorum; see [`Quorum::margin`].
    margin: Option<i64>,
    /// The leader goes on leading with fewer than a majority: it is about to step down, or an oracle decides.
    pub undecided: bool,
    /// It has done so for longer than a leader that needs a majority does.
    pub unsupported: bool,
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
    /// Voters that must be in sync for a write; `None` where their number alone does not decide.
    #[must_use]
    pub fn majority(&self) -> Option<u64> {
        (!self.hierarchical).then_some(self.voters / 2 + 1)
    }

    /// How many more failures the quorum survives, whichever voters they hit; negative for how many more voters it
    /// takes, where the ensemble has stopped or is out of sight. `None` where the exporter cannot know.
    #[must_use]
    pub fn margin(&self) -> Option<i64> {
        self.margin
    }

    /// Whether writes are possible, as far as that is known: the margin says the same, so that the two never contradict.
    #[must_use]
    pub fn has_quorum(&self) -> Option<bool> {
        self.margin.map(|margin| margin >= 0)
    }
}

/// Counts.
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
    // One that serves alone was listed as a voter: it is missing, not out of sight.
    let alone = (0..members.len()).filter(|place| groups.serves_alone(members, *place)).count();
    let listed = (voting().count() + alone) as u64;
    let (voters, source) = voters(report, groups, listed);
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
        serving: serving.count() as u64,
        hierarchical: hierarchy.is_some(),
        incomplete: unlisted > 0,
        synced: None,
        margin: None,
        ..nothing
    };
    let seen = Seen::of(report, groups, leading, unlisted + unknown);
    quorum.counted = seen.word;
    quorum.synced = seen.synced(leading, quorum, unknown);
    quorum.undecided = is_undecided(report, leading, quorum);
    let longest = patience(members).unwrap_or(DEFAULT_PATIENCE);
    quorum.unsupported = quorum.undecided && report.known.short.is_some_and(|short| short > longest);
    quorum.margin = match hierarchy {
        _ if quorum.undecided => None,
        Some(_) if seen.is_out_of_sight(leading, unknown) => None,
        Some(hierarchy) => {
            let margin = hierarchy.margin(&seen.ids);
            quorum.unsupported = margin.is_none();
            seen.margin_of_groups(margin, |ids| hierarchy.margin(ids))
        }
        None => quorum
            .synced
            .and_then(|synced| Some(i64::try_from(synced).ok()? - i64::try_from(quorum.voters / 2 + 1).ok()?)),
    };
    if quorum.hierarchical && quorum.margin.is_none() {
        quorum.synced = None;
    }
    quorum
}

fn voters(report: &EnsembleReport, groups: &Groups<'_>, listed: u64) -> (u64, VotersSource) {
    if let Some(membership) = groups.membership {
        return (membership.voters() as u64, VotersSource::Conf);
    }
    let said = report.quorum_size().or(report.known.quorum_size);
    said.map_or((listed, VotersSource::Configuration), |size| (size, VotersSource::QuorumSize))
}

/// A leader that counts fewer than a majority and goes on in broadcast. Without an oracle (`oraclePath`) it steps down
/// within two ticks of the loss, so after a longer lead nothing says which of the two it is.
fn is_undecided(report: &EnsembleReport, leading: &Leading, quorum: Quorum) -> bool {
    let Some(leader) = leading.leader.map(|place| &report.members[place]) else { return false };
    let broadcasts = leader.peer_state.as_deref().is_some_and(|state| state.contains("broadcast"));
    let longest = patience(&report.members).unwrap_or(DEFAULT_PATIENCE).as_secs_f64();
    let leads_long = leader.figure("leader_uptime").is_some_and(|uptime| uptime.as_f64() > longest);
    let short = quorum.counted.is_some_and(|counted| counted < quorum.voters / 2 + 1);
    broadcasts && leads_long && short && !quorum.hierarchical
}

/// What is seen of the voters in sync.
struct Seen<'r> {
    /// The ids of the leader and of those that answer as its followers, where they are known.
    ids: BTreeSet<&'r str>,
    /// Ids of voters of which the exporter knows nothing.
    unheld_ids: Vec<&'r str>,
    /// Ids of all other voters.
    blind_ids: Vec<&'r str>,
    /// The leader and those that answer as its followers.
    answering: u64,
    /// Voters against which nothing is held: not listed, or not asked for the exporter's own limits.
    unheld: u64,
    /// What the leader counts, itself included.
    word: Option<u64>,
    state: LeaderState,
}

impl<'r> Seen<'r> {
    fn of(report: &'r EnsembleReport, groups: &Groups<'r>, leading: &Leading, unheld: u64) -> Self {
        let members = &report.members;
        let leader = leading.leader.map(|place| &members[place]);
        // Of a member that has just joined the leader's epoch, the last transaction may still be of the one before.
        let with_leader = |member: &MemberReport| {
            let epoch = leader.and_then(MemberReport::epoch);
            member.epoch().is_none() || epoch.is_none() || member.epoch() <= epoch
        };
        let follows = |place: usize| members[place].state == State::Follower && with_leader(&members[place]);
        let voting: Vec<usize> = (0..members.len()).filter(|place| groups.votes[*place]).collect();
        let in_sync = |place: usize| Some(place) == leading.leader || follows(place);
        let ids = |wanted: &dyn Fn(usize) -> bool| -> Vec<&'r str> {
            voting.iter().filter(|place| wanted(**place)).filter_map(|place| groups.ids[*place]).collect()
        };
        let not_asked = groups.not_asked.iter().flatten().map(|server| server.id.as_str());
        let unheld_ids = ids(&|place| is_unknown(&members[place])).into_iter().chain(not_asked).collect();
        let followers_in_sight =
            voting.iter().filter(|place| Some(**place) != leading.leader && follows(**place)).count();
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
            answering: 1 + followers_in_sight as u64,
            unheld,
            word,
            state: leading.state,
        }
    }

    /// The leader may be one of which the exporter knows nothing.
    fn is_out_of_sight(&self, leading: &Leading, unknown: u64) -> bool {
        match leading.state {
            LeaderState::Seen => false,
            LeaderState::Hidden => !leading.proven || leading.leader.is_none() && self.unheld > 0,
            LeaderState::Silent | LeaderState::None => unknown > 0,
        }
    }

    fn synced(&self, leading: &Leading, quorum: Quorum, unknown: u64) -> Option<u64> {
        if self.is_out_of_sight(leading, unknown) {
            return None;
        }
        let majority = quorum.voters / 2 + 1;
        let synced = match (leading.state, self.word) {
            (LeaderState::Silent | LeaderState::None, _) => 0,
            // The followers' word: they follow a leader, so a majority does; how many more is not seen.
            (LeaderState::Hidden, None) if self.answering < majority && !quorum.hierarchical => return None,
            (LeaderState::Hidden, None) => self.answering,
            // Just after an election followers are in sync that did not serve yet when they were asked a moment before:
            // that must not look like a lost quorum, so of a majority the leader's word is enough.
            (_, Some(word)) => word.min((self.answering + self.unheld).max(majority)),
            // Its `mntr` is refused: those that say they follow it are what there is.
            (_, None) if unknown > 0 || self.answering < majority && self.unheld > 0 => return None,
            (_, None) => self.answering,
        };
        Some(synced.min(quorum.voters))
    }

    /// The margin by groups: of those that answer; where that is none, and the leader counts more than answer, whether
    /// these can be a quorum.
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
        let all: Vec<&str> = self.unheld_ids.iter().chain(&self.blind_ids).copied().collect();
        let lacking = answering.unsigned_abs();
        match self.word {
            Some(_) if lacking <= more && margin(&with(&all))? >= 0 => Some(0),
            None if self.unheld > 0 => None,
            _ => Some(answering),
        }
    }
}

//! What follows from the members of an ensemble taken together, and no single member can say. Pure.
//!
//! All of it is seen from the exporter: a member that does not answer may be well, and a leader that is not asked leads
//! all the same. Numbers of voters in sync are therefore lower bounds, and what is out of sight has no number.

mod drift;
mod finding;
mod in_force;
mod lag;
mod leaders;
mod membership_groups;
mod pace;
mod quorum;
mod quorum_findings;
mod restart;
mod same_server;

pub use drift::{Difference, Drift};
pub use finding::{EPOCH_NEARLY_USED, Finding, LAG_WORTH_A_WARNING, Level, findings};
pub use leaders::LeaderState;
pub use pace::{Mark, Pace};
pub use quorum::{Quorum, VotersSource};
pub use restart::{RestartPolicy, restart_objections, restart_order};

use membership_groups::Groups;

use crate::ensemble::Membership;
use crate::scrape::{EnsembleReport, State};

/// The verdict on one ensemble. Members are named by their place in the report.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Members that gave a reply that is `ZooKeeper`'s.
    pub members_up: usize,
    /// The exporter could not ask some member for reasons of its own: counts are of those known.
    pub any_unknown: bool,
    /// Voters, majority, margin.
    pub quorum: Quorum,
    /// Those that lead this ensemble: one is healthy, none for a standalone server.
    pub leaders: Vec<usize>,
    /// The leader of this ensemble: of several, that of the newest epoch.
    pub leader: Option<usize>,
    /// Whether the leader is seen.
    pub leader_state: LeaderState,
    /// The one member that can be the leader that is not seen: it says that it does not serve.
    pub suspect: Option<usize>,
    /// Those that call themselves leader and cannot be: cut off or just resumed, of a lower epoch.
    pub stale_leaders: Vec<usize>,
    /// Members that belong to another ensemble by their membership, or serve alone.
    pub strangers: Vec<usize>,
    /// Of these, the members of another ensemble.
    pub foreign: Vec<usize>,
    /// Another ensemble has as many members in the list: which one is meant is not known.
    pub mixed: bool,
    /// Members that are a server that is listed already, each with the member that is counted in its place.
    pub duplicates: Vec<(usize, usize)>,
    /// Voters of the current membership that are not among the members; `None` where no membership is known, and where
    /// one member alone is asked.
    pub not_asked: Option<NotAsked>,
    /// One entry a member: whether it votes, as far as is known.
    pub votes: Vec<bool>,
    /// One entry a member: transactions behind the leader, in the leader's epoch.
    pub lags: Vec<Option<u64>>,
    /// Part of the leader's epoch that is used up, 0 to 1: at 1 it must force an election.
    pub epoch_used: Option<f64>,
    /// Where members differ that should be equal.
    pub drift: Drift,
}

/// Voters of the current membership that are not queried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAsked {
    /// How many.
    pub count: usize,
    /// Id and address of those that it can be: of more than `count`, some may be members that say nothing.
    pub servers: Vec<(String, String)>,
}

impl Verdict {
    /// The current membership: the newest that a member of this ensemble states.
    #[must_use]
    pub fn membership_of<'r>(&self, report: &'r EnsembleReport) -> Option<&'r Membership> {
        Groups::of(report).membership
    }

    /// Whether members of one ensemble must agree in a setting of `conf`.
    #[must_use]
    pub fn is_common(key: &str) -> bool {
        drift::COMMON.contains(&key)
    }
}

/// Judges an ensemble by one scrape and what is remembered of earlier ones.
#[must_use]
pub fn judge(report: &EnsembleReport) -> Verdict {
    let groups = Groups::of(report);
    let leading = leaders::find(report, &groups);
    let quorum = quorum::count(report, &groups, &leading);
    let lags = lag::behind(report, &groups, leading.leader);
    let sequence = leading.leader.and_then(|leader| report.members[leader].sequence());
    let strangers = groups.strangers();
    let foreign: Vec<usize> =
        strangers.iter().copied().filter(|place| report.members[*place].state != State::Standalone).collect();
    let duplicates = groups.same_as.iter().enumerate().filter_map(|(place, other)| Some((place, (*other)?)));
    let not_asked = groups.not_asked.as_ref().filter(|_| report.members.len() > 1).map(|servers| NotAsked {
        count: groups.not_asked_count,
        servers: servers.iter().map(|server| (server.id.clone(), server.place())).collect(),
    });
    Verdict {
        members_up: report.members.iter().filter(|member| member.up).count(),
        any_unknown: report.members.iter().any(|member| member.state == State::Unknown),
        quorum,
        leaders: leading.leaders,
        leader: leading.leader,
        leader_state: leading.state,
        suspect: leading.suspect,
        stale_leaders: leading.stale,
        duplicates: duplicates.collect(),
        mixed: groups.tied && !foreign.is_empty(),
        drift: drift::between(report, &foreign),
        strangers,
        foreign,
        not_asked,
        votes: groups.votes,
        lags,
        epoch_used: sequence.map(lag::part_of_an_epoch),
    }
}

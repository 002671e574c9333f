//! Conclusions that need all members of an ensemble. Pure functions.
//!
//! The exporter's view is limited: a member that does not reply may be healthy, and a leader that is not queried still
//! leads. Numbers of voters in sync are therefore lower bounds, and unknown numbers are `None`.

mod drift;
mod finding;
mod in_force;
mod lag;
mod leaders;
mod loss;
mod membership_groups;
mod placement;
mod quorum;
mod quorum_findings;
mod rates;
mod replicas;
mod restart;
mod same_server;
mod shared_hosts;
mod zones;
mod zxid_history;

pub use drift::{Difference, Drift};
pub use finding::{Finding, Level, findings};
pub use leaders::LeaderState;
pub use loss::{Remainder, without};
pub use quorum::{Quorum, VotersSource};
pub use rates::{Mark, Rates};
pub use replicas::DataVerdict;
pub use restart::{RecordedRole, RestartAnswer, RestartPolicy, restart_objections, restart_order};
pub use shared_hosts::SharedHost;
pub use zones::ZoneVerdict;
pub use zxid_history::{ZxidHistory, ZxidRegression};

use loss::Losses;
use membership_groups::Groups;

use crate::ensemble::Membership;
use crate::scrape::{EnsembleReport, State};

/// The verdict on one ensemble. Members are identified by their index in the report.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Members that sent a valid ZooKeeper reply.
    pub members_up: usize,
    /// Some members were not queried because of the exporter's own limits or failures; counts cover the others.
    pub any_unknown: bool,
    /// Voters, majority and margin.
    pub quorum: Quorum,
    /// Leaders of this ensemble: one is healthy, none is normal for a standalone server.
    pub leaders: Vec<usize>,
    /// The leader of this ensemble; of several, the one with the newest epoch.
    pub leader: Option<usize>,
    /// Visibility of the leader.
    pub leader_state: LeaderState,
    /// The only candidate for a leader that is not visible; it reports that it is not serving.
    pub suspect: Option<usize>,
    /// Members that report the role leader with an older epoch: partitioned, or resumed after a pause.
    pub stale_leaders: Vec<usize>,
    /// Members of another ensemble, by membership, and standalone members.
    pub strangers: Vec<usize>,
    /// Of these, the members of another ensemble.
    pub foreign: Vec<usize>,
    /// Another ensemble has the same number of listed members, so the intended one is unknown.
    pub mixed: bool,
    /// Members that are the same server as another one, with the member that is counted instead.
    pub duplicates: Vec<(usize, usize)>,
    /// Voters of the current membership that are not among the members; `None` if no membership is known, or if only
    /// one member is queried.
    pub not_asked: Option<NotAsked>,
    /// Per member: whether it votes, as far as known.
    pub votes: Vec<bool>,
    /// Per member: whether it votes; `None` if that is unknown, and it is assumed to vote.
    pub voters: Vec<Option<bool>>,
    /// Per member: zxid lag behind the leader, within the leader's epoch.
    pub lags: Vec<Option<u64>>,
    /// Used part of the leader's zxid counter, 0 to 1; at 1 it must force an election.
    pub epoch_used: Option<f64>,
    /// Differences between members that should be equal.
    pub drift: Drift,
    /// Whether the members hold the same data.
    pub data: DataVerdict,
    /// Whether committed transactions are missing.
    pub zxid_history: ZxidHistory,
    /// The zones of the voters.
    pub zones: ZoneVerdict,
    /// Hosts with several voters.
    pub shared_hosts: Vec<SharedHost>,
}

/// Voters of the current membership that are not queried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAsked {
    /// Their number.
    pub count: usize,
    /// Ids and addresses of the candidates; if there are more than `count`, some may be members with unknown identity.
    pub servers: Vec<(String, String)>,
}

impl Verdict {
    /// The current membership: the newest one stated by a member of this ensemble.
    #[must_use]
    pub fn membership_of<'r>(&self, report: &'r EnsembleReport) -> Option<&'r Membership> {
        Groups::of(report).membership
    }

    /// The member that is counted for the server at this place; another one if the server is listed twice.
    #[must_use]
    pub fn server_of(&self, place: usize) -> usize {
        self.duplicates.iter().find(|(duplicate, _)| *duplicate == place).map_or(place, |(_, counted)| *counted)
    }

    /// Whether a `conf` setting must be equal on all members of an ensemble.
    #[must_use]
    pub fn is_common(key: &str) -> bool {
        drift::COMMON.contains(&key)
    }
}

/// Judges an ensemble by one scrape and what is known from earlier ones.
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
    let voters = groups.known_votes(report);
    let zones = zones::judge(&Losses::new(report, &groups, &leading, &quorum));
    Verdict {
        members_up: report.members.iter().filter(|member| member.up).count(),
        any_unknown: report.members.iter().any(|member| member.state == State::Unknown),
        quorum,
        zones,
        shared_hosts: shared_hosts::find(report, &groups),
        zxid_history: zxid_history::judge(report, &groups, &leading),
        leaders: leading.leaders,
        leader: leading.leader,
        leader_state: leading.state,
        suspect: leading.suspect,
        stale_leaders: leading.stale,
        duplicates: duplicates.collect(),
        mixed: groups.tied && !foreign.is_empty(),
        drift: drift::between(report, &foreign),
        data: replicas::judge(report, &groups, leading.leader),
        strangers,
        foreign,
        not_asked,
        voters,
        votes: groups.votes,
        lags,
        epoch_used: sequence.map(lag::part_of_an_epoch),
    }
}

//! What follows from the members of an ensemble taken together, and no single member can say. Pure.
//!
//! Whatever is said here is seen from the exporter: a member that does not answer may be well, and a
//! leader that is not asked leads all the same. Numbers of voters in sync are therefore lower bounds.

mod drift;
mod finding;
mod kin;
mod lag;
mod leaders;
mod pace;
mod quorum;

pub use drift::{Difference, Drift};
pub use finding::{EPOCH_NEARLY_USED, Finding, LAG_WORTH_A_WARNING, Level, findings};
pub use pace::{Mark, Pace};
pub use quorum::{Quorum, VotersSource};

use kin::Kin;

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
    /// Those that lead: one is healthy, none for a standalone server.
    pub leaders: Vec<usize>,
    /// The leader of this ensemble: of several, that of the newest epoch.
    pub leader: Option<usize>,
    /// Those that call themselves leader and are none: cut off or just resumed, of a lower epoch.
    pub stale_leaders: Vec<usize>,
    /// Members that belong to another ensemble by their membership, or serve alone.
    pub strangers: Vec<usize>,
    /// One entry a member: whether it votes, as far as is known.
    pub votes: Vec<bool>,
    /// One entry a member: transactions behind the leader, in the leader's epoch.
    pub lags: Vec<Option<u64>>,
    /// Part of the leader's epoch that is used up, 0 to 1: at 1 it must force an election.
    pub epoch_used: Option<f64>,
    /// Where members differ that should be equal.
    pub drift: Drift,
}

impl Verdict {
    /// The membership in force: the newest that a member of this ensemble states.
    #[must_use]
    pub fn membership_of<'r>(&self, report: &'r EnsembleReport) -> Option<&'r Membership> {
        Kin::of(report).membership
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
    let kin = Kin::of(report);
    let leading = leaders::find(report, &kin);
    let quorum = quorum::count(report, &kin, &leading);
    let lags = lag::behind(report, &kin, leading.leader);
    let sequence = leading.leader.and_then(|leader| report.members[leader].sequence());
    Verdict {
        members_up: report.members.iter().filter(|member| member.up).count(),
        any_unknown: report.members.iter().any(|member| member.state == State::Unknown),
        quorum,
        leaders: leading.leaders,
        leader: leading.leader,
        stale_leaders: leading.stale,
        strangers: kin.strangers(),
        votes: kin.votes,
        lags,
        epoch_used: sequence.map(lag::part_of_an_epoch),
        drift: drift::between(report),
    }
}

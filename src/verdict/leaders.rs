//! Who leads, and who only believes so.

use std::cmp::Reverse;

use super::kin::Kin;
use crate::scrape::{EnsembleReport, MemberReport, State};

/// Who calls itself leader, sorted.
#[derive(Debug, Default)]
pub(super) struct Leading {
    /// Those that lead, strangers included: two are a split brain.
    pub(super) leaders: Vec<usize>,
    /// The leader of the ensemble that is judged.
    pub(super) leader: Option<usize>,
    /// Those that can decide nothing.
    pub(super) stale: Vec<usize>,
}

/// Finds them.
pub(super) fn find(report: &EnsembleReport, kin: &Kin<'_>) -> Leading {
    let mut found = Leading::default();
    let members = &report.members;
    let claim = |place: &usize| members[*place].state == State::Leader;
    let mut claimants: Vec<usize> = (0..members.len()).filter(claim).collect();
    // The newest epoch first, and in one epoch whoever has most followers.
    claimants.sort_by_key(|place| Reverse((members[*place].epoch(), followers(&members[*place]))));
    for place in claimants {
        let rivals = found.leaders.iter().filter(|other| kin.family[**other] == kin.family[place]);
        if rivals.clone().all(|rival| is_second(report, kin, *rival, place)) {
            found.leaders.push(place);
        } else {
            found.stale.push(place);
        }
    }
    found.leader = found.leaders.iter().copied().find(|place| kin.is_ours(*place));
    found.leaders.sort_unstable();
    found.stale.sort_unstable();
    found
}

/// Whether a member leads beside another one of the same ensemble whose epoch is not older.
///
/// Two of one epoch do. One of an older epoch cannot decide anything once a majority has accepted the newer one, and
/// goes on claiming followers that left it until it notices; it counts only if so many followers answer that both
/// leaders can have theirs.
fn is_second(report: &EnsembleReport, kin: &Kin<'_>, first: usize, second: usize) -> bool {
    let (newer, older) = (&report.members[first], &report.members[second]);
    let (Some(epoch), Some(other)) = (newer.epoch(), older.epoch()) else {
        return followers(older).is_some_and(|number| number > 0);
    };
    if epoch == other {
        return true;
    }
    let Some(claimed) = followers(older) else { return false };
    let voters =
        older.conf.as_ref().and_then(|conf| conf.membership.as_ref()).map(|membership| membership.voters() as u64);
    let voters = voters.or(older.count("quorum_size")).unwrap_or(u64::MAX);
    let following = report
        .members
        .iter()
        .zip(&kin.family)
        .filter(|(member, family)| member.state == State::Follower && **family == kin.family[second])
        .count() as u64;
    let enough = following >= claimed.saturating_add(followers(newer).unwrap_or(0));
    enough && claimed.saturating_add(1) > voters / 2
}

/// The voters in sync with a leader, itself left out, as it says; `None` where it does not.
pub(super) fn followers(leader: &MemberReport) -> Option<u64> {
    let synced = leader.count("synced_followers")?;
    Some(synced.saturating_sub(leader.count("synced_non_voting_followers").unwrap_or(0)))
}

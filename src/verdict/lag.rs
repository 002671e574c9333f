//! How far members are behind the leader, and the epoch from its end.

use super::membership_groups::Groups;
use crate::scrape::{EnsembleReport, State};

/// Transactions in one epoch: the low half of a zxid.
const EPOCH: f64 = 4_294_967_296.0;

/// One entry a member. Only within the leader's epoch: transactions of two epochs cannot be counted.
pub(super) fn behind(report: &EnsembleReport, groups: &Groups<'_>, leader: Option<usize>) -> Vec<Option<u64>> {
    let leading =
        leader.and_then(|place| Some((place, report.members[place].epoch()?, report.members[place].sequence()?)));
    let lag = |place: usize| {
        let (leader, epoch, sequence) = leading?;
        let member = &report.members[place];
        let follows = matches!(member.state, State::Follower | State::Observer) && groups.is_judged(place);
        if place == leader {
            Some(0)
        } else if follows {
            behind_by((epoch, sequence), (member.epoch()?, member.sequence()?))
        } else {
            None
        }
    };
    (0..report.members.len()).map(lag).collect()
}

fn behind_by((epoch, sequence): (u64, u64), (own_epoch, own_sequence): (u64, u64)) -> Option<u64> {
    if own_epoch == epoch {
        return Some(sequence.saturating_sub(own_sequence));
    }
    // Until the first transaction of an epoch, a member that follows still shows the last one of the epoch before.
    (own_epoch < epoch && sequence == 0).then_some(0)
}

/// How much of an epoch is used up.
#[expect(clippy::cast_precision_loss, reason = "32 bits")]
pub(super) fn part_of_an_epoch(sequence: u64) -> f64 {
    sequence as f64 / EPOCH
}

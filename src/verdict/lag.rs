//! zxid lag per member, and the used part of the epoch's zxid counter.

use super::membership_groups::Groups;
use crate::scrape::{EnsembleReport, State};

/// Transactions per epoch: the low 32 bits of a zxid.
const EPOCH: f64 = 4_294_967_296.0;

/// Lag per member, only within the leader's epoch: a distance across epochs is undefined.
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
    // A follower shows the last zxid of the previous epoch until the first transaction of the new one.
    (own_epoch < epoch && sequence == 0).then_some(0)
}

/// The used part of an epoch, 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "32 bits")]
pub(super) fn part_of_an_epoch(sequence: u64) -> f64 {
    sequence as f64 / EPOCH
}

//! Queries members again that appear to lag behind the leader, to rule out normal traffic as the cause.
//!
//! Members are queried at the same time, but reply at different times: transactions between an early reply and the
//! leader's reply look like lag. A member queried after the leader's reply can only show less lag than there is.

use std::time::Duration;

use tokio::time::Instant;

use super::report::{EnsembleReport, MemberReport, State};

/// Maximum duration of the second query. A member that needs more time lags for other reasons.
const RECHECK_TIMEOUT: Duration = Duration::from_millis(500);

/// Deadline of the second query, within that of the scrape.
pub(super) fn until(deadline: Instant) -> Instant {
    deadline.min(Instant::now() + RECHECK_TIMEOUT)
}

/// Members with an earlier zxid than their leader, within its epoch.
pub(super) fn seem_behind(ensemble: &EnsembleReport) -> Vec<usize> {
    let leader =
        ensemble.members.iter().filter(|member| member.state == State::Leader).filter_map(|member| member.zxid).max();
    let Some(leader) = leader else { return Vec::new() };
    let behind = |member: &MemberReport| {
        let follows = matches!(member.state, State::Follower | State::Observer);
        follows && member.zxid.is_some_and(|zxid| zxid < leader && zxid >> 32 == leader >> 32)
    };
    (0..ensemble.members.len()).filter(|place| behind(&ensemble.members[*place])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ensemble::Known;

    #[test]
    fn only_lagging_members_are_queried_again() {
        let member = |state, zxid| MemberReport { state, zxid, ..MemberReport::silent("zk".into()) };
        let seen = |members: Vec<MemberReport>| {
            seem_behind(&EnsembleReport {
                samples: crate::scrape::Samples::default(),
                name: "prod".into(),
                members,
                known: Known::default(),
            })
        };
        let leader = member(State::Leader, Some(2 << 32 | 9));
        let behind = member(State::Follower, Some(2 << 32 | 8));
        let others = [
            member(State::Follower, Some(2 << 32 | 9)),
            member(State::Follower, Some(3 << 32 | 1)),
            member(State::Follower, Some(1 << 32 | 9)),
            member(State::Leader, Some(2 << 32 | 1)),
            member(State::ReadOnly, Some(2 << 32 | 1)),
            MemberReport::silent("zk".into()),
        ];
        let mut members = vec![leader, behind.clone(), MemberReport { state: State::Observer, ..behind }];
        members.extend(others);
        assert_eq!(seen(members.clone()), [1, 2]);
        assert!(seen(members.split_off(1)).is_empty(), "only the old leader leads in this epoch");
    }
}

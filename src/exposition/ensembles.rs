//! The verdicts as samples of the catalogue's own families: what is said of an ensemble, and each member's lag.

use std::fmt;

use super::collector::Sink;
use crate::catalogue::Own;
use crate::reply::Number;
use crate::scrape::EnsembleReport;
use crate::verdict::{LeaderState, Verdict};
use crate::wire::Limit;

/// The families of an ensemble.
pub(super) const OWN: [Own; 21] = [
    Own::EnsembleMembers,
    Own::EnsembleMembersUp,
    Own::LimitedMembers,
    Own::EnsembleVoters,
    Own::EnsembleVotersSourceInfo,
    Own::EnsembleVotersServing,
    Own::EnsembleVotersSynced,
    Own::EnsembleMajority,
    Own::EnsembleQuorumMargin,
    Own::EnsembleHasQuorum,
    Own::EnsembleLeaders,
    Own::EnsembleLeaderInfo,
    Own::EnsembleLeaderState,
    Own::EnsembleForeignMembers,
    Own::EnsembleDuplicateMembers,
    Own::EnsembleVotersNotAsked,
    Own::EnsembleDistinctVersions,
    Own::EnsembleDistinctConfigs,
    Own::EnsembleDistinctQuorumSizes,
    Own::EnsembleDistinctEpochs,
    Own::EnsembleQuorumUnsupported,
];

/// Gives `sink` every sample that the family has for this ensemble.
pub(super) fn visit(own: Own, report: &EnsembleReport, verdict: &Verdict, sink: &mut Sink<'_>) -> fmt::Result {
    let quorum = &verdict.quorum;
    let mut plain = |value: Option<Number>| value.map_or(Ok(()), |value| sink(&[], value));
    let size = |number: usize| number as u64;
    // A count of 0 that may be wrong is not known.
    let known = |count: usize| (count > 0 || !verdict.any_unknown).then(|| number(size(count)));
    match own {
        Own::EnsembleMembers => plain(Some(number(size(report.members.len())))),
        Own::EnsembleMembersUp => plain(known(verdict.members_up)),
        Own::LimitedMembers => Limit::ALL.into_iter().try_for_each(|limit| {
            let limited = report.members.iter().filter(|member| member.limits.contains(&limit)).count();
            if limited == 0 { Ok(()) } else { sink(&[("limit", limit.text())], number(size(limited))) }
        }),
        Own::EnsembleVoters => plain(Some(number(quorum.voters))),
        Own::EnsembleVotersSourceInfo => sink(&[("source", quorum.source.text())], Number::Int(1)),
        Own::EnsembleVotersServing => {
            plain((quorum.serving > 0 || !verdict.any_unknown).then(|| number(quorum.serving)))
        }
        Own::EnsembleVotersSynced => plain(quorum.synced.map(number)),
        Own::EnsembleMajority => plain(quorum.majority().map(number)),
        Own::EnsembleQuorumMargin => plain(quorum.margin().map(Number::Int)),
        Own::EnsembleHasQuorum => plain(quorum.has_quorum().map(|has| Number::Int(i64::from(has)))),
        Own::EnsembleLeaders => plain(known(verdict.leaders.len())),
        Own::EnsembleLeaderInfo => verdict
            .leaders
            .iter()
            .chain(verdict.suspect.iter().filter(|suspect| !verdict.leaders.contains(suspect)))
            .try_for_each(|place| sink(&[("member", &report.members[*place].name)], Number::Int(1))),
        Own::EnsembleLeaderState => LeaderState::ALL.into_iter().try_for_each(|state| {
            sink(&[("state", state.text())], Number::Int(i64::from(state == verdict.leader_state)))
        }),
        Own::EnsembleForeignMembers => plain(Some(number(size(verdict.foreign.len())))),
        Own::EnsembleDuplicateMembers => plain(Some(number(size(verdict.duplicates.len())))),
        Own::EnsembleVotersNotAsked => plain(verdict.not_asked.as_ref().map(|not_asked| number(size(not_asked.count)))),
        Own::EnsembleDistinctVersions => plain(verdict.drift.versions.map(size).map(number)),
        Own::EnsembleDistinctConfigs => plain(verdict.drift.configs.map(size).map(number)),
        Own::EnsembleDistinctQuorumSizes => plain(verdict.drift.quorum_sizes.map(size).map(number)),
        Own::EnsembleDistinctEpochs => plain(verdict.drift.epochs.map(size).map(number)),
        Own::EnsembleQuorumUnsupported => plain(Some(Number::Int(i64::from(quorum.unsupported)))),
        _ => Ok(()),
    }
}

/// Gives `sink` a number, such as the lag of a member, where there is one.
pub(super) fn visit_count(count: Option<u64>, sink: &mut Sink<'_>) -> fmt::Result {
    count.map_or(Ok(()), |count| sink(&[], number(count)))
}

fn number(value: u64) -> Number {
    Number::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

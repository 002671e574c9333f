//! The verdicts as samples of the catalogue's own families: what is said of an ensemble, and each member's lag.

use std::fmt;

use super::collector::Sink;
use crate::catalogue::Own;
use crate::reply::Number;
use crate::scrape::EnsembleReport;
use crate::verdict::Verdict;

/// The families of an ensemble.
pub(super) const OWN: [Own; 16] = [
    Own::EnsembleMembers,
    Own::EnsembleMembersUp,
    Own::EnsembleVoters,
    Own::EnsembleVotersSourceInfo,
    Own::EnsembleVotersServing,
    Own::EnsembleVotersSynced,
    Own::EnsembleMajority,
    Own::EnsembleQuorumMargin,
    Own::EnsembleHasQuorum,
    Own::EnsembleLeaders,
    Own::EnsembleLeaderInfo,
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
    match own {
        Own::EnsembleMembers => plain(Some(number(size(report.members.len())))),
        Own::EnsembleMembersUp => plain(Some(number(size(verdict.members_up)))),
        Own::EnsembleVoters => plain(Some(number(quorum.voters))),
        Own::EnsembleVotersSourceInfo => sink(&[("source", quorum.source.text())], Number::Int(1)),
        Own::EnsembleVotersServing => plain(Some(number(quorum.serving))),
        Own::EnsembleVotersSynced => plain(quorum.synced.map(number)),
        Own::EnsembleMajority => plain(quorum.majority().map(number)),
        Own::EnsembleQuorumMargin => plain(quorum.margin().map(Number::Int)),
        Own::EnsembleHasQuorum => plain(quorum.has_quorum().map(|has| Number::Int(i64::from(has)))),
        Own::EnsembleLeaders => plain(Some(number(size(verdict.leaders.len())))),
        Own::EnsembleLeaderInfo => verdict
            .leaders
            .iter()
            .try_for_each(|place| sink(&[("member", &report.members[*place].name)], Number::Int(1))),
        Own::EnsembleDistinctVersions => plain(verdict.drift.versions.map(size).map(number)),
        Own::EnsembleDistinctConfigs => plain(verdict.drift.configs.map(size).map(number)),
        Own::EnsembleDistinctQuorumSizes => plain(verdict.drift.quorum_sizes.map(size).map(number)),
        Own::EnsembleDistinctEpochs => plain(verdict.drift.epochs.map(size).map(number)),
        Own::EnsembleQuorumUnsupported => plain(Some(Number::Int(i64::from(quorum.hierarchical)))),
        _ => Ok(()),
    }
}

/// Gives `sink` the lag of a member, where it has one.
pub(super) fn visit_lag(lag: Option<u64>, sink: &mut Sink<'_>) -> fmt::Result {
    lag.map_or(Ok(()), |lag| sink(&[], number(lag)))
}

fn number(value: u64) -> Number {
    Number::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

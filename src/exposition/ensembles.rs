//! Verdicts as samples of the exporter's own families: state of the ensemble, and lag of each member.

use super::collector::Sink;
use crate::catalogue::Own;
use crate::reply::Number;
use crate::scrape::EnsembleReport;
use crate::verdict::{LeaderState, Verdict, ZxidHistory};
use crate::wire::Limit;

/// The families of an ensemble.
pub(super) const OWN: [Own; 27] = [
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
    Own::EnsembleZxidRegressed,
    Own::EnsembleDataDiverged,
    Own::EnsembleDataComparedZxid,
    Own::EnsembleQuorumUnsupported,
    Own::EnsembleZoneMargin,
    Own::EnsembleZoneMarginAttainable,
    Own::ZoneVoters,
];

/// Passes every sample of the family for this ensemble to `sink`.
pub(super) fn visit(own: Own, report: &EnsembleReport, verdict: &Verdict, sink: &mut Sink<'_>) {
    let quorum = &verdict.quorum;
    let mut plain = |value: Option<Number>| value.into_iter().for_each(|value| sink(&[], value));
    let size = |number: usize| number as u64;
    // A count of 0 may be wrong if the state of some members is unknown.
    let known = |count: usize| (count > 0 || !verdict.any_unknown).then(|| number(size(count)));
    match own {
        Own::EnsembleMembers => plain(Some(number(size(report.members.len())))),
        Own::EnsembleMembersUp => plain(known(verdict.members_up)),
        Own::LimitedMembers => {
            for limit in Limit::ALL {
                let limited = report.members.iter().filter(|member| member.limits.contains(&limit)).count();
                if limited > 0 {
                    sink(&[("limit", limit.text())], number(size(limited)));
                }
            }
        }
        Own::EnsembleVoters => plain(Some(number(quorum.voters))),
        Own::EnsembleVotersSourceInfo => sink(&[("source", quorum.source.text())], Number::Int(1)),
        Own::EnsembleVotersServing => {
            plain((quorum.serving > 0 || !verdict.any_unknown).then(|| number(quorum.serving)));
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
            .for_each(|place| sink(&[("member", &report.members[*place].name)], Number::Int(1))),
        Own::EnsembleLeaderState => LeaderState::ALL.into_iter().for_each(|state| {
            sink(&[("state", state.text())], Number::Int(i64::from(state == verdict.leader_state)));
        }),
        Own::EnsembleForeignMembers => plain(Some(number(size(verdict.foreign.len())))),
        Own::EnsembleDuplicateMembers => plain(Some(number(size(verdict.duplicates.len())))),
        Own::EnsembleVotersNotAsked => plain(verdict.not_asked.as_ref().map(|not_asked| number(size(not_asked.count)))),
        Own::EnsembleDistinctVersions => plain(verdict.drift.versions.map(size).map(number)),
        Own::EnsembleDistinctConfigs => plain(verdict.drift.configs.map(size).map(number)),
        Own::EnsembleDistinctQuorumSizes => plain(verdict.drift.quorum_sizes.map(size).map(number)),
        Own::EnsembleDistinctEpochs => plain(verdict.drift.epochs.map(size).map(number)),
        Own::EnsembleZxidRegressed => plain(match verdict.zxid_history {
            ZxidHistory::Unknown => None,
            ZxidHistory::Intact => Some(Number::Int(0)),
            ZxidHistory::Regressed(_) => Some(Number::Int(1)),
        }),
        Own::EnsembleDataDiverged => plain(verdict.data.diverged.map(|diverged| Number::Int(i64::from(diverged)))),
        Own::EnsembleDataComparedZxid => plain(verdict.data.zxid.map(number)),
        Own::EnsembleQuorumUnsupported => plain(Some(Number::Int(i64::from(quorum.unsupported)))),
        Own::EnsembleZoneMargin => plain(verdict.zones.margin.map(Number::Int)),
        Own::EnsembleZoneMarginAttainable => plain(verdict.zones.attainable.map(Number::Int)),
        Own::ZoneVoters => {
            verdict.zones.voters.iter().for_each(|(zone, voters)| sink(&[("zone", zone)], number(*voters)));
        }
        _ => {}
    }
}

/// Passes a number, e.g. the lag of a member, to `sink`, if there is one.
pub(super) fn visit_count(count: Option<u64>, sink: &mut Sink<'_>) {
    if let Some(count) = count {
        sink(&[], number(count));
    }
}

fn number(value: u64) -> Number {
    Number::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

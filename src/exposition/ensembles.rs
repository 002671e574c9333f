//! The verdicts as samples of the catalogue's own families: what is said of an ensemble, and each member's lag.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder};

use super::collector::{descriptor, encode_value};
use super::labels::{Head, Pairs};
use crate::catalogue::{FamilyId, Own, catalogue};
use crate::reply::Number;
use crate::scrape::{EnsembleReport, MemberReport, Report};
use crate::verdict::Verdict;

/// Takes one sample: the labels behind `ensemble`, and the value.
type Sink<'s> = dyn FnMut(&[(&str, &str)], Number) -> fmt::Result + 's;

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

/// Writes one family of ensembles. There is a verdict for each ensemble, in the report's order.
pub(super) fn encode(
    own: Own,
    report: &Report,
    verdicts: &[Verdict],
    encoder: &mut DescriptorEncoder<'_>,
) -> fmt::Result {
    let all = || report.ensembles.iter().zip(verdicts);
    let mut any = false;
    for (ensemble, verdict) in all() {
        visit(own, ensemble, verdict, &mut |_, _| {
            any = true;
            Ok(())
        })?;
    }
    if !any {
        return Ok(());
    }
    let family = catalogue().family(own.into());
    let mut metric = descriptor(encoder, family)?;
    for (ensemble, verdict) in all() {
        visit(own, ensemble, verdict, &mut |pairs, value| {
            encode_value(&mut metric, family.kind, &OfEnsemble { name: &ensemble.name, pairs }, value)
        })?;
    }
    Ok(())
}

/// Writes the lag of every member. `members` are those of the report, in its order.
pub(super) fn encode_lags(
    verdicts: &[Verdict],
    members: &[(Head<'_>, &MemberReport)],
    encoder: &mut DescriptorEncoder<'_>,
) -> fmt::Result {
    let lags = || members.iter().zip(verdicts.iter().flat_map(|verdict| &verdict.lags));
    if lags().all(|(_, lag)| lag.is_none()) {
        return Ok(());
    }
    let family = catalogue().family(FamilyId::from(Own::ZxidLag));
    let mut metric = descriptor(encoder, family)?;
    for ((head, _), lag) in lags() {
        if let Some(lag) = lag {
            encode_value(&mut metric, family.kind, &Pairs { head, pairs: &[] }, number(*lag))?;
        }
    }
    Ok(())
}

/// Gives `sink` every sample that the family has for this ensemble.
fn visit(own: Own, report: &EnsembleReport, verdict: &Verdict, sink: &mut Sink<'_>) -> fmt::Result {
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

fn number(value: u64) -> Number {
    Number::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

/// The labels of a series of an ensemble.
struct OfEnsemble<'a> {
    name: &'a str,
    pairs: &'a [(&'a str, &'a str)],
}

impl EncodeLabelSet for OfEnsemble<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        ("ensemble", self.name).encode(encoder.encode_label())?;
        self.pairs.iter().try_for_each(|pair| pair.encode(encoder.encode_label()))
    }
}

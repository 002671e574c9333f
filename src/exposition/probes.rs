//! Samples of an ensemble from its canary, its znodes and its clients.

use super::writer::{FamilyWriter, Head};
use crate::catalogue::{FamilyId, Own, catalogue};
use crate::scrape::Report;

/// The families, in output order; a test compares them with the catalogue.
pub(super) const OWN: [Own; 19] = [
    Own::CanaryUp,
    Own::CanaryDuration,
    Own::CanaryFailures,
    Own::CanaryRounds,
    Own::CanaryAge,
    Own::ZnodeValue,
    Own::ZnodeAlarmThreshold,
    Own::ZnodeChildren,
    Own::ZnodeLastChange,
    Own::ZnodeFailure,
    Own::ZnodeAge,
    Own::ClientConnections,
    Own::ClientSessions,
    Own::ClientOutstandingRequests,
    Own::ClientMaxLatency,
    Own::ClientPacketsReceivedRate,
    Own::ClientPacketsSentRate,
    Own::ClientConnectionLimit,
    Own::ClientConnectionLimitRatio,
];

/// Writes one family with the samples of all ensembles; `heads` are theirs. Empty labels are omitted, which Prometheus
/// treats as equal.
pub(super) fn encode(own: Own, report: &Report, heads: &[Head], writer: &mut FamilyWriter<'_>) {
    let id = FamilyId::from(own);
    let family = catalogue().family(id);
    writer.family(family);
    for (ensemble, head) in report.ensembles.iter().zip(heads).filter(|(ensemble, _)| ensemble.samples.has(id)) {
        for cell in ensemble.samples.cells().iter().filter(|cell| cell.family() == id) {
            let labels = family.labels.iter().copied().zip(ensemble.samples.label_values(*cell));
            writer.sample(head, labels.filter(|(_, value)| !value.is_empty()), cell.value());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Scope;
    use crate::exposition::{ensembles, histograms};

    #[test]
    fn every_family_of_an_ensemble_is_written_somewhere() {
        let all = ensembles::OWN.into_iter().chain(OWN).chain(histograms::OWN).chain([Own::EnsembleMembersOmitted]);
        let written: Vec<FamilyId> = all.map(FamilyId::from).collect();
        for (id, family) in catalogue().families().filter(|(_, family)| family.scope == Scope::Ensemble) {
            assert!(written.contains(&id), "{} is never written", family.name);
        }
    }
}

//! The samples of an ensemble as a whole, from its canary and its znodes.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder};

use super::collector::{descriptor, encode_value};
use crate::catalogue::{FamilyId, Own, catalogue};
use crate::scrape::{Cell, EnsembleReport, Report};

/// The families, in the order of the page; a test holds the list to what the catalogue has.
pub(super) const OWN: [Own; 11] = [
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
];

/// Writes one of them, with all ensembles inside.
pub(super) fn encode(own: Own, report: &Report, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let id = FamilyId::from(own);
    if !report.ensembles.iter().any(|ensemble| ensemble.samples.has(id)) {
        return Ok(());
    }
    let family = catalogue().family(id);
    let mut metric = descriptor(encoder, family)?;
    for ensemble in &report.ensembles {
        for cell in ensemble.samples.cells().iter().filter(|cell| cell.family() == id) {
            let labels = OfEnsemble { ensemble, names: family.labels, cell: *cell };
            encode_value(&mut metric, family.kind, &labels, cell.value)?;
        }
    }
    Ok(())
}

/// The labels of a sample; one without a value is left out, which Prometheus takes for the same.
struct OfEnsemble<'a> {
    ensemble: &'a EnsembleReport,
    names: &'a [&'static str],
    cell: Cell,
}

impl EncodeLabelSet for OfEnsemble<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        ("ensemble", &*self.ensemble.name).encode(encoder.encode_label())?;
        let labels = self.names.iter().zip(self.ensemble.samples.label_values(self.cell));
        for (name, value) in labels.filter(|(_, value)| !value.is_empty()) {
            (*name, value).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Scope;
    use crate::exposition::ensembles;

    #[test]
    fn every_family_of_an_ensemble_is_written_somewhere() {
        let all = ensembles::OWN.into_iter().chain(OWN).chain([Own::EnsembleMembersOmitted]);
        let written: Vec<FamilyId> = all.map(FamilyId::from).collect();
        for (id, family) in catalogue().families().filter(|(_, family)| family.scope == Scope::Ensemble) {
            assert!(written.contains(&id), "{} is never written", family.name);
        }
    }
}

//! The report as families: every family once, with all members inside, in the catalogue's order.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::labels::{Head, OfCell};
use super::{beyond, ensembles, statements};
use crate::catalogue::{Family, FamilyId, Kind, Part, Scope, catalogue};
use crate::reply::Number;
use crate::scrape::{Cell, EnsembleReport, MemberReport, Report};

/// One report, ready to be encoded.
#[derive(Debug)]
pub(super) struct Page(pub(super) Arc<Report>);

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let members: Vec<_> = members(&self.0, Head::new);
        statements::encode(&members, &mut encoder)?;
        ensembles::encode(&self.0, &members, &mut encoder)?;
        beyond::encode(&self.0, &mut encoder)?;
        // The families come in order, and so do the cells of each member: what is not written yet.
        let mut rests: Vec<&[Cell]> = members.iter().map(|(_, member)| member.samples.cells()).collect();
        for (id, family) in catalogue().families() {
            if family.scope == Scope::Member && !statements::states(id) {
                encode_cells(id, family, &members, &mut rests, &mut encoder)?;
            }
        }
        Ok(())
    }
}

/// All members of a report with the beginning of their labels.
pub(super) fn members<'r>(
    report: &'r Report,
    head: impl Fn(&str, &'r str) -> Head<'r>,
) -> Vec<(Head<'r>, &'r MemberReport)> {
    let of_ensemble = |ensemble: &'r EnsembleReport| ensemble.members.iter().map(|member| (&*ensemble.name, member));
    let all = report.ensembles.iter().flat_map(of_ensemble);
    all.map(|(ensemble, member)| (head(ensemble, &member.name), member)).collect()
}

/// Opens a family; the encoder writes its header at once, so there must be a sample to follow.
pub(super) fn descriptor<'e>(
    encoder: &'e mut DescriptorEncoder<'_>,
    family: &'e Family,
) -> Result<MetricEncoder<'e>, fmt::Error> {
    let kind = match family.kind {
        Kind::Gauge => MetricType::Gauge,
        Kind::Counter => MetricType::Counter,
        Kind::Info => MetricType::Info,
        // The encoder has no summary: `headers` turns it into one by its name.
        Kind::Summary | Kind::Unknown => MetricType::Unknown,
    };
    encoder.encode_descriptor(&family.name, &family.help, None, kind)
}

fn encode_cells(
    id: FamilyId,
    family: &Family,
    members: &[(Head<'_>, &MemberReport)],
    rests: &mut [&[Cell]],
    encoder: &mut DescriptorEncoder<'_>,
) -> fmt::Result {
    let end = |rest: &[Cell]| rest.iter().position(|cell| cell.family() != id).unwrap_or(rest.len());
    // What is not chosen is skipped, and a family without a sample has no header.
    let any = members
        .iter()
        .zip(&*rests)
        .any(|((_, member), rest)| rest[..end(rest)].iter().any(|cell| member.shown.has(id, cell.part())));
    if !any {
        for rest in rests {
            *rest = &rest[end(rest)..];
        }
        return Ok(());
    }
    let mut metric = descriptor(encoder, family)?;
    for ((head, member), rest) in members.iter().zip(rests) {
        let cells;
        (cells, *rest) = rest.split_at(end(rest));
        let mut cells = cells.iter().copied().filter(|cell| member.shown.has(id, cell.part()));
        while let Some(cell) = cells.next() {
            let labels = OfCell { head, names: family.labels, samples: &member.samples, cell };
            if cell.part() == Part::Sum {
                // `Samples` keeps a sum only with its count, which is the next cell.
                let count = cells.next().map_or(0, |cell| whole(cell.value));
                metric.encode_family(&labels)?.encode_histogram::<NoLabelSet>(cell.value.as_f64(), count, &[], None)?;
            } else {
                encode_value(&mut metric, family.kind, &labels, cell.value)?;
            }
        }
    }
    Ok(())
}

/// One sample. Integers are written as integers.
pub(super) fn encode_value(
    metric: &mut MetricEncoder<'_>,
    kind: Kind,
    labels: &impl EncodeLabelSet,
    value: Number,
) -> fmt::Result {
    match (kind, value) {
        (Kind::Info, _) => metric.encode_info(labels),
        (Kind::Counter, Number::Int(_)) => {
            metric.encode_family(labels)?.encode_counter::<NoLabelSet, u64, f64>(&whole(value), None)
        }
        (Kind::Counter, Number::Float(value)) => {
            metric.encode_family(labels)?.encode_counter::<NoLabelSet, f64, f64>(&value, None)
        }
        (_, Number::Int(value)) => metric.encode_family(labels)?.encode_gauge(&value),
        (_, Number::Float(value)) => metric.encode_family(labels)?.encode_gauge(&value),
    }
}

/// A count as the encoder wants it; `scrape` has dropped what is negative or NaN.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are never negative and below 2^64")]
fn whole(value: Number) -> u64 {
    match value {
        Number::Int(value) => u64::try_from(value).unwrap_or(0),
        Number::Float(value) => value as u64,
    }
}

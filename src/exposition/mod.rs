//! Encodes a report as metrics: two text formats and protobuf, no I/O.

mod collector;
mod ensembles;
mod headers;
mod histograms;
mod negotiate;
mod page;
mod probes;
mod protobuf;
mod raw;
mod samples;
mod statements;
mod writer;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;

pub use negotiate::{MediaType, negotiate};
pub use page::Page;
pub use raw::collisions;
pub use samples::visit_samples;

use crate::histogram::UPPER_BOUNDS;
use crate::scrape::{EnsembleReport, MemberReport, Report};

/// Output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4, the default.
    Classic,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Length-delimited messages `io.prometheus.client.MetricFamily`.
    Protobuf,
}

/// Naming of the families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// By Prometheus' conventions, as in the catalogue.
    #[default]
    Catalogue,
    /// As in `mntr`, for dashboards made for older exporters.
    Mntr,
}

/// Appends the metrics of a report to `out`.
///
/// `more` adds families that are not part of a report, such as those of the process.
///
/// # Errors
/// Only if a label or a value cannot be formatted, which does not occur in a report.
pub fn render(
    report: &Arc<Report>,
    more: Option<Box<dyn Collector>>,
    names: Names,
    format: Format,
    out: &mut Vec<u8>,
) -> fmt::Result {
    Page::new(Arc::clone(report), more, names, format).write(out, usize::MAX).map(|_| ())
}

/// The estimated size of the output, so that its buffer is allocated once.
#[must_use]
pub fn expected_size(report: &Report) -> usize {
    /// HELP and TYPE of all families, and the exporter's own metrics of an ensemble.
    const BYTES_OF_HEADERS: usize = 96 << 10;
    /// Number of the exporter's own metrics of a member.
    const OWN_SAMPLES: usize = 24;
    /// One classic histogram.
    const HISTOGRAM: usize = (UPPER_BOUNDS.len() + 3) * 120;
    let of = |ensemble: &EnsembleReport| {
        let size = |member: &MemberReport| {
            let head = "{ensemble=\"\",member=\"\"}".len() + ensemble.name.len() + member.name.len();
            collector::size_of_cells(member, head)
                + OWN_SAMPLES * (56 + head)
                + member.raw.as_ref().map_or(0, String::len)
        };
        ensemble.members.iter().map(size).sum::<usize>() + ensemble.samples.histograms().len() * HISTOGRAM
    };
    BYTES_OF_HEADERS + report.ensembles.iter().map(|ensemble| of(ensemble)).sum::<usize>()
}

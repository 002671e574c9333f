//! A report as a page: one encoder (prometheus-client), two text formats and protobuf, no I/O.

mod beyond;
mod collector;
mod ensembles;
mod headers;
mod labels;
mod negotiate;
mod page;
mod protobuf;
mod raw;
mod statements;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;

pub use negotiate::{MediaType, negotiate};
pub use page::Page;
pub use raw::collisions;

use crate::scrape::{EnsembleReport, MemberReport, Report};

/// The formats a page is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4, for everyone who does not ask for the other.
    Classic,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Length-delimited messages `io.prometheus.client.MetricFamily`.
    Protobuf,
}

/// How the families are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// By Prometheus' rules, as the catalogue has them.
    #[default]
    Catalogue,
    /// As `mntr` writes them, for dashboards made for older exporters.
    Mntr,
}

/// Writes the page of a report behind what `out` holds already.
///
/// `more` adds families that are no report's, such as the exporter's own.
///
/// # Errors
/// Only if a label or a value cannot be formatted, which no report contains.
pub fn render(
    report: &Arc<Report>,
    more: Option<Box<dyn Collector>>,
    names: Names,
    format: Format,
    out: &mut Vec<u8>,
) -> fmt::Result {
    Page::new(Arc::clone(report), more, names, format).write(out, usize::MAX).map(|_| ())
}

/// The size of a page, guessed from its samples and the texts in them, so that its buffer is allocated once.
#[must_use]
pub fn expected_size(report: &Report) -> usize {
    /// HELP and TYPE of all families, and what the exporter says of an ensemble.
    const BYTES_OF_HEADERS: usize = 96 << 10;
    /// What the exporter says itself of a member.
    const OWN_SAMPLES: usize = 24;
    let of = |ensemble: &EnsembleReport| {
        let size = |member: &MemberReport| {
            let head = "{ensemble=\"\",member=\"\"}".len() + ensemble.name.len() + member.name.len();
            collector::size_of_cells(member, head)
                + OWN_SAMPLES * (56 + head)
                + member.raw.as_ref().map_or(0, String::len)
        };
        ensemble.members.iter().map(size).sum::<usize>()
    };
    BYTES_OF_HEADERS + report.ensembles.iter().map(|ensemble| of(ensemble)).sum::<usize>()
}

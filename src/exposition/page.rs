//! Incremental output, so that the text for a large fleet is never completely in memory.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use super::collector::Families;
use super::headers::Headers;
use super::writer::FamilyWriter;
use super::{Format, Names};
use crate::scrape::Report;

/// The output of a report, and its progress.
#[derive(Debug)]
pub struct Page {
    families: Families,
    more: Option<Box<dyn Collector>>,
    format: Format,
    written: usize,
    ended: bool,
    members: usize,
}

impl Page {
    /// An unwritten page. `more` adds families at its end that are not part of the report.
    #[must_use]
    pub fn new(report: Arc<Report>, more: Option<Box<dyn Collector>>, names: Names, format: Format) -> Self {
        let members = report.members();
        Self { families: Families::new(report, names, format), more, format, written: 0, ended: false, members }
    }

    /// The number of members.
    #[must_use]
    pub fn members(&self) -> usize {
        self.members
    }

    /// Whether the exporter's own metrics are written, and the metrics reported by members are next.
    #[must_use]
    pub fn is_at_members(&self) -> bool {
        self.written == self.families.begin_of_members()
    }

    /// Omits the metrics of the last members so that about `bytes` suffice, before any of them is written. Returns the
    /// number of omitted members.
    pub fn fit(&mut self, bytes: usize) -> usize {
        self.families.fit(bytes)
    }

    /// Appends complete families to `out` until it has `enough` bytes, the metrics reported by members are next, or the
    /// page ends.
    ///
    /// Returns whether more follows.
    ///
    /// # Errors
    /// Only if a label or a value cannot be formatted, which does not occur in a report.
    pub fn write(&mut self, out: &mut Vec<u8>, enough: usize) -> Result<bool, fmt::Error> {
        let begin = out.len();
        let mut writer = FamilyWriter::new(out, self.format);
        while !self.ended {
            self.families.encode(self.written, &mut writer);
            self.written += 1;
            if self.written == self.families.len() {
                self.ended = true;
                if let Some(more) = self.more.take() {
                    let mut registry = Registry::default();
                    registry.register_collector(more);
                    text::encode_registry(&mut Headers::new(&mut writer), &registry)?;
                }
            }
            if enough != usize::MAX && (self.is_at_members() || writer.len() - begin >= enough) {
                break;
            }
        }
        writer.end(self.ended);
        Ok(!self.ended)
    }
}

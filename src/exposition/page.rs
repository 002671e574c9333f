//! A page that is written piece by piece, so that the text of a large fleet is never held whole.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use super::collector::Families;
use super::headers::Headers;
use super::{Format, Names};
use crate::scrape::Report;

/// The page of a report, and how far it is written.
#[derive(Debug)]
pub struct Page {
    families: Arc<Families>,
    more: Option<Box<dyn Collector>>,
    names: Names,
    format: Format,
    written: usize,
    ended: bool,
    members: usize,
}

impl Page {
    /// A page of which nothing is written yet. `more` adds families that are no report's, at its end.
    #[must_use]
    pub fn new(report: Arc<Report>, more: Option<Box<dyn Collector>>, names: Names, format: Format) -> Self {
        let members = report.members();
        Self {
            families: Arc::new(Families::new(report, names)),
            more,
            names,
            format,
            written: 0,
            ended: false,
            members,
        }
    }

    /// The number of members.
    #[must_use]
    pub fn members(&self) -> usize {
        self.members
    }

    /// Whether all that the exporter says itself is written, and what members say follows.
    #[must_use]
    pub fn is_at_members(&self) -> bool {
        self.written == self.families.begin_of_members()
    }

    /// Leaves out what the last members say where it would be more than about so many bytes, before any of it is written.
    /// Says of how many members.
    pub fn fit(&mut self, bytes: usize) -> usize {
        // Shared only while a piece is written.
        Arc::get_mut(&mut self.families).map_or(0, |families| families.fit(bytes))
    }

    /// Writes whole families behind what `out` holds, until they are `enough` bytes, or what members say follows, or the page
    /// has ended.
    ///
    /// Says whether there is more to come.
    ///
    /// # Errors
    /// Only if a label or a value cannot be formatted, which no report contains.
    pub fn write(&mut self, out: &mut Vec<u8>, enough: usize) -> Result<bool, fmt::Error> {
        let begin = out.len();
        while !self.ended {
            let left = self.families.len() - self.written;
            // Where the piece may be as long as the page, one registry does for all.
            let take = if enough == usize::MAX { left } else { left.min(1) };
            let items = self.written..self.written + take;
            self.written = items.end;
            self.ended = take == left;
            // A registry per piece is five empty vectors; one that outlives its page would show stale series.
            let mut registry = Registry::default();
            registry.register_collector(Box::new(Piece { families: Arc::clone(&self.families), items }));
            if let Some(more) = self.more.take_if(|_| self.ended) {
                registry.register_collector(more);
            }
            let mut headers = Headers::new(out, self.format, self.names);
            text::encode_registry(&mut headers, &registry)?;
            if self.ended {
                text::encode_eof(&mut headers)?;
            }
            headers.finish();
            if out.len() - begin >= enough || (enough != usize::MAX && self.is_at_members()) {
                break;
            }
        }
        Ok(!self.ended)
    }
}

/// Some families of a page in a row.
#[derive(Debug)]
struct Piece {
    families: Arc<Families>,
    items: Range<usize>,
}

impl Collector for Piece {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.families.encode(self.items.clone(), &mut encoder)
    }
}

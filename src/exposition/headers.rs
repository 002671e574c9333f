//! What prometheus-client's encoder lacks, put right on its way out: the type `summary`, and the
//! classic text format.
//!
//! It relies on one property of the encoder: the piece that begins a header line begins with `#`,
//! and the piece that ends it ends with the line break. Golden pages hold that.

use std::fmt::{self, Write};

use super::{Format, Names};
use crate::catalogue::catalogue;

/// Passes samples through and rewrites header lines.
pub(super) struct Headers<'a> {
    out: &'a mut String,
    format: Format,
    /// Families of the catalogue's names are of the catalogue's types; with raw names they are not.
    names: Names,
    /// The header line under construction; empty between lines.
    line: String,
    /// HELP, held until its TYPE says which name the family has in the classic format.
    help: String,
    /// The next piece begins a line.
    at_start: bool,
}

impl<'a> Headers<'a> {
    pub(super) fn new(out: &'a mut String, format: Format, names: Names) -> Self {
        Self { out, format, names, line: String::with_capacity(256), help: String::with_capacity(256), at_start: true }
    }

    fn header(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = line.trim_end_matches('\n');
        if let Some(help) = text.strip_prefix("# HELP ") {
            self.help.clear();
            self.help.push_str(help);
        } else if let Some((name, kind)) = text.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            self.family(name, kind);
        } else if text == "# EOF" && self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.line = line;
        self.line.clear();
    }

    fn family(&mut self, name: &str, kind: &str) {
        let summary = kind == "unknown" && self.names == Names::Catalogue && catalogue().is_summary(name);
        let (suffix, kind) = match (self.format, kind) {
            (_, "unknown") if summary => ("", "summary"),
            (Format::Classic, "counter") => ("_total", "counter"),
            (Format::Classic, "info") => ("_info", "gauge"),
            (Format::Classic, "unknown") => ("", "untyped"),
            (_, kind) => ("", kind),
        };
        let help = self.help.split_once(' ').map_or("", |(_, help)| help);
        for piece in ["# HELP ", name, suffix, " ", help, "\n# TYPE ", name, suffix, " ", kind, "\n"] {
            self.out.push_str(piece);
        }
    }
}

impl Write for Headers<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let (Some(first), Some(last)) = (piece.as_bytes().first(), piece.as_bytes().last()) else { return Ok(()) };
        if self.line.is_empty() && !(self.at_start && *first == b'#') {
            // Most pieces are one byte, a quote or a space: not worth a copy of unknown length.
            if let [byte @ 0..=0x7f] = piece.as_bytes() {
                self.out.push(char::from(*byte));
            } else {
                self.out.push_str(piece);
            }
            self.at_start = *last == b'\n';
            return Ok(());
        }
        self.line.push_str(piece);
        self.at_start = *last == b'\n';
        if self.at_start {
            self.header();
        }
        Ok(())
    }
}

//! What prometheus-client's encoder lacks, put right on its way out: the type `summary`, units, the classic text format and
//! protobuf.
//!
//! It relies on one property of the encoder: the piece that begins a header line begins with `#`,
//! and the piece that ends it ends with the line break. Golden pages hold that.

use std::fmt::{self, Write};

use super::protobuf::Encoder;
use super::{Format, Names};
use crate::catalogue::catalogue;

/// Passes samples through and rewrites header lines.
pub(super) struct Headers<'a> {
    out: Output<'a>,
    /// Families of the catalogue's names are of the catalogue's types; with raw names they are not.
    names: Names,
    /// The header line under construction; empty between lines.
    line: String,
    /// HELP, held until its TYPE says which name the family has in the classic format.
    help: String,
    /// The next piece begins a line.
    at_start: bool,
}

enum Output<'a> {
    Classic(&'a mut Vec<u8>),
    OpenMetrics(&'a mut Vec<u8>),
    Protobuf(Encoder<'a>),
}

impl<'a> Headers<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>, format: Format, names: Names) -> Self {
        let out = match format {
            Format::Classic => Output::Classic(out),
            Format::OpenMetrics => Output::OpenMetrics(out),
            Format::Protobuf => Output::Protobuf(Encoder::new(out)),
        };
        Self { out, names, line: String::with_capacity(256), help: String::with_capacity(256), at_start: true }
    }

    /// Writes what is held of the last family. All lines must have ended.
    pub(super) fn finish(self) {
        if let Output::Protobuf(mut encoder) = self.out {
            encoder.finish();
        }
    }

    /// Ends a line that was held: a header, or a sample for the protobuf encoder.
    fn end_line(&mut self) -> fmt::Result {
        let line = std::mem::take(&mut self.line);
        let text = line.trim_end_matches('\n');
        let mut result = Ok(());
        if let Some(help) = text.strip_prefix("# HELP ") {
            self.help.clear();
            self.help.push_str(help);
        } else if let Some((name, kind)) = text.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            self.family(name, kind);
        } else if text == "# EOF" {
            if let Output::OpenMetrics(out) = &mut self.out {
                out.extend_from_slice(b"# EOF\n");
            }
        } else if let Output::Protobuf(encoder) = &mut self.out {
            result = encoder.sample(text);
        }
        self.line = line;
        self.line.clear();
        result
    }

    fn family(&mut self, name: &str, kind: &str) {
        let summary = kind == "unknown" && self.names == Names::Catalogue && catalogue().is_summary(name);
        let kind = if summary { "summary" } else { kind };
        let help = self.help.split_once(' ').map_or("", |(_, help)| help);
        match &mut self.out {
            Output::Classic(out) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    kind => ("", kind),
                };
                push(out, &["# HELP ", name, suffix, " ", help, "\n# TYPE ", name, suffix, " ", kind, "\n"]);
            }
            Output::OpenMetrics(out) => {
                push(out, &["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n"]);
                // An empty unit is stated too: Prometheus 3.5 carries the unit of a family over to those behind it.
                push(out, &["# UNIT ", name, " ", unit(name), "\n"]);
            }
            Output::Protobuf(encoder) => encoder.begin(name, help, kind, unit(name)),
        }
    }
}

/// The unit with which the name of a family ends, as OpenMetrics demands of a family that states one; else nothing.
fn unit(name: &str) -> &'static str {
    let last = name.rsplit('_').next();
    ["seconds", "bytes", "ratio"].into_iter().find(|unit| Some(*unit) == last).unwrap_or("")
}

fn push(out: &mut Vec<u8>, pieces: &[&str]) {
    for piece in pieces {
        out.extend_from_slice(piece.as_bytes());
    }
}

impl Write for Headers<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let (Some(first), Some(last)) = (piece.as_bytes().first(), piece.as_bytes().last()) else { return Ok(()) };
        let passes = self.line.is_empty() && !(self.at_start && *first == b'#');
        self.at_start = *last == b'\n';
        if let (true, Output::Classic(out) | Output::OpenMetrics(out)) = (passes, &mut self.out) {
            // Most pieces are one byte, a quote or a space: not worth a copy of unknown length.
            if let [byte] = piece.as_bytes() {
                out.push(*byte);
            } else {
                out.extend_from_slice(piece.as_bytes());
            }
            return Ok(());
        }
        self.line.push_str(piece);
        if self.at_start { self.end_line() } else { Ok(()) }
    }
}

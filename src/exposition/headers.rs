//! Passes the output of prometheus-client's encoder, which encodes the exporter's metrics about itself, to the writer of
//! families. The encoder lacks units, the classic text format and protobuf.

use std::fmt::{self, Write};

use super::writer::FamilyWriter;
use crate::catalogue::Kind;

/// Splits the text into lines, and replaces the headers.
pub(super) struct Headers<'w, 'o> {
    writer: &'w mut FamilyWriter<'o>,
    /// The line under construction.
    line: String,
    /// HELP, kept until TYPE.
    help: String,
}

impl<'w, 'o> Headers<'w, 'o> {
    pub(super) fn new(writer: &'w mut FamilyWriter<'o>) -> Self {
        Self { writer, line: String::with_capacity(256), help: String::with_capacity(256) }
    }

    fn end_line(&mut self) -> fmt::Result {
        let line = self.line.as_str();
        if let Some(help) = line.strip_prefix("# HELP ") {
            self.help.clear();
            self.help.push_str(help.split_once(' ').map_or("", |(_, help)| help));
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let kinds = [Kind::Counter, Kind::Gauge, Kind::Info];
            let kind = kinds.into_iter().find(|known| known.word() == kind).ok_or(fmt::Error)?;
            self.writer.begin(name, &self.help, kind);
        } else if !self.writer.line(line) {
            return Err(fmt::Error);
        }
        self.line.clear();
        Ok(())
    }
}

impl Write for Headers<'_, '_> {
    fn write_str(&mut self, mut piece: &str) -> fmt::Result {
        while let Some((end, rest)) = piece.split_once('\n') {
            self.line.push_str(end);
            self.end_line()?;
            piece = rest;
        }
        self.line.push_str(piece);
        Ok(())
    }
}

//! Messages of Prometheus' protobuf format: one length-delimited `io.prometheus.client.MetricFamily` per family.
//!
//! Field numbers are those of `io/prometheus/client/metrics.proto`.

use crate::catalogue;
use crate::text::quoted;

/// `MetricType` of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter = 0,
    Gauge = 1,
    Summary = 2,
    Untyped = 3,
    Histogram = 4,
}

impl From<catalogue::Kind> for Kind {
    fn from(kind: catalogue::Kind) -> Self {
        match kind {
            catalogue::Kind::Counter => Self::Counter,
            catalogue::Kind::Gauge | catalogue::Kind::Info => Self::Gauge,
            catalogue::Kind::Summary => Self::Summary,
            catalogue::Kind::Histogram => Self::Histogram,
            catalogue::Kind::Unknown => Self::Untyped,
        }
    }
}

/// Parses a sample of the text formats without quantile or bucket: its labels, encoded, and its value.
pub(super) fn parse_sample(line: &str, family: &str) -> Option<(Vec<u8>, f64)> {
    let rest = line.strip_prefix(family)?;
    let mut rest = &rest[rest.find(['{', ' '])?..];
    let mut labels = Vec::with_capacity(rest.len());
    if let Some(mut inner) = rest.strip_prefix('{') {
        while !inner.starts_with('}') {
            let (key, after) = inner.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            label(&mut labels, key, &value);
            inner = after.trim_start_matches(',');
        }
        rest = &inner[1..];
    }
    Some((labels, rest.trim().parse().ok()?))
}

impl Kind {
    /// The field of `Metric` that holds the value.
    pub(super) const fn field(self) -> u64 {
        match self {
            Self::Gauge => 2,
            Self::Counter => 3,
            Self::Summary => 4,
            Self::Untyped => 5,
            Self::Histogram => 7,
        }
    }
}

/// Appends the fields of a family before its metrics.
pub(super) fn head(name: &str, suffix: &str, help: &str, kind: Kind, unit: &str, out: &mut Vec<u8>) {
    message(out, 1, &[name.as_bytes(), suffix.as_bytes()]);
    message(out, 2, &[help.as_bytes()]);
    number(out, 3, kind as u64);
    if !unit.is_empty() {
        message(out, 5, &[unit.as_bytes()]);
    }
}

/// Appends a family message with its length prefix.
pub(super) fn delimited(out: &mut Vec<u8>, family: &[u8]) {
    varint(out, family.len() as u64);
    out.extend_from_slice(family);
}

/// Appends a `LabelPair` message as the field `label` of `Metric`.
pub(super) fn label(out: &mut Vec<u8>, key: &str, value: &str) {
    let mut pair = Vec::with_capacity(key.len() + value.len() + 8);
    message(&mut pair, 1, &[key.as_bytes()]);
    message(&mut pair, 2, &[value.as_bytes()]);
    message(out, 1, &[&pair]);
}

/// Appends a bytes field, given in pieces.
pub(super) fn message(out: &mut Vec<u8>, field: u64, pieces: &[&[u8]]) {
    varint(out, field << 3 | 2);
    varint(out, pieces.iter().map(|piece| piece.len() as u64).sum());
    for piece in pieces {
        out.extend_from_slice(piece);
    }
}

pub(super) fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

/// Appends a signed integer field.
pub(super) fn signed(out: &mut Vec<u8>, field: u64, value: i64) {
    number(out, field, zigzag(value));
}

/// Zigzag encoding: maps integers with a small absolute value to small unsigned ones.
pub(super) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

pub(super) fn double(out: &mut Vec<u8>, field: u64, value: f64) {
    varint(out, field << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        // The low seven bits, and the continuation bit.
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

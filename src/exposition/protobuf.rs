//! The page in Prometheus' protobuf format: one length-delimited `io.prometheus.client.MetricFamily` per family.
//!
//! It is made from the lines of the text encoder, family by family, so every format has the same series. Field numbers are
//! those of `io/prometheus/client/metrics.proto`.

use std::collections::HashMap;
use std::fmt;

use crate::text::quoted;

/// `MetricType` of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter = 0,
    Gauge = 1,
    Summary = 2,
    Untyped = 3,
    Histogram = 4,
}

/// Takes the text of whole families and appends their messages to a page.
pub(super) struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    family: Option<Family>,
}

/// The family whose samples are being read.
struct Family {
    /// Its name in OpenMetrics, with which every sample of it begins.
    base: String,
    kind: Kind,
    /// The fields before the metrics.
    head: Vec<u8>,
    metrics: Vec<Metric>,
    /// The place of a metric by its encoded labels; only for kinds of which a metric has several samples.
    places: HashMap<Vec<u8>, usize>,
}

/// One message `Metric`.
#[derive(Default)]
struct Metric {
    labels: Vec<u8>,
    value: f64,
    sum: f64,
    count: u64,
    /// Quantiles or upper bounds, and their values.
    parts: Vec<(f64, f64)>,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, family: None }
    }

    /// Begins a family. `name` is that of OpenMetrics, `kind` one of its types.
    pub(super) fn begin(&mut self, name: &str, help: &str, kind: &str, unit: &str) {
        self.finish();
        let (suffix, kind) = match kind {
            "counter" => ("_total", Kind::Counter),
            "info" => ("_info", Kind::Gauge),
            "gauge" => ("", Kind::Gauge),
            "summary" => ("", Kind::Summary),
            "histogram" => ("", Kind::Histogram),
            _ => ("", Kind::Untyped),
        };
        let mut head = Vec::with_capacity(name.len() + help.len() + 32);
        message(&mut head, 1, &[name.as_bytes(), suffix.as_bytes()]);
        message(&mut head, 2, &[help.as_bytes()]);
        number(&mut head, 3, kind as u64);
        if !unit.is_empty() {
            message(&mut head, 5, &[unit.as_bytes()]);
        }
        self.family = Some(Family { base: name.to_owned(), kind, head, metrics: Vec::new(), places: HashMap::new() });
    }

    /// Reads the line of a sample.
    ///
    /// # Errors
    /// Where it is not one of the family that was begun, which the text encoder does not write.
    pub(super) fn sample(&mut self, line: &str) -> fmt::Result {
        self.family.as_mut().and_then(|family| family.sample(line)).ok_or(fmt::Error)
    }

    /// Writes the family that was begun, if it has samples.
    pub(super) fn finish(&mut self) {
        let Some(family) = self.family.take().filter(|family| !family.metrics.is_empty()) else { return };
        let mut body = family.head;
        let (mut metric, mut value) = (Vec::new(), Vec::new());
        for one in &family.metrics {
            metric.clear();
            value.clear();
            metric.extend_from_slice(&one.labels);
            one.encode(family.kind, &mut value);
            message(&mut metric, family.kind.field(), &[&value]);
            message(&mut body, 4, &[&metric]);
        }
        varint(self.out, body.len() as u64);
        self.out.extend_from_slice(&body);
    }
}

impl Family {
    fn sample(&mut self, line: &str) -> Option<()> {
        let rest = line.strip_prefix(self.base.as_str())?;
        let name_end = rest.find(['{', ' '])?;
        let (suffix, rest) = rest.split_at(name_end);
        let mut labels = Vec::with_capacity(rest.len());
        let mut part = None;
        let mut rest = rest;
        if let Some(mut inner) = rest.strip_prefix('{') {
            while !inner.starts_with('}') {
                let (key, after) = inner.split_once("=\"")?;
                let (value, after) = quoted(after)?;
                match (self.kind, key) {
                    (Kind::Summary, "quantile") | (Kind::Histogram, "le") => part = Some(value.parse().ok()?),
                    _ => label(&mut labels, key, &value),
                }
                inner = after.trim_start_matches(',');
            }
            rest = &inner[1..];
        }
        let text = rest.trim();
        let value: f64 = text.parse().ok()?;
        let metric = self.metric(labels);
        match (suffix, part) {
            ("_sum", None) => metric.sum = value,
            // Counts are written whole, and stay so beyond 2^53.
            ("_count", None) => metric.count = text.parse().ok()?,
            (_, Some(part)) => metric.parts.push((part, value)),
            _ => metric.value = value,
        }
        Some(())
    }

    /// The metric with these labels, made where it is new.
    fn metric(&mut self, labels: Vec<u8>) -> &mut Metric {
        let last = self.metrics.len();
        let place = if matches!(self.kind, Kind::Summary | Kind::Histogram) {
            *self.places.entry(labels.clone()).or_insert(last)
        } else {
            last
        };
        if place == last {
            // Without a sum of its own a summary has an unknown one, not 0.
            self.metrics.push(Metric { labels, sum: f64::NAN, ..Metric::default() });
        }
        &mut self.metrics[place]
    }
}

impl Kind {
    /// The field of `Metric` that holds the value.
    const fn field(self) -> u64 {
        match self {
            Self::Gauge => 2,
            Self::Counter => 3,
            Self::Summary => 4,
            Self::Untyped => 5,
            Self::Histogram => 7,
        }
    }
}

impl Metric {
    fn encode(&self, kind: Kind, out: &mut Vec<u8>) {
        match kind {
            Kind::Counter | Kind::Gauge | Kind::Untyped => double(out, 1, self.value),
            Kind::Summary | Kind::Histogram => {
                number(out, 1, self.count);
                double(out, 2, self.sum);
                for (part, value) in &self.parts {
                    let mut inner = Vec::with_capacity(20);
                    if kind == Kind::Summary {
                        double(&mut inner, 1, *part);
                        double(&mut inner, 2, *value);
                    } else {
                        #[expect(
                            clippy::cast_possible_truncation,
                            clippy::cast_sign_loss,
                            reason = "a bucket counts observations of the exporter's own"
                        )]
                        number(&mut inner, 1, *value as u64);
                        double(&mut inner, 2, *part);
                    }
                    message(out, 3, &[&inner]);
                }
            }
        }
    }
}

/// A message `LabelPair` as the field `label` of `Metric`.
fn label(out: &mut Vec<u8>, key: &str, value: &str) {
    let mut pair = Vec::with_capacity(key.len() + value.len() + 8);
    message(&mut pair, 1, &[key.as_bytes()]);
    message(&mut pair, 2, &[value.as_bytes()]);
    message(out, 1, &[&pair]);
}

/// A field of bytes, given in pieces.
fn message(out: &mut Vec<u8>, field: u64, pieces: &[&[u8]]) {
    varint(out, field << 3 | 2);
    varint(out, pieces.iter().map(|piece| piece.len() as u64).sum());
    for piece in pieces {
        out.extend_from_slice(piece);
    }
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn double(out: &mut Vec<u8>, field: u64, value: f64) {
    varint(out, field << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        // The low seven bits, and the mark that more follow.
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

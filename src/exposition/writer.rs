//! Writes families and their samples in each format.
//!
//! A page has hundreds of samples per member, so a sample is appended without formatting machinery: its name, the labels
//! that all series of its member begin with ([`Head`]), its own labels and its value.

use memchr::memchr3;

use super::Format;
use super::protobuf::{self, double, message, number};
use crate::catalogue::{Family, Kind, Part};
use crate::histogram::DurationHistogram;
use crate::reply::Number;

/// The labels that all series of a member or an ensemble begin with, encoded once per page in its format.
#[derive(Debug)]
pub(super) struct Head(Vec<u8>);

impl Head {
    pub(super) fn new(format: Format, labels: &[(&str, &str)]) -> Self {
        let mut encoded = Vec::with_capacity(64);
        for (name, value) in labels {
            push_label(format, &mut encoded, name, value);
        }
        Self(encoded)
    }

    /// Its size in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Appends families to a buffer. A family without samples is omitted, header included.
pub(super) struct FamilyWriter<'o> {
    out: &'o mut Vec<u8>,
    format: Format,
    /// The current family: its name in the catalogue.
    name: String,
    help: String,
    kind: Kind,
    has_header: bool,
    /// The beginning of the lines of its samples in text formats: `name{`.
    line: Vec<u8>,
    /// Its message in protobuf, without the length prefix.
    body: Vec<u8>,
    metric: Vec<u8>,
    value: Vec<u8>,
}

impl<'o> FamilyWriter<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>, format: Format) -> Self {
        Self {
            out,
            format,
            name: String::new(),
            help: String::new(),
            kind: Kind::Unknown,
            has_header: false,
            line: Vec::new(),
            body: Vec::new(),
            metric: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Begins a family of the catalogue.
    pub(super) fn family(&mut self, family: &Family) {
        self.begin(&family.name, &family.help, family.kind);
    }

    /// Ends the current family and begins another one, named as in OpenMetrics: without `_total` or `_info`.
    pub(super) fn begin(&mut self, name: &str, help: &str, kind: Kind) {
        self.finish();
        name.clone_into(&mut self.name);
        help.clone_into(&mut self.help);
        self.kind = kind;
        self.has_header = false;
        self.line.clear();
        for piece in [name, kind.suffix(), "{"] {
            self.line.extend_from_slice(piece.as_bytes());
        }
    }

    /// Writes one sample.
    pub(super) fn sample<'l>(
        &mut self,
        head: &Head,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        value: Number,
    ) {
        self.header();
        let value = match (self.kind, value) {
            (Kind::Info, _) => Number::Int(1),
            (Kind::Counter, Number::Int(value)) => Number::Int(value.max(0)),
            (_, value) => value,
        };
        if self.format == Format::Protobuf {
            self.begin_metric(head, labels);
            self.value.clear();
            double(&mut self.value, 1, value.as_f64());
            self.end_metric();
        } else {
            self.out.extend_from_slice(&self.line);
            self.end_line(head, labels, value);
        }
    }

    /// Writes the quantiles, the sum and the count of one summary.
    pub(super) fn summary<'l>(
        &mut self,
        head: &Head,
        labels: impl Iterator<Item = (&'l str, &'l str)> + Clone,
        parts: impl Iterator<Item = (Part, Number)> + Clone,
    ) {
        if parts.clone().next().is_none() {
            return;
        }
        self.header();
        if self.format == Format::Protobuf {
            self.begin_metric(head, labels);
            self.value.clear();
            let of = |wanted: Part| parts.clone().find(|(part, _)| *part == wanted).map(|(_, value)| value);
            number(&mut self.value, 1, of(Part::Count).map_or(0, whole));
            // A summary without a sum has an unknown sum, not 0.
            double(&mut self.value, 2, of(Part::Sum).map_or(f64::NAN, Number::as_f64));
            for (quantile, value) in parts.filter_map(|(part, value)| Some((part.quantile()?, value))) {
                let mut inner = Vec::with_capacity(20);
                // Every quantile of the catalogue is a number.
                double(&mut inner, 1, quantile.parse().unwrap_or(f64::NAN));
                double(&mut inner, 2, value.as_f64());
                message(&mut self.value, 3, &[&inner]);
            }
            self.end_metric();
            return;
        }
        for (part, value) in parts {
            let (suffix, value) = match part {
                Part::Sum => ("_sum{", Number::Float(value.as_f64())),
                Part::Count => ("_count{", Number::Int(i64::try_from(whole(value)).unwrap_or(i64::MAX))),
                _ => ("{", value),
            };
            self.out.extend_from_slice(self.name.as_bytes());
            self.out.extend_from_slice(suffix.as_bytes());
            let quantile = part.quantile().map(|quantile| ("quantile", quantile));
            self.end_line(head, labels.clone().chain(quantile), value);
        }
    }

    /// Writes one histogram; only protobuf has its native buckets.
    pub(super) fn histogram(&mut self, head: &Head, label: Option<(&str, &str)>, histogram: &DurationHistogram) {
        self.header();
        if self.format == Format::Protobuf {
            self.begin_metric(head, label);
            self.value.clear();
            super::histograms::encode_buckets(histogram, &mut self.value);
            self.end_metric();
            return;
        }
        let count = |count: u64| Number::Int(i64::try_from(count).unwrap_or(i64::MAX));
        for (suffix, value) in [("_sum{", Number::Float(histogram.sum())), ("_count{", count(histogram.count()))] {
            self.out.extend_from_slice(self.name.as_bytes());
            self.out.extend_from_slice(suffix.as_bytes());
            self.end_line(head, label, value);
        }
        let mut cumulative = 0;
        for (bound, held) in histogram.fixed() {
            cumulative += held;
            let mut text = dtoa::Buffer::new();
            let bound = if bound.is_finite() { text.format(bound) } else { "+Inf" };
            self.out.extend_from_slice(self.name.as_bytes());
            self.out.extend_from_slice(b"_bucket{");
            self.end_line(head, label.into_iter().chain([("le", bound)]), count(cumulative));
        }
    }

    /// Writes a line of the text formats that is complete except for its break, or a sample of it in protobuf.
    ///
    /// `line` is a sample of the current family without quantiles or buckets, as prometheus-client writes it. Returns
    /// whether it is one.
    pub(super) fn line(&mut self, line: &str) -> bool {
        self.header();
        if self.format != Format::Protobuf {
            self.out.extend_from_slice(line.as_bytes());
            self.out.push(b'\n');
            return true;
        }
        let Some((labels, value)) = protobuf::parse_sample(line, &self.name) else { return false };
        self.begin_metric(&Head(labels), []);
        self.value.clear();
        double(&mut self.value, 1, value);
        self.end_metric();
        true
    }

    /// The size of the buffer, with the pending data of the current family.
    pub(super) fn len(&self) -> usize {
        self.out.len() + self.body.len()
    }

    /// Writes the pending data of the last family, and the end of the page if `whole`.
    pub(super) fn end(mut self, whole: bool) {
        self.finish();
        if whole && self.format == Format::OpenMetrics {
            self.out.extend_from_slice(b"# EOF\n");
        }
    }

    fn finish(&mut self) {
        if !self.body.is_empty() {
            protobuf::delimited(self.out, &self.body);
            self.body.clear();
        }
    }

    /// Writes the header before the first sample of the family.
    fn header(&mut self) {
        if std::mem::replace(&mut self.has_header, true) {
            return;
        }
        let (name, help, suffix) = (self.name.as_str(), self.help.as_str(), self.kind.suffix());
        let unit = unit(name);
        let pieces: &[&str] = match self.format {
            Format::Classic => {
                let kind = match self.kind {
                    Kind::Info => "gauge",
                    Kind::Unknown => "untyped",
                    kind => kind.word(),
                };
                &["# HELP ", name, suffix, " ", help, "\n# TYPE ", name, suffix, " ", kind, "\n"]
            }
            // An empty unit is written, too: Prometheus 3.5 carries the unit of a family over to the next ones.
            Format::OpenMetrics => {
                let kind = self.kind.word();
                &["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n# UNIT ", name, " ", unit, "\n"]
            }
            Format::Protobuf => return protobuf::head(name, suffix, help, self.kind.into(), unit, &mut self.body),
        };
        for piece in pieces {
            self.out.extend_from_slice(piece.as_bytes());
        }
    }

    /// Writes the rest of a line after its opening brace.
    fn end_line<'l>(&mut self, head: &Head, labels: impl IntoIterator<Item = (&'l str, &'l str)>, value: Number) {
        let out = &mut *self.out;
        out.extend_from_slice(&head.0);
        for (name, value) in labels {
            out.push(b',');
            push_text_label(out, name, value);
        }
        out.extend_from_slice(b"} ");
        match value {
            Number::Int(value) => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
            Number::Float(value) => out.extend_from_slice(dtoa::Buffer::new().format(value).as_bytes()),
        }
        out.push(b'\n');
    }

    /// Begins a message `Metric` with its labels.
    fn begin_metric<'l>(&mut self, head: &Head, labels: impl IntoIterator<Item = (&'l str, &'l str)>) {
        self.metric.clear();
        self.metric.extend_from_slice(&head.0);
        for (name, value) in labels {
            protobuf::label(&mut self.metric, name, value);
        }
    }

    /// Ends a message `Metric` whose value message is complete.
    fn end_metric(&mut self) {
        message(&mut self.metric, protobuf::Kind::from(self.kind).field(), &[&self.value]);
        message(&mut self.body, 4, &[&self.metric]);
    }
}

fn push_label(format: Format, out: &mut Vec<u8>, name: &str, value: &str) {
    if format == Format::Protobuf {
        return protobuf::label(out, name, value);
    }
    if !out.is_empty() {
        out.push(b',');
    }
    push_text_label(out, name, value);
}

fn push_text_label(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    let mut rest = value.as_bytes();
    while let Some(place) = memchr3(b'\\', b'"', b'\n', rest) {
        out.extend_from_slice(&rest[..place]);
        out.push(b'\\');
        out.push(if rest[place] == b'\n' { b'n' } else { rest[place] });
        rest = &rest[place + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// The unit at the end of a family's name, as required by OpenMetrics; empty without a unit.
fn unit(name: &str) -> &'static str {
    let last = name.rsplit('_').next();
    ["seconds", "bytes", "ratio"].into_iter().find(|unit| Some(*unit) == last).unwrap_or("")
}

/// A count; `scrape` has dropped negative values and NaN.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are never negative and below 2^64")]
fn whole(value: Number) -> u64 {
    match value {
        Number::Int(value) => u64::try_from(value).unwrap_or(0),
        Number::Float(value) => value as u64,
    }
}

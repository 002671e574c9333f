//! The protobuf page, parsed by an independent decoder, has the same series as the text page.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use zookeeper_exporter::catalogue::Own;
use zookeeper_exporter::exposition::{Format, Names, render};
use zookeeper_exporter::histogram::DurationHistogram;
use zookeeper_exporter::scrape::Report;

use crate::common::{Series, fixture_member, fixtures, member, named_page, read_page, report};

/// A field of a message.
#[derive(Clone, Copy)]
enum Field<'b> {
    Number(u64),
    Double(f64),
    Bytes(&'b [u8]),
}

/// All fields of a message in order; panics if the message is malformed.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => {
                let (value, rest) = bytes.split_first_chunk::<8>().unwrap();
                bytes = rest;
                Field::Double(f64::from_le_bytes(*value))
            }
            2 => {
                let length = varint(&mut bytes).try_into().unwrap();
                let (value, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(value)
            }
            wire => panic!("wire type {wire}"),
        };
        all.push((key >> 3, field));
    }
    all
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
    }
    panic!("a varint of more than ten bytes")
}

fn text(field: Field<'_>) -> String {
    let Field::Bytes(bytes) = field else { panic!("no text") };
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn double(bytes: &[u8], number: u64) -> f64 {
    match fields(bytes).into_iter().find(|(field, _)| *field == number) {
        Some((_, Field::Double(value))) => value,
        _ => panic!("no double {number}"),
    }
}

/// A page in the same form as parsed text pages: samples of summaries separated, types and units by family.
#[derive(Debug, Default, PartialEq)]
struct Read {
    series: BTreeMap<Series, u64>,
    types: BTreeMap<String, String>,
    units: BTreeMap<String, String>,
    helps: BTreeMap<String, String>,
    /// Native buckets by the labels of their histogram: upper bound and count.
    native: BTreeMap<Series, Vec<(f64, u64)>>,
}

impl Read {
    fn add(&mut self, name: &str, labels: &BTreeMap<String, String>, more: Option<(&str, f64)>, value: f64) {
        let mut labels = labels.clone();
        if let Some((label, value)) = more {
            labels.insert(label.to_owned(), value.to_string());
        }
        // Compared as bits, so that NaN equals NaN.
        let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
        assert!(self.series.insert(Series { name: name.to_owned(), labels }, bits).is_none(), "{name} twice");
    }
}

impl Read {
    /// Both classic and native buckets of a histogram.
    #[allow(clippy::cast_precision_loss, reason = "as in the text format")]
    fn histogram(&mut self, name: &str, labels: &BTreeMap<String, String>, bytes: &[u8]) {
        let (mut schema, mut zero, mut spans, mut deltas) = (None, 0, Vec::new(), Vec::new());
        for (number, field) in fields(bytes) {
            match (number, field) {
                (1, Field::Number(count)) => self.add(&format!("{name}_count"), labels, None, count as f64),
                (2, Field::Double(sum)) => self.add(&format!("{name}_sum"), labels, None, sum),
                (3, Field::Bytes(bucket)) => {
                    let held = match fields(bucket)[0] {
                        (1, Field::Number(held)) => held as f64,
                        _ => panic!("{name}: no count first"),
                    };
                    let mut labels = labels.clone();
                    labels.insert("le".to_owned(), bound(double(bucket, 2)));
                    self.add(&format!("{name}_bucket"), &labels, None, held);
                }
                (5, Field::Number(value)) => schema = Some(unzigzag(value)),
                (6, Field::Double(threshold)) => assert!(threshold > 0.0 && threshold < 1e-30),
                (7, Field::Number(count)) => zero = count,
                (12, Field::Bytes(span)) => match fields(span)[..] {
                    [(1, Field::Number(offset)), (2, Field::Number(length))] => spans.push((unzigzag(offset), length)),
                    _ => panic!("{name}: a bad span"),
                },
                (13, Field::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        deltas.push(unzigzag(varint(&mut packed)));
                    }
                }
                (number, _) => panic!("{name}: field {number} of a histogram"),
            }
        }
        assert_eq!(schema, Some(3));
        let mut buckets = vec![(0.0, zero)];
        let (mut index, mut held, mut deltas) = (0, 0, deltas.into_iter());
        for (place, (offset, length)) in spans.into_iter().enumerate() {
            assert!(place == 0 || offset >= 0, "{name}: spans overlap");
            index += offset;
            for _ in 0..length {
                held += deltas.next().unwrap();
                buckets.push(((index as f64 / 8.0).exp2(), u64::try_from(held).unwrap()));
                index += 1;
            }
        }
        assert_eq!(deltas.next(), None, "{name}: more deltas than buckets");
        self.native.insert(Series { name: name.to_owned(), labels: labels.clone() }, buckets);
    }
}

/// A bound as written in the text format.
fn bound(value: f64) -> String {
    if value.is_infinite() { "+Inf".to_owned() } else { format!("{value:?}") }
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Parses a page of delimited `MetricFamily` messages.
fn read(mut bytes: &[u8]) -> Read {
    let mut page = Read::default();
    while !bytes.is_empty() {
        let length = varint(&mut bytes).try_into().unwrap();
        let (family, rest) = bytes.split_at(length);
        bytes = rest;
        let family = fields(family);
        let one = |number| family.iter().find(|(field, _)| *field == number).map(|(_, field)| *field);
        let name = text(one(1).unwrap());
        let Some(Field::Number(kind)) = one(3) else { panic!("{name} has no type") };
        let kind = ["counter", "gauge", "summary", "untyped", "histogram"][usize::try_from(kind).unwrap()];
        assert!(page.types.insert(name.clone(), kind.to_owned()).is_none(), "{name} twice");
        page.helps.insert(name.clone(), text(one(2).unwrap()));
        one(5).map(|unit| page.units.insert(name.clone(), text(unit)));
        for (_, metric) in family.iter().filter(|(field, _)| *field == 4) {
            let Field::Bytes(metric) = metric else { panic!("no message") };
            let mut labels = BTreeMap::new();
            for (number, field) in fields(metric) {
                let Field::Bytes(inner) = field else { panic!("no message") };
                match (number, kind) {
                    (1, _) => {
                        let pair: Vec<_> = fields(inner).into_iter().map(|(_, field)| text(field)).collect();
                        assert!(labels.insert(pair[0].clone(), pair[1].clone()).is_none(), "{name}: {} twice", pair[0]);
                    }
                    (2, "gauge") | (3, "counter") | (5, "untyped") => {
                        page.add(&name, &labels, None, double(inner, 1));
                    }
                    (4, "summary") => {
                        for (number, field) in fields(inner) {
                            match (number, field) {
                                #[allow(clippy::cast_precision_loss, reason = "as in the text format")]
                                (1, Field::Number(count)) => {
                                    page.add(&format!("{name}_count"), &labels, None, count as f64);
                                }
                                (2, Field::Double(sum)) => page.add(&format!("{name}_sum"), &labels, None, sum),
                                (3, Field::Bytes(quantile)) => {
                                    let of = double(quantile, 1);
                                    page.add(&name, &labels, Some(("quantile", of)), double(quantile, 2));
                                }
                                _ => panic!("{name}: field {number} of a summary"),
                            }
                        }
                    }
                    (7, "histogram") => page.histogram(&name, &labels, inner),
                    _ => panic!("{name}: field {number} of a {kind}"),
                }
            }
        }
    }
    page
}

/// The expected content of the protobuf page: the classic page with the units of OpenMetrics.
fn expected(report: &Arc<Report>, names: Names) -> Read {
    let classic = named_page(report, names, Format::Classic);
    let open = read_page(&named_page(report, names, Format::OpenMetrics), Format::OpenMetrics).unwrap();
    let page = read_page(&classic, Format::Classic).unwrap();
    let mut read = Read { types: page.types.clone(), ..Read::default() };
    for (series, value) in &page.series {
        read.add(&series.name, &series.labels, None, *value);
    }
    for (name, unit) in open.units.into_iter().filter(|(_, unit)| !unit.is_empty()) {
        let name = if page.types.contains_key(&name) { name } else { format!("{name}_total") };
        read.units.insert(name, unit);
    }
    for line in classic.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
        let (name, help) = line.split_once(' ').unwrap();
        read.helps.insert(name.to_owned(), help.to_owned());
    }
    read
}

fn protobuf(report: &Arc<Report>, names: Names) -> Read {
    let mut bytes = Vec::new();
    render(report, None, names, Format::Protobuf, &mut bytes).unwrap();
    read(&bytes)
}

#[test]
fn protobuf_and_text_pages_of_every_fixture_have_the_same_series() {
    let mut summaries = 0;
    for fixture in fixtures() {
        let report = report(vec![fixture_member(&fixture)]);
        for names in [Names::Catalogue, Names::Mntr] {
            let (found, wanted) = (protobuf(&report, names), expected(&report, names));
            summaries += found.types.values().filter(|kind| *kind == "summary").count();
            assert_eq!(found, wanted, "{} {names:?}", fixture.name);
        }
    }
    assert!(summaries > 100, "{summaries} summaries");
}

#[test]
fn units_are_exported_for_names_that_end_in_one() {
    let fixture = fixtures().into_iter().find(|fixture| fixture.name == "3.8.0/leader").unwrap();
    let found = protobuf(&report(vec![fixture_member(&fixture)]), Names::Catalogue);
    for (name, unit) in [
        ("zk_avg_latency_seconds", "seconds"),
        ("zk_fsynctime_seconds", "seconds"),
        ("zk_approximate_data_size_bytes", "bytes"),
        ("zk_received_bytes_total", "bytes"),
    ] {
        assert_eq!(found.units.get(name).map(String::as_str), Some(unit), "{name}");
    }
    assert!(!found.units.contains_key("zk_znodes") && !found.units.contains_key("zk_fsynctime_seconds_max"));
}

/// A report with histograms as of a scrape with a canary, one of them of an operation.
fn report_with(durations: &[Duration]) -> Arc<Report> {
    let mut histogram = DurationHistogram::default();
    for duration in durations {
        histogram.observe(*duration);
    }
    let mut report = Arc::unwrap_or_clone(report(vec![member("zk-1:2181", None, None, None)]));
    let ensemble = Arc::make_mut(&mut report.ensembles[0]);
    ensemble.samples.push_histogram(Own::CanaryOperationDurations, "create", histogram.clone());
    ensemble.samples.push_histogram(Own::CanaryOperationDurations, "read", histogram.clone());
    ensemble.samples.push_histogram(Own::MemberScrapeDurations, "", histogram);
    // A histogram without observations is not written.
    ensemble.samples.push_histogram(Own::MemberConnectDurations, "", DurationHistogram::default());
    Arc::new(report)
}

/// The upper bound of the bucket that contains the observation of this rank.
fn ranked(buckets: &[(f64, u64)], rank: usize) -> f64 {
    let mut seen = 0;
    let found = buckets.iter().find(|(_, held)| {
        seen += held;
        seen > rank as u64
    });
    found.unwrap().0
}

proptest! {
    #[test]
    fn native_quantiles_match_the_durations(nanos in prop::collection::vec(0_u64..5_000_000_000, 1..200)) {
        let mut durations: Vec<_> = nanos.iter().map(|nanos| Duration::from_nanos(nanos >> (nanos % 31))).collect();
        let report = report_with(&durations);
        let found = protobuf(&report, Names::Catalogue);
        let native = found.native.clone();
        // Everything except native buckets equals the text format.
        let found = Read { native: BTreeMap::new(), ..found };
        prop_assert_eq!(found, expected(&report, Names::Catalogue));
        prop_assert_eq!(native.len(), 3);
        durations.sort_unstable();
        for (series, buckets) in native {
            prop_assert_eq!(buckets.iter().map(|(_, held)| held).sum::<u64>(), durations.len() as u64);
            for (rank, duration) in durations.iter().enumerate() {
                let (upper, exact) = (ranked(&buckets, rank), duration.as_secs_f64());
                let factor = (1.0_f64 / 8.0).exp2() * (1.0 + 1e-12);
                prop_assert!(exact <= upper * (1.0 + 1e-12) && upper <= exact * factor, "{:?} {} {}", series, upper, exact);
            }
        }
    }

    #[test]
    fn names_with_any_characters_are_preserved(root in "[ -~\u{e9}\u{4e16}]{1,20}", count in 1_u64..1 << 60) {
        let mntr = format!(
            "zk_version\t3.8.0-1, built on 2022-02-25\nzk_server_state\tleader\n\
             zk_cnt_{root}_write_per_namespace\t{count}\nzk_sum_{root}_write_per_namespace\t5\n"
        );
        let report = report(vec![member("zk-1:2181", Some(mntr.as_bytes()), None, None)]);
        prop_assert_eq!(protobuf(&report, Names::Catalogue), expected(&report, Names::Catalogue));
    }
}

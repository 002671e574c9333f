//! The exporter's own histograms of an ensemble: classic buckets in text formats, plus native buckets in protobuf.

use super::protobuf::{self, double, message, number, signed, zigzag};
use super::samples::Take;
use super::writer::{FamilyWriter, Head};
use crate::catalogue::{Family, FamilyId, Own, catalogue};
use crate::histogram::{DurationHistogram, SCHEMA};
use crate::scrape::{EnsembleReport, HistogramSample, Report};

/// The families, in page order.
pub(super) const OWN: [Own; 3] =
    [Own::CanaryOperationDurations, Own::MemberScrapeDurations, Own::MemberConnectDurations];

/// Default zero threshold of schemas 0 and higher. Durations are 0 or at least one nanosecond, far above it.
const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

/// Maximum number of empty buckets written within a span; a longer gap starts a new span.
const MAX_GAP: i32 = 2;

/// The sample's own label in addition to `ensemble`, if its family has one.
fn own_label(family: &Family, sample: &HistogramSample) -> Option<(&'static str, &'static str)> {
    family.labels.first().map(|name| (*name, sample.label))
}

/// Writes one family with the histograms of all ensembles; `heads` are theirs.
pub(super) fn encode(own: Own, report: &Report, heads: &[Head], writer: &mut FamilyWriter<'_>) {
    let family = catalogue().family(FamilyId::from(own));
    writer.family(family);
    for (ensemble, head) in report.ensembles.iter().zip(heads) {
        for sample in ensemble.samples.histograms().iter().filter(|sample| sample.family == own) {
            writer.histogram(head, own_label(family, sample), &sample.histogram);
        }
    }
}

/// Passes every classic sample of the histograms of an ensemble to `take`.
pub(super) fn visit(ensemble: &EnsembleReport, head: &[(&str, &str)], name: &mut String, take: &mut Take<'_>) {
    for sample in ensemble.samples.histograms() {
        let family = catalogue().family(FamilyId::from(sample.family));
        let labels: Vec<_> = head.iter().copied().chain(own_label(family, sample)).collect();
        let mut plain = |suffix: &str, value| {
            name.clear();
            name.extend([&*family.name, suffix]);
            take(name, &labels, value);
        };
        plain("_sum", sample.histogram.sum());
        plain("_count", as_value(sample.histogram.count()));
        let mut cumulative = 0;
        name.clear();
        name.extend([&*family.name, "_bucket"]);
        for (bound, held) in sample.histogram.fixed() {
            cumulative += held;
            let bound = if bound.is_finite() { format!("{bound:?}") } else { "+Inf".to_owned() };
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            take(name, &labels, as_value(cumulative));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of rounds are far below 2^53")]
fn as_value(count: u64) -> f64 {
    count as f64
}

/// Writes the message `Histogram`, with classic and native buckets.
pub(super) fn encode_buckets(histogram: &DurationHistogram, out: &mut Vec<u8>) {
    number(out, 1, histogram.count());
    double(out, 2, histogram.sum());
    let mut cumulative = 0;
    for (bound, held) in histogram.fixed() {
        cumulative += held;
        let mut bucket = Vec::with_capacity(16);
        number(&mut bucket, 1, cumulative);
        double(&mut bucket, 2, bound);
        message(out, 3, &[&bucket]);
    }
    signed(out, 5, i64::from(SCHEMA));
    double(out, 6, ZERO_THRESHOLD);
    number(out, 7, histogram.zero());
    let (spans, counts) = spans(histogram.exponential());
    for (offset, length) in spans {
        let mut span = Vec::with_capacity(8);
        signed(&mut span, 1, i64::from(offset));
        number(&mut span, 2, length);
        message(out, 12, &[&span]);
    }
    let (mut deltas, mut before) = (Vec::with_capacity(2 * counts.len()), 0);
    for held in counts {
        // Counts are far below 2^63.
        let held = i64::try_from(held).unwrap_or(i64::MAX);
        protobuf::varint(&mut deltas, zigzag(held - before));
        before = held;
    }
    if !deltas.is_empty() {
        message(out, 13, &[&deltas]);
    }
}

/// Converts buckets to spans (offset from the previous span, number of buckets) and the count of each of these buckets.
fn spans(buckets: &[(i32, u64)]) -> (Vec<(i32, u64)>, Vec<u64>) {
    let (mut spans, mut counts): (Vec<(i32, u64)>, _) = (Vec::new(), Vec::new());
    // The first offset is the index of its bucket.
    let mut next = 0;
    for (bucket, held) in buckets {
        let gap = bucket - next;
        match spans.last_mut() {
            Some((_, length)) if gap <= MAX_GAP => {
                let empty = u32::try_from(gap).unwrap_or(0);
                counts.extend((0..empty).map(|_| 0));
                *length += u64::from(empty) + 1;
            }
            _ => spans.push((gap, 1)),
        }
        counts.push(*held);
        next = bucket + 1;
    }
    (spans, counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_gaps_are_written_and_long_ones_start_a_span() {
        let (spans, counts) = spans(&[(-3, 5), (-2, 1), (1, 7), (5, 2)]);
        assert_eq!(spans, [(-3, 5), (3, 1)]);
        assert_eq!(counts, [5, 1, 0, 0, 7, 2]);
    }
}

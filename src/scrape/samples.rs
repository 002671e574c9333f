//! The typed samples of one member: cells in page order, and the label values they share.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::catalogue::{FamilyId, Own, Part};
use crate::histogram::DurationHistogram;
use crate::reply::Number;
use crate::text::cut;

/// Separates the values of a family with several labels; it does not occur in values, see [`Samples::push`].
const SEPARATOR: char = '\0';

/// Why a value was dropped: the label `reason` of `zk_exporter_dropped_samples_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dropped {
    /// A negative counter, sum, count or quantile, or a counter, sum or count that is NaN.
    Impossible,
    /// A number from 2^63 up: a negative number that the server wrote as unsigned, as Keeper does.
    Wrapped,
    /// Infinite.
    NotFinite,
    /// Text instead of a number.
    NotANumber,
    /// A series that occurred before in the same reply.
    Duplicate,
    /// Over a limit.
    Cap,
    /// A line that is not an entry.
    NotALine,
}

impl Dropped {
    /// The label value.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Impossible => "impossible",
            Self::Wrapped => "wrapped",
            Self::NotFinite => "not_finite",
            Self::NotANumber => "not_a_number",
            Self::Duplicate => "duplicate",
            Self::Cap => "cap",
            Self::NotALine => "not_a_line",
        }
    }
}

/// One value, in 16 bytes. The sort key packs family, label rank, part, line number and the type of the value, so that
/// cells sort as integers.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    order: u64,
    /// The value, as an integer or as the bits of a float.
    bits: u64,
}

const LABEL_SHIFT: u32 = 24;
const LABEL_MASK: u64 = 0xff_ffff;
const PART_SHIFT: u32 = 16;
const FAMILY_SHIFT: u32 = 48;
const LINE_SHIFT: u32 = 1;
const MAX_LINE: usize = 0x7fff;
/// Set if the value is a float.
const FLOAT: u64 = 1;

/// Maximum number of series of one member: the line number in the sort key has 15 bits.
pub const MAX_SERIES: usize = MAX_LINE;

/// Bytes of label text per permitted series. Label values are shared by series and usually have some ten bytes; a member
/// with the longest ones for each series would take megabytes.
const LABEL_BYTES: usize = 64;

impl Cell {
    fn new(family: FamilyId, label: u32, part: Part, line: usize, value: Number) -> Self {
        let (bits, float) = match value {
            Number::Int(value) => (value.cast_unsigned(), 0),
            Number::Float(value) => (value.to_bits(), FLOAT),
        };
        let order = u64::from(family.0) << FAMILY_SHIFT
            | u64::from(label) << LABEL_SHIFT
            | (part as u64) << PART_SHIFT
            | (line.min(MAX_LINE) as u64) << LINE_SHIFT
            | float;
        Self { order, bits }
    }

    /// The value, in the base unit.
    #[must_use]
    pub const fn value(self) -> Number {
        if self.order & FLOAT == 0 {
            Number::Int(self.bits.cast_signed())
        } else {
            Number::Float(f64::from_bits(self.bits))
        }
    }

    /// The family.
    #[must_use]
    pub const fn family(self) -> FamilyId {
        FamilyId((self.order >> FAMILY_SHIFT) as u16)
    }

    /// The sample type within the family.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "8 bits")]
    pub const fn part(self) -> Part {
        Part::from_number((self.order >> PART_SHIFT) as u8)
    }

    /// Index of the label values; 0 for none.
    const fn label(self) -> u64 {
        self.order >> LABEL_SHIFT & LABEL_MASK
    }

    /// The key without the line number: equal for all values of one series.
    const fn series(self) -> u64 {
        self.order >> PART_SHIFT
    }

    /// Family and label: equal for all samples of one summary.
    #[must_use]
    pub const fn group(self) -> u64 {
        self.order >> LABEL_SHIFT
    }
}

/// The samples of one member, sorted, without duplicates.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    cells: Vec<Cell>,
    labels: Vec<Box<str>>,
    dropped: BTreeMap<Dropped, u64>,
    histograms: Vec<HistogramSample>,
}

/// A histogram of the exporter itself about an ensemble.
#[derive(Clone, Debug)]
pub struct HistogramSample {
    /// The family.
    pub family: Own,
    /// The value of the family's label; empty if it has none.
    pub label: &'static str,
    /// The observations.
    pub histogram: DurationHistogram,
}

impl Samples {
    /// The histograms, in the order of insertion.
    #[must_use]
    pub fn histograms(&self) -> &[HistogramSample] {
        &self.histograms
    }

    /// Adds a histogram that has observations.
    pub fn push_histogram(&mut self, family: Own, label: &'static str, histogram: DurationHistogram) {
        if histogram.count() > 0 {
            self.histograms.push(HistogramSample { family, label, histogram });
        }
    }

    /// The cells in page order.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The label values of a cell, in the order of its family's label names.
    pub fn label_values(&self, cell: Cell) -> impl Iterator<Item = &str> + Clone {
        self.joined(cell).map(|joined| joined.split(SEPARATOR)).into_iter().flatten()
    }

    /// The label values of a cell, joined by the separator.
    fn joined(&self, cell: Cell) -> Option<&str> {
        let place = usize::try_from(cell.label()).ok().and_then(|number| number.checked_sub(1));
        place.and_then(|place| self.labels.get(place)).map(|joined| &**joined)
    }

    /// These samples, with all families of `over` replacing their own.
    #[must_use]
    pub fn overlaid(self, over: &Self) -> Self {
        let mut all = Collector::new(usize::MAX);
        for (from, keep) in [(over, None), (&self, Some(over))] {
            for cell in from.cells.iter().filter(|cell| keep.is_none_or(|over| !over.has(cell.family()))) {
                all.push_labelled(cell.family(), cell.part(), from.joined(*cell), cell.value());
            }
        }
        all.dropped = self.dropped;
        all.finish()
    }

    /// Bytes of label values on a page; a value counts for each cell that uses it.
    #[must_use]
    pub fn label_bytes(&self) -> usize {
        self.cells.iter().filter_map(|cell| self.joined(*cell)).map(str::len).sum()
    }

    /// Memory used by these samples, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(self.cells.as_slice())
            + self.labels.iter().map(|label| size_of_val(label) + label.len()).sum::<usize>()
            + self.histograms.iter().map(|sample| sample.histogram.bytes()).sum::<usize>()
    }

    /// Number of dropped samples, by reason.
    #[must_use]
    pub fn dropped(&self) -> &BTreeMap<Dropped, u64> {
        &self.dropped
    }

    /// Counts samples that were dropped elsewhere.
    pub(super) fn note_dropped(&mut self, why: Dropped, how_many: u64) {
        if how_many > 0 {
            *self.dropped.entry(why).or_default() += how_many;
        }
    }

    /// The value of a series without labels.
    #[must_use]
    pub fn value(&self, family: FamilyId, part: Part) -> Option<Number> {
        let wanted = Cell::new(family, 0, part, 0, Number::Int(0)).series();
        let place = self.cells.binary_search_by_key(&wanted, |cell| cell.series()).ok()?;
        self.cells.get(place).map(|cell| cell.value())
    }

    /// Whether the family has at least one sample.
    #[must_use]
    pub fn has(&self, family: FamilyId) -> bool {
        self.cells.binary_search_by(|cell| cell.family().cmp(&family)).is_ok()
    }
}

/// Collects samples in the order of the reply.
#[derive(Debug)]
pub struct Collector {
    cells: Vec<Cell>,
    by_label: FxHashMap<Box<str>, u32>,
    dropped: BTreeMap<Dropped, u64>,
    cap: usize,
    /// Bytes left for new label values.
    label_bytes: usize,
}

impl Collector {
    /// An empty collector with a limit of `cap` samples, and in proportion of the bytes of their labels.
    #[must_use]
    pub fn new(cap: usize) -> Self {
        let label_bytes = cap.saturating_mul(LABEL_BYTES);
        let cap = cap.min(MAX_SERIES);
        let cells = Vec::with_capacity(640.min(cap));
        Self { cells, by_label: FxHashMap::default(), dropped: BTreeMap::new(), cap, label_bytes }
    }

    /// Counts dropped values.
    pub fn drop(&mut self, why: Dropped, how_many: u64) {
        if how_many > 0 {
            *self.dropped.entry(why).or_default() += how_many;
        }
    }

    /// Adds a sample without its own labels.
    pub fn push(&mut self, family: FamilyId, part: Part, value: Number) {
        self.push_labelled(family, part, None, value);
    }

    /// Adds a sample with one label value, truncated if it is too long.
    pub fn push_one(&mut self, family: FamilyId, part: Part, label: &str, value: Number) {
        let label = cut(label);
        if label.contains(SEPARATOR) {
            self.push_labelled(family, part, Some(&label.replace(SEPARATOR, "\u{fffd}")), value);
        } else {
            self.push_labelled(family, part, Some(label), value);
        }
    }

    /// Adds a sample with several label values, each truncated if it is too long.
    pub fn push_many(&mut self, family: FamilyId, part: Part, labels: &[&str], value: Number) {
        let mut joined = String::new();
        for (place, label) in labels.iter().enumerate() {
            if place > 0 {
                joined.push(SEPARATOR);
            }
            joined.extend(cut(label).chars().map(|c| if c == SEPARATOR { '\u{fffd}' } else { c }));
        }
        self.push_labelled(family, part, Some(&joined), value);
    }

    fn push_labelled(&mut self, family: FamilyId, part: Part, label: Option<&str>, value: Number) {
        if self.cells.len() >= self.cap {
            self.drop(Dropped::Cap, 1);
            return;
        }
        let Some(label) = label.map_or(Some(0), |label| self.label_number(label)) else {
            self.drop(Dropped::Cap, 1);
            return;
        };
        self.cells.push(Cell::new(family, label, part, self.cells.len(), value));
    }

    /// The number of a label; `None` if there is no room for a new one.
    fn label_number(&mut self, label: &str) -> Option<u32> {
        if let Some(number) = self.by_label.get(label) {
            return Some(*number);
        }
        self.label_bytes = self.label_bytes.checked_sub(label.len())?;
        // At most one label set per cell, and the limit of cells is far below 2^24.
        let number = u32::try_from(self.by_label.len() + 1).unwrap_or(u32::MAX);
        self.by_label.insert(label.into(), number);
        Some(number)
    }

    /// Sorts by family, label text and part, independent of the order in the reply; of duplicates, the first is kept.
    #[must_use]
    pub fn finish(mut self) -> Samples {
        let mut labels: Vec<(Box<str>, u32)> = std::mem::take(&mut self.by_label).into_iter().collect();
        labels.sort_unstable();
        let mut rank = vec![0_u64; labels.len() + 1];
        for (place, (_, number)) in labels.iter().enumerate() {
            rank[*number as usize] = place as u64 + 1;
        }
        for cell in &mut self.cells {
            let label = rank[usize::try_from(cell.label()).unwrap_or(0)];
            cell.order = cell.order & !(LABEL_MASK << LABEL_SHIFT) | label << LABEL_SHIFT;
        }
        self.cells.sort_unstable_by_key(|cell| cell.order);
        let before = self.cells.len();
        self.cells.dedup_by_key(|cell| cell.series());
        let duplicates = (before - self.cells.len()) as u64;
        self.drop(Dropped::Duplicate, duplicates);
        self.pair_sums_and_counts();
        let labels = labels.into_iter().map(|(text, _)| text).collect();
        Samples { cells: self.cells, labels, dropped: self.dropped, histograms: Vec::new() }
    }
}

impl Collector {
    /// A sum without a count, or a count without a sum, is not a summary and is removed.
    fn pair_sums_and_counts(&mut self) {
        let partner = |place: usize, step: isize, part: Part, cells: &[Cell]| {
            let other = place.checked_add_signed(step).and_then(|place| cells.get(place));
            other.is_some_and(|other| other.part() == part && other.group() == cells[place].group())
        };
        let lonely = |place: usize, cells: &[Cell]| match cells[place].part() {
            Part::Sum => !partner(place, 1, Part::Count, cells),
            Part::Count => !partner(place, -1, Part::Sum, cells),
            _ => false,
        };
        let alone: Vec<usize> = (0..self.cells.len()).filter(|place| lonely(*place, &self.cells)).collect();
        let mut next_alone = alone.iter().peekable();
        let mut place = 0..;
        self.cells.retain(|_| place.next().is_some_and(|place| next_alone.next_if_eq(&&place).is_none()));
        self.drop(Dropped::Impossible, alone.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_labels_do_not_depend_on_the_reply() {
        let build = |order: &[usize]| {
            let all = [(FamilyId(7), "b", 1), (FamilyId(7), "a", 2), (FamilyId(3), "c", 3)];
            let mut collector = Collector::new(100);
            for &place in order {
                let (family, label, value) = all[place];
                collector.push_one(family, Part::Value, label, Number::Int(value));
            }
            let samples = collector.finish();
            let shown: Vec<_> = samples
                .cells()
                .iter()
                .map(|cell| (cell.family(), samples.label_values(*cell).collect::<String>(), cell.value()))
                .collect();
            shown
        };
        let expected = [
            (FamilyId(3), "c".to_owned(), Number::Int(3)),
            (FamilyId(7), "a".to_owned(), Number::Int(2)),
            (FamilyId(7), "b".to_owned(), Number::Int(1)),
        ];
        assert_eq!(build(&[0, 1, 2]), expected);
        assert_eq!(build(&[2, 1, 0]), expected);
    }

    #[test]
    fn the_first_value_of_a_series_is_kept_and_the_cap_applies() {
        let mut collector = Collector::new(3);
        for value in 1..=5 {
            collector.push(FamilyId(1), Part::Value, Number::Int(value));
        }
        let samples = collector.finish();
        assert_eq!(samples.cells().len(), 1);
        assert_eq!(samples.cells()[0].value(), Number::Int(1));
        assert_eq!(samples.dropped(), &BTreeMap::from([(Dropped::Duplicate, 2), (Dropped::Cap, 2)]));
    }

    #[test]
    fn several_label_values_are_separated_again() {
        let mut collector = Collector::new(3);
        collector.push_many(FamilyId(1), Part::Value, &["17\0", "Debian", ""], Number::Int(1));
        let samples = collector.finish();
        let values: Vec<_> = samples.label_values(samples.cells()[0]).collect();
        assert_eq!(values, ["17\u{fffd}", "Debian", ""]);
    }
}

//! The typed samples of one member: cells in the order of the page, and the label values they share.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::catalogue::{FamilyId, Part};
use crate::reply::Number;
use crate::text::cut;

/// Between the values of a family that has several labels; no value holds it, see [`Samples::push`].
const SEPARATOR: char = '\0';

/// Why a value did not become a sample: the label `reason` of `zk_exporter_dropped_samples_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dropped {
    /// A counter, sum, count or quantile below zero, or a counter, sum or count that is NaN.
    Impossible,
    /// Infinite.
    NotFinite,
    /// Text where a number belongs.
    NotANumber,
    /// The same series twice in one reply.
    Duplicate,
    /// Over a cap.
    Cap,
    /// A line that is no entry.
    NotALine,
}

impl Dropped {
    /// The value of the label.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Impossible => "impossible",
            Self::NotFinite => "not_finite",
            Self::NotANumber => "not_a_number",
            Self::Duplicate => "duplicate",
            Self::Cap => "cap",
            Self::NotALine => "not_a_line",
        }
    }
}

/// One value. The order key packs family, label rank, part and line number, so that sorting cells
/// is sorting numbers.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    order: u64,
    /// The value, in the base unit.
    pub value: Number,
}

const LABEL_SHIFT: u32 = 24;
const LABEL_MASK: u64 = 0xff_ffff;
const PART_SHIFT: u32 = 16;
const FAMILY_SHIFT: u32 = 48;
const LINE_MASK: u64 = 0xffff;

impl Cell {
    fn new(family: FamilyId, label: u32, part: Part, line: usize, value: Number) -> Self {
        let order = u64::from(family.0) << FAMILY_SHIFT
            | u64::from(label) << LABEL_SHIFT
            | (part as u64) << PART_SHIFT
            | (line as u64 & LINE_MASK);
        Self { order, value }
    }

    /// The family.
    #[must_use]
    pub const fn family(self) -> FamilyId {
        FamilyId((self.order >> FAMILY_SHIFT) as u16)
    }

    /// The sample within the family.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "8 bits")]
    pub const fn part(self) -> Part {
        Part::from_number((self.order >> PART_SHIFT) as u8)
    }

    /// Number of the label values, 0 for none.
    const fn label(self) -> u64 {
        self.order >> LABEL_SHIFT & LABEL_MASK
    }

    /// Everything but the line: equal for two values of one series.
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
}

impl Samples {
    /// The cells in the order of the page.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The label values of a cell, in the order of its family's label names.
    pub fn label_values(&self, cell: Cell) -> impl Iterator<Item = &str> {
        self.joined(cell).map(|joined| joined.split(SEPARATOR)).into_iter().flatten()
    }

    /// The label values of a cell in one text.
    fn joined(&self, cell: Cell) -> Option<&str> {
        let place = usize::try_from(cell.label()).ok().and_then(|number| number.checked_sub(1));
        place.and_then(|place| self.labels.get(place)).map(|joined| &**joined)
    }

    /// These samples with those of another in place of their own, family by family.
    #[must_use]
    pub fn overlaid(self, over: &Self) -> Self {
        let mut all = Collector::new(usize::MAX);
        for (from, keep) in [(over, None), (&self, Some(over))] {
            for cell in from.cells.iter().filter(|cell| keep.is_none_or(|over| !over.has(cell.family()))) {
                all.push_labelled(cell.family(), cell.part(), from.joined(*cell), cell.value);
            }
        }
        all.dropped = self.dropped;
        all.finish()
    }

    /// The bytes of label values on a page: a value counts for each cell that has it.
    #[must_use]
    pub fn label_bytes(&self) -> usize {
        self.cells.iter().filter_map(|cell| self.joined(*cell)).map(str::len).sum()
    }

    /// The bytes of memory that these samples hold.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(self.cells.as_slice())
            + self.labels.iter().map(|label| size_of_val(label) + label.len()).sum::<usize>()
    }

    /// What was left out, by reason.
    #[must_use]
    pub fn dropped(&self) -> &BTreeMap<Dropped, u64> {
        &self.dropped
    }

    /// Counts what was left out beside the samples.
    pub(super) fn note_dropped(&mut self, why: Dropped, how_many: u64) {
        if how_many > 0 {
            *self.dropped.entry(why).or_default() += how_many;
        }
    }

    /// The value of a series that has no label.
    #[must_use]
    pub fn value(&self, family: FamilyId, part: Part) -> Option<Number> {
        let wanted = Cell::new(family, 0, part, 0, Number::Int(0)).series();
        let place = self.cells.binary_search_by_key(&wanted, |cell| cell.series()).ok()?;
        self.cells.get(place).map(|cell| cell.value)
    }

    /// Whether the family has a sample.
    #[must_use]
    pub fn has(&self, family: FamilyId) -> bool {
        self.cells.binary_search_by(|cell| cell.family().cmp(&family)).is_ok()
    }
}

/// Samples being collected, in the order of the reply.
#[derive(Debug)]
pub struct Collector {
    cells: Vec<Cell>,
    by_label: FxHashMap<Box<str>, u32>,
    dropped: BTreeMap<Dropped, u64>,
    cap: usize,
}

impl Collector {
    /// An empty collection that takes at most `cap` samples.
    #[must_use]
    pub fn new(cap: usize) -> Self {
        // The line number in the order key has 16 bits.
        let cap = cap.min(usize::from(u16::MAX));
        Self { cells: Vec::with_capacity(640.min(cap)), by_label: FxHashMap::default(), dropped: BTreeMap::new(), cap }
    }

    /// Counts a value that is left out.
    pub fn drop(&mut self, why: Dropped, how_many: u64) {
        if how_many > 0 {
            *self.dropped.entry(why).or_default() += how_many;
        }
    }

    /// Adds a sample without labels of its own.
    pub fn push(&mut self, family: FamilyId, part: Part, value: Number) {
        self.push_labelled(family, part, None, value);
    }

    /// Adds a sample with one label value, which is cut where it is too long.
    pub fn push_one(&mut self, family: FamilyId, part: Part, label: &str, value: Number) {
        let label = cut(label);
        if label.contains(SEPARATOR) {
            self.push_labelled(family, part, Some(&label.replace(SEPARATOR, "\u{fffd}")), value);
        } else {
            self.push_labelled(family, part, Some(label), value);
        }
    }

    /// Adds a sample with several label values, each cut where it is too long.
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
        let label = label.map_or(0, |label| self.label_number(label));
        self.cells.push(Cell::new(family, label, part, self.cells.len(), value));
    }

    fn label_number(&mut self, label: &str) -> u32 {
        if let Some(number) = self.by_label.get(label) {
            return *number;
        }
        // At most one label a cell, and the cap on cells is far below 2^24.
        let number = u32::try_from(self.by_label.len() + 1).unwrap_or(u32::MAX);
        self.by_label.insert(label.into(), number);
        number
    }

    /// Sorts by family, label text and part, whatever the order of the reply was; the first of a series stays.
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
        Samples { cells: self.cells, labels: labels.into_iter().map(|(text, _)| text).collect(), dropped: self.dropped }
    }
}

impl Collector {
    /// A sum without its count, or the other way round, says nothing and has no place in a summary.
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
                .map(|cell| (cell.family(), samples.label_values(*cell).collect::<String>(), cell.value))
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
    fn the_first_of_a_series_stays_and_the_cap_holds() {
        let mut collector = Collector::new(3);
        for value in 1..=5 {
            collector.push(FamilyId(1), Part::Value, Number::Int(value));
        }
        let samples = collector.finish();
        assert_eq!(samples.cells().len(), 1);
        assert_eq!(samples.cells()[0].value, Number::Int(1));
        assert_eq!(samples.dropped(), &BTreeMap::from([(Dropped::Duplicate, 2), (Dropped::Cap, 2)]));
    }

    #[test]
    fn several_label_values_come_back_apart() {
        let mut collector = Collector::new(3);
        collector.push_many(FamilyId(1), Part::Value, &["17\0", "Debian", ""], Number::Int(1));
        let samples = collector.finish();
        let values: Vec<_> = samples.label_values(samples.cells()[0]).collect();
        assert_eq!(values, ["17\u{fffd}", "Debian", ""]);
    }
}

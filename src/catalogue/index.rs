//! Maps a key, in either dialect, to the family and sample of its value.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use rustc_hash::FxHashMap;

use super::metric::{Label, Metric, Sentinel, Shape};
use super::{FamilyId, Kind};

/// The sample of its family that a value belongs to. The order is the page order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Part {
    /// The value of a gauge, counter, info or unknown.
    Value,
    /// The median.
    Q50,
    /// 90th percentile, Prometheus dialect.
    Q90,
    /// 95th percentile, default dialect.
    Q95,
    /// 99th percentile.
    Q99,
    /// 99.9th percentile, default dialect.
    Q999,
    /// Sum of all observations.
    Sum,
    /// Number of observations.
    Count,
}

impl Part {
    /// The part of a `quantile` label in the Prometheus dialect.
    #[must_use]
    pub fn from_quantile(text: &str) -> Option<Self> {
        Some(match text {
            "0.5" => Self::Q50,
            "0.9" => Self::Q90,
            "0.95" => Self::Q95,
            "0.99" => Self::Q99,
            "0.999" => Self::Q999,
            _ => return None,
        })
    }

    /// The value of the `quantile` label, for a quantile.
    #[must_use]
    pub const fn quantile(self) -> Option<&'static str> {
        match self {
            Self::Q50 => Some("0.5"),
            Self::Q90 => Some("0.9"),
            Self::Q95 => Some("0.95"),
            Self::Q99 => Some("0.99"),
            Self::Q999 => Some("0.999"),
            Self::Value | Self::Sum | Self::Count => None,
        }
    }

    /// The inverse of `part as u8`.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Q50,
            2 => Self::Q90,
            3 => Self::Q95,
            4 => Self::Q99,
            5 => Self::Q999,
            6 => Self::Sum,
            7 => Self::Count,
            _ => Self::Value,
        }
    }
}

/// Destination of a value, and how it is converted.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// The family.
    pub family: FamilyId,
    /// The sample within it; for a quantile in the Prometheus dialect, the label determines it instead.
    pub part: Part,
    /// The type of the family.
    pub kind: Kind,
    /// Divisor that converts the value to the base unit.
    pub divisor: u32,
    /// Values that mean "no value".
    pub sentinel: Sentinel,
    /// The label made of the variable part of the key, or of the dialect's labels.
    pub label: Option<Label>,
}

impl Slot {
    /// Another sample of the same family. The number of observations has no unit to convert.
    fn at(self, part: Part) -> Self {
        Self { part, divisor: if part == Part::Count { 1 } else { self.divisor }, ..self }
    }
}

/// A key whose value is a text about the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// `zk_version`.
    Version,
    /// `zk_server_state`.
    ServerState,
    /// `zk_peer_state`.
    PeerState,
    /// `zk_observer_master_id`.
    ObserverMaster,
}

/// The meaning of a key.
#[derive(Clone, Copy, Debug)]
pub enum Meaning {
    /// A sample.
    Sample(Slot),
    /// A text about the member.
    Fact(Fact),
    /// Redundant: a lifetime mean, or a sum over labels.
    Derivable,
}

const FACTS: [(&str, Fact); 4] = [
    ("version", Fact::Version),
    ("server_state", Fact::ServerState),
    ("peer_state", Fact::PeerState),
    ("observer_master_id", Fact::ObserverMaster),
];

/// Statistic prefixes of keys in the default dialect.
const STATISTICS: [(&str, Option<Part>); 9] = [
    ("avg_", None),
    ("min_", Some(Part::Value)),
    ("max_", Some(Part::Value)),
    ("cnt_", Some(Part::Count)),
    ("sum_", Some(Part::Sum)),
    ("p50_", Some(Part::Q50)),
    ("p95_", Some(Part::Q95)),
    ("p99_", Some(Part::Q99)),
    ("p999_", Some(Part::Q999)),
];

/// Marks a missing successor.
const NO_SUCCESSOR: u16 = u16::MAX;

/// Offsets of a row's families: the summary, then its minimum and maximum.
const MIN_OFFSET: u16 = 1;
const MAX_OFFSET: u16 = 2;

/// A row whose keys contain a name: `<name>_write_per_namespace`, `op_count_<name>`.
#[derive(Debug)]
struct Set {
    /// `_write_per_namespace`; empty for `op_count_<name>`.
    suffix: String,
    /// `op_count_`; empty for the others.
    prefix: &'static str,
    summary: bool,
    slot: Slot,
}

/// A key without a variable part.
#[derive(Debug)]
struct Known {
    key: Arc<str>,
    meaning: Meaning,
    /// Index of the key that followed in the last reply of any member. Only a hint; the key is always compared.
    followed_by: AtomicU16,
}

/// Exact keys in a hash map, sets by their fixed part.
#[derive(Debug)]
pub(super) struct Index {
    known: Vec<Known>,
    places: FxHashMap<Arc<str>, u16>,
    sets: Vec<Set>,
}

impl Index {
    pub(super) fn new() -> Self {
        let mut index = Self { known: Vec::new(), places: FxHashMap::default(), sets: Vec::new() };
        for (key, fact) in FACTS {
            index.enter(key, Meaning::Fact(fact));
        }
        index
    }

    /// Adds a key; a later meaning replaces an earlier one.
    fn enter(&mut self, key: &str, meaning: Meaning) {
        if let Some(place) = self.places.get(key) {
            self.known[usize::from(*place)].meaning = meaning;
            return;
        }
        // There are a few hundred keys; one beyond the maximum index would only never be used as a hint.
        let place = u16::try_from(self.known.len()).unwrap_or(NO_SUCCESSOR);
        let key: Arc<str> = key.into();
        self.places.insert(Arc::clone(&key), place);
        self.known.push(Known { key, meaning, followed_by: AtomicU16::new(NO_SUCCESSOR) });
    }

    /// Adds every spelling of one row, whose first family is `id`.
    pub(super) fn add(&mut self, row: &Metric, id: FamilyId) {
        let slot = Slot {
            family: id,
            part: Part::Value,
            kind: match row.shape {
                Shape::Gauge => Kind::Gauge,
                Shape::Counter => Kind::Counter,
                Shape::Basic | Shape::Advanced => Kind::Summary,
                Shape::Info => Kind::Info,
            },
            divisor: row.unit.divisor(),
            sentinel: row.sentinel,
            label: row.label,
        };
        for key in std::iter::once(&row.key).chain(row.aliases) {
            self.add_spelling(key, row, slot);
        }
    }

    fn add_spelling(&mut self, key: &'static str, row: &Metric, slot: Slot) {
        let summary = row.shape.is_summary();
        // The plain key, used by the Prometheus dialect and by everything that is neither a summary nor a set.
        self.enter(key, Meaning::Sample(slot));
        if summary {
            for (suffix, part) in [("_sum", Part::Sum), ("_count", Part::Count)] {
                self.enter(&format!("{key}{suffix}"), Meaning::Sample(slot.at(part)));
            }
            self.enter(&format!("{key}_avg"), Meaning::Derivable);
        }
        match row.label {
            Some(Label::Namespace | Label::Peer) => {
                self.sets.push(Set { suffix: format!("_{key}"), prefix: "", summary, slot });
            }
            // `op_count_<name>` is the only set with a prefix; `op_count` and `op_count_total` are the sum over all
            // names.
            Some(Label::Op) => {
                self.enter(key, Meaning::Derivable);
                self.enter(&format!("{key}_total"), Meaning::Derivable);
                self.sets.push(Set { suffix: String::new(), prefix: "op_count_", summary, slot });
            }
            None if summary => {
                for (statistic, _) in STATISTICS {
                    if let Some(meaning) = statistic_of(statistic, slot) {
                        self.enter(&format!("{statistic}{key}"), meaning);
                    }
                }
            }
            Some(Label::Same(_)) | None => {}
        }
    }

    pub(super) fn lookup<'k>(&self, key: &'k str) -> Option<(Meaning, Option<&'k str>)> {
        if let Some(place) = self.places.get(key) {
            return Some((self.known[usize::from(*place)].meaning, None));
        }
        self.in_a_set(key)
    }

    fn in_a_set<'k>(&self, key: &'k str) -> Option<(Meaning, Option<&'k str>)> {
        self.sets.iter().find_map(|set| set.matches(key))
    }
}

/// Looks up the keys of one reply in the order in which the server wrote them.
///
/// Servers of the same kind write their keys in the same order, so the key that followed last time is tried before the
/// hash map. Another order costs a little time and does not change the result.
#[derive(Debug)]
pub struct Lookups<'c> {
    index: &'c Index,
    /// Index of the last key without a variable part.
    last: u16,
}

impl<'c> Lookups<'c> {
    pub(super) fn new(index: &'c Index) -> Self {
        Self { index, last: NO_SUCCESSOR }
    }

    /// Like [`Catalogue::lookup`](super::Catalogue::lookup).
    #[must_use = "the meaning of the key is the only result"]
    pub fn next<'k>(&mut self, key: &'k str) -> Option<(Meaning, Option<&'k str>)> {
        if let Some(last) = self.index.known.get(usize::from(self.last)) {
            // The Prometheus dialect repeats a key for every quantile.
            if *last.key == *key {
                return Some((last.meaning, None));
            }
            let guess = last.followed_by.load(Ordering::Relaxed);
            if let Some(next) = self.index.known.get(usize::from(guess)).filter(|next| *next.key == *key) {
                self.last = guess;
                return Some((next.meaning, None));
            }
        }
        self.look_far(key)
    }

    #[cold]
    fn look_far<'k>(&mut self, key: &'k str) -> Option<(Meaning, Option<&'k str>)> {
        let Some(place) = self.index.places.get(key).copied() else { return self.index.in_a_set(key) };
        if let Some(last) = self.index.known.get(usize::from(self.last)) {
            last.followed_by.store(place, Ordering::Relaxed);
        }
        self.last = place;
        Some((self.index.known[usize::from(place)].meaning, None))
    }
}

impl Set {
    fn matches<'k>(&self, key: &'k str) -> Option<(Meaning, Option<&'k str>)> {
        let rest = key.strip_suffix(self.suffix.as_str())?.strip_prefix(self.prefix)?;
        let (meaning, name) = if self.summary {
            let (statistic, _) = STATISTICS.iter().find(|(statistic, _)| rest.starts_with(statistic))?;
            (statistic_of(statistic, self.slot)?, &rest[statistic.len()..])
        } else {
            (Meaning::Sample(self.slot), rest)
        };
        // A server id is a number; this excludes unknown keys with the same suffix.
        let peer = self.slot.label == Some(Label::Peer);
        if peer && (name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_digit())) {
            return None;
        }
        Some((meaning, Some(name)))
    }
}

fn statistic_of(statistic: &str, slot: Slot) -> Option<Meaning> {
    let (_, part) = STATISTICS.iter().find(|(name, _)| *name == statistic)?;
    let Some(part) = *part else { return Some(Meaning::Derivable) };
    Some(Meaning::Sample(match statistic {
        "min_" => Slot { family: FamilyId(slot.family.0 + MIN_OFFSET), kind: Kind::Gauge, ..slot },
        "max_" => Slot { family: FamilyId(slot.family.0 + MAX_OFFSET), kind: Kind::Gauge, ..slot },
        _ => slot.at(part),
    }))
}

/// `3.6.2` as comparable numbers; missing or invalid parts are 0.
pub(super) fn release(text: &str) -> (u16, u16, u16) {
    let mut numbers = text.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next())
}

#[cfg(test)]
mod tests {
    use crate::catalogue::catalogue;

    #[test]
    fn the_order_of_keys_does_not_change_their_meaning() {
        // Keys that share a prefix, repeat, belong to sets, or are unknown.
        let keys = [
            "version",
            "znode_count",
            "znode_count",
            "updatelatency",
            "updatelatency_sum",
            "avg_updatelatency",
            "max_updatelatency",
            "p99_app1_write_per_namespace",
            "cnt_app1_write_per_namespace",
            "op_count_create",
            "op_count",
            "nobody_knows",
            "znode_counts",
            "server_state",
            "watch_count",
            "cnt_updatelatency",
        ];
        let plainly: Vec<String> = keys.iter().map(|key| format!("{:?}", catalogue().lookup(key))).collect();
        let mut order: Vec<usize> = (0..keys.len()).collect();
        let mut chance = 1_u32;
        for round in 0..200 {
            let mut lookups = catalogue().lookups();
            for place in &order {
                assert_eq!(
                    format!("{:?}", lookups.next(keys[*place])),
                    plainly[*place],
                    "{} in {order:?}",
                    keys[*place]
                );
            }
            // Every order twice: the second time, the hints are those of the first.
            if round % 2 == 1 {
                for at in (1..order.len()).rev() {
                    chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    order.swap(at, chance as usize % (at + 1));
                }
            }
        }
    }
}

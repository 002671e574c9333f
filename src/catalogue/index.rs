//! From a key as a server writes it, in either dialect, to the place of its value.

use rustc_hash::FxHashMap;

use super::metric::{Label, Metric, Sentinel, Shape};
use super::{FamilyId, Kind};

/// Which sample of its family a value is. The order is the order on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Part {
    /// The value of a gauge, counter, info or unknown.
    Value,
    /// The median.
    Q50,
    /// 90 %, of the Prometheus dialect.
    Q90,
    /// 95 %, of the default dialect.
    Q95,
    /// 99 %.
    Q99,
    /// 99.9 %, of the default dialect.
    Q999,
    /// Sum of all observations.
    Sum,
    /// Number of observations.
    Count,
}

impl Part {
    /// The part a `quantile` label of the Prometheus dialect names.
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

    /// The part behind the number that `part as u8` gives.
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

/// Where a value goes and how it is read.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// The family.
    pub family: FamilyId,
    /// The sample within it; a quantile of the Prometheus dialect is named by its label instead.
    pub part: Part,
    /// The type of the family.
    pub kind: Kind,
    /// The value is divided by this to stand in the base unit.
    pub divisor: u32,
    /// Which values are no samples.
    pub sentinel: Sentinel,
    /// What the variable part of the key, or a label, becomes.
    pub label: Option<Label>,
}

impl Slot {
    /// Another sample of the same family. A number of observations has no unit to scale.
    fn at(self, part: Part) -> Self {
        Self { part, divisor: if part == Part::Count { 1 } else { self.divisor }, ..self }
    }
}

/// A key whose value is text about the member.
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

/// What a key stands for.
#[derive(Clone, Copy, Debug)]
pub enum Meaning {
    /// A sample.
    Sample(Slot),
    /// A text about the member.
    Fact(Fact),
    /// Nothing that is not on the page already: a lifetime mean, or a sum over labels.
    Derivable,
}

const FACTS: [(&str, Fact); 4] = [
    ("version", Fact::Version),
    ("server_state", Fact::ServerState),
    ("peer_state", Fact::PeerState),
    ("observer_master_id", Fact::ObserverMaster),
];

/// The statistics of the default dialect, written before the key.
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

/// How the families of one row follow each other: the summary, then its minimum and maximum.
const MIN_OFFSET: u16 = 1;
const MAX_OFFSET: u16 = 2;

/// A row whose keys carry a name: `<name>_write_per_namespace`, `op_count_<name>`.
#[derive(Debug)]
struct Set {
    /// `_write_per_namespace`; empty for `op_count_<name>`.
    suffix: String,
    /// `op_count_`; empty for the others.
    prefix: &'static str,
    summary: bool,
    slot: Slot,
}

/// Exact keys in a hash map, sets by their fixed part.
#[derive(Debug)]
pub(super) struct Index {
    exact: FxHashMap<String, Meaning>,
    sets: Vec<Set>,
}

impl Index {
    pub(super) fn new() -> Self {
        let mut exact = FxHashMap::default();
        for (key, fact) in FACTS {
            exact.insert(key.to_owned(), Meaning::Fact(fact));
        }
        Self { exact, sets: Vec::new() }
    }

    /// Enters every spelling of one row, whose first family is `id`.
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
        // The Prometheus dialect, and all that is no summary and no set, have the bare key.
        self.exact.insert(key.to_owned(), Meaning::Sample(slot));
        if summary {
            for (suffix, part) in [("_sum", Part::Sum), ("_count", Part::Count)] {
                self.exact.insert(format!("{key}{suffix}"), Meaning::Sample(slot.at(part)));
            }
            self.exact.insert(format!("{key}_avg"), Meaning::Derivable);
        }
        match row.label {
            Some(Label::Namespace | Label::Peer) => {
                self.sets.push(Set { suffix: format!("_{key}"), prefix: "", summary, slot });
            }
            // `op_count_` with the name behind it is the only set of that form; the bare key, and
            // `op_count_total`, are the sum over all of them.
            Some(Label::Op) => {
                self.exact.insert(key.to_owned(), Meaning::Derivable);
                self.exact.insert(format!("{key}_total"), Meaning::Derivable);
                self.sets.push(Set { suffix: String::new(), prefix: "op_count_", summary, slot });
            }
            None if summary => {
                for (statistic, _) in STATISTICS {
                    if let Some(meaning) = statistic_of(statistic, slot) {
                        self.exact.insert(format!("{statistic}{key}"), meaning);
                    }
                }
            }
            Some(Label::Same(_)) | None => {}
        }
    }

    pub(super) fn lookup<'k>(&self, key: &'k str) -> Option<(Meaning, Option<&'k str>)> {
        if let Some(meaning) = self.exact.get(key) {
            return Some((*meaning, None));
        }
        self.sets.iter().find_map(|set| set.matches(key))
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
        // A server id is a number: this keeps unknown keys with the same ending out.
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

/// `3.6.2` as comparable numbers; what is missing or no number counts as 0.
pub(super) fn release(text: &str) -> (u16, u16, u16) {
    let mut numbers = text.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next())
}

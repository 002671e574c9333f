//! The only place that defines metrics: key, family name, type, unit, labels, role, release, help.
//!
//! The rows are data (`gauges`, `counters`, `summaries`, `sets`, `jvm`, and `own` for the exporter's own metrics). This
//! module expands them once into families and an index by key.

mod counters;
mod gauges;
mod index;
mod jvm;
pub mod metric;
mod own;
mod process;
mod sets;
mod summaries;

use std::borrow::Cow;
use std::sync::LazyLock;

use rustc_hash::FxHashSet;

pub use index::{Fact, Lookups, Meaning, Part, Slot};
pub use metric::{Metric, Sentinel, Shape};
pub use own::Own;
pub use process::ProcessFigure;

/// Index of a family, in page order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FamilyId(pub u16);

/// The Prometheus type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// May increase and decrease.
    Gauge,
    /// Monotonic; the encoder adds `_total` to the name.
    Counter,
    /// Quantiles, `_sum` and `_count`.
    Summary,
    /// Durations in buckets: `_bucket`, `_sum` and `_count`, and native buckets in protobuf.
    Histogram,
    /// Constant 1; the encoder adds `_info` to the name.
    Info,
    /// Unknown type; `untyped` in the classic format.
    Unknown,
}

impl Kind {
    /// The suffix that the encoder adds to the family name in samples, and the classic format also in headers.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            _ => "",
        }
    }

    /// The type's name in documentation.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Summary => "summary",
            Self::Histogram => "histogram",
            Self::Info => "info",
            Self::Unknown => "unknown",
        }
    }
}

/// The subject of a family, which determines the first labels of all its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A member: labels `ensemble` and `member` come first.
    Member,
    /// An ensemble as a whole: the label `ensemble` comes first.
    Ensemble,
    /// The exporter itself.
    Exporter,
}

/// A metric family of the output.
#[derive(Clone, Debug)]
pub struct Family {
    /// Name without the suffix that its kind adds.
    pub name: Cow<'static, str>,
    /// Prometheus type.
    pub kind: Kind,
    /// Label names in addition to those of the scope.
    pub labels: &'static [&'static str],
    /// Subject of the family.
    pub scope: Scope,
    /// HELP text: no line break, no backslash.
    pub help: Cow<'static, str>,
}

impl Family {
    /// The name in samples and in the classic format.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}{}", self.name, self.kind.suffix())
    }
}

/// The families, and the index from key to family.
#[derive(Debug)]
pub struct Catalogue {
    families: Vec<Family>,
    index: index::Index,
    anchors: Vec<((u16, u16, u16), FamilyId)>,
    summaries: FxHashSet<&'static str>,
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::build);

/// The catalogue, built on first use.
#[must_use]
pub fn catalogue() -> &'static Catalogue {
    &CATALOGUE
}

/// Every row that describes an `mntr` key, in page order.
pub fn rows() -> impl Iterator<Item = &'static Metric> {
    [gauges::ROWS, counters::ROWS, summaries::ROWS, sets::ROWS, jvm::ROWS].into_iter().flatten()
}

impl Catalogue {
    fn build() -> Self {
        let mut families: Vec<Family> = own::ROWS.iter().map(own::Row::family).collect();
        let mut index = index::Index::new();
        let mut anchors = Vec::new();
        for row in rows() {
            let id = family_id(families.len());
            families.push(Family {
                name: row.name.into(),
                kind: match row.shape {
                    Shape::Gauge => Kind::Gauge,
                    Shape::Counter => Kind::Counter,
                    Shape::Basic | Shape::Advanced => Kind::Summary,
                    Shape::Info => Kind::Info,
                },
                labels: row.label.map_or(&[], metric::Label::names),
                scope: Scope::Member,
                help: row.help.into(),
            });
            if row.shape.is_summary() && !row.provider_only {
                for (suffix, word) in [("_min", "Smallest"), ("_max", "Largest")] {
                    families.push(Family {
                        name: format!("{}{suffix}", row.name).into(),
                        kind: Kind::Gauge,
                        labels: row.label.map_or(&[], metric::Label::names),
                        scope: Scope::Member,
                        help: extreme_help(word, row).into(),
                    });
                }
            }
            index.add(row, id);
            if row.anchor {
                anchors.push((index::release(row.since), id));
            }
        }
        let summaries = rows().filter(|row| row.shape.is_summary()).map(|row| row.name).collect();
        Self { families, index, anchors, summaries }
    }

    /// The family with this index.
    #[must_use]
    pub fn family(&self, id: FamilyId) -> &Family {
        &self.families[usize::from(id.0)]
    }

    /// All families with their indices, in page order.
    pub fn families(&self) -> impl Iterator<Item = (FamilyId, &Family)> {
        self.families.iter().enumerate().map(|(number, family)| (family_id(number), family))
    }

    /// Whether the family with this name is a summary.
    #[must_use]
    pub fn is_summary(&self, name: &str) -> bool {
        self.summaries.contains(name)
    }

    /// The meaning of an `mntr` key (without `zk_`, without labels).
    ///
    /// For a key of a set, the variable part is returned as well.
    #[must_use]
    pub fn lookup<'k>(&self, key: &'k str) -> Option<(Meaning, Option<&'k str>)> {
        self.index.lookup(key)
    }

    /// Looks up the keys of one reply; faster than single lookups.
    #[must_use]
    pub fn lookups(&self) -> Lookups<'_> {
        Lookups::new(&self.index)
    }

    /// The families that every complete reply of this release contains, regardless of the role.
    pub fn anchors(&self, release: (u16, u16, u16)) -> impl Iterator<Item = FamilyId> {
        self.anchors.iter().filter(move |(since, _)| *since <= release).map(|(_, family)| *family)
    }
}

fn extreme_help(word: &str, row: &Metric) -> String {
    let key = row.key;
    let extreme = if word == "Smallest" { "min" } else { "max" };
    let set = row.label.map_or("", |_| "<name>_");
    format!(
        "{word} single value of {} since the server started or its statistics were reset (mntr key {extreme}_{set}{key})",
        row.name
    )
}

fn family_id(number: usize) -> FamilyId {
    // The catalogue has a few hundred families; a test checks that it stays far below 65536.
    FamilyId(u16::try_from(number).unwrap_or(u16::MAX))
}

/// The families that default alert rules and main dashboards need: `metrics: essential`.
///
/// At most 80 series per member, including the exporter's own.
#[must_use]
pub fn essential() -> &'static std::collections::BTreeSet<FamilyId> {
    static ESSENTIAL: LazyLock<std::collections::BTreeSet<FamilyId>> = LazyLock::new(|| {
        let names: FxHashSet<&str> = rows().filter(|row| row.essential).map(|row| row.name).collect();
        let chosen = |(id, family): (FamilyId, &Family)| names.contains(&*family.name).then_some(id);
        catalogue().families().filter_map(chosen).collect()
    });
    &ESSENTIAL
}

/// Whether the name is that of the exporter's own family, with or without the suffix of its type.
#[must_use]
pub fn is_own_name(name: &str) -> bool {
    name.starts_with("zk_exporter_")
        // `check --output prometheus` writes these.
        || name.starts_with("zk_check_")
        || catalogue().families().take(own::ROWS.len()).any(|(_, family)| {
            let is_histogram = family.kind == Kind::Histogram;
            name.strip_prefix(&*family.name).is_some_and(|rest| {
                rest.is_empty()
                    || rest == family.kind.suffix()
                    || is_histogram && ["_bucket", "_sum", "_count"].contains(&rest)
            })
        })
}

/// Whether it is the exporter's own family, which metric filters never remove.
#[must_use]
pub fn is_own(id: FamilyId) -> bool {
    usize::from(id.0) < own::ROWS.len() && id != FamilyId::from(Own::Unknown)
}

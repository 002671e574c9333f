//! Converts parsed entries with the catalogue: untyped keys and texts become typed samples and facts.

use super::samples::{Collector, Dropped, Samples};
use crate::catalogue::metric::Label;
use crate::catalogue::{Fact, Kind, Lookups, Meaning, Own, Part, Sentinel, Slot, catalogue};
use crate::reply::mntr::{Entry, labels};
use crate::reply::{Number, release};
use crate::text;

/// Textual values of a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The full version text.
    pub version: Option<String>,
    /// Server state, such as `leader`.
    pub server_state: Option<String>,
    /// Peer state, such as `leading - broadcast`.
    pub peer_state: Option<String>,
    /// Id of the server that an observer learns from.
    pub observer_master: Option<String>,
}

/// Keys with another meaning in Keeper and RaftKeeper: there, `snap_count` counts snapshots taken, not snapshots sent
/// to followers.
const ANOTHER_MEANING: [&str; 1] = ["snap_count"];

/// Maximum number of unknown keys per reply; more are dropped and counted (misconfigured or hostile server).
pub const MAX_UNKNOWN: usize = 500;

/// Converts every entry of a reply; lines without an entry are counted as dropped. `lines` is 0 if the reply is not
/// line-based.
pub fn typed<'a>(entries: impl Iterator<Item = Entry<'a>>, lines: usize, cap: usize) -> (Samples, Facts) {
    let mut typing =
        Typing { collector: Collector::new(cap), facts: Facts::default(), lookups: catalogue().lookups(), unknown: 0 };
    let mut seen = 0;
    for entry in entries {
        typing.entry(entry);
        seen += 1;
    }
    typing.collector.drop(Dropped::NotALine, lines.saturating_sub(seen) as u64);
    (typing.collector.finish(), typing.facts)
}

/// Whether the samples contain the required metrics of this release.
///
/// Other products (`ClickHouse` Keeper has its own versions) have no required metrics.
#[must_use]
pub fn has_anchors(samples: &Samples, version: Option<&str>) -> bool {
    let Some(release) = version.and_then(release) else { return version.is_some() };
    catalogue().anchors(release).all(|family| samples.has(family))
}

/// An entry of the metrics endpoint, whose newer releases append `_total` to counter keys.
#[must_use]
pub fn without_total(entry: Entry<'_>) -> Entry<'_> {
    let known = |key: &str| catalogue().lookup(key).is_some();
    match entry.key.strip_suffix("_total") {
        Some(key) if !known(entry.key) && known(key) => Entry { key, ..entry },
        _ => entry,
    }
}

struct Typing {
    collector: Collector,
    facts: Facts,
    lookups: Lookups<'static>,
    unknown: usize,
}

impl Typing {
    fn entry(&mut self, entry: Entry<'_>) {
        match self.lookups.next(entry.key) {
            Some((Meaning::Sample(_), _)) if ANOTHER_MEANING.contains(&entry.key) && self.is_keepers() => {
                self.unknown(entry);
            }
            Some((Meaning::Sample(slot), name)) => self.sample(entry, slot, name),
            Some((Meaning::Fact(fact), _)) => self.fact(fact, entry.value),
            Some((Meaning::Derivable, _)) => {}
            None => self.unknown(entry),
        }
    }

    /// Whether the version, which is the first entry, is that of another product.
    fn is_keepers(&self) -> bool {
        self.facts.version.as_deref().is_some_and(|version| release(version).is_none())
    }

    fn fact(&mut self, fact: Fact, value: &str) {
        let place = match fact {
            Fact::Version => &mut self.facts.version,
            Fact::ServerState => &mut self.facts.server_state,
            Fact::PeerState => &mut self.facts.peer_state,
            Fact::ObserverMaster => &mut self.facts.observer_master,
        };
        place.get_or_insert_with(|| text::fact(value));
    }

    fn sample(&mut self, entry: Entry<'_>, slot: Slot, name: Option<&str>) {
        let Some(number) = Number::parse(entry.value) else {
            // Java writes `null` for a gauge whose callback returned nothing.
            if entry.value != "null" {
                self.collector.drop(Dropped::NotANumber, 1);
            }
            return;
        };
        let Some(slot) = slot_of(slot, entry.labels) else {
            // A summary without a quantile, or with an unknown one, is kept under its own name.
            self.unknown(entry);
            return;
        };
        if is_sentinel(slot.sentinel, number) {
            return;
        }
        if let Some(why) = unfit(slot, number) {
            self.collector.drop(why, 1);
            return;
        }
        let value = number.over(slot.divisor);
        match (slot.label, entry.labels) {
            (None, _) => self.collector.push(slot.family, slot.part, value),
            (Some(Label::Same(names)), text) => {
                let values: Vec<&str> = names.iter().map(|name| label(text, name)).collect();
                self.collector.push_many(slot.family, slot.part, &values, value);
            }
            (Some(_), text) => {
                let value_of_label = name.unwrap_or_else(|| label(text, "key"));
                self.collector.push_one(slot.family, slot.part, value_of_label, value);
            }
        }
    }

    fn unknown(&mut self, entry: Entry<'_>) {
        let Some(number) = Number::parse(entry.value) else {
            // A word such as `zookeeper` is not a dropped metric.
            if !is_word(entry.value) {
                self.collector.drop(Dropped::NotANumber, 1);
            }
            return;
        };
        if number.as_f64().is_infinite() {
            self.collector.drop(Dropped::NotFinite, 1);
            return;
        }
        if number.is_wrapped() {
            self.collector.drop(Dropped::Wrapped, 1);
            return;
        }
        self.unknown += 1;
        if self.unknown > MAX_UNKNOWN {
            self.collector.drop(Dropped::Cap, 1);
            return;
        }
        let family = Own::Unknown.into();
        match entry.labels {
            None => self.collector.push_one(family, Part::Value, entry.key, number),
            Some(labels) => {
                let key = format!("{}{{{labels}}}", entry.key);
                self.collector.push_one(family, Part::Value, &key, number);
            }
        }
    }
}

/// In Prometheus naming the plain key of a summary is a quantile, identified by a label.
fn slot_of(slot: Slot, text: Option<&str>) -> Option<Slot> {
    if slot.kind != Kind::Summary || slot.part != Part::Value {
        return Some(slot);
    }
    Some(Slot { part: Part::from_quantile(label(text, "quantile"))?, ..slot })
}

/// The value of a label, empty if missing. The last occurrence counts, because a namespace may contain label syntax.
fn label<'t>(text: Option<&'t str>, name: &str) -> &'t str {
    let found = text.and_then(|text| labels(text).filter(|(key, _)| *key == name).last());
    found.map_or("", |(_, value)| value)
}

/// Whether a value is text, not an unreadable number: `zookeeper`, `v2.0.5`, `/data`, `10.0.0.1:2181`. An unreadable
/// number begins with a digit and has only digits, signs, separators and an exponent: `0,39`.
fn is_word(value: &str) -> bool {
    let of_number =
        |c: char| c.is_numeric() || matches!(c, '+' | '-' | '.' | ',' | '\'' | '_' | ' ' | '\u{a0}' | 'e' | 'E');
    value.starts_with(char::is_alphabetic) || value.chars().any(|c| !of_number(c))
}

fn is_sentinel(sentinel: Sentinel, number: Number) -> bool {
    // Prometheus naming has -1.0.
    let minus_one = number.over(1) == Number::Int(-1);
    match sentinel {
        Sentinel::None => false,
        Sentinel::MinusOne => minus_one,
        // ClickHouse Keeper reports 2^64 - 1 for no limit.
        Sentinel::Limit => minus_one || number.is_wrapped(),
    }
}

/// Why a number is not valid for its family.
fn unfit(slot: Slot, number: Number) -> Option<Dropped> {
    let value = number.as_f64();
    if value.is_infinite() {
        return Some(Dropped::NotFinite);
    }
    if number.is_wrapped() {
        return Some(Dropped::Wrapped);
    }
    let counts = slot.kind == Kind::Counter || matches!(slot.part, Part::Sum | Part::Count);
    let never_negative = counts || slot.kind == Kind::Summary;
    // A quantile without observations is NaN and exported as such.
    (value < 0.0 && never_negative || value.is_nan() && counts).then_some(Dropped::Impossible)
}

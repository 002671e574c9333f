//! Output with the names of `mntr`, for dashboards and rules made for older exporters.
//!
//! Names and labels follow dabealu/zookeeper-exporter: `zk_<key>`, the label `zk_host`, and
//! `zk_server_leader`, `zk_version`, `zk_peer_state` in addition to the keys. The metrics of this exporter itself
//! (`zk_up`, `zk_server_state`, `zk_scrape_failure` ...) are present, too, with names that no key can have, except
//! `zk_peer_state_info`, which is replaced by the key of that name.

use std::collections::{BTreeMap, BTreeSet};

use super::writer::{FamilyWriter, Head};
use crate::catalogue::{Kind, Meaning, catalogue, is_own_name};
use crate::reply::{Number, mntr, short_version};
use crate::scrape::typed::MAX_UNKNOWN;
use crate::scrape::{MemberReport, State};
use crate::text;

/// The only name of the exporter that a key of `mntr` replaces.
const PEER_STATE: &str = "zk_peer_state";

/// The label of older exporters with the address of the member.
pub(super) const HOST_LABEL: &str = "zk_host";

/// Labels after `ensemble` and `member`.
type Labels = Vec<(String, String)>;

/// Writes the metrics reported by members. The report must have kept the text of their `mntr`.
pub(super) fn encode<'m>(members: impl Iterator<Item = (&'m Head, &'m MemberReport)>, writer: &mut FamilyWriter<'_>) {
    // Grouped by family, as required by the format.
    let mut families: BTreeMap<String, Vec<(&Head, Labels, Number)>> = BTreeMap::new();
    for (head, member) in members {
        for (name, labels, value) in series(member).0 {
            families.entry(name).or_default().push((head, labels, value));
        }
    }
    for (name, series) in &families {
        writer.begin(name, "ZooKeeper mntr key under its own name", Kind::Unknown);
        for (head, labels, value) in series {
            writer.sample(head, labels.iter().map(|(name, value)| (name.as_str(), value.as_str())), *value);
        }
    }
}

/// The number of values of a member that are dropped because another one has the same name.
#[must_use]
pub fn collisions(member: &MemberReport) -> u64 {
    series(member).1
}

/// The distinct series of a member, and the number of dropped duplicates. `scrape` has limited the number of lines and
/// their length; unknown keys are limited as in the normal output.
fn series(member: &MemberReport) -> (Vec<(String, Labels, Number)>, u64) {
    let mut all = vec![("zk_server_leader".to_owned(), Vec::new(), flag(member.state == State::Leader))];
    let chosen = |entry: &mntr::Entry<'_>| {
        let sample = match catalogue().lookup(entry.key) {
            Some((Meaning::Sample(slot), _)) => member.shown.has(slot.family, slot.part),
            Some((Meaning::Fact(_), _)) => true,
            _ => false,
        };
        member.shown.is_all() || sample
    };
    let mut unknown = 0;
    let within_cap = |entry: &mntr::Entry<'_>| {
        unknown += usize::from(catalogue().lookup(entry.key).is_none());
        unknown <= MAX_UNKNOWN || catalogue().lookup(entry.key).is_some()
    };
    for entry in member.raw.iter().flat_map(|text| mntr::entries(text)).filter(chosen).filter(within_cap) {
        let info = |label: &str, value: &str| vec![(label.to_owned(), text::fact(value))];
        match entry.key {
            "version" => all.push(("zk_version".into(), info("version", short_version(entry.value)), flag(true))),
            "peer_state" => {
                let state = entry.value.split(' ').next().unwrap_or("");
                all.push((PEER_STATE.into(), info("state", state), flag(true)));
            }
            _ => {
                let fits = |value: &Number| !value.is_wrapped() && !value.as_f64().is_infinite();
                let value = Number::parse(entry.value).filter(fits);
                let Some(value) = value else { continue };
                let labels = entry.labels.into_iter().flat_map(mntr::labels);
                // A map, because a reply may repeat a label.
                let labels: BTreeMap<_, _> = labels.map(|(name, value)| (label_name(name), value.to_owned())).collect();
                all.push((metric_name(entry.key), labels.into_iter().collect(), value));
            }
        }
    }
    let before = all.len();
    let mut seen = BTreeSet::new();
    all.retain(|(name, labels, _)| {
        (name == PEER_STATE || !is_own_name(name)) && seen.insert((name.clone(), labels.clone()))
    });
    let lost = (before - all.len()) as u64;
    (all, lost)
}

fn flag(set: bool) -> Number {
    Number::Int(i64::from(set))
}

/// `zk_` and the key, with `_` in place of invalid characters.
fn metric_name(key: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    std::iter::once("zk_".to_owned())
        .chain(key.chars().map(|c| if allowed(c) { c.into() } else { "_".into() }))
        .collect()
}

/// A label of the Prometheus naming, renamed if it collides with a label of the exporter.
fn label_name(name: &str) -> String {
    let clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    let taken = matches!(clean.as_str(), "ensemble" | "member" | "zk_host" | "");
    if taken || clean.starts_with(|c: char| c.is_ascii_digit()) || clean.starts_with("__") {
        format!("exported_{clean}")
    } else {
        clean
    }
}

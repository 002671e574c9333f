//! The page with `mntr`'s own names, for dashboards and rules made for older exporters.
//!
//! Names and labels follow dabealu/zookeeper-exporter: `zk_<key>`, the label `zk_host`, and
//! `zk_server_leader`, `zk_version`, `zk_peer_state` beside the keys. What this exporter says itself
//! (`zk_up`, `zk_server_state`, `zk_scrape_failure` ...) is on this page too, under names that no key can take;
//! `zk_peer_state_info` alone is left to the key of its name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use super::collector::encode_value;
use super::labels::{Head, Pairs};
use crate::catalogue::{Kind, Meaning, catalogue, is_own_name};
use crate::reply::{Number, mntr, short_version};
use crate::scrape::typed::MAX_UNKNOWN;
use crate::scrape::{MemberReport, State};
use crate::text;

/// The one name of the exporter's own that a key of `mntr` keeps.
const PEER_STATE: &str = "zk_peer_state";

/// Labels behind `ensemble` and `member`.
type Labels = Vec<(String, String)>;

/// Writes what members say. Those of the report must have kept the text of their `mntr`.
pub(super) fn encode(members: &[(Head<'_>, &MemberReport)], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    // Family-major, as the format demands.
    let mut families: BTreeMap<String, Vec<(usize, Labels, Number)>> = BTreeMap::new();
    for (number, (_, member)) in members.iter().enumerate() {
        for (name, labels, value) in series(member).0 {
            families.entry(name).or_default().push((number, labels, value));
        }
    }
    for (name, series) in &families {
        let mut metric =
            encoder.encode_descriptor(name, "ZooKeeper mntr key under its own name", None, MetricType::Unknown)?;
        for (number, labels, value) in series {
            let pairs: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let labels = Pairs { head: members[*number].0, pairs: &pairs };
            encode_value(&mut metric, Kind::Unknown, &labels, *value)?;
        }
    }
    Ok(())
}

/// How many values of a member find no place on this page, since another has their name already.
#[must_use]
pub fn collisions(member: &MemberReport) -> u64 {
    series(member).1
}

/// The series of a member, each once, and how many were in the way of another. `scrape` has bounded the lines and their
/// length; what is no key of ZooKeeper's is bounded as on the other page, which counts it.
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
                // A map: a reply may repeat a label, a series may not.
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

/// `zk_` and the key, with everything a metric name cannot hold as `_`.
fn metric_name(key: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    std::iter::once("zk_".to_owned())
        .chain(key.chars().map(|c| if allowed(c) { c.into() } else { "_".into() }))
        .collect()
}

/// A label of the Prometheus dialect, which may not be one of ours.
fn label_name(name: &str) -> String {
    let clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    let taken = matches!(clean.as_str(), "ensemble" | "member" | "zk_host" | "");
    if taken || clean.starts_with(|c: char| c.is_ascii_digit()) || clean.starts_with("__") {
        format!("exported_{clean}")
    } else {
        clean
    }
}

//! Whether two members that reply may be the same process: their metrics are equal at the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::report::MemberReport;
use crate::ensemble::Known;
use crate::reply::Number;

/// Members are queried at the same time, but not in the same millisecond.
const UPTIME_TOLERANCE: Duration = Duration::from_secs(2);

/// Number of packets that may arrive between two queries of one server, in addition to 2 % of the total.
const PACKETS_TOLERANCE: u64 = 200;

/// Maximum number of pairs compared per ensemble; duplicate server ids only occur by mistake.
const MAX_PAIRS: usize = 1000;

/// Whether the metrics may be of one process; `None` if there is too little to compare.
#[must_use]
pub fn figures_agree(one: &MemberReport, other: &MemberReport) -> Option<bool> {
    if !one.state.serves() || !other.state.serves() {
        return None;
    }
    let version = |member: &MemberReport| member.identity.as_ref().map(|identity| identity.version.clone());
    let differ = |one: Option<u64>, other: Option<u64>| one.zip(other).is_some_and(|(one, other)| one != other);
    if one.state != other.state || version(one) != version(other) || differ(one.epoch(), other.epoch()) {
        return Some(false);
    }
    let uptime = |member: &MemberReport| member.figure("uptime").map(Number::as_f64);
    if let (Some(first), Some(second)) = (uptime(one), uptime(other)) {
        let tolerance = UPTIME_TOLERANCE + one.duration.max(other.duration).unwrap_or_default();
        return Some((first - second).abs() <= tolerance.as_secs_f64());
    }
    let packets = |member: &MemberReport| member.count("packets_received");
    let (first, second) = packets(one).zip(packets(other))?;
    Some(first.abs_diff(second) <= PACKETS_TOLERANCE + first.max(second) / 50)
}

/// Records which members with the same server id are two servers, for scrapes in which one of them is silent.
pub(super) fn remember_apart(known: &mut Known, members: &[MemberReport]) {
    let mut by_id: BTreeMap<&str, Vec<&MemberReport>> = BTreeMap::new();
    for member in members {
        if let Some(id) = member.server_id() {
            by_id.entry(id).or_default().push(member);
        }
    }
    let pairs = by_id.values().flat_map(|same| {
        same.iter().enumerate().flat_map(|(place, one)| same[place + 1..].iter().map(move |other| (*one, *other)))
    });
    for (one, other) in pairs.take(MAX_PAIRS) {
        if let Some(agree) = figures_agree(one, other) {
            known.note_apart(&one.name, &other.name, !agree);
        }
    }
}

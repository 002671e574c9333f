//! Whether two members that reply may be the same process: their metrics are equal at the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::report::{MemberReport, State};
use crate::ensemble::Known;
use crate::reply::Number;

/// Members are queried at the same time, but not in the same millisecond; nor are all of them at a limit.
const TOLERANCE: Duration = Duration::from_secs(2);

/// The same for members without a common server id. Servers that were restarted together differ by more.
const SHORT_TOLERANCE: Duration = Duration::from_millis(100);

/// Maximum number of transactions per second between two queries of one server.
const TRANSACTIONS_PER_SECOND: f64 = 10_000.0;

/// Number of packets that may arrive between two queries of one server, in addition to 2 % of the total.
const PACKETS_TOLERANCE: u64 = 1000;

/// Maximum difference of each figure if there are too few packets for [`PACKETS_TOLERANCE`].
const FEW: f64 = 200.0;

/// Maximum number of pairs compared per ensemble; duplicate server ids only occur by mistake.
const MAX_PAIRS: usize = 1000;

/// Whether the metrics may be of one process; `None` if there is too little to compare.
///
/// `same_id`: both have the same server id, so that less must agree.
#[must_use]
pub fn figures_agree(one: &MemberReport, other: &MemberReport, same_id: bool) -> Option<bool> {
    if !one.state.serves() || !other.state.serves() {
        return None;
    }
    let version = |member: &MemberReport| member.identity.as_ref().map(|identity| identity.version.clone());
    let differ = |one: Option<u64>, other: Option<u64>| one.zip(other).is_some_and(|(one, other)| one != other);
    if one.state != other.state || version(one) != version(other) || differ(one.epoch(), other.epoch()) {
        return Some(false);
    }
    let base = if same_id { TOLERANCE } else { SHORT_TOLERANCE };
    let tolerance = one.duration.max(other.duration).map_or(TOLERANCE, |took| base + took).as_secs_f64();
    let apart = |figure: fn(&MemberReport) -> Option<f64>| Some((figure(one)? - figure(other)?).abs());
    let uptime = apart(|member| member.figure("uptime").map(Number::as_f64));
    let znodes = apart(|member| member.figure("znode_count").map(Number::as_f64));
    let sequence = apart(|member| member.sequence().and_then(|sequence| u32::try_from(sequence).ok()).map(f64::from));
    let transactions = tolerance * TRANSACTIONS_PER_SECOND;
    let packets = |member: &MemberReport| member.count("packets_received");
    let packets = packets(one).zip(packets(other));
    let most = packets.map(|(first, second)| first.max(second));
    if uptime.is_some_and(|apart| apart > tolerance)
        || znodes.is_some_and(|apart| apart > transactions)
        || sequence.is_some_and(|apart| apart > transactions)
        || packets
            .zip(most)
            .is_some_and(|((first, second), most)| first.abs_diff(second) > PACKETS_TOLERANCE + most / 50)
    {
        return Some(false);
    }
    // Without an uptime, packets are the only number that servers with the same data do not share.
    if same_id || uptime.is_some() || most? > PACKETS_TOLERANCE {
        return (uptime.is_some() || most.is_some()).then_some(true);
    }
    // A leader that was just elected has few packets, and two leaders of one epoch are rarer than one listed twice.
    // Standalone servers that were just started may all have nearly the same figures.
    if one.state == State::Standalone {
        return None;
    }
    let near = |apart: Option<f64>| apart.is_none_or(|apart| apart <= FEW);
    let near_packets = packets.is_some_and(|(first, second)| {
        near(Some(f64::from(u32::try_from(first.abs_diff(second)).unwrap_or(u32::MAX))))
    });
    Some(near(znodes) && near(sequence) && near_packets)
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
        if let Some(agree) = figures_agree(one, other, true) {
            known.note_apart(&one.name, &other.name, !agree);
        }
    }
}

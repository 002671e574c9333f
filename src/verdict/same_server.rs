//! Whether two listed members are one server under two addresses.
//!
//! Within one ensemble a server id is given once, so two members of one membership that state the same id are one server
//! unless their figures contradict. Without an id (`conf` is refused) only what cannot be two is taken for one: two
//! leaders of one epoch, or two standalone servers, with the same figures. Where no membership is stated (before 3.5,
//! Keeper) two ensembles have the same ids, so the figures must agree too.

use std::time::Duration;

use super::membership_groups::is_same;
use crate::ensemble::Membership;
use crate::reply::Number;
use crate::scrape::{MemberReport, State};

/// Two members are asked at one moment, but not at the same millisecond.
const UPTIME_TOLERANCE: Duration = Duration::from_secs(2);

/// Packets that may come between two questions to one server, beside a fiftieth of all.
const PACKETS_TOLERANCE: u64 = 200;

pub(super) fn is_same_server(one: &MemberReport, other: &MemberReport) -> bool {
    fn id(member: &MemberReport) -> Option<&str> {
        member.conf.as_ref().map(|conf| conf.server_id.as_str()).filter(|id| !id.is_empty())
    }
    fn membership(member: &MemberReport) -> Option<&Membership> {
        member.conf.as_ref().and_then(|conf| conf.membership.as_ref())
    }
    match (id(one), id(other)) {
        (Some(id), Some(other_id)) if id == other_id => match (membership(one), membership(other)) {
            (Some(first), Some(second)) if is_same(first, second) => figures_agree(one, other) != Some(false),
            _ => figures_agree(one, other) == Some(true),
        },
        (None, None) => {
            matches!(one.state, State::Leader | State::Standalone) && figures_agree(one, other) == Some(true)
        }
        _ => false,
    }
}

/// Whether the figures can be of one process; `None` where there is too little to compare.
fn figures_agree(one: &MemberReport, other: &MemberReport) -> Option<bool> {
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

//! The newest zxid of each member, from which the verdict sees that an ensemble lost committed transactions.

use std::sync::Arc;
use std::time::Duration;

use super::report::{MemberReport, State};
use crate::ensemble::{Known, NewestZxid};
use crate::reply::Number;

/// Records the zxids of a scrape; a recorded zxid never decreases.
///
/// Only members that take part in a quorum count. A follower may belong to another ensemble, so its epoch is recorded only
/// up to that of a leader, or without a visible leader where all followers agree.
///
/// `strangers` are the places of members that belong to another ensemble, or to none.
pub fn note_newest(known: &mut Known, members: &[MemberReport], strangers: &[usize]) {
    let own = members.iter().enumerate().filter(|(place, _)| !strangers.contains(place));
    let members: Vec<&MemberReport> = own.map(|(_, member)| member).collect();
    let leads = |member: &MemberReport| matches!(member.state, State::Leader | State::Standalone);
    let follows = |member: &MemberReport| matches!(member.state, State::Follower | State::Observer);
    let led =
        members.iter().copied().filter(|member| member.state == State::Leader).filter_map(MemberReport::epoch).max();
    let mut followed = members.iter().copied().filter(|member| follows(member)).filter_map(MemberReport::epoch);
    let agreed = followed.next().filter(|first| followed.all(|epoch| epoch == *first));
    for member in members {
        let counts = leads(member) || follows(member) && member.epoch() <= led.or(agreed);
        let Some(zxid) = member.zxid.filter(|_| counts) else { continue };
        let uptime = member.figure("uptime").map(Number::as_f64).filter(|_| leads(member));
        let led_for = uptime.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let mark = known.newest.entry(Arc::clone(&member.name)).or_insert(NewestZxid { zxid, led_for });
        if zxid >= mark.zxid {
            *mark = NewestZxid { zxid, led_for };
        }
    }
}

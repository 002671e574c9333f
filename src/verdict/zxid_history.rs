//! Whether the ensemble still has every transaction that it once had committed.
//!
//! Epochs of one ensemble only rise: each leader begins a new one, which a majority has written down before. A lower epoch,
//! or a second term in the same epoch with fewer transactions, is possible only if a majority of the voters lost their data
//! directories. Members that still have the newer transactions are then refused by the new leader.

use std::time::Duration;

use super::leaders::Leading;
use super::membership_groups::Groups;
use crate::ensemble::NewestZxid;
use crate::reply::Number;
use crate::scrape::{EnsembleReport, MemberReport, State};

/// A comparison of the newest transaction with the newest one of earlier scrapes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ZxidHistory {
    /// No leader replied, or no member of a quorum did before.
    #[default]
    Unknown,
    /// All transactions seen before are present.
    Intact,
    /// Committed transactions are missing.
    Regressed(ZxidRegression),
}

/// Committed transactions that are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZxidRegression {
    /// The newest zxid seen before.
    pub newest: u64,
    /// The newest zxid now.
    pub now: u64,
    /// Members that had newer transactions and do not serve now: their data directories may be the last ones with them.
    pub holders: Vec<usize>,
}

/// Rounds of several requests may overlap, so that an older reply is judged after a newer one. A leader that began again
/// has led for far less time than before.
const OVERLAP: Duration = Duration::from_mins(1);

/// The epoch of a zxid.
const fn epoch(zxid: u64) -> u64 {
    zxid >> 32
}

pub(super) fn judge(report: &EnsembleReport, groups: &Groups<'_>, leading: &Leading) -> ZxidHistory {
    let members = &report.members;
    let counted = || (0..members.len()).filter(|place| groups.is_counted(*place));
    let mark = |place: usize| report.known.newest.get(&members[place].name).copied();
    let alone = |member: &MemberReport| groups.standalone && member.state == State::Standalone;
    let takes_part = |member: &MemberReport| {
        matches!(member.state, State::Leader | State::Follower | State::Observer) || alone(member)
    };
    let now =
        counted().map(|place| &members[place]).filter(|member| takes_part(member)).filter_map(|member| member.zxid);
    let newest = counted().filter_map(|place| Some(mark(place)?.zxid)).max();
    // Unknown without the leader: followers show the previous epoch until the new one has a transaction.
    let leads = |place: &usize| {
        let member = &members[*place];
        member.zxid.is_some() && (member.state == State::Leader || alone(member))
    };
    let leader = leading.leader.filter(leads).or_else(|| counted().find(leads));
    let (Some(leader), Some(now), Some(newest)) = (leader, now.max(), newest) else { return ZxidHistory::Unknown };
    let began_again = |leader: &MemberReport| {
        let uptime =
            leader.figure("uptime").and_then(|uptime| Duration::try_from_secs_f64(Number::as_f64(uptime)).ok());
        let is_lost = |mark: NewestZxid| {
            let led_longer = mark.led_for.zip(uptime).is_some_and(|(before, now)| now + OVERLAP < before);
            leader.epoch() == Some(epoch(mark.zxid)) && leader.zxid < Some(mark.zxid) && led_longer
        };
        counted().filter_map(mark).any(is_lost)
    };
    let regressed = epoch(now) < epoch(newest) || epoch(now) == epoch(newest) && began_again(&members[leader]);
    if !regressed {
        return ZxidHistory::Intact;
    }
    let holds = |place: &usize| !takes_part(&members[*place]) && mark(*place).is_some_and(|mark| mark.zxid > now);
    ZxidHistory::Regressed(ZxidRegression { newest, now, holders: counted().filter(holds).collect() })
}

//! How long the leader of an ensemble has not been visible, or has led without a majority; this needs several scrapes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::report::{EnsembleReport, MemberReport, State};
use crate::ensemble::{Known, LastLeader};

/// State of one ensemble; bounded by its members.
#[derive(Clone, Debug, Default)]
pub struct LeaderWatch {
    /// Start of the period in which members follow a leader, none replies as leader, and no further member became
    /// silent.
    unseen: Option<Instant>,
    /// Members that were silent in the last scrape.
    silent: BTreeSet<Arc<str>>,
    /// Start of the period in which the leader reports fewer synced voters than a majority.
    short: Option<Instant>,
}

impl LeaderWatch {
    /// Records the result of a scrape, and updates the durations in `known`. `strangers` are members of another ensemble.
    pub fn note(&mut self, known: &mut Known, report: &EnsembleReport, strangers: &[usize], now: Instant) {
        let own = report.members.iter().enumerate().filter(|(place, _)| !strangers.contains(place));
        let own: Vec<&MemberReport> = own.map(|(_, member)| member).collect();
        let leader = own.iter().copied().find(|member| member.state == State::Leader);
        let followed = own.iter().copied().any(follows);
        // The leader may be the member that has just become silent, so the period restarts.
        let silent: BTreeSet<_> =
            own.iter().filter(|member| !member.up).map(|member| Arc::clone(&member.name)).collect();
        if !silent.is_subset(&self.silent) {
            self.unseen = None;
        }
        self.silent = silent;
        known.unseen = lasts(&mut self.unseen, leader.is_none() && followed, now);
        known.short = lasts(&mut self.short, leader.and_then(counts_few) == Some(true), now);
        known.leader = last_leader(&own).or_else(|| known.leader.take());
    }
}

fn lasts(since: &mut Option<Instant>, is_so: bool, now: Instant) -> Option<Duration> {
    *since = is_so.then(|| since.unwrap_or(now));
    since.map(|since| now.duration_since(since))
}

fn follows(member: &MemberReport) -> bool {
    matches!(member.state, State::Follower | State::Observer)
}

/// Whether a leader reports fewer synced voters than a majority.
fn counts_few(leader: &MemberReport) -> Option<bool> {
    let synced = leader.count("synced_followers")?;
    Some(synced.saturating_add(1) < leader.count("quorum_size")? / 2 + 1)
}

/// The leader, if visible: a member that replies as leader, or the only member that does not follow and is not serving.
fn last_leader(members: &[&MemberReport]) -> Option<LastLeader> {
    let members = || members.iter().copied();
    let last = |member: &MemberReport, epoch: Option<u64>, serves_no_clients: bool| {
        Some(LastLeader { member: Arc::clone(&member.name), epoch: epoch?, serves_no_clients })
    };
    if let Some(leader) = members().find(|member| member.state == State::Leader) {
        return last(leader, leader.epoch(), false);
    }
    let epoch = members().filter(|member| follows(member)).filter_map(MemberReport::epoch).max();
    let mut others = members().filter(|member| !follows(member));
    let only = others.next().filter(|_| others.next().is_none())?;
    (only.state == State::NotServing).then(|| last(only, epoch, true)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape::Samples;

    fn report(states: &[(State, bool)]) -> EnsembleReport {
        let member = |(place, (state, up)): (usize, &(State, bool))| MemberReport {
            state: *state,
            up: *up,
            zxid: Some(5 << 32 | 7),
            ..MemberReport::silent(format!("zk-{place}:2181").into())
        };
        let members = states.iter().enumerate().map(member).collect();
        EnsembleReport { name: "prod".into(), members, known: Known::default(), samples: Samples::default() }
    }

    const FOLLOWS: (State, bool) = (State::Follower, true);
    const HIDES: (State, bool) = (State::NotServing, true);
    const SILENT: (State, bool) = (State::NoAnswer, false);

    #[test]
    fn the_time_without_a_leader_restarts_when_another_member_stops_replying() {
        let (mut watch, mut known, mut now) = (LeaderWatch::default(), Known::default(), Instant::now());
        let mut after = |seconds: u64, states: &[(State, bool)]| {
            now += Duration::from_secs(seconds);
            watch.note(&mut known, &report(states), &[], now);
            (known.unseen.map(|time| time.as_secs()), known.leader.as_ref().map(|last| last.member.to_string()))
        };
        let third = || Some("zk-2:2181".to_owned());
        assert_eq!(after(0, &[FOLLOWS, FOLLOWS, HIDES]), (Some(0), third()));
        assert_eq!(after(30, &[FOLLOWS, FOLLOWS, HIDES]), (Some(30), third()));
        // The leader may hang now: the period restarts, and continues while nothing changes.
        assert_eq!(after(1, &[FOLLOWS, FOLLOWS, SILENT]), (Some(0), third()));
        assert_eq!(after(4, &[FOLLOWS, FOLLOWS, SILENT]), (Some(4), third()));
        assert_eq!(after(1, &[FOLLOWS, FOLLOWS, HIDES]), (Some(5), third()));
        // A leader of another ensemble that is listed by mistake does not count.
        let (mut other, mut own) = (LeaderWatch::default(), Known::default());
        let mixed = report(&[FOLLOWS, FOLLOWS, HIDES, (State::Leader, true)]);
        other.note(&mut own, &mixed, &[3], Instant::now());
        assert_eq!((own.unseen, own.leader.map(|last| last.member.to_string())), (Some(Duration::ZERO), third()));
        // No followers, or a visible leader: no leader is missing.
        assert_eq!(after(1, &[HIDES, HIDES, SILENT]), (None, third()));
        assert_eq!(after(1, &[FOLLOWS, (State::Leader, true), SILENT]), (None, Some("zk-1:2181".into())));
    }
}

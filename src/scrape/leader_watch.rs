//! How long the leader of an ensemble is not seen, or leads without a majority: what a single scrape cannot tell.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::report::{EnsembleReport, MemberReport, State};
use crate::ensemble::{Known, LastLeader};

/// Of one ensemble; bounded by its members.
#[derive(Clone, Debug, Default)]
pub struct LeaderWatch {
    /// Since when members follow a leader while none answers and no further member falls silent.
    unseen: Option<Instant>,
    /// The members that were silent last.
    silent: BTreeSet<Arc<str>>,
    /// Since when the leader leads while it counts fewer than a majority.
    short: Option<Instant>,
}

impl LeaderWatch {
    /// Takes what a scrape shows, and says since when it is so.
    pub fn note(&mut self, known: &mut Known, report: &EnsembleReport, now: Instant) {
        let leader = report.members.iter().find(|member| member.state == State::Leader);
        let followed = report.members.iter().any(follows);
        // The leader that members followed so far may be the one that has just fallen silent.
        let silent: BTreeSet<_> =
            report.members.iter().filter(|member| !member.up).map(|member| Arc::clone(&member.name)).collect();
        if !silent.is_subset(&self.silent) {
            self.unseen = None;
        }
        self.silent = silent;
        known.unseen = lasts(&mut self.unseen, leader.is_none() && followed, now);
        known.short = lasts(&mut self.short, leader.and_then(counts_few) == Some(true), now);
        known.leader = last_leader(report).or_else(|| known.leader.take());
    }
}

fn lasts(since: &mut Option<Instant>, is_so: bool, now: Instant) -> Option<Duration> {
    *since = is_so.then(|| since.unwrap_or(now));
    since.map(|since| now.duration_since(since))
}

fn follows(member: &MemberReport) -> bool {
    matches!(member.state, State::Follower | State::Observer)
}

/// Whether a leader counts fewer in sync than a majority.
fn counts_few(leader: &MemberReport) -> Option<bool> {
    let synced = leader.count("synced_followers")?;
    Some(synced.saturating_add(1) < leader.count("quorum_size")? / 2 + 1)
}

/// The leader, if it is seen: it answers, or is the only member that does not follow and says that it does not serve.
fn last_leader(report: &EnsembleReport) -> Option<LastLeader> {
    let members = &report.members;
    let last = |member: &MemberReport, epoch: Option<u64>, serves_no_clients: bool| {
        Some(LastLeader { member: Arc::clone(&member.name), epoch: epoch?, serves_no_clients })
    };
    if let Some(leader) = members.iter().find(|member| member.state == State::Leader) {
        return last(leader, leader.epoch(), false);
    }
    let epoch = members.iter().filter(|member| follows(member)).filter_map(MemberReport::epoch).max();
    let mut others = members.iter().filter(|member| !follows(member));
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
    fn a_leader_is_unseen_for_as_long_as_nothing_new_falls_silent() {
        let (mut watch, mut known, mut now) = (LeaderWatch::default(), Known::default(), Instant::now());
        let mut after = |seconds: u64, states: &[(State, bool)]| {
            now += Duration::from_secs(seconds);
            watch.note(&mut known, &report(states), now);
            (known.unseen.map(|time| time.as_secs()), known.leader.as_ref().map(|last| last.member.to_string()))
        };
        let third = || Some("zk-2:2181".to_owned());
        assert_eq!(after(0, &[FOLLOWS, FOLLOWS, HIDES]), (Some(0), third()));
        assert_eq!(after(30, &[FOLLOWS, FOLLOWS, HIDES]), (Some(30), third()));
        // It may hang now: the time begins again, and goes on while it stays so.
        assert_eq!(after(1, &[FOLLOWS, FOLLOWS, SILENT]), (Some(0), third()));
        assert_eq!(after(4, &[FOLLOWS, FOLLOWS, SILENT]), (Some(4), third()));
        assert_eq!(after(1, &[FOLLOWS, FOLLOWS, HIDES]), (Some(5), third()));
        // No followers, or a leader answers: no leader is missing.
        assert_eq!(after(1, &[HIDES, HIDES, SILENT]), (None, third()));
        assert_eq!(after(1, &[FOLLOWS, (State::Leader, true), SILENT]), (None, Some("zk-1:2181".into())));
    }
}

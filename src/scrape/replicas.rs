//! When the digests of an ensemble are read, since when each member records them live, and their last comparison.
//!
//! All members are queried in the same round and compared only within it, so that digests of replaced data are never
//! compared with those of its successor.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::cadence::Cadence;
use super::report::{EnsembleReport, MemberReport, State};
use crate::ensemble::{Known, MAX_REPLICAS, Replica, ReplicaComparison, Scheme, compare};
use crate::reply::Number;

/// State of one ensemble; bounded by its members.
#[derive(Debug, Default)]
pub(super) struct ReplicaWatch {
    cadence: Cadence,
    lives: BTreeMap<Arc<str>, Life>,
    /// Whether a difference was logged.
    is_logged: bool,
}

/// One server lifetime: from the moment a member joins the ensemble until it leaves or restarts.
#[derive(Clone, Copy, Debug)]
struct Life {
    /// Start time by the member's uptime; `None` if that is before the start of the local clock.
    start: Option<Instant>,
    /// When it was first seen serving.
    seen: Instant,
    /// The ensemble's newest transaction some time after that; all later digests are recorded live.
    live_after: Option<u64>,
}

/// Tolerance for the start time computed from two uptimes, in addition to the reply times.
const BEGIN_TOLERANCE: Duration = Duration::from_secs(2);

impl ReplicaWatch {
    /// Whether digests are due; if so, they are read in this round.
    pub(super) fn is_due(&mut self, now: Instant, interval: Duration) -> bool {
        self.cadence.is_due(now, interval)
    }

    /// Records the result of a round that began at `begun`, and compares the digests if it read them.
    pub(super) fn note(&mut self, known: &mut Known, report: &mut EnsembleReport, begun: Instant, digests_read: bool) {
        let newest = report.members.iter().filter_map(|member| member.zxid).max();
        self.lives.retain(|name, _| report.members.iter().any(|member| member.name == *name));
        for member in &report.members {
            self.note_life(member, newest, begun);
        }
        let replicas: Vec<Replica> =
            report.members.iter_mut().filter_map(|member| self.replica(member)).take(MAX_REPLICAS).collect();
        if digests_read {
            let compared = compare(&replicas);
            self.log(&report.name, &compared);
            known.replicas = Some(compared.into());
        }
    }

    /// Continues the known lifetime of a member if its uptime matches, otherwise starts a new one.
    fn note_life(&mut self, member: &MemberReport, newest: Option<u64>, begun: Instant) {
        let uptime =
            member.figure("uptime").map(Number::as_f64).and_then(|time| Duration::try_from_secs_f64(time).ok());
        let serves = matches!(member.state, State::Leader | State::Follower | State::Observer);
        let Some(uptime) = uptime.filter(|_| serves) else { return };
        let start = begun.checked_sub(uptime);
        let tolerance = BEGIN_TOLERANCE + member.duration.unwrap_or_default();
        let is_same = |life: &Life| match (life.start, start) {
            (Some(one), Some(other)) => one.max(other) - one.min(other) <= tolerance,
            (one, other) => one == other,
        };
        if let Some(life) = self.lives.get_mut(&member.name).filter(|life| is_same(life)) {
            life.start = start;
            if life.live_after.is_none() && begun >= life.seen {
                life.live_after = newest;
            }
        } else {
            let life = Life { start, seen: Instant::now(), live_after: None };
            self.lives.insert(Arc::clone(&member.name), life);
        }
    }

    /// Moves the digests of a member out of the report, if there are any.
    fn replica(&self, member: &mut MemberReport) -> Option<Replica> {
        let log = *member.digests.take()?;
        let release = member.identity.as_ref().map_or("", |identity| &identity.version);
        let scheme = log.version.map_or_else(|| Scheme::of_release(release), Scheme::Version);
        let live_after = self.lives.get(&member.name).and_then(|life| life.live_after);
        Some(Replica { member: Arc::clone(&member.name), log, scheme, live_after })
    }

    /// Logs a proven difference once, until the data is equal again.
    fn log(&mut self, ensemble: &str, compared: &[ReplicaComparison]) {
        let proven = |pair: &&ReplicaComparison| pair.difference.is_some_and(|difference| difference.proven);
        let Some((pair, difference)) = compared.iter().find(proven).and_then(|pair| Some((pair, pair.difference?)))
        else {
            self.is_logged &= compared.is_empty();
            return;
        };
        if !std::mem::replace(&mut self.is_logged, true) {
            let (one, other, zxid) = (&*pair.one, &*pair.other, format!("{:x}", difference.from));
            tracing::error!(ensemble, one, other, zxid, "members hold different data");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::hash::DigestLog;
    use crate::reply::mntr;
    use crate::scrape::Samples;
    use crate::scrape::typed::typed;

    const MINUTE: Duration = Duration::from_mins(1);

    /// Name, uptime in seconds, zxid, digests.
    type Shown<'s> = (&'s str, u64, u64, &'s [(u64, i64)]);

    fn member((name, uptime, zxid, digests): Shown<'_>) -> MemberReport {
        let text = format!("zk_uptime\t{}\n", uptime * 1000);
        let (samples, _) = typed(mntr::entries(&text), mntr::lines(&text), 100);
        let log = DigestLog { entries: digests.to_vec(), version: Some(2) };
        MemberReport {
            state: State::Follower,
            zxid: Some(zxid),
            samples,
            digests: Some(Box::new(log)),
            ..MemberReport::silent(name.into())
        }
    }

    fn note(watch: &mut ReplicaWatch, begun: Instant, members: [Shown<'_>; 2]) -> Option<(u64, bool)> {
        let members = members.map(member).into();
        let (name, samples) = ("prod".into(), Samples::default());
        let mut report = EnsembleReport { name, members, known: Known::default(), samples };
        let mut known = Known::default();
        watch.note(&mut known, &mut report, begun, true);
        assert!(report.members.iter().all(|member| member.digests.is_none()), "no report keeps them");
        known.replicas.expect("compared").first().and_then(|pair| Some((pair.zxid, pair.difference?.proven)))
    }

    #[test]
    fn a_difference_is_proven_by_digests_of_the_current_lifetime() {
        let mut watch = ReplicaWatch::default();
        let begun = Instant::now() + Duration::from_secs(10_000);
        let after = |minutes: u32| begun + MINUTE * minutes;
        let (old, new): (&[_], &[_]) = (&[(128, 1)], &[(128, 1), (256, 2)]);
        let (odd, odder): (&[_], &[_]) = (&[(128, 9)], &[(128, 9), (256, 9)]);
        let both = |uptime, zxid, of_other| {
            [("a:1", uptime, zxid, if zxid < 256 { old } else { new }), ("b:1", uptime, zxid, of_other)]
        };
        assert_eq!(note(&mut watch, after(0), both(100, 130, odd)), Some((128, false)), "seen for the first time");
        assert_eq!(note(&mut watch, after(1), both(160, 131, odd)), Some((128, false)), "nothing newer");
        assert_eq!(note(&mut watch, after(2), both(220, 260, odder)), Some((256, true)));
        // The other member restarts and receives a snapshot: digests recorded before it was seen are not evidence.
        let restarted = |uptime, zxid| [("a:1", uptime + 220, zxid, new), ("b:1", uptime, zxid, odder)];
        assert_eq!(note(&mut watch, after(3), restarted(60, 260)), Some((256, false)));
        assert_eq!(note(&mut watch, after(4), restarted(120, 260)), Some((256, false)));
        let later: (&[_], &[_]) = (&[(256, 2), (384, 3)], &[(256, 9), (384, 3)]);
        assert_eq!(
            note(&mut watch, after(5), [("a:1", 400, 390, later.0), ("b:1", 180, 390, later.1)]),
            None,
            "caught up"
        );
    }

    #[test]
    fn a_round_that_began_before_a_member_was_seen_does_not_make_it_live() {
        let mut watch = ReplicaWatch::default();
        let now = Instant::now();
        let shown = |zxid| [("a:1", 5, zxid, &[(128, 1)][..]), ("b:1", 5, zxid, &[(128, 2)][..])];
        note(&mut watch, now, shown(100));
        assert_eq!(note(&mut watch, now, shown(100)), Some((128, false)), "two rounds side by side");
    }
}

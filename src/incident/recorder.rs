//! The flight recorder: a bounded ring buffer of transitions per ensemble, kept across reloads.
//!
//! It compares every report of a configured ensemble, from a scrape, a probe or a visit of the status page, with the
//! previous one; it never queries members. Values that are unknown because of a limit of the exporter are skipped, so
//! that there is no transition to or from an unknown state. The first report of an ensemble is the baseline and records
//! nothing.
//!
//! Memory: a ring has at most [`RING_BYTES`]. When all rings together reach [`TOTAL_BYTES`], rings larger than their
//! fair share (`TOTAL_BYTES` divided by the number of ensembles) drop their oldest transitions. The total therefore
//! never exceeds twice `TOTAL_BYTES`, however many ensembles flap. In addition, each member has its last state and the
//! marks of its figures.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::changes::Last;
use super::clock::now;
use super::figures::FigureLimits;
use super::transition::{Transition, TransitionInfo, TransitionKind};
use crate::alert::Thresholds;
use crate::scrape::{EnsembleReport, Report};
use crate::verdict::judge;

/// Maximum size of the ring of one ensemble: several hundred transitions.
pub const RING_BYTES: usize = 64 << 10;

/// Size of all rings together, above which larger rings shrink.
pub const TOTAL_BYTES: usize = 16 << 20;

/// Maximum number of transitions per page.
pub const MAX_PAGE: usize = 1000;

/// Records the transitions of all ensembles.
#[derive(Debug)]
pub struct FlightRecorder(Mutex<Log>);

#[derive(Debug)]
struct Log {
    rings: BTreeMap<Arc<str>, Ring>,
    /// Transitions of the exporter itself: reloads.
    own: Ring,
    bytes: usize,
    next: u64,
}

/// The transitions of one ensemble, oldest first.
#[derive(Debug, Default)]
pub(super) struct Ring {
    transitions: VecDeque<Transition>,
    bytes: usize,
    /// Number of transitions dropped to bound the memory.
    dropped: u64,
    /// Time of the first report, in Unix seconds.
    since: f64,
    /// The last compared report; requests that share a round have the same report, which is compared once.
    taken: Weak<EnsembleReport>,
    pub(super) last: Last,
}

/// A filter for transitions.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Only this ensemble.
    pub ensemble: Option<String>,
    /// Start time in Unix seconds.
    pub since: Option<f64>,
    /// Only transitions with a larger id.
    pub after: Option<u64>,
    /// Maximum number of transitions.
    pub limit: usize,
}

/// A page of transitions, oldest first.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct EventPage {
    /// The transitions.
    pub events: Vec<TransitionInfo>,
    /// The value of `after` for the next page.
    pub next: u64,
    /// Whether more transitions are available.
    pub more: bool,
    /// Number of older transitions dropped to bound the memory.
    pub dropped: u64,
    /// Start of the recording.
    pub recorded_since: Option<String>,
}

impl Default for FlightRecorder {
    fn default() -> Self {
        // Ids begin at the current time, so that they keep increasing after a restart.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "milliseconds since 1970 times 1000"
        )]
        let next = (now() * 1000.0) as u64 * 1000;
        let own = Ring { since: now(), ..Ring::default() };
        Self(Mutex::new(Log { rings: BTreeMap::new(), own, bytes: 0, next }))
    }
}

impl FlightRecorder {
    /// Ignores poisoning: a transition is added by a single call.
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records what changed since the last report of each ensemble.
    pub fn note(&self, report: &Report, thresholds: &Thresholds) {
        for ensemble in &report.ensembles {
            if !self.is_taken(ensemble) {
                self.note_at(ensemble, thresholds, now());
                self.take(ensemble);
            }
        }
    }

    fn is_taken(&self, report: &Arc<EnsembleReport>) -> bool {
        let log = self.lock();
        log.rings.get(&report.name).is_some_and(|ring| ring.taken.as_ptr() == Arc::as_ptr(report))
    }

    /// Marks a report as compared. The weak pointer keeps its address from being reused.
    fn take(&self, report: &Arc<EnsembleReport>) {
        if let Some(ring) = self.lock().rings.get_mut(&report.name) {
            ring.taken = Arc::downgrade(report);
        }
    }

    /// Records the changes of one ensemble at a given time.
    pub fn note_at(&self, report: &EnsembleReport, thresholds: &Thresholds, time: f64) {
        let verdict = judge(report);
        let limits = FigureLimits::of(thresholds, &report.name);
        let mut log = self.lock();
        if !log.rings.contains_key(&report.name) {
            log.rings.insert(Arc::clone(&report.name), Ring { since: time, ..Ring::default() });
        }
        let Some(ring) = log.rings.get_mut(&report.name) else { return };
        let changes = ring.last.take(report, &verdict, &limits, time);
        for change in changes {
            log.push(Some(&report.name), change, time);
        }
    }

    /// Records a reload, and removes ensembles that are no longer configured.
    pub fn note_reload(&self, outcome: &Result<&[String], String>) {
        let mut log = self.lock();
        let change = match outcome {
            Ok(names) => {
                log.keep(names);
                Transition::new(TransitionKind::Reload, "", "reloaded", "")
            }
            Err(why) => Transition::new(TransitionKind::Reload, "", "failed, previous configuration kept", why),
        };
        log.push(None, change, now());
    }

    /// Returns a page of transitions.
    #[must_use]
    pub fn read(&self, query: &EventQuery) -> EventPage {
        let log = self.lock();
        let limit = query.limit.min(MAX_PAGE);
        let wanted = |transition: &&Transition| {
            query.after.is_none_or(|after| transition.id > after)
                && query.since.is_none_or(|since| transition.time >= since)
        };
        // One additional transition shows whether there are more.
        let mut found: Vec<(&str, &Transition)> = Vec::new();
        let rings: Vec<(&str, &Ring)> = match &query.ensemble {
            Some(name) => {
                log.rings.get_key_value(name.as_str()).map(|(name, ring)| (&**name, ring)).into_iter().collect()
            }
            None => log.rings.iter().map(|(name, ring)| (&**name, ring)).collect(),
        };
        for (name, ring) in rings.iter().copied().chain([("", &log.own)]) {
            found.extend(ring.transitions.iter().filter(wanted).take(limit + 1).map(|transition| (name, transition)));
        }
        found.sort_by_key(|(_, transition)| transition.id);
        let more = found.len() > limit;
        found.truncate(limit);
        let events: Vec<TransitionInfo> = found.iter().map(|(name, transition)| transition.described(name)).collect();
        EventPage {
            // An empty page excludes all transitions so far.
            next: events.last().map_or(query.after.unwrap_or(log.next.saturating_sub(1)), |event| event.id),
            events,
            more,
            dropped: rings.iter().map(|(_, ring)| ring.dropped).sum(),
            recorded_since: rings.iter().map(|(_, ring)| ring.since).min_by(f64::total_cmp).map(super::clock::utc),
        }
    }

    /// The newest transitions of an ensemble, newest first.
    #[must_use]
    pub fn newest(&self, ensemble: &str, limit: usize) -> Vec<TransitionInfo> {
        let log = self.lock();
        let of = |ring: &Ring, name: &str| -> Vec<TransitionInfo> {
            ring.transitions.iter().rev().take(limit).map(|transition| transition.described(name)).collect()
        };
        let mut all = log.rings.get(ensemble).map_or_else(Vec::new, |ring| of(ring, ensemble));
        all.extend(of(&log.own, ""));
        all.sort_by_key(|event| std::cmp::Reverse(event.id));
        all.truncate(limit);
        all
    }

    /// Seconds since a member was last seen to change its role or to restart, at most since the begin of the recording.
    #[must_use]
    pub fn in_role(&self, ensemble: &str, member: &str) -> Option<f64> {
        use TransitionKind::{Election, Joined, Leader, Restart, State};
        let of_member = |change: &&Transition| change.member.as_deref() == Some(member);
        let is_change = |change: &&Transition| match change.kind {
            State | Restart | Election | Joined => of_member(change),
            Leader => true,
            _ => false,
        };
        self.with_ring(ensemble, |ring| {
            let oldest = ring.transitions.front().filter(|_| ring.dropped > 0).map_or(ring.since, |first| first.time);
            let last = ring.transitions.iter().rev().find(is_change).map_or(oldest, |change| change.time);
            (now() - last).max(0.0)
        })
    }

    /// Reads the ring of an ensemble, if there is one.
    pub(super) fn with_ring<T>(&self, ensemble: &str, read: impl FnOnce(&Ring) -> T) -> Option<T> {
        self.lock().rings.get(ensemble).map(read)
    }

    /// The memory used by all transitions, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }
}

impl Ring {
    /// The transitions, oldest first.
    pub(super) fn transitions(&self) -> impl DoubleEndedIterator<Item = &Transition> {
        self.transitions.iter()
    }

    /// Time of the first report, in Unix seconds.
    pub(super) const fn since(&self) -> f64 {
        self.since
    }
}

impl Log {
    fn push(&mut self, ensemble: Option<&Arc<str>>, change: Transition, time: f64) {
        let share = TOTAL_BYTES / self.rings.len().max(1);
        let full = self.bytes >= TOTAL_BYTES;
        let ring = match ensemble {
            Some(name) => self.rings.get_mut(name),
            None => Some(&mut self.own),
        };
        let Some(ring) = ring else { return };
        let most = if full { RING_BYTES.min(share) } else { RING_BYTES };
        let change = Transition { id: self.next, time, ..change };
        self.next += 1;
        let size = change.bytes();
        ring.transitions.push_back(change);
        ring.bytes += size;
        self.bytes += size;
        while ring.bytes > most
            && ring.transitions.len() > 1
            && let Some(oldest) = ring.transitions.pop_front()
        {
            ring.bytes -= oldest.bytes();
            self.bytes -= oldest.bytes();
            ring.dropped += 1;
        }
        // Releases memory that was allocated during a burst.
        if ring.transitions.capacity() > 2 * ring.transitions.len() + 8 {
            ring.transitions.shrink_to(ring.transitions.len() + 4);
        }
    }

    /// Removes all ensembles except these.
    fn keep(&mut self, names: &[String]) {
        let names: std::collections::BTreeSet<&str> = names.iter().map(String::as_str).collect();
        self.rings.retain(|name, _| names.contains(&**name));
        self.bytes = self.own.bytes + self.rings.values().map(|ring| ring.bytes).sum::<usize>();
    }
}

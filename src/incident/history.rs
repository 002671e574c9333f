//! Adds the recorded transitions of an ensemble to a judgement: conditions that need a longer time than two scrapes,
//! and the start of the other conditions.

use std::collections::BTreeMap;

use super::canaries::CanaryFailure;
use super::clock::utc;
use super::explain::Sighting;
use super::figures::GROWTH_WINDOW;
use super::recorder::{FlightRecorder, Ring};
use super::transition::{Transition, TransitionKind};
use super::znodes::READABLE;
use crate::alert::{Condition, InForce, Severity, Thresholds, Unit, conditions};
use crate::scrape::State;

/// Windows of the conditions that count transitions, in seconds; equal to those of their expressions.
const QUARTER: f64 = 900.0;
const HALF_HOUR: f64 = 1800.0;
const HOUR: f64 = 3600.0;

/// Maximum age of a figure in seconds; an older one does not describe the present.
const FRESH_FIGURE: f64 = 120.0;

/// A member is flapping if it was lost this often within the window, ...
const MIN_LOSSES: usize = 2;
const CHANGES_WINDOW: f64 = 1200.0;
/// ... and for this fraction of the time since then, which has at least this many seconds. Equal to the alerts
/// (`alert::trouble`).
const MIN_LOST_SHARE: f64 = 0.4;
const MIN_OBSERVED: f64 = 60.0;

/// The first action for a flapping member that is back.
const COMES_AND_GOES: &str = "It comes and goes: find out why before you restart it, from its log and the network at the times \
                              that `zookeeper-exporter events` lists.";

/// A copy of the recorded history of one ensemble.
#[derive(Clone, Debug, Default)]
pub struct EventHistory {
    transitions: Vec<Transition>,
    /// Figures that were above a limit at their last measurement: member, condition, its time, severity.
    levels: Vec<(String, &'static str, f64, Severity)>,
    /// Means of members: member, condition, time of the measurement, severity.
    means: Vec<(String, &'static str, f64, Option<Severity>)>,
    /// The last failure of each canary that fails, by its member; the key is empty for the canary of the ensemble.
    canaries: Vec<(String, CanaryFailure)>,
    since: f64,
}

impl EventHistory {
    /// The history of an ensemble; `None` if no report of it was recorded.
    #[must_use]
    pub fn of(recorder: &FlightRecorder, ensemble: &str) -> Option<Self> {
        recorder.with_ring(ensemble, Self::read)
    }

    fn read(ring: &Ring) -> Self {
        let crossed = |transition: &&Transition| transition.kind == TransitionKind::Threshold;
        let mut levels: Vec<(String, &'static str, f64, Severity)> = Vec::new();
        for transition in ring.transitions().filter(crossed) {
            let (Some(member), Some(condition)) = (&transition.member, transition.condition) else { continue };
            let level = ring.last.members.get(member).and_then(|last| last.figures.level(condition));
            let known = levels.iter().any(|(name, other, ..)| **member == **name && *other == condition);
            if let Some((time, level)) = level.filter(|_| !known) {
                levels.push((member.to_string(), condition, time, level));
            }
        }
        let means = ring.last.members.iter().flat_map(|(member, last)| {
            last.figures.means().map(|(condition, time, level)| (member.to_string(), condition, time, level))
        });
        let canaries = ring.last.canaries.failing().map(|(member, failure)| (member.to_owned(), failure.clone()));
        Self {
            canaries: canaries.collect(),
            transitions: ring.transitions().cloned().collect(),
            levels,
            means: means.collect(),
            since: ring.since(),
        }
    }

    /// Start of the recording.
    #[must_use]
    pub fn recorded_since(&self) -> String {
        utc(self.since)
    }

    /// The severity that a mean reached between the last scrapes, which cover more time than two scrapes of `why`: a few
    /// slow requests within seconds are not a condition. `None` if it was not measured recently.
    #[expect(clippy::option_option, reason = "whether a mean is known, and the limit that it exceeds")]
    pub(super) fn mean_level(&self, condition: &str, member: Option<&str>, now: f64) -> Option<Option<Severity>> {
        let is_it = |(of, name, time, _): &&(String, &str, f64, Option<Severity>)| {
            *name == condition && member == Some(of) && now - time <= FRESH_FIGURE
        };
        self.means.iter().find(is_it).map(|(.., level)| *level)
    }

    /// The last failure of the canary of a member, or of the ensemble if `member` is empty.
    pub(super) fn canary_failure(&self, member: &str) -> Option<&CanaryFailure> {
        self.canaries.iter().find(|(of, _)| of == member).map(|(_, failure)| failure)
    }

    /// Start of a condition of the ensemble, of a member or of a znode: the time of the last change to the current state.
    /// `None` if it held in the first report.
    #[must_use]
    pub fn since(&self, condition: &Condition, member: Option<&str>, path: Option<&str>) -> Option<String> {
        let kind = match condition.name {
            "MemberDown"
            | "MemberNotServing"
            | "ObserverDown"
            | "MemberReadOnly"
            | "StandaloneInEnsemble"
            | "EnsembleUnreachable" => TransitionKind::State,
            "QuorumLost" => TransitionKind::Quorum,
            "LeaderSilent" => TransitionKind::Leader,
            "ZxidRegressed" => TransitionKind::Regression,
            "QuorumMarginZero" => TransitionKind::Margin,
            "VersionMismatch" | "ConfigMismatch" | "QuorumSizeMismatch" => TransitionKind::Mismatch,
            "MntrMissing" => TransitionKind::Failure,
            "CanaryFailing" => TransitionKind::Canary,
            "ZnodeUnreadable" => TransitionKind::Znode,
            _ => TransitionKind::Threshold,
        };
        let of_condition = matches!(kind, TransitionKind::Threshold | TransitionKind::Mismatch);
        let fits = |transition: &&Transition| {
            transition.kind == kind
                && (!of_condition || transition.condition == Some(condition.name))
                && (kind != TransitionKind::Canary || transition.member.as_deref() == member)
                && transition.path.as_deref() == path
                && member.is_none_or(|member| transition.member.as_deref().is_none_or(|of| of == member))
        };
        let mut newest_first = self.transitions.iter().rev().filter(fits);
        let last = if kind == TransitionKind::Threshold { began(newest_first) } else { newest_first.next() };
        // If the last change of a condition that holds is its end, it began after the last report.
        let holds = |last: &&Transition| match kind {
            TransitionKind::Mismatch => &*last.after == "different",
            TransitionKind::Canary => &*last.after == "failing",
            TransitionKind::Znode => &*last.after != READABLE,
            _ => true,
        };
        last.filter(holds).map(|transition| utc(transition.time))
    }

    /// Conditions that hold according to the transitions up to `now`, with the configured limits.
    #[must_use]
    pub fn sightings(&self, ensemble: &str, thresholds: &Thresholds, now: f64) -> Vec<Sighting> {
        let mut found = EventEvidence { history: self, ensemble, thresholds, now, all: Vec::new() };
        found.elections();
        found.restarts();
        found.intermittent();
        found.unavailable();
        found.crossed();
        found.all
    }

    fn within(&self, seconds: f64, now: f64) -> impl Iterator<Item = &Transition> {
        self.transitions.iter().filter(move |transition| now - transition.time <= seconds)
    }

    /// The times of transitions of a kind within a window, by member.
    fn of_members(&self, kind: TransitionKind, seconds: f64, now: f64) -> BTreeMap<String, Vec<f64>> {
        let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for transition in self.within(seconds, now).filter(|transition| transition.kind == kind) {
            if let Some(member) = &transition.member {
                times.entry(member.to_string()).or_default().push(transition.time);
            }
        }
        times
    }
}

struct EventEvidence<'h> {
    history: &'h EventHistory,
    ensemble: &'h str,
    thresholds: &'h Thresholds,
    now: f64,
    all: Vec<Sighting>,
}

impl EventEvidence<'_> {
    /// The limit of a condition that is enabled for the ensemble.
    fn limit(&self, name: &str, severity: Severity) -> Option<f64> {
        let is = |level: &&InForce| level.condition.name == name && level.level.severity == severity;
        self.thresholds.levels().iter().find(is)?.of_ensemble(self.ensemble)?
    }

    fn add(&mut self, name: &str, severity: Severity, member: Option<&str>, says: String, since: Option<f64>) {
        let Some(condition) = conditions().iter().find(|condition| condition.name == name) else { return };
        // A figure of a member may be that of the ensemble.
        let member = member.filter(|_| condition.keys().names().contains(&"member"));
        let host = member.map_or("", |member| member.rsplit_once(':').map_or(member, |(host, _)| host));
        let info = format!("zookeeper-exporter info --config.file FILE --ensemble {}", self.ensemble);
        let first = condition.first.replace("<info>", &info).replace("<stat>", &info.replacen(" info ", " stat ", 1));
        let first = first.replace("<host>", host).replace("<ensemble>", self.ensemble);
        self.all.push(Sighting {
            condition,
            severity,
            member: member.map(str::to_owned),
            says,
            errors: Vec::new(),
            actions: Vec::new(),
            doubts: Vec::new(),
            first: first.replace("<member>", member.unwrap_or_default()),
            since: since.map(utc),
            past: true,
        });
    }

    /// Leader changes of the ensemble, and repeated elections of a single member.
    fn elections(&mut self) {
        let led = |window: f64| -> Vec<f64> {
            let of =
                self.history.within(window, self.now).filter(|transition| transition.kind == TransitionKind::Leader);
            // A leader change has an epoch.
            of.filter(|transition| transition.evidence.starts_with("epoch")).map(|transition| transition.time).collect()
        };
        let (quarter, half) = (led(QUARTER), led(HALF_HOUR));
        if let Some(limit) =
            self.limit("FrequentElections", Severity::Warning).filter(|limit| reaches(&quarter, *limit))
        {
            let says = format!("{} new leaders were seen within 15 minutes (limit {limit})", quarter.len());
            self.add("FrequentElections", Severity::Warning, None, says, quarter.first().copied());
        }
        let Some(limit) = self.limit("MemberLosesLeader", Severity::Warning) else { return };
        if half.len() >= 3 {
            return;
        }
        for (member, times) in self.history.of_members(TransitionKind::Election, HALF_HOUR, self.now) {
            if reaches(&times, limit) {
                let says = format!(
                    "member {member} was seen to look for a leader {} times within 30 minutes (limit {limit}), while the \
                     ensemble changed its leader {} time(s)",
                    times.len(),
                    half.len()
                );
                self.add("MemberLosesLeader", Severity::Warning, Some(&member), says, times.first().copied());
            }
        }
    }

    fn restarts(&mut self) {
        let Some(limit) = self.limit("MemberRestarting", Severity::Warning) else { return };
        for (member, times) in self.history.of_members(TransitionKind::Restart, HOUR, self.now) {
            if reaches(&times, limit) {
                let says = format!(
                    "the process of member {member} restarted {} times within an hour (limit {limit})",
                    times.len()
                );
                self.add("MemberRestarting", Severity::Warning, Some(&member), says, times.first().copied());
            }
        }
    }

    /// Flapping members, whose current state may be normal.
    fn intermittent(&mut self) {
        let mut states: BTreeMap<String, Vec<&Transition>> = BTreeMap::new();
        for change in self.history.within(CHANGES_WINDOW, self.now).filter(|one| one.kind == TransitionKind::State) {
            if let Some(member) = &change.member {
                states.entry(member.to_string()).or_default().push(change);
            }
        }
        let left = |member: &str| {
            let of_member = |one: &&Transition| one.member.as_deref() == Some(member);
            let mut latest = self.history.within(CHANGES_WINDOW, self.now).filter(of_member);
            latest.any(|one| one.kind == TransitionKind::Left)
        };
        let observes = |change: &&Transition| {
            [&change.before, &change.after].iter().any(|state| ***state == *State::Observer.text())
        };
        // Observers have an alert of their own, and a removed member is not missing.
        states.retain(|member, changes| !changes.iter().any(observes) && !left(member));
        for (member, changes) in states {
            let silent = |state: &str| state == State::NoAnswer.text();
            let absence = |is_away: &dyn Fn(&str) -> bool| Absence::of(&changes, is_away, self.now);
            // An absence counts if it is long enough; the worse kind is checked first.
            let (name, what, absence) = match (absence(&silent), absence(&is_lost)) {
                (Some(absence), _) => ("MemberDown", "stop replying", absence),
                (None, Some(absence)) => ("MemberNotServing", "stop serving", absence),
                (None, None) => continue,
            };
            let is_enabled =
                |level: &InForce| level.condition.name == name && level.of_ensemble(self.ensemble).is_some();
            if self.thresholds.levels().iter().any(is_enabled) {
                let says = format!(
                    "member {member} was seen to {what} {} times within 20 minutes, for {} of {}{}",
                    absence.times,
                    Unit::Seconds.words(absence.seconds.round()),
                    Unit::Seconds.words((self.now - absence.since).round()),
                    absence.reason,
                );
                self.add(name, Severity::Critical, Some(&member), says, Some(absence.since));
                let is_away =
                    |last: &Transition| if name == "MemberDown" { silent(&last.after) } else { is_lost(&last.after) };
                let is_back = !changes.last().copied().is_some_and(is_away);
                if let Some(added) = self.all.last_mut().filter(|_| is_back) {
                    added.doubts.push(format!("it {} now", if name == "MemberDown" { "replies" } else { "serves" }));
                    added.actions.push(COMES_AND_GOES.to_owned());
                }
            }
        }
    }

    /// Time without a quorum, as observed by the scrapes.
    fn unavailable(&mut self) {
        let Some(limit) = self.limit("UnavailableTime", Severity::Warning) else { return };
        let changes: Vec<&Transition> =
            self.history.transitions.iter().filter(|transition| transition.kind == TransitionKind::Quorum).collect();
        let begin = self.now - QUARTER;
        let mut lost = 0.0;
        for (place, change) in changes.iter().enumerate().filter(|(_, change)| &*change.after == "no") {
            let until = changes.get(place + 1).map_or(self.now, |next| next.time);
            lost += (until - change.time.max(begin)).max(0.0);
        }
        if lost > limit {
            let says = format!(
                "the ensemble was without a quorum for {} of the last 15 minutes, as observed by the scrapes (limit {})",
                Unit::Seconds.words(lost.round()),
                Unit::Seconds.words(limit)
            );
            let since =
                changes.iter().find(|change| &*change.after == "no" && change.time >= begin).map(|change| change.time);
            self.add("UnavailableTime", Severity::Warning, None, says, since);
        }
    }

    /// Thresholds that are still exceeded, and writes near the packet limit within the last hour.
    fn crossed(&mut self) {
        for (member, condition, measured, level) in self.history.levels.clone() {
            if self.limit(condition, level).is_none() {
                continue;
            }
            let of_ensemble = |other: &&mut Sighting| other.condition.name == condition && other.member.is_none();
            if let Some(known) = self.all.iter_mut().find(of_ensemble) {
                known.severity = known.severity.max(level);
                continue;
            }
            let mut crossings = self.history.transitions.iter().rev().filter(|transition| {
                transition.condition == Some(condition) && transition.member.as_deref() == Some(&*member)
            });
            let begun = began(crossings.clone());
            let Some(crossing) = crossings.next() else { continue };
            // The alerts of some conditions have windows; the other values are current or unknown.
            let (time, max_age, past) = match condition {
                "LargeProposal" => (crossing.time, HOUR, true),
                "ConnectionsRejected" | "StaleRequestsDropped" | "RequestsThrottled" => {
                    (crossing.time, GROWTH_WINDOW, true)
                }
                _ => (measured, FRESH_FIGURE, false),
            };
            if self.now - time <= max_age {
                let says = format!("member {member} of ensemble {}: {}", self.ensemble, crossing.evidence);
                self.add(condition, level, Some(&member), says, begun.map(|begun| begun.time));
                if let Some(added) = self.all.last_mut() {
                    added.past = past;
                }
            }
        }
    }
}

/// Repeated absence of a member.
struct Absence {
    times: usize,
    seconds: f64,
    since: f64,
    /// The last reason, in parentheses.
    reason: String,
}

impl Absence {
    /// The absence by the changes of a member's state; `None` if it is too rare or too short.
    fn of(changes: &[&Transition], is_away: &dyn Fn(&str) -> bool, now: f64) -> Option<Self> {
        let leaves = |change: &&&Transition| !is_away(&change.before) && is_away(&change.after);
        let (first, last) = (changes.iter().find(leaves)?, changes.iter().rev().find(leaves)?);
        let away = changes.iter().enumerate().filter(|(_, change)| change.time >= first.time && is_away(&change.after));
        let until = |place: usize| changes.get(place + 1).map_or(now, |next| next.time);
        let absence = Self {
            times: changes.iter().filter(leaves).count(),
            seconds: away.map(|(place, change)| until(place) - change.time).sum(),
            since: first.time,
            reason: if last.evidence.is_empty() { String::new() } else { format!(" (last reason: {})", last.evidence) },
        };
        let observed = now - absence.since;
        let is_enough =
            absence.times >= MIN_LOSSES && observed >= MIN_OBSERVED && absence.seconds >= MIN_LOST_SHARE * observed;
        is_enough.then_some(absence)
    }
}

/// Whether a member in this recorded state serves no clients.
fn is_lost(state: &str) -> bool {
    [State::NoAnswer, State::NotServing].iter().any(|lost| lost.text() == state)
}

/// Whether the number of events reaches a limit.
fn reaches(times: &[f64], limit: f64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "numbers of transitions are small")]
    let number = times.len() as f64;
    number >= limit
}

/// The crossing since which a threshold is exceeded; the crossings are ordered newest first. A change from one level to
/// the other is not a beginning.
fn began<'t>(newest_first: impl Iterator<Item = &'t Transition>) -> Option<&'t Transition> {
    newest_first.take_while(|crossing| &*crossing.after != "ok").find(|crossing| &*crossing.before == "ok")
}

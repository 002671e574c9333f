//! Detects changes of an ensemble between two reports. Pure: keeps only the facts of the last report that are compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::canaries::Canaries;
use super::figures::{FigureLimits, Figures};
use super::transition::{Transition, TransitionKind};
use super::why::summary;
use super::znodes::Znodes;
use crate::alert::{Severity, conditions};
use crate::config::Command;
use crate::reply::Number;
use crate::scrape::reading::SeenConf;
use crate::scrape::{EnsembleReport, MemberReport, State};
use crate::verdict::{LeaderState, Verdict, ZxidHistory};
use crate::wire::{CONNECTION_REFUSED, Reason};

/// The facts of the last report of an ensemble; bounded by its number of members.
#[derive(Clone, Debug, Default)]
pub(super) struct Last {
    /// Whether a report was compared before; otherwise no member counts as joined.
    begun: bool,
    pub(super) members: BTreeMap<Arc<str>, LastMember>,
    leader: Option<Box<str>>,
    epoch: Option<u64>,
    regressed: bool,
    pub(super) quorum: Option<bool>,
    margin: Option<i64>,
    membership: Option<u64>,
    mismatches: [Option<bool>; 3],
    pub(super) canaries: Canaries,
    znodes: Znodes,
}

#[derive(Clone, Debug, Default)]
pub(super) struct LastMember {
    state: Option<State>,
    failures: Option<Vec<(Command, Reason)>>,
    version: Option<Box<str>>,
    conf: Option<Arc<SeenConf>>,
    /// Bytes received: decreases at a restart, and by the command srst.
    received: Option<u64>,
    /// Packets received: decrease at a restart, at an election, and by the command srst.
    packets: Option<u64>,
    /// Uptime in the current role, with the time of the report in seconds since 1970.
    uptime: Option<(f64, f64)>,
    looking: Option<u64>,
    /// Whether its port refused connections in the last report, so that the next reply is that of a new process.
    refused: bool,
    pub(super) figures: Figures,
}

impl Last {
    /// Compares a report with the previous one and returns the changes.
    pub(super) fn take(
        &mut self,
        report: &EnsembleReport,
        verdict: &Verdict,
        limits: &FigureLimits,
        now: f64,
    ) -> Vec<Transition> {
        let mut changes = Vec::new();
        self.list(report, &mut changes);
        for member in &report.members {
            if let Some(last) = self.members.get_mut(&member.name) {
                last.take(member, limits, now, &mut changes);
            }
        }
        self.ensemble(report, verdict, &mut changes);
        self.begun = true;
        changes
    }

    /// Adds members that joined or left.
    fn list(&mut self, report: &EnsembleReport, changes: &mut Vec<Transition>) {
        let is_listed = |name: &Arc<str>| report.members.iter().any(|member| member.name == *name);
        for (name, _) in self.members.extract_if(.., |name, _| !is_listed(name)) {
            changes.push(Transition::new(TransitionKind::Left, "", "", "").of(&name));
        }
        for member in &report.members {
            if !self.members.contains_key(&member.name) {
                self.members.insert(Arc::clone(&member.name), LastMember::default());
                if self.begun {
                    changes.push(Transition::new(TransitionKind::Joined, "", "", "").of(&member.name));
                }
            }
        }
    }

    fn ensemble(&mut self, report: &EnsembleReport, verdict: &Verdict, changes: &mut Vec<Transition>) {
        let evidence = || summary(report, verdict);
        if let Some(leader) = leader_text(report, verdict) {
            let epoch = verdict.leader.and_then(|place| report.members[place].epoch());
            let same_epoch = epoch.is_none() || self.epoch.is_none() || epoch == self.epoch;
            let before = self.leader.replace(leader.into());
            if let Some(before) = before
                && (*before != *leader || !same_epoch)
            {
                let evidence = epoch.map_or_else(String::new, |epoch| format!("epoch {epoch}"));
                changes.push(Transition::new(TransitionKind::Leader, &before, leader, &evidence));
            }
            self.epoch = epoch.or(self.epoch);
        }
        match &verdict.zxid_history {
            ZxidHistory::Unknown => {}
            ZxidHistory::Intact => self.regressed = false,
            ZxidHistory::Regressed(lost) => {
                if !std::mem::replace(&mut self.regressed, true) {
                    let zxid = |zxid: u64| format!("zxid 0x{zxid:x}");
                    let evidence = format!(
                        "epoch {} -> {}: committed transactions are missing",
                        lost.newest >> 32,
                        lost.now >> 32
                    );
                    changes.push(Transition::new(
                        TransitionKind::Regression,
                        &zxid(lost.newest),
                        &zxid(lost.now),
                        &evidence,
                    ));
                }
            }
        }
        if let Some(now) = verdict.quorum.has_quorum() {
            let text = |has: bool| if has { "yes" } else { "no" };
            if let Some(before) = self.quorum.replace(now).filter(|before| *before != now) {
                changes.push(Transition::new(TransitionKind::Quorum, text(before), text(now), &evidence()));
            }
        }
        if let Some(now) = verdict.quorum.margin()
            && let Some(before) = self.margin.replace(now).filter(|before| *before != now)
        {
            let (before, after) = (before.to_string(), now.to_string());
            changes.push(Transition::new(TransitionKind::Margin, &before, &after, &evidence()));
        }
        if let Some(now) = verdict.membership_of(report).map(|membership| membership.version)
            && let Some(before) = self.membership.replace(now).filter(|before| *before != now)
        {
            let (before, after) = (format!("version {before:x}"), format!("version {now:x}"));
            changes.push(Transition::new(TransitionKind::Membership, &before, &after, ""));
        }
        self.canaries.take(report, changes);
        self.znodes.take(report, changes);
        self.mismatches(report, verdict, changes);
    }

    /// Whether members began or ceased to differ.
    fn mismatches(&mut self, report: &EnsembleReport, verdict: &Verdict, changes: &mut Vec<Transition>) {
        let drift = &verdict.drift;
        let all = [
            ("VersionMismatch", drift.versions),
            ("ConfigMismatch", drift.configs),
            ("QuorumSizeMismatch", drift.quorum_sizes),
        ];
        for ((condition, distinct), last) in all.into_iter().zip(&mut self.mismatches) {
            let Some(now) = distinct.map(|distinct| distinct > 1) else { continue };
            if last.replace(now).is_none_or(|before| before == now) {
                continue;
            }
            let text = |differ: bool| if differ { "different" } else { "equal" };
            let evidence = if now { differing(condition, report, verdict) } else { String::new() };
            let change = Transition::new(TransitionKind::Mismatch, text(!now), text(now), &evidence);
            changes.push(Transition { condition: Some(condition), ..change });
        }
    }
}

impl LastMember {
    fn take(&mut self, member: &MemberReport, limits: &FigureLimits, now: f64, changes: &mut Vec<Transition>) {
        let mut add = |kind, before: &str, after: &str, evidence: &str| {
            changes.push(Transition::new(kind, before, after, evidence).of(&member.name));
        };
        // A restart is recorded before the new state. The command srst resets all counters but not the uptime, an election
        // resets the uptime but no counter.
        let received = member.count("bytes_received_count");
        let uptime = member.figure("uptime").map(Number::as_f64);
        let counter_fell = received.is_some_and(|now| self.received.replace(now).is_some_and(|before| now < before));
        let before = uptime.and_then(|uptime| self.uptime.replace((now, uptime)));
        let began_again = before.zip(uptime).is_some_and(|((at, before), uptime)| {
            // With rare scrapes, a short uptime is followed by a longer one.
            uptime < before || uptime + UPTIME_TOLERANCE < before + (now - at)
        });
        if counter_fell {
            self.looking = None;
        }
        // A process without a quorum has no counters; a port may also be closed by a firewall.
        let answers_again = member.up && std::mem::replace(&mut self.refused, false);
        // Where the uptime is never visible, the same process may reply again.
        let began_without_quorum = before.is_none() && (uptime.is_some() || member.state == State::NotServing);
        // Releases before 3.6 count no bytes and report no uptime.
        let packets = member.count("packets_received");
        let packets_fell = packets.is_some_and(|now| self.packets.replace(now).is_some_and(|before| now < before));
        if answers_again && (began_again || began_without_quorum || uptime.is_none() && packets_fell) {
            self.figures.expire();
            (self.received, self.looking) = (received, None);
            add(TransitionKind::Restart, "", "", "its port refused connections before");
        } else if counter_fell && (began_again || uptime.is_none()) {
            self.figures.expire();
            let evidence = if began_again {
                "its counters and its uptime were reset"
            } else {
                "its counters were reset by a restart or by srst: its uptime is unknown"
            };
            add(TransitionKind::Restart, "", "", evidence);
        }
        if member.state == State::NoAnswer {
            self.refused = member.failure_detail(Reason::Connect).ends_with(CONNECTION_REFUSED);
        }
        let failures = failures(member);
        if member.state != State::Unknown
            && let Some(before) = self.state.replace(member.state).filter(|before| *before != member.state)
        {
            let why = if member.state == State::NoAnswer { reasons(member) } else { String::new() };
            add(TransitionKind::State, before.text(), member.state.text(), &why);
        }
        // For a member that does not reply, the state already contains the reason.
        if let Some(failures) = failures.filter(|_| !matches!(member.state, State::Unknown | State::NoAnswer)) {
            let text = |failures: &[(Command, Reason)]| {
                let all: Vec<String> =
                    failures.iter().map(|(command, reason)| format!("{}: {}", command.text(), reason.text())).collect();
                if all.is_empty() { "none".to_owned() } else { all.join(", ") }
            };
            let before = self.failures.replace(failures.clone());
            if let Some(before) = before.filter(|before| *before != failures) {
                add(TransitionKind::Failure, &text(&before), &text(&failures), "");
            }
        }
        if let Some(version) =
            member.identity.as_ref().map(|identity| &*identity.version).filter(|text| !text.is_empty())
        {
            let before = self.version.replace(version.into());
            if let Some(before) = before.filter(|before| **before != *version) {
                add(TransitionKind::Version, &before, version, "");
            }
        }
        // Without settings, `conf` is refused now, so that no change is known.
        if let Some(conf) = member.conf.as_ref().filter(|conf| !conf.settings.is_empty()) {
            let before = self.conf.replace(Arc::clone(conf));
            if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, conf)) {
                for (key, old, new) in differences(&before, conf) {
                    add(TransitionKind::Configuration, &old, &new, &key);
                }
            }
        }
        if let Some(looking) = member.count("looking_count")
            && let Some(grown) =
                self.looking.replace(looking).and_then(|before| looking.checked_sub(before)).filter(|grown| *grown > 0)
        {
            add(TransitionKind::Election, "", "", &format!("looked for a leader {grown} time(s)"));
        }
        for crossing in self.figures.take(member, limits, now) {
            let level = |severity: Option<Severity>| severity.map_or("ok", Severity::text);
            let unit = conditions().iter().find(|condition| condition.name == crossing.condition);
            let words = |value: f64| unit.map_or_else(String::new, |condition| condition.unit.words(value));
            let evidence = format!("{}, limit {}", words(crossing.value), words(crossing.limit));
            let change =
                Transition::new(TransitionKind::Threshold, level(crossing.before), level(crossing.after), &evidence);
            changes.push(Transition { condition: Some(crossing.condition), ..change.of(&member.name) });
        }
    }
}

/// The leader in words; `None` if it is unknown.
fn leader_text<'r>(report: &'r EnsembleReport, verdict: &Verdict) -> Option<&'r str> {
    match (verdict.leader, verdict.leader_state) {
        (Some(place), _) => Some(&report.members[place].name),
        (None, _) if verdict.any_unknown => None,
        (None, LeaderState::Silent) => Some("silent"),
        (None, LeaderState::None) => Some("none"),
        (None, LeaderState::Hidden | LeaderState::Seen) => None,
    }
}

/// Failed queries of the commands that are sent in every scrape; `None` if the exporter could not send one.
fn failures(member: &MemberReport) -> Option<Vec<(Command, Reason)>> {
    let each_time = |command: &Command| matches!(command, Command::Mntr | Command::Srvr | Command::Monitor);
    let failures: Vec<_> = member.failures.iter().copied().filter(|(command, _)| each_time(command)).collect();
    (!failures.iter().any(|(_, reason)| *reason == Reason::Limit)).then_some(failures)
}

fn reasons(member: &MemberReport) -> String {
    let mut reasons: Vec<&str> = member.failures.iter().map(|(_, reason)| reason.text()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    reasons.join(", ")
}

/// What differs: versions, or keys of the configuration.
fn differing(condition: &str, report: &EnsembleReport, verdict: &Verdict) -> String {
    let mut texts: Vec<&str> = match condition {
        "VersionMismatch" => {
            let versions = report.members.iter().filter_map(|member| member.identity.as_ref());
            versions.map(|identity| identity.version.as_str()).filter(|version| !version.is_empty()).collect()
        }
        "ConfigMismatch" => verdict.drift.differences.iter().map(|difference| difference.key.as_str()).collect(),
        _ => Vec::new(),
    };
    texts.sort_unstable();
    texts.dedup();
    texts.truncate(MAX_SETTINGS);
    texts.join(", ")
}

/// Seconds by which the uptime may lag behind the clock of the exporter.
const UPTIME_TOLERANCE: f64 = 5.0;

/// Maximum number of settings named in a configuration change.
const MAX_SETTINGS: usize = 10;

/// Lines of `conf` that are not settings: they change with every transaction log and snapshot.
const SIZES: [&str; 2] = ["dataDirSize", "dataLogSize"];

/// The settings that differ: name, old value, new value.
fn differences(before: &SeenConf, after: &SeenConf) -> Vec<(String, String, String)> {
    let value = |conf: &SeenConf, key: &str| {
        conf.settings
            .iter()
            .find(|(name, _)| name == key)
            .map_or_else(|| "unset".to_owned(), |(_, value)| value.clone())
    };
    let mut keys: Vec<&str> = before.settings.iter().chain(&after.settings).map(|(name, _)| name.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| !SIZES.contains(key));
    let differ = keys.into_iter().map(|key| (key.to_owned(), value(before, key), value(after, key)));
    differ.filter(|(_, old, new)| old != new).take(MAX_SETTINGS).collect()
}

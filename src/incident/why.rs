//! Builds the explanation of one ensemble from a judgement and the recorded history.

use std::fmt::Write;

use super::clock::{now, utc};
use super::details::{FindingDetail, detail};
use super::explain::{Scene, Sighting, explain};
use super::explanation::{Explanation, Note};
use super::history::EventHistory;
use super::judged::Judged;
use crate::alert::{Finding as Condition, Thresholds};
use crate::scrape::{EnsembleReport, MemberReport, State};
use crate::verdict::{LeaderState, Level, Verdict, judge};

/// Explains one ensemble of the newest report. A history adds conditions that need a longer time, and the start of the
/// other conditions.
#[must_use]
pub fn why(
    judged: &Judged,
    ensemble: &EnsembleReport,
    thresholds: &Thresholds,
    history: Option<&EventHistory>,
) -> Explanation {
    let verdict = judge(ensemble);
    let mut seen: Vec<Sighting> = judged
        .conditions_of(&ensemble.name)
        .map(|found| sighting(found, detail(found, ensemble, &verdict, history), history))
        .collect();
    if let Some(history) = history {
        seen.retain_mut(|sighting| {
            match history.mean_level(sighting.condition.name, sighting.member.as_deref(), now()) {
                Some(Some(level)) => sighting.severity = sighting.severity.min(level),
                Some(None) => return false,
                None => {}
            }
            true
        });
    }
    let earlier = history.map(|history| history.sightings(&ensemble.name, thresholds, now())).unwrap_or_default();
    let from_history: Vec<String> = earlier.iter().map(|known| known.condition.alert()).collect();
    for known in earlier {
        let same = |other: &Sighting| other.condition.name == known.condition.name && other.member == known.member;
        if !seen.iter().any(same) {
            seen.push(known);
        }
    }
    let not_judged = judged.not_judged(&ensemble.name).iter().filter(|name| !from_history.contains(name));
    let not_judged: Vec<String> = not_judged.cloned().collect();
    let scene = Scene {
        leader: leader(ensemble, &verdict),
        voters: usize::try_from(verdict.quorum.voters).unwrap_or(usize::MAX),
        complete: is_complete(&verdict),
        checked: [judged.checked(&ensemble.name), &from_history].concat(),
        not_judged: not_judged.clone(),
    };
    let causes = explain(&seen, &scene);
    let notes = notes(judged, ensemble, &verdict);
    let critical = causes.iter().any(|cause| cause.severity == "critical")
        || causes.iter().flat_map(|cause| &cause.explains).any(|symptom| symptom.severity == "critical")
        || notes.iter().any(|note| note.severity == "critical");
    let state = match (critical, causes.is_empty() && notes.is_empty()) {
        (true, _) => "critical",
        (false, false) => "warning",
        (false, true) => "ok",
    };
    Explanation {
        ensemble: ensemble.name.to_string(),
        time: utc(now()),
        state: state.to_owned(),
        summary: summary(ensemble, &verdict),
        causes,
        notes,
        judged_over_seconds: judged.over.as_secs_f64(),
        not_judged,
        history_since: history.map(EventHistory::recorded_since),
    }
}

fn sighting(found: &Condition, detail: FindingDetail, history: Option<&EventHistory>) -> Sighting {
    let label = |name: &str| found.labels.get(name).map(String::as_str).filter(|value| !value.is_empty());
    Sighting {
        condition: found.condition,
        severity: found.severity,
        member: label("member").map(str::to_owned),
        says: detail.says.unwrap_or_else(|| found.says.clone()),
        errors: detail.errors,
        actions: detail.actions,
        doubts: detail.doubts,
        first: detail.look.unwrap_or_else(|| found.first.clone()),
        since: history.and_then(|history| history.since(found.condition, label("member"), label("path"))),
        past: false,
    }
}

/// The observed leader, else the only voter that the others can be following, else the last known leader.
fn leader(ensemble: &EnsembleReport, verdict: &Verdict) -> Option<String> {
    let name = |place: usize| ensemble.members[place].name.to_string();
    if let Some(place) = verdict.leader.or(verdict.suspect) {
        return Some(name(place));
    }
    let silent = |place: &usize| verdict.votes[*place] && ensemble.members[*place].state == State::NoAnswer;
    let mut silent = (0..ensemble.members.len()).filter(silent);
    match (verdict.leader_state, silent.next(), silent.next()) {
        (LeaderState::Silent, Some(only), None) => Some(name(only)),
        (LeaderState::Silent, ..) => ensemble.known.leader.as_ref().map(|last| last.member.to_string()),
        // While the others start an election, the last leader counts if it does not reply.
        (LeaderState::Hidden | LeaderState::None, ..) => {
            let last = ensemble.known.leader.as_ref()?;
            let is_silent = |member: &&MemberReport| member.name == last.member && member.state == State::NoAnswer;
            ensemble.members.iter().find(is_silent).map(|member| member.name.to_string())
        }
        (LeaderState::Seen, ..) => None,
    }
}

/// Whether all voters are among the members, so that a standalone member is not a voter.
pub(super) fn is_complete(verdict: &Verdict) -> bool {
    let listed = verdict.votes.iter().filter(|votes| **votes).count() as u64;
    verdict.quorum.voters > 0 && listed >= verdict.quorum.voters
}

/// Findings without a condition.
fn notes(judged: &Judged, ensemble: &EnsembleReport, verdict: &Verdict) -> Vec<Note> {
    judged
        .findings(ensemble, verdict)
        .into_iter()
        .filter(|finding| finding.level < Level::Notice && finding.alert().is_none())
        .map(|finding| Note {
            severity: finding.level.text().to_owned(),
            text: finding.text,
            guide: finding.guide.into_owned(),
        })
        .collect()
}

/// Summarises the quorum: `3 of 3 voters in sync, majority 2, margin 1, leader zk-3:2181`.
#[must_use]
pub fn summary(ensemble: &EnsembleReport, verdict: &Verdict) -> String {
    let quorum = &verdict.quorum;
    let mut text = String::new();
    // Writing to a string cannot fail, here and below.
    let _ = match (quorum.synced, verdict.leader_state) {
        (Some(synced), LeaderState::Seen) => write!(text, "{synced} of {} voters in sync", quorum.voters),
        (Some(synced), _) => write!(text, "{synced} of {} voters seen in sync", quorum.voters),
        (None, _) if verdict.any_unknown => {
            write!(text, "{} voters, the state of some is not known", quorum.voters)
        }
        (None, LeaderState::Hidden) => write!(text, "{} voters, the leader is not seen", quorum.voters),
        (None, _) => write!(text, "{} voters, the quorum is not known", quorum.voters),
    };
    if let Some(majority) = quorum.majority() {
        let _ = write!(text, ", majority {majority}");
    }
    if let Some(margin) = quorum.margin() {
        let _ = write!(text, ", margin {margin}");
    }
    if let Some(leader) = verdict.leader {
        let _ = write!(text, ", leader {}", ensemble.members[leader].name);
    }
    text
}

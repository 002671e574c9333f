//! The JSON result of `why`: causes with the symptoms that they explain, most probable cause first.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::runbook;
use crate::text;

/// The problems of one ensemble and their causes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Explanation {
    /// The name of the ensemble.
    pub ensemble: String,
    /// Time of the judgement.
    pub time: String,
    /// `ok`, `warning` or `critical`: the worst of all causes and notes.
    pub state: String,
    /// Voters, quorum margin and leader in one line.
    pub summary: String,
    /// The most probable cause first; later causes are not explained by earlier ones.
    pub causes: Vec<Cause>,
    /// Findings without an alert.
    pub notes: Vec<Note>,
    /// Time between the two scrapes; 0 for a single scrape.
    pub judged_over_seconds: f64,
    /// Alerts that cannot be evaluated over this time.
    pub not_judged: Vec<String>,
    /// Start of the recorded history of the ensemble; null if the members were queried directly.
    pub history_since: Option<String>,
}

impl Explanation {
    /// Links the causes to the runbooks below `base` (`alerts.runbook_url`).
    #[must_use]
    pub fn linked(mut self, base: Option<&str>) -> Self {
        for cause in &mut self.causes {
            cause.runbook = runbook::url(&format!("docs/runbooks/{}.md", cause.alert), base);
        }
        self
    }
}

impl Explanation {
    /// The same with printable texts only: a document of another exporter may contain anything.
    #[must_use]
    pub fn printable(mut self) -> Self {
        let Self { ensemble, time, state, summary, causes, notes, not_judged, history_since, .. } = &mut self;
        let mut texts = vec![ensemble, time, state, summary];
        texts.extend(not_judged.iter_mut().chain(history_since));
        for cause in causes {
            let Cause {
                alert,
                severity,
                members,
                summary,
                doubts,
                evidence,
                explains,
                first_action,
                look,
                runbook,
                ..
            } = cause;
            texts.extend([alert, severity, summary, first_action, look, runbook]);
            texts.extend(members.iter_mut().chain(doubts));
            for Evidence { member, text, since } in evidence {
                texts.extend(std::iter::once(text).chain(member).chain(since));
            }
            for Symptom { alert, severity, member, text, since, .. } in explains {
                texts.extend([alert, severity, text]);
                texts.extend(member.iter_mut().chain(since));
            }
        }
        for Note { severity, text, guide } in notes {
            texts.extend([severity, text, guide]);
        }
        for text in texts {
            if let Cow::Owned(printable) = text::printable(text) {
                *text = printable;
            }
        }
        self
    }
}

/// A condition that is not explained by another one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cause {
    /// The name of the alert.
    pub alert: String,
    /// `warning` or `critical`.
    pub severity: String,
    /// The affected members; empty for a condition of the ensemble.
    pub members: Vec<String>,
    /// A description in one sentence.
    pub summary: String,
    /// Whether nothing indicates another cause.
    pub sure: bool,
    /// Facts that contradict it, or that could not be observed.
    pub doubts: Vec<String>,
    /// The observations, with values and limits.
    pub evidence: Vec<Evidence>,
    /// The symptoms that it explains.
    pub explains: Vec<Symptom>,
    /// The first action.
    pub first_action: String,
    /// A command for further details.
    pub look: String,
    /// The URL of the runbook.
    pub runbook: String,
}

/// An observed fact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// The affected member; null for the ensemble.
    pub member: Option<String>,
    /// The observation.
    pub text: String,
    /// Start of the condition, if the exporter recorded it.
    pub since: Option<String>,
}

/// A condition that a cause explains.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Symptom {
    /// The name of the alert.
    pub alert: String,
    /// `warning` or `critical`.
    pub severity: String,
    /// The affected member; null for the ensemble.
    pub member: Option<String>,
    /// The observation.
    pub text: String,
    /// Start of the condition, if the exporter recorded it.
    pub since: Option<String>,
    /// Whether it always follows from the cause, so that Alertmanager inhibits it.
    pub always: bool,
}

/// A finding without an alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Note {
    /// `warning` or `critical`.
    pub severity: String,
    /// The observation.
    pub text: String,
    /// The document that explains the finding.
    pub guide: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_another_exporter_paints_the_terminal() {
        let paint = "a\u{1b}[2J\u{9b}\u{202e}\n".to_owned();
        let some = || Some(paint.clone());
        let cause = Cause {
            alert: paint.clone(),
            severity: paint.clone(),
            members: vec![paint.clone()],
            summary: paint.clone(),
            sure: true,
            doubts: vec![paint.clone()],
            evidence: vec![Evidence { member: some(), text: paint.clone(), since: some() }],
            explains: vec![Symptom {
                alert: paint.clone(),
                severity: paint.clone(),
                member: some(),
                text: paint.clone(),
                since: some(),
                always: true,
            }],
            first_action: paint.clone(),
            look: paint.clone(),
            runbook: paint.clone(),
        };
        let explanation = Explanation {
            ensemble: paint.clone(),
            time: paint.clone(),
            state: paint.clone(),
            summary: paint.clone(),
            causes: vec![cause],
            notes: vec![Note { severity: paint.clone(), text: paint.clone(), guide: paint.clone() }],
            judged_over_seconds: 1.0,
            not_judged: vec![paint.clone()],
            history_since: some(),
        };
        let json = serde_json::to_string(&explanation.printable()).expect("JSON");
        assert!(!json.contains('\\') && !json.chars().any(text::is_unprintable), "{json}");
        assert_eq!(json.matches("a\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}").count(), 25);
    }
}

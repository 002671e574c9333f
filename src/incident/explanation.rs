//! The JSON result of `why`: causes with the symptoms that they explain, most probable cause first.

use serde::{Deserialize, Serialize};

use crate::runbook;

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

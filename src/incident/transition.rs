//! A change of an ensemble between two scrapes: the recorded form and the JSON form.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::clock::utc;
use crate::text::printable;

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransitionKind {
    /// The state of a member: leader, follower, no-answer etc.
    State,
    /// The process of a member was restarted.
    Restart,
    /// A member took part in an election.
    Election,
    /// The failed queries of a member, with reasons.
    Failure,
    /// The ZooKeeper version of a member.
    Version,
    /// The settings of a member.
    Configuration,
    /// Whether members differ in versions or settings that should be equal.
    Mismatch,
    /// The version of the membership.
    Membership,
    /// A member was added.
    Joined,
    /// A member was removed.
    Left,
    /// The leader or its epoch.
    Leader,
    /// The newest zxid fell below one seen before.
    Regression,
    /// Whether there is a quorum.
    Quorum,
    /// The quorum margin.
    Margin,
    /// Whether the canary succeeds.
    Canary,
    /// Whether a znode can be read as a number.
    Znode,
    /// A figure or the value of a znode crossed an alert threshold, in either direction.
    Threshold,
    /// The configuration of the exporter was reloaded.
    Reload,
}

impl TransitionKind {
    /// The value of `kind` in JSON.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Restart => "restart",
            Self::Election => "election",
            Self::Failure => "failure",
            Self::Version => "version",
            Self::Configuration => "configuration",
            Self::Mismatch => "mismatch",
            Self::Membership => "membership",
            Self::Joined => "joined",
            Self::Left => "left",
            Self::Leader => "leader",
            Self::Regression => "regression",
            Self::Quorum => "quorum",
            Self::Margin => "margin",
            Self::Canary => "canary",
            Self::Znode => "znode",
            Self::Threshold => "threshold",
            Self::Reload => "reload",
        }
    }
}

/// Maximum length of a text, in characters.
const MAX_TEXT: usize = 200;

/// A recorded change.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// Unique id; increases over time, even after a restart of the exporter.
    pub id: u64,
    /// Time of the observation in Unix seconds.
    pub time: f64,
    /// The kind of change.
    pub kind: TransitionKind,
    /// The member; `None` for a change of the ensemble.
    pub member: Option<Arc<str>>,
    /// The path of the znode, for a change of one.
    pub path: Option<Arc<str>>,
    /// The condition that begins or ends, without `ZooKeeper`.
    pub condition: Option<&'static str>,
    /// The old value.
    pub before: Box<str>,
    /// The new value.
    pub after: Box<str>,
    /// The value and the limit, or the reason.
    pub evidence: Box<str>,
}

impl Transition {
    /// A change without id and time.
    pub(super) fn new(kind: TransitionKind, before: &str, after: &str, evidence: &str) -> Self {
        let cut = |text: &str| -> Box<str> { crate::text::line(text, MAX_TEXT).into() };
        Self {
            id: 0,
            time: 0.0,
            kind,
            member: None,
            path: None,
            condition: None,
            before: cut(before),
            after: cut(after),
            evidence: cut(evidence),
        }
    }

    pub(super) fn of(self, member: &Arc<str>) -> Self {
        Self { member: Some(Arc::clone(member)), ..self }
    }

    /// Memory use in bytes; the names of members and the paths are shared.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.before.len() + self.after.len() + self.evidence.len()
    }

    /// The JSON form.
    #[must_use]
    pub fn described(&self, ensemble: &str) -> TransitionInfo {
        TransitionInfo {
            id: self.id,
            time: utc(self.time),
            ensemble: printable(ensemble).into_owned(),
            member: self.member.as_ref().map(|member| printable(member).into_owned()),
            path: self.path.as_ref().map(|path| printable(path).into_owned()),
            kind: self.kind.text().to_owned(),
            alert: self.condition.map(|name| format!("ZooKeeper{name}")),
            before: self.before.to_string(),
            after: self.after.to_string(),
            evidence: self.evidence.to_string(),
        }
    }
}

/// A change as returned by `/api/v1/events`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TransitionInfo {
    /// Unique id; increases over time.
    pub id: u64,
    /// Time of the observation in UTC.
    pub time: String,
    /// The ensemble; empty for the exporter itself.
    pub ensemble: String,
    /// The member; null for a change of the ensemble.
    pub member: Option<String>,
    /// The znode; null for other changes.
    pub path: Option<String>,
    /// The kind of change.
    pub kind: String,
    /// The alert about what changed, for thresholds, mismatches and znodes.
    pub alert: Option<String>,
    /// The old value; empty if there is none.
    pub before: String,
    /// The new value.
    pub after: String,
    /// The value and the limit, or the reason.
    pub evidence: String,
}

impl TransitionInfo {
    /// One line: `threshold ZooKeeperSlowFsync ok -> warning (142 ms, limit 100 ms)`.
    #[must_use]
    pub fn line(&self) -> String {
        let change = match (self.before.is_empty(), self.after.is_empty()) {
            (true, true) => String::new(),
            (true, false) => self.after.clone(),
            (false, _) => format!("{} -> {}", self.before, self.after),
        };
        let evidence = if self.evidence.is_empty() { String::new() } else { format!("({})", self.evidence) };
        let about =
            [self.alert.as_deref(), self.member.as_deref(), self.path.as_deref(), Some(&change), Some(&evidence)];
        let parts = about.into_iter().flatten().filter(|part| !part.is_empty());
        std::iter::once(self.kind.as_str()).chain(parts).collect::<Vec<_>>().join(" ")
    }
}

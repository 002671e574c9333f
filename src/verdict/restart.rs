//! Whether a member may be restarted without stopping its ensemble, and the order of a rolling restart. Pure functions.
//!
//! The checks are conservative: unknown state is a reason not to restart.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::{Verdict, ZxidHistory, without};
use crate::catalogue::{FamilyId, Own};
use crate::reply::Number;
use crate::scrape::{EnsembleReport, MemberReport, State};
use crate::text;

/// A member with a larger lag is not relied on during a restart; about one second of a busy ensemble.
const MAX_LAG: u64 = 1000;

/// Settings of the restart check.
#[derive(Clone, Copy, Debug)]
pub struct RestartPolicy {
    /// Minimum time that every other member must have had its current role.
    pub settle: Duration,
    /// Permit a restart of the leader even if other members were not restarted since its election.
    pub allow_leader: bool,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self { settle: Duration::from_mins(1), allow_leader: false }
    }
}

/// Whether a member may be restarted now; the JSON answer of command and endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestartAnswer {
    /// Name of the ensemble.
    pub ensemble: String,
    /// Name of the member.
    pub member: String,
    /// Whether it may be restarted.
    pub may_restart: bool,
    /// All reasons not to.
    pub reasons: Vec<String>,
}

impl RestartAnswer {
    /// The answer for the member at this index.
    #[must_use]
    pub fn of(
        report: &EnsembleReport,
        verdict: &Verdict,
        place: usize,
        policy: RestartPolicy,
        recorded: RecordedRole<'_>,
    ) -> Self {
        let reasons = restart_objections(report, verdict, place, policy, recorded);
        Self {
            ensemble: report.name.to_string(),
            member: report.members[place].name.to_string(),
            may_restart: reasons.is_empty(),
            reasons,
        }
    }

    /// Adds a reason not to restart the member.
    pub fn object(&mut self, reason: String) {
        self.reasons.push(reason);
        self.may_restart = false;
    }

    /// The answer as JSON with a trailing newline.
    #[must_use]
    pub fn json(&self) -> String {
        // Only strings and lists, which always serialize.
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        text::escape_json(&json).into_owned() + "\n"
    }
}

/// For the name of a member that does not report its uptime: seconds for which an exporter has recorded its current role.
pub type RecordedRole<'r> = &'r dyn Fn(&str) -> Option<f64>;

/// All reasons not to restart the member at this index now; empty if it may be restarted.
#[must_use]
pub fn restart_objections(
    report: &EnsembleReport,
    verdict: &Verdict,
    place: usize,
    policy: RestartPolicy,
    recorded: RecordedRole<'_>,
) -> Vec<String> {
    let place = verdict.server_of(place);
    let mut check = Check { report, verdict, place, recorded, all: Vec::new() };
    check.sight();
    check.quorum();
    check.others(policy.settle);
    check.synchronisation();
    check.canaries();
    if !policy.allow_leader {
        check.leader_last(policy.settle);
    }
    check.all
}

/// The order of a rolling restart: members that do not reply, members that do not serve, observers, followers, the leader.
#[must_use]
pub fn restart_order(report: &EnsembleReport, verdict: &Verdict) -> Vec<usize> {
    let known = |place: &usize| !verdict.strangers.contains(place) && verdict.server_of(*place) == *place;
    let mut order: Vec<usize> = (0..report.members.len()).filter(known).collect();
    order.sort_by_key(|place| match report.members[*place].state {
        State::Leader => 4,
        _ if [verdict.leader, verdict.suspect].contains(&Some(*place)) => 4,
        state if serves(state) && verdict.votes[*place] => 3,
        state if serves(state) => 2,
        State::NoAnswer => 0,
        _ => 1,
    });
    order
}

struct Check<'r> {
    report: &'r EnsembleReport,
    verdict: &'r Verdict,
    place: usize,
    recorded: RecordedRole<'r>,
    all: Vec<String>,
}

impl<'r> Check<'r> {
    fn member(&self) -> &'r MemberReport {
        &self.report.members[self.place]
    }

    /// The other members of the ensemble, without duplicate servers.
    fn peers(&self) -> impl Iterator<Item = (usize, &'r MemberReport)> + use<'r> {
        let (own, verdict) = (self.place, self.verdict);
        let members = self.report.members.iter().enumerate();
        members.filter(move |(place, _)| {
            *place != own && !verdict.strangers.contains(place) && verdict.server_of(*place) == *place
        })
    }

    /// Whether a member has a role in its ensemble. With `leaderServes=no`, the leader reports that it is not serving.
    fn serves(&self, place: usize) -> bool {
        serves(self.report.members[place].state) || self.verdict.leader == Some(place)
    }

    /// State that must be known before a restart can be assessed.
    fn sight(&mut self) {
        if self.verdict.strangers.contains(&self.place) {
            self.all.push(format!("{} does not belong to ensemble {}", self.member().name, self.report.name));
        }
        if matches!(self.verdict.zxid_history, ZxidHistory::Regressed(_)) {
            self.all.push("the ensemble has lost committed transactions: keep every data directory".to_owned());
        }
        if self.verdict.mixed {
            self.all.push("the members belong to more than one ensemble".to_owned());
        }
        let quorum = &self.verdict.quorum;
        if quorum.incomplete {
            let listed = self.verdict.votes.iter().filter(|votes| **votes).count() as u64;
            let missing = quorum.voters.saturating_sub(listed).max(1);
            self.all.push(format!("{missing} of {} voters not listed: their state is not known", quorum.voters));
        }
        for member in &self.report.members {
            if member.state == State::Unknown {
                let why = if member.limits.is_empty() { "its state is not reported" } else { "limit of the exporter" };
                self.all.push(format!("{} could not be queried: {why}", member.name));
            }
        }
        if self.verdict.leaders.len() > 1 {
            self.all.push(format!("{} members lead", self.verdict.leaders.len()));
        }
    }

    fn quorum(&mut self) {
        let quorum = &self.verdict.quorum;
        let (serves, votes) = (self.serves(self.place), self.verdict.votes[self.place]);
        let is_down = self.member().state == State::NoAnswer;
        if quorum.voters == 1 && votes && !is_down {
            self.all.push("it is the only voter: a restart stops the service".to_owned());
            return;
        }
        let Some(margin) = quorum.margin() else {
            self.all.push(format!("quorum unknown: leader {}", self.verdict.leader_state.text()));
            return;
        };
        if margin < 0 && is_down {
            let remedy = "it does not reply: if its process has ended, start it, which needs no check";
            self.all.push(format!("no quorum: margin {margin}; {remedy}"));
        } else if margin < 0 {
            self.all.push(format!("no quorum: margin {margin}"));
        } else if votes {
            match without(self.report, &BTreeSet::from([self.place])).margin {
                Some(left) if left >= 0 => {}
                Some(_) => self.all.push(format!("margin {margin}: the ensemble stops without this member")),
                None => self.all.push(format!("margin {margin}: unknown without this member")),
            }
        }
        // The member may itself be the one that is not in sync.
        let own = u64::from(votes && !serves);
        if let Some(synced) = quorum.synced
            && synced + own < quorum.voters
        {
            self.all.push(format!("{synced} of {} voters in sync", quorum.voters));
        }
    }

    fn others(&mut self, settle: Duration) {
        let settle = settle.as_secs_f64();
        for (place, member) in self.peers() {
            if !self.serves(place) {
                if self.verdict.votes[place] {
                    self.all.push(format!("{} is {}", member.name, member.state.text()));
                }
                continue;
            }
            if let Some(lag) = self.verdict.lags[place].filter(|lag| *lag > MAX_LAG) {
                self.all.push(format!("{} is {lag} transactions behind the leader", member.name));
            }
            // A leader that serves no clients has led for at least the uptime of its followers.
            if !serves(member.state) {
                continue;
            }
            match uptime(member) {
                Some(uptime) if uptime < settle => self.all.push(format!(
                    "{} has been {} for {uptime:.0} s, less than {settle:.0} s",
                    member.name,
                    member.state.text()
                )),
                None if member.completeness() != Some(true) => {
                    self.all.push(format!("{}: uptime unknown, mntr was not read", member.name));
                }
                // Releases before 3.6 do not report it.
                None => match (self.recorded)(&member.name) {
                    Some(recorded) if recorded < settle => self.all.push(format!(
                        "{} has been observed as {} for {recorded:.0} s, less than {settle:.0} s",
                        member.name,
                        member.state.text()
                    )),
                    None if settle > 0.0 => {
                        self.all.push(format!("{} does not report its uptime: ask a running exporter", member.name));
                    }
                    Some(_) | None => {}
                },
                Some(_) => {}
            }
        }
    }

    /// Learners that receive a snapshot or a diff from the leader.
    fn synchronisation(&mut self) {
        let Some(leader) = self.verdict.leader.map(|leader| &self.report.members[leader]) else { return };
        let count = |key| leader.count(key);
        let (Some(learners), Some(followers)) = (count("learners"), count("synced_followers")) else { return };
        let synced = followers + count("synced_observers").unwrap_or(0);
        if learners > synced {
            self.all.push(format!("{} of {learners} learners are synchronising with the leader", learners - synced));
        }
    }

    /// The canary of the ensemble, and those of the members on which the ensemble relies meanwhile. A canary of this
    /// member, of an observer, or of a member that does not serve is not a further objection.
    fn canaries(&mut self) {
        let (family, samples) = (FamilyId::from(Own::CanaryUp), &self.report.samples);
        for cell in samples.cells().iter().filter(|cell| cell.family() == family && cell.value().as_f64() < 1.0) {
            let name = samples.label_values(*cell).next().unwrap_or("");
            let relies_on = |(place, member): (usize, &MemberReport)| {
                *member.name == *name && self.verdict.votes[place] && self.serves(place)
            };
            if name.is_empty() {
                self.all.push("the canary of the ensemble fails".to_owned());
            } else if self.peers().any(relies_on) {
                self.all.push(format!("the canary of {name} fails"));
            }
        }
    }

    /// The leader is last: every other voter must have taken its role well after the leader's election.
    fn leader_last(&mut self, settle: Duration) {
        if self.verdict.leader != Some(self.place) || self.verdict.quorum.voters == 1 {
            return;
        }
        let own = uptime(self.member()).unwrap_or(0.0);
        let restarted =
            |member: &MemberReport| uptime(member).is_some_and(|uptime| uptime + settle.as_secs_f64() < own);
        let names: Vec<&str> = self
            .peers()
            .filter(|(place, member)| self.verdict.votes[*place] && !restarted(member))
            .map(|(_, member)| &*member.name)
            .collect();
        if !names.is_empty() {
            let names = names.join(", ");
            self.all.push(format!("it leads: restart the other voters first ({names}), or allow it (--allow-leader)"));
        }
    }
}

/// Whether the state is a role in an ensemble.
fn serves(state: State) -> bool {
    matches!(state, State::Leader | State::Follower | State::Observer | State::Standalone)
}

/// Seconds since the member took its current role; a value that is not a time is unknown.
fn uptime(member: &MemberReport) -> Option<f64> {
    member.figure("uptime").map(Number::as_f64).filter(|uptime| uptime.is_finite() && *uptime >= 0.0)
}

//! What is wrong with an ensemble, in words, the worst first, each with the document that says what to do.

use std::borrow::Cow;
use std::slice;

use super::Verdict;
use crate::config::Command;
use crate::scrape::{EnsembleReport, MemberReport, State};
use crate::text::line;
use crate::wire::Reason;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A fault is here.
    Critical,
    /// A fault is coming, or part of the ensemble is not what it should be.
    Warning,
    /// Worth knowing.
    Notice,
}

impl Level {
    /// The word for it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What is wrong, in a sentence. It may hold what members said: escape it where it is shown.
    pub text: String,
    /// The document of this project that says what to do, from the top folder, with its anchor.
    pub guide: Cow<'static, str>,
}

/// Fewer transactions behind the leader are not worth a word: about a second of a busy ensemble. The alert has the same.
pub const LAG_WORTH_A_WARNING: u32 = 1000;

/// A finding names no more servers than this.
const MAX_SHOWN: usize = 5;

/// Beyond this part of an epoch the forced election is near. The alert has the same.
pub const EPOCH_NEARLY_USED: f64 = 0.9;

const OVERLOADED: &str = "docs/runbooks/ZooKeeperExporterOverloaded.md";
pub(super) const DOWN: &str = "docs/runbooks/ZooKeeperMemberDown.md";
const NOT_SERVING: &str = "docs/runbooks/ZooKeeperMemberNotServing.md";
const ANOTHER: &str = "docs/verdicts.md#another-ensemble";

/// Everything that is wrong, the worst first.
#[must_use]
pub fn findings(report: &EnsembleReport, verdict: &Verdict) -> Vec<Finding> {
    let mut found = Found { report, verdict, all: Vec::new() };
    found.unknown();
    found.quorum();
    found.leaders();
    found.membership();
    for place in 0..report.members.len() {
        found.member(place);
    }
    found.digests();
    found.drift();
    found.all.sort_by_key(|finding| finding.level);
    found.all
}

pub(super) struct Found<'r> {
    pub(super) report: &'r EnsembleReport,
    pub(super) verdict: &'r Verdict,
    all: Vec<Finding>,
}

impl Found<'_> {
    pub(super) fn add(&mut self, level: Level, guide: &'static str, text: String) {
        self.all.push(Finding { level, text, guide: guide.into() });
    }

    pub(super) fn name(&self, place: usize) -> &str {
        &self.report.members[place].name
    }

    fn names(&self, places: &[usize]) -> String {
        places.iter().map(|place| self.name(*place)).collect::<Vec<_>>().join(", ")
    }

    /// Members that the exporter could not ask, for reasons of its own.
    fn unknown(&mut self) {
        let unknown: Vec<_> = self.report.members.iter().filter(|member| member.state == State::Unknown).collect();
        if unknown.is_empty() {
            return;
        }
        let mut limits: Vec<_> = unknown.iter().flat_map(|member| &member.limits).collect();
        limits.sort_unstable();
        limits.dedup();
        let limits: Vec<&str> = limits.into_iter().map(|limit| limit.text()).collect();
        let who = match unknown.as_slice() {
            [one] => one.name.to_string(),
            more => format!("{} of {} members", more.len(), self.report.members.len()),
        };
        let text = format!(
            "Not asked: {who}, because of the exporter's own limits ({}). Nothing is known of their state.",
            limits.join(", ")
        );
        self.add(Level::Warning, OVERLOADED, text);
    }

    fn leaders(&mut self) {
        let verdict = self.verdict;
        if verdict.leaders.len() > 1 {
            let text = format!(
                "{} lead at once: {}. Compare their data and epochs before anything is stopped.",
                verdict.leaders.len(),
                self.names(&verdict.leaders)
            );
            self.add(Level::Critical, "docs/runbooks/ZooKeeperMultipleLeaders.md", text);
        }
        for place in &verdict.stale_leaders {
            let text =
                format!("{} still calls itself leader, of an older epoch; it decides nothing.", self.name(*place));
            self.add(Level::Warning, "docs/verdicts.md#stale-leader", text);
        }
        if let Some(used) = verdict.epoch_used.filter(|used| *used > EPOCH_NEARLY_USED) {
            let text = format!(
                "{:.1} % of the epoch's transaction numbers are used up; at 100 % the leader forces an election.",
                used * 100.0
            );
            self.add(Level::Warning, "docs/runbooks/ZooKeeperZxidRollover.md", text);
        }
    }

    /// Where the list of members and the membership differ.
    fn membership(&mut self) {
        let verdict = self.verdict;
        if verdict.mixed {
            let own: Vec<usize> =
                (0..self.report.members.len()).filter(|place| !verdict.strangers.contains(place)).collect();
            let text = format!(
                "The list has members of two ensembles: {} and {}. What is said here is of the first, which is listed \
                 first. Correct the list; nothing needs to be stopped.",
                self.names(&own),
                self.names(&verdict.foreign)
            );
            self.add(Level::Warning, ANOTHER, text);
        }
        for (place, other) in &verdict.duplicates {
            let text = format!(
                "{} is {} once more: one server is listed twice, and counted once. Remove one of the two.",
                self.name(*place),
                self.name(*other)
            );
            self.add(Level::Warning, "docs/verdicts.md#one-server-twice", text);
        }
        if let Some(not_asked) = verdict.not_asked.as_ref().filter(|not_asked| not_asked.count > 0) {
            let shown: Vec<String> = not_asked
                .servers
                .iter()
                .take(MAX_SHOWN)
                .map(|(id, place)| format!("server {} ({})", line(id, 40), line(place, 80)))
                .collect();
            let of = if not_asked.servers.len() > not_asked.count { "some of " } else { "" };
            let text = format!(
                "{} not asked: {of}{}. Its name is gone, its address changed, or it is not listed.",
                plural(not_asked.count, "voter of the membership is", "voters of the membership are"),
                shown.join(", ")
            );
            self.add(Level::Warning, "docs/verdicts.md#voters-not-asked", text);
        }
        let Some(membership) = verdict.membership_of(self.report) else { return };
        let unreadable: Vec<String> = membership.unreadable().take(MAX_SHOWN).map(|id| line(id, 40)).collect();
        if !unreadable.is_empty() {
            let text = format!(
                "The membership has lines that cannot be read: server.{}. Each is counted as a server of unknown address.",
                unreadable.join(", server.")
            );
            self.add(Level::Warning, "docs/verdicts.md#unreadable-membership", text);
        }
        if membership.servers_over_cap > 0 {
            let text = format!(
                "The membership has {} servers more than the exporter reads; each is counted as a voter.",
                membership.servers_over_cap
            );
            self.add(Level::Warning, "docs/verdicts.md#unreadable-membership", text);
        }
    }

    fn member(&mut self, place: usize) {
        let member = &self.report.members[place];
        let name = &member.name;
        let foreign = self.verdict.foreign.contains(&place);
        let alone = self.verdict.strangers.contains(&place) && !foreign;
        let is_duplicate = self.verdict.duplicates.iter().any(|(duplicate, _)| *duplicate == place);
        // As the alerts judge: the quorum does not need an observer.
        let (lost, votes) = if self.verdict.votes[place] || is_duplicate {
            (Level::Critical, "")
        } else {
            (Level::Warning, " It has no vote.")
        };
        let why = reasons(slice::from_ref(member));
        match member.state {
            State::NoAnswer if member.up => {
                let text = format!("{name} does not say what it does{why}.");
                self.add(Level::Warning, "docs/runbooks/ZooKeeperMntrMissing.md", text);
            }
            State::NoAnswer
                if (self.verdict.members_up > 0 || self.verdict.any_unknown) && member.connect.is_some() =>
            {
                let text = format!(
                    "{name} accepts connections but does not answer{why}: it loads its data, is paused, or is overloaded.{votes}"
                );
                self.add(lost, DOWN, text);
            }
            State::NoAnswer if self.verdict.members_up > 0 || self.verdict.any_unknown => {
                self.add(lost, DOWN, format!("{name} does not answer{why}.{votes}"));
            }
            // Its own finding says what it may be.
            State::NotServing if self.verdict.suspect == Some(place) => {}
            State::NotServing => {
                let text = format!(
                    "{name} runs but serves no clients: it looks for a leader, loads its data, or cannot sync.{votes}"
                );
                self.add(lost, NOT_SERVING, text);
            }
            State::ReadOnly => {
                let text = format!("{name} is cut off from the quorum and serves reads only, which may be old.");
                self.add(Level::Critical, "docs/runbooks/ZooKeeperMemberReadOnly.md", text);
            }
            _ if alone => {
                let text = format!("{name} serves alone, with data of its own: its zoo.cfg does not name the others.");
                self.add(Level::Critical, "docs/runbooks/ZooKeeperStandaloneInEnsemble.md", text);
            }
            _ => {}
        }
        if foreign && !self.verdict.mixed {
            let text = format!(
                "{name} belongs to another ensemble by its membership; it is not counted here. Correct the list."
            );
            self.add(Level::Warning, ANOTHER, text);
        }
        if let Some(lag) = self.verdict.lags[place].filter(|lag| *lag > u64::from(LAG_WORTH_A_WARNING)) {
            let text = format!("{name} is {lag} transactions behind the leader.");
            self.add(Level::Warning, "docs/runbooks/ZooKeeperZxidLag.md", text);
        }
        self.refusals(member, &why);
    }

    fn refusals(&mut self, member: &MemberReport, why: &str) {
        const MNTR_MISSING: &str = "docs/runbooks/ZooKeeperMntrMissing.md";
        let name = &member.name;
        let refuses = |command: Command| member.failures.contains(&(command, Reason::NotAllowed));
        if !member.state.serves() {
            return;
        }
        if refuses(Command::Mntr) {
            let text = format!("{name} refuses mntr: only what srvr says is known of it.");
            self.add(Level::Warning, MNTR_MISSING, text);
        } else if refuses(Command::Srvr) {
            let text = format!("{name} refuses srvr: its zxid, epoch and lag are not known.");
            self.add(Level::Notice, MNTR_MISSING, text);
        } else if !member.complete && !member.failures.is_empty() {
            self.add(Level::Warning, MNTR_MISSING, format!("{name}: not all was read{why}."));
        }
    }

    fn drift(&mut self) {
        let drift = &self.verdict.drift;
        if drift.configs.is_some_and(|number| number > 1) {
            let keys: Vec<&str> = drift.differences.iter().map(|difference| difference.key.as_str()).collect();
            let text = format!("Members are configured differently: {}.", keys.join(", "));
            self.add(Level::Warning, "docs/runbooks/ZooKeeperConfigMismatch.md", text);
        }
        if drift.quorum_sizes.is_some_and(|number| number > 1) {
            let text = "Members disagree on the number of voters: two majorities become possible.";
            self.add(Level::Warning, "docs/runbooks/ZooKeeperQuorumSizeMismatch.md", text.into());
        }
        if drift.epochs.is_some_and(|number| number > 1) && self.verdict.stale_leaders.is_empty() {
            let text = "Members are of different epochs; for a moment after an election that is normal.";
            self.add(Level::Notice, "docs/runbooks/ZooKeeperEpochMismatch.md", text.into());
        }
        if drift.versions.is_some_and(|number| number > 1) {
            let mut versions: Vec<&str> = self
                .report
                .members
                .iter()
                .filter_map(|member| Some(member.identity.as_ref()?.version.as_str()))
                .collect();
            versions.sort_unstable();
            versions.dedup();
            let text = format!("Members run different versions: {}.", versions.join(", "));
            self.add(Level::Notice, "docs/runbooks/ZooKeeperVersionMismatch.md", text);
        }
    }
}

impl Found<'_> {
    /// A counter that must be zero: one look judges it, for diverged data do not become equal again by themselves.
    fn digests(&mut self) {
        for member in &self.report.members {
            if let Some(count) = member.count("digest_mismatches_count").filter(|count| *count > 0) {
                let text = format!(
                    "{} has counted {count} digest mismatch(es) since its start: its data may have diverged from the others'.",
                    member.name
                );
                self.add(Level::Critical, "docs/runbooks/ZooKeeperDigestMismatch.md", text);
            }
        }
    }
}

/// ` (connect)`: the reasons of what failed, each once.
pub(super) fn reasons(members: &[MemberReport]) -> String {
    let failures = members.iter().flat_map(|member| &member.failures);
    let mut reasons: Vec<&str> = failures.map(|(_, reason)| reason.text()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) }
}

pub(super) fn plural(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

//! Findings about an ensemble as text, most severe first, each with a link to its guide.

use std::borrow::Cow;
use std::slice;
use std::sync::Arc;

use super::{Verdict, ZxidHistory};
use crate::config::Command;
use crate::scrape::{EnsembleReport, MemberReport, State};
use crate::text::line;
use crate::wire::Reason;

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A fault.
    Critical,
    /// An impending fault, or a part of the ensemble in an unexpected state.
    Warning,
    /// Informational.
    Notice,
}

impl Level {
    /// The severity as text.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its severity.
    pub level: Level,
    /// A sentence. It may contain text received from members and must be escaped for output.
    pub text: String,
    /// Path of the guide, relative to the repository root, with an anchor.
    pub guide: Cow<'static, str>,
    /// The affected member, if the finding is about one.
    pub member: Option<Arc<str>>,
}

impl Finding {
    /// The alert whose runbook is the guide. Its condition, with the configured limits, decides whether the finding
    /// applies.
    #[must_use]
    pub fn alert(&self) -> Option<&str> {
        self.guide.strip_prefix("docs/runbooks/")?.strip_suffix(".md")
    }
}

/// Maximum number of servers named in a finding.
pub(super) const MAX_SHOWN: usize = 5;

const OVERLOADED: &str = "docs/runbooks/ZooKeeperExporterOverloaded.md";
pub(super) const DOWN: &str = "docs/runbooks/ZooKeeperMemberDown.md";
const OBSERVER_DOWN: &str = "docs/runbooks/ZooKeeperObserverDown.md";
const NOT_SERVING: &str = "docs/runbooks/ZooKeeperMemberNotServing.md";
const ANOTHER: &str = "docs/verdicts.md#another-ensemble";

/// All findings, most severe first.
#[must_use]
pub fn findings(report: &EnsembleReport, verdict: &Verdict) -> Vec<Finding> {
    let mut found = FindingList { report, verdict, all: Vec::new() };
    found.zxid_history();
    found.unknown();
    found.quorum();
    found.leaders();
    found.membership();
    for place in 0..report.members.len() {
        found.member(place);
    }
    found.digests();
    found.drift();
    found.placement();
    found.all.sort_by_key(|finding| finding.level);
    found.all
}

pub(super) struct FindingList<'r> {
    pub(super) report: &'r EnsembleReport,
    pub(super) verdict: &'r Verdict,
    all: Vec<Finding>,
}

impl FindingList<'_> {
    pub(super) fn add(&mut self, level: Level, guide: &'static str, text: String) {
        self.all.push(Finding { level, text, guide: guide.into(), member: None });
    }

    fn add_of(&mut self, place: usize, level: Level, guide: &'static str, text: String) {
        let member = Some(Arc::clone(&self.report.members[place].name));
        self.all.push(Finding { level, text, guide: guide.into(), member });
    }

    pub(super) fn name(&self, place: usize) -> &str {
        &self.report.members[place].name
    }

    pub(super) fn names(&self, places: &[usize]) -> String {
        places.iter().map(|place| self.name(*place)).collect::<Vec<_>>().join(", ")
    }

    /// Members that were not queried because of the exporter's own limits or failures.
    fn unknown(&mut self) {
        let refused = |member: &MemberReport| member.up && member.limits.is_empty();
        for (place, member) in self.report.members.iter().enumerate() {
            if member.state == State::Unknown && refused(member) {
                let (name, answers) = (self.name(place), member.identity.is_some());
                let text = if answers {
                    format!("{name} reports a state that the exporter does not know: whether it serves is not known.")
                } else {
                    format!(
                        "{name} answers, but every command that reports its state is refused: whether it serves is not \
                         known. Add mntr and srvr to 4lw.commands.whitelist."
                    )
                };
                self.add_of(place, Level::Warning, "docs/runbooks/ZooKeeperMntrMissing.md", text);
            }
        }
        let limited = |member: &&MemberReport| member.state == State::Unknown && !refused(member);
        let unknown: Vec<_> = self.report.members.iter().filter(limited).collect();
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
            "Not queried: {who}, because of the exporter's own limits ({}). Their state is unknown.",
            limits.join(", ")
        );
        self.add(Level::Warning, OVERLOADED, text);
    }

    fn leaders(&mut self) {
        let verdict = self.verdict;
        if verdict.leaders.len() > 1 {
            let text = format!(
                "{} members lead at the same time: {}. Compare their data and epochs before you stop any of them.",
                verdict.leaders.len(),
                self.names(&verdict.leaders)
            );
            self.add(Level::Critical, "docs/runbooks/ZooKeeperMultipleLeaders.md", text);
        }
        for place in &verdict.stale_leaders {
            let text = format!(
                "{} still reports that it leads, with an older epoch; it cannot commit writes.",
                self.name(*place)
            );
            self.add(Level::Warning, "docs/verdicts.md#stale-leader", text);
        }
    }

    /// Differences between the member list and the membership.
    fn membership(&mut self) {
        let verdict = self.verdict;
        if verdict.mixed {
            let own: Vec<usize> =
                (0..self.report.members.len()).filter(|place| !verdict.strangers.contains(place)).collect();
            let text = format!(
                "The list has members of two ensembles: {} and {}. These findings are about the first one. Correct the list; do \
                 not stop any member.",
                self.names(&own),
                self.names(&verdict.foreign)
            );
            self.add(Level::Warning, ANOTHER, text);
        }
        for (place, other) in &verdict.duplicates {
            let text = format!(
                "{} and {} may be the same server, listed twice; they are counted once. If they are, remove one of the two; \
                 two new and idle servers cannot be distinguished.",
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
                "{} not queried: {of}{}. Removed from DNS, at a new address, or not listed.",
                plural(not_asked.count, "voter of the membership is", "voters of the membership are"),
                shown.join(", ")
            );
            self.add(Level::Warning, "docs/verdicts.md#voters-not-queried", text);
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
        // As in the alerts: a member without a vote is not needed for a quorum.
        let (lost, down, votes) = if self.verdict.voters[place] == Some(false) {
            (Level::Warning, OBSERVER_DOWN, " It has no vote.")
        } else {
            (Level::Critical, DOWN, "")
        };
        let why = reasons(slice::from_ref(member));
        match member.state {
            State::NoAnswer if member.up => {
                let text = format!("{name} does not report its state{why}.");
                self.add_of(place, Level::Warning, "docs/runbooks/ZooKeeperMntrMissing.md", text);
            }
            State::NoAnswer
                if (self.verdict.members_up > 0 || self.verdict.any_unknown)
                    && !member.failure_detail(Reason::Garbage).is_empty() =>
            {
                let detail = member.failure_detail(Reason::Garbage);
                self.add_of(place, lost, down, format!("Another program answers at {name}{why}: {detail}{votes}"));
            }
            State::NoAnswer if closes(member) && (self.verdict.members_up > 0 || self.verdict.any_unknown) => {
                let text = format!(
                    "{name} closes connections without a reply{why}, as with maxClientCnxns reached for the exporter's \
                     address{}.{votes}",
                    connection_limit(member)
                );
                self.add_of(place, lost, down, text);
            }
            State::NoAnswer
                if (self.verdict.members_up > 0 || self.verdict.any_unknown) && member.connect.is_some() =>
            {
                let text = format!(
                    "{name} accepts connections but does not answer{why}: it is loading its data, paused or overloaded.{votes}"
                );
                self.add_of(place, lost, down, text);
            }
            State::NoAnswer if self.verdict.members_up > 0 || self.verdict.any_unknown => {
                self.add_of(place, lost, down, format!("{name} does not answer{why}.{votes}"));
            }
            // Covered by the finding about the suspected leader.
            State::NotServing if self.verdict.suspect == Some(place) => {}
            State::NotServing => {
                let text = format!(
                    "{name} is running but not serving: it is looking for a leader, loading its data, or cannot sync.{votes}"
                );
                self.add_of(place, lost, NOT_SERVING, text);
            }
            State::ReadOnly => {
                let text = format!("{name} is cut off from the quorum and serves only reads, which may be stale.");
                self.add_of(place, Level::Critical, "docs/runbooks/ZooKeeperMemberReadOnly.md", text);
            }
            _ if alone => {
                let text = format!(
                    "{name} is a standalone server with its own data: its zoo.cfg does not list the other members."
                );
                self.add_of(place, Level::Critical, "docs/runbooks/ZooKeeperStandaloneInEnsemble.md", text);
            }
            _ => {}
        }
        if foreign && !self.verdict.mixed {
            let text = format!(
                "{name} belongs to another ensemble according to its membership and is not counted. Correct the list."
            );
            self.add(Level::Warning, ANOTHER, text);
        }
        self.refusals(place, &why);
    }

    fn refusals(&mut self, place: usize, why: &str) {
        const MNTR_MISSING: &str = "docs/runbooks/ZooKeeperMntrMissing.md";
        let member = &self.report.members[place];
        let name = &member.name;
        let refuses = |command: Command| member.failures.contains(&(command, Reason::NotAllowed));
        if !member.state.serves() {
            return;
        }
        if refuses(Command::Mntr) {
            let text = format!("{name} refuses mntr: only the values of srvr are known.");
            self.add_of(place, Level::Warning, MNTR_MISSING, text);
        } else if refuses(Command::Srvr) {
            let text = format!("{name} refuses srvr: its zxid, epoch and lag are unknown.");
            self.add_of(place, Level::Notice, MNTR_MISSING, text);
        } else if !member.complete && !member.failures.is_empty() {
            let limit = if closes(member) {
                format!("; is maxClientCnxns{} reached for the exporter's address?", connection_limit(member))
            } else {
                ".".to_owned()
            };
            let text = format!("{name}: not all replies were read{why}{limit}");
            self.add_of(place, Level::Warning, MNTR_MISSING, text);
        }
    }

    fn drift(&mut self) {
        let drift = &self.verdict.drift;
        if drift.configs.is_some_and(|number| number > 1) {
            let text = format!("Members have different configurations: {}.", drift.text(&self.report.members));
            self.add(Level::Warning, "docs/runbooks/ZooKeeperConfigMismatch.md", text);
        }
        if drift.quorum_sizes.is_some_and(|number| number > 1) {
            let text = "Members disagree on the number of voters: two majorities are possible.";
            self.add(Level::Warning, "docs/runbooks/ZooKeeperQuorumSizeMismatch.md", text.into());
        }
        if drift.epochs.is_some_and(|number| number > 1) && self.verdict.stale_leaders.is_empty() {
            let text = "Members are in different epochs; this is normal for a moment after an election.";
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

impl FindingList<'_> {
    /// A counter that must be zero. One scrape is sufficient, because diverged data does not converge again.
    fn digests(&mut self) {
        for place in 0..self.report.members.len() {
            let member = &self.report.members[place];
            if let Some(count) = member.count("digest_mismatches_count").filter(|count| *count > 0) {
                let text = format!(
                    "{} has counted {count} digest mismatch(es) since its start: its data may differ from the others'.",
                    member.name
                );
                self.add_of(place, Level::Critical, "docs/runbooks/ZooKeeperDigestMismatch.md", text);
            }
        }
        self.data();
    }

    /// Committed transactions that are missing.
    fn zxid_history(&mut self) {
        let ZxidHistory::Regressed(lost) = &self.verdict.zxid_history else { return };
        let holders = match lost.holders.as_slice() {
            [] => "No member that had newer ones is left".to_owned(),
            places => format!("{} had newer ones, and may hold the last copy", self.names(places)),
        };
        let (before, now) = (lost.newest, lost.now);
        let text = format!(
            "Committed transactions are missing: the epoch went from {} to {} (zxid 0x{before:x} to 0x{now:x}). {holders}: \
             do not clear a data directory or restart a member.",
            before >> 32,
            now >> 32
        );
        self.add(Level::Critical, "docs/runbooks/ZooKeeperZxidRegressed.md", text);
    }

    /// Members whose data differs from the others'.
    fn data(&mut self) {
        const DIVERGED: &str = "docs/runbooks/ZooKeeperDataDiverged.md";
        let differences = self.verdict.data.differences.clone();
        for (member, reference, difference) in differences {
            let (name, other) = (self.name(member), self.name(reference));
            let from = format!("0x{:x}", difference.from);
            let between = match difference.after {
                Some(after) => format!("since a transaction between 0x{after:x} and {from}"),
                None => format!("at every common transaction since {from}"),
            };
            if difference.proven {
                let text = format!(
                    "The data of {name} and {other} differ: their digests differ {between}. Copy the files of both before you \
                     restart anything."
                );
                self.add(Level::Critical, DIVERGED, text);
            } else {
                let text = format!(
                    "The digest of {name} differs from that of {other} {between}. If {name} or {other} has just received a \
                     snapshot, this proves nothing; the next digests, 128 transactions later, are decisive."
                );
                self.add(Level::Warning, DIVERGED, text);
            }
        }
    }
}

/// Whether a member closes connections without a reply, as it does above its limits of connections.
fn closes(member: &MemberReport) -> bool {
    let closed = |(_, reason): &(Command, Reason)| matches!(reason, Reason::Empty | Reason::Reset);
    member.failures.iter().any(closed)
}

/// ` (60)`: the number of connections that a member allows from one address, if it is known.
fn connection_limit(member: &MemberReport) -> String {
    let limit = member.conf.as_ref().and_then(|conf| conf.max_client_connections).filter(|limit| *limit > 0);
    limit.map_or_else(String::new, |limit| format!(" ({limit})"))
}

/// ` (connect)`: the failure reasons, without duplicates.
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

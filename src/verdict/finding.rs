//! What is wrong with an ensemble, in words, the worst first, each with the document that says what to do.

use std::slice;

use super::{Verdict, VotersSource};
use crate::config::Word;
use crate::scrape::{EnsembleReport, MemberReport, State};
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
    pub guide: &'static str,
}

/// Fewer transactions behind the leader are not worth a word: about a second of a busy ensemble. The alert has the same.
pub const LAG_WORTH_A_WARNING: u32 = 1000;

/// Beyond this part of an epoch the forced election is near. The alert has the same.
pub const EPOCH_NEARLY_USED: f64 = 0.9;

const NO_LEADER: &str = "docs/runbooks/ZooKeeperQuorumLost.md";
const MARGIN: &str = "docs/runbooks/ZooKeeperQuorumMarginZero.md";
const OVERLOADED: &str = "docs/runbooks/ZooKeeperExporterOverloaded.md";
const DOWN: &str = "docs/runbooks/ZooKeeperMemberDown.md";
const NOT_SERVING: &str = "docs/runbooks/ZooKeeperMemberNotServing.md";

/// Everything that is wrong, the worst first.
#[must_use]
pub fn findings(report: &EnsembleReport, verdict: &Verdict) -> Vec<Finding> {
    let mut found = Found { report, verdict, all: Vec::new() };
    found.unknown();
    found.quorum();
    found.leaders();
    for place in 0..report.members.len() {
        found.member(place);
    }
    found.drift();
    found.all.sort_by_key(|finding| finding.level);
    found.all
}

struct Found<'r> {
    report: &'r EnsembleReport,
    verdict: &'r Verdict,
    all: Vec<Finding>,
}

impl Found<'_> {
    fn add(&mut self, level: Level, guide: &'static str, text: String) {
        self.all.push(Finding { level, text, guide });
    }

    fn name(&self, place: usize) -> &str {
        &self.report.members[place].name
    }

    fn names(&self, places: &[usize]) -> String {
        places.iter().map(|place| self.name(*place)).collect::<Vec<_>>().join(", ")
    }

    fn count(&self, state: State) -> usize {
        self.report.members.iter().filter(|member| member.state == state).count()
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

    fn quorum(&mut self) {
        let (members, up) = (self.report.members.len(), self.verdict.members_up);
        let quorum = self.verdict.quorum;
        let (voters, followers) = (quorum.voters, self.count(State::Follower));
        if up == 0 && self.verdict.any_unknown {
            return;
        }
        if up == 0 {
            let why = reasons(&self.report.members);
            let text = match members {
                1 => format!("{} does not answer{why}, and nobody else is asked.", self.name(0)),
                _ => format!(
                    "None of the {members} members answers{why}: the ensemble is down, or the exporter is cut off from it."
                ),
            };
            self.add(Level::Critical, DOWN, text);
            return;
        }
        if quorum.hierarchical {
            let text = "Quorums are by groups and weights: whether there is one cannot be told by counting heads.";
            self.add(Level::Notice, "docs/verdicts.md#hierarchical-quorums", text.into());
        } else if quorum.synced.is_none() && self.verdict.any_unknown {
            // Said already: the leader may be one of those that were not asked.
        } else if quorum.synced.is_none() {
            let text =
                format!("Fewer members are asked than the {voters} that vote, and the leader is not among them.");
            self.add(Level::Notice, "docs/verdicts.md#leader-not-asked", text);
        } else if let (Some(false), Some(majority)) = (quorum.has_quorum(), quorum.majority()) {
            let synced = quorum.synced.unwrap_or(0);
            let text = match self.verdict.leader {
                Some(leader) => format!(
                    "No quorum: {} leads with {synced} of {voters} voters in sync, {majority} are needed. No write succeeds.",
                    self.name(leader)
                ),
                None if followers > 0 => format!(
                    "The leader does not answer, and {} still. Until it answers or they give it up{}, no write succeeds.",
                    plural(followers, "follower follows it", "followers follow it"),
                    self.patience(),
                ),
                None => format!(
                    "No member leads: an election is under way, or fewer than {majority} of {voters} voters reach each \
                     other. No write succeeds."
                ),
            };
            self.add(Level::Critical, NO_LEADER, text);
        } else if quorum.margin() == Some(0) && voters > 1 {
            let synced = quorum.synced.unwrap_or(0);
            let text =
                format!("{synced} of {voters} voters are in sync, just enough: one more failure stops the ensemble.");
            self.add(Level::Warning, MARGIN, text);
        }
        if voters > 1 && voters % 2 == 0 && quorum.source != VotersSource::Configuration {
            let text =
                format!("{voters} voters survive no more failures than {} would; add or remove one.", voters - 1);
            self.add(Level::Notice, "docs/runbooks/ZooKeeperEnsembleEvenSize.md", text);
        }
    }

    /// How long followers wait for a silent leader, where their `conf` is known.
    fn patience(&self) -> String {
        let setting = |member: &MemberReport, key: &str| {
            let conf = member.conf.as_ref()?;
            conf.settings.iter().find(|(name, _)| name == key)?.1.parse::<u64>().ok()
        };
        let patience = self
            .report
            .members
            .iter()
            .find_map(|member| setting(member, "tickTime")?.checked_mul(setting(member, "syncLimit")?));
        patience.map_or_else(String::new, |millis| format!(" (syncLimit: {} s)", millis.div_ceil(1000)))
    }

    fn leaders(&mut self) {
        let verdict = self.verdict;
        if verdict.leaders.len() > 1 {
            let text = format!("{} lead at once: {}.", verdict.leaders.len(), self.names(&verdict.leaders));
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

    fn member(&mut self, place: usize) {
        let member = &self.report.members[place];
        let name = &member.name;
        let alone = self.verdict.strangers.contains(&place) && member.state == State::Standalone;
        let votes = if self.verdict.votes[place] { "" } else { " It has no vote." };
        match member.state {
            State::NoAnswer if member.up => {
                let text = format!("{name} does not say what it does{}.", reasons(slice::from_ref(member)));
                self.add(Level::Warning, "docs/runbooks/ZooKeeperMntrMissing.md", text);
            }
            State::NoAnswer if self.verdict.members_up > 0 || self.verdict.any_unknown => {
                self.add(
                    Level::Critical,
                    DOWN,
                    format!("{name} does not answer{}.{votes}", reasons(slice::from_ref(member))),
                );
            }
            State::NotServing => {
                self.add(Level::Critical, NOT_SERVING, format!("{name} runs but serves no clients.{votes}"));
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
        if self.verdict.strangers.contains(&place) && !alone {
            let text = format!("{name} belongs to another ensemble by its membership; it is not counted here.");
            self.add(Level::Critical, "docs/verdicts.md#another-ensemble", text);
        }
        if let Some(lag) = self.verdict.lags[place].filter(|lag| *lag > u64::from(LAG_WORTH_A_WARNING)) {
            let text = format!("{name} is {lag} transactions behind the leader.");
            self.add(Level::Warning, "docs/runbooks/ZooKeeperZxidLag.md", text);
        }
        let refused = member.failures.contains(&(Word::Mntr, Reason::NotAllowed));
        if refused && member.state.serves() {
            let text = format!("{name} refuses mntr: only what srvr says is known of it.");
            self.add(Level::Warning, "docs/runbooks/ZooKeeperMntrMissing.md", text);
        } else if member.state.serves() && !member.complete && !member.failures.is_empty() {
            self.add(
                Level::Warning,
                "docs/runbooks/ZooKeeperMntrMissing.md",
                format!("{name}: not all was read{}.", reasons(slice::from_ref(member))),
            );
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
            self.add(Level::Critical, "docs/runbooks/ZooKeeperQuorumSizeMismatch.md", text.into());
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

/// ` (connect)`: the reasons of what failed, each once.
fn reasons(members: &[MemberReport]) -> String {
    let failures = members.iter().flat_map(|member| &member.failures);
    let mut reasons: Vec<&str> = failures.map(|(_, reason)| reason.text()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) }
}

fn plural(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

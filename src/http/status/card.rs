//! An ensemble with its members as a card: facts, the explanation, findings, and the table of members.

use std::time::Duration;

use maud::{Markup, html};

use super::Links;
use crate::http::visits::Since;
use crate::incident::{Cause, Explanation, TransitionInfo};
use crate::scrape::{EnsembleReport, MemberReport, Report, State as MemberState};
use crate::verdict::{Finding, Level, Rates, Verdict, judge};

/// An ensemble with its findings and explanation.
pub(super) struct EnsembleStatus<'r> {
    pub(super) report: &'r EnsembleReport,
    pub(super) verdict: Verdict,
    /// The findings, the worst first.
    pub(super) findings: Vec<Finding>,
    /// The interval over which disks and writes were judged.
    over: Option<Duration>,
    /// The activity of each member in that interval.
    rates: Vec<Rates>,
    explanation: Option<Explanation>,
    events: Vec<TransitionInfo>,
}

impl<'r> EnsembleStatus<'r> {
    pub(super) fn all(report: &'r Report, since: Vec<Since>) -> Vec<Self> {
        report.ensembles.iter().zip(since).map(|(ensemble, since)| Self::of(ensemble, since)).collect()
    }

    fn of(report: &'r EnsembleReport, since: Since) -> Self {
        let Since { over, rates, findings, explanation, events } = since;
        Self { report, verdict: judge(report), findings, over, rates, explanation, events }
    }

    pub(super) fn worst(&self) -> Option<Level> {
        self.findings.first().map(|finding| finding.level)
    }

    /// The position among all ensembles: by the worst level, then by the quorum margin.
    pub(super) fn rank(&self) -> (u8, i64) {
        (self.worst().map_or(u8::MAX, |level| level as u8), self.verdict.quorum.margin().unwrap_or(i64::MAX))
    }

    /// Whether a finding is more than informational.
    pub(super) fn is_wrong(&self) -> bool {
        self.worst().is_some_and(|level| level < Level::Notice)
    }

    /// The number of members.
    pub(super) fn members(&self) -> usize {
        self.report.members.len()
    }

    /// The name of the leader.
    pub(super) fn leader(&self) -> Option<&str> {
        self.verdict.leader.map(|place| &*self.report.members[place].name)
    }

    /// The level of a member: that of its state, or of the worst finding about it.
    fn level(&self, place: usize) -> Option<Level> {
        let member = &self.report.members[place];
        let state = match member.state {
            MemberState::NotServing | MemberState::NoAnswer => Some(Level::Critical),
            MemberState::ReadOnly | MemberState::Unknown => Some(Level::Warning),
            _ => None,
        };
        let about = self.findings.iter().filter(|finding| finding.member.as_ref() == Some(&member.name));
        about.map(|finding| finding.level).chain(state).min()
    }

    /// The members in the order of the table: the worst first, the others as they are configured.
    fn order(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.members()).collect();
        places.sort_by_key(|&place| self.level(place).map_or(u8::MAX, |level| level as u8));
        places
    }

    pub(super) fn section(&self, linked: bool, links: &Links) -> Markup {
        let name = &*self.report.name;
        html! {
            section class=(self.worst().map_or("well", Level::text)) {
                @if linked { h2 { a href=(links.at(&format!("/ensemble/{name}"))) { (name) } } }
                (self.facts())
                @if let Some(explanation) = &self.explanation { (causes(explanation, links)) }
                @if !self.findings.is_empty() {
                    ul.findings {
                        @for finding in &self.findings {
                            li class=(finding.level.text()) {
                                b { (finding.level.text()) } " " (finding.text) " "
                                a href=(links.guide(&finding.guide)) { "what to do" }
                            }
                        }
                    }
                }
                .scroll {
                    table {
                        thead {
                            tr {
                                @for (name, class, meaning) in COLUMNS {
                                    th class=(class) title=[(!meaning.is_empty()).then_some(meaning)] { (name) }
                                }
                            }
                        }
                        tbody {
                            @for place in self.order() { (self.row(place)) }
                        }
                    }
                }
                @if !linked { (self.differences()) (timeline(&self.events)) }
            }
        }
    }

    fn facts(&self) -> Markup {
        let Verdict { quorum, members_up, .. } = &self.verdict;
        let alone = self.report.members.iter().all(|member| member.state == MemberState::Standalone);
        html! {
            p.facts {
                b { (members_up) " of " (self.members()) } " members up"
                @if alone { " · standalone" } @else {
                    @if let Some(synced) = quorum.synced { " · " b { (synced) " of " (quorum.voters) } " voters in sync" }
                    @if let Some(margin) = quorum.margin() { " · margin " b { (margin) } }
                    " · leader " b { (self.leader().unwrap_or("none")) }
                }
                @match self.over {
                    Some(over) => { " · judged over " (over.as_secs()) " s" }
                    None => { " · rates not judged yet: that takes two visits" }
                }
            }
        }
    }

    fn row(&self, place: usize) -> Markup {
        let (member, level) = (&self.report.members[place], self.level(place).map_or("", Level::text));
        let identity = member.identity.as_ref();
        let number = |key: &str| member.count(key).map_or_else(String::new, |count| count.to_string());
        let lag = self.verdict.lags.get(place).copied().flatten().map_or_else(String::new, |lag| lag.to_string());
        let latency = self.rates.get(place).and_then(|rates| rates.latency);
        let state = if self.verdict.leader == Some(place) { "leader" } else { level };
        let failed = failures(member);
        let cells = [
            (member.name.to_string(), "name"),
            (state_text(member), state),
            (identity.map(|identity| identity.version.clone()).unwrap_or_default(), ""),
            (identity.map(|identity| identity.server_id.clone()).unwrap_or_default(), "number"),
            (lag, "number"),
            (latency.map_or_else(String::new, |seconds| format!("{:.1} ms", seconds * 1000.0)), "number"),
            (number("outstanding_requests"), "number"),
            (number("num_alive_connections"), "number"),
            (number("znode_count"), "number"),
            (member.duration.map_or_else(String::new, |time| format!("{} ms", time.as_millis())), "number"),
            (failed.clone(), if failed.is_empty() { "" } else { "text warning" }),
        ];
        html! {
            tr class=(level) {
                @for ((name, ..), (text, class)) in COLUMNS.iter().zip(&cells) {
                    @if text.is_empty() { td class={ "none " (class) } { "–" } } @else { td data-name=(name) class=(class) { (text) } }
                }
            }
        }
    }

    /// Configuration differences between members.
    fn differences(&self) -> Markup {
        let differences = &self.verdict.drift.differences;
        html! {
            @if !differences.is_empty() {
                .scroll {
                    table {
                        thead { tr { th { "differs" } th { "value" } th { "members" } } }
                        tbody {
                            @for difference in differences {
                                @for (value, places) in difference.by_value() {
                                    tr {
                                        td data-name="differs" { (difference.key) }
                                        td data-name="value" { (value) }
                                        td data-name="members" { (self.names(&places)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn names(&self, places: &[usize]) -> String {
        places.iter().map(|place| &*self.report.members[*place].name).collect::<Vec<_>>().join(", ")
    }
}

/// Maximum number of facts shown for a cause; `why` lists all.
const EVIDENCE_SHOWN: usize = 5;

/// The most probable cause with its evidence, and the names of the other causes.
fn causes(explanation: &Explanation, links: &Links) -> Markup {
    let Some((first, others)) = explanation.causes.split_first() else { return html! {} };
    let named = |cause: &Cause| match cause.members.as_slice() {
        [] => cause.alert.clone(),
        members => format!("{}: {}", cause.alert, members.join(", ")),
    };
    html! {
        .why {
            p {
                b { @if first.sure { "Most probable cause" } @else { "Most probable cause (not sure)" } } " "
                a href=(links.guide(&format!("docs/runbooks/{}.md", first.alert))) { (named(first)) }
                @if let Some(since) = first.evidence.iter().filter_map(|one| one.since.as_deref()).min() { " since " (moment(since)) }
            }
            p { (first.summary) " First action: " (first.first_action) }
            ul { @for seen in first.evidence.iter().take(EVIDENCE_SHOWN) { li { (seen.text) } } }
            @if !first.doubts.is_empty() { p { "Not sure: " (first.doubts.join("; ")) "." } }
            @if !first.explains.is_empty() {
                details {
                    summary { "It explains " (super::counted(first.explains.len(), "more finding")) }
                    ul { @for symptom in &first.explains { li { b { (symptom.alert) } " " (symptom.text) } } }
                }
            }
            @if !others.is_empty() { p { "Other causes: " (others.iter().map(named).collect::<Vec<_>>().join("; ")) } }
        }
    }
}

/// `2026-11-30 06:12:31 UTC` for a time as RFC 3339.
fn moment(time: &str) -> String {
    time.get(..19).map_or_else(|| time.to_owned(), |time| format!("{} UTC", time.replacen('T', " ", 1)))
}

/// The recorded transitions, newest first.
fn timeline(events: &[TransitionInfo]) -> Markup {
    html! {
        @if !events.is_empty() {
            h3 { "Recent transitions" }
            ol.events { @for event in events { li { time { (moment(&event.time)) } " " (event.line()) } } }
        }
    }
}

/// The state of a member, or why it is unknown.
fn state_text(member: &MemberReport) -> String {
    match member.state {
        MemberState::Unknown if member.limits.is_empty() => "unknown (commands refused)".to_owned(),
        MemberState::Unknown => "unknown (not queried: exporter limit)".to_owned(),
        state => state.text().to_owned(),
    }
}

/// The commands that failed, by reason: `connect (mntr, srvr)`. Those that are not sent in every scrape are included, so that
/// they do not disappear from a refreshed page.
fn failures(member: &MemberReport) -> String {
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    let earlier = member.earlier_failures.iter().filter(|_| member.up);
    for (command, reason) in member.failures.iter().chain(earlier) {
        let (command, reason) = (command.text(), reason.text());
        match by_reason.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, commands)) => commands.push(command),
            None => by_reason.push((reason, vec![command])),
        }
    }
    let texts = by_reason.iter().map(|(reason, commands)| format!("{reason} ({})", commands.join(", ")));
    texts.collect::<Vec<_>>().join(", ")
}

/// Name, class and explanation of each column.
const COLUMNS: [(&str, &str, &str); 11] = [
    ("member", "", ""),
    ("state", "", ""),
    ("version", "", ""),
    ("id", "number", "Server id"),
    ("lag", "number", "Transactions behind the leader"),
    ("latency", "number", "Mean latency of the requests since the last visit of this page"),
    ("outstanding", "number", "Outstanding requests"),
    ("connections", "number", ""),
    ("znodes", "number", ""),
    ("replied in", "number", "Time until the member had replied to all commands"),
    ("failed", "", "Commands without a usable reply, by reason"),
];

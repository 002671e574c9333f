//! `zookeeper-exporter info`: prints members, roles, configuration differences and findings.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use super::one_shot::{OneShot, Output, exit_code, run, two_scrapes};
use super::screen::Screen;
use super::stdout::{print, print_styled};
use super::table::{Table, clean};
use super::{UsageError, duration};
use crate::config::Command;
use crate::incident::{self, Judged};
use crate::runbook;
use crate::scrape::{EnsembleReport, MemberReport, State};
use crate::text;
use crate::verdict::{Level, Verdict, judge};
use crate::wire::Reason;

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter info
      the member on localhost:2181
  zookeeper-exporter info --zookeeper zk-1,zk-2,zk-3
      the three members of an ensemble, and its findings
  zookeeper-exporter info --config.file ensembles.yml --ensemble prod --output json
      one ensemble of a configuration, for a script

Exit status: 0 if at least one member of every ensemble replied, 1 if not, 2 for wrong usage.";

/// Flags of `info`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Info {
    #[command(flatten)]
    look: OneShot,

    /// Time between two scrapes, over which disks and latency are judged; 0s for one scrape without them.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    interval: Duration,
}

impl Info {
    pub(super) fn run(&self) -> Result<ExitCode, UsageError> {
        let (scraper, settings) = self.look.scraper_and_settings()?;
        let judged = run(two_scrapes(&scraper, &settings.thresholds, self.interval))?;
        let runbooks = settings.config.alerts.runbook_base();
        let written = match self.look.output {
            Output::Json => print(&json(&judged, runbooks)),
            Output::Text => print_styled(&text(&judged, runbooks, Screen::of_stdout())),
        };
        Ok(written.code(exit_code(&judged.report)))
    }
}

/// An ensemble in the JSON output. Fields without a value are null.
#[derive(Serialize)]
struct EnsembleInfo<'r> {
    ensemble: &'r str,
    members_up: usize,
    voters: u64,
    voters_source: &'static str,
    voters_synced: Option<u64>,
    majority: Option<u64>,
    quorum_margin: Option<i64>,
    has_quorum: Option<bool>,
    zone_margin: Option<i64>,
    leader: Option<&'r str>,
    leader_state: &'static str,
    voters_not_asked: Option<usize>,
    judged_over_seconds: f64,
    not_judged: &'r [String],
    findings: Vec<FindingInfo>,
    members: Vec<MemberInfo<'r>>,
    membership: Option<MembershipInfo<'r>>,
    differences: Vec<DifferenceInfo<'r>>,
}

#[derive(Serialize)]
struct FindingInfo {
    level: &'static str,
    text: String,
    /// The URL of the guide.
    guide: String,
}

#[derive(Serialize)]
struct MemberInfo<'r> {
    member: &'r str,
    server_id: Option<&'r str>,
    state: &'static str,
    zone: Option<&'r str>,
    votes: bool,
    stranger: bool,
    duplicate_of: Option<&'r str>,
    version: Option<&'r str>,
    source: Option<&'static str>,
    epoch: Option<u64>,
    zxid: Option<String>,
    lag: Option<u64>,
    failures: Vec<FailureInfo>,
    configuration: Option<std::collections::BTreeMap<&'r str, &'r str>>,
}

#[derive(Serialize)]
struct FailureInfo {
    command: &'static str,
    reason: &'static str,
}

#[derive(Serialize)]
struct MembershipInfo<'r> {
    version: String,
    hierarchical: bool,
    servers: Vec<ServerInfo<'r>>,
}

#[derive(Serialize)]
struct ServerInfo<'r> {
    server_id: &'r str,
    host: Option<&'r str>,
    quorum_port: Option<u16>,
    addresses: Vec<String>,
    role: &'static str,
    client: Option<String>,
}

#[derive(Serialize)]
struct DifferenceInfo<'r> {
    key: &'r str,
    values: std::collections::BTreeMap<&'r str, Option<&'r str>>,
}

fn json(judged: &Judged, runbooks: Option<&str>) -> String {
    let report = &judged.report;
    let verdicts: Vec<Verdict> = report.ensembles.iter().map(|ensemble| judge(ensemble)).collect();
    let ensembles: Vec<_> = report
        .ensembles
        .iter()
        .zip(&verdicts)
        .map(|(ensemble, verdict)| describe(ensemble, verdict, judged, runbooks))
        .collect();
    // No map has non-string keys: serialisation cannot fail.
    let text = serde_json::to_string_pretty(&ensembles).unwrap_or_default();
    text::escape_json(&text).into_owned() + "\n"
}

fn describe<'r>(
    ensemble: &'r EnsembleReport,
    verdict: &'r Verdict,
    judged: &'r Judged,
    runbooks: Option<&str>,
) -> EnsembleInfo<'r> {
    let quorum = &verdict.quorum;
    let name = |place: usize| &*ensemble.members[place].name;
    let findings = judged.findings(ensemble, verdict).into_iter();
    EnsembleInfo {
        ensemble: &ensemble.name,
        members_up: verdict.members_up,
        voters: quorum.voters,
        voters_source: quorum.source.text(),
        voters_synced: quorum.synced,
        majority: quorum.majority(),
        quorum_margin: quorum.margin(),
        has_quorum: quorum.has_quorum(),
        zone_margin: verdict.zones.margin,
        leader: verdict.leader.map(name),
        leader_state: verdict.leader_state.text(),
        voters_not_asked: verdict.not_asked.as_ref().map(|not_asked| not_asked.count),
        judged_over_seconds: judged.over.as_secs_f64(),
        not_judged: judged.not_judged(&ensemble.name),
        findings: findings
            .map(|finding| FindingInfo {
                level: finding.level.text(),
                guide: runbook::url(&finding.guide, runbooks),
                text: finding.text,
            })
            .collect(),
        members: (0..ensemble.members.len()).map(|place| of_member(place, ensemble, verdict)).collect(),
        membership: verdict.membership_of(ensemble).map(|membership| MembershipInfo {
            version: format!("{:x}", membership.version),
            hierarchical: membership.hierarchy.is_some(),
            servers: membership
                .servers
                .iter()
                .map(|server| ServerInfo {
                    server_id: &server.id,
                    host: server.addresses.first().map(|(host, _)| host.as_str()),
                    quorum_port: server.addresses.first().map(|(_, port)| *port),
                    addresses: server.places(),
                    role: role(server.voter),
                    client: server.client_place(),
                })
                .collect(),
        }),
        differences: verdict
            .drift
            .differences
            .iter()
            .map(|difference| DifferenceInfo {
                key: &difference.key,
                values: difference
                    .values
                    .iter()
                    .enumerate()
                    .map(|(place, value)| (name(place), value.as_deref()))
                    .collect(),
            })
            .collect(),
    }
}

fn of_member<'r>(place: usize, ensemble: &'r EnsembleReport, verdict: &Verdict) -> MemberInfo<'r> {
    let member = &ensemble.members[place];
    let duplicate = verdict.duplicates.iter().find(|(duplicate, _)| *duplicate == place);
    let settings = |conf: &'r std::sync::Arc<crate::scrape::reading::SeenConf>| {
        conf.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    };
    let failure =
        |(command, reason): &(Command, Reason)| FailureInfo { command: command.text(), reason: reason.text() };
    MemberInfo {
        member: &member.name,
        server_id: server_id(member),
        state: member.state.text(),
        zone: ensemble.known.zones.get(&member.name).map(|zone| &**zone),
        votes: verdict.votes[place],
        stranger: verdict.strangers.contains(&place),
        duplicate_of: duplicate.map(|(_, other)| &*ensemble.members[*other].name),
        version: member.identity.as_ref().map(|identity| identity.version.as_str()),
        source: member.identity.as_ref().map(|identity| identity.source.text()),
        epoch: member.epoch(),
        zxid: member.zxid.map(|zxid| format!("{zxid:#x}")),
        lag: verdict.lags[place],
        failures: member.failures.iter().map(failure).collect(),
        configuration: member.conf.as_ref().map(settings),
    }
}

fn server_id(member: &MemberReport) -> Option<&str> {
    member.conf.as_ref().map(|conf| conf.server_id.as_str()).filter(|id| !id.is_empty())
}

fn role(voter: bool) -> &'static str {
    if voter { "participant" } else { "observer" }
}

fn text(judged: &Judged, runbooks: Option<&str>, screen: Screen) -> String {
    let style = screen.style;
    let mut out = String::new();
    for (number, ensemble) in judged.report.ensembles.iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let verdict = judge(ensemble);
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(out, "{}", style.strong(&screen.wrap(&summary(ensemble, &verdict), 0)));
        for finding in judged.findings(ensemble, &verdict) {
            let level = style.level(finding.level, &format!("{:8}", finding.level.text()));
            let text = screen.wrap(&text::printable(&finding.text), 10);
            let _ = writeln!(out, "{level}  {text}\n          {}", runbook::url(&finding.guide, runbooks));
        }
        out.push('\n');
        lines(&mut out, &members(ensemble, &verdict), screen);
        configuration(&mut out, ensemble, &verdict, screen);
    }
    let _ = writeln!(out, "\n{} (`check -v` names them)", judged.extent);
    out
}

/// `prod: 3 of 3 voters in sync, majority 2, margin 1, leader zk-3:2181`.
pub(super) fn summary(ensemble: &EnsembleReport, verdict: &Verdict) -> String {
    format!("{}: {}", ensemble.name, incident::summary(ensemble, verdict))
}

fn members(ensemble: &EnsembleReport, verdict: &Verdict) -> Table {
    let mut table = Table::new(&["MEMBER", "ID", "STATE", "VOTES", "VERSION", "EPOCH", "ZXID", "LAG", "FAILED"])
        .optional(&["EPOCH", "ID", "VERSION", "ZXID"]);
    for place in 0..ensemble.members.len() {
        let info = of_member(place, ensemble, verdict);
        let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
        let failed: Vec<String> =
            info.failures.iter().map(|failure| format!("{}:{}", failure.command, failure.reason)).collect();
        let votes = if info.stranger {
            "stranger"
        } else if info.duplicate_of.is_some() {
            "duplicate"
        } else if info.votes {
            "yes"
        } else {
            "no"
        };
        let cells = vec![
            info.member.to_owned(),
            info.server_id.unwrap_or_default().to_owned(),
            info.state.to_owned(),
            votes.to_owned(),
            info.version.unwrap_or_default().to_owned(),
            number(info.epoch),
            info.zxid.unwrap_or_default(),
            number(info.lag),
            failed.join(" "),
        ];
        table.levelled(cells, state_level(ensemble.members[place].state));
    }
    table
}

/// Prints the membership, the settings that are equal on all members, and those that differ.
fn configuration(out: &mut String, ensemble: &EnsembleReport, verdict: &Verdict, screen: Screen) {
    let style = screen.style;
    if let Some(membership) = verdict.membership_of(ensemble) {
        let mut table = Table::new(&["SERVER", "QUORUM ADDRESS", "ROLE", "CLIENTS"]);
        for server in &membership.servers {
            table.row(vec![
                server.id.clone(),
                server.place(),
                role(server.voter).to_owned(),
                server.client_place().unwrap_or_default(),
            ]);
        }
        let _ = writeln!(out, "\n{}", style.strong(&format!("membership, version {:x}", membership.version)));
        lines(out, &table, screen);
    }
    let differs = |key: &str| verdict.drift.differences.iter().any(|difference| difference.key == key);
    let known = ensemble.members.iter().find_map(|member| member.conf.as_ref());
    let common: Vec<String> = known
        .iter()
        .flat_map(|conf| &conf.settings)
        .filter(|(key, _)| Verdict::is_common(key) && !differs(key))
        .map(|(key, value)| format!("{}={}", clean(key), clean(value)))
        .collect();
    if !common.is_empty() {
        let _ = writeln!(
            out,
            "\n{}\n{}",
            style.strong("configuration all have in common"),
            screen.wrap(&common.join("  "), 0)
        );
    }
    if !verdict.drift.differences.is_empty() {
        let mut table = Table::new(&["KEY", "VALUE", "MEMBERS"]);
        for difference in &verdict.drift.differences {
            for (value, places) in difference.by_value() {
                let who: Vec<&str> = places.iter().map(|place| &*ensemble.members[*place].name).collect();
                table.row(vec![difference.key.clone(), value.to_owned(), who.join(" ")]);
            }
        }
        let _ = writeln!(out, "\n{}", style.strong("configuration that differs"));
        lines(out, &table, screen);
    }
}

/// The severity with which a state is displayed.
pub(super) fn state_level(state: State) -> Option<Level> {
    match state {
        State::NotServing | State::NoAnswer => Some(Level::Critical),
        State::ReadOnly | State::Unknown => Some(Level::Warning),
        _ => None,
    }
}

pub(super) fn lines(out: &mut String, table: &Table, screen: Screen) {
    for line in table.on(screen) {
        let is_head = line.starts_with(|c: char| c.is_ascii_uppercase());
        let line = if is_head { screen.style.strong(&line) } else { line };
        let _ = writeln!(out, "{line}");
    }
}

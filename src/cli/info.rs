//! `zookeeper-exporter info`: who is who, and what is wrong.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use super::judged::Judged;
use super::look::{Look, Output, Style, exit_code, run};
use super::out::{print, print_styled};
use super::table::{Table, clean};
use super::{UsageError, duration};
use crate::config::Command;
use crate::scrape::{EnsembleReport, MemberReport};
use crate::text;
use crate::verdict::{LeaderState, Verdict, judge};
use crate::wire::Reason;

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter info
      who answers on localhost:2181
  zookeeper-exporter info --zookeeper zk-1,zk-2,zk-3
      the three members of an ensemble, and what is wrong with it
  zookeeper-exporter info --config.file ensembles.yml --ensemble prod --output json
      one ensemble of a configuration, for a script

Exit status: 0 if of every ensemble at least one member answered, 1 if not, 2 for a mistake in the flags.";

/// Flags of `info`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Info {
    #[command(flatten)]
    look: Look,

    /// Time between two looks, over which disks and latency are judged; 0s for one look without them.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    interval: Duration,
}

impl Info {
    pub(super) fn run(&self) -> Result<ExitCode, UsageError> {
        let (scraper, thresholds) = self.look.scraper_and_thresholds()?;
        let judged = run(Judged::of(&scraper, &thresholds, self.interval))?;
        let written = match self.look.output {
            Output::Json => print(&json(&judged)),
            Output::Text => print_styled(&text(&judged, Style::of_stdout())),
        };
        Ok(written.code(exit_code(&judged.report)))
    }
}

/// One ensemble, as JSON has it. Fields without a value are null.
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
    guide: String,
}

#[derive(Serialize)]
struct MemberInfo<'r> {
    member: &'r str,
    server_id: Option<&'r str>,
    state: &'static str,
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

fn json(judged: &Judged) -> String {
    let report = &judged.report;
    let verdicts: Vec<Verdict> = report.ensembles.iter().map(|ensemble| judge(ensemble)).collect();
    let ensembles: Vec<_> =
        report.ensembles.iter().zip(&verdicts).map(|(ensemble, verdict)| describe(ensemble, verdict, judged)).collect();
    // Nothing in it can fail to be written: no map has a key that is no text.
    let text = serde_json::to_string_pretty(&ensembles).unwrap_or_default();
    text::escape_json(&text).into_owned() + "\n"
}

fn describe<'r>(ensemble: &'r EnsembleReport, verdict: &'r Verdict, judged: &'r Judged) -> EnsembleInfo<'r> {
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
        leader: verdict.leader.map(name),
        leader_state: verdict.leader_state.text(),
        voters_not_asked: verdict.not_asked.as_ref().map(|not_asked| not_asked.count),
        judged_over_seconds: judged.over.as_secs_f64(),
        not_judged: &judged.unjudged,
        findings: findings
            .map(|finding| FindingInfo {
                level: finding.level.text(),
                text: finding.text,
                guide: finding.guide.into_owned(),
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

fn text(judged: &Judged, style: Style) -> String {
    let mut out = String::new();
    for (number, ensemble) in judged.report.ensembles.iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let verdict = judge(ensemble);
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(out, "{}", style.strong(&summary(ensemble, &verdict)));
        for finding in judged.findings(ensemble, &verdict) {
            let level = style.level(finding.level, &format!("{:8}", finding.level.text()));
            let text = text::printable(&finding.text);
            let _ = writeln!(out, "{level}  {text}\n          {}", finding.guide);
        }
        out.push('\n');
        lines(&mut out, &members(ensemble, &verdict), style);
        configuration(&mut out, ensemble, &verdict, style);
    }
    let _ = writeln!(out, "\n{} (`check -v` names them)", judged.extent);
    out
}

/// `prod: 3 of 3 voters in sync, majority 2, margin 1, leader zk-3:2181`.
pub(super) fn summary(ensemble: &EnsembleReport, verdict: &Verdict) -> String {
    let quorum = &verdict.quorum;
    let mut text = format!("{}: ", ensemble.name);
    let _ = match (quorum.synced, verdict.leader_state) {
        (Some(synced), LeaderState::Seen) => write!(text, "{synced} of {} voters in sync", quorum.voters),
        (Some(synced), _) => write!(text, "{synced} of {} voters seen in sync", quorum.voters),
        (None, _) if verdict.any_unknown => {
            write!(text, "{} voters, not all could be asked: exporter limit", quorum.voters)
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

fn members(ensemble: &EnsembleReport, verdict: &Verdict) -> Table {
    let mut table = Table::new(&["MEMBER", "ID", "STATE", "VOTES", "VERSION", "EPOCH", "ZXID", "LAG", "FAILED"]);
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
        table.row(vec![
            info.member.to_owned(),
            info.server_id.unwrap_or_default().to_owned(),
            info.state.to_owned(),
            votes.to_owned(),
            info.version.unwrap_or_default().to_owned(),
            number(info.epoch),
            info.zxid.unwrap_or_default(),
            number(info.lag),
            failed.join(" "),
        ]);
    }
    table
}

/// The membership, the settings all have in common, and those that differ.
fn configuration(out: &mut String, ensemble: &EnsembleReport, verdict: &Verdict, style: Style) {
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
        lines(out, &table, style);
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
        let _ = writeln!(out, "\n{}\n{}", style.strong("configuration all have in common"), common.join("  "));
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
        lines(out, &table, style);
    }
}

fn lines(out: &mut String, table: &Table, style: Style) {
    for (number, line) in table.lines().iter().enumerate() {
        let line = if number == 0 { style.strong(line) } else { line.clone() };
        let _ = writeln!(out, "{line}");
    }
}

//! `zookeeper-exporter simulate`: what would remain of an ensemble without a zone or a member.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;

use super::UsageError;
use super::one_shot::{OneShot, Output, ask, run};
use super::restart::names_member;
use super::stdout::print;
use crate::scrape::{EnsembleReport, Report};
use crate::text;
use crate::verdict::{Remainder, Verdict, judge, without};

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter simulate prod --config.file ensembles.yml --without zone=a
      whether the ensemble has a quorum without the members of zone a
  zookeeper-exporter simulate --zookeeper zk-1,zk-2,zk-3 --without member=zk-1 --without member=zk-2
      the same without two members

Nothing is stopped: the members are queried once, and the loss is computed from their replies.

Exit status: 0 if every ensemble would have a quorum, 1 if not or if it is unknown, 2 for wrong usage.";

/// Flags of `simulate`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Simulate {
    /// Only this ensemble.
    #[arg(value_name = "ENSEMBLE")]
    name: Option<String>,

    /// What is lost: all members of a zone, or a member as `info` lists it; repeat the flag for more.
    #[arg(long, value_name = "zone=NAME|member=HOST:PORT", required = true)]
    without: Vec<Loss>,

    #[command(flatten)]
    look: OneShot,
}

/// What is lost in a simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Loss {
    Zone(String),
    Member(String),
}

impl FromStr for Loss {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some(("zone", zone)) if !zone.is_empty() => Ok(Self::Zone(zone.to_owned())),
            Some(("member", member)) if !member.is_empty() => Ok(Self::Member(member.to_owned())),
            _ => Err("expected zone=NAME or member=HOST:PORT".to_owned()),
        }
    }
}

impl Loss {
    /// Whether a member of an ensemble is lost.
    fn takes(&self, ensemble: &EnsembleReport, place: usize) -> bool {
        let name = &ensemble.members[place].name;
        match self {
            Self::Zone(zone) => ensemble.known.zones.get(name).is_some_and(|of_member| **of_member == **zone),
            Self::Member(member) => names_member(member, name),
        }
    }

    /// The error if it takes no member.
    fn unknown(&self, report: &Report) -> UsageError {
        let zones = || report.ensembles.iter().flat_map(|ensemble| ensemble.known.zones.values());
        let names = || report.ensembles.iter().flat_map(|ensemble| &ensemble.members).map(|member| &member.name);
        let list = |known: BTreeSet<&Arc<str>>| {
            let known: Vec<&str> = known.into_iter().map(|name| &**name).collect();
            text::line(&known.join(", "), 1000)
        };
        UsageError(match self {
            Self::Zone(zone) if zones().next().is_none() => {
                format!("unknown zone `{zone}`: no member has a zone; see the keys zone and zone_pattern")
            }
            Self::Zone(zone) => format!("unknown zone `{zone}`: expected one of {}", list(zones().collect())),
            Self::Member(member) => {
                format!("unknown member `{member}`: expected one of {}", list(names().collect()))
            }
        })
    }
}

/// The result for one ensemble in the JSON output. Unknown values are null.
#[derive(Serialize)]
struct Simulated<'r> {
    ensemble: &'r str,
    lost: Vec<LostMember<'r>>,
    voters: u64,
    majority: Option<u64>,
    voters_synced_now: Option<u64>,
    voters_synced: Option<u64>,
    quorum_margin_now: Option<i64>,
    quorum_margin: Option<i64>,
    has_quorum_now: Option<bool>,
    has_quorum: Option<bool>,
    leader: Option<&'r str>,
    leader_lost: bool,
}

#[derive(Serialize)]
struct LostMember<'r> {
    member: &'r str,
    zone: Option<&'r str>,
    votes: bool,
}

impl Simulate {
    pub(super) fn run(mut self) -> Result<ExitCode, UsageError> {
        self.look.only(self.name.take());
        let scraper = self.look.scraper()?;
        let report = run(ask(&scraper))?;
        let all = || report.ensembles.iter().flat_map(|one| (0..one.members.len()).map(move |place| (one, place)));
        if let Some(loss) = self.without.iter().find(|loss| !all().any(|(one, place)| loss.takes(one, place))) {
            return Err(loss.unknown(&report));
        }
        let simulated: Vec<Simulated<'_>> =
            report.ensembles.iter().map(|ensemble| simulate(ensemble, &self.without)).collect();
        let code = if simulated.iter().all(|one| one.has_quorum == Some(true)) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
        let written = match self.look.output {
            // Only strings, numbers and lists: serialisation cannot fail.
            Output::Json => print(
                &(text::escape_json(&serde_json::to_string_pretty(&simulated).unwrap_or_default()).into_owned() + "\n"),
            ),
            Output::Text => print(&simulated.iter().map(Simulated::text).collect::<Vec<_>>().join("\n")),
        };
        Ok(written.code(code))
    }
}

fn simulate<'r>(ensemble: &'r EnsembleReport, losses: &[Loss]) -> Simulated<'r> {
    let is_lost = |place: &usize| losses.iter().any(|loss| loss.takes(ensemble, *place));
    let lost: BTreeSet<usize> = (0..ensemble.members.len()).filter(is_lost).collect();
    let Verdict { quorum, leader, votes, .. } = judge(ensemble);
    let Remainder { synced, margin, leader_lost } = without(ensemble, &lost);
    let member = |place: &usize| LostMember {
        member: &ensemble.members[*place].name,
        zone: ensemble.known.zones.get(&ensemble.members[*place].name).map(|zone| &**zone),
        votes: votes[*place],
    };
    Simulated {
        ensemble: &ensemble.name,
        lost: lost.iter().map(member).collect(),
        voters: quorum.voters,
        majority: quorum.majority(),
        voters_synced_now: quorum.synced,
        voters_synced: synced,
        quorum_margin_now: quorum.margin(),
        quorum_margin: margin,
        has_quorum_now: quorum.has_quorum(),
        has_quorum: margin.map(|margin| margin >= 0),
        leader: leader.map(|place| &*ensemble.members[place].name),
        leader_lost,
    }
}

impl Simulated<'_> {
    fn text(&self) -> String {
        let known = |number: Option<String>| number.unwrap_or_else(|| "unknown".to_owned());
        let yes = |has: Option<bool>| known(has.map(|has| if has { "yes" } else { "no" }.to_owned()));
        let lost: Vec<String> = self.lost.iter().map(LostMember::text).collect();
        let lost = if lost.is_empty() { "with all members".to_owned() } else { format!("without {}", lost.join(", ")) };
        let needed = self.majority.map_or_else(
            || "groups and weights decide".to_owned(),
            |majority| format!("{majority} of {} are needed", self.voters),
        );
        let leader = match self.leader {
            Some(leader) if self.leader_lost && self.has_quorum == Some(true) => {
                format!("{leader} is lost, the others elect a new one")
            }
            Some(leader) if self.leader_lost => format!("{leader} is lost"),
            Some(leader) => format!("{leader} remains"),
            None => "unknown".to_owned(),
        };
        let mut out = format!("{} {}\n", self.ensemble, text::printable(&lost));
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  quorum          {} (now {})", yes(self.has_quorum), yes(self.has_quorum_now));
        let _ = writeln!(
            out,
            "  quorum margin   {} (now {})",
            known(self.quorum_margin.map(|margin| margin.to_string())),
            known(self.quorum_margin_now.map(|margin| margin.to_string())),
        );
        let _ = writeln!(
            out,
            "  voters in sync  {} (now {}); {needed}",
            known(self.voters_synced.map(|synced| synced.to_string())),
            known(self.voters_synced_now.map(|synced| synced.to_string())),
        );
        let _ = writeln!(out, "  leader          {}", text::printable(&leader));
        out
    }
}

impl LostMember<'_> {
    fn text(&self) -> String {
        let facts: Vec<String> =
            [self.zone.map(|zone| format!("zone {zone}")), (!self.votes).then(|| "no vote".to_owned())]
                .into_iter()
                .flatten()
                .collect();
        if facts.is_empty() { self.member.to_owned() } else { format!("{} ({})", self.member, facts.join(", ")) }
    }
}

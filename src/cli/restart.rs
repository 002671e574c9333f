//! `zookeeper-exporter may-restart` and `plan`: rolling restarts without loss of quorum.

use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::one_shot::{OneShot, Output, ask, exit_code, run};
use super::stdout::{print, tell};
use super::table::{Table, clean};
use super::{UsageError, duration};
use crate::scrape::{Report, Scraper};
use crate::text;
use crate::verdict::{RestartAnswer, RestartPolicy, judge, restart_order};

const MAY_RESTART_EXAMPLES: &str = "\
Examples:
  zookeeper-exporter may-restart zk-2:2181 --zookeeper zk-1,zk-2,zk-3
      whether zk-2 may be restarted now; if not, every reason
  zookeeper-exporter may-restart zk-2 --zookeeper zk-1,zk-2,zk-3 --wait 10m && systemctl restart zk
      restart as soon as the ensemble keeps its quorum without it

A member may be restarted if the quorum margin allows its loss, all other voters are listed, in sync and have had their \
role for --settle, and no election or snapshot transfer is in progress. The leader goes last. Restarts that other \
processes have permitted are not seen: use a single process, or /-/may-restart of an exporter.

Exit status: 0 if it may be restarted, 1 if not, 2 for wrong usage.";

const PLAN_EXAMPLES: &str = "\
Examples:
  zookeeper-exporter plan --zookeeper zk-1,zk-2,zk-3
      ensemble, member, state and vote as a table
  zookeeper-exporter plan --config.file ensembles.yml --ensemble prod --names
      members in order, one per line, for a script

Exit status: 0 if at least one member of every ensemble replied, 1 if not, 2 for wrong usage.";

/// Suffix of the name of a member that was given without a port.
const DEFAULT_PORT: &str = ":2181";

/// Interval between two checks with `--wait`.
const WAIT_INTERVAL: Duration = Duration::from_secs(2);

/// Flags of `may-restart`.
#[derive(Debug, clap::Args)]
#[command(after_help = MAY_RESTART_EXAMPLES)]
pub(super) struct MayRestart {
    /// The member, as `info` lists it.
    #[arg(value_name = "HOST:PORT")]
    member: String,

    #[command(flatten)]
    look: OneShot,

    /// Maximum time to wait until the member may be restarted.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    wait: Duration,

    /// Minimum time for which every other member must have had its current role.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration)]
    settle: Duration,

    /// Allow the leader although other voters were not restarted since its election.
    #[arg(long)]
    allow_leader: bool,
}

impl MayRestart {
    pub(super) fn run(&self) -> Result<ExitCode, UsageError> {
        let scraper = self.look.scraper()?;
        let (report, place) = run(self.answer(&scraper))??;
        let answer = self.judge(&report, place);
        let code = if answer.may_restart { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        let written = match self.look.output {
            Output::Json => print(&answer.json()),
            Output::Text if answer.may_restart => print(&format!("{} may be restarted\n", answer.member)),
            Output::Text => {
                let mut out = format!("{} must not be restarted now:\n", answer.member);
                for reason in &answer.reasons {
                    // Writing to a string cannot fail.
                    let _ = writeln!(out, "  {}", text::printable(reason));
                }
                print(&out)
            }
        };
        Ok(written.code(code))
    }

    /// Checks until the member may be restarted, or until the time is over.
    async fn answer(&self, scraper: &Arc<Scraper>) -> Result<(Report, (usize, usize)), UsageError> {
        let end = Instant::now() + self.wait;
        let mut reported = Vec::new();
        loop {
            let report = ask(scraper).await;
            let place = self.find(&report)?;
            let reasons = self.judge(&report, place).reasons;
            let left = end.saturating_duration_since(Instant::now());
            if reasons.is_empty() || left.is_zero() {
                return Ok((report, place));
            }
            if reasons != reported {
                tell(format_args!("waiting: {}", text::printable(&reasons.join("; "))));
                reported = reasons;
            }
            sleep(WAIT_INTERVAL.min(left)).await;
        }
    }

    /// The indices of the ensemble and of the member.
    fn find(&self, report: &Report) -> Result<(usize, usize), UsageError> {
        let all = report.ensembles.iter().enumerate();
        let places = all.flat_map(|(number, ensemble)| {
            let named = ensemble.members.iter().enumerate();
            let named = named.filter(|(_, member)| names_member(&self.member, &member.name));
            named.map(move |(place, _)| (number, place))
        });
        match places.collect::<Vec<_>>().as_slice() {
            [one] => Ok(*one),
            [] => {
                let known = report.ensembles.iter().flat_map(|ensemble| &ensemble.members).map(|member| &*member.name);
                let known = text::line(&known.collect::<Vec<_>>().join(", "), 1000);
                Err(UsageError(format!("unknown member `{}`: expected one of {known}", self.member)))
            }
            _ => Err(UsageError(format!("member `{}` is in several ensembles: choose one by --ensemble", self.member))),
        }
    }

    fn judge(&self, report: &Report, (ensemble, member): (usize, usize)) -> RestartAnswer {
        let policy = RestartPolicy { settle: self.settle, allow_leader: self.allow_leader };
        let ensemble = &report.ensembles[ensemble];
        // A single command has recorded nothing.
        RestartAnswer::of(ensemble, &judge(ensemble), member, policy, &|_| None)
    }
}

/// Whether an argument names this member; the default port may be omitted.
pub(super) fn names_member(argument: &str, member: &str) -> bool {
    member == argument || member.strip_suffix(DEFAULT_PORT).is_some_and(|host| host == argument)
}

/// Flags of `plan`.
#[derive(Debug, clap::Args)]
#[command(after_help = PLAN_EXAMPLES)]
pub(super) struct Plan {
    #[command(flatten)]
    look: OneShot,

    /// Only the names of the members, one per line.
    #[arg(long, conflicts_with = "output")]
    names: bool,
}

/// A step of the plan in the JSON output.
#[derive(Serialize)]
struct PlanStep<'r> {
    ensemble: &'r str,
    member: &'r str,
    state: &'static str,
    votes: bool,
}

impl Plan {
    pub(super) fn run(&self) -> Result<ExitCode, UsageError> {
        let scraper = self.look.scraper()?;
        let report = run(ask(&scraper))?;
        let steps: Vec<PlanStep<'_>> = report
            .ensembles
            .iter()
            .flat_map(|ensemble| {
                let verdict = judge(ensemble);
                let step = |place: usize| PlanStep {
                    ensemble: &ensemble.name,
                    member: &ensemble.members[place].name,
                    state: ensemble.members[place].state.text(),
                    votes: verdict.votes[place],
                };
                restart_order(ensemble, &verdict).into_iter().map(step).collect::<Vec<_>>()
            })
            .collect();
        let written = match self.look.output {
            // Only strings and lists: serialisation cannot fail.
            Output::Json => print(
                &(text::escape_json(&serde_json::to_string_pretty(&steps).unwrap_or_default()).into_owned() + "\n"),
            ),
            Output::Text if self.names => {
                print(&steps.iter().map(|step| clean(step.member) + "\n").collect::<String>())
            }
            Output::Text => print(&table(&steps)),
        };
        Ok(written.code(exit_code(&report)))
    }
}

fn table(steps: &[PlanStep<'_>]) -> String {
    let mut table = Table::new(&["ENSEMBLE", "MEMBER", "STATE", "VOTES"]);
    for step in steps {
        let votes = if step.votes { "yes" } else { "no" };
        table.row(vec![step.ensemble.to_owned(), step.member.to_owned(), step.state.to_owned(), votes.to_owned()]);
    }
    table.lines().join("\n") + "\n"
}

//! `zookeeper-exporter stat`: what each member does, from two looks.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::info::summary;
use super::look::{Look, Output, Style, ask, exit_code, run};
use super::out::{Written, print_styled};
use super::table::Table;
use super::{UsageError, positive_duration};
use crate::scrape::{MemberReport, Report};
use crate::text;
use crate::verdict::{Mark, Pace, findings, judge};

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter stat --zookeeper zk-1,zk-2,zk-3
      what each member did in the last second
  zookeeper-exporter stat --watch --interval 5s --config.file ensembles.yml
      the same every 5 s until interrupted
  zookeeper-exporter stat --output json --zookeeper zk-1
      one object a look, for a script

Columns: REQ/S are packets received a second, pings and this command's own questions included; LATENCY and FSYNC are means \
of what ended between the two looks, from ZooKeeper 3.6 on; - means that there was nothing, or that the member restarted.

Exit status: 0 if of every ensemble at least one member answered, 1 if not, 2 for a mistake in the flags.";

/// Flags of `stat`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Stat {
    #[command(flatten)]
    look: Look,

    /// Look again and again, until interrupted.
    #[arg(long)]
    watch: bool,

    /// Time between two looks. Default: 1s, with --watch 2s.
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    interval: Option<Duration>,
}

impl Stat {
    pub(super) fn run(&self) -> Result<ExitCode, UsageError> {
        let scraper = self.look.scraper()?;
        let usual = if self.watch { Duration::from_secs(2) } else { Duration::from_secs(1) };
        let interval = self.interval.unwrap_or(usual);
        let style = Style::of_stdout();
        run(async {
            let mut marks = Marks::of(&ask(&scraper).await);
            loop {
                tokio::time::sleep(interval).await;
                let report = ask(&scraper).await;
                let now = Marks::of(&report);
                let paces = now.since(&marks);
                let text = match self.look.output {
                    Output::Json => json(&report, &paces),
                    Output::Text => text(&report, &paces, style),
                };
                // On a terminal the new table takes the place of the old one.
                let clear = if self.watch && style.is_on() { "\u{1b}[H\u{1b}[2J" } else { "" };
                let apart = if self.watch && self.look.output == Output::Text && clear.is_empty() { "\n" } else { "" };
                let written = print_styled(&format!("{clear}{text}{apart}"));
                if !self.watch || written != Written::Whole {
                    return Ok(written.code(exit_code(&report)));
                }
                marks = now;
            }
        })?
    }
}

/// The counters of all members at one moment.
struct Marks {
    taken: Instant,
    /// By name: members may come and go between two looks.
    members: Vec<Vec<(Arc<str>, Mark)>>,
}

impl Marks {
    fn of(report: &Report) -> Self {
        let of_member = |member: &MemberReport| (Arc::clone(&member.name), Mark::of(member));
        let members = report.ensembles.iter().map(|ensemble| ensemble.members.iter().map(of_member).collect());
        Self { taken: Instant::now(), members: members.collect() }
    }

    fn since(&self, earlier: &Self) -> Vec<Vec<Pace>> {
        type Marks = Vec<(Arc<str>, Mark)>;
        let seconds = self.taken.duration_since(earlier.taken).as_secs_f64();
        let of_ensemble = |(now, before): (&Marks, &Marks)| {
            let before: BTreeMap<&str, &Mark> = before.iter().map(|(name, mark)| (&**name, mark)).collect();
            let since = |(name, now): &(Arc<str>, Mark)| before.get(&**name).map(|before| now.since(before, seconds));
            now.iter().map(|now| since(now).unwrap_or_default()).collect()
        };
        self.members.iter().zip(&earlier.members).map(of_ensemble).collect()
    }
}

/// One member, as JSON has it. Fields without a value are null.
#[derive(Serialize)]
struct MemberStat<'r> {
    member: &'r str,
    state: &'static str,
    requests_per_second: Option<f64>,
    latency_seconds: Option<f64>,
    outstanding_requests: Option<u64>,
    connections: Option<u64>,
    znodes: Option<u64>,
    watches: Option<u64>,
    fsync_seconds: Option<f64>,
    lag: Option<u64>,
}

impl<'r> MemberStat<'r> {
    fn new(member: &'r MemberReport, pace: &Pace, lag: Option<u64>) -> Self {
        Self {
            member: &member.name,
            state: member.state.text(),
            requests_per_second: pace.requests,
            latency_seconds: pace.latency,
            outstanding_requests: member.count("outstanding_requests"),
            connections: member.count("num_alive_connections"),
            znodes: member.count("znode_count"),
            watches: member.count("watch_count"),
            fsync_seconds: pace.fsync,
            lag,
        }
    }
}

#[derive(Serialize)]
struct EnsembleStat<'r> {
    ensemble: &'r str,
    members: Vec<MemberStat<'r>>,
}

/// One line a look, so that a script can read look after look.
fn json(report: &Report, paces: &[Vec<Pace>]) -> String {
    let ensembles: Vec<_> = report
        .ensembles
        .iter()
        .zip(paces)
        .map(|(ensemble, paces)| {
            let lags = judge(ensemble).lags;
            let members = ensemble.members.iter().zip(paces).zip(lags);
            EnsembleStat {
                ensemble: &ensemble.name,
                members: members.map(|((member, pace), lag)| MemberStat::new(member, pace, lag)).collect(),
            }
        })
        .collect();
    // Nothing in it can fail to be written: no map has a key that is no text.
    let text = serde_json::to_string(&ensembles).unwrap_or_default();
    text::escape_json(&text).into_owned() + "\n"
}

fn text(report: &Report, paces: &[Vec<Pace>], style: Style) -> String {
    let mut out = String::new();
    for (number, (ensemble, paces)) in report.ensembles.iter().zip(paces).enumerate() {
        let verdict = judge(ensemble);
        let mut table = Table::new(&[
            "MEMBER",
            "STATE",
            "REQ/S",
            "LATENCY",
            "OUTSTANDING",
            "CONNECTIONS",
            "ZNODES",
            "WATCHES",
            "FSYNC",
            "LAG",
        ]);
        for ((member, pace), lag) in ensemble.members.iter().zip(paces).zip(&verdict.lags) {
            let stat = MemberStat::new(member, pace, *lag);
            let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
            table.row(vec![
                stat.member.to_owned(),
                stat.state.to_owned(),
                stat.requests_per_second.map(|rate| format!("{rate:.1}")).unwrap_or_default(),
                millis(stat.latency_seconds),
                number(stat.outstanding_requests),
                number(stat.connections),
                number(stat.znodes),
                number(stat.watches),
                millis(stat.fsync_seconds),
                number(stat.lag),
            ]);
        }
        if number > 0 {
            out.push('\n');
        }
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(out, "{}", style.strong(&summary(ensemble, &verdict)));
        if let Some(worst) = findings(ensemble, &verdict).first() {
            let level = style.level(worst.level, worst.level.text());
            let text = text::printable(&worst.text);
            let _ = writeln!(out, "{level}: {text}");
        }
        for (number, line) in table.lines().iter().enumerate() {
            let line = if number == 0 { style.strong(line) } else { line.clone() };
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

fn millis(seconds: Option<f64>) -> String {
    seconds.map(|seconds| format!("{:.1}ms", seconds * 1000.0)).unwrap_or_default()
}

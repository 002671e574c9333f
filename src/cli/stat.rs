//! `zookeeper-exporter stat`: request, latency and connection rates per member, from two scrapes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::UsageError;
use super::info::{lines, state_level, summary};
use super::one_shot::{OneShot, Output, exit_code, run};
use super::repeat::{Look, Repeat};
use super::screen::Screen;
use super::table::Table;
use crate::incident::Judged;
use crate::scrape::{MemberReport, Report};
use crate::text;
use crate::verdict::{Mark, Rates, judge};

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter stat --zookeeper zk-1,zk-2,zk-3
      rates of every member in the last second
  zookeeper-exporter stat --watch --interval 5s --config.file ensembles.yml
      the same every 5 s until interrupted
  zookeeper-exporter stat --output json --zookeeper zk-1
      one JSON object per interval, for a script

Columns: REQ/S is the number of packets received per second, including pings and the requests of this command. LATENCY and \
FSYNC are means over the interval (ZooKeeper 3.6 or later). - means no data in the interval, or a restart of the member.

Exit status: 0 if at least one member of every ensemble replied, 1 if not, 2 for wrong usage.";

/// Flags of `stat`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Stat {
    #[command(flatten)]
    look: OneShot,

    #[command(flatten)]
    repeat: Repeat,
}

impl Stat {
    pub(super) fn run(&self) -> Result<ExitCode, UsageError> {
        let (scraper, settings) = self.look.scraper_and_settings()?;
        let thresholds = settings.thresholds;
        let screen = Screen::of_stdout();
        let show = |earlier: &Look, now: &Look| {
            let paces = Marks::of(now).since(&Marks::of(earlier));
            match self.look.output {
                Output::Json => json(&now.report, &paces),
                Output::Text => {
                    let before = Some((&*earlier.report, now.taken.duration_since(earlier.taken)));
                    text(&Judged::new(Arc::clone(&now.report), before, &thresholds), &paces, screen)
                }
            }
        };
        run(self.repeat.run(&scraper, self.look.output, screen, exit_code, show))
    }
}

/// The counters of all members at one time.
struct Marks {
    taken: Instant,
    /// By name, because members may join or leave between two scrapes.
    members: Vec<Vec<(Arc<str>, Mark)>>,
}

impl Marks {
    fn of(look: &Look) -> Self {
        let of_member = |member: &MemberReport| (Arc::clone(&member.name), Mark::of(member));
        let members = look.report.ensembles.iter().map(|ensemble| ensemble.members.iter().map(of_member).collect());
        Self { taken: look.taken, members: members.collect() }
    }

    fn since(&self, earlier: &Self) -> Vec<Vec<Rates>> {
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

/// A member in the JSON output. Fields without a value are null.
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
    fn new(member: &'r MemberReport, pace: &Rates, lag: Option<u64>) -> Self {
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

#[derive(Serialize)]
struct LookStat<'r> {
    /// Unix time in seconds.
    time: f64,
    ensembles: Vec<EnsembleStat<'r>>,
}

/// One JSON object per line and interval, for scripts that read a stream.
fn json(report: &Report, paces: &[Vec<Rates>]) -> String {
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
    // No map has non-string keys: serialisation cannot fail.
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
    let text = serde_json::to_string(&LookStat { time, ensembles }).unwrap_or_default();
    text::escape_json(&text).into_owned() + "\n"
}

fn text(judged: &Judged, paces: &[Vec<Rates>], screen: Screen) -> String {
    let style = screen.style;
    let mut out = String::new();
    let shown = judged.report.ensembles.iter().zip(paces).map(|(ensemble, paces)| {
        let verdict = judge(ensemble);
        let worst = judged.findings(ensemble, &verdict).into_iter().next();
        (ensemble, paces, verdict, worst)
    });
    let mut shown: Vec<_> = shown.collect();
    if screen.width().is_some() {
        // Ensembles with the worst findings come first, because the end may not fit on the screen.
        shown.sort_by_key(|(_, _, _, worst)| worst.as_ref().map_or(u8::MAX, |worst| worst.level as u8));
    }
    for (number, (ensemble, paces, verdict, worst)) in shown.into_iter().enumerate() {
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
        ])
        .optional(&["WATCHES", "ZNODES", "FSYNC", "CONNECTIONS"]);
        for ((member, pace), lag) in ensemble.members.iter().zip(paces).zip(&verdict.lags) {
            let stat = MemberStat::new(member, pace, *lag);
            let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
            let cells = vec![
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
            ];
            table.levelled(cells, state_level(member.state));
        }
        if number > 0 {
            out.push('\n');
        }
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(out, "{}", style.strong(&screen.wrap(&summary(ensemble, &verdict), 0)));
        if let Some(worst) = worst {
            let level = style.level(worst.level, worst.level.text());
            let text = screen.wrap(&text::printable(&worst.text), 10);
            let _ = writeln!(out, "{level}: {text}");
        }
        lines(&mut out, &table, screen);
    }
    out
}

fn millis(seconds: Option<f64>) -> String {
    seconds.map(|seconds| format!("{:.1}ms", seconds * 1000.0)).unwrap_or_default()
}

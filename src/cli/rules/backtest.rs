//! `rules backtest`: replays the alert rules over the history of a server and reports how often each would have fired.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use super::super::stdout::{print, tell};
use super::super::{UsageError, one_shot};
use super::html;
use super::of_file;
use super::output::{self, ShownBacktest};
use super::server::{HistoryServer, ProgressBar};
use crate::alert::history_query::{Configured, HistoryQuery, queries};
use crate::alert::inline::ensembles_matcher;
use crate::alert::{LeftOut, conditions};
use crate::history::backtest::{BacktestPlan, run, watched};
use crate::history::client::QueryApi;
use crate::history::grid::{Grid, Moment};
use crate::history::journal::Journal;
use crate::history::report::rows;

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter rules backtest --prometheus http://prometheus:9090
      firings of every alert and ensemble in the last 30 days, with the thresholds of the catalogue
  zookeeper-exporter rules backtest --prometheus http://prometheus:9090 --config.file ensembles.yml
      the same with the thresholds of a file
  zookeeper-exporter rules backtest --prometheus http://thanos --config.file a.yml --against b.yml
      two files side by side
  zookeeper-exporter rules backtest --prometheus http://vm:8428 --alert SlowFsync --output json
      every firing of one alert

Only the query API is used, and recording rules need not be loaded. Times without data are counted as \"not seen\". \
Exit codes: 0 all alerts were replayed; 1 some were not, or the server cannot be queried; 2 usage.";

/// Flags of `rules backtest`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Backtest {
    #[command(flatten)]
    server: HistoryServer,

    /// The exporter's YAML file with its thresholds. Default: the thresholds of the catalogue.
    #[arg(long = "config.file", env = "ZOOKEEPER_EXPORTER_CONFIG_FILE", value_name = "FILE")]
    config_file: Option<PathBuf>,

    /// A second YAML file, whose thresholds are replayed and shown for comparison.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,

    /// Only this alert, with or without ZooKeeper; repeat the flag for more.
    #[arg(long, value_name = "NAME")]
    alert: Vec<String>,

    /// Only this ensemble; repeat the flag for more.
    #[arg(long, value_name = "NAME")]
    ensemble: Vec<String>,

    /// File for the results of finished queries, from which an interrupted run continues.
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,

    /// Output format; json and html list every firing.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    output: BacktestOutput,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum BacktestOutput {
    Text,
    Json,
    Html,
}

impl Backtest {
    pub(super) fn run(&self) -> Result<ExitCode, UsageError> {
        let api = Arc::new(self.server.api()?);
        let grid = self.server.grid()?;
        let (journal, grid) = match &self.resume {
            Some(file) => {
                let opened = Journal::open(file, &api.name(), grid);
                let (journal, stored) = opened.map_err(|why| UsageError(format!("--resume: {why}")))?;
                if (stored.start, stored.end) != (grid.start, grid.end) {
                    let (file, from, until) = (file.display(), Moment(stored.start), Moment(stored.end));
                    tell(format_args!("--resume: {file} continues the run from {from} to {until}"));
                }
                (journal, stored)
            }
            None => (Journal::default(), grid),
        };
        let (queries, left_out) = self.queries(grid)?;
        let plan = BacktestPlan {
            grid,
            queries,
            matcher: ensembles(&self.ensemble)?,
            concurrency: self.server.concurrency(),
            moments: self.server.moments(),
        };
        one_shot::run(self.replayed(api, plan, journal, left_out))
    }

    /// The queries for the selected alerts.
    fn queries(&self, grid: Grid) -> Result<(Vec<HistoryQuery>, Vec<Vec<LeftOut>>), UsageError> {
        let own = of_file(self.config_file.as_deref())?;
        let other = self.against.as_deref().map(|file| of_file(Some(file))).transpose();
        let other = other.map_err(|error| UsageError(format!("--against: {}", error.0)))?;
        let both: Vec<_> = [Some(&own), other.as_ref()].into_iter().flatten().collect();
        let configured: Vec<_> =
            both.iter().map(|(thresholds, deployment)| Configured { thresholds, deployment }).collect();
        let step = crate::alert::expr::Span(u64::try_from(grid.step).unwrap_or(60));
        let (mut queries, left_out) = self::queries(&configured, step);
        let short = |name: &String| name.strip_prefix("ZooKeeper").unwrap_or(name).to_owned();
        let wanted: Vec<String> = self.alert.iter().map(short).collect();
        for name in &wanted {
            if !conditions().iter().any(|condition| condition.name == name) {
                return Err(UsageError(format!("--alert: unknown alert `{name}`: docs/alerts.md lists all alerts")));
            }
        }
        if !wanted.is_empty() {
            queries.retain(|query| wanted.iter().any(|name| query.condition.name == name));
            if queries.is_empty() {
                let why = left_out.iter().flatten().find(|one| wanted.iter().any(|name| one.alert.contains(name)));
                let why = why.map_or_else(|| "it always fires".to_owned(), |one| one.reason.clone());
                return Err(UsageError(format!("--alert: no rule of {}: {why}", wanted.join(", "))));
            }
        }
        Ok((queries, left_out))
    }

    async fn replayed(
        &self,
        api: Arc<QueryApi>,
        plan: BacktestPlan,
        mut journal: Journal,
        left_out: Vec<Vec<LeftOut>>,
    ) -> ExitCode {
        let plan = Arc::new(plan);
        let name = api.name();
        let watched = tokio::select! {
            watched = watched(&api, &plan) => watched,
            _ = tokio::signal::ctrl_c() => {
                tell("interrupted before the first result");
                return ExitCode::FAILURE;
            }
        };
        let watched = match watched {
            Ok(watched) if watched.is_empty() => {
                let (from, until) = (Moment(plan.grid.start), Moment(plan.grid.end));
                let of =
                    if self.ensemble.is_empty() { String::new() } else { format!(" of {}", self.ensemble.join(", ")) };
                tell(format_args!(
                    "{name}: no series of the exporter{of} from {from} to {until}: expected the server that scrapes it"
                ));
                return ExitCode::FAILURE;
            }
            Ok(watched) => watched,
            Err(error) => {
                tell(format_args!("{name}: {}", error.text()));
                return ExitCode::FAILURE;
            }
        };
        let mut bar = ProgressBar::new();
        let stop = async { _ = tokio::signal::ctrl_c().await };
        let done =
            run(Arc::clone(&api), Arc::clone(&plan), watched, &mut journal, stop, |so_far| bar.show(so_far)).await;
        bar.end();
        let (rows, failed) = rows(&plan, &done);
        let shown = ShownBacktest {
            server: &name,
            plan: &plan,
            done: &done,
            rows: &rows,
            failed: &failed,
            left_out: &left_out,
            warnings: &api.warnings(),
            against: self.against.is_some(),
            resume: self.resume.as_deref(),
        };
        for line in shown.trouble() {
            tell(line);
        }
        let text = match self.output {
            BacktestOutput::Text => output::text(&shown),
            BacktestOutput::Json => output::json(&shown),
            BacktestOutput::Html => html::page(&shown),
        };
        print(&text).code(if shown.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// A label matcher for the selected ensembles.
pub(super) fn ensembles(names: &[String]) -> Result<Option<String>, UsageError> {
    // The names are embedded in a pattern inside quotes: only characters without a meaning there are accepted.
    let odd =
        |name: &&String| name.is_empty() || name.chars().any(|c| !(c.is_ascii_alphanumeric() || "._-".contains(c)));
    match names.iter().find(odd) {
        Some(name) => Err(UsageError(format!(
            "--ensemble: invalid ensemble name `{name}`: expected letters, digits, `.`, `_` and `-`"
        ))),
        None => Ok((!names.is_empty()).then(|| ensembles_matcher(names))),
    }
}

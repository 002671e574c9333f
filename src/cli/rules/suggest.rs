//! `rules suggest`: derives warning limits for each ensemble from its history.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::stdout::{print, tell};
use super::super::{UsageError, one_shot};
use super::backtest::ensembles;
use super::of_file;
use super::output::span;
use super::server::{HistoryServer, ProgressBar};
use crate::alert::condition::{Condition, Severity};
use crate::alert::expr::{Cmp, Span};
use crate::alert::history_query::{Configured, HistoryQuery, indicator, queries};
use crate::alert::thresholds::InForce;
use crate::alert::tuning::{TUNING, TuningRange, written};
use crate::alert::{Deployment, Thresholds};
use crate::history::backtest::{BacktestPlan, Replayed, RunProgress, WatchedTimes, run, watched};
use crate::history::client::{QueryApi, QueryConnection, QueryError};
use crate::history::grid::{Grid, Moment};
use crate::history::indicators::{batches, indicator_values};
use crate::history::journal::Journal;
use crate::history::suggest::{NO_DATA, Spread, Suggestion, TuningQuestion, incident_moments};

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter rules suggest --prometheus http://prometheus:9090
      a warning limit for each indicator and ensemble, with at most 2 firings in 30 days
  zookeeper-exporter rules suggest --prometheus http://prometheus:9090 --budget 1/7d > suggested.yml
      comments with the figures, and an `alerts:` block to paste into the configuration

Times at which a critical alert fired are excluded. Critical limits are not changed, and warning limits stay in a harmless \
range. Exit codes: 0 done; 1 incomplete, or the server cannot be queried; 2 usage.";

/// Flags of `rules suggest`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Suggest {
    #[command(flatten)]
    server: HistoryServer,

    /// The exporter's YAML file with its thresholds. Default: the thresholds of the catalogue.
    #[arg(long = "config.file", env = "ZOOKEEPER_EXPORTER_CONFIG_FILE", value_name = "FILE")]
    config_file: Option<PathBuf>,

    /// Acceptable number of firings of each warning per ensemble and period.
    #[arg(long, value_name = "N/DURATION", default_value = "2/30d", value_parser = budget)]
    budget: Budget,

    /// Only this ensemble; repeat the flag for more.
    #[arg(long, value_name = "NAME")]
    ensemble: Vec<String>,

    /// Output format.
    #[arg(long, value_name = "FORMAT", default_value = "yaml")]
    output: SuggestOutput,
}

/// An acceptable number of firings within a time in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Budget {
    firings: f64,
    time: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum SuggestOutput {
    Yaml,
    Json,
}

/// A suggested limit.
struct SuggestedRow {
    condition: &'static Condition,
    ensemble: String,
    limit: f64,
    suggestion: Suggestion,
}

/// A level to fit: its expression, and the range of its limit.
struct Tuned<'t> {
    level: &'t InForce,
    expr: String,
    compare: Cmp,
    range: TuningRange,
}

impl Suggest {
    pub(super) fn run(&self) -> Result<ExitCode, UsageError> {
        let api = Arc::new(self.server.api()?);
        let grid = self.server.grid()?;
        let (thresholds, deployment) = of_file(self.config_file.as_deref())?;
        let matcher = ensembles(&self.ensemble)?;
        one_shot::run(self.suggested(api, grid, &thresholds, &deployment, matcher))
    }

    async fn suggested(
        &self,
        api: Arc<QueryApi>,
        grid: Grid,
        thresholds: &Thresholds,
        deployment: &Deployment,
        matcher: Option<String>,
    ) -> ExitCode {
        let work = self.rows(&api, grid, thresholds, deployment, matcher);
        let rows = tokio::select! {
            rows = work => rows,
            _ = tokio::signal::ctrl_c() => Err("interrupted: limits are proposed from a complete history only".to_owned()),
        };
        let rows = match rows {
            Ok(rows) => rows,
            Err(why) => {
                tell(format_args!("{}: {why}", api.name()));
                return ExitCode::FAILURE;
            }
        };
        api.warnings().iter().for_each(|warning| tell(format_args!("warning of {}: {warning}", api.name())));
        let text = match self.output {
            SuggestOutput::Yaml => self.yaml(&api.name(), grid, &rows),
            SuggestOutput::Json => json(&api.name(), grid, &rows),
        };
        print(&text).code(ExitCode::SUCCESS)
    }

    async fn rows(
        &self,
        api: &Arc<QueryApi>,
        grid: Grid,
        thresholds: &Thresholds,
        deployment: &Deployment,
        matcher: Option<String>,
    ) -> Result<Vec<SuggestedRow>, String> {
        let step = Span(u64::try_from(grid.step).unwrap_or(60));
        let configured = Configured { thresholds, deployment };
        let (mut alarms, _) = queries(&[configured], step);
        for query in &mut alarms {
            query.levels.retain(|level| level.severity == Severity::Critical);
        }
        alarms.retain(|query| !query.levels.is_empty());
        let plan = BacktestPlan {
            grid,
            queries: alarms,
            matcher,
            concurrency: self.server.concurrency(),
            moments: self.server.moments(),
        };
        let plan = Arc::new(plan);
        let text = |error: QueryError| error.text().to_owned();
        let seen = watched(api, &plan).await.map_err(text)?;
        if seen.is_empty() {
            let (from, until) = (Moment(grid.start), Moment(grid.end));
            return Err(format!(
                "no series of the exporter from {from} to {until}: expected the server that scrapes it"
            ));
        }
        let mut bar = ProgressBar::new();
        let tuned = tuned(thresholds, configured, step);
        let batches = batches(&seen, &grid);
        let pieces = grid.len().div_ceil(plan.moments);
        let later = pieces * tuned.len() * batches.len();
        let none = std::future::pending::<()>();
        let shown = |so_far: RunProgress| bar.show(RunProgress { expected: so_far.expected + later, ..so_far });
        let done = run(Arc::clone(api), Arc::clone(&plan), seen, &mut Journal::default(), none, shown).await;
        let incidents = incidents(&plan.queries, &done)?;
        let mut connection = QueryConnection::default();
        let mut rows = Vec::new();
        let mut so_far =
            RunProgress { done: pieces * plan.queries.len(), expected: pieces * plan.queries.len() + later };
        for one in &tuned {
            for batch in &batches {
                let tick = || {
                    so_far.done += 1;
                    bar.show(so_far);
                };
                let values = indicator_values(api, &mut connection, &one.expr, batch, &grid, plan.moments, tick)
                    .await
                    .map_err(text)?;
                for name in batch {
                    let Some(limit) = one.level.of_ensemble(name).flatten() else { continue };
                    let series = values.get(name).map_or(&[][..], Vec::as_slice);
                    let spans = incidents.get(name).map_or(&[][..], Vec::as_slice);
                    let critical = critical_limit(thresholds, one.level.condition, name);
                    let suggestion = self
                        .question(one, grid, (limit, critical), &done.watched, name)
                        .answer(series, &incident_moments(&grid, spans));
                    if suggestion.why != NO_DATA {
                        rows.push(SuggestedRow {
                            condition: one.level.condition,
                            ensemble: name.clone(),
                            limit,
                            suggestion,
                        });
                    }
                }
            }
        }
        bar.end();
        Ok(rows)
    }

    /// `limits` are the warning and critical limits of the ensemble.
    fn question(
        &self,
        one: &Tuned<'_>,
        grid: Grid,
        limits: (f64, Option<f64>),
        watched: &WatchedTimes,
        name: &str,
    ) -> TuningQuestion {
        #[expect(clippy::cast_precision_loss, reason = "seconds of some years")]
        let seen = watched.get(name).map_or(0, |presence| presence.seconds(grid.step)) as f64;
        TuningQuestion {
            grid,
            compare: one.compare,
            unit: one.level.condition.unit,
            limit: limits.0,
            hold: i64::try_from(one.level.hold.0).unwrap_or(i64::MAX / 4),
            keep: i64::try_from(one.level.level.keep.0).unwrap_or(i64::MAX / 4),
            range: limits.1.map_or(one.range, |critical| one.range.before(critical, one.compare)),
            budget: self.budget.firings * seen / self.budget.time,
        }
    }

    /// The YAML block to paste, with the figures as comments.
    fn yaml(&self, server: &str, grid: Grid, rows: &[SuggestedRow]) -> String {
        let mut out = format!(
            "# Warning limits from the history of {server},\n# {} to {}, evaluated every {}.\n# Budget: {} firings in {} for each alert and ensemble.\n",
            Moment(grid.start),
            Moment(grid.end),
            span(grid.step),
            self.budget.firings,
            span_of(self.budget.time),
        );
        let mut table = super::super::table::Table::new(&[
            "ALERT", "ENSEMBLE", "MEDIAN", "P99", "P99.9", "WORST", "LIMIT", "BEYOND", "FIRINGS", "PROPOSED",
            "FIRINGS", "WHY",
        ]);
        for row in rows {
            let unit = row.condition.unit;
            let words = |value: f64| unit.words(value);
            let spread = row.suggestion.spread.as_ref();
            let value = |of: fn(&Spread) -> f64| spread.map(|spread| words(of(spread))).unwrap_or_default();
            let (proposed, after) = match row.suggestion.proposed {
                Some((limit, after)) => (words(limit), after.to_string()),
                None => (String::new(), String::new()),
            };
            table.row(vec![
                row.condition.name.to_owned(),
                row.ensemble.clone(),
                value(|spread| spread.median),
                value(|spread| spread.p99),
                value(|spread| spread.p999),
                value(|spread| spread.worst),
                words(row.limit),
                spread.map(|spread| span(spread.beyond)).unwrap_or_default(),
                row.suggestion.firings.to_string(),
                proposed,
                after,
                row.suggestion.why.clone(),
            ]);
        }
        out.push_str("#\n");
        for line in table.lines() {
            let _ = writeln!(out, "# {line}");
        }
        let mut block: BTreeMap<&str, Vec<(&str, String)>> = BTreeMap::new();
        for row in rows {
            if let Some((limit, _)) = row.suggestion.proposed {
                let text = written(row.condition.unit, limit);
                block.entry(&row.ensemble).or_default().push((row.condition.name, text));
            }
        }
        if block.is_empty() {
            out.push_str("#\n# No change is proposed.\n");
            return out;
        }
        out.push_str("alerts:\n  ensembles:\n");
        for (ensemble, settings) in block {
            let _ = writeln!(out, "    \"{ensemble}\":");
            for (name, limit) in settings {
                let _ = writeln!(out, "      {name}: {{warning: {limit}}}");
            }
        }
        out
    }
}

/// The warning levels that may be fitted.
fn tuned<'t>(thresholds: &'t Thresholds, configured: Configured<'_>, step: Span) -> Vec<Tuned<'t>> {
    let levels = thresholds.levels().iter().filter(|level| level.level.severity == Severity::Warning);
    levels
        .filter_map(|level| {
            let range = TUNING.iter().find(|range| range.condition == level.condition.name)?;
            let (expr, compare) = indicator(level, configured, step)?;
            Some(Tuned { level, expr, compare, range: *range })
        })
        .collect()
}

/// The critical limit of a condition for an ensemble, if it has one.
fn critical_limit(thresholds: &Thresholds, condition: &Condition, ensemble: &str) -> Option<f64> {
    let of_condition = |level: &&InForce| level.condition.name == condition.name;
    let mut levels = thresholds.levels().iter().filter(of_condition);
    levels.find(|level| level.level.severity == Severity::Critical)?.of_ensemble(ensemble).flatten()
}

/// The times at which critical alerts fired, by ensemble. An error if they are unknown for any alert.
fn incidents(queries: &[HistoryQuery], done: &Replayed) -> Result<BTreeMap<String, Vec<(i64, i64)>>, String> {
    if let Some(why) = &done.ended {
        return Err(why.clone());
    }
    let mut spans: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    for (query, firings) in queries.iter().zip(&done.firings) {
        let levels = match firings {
            Some(Ok(levels)) => levels,
            Some(Err(why)) => return Err(format!("{}: {why}", query.condition.alert())),
            None => return Err(format!("{}: not replayed", query.condition.alert())),
        };
        for firing in levels.iter().flatten() {
            if let Some(name) = firing.labels.get("ensemble") {
                spans.entry(name.clone()).or_default().push((firing.time.start, firing.time.end));
            }
        }
    }
    Ok(spans)
}

fn json(server: &str, grid: Grid, rows: &[SuggestedRow]) -> String {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let spread = row.suggestion.spread.map(|spread| {
                json!({
                    "median": spread.median, "p99": spread.p99, "p99_9": spread.p999, "worst": spread.worst,
                    "beyond_seconds": spread.beyond, "seen_seconds": spread.seen, "incident_seconds": spread.incidents,
                })
            });
            let proposed =
                row.suggestion.proposed.map(|(limit, firings)| json!({"warning": limit, "firings": firings}));
            json!({
                "alert": row.condition.alert(), "ensemble": row.ensemble, "limit": row.limit, "spread": spread,
                "firings": row.suggestion.firings, "proposed": proposed, "why": row.suggestion.why,
            })
        })
        .collect();
    let all = json!({
        "server": server, "from": Moment(grid.start).to_string(), "until": Moment(grid.end).to_string(),
        "interval_seconds": grid.step, "suggestions": rows,
    });
    let text = serde_json::to_string_pretty(&all).unwrap_or_default();
    crate::text::escape_json(&text).into_owned() + "\n"
}

fn budget(text: &str) -> Result<Budget, String> {
    const HOW: &str = "expected N/DURATION, e.g. 2/30d";
    let (firings, time) = text.split_once('/').ok_or(HOW)?;
    let firings: u32 = firings.parse().map_err(|_| HOW)?;
    let time = crate::config::parse_years(time).map_err(|error| error.to_string())?;
    if time.is_zero() {
        return Err(HOW.to_owned());
    }
    Ok(Budget { firings: f64::from(firings), time: time.as_secs_f64() })
}

fn span_of(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "seconds of some years")]
    let seconds = seconds as i64;
    span(seconds)
}

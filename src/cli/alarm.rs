//! `alarm`: sets, lists and clears thresholds of znodes, which are stored in separate alarm znodes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::one_shot::one_shot_sockets;
use super::stdout::{print, tell};
use super::{UsageError, targets};
use crate::config::{self, Address, Discovery, EnsembleConfig, Limits, Module, znode};
use crate::scrape::{EnsembleReport, Scraper};
use crate::session::{Session, SessionError, SessionParams};
use crate::settings::Settings;
use crate::text;
use crate::verdict::judge;
use crate::wire;
use crate::znode::alarm::{self, Alarm, Listed};

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter alarm set /cpu_usage 90
      critical above 90: writes 90 into the znode /alarm/cpu_usage
  zookeeper-exporter alarm set /cpu_usage 90 --warning 80 --zookeeper zk-1,zk-2,zk-3
      a warning above 80 as well
  zookeeper-exporter alarm set '/app/*/load' 5 --config.file ensembles.yml --ensemble prod
      one threshold for all znodes that match the glob, with digest and ACL of the configuration
  zookeeper-exporter alarm list --output json
  zookeeper-exporter alarm clear /cpu_usage";

/// `alarm` and its sub-commands.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct AlarmCommand {
    #[command(subcommand)]
    command: AlarmAction,
}

#[derive(Debug, clap::Subcommand)]
enum AlarmAction {
    /// Create or update the alarm znode of a znode, creating parent znodes as needed.
    #[command(after_help = EXAMPLES)]
    Set(Set),
    /// List the alarms with the current values of their znodes.
    List(List),
    /// Remove the alarm of a znode; exit 1 if there is none.
    Clear(Clear),
}

#[derive(Debug, clap::Args)]
struct Target {
    /// An ensemble as [NAME=]HOST:PORT[,HOST:PORT...]; if there are several, select one with --ensemble. Default:
    /// localhost:2181.
    #[arg(long, env = "ZOOKEEPER_EXPORTER_ZOOKEEPER", value_name = "[NAME=]MEMBERS", conflicts_with = "config_file")]
    zookeeper: Vec<String>,

    /// Configuration file of the exporter, with TLS, digest, ACL and the root of the alarms.
    #[arg(long = "config.file", env = "ZOOKEEPER_EXPORTER_CONFIG_FILE", value_name = "FILE")]
    config_file: Option<PathBuf>,

    /// The ensemble; required if there are several.
    #[arg(long, value_name = "NAME")]
    ensemble: Option<String>,

    /// Timeout of the whole command.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = config::parse_duration)]
    timeout: Duration,
}

#[derive(Debug, clap::Args)]
struct Set {
    /// The znode to watch, e.g. /load, or a glob as in the configuration.
    #[arg(value_name = "PATH")]
    path: String,
    /// The critical threshold; optional with --warning.
    #[arg(value_name = "CRITICAL", allow_negative_numbers = true, required_unless_present = "warning", value_parser = number)]
    critical: Option<f64>,
    /// The warning threshold.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = number)]
    warning: Option<f64>,
    /// Run until interrupted, and remove the alarm then.
    #[arg(long)]
    ephemeral: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Output {
    Table,
    Json,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Output format.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
struct Clear {
    /// The znode whose alarm is removed.
    #[arg(value_name = "PATH")]
    path: String,
    #[command(flatten)]
    target: Target,
}

/// Maximum length of a path in the table, in characters; a znode path may have megabytes.
const MAX_PATH: usize = 256;

/// Timeout for finding the members that do not belong to the ensemble.
const MEMBERSHIP_TIMEOUT: Duration = Duration::from_secs(2);

/// Timeout for closing the session.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

impl AlarmCommand {
    pub(super) fn run(self) -> Result<ExitCode, UsageError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| UsageError(format!("cannot start the runtime: {error}")))?;
        let target = match &self.command {
            AlarmAction::Set(set) => &set.target,
            AlarmAction::List(list) => &list.target,
            AlarmAction::Clear(clear) => &clear.target,
        };
        // Outside the runtime, where the scraper starts no background tasks.
        let subject = target.subject()?;
        let code = runtime.block_on(async {
            match self.command {
                AlarmAction::Set(set) => set.run(subject).await,
                AlarmAction::List(list) => list.run(subject).await,
                AlarmAction::Clear(clear) => clear.run(subject).await,
            }
        });
        runtime.shutdown_background();
        code
    }
}

impl Set {
    async fn run(self, subject: AlarmSubject) -> Result<ExitCode, UsageError> {
        let alarm = Alarm { warning: self.warning, critical: self.critical };
        if let (Some(warning), Some(critical)) = (alarm.warning, alarm.critical)
            && warning >= critical
        {
            return Err(UsageError(format!(
                "invalid --warning {warning}: expected less than the critical threshold {critical}"
            )));
        }
        let (root, deadline) = (subject.root(), self.target.deadline());
        let path = watched(&self.path, &root)?;
        let Some(mut session) = subject.session(deadline).await else { return Ok(ExitCode::FAILURE) };
        let ensemble = &subject.ensemble;
        let config = &ensemble.module.probes.session;
        let done = match session.client(deadline).await {
            Ok(client) => alarm::set(&client, &root, &path, alarm, self.ephemeral, config).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            let code = failed(&format!("cannot set the alarm {root}{path}"), &session, error);
            session.close(CLOSE_TIMEOUT).await;
            return Ok(code);
        }
        let zones = ensemble.module.probes.znodes.iter().flat_map(|znodes| &znodes.paths);
        if self.target.config_file.is_some() && !zones.into_iter().any(|zone| zone.path() == path || zone.covers(&path))
        {
            tell(format_args!("note: {path} is not monitored: add it to znodes.paths of the module"));
        }
        let written = print(&format!("{root}{path} set: {}\n", alarm.data()));
        if self.ephemeral {
            tell("the alarm is removed when this command is interrupted");
            wait(&mut session).await?;
        }
        session.close(CLOSE_TIMEOUT).await;
        Ok(written.code(ExitCode::SUCCESS))
    }
}

/// Waits for a signal or the end of the session.
async fn wait(session: &mut Session) -> Result<(), UsageError> {
    use tokio::signal::unix::{SignalKind, signal};
    let no_signals = |error| UsageError(format!("cannot listen for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = session.ended() => tell("the session has ended, which removes the alarm"),
    }
    Ok(())
}

impl List {
    async fn run(self, subject: AlarmSubject) -> Result<ExitCode, UsageError> {
        let (root, deadline) = (subject.root(), self.target.deadline());
        let Some(mut session) = subject.session(deadline).await else { return Ok(ExitCode::FAILURE) };
        let listed = match session.client(deadline).await {
            Ok(client) => alarm::list(&client, &root).await,
            Err(error) => Err(error),
        };
        let code = match listed {
            Err(error) => failed(&format!("cannot list the alarms below {root}"), &session, error),
            Ok(alarms) => {
                let text = match self.output {
                    Output::Table => table(&alarms),
                    Output::Json => json(&alarms),
                };
                print(&text).code(ExitCode::SUCCESS)
            }
        };
        session.close(CLOSE_TIMEOUT).await;
        Ok(code)
    }
}

impl Clear {
    async fn run(self, subject: AlarmSubject) -> Result<ExitCode, UsageError> {
        let (root, deadline) = (subject.root(), self.target.deadline());
        let path = watched(&self.path, &root)?;
        let Some(mut session) = subject.session(deadline).await else { return Ok(ExitCode::FAILURE) };
        let done = match session.client(deadline).await {
            Ok(client) => alarm::clear(&client, &root, &path).await,
            Err(error) => Err(error),
        };
        let code = match done {
            Ok(()) => print(&format!("{root}{path} cleared\n")).code(ExitCode::SUCCESS),
            Err(SessionError::NoNode) => {
                tell(format_args!("no alarm {root}{path}: list all with zookeeper-exporter alarm list"));
                ExitCode::FAILURE
            }
            Err(error) => failed(&format!("cannot clear the alarm {root}{path}"), &session, error),
        };
        session.close(CLOSE_TIMEOUT).await;
        Ok(code)
    }
}

/// The ensemble of the command.
struct AlarmSubject {
    ensemble: EnsembleConfig,
    /// Finds the members that do not belong to it.
    scraper: Arc<Scraper>,
}

impl Target {
    fn subject(&self) -> Result<AlarmSubject, UsageError> {
        let mut settings = match &self.config_file {
            Some(file) => Settings::load(file, &[])?,
            None => Settings::from_flags(&targets::ensembles(&self.zookeeper), Module::default(), &[])?,
        };
        let config = &settings.config;
        let names = || config.ensembles.iter().map(|ensemble| &*ensemble.name).collect::<Vec<_>>().join(", ");
        let ensemble = match &self.ensemble {
            Some(name) => config.ensembles.iter().find(|ensemble| ensemble.name == *name).cloned().ok_or_else(|| {
                UsageError(format!("--ensemble: unknown ensemble `{name}`: expected one of {}", names()))
            }),
            None if config.ensembles.len() > 1 => {
                Err(UsageError(format!("several ensembles: expected --ensemble with one of {}", names())))
            }
            None => config
                .ensembles
                .first()
                .cloned()
                .ok_or_else(|| UsageError("the configuration file has no ensemble".to_owned())),
        }?;
        settings.keep_ensembles(std::slice::from_ref(&ensemble.name)).map_err(UsageError)?;
        let limits = Limits { sockets: one_shot_sockets(None)?, ..Limits::default() };
        Ok(AlarmSubject { ensemble, scraper: Arc::new(Scraper::new(&settings.config, limits)) })
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }
}

impl AlarmSubject {
    fn root(&self) -> String {
        self.ensemble.module.probes.alarms.root.clone()
    }

    /// A session that uses the members of the ensemble only; `None` if they belong to several, so that the intended one
    /// is unknown.
    async fn session(&self, deadline: Instant) -> Option<Session> {
        let Self { ensemble, scraper } = self;
        let members: Vec<_> = ensemble.members.iter().map(|member| member.address.clone()).collect();
        let params = SessionParams::new(members, &ensemble.module, Arc::new(wire::Client::new(&ensemble.module)));
        if ensemble.members.len() > 1 || ensemble.discovery != Discovery::Static {
            let left = deadline.saturating_duration_since(Instant::now());
            let report = scraper.scrape(Instant::now() + MEMBERSHIP_TIMEOUT.min(left / 2)).await;
            for report in report.ensembles {
                params.avoided.replace(strangers(&report)?);
            }
        }
        Some(Session::new(params))
    }
}

/// The members of this report that do not belong to its ensemble, each with a line on standard error; `None` if the
/// intended ensemble is unknown.
fn strangers(report: &EnsembleReport) -> Option<BTreeSet<Address>> {
    let verdict = judge(report);
    let name = |place: &usize| &*report.members[*place].name;
    if verdict.mixed {
        let others = verdict.foreign.iter().map(name).collect::<Vec<_>>().join(", ");
        tell(format_args!(
            "the members belong to more than one ensemble: expected members of one; {others}: not in the ensemble of the first"
        ));
        return None;
    }
    for place in &verdict.strangers {
        let what = if verdict.foreign.contains(place) { "belongs to another ensemble" } else { "is standalone" };
        tell(format_args!("note: {} {what} and is not used", name(place)));
    }
    Some(verdict.strangers.iter().filter_map(|place| name(place).parse().ok()).collect())
}

/// The path below the root. A glob is kept as it is: `*` is an ordinary character in a znode name.
fn watched(path: &str, root: &str) -> Result<String, UsageError> {
    let path = znode::ZnodePath::new(path, None).map(|path| path.path().to_owned()).map_err(UsageError)?;
    match path.strip_prefix(root) {
        Some("") => {
            Err(UsageError(format!("{path} is the root of the alarms: expected the monitored znode, e.g. /load")))
        }
        Some(znode) if znode.starts_with('/') => {
            Err(UsageError(format!("{path} is an alarm: expected the monitored znode, {znode}")))
        }
        _ => Ok(path),
    }
}

/// Reports an error with a hint; the exit code is 1.
fn failed(what: &str, session: &Session, error: SessionError) -> ExitCode {
    let advice = match error {
        SessionError::NodeExists => "it exists: clear it first, or set it without --ephemeral".to_owned(),
        SessionError::Timeout if session.is_connected() => {
            "no reply in time: the ensemble may be overloaded".to_owned()
        }
        error => session.describe(error),
    };
    tell(format_args!("{what}: {advice}"));
    ExitCode::FAILURE
}

fn table(alarms: &[Listed]) -> String {
    let mut rows = vec![["PATH", "WARNING", "CRITICAL", "VALUE", "STATE", "KIND"].map(str::to_owned)];
    let shown = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    rows.extend(alarms.iter().map(|listed| {
        let alarm = listed.alarm.unwrap_or(Alarm { warning: None, critical: None });
        let kind = if listed.ephemeral { "ephemeral" } else { "persistent" };
        let (warning, critical) = (shown(alarm.warning), shown(alarm.critical));
        [
            text::line(&listed.path, MAX_PATH),
            warning,
            critical,
            shown(listed.value),
            state(listed).to_owned(),
            kind.to_owned(),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let line = |row: &[String; 6]| {
        let padded = |(cell, width): (&String, &usize)| cell.clone() + &" ".repeat(width - cell.chars().count());
        let cells: Vec<String> = row.iter().zip(&widths).map(padded).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// `ok`, `warning` or `critical`; `unknown` without a value or an alarm.
fn state(listed: &Listed) -> &'static str {
    let (Some(alarm), Some(value)) = (listed.alarm, listed.value) else { return "unknown" };
    let above = |threshold: Option<f64>| threshold.is_some_and(|threshold| value > threshold);
    match (above(alarm.critical), above(alarm.warning)) {
        (true, _) => "critical",
        (_, true) => "warning",
        _ => "ok",
    }
}

fn json(alarms: &[Listed]) -> String {
    let entries: Vec<serde_json::Value> = alarms
        .iter()
        .map(|listed| {
            serde_json::json!({
                "path": text::cut(&listed.path),
                "warning": listed.alarm.and_then(|alarm| alarm.warning),
                "critical": listed.alarm.and_then(|alarm| alarm.critical),
                "value": listed.value,
                "state": state(listed),
                "ephemeral": listed.ephemeral,
            })
        })
        .collect();
    text::escape_json(&format!("{}\n", serde_json::Value::from(entries))).into_owned()
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| "expected a number, e.g. 90".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_of_a_znode_can_be_listed() {
        let alarm = Alarm { warning: None, critical: Some(90.0) };
        let listed = |path: String| Listed { path, alarm: Some(alarm), ephemeral: false, value: Some(91.0) };
        let all = [listed(format!("/{}", "x".repeat(70_000))), listed("/a\u{202e}\u{9b}b\nc".into())];
        let table = table(&all);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].chars().count() < MAX_PATH + 60 && lines[1].contains("x…  -  "), "{}", lines[1]);
        assert!(lines[2].starts_with("/a\u{fffd}\u{fffd}b\u{fffd}c ") && lines[2].contains("critical"), "{}", lines[2]);
        let json = json(&all);
        assert!(json.len() < 2000 && !json.trim_end().chars().any(text::is_unprintable), "{json}");
        let read: Vec<serde_json::Value> = serde_json::from_str(&json).expect("JSON");
        assert_eq!(read[1]["path"], "/a\u{202e}\u{9b}b\nc");
    }
}

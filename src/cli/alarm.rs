//! `alarm`: set, list and clear the thresholds of znodes, in znodes of their own.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::out::{print, tell};
use super::{UsageError, targets};
use crate::config::{self, Config, EnsembleConfig, Module, znode};
use crate::session::{Session, SessionError, SessionParams};
use crate::text;
use crate::wire;
use crate::znode::alarm::{self, Alarm, Listed};

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter alarm set /cpu_usage 90
      critical above 90: writes 90 into the znode /alarm/cpu_usage
  zookeeper-exporter alarm set /cpu_usage 90 --warning 80 --zookeeper zk-1,zk-2,zk-3
      a warning above 80 as well
  zookeeper-exporter alarm set '/app/*/load' 5 --config.file ensembles.yml --ensemble prod
      one threshold for all that the glob finds, with the digest and the ACL of the configuration
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
    /// Set the threshold of a znode: make its alarm znode and the parents of that, or change what it holds.
    #[command(after_help = EXAMPLES)]
    Set(Set),
    /// List the alarms that are set, with what their znodes hold now.
    List(List),
    /// Remove the alarm of a znode: exit 1 where there is none.
    Clear(Clear),
}

#[derive(Debug, clap::Args)]
struct Target {
    /// An ensemble as [NAME=]HOST:PORT[,HOST:PORT...]; where there are more, --ensemble chooses. Default: localhost:2181.
    #[arg(long, env = "ZOOKEEPER_EXPORTER_ZOOKEEPER", value_name = "[NAME=]MEMBERS", conflicts_with = "config_file")]
    zookeeper: Vec<String>,

    /// The YAML file of the exporter: TLS, digest, ACL and the root of the alarms come from there.
    #[arg(long = "config.file", env = "ZOOKEEPER_EXPORTER_CONFIG_FILE", value_name = "FILE")]
    config_file: Option<PathBuf>,

    /// The ensemble to work on; needed where there are several.
    #[arg(long, value_name = "NAME")]
    ensemble: Option<String>,

    /// Most time for all of it.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = config::parse_duration)]
    timeout: Duration,
}

#[derive(Debug, clap::Args)]
struct Set {
    /// The znode to watch, for example /load; a glob as in the configuration stands for all it finds.
    #[arg(value_name = "PATH")]
    path: String,
    /// The critical threshold; with --warning it may be left out.
    #[arg(value_name = "CRITICAL", allow_negative_numbers = true, required_unless_present = "warning", value_parser = number)]
    critical: Option<f64>,
    /// The threshold of the early warning.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = number)]
    warning: Option<f64>,
    /// Let the alarm end with this command, which then stays until it is interrupted.
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
    /// How the list is written.
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

/// Characters of a path in the table: any client may make a znode with a name of megabytes.
const MAX_PATH: usize = 256;

/// How long a command waits for its session to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

impl AlarmCommand {
    pub(super) fn run(self) -> Result<ExitCode, UsageError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| UsageError(format!("cannot start the runtime: {error}")))?;
        let code = runtime.block_on(async {
            match self.command {
                AlarmAction::Set(set) => set.run().await,
                AlarmAction::List(list) => list.run().await,
                AlarmAction::Clear(clear) => clear.run().await,
            }
        });
        runtime.shutdown_background();
        code
    }
}

impl Set {
    async fn run(self) -> Result<ExitCode, UsageError> {
        let alarm = Alarm { warning: self.warning, critical: self.critical };
        if let (Some(warning), Some(critical)) = (alarm.warning, alarm.critical)
            && warning >= critical
        {
            return Err(UsageError(format!(
                "--warning {warning} is not below the critical threshold {critical}; write a smaller one"
            )));
        }
        let ensemble = self.target.ensemble()?;
        let (root, deadline) = (root(&ensemble), self.target.deadline());
        let path = watched(&self.path, &root)?;
        let mut session = session(&ensemble);
        let config = &ensemble.module.extras.session;
        let done = match session.client(deadline).await {
            Ok(client) => alarm::set(&client, &root, &path, alarm, self.ephemeral, config).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            let code = failed(&format!("cannot set the alarm {root}{path}"), &session, error);
            session.close(CLOSE_TIMEOUT).await;
            return Ok(code);
        }
        let zones = ensemble.module.extras.znodes.iter().flat_map(|znodes| &znodes.paths);
        if self.target.config_file.is_some() && !zones.into_iter().any(|zone| zone.path() == path || zone.covers(&path))
        {
            tell(format_args!("note: {path} is not among the znodes of the module; add it under znodes: paths:"));
        }
        let written = print(&format!("{root}{path} is set: {}\n", alarm.data()));
        if self.ephemeral {
            tell("the alarm stays until this command is interrupted");
            wait(&mut session).await?;
        }
        session.close(CLOSE_TIMEOUT).await;
        Ok(written.code(ExitCode::SUCCESS))
    }
}

/// Until a signal comes, or the session is lost for good.
async fn wait(session: &mut Session) -> Result<(), UsageError> {
    use tokio::signal::unix::{SignalKind, signal};
    let no_signals = |error| UsageError(format!("cannot listen for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = session.ended() => tell("the session ended, and the alarm with it"),
    }
    Ok(())
}

impl List {
    async fn run(self) -> Result<ExitCode, UsageError> {
        let ensemble = self.target.ensemble()?;
        let (root, deadline) = (root(&ensemble), self.target.deadline());
        let mut session = session(&ensemble);
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
    async fn run(self) -> Result<ExitCode, UsageError> {
        let ensemble = self.target.ensemble()?;
        let (root, deadline) = (root(&ensemble), self.target.deadline());
        let path = watched(&self.path, &root)?;
        let mut session = session(&ensemble);
        let done = match session.client(deadline).await {
            Ok(client) => alarm::clear(&client, &root, &path).await,
            Err(error) => Err(error),
        };
        let code = match done {
            Ok(()) => print(&format!("{root}{path} is cleared\n")).code(ExitCode::SUCCESS),
            Err(SessionError::NoNode) => {
                tell(format_args!("there is no alarm {root}{path}; see zookeeper-exporter alarm list"));
                ExitCode::FAILURE
            }
            Err(error) => failed(&format!("cannot clear the alarm {root}{path}"), &session, error),
        };
        session.close(CLOSE_TIMEOUT).await;
        Ok(code)
    }
}

impl Target {
    fn ensemble(&self) -> Result<EnsembleConfig, UsageError> {
        let config: Config = if let Some(file) = &self.config_file {
            config::load(file)?
        } else {
            config::from_flags(&targets::ensembles(&self.zookeeper), Module::default())?
        };
        let names = || config.ensembles.iter().map(|ensemble| &*ensemble.name).collect::<Vec<_>>().join(", ");
        match &self.ensemble {
            Some(name) => config
                .ensembles
                .iter()
                .find(|ensemble| ensemble.name == *name)
                .cloned()
                .ok_or_else(|| UsageError(format!("--ensemble: there is no `{name}`; write one of {}", names()))),
            None if config.ensembles.len() > 1 => {
                Err(UsageError(format!("there are several ensembles; choose one with --ensemble: {}", names())))
            }
            None => config.ensembles.first().cloned().ok_or_else(|| UsageError("the file has no ensemble".to_owned())),
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }
}

fn session(ensemble: &EnsembleConfig) -> Session {
    let members = ensemble.members.iter().map(|member| member.address.clone()).collect();
    let client = Arc::new(wire::Client::new(&ensemble.module));
    Session::new(SessionParams::new(members, &ensemble.module, client))
}

fn root(ensemble: &EnsembleConfig) -> String {
    ensemble.module.extras.alarms.root.clone()
}

/// The path as it stands below the root: a glob keeps its star, which is a name like any other there.
fn watched(path: &str, root: &str) -> Result<String, UsageError> {
    let path = znode::ZnodePath::new(path, None).map(|path| path.path().to_owned()).map_err(UsageError)?;
    match path.strip_prefix(root) {
        Some("") => {
            Err(UsageError(format!("{path} is where the alarms stand; name the znode to watch, for example /load")))
        }
        Some(znode) if znode.starts_with('/') => {
            Err(UsageError(format!("{path} is an alarm itself; name the znode that it watches: {znode}")))
        }
        _ => Ok(path),
    }
}

/// Says what went wrong and what to do; the exit code is 1.
fn failed(what: &str, session: &Session, error: SessionError) -> ExitCode {
    let advice = match error {
        SessionError::NodeExists => "it is there already; clear it first, or set it without --ephemeral".to_owned(),
        SessionError::Timeout if session.is_connected() => "no reply in time; is the ensemble overloaded?".to_owned(),
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

/// `ok`, `warning`, `critical`; `unknown` where there is nothing to compare.
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
    text.parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
        .ok_or_else(|| "write a number, for example 90".to_owned())
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

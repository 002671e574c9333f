//! Flags and sub-commands, and how a mistake in them is told: one line, exit code 2.

mod alarm;
mod auto_reload;
mod check;
mod config;
mod dashboards;
mod descriptors;
mod environment;
mod healthy;
mod info;
mod judged;
mod listen;
mod look;
mod out;
mod replace;
mod restart;
mod rules;
mod serve;
mod stat;
mod table;
mod targets;

use std::process::ExitCode;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::catalogue::catalogue;
use crate::config::Located;
use crate::config::choice::fits;
use out::{Written, one_line, print, tell};

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter
      watch localhost:2181, serve http://localhost:9141/metrics
  zookeeper-exporter --zookeeper prod=zk-1:2181,zk-2:2181,zk-3:2181
      watch the three members of the ensemble `prod`
  zookeeper-exporter --zookeeper prod=zk-1,zk-2,zk-3,zk-4:2181:observer --zookeeper dev=zk-dev
      watch two ensembles; zk-4 is an observer and does not vote
  zookeeper-exporter --config.file ensembles.yml --web.listen-address 127.0.0.1:9141
      ensembles from a file
  zookeeper-exporter config check ensembles.yml
      exit 0 if the file can be used, else 2 and the mistake with its line
  zookeeper-exporter info --zookeeper prod=zk-1:2181,zk-2:2181,zk-3:2181
      who is who and what is wrong, in a table, without a running exporter
  zookeeper-exporter stat --watch --config.file ensembles.yml
      what each member does, every 2 s
  zookeeper-exporter check --zookeeper prod=zk-1:2181,zk-2:2181,zk-3:2181
      the same conditions as the alert rules, for Nagios and Icinga
  zookeeper-exporter healthy
      exit 0 if the exporter on this host answers, else 1

Every flag can be set in the environment: --web.listen-address is ZOOKEEPER_EXPORTER_WEB_LISTEN_ADDRESS. \
A flag wins over the environment, the environment over the file, the file over a default.";

/// Prometheus exporter for Apache ZooKeeper ensembles.
///
/// Asks every member of every ensemble for `mntr` and `srvr` at each scrape and serves the answers as metrics.
#[derive(Debug, Parser)]
#[command(name = "zookeeper-exporter", version, propagate_version = true, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Action>,
    #[command(flatten)]
    serve: serve::Serve,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Who is who: a table of every member with its role, version, zxid, lag and vote, and where configurations differ.
    Info(info::Info),
    /// What each member does: requests, latency, connections and fsync between two looks.
    Stat(stat::Stat),
    /// Whether a member may be restarted now without stopping its ensemble: exit 0 if so, 1 with the reasons if not.
    MayRestart(restart::MayRestart),
    /// The order of a rolling restart: members that do not serve, observers, followers, the leader.
    Plan(restart::Plan),
    /// Ask a running exporter whether it is healthy: exit 0 if so, else 1.
    Healthy(healthy::Healthy),
    /// Check ensembles as a monitoring plugin: one line, figures, exit code 0 to 3.
    Check(Box<check::Check>),
    /// Set, list and clear the alarm thresholds of znodes.
    Alarm(alarm::AlarmCommand),
    /// Write alert rules for Prometheus, with the thresholds of the configuration.
    Rules(rules::Rules),
    /// Check a configuration file.
    Config(config::Configuration),
    /// Write the Grafana dashboards.
    Dashboards(dashboards::Dashboards),
}

/// What the user did wrong, in one line; the exit code is 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(String);

impl From<crate::config::ConfigError> for UsageError {
    fn from(error: crate::config::ConfigError) -> Self {
        Self(error.to_string())
    }
}

/// The exit code for a mistake of the user.
const USAGE: u8 = 2;

/// The exit code for the same in `check` (Monitoring Plugins guidelines).
const UNKNOWN: u8 = 3;

/// All flags and sub-commands, for what is generated from them: man pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program as the command line says.
#[must_use]
pub fn run() -> ExitCode {
    let line: Vec<_> = std::env::args_os().collect();
    let read = environment::matches(&Cli::command(), &line).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match read {
        Ok(cli) => cli,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Written::of(error.print()).code(ExitCode::SUCCESS);
        }
        Err(error) => return usage(&summary(&error)),
    };
    let done = match cli.command {
        Some(Action::Info(info)) => info.run(),
        Some(Action::Stat(stat)) => stat.run(),
        Some(Action::MayRestart(restart)) => restart.run(),
        Some(Action::Plan(plan)) => plan.run(),
        Some(Action::Healthy(healthy)) => healthy.run(),
        Some(Action::Check(check)) => Ok(check.run()),
        Some(Action::Alarm(alarm)) => alarm.run(),
        Some(Action::Dashboards(dashboards)) => dashboards.run(),
        Some(Action::Rules(rules)) => rules.run(),
        Some(Action::Config(config)) => config.run(),
        None => cli.serve.run(),
    };
    done.unwrap_or_else(|error| usage(&error.0))
}

/// Reads a configuration file, thresholds of alerts and names of metrics included.
fn load(file: &std::path::Path) -> Result<crate::config::Config, crate::config::ConfigError> {
    let config = crate::config::load(file)?;
    crate::alert::Thresholds::of(&config)?;
    let names: Vec<String> = catalogue().families().map(|(_, family)| family.full_name()).collect();
    let lost = |pattern: &&Located<String>| !names.iter().any(|name| fits(&pattern.value, name));
    config.patterns.iter().find(lost).map_or(Ok(()), |pattern| {
        let message = format!("no metric is named like `{}`; docs/metrics.md lists them", pattern.value);
        Err(crate::config::ConfigError { place: pattern.place.clone(), message })
    })?;
    Ok(config)
}

fn usage(message: &str) -> ExitCode {
    // A monitoring system reads standard output, and takes 2 for critical; a script reads JSON.
    if std::env::args_os().nth(1).is_some_and(|command| command == "check") {
        let wants_json = |arguments: &[std::ffi::OsString]| match arguments {
            [flag, value] => flag == "--output" && value == "json",
            _ => false,
        };
        let line: Vec<_> = std::env::args_os().collect();
        let told = crate::alert::plugin::Told::unknown(one_line(message));
        let json = line.windows(2).any(wants_json) || line.iter().any(|argument| argument == "--output=json");
        let _ = print(&if json { told.json() } else { told.nagios(0) });
        return ExitCode::from(UNKNOWN);
    }
    tell(message);
    ExitCode::from(USAGE)
}

/// clap's message without its pages: the first line, and the tip where there is one.
fn summary(error: &clap::Error) -> String {
    let text = error.render().to_string();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        && let Some(missing) = missing_command(&text)
    {
        return missing;
    }
    let first = text.lines().next().unwrap_or("").trim_start_matches("error: ").trim_end_matches('.').to_owned();
    // The names of missing arguments are in the lines below.
    let first = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) => {
            format!("{} {}", first, missing.join(" "))
        }
        _ => first,
    };
    let suggestion = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue]
        .into_iter()
        .find_map(|kind| error.get(kind))
        .map(|value| match value {
            ContextValue::Strings(values) => values.join(", "),
            other => other.to_string(),
        });
    let values = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) if suggestion.is_none() && !values.is_empty() => Some(values.join(", ")),
        _ => None,
    };
    match (suggestion, values) {
        (Some(suggestion), _) => format!("{first}; did you mean {suggestion}?"),
        (None, Some(values)) => format!("{first}; write one of {values}"),
        (None, None) => format!("{first}; see zookeeper-exporter --help"),
    }
}

/// Of a help text that is shown because `config` or `alarm` stands alone: what to write behind it.
fn missing_command(help: &str) -> Option<String> {
    let usage = help.lines().find_map(|line| line.strip_prefix("Usage: "))?;
    let name = usage.strip_suffix(" <COMMAND>")?.rsplit(' ').next()?;
    let command = Cli::command();
    let names: Vec<&str> = command.find_subcommand(name)?.get_subcommands().map(clap::Command::get_name).collect();
    Some(format!("{name} needs a command behind it; write one of {}", names.join(", ")))
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::config::parse_duration(text).map_err(|error| error.to_string())
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|time| {
        if time.is_zero() { Err("0 leaves no time to answer; write for example 5s".into()) } else { Ok(time) }
    })
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "write a whole number of at least 1".to_owned())
}

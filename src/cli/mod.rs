//! Flags and sub-commands. A usage error is one line with exit code 2.

mod alarm;
mod auto_reload;
mod check;
mod config;
mod descriptors;
mod environment;
mod events;
mod exporter;
mod fetch;
mod healthy;
mod info;
mod listen;
mod one_shot;
mod repeat;
mod replace;
mod restart;
mod rules;
mod screen;
mod serve;
mod simulate;
mod stat;
mod stdout;
mod table;
mod targets;
mod top;
mod web_flags;
mod why;

use std::process::ExitCode;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use stdout::{Written, one_line, print, tell};

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter
      monitor localhost:2181, serve http://localhost:9141/metrics
  zookeeper-exporter --zookeeper prod=zk-1:2181,zk-2:2181,zk-3:2181
      monitor the three members of the ensemble `prod`
  zookeeper-exporter --zookeeper prod=zk-1,zk-2,zk-3,zk-4:2181:observer --zookeeper dev=zk-dev
      monitor two ensembles; zk-4 is an observer without a vote
  zookeeper-exporter --config.file ensembles.yml --web.listen-address 127.0.0.1:9141
      ensembles from a file
  zookeeper-exporter config check ensembles.yml
      exit 0 if the file is valid, else 2 and the error with its position
  zookeeper-exporter info --zookeeper prod=zk-1:2181,zk-2:2181,zk-3:2181
      roles, state and findings of the members as a table, without a running exporter
  zookeeper-exporter why --zookeeper prod=zk-1:2181,zk-2:2181,zk-3:2181
      the most probable cause of a problem, the symptoms it explains, and the first action
  zookeeper-exporter stat --watch --config.file ensembles.yml
      request, latency and connection rates of every member, every 2 s
  zookeeper-exporter top --watch --config.file ensembles.yml
      which clients hold connections and send requests, every 2 s
  zookeeper-exporter check --zookeeper prod=zk-1:2181,zk-2:2181,zk-3:2181
      the same conditions as the alert rules, for Nagios and Icinga
  zookeeper-exporter healthy
      exit 0 if the exporter on this host responds, else 1

Every flag can be set in the environment: --web.listen-address is ZOOKEEPER_EXPORTER_WEB_LISTEN_ADDRESS. \
Precedence: flag, environment, configuration file, default.";

/// Prometheus exporter for Apache ZooKeeper ensembles.
///
/// Queries every member of every ensemble with `mntr` and `srvr` at each scrape and serves the replies as metrics.
#[derive(Debug, Parser)]
#[command(name = "zookeeper-exporter", version, long_version = crate::version::LONG, propagate_version = true, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Action>,
    #[command(flatten)]
    serve: serve::Serve,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show role, version, zxid, lag and vote of every member, and configuration drift.
    Info(info::Info),
    /// Show request, latency, connection and fsync rates of every member.
    Stat(stat::Stat),
    /// Show the clients: connections, packets, outstanding requests and latency, by client address or by member.
    Top(top::Top),
    /// Explain the state of an ensemble: the most probable cause, the symptoms that it explains, and the first action.
    Why(why::WhyCommand),
    /// Show the transitions that a running exporter has recorded, once or continuously.
    Events(events::Events),
    /// Check whether a member may be restarted without stopping its ensemble: exit 0 if so, else 1 with the reasons.
    MayRestart(restart::MayRestart),
    /// Show the order of a rolling restart: members that do not serve, observers, followers, the leader.
    Plan(restart::Plan),
    /// Show what would remain of an ensemble without a zone or a member: exit 0 if it keeps its quorum, else 1.
    Simulate(simulate::Simulate),
    /// Check whether a running exporter is healthy: exit 0 if so, else 1.
    Healthy(healthy::Healthy),
    /// Check ensembles as a monitoring plugin: one line, performance data, exit code 0 to 3.
    Check(Box<check::Check>),
    /// Set, list and clear the alarm thresholds of znodes.
    Alarm(alarm::AlarmCommand),
    /// Write alert rules for Prometheus, with the thresholds of the configuration.
    Rules(rules::Rules),
    /// Check a configuration file.
    Config(config::Configuration),
}

/// A usage error, in one line; the exit code is 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(String);

impl From<crate::config::ConfigError> for UsageError {
    fn from(error: crate::config::ConfigError) -> Self {
        Self(error.to_string())
    }
}

/// The exit code of a usage error.
const USAGE: u8 = 2;

/// The exit code for a usage error of `check` (Monitoring Plugins guidelines).
const UNKNOWN: u8 = 3;

/// The command definition, for man pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program and returns its exit code.
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
        Some(Action::Top(top)) => top.run(),
        Some(Action::Why(why)) => why.run(),
        Some(Action::Events(events)) => events.run(),
        Some(Action::MayRestart(restart)) => restart.run(),
        Some(Action::Plan(plan)) => plan.run(),
        Some(Action::Simulate(simulate)) => simulate.run(),
        Some(Action::Healthy(healthy)) => healthy.run(),
        Some(Action::Check(check)) => Ok(check.run()),
        Some(Action::Alarm(alarm)) => alarm.run(),
        Some(Action::Rules(rules)) => rules.run(),
        Some(Action::Config(config)) => config.run(),
        None => cli.serve.run(),
    };
    done.unwrap_or_else(|error| usage(&error.0))
}

fn usage(message: &str) -> ExitCode {
    let wants_json = |arguments: &[std::ffi::OsString]| match arguments {
        [flag, value] => flag == "--output" && value == "json",
        _ => false,
    };
    let line: Vec<_> = std::env::args_os().collect();
    let json = line.windows(2).any(wants_json) || line.iter().any(|argument| argument == "--output=json");
    // `check` needs a plugin result instead: exit code 2 would mean critical, and scripts expect JSON.
    if line.get(1).is_some_and(|command| command == "check") {
        let result = crate::alert::plugin::PluginOutput::unknown(one_line(message));
        let _ = print(&if json { result.json() } else { result.nagios(0) });
        return ExitCode::from(UNKNOWN);
    }
    if json {
        let error = serde_json::json!({ "error": one_line(message) });
        let _ = print(&(crate::text::escape_json(&error.to_string()).into_owned() + "\n"));
    } else {
        tell(message);
    }
    ExitCode::from(USAGE)
}

/// The first line of clap's message, and its suggestion if there is one.
fn summary(error: &clap::Error) -> String {
    let text = error.render().to_string();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        && let Some(missing) = missing_command(&text)
    {
        return missing;
    }
    let first = text.lines().next().unwrap_or("").trim_start_matches("error: ").trim_end_matches('.').to_owned();
    // clap lists missing arguments on further lines.
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
        (None, Some(values)) => format!("{first}: expected one of {values}"),
        (None, None) => format!("{first}; see {} --help", named_command()),
    }
}

/// The command on the command line, with its sub-commands.
fn named_command() -> String {
    let (mut command, mut path) = (Cli::command(), "zookeeper-exporter".to_owned());
    for argument in std::env::args_os().skip(1) {
        let Some(named) = command.find_subcommand(&argument).cloned() else { break };
        path = format!("{path} {}", named.get_name());
        command = named;
    }
    path
}

/// The error for `config` or `alarm` without a sub-command; clap would print the help.
fn missing_command(help: &str) -> Option<String> {
    let usage = help.lines().find_map(|line| line.strip_prefix("Usage: "))?;
    let name = usage.strip_suffix(" <COMMAND>")?.rsplit(' ').next()?;
    let command = Cli::command();
    let names: Vec<&str> = command.find_subcommand(name)?.get_subcommands().map(clap::Command::get_name).collect();
    Some(format!("{name} requires a sub-command: expected one of {}", names.join(", ")))
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::config::parse_duration(text).map_err(|error| error.to_string())
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|time| if time.is_zero() { Err("expected more than 0, e.g. 5s".into()) } else { Ok(time) })
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "expected a whole number of at least 1".to_owned())
}

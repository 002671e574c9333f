//! Environment variables supply flags that are not given on the command line; the command line has priority.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

/// Flags with an environment variable that conflict with other flags.
const WITH_VARIABLE: [&str; 4] = ["zookeeper", "config_file", "timeout", "url"];

/// Flags that conflict with one of these. A conflict is an error unless the command line has one of them.
const EXCLUDING: [&str; 5] = ["zookeeper", "config_file", "timeout", "host", "from"];

/// Parses a command line. clap treats a variable like a flag and also reports a conflict if a flag overrides a
/// variable. In this case the line is parsed again, ignoring as few variables as necessary.
pub(super) fn matches(command: &Command, line: &[OsString]) -> Result<ArgMatches, clap::Error> {
    let error = match command.clone().try_get_matches_from(line) {
        Err(error) if error.kind() == ErrorKind::ArgumentConflict => error,
        done => return done,
    };
    let mut choices: Vec<Vec<&str>> = (1_u8..1 << WITH_VARIABLE.len())
        .map(|bits| (0..WITH_VARIABLE.len()).filter(|at| bits & (1 << at) != 0).map(|at| WITH_VARIABLE[at]).collect())
        .collect();
    choices.sort_by_key(Vec::len);
    let parsed = choices.iter().find_map(|ignored| without(command.clone(), ignored).try_get_matches_from(line).ok());
    parsed.filter(chooses).ok_or(error)
}

/// The command, ignoring these variables.
fn without(command: Command, ignored: &[&str]) -> Command {
    command
        .mut_args(|arg| if ignored.contains(&arg.get_id().as_str()) { arg.env(None::<&'static str>) } else { arg })
        .mut_subcommands(|command| without(command, ignored))
}

/// Whether the command line itself has one of the conflicting flags, which then has priority over the variables.
fn chooses(matches: &ArgMatches) -> bool {
    let written = |id: &str| EXCLUDING.contains(&id) && matches.value_source(id) == Some(ValueSource::CommandLine);
    // The variable of a running exporter has priority over those of its members.
    let chosen = |id: &str| id == "url" || written(id);
    matches.ids().any(|id| chosen(id.as_str())) || matches.subcommand().is_some_and(|(_, matches)| chooses(matches))
}

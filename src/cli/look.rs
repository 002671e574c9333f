//! A look at ensembles straight from the command line, without a running exporter.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::targets::Targets;
use super::{UsageError, at_least_one, descriptors};
use crate::alert::Thresholds;
use crate::config::{Choice, Limits};
use crate::log::{LogFormat, LogLevel, start_log};
use crate::scrape::{Report, Scraper};
use crate::verdict::Level;

/// Flags of the commands that look once and print.
#[derive(Debug, clap::Args)]
pub(super) struct Look {
    #[command(flatten)]
    targets: Targets,

    /// Only this ensemble of the configuration; repeat the flag for more.
    #[arg(long, value_name = "NAME")]
    ensemble: Vec<String>,

    /// How the result is written.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) output: Output,

    /// Open connections to members [default: what the limit of open files allows].
    #[arg(long = "limit.sockets", env = "ZOOKEEPER_EXPORTER_LIMIT_SOCKETS", value_name = "N",
          value_parser = at_least_one)]
    sockets: Option<usize>,
}

/// For people or for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    Text,
    Json,
}

/// No module lets a member take longer; each has its own, shorter limit.
const PATIENCE: Duration = Duration::from_mins(1);

impl Look {
    /// The ensembles to query.
    pub(super) fn scraper(&self) -> Result<Arc<Scraper>, UsageError> {
        self.scraper_and_thresholds().map(|(scraper, _)| scraper)
    }

    /// The ensembles to query, and the thresholds that hold for them.
    pub(super) fn scraper_and_thresholds(&self) -> Result<(Arc<Scraper>, Thresholds), UsageError> {
        // Failures are in the table; the log would repeat them.
        start_log(LogLevel::Error, LogFormat::Text);
        let mut config = self.targets.origin().load()?;
        for name in &self.ensemble {
            if !config.ensembles.iter().any(|ensemble| ensemble.name == *name) {
                let known: Vec<&str> = config.ensembles.iter().map(|ensemble| ensemble.name.as_str()).collect();
                let known = known.join(", ");
                return Err(UsageError(format!("--ensemble: there is no ensemble `{name}`; write one of {known}")));
            }
        }
        // Thresholds may name every ensemble of the file.
        let thresholds = Thresholds::of(&config)?;
        if !self.ensemble.is_empty() {
            config.ensembles.retain(|ensemble| self.ensemble.contains(&ensemble.name));
        }
        // What a page leaves out to save series must be judged all the same.
        for ensemble in &mut config.ensembles {
            Arc::make_mut(&mut ensemble.module).metrics = Choice::All;
        }
        let limits = Limits { sockets: look_sockets(self.sockets)?, ..Limits::default() };
        Ok((Arc::new(Scraper::new(&config, limits)), thresholds))
    }
}

/// Connections to members that a command may have open: all that the descriptors allow.
pub(super) fn look_sockets(wanted: Option<usize>) -> Result<usize, UsageError> {
    Ok(descriptors::sockets(descriptors::raise_limit()?, wanted, 0).max)
}

/// Runs what asks members, on a small runtime, until it is done or interrupted.
pub(super) fn run<T>(work: impl Future<Output = T>) -> Result<T, UsageError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| UsageError(format!("cannot start the runtime: {error}")))?;
    let done = runtime.block_on(work);
    // A resolver that hangs must not hold the exit up.
    runtime.shutdown_background();
    Ok(done)
}

/// Asks the members there are. Where the members come from what servers state, those that are written are asked for it
/// first, and only the present members are reported.
pub(super) async fn ask(scraper: &Arc<Scraper>) -> Report {
    let report = scraper.scrape(Instant::now() + PATIENCE).await;
    if scraper.has_moved_on(&report) {
        return scraper.scrape(Instant::now() + PATIENCE).await;
    }
    report
}

/// 0 if a member of every ensemble answered, else 1.
pub(super) fn exit_code(report: &Report) -> ExitCode {
    let answered = report.ensembles.iter().all(|ensemble| ensemble.members.iter().any(|member| member.up));
    if answered { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How a text stands out on a terminal, and nowhere else.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style(bool);

impl Style {
    /// Of standard output; `NO_COLOR` (no-color.org) turns it off.
    pub(super) fn of_stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self(wanted && std::io::stdout().is_terminal())
    }

    /// Whether standard output is a terminal that may be painted.
    pub(super) fn is_on(self) -> bool {
        self.0
    }

    /// A heading.
    pub(super) fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// How bad something is.
    pub(super) fn level(self, level: Level, text: &str) -> String {
        match level {
            Level::Critical => self.wrap("1;31", text),
            Level::Warning => self.wrap("33", text),
            Level::Notice => self.wrap("36", text),
        }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

//! Commands that query the ensembles once and print the result, without a running exporter.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::targets::Targets;
use super::{UsageError, at_least_one, descriptors};
use crate::alert::Thresholds;
use crate::config::Limits;
use crate::incident::Judged;
use crate::log::{LogFormat, LogLevel, start_log};
use crate::scrape::{Report, Scraper};
use crate::settings::Settings;
use crate::verdict::Level;

/// Flags of the commands that query the ensembles once.
#[derive(Debug, clap::Args)]
pub(super) struct OneShot {
    #[command(flatten)]
    targets: Targets,

    /// Only this ensemble of the configuration; repeat the flag for more.
    #[arg(long, value_name = "NAME")]
    ensemble: Vec<String>,

    /// Output format.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) output: Output,

    /// Maximum number of connections to members [default: as many as the limit of open files permits].
    #[arg(long = "limit.sockets", env = "ZOOKEEPER_EXPORTER_LIMIT_SOCKETS", value_name = "N",
          value_parser = at_least_one)]
    sockets: Option<usize>,
}

/// Output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    Text,
    Json,
}

/// Timeout of a scrape; the timeout of a module is shorter.
const SCRAPE_TIMEOUT: Duration = Duration::from_mins(1);

impl OneShot {
    /// The ensembles of `--ensemble`.
    pub(super) fn named(&self) -> &[String] {
        &self.ensemble
    }

    /// Selects an ensemble, if given.
    pub(super) fn only(&mut self, ensemble: Option<String>) {
        self.ensemble.extend(ensemble);
    }

    /// A scraper for the selected ensembles.
    pub(super) fn scraper(&self) -> Result<Arc<Scraper>, UsageError> {
        self.scraper_and_settings().map(|(scraper, _)| scraper)
    }

    /// A scraper for the selected ensembles, and the settings.
    pub(super) fn scraper_and_settings(&self) -> Result<(Arc<Scraper>, Settings), UsageError> {
        self.adjusted(|_| {})
    }

    /// A scraper for the selected ensembles with adjusted settings, and the settings.
    pub(super) fn adjusted(&self, adjust: impl FnOnce(&mut Settings)) -> Result<(Arc<Scraper>, Settings), UsageError> {
        // Failures are part of the output; the log would repeat them.
        start_log(LogLevel::Error, LogFormat::Text);
        let mut settings = self.targets.origin().load()?;
        settings.keep_ensembles(&self.ensemble).map_err(|why| UsageError(format!("--ensemble: {why}")))?;
        settings.keep_all_metrics();
        adjust(&mut settings);
        let limits = Limits { sockets: one_shot_sockets(self.sockets)?, ..Limits::default() };
        Ok((Arc::new(Scraper::new(&settings.config, limits)), settings))
    }
}

/// The maximum number of connections to members.
pub(super) fn one_shot_sockets(wanted: Option<usize>) -> Result<usize, UsageError> {
    Ok(descriptors::sockets(descriptors::raise_limit()?, wanted, 0).max)
}

/// Runs a future on a single-threaded runtime.
pub(super) fn run<T>(work: impl Future<Output = T>) -> Result<T, UsageError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| UsageError(format!("cannot start the runtime: {error}")))?;
    let done = runtime.block_on(work);
    // A hanging DNS lookup must not delay the exit.
    runtime.shutdown_background();
    Ok(done)
}

/// Scrapes the current members. With discovery, the configured members are scraped first, and only the current members
/// are reported.
pub(super) async fn ask(scraper: &Arc<Scraper>) -> Report {
    let report = scraper.scrape(Instant::now() + SCRAPE_TIMEOUT).await;
    if scraper.has_moved_on(&report) {
        return scraper.scrape(Instant::now() + SCRAPE_TIMEOUT).await;
    }
    report
}

/// Scrapes twice, with an interval in between; only once if the interval is zero or no member replies.
pub(super) async fn two_scrapes(scraper: &Arc<Scraper>, thresholds: &Thresholds, interval: Duration) -> Judged {
    let begun = Instant::now();
    let first = Arc::new(ask(scraper).await);
    let answers = first.ensembles.iter().any(|ensemble| ensemble.members.iter().any(|member| member.up));
    if interval.is_zero() || !answers {
        return Judged::new(first, None, thresholds);
    }
    sleep_until(begun + interval).await;
    let again = Instant::now();
    let second = Arc::new(ask(scraper).await);
    Judged::new(second, Some((&*first, again - begun)), thresholds)
}

/// The exit code: 0 if at least one member of every ensemble replied, else 1.
pub(super) fn exit_code(report: &Report) -> ExitCode {
    let answered = report.ensembles.iter().all(|ensemble| ensemble.members.iter().any(|member| member.up));
    if answered { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Text styles; used only on a terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style(bool);

impl Style {
    /// Styles for stdout; `NO_COLOR` (no-color.org) disables them.
    pub(super) fn of_stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self(wanted && std::io::stdout().is_terminal())
    }

    /// A heading.
    pub(super) fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Text in the colour of a severity.
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

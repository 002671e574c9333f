//! `check`: a monitoring plugin for Nagios, Icinga and compatible systems.

mod bounded_page;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep_until, timeout};

use super::fetch;
use super::one_shot;
use super::stdout::{Written, print};
use super::targets::Targets;
use super::{UNKNOWN, UsageError, duration};
use crate::alert::plugin::{Of, PluginOutput, Question, Range, single, whole};
use crate::alert::{Page, Scrapes, Thresholds};
use crate::config::{Address, AlertSetting, Alerts, LevelSetting, Limits, Located, Place};
use crate::incident::detailed;
use crate::log::{LogFormat, LogLevel, start_log};
use crate::runbook::RUNBOOKS;
use crate::scrape::{Report, Scraper};
use crate::settings::Settings;
pub(super) use bounded_page::BoundedPage;

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter check --zookeeper prod=zk-1:2181,zk-2:2181,zk-3:2181
      every condition of the alert catalogue, for the whole ensemble; the worst state wins
  zookeeper-exporter check --from http://localhost:9141/metrics --ensemble prod --member zk-2:2181
      the page of a running exporter instead of the members; only findings about one member
  zookeeper-exporter check --config.file ensembles.yml --threshold SlowFsync.critical=1s
      thresholds of the configuration, one of them changed
  zookeeper-exporter check -H zk-1 -p 2181 --metric outstanding_requests -w 10 -c 250
      one metric of one member against ranges: 10, 10:, ~:10, 10:20, @10:20

Exit codes: 0 ok, 1 warning, 2 critical, 3 unknown or wrong usage. A condition that must hold for some time in Prometheus \
is judged immediately: let the monitoring system check again before it notifies (max_check_attempts).";

/// Flags of the plugin; the short ones are those of the Monitoring Plugins guidelines.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Check {
    #[command(flatten)]
    targets: Targets,

    /// The host of one member to query, instead of --zookeeper.
    #[arg(short = 'H', long = "hostname", value_name = "HOST", conflicts_with_all = ["zookeeper", "config_file", "from"])]
    host: Option<String>,

    /// Its client port.
    #[arg(short, long, value_name = "PORT", requires = "host", default_value_t = crate::config::DEFAULT_PORT)]
    port: u16,

    /// The page of a running exporter, instead of querying the members:
    /// `http://[USER:PASSWORD@]HOST:PORT[/PATH]`.
    #[arg(long, value_name = "URL", conflicts_with = "zookeeper")]
    from: Option<String>,

    /// The CA certificates that sign the exporter's certificate, in PEM. Default: the system's.
    #[arg(long = "from.ca-file", value_name = "FILE", requires = "from")]
    ca_file: Option<std::path::PathBuf>,

    /// Only this ensemble; repeat the flag for more.
    #[arg(long, value_name = "NAME")]
    ensemble: Vec<String>,

    /// Only findings about this member.
    #[arg(long, value_name = "HOST:PORT")]
    member: Option<String>,

    /// A threshold other than the configured one, or a condition switched on or off: NAME.LEVEL=LIMIT, NAME=off.
    #[arg(long, value_name = "NAME.LEVEL=LIMIT", value_parser = setting, conflicts_with = "metric")]
    threshold: Vec<AlertSetting>,

    /// Judge one metric instead of all conditions: its name on the page, or its key in mntr. A summary is judged by its
    /// mean within --interval.
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,

    /// Only series of the metric with this label; repeat the flag for more.
    #[arg(long, value_name = "NAME=VALUE", value_parser = label, requires = "metric")]
    label: Vec<(String, String)>,

    /// Judge the growth of the metric per second.
    #[arg(long, requires = "metric")]
    rate: bool,

    /// Warning if the metric is outside of this range.
    #[arg(short, long, value_name = "RANGE", requires = "metric", allow_hyphen_values = true)]
    warning: Option<Range>,

    /// Critical if the metric is outside of this range.
    #[arg(short, long, value_name = "RANGE", requires = "metric", allow_hyphen_values = true)]
    critical: Option<Range>,

    /// Time between two scrapes, for means and rates; 0s for a single scrape without them.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    interval: Duration,

    /// Timeout of the whole check, in seconds or as a duration; afterwards the state is unknown.
    #[arg(id = "whole_timeout", short = 't', long = "timeout", value_name = "TIME", default_value = "10", value_parser = parse_timeout)]
    timeout: Duration,

    /// Also print the conditions that could not be judged, and why.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,

    /// Performance data: of ensembles and members (all), of ensembles only, or none.
    #[arg(long, value_name = "OF", default_value = "all")]
    perfdata: Perfdata,

    /// Output format.
    #[arg(long, value_name = "FORMAT", default_value = "nagios")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Perfdata {
    All,
    Ensemble,
    None,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Output {
    /// For Nagios and Icinga.
    Nagios,
    /// For scripts.
    Json,
    /// For the textfile collector of `node_exporter`.
    Prometheus,
}

/// The source of metrics.
enum Source {
    Members(Arc<Scraper>),
    Exporter(Box<fetch::Fetch>),
}

/// One scrape.
struct CheckedScrape {
    page: Page,
    /// The report, which has details that a page lacks; `None` for the page of an exporter.
    report: Option<Report>,
}

/// Part of the timeout reserved for printing the result, before the caller kills the plugin.
const RESERVE: Duration = Duration::from_millis(500);

impl Check {
    pub(super) fn run(self: Box<Self>) -> ExitCode {
        // Failures are part of the output; monitoring systems ignore stderr.
        start_log(LogLevel::Error, LogFormat::Text);
        let check = Arc::<Self>::from(self);
        let result = in_time(&check).with_figures(check.perfdata != Perfdata::None, check.perfdata == Perfdata::All);
        let text = match check.output {
            Output::Nagios => result.nagios(check.verbose),
            Output::Json => result.json(),
            Output::Prometheus => result.prometheus(),
        };
        // A closed pipe is not an error: some callers only read the exit code.
        let lost = print(&text) == Written::Failed;
        ExitCode::from(if lost { UNKNOWN } else { result.status.code() })
    }

    fn judged(&self) -> Result<PluginOutput, UsageError> {
        if self.interval + RESERVE >= self.timeout {
            return Err(UsageError(format!(
                "--timeout {} too short for --interval {}: expected a longer timeout or a shorter interval",
                seconds(self.timeout),
                seconds(self.interval)
            )));
        }
        let settings = self.settings()?;
        let (thresholds, runbooks) = if let Some(settings) = &settings {
            (settings.thresholds.clone(), settings.config.alerts.runbooks.clone())
        } else {
            let alerts = Alerts { settings: self.threshold.clone(), ..Alerts::default() };
            (Thresholds::new(&alerts, &[])?, None)
        };
        let runbooks = runbooks.as_deref().unwrap_or(RUNBOOKS);
        let source = self.source(settings)?;
        one_shot::run(async {
            match timeout(self.timeout, self.checked(&source, &thresholds, runbooks)).await {
                Ok(result) => result,
                Err(_) => late(self.timeout),
            }
        })
    }

    /// The configuration with the thresholds of the flags; `None` if only a page is judged.
    fn settings(&self) -> Result<Option<Settings>, UsageError> {
        if self.from.is_some() && !self.targets.has_file() {
            return Ok(None);
        }
        let origin = match &self.host {
            Some(host) => {
                let host = match Address::new(host, self.port) {
                    Ok(_) if host.contains(':') => format!("[{host}]"),
                    Ok(_) => host.clone(),
                    Err(_) => {
                        return Err(UsageError(format!(
                            "--hostname: invalid host `{host}`: expected a name or an address, e.g. zk-1, and the port in -p"
                        )));
                    }
                };
                self.targets.origin_of(format!("{host}:{}", self.port))
            }
            None => self.targets.origin(),
        };
        let mut settings = origin.overridden(&self.threshold).load()?;
        settings.keep_ensembles(&self.ensemble).map_err(|why| UsageError(format!("--ensemble: {why}")))?;
        settings.keep_all_metrics();
        Ok(Some(settings))
    }

    fn source(&self, settings: Option<Settings>) -> Result<Source, UsageError> {
        match (&self.from, settings) {
            (Some(url), _) => {
                // Not parsed by clap, whose error message would contain the password.
                let url = fetch::page_url(url).map_err(|why| UsageError(format!("--from: {why}")))?;
                Ok(Source::Exporter(Box::new(fetch::Fetch::new(url, self.ca_file.as_deref())?)))
            }
            (None, Some(settings)) => Ok(Source::Members(Arc::new(Scraper::new(&settings.config, limits()?)))),
            (None, None) => Err(UsageError("no target: expected --zookeeper, --config.file or --from".into())),
        }
    }

    async fn checked(&self, source: &Source, thresholds: &Thresholds, runbooks: &str) -> PluginOutput {
        let time = source.discover(self.timeout.saturating_sub(RESERVE)).await;
        let each = if self.interval.is_zero() { time } else { time.saturating_sub(self.interval) / 2 };
        let begun = Instant::now();
        let first = match source.page(each).await {
            Ok(seen) => seen,
            Err(why) => return PluginOutput::unknown(why),
        };
        let second = if self.interval.is_zero() {
            None
        } else {
            sleep_until(begun + self.interval).await;
            let again = Instant::now();
            match source.page(each).await {
                Ok(seen) => Some((seen, again - begun)),
                Err(why) => return PluginOutput::unknown(why),
            }
        };
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
        let (scrapes, report) = match &second {
            Some((now, between)) => {
                (Scrapes { now: &now.page, before: Some((&first.page, *between)), time }, now.report.as_ref())
            }
            None => (Scrapes { now: &first.page, before: None, time }, first.report.as_ref()),
        };
        let member =
            self.member.as_ref().map(|member| member.parse().map_or(member.clone(), |at: Address| at.to_string()));
        let of = Of { ensembles: &self.ensemble, member: member.as_deref() };
        match &self.metric {
            None => whole(thresholds, scrapes, of, runbooks, &|finding| detailed(finding, report?)),
            Some(metric) => {
                let question = Question {
                    metric: metric.clone(),
                    labels: self.label.clone(),
                    warning: self.warning,
                    critical: self.critical,
                    rate: self.rate,
                };
                single(&question, scrapes, of)
            }
        }
    }
}

/// The result, at the latest when the timeout has passed. The check runs on a separate thread, because the evaluation of
/// a page cannot be interrupted, and takes long for a page with more series than an exporter has.
fn in_time(check: &Arc<Check>) -> PluginOutput {
    let (sender, receiver) = channel();
    let worker = Arc::clone(check);
    let work = move || {
        // A configuration error is printed as a result, in the requested format.
        let result = worker.judged().unwrap_or_else(|error| PluginOutput::unknown(error.to_string()));
        // A dropped receiver is not an error.
        let _ = sender.send(result);
    };
    if let Err(error) = thread::Builder::new().name("check".to_owned()).spawn(work) {
        return PluginOutput::unknown(format!(
            "cannot start a thread: {error}; raise the limit of processes (ulimit -u)"
        ));
    }
    receiver.recv_timeout(check.timeout).unwrap_or_else(|error| match error {
        RecvTimeoutError::Timeout => late(check.timeout),
        RecvTimeoutError::Disconnected => PluginOutput::unknown("the check panicked; see standard error".to_owned()),
    })
}

fn late(timeout: Duration) -> PluginOutput {
    PluginOutput::unknown(format!("no answer within {} (--timeout)", seconds(timeout)))
}

fn limits() -> Result<Limits, UsageError> {
    Ok(Limits { sockets: one_shot::one_shot_sockets(None)?, ..Limits::default() })
}

impl Source {
    /// Discovers the current members if membership is discovered; returns the remaining time.
    async fn discover(&self, time: Duration) -> Duration {
        match self {
            Self::Members(scraper) if scraper.follows_memberships() => {
                let begun = Instant::now();
                // Leaves time for two more scrapes.
                scraper.scrape(begun + time / 3).await;
                time.saturating_sub(begun.elapsed())
            }
            _ => time,
        }
    }

    async fn page(&self, time: Duration) -> Result<CheckedScrape, String> {
        match self {
            Self::Members(scraper) => {
                let report = scraper.scrape(Instant::now() + time).await;
                Ok(CheckedScrape { page: Page::of(&report), report: Some(report) })
            }
            Self::Exporter(fetch) => fetch.page(time).await.map(|page| CheckedScrape { page, report: None }),
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// A number of seconds, as in the Monitoring Plugins guidelines, or a duration.
fn parse_timeout(text: &str) -> Result<Duration, String> {
    let time = text.parse::<u64>().map_or_else(|_| duration(text), |seconds| duration(&format!("{seconds}s")))?;
    if time > RESERVE { Ok(time) } else { Err("expected at least 1 second, e.g. 10 or 10s".to_owned()) }
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, e.g. quantile=0.99")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Parses `SlowFsync.critical=1s` or `SlowFsync=off`.
fn setting(text: &str) -> Result<AlertSetting, String> {
    const HOW: &str = "expected NAME.warning=LIMIT, NAME.critical=LIMIT or NAME=off, e.g. SlowFsync.critical=1s";
    let place = Place::Flag("--threshold");
    let (name, value) = text.split_once('=').ok_or(HOW)?;
    let (name, level) = name.split_once('.').map_or((name, None), |(name, level)| (name, Some(level)));
    let switch = match value {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    };
    let given = switch.map_or_else(|| LevelSetting::Limit(value.to_owned()), LevelSetting::Switch);
    let given = Some(Located { value: given, place: place.clone() });
    let name = Located { value: name.to_owned(), place };
    let nothing = AlertSetting { name, warning: None, critical: None, hold: None, whole: None };
    match level {
        Some("warning") => Ok(AlertSetting { warning: given, ..nothing }),
        Some("critical") => Ok(AlertSetting { critical: given, ..nothing }),
        None if switch.is_some() => Ok(AlertSetting { whole: switch, ..nothing }),
        _ => Err(HOW.to_owned()),
    }
}

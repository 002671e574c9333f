//! `check`: a monitoring plugin for Nagios, Icinga and compatible systems.

mod bounded_page;
mod fetch;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep_until, timeout};

use super::look;
use super::out::{Written, print};
use super::targets::Targets;
use super::{UNKNOWN, UsageError, duration};
use crate::alert::plugin::{Of, Question, Range, Told, single, whole};
use crate::alert::{Page, Scrapes, Thresholds, rules};
use crate::config::{Address, AlertSetting, Alerts, Choice, Config, LevelSetting, Limits, Located, Place};
use crate::exposition::{Format, Names, render};
use crate::log::{LogFormat, LogLevel, start_log};
use crate::scrape::Scraper;
use fetch::Url;

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter check --zookeeper prod=zk-1:2181,zk-2:2181,zk-3:2181
      every condition of the alert catalogue, for the whole ensemble; the worst state wins
  zookeeper-exporter check --from http://localhost:9141/metrics --ensemble prod --member zk-2:2181
      ask a running exporter instead of the members; only what concerns one member
  zookeeper-exporter check --config.file ensembles.yml --threshold SlowFsync.critical=1s
      thresholds of the configuration, one of them changed
  zookeeper-exporter check -H zk-1 -p 2181 --metric outstanding_requests -w 10 -c 250
      one metric of one member against ranges: 10, 10:, ~:10, 10:20, @10:20

Exit codes: 0 ok, 1 warning, 2 critical, 3 unknown or wrong usage. A condition that must hold for some time in Prometheus \
is judged as it is now: let the monitoring system ask again before it notifies (max_check_attempts).";

/// Flags of the plugin; the short ones are those of the Monitoring Plugins guidelines.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Check {
    #[command(flatten)]
    targets: Targets,

    /// The host of one member to ask, instead of --zookeeper.
    #[arg(short = 'H', long = "hostname", value_name = "HOST", conflicts_with_all = ["zookeeper", "config_file", "from"])]
    host: Option<String>,

    /// Its client port.
    #[arg(short, long, value_name = "PORT", requires = "host", default_value_t = crate::config::DEFAULT_PORT)]
    port: u16,

    /// The page of a running exporter to judge, instead of asking the members: `http://[USER:PASSWORD@]HOST:PORT[/PATH]`.
    #[arg(long, value_name = "URL", conflicts_with = "zookeeper")]
    from: Option<String>,

    /// The CA certificates that sign the exporter's certificate, in PEM. Default: the system's.
    #[arg(long = "from.ca-file", value_name = "FILE", requires = "from")]
    ca_file: Option<std::path::PathBuf>,

    /// Only this ensemble; repeat the flag for more.
    #[arg(long, value_name = "NAME")]
    ensemble: Vec<String>,

    /// Only what concerns this member.
    #[arg(long, value_name = "HOST:PORT")]
    member: Option<String>,

    /// A threshold other than the configured one, or a condition switched on or off: NAME.LEVEL=LIMIT, NAME=off.
    #[arg(long, value_name = "NAME.LEVEL=LIMIT", value_parser = setting, conflicts_with = "metric")]
    threshold: Vec<AlertSetting>,

    /// Judge one metric instead of all conditions: its name on the page, or its key in mntr. A summary is judged by the
    /// mean of what came within --interval.
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,

    /// Only series of the metric with this label; repeat the flag for more.
    #[arg(long, value_name = "NAME=VALUE", value_parser = label, requires = "metric")]
    label: Vec<(String, String)>,

    /// Judge the growth of the metric a second.
    #[arg(long, requires = "metric")]
    rate: bool,

    /// Warn where the metric is outside of this range.
    #[arg(short, long, value_name = "RANGE", requires = "metric", allow_hyphen_values = true)]
    warning: Option<Range>,

    /// Alarm where the metric is outside of this range.
    #[arg(short, long, value_name = "RANGE", requires = "metric", allow_hyphen_values = true)]
    critical: Option<Range>,

    /// Time between two scrapes, which windowed means and rates are made of; 0s for one scrape without them.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    interval: Duration,

    /// Most time for all of it, in seconds or as a duration; then the state is unknown.
    #[arg(id = "whole_timeout", short = 't', long = "timeout", value_name = "TIME", default_value = "10", value_parser = patience)]
    timeout: Duration,

    /// Tell also what could not be judged, and why.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,

    /// How the result is written.
    #[arg(long, value_name = "FORMAT", default_value = "nagios")]
    output: Output,
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

/// Where pages come from.
enum Source {
    Members(Arc<Scraper>),
    Exporter(Box<fetch::Fetch>),
}

/// Kept back of the whole time, so that the output is written before the plugin is killed.
const RESERVE: Duration = Duration::from_millis(500);

impl Check {
    pub(super) fn run(&self) -> ExitCode {
        // Failures are part of the output; a log on standard error would be lost.
        start_log(LogLevel::Error, LogFormat::Text);
        // What is wrong with the configuration is the answer, in the form that was asked for.
        let told = self.judged().unwrap_or_else(|error| Told::unknown(error.to_string()));
        let text = match self.output {
            Output::Nagios => told.nagios(self.verbose),
            Output::Json => told.json(),
            Output::Prometheus => told.prometheus(),
        };
        // A caller that reads only the exit code closes the pipe.
        let lost = print(&text) == Written::Failed;
        ExitCode::from(if lost { UNKNOWN } else { told.status.code() })
    }

    fn judged(&self) -> Result<Told, UsageError> {
        if self.interval + RESERVE >= self.timeout {
            return Err(UsageError(format!(
                "--timeout {} leaves no time beside --interval {}; write a longer timeout or a shorter interval",
                seconds(self.timeout),
                seconds(self.interval)
            )));
        }
        let mut config = self.config()?;
        let mut alerts = config.as_ref().map(|config| config.alerts.clone()).unwrap_or_default();
        alerts.settings.extend(self.threshold.iter().cloned());
        // Thresholds may name every ensemble of the file, whichever of them is asked.
        let names: Vec<String> =
            config.iter().flat_map(|config| &config.ensembles).map(|one| one.name.clone()).collect();
        let thresholds = Thresholds::new(&alerts, &names)?;
        if let Some(config) = &mut config
            && !self.ensemble.is_empty()
        {
            config.ensembles.retain(|ensemble| self.ensemble.contains(&ensemble.name));
        }
        let source = self.source(config)?;
        look::run(async {
            match timeout(self.timeout, self.told(&source, &thresholds, &alerts)).await {
                Ok(told) => told,
                Err(_) => Told::unknown(format!("no answer within {} (--timeout)", seconds(self.timeout))),
            }
        })
    }

    /// The configuration; none where only a page is judged.
    fn config(&self) -> Result<Option<Config>, UsageError> {
        if self.from.is_some() && !self.targets.has_file() {
            return Ok(None);
        }
        let mut config = match &self.host {
            Some(host) => {
                let host = match Address::new(host, self.port) {
                    Ok(_) if host.contains(':') => format!("[{host}]"),
                    Ok(_) => host.clone(),
                    Err(_) => {
                        return Err(UsageError(format!(
                            "--hostname: `{host}` is no host; write a name or an address, for example zk-1, and the port with -p"
                        )));
                    }
                };
                self.targets.origin_of(format!("{host}:{}", self.port)).load()?
            }
            None => self.targets.origin().load()?,
        };
        for name in &self.ensemble {
            if !config.ensembles.iter().any(|ensemble| ensemble.name == *name) {
                let known: Vec<&str> = config.ensembles.iter().map(|ensemble| ensemble.name.as_str()).collect();
                let known = known.join(", ");
                return Err(UsageError(format!("--ensemble: there is no ensemble `{name}`; write one of {known}")));
            }
        }
        // What a page leaves out to save series must be judged all the same.
        for ensemble in &mut config.ensembles {
            Arc::make_mut(&mut ensemble.module).metrics = Choice::All;
        }
        Ok(Some(config))
    }

    fn source(&self, config: Option<Config>) -> Result<Source, UsageError> {
        match (&self.from, config) {
            (Some(url), _) => {
                // Read here and not by clap, whose message would show the password.
                let url = Url::parse(url).map_err(|why| UsageError(format!("--from: {why}")))?;
                Ok(Source::Exporter(Box::new(fetch::Fetch::new(url, self.ca_file.as_deref())?)))
            }
            (None, Some(config)) => Ok(Source::Members(Arc::new(Scraper::new(&config, limits()?)))),
            (None, None) => Err(UsageError("no target: expected --zookeeper, --config.file or --from".into())),
        }
    }

    async fn told(&self, source: &Source, thresholds: &Thresholds, alerts: &Alerts) -> Told {
        let time = source.discover(self.timeout.saturating_sub(RESERVE)).await;
        let each = if self.interval.is_zero() { time } else { time.saturating_sub(self.interval) / 2 };
        let begun = Instant::now();
        let first = match source.page(each).await {
            Ok(page) => page,
            Err(why) => return Told::unknown(why),
        };
        let second = if self.interval.is_zero() {
            None
        } else {
            sleep_until(begun + self.interval).await;
            let again = Instant::now();
            match source.page(each).await {
                Ok(page) => Some((page, again - begun)),
                Err(why) => return Told::unknown(why),
            }
        };
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
        let scrapes = match &second {
            Some((second, between)) => Scrapes { now: second, before: Some((&first, *between)), time },
            None => Scrapes { now: &first, before: None, time },
        };
        let member =
            self.member.as_ref().map(|member| member.parse().map_or(member.clone(), |at: Address| at.to_string()));
        let of = Of { ensembles: &self.ensemble, member: member.as_deref() };
        match &self.metric {
            None => whole(thresholds, scrapes, of, alerts.runbooks.as_deref().unwrap_or(rules::RUNBOOKS)),
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

fn limits() -> Result<Limits, UsageError> {
    Ok(Limits { sockets: look::look_sockets(None)?, ..Limits::default() })
}

impl Source {
    /// Finds the present members, where they come from what servers state, and gives the time that is left.
    async fn discover(&self, time: Duration) -> Duration {
        match self {
            Self::Members(scraper) if scraper.follows_memberships() => {
                let begun = Instant::now();
                // Two more scrapes may follow.
                scraper.scrape(begun + time / 3).await;
                time.saturating_sub(begun.elapsed())
            }
            _ => time,
        }
    }

    async fn page(&self, time: Duration) -> Result<Page, String> {
        match self {
            Self::Members(scraper) => {
                let report = Arc::new(scraper.scrape(Instant::now() + time).await);
                let mut page = Vec::new();
                let written = render(&report, None, Names::Catalogue, Format::Classic, &mut page);
                written.map_err(|error| format!("the page could not be written: {error}"))?;
                Ok(Page::read(&String::from_utf8_lossy(&page)))
            }
            Self::Exporter(fetch) => fetch.page(time).await,
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// `10` seconds as the guidelines have it, or a duration.
fn patience(text: &str) -> Result<Duration, String> {
    let time = text.parse::<u64>().map_or_else(|_| duration(text), |seconds| duration(&format!("{seconds}s")))?;
    if time > RESERVE { Ok(time) } else { Err("write at least 1 second, for example 10 or 10s".to_owned()) }
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, for example quantile=0.99")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// `SlowFsync.critical=1s`, `SlowFsync=off`.
fn setting(text: &str) -> Result<AlertSetting, String> {
    const HOW: &str = "write NAME.warning=LIMIT, NAME.critical=LIMIT or NAME=off, for example SlowFsync.critical=1s";
    let place = Place::Flag("--threshold");
    let (name, value) = text.split_once('=').ok_or(HOW)?;
    let (name, level) = name.split_once('.').map_or((name, None), |(name, level)| (name, Some(level)));
    let switch = match value {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    };
    let said = switch.map_or_else(|| LevelSetting::Limit(value.to_owned()), LevelSetting::Switch);
    let said = Some(Located { value: said, place: place.clone() });
    let name = Located { value: name.to_owned(), place };
    let nothing = AlertSetting { name, warning: None, critical: None, hold: None, whole: None };
    match level {
        Some("warning") => Ok(AlertSetting { warning: said, ..nothing }),
        Some("critical") => Ok(AlertSetting { critical: said, ..nothing }),
        None if switch.is_some() => Ok(AlertSetting { whole: switch, ..nothing }),
        _ => Err(HOW.to_owned()),
    }
}

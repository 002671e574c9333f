//! The default command: watch the ensembles and serve the page until told to stop.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::auto_reload::Watched;
use super::out::tell;
use super::targets::{Origin, Targets};
use super::{UsageError, at_least_one, descriptors, duration, listen};
use crate::config::{Config, EnsembleConfig, Limits};
use crate::exposition::Names;
use crate::http::{self, App, Current, Running, ServerLimits, Web};
use crate::log::{LogFormat, LogLevel, start_log};
use crate::scrape::Scraper;
use crate::telemetry::Telemetry;

/// Flags of the exporter, in Prometheus' habit of dotted names.
#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    #[command(flatten)]
    targets: Targets,

    /// Where to serve the page; repeat the flag for more addresses.
    #[arg(long = "web.listen-address", env = "ZOOKEEPER_EXPORTER_WEB_LISTEN_ADDRESS", value_name = "[HOST]:PORT",
          default_value = ":9141", value_delimiter = ' ', value_parser = listen::parse)]
    listen_address: Vec<String>,

    /// The path of the page.
    #[arg(long = "web.telemetry-path", env = "ZOOKEEPER_EXPORTER_WEB_TELEMETRY_PATH", value_name = "PATH",
          default_value = "/metrics", value_parser = telemetry_path)]
    telemetry_path: String,

    /// A YAML file with TLS, users and headers of the page, in the format of Prometheus' exporter-toolkit.
    #[arg(long = "web.config.file", env = "ZOOKEEPER_EXPORTER_WEB_CONFIG_FILE", value_name = "FILE")]
    web_config_file: Option<PathBuf>,

    /// Serve POST /-/reload, which reads the configuration again; SIGHUP does so in any case.
    #[arg(long = "web.enable-lifecycle", env = "ZOOKEEPER_EXPORTER_WEB_ENABLE_LIFECYCLE")]
    lifecycle: bool,

    /// Reload the configuration when --config.file has changed, looking at it this often, e.g. 30s [default: never].
    #[arg(long = "config.auto-reload-interval", env = "ZOOKEEPER_EXPORTER_CONFIG_AUTO_RELOAD_INTERVAL",
          value_name = "DURATION", value_parser = reload_interval)]
    auto_reload: Option<Duration>,

    /// Most connections to the page at once.
    #[arg(long = "web.max-connections", env = "ZOOKEEPER_EXPORTER_WEB_MAX_CONNECTIONS", value_name = "N",
          default_value_t = 512, value_parser = at_least_one)]
    max_connections: usize,

    /// Taken off the scrape timeout that Prometheus sends, so that the page is there in time.
    #[arg(long = "scrape.timeout-offset", env = "ZOOKEEPER_EXPORTER_SCRAPE_TIMEOUT_OFFSET", value_name = "DURATION",
          default_value = "500ms", value_parser = duration)]
    timeout_offset: Duration,

    /// Names of the metrics: by Prometheus' rules, or raw as mntr has them (for dashboards of older exporters).
    #[arg(
        long = "metrics.names",
        env = "ZOOKEEPER_EXPORTER_METRICS_NAMES",
        value_name = "NAMES",
        default_value = "prometheus"
    )]
    names: NamesArg,

    /// Most bytes read of one reply.
    #[arg(long = "limit.reply-bytes", env = "ZOOKEEPER_EXPORTER_LIMIT_REPLY_BYTES", value_name = "BYTES",
          default_value_t = Limits::default().reply_bytes, value_parser = at_least_one)]
    reply_bytes: usize,

    /// Most series of one member.
    #[arg(long = "limit.series-per-member", env = "ZOOKEEPER_EXPORTER_LIMIT_SERIES_PER_MEMBER", value_name = "N",
          default_value_t = Limits::default().series_per_member, value_parser = at_least_one)]
    series_per_member: usize,

    /// Open connections to members, a quarter of them for /probe [default: what the limit of open files allows].
    #[arg(long = "limit.sockets", env = "ZOOKEEPER_EXPORTER_LIMIT_SOCKETS", value_name = "N",
          value_parser = at_least_one)]
    sockets: Option<usize>,

    /// Most members of an ensemble that discovery may find.
    #[arg(long = "limit.members-per-ensemble", env = "ZOOKEEPER_EXPORTER_LIMIT_MEMBERS_PER_ENSEMBLE", value_name = "N",
          default_value_t = Limits::default().members_per_ensemble, value_parser = at_least_one)]
    members_per_ensemble: usize,

    /// How much to log.
    #[arg(long = "log.level", env = "ZOOKEEPER_EXPORTER_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    log_level: LogLevel,

    /// How log lines look.
    #[arg(long = "log.format", env = "ZOOKEEPER_EXPORTER_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum NamesArg {
    Prometheus,
    Mntr,
}

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode, UsageError> {
        catch_hangup()?;
        let origin = self.targets.origin();
        let watched = origin.file().map(Watched::new);
        if self.auto_reload.is_some() && watched.is_none() {
            return Err(UsageError("--config.auto-reload-interval: expected --config.file beside it".to_owned()));
        }
        let config = origin.load()?;
        start_log(self.log_level, self.log_format);
        let files = descriptors::raise_limit()?;
        let threads = threads(config.ensembles.iter().map(|ensemble| ensemble.members.len()).sum());
        can_start(threads + 1)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .max_io_events_per_tick(IO_EVENTS)
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| UsageError(format!("cannot start the runtime: {error}")))?;
        let code = runtime.block_on(self.serve(origin, config, files, watched));
        // A resolver that hangs must not hold the exit up.
        runtime.shutdown_background();
        code
    }

    async fn serve(
        self,
        origin: Origin,
        config: Config,
        files: usize,
        watched: Option<Watched>,
    ) -> Result<ExitCode, UsageError> {
        let web = Arc::new(Web::load(self.web_config_file.clone())?);
        let no_signals = |error| UsageError(format!("cannot listen for signals: {error}"));
        let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(no_signals)?;
        let mut listeners = Vec::with_capacity(self.listen_address.len());
        for address in &self.listen_address {
            match listen::bind(address).await {
                Ok(listener) => listeners.push(listener),
                Err(why) => {
                    // No mistake of usage: an address may be given back, or appear, while a supervisor tries again.
                    tell(why);
                    return Ok(ExitCode::FAILURE);
                }
            }
        }

        let sockets = self.sockets(&config, files);
        let limits = Limits {
            reply_bytes: self.reply_bytes,
            series_per_member: self.series_per_member,
            sockets,
            members_per_ensemble: self.members_per_ensemble,
        };
        let scraper = Scraper::new(&config, limits);
        let (scraper, names) = match self.names {
            NamesArg::Prometheus => (scraper, Names::Catalogue),
            NamesArg::Mntr => (scraper.keeping_raw(), Names::Mntr),
        };
        let members = scraper.members();
        let running = Running::new(config, scraper);
        let app = Arc::new(App {
            current: Current::new(running, move || origin.load()),
            web: Arc::clone(&web),
            telemetry: Arc::new(Telemetry::default()),
            names,
            timeout_offset: self.timeout_offset,
            budgets: http::Budgets::default(),
            draining: AtomicBool::new(false),
            telemetry_path: self.telemetry_path,
            lifecycle: self.lifecycle,
        });
        app.telemetry.note_reload(true);
        let reloads = Arc::clone(&app);
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                // A failure is in the log and the metrics.
                let _ = reloads.reload().await;
            }
        });
        if let (Some(every), Some(watched)) = (self.auto_reload, watched) {
            tokio::spawn(watched.reload(Arc::clone(&app), every));
        }
        for listener in &listeners {
            if let Ok(address) = listener.local_addr() {
                let (tls, password) = (web.current().is_tls(), web.current().asks_for_password());
                tracing::info!(%address, members, tls, password, "listening");
            }
        }
        let stop = async {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            tracing::info!("shutting down, waiting for in-flight requests");
            tokio::spawn(async move {
                tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
                tracing::warn!("second signal received, exiting immediately");
                std::process::exit(1);
            });
        };
        let limits = ServerLimits { connections: self.max_connections, ..ServerLimits::default() };
        http::serve(listeners, Arc::clone(&app), http::router(&app), limits, web, stop).await;
        app.current.get().scraper.stop().await;
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    }
}

/// Connections beside those of `--web.max-connections`: for health checks, and those that are closed while others open.
const OTHER_CONNECTIONS: usize = 32;

/// `--config.auto-reload-interval`: more often would cost more than it saves.
const MIN_RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// Installs a handler for SIGHUP before the configuration is read: a reload that is requested meanwhile must not end the
/// process, which is what the signal does by default. It leads to a reload once the exporter has started.
fn catch_hangup() -> Result<(), UsageError> {
    let failed = |error| UsageError(format!("cannot listen for signals: {error}"));
    // Handlers stay for the life of the process; this runtime is only what installs them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed)?;
    let _guard = runtime.enter();
    signal(SignalKind::hangup()).map(drop).map_err(failed)
}

/// Events that the runtime takes from the kernel at once. Thousands of members may answer at one moment, and no deadline
/// may pass before their answers have been seen.
const IO_EVENTS: usize = 16_384;

/// Says so where the system has no threads for the runtime, which would panic.
fn can_start(threads: usize) -> Result<(), UsageError> {
    let together = Arc::new(std::sync::Barrier::new(threads + 1));
    let mut started = Vec::with_capacity(threads);
    for _ in 0..threads {
        let here = Arc::clone(&together);
        match std::thread::Builder::new().stack_size(64 << 10).spawn(move || here.wait()) {
            Ok(thread) => started.push(thread),
            Err(error) => {
                let advice = "raise the limit of processes (ulimit -u, TasksMax)";
                return Err(UsageError(format!("cannot start {threads} threads: {error}; {advice}")));
            }
        }
    }
    together.wait();
    // They only waited for each other.
    for thread in started {
        let _ = thread.join();
    }
    Ok(())
}

impl Serve {
    /// How many connections to members may be open, said in the log where that is less than it should be.
    fn sockets(&self, config: &Config, files: usize) -> usize {
        let sessions: usize = config.ensembles.iter().map(session_files).sum();
        let reserve = self.max_connections.saturating_add(OTHER_CONNECTIONS).saturating_add(sessions);
        let sockets = descriptors::sockets(files, self.sockets, reserve);
        if sockets.short {
            tracing::warn!(
                files,
                sockets = sockets.max,
                reserve,
                "few open files for web clients, sessions and members: raise the limit (ulimit -n, LimitNOFILE) or lower \
                 --web.max-connections or --limit.sockets"
            );
        }
        sockets.max
    }
}

/// Descriptors of an ensemble's sessions: a connection each, and one that is being closed.
fn session_files(ensemble: &EnsembleConfig) -> usize {
    const CONNECTIONS: usize = 2;
    let (members, extras) = (ensemble.members.len(), &ensemble.module.extras);
    let to_any = usize::from(extras.canary.is_some()) + usize::from(extras.znodes.is_some());
    let to_each = if extras.canary.as_ref().is_some_and(|canary| canary.per_member) { members } else { 0 };
    (to_any + to_each) * CONNECTIONS
}

/// Up to some dozen members, handing work from thread to thread costs more than it saves.
fn threads(members: usize) -> usize {
    const WORTH_A_SECOND: usize = 64;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    if members > WORTH_A_SECOND { cores.min(2) } else { 1 }
}

fn reload_interval(text: &str) -> Result<Duration, String> {
    let every = duration(text)?;
    if every < MIN_RELOAD_INTERVAL { Err("expected at least 1s, e.g. 30s".to_owned()) } else { Ok(every) }
}

/// A path that no other endpoint has and that the router takes literally.
fn telemetry_path(text: &str) -> Result<String, String> {
    let taken = text.starts_with("/-/") || text.starts_with("/ensemble/") || http::PATHS.contains(&text);
    let plain = text.starts_with('/')
        && text.len() > 1
        && !taken
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte));
    if plain {
        Ok(text.to_owned())
    } else {
        Err("write a path such as /metrics, not / and not that of another endpoint".to_owned())
    }
}

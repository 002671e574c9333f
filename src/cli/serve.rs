//! The default command: serves the metrics of the ensembles until it is stopped.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

use super::auto_reload::Watched;
use super::stdout::tell;
use super::targets::{Origin, Targets};
use super::web_flags::WebFlags;
use super::{UsageError, at_least_one, descriptors, duration, listen};
use crate::config::{Config, EnsembleConfig, Limits};
use crate::exposition::Names;
use crate::http::{self, App, Current, Running, ScrapeLimit, ServerLimits, ServiceManager, Web, WebPaths};
use crate::incident::FlightRecorder;
use crate::log::{LogFormat, LogLevel, start_log};
use crate::scrape::Scraper;
use crate::scrape::samples::MAX_SERIES;
use crate::settings::Settings;
use crate::telemetry::Telemetry;
use crate::verdict::judge;
use crate::version;

/// Flags of the exporter, in Prometheus' habit of dotted names.
#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    #[command(flatten)]
    targets: Targets,

    /// Address to listen on; may be repeated.
    #[arg(long = "web.listen-address", env = "ZOOKEEPER_EXPORTER_WEB_LISTEN_ADDRESS", value_name = "[HOST]:PORT",
          default_value = ":9141", value_delimiter = ' ', value_parser = listen::parse)]
    listen_address: Vec<String>,

    /// Path of the metrics.
    #[arg(long = "web.telemetry-path", env = "ZOOKEEPER_EXPORTER_WEB_TELEMETRY_PATH", value_name = "PATH",
          default_value = "/metrics", value_parser = telemetry_path)]
    telemetry_path: String,

    /// Web configuration file (TLS, users, headers) in the format of Prometheus' exporter-toolkit.
    #[arg(long = "web.config.file", env = "ZOOKEEPER_EXPORTER_WEB_CONFIG_FILE", value_name = "FILE")]
    web_config_file: Option<PathBuf>,

    /// Serve POST /-/reload, which reloads the configuration; SIGHUP always does.
    #[arg(long = "web.enable-lifecycle", env = "ZOOKEEPER_EXPORTER_WEB_ENABLE_LIFECYCLE")]
    lifecycle: bool,

    /// Interval at which --config.file is checked for changes and reloaded, e.g. 30s [default: never].
    #[arg(long = "config.auto-reload-interval", env = "ZOOKEEPER_EXPORTER_CONFIG_AUTO_RELOAD_INTERVAL",
          value_name = "DURATION", value_parser = reload_interval)]
    auto_reload: Option<Duration>,

    /// Maximum number of HTTP connections.
    #[arg(long = "web.max-connections", env = "ZOOKEEPER_EXPORTER_WEB_MAX_CONNECTIONS", value_name = "N",
          default_value_t = 512, value_parser = at_least_one)]
    max_connections: usize,

    /// Subtracted from the scrape timeout that Prometheus sends, so that the response arrives in time.
    #[arg(long = "scrape.timeout-offset", env = "ZOOKEEPER_EXPORTER_SCRAPE_TIMEOUT_OFFSET", value_name = "DURATION",
          default_value = "500ms", value_parser = duration)]
    timeout_offset: Duration,

    /// Metric naming: Prometheus conventions, or raw mntr keys (for dashboards of older exporters).
    #[arg(
        long = "metrics.names",
        env = "ZOOKEEPER_EXPORTER_METRICS_NAMES",
        value_name = "NAMES",
        default_value = "prometheus"
    )]
    names: NamesArg,

    /// Maximum size of one reply.
    #[arg(long = "limit.reply-bytes", env = "ZOOKEEPER_EXPORTER_LIMIT_REPLY_BYTES", value_name = "BYTES",
          default_value_t = Limits::default().reply_bytes, value_parser = at_least_one)]
    reply_bytes: usize,

    /// Maximum number of series of one member.
    #[arg(long = "limit.series-per-member", env = "ZOOKEEPER_EXPORTER_LIMIT_SERIES_PER_MEMBER", value_name = "N",
          default_value_t = Limits::default().series_per_member, value_parser = series_number)]
    series_per_member: usize,

    /// Maximum number of connections to members, a quarter of them for /probe
    /// [default: as many as the limit of open files permits].
    #[arg(long = "limit.sockets", env = "ZOOKEEPER_EXPORTER_LIMIT_SOCKETS", value_name = "N",
          value_parser = at_least_one)]
    sockets: Option<usize>,

    /// Maximum number of members that discovery may find in one ensemble.
    #[arg(long = "limit.members-per-ensemble", env = "ZOOKEEPER_EXPORTER_LIMIT_MEMBERS_PER_ENSEMBLE", value_name = "N",
          default_value_t = Limits::default().members_per_ensemble, value_parser = at_least_one)]
    members_per_ensemble: usize,

    #[command(flatten)]
    web: WebFlags,

    /// Log level.
    #[arg(long = "log.level", env = "ZOOKEEPER_EXPORTER_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    log_level: LogLevel,

    /// Log format.
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
            return Err(UsageError("--config.auto-reload-interval requires --config.file".to_owned()));
        }
        let paths = self.web.paths.paths()?;
        let settings = origin.load()?;
        start_log(self.log_level, self.log_format);
        let files = descriptors::raise_limit()?;
        let threads = threads(settings.config.ensembles.iter().map(|ensemble| ensemble.members.len()).sum());
        can_start(threads + 1)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .max_io_events_per_tick(IO_EVENTS)
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| UsageError(format!("cannot start the runtime: {error}")))?;
        let code = runtime.block_on(self.serve(origin, settings, files, watched, paths));
        // A hanging DNS lookup must not delay the exit.
        runtime.shutdown_background();
        code
    }

    async fn serve(
        self,
        origin: Origin,
        settings: Settings,
        files: usize,
        watched: Option<Watched>,
        paths: WebPaths,
    ) -> Result<ExitCode, UsageError> {
        let web = Arc::new(Web::load(self.web_config_file.clone())?);
        let no_signals = |error| UsageError(format!("cannot listen for signals: {error}"));
        let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(no_signals)?;
        let listeners = match self.listeners().await? {
            Ok(listeners) => listeners,
            Err(why) => {
                // Not a usage error: the address may become available, and a supervisor retries.
                tell(why);
                return Ok(ExitCode::FAILURE);
            }
        };

        // Web clients must not use up the open files that members need.
        let connections = self.max_connections.min(files / 2);
        let sockets = self.sockets(&settings.config, files, connections);
        let limits = Limits {
            reply_bytes: self.reply_bytes,
            series_per_member: self.series_per_member,
            sockets,
            members_per_ensemble: self.members_per_ensemble,
        };
        let scraper = Scraper::new(&settings.config, limits).avoiding(|report| judge(report).strangers);
        let (scraper, names) = match self.names {
            NamesArg::Prometheus => (scraper, Names::Catalogue),
            NamesArg::Mntr => (scraper.keeping_raw(), Names::Mntr),
        };
        let (ensembles, members) = (settings.config.ensembles.len(), scraper.members());
        let running = Running::new(settings, scraper);
        let app = Arc::new(App {
            current: Current::new(running, move || origin.load()),
            web: Arc::clone(&web),
            telemetry: Arc::new(Telemetry::default()),
            names,
            timeout_offset: self.timeout_offset,
            recorder: FlightRecorder::default(),
            recording: Arc::new(Semaphore::new(1)),
            restarts: http::RestartGrants::default(),
            budgets: http::Budgets::default(),
            draining: AtomicBool::new(false),
            telemetry_path: self.telemetry_path,
            paths,
            service_manager: ServiceManager::from_env(),
            scrape_limit: ScrapeLimit::new(self.web.max_requests),
            lifecycle: self.lifecycle,
        });
        app.telemetry.note_reload(true);
        let reloads = Arc::clone(&app);
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                // A failure is logged and counted.
                let _ = reloads.reload().await;
            }
        });
        if let (Some(every), Some(watched)) = (self.auto_reload, watched) {
            tokio::spawn(watched.reload(Arc::clone(&app), every));
        }
        tracing::info!(version = version::VERSION, revision = version::REVISION, "starting");
        for listener in &listeners {
            if let Ok(address) = listener.local_addr() {
                let (tls, password) = (web.current().is_tls(), web.current().asks_for_password());
                tracing::info!(%address, members, tls, password, "listening");
            }
        }
        app.service_manager.ready(&format!("{ensembles} ensembles, {members} members"));
        let alive = Arc::clone(&app);
        tokio::spawn(async move { alive.service_manager.keep_alive().await });
        let stop = async {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            app.service_manager.stopping();
            tracing::info!("shutting down, waiting for in-flight requests");
            tokio::spawn(async move {
                tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
                tracing::warn!("second signal received, exiting immediately");
                std::process::exit(1);
            });
        };
        let limits = ServerLimits { connections, ..ServerLimits::default() };
        http::serve(listeners, Arc::clone(&app), http::router(&app), limits, web, stop).await;
        app.current.get().scraper.stop().await;
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    }
}

/// Number of connections in addition to `--web.max-connections`: health checks, and connections that are closing.
const OTHER_CONNECTIONS: usize = 32;

/// Minimum of `--config.auto-reload-interval`.
const MIN_RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// Installs a handler for SIGHUP before the configuration is read; by default the signal would terminate the process. A
/// reload requested meanwhile happens after the start.
fn catch_hangup() -> Result<(), UsageError> {
    let failed = |error| UsageError(format!("cannot listen for signals: {error}"));
    // Handlers remain installed for the life of the process; this runtime is only needed to install them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed)?;
    let _guard = runtime.enter();
    signal(SignalKind::hangup()).map(drop).map_err(failed)
}

/// Maximum number of events per poll. Thousands of members may reply at the same moment, and their replies must be seen
/// before the deadline.
const IO_EVENTS: usize = 16_384;

/// Checks that enough threads can be created for the runtime, which would panic otherwise.
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
    // The threads end after the barrier.
    for thread in started {
        let _ = thread.join();
    }
    Ok(())
}

impl Serve {
    /// The listeners from systemd or `--web.listen-address`. An inner error is temporary.
    async fn listeners(&self) -> Result<Result<Vec<TcpListener>, String>, UsageError> {
        if self.web.systemd_socket {
            return listen::passed().map(Ok).map_err(|why| UsageError(format!("--web.systemd-socket: {why}")));
        }
        let mut listeners = Vec::with_capacity(self.listen_address.len());
        for address in &self.listen_address {
            match listen::bind(address).await {
                Ok(listener) => listeners.push(listener),
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Ok(listeners))
    }

    /// The maximum number of connections to members. Logs a warning if it is too low.
    fn sockets(&self, config: &Config, files: usize, connections: usize) -> usize {
        let sessions: usize = config.ensembles.iter().map(session_files).sum();
        let reserve = connections.saturating_add(OTHER_CONNECTIONS).saturating_add(sessions);
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

/// File descriptors for the sessions of an ensemble: one connection each, and one that is closing.
fn session_files(ensemble: &EnsembleConfig) -> usize {
    const CONNECTIONS: usize = 2;
    let (members, probes) = (ensemble.members.len(), &ensemble.module.probes);
    let to_any = usize::from(probes.canary.is_some()) + usize::from(probes.znodes.is_some());
    let to_each = if probes.canary.as_ref().is_some_and(|canary| canary.per_member) { members } else { 0 };
    (to_any + to_each) * CONNECTIONS
}

/// The number of threads: with few members, passing work between threads costs more than it saves.
fn threads(members: usize) -> usize {
    const WORTH_A_SECOND: usize = 64;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    if members > WORTH_A_SECOND { cores.min(2) } else { 1 }
}

fn series_number(text: &str) -> Result<usize, String> {
    let number = at_least_one(text)?;
    if number > MAX_SERIES { Err(format!("write a number from 1 to {MAX_SERIES}")) } else { Ok(number) }
}

fn reload_interval(text: &str) -> Result<Duration, String> {
    let every = duration(text)?;
    if every < MIN_RELOAD_INTERVAL { Err("expected at least 1s, e.g. 30s".to_owned()) } else { Ok(every) }
}

/// Validates the telemetry path: not used by another endpoint, and without patterns of the router.
fn telemetry_path(text: &str) -> Result<String, String> {
    let taken = text.starts_with("/-/")
        || text.starts_with("/ensemble/")
        || text.starts_with("/runbooks/")
        || http::PATHS.contains(&text);
    let plain = text.starts_with('/')
        && text.len() > 1
        && !taken
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte));
    if plain {
        Ok(text.to_owned())
    } else {
        Err("expected a path such as /metrics that is not / and not used by another endpoint".to_owned())
    }
}

//! The HTTP endpoints: routes, shared state, and request counting.

mod admission;
mod auth;
mod body;
mod client_cert;
mod deadline;
mod encoding;
mod fair_queue;
mod guard;
mod incident;
mod metrics;
mod paths;
mod probe;
mod query;
mod rate_limiter;
mod render;
mod restart;
mod runbooks;
mod running;
mod scrape_limit;
mod sd;
mod server;
mod service_manager;
mod slots;
mod status;
mod streaming_body;
mod visits;
mod web;
mod write_rate;
mod write_timeout;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

pub use deadline::budget;
pub use paths::WebPaths;
pub use probe::{ProbeParams, Refusal};
pub use restart::RestartGrants;
pub use running::{Current, Running};
pub use scrape_limit::ScrapeLimit;
pub use server::{ServerLimits, serve};
pub use service_manager::ServiceManager;
pub use status::{Links, ensemble_page, fleet_page};
pub use visits::Since;
pub use web::{Web, WebState};

use admission::{Admission, Waiting};
use render::Renderer;
use write_rate::WriteRate;

use crate::exposition::Names;
use crate::incident::FlightRecorder;
use crate::scrape::Report;
use crate::telemetry::Telemetry;

/// The memory budgets of responses, separate for scrapes, probes and status pages, so that they do not delay each
/// other.
#[derive(Debug)]
pub struct Budgets {
    scrapes: Arc<Admission>,
    probes: Arc<Admission>,
    status: Arc<Admission>,
    /// Number of requests that wait for one of the budgets.
    waiting: Waiting,
    pace: Arc<WriteRate>,
    renderer: Renderer,
}

impl Default for Budgets {
    fn default() -> Self {
        let waiting = Waiting::default();
        let pace = Arc::<WriteRate>::default();
        let budget = |mebibytes: usize| Admission::new(mebibytes << 20, &waiting, &pace);
        let (scrapes, probes, status) = (budget(96), budget(64), budget(48));
        Self { scrapes, probes, status, waiting, pace, renderer: Renderer::default() }
    }
}

/// The shared state of the endpoints.
#[derive(Debug)]
pub struct App {
    /// The active configuration, and the scraper.
    pub current: Current,
    /// TLS, users and headers of the endpoint.
    pub web: Arc<Web>,
    /// The exporter's own metrics.
    pub telemetry: Arc<Telemetry>,
    /// Metric naming.
    pub names: Names,
    /// Subtracted from the scrape timeout of Prometheus, so that the response arrives in time.
    pub timeout_offset: Duration,
    /// Recorded transitions of the ensembles; kept across reloads.
    pub recorder: FlightRecorder,
    /// Limits the recording of large reports to one at a time.
    pub recording: Arc<Semaphore>,
    /// The last permission of a restart per ensemble; kept across reloads.
    pub restarts: RestartGrants,
    /// Limits of the responses in flight.
    pub budgets: Budgets,
    /// Set while draining: `/-/ready` then returns 503.
    pub draining: AtomicBool,
    /// Path of the metrics endpoint, without prefix.
    pub telemetry_path: String,
    /// Route prefix and external prefix.
    pub paths: WebPaths,
    /// The notification socket of systemd, if it started the exporter.
    pub service_manager: ServiceManager,
    /// Counts scrapes in flight.
    pub scrape_limit: ScrapeLimit,
    /// Whether `POST /-/reload` is enabled (`--web.enable-lifecycle`).
    pub lifecycle: bool,
}

/// Maximum number of members whose report is compared inline; handing it to another thread would take longer.
const FEW_REPORTS: usize = 200;

impl App {
    /// Records what changed since the last report of each ensemble. A large report is compared in a separate task, so
    /// that it delays no response. It is skipped while another one is compared; the next report contains its changes.
    fn record(self: &Arc<Self>, running: &Arc<Running>, report: &Arc<Report>) {
        if report.members() <= FEW_REPORTS {
            self.recorder.note(report, &running.thresholds);
            return;
        }
        let Ok(turn) = Arc::clone(&self.recording).try_acquire_owned() else { return };
        let (app, running, report) = (Arc::clone(self), Arc::clone(running), Arc::clone(report));
        spawn_blocking(move || {
            let _turn = turn;
            app.recorder.note(&report, &running.thresholds);
        });
    }
}

/// Paths that are reserved in addition to those below `/-/`, `/ensemble/` and `/runbooks/`.
pub const PATHS: [&str; 6] = ["/", "/probe", "/sd", "/status.css", "/api/v1/why", "/api/v1/events"];

/// Paths that are served on a reserved connection.
const HEALTH: [&str; 2] = ["/-/healthy", "/-/ready"];

/// The routes of the exporter.
pub fn router(app: &Arc<App>) -> Router {
    let at = |path: &str| app.paths.route(path);
    let router = Router::new()
        .route(&at(&app.telemetry_path), get(metrics::metrics))
        .route(&at("/probe"), get(probe::probe))
        .route(&at("/sd"), get(sd::sd))
        .route(&at("/-/healthy"), get(healthy))
        .route(&at("/-/ready"), get(ready))
        .route(&at("/-/may-restart"), get(restart::may_restart))
        .route(&at("/api/v1/why"), get(incident::explain))
        .route(&at("/api/v1/events"), get(incident::events))
        .route(&at("/-/reload"), post(reload))
        .route(&at("/"), get(status::fleet))
        .route(&at("/ensemble/{name}"), get(status::ensemble))
        .route(&at("/runbooks/"), get(runbooks::index))
        .route(&at("/runbooks/{name}"), get(runbooks::one))
        .route(&at("/status.css"), get(status::style))
        .fallback(unknown_path);
    let router = app.paths.redirects().fold(router, |router, path| router.route(path, get(to_status_page)));
    router.layer(middleware::from_fn_with_state(Arc::clone(app), count)).with_state(Arc::clone(app))
}

/// Redirects from outside the prefix to the status page.
async fn to_status_page(State(app): State<Arc<App>>) -> Response {
    (StatusCode::FOUND, [(LOCATION, app.paths.link("/"))]).into_response()
}

/// A path without an endpoint.
async fn unknown_path() -> Response {
    (StatusCode::NOT_FOUND, PLAIN, "not found: docs/flags.md lists the endpoints\n").into_response()
}

const PLAIN: [(axum::http::HeaderName, &str); 1] = [(CONTENT_TYPE, "text/plain; charset=utf-8")];

/// Liveness probe.
async fn healthy() -> Response {
    (PLAIN, "ok\n").into_response()
}

/// Readiness probe. Independent of ZooKeeper: a dead ensemble must still be scraped.
async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.draining.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, PLAIN, "draining\n").into_response()
    } else {
        (PLAIN, "ok\n").into_response()
    }
}

/// Reloads the configuration; returns an error as one line.
async fn reload(State(app): State<Arc<App>>) -> Response {
    if !app.lifecycle {
        let how = "reload over HTTP is disabled: start the exporter with --web.enable-lifecycle, or send it SIGHUP\n";
        return (StatusCode::FORBIDDEN, PLAIN, how).into_response();
    }
    match app.reload().await {
        Ok(()) => (PLAIN, "ok\n").into_response(),
        Err(error) => {
            let why = format!("configuration reload failed, keeping the previous configuration: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, PLAIN, why).into_response()
        }
    }
}

/// Counts every response by route. Unknown paths share one handler, so that clients cannot create label values.
async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let endpoint = path.as_deref().and_then(|path| app.paths.endpoint(path));
    let handler = match endpoint {
        Some("/probe") => "/probe",
        Some("/sd") => "/sd",
        Some("/-/healthy") => "/-/healthy",
        Some("/-/ready") => "/-/ready",
        Some("/-/may-restart") => "/-/may-restart",
        Some("/api/v1/why") => "/api/v1/why",
        Some("/api/v1/events") => "/api/v1/events",
        Some("/-/reload") => "/-/reload",
        Some("/") => "/",
        Some("/ensemble/{name}") => "/ensemble",
        Some("/runbooks/" | "/runbooks/{name}") => "/runbooks",
        Some("/status.css") => "/status.css",
        Some(path) if path == app.telemetry_path => "/metrics",
        _ => "other",
    };
    let response = next.run(request).await;
    app.telemetry.count_request(handler, response.status().as_u16());
    response
}

//! The endpoints: what is served where, and what is counted about it.

mod admission;
mod auth;
mod body;
mod client_cert;
mod deadline;
mod encoding;
mod fair_queue;
mod flow;
mod guard;
mod metrics;
mod pace;
mod probe;
mod query;
mod render;
mod restart;
mod running;
mod sd;
mod server;
mod slots;
mod status;
mod visits;
mod web;
mod write_timeout;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

pub use deadline::budget;
pub use probe::{ProbeParams, Refusal};
pub use running::{Current, Running};
pub use server::{ServerLimits, serve};
pub use status::{ensemble_page, fleet_page};
pub use visits::Since;
pub use web::{Web, WebState};

use admission::{Admission, Waiting};
use pace::Pace;
use render::Renderer;

use crate::exposition::Names;
use crate::telemetry::Telemetry;

/// The memory that responses may hold, by what is asked for: none of the three delays another one.
#[derive(Debug)]
pub struct Budgets {
    scrapes: Arc<Admission>,
    probes: Arc<Admission>,
    status: Arc<Admission>,
    /// Requests that wait for any of them.
    waiting: Waiting,
    pace: Arc<Pace>,
    renderer: Renderer,
}

impl Default for Budgets {
    fn default() -> Self {
        let waiting = Waiting::default();
        let pace = Arc::<Pace>::default();
        let budget = |mebibytes: usize| Admission::new(mebibytes << 20, &waiting, &pace);
        let (scrapes, probes, status) = (budget(96), budget(64), budget(48));
        Self { scrapes, probes, status, waiting, pace, renderer: Renderer::default() }
    }
}

/// What the endpoints share.
#[derive(Debug)]
pub struct App {
    /// The active configuration, and the scraper.
    pub current: Current,
    /// TLS, users and headers of the endpoint.
    pub web: Arc<Web>,
    /// The exporter's own metrics.
    pub telemetry: Arc<Telemetry>,
    /// How families are named.
    pub names: Names,
    /// Taken off Prometheus' own deadline, so that the page is there before it.
    pub timeout_offset: Duration,
    /// What bounds the responses in flight.
    pub budgets: Budgets,
    /// Set while draining: `/-/ready` then answers 503.
    pub draining: AtomicBool,
    /// The path of the page.
    pub telemetry_path: String,
    /// `POST /-/reload` is served (`--web.enable-lifecycle`).
    pub lifecycle: bool,
}

/// Paths that are taken whatever the telemetry path is, beside those below `/-/` and `/ensemble/`.
pub const PATHS: [&str; 4] = ["/", "/probe", "/sd", "/status.css"];

/// Paths that are answered on a reserved connection.
const HEALTH: [&str; 2] = ["/-/healthy", "/-/ready"];

/// The routes of the exporter.
pub fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route(&app.telemetry_path, get(metrics::metrics))
        .route("/probe", get(probe::probe))
        .route("/sd", get(sd::sd))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/-/may-restart", get(restart::may_restart))
        .route("/-/reload", post(reload))
        .route("/", get(status::fleet))
        .route("/ensemble/{name}", get(status::ensemble))
        .route("/status.css", get(status::style))
        .layer(middleware::from_fn_with_state(Arc::clone(app), count))
        .with_state(Arc::clone(app))
}

const PLAIN: [(axum::http::HeaderName, &str); 1] = [(CONTENT_TYPE, "text/plain; charset=utf-8")];

/// Liveness probe.
async fn healthy() -> Response {
    (PLAIN, "ok\n").into_response()
}

/// Readiness probe. Never depends on ZooKeeper: a dead ensemble must be reported, not hidden.
async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.draining.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, PLAIN, "draining\n").into_response()
    } else {
        (PLAIN, "ok\n").into_response()
    }
}

/// Reads the configuration again; a mistake is answered in one line.
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

/// Counts every response by its route; all other paths are one handler, so that no client makes labels.
async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let handler = match path.as_deref() {
        Some("/probe") => "/probe",
        Some("/sd") => "/sd",
        Some("/-/healthy") => "/-/healthy",
        Some("/-/ready") => "/-/ready",
        Some("/-/may-restart") => "/-/may-restart",
        Some("/-/reload") => "/-/reload",
        Some("/") => "/",
        Some("/ensemble/{name}") => "/ensemble",
        Some("/status.css") => "/status.css",
        Some(path) if path == app.telemetry_path => "/metrics",
        _ => "other",
    };
    let response = next.run(request).await;
    app.telemetry.count_request(handler, response.status().as_u16());
    response
}

//! The endpoints: what is served where, and what is counted about it.

mod auth;
mod budget;
mod client_cert;
mod flow;
mod guard;
mod metrics;
mod pages;
mod patience;
mod probe;
mod query;
mod running;
mod sd;
mod seats;
mod server;
mod status;
mod web;

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

pub use budget::budget;
pub use probe::{Refusal, Wish};
pub use running::{Current, Running};
pub use server::{ServerLimits, serve};
pub use status::{ensemble_page, fleet_page};
pub use web::{Web, WebState};

use pages::Pages;

use crate::exposition::Names;
use crate::telemetry::Telemetry;

/// What the endpoints share.
#[derive(Debug)]
pub struct App {
    /// The configuration in force, and who is asked.
    pub current: Current,
    /// TLS, users and headers of the endpoint.
    pub web: Arc<Web>,
    /// The exporter's own metrics.
    pub telemetry: Arc<Telemetry>,
    /// How families are named.
    pub names: Names,
    /// Taken off Prometheus' own deadline, so that the page is there before it.
    pub timeout_offset: Duration,
    /// Set while draining: `/-/ready` then answers 503.
    pub draining: AtomicBool,
    /// The path of the page.
    pub telemetry_path: String,
    /// `POST /-/reload` is served (`--web.enable-lifecycle`).
    pub lifecycle: bool,
}

/// Paths that are taken whatever the telemetry path is, beside those below `/-/` and `/ensemble/`.
pub const PATHS: [&str; 4] = ["/", "/probe", "/sd", "/status.css"];

/// The routes of the exporter.
pub fn router(app: &Arc<App>) -> Router {
    // Each of its own: what a probe brings says nothing of the page of all.
    let bounded = || middleware::from_fn_with_state((Arc::clone(app), Arc::<Pages>::default()), pages::bounded);
    Router::new()
        .route(&app.telemetry_path, get(metrics::metrics).layer(bounded()))
        .route("/probe", get(probe::probe).layer(bounded()))
        .route("/sd", get(sd::sd))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(reload))
        .route("/", get(status::fleet))
        .route("/ensemble/{name}", get(status::ensemble))
        .route("/status.css", get(status::style))
        .layer(middleware::from_fn_with_state(Arc::clone(app), count))
        .with_state(Arc::clone(app))
}

const PLAIN: [(axum::http::HeaderName, &str); 1] = [(CONTENT_TYPE, "text/plain; charset=utf-8")];

/// The process turns.
async fn healthy() -> Response {
    (PLAIN, "ok\n").into_response()
}

/// Scrapes are welcome. Never depends on ZooKeeper: a dead ensemble must be reported, not hidden.
async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.draining.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, PLAIN, "draining\n").into_response()
    } else {
        (PLAIN, "ok\n").into_response()
    }
}

/// Reads the configuration again; the answer is a mistake's one line.
async fn reload(State(app): State<Arc<App>>) -> Response {
    if !app.lifecycle {
        let how = "reloading over HTTP is off; start the exporter with --web.enable-lifecycle, or send it SIGHUP\n";
        return (StatusCode::FORBIDDEN, PLAIN, how).into_response();
    }
    match app.reload().await {
        Ok(()) => (PLAIN, "ok\n").into_response(),
        Err(error) => {
            let told = format!("the configuration cannot be read again, the old one stays in force: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, PLAIN, told).into_response()
        }
    }
}

/// Counts every answer by its route; what is no route is one handler, so that no client makes labels.
async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let handler = match path.as_deref() {
        Some("/probe") => "/probe",
        Some("/sd") => "/sd",
        Some("/-/healthy") => "/-/healthy",
        Some("/-/ready") => "/-/ready",
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

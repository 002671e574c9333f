//! `GET /runbooks/NAME`: the runbooks of this version, for hosts without access to the repository.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;

use super::App;
use super::status::{HEADERS, Links, page};
use crate::runbook;

/// The index page.
pub(super) async fn index(State(app): State<Arc<App>>) -> Response {
    document(&app, "README")
}

/// One runbook.
pub(super) async fn one(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    document(&app, &name)
}

fn document(app: &App, name: &str) -> Response {
    let links = Links::of(app);
    let (status, title, body) = match runbook::text(name) {
        Some(text) => (StatusCode::OK, name.trim_end_matches(".md"), runbook::html(text)),
        None => {
            (StatusCode::NOT_FOUND, "unknown runbook", html! { p { "This version has no runbook with this name." } })
        }
    };
    let body = html! {
        section.document { (body) }
        footer {
            a href=(links.at("/runbooks/")) { "All runbooks" } " · " a href=(links.at("/")) { "All ensembles" }
        }
    };
    (status, HEADERS, page(title, None, &links, &body).into_string()).into_response()
}

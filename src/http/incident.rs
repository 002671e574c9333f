//! `GET /api/v1/why` and `GET /api/v1/events`: the most probable cause of a problem, and the recorded transitions.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::admission::{Overloaded, Permit};
use super::body::FullBody;
use super::deadline::Deadline;
use super::query::parameters;
use super::running::Running;
use super::{App, PLAIN};
use crate::incident::{EventHistory, EventQuery, Explanation, Judged, MAX_PAGE, clock, why};
use crate::scrape::Report;
use crate::text;

/// Maximum length of an error message, in characters.
const MAX_REFUSAL: usize = 1000;

/// Number of transitions returned without `limit`.
const DEFAULT_PAGE: usize = 100;

/// Interval between the two scrapes of an explanation.
const INTERVAL: Duration = Duration::from_secs(2);

/// Timeout of each scrape. Longer than a scrape in progress that it may join, so that an unreachable member is reported
/// as such.
const ASK_TIMEOUT: Duration = Duration::from_secs(6);

/// Maximum duration of a request.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

fn refuse(status: StatusCode, line: &str) -> Response {
    (status, PLAIN, text::line(line, MAX_REFUSAL) + "\n").into_response()
}

/// A JSON response that holds its permit until it is sent.
fn json(document: &impl Serialize, mut permit: Permit) -> Result<Response, Overloaded> {
    // Only strings, numbers and lists: serialisation cannot fail.
    let json = serde_json::to_string_pretty(document).unwrap_or_default();
    let json = text::escape_json(&json).into_owned() + "\n";
    permit.count(json.len())?;
    let headers = [(CONTENT_TYPE, "application/json")];
    Ok((headers, Body::new(FullBody::new(json.into_bytes(), permit))).into_response())
}

/// Scrapes one ensemble twice and explains what is wrong.
pub(super) async fn explain(
    State(app): State<Arc<App>>,
    Extension(deadline): Extension<Deadline>,
    RawQuery(query): RawQuery,
) -> Result<Response, Overloaded> {
    let running = app.current.get();
    let name = match ensemble_of(query.as_deref().unwrap_or(""), &running) {
        Ok(name) => name,
        Err(line) => return Ok(refuse(StatusCode::BAD_REQUEST, &line)),
    };
    let unknown = || refuse(StatusCode::NOT_FOUND, &format!("unknown ensemble {name:?}"));
    let Some(members) = running.scraper.members_of(&name) else { return Ok(unknown()) };
    let deadline = deadline.within(ANSWER_TIMEOUT);
    // Two reports are in memory at once.
    let permit = app.budgets.status.admit(members * 2, &deadline).await?;
    let ask_by = || app.budgets.pace.ask_by(&deadline, members, false).min(Instant::now() + ASK_TIMEOUT);
    let begun = Instant::now();
    let Some(first) = running.scraper.scrape_one(&name, ask_by()).await else { return Ok(unknown()) };
    app.recorder.note(&first, &running.thresholds);
    let first = Arc::new(first);
    sleep_until((begun + INTERVAL).min(ask_by())).await;
    let again = Instant::now();
    let Some(second) = running.scraper.scrape_one(&name, ask_by()).await else { return Ok(unknown()) };
    app.recorder.note(&second, &running.thresholds);
    let judged = Judged::new(Arc::new(second), Some((&*first, again - begun)), &running.thresholds);
    let Some(ensemble) = judged.report.ensembles.first() else { return Ok(unknown()) };
    let history = EventHistory::of(&app.recorder, &name);
    let explanation = why(&judged, ensemble, &running.thresholds, history.as_ref());
    json(&explanation.linked(running.config.alerts.runbook_base()), permit)
}

/// The requested ensemble. The name may be omitted if only one ensemble is configured.
fn ensemble_of(query: &str, running: &Running) -> Result<String, String> {
    let mut name = None;
    for (key, value) in parameters(query)? {
        match key.as_str() {
            "ensemble" => name = Some(value),
            _ => return Err(format!("unknown parameter {key:?}: expected ensemble")),
        }
    }
    let ensembles = &running.config.ensembles;
    match (name, ensembles.as_slice()) {
        (Some(name), _) => Ok(name),
        (None, [only]) => Ok(only.name.clone()),
        (None, _) => {
            let names: Vec<&str> = ensembles.iter().take(20).map(|ensemble| ensemble.name.as_str()).collect();
            Err(format!("missing parameter ensemble: expected one of {}", names.join(", ")))
        }
    }
}

/// Lists recorded transitions.
pub(super) async fn events(
    State(app): State<Arc<App>>,
    Extension(deadline): Extension<Deadline>,
    RawQuery(query): RawQuery,
) -> Result<Response, Overloaded> {
    let query = match event_query(query.as_deref().unwrap_or("")) {
        Ok(query) => query,
        Err(line) => return Ok(refuse(StatusCode::BAD_REQUEST, &line)),
    };
    if let Some(name) = &query.ensemble
        && app.current.get().scraper.members_of(name).is_none()
    {
        return Ok(refuse(StatusCode::NOT_FOUND, &format!("unknown ensemble {name:?}")));
    }
    let permit = app.budgets.status.admit(query.limit, &deadline).await?;
    json(&app.recorder.read(&query), permit)
}

fn event_query(query: &str) -> Result<EventQuery, String> {
    let mut wanted = EventQuery { limit: DEFAULT_PAGE, ..EventQuery::default() };
    for (name, value) in parameters(query)? {
        let invalid = |expected: &str| format!("invalid {name}={value:?}: expected {expected}");
        match name.as_str() {
            "ensemble" => wanted.ensemble = Some(value),
            "since" => {
                wanted.since = Some(clock::parse_moment(&value).ok_or_else(|| invalid(clock::MOMENT_FORMS))?);
            }
            "after" => wanted.after = Some(value.parse().map_err(|_| invalid("the number of a transition"))?),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
                wanted.limit = limit.ok_or_else(|| invalid(&format!("1 to {MAX_PAGE}")))?;
            }
            _ => return Err(format!("unknown parameter {name:?}: expected ensemble, since, after or limit")),
        }
    }
    Ok(wanted)
}

/// Explains an ensemble of a report, based on this report and the recorded transitions.
pub(super) fn explained(app: &App, running: &Running, report: &Report, place: usize) -> Option<Explanation> {
    let ensemble = report.ensembles.get(place)?;
    let one = Arc::new(Report { ensembles: vec![Arc::clone(ensemble)] });
    let judged = Judged::new(one, None, &running.thresholds);
    let history = EventHistory::of(&app.recorder, &ensemble.name);
    Some(why(&judged, ensemble, &running.thresholds, history.as_ref()))
}

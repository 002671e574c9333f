//! `GET /-/may-restart?ensemble=NAME&member=HOST:PORT`: 200 if the member may be restarted now, else 409 and the
//! reasons.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::admission::Overloaded;
use super::deadline::Deadline;
use super::query::parameters;
use super::{App, PLAIN};
use crate::text;
use crate::verdict::{RestartAnswer, RestartPolicy};

/// Maximum length of an error message, in characters.
const MAX_REFUSAL: usize = 1000;

#[derive(Default)]
struct Params {
    ensemble: String,
    member: String,
    allow_leader: bool,
}

/// Queries the ensemble and judges whether the member may be restarted.
pub(super) async fn may_restart(
    State(app): State<Arc<App>>,
    Extension(deadline): Extension<Deadline>,
    RawQuery(query): RawQuery,
) -> Result<Response, Overloaded> {
    let refuse = |status, line: String| Ok((status, PLAIN, text::line(&line, MAX_REFUSAL) + "\n").into_response());
    let params = match Params::read(query.as_deref().unwrap_or("")) {
        Ok(params) => params,
        Err(line) => return refuse(StatusCode::BAD_REQUEST, line),
    };
    let running = app.current.get();
    let Some(members) = running.scraper.members_of(&params.ensemble) else {
        return refuse(StatusCode::NOT_FOUND, format!("unknown ensemble {:?}", params.ensemble));
    };
    let _permit = app.budgets.probes.admit(members, &deadline).await?;
    let ask_by = app.budgets.pace.ask_by(&deadline, members, false);
    let report = running.scraper.scrape_one(&params.ensemble, ask_by).await;
    if let Some(report) = &report {
        app.recorder.note(report, &running.thresholds);
    }
    let Some(ensemble) = report.as_ref().and_then(|report| report.ensembles.first()) else {
        return refuse(StatusCode::NOT_FOUND, format!("unknown ensemble {:?}", params.ensemble));
    };
    let Some(place) = ensemble.members.iter().position(|member| *member.name == *params.member) else {
        return refuse(StatusCode::NOT_FOUND, format!("unknown member {:?} of {}", params.member, ensemble.name));
    };
    let policy = RestartPolicy { allow_leader: params.allow_leader, ..RestartPolicy::default() };
    let answer = RestartAnswer::of(ensemble, place, policy);
    let status = if answer.may_restart { StatusCode::OK } else { StatusCode::CONFLICT };
    Ok((status, [(CONTENT_TYPE, "application/json")], answer.json()).into_response())
}

impl Params {
    fn read(query: &str) -> Result<Self, String> {
        let mut params = Self::default();
        for (name, value) in parameters(query)? {
            match name.as_str() {
                "ensemble" => params.ensemble = value,
                "member" => params.member = value,
                "allow_leader" => {
                    params.allow_leader =
                        value.parse().map_err(|_| format!("invalid allow_leader={value:?}: expected true or false"))?;
                }
                _ => return Err(format!("unknown parameter {name:?}: expected ensemble, member or allow_leader")),
            }
        }
        if params.ensemble.is_empty() || params.member.is_empty() {
            return Err("missing parameter: expected /-/may-restart?ensemble=NAME&member=HOST:PORT".to_owned());
        }
        Ok(params)
    }
}

//! `GET /-/may-restart?ensemble=NAME&member=HOST:PORT`: 200 if the member may be restarted now, else 409 and the reasons.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::admission::Overloaded;
use super::deadline::Deadline;
use super::query::parameters;
use super::{App, PLAIN};
use crate::text;
use crate::verdict::{RestartPolicy, judge, restart_objections};

/// Longest refusal of a request, in characters.
const MAX_REFUSAL: usize = 1000;

#[derive(Serialize)]
struct Answer<'a> {
    ensemble: &'a str,
    member: &'a str,
    may_restart: bool,
    reasons: Vec<String>,
}

#[derive(Default)]
struct Params {
    ensemble: String,
    member: String,
    allow_leader: bool,
}

/// Queries the members of the ensemble now and judges the restart of one of them.
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
    let Some(ensemble) = report.as_ref().and_then(|report| report.ensembles.first()) else {
        return refuse(StatusCode::NOT_FOUND, format!("unknown ensemble {:?}", params.ensemble));
    };
    let Some(place) = ensemble.members.iter().position(|member| *member.name == *params.member) else {
        return refuse(StatusCode::NOT_FOUND, format!("unknown member {:?} of {}", params.member, ensemble.name));
    };
    let policy = RestartPolicy { allow_leader: params.allow_leader, ..RestartPolicy::default() };
    let reasons = restart_objections(ensemble, &judge(ensemble), place, policy);
    let answer = Answer { ensemble: &ensemble.name, member: &params.member, may_restart: reasons.is_empty(), reasons };
    let status = if answer.may_restart { StatusCode::OK } else { StatusCode::CONFLICT };
    // Strings and lists alone: writing them cannot fail.
    let json = serde_json::to_string_pretty(&answer).unwrap_or_default();
    Ok((status, [(CONTENT_TYPE, "application/json")], text::escape_json(&json).into_owned() + "\n").into_response())
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

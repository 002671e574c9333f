//! `GET /-/may-restart?ensemble=NAME&member=HOST:PORT`: 200 if the member may be restarted now, else 409 and the
//! reasons.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::admission::Overloaded;
use super::deadline::Deadline;
use super::query::parameters;
use super::{App, PLAIN};
use crate::scrape::EnsembleReport;
use crate::text;
use crate::verdict::{RestartAnswer, RestartPolicy, Verdict, judge};

/// Maximum length of an error message, in characters.
const MAX_REFUSAL: usize = 1000;

#[derive(Default)]
struct Params {
    ensemble: String,
    member: String,
    allow_leader: bool,
}

/// The member of each ensemble that was permitted last. It may be stopping, which its state does not show yet.
#[derive(Debug, Default)]
pub struct RestartGrants(Mutex<BTreeMap<Arc<str>, Grant>>);

#[derive(Debug)]
struct Grant {
    member: Arc<str>,
    time: Instant,
}

impl RestartGrants {
    /// Objects if another server of the ensemble was permitted within the settle time; otherwise notes a permission.
    fn decide(
        &self,
        answer: &mut RestartAnswer,
        report: &EnsembleReport,
        verdict: &Verdict,
        place: usize,
        settle: Duration,
        now: Instant,
    ) {
        // A grant is written by a single call, so a poisoned lock is valid.
        let mut grants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        grants.retain(|_, grant| now.saturating_duration_since(grant.time) < settle);
        let server = |name: &str| report.members.iter().position(|member| *member.name == *name);
        let is_other = |grant: &&Grant| {
            server(&grant.member).map(|granted| verdict.server_of(granted)) != Some(verdict.server_of(place))
        };
        if let Some(grant) = grants.get(&report.name).filter(is_other) {
            let ago = now.saturating_duration_since(grant.time).as_secs();
            let settle = settle.as_secs();
            answer.object(format!("{} was permitted {ago} s ago, less than {settle} s", grant.member));
        } else if answer.may_restart {
            let member = Arc::clone(&report.members[place].name);
            grants.insert(Arc::clone(&report.name), Grant { member, time: now });
        }
    }
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
    let verdict = judge(ensemble);
    let recorded = |member: &str| app.recorder.in_role(&ensemble.name, member);
    let mut answer = RestartAnswer::of(ensemble, &verdict, place, policy, &recorded);
    app.restarts.decide(&mut answer, ensemble, &verdict, place, policy.settle, Instant::now());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ensemble::Known;
    use crate::scrape::{MemberReport, Samples};

    const SETTLE: Duration = Duration::from_mins(1);

    fn report(name: &str) -> EnsembleReport {
        let members = ["zk-1:2181", "zk-2:2181", "alias:2181"].map(|name| MemberReport::silent(name.into()));
        EnsembleReport {
            name: name.into(),
            members: members.into(),
            known: Known::default(),
            samples: Samples::default(),
        }
    }

    #[test]
    fn a_permission_holds_for_one_server_of_one_ensemble_until_it_expires() {
        let (grants, begin) = (RestartGrants::default(), Instant::now());
        let ask = |ensemble: &str, place: usize, seconds: u64, may_restart: bool| {
            let report = report(ensemble);
            let mut verdict = judge(&report);
            verdict.duplicates = vec![(2, 0)];
            let member = report.members[place].name.to_string();
            let mut answer = RestartAnswer { ensemble: ensemble.to_owned(), member, may_restart, reasons: Vec::new() };
            let now = begin + Duration::from_secs(seconds);
            grants.decide(&mut answer, &report, &verdict, place, SETTLE, now);
            answer.reasons
        };
        // A refusal is not a permission.
        assert!(ask("prod", 1, 0, false).is_empty());
        assert!(ask("prod", 0, 1, true).is_empty());
        assert_eq!(ask("prod", 1, 11, true), ["zk-1:2181 was permitted 10 s ago, less than 60 s"]);
        assert!(ask("prod", 2, 12, true).is_empty(), "the same server");
        assert!(ask("other", 1, 12, true).is_empty());
        assert_eq!(ask("prod", 1, 71, true), ["alias:2181 was permitted 59 s ago, less than 60 s"]);
        assert!(ask("prod", 1, 72, true).is_empty());
        assert_eq!(grants.0.lock().unwrap().len(), 1, "expired permissions are removed");
    }
}

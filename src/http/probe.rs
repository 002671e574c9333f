//! `GET /probe`: metrics of one ensemble, configured or given in the request, without the exporter's own metrics.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::admission::Overloaded;
use super::body::FullBody;
use super::deadline::Deadline;
use super::encoding::accepts_gzip;
use super::guard::try_again;
use super::metrics::{TOO_MANY_SCRAPES, page};
use super::query::parameters;
use super::{App, PLAIN, Running};
use crate::config::{DEFAULT_ENSEMBLE, DEFAULT_MODULE, Discovery, check_ensemble_name, member_list};
use crate::ensemble::{Ensemble, Member};
use crate::scrape::{Places, Probe, Report, Transcript};
use crate::text;
use crate::wire;

/// The query parameters of a probe.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ProbeParams {
    /// Members, in the syntax of `--zookeeper`.
    pub target: Option<String>,
    /// A configured ensemble, or a name for the ensemble of the targets.
    pub ensemble: Option<String>,
    /// The name of the module.
    pub module: Option<String>,
    /// Whether to return every query and reply instead of metrics.
    pub debug: bool,
}

/// A refused request: the status, and one line that states what is expected.
pub type Refusal = (StatusCode, String);

/// Maximum length of an error message, in characters; it quotes the request.
const MAX_REFUSAL: usize = 1000;

/// Timeout of DNS lookups.
const RESOLVE: Duration = Duration::from_secs(5);

/// Why a probe returns no report.
enum Failed {
    Refused(Refusal),
    /// No memory budget was available.
    Overloaded,
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Overloaded> for Failed {
    fn from(Overloaded: Overloaded) -> Self {
        Self::Overloaded
    }
}

/// Handles a probe. The response is complete even if queries fail, and reports the failures.
pub(super) async fn probe(
    State(app): State<Arc<App>>,
    Extension(deadline): Extension<Deadline>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(_counted) = app.scrape_limit.begin() else { return try_again(TOO_MANY_SCRAPES) };
    let asked = answer(&app, query.as_deref().unwrap_or(""), &headers, &deadline).await;
    asked.unwrap_or_else(|failed| match failed {
        Failed::Overloaded => Overloaded.into_response(),
        Failed::Refused((status, line)) => {
            // The message quotes the request, which may contain line breaks.
            (status, PLAIN, text::line(&line, MAX_REFUSAL) + "\n").into_response()
        }
    })
}

async fn answer(app: &Arc<App>, query: &str, headers: &HeaderMap, deadline: &Deadline) -> Result<Response, Failed> {
    let begun = Instant::now();
    let running = app.current.get();
    let params = ProbeParams::read(query)?;
    let members = params.members(&running);
    let mut permit = app.budgets.probes.admit(members, deadline).await?;
    let ask_by = app.budgets.pace.ask_by(deadline, members, accepts_gzip(headers));
    let transcript = Arc::new(Transcript::default());
    let debug = params.debug.then(|| Arc::clone(&transcript));
    let report = Arc::new(ask(&running, &params, ask_by, debug).await?);
    // Only a configured ensemble with its own settings is recorded; other parameters select a different view.
    if params.target.is_none() && params.module.is_none() && !params.debug {
        app.record(&running, &report);
    }
    if params.debug {
        let explained = explain(&transcript, &report, begun).into_bytes();
        permit.count(explained.len())?;
        return Ok((PLAIN, Body::new(FullBody::new(explained, permit))).into_response());
    }
    Ok(page(app, report, None, headers, deadline, permit).await?)
}

impl ProbeParams {
    /// Parses the query string.
    ///
    /// # Errors
    /// An unknown, duplicate or invalid parameter, with what is expected.
    pub fn read(query: &str) -> Result<Self, Refusal> {
        let mut params = Self::default();
        for (name, value) in parameters(query).map_err(bad)? {
            let place = match name.as_str() {
                "target" => &mut params.target,
                "ensemble" => &mut params.ensemble,
                "module" => &mut params.module,
                "debug" => {
                    params.debug = match value.as_str() {
                        "true" | "1" => true,
                        "false" | "0" => false,
                        _ => return Err(bad(format!("invalid debug={value:?}: expected true or false"))),
                    };
                    continue;
                }
                _ => {
                    return Err(bad(format!("unknown parameter {name:?}: expected target, ensemble, module or debug")));
                }
            };
            if value.is_empty() {
                return Err(bad(format!("empty parameter {name}: expected a value")));
            }
            if place.replace(value).is_some() {
                let several = if name == "target" { ": separate several members by commas" } else { "" };
                return Err(bad(format!("duplicate parameter {name}{several}")));
            }
        }
        Ok(params)
    }

    /// The number of members to query, if known in advance.
    fn members(&self, running: &Running) -> usize {
        match (&self.target, &self.ensemble) {
            (Some(targets), _) => targets.split(',').count(),
            (None, Some(ensemble)) => running.scraper.members_of(ensemble).unwrap_or(0),
            (None, None) => 0,
        }
    }
}

fn bad(line: String) -> Refusal {
    (StatusCode::BAD_REQUEST, line)
}

/// Queries the selected members if they are allowed.
async fn ask(
    running: &Running,
    params: &ProbeParams,
    deadline: Instant,
    debug: Option<Arc<Transcript>>,
) -> Result<Report, Refusal> {
    let (config, scraper) = (&running.config, &running.scraper);
    let named = params.ensemble.as_deref();
    let configured = named.and_then(|name| config.ensembles.iter().find(|ensemble| ensemble.name == name));
    let module = params.module.as_deref();
    let module = module.or(configured.map(|ensemble| &*ensemble.module_name)).unwrap_or(DEFAULT_MODULE);
    if !config.modules.contains_key(module) {
        let known = config.modules.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(bad(format!("unknown module {module:?}: expected one of {known}")));
    }
    let (ensemble, places) = match (&params.target, configured) {
        (None, Some(ensemble)) => {
            if module == ensemble.module_name
                && debug.is_none()
                && let Some(report) = scraper.scrape_one(&ensemble.name, deadline).await
            {
                return Ok(report);
            }
            let present = scraper.present(&ensemble.name);
            (present.unwrap_or_else(|| Ensemble::from(ensemble)), Places::new())
        }
        (None, None) => {
            let Some(name) = named else {
                let how = "expected /probe?ensemble=NAME for a configured ensemble, or /probe?target=HOST:PORT";
                return Err(bad(format!("missing parameter: {how}")));
            };
            let known = config.ensembles.iter().map(|ensemble| &*ensemble.name).take(20).collect::<Vec<_>>().join(", ");
            return Err(bad(format!("unknown ensemble {name:?}: expected one of {known}")));
        }
        (Some(targets), _) => {
            let name = named.unwrap_or(DEFAULT_ENSEMBLE);
            check_ensemble_name(name).map_err(|message| bad(format!("ensemble: {message}")))?;
            let members = member_list(name, targets).map_err(|message| bad(format!("target: {message}")))?;
            // A discovered member keeps its restrictions, whatever the request contains.
            let known = |member: Member| match scraper.member(&member.name) {
                Some(known) => (Member { observer: known.observer || member.observer, ..known }, true),
                None => (member, false),
            };
            let members: Vec<(Member, bool)> = members.iter().map(Member::from).map(known).collect();
            let most = scraper.limits().members_per_ensemble;
            if members.len() > most {
                let count = members.len();
                return Err(bad(format!(
                    "too many targets: {count}, expected at most {most} (--limit.members-per-ensemble)"
                )));
            }
            let places = allowed(running, &members, deadline).await?;
            let members = members.into_iter().map(|(member, _)| member).collect();
            let module = Arc::clone(&config.modules[module]);
            let ensemble =
                Ensemble { name: name.into(), members, discovery: Discovery::Static, zone_pattern: None, module };
            (ensemble, places)
        }
    };
    let probe = Probe { ensemble, module: module.to_owned(), places };
    scraper.probe(probe, deadline, debug).await.ok_or_else(|| bad(format!("unknown module {module:?}")))
}

/// The allowed addresses of the targets: known members keep their own restrictions, others are pinned to the addresses
/// checked here. All names are looked up concurrently, and a lookup that hangs takes at most half of the time.
async fn allowed(running: &Running, members: &[(Member, bool)], deadline: Instant) -> Result<Places, Refusal> {
    let (config, now) = (&running.config.probe, Instant::now());
    let until = now + (deadline.saturating_duration_since(now) / 2).min(RESOLVE);
    let others: Vec<&Member> = members.iter().filter(|(_, known)| !known).map(|(member, _)| member).collect();
    // The response must not reveal which names resolve.
    if let Some(member) = others.first().filter(|_| config.allow.is_empty()) {
        return Err(forbidden(member));
    }
    let mut looks = JoinSet::new();
    for (place, member) in others.iter().enumerate() {
        let address = member.address.clone();
        looks.spawn(async move { (place, wire::resolve(&address, until).await) });
    }
    let mut found: Vec<_> = looks.join_all().await;
    found.sort_by_key(|(place, _)| *place);
    let mut places = Places::new();
    for (place, resolved) in found {
        let member = others[place];
        let place = match resolved {
            Ok(addresses) => Ok(config.allowed(&member.address, &addresses)),
            // The response reports the failed lookup. An address resolved later would be unchecked.
            Err(failure) if config.allows_name(&member.address) => Err(failure),
            Err(_) => return Err(forbidden(member)),
        };
        if place.as_ref().is_ok_and(Vec::is_empty) {
            return Err(forbidden(member));
        }
        places.insert(Arc::clone(&member.name), place);
    }
    Ok(places)
}

fn forbidden(member: &Member) -> Refusal {
    let line = format!(
        "{0} is neither a configured member nor allowed: to allow it, add to the configuration file: probe: {{allow: [\"{0}\"]}} (for a name with loopback or link-local addresses: their network)",
        member.name
    );
    (StatusCode::FORBIDDEN, line)
}

/// The text of a debug probe: queries, replies and results.
fn explain(transcript: &Transcript, report: &Report, begun: Instant) -> String {
    let mut text = transcript.to_string();
    for member in report.ensembles.iter().flat_map(|ensemble| &ensemble.members) {
        let failures: Vec<_> =
            member.failures.iter().map(|(command, reason)| format!("{command}: {}", reason.text())).collect();
        let known = |known: bool, value: bool| if known { value.to_string() } else { "unknown".to_owned() };
        let up = known(!member.is_unknown(), member.up);
        let complete = known(member.completeness().is_some(), member.complete);
        let took = member
            .duration
            .map_or_else(|| "not all commands sent".to_owned(), |time| format!("{:.4}s", time.as_secs_f64()));
        let series = member.samples.cells().len();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "\n{}\n  state {}, up {up}, complete {complete}, samples {series}, {took}\n  failures: {}",
            member.name,
            member.state.text(),
            if failures.is_empty() { "none".to_owned() } else { failures.join(", ") },
        );
    }
    let _ = writeln!(text, "\nall in {:.4}s", begun.elapsed().as_secs_f64());
    text
}

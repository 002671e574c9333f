//! `GET /` and `GET /ensemble/NAME`: the state of ensembles as a page for operators, without scripts.
//!
//! Each visit queries the members, as a scrape does; concurrent visits share one round.

mod card;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use tokio::time::Instant;

use self::card::EnsembleStatus;
use self::rows::rows_of_ensembles;
use super::App;
use super::admission::{Overloaded, Permit};
use super::body::FullBody;
use super::deadline::Deadline;
use super::incident::explained as explained_at;
use super::paths::WebPaths;
use super::running::Running;
use super::visits::Since;
use crate::incident::clock::{now, utc};
use crate::runbook;
use crate::scrape::{EnsembleReport, Report};
use crate::verdict::Level;

/// Timeout for members that do not reply.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);

/// Maximum duration of a request.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum number of members whose page is rendered inline.
const FEW_MEMBERS: usize = 50;

/// Refresh interval of the page.
const REFRESH_SECONDS: u8 = 15;

/// Maximum number of unhealthy ensembles that are explained on the page of all ensembles.
const MAX_EXPLAINED: usize = 20;

/// Maximum number of ensembles that are all shown with their members; of a larger number, only unhealthy ones are.
const FEW_ENSEMBLES: usize = 3;

/// Maximum number of unhealthy ensembles that are shown with their members if there are many ensembles.
const MAX_CARDS: usize = 20;

/// Number of transitions on the page of one ensemble.
const TIMELINE: usize = 50;

const STYLE: &str = include_str!("status.css");

/// Allows only the style sheet of this origin: text from members cannot load anything.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) const HEADERS: [(HeaderName, &str); 5] = [
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
];

/// The page of all ensembles, the worst first.
pub(super) async fn fleet(
    State(app): State<Arc<App>>,
    Extension(deadline): Extension<Deadline>,
) -> Result<Response, Overloaded> {
    let (running, deadline) = (app.current.get(), deadline.within(ANSWER_TIMEOUT));
    let members = running.scraper.members();
    let permit = app.budgets.status.admit(members, &deadline).await?;
    let report = running.scraper.scrape(ask_by(&app, &deadline, members)).await;
    let links = Links::of(&app);
    let judging = Arc::clone(&app);
    let make = move |report: &Report| fleet_page(report, since_last_visit(&judging, &running, report, 0), &links);
    html_of(&app, permit, members, report, make).await
}

/// The page of one ensemble.
pub(super) async fn ensemble(
    State(app): State<Arc<App>>,
    Extension(deadline): Extension<Deadline>,
    Path(name): Path<String>,
) -> Result<Response, Overloaded> {
    let (running, deadline) = (app.current.get(), deadline.within(ANSWER_TIMEOUT));
    let Some(members) = running.scraper.members_of(&name) else { return Ok(unknown(&app, &name)) };
    let permit = app.budgets.status.admit(members, &deadline).await?;
    let report = running.scraper.scrape_one(&name, ask_by(&app, &deadline, members)).await;
    let Some(report) = report else { return Ok(unknown(&app, &name)) };
    let links = Links::of(&app);
    let judging = Arc::clone(&app);
    let make = move |report: &Report| {
        ensemble_page(report, since_last_visit(&judging, &running, report, TIMELINE), &name, &links)
    };
    html_of(&app, permit, members, report, make).await
}

/// Judges each ensemble of the report over the time since its last visit. Explains up to `MAX_EXPLAINED` unhealthy
/// ones, and adds up to `events` of the newest transitions.
fn since_last_visit(app: &App, running: &Running, report: &Report, events: usize) -> Vec<Since> {
    app.recorder.note(report, &running.thresholds);
    let mut explained = 0;
    let of = |(place, ensemble): (usize, &Arc<EnsembleReport>)| {
        let mut since = running.visits.since(ensemble, &running.thresholds);
        let is_wrong = since.findings.first().is_some_and(|finding| finding.level < Level::Notice);
        if (is_wrong || events > 0) && explained < MAX_EXPLAINED {
            explained += 1;
            since.explanation = explained_at(app, running, report, place).filter(|one| !one.causes.is_empty());
        }
        if events > 0 {
            since.events = app.recorder.newest(&ensemble.name, events);
        }
        since
    };
    report.ensembles.iter().enumerate().map(of).collect()
}

fn unknown(app: &App, name: &str) -> Response {
    let links = Links::of(app);
    let body = html! { p { "Unknown ensemble. " a href=(links.at("/")) { "All ensembles" } } };
    (StatusCode::NOT_FOUND, HEADERS, page(name, None, &links, &body).into_string()).into_response()
}

/// Time until which members are queried; shorter than for a scrape, because a user waits for the page.
fn ask_by(app: &App, deadline: &Deadline, members: usize) -> Instant {
    app.budgets.pace.ask_by(deadline, members, false).min(Instant::now() + ASK_TIMEOUT)
}

/// Renders a report, which is dropped as soon as the page is complete.
async fn html_of(
    app: &App,
    mut permit: Permit,
    members: usize,
    report: Report,
    page: impl FnOnce(&Report) -> Markup + Send + 'static,
) -> Result<Response, Overloaded> {
    permit.count_report(members, report.bytes())?;
    let make = move || page(&report).into_string().into_bytes();
    let page = if members > FEW_MEMBERS { app.budgets.renderer.run(make).await } else { Some(make()) };
    let Some(page) = page else { return Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response()) };
    permit.count(page.capacity())?;
    Ok((HEADERS, Body::new(FullBody::new(page, permit))).into_response())
}

/// The style sheet.
pub(super) async fn style() -> Response {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, STYLE).into_response()
}

/// Targets of the links on a page.
#[derive(Clone, Debug, Default)]
pub struct Links {
    paths: WebPaths,
    telemetry_path: String,
    /// `alerts.runbook_url`.
    runbooks: Option<String>,
}

impl Links {
    pub(super) fn of(app: &App) -> Self {
        let runbooks = app.current.get().config.alerts.runbook_base().map(str::to_owned);
        Self { paths: app.paths.clone(), telemetry_path: app.telemetry_path.clone(), runbooks }
    }

    /// The link to a guide: a page of the exporter, unless `alerts.runbook_url` is set.
    fn guide(&self, guide: &str) -> String {
        match &self.runbooks {
            Some(base) if guide.starts_with("docs/runbooks/") => runbook::url(guide, Some(base)),
            _ => self.at(&format!("/runbooks/{}", runbook::served(guide))),
        }
    }

    /// The link to an endpoint.
    pub(super) fn at(&self, path: &str) -> String {
        self.paths.link(path)
    }
}

/// Renders the page of all ensembles, with the changes since its last visit. The worst come first; if there are many,
/// each healthy one has a single row.
#[must_use]
pub fn fleet_page(report: &Report, since: Vec<Since>, links: &Links) -> Markup {
    let mut judged = EnsembleStatus::all(report, since);
    judged.sort_by_key(EnsembleStatus::rank);
    let wrong = judged.iter().filter(|one| one.is_wrong()).count();
    let title = match wrong {
        0 => "All well".to_owned(),
        _ => format!("{wrong} of {} ensembles in trouble", judged.len()),
    };
    let members: usize = judged.iter().map(EnsembleStatus::members).sum();
    let subject = format!("{}, {}", counted(judged.len(), "ensemble"), counted(members, "member"));
    let cards = if judged.len() > FEW_ENSEMBLES { wrong.min(MAX_CARDS) } else { judged.len() };
    let (cards, rows) = judged.split_at(cards);
    page(
        &title,
        Some(&subject),
        links,
        &html! {
            @for one in cards { (one.section(true, links)) }
            (rows_of_ensembles(rows, links))
            footer {
                "zookeeper-exporter " (env!("CARGO_PKG_VERSION")) " · "
                a href=(links.at(&links.telemetry_path)) { "metrics" } " · " a href=(links.at("/sd")) { "targets" } " · "
                a href=(links.at("/runbooks/")) { "runbooks" }
            }
        },
    )
}

/// `1 member`, `2 members`.
fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Renders the page of one ensemble, with the changes since its last visit.
#[must_use]
pub fn ensemble_page(report: &Report, since: Vec<Since>, name: &str, links: &Links) -> Markup {
    let judged = EnsembleStatus::all(report, since);
    let worst = judged.iter().filter_map(EnsembleStatus::worst).min();
    let members = judged.iter().map(EnsembleStatus::members).sum();
    page(
        &format!("{name}: {}", worst.map_or("all well", Level::text)),
        Some(&counted(members, "member")),
        links,
        &html! {
            @for one in &judged { (one.section(false, links)) }
            footer { a href=(links.at("/")) { "All ensembles" } }
        },
    )
}

/// A page; with a subject it shows the state of members at this moment, and refreshes itself.
pub(super) fn page(title: &str, subject: Option<&str>, links: &Links, body: &Markup) -> Markup {
    let time = utc(now());
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if subject.is_some() { meta http-equiv="refresh" content=(REFRESH_SECONDS); }
                title { (title) " · ZooKeeper" }
                link rel="stylesheet" href=(links.at("/status.css"));
            }
            body {
                header {
                    h1 { (title) }
                    @if let Some(subject) = subject {
                        p {
                            (subject) " · queried at " time datetime=(time) { (time.get(11..19).unwrap_or_default()) " UTC" }
                            ", again every " (REFRESH_SECONDS) " s"
                        }
                    }
                }
                (body)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Thresholds;
    use crate::scrape::{MemberReport, State as MemberState};
    use crate::verdict::Rates;

    fn report(name: &str, text: &str) -> Report {
        let member = MemberReport {
            identity: Some(crate::scrape::report::Identity { version: text.into(), ..Default::default() }),
            up: true,
            state: MemberState::Follower,
            ..MemberReport::silent(text.into())
        };
        let known = crate::ensemble::Known::default();
        let members = vec![member, MemberReport::silent("zk-2:2181".into())];
        Report {
            ensembles: vec![Arc::new(EnsembleReport {
                name: name.into(),
                members,
                known,
                samples: crate::scrape::Samples::default(),
            })],
        }
    }

    fn judged(report: &Report) -> Vec<Since> {
        report.ensembles.iter().map(|ensemble| Since::first(ensemble, &Thresholds::default())).collect()
    }

    #[test]
    fn findings_come_first_with_a_link_to_their_runbook() {
        let report = report("prod", "zk-1:2181");
        let page = fleet_page(&report, judged(&report), &Links::default()).into_string();
        assert!(page.contains("<title>1 of 1 ensembles in trouble"), "{page}");
        let finding = page.find("what to do").unwrap_or(usize::MAX);
        assert!(finding < page.find("<table>").unwrap_or(0), "{page}");
        assert!(page.contains("\"/runbooks/ZooKeeperMemberDown\""), "{page}");
    }

    /// A standalone server without findings.
    fn healthy(name: &str) -> Arc<EnsembleReport> {
        let mut one = report(name, "zk-1:2181").ensembles.remove(0);
        let ensemble = Arc::make_mut(&mut one);
        ensemble.members.truncate(1);
        ensemble.members[0].state = MemberState::Standalone;
        ensemble.members[0].complete = true;
        one
    }

    #[test]
    fn the_faulty_member_is_first_and_latency_covers_the_time_since_the_last_visit() {
        let report = report("prod", "zk-1:2181");
        let mut judged = judged(&report);
        judged[0].rates = vec![Rates { latency: Some(0.0042), ..Rates::default() }, Rates::default()];
        let page = fleet_page(&report, judged, &Links::default()).into_string();
        let row = |member: &str| page.find(&format!(">{member}</td>")).unwrap_or(usize::MAX);
        assert!(row("zk-2:2181") < row("zk-1:2181"), "{page}");
        assert!(page.contains("<tr class=\"critical\">") && page.contains(">4.2 ms</td>"), "{page}");
    }

    #[test]
    fn of_many_ensembles_the_worst_are_first_and_healthy_ones_take_a_row() {
        let page = |healthy_ones: usize| {
            let mut report = report("sick", "zk-1:2181");
            report.ensembles.splice(0..0, (0..healthy_ones).map(|number| healthy(&format!("well-{number}"))));
            fleet_page(&report, judged(&report), &Links::default()).into_string()
        };
        let tables = |page: &str| page.matches(">outstanding</th>").count();
        let (few, many) = (page(FEW_ENSEMBLES - 1), page(FEW_ENSEMBLES));
        assert_eq!((tables(&few), tables(&many)), (FEW_ENSEMBLES, 1), "{many}");
        assert!(many.contains(&format!("<h2>{FEW_ENSEMBLES} healthy</h2>")), "{many}");
        for page in [&few, &many] {
            let place = |name: &str| page.find(&format!("/ensemble/{name}\"")).unwrap_or(usize::MAX);
            assert!(place("sick") < place("well-0") && place("well-0") < usize::MAX, "{page}");
        }
        assert!(many.contains("4 ensembles, 5 members · queried at "), "{many}");
    }

    #[test]
    fn text_from_members_is_escaped() {
        let hostile = "<script>alert('1')</script>\"><img src=x onerror=y>&amp;";
        let report = report("prod", hostile);
        for page in [
            fleet_page(&report, judged(&report), &Links::default()),
            ensemble_page(&report, judged(&report), "prod", &Links::default()),
        ] {
            let page = page.into_string();
            assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
            assert!(page.contains("&lt;script&gt;"), "{page}");
        }
    }
}

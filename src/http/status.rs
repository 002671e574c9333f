//! `GET /` and `GET /ensemble/NAME`: the state of ensembles for a person, without a script.
//!
//! Each visit asks the members, as a scrape does; visits at the same moment share one round.

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

use super::App;
use super::admission::{Overloaded, Permit};
use super::body::Whole;
use super::deadline::Deadline;
use super::running::Running;
use super::visits::Since;
use crate::alert::rules::RUNBOOKS;
use crate::scrape::{EnsembleReport, MemberReport, Report, State as MemberState};
use crate::verdict::{Finding, Level, Verdict, findings, judge};

/// A person waits this long for members that do not answer,
const ASK_TIMEOUT: Duration = Duration::from_secs(3);

/// and this long for the page.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The page of so few takes a moment.
const FEW_MEMBERS: usize = 50;

/// The page asks for itself again so often.
const REFRESH_SECONDS: u8 = 15;

const STYLE: &str = include_str!("status.css");

/// Nothing but the style sheet of this origin: what members say can load nothing.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
];

/// All ensembles, the worst first.
pub(super) async fn fleet(
    State(app): State<Arc<App>>,
    Extension(deadline): Extension<Deadline>,
) -> Result<Response, Overloaded> {
    let (running, deadline) = (app.current.get(), deadline.within(ANSWER_TIMEOUT));
    let members = running.scraper.members();
    let permit = app.budgets.status.admit(members, &deadline).await?;
    let report = running.scraper.scrape(ask_by(&app, &deadline, members)).await;
    let path = app.telemetry_path.clone();
    let since = since_last_visit(&running, &report);
    html_of(&app, permit, members, report, move |report| fleet_page(report, since, &path)).await
}

/// One ensemble.
pub(super) async fn ensemble(
    State(app): State<Arc<App>>,
    Extension(deadline): Extension<Deadline>,
    Path(name): Path<String>,
) -> Result<Response, Overloaded> {
    let (running, deadline) = (app.current.get(), deadline.within(ANSWER_TIMEOUT));
    let Some(members) = running.scraper.members_of(&name) else { return Ok(unknown(&name)) };
    let permit = app.budgets.status.admit(members, &deadline).await?;
    let report = running.scraper.scrape_one(&name, ask_by(&app, &deadline, members)).await;
    let Some(report) = report else { return Ok(unknown(&name)) };
    let since = since_last_visit(&running, &report);
    html_of(&app, permit, members, report, move |report| ensemble_page(report, since, &name)).await
}

/// What each ensemble of the report did since it was last shown.
fn since_last_visit(running: &Running, report: &Report) -> Vec<Since> {
    report.ensembles.iter().map(|ensemble| running.visits.since(ensemble, &running.thresholds)).collect()
}

fn unknown(name: &str) -> Response {
    let body = html! { p { "There is no ensemble of this name. " a href="/" { "All ensembles" } } };
    (StatusCode::NOT_FOUND, HEADERS, page(name, false, &body).into_string()).into_response()
}

/// Until when members are asked: a person does not wait as long as a scrape may.
fn ask_by(app: &App, deadline: &Deadline, members: usize) -> Instant {
    app.budgets.pace.ask_by(deadline, members, false).min(Instant::now() + ASK_TIMEOUT)
}

/// The page of a report, which is dropped as soon as the page is made.
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
    Ok((HEADERS, Body::new(Whole::new(page, permit))).into_response())
}

/// The style sheet.
pub(super) async fn style() -> Response {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, STYLE).into_response()
}

/// The page of all ensembles, with what each did since it was last shown.
#[must_use]
pub fn fleet_page(report: &Report, since: Vec<Since>, telemetry_path: &str) -> Markup {
    let mut judged = EnsembleStatus::all(report, since);
    judged.sort_by_key(|one| one.worst().map_or(u8::MAX, |level| level as u8));
    let wrong = judged.iter().filter(|one| one.worst().is_some_and(|level| level < Level::Notice)).count();
    let title = match wrong {
        0 => "All well".to_owned(),
        _ => format!("{wrong} of {} ensembles in trouble", judged.len()),
    };
    page(
        &title,
        true,
        &html! {
            @for one in &judged { (one.section(true)) }
            footer {
                "zookeeper-exporter " (env!("CARGO_PKG_VERSION")) " · "
                a href=(telemetry_path) { "metrics" } " · " a href="/sd" { "targets" }
            }
        },
    )
}

/// The page of one ensemble, with what it did since it was last shown.
#[must_use]
pub fn ensemble_page(report: &Report, since: Vec<Since>, name: &str) -> Markup {
    let judged = EnsembleStatus::all(report, since);
    let worst = judged.iter().filter_map(EnsembleStatus::worst).min();
    page(
        &format!("{name}: {}", worst.map_or("all well", Level::text)),
        true,
        &html! {
            @for one in &judged { (one.section(false)) }
            footer { a href="/" { "All ensembles" } }
        },
    )
}

fn page(title: &str, refresh: bool, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if refresh { meta http-equiv="refresh" content=(REFRESH_SECONDS); }
                title { (title) " · ZooKeeper" }
                link rel="stylesheet" href="/status.css";
            }
            body {
                header { h1 { (title) } }
                (body)
            }
        }
    }
}

/// An ensemble with what is said of it.
struct EnsembleStatus<'r> {
    report: &'r EnsembleReport,
    verdict: Verdict,
    findings: Vec<Finding>,
    /// The time over which disks and writes were judged.
    over: Option<Duration>,
}

impl<'r> EnsembleStatus<'r> {
    fn all(report: &'r Report, since: Vec<Since>) -> Vec<Self> {
        let since = since.into_iter().chain(std::iter::repeat_with(Since::default));
        report.ensembles.iter().zip(since).map(|(ensemble, since)| Self::of(ensemble, since)).collect()
    }

    fn of(report: &'r EnsembleReport, since: Since) -> Self {
        let verdict = judge(report);
        let mut findings = findings(report, &verdict);
        findings.extend(since.findings);
        findings.sort_by_key(|finding| finding.level);
        Self { report, verdict, findings, over: since.over }
    }

    fn worst(&self) -> Option<Level> {
        self.findings.first().map(|finding| finding.level)
    }

    fn section(&self, linked: bool) -> Markup {
        let name = &*self.report.name;
        html! {
            section class=(self.worst().map_or("well", Level::text)) {
                @if linked { h2 { a href={ "/ensemble/" (name) } { (name) } } }
                (self.facts())
                @if !self.findings.is_empty() {
                    ul.findings {
                        @for finding in &self.findings {
                            li class=(finding.level.text()) {
                                b { (finding.level.text()) } " " (finding.text) " "
                                a href=(link(&finding.guide)) { "what to do" }
                            }
                        }
                    }
                }
                .scroll {
                    table {
                        thead {
                            tr {
                                @for (name, class) in COLUMNS { th class=(class) { (name) } }
                            }
                        }
                        tbody {
                            @for (place, member) in self.report.members.iter().enumerate() { (self.row(place, member)) }
                        }
                    }
                }
                @if !linked { (self.differences()) }
            }
        }
    }

    fn facts(&self) -> Markup {
        let Verdict { quorum, members_up, leader, .. } = &self.verdict;
        let leader = leader.map(|place| &*self.report.members[place].name);
        html! {
            p.facts {
                b { (members_up) " of " (self.report.members.len()) } " members up"
                @if let Some(synced) = quorum.synced { " · " b { (synced) " of " (quorum.voters) } " voters in sync" }
                @if let Some(margin) = quorum.margin() { " · margin " b { (margin) } }
                " · leader " b { (leader.unwrap_or("none")) }
                @match self.over {
                    Some(over) => { " · disks and writes judged over " (over.as_secs()) " s" }
                    None => { " · disks and writes not judged yet: that takes two visits" }
                }
            }
        }
    }

    fn row(&self, place: usize, member: &MemberReport) -> Markup {
        let identity = member.identity.as_ref();
        let number = |key: &str| member.count(key).map_or_else(String::new, |count| count.to_string());
        let lag = self.verdict.lags.get(place).copied().flatten().map_or_else(String::new, |lag| lag.to_string());
        let mut reasons: Vec<&str> = member.failures.iter().map(|(_, reason)| reason.text()).collect();
        reasons.dedup();
        let state = match member.state {
            MemberState::NotServing | MemberState::NoAnswer => "critical",
            MemberState::ReadOnly | MemberState::Unknown => "warning",
            _ => "",
        };
        let cells = [
            (member.name.to_string(), ""),
            (state_text(member), state),
            (identity.map(|identity| identity.version.clone()).unwrap_or_default(), ""),
            (identity.map(|identity| identity.server_id.clone()).unwrap_or_default(), "number"),
            (lag, "number"),
            (number("outstanding_requests"), "number"),
            (number("num_alive_connections"), "number"),
            (number("znode_count"), "number"),
            (member.duration.map_or_else(String::new, |time| format!("{} ms", time.as_millis())), "number"),
            (reasons.join(", "), if reasons.is_empty() { "" } else { "warning" }),
        ];
        html! {
            tr {
                @for ((name, _), (text, class)) in COLUMNS.iter().zip(&cells) {
                    @if text.is_empty() { td class={ "none " (class) } { "–" } } @else { td data-name=(name) class=(class) { (text) } }
                }
            }
        }
    }

    /// Where members are configured differently.
    fn differences(&self) -> Markup {
        let differences = &self.verdict.drift.differences;
        html! {
            @if !differences.is_empty() {
                .scroll {
                    table {
                        thead { tr { th { "differs" } th { "value" } th { "members" } } }
                        tbody {
                            @for difference in differences {
                                @for (value, places) in difference.by_value() {
                                    tr {
                                        td data-name="differs" { (difference.key) }
                                        td data-name="value" { (value) }
                                        td data-name="members" { (self.names(&places)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn names(&self, places: &[usize]) -> String {
        places.iter().map(|place| &*self.report.members[*place].name).collect::<Vec<_>>().join(", ")
    }
}

/// What it is doing, or why that is unknown.
fn state_text(member: &MemberReport) -> String {
    match member.state {
        MemberState::Unknown => "unknown (not asked: exporter limit)".to_owned(),
        state => state.text().to_owned(),
    }
}

const COLUMNS: [(&str, &str); 10] = [
    ("member", ""),
    ("state", ""),
    ("version", ""),
    ("id", "number"),
    ("lag", "number"),
    ("outstanding", "number"),
    ("connections", "number"),
    ("znodes", "number"),
    ("took", "number"),
    ("failed", ""),
];

/// The URL of a document of the project.
fn link(guide: &str) -> String {
    let top = RUNBOOKS.trim_end_matches("/docs/runbooks");
    format!("{top}/{guide}")
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn what_is_wrong_stands_on_top_with_the_way_to_its_runbook() {
        let page = fleet_page(&report("prod", "zk-1:2181"), Vec::new(), "/metrics").into_string();
        assert!(page.contains("<title>1 of 1 ensembles in trouble"), "{page}");
        let finding = page.find("what to do").unwrap_or(usize::MAX);
        assert!(finding < page.find("<table>").unwrap_or(0), "{page}");
        assert!(page.contains("/docs/runbooks/ZooKeeperMemberDown.md"), "{page}");
    }

    #[test]
    fn nothing_from_the_wire_is_markup() {
        let hostile = "<script>alert('1')</script>\"><img src=x onerror=y>&amp;";
        let report = report("prod", hostile);
        for page in [fleet_page(&report, Vec::new(), "/metrics"), ensemble_page(&report, Vec::new(), "prod")] {
            let page = page.into_string();
            assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
            assert!(page.contains("&lt;script&gt;"), "{page}");
        }
    }
}

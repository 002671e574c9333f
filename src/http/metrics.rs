//! `GET /metrics`: scrapes every member and writes the result, compressed if the client accepts it.

use std::io::Write;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use prometheus_client::collector::Collector;
use tokio::time::Instant;

use super::App;
use super::admission::{Overloaded, Permit};
use super::body::FullBody;
use super::deadline::Deadline;
use super::encoding::accepts_gzip;
use super::guard::try_again;
use super::streaming_body::{StreamingBody, Writer};
use crate::exposition::{Page, expected_size, negotiate};
use crate::scrape::Report;
use crate::telemetry::OwnFamilies;

/// Minimum size for compression, in bytes.
const WORTH_COMPRESSING: usize = 1024;

/// Maximum expected size of a response that is sent with a length; larger ones are streamed.
const WHOLE: usize = 512 << 10;

/// The response to a scrape in excess of `--web.max-requests`.
pub(super) const TOO_MANY_SCRAPES: &str = "too many scrapes in flight (--web.max-requests), try again later\n";

/// Handles a scrape. The response is complete even if queries fail, and reports the failures.
pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    Extension(deadline): Extension<Deadline>,
    headers: HeaderMap,
) -> Result<Response, Overloaded> {
    let Some(_counted) = app.scrape_limit.begin() else { return Ok(try_again(TOO_MANY_SCRAPES)) };
    let running = app.current.get();
    let members = running.scraper.members();
    let permit = app.budgets.scrapes.admit(members, &deadline).await?;
    let ask_by = app.budgets.pace.ask_by(&deadline, members, accepts_gzip(&headers));
    let report = Arc::new(running.scraper.scrape(ask_by).await);
    app.record(&running, &report);
    app.telemetry.count_dropped(&report, app.names);
    let own = OwnFamilies {
        telemetry: Arc::clone(&app.telemetry),
        thresholds: Arc::clone(&running.thresholds),
        dropped: running.scraper.dropped_members(),
    };
    page(&app, report, Some(own), &headers, &deadline, permit).await
}

/// The response for a report, in the negotiated format and encoding.
pub(super) async fn page(
    app: &App,
    report: Arc<Report>,
    own: Option<OwnFamilies>,
    headers: &HeaderMap,
    deadline: &Deadline,
    mut permit: Permit,
) -> Result<Response, Overloaded> {
    let (names, measured) = (app.names, Arc::clone(&app.budgets.pace));
    let accepted = negotiate(header(headers, &ACCEPT));
    let gzip = accepts_gzip(headers);
    let members = report.members();
    permit.count_report(members, report.bytes())?;
    let own = own.map(|own| -> Box<dyn Collector> { Box::new(own) });
    let expected = expected_size(&report);
    let (body, coded) = if expected > WHOLE {
        let (renderer, write_by) = (app.budgets.renderer.clone(), deadline.begin_by());
        let begin = move || {
            let begun = Instant::now();
            let page = Page::new(report, own, names, accepted.format);
            Writer::new(page, gzip, begun, write_by, measured, permit)
        };
        let Some(writer) = renderer.run(begin).await else { return Ok(failed()) };
        (Body::new(StreamingBody::new(writer, renderer, deadline.expires())), gzip)
    } else {
        let begun = Instant::now();
        let mut page = Page::new(report, own, names, accepted.format);
        let mut bytes = Vec::with_capacity(expected);
        if let Err(error) = page.write(&mut bytes, usize::MAX) {
            tracing::error!(%error, "cannot write the page");
            return Ok(failed());
        }
        let coded = gzip && bytes.len() > WORTH_COMPRESSING;
        if coded {
            bytes = compress(&bytes);
        }
        measured.note(members, gzip, begun.elapsed());
        permit.count(bytes.len())?;
        (Body::new(FullBody::new(bytes, permit)), coded)
    };
    let content_type = (CONTENT_TYPE, HeaderValue::from_static(accepted.content_type()));
    let vary = (VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    let mut response = ([content_type, vary], body).into_response();
    if coded {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

fn failed() -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn compress(page: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(page.len() / 8), Compression::fast());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(page);
    encoder.finish().unwrap_or_default()
}

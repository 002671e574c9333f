//! `GET /metrics`: scrape every member now, write the page, compress it where asked.

use std::io::Write;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use prometheus_client::collector::Collector;
use tokio::time::Instant;

use super::App;
use super::budget::{TIMEOUT_HEADER, budget};
use super::flow::Flow;
use super::pages::Expected;
use crate::exposition::{Names, Page, expected_size, negotiate};
use crate::scrape::Report;
use crate::telemetry::OwnFamilies;

/// Below this a page is not worth compressing.
const WORTH_COMPRESSING: usize = 1024;

/// A page that is likely to be longer leaves while it is written; up to here, it has a length.
const WHOLE: usize = 1 << 20;

/// Answers a scrape. Whatever the members do, the page comes, and says what failed.
pub(super) async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let deadline =
        Instant::now() + budget(header(&headers, &HeaderName::from_static(TIMEOUT_HEADER)), app.timeout_offset);
    let running = app.current.get();
    let report = Arc::new(running.scraper.scrape(deadline).await);
    app.telemetry.count_dropped(&report, app.names);
    let own = OwnFamilies {
        telemetry: Arc::clone(&app.telemetry),
        thresholds: Arc::clone(&running.thresholds),
        dropped: running.scraper.dropped_members(),
    };
    page(&report, Some(own), app.names, &headers)
}

/// The page of a report in the format and the coding that the client asked for.
pub(super) fn page(report: &Arc<Report>, own: Option<OwnFamilies>, names: Names, headers: &HeaderMap) -> Response {
    let accepted = negotiate(header(headers, &ACCEPT));
    let gzip = wants_gzip(header(headers, &ACCEPT_ENCODING));
    let own = own.map(|own| -> Box<dyn Collector> { Box::new(own) });
    let expected = expected_size(report);
    let mut page = Page::new(Arc::clone(report), own, names, accepted.format);
    let (body, coded) = if expected > WHOLE {
        (Body::new(Flow::new(page, gzip)), gzip)
    } else {
        let mut text = String::with_capacity(expected);
        if let Err(error) = page.write(&mut text, usize::MAX) {
            tracing::error!(%error, "the page could not be written");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        let coded = gzip && text.len() > WORTH_COMPRESSING;
        (if coded { compress(text.as_bytes()).into() } else { text.into() }, coded)
    };
    let content_type = (CONTENT_TYPE, HeaderValue::from_static(accepted.content_type()));
    let vary = (VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    let mut response = ([content_type, vary], body).into_response();
    response.extensions_mut().insert(Expected(expected));
    if coded {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

pub(super) fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether `Accept-Encoding` names gzip with a quality above 0 (RFC 9110, 12.5.3).
fn wants_gzip(accept: Option<&str>) -> bool {
    accept.unwrap_or("").split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let coding = parts.next().unwrap_or("");
        let refused = parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)));
        (coding.eq_ignore_ascii_case("gzip") || coding == "*") && !refused
    })
}

fn compress(page: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(page.len() / 8), Compression::fast());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(page);
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compresses_only_where_asked() {
        for (accept, wanted) in [
            (None, false),
            (Some("gzip"), true),
            (Some("deflate, GZIP;q=0.5"), true),
            (Some("gzip;q=0"), false),
            (Some("gzip; q=0.0, br"), false),
            (Some("identity"), false),
            (Some("*"), true),
        ] {
            assert_eq!(wants_gzip(accept), wanted, "{accept:?}");
        }
    }
}

//! Middleware of all endpoints: rate limit, authentication and a limit on the size of requests.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::auth::AuthOutcome;
use super::deadline::Deadline;
use super::slots::Slot;
use super::web::{Web, WebState};
use super::{App, PLAIN};

/// Maximum request body in bytes; no endpoint reads it.
const MAX_BODY: u64 = 64 << 10;

/// Passes a request on or refuses it. Both responses carry the headers of the web-config file.
pub(super) async fn guard(
    State((web, app)): State<(Arc<Web>, Arc<App>)>,
    Extension(slot): Extension<Arc<Slot>>,
    Extension(deadline): Extension<Deadline>,
    request: Request,
    next: Next,
) -> Response {
    let state = web.current();
    let limited = state.rate_limiter.as_ref().map_or(Ok(()), |limiter| limiter.take(Instant::now()));
    let refused = match limited {
        // Checked first: a request beyond the rate limit costs no verification.
        Err(next) => Some(too_many(next)),
        Ok(()) => refusal(&state, request.headers(), slot.client(), &deadline).await,
    };
    let mut response = match refused {
        Some(response) => {
            // Without a route: a refused client must not create label values.
            app.telemetry.count_request("refused", response.status().as_u16());
            response
        }
        None => next.run(request).await,
    };
    response.headers_mut().extend(state.headers.iter().cloned());
    response
}

/// The response that refuses a request, if any.
async fn refusal(
    state: &WebState,
    headers: &HeaderMap,
    client: Option<IpAddr>,
    deadline: &Deadline,
) -> Option<Response> {
    let outcome = match &state.auth {
        None => AuthOutcome::Authorized,
        Some(auth) => auth.check(headers, client, deadline).await,
    };
    match outcome {
        AuthOutcome::Unauthorized => Some(unauthorized()),
        AuthOutcome::Overloaded => Some(try_again("too many passwords to verify, try again later\n")),
        AuthOutcome::Authorized if is_oversized(headers) => Some(oversized()),
        AuthOutcome::Authorized => None,
    }
}

fn is_oversized(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length > MAX_BODY)
}

fn unauthorized() -> Response {
    let ask = (WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"zookeeper-exporter\", charset=\"UTF-8\""));
    (StatusCode::UNAUTHORIZED, [ask], PLAIN, "unauthorized\n").into_response()
}

/// 503 with `Retry-After`.
pub(super) fn try_again(why: &'static str) -> Response {
    let later = (RETRY_AFTER, HeaderValue::from_static("5"));
    (StatusCode::SERVICE_UNAVAILABLE, [later], PLAIN, why).into_response()
}

/// The response to a request beyond `rate_limit`.
fn too_many(next: Duration) -> Response {
    let later = (RETRY_AFTER, HeaderValue::from(next.as_secs() + 1));
    (StatusCode::TOO_MANY_REQUESTS, [later], PLAIN, "too many requests, try again later\n").into_response()
}

fn oversized() -> Response {
    let close = (CONNECTION, HeaderValue::from_static("close"));
    (StatusCode::PAYLOAD_TOO_LARGE, [close], PLAIN, "the request is too large\n").into_response()
}

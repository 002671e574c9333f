//! What every request passes before it reaches an endpoint: its password where one is asked for, and a bound on its size.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::auth::AuthOutcome;
use super::deadline::Deadline;
use super::slots::Slot;
use super::web::Web;
use super::{App, PLAIN};

/// No endpoint reads a body; what little a client may send along is skipped.
const MAX_BODY: u64 = 64 << 10;

/// Passes a request on, or answers it. Either response has the headers of the web-config file.
pub(super) async fn guard(
    State((web, app)): State<(Arc<Web>, Arc<App>)>,
    Extension(slot): Extension<Arc<Slot>>,
    Extension(deadline): Extension<Deadline>,
    request: Request,
    next: Next,
) -> Response {
    let state = web.current();
    let outcome = match &state.auth {
        None => AuthOutcome::Authorized,
        Some(auth) => auth.check(request.headers(), slot.client(), &deadline).await,
    };
    let refused = match outcome {
        AuthOutcome::Unauthorized => Some(unauthorized()),
        AuthOutcome::Overloaded => Some(try_again("too many passwords to verify, try again later\n")),
        AuthOutcome::Authorized if is_oversized(request.headers()) => Some(oversized()),
        AuthOutcome::Authorized => None,
    };
    let mut response = match refused {
        Some(response) => {
            // By no route: a client that is not let in makes no label.
            app.telemetry.count_request("refused", response.status().as_u16());
            response
        }
        None => next.run(request).await,
    };
    response.headers_mut().extend(state.headers.iter().cloned());
    response
}

fn is_oversized(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length > MAX_BODY)
}

fn unauthorized() -> Response {
    let ask = (WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"zookeeper-exporter\", charset=\"UTF-8\""));
    (StatusCode::UNAUTHORIZED, [ask], PLAIN, "unauthorized\n").into_response()
}

/// The answer to a request for which there is no room now.
pub(super) fn try_again(why: &'static str) -> Response {
    let later = (RETRY_AFTER, HeaderValue::from_static("5"));
    (StatusCode::SERVICE_UNAVAILABLE, [later], PLAIN, why).into_response()
}

fn oversized() -> Response {
    let close = (CONNECTION, HeaderValue::from_static("close"));
    (StatusCode::PAYLOAD_TOO_LARGE, [close], PLAIN, "the request is too large\n").into_response()
}

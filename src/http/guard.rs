//! What every request passes before it reaches an endpoint: a password where one is asked for, and a bound on its size.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::auth::Verdict;
use super::web::Web;
use super::{App, PLAIN};

/// No endpoint reads a body; what little a client may send along is skipped.
const MAX_BODY: u64 = 64 << 10;

/// Lets a request in, or answers it. The headers of the web-config file stand on either answer.
pub(super) async fn guard(State((web, app)): State<(Arc<Web>, Arc<App>)>, request: Request, next: Next) -> Response {
    let state = web.current();
    let verdict = match &state.auth {
        None => Verdict::Welcome,
        Some(auth) => auth.check(request.headers()).await,
    };
    let refused = match verdict {
        Verdict::Unauthorized => Some(unauthorized()),
        Verdict::Overloaded => Some(overloaded()),
        Verdict::Welcome if is_oversized(request.headers()) => Some(oversized()),
        Verdict::Welcome => None,
    };
    let mut response = match refused {
        Some(response) => {
            // By no route: who is not let in makes no label.
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

fn overloaded() -> Response {
    let later = (RETRY_AFTER, HeaderValue::from_static("5"));
    (StatusCode::SERVICE_UNAVAILABLE, [later], PLAIN, "too many passwords wait to be verified\n").into_response()
}

fn oversized() -> Response {
    let close = (CONNECTION, HeaderValue::from_static("close"));
    (StatusCode::PAYLOAD_TOO_LARGE, [close], PLAIN, "the request is too large\n").into_response()
}

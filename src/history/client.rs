//! A client for servers with Prometheus' HTTP query API: one range query at a time on a persistent connection, with a
//! deadline and a byte limit.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep, timeout_at};

use super::grid::Grid;
use super::matrix::Matrix;
use crate::config::{Module, ServerUrl, TlsConfig};
use crate::text::line;
use crate::wire::{self, Client};

/// Maximum size of a response in bytes; a larger result is requested in smaller pieces.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Maximum displayed length of a server error, in characters.
const MAX_ERROR_TEXT: usize = 300;

/// Maximum number of retries if the server is busy.
const MAX_RETRIES: u32 = 4;

/// Pause before the first retry; doubled for each further one.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Maximum number of distinct warnings that are kept.
const MAX_WARNINGS: usize = 20;

/// A server and the parameters of its queries.
#[derive(Debug)]
pub struct QueryApi {
    url: ServerUrl,
    path: Uri,
    client: Client,
    headers: HeaderMap,
    timeout: Duration,
    warnings: Mutex<BTreeSet<String>>,
}

/// A connection that is reused for further queries.
#[derive(Debug, Default)]
pub struct QueryConnection {
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// Why a query has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// The result exceeds a limit; a smaller piece may succeed.
    TooMuch(String),
    /// No response before the deadline; a smaller piece may succeed.
    Late(String),
    /// The server cannot be queried at all.
    Unreachable(String),
    /// The server rejected this query.
    Refused(String),
}

impl QueryError {
    /// The error message.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::TooMuch(text) | Self::Late(text) | Self::Unreachable(text) | Self::Refused(text) => text,
        }
    }
}

impl QueryApi {
    /// Creates a client. `bearer` and the headers `extra` are sent with each request.
    ///
    /// # Errors
    /// If a header is invalid.
    pub fn new(
        url: ServerUrl,
        tls: TlsConfig,
        bearer: Option<&str>,
        extra: &[(String, String)],
        timeout: Duration,
    ) -> Result<Self, String> {
        let path = format!("{}/api/v1/query_range", url.path.path().trim_end_matches('/'));
        let path = path.parse().map_err(|error| format!("invalid path: {error}"))?;
        let mut headers = HeaderMap::new();
        let mut put = |name: &str, value: &str| -> Result<(), String> {
            let name =
                name.parse::<hyper::header::HeaderName>().map_err(|_| format!("invalid header name `{name}`"))?;
            let mut value = HeaderValue::from_str(value).map_err(|_| format!("invalid value of the header {name}"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
            Ok(())
        };
        put(HOST.as_str(), &url.address.to_string())?;
        put(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")?;
        if let Some(login) = &url.login {
            put(AUTHORIZATION.as_str(), &format!("Basic {}", STANDARD.encode(login)))?;
        }
        if let Some(token) = bearer {
            put(AUTHORIZATION.as_str(), &format!("Bearer {token}"))?;
        }
        extra.iter().try_for_each(|(name, value)| put(name, value))?;
        let module = Module { tls: url.secure.then_some(tls), ..Module::default() };
        Ok(Self { client: Client::new(&module), path, headers, timeout, url, warnings: Mutex::default() })
    }

    /// The URL of the server for messages, without its password.
    #[must_use]
    pub fn name(&self) -> String {
        let scheme = if self.url.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.url.address, self.url.path.path().trim_end_matches('/'))
    }

    /// The warnings returned by the server so far.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Evaluates an expression at the times of a grid.
    ///
    /// # Errors
    /// If the server does not return the values before the deadline.
    pub async fn range(&self, connection: &mut QueryConnection, expr: &str, grid: &Grid) -> Result<Matrix, QueryError> {
        let mut retries = 0;
        loop {
            let had_connection = connection.sender.is_some();
            let deadline = Instant::now() + self.timeout;
            let outcome = timeout_at(deadline, self.exchange(connection, expr, grid, deadline)).await;
            let outcome = outcome.unwrap_or_else(|_| {
                connection.sender = None;
                let late = format!("no answer within {} s (--timeout)", self.timeout.as_secs_f64());
                RequestOutcome::Failed(QueryError::Late(late))
            });
            match outcome {
                RequestOutcome::Body(body) => return self.matrix(&body, grid),
                RequestOutcome::Failed(error) => return Err(error),
                // A reused connection may have been closed since the last query; a new one is tried.
                RequestOutcome::Closed(_) if had_connection => {}
                RequestOutcome::Busy(_) | RequestOutcome::Closed(_) if retries < MAX_RETRIES => {
                    sleep(RETRY_PAUSE * 2_u32.pow(retries)).await;
                    retries += 1;
                }
                RequestOutcome::Busy(why) | RequestOutcome::Closed(why) => return Err(QueryError::Unreachable(why)),
            }
        }
    }

    fn matrix(&self, body: &[u8], grid: &Grid) -> Result<Matrix, QueryError> {
        let matrix = Matrix::read(body, grid).map_err(|why| QueryError::Refused(line(&why, MAX_ERROR_TEXT)))?;
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in &matrix.warnings {
            if warnings.len() < MAX_WARNINGS {
                warnings.insert(line(warning, MAX_ERROR_TEXT));
            }
        }
        Ok(matrix)
    }

    async fn connect(&self, deadline: Instant) -> Result<SendRequest<Full<Bytes>>, String> {
        let address = &self.url.address;
        let words = |failure: &wire::Failure| {
            let detail = failure.detail.replace("the member", "the server");
            // The rest of the detail is advice for the `tls:` key of a module.
            let fact = detail.split("; ").next().unwrap_or(&detail);
            let fact = fact.strip_prefix(&format!("{address}: ")).unwrap_or(fact);
            match failure.reason {
                wire::Reason::Tls => {
                    format!("{fact}: set --prometheus.ca-file, or use http:// if the server has no TLS")
                }
                _ => fact.to_owned(),
            }
        };
        let addresses = wire::resolve(address, deadline).await.map_err(|failure| words(&failure))?;
        let stream = self.client.connect(address.host(), &addresses, deadline).await;
        let stream = stream.map_err(|failure| words(&failure))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| format!("not an HTTP server: {error}"))?;
        tokio::spawn(async move {
            // An error is also returned by the request on this connection.
            let _ = connection.await;
        });
        Ok(sender)
    }

    async fn exchange(
        &self,
        connection: &mut QueryConnection,
        expr: &str,
        grid: &Grid,
        deadline: Instant,
    ) -> RequestOutcome {
        let mut sender = match connection.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => match self.connect(deadline).await {
                Ok(sender) => sender,
                Err(why) => return RequestOutcome::Failed(QueryError::Unreachable(why)),
            },
        };
        let mut request = Request::new(Full::new(Bytes::from(self.form(expr, grid))));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = self.headers.clone();
        if let Err(error) = sender.ready().await {
            return RequestOutcome::Closed(format!("the connection was closed: {error}"));
        }
        let response = match sender.send_request(request).await {
            Ok(response) => response,
            Err(error) if error.is_parse() && !self.url.secure => {
                let why = "not an HTTP response: use https:// if the server has TLS".to_owned();
                return RequestOutcome::Failed(QueryError::Unreachable(why));
            }
            Err(error) => return RequestOutcome::Closed(format!("no answer: {error}")),
        };
        let (status, encoded) = (response.status(), response.headers().contains_key(CONTENT_ENCODING));
        let body = match read(response, deadline).await {
            Ok(body) => body,
            Err(why) => return why,
        };
        connection.sender = Some(sender);
        if encoded {
            let why = "unexpected content encoding of the response".to_owned();
            return RequestOutcome::Failed(QueryError::Unreachable(why));
        }
        if status == StatusCode::OK { RequestOutcome::Body(body) } else { self.failed(status, &body) }
    }

    fn form(&self, expr: &str, grid: &Grid) -> String {
        let mut form = String::from("query=");
        for byte in expr.bytes() {
            if byte.is_ascii_alphanumeric() {
                form.push(char::from(byte));
            } else {
                let _ = write!(form, "%{byte:02X}");
            }
        }
        let Grid { start, end, step } = grid;
        // By default, VictoriaMetrics aligns the evaluation times and looks back for two scrape intervals.
        let victoria = "nocache=1&max_lookback=5m";
        let _ =
            write!(form, "&start={start}&end={end}&step={step}&timeout={}s&{victoria}", self.timeout.as_secs().max(1));
        form
    }

    fn failed(&self, status: StatusCode, body: &[u8]) -> RequestOutcome {
        let message = Matrix::error(body).map(|text| line(&text, MAX_ERROR_TEXT));
        let described = |what: String| message.clone().map_or(what.clone(), |message| format!("{what}: {message}"));
        let too_much = ["too many", "exceed", "limit", "timed out", "timeout", "canceled", "too large"];
        let limited = message.as_deref().is_some_and(|message| too_much.iter().any(|word| message.contains(word)));
        let number = format!("HTTP {}", status.as_u16());
        match status.as_u16() {
            401 | 403 => RequestOutcome::Failed(QueryError::Unreachable(format!(
                "{number}: the server refuses these credentials: expected user and password in the URL, or --prometheus.bearer-token-file"
            ))),
            404 | 405 => RequestOutcome::Failed(QueryError::Unreachable(format!(
                "{number}: no query API at {}: expected the base URL of the server, e.g. http://HOST:9090 or http://HOST/prometheus",
                self.path
            ))),
            300..=399 => RequestOutcome::Failed(QueryError::Unreachable(format!(
                "{number}: the server redirects: expected the URL that it redirects to"
            ))),
            429 | 502 => RequestOutcome::Busy(described(number)),
            413 | 504 => RequestOutcome::Failed(QueryError::TooMuch(described(number))),
            _ if limited => RequestOutcome::Failed(QueryError::TooMuch(described(number))),
            503 => RequestOutcome::Busy(described(number)),
            400 if message.as_deref().is_some_and(|message| message.contains("unknown function")) => {
                let what = "the server is too old: expected Prometheus 2.42 or later".to_owned();
                RequestOutcome::Failed(QueryError::Refused(described(what)))
            }
            _ => RequestOutcome::Failed(QueryError::Refused(described(number))),
        }
    }
}

/// The outcome of one request.
enum RequestOutcome {
    Body(Vec<u8>),
    Failed(QueryError),
    /// The request may be retried after a pause.
    Busy(String),
    Closed(String),
}

async fn read(response: Response<Incoming>, deadline: Instant) -> Result<Vec<u8>, RequestOutcome> {
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| RequestOutcome::Closed(format!("the response was cut: {error}")))?;
        if let Some(piece) = frame.data_ref() {
            if bytes.len() + piece.len() > MAX_ANSWER_BYTES {
                let why = format!("response of more than {} MiB", MAX_ANSWER_BYTES >> 20);
                return Err(RequestOutcome::Failed(QueryError::TooMuch(why)));
            }
            bytes.extend_from_slice(piece);
        }
        // The timer starves if the server sends faster than the body is read.
        if Instant::now() >= deadline {
            return Err(RequestOutcome::Failed(QueryError::Late(
                "the response was not complete in time (--timeout)".to_owned(),
            )));
        }
    }
    Ok(bytes)
}

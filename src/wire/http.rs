//! One HTTP request to a member, to its metrics endpoint or AdminServer, with the same deadline and byte limit as a
//! command.

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, LOCATION};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::reply_budget::ReplyShare;
use super::{Failure, Reason};
use crate::config::{Command, HttpUrl};

/// The name of the server for `command` in messages.
fn server(command: Command) -> &'static str {
    if command == Command::Native { "metrics endpoint" } else { "AdminServer" }
}

/// The module key that configures the address.
pub(super) fn key(command: Command) -> &'static str {
    if command == Command::Native { "native" } else { "admin" }
}

/// A response whose body was read completely or partly.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The target of a redirect.
    pub(super) location: Option<String>,
    pub(super) failure: Option<Failure>,
}

/// Sends one request on a new connection, and appends the body of the response to `bytes`.
pub(super) async fn get<S>(
    stream: S,
    command: Command,
    url: &HttpUrl,
    host: &str,
    cap: usize,
    bytes: &mut Vec<u8>,
) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let server = server(command);
    let broken = |error: hyper::Error| {
        let reason = if error.is_parse() { Reason::Garbage } else { Reason::Reset };
        Failure::new(reason, format!("no valid HTTP reply from the {server}: {error}"))
    };
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(64 << 10)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let authority = if host.contains(':') { format!("[{host}]:{}", url.port) } else { format!("{host}:{}", url.port) };
    let path = match command {
        Command::Native => url.path.clone(),
        Command::AdminHash => format!("{}/{}", url.path, Command::Hash),
        Command::AdminConnections => format!("{}/connections", url.path),
        _ => format!("{}/{command}", url.path),
    };
    let path: Uri =
        path.parse().map_err(|error| Failure::new(Reason::Http, format!("invalid request to {url}: {error}")))?;
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = path;
    let headers = request.headers_mut();
    if let Ok(authority) = authority.parse() {
        headers.insert(HOST, authority);
    }
    headers.insert(hyper::header::CONNECTION, hyper::header::HeaderValue::from_static("close"));

    let exchange = async {
        let mut response = sender.send_request(request).await.map_err(broken)?;
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut answer = Answer { status: response.status(), location, failure: None };
        let mut share = ReplyShare::new();
        while let Some(frame) = response.body_mut().frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
                Err(error) => {
                    answer.failure = Some(broken(error));
                    break;
                }
            }
            if bytes.len() > cap {
                bytes.truncate(cap);
                let detail = format!("the reply of the {server} has more than {cap} bytes (--limit.reply-bytes)");
                answer.failure = Some(Failure::new(Reason::TooLarge, detail));
                break;
            }
            if let Err(failure) = share.grow_to(bytes.capacity()) {
                answer.failure = Some(failure);
                break;
            }
        }
        Ok(answer)
    };
    tokio::pin!(exchange, connection);
    // The connection is polled together with the exchange and dropped with it: no task remains after the scrape.
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        _ = &mut connection => exchange.await,
    }
}

/// The failure for an HTTP status other than 200, with what to change.
pub(super) fn refusal(command: Command, url: &HttpUrl, answer: &Answer) -> Option<Failure> {
    let (server, key) = (server(command), key(command));
    let detail = match answer.status {
        StatusCode::OK => return None,
        StatusCode::INTERNAL_SERVER_ERROR if command == Command::Monitor => {
            "the AdminServer answered 500, as ZooKeeper 3.6 and later do while the member does not serve".to_owned()
        }
        StatusCode::NOT_FOUND if command == Command::Monitor => {
            format!(
                "the AdminServer answered 404; if admin.commandURL is not {}, add it after the port in admin:",
                url.path
            )
        }
        status if status.is_redirection() => format!(
            "the {server} redirected with {} to {}; if it requires TLS, set {key}: https://...",
            status.as_u16(),
            answer.location.as_deref().unwrap_or("another place"),
        ),
        status => format!("the {server} answered {}", status.as_u16()),
    };
    Some(Failure::new(Reason::Http, detail))
}

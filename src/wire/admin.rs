//! Ask the AdminServer of a member for `monitor`: one HTTP request, under the same deadline and byte cap as a command.

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, LOCATION};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Failure, Reason};
use crate::config::AdminUrl;

/// What is asked for: every figure that `mntr` has.
const COMMAND: &str = "monitor";

/// A body that was read, whole or in part.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Where a redirect points to.
    pub(super) location: Option<String>,
    pub(super) failure: Option<Failure>,
}

/// One request on a fresh connection; the body goes into `bytes`.
pub(super) async fn get<S>(
    stream: S,
    url: &AdminUrl,
    host: &str,
    cap: usize,
    bytes: &mut Vec<u8>,
) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| {
        let reason = if error.is_parse() { Reason::Garbage } else { Reason::Reset };
        Failure::new(reason, format!("the AdminServer did not answer in HTTP: {error}"))
    };
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(64 << 10)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let authority = if host.contains(':') { format!("[{host}]:{}", url.port) } else { format!("{host}:{}", url.port) };
    let path: Uri = format!("{}/{COMMAND}", url.path)
        .parse()
        .map_err(|error| Failure::new(Reason::Http, format!("admin: {url} makes no request: {error}")))?;
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
                let detail = format!("the AdminServer's reply has more than {cap} bytes (--limit.reply-bytes)");
                answer.failure = Some(Failure::new(Reason::TooLarge, detail));
                break;
            }
        }
        Ok(answer)
    };
    tokio::pin!(exchange, connection);
    // The connection is driven beside the exchange and dropped with it: nothing outlives the scrape.
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        _ = &mut connection => exchange.await,
    }
}

/// What an HTTP status other than 200 means, in words that say what to change.
pub(super) fn refusal(url: &AdminUrl, answer: &Answer) -> Option<Failure> {
    let detail = match answer.status {
        StatusCode::OK => return None,
        StatusCode::INTERNAL_SERVER_ERROR => {
            "the AdminServer answered 500, as ZooKeeper 3.6 and later do while the member does not serve".to_owned()
        }
        StatusCode::NOT_FOUND => {
            format!(
                "the AdminServer answered 404; is admin.commandURL not {}? Write it behind the port in admin:",
                url.path
            )
        }
        status if status.is_redirection() => format!(
            "the AdminServer answered {} to {}; it wants to be asked over https (admin.forceHttps): write admin: https://...",
            status.as_u16(),
            answer.location.as_deref().unwrap_or("another place"),
        ),
        status => format!("the AdminServer answered {}", status.as_u16()),
    };
    Some(Failure::new(Reason::Http, detail))
}

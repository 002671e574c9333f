//! Fetches the page or an API document of a running exporter over HTTP or HTTPS, with one deadline and a size limit.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_ENCODING, HOST, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};

use super::UsageError;
use super::check::BoundedPage;
use crate::alert::Page;
use crate::config::pem::Pem;
use crate::config::{Address, Module, ServerUrl, TlsConfig, UrlForm};
use crate::text;
use crate::wire::{self, Client, Failure, Reason, TimedStream};

/// Size of the read buffer.
const MAX_BUFFER_BYTES: usize = 64 << 10;

const FORM: UrlForm = UrlForm {
    // Text after `://` up to an `@` would be masked as a password.
    how: "expected [USER:PASSWORD@]HOST:PORT/metrics after http:// or https://",
    default_path: "/metrics",
};

/// The URL of a page; the path defaults to `/metrics`.
pub(super) fn page_url(text: &str) -> Result<ServerUrl, String> {
    ServerUrl::parse(text, FORM)
}

/// Maximum size of an API document, in bytes.
const MAX_DOCUMENT_BYTES: usize = 8 << 20;

/// Maximum length of a quoted error response, in characters.
const MAX_REFUSAL: usize = 500;

/// Why a page or a document was not fetched.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct FetchError {
    text: String,
    /// Whether the exporter refuses the request, so that a retry fails as well.
    pub(super) is_refused: bool,
}

impl From<String> for FetchError {
    fn from(text: String) -> Self {
        Self { text, is_refused: false }
    }
}

/// Whether a status refuses a request for good; a timeout and a rate limit do not.
fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error() && !matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

/// A client for one URL.
pub(super) struct Fetch {
    url: ServerUrl,
    client: Client,
}

impl Fetch {
    /// `ca_file` is the CA of the exporter's certificate.
    pub(super) fn new(url: ServerUrl, ca_file: Option<&Path>) -> Result<Self, UsageError> {
        let ca_file = ca_file.map(|path| Pem::File(path.to_owned()));
        if let Some(Err(why)) = ca_file.as_ref().map(Pem::roots) {
            return Err(UsageError(format!("--from.ca-file: {why}")));
        }
        let tls = url.secure.then(|| TlsConfig { ca_file, ..TlsConfig::default() });
        Ok(Self { client: Client::new(&Module { tls, ..Module::default() }), url })
    }

    /// Fetches and parses the page.
    pub(super) async fn page(&self, time: Duration) -> Result<Page, String> {
        let address = &self.url.address;
        let deadline = Instant::now() + time;
        let mut page = BoundedPage::default();
        let read = self.read(&self.url.path, time, deadline, false, |piece| page.push(piece));
        match timeout_at(deadline, read).await {
            Ok(read) => read
                .map_err(|error| error.text)
                .and_then(|()| page.finish())
                .map_err(|why| format!("--from: {address}: {why}")),
            Err(_) => Err(format!("--from: {address}: no answer within {} s", time.as_secs_f64())),
        }
    }

    /// Fetches an API document of the same exporter, below the prefix of the URL. An error response is quoted.
    pub(super) async fn document(&self, path: &str, time: Duration) -> Result<String, FetchError> {
        let address = &self.url.address;
        let deadline = Instant::now() + time;
        // The URL may have no path, or the path of the metrics page.
        let prefix = self.url.path.path().trim_end_matches('/').trim_end_matches("/metrics");
        let path: Uri = format!("{prefix}{path}").parse().map_err(|error| format!("--url: {error}"))?;
        let mut bytes = Vec::new();
        let push = |piece: &[u8]| {
            if bytes.len() + piece.len() > MAX_DOCUMENT_BYTES {
                return Err(format!("response too long: expected at most {MAX_DOCUMENT_BYTES} bytes"));
            }
            bytes.extend_from_slice(piece);
            Ok(())
        };
        let read = match timeout_at(deadline, self.read(&path, time, deadline, true, push)).await {
            Ok(read) => read,
            Err(_) => Err(format!("no answer within {} s", time.as_secs_f64()).into()),
        };
        let text =
            read.and_then(|()| String::from_utf8(bytes).map_err(|_| "the response is not UTF-8".to_owned().into()));
        text.map_err(|FetchError { text, is_refused }| {
            let text = format!("--url: {address}: {}", text.replace("--from", "--url"));
            FetchError { text, is_refused }
        })
    }

    /// Passes the response body on, piece by piece.
    async fn read(
        &self,
        path: &Uri,
        time: Duration,
        deadline: Instant,
        quotes: bool,
        mut push: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), FetchError> {
        let ServerUrl { address, login, .. } = &self.url;
        let addresses = wire::resolve(address, deadline).await.map_err(|failure| message(address, &failure))?;
        let stream = self.client.connect(address.host(), &addresses, deadline).await;
        let stream = stream.map_err(|failure| message(address, &failure))?;
        let is_late = || Instant::now() >= deadline;
        let broken = |error: hyper::Error| {
            if is_late() {
                return format!("no answer within {} s", time.as_secs_f64());
            }
            if error.is_parse() && !self.url.secure {
                return "not an HTTP response: expected https:// in --from if the page has TLS".to_owned();
            }
            format!("no HTTP response: {error}")
        };
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_BUFFER_BYTES)
            .handshake::<_, Empty<Bytes>>(TokioIo::new(TimedStream::new(stream, deadline)))
            .await
            .map_err(broken)?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = path.clone();
        let headers = request.headers_mut();
        let host = HeaderValue::from_str(&address.to_string()).map_err(|error| error.to_string())?;
        headers.insert(HOST, host);
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        let seconds = HeaderValue::from_str(&time.as_secs_f64().to_string()).map_err(|error| error.to_string())?;
        headers.insert("x-prometheus-scrape-timeout-seconds", seconds);
        if let Some(login) = login {
            let login = format!("Basic {}", STANDARD.encode(login));
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&login).map_err(|error| error.to_string())?);
        }
        let exchange = async {
            let response = sender.send_request(request).await.map_err(broken)?;
            match response.status() {
                StatusCode::OK => {}
                StatusCode::UNAUTHORIZED => {
                    let what = if login.is_some() { "wrong user or password" } else { "user and password required" };
                    let text = format!("{what}: expected USER:PASSWORD@ before HOST in the URL");
                    return Err(FetchError { text, is_refused: true });
                }
                status if quotes => {
                    let why = first_line(response.into_body()).await;
                    return Err(FetchError {
                        text: format!("response {status}: {why}"),
                        is_refused: is_refusal(status),
                    });
                }
                status => return Err(format!("response {status}: expected the path of the metrics page").into()),
            }
            if response.headers().contains_key(CONTENT_ENCODING) {
                return Err("unexpected content encoding of the response".to_owned().into());
            }
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                // The timer starves if the server sends faster than the body is parsed.
                if is_late() {
                    return Err(format!("the page was not complete within {} s", time.as_secs_f64()).into());
                }
                let frame = frame.map_err(|error| format!("the page was cut: {error}"))?;
                if let Some(piece) = frame.data_ref() {
                    push(piece)?;
                }
            }
            Ok(())
        };
        tokio::pin!(exchange, connection);
        tokio::select! {
            biased;
            read = &mut exchange => read,
            _ = &mut connection => exchange.await,
        }
    }
}

/// The first line of an error response; a placeholder if the server is not this exporter.
async fn first_line(mut body: Incoming) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_REFUSAL * 4
        && let Some(Ok(frame)) = body.frame().await
    {
        bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |piece| piece));
    }
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next().filter(|line| !line.is_empty() && !line.starts_with('<'));
    line.map_or_else(
        || "check that this is an exporter of the same version".to_owned(),
        |line| text::line(line, MAX_REFUSAL),
    )
}

/// Percent-encodes a query value; letters and digits are kept.
pub(super) fn encoded(value: &str) -> String {
    value
        .bytes()
        .map(|byte| {
            let plain = byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
        })
        .collect()
}

/// Describes a failure in terms of the flags of `check`; `detail` refers to a member and to a module's `tls`.
fn message(address: &Address, failure: &Failure) -> String {
    let detail = &*failure.detail;
    if failure.reason != Reason::Tls {
        return detail.strip_prefix(&format!("{address}: ")).unwrap_or(detail).to_owned();
    }
    let fact = detail.split("; ").next().unwrap_or(detail).replace("the member", "the exporter");
    let advice = match () {
        () if fact.contains("client certificate") => {
            "`check` has none: query the members with --zookeeper or --config.file"
        }
        () if fact.contains("no subjectAltName") => "use one with a subjectAltName",
        () if fact.contains(" is not for ") => "use a name that it has in --from",
        // The messages of `wire` and of rustls.
        () if fact.contains("is a CA certificate") || fact.contains("CaUsedAsEndEntity") => {
            "set --from.ca-file to it, or create one with openssl -addext basicConstraints=CA:FALSE"
        }
        () if fact.contains("is not signed by a CA") && is_self_signed(&fact) => {
            "it is self-signed: set --from.ca-file to the certificate itself"
        }
        () if fact.contains("is not signed by a CA") => "set --from.ca-file to its CA",
        () if fact.contains("is not valid yet") => "check the clocks",
        () if fact.contains("is not valid for servers") => "use one whose extendedKeyUsage has serverAuth",
        () if fact.contains("expired") => "renew it",
        () if fact.contains("certificate") => "use another one for the exporter",
        () => "use http:// in --from if its page has no TLS",
    };
    format!("{fact}; {advice}")
}

/// Whether a message describes a certificate as `(SUBJECT, issued by SUBJECT)`, with equal subjects.
fn is_self_signed(fact: &str) -> bool {
    let names =
        fact.split_once('(').zip(fact.rsplit_once(')')).map(|((before, _), (rest, _))| &rest[before.len() + 1..]);
    names.and_then(|names| names.split_once(", issued by ")).is_some_and(|(subject, issuer)| subject == issuer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_fits_the_certificate_error() {
        let address: Address = "zk-1:9141".parse().expect("an address");
        for (fact, advice) in [
            ("(CN=a, issued by CN=ca) is not signed by a CA in x.pem", "set --from.ca-file to its CA"),
            ("(CN=a (b), issued by CN=a (b)) is not signed by a CA in x.pem", "to the certificate itself"),
            ("(CN=a) was rejected: Other(OtherError(CaUsedAsEndEntity))", "basicConstraints=CA:FALSE"),
            ("(CN=a) is a CA certificate that is not in x.pem", "basicConstraints=CA:FALSE"),
            ("(CN=a) expired on 2025-01-01T00:00:00Z", "; renew it"),
            ("(CN=a) is not valid yet", "; check the clocks"),
            ("(CN=a) is not valid for servers", "whose extendedKeyUsage has serverAuth"),
            ("(CN=a) is not for `b` but for c", "use a name that it has in --from"),
            ("(CN=a) is not for `b`: it has no subjectAltName (the CN is not used)", "use one with a subjectAltName"),
            ("(CN=a) was rejected: Revoked", "; use another one for the exporter"),
        ] {
            let failure = Failure::new(Reason::Tls, format!("the certificate of the member {fact}; as in a module"));
            let message = message(&address, &failure);
            assert!(message.starts_with(&format!("the certificate of the exporter {fact}; ")), "{message}");
            assert!(message.ends_with(advice), "{message}");
        }
    }
}

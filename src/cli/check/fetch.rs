//! The page of a running exporter, over HTTP or HTTPS, under one deadline and a byte cap.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_ENCODING, HOST, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};

use super::super::UsageError;
use super::bounded_page::BoundedPage;
use crate::alert::Page;
use crate::config::pem::Pem;
use crate::config::{Address, Module, TlsConfig};
use crate::wire::{self, Client, Failure, Reason};

/// `http://[USER:PASSWORD@]HOST[:PORT][/PATH]`.
#[derive(Clone, Debug)]
pub(super) struct Url {
    secure: bool,
    address: Address,
    /// `user:password`.
    login: Option<String>,
    path: Uri,
}

impl Url {
    /// Reads it; without a path it is `/metrics`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        const HOW: &str = "write http://HOST:PORT/metrics or https://USER:PASSWORD@HOST:PORT/metrics";
        let (scheme, rest) = text.split_once("://").ok_or(HOW)?;
        let secure = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(HOW.to_owned()),
        };
        let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |end| rest.split_at(end));
        // With a `/` in a password, half of it would be the host and be shown.
        if path.contains('@') {
            return Err("`@` after a `/`, `?` or `#`: write these as %2F, %3F, %23 in a user or password, and `@` as %40 in a path"
                .to_owned());
        }
        let (login, host) = authority.rsplit_once('@').map_or((None, authority), |(login, host)| (Some(login), host));
        let login = login.map(decoded_login).transpose()?;
        // Without a port it is the one of the scheme, not ZooKeeper's.
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let host = if has_port { host.to_owned() } else { format!("{host}:{}", if secure { 443 } else { 80 }) };
        let address = host.parse().map_err(|_| HOW)?;
        let path = match path {
            "" | "/" => "/metrics",
            path => path,
        };
        let path = path.parse().map_err(|_| HOW)?;
        Ok(Self { secure, address, login, path })
    }
}

/// `USER:PASSWORD` with its percent escapes decoded. No message quotes it.
fn decoded_login(login: &str) -> Result<String, String> {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let user = decoded(user)?;
    if user.contains(':') {
        return Err("`:` in the user: expected USER:PASSWORD@ with a user that has none".to_owned());
    }
    Ok(format!("{user}:{}", decoded(password)?))
}

fn decoded(text: &str) -> Result<String, String> {
    const HOW: &str = "invalid percent escape in the user or password: write `%` as %25";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit =
            || rest.next().and_then(|digit| char::from(digit).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
        let (high, low) = digit().zip(digit()).ok_or(HOW)?;
        bytes.push(high << 4 | low);
    }
    String::from_utf8(bytes).map_err(|_| HOW.to_owned())
}

/// Who fetches it.
pub(super) struct Fetch {
    url: Url,
    client: Client,
}

impl Fetch {
    /// `ca_file` is who signs the exporter's certificate.
    pub(super) fn new(url: Url, ca_file: Option<&Path>) -> Result<Self, UsageError> {
        let ca_file = ca_file.map(|path| Pem::File(path.to_owned()));
        if let Some(Err(why)) = ca_file.as_ref().map(Pem::roots) {
            return Err(UsageError(format!("--from.ca-file: {why}")));
        }
        let tls = url.secure.then(|| TlsConfig { ca_file, ..TlsConfig::default() });
        Ok(Self { client: Client::new(&Module { tls, ..Module::default() }), url })
    }

    /// The page, or why there is none.
    pub(super) async fn page(&self, time: Duration) -> Result<Page, String> {
        let address = &self.url.address;
        let deadline = Instant::now() + time;
        match timeout_at(deadline, self.read(time, deadline)).await {
            Ok(page) => page.map_err(|why| format!("--from: {address}: {why}")),
            Err(_) => Err(format!("--from: {address}: no answer within {} s", time.as_secs_f64())),
        }
    }

    async fn read(&self, time: Duration, deadline: Instant) -> Result<Page, String> {
        let Url { address, login, path, .. } = &self.url;
        let addresses = wire::resolve(address, deadline).await.map_err(|failure| told(address, &failure))?;
        let stream = self.client.connect(address.host(), &addresses, deadline).await;
        let stream = stream.map_err(|failure| told(address, &failure))?;
        let broken = |error: hyper::Error| {
            if error.is_parse() && !self.url.secure {
                return "the answer is no HTTP; write https:// in --from if its page has TLS".to_owned();
            }
            format!("no answer in HTTP: {error}")
        };
        let (mut sender, connection) =
            http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.map_err(broken)?;
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
                    return Err("it wants a user and a password; write http://USER:PASSWORD@HOST:PORT".to_owned());
                }
                status => return Err(format!("it answered {status}; is this the path of its page?")),
            }
            if response.headers().contains_key(CONTENT_ENCODING) {
                return Err("it answered in a content encoding that was not asked for".to_owned());
            }
            let (mut body, mut page) = (response.into_body(), BoundedPage::default());
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| format!("its page was cut: {error}"))?;
                if let Some(piece) = frame.data_ref() {
                    page.push(piece)?;
                }
                // A server that sends faster than it is read never lets the timer have its turn.
                if Instant::now() >= deadline {
                    return Err(format!("its page did not end within {} s", time.as_secs_f64()));
                }
            }
            page.finish()
        };
        tokio::pin!(exchange, connection);
        tokio::select! {
            biased;
            page = &mut exchange => page,
            _ = &mut connection => exchange.await,
        }
    }
}

/// A failure in the words of these flags: what it says is about a member, and what to change about a module's `tls:`.
fn told(address: &Address, failure: &Failure) -> String {
    let detail = &*failure.detail;
    if failure.reason != Reason::Tls {
        return detail.strip_prefix(&format!("{address}: ")).unwrap_or(detail).to_owned();
    }
    let fact = detail.split("; ").next().unwrap_or(detail).replace("the member", "the exporter");
    let advice = match () {
        () if fact.contains("client certificate") => {
            "`check` has none: ask the members, with --zookeeper or --config.file"
        }
        () if fact.contains("no subjectAltName") => "make one with a subjectAltName",
        () if fact.contains(" is not for ") => "write a name that it has in --from",
        // The words of the wire, and those of rustls.
        () if fact.contains("CA's own") || fact.contains("CaUsedAsEndEntity") => {
            "name its own file with --from.ca-file, or make one with openssl -addext basicConstraints=CA:FALSE"
        }
        () if fact.contains("comes from no CA") && signs_itself(&fact) => {
            "it signs itself: name its own file with --from.ca-file"
        }
        () if fact.contains("comes from no CA") => "name the CA that signs it with --from.ca-file",
        () if fact.contains("is not valid yet") => "is a clock wrong?",
        () if fact.contains("is not meant for a server") => "make one whose extendedKeyUsage has serverAuth",
        () if fact.contains("expired") => "renew it",
        () if fact.contains("certificate") => "give the exporter another one",
        () => "write http:// in --from if its page has no TLS",
    };
    format!("{fact}; {advice}")
}

/// Whether a certificate is told as `(SUBJECT, signed by SUBJECT)`.
fn signs_itself(fact: &str) -> bool {
    let names =
        fact.split_once('(').zip(fact.rsplit_once(')')).map(|((before, _), (rest, _))| &rest[before.len() + 1..]);
    names.and_then(|names| names.split_once(", signed by ")).is_some_and(|(subject, issuer)| subject == issuer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_fits_what_is_wrong_with_a_certificate() {
        let address: Address = "zk-1:9141".parse().expect("an address");
        for (fact, advice) in [
            ("(CN=a, signed by CN=ca) comes from no CA in x.pem", "name the CA that signs it with --from.ca-file"),
            ("(CN=a (b), signed by CN=a (b)) comes from no CA in x.pem", "name its own file with --from.ca-file"),
            ("(CN=a) is refused: Other(OtherError(CaUsedAsEndEntity))", "basicConstraints=CA:FALSE"),
            ("(CN=a) is a CA's own, and comes from no CA in x.pem", "basicConstraints=CA:FALSE"),
            ("(CN=a) expired on 2025-01-01T00:00:00Z", "; renew it"),
            ("(CN=a) is not valid yet", "; is a clock wrong?"),
            ("(CN=a) is not meant for a server", "whose extendedKeyUsage has serverAuth"),
            ("(CN=a) is not for `b` but for c", "write a name that it has in --from"),
            (
                "(CN=a) is not for `b`: it has no subjectAltName, and its CN does not count",
                "make one with a subjectAltName",
            ),
            ("(CN=a) is refused: Revoked", "; give the exporter another one"),
        ] {
            let failure = Failure::new(Reason::Tls, format!("the certificate of the member {fact}; as a module says"));
            let told = told(&address, &failure);
            assert!(told.starts_with(&format!("the certificate of the exporter {fact}; ")), "{told}");
            assert!(told.ends_with(advice), "{told}");
        }
    }

    #[test]
    fn reads_what_people_write() {
        for (text, address, path, login) in [
            ("http://localhost:9141", "localhost:9141", "/metrics", None),
            ("http://localhost:9141/", "localhost:9141", "/metrics", None),
            ("https://a:b@zk.example/probe?ensemble=prod", "zk.example:443", "/probe?ensemble=prod", Some("a:b")),
            ("http://[::1]:9141/metrics", "[::1]:9141", "/metrics", None),
            ("http://a:p%2Fq%40%25@zk:1/x", "zk:1", "/x", Some("a:p/q@%")),
            ("http://a:b:c@zk:1", "zk:1", "/metrics", Some("a:b:c")),
            ("http://a@zk:1", "zk:1", "/metrics", Some("a:")),
        ] {
            let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let seen = (url.address.to_string(), url.path.to_string(), url.login.clone());
            assert_eq!(seen, (address.to_owned(), path.to_owned(), login.map(str::to_owned)), "{text}");
        }
        for text in ["", "localhost:9141", "ftp://x", "http://", "http://a b/", "http://x:99999/"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
        for text in [
            "http://u:sec/ret@zk:1/",
            "http://u:s?ret@zk:1",
            "http://u:s@c/ret@zk:1",
            "http://u:secret%zz@zk:1",
            "http://u:%e9secret@zk",
            "http://u%3asecret:b@zk",
            "http://u:secret@zk 1",
        ] {
            let why = Url::parse(text).expect_err(text);
            assert!(!why.contains("ret") && !why.contains("sec"), "{why}");
        }
    }
}

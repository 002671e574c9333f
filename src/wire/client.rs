//! The client for the members of one module: commands over plain TCP or TLS, and HTTP requests to the metrics endpoint
//! and the `AdminServer` of each member.

use std::borrow::Cow;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout_at};

use super::reply_budget::ReplyShare;
use super::tls::Tls;
use super::{Exchange, Failure, Reason, TimedStream, connect, handshake, http, lookup};
use crate::config::{Command, HttpUrl, Module, TlsConfig};

/// Immutable, and shared by all scrapes of a configuration. TLS files are reloaded when they change.
#[derive(Debug)]
pub struct Client {
    tls: Option<Arc<Tls>>,
    native: Option<Endpoint>,
    admin: Option<Endpoint>,
}

/// An HTTP endpoint of the members.
#[derive(Debug)]
struct Endpoint {
    url: HttpUrl,
    tls: Option<Arc<Tls>>,
}

/// A plain or TLS connection.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Client {
    /// A client for a module. TLS files are read at the first connection.
    #[must_use]
    pub fn new(module: &Module) -> Self {
        let tls = module.tls.clone().map(|config| Arc::new(Tls::new(config)));
        let endpoint = |url: &HttpUrl| {
            // Without `tls:` in the module, certificates are verified with the system's CAs.
            let tls = url.https.then(|| tls.clone().unwrap_or_else(|| Arc::new(Tls::new(TlsConfig::default()))));
            Endpoint { url: url.clone(), tls }
        };
        let (native, admin) = (module.native.as_ref().map(endpoint), module.admin.as_ref().map(endpoint));
        Self { tls, native, admin }
    }

    /// Whether connections to members use TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Opens a connection to a member for a session, over TLS if configured.
    ///
    /// # Errors
    /// If the connection or its handshake fails or exceeds the deadline.
    pub async fn connect(
        &self,
        host: &str,
        addresses: &[SocketAddr],
        deadline: Instant,
    ) -> Result<Box<dyn Stream>, Failure> {
        let (stream, exchange) = open(self.tls.as_deref(), host, addresses, ConnectionUse::Session, deadline).await;
        stream.ok_or_else(|| exchange.failure.unwrap_or_else(|| Failure::new(Reason::Connect, "not connected")))
    }

    /// Converts an error of an open connection.
    #[must_use]
    pub fn broken(&self, error: &io::Error) -> Failure {
        broken(self.tls.as_deref(), error)
    }

    /// Whether the module has an HTTP address for this command.
    #[must_use]
    pub fn has(&self, command: Command) -> bool {
        self.endpoint(command).is_some()
    }

    fn endpoint(&self, command: Command) -> Option<&Endpoint> {
        match command {
            Command::Native => self.native.as_ref(),
            Command::Monitor | Command::AdminHash | Command::AdminConnections => self.admin.as_ref(),
            Command::Mntr | Command::Srvr | Command::Conf | Command::Hash | Command::Cons => None,
        }
    }

    /// Connects, sends the command, and reads to the end of the connection, within `deadline` and at most `cap` bytes.
    ///
    /// `host` is the expected name in the member's certificate, unless the module sets a different one.
    pub async fn ask(
        &self,
        host: &str,
        addresses: &[SocketAddr],
        command: Command,
        deadline: Instant,
        cap: usize,
    ) -> Exchange {
        let tls = self.tls.as_deref();
        let (stream, mut exchange) = open(tls, host, addresses, ConnectionUse::Command, deadline).await;
        let Some(stream) = stream else {
            exchange.failure = exchange.failure.map(or_too_many);
            return exchange;
        };
        let sent = Instant::now();
        exchange.failure = match timeout_at(deadline, converse(stream, command, cap, tls, &mut exchange.bytes)).await {
            Ok(Ok(())) if exchange.bytes.is_empty() => Some(empty(tls)),
            Ok(Ok(())) => None,
            Ok(Err(failure)) if exchange.bytes.is_empty() => Some(or_too_many(failure)),
            Ok(Err(failure)) => Some(failure),
            Err(_) => {
                exchange.unanswered_since = Some(sent);
                Some(late(&exchange.bytes, tls.is_some()))
            }
        };
        exchange
    }

    /// Sends a command over HTTP; the body is the reply. `None` if the module has no address for it.
    ///
    /// `addresses` and `host` are those of the member.
    pub async fn get(
        &self,
        host: &str,
        addresses: &[SocketAddr],
        command: Command,
        deadline: Instant,
        cap: usize,
    ) -> Option<Exchange> {
        let Endpoint { url, tls } = self.endpoint(command)?;
        let (host, addresses) = match &url.host {
            None => {
                let at_port = |address: &SocketAddr| SocketAddr::new(address.ip(), url.port);
                (host, Cow::Owned(addresses.iter().map(at_port).collect::<Vec<_>>()))
            }
            Some(host) => match lookup(host, url.port, deadline).await {
                Ok(addresses) => (host.as_str(), Cow::Owned(addresses)),
                Err(failure) => return Some(Exchange::failed(at(command, url, &failure))),
            },
        };
        let (stream, mut exchange) = open(tls.as_deref(), host, &addresses, ConnectionUse::Command, deadline).await;
        let Some(stream) = stream else {
            exchange.failure = exchange.failure.map(|failure| at(command, url, &failure));
            return Some(exchange);
        };
        let sent = Instant::now();
        let stream = TimedStream::new(stream, deadline);
        let asked = Box::pin(http::get(stream, command, url, host, cap, &mut exchange.bytes));
        exchange.failure = match timeout_at(deadline, asked).await {
            Ok(Ok(answer)) => http::refusal(command, url, &answer).or(answer.failure).or_else(|| {
                let nothing = || Failure::new(Reason::Empty, "answered 200 without a body");
                exchange.bytes.is_empty().then(nothing)
            }),
            Ok(Err(failure)) if Instant::now() < deadline => Some(failure),
            _ => {
                exchange.unanswered_since = Some(sent);
                Some(Failure::new(Reason::Timeout, "connected, but no answer in time"))
            }
        };
        exchange.failure = exchange.failure.map(|failure| at(command, url, &failure));
        Some(exchange)
    }
}

/// Adds the address of the endpoint to a failure.
fn at(command: Command, url: &HttpUrl, failure: &Failure) -> Failure {
    Failure { detail: format!("{} {url}: {}", http::key(command), failure.detail).into(), ..failure.clone() }
}

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionUse {
    /// One command in one packet.
    Command,
    /// Many requests, which must not wait for the acknowledgement of the previous packet (Nagle's algorithm).
    Session,
}

/// Connects, and performs the TLS handshake if TLS is configured.
async fn open(
    tls: Option<&Tls>,
    host: &str,
    addresses: &[SocketAddr],
    purpose: ConnectionUse,
    deadline: Instant,
) -> (Option<Box<dyn Stream>>, Exchange) {
    let begun = Instant::now();
    let stream = match connect(addresses, deadline).await {
        Ok(stream) => stream,
        Err(failed) => return (None, failed),
    };
    let connected = Instant::now();
    if purpose == ConnectionUse::Session {
        // An optimisation; a failure is harmless.
        let _ = stream.set_nodelay(true);
    }
    let mut exchange = Exchange::default();
    let stream: Box<dyn Stream> = match tls {
        None => Box::new(stream),
        Some(tls) => {
            let (secured, certificates) = Box::pin(handshake::secure(tls, host, stream, deadline)).await;
            exchange.certificates = certificates;
            match secured {
                Ok(stream) => Box::new(stream),
                Err(failure) => {
                    let timed_out = failure.reason == Reason::Timeout;
                    exchange.unanswered_since = timed_out.then_some(connected);
                    return (None, Exchange { failure: Some(failure), ..exchange });
                }
            }
        }
    };
    exchange.connect = Some(begun.elapsed());
    (Some(stream), exchange)
}

fn empty(tls: Option<&Tls>) -> Failure {
    // With TLS 1.3 a missing client certificate is reported only after the handshake, or the connection is closed.
    let detail = match tls {
        Some(tls) if tls.config.identity.is_none() => {
            "the connection was closed without a byte; does the member demand a client certificate \
             (ssl.clientAuth=need), or is maxClientCnxns reached?"
        }
        _ => "the connection was closed without a byte; is maxClientCnxns reached?",
    };
    Failure::new(Reason::Empty, detail)
}

/// Adds the usual cause to a reset before the first byte of a reply.
fn or_too_many(failure: Failure) -> Failure {
    match failure.reason {
        Reason::Reset => Failure::new(Reason::Reset, format!("{}; is maxClientCnxns reached?", failure.detail)),
        _ => failure,
    }
}

fn late(bytes: &[u8], tls: bool) -> Failure {
    let detail: Cow<'static, str> = match (bytes.len(), tls) {
        (0, true) => "connected over TLS, but no answer in time; is it paused?".into(),
        // A Netty TLS port that waits for the rest of a record neither replies nor closes the connection.
        (0, false) => {
            "connected, but no answer in time; is it paused, or is this its TLS port? then its module needs `tls:`"
                .into()
        }
        (read, _) => format!("the reply did not end in time, {read} bytes received").into(),
    };
    Failure::new(Reason::Timeout, detail)
}

fn broken(tls: Option<&Tls>, error: &io::Error) -> Failure {
    tls.and_then(|tls| handshake::tls_failure(&tls.config, error))
        .unwrap_or_else(|| Failure::new(Reason::Reset, format!("the connection was lost: {error}")))
}

async fn converse(
    mut stream: Box<dyn Stream>,
    command: Command,
    cap: usize,
    tls: Option<&Tls>,
    bytes: &mut Vec<u8>,
) -> Result<(), Failure> {
    let broken = |error: io::Error| broken(tls, &error);
    let sent = async {
        stream.write_all(command.text().as_bytes()).await?;
        stream.flush().await
    };
    // A member may reply and close the connection before the whole command was sent.
    let sent = sent.await;
    let mut share = ReplyShare::new();
    loop {
        let read = read_some(&mut stream, bytes).await;
        match read {
            Ok(0) => return sent.map_err(broken),
            Ok(_) if bytes.len() > cap => {
                bytes.truncate(cap);
                return Err(Failure::new(
                    Reason::TooLarge,
                    format!("the reply has more than {cap} bytes (--limit.reply-bytes)"),
                ));
            }
            Ok(_) => share.grow_to(bytes.capacity())?,
            // Closed without a TLS close_notify; the parser decides whether the reply is complete.
            Err(error) if tls.is_some() && error.kind() == io::ErrorKind::UnexpectedEof => return sent.map_err(broken),
            Err(error) => return Err(broken(error)),
        }
    }
}

thread_local! {
    /// Read buffer of the thread; larger than a typical reply.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; 64 << 10].into());
}

/// Appends the available bytes; returns 0 at the end. With thousands of open connections, a waiting connection holds no
/// buffer, and a partial reply only its own bytes.
async fn read_some(stream: &mut Box<dyn Stream>, bytes: &mut Vec<u8>) -> io::Result<usize> {
    poll_fn(|context| {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
            let read = buffer.filled();
            if bytes.is_empty() {
                bytes.reserve_exact(read.len());
            }
            bytes.extend_from_slice(read);
            Poll::Ready(Ok(read.len()))
        })
    })
    .await
}

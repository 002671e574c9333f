//! How the members of one module are reached: plain or over TLS, and where the `AdminServer` of each is.

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

use super::tls::Tls;
use super::{Exchange, Failure, Reason, admin, connect, handshake, lookup};
use crate::config::{AdminUrl, Command, Module, TlsConfig};

/// Immutable; shared by all scrapes of a configuration. Its TLS files are read again when they change.
#[derive(Debug)]
pub struct Client {
    tls: Option<Arc<Tls>>,
    admin: Option<Admin>,
}

#[derive(Debug)]
struct Admin {
    url: AdminUrl,
    tls: Option<Arc<Tls>>,
}

/// A connection of either kind.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Client {
    /// A client for what the module says. Reads no file yet: that happens at the first connection.
    #[must_use]
    pub fn new(module: &Module) -> Self {
        let tls = module.tls.clone().map(|config| Arc::new(Tls::new(config)));
        let admin = module.admin.clone().map(|url| {
            // Without a `tls:` of its own, an AdminServer over https is verified by the system's CAs.
            let tls = url.https.then(|| tls.clone().unwrap_or_else(|| Arc::new(Tls::new(TlsConfig::default()))));
            Admin { url, tls }
        });
        Self { tls, admin }
    }

    /// Whether members are reached over TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// A connection to a member, secured where the module says so, for a talk longer than a command.
    ///
    /// # Errors
    /// When the connection or its handshake fails, or is not there at the deadline.
    pub async fn connect(
        &self,
        host: &str,
        addresses: &[SocketAddr],
        deadline: Instant,
    ) -> Result<Box<dyn Stream>, Failure> {
        let (stream, exchange) = open(self.tls.as_deref(), host, addresses, Talk::Session, deadline).await;
        stream.ok_or_else(|| exchange.failure.unwrap_or_else(|| Failure::new(Reason::Connect, "not connected")))
    }

    /// What an error of an open connection means.
    #[must_use]
    pub fn broken(&self, error: &io::Error) -> Failure {
        broken(self.tls.as_deref(), error)
    }

    /// Whether the AdminServer may be asked.
    #[must_use]
    pub fn has_admin(&self) -> bool {
        self.admin.is_some()
    }

    /// Connects, sends the command, reads to the end. Never later than `deadline`, never more than `cap` bytes.
    ///
    /// `host` is the name that the member's certificate must have, unless the module names another.
    pub async fn ask(
        &self,
        host: &str,
        addresses: &[SocketAddr],
        command: Command,
        deadline: Instant,
        cap: usize,
    ) -> Exchange {
        let tls = self.tls.as_deref();
        let (stream, mut exchange) = open(tls, host, addresses, Talk::Command, deadline).await;
        let Some(stream) = stream else { return exchange };
        let sent = Instant::now();
        exchange.failure = match timeout_at(deadline, converse(stream, command, cap, tls, &mut exchange.bytes)).await {
            Ok(Ok(())) if exchange.bytes.is_empty() => Some(empty(tls)),
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure),
            Err(_) => {
                exchange.unanswered_since = Some(sent);
                Some(late(&exchange.bytes, tls.is_some()))
            }
        };
        exchange
    }

    /// Asks the AdminServer for `monitor`; its body is the reply. `None` where the module names no AdminServer.
    ///
    /// `addresses` are those of the member, `host` its name.
    pub async fn monitor(
        &self,
        host: &str,
        addresses: &[SocketAddr],
        deadline: Instant,
        cap: usize,
    ) -> Option<Exchange> {
        let Admin { url, tls } = self.admin.as_ref()?;
        let (host, addresses) = match &url.host {
            None => {
                let at_port = |address: &SocketAddr| SocketAddr::new(address.ip(), url.port);
                (host, Cow::Owned(addresses.iter().map(at_port).collect::<Vec<_>>()))
            }
            Some(host) => match lookup(host, url.port, deadline).await {
                Ok(addresses) => (host.as_str(), Cow::Owned(addresses)),
                Err(failure) => return Some(Exchange::failed(at(url, &failure))),
            },
        };
        let (stream, mut exchange) = open(tls.as_deref(), host, &addresses, Talk::Command, deadline).await;
        let Some(stream) = stream else {
            exchange.failure = exchange.failure.map(|failure| at(url, &failure));
            return Some(exchange);
        };
        let sent = Instant::now();
        let asked = Box::pin(admin::get(stream, url, host, cap, &mut exchange.bytes));
        exchange.failure = match timeout_at(deadline, asked).await {
            Ok(Ok(answer)) => admin::refusal(url, &answer).or(answer.failure).or_else(|| {
                let nothing = || Failure::new(Reason::Empty, "the AdminServer answered 200 without a body");
                exchange.bytes.is_empty().then(nothing)
            }),
            Ok(Err(failure)) => Some(failure),
            Err(_) => {
                exchange.unanswered_since = Some(sent);
                Some(Failure::new(Reason::Timeout, "connected, but the AdminServer did not answer in time"))
            }
        };
        exchange.failure = exchange.failure.map(|failure| at(url, &failure));
        Some(exchange)
    }
}

/// Says of which address a failure speaks.
fn at(url: &AdminUrl, failure: &Failure) -> Failure {
    Failure { detail: format!("admin {url}: {}", failure.detail).into(), ..failure.clone() }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Talk {
    /// One question in one packet.
    Command,
    /// Many, none of which may wait until the one before is confirmed.
    Session,
}

/// Connects, and secures the connection where there is TLS.
async fn open(
    tls: Option<&Tls>,
    host: &str,
    addresses: &[SocketAddr],
    talk: Talk,
    deadline: Instant,
) -> (Option<Box<dyn Stream>>, Exchange) {
    let begun = Instant::now();
    let stream = match connect(addresses, deadline).await {
        Ok(stream) => stream,
        Err(failed) => return (None, failed),
    };
    let connected = Instant::now();
    if talk == Talk::Session {
        // Only a hint to the kernel.
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
    // With TLS 1.3 a member that wants a client certificate says so only after the handshake, and may just hang up.
    let detail = match tls {
        Some(tls) if tls.config.identity.is_none() => {
            "the connection was closed without a byte; does the member demand a client certificate \
             (ssl.clientAuth=need), or is maxClientCnxns reached?"
        }
        _ => "the connection was closed without a byte; is maxClientCnxns reached?",
    };
    Failure::new(Reason::Empty, detail)
}

fn late(bytes: &[u8], tls: bool) -> Failure {
    let detail: Cow<'static, str> = match (bytes.len(), tls) {
        (0, true) => "connected over TLS, but no answer in time; is it paused?".into(),
        // A Netty port that waits for the rest of a TLS record says nothing and does not hang up.
        (0, false) => {
            "connected, but no answer in time; is it paused, or is this its TLS port? then its module needs `tls:`"
                .into()
        }
        (read, _) => format!("the reply did not end in time, {read} bytes came").into(),
    };
    Failure::new(Reason::Timeout, detail)
}

fn broken(tls: Option<&Tls>, error: &io::Error) -> Failure {
    tls.and_then(|tls| handshake::tls_failure(&tls.config, error))
        .unwrap_or_else(|| Failure::new(Reason::Reset, format!("the connection broke: {error}")))
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
    // A member may hang up on the command; the reason is in what it sent before.
    let sent = sent.await;
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
            Ok(_) => {}
            // A member that closes without a TLS close_notify; whether the reply is whole is seen in it.
            Err(error) if tls.is_some() && error.kind() == io::ErrorKind::UnexpectedEof => return sent.map_err(broken),
            Err(error) => return Err(broken(error)),
        }
    }
}

thread_local! {
    /// What is read at once: every usual reply is shorter.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; 64 << 10].into());
}

/// Appends what has arrived; 0 at the end. Thousands may wait, or have half of a reply: a connection that waits holds no
/// buffer, and one that has received something holds just that.
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

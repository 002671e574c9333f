//! One connection of a session: opened at the next member that accepts it, served until it is lost.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::background::CLOSE_TIMEOUT;
use super::jute::{self, AUTH_XID, ConnectResponse, ReplyHeader, Request};
use super::protocol::{Call, Protocol};
use super::{SessionError, SessionParams};
use crate::config::Address;
use crate::wire::{self, Failure, Reason, Stream};

/// Requests that may be on their way at once; further ones wait in their queue.
const MAX_PENDING: usize = 64;

/// A server that grants less is asked no more often than this allows.
const MIN_TIMEOUT: Duration = Duration::from_millis(300);

/// Members whose failure is described.
const MAX_DESCRIBED: usize = 3;

/// What a session is recognised by on its next connection.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) session: i64,
    password: Vec<u8>,
    last_zxid: i64,
    /// As granted, but no longer than asked.
    pub(super) timeout: Duration,
}

impl Identity {
    /// Of a session that is asked for: the number 0 and an empty password (`ZooKeeper`'s constructor).
    fn unknown(timeout: Duration) -> Self {
        Self { session: 0, password: vec![0; 16], last_zxid: 0, timeout }
    }
}

/// A connection that has its session.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    protocol: Protocol,
    pub(super) member: Address,
    /// Why it was lost, where that is known.
    broken: Option<io::Error>,
}

/// Where a session finds its next connection.
#[derive(Debug)]
pub(super) struct Members {
    pub(super) params: SessionParams,
    /// Attempts so far: the next one goes to the next member.
    attempts: AtomicUsize,
    /// Why the last search failed, for a person.
    failure: Mutex<String>,
}

impl Members {
    pub(super) fn new(params: SessionParams, first: usize) -> Self {
        Self { params, attempts: AtomicUsize::new(first), failure: Mutex::default() }
    }

    /// What each member answered to the last search that failed.
    pub(super) fn failure(&self) -> String {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens a session (`None`) or continues one, at the member after the last and with its next address. Every member
    /// is tried once. All but the last have half of the time that is left: a handshake of TLS with a busy server takes
    /// long, and one that is silent must not take all.
    ///
    /// # Errors
    /// Of several failures the last that says more than `Connect`; an expired session ends the search.
    pub(super) async fn establish(
        &self,
        identity: Option<&Identity>,
        deadline: Instant,
    ) -> Result<(Connection, Identity), SessionError> {
        let members = &self.params.members;
        let secret = self.params.secret().await.map_err(|message| {
            self.note(format!("digest_file: {message}"));
            SessionError::DigestFile
        })?;
        let (mut last, mut failures) = (SessionError::Connect, Vec::new());
        for tried in 0..members.len() {
            let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
            let (rotation, place) = (attempt / members.len(), attempt % members.len());
            let left = deadline.saturating_duration_since(Instant::now());
            let until = Instant::now() + if tried + 1 < members.len() { left / 2 } else { left };
            let opened = self.open(identity, secret.as_deref(), &members[place], rotation, until);
            match timeout_at(until, opened)
                .await
                .unwrap_or_else(|_| Err((SessionError::Timeout, self.unopened("no session in time"))))
            {
                Ok(done) => {
                    self.note(String::new());
                    return Ok(done);
                }
                Err((SessionError::SessionExpired, _)) => return Err(SessionError::SessionExpired),
                Err((error, detail)) => {
                    if error == SessionError::Protocol {
                        self.params.violations.log(&members[place]);
                    }
                    if error != SessionError::Connect {
                        last = error;
                    }
                    // Some failures of connections begin with the address.
                    let member = members[place].to_string();
                    let is_named = detail.starts_with(&format!("{member}: "));
                    failures.push(if is_named { detail } else { format!("{member}: {detail}") });
                }
            }
        }
        let more = failures.len().saturating_sub(MAX_DESCRIBED);
        failures.truncate(MAX_DESCRIBED);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        self.note(failures.join("; ") + &more);
        Err(last)
    }

    fn note(&self, failure: String) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    async fn open(
        &self,
        identity: Option<&Identity>,
        secret: Option<&str>,
        member: &Address,
        rotation: usize,
        deadline: Instant,
    ) -> Result<(Connection, Identity), (SessionError, String)> {
        let Self { params: SessionParams { wire, config, .. }, .. } = self;
        let mut addresses = wire::resolve(member, deadline).await.map_err(failed)?;
        let first = rotation % addresses.len().max(1);
        addresses.rotate_left(first);
        let stream = wire.connect(member.host(), &addresses, deadline).await.map_err(failed)?;
        let protocol = Protocol::default();
        let mut connection = Connection { stream, protocol, member: member.clone(), broken: None };
        let known = identity.cloned().unwrap_or_else(|| Identity::unknown(config.timeout));
        match connection.handshake(known, config.timeout, secret).await {
            Ok(granted) => Ok((connection, granted)),
            Err(SessionError::Connect) => match connection.broken.map(|error| wire.broken(&error)) {
                Some(failure) if failure.reason == Reason::Tls => Err(failed(failure)),
                _ => Err((
                    SessionError::Connect,
                    self.unopened("the member closed the connection before the session was open"),
                )),
            },
            Err(error) => Err((error, error.advice().unwrap_or(error.text()).to_owned())),
        }
    }

    /// What a member may mean that gives no session: ZooKeeper closes the connection without a word, or is silent.
    fn unopened(&self, what: &str) -> String {
        let more = if self.params.wire.has_tls() {
            "or does it demand a client certificate?"
        } else {
            "or is this its TLS port? then its module needs `tls:`"
        };
        format!("{what}; is the member read-only, without a quorum or paused, is maxClientCnxns reached, {more}")
    }
}

fn failed(failure: Failure) -> (SessionError, String) {
    let error = match failure.reason {
        Reason::Dns => SessionError::Dns,
        Reason::Tls => SessionError::Tls,
        Reason::Timeout => SessionError::Timeout,
        _ => SessionError::Connect,
    };
    (error, failure.detail.into_owned())
}

impl Connection {
    async fn handshake(
        &mut self,
        known: Identity,
        asked: Duration,
        secret: Option<&str>,
    ) -> Result<Identity, SessionError> {
        let Identity { session, password, last_zxid, .. } = known;
        let timeout = i32::try_from(asked.as_millis()).unwrap_or(i32::MAX);
        self.write(&Request::Connect { last_zxid, timeout, session, password: &password }.encode()).await?;
        let response = ConnectResponse::decode(&self.frame().await?)?;
        if response.timeout <= 0 {
            return Err(if session == 0 { SessionError::Protocol } else { SessionError::SessionExpired });
        }
        if response.session == 0 || (session != 0 && session != response.session) {
            return Err(SessionError::Protocol);
        }
        if let Some(secret) = secret {
            self.write(&Request::Auth(secret).encode()).await?;
            match ReplyHeader::decode(&self.frame().await?)?.0 {
                ReplyHeader { xid: AUTH_XID, error: 0, .. } => {}
                ReplyHeader { xid: AUTH_XID, error, .. } => return Err(SessionError::from_code(error)),
                _ => return Err(SessionError::Protocol),
            }
        }
        self.protocol.last_zxid = last_zxid;
        let granted = Duration::from_millis(response.timeout.unsigned_abs().into());
        let timeout = granted.min(asked).max(MIN_TIMEOUT);
        Ok(Identity { session: response.session, password: response.password, last_zxid, timeout })
    }

    /// The next frame, before there are requests to match it with.
    async fn frame(&mut self) -> Result<Vec<u8>, SessionError> {
        loop {
            if let Some((frame, length)) = jute::first_frame(&self.protocol.inbox)? {
                let frame = frame.to_vec();
                self.protocol.inbox.drain(..length);
                return Ok(frame);
            }
            self.read().await?;
        }
    }

    /// Reads what there is. Room grows with the bytes that arrive. Dropping the future loses nothing.
    async fn read(&mut self) -> Result<(), SessionError> {
        match self.stream.read_buf(&mut self.protocol.inbox).await {
            Ok(1..) => return Ok(()),
            Ok(0) => {}
            Err(error) => self.broken = Some(error),
        }
        Err(SessionError::Connect)
    }

    async fn write(&mut self, frame: &[u8]) -> Result<(), SessionError> {
        let written = async {
            self.stream.write_all(frame).await?;
            self.stream.flush().await
        };
        written.await.map_err(|error| {
            self.broken = Some(error);
            SessionError::Connect
        })
    }

    /// Carries calls and replies until the session is closed on request, with a ping after a third of the session's
    /// timeout without a request, and no more than two thirds without a byte (`SendThread.run`). What is pending then
    /// is left in the protocol. An error says that the connection is lost or the session has ended.
    pub(super) async fn serve(
        mut self,
        calls: &mut mpsc::Receiver<Call>,
        close: &mut oneshot::Receiver<()>,
        identity: &mut Identity,
    ) -> (Result<(), SessionError>, Protocol) {
        let end = self.exchange(calls, close, identity.timeout).await;
        identity.last_zxid = self.protocol.last_zxid;
        if end.is_ok() {
            let _ = timeout(CLOSE_TIMEOUT, self.close()).await;
        }
        (end, self.protocol)
    }

    async fn exchange(
        &mut self,
        calls: &mut mpsc::Receiver<Call>,
        close: &mut oneshot::Receiver<()>,
        session_timeout: Duration,
    ) -> Result<(), SessionError> {
        let (mut sent, mut received) = (Instant::now(), Instant::now());
        loop {
            let (ping, lost) = (sent + session_timeout / 3, received + session_timeout * 2 / 3);
            let frame = tokio::select! {
                read = self.read() => {
                    read?;
                    received = Instant::now();
                    self.protocol.receive()?;
                    continue;
                }
                Some(call) = calls.recv(), if self.protocol.pending() < MAX_PENDING => {
                    // Its deadline may have passed in the queue.
                    if call.reply.is_closed() {
                        continue;
                    }
                    self.protocol.send(call)
                }
                () = sleep_until(ping.min(lost)) => {
                    if Instant::now() >= lost {
                        return Err(SessionError::Timeout);
                    }
                    self.protocol.ping()
                }
                // Dropping the session closes it as well.
                _ = &mut *close => return Ok(()),
            };
            sent = Instant::now();
            timeout_at(lost, self.write(&frame)).await.unwrap_or(Err(SessionError::Timeout))?;
        }
    }

    /// Ends the session and its ephemeral znodes; the server answers and closes the connection
    /// (`FinalRequestProcessor`, `sendCloseSession`).
    async fn close(&mut self) {
        if self.write(&Request::Close.encode()).await.is_ok() {
            let mut rest = [0; 512];
            while self.stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
        }
    }
}

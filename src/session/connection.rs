//! One connection of a session: opened at the next member that accepts it, and used until it is lost.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::background::CLOSE_TIMEOUT;
use super::jute::{self, AUTH_XID, ConnectResponse, ReplyHeader, Request};
use super::protocol::{Call, Protocol};
use super::{AvoidedMembers, SessionError, SessionParams, SessionPeer};
use crate::config::Address;
use crate::wire::{self, Failure, Limit, Reason, Stream};

/// Maximum number of requests in flight; further ones wait in the queue.
const MAX_PENDING: usize = 64;

/// Minimum session timeout, which limits the rate of pings.
const MIN_TIMEOUT: Duration = Duration::from_millis(300);

/// Maximum number of members whose failures are logged.
const MAX_DESCRIBED: usize = 3;

/// The data that identifies a session on its next connection.
#[derive(Clone, Debug)]
pub(super) struct SessionIdentity {
    pub(super) session: i64,
    password: Vec<u8>,
    last_zxid: i64,
    /// The granted timeout, at most the requested one.
    pub(super) timeout: Duration,
}

impl SessionIdentity {
    /// The identity of a new session: id 0 and an empty password (constructor of `ZooKeeper`).
    fn unknown(timeout: Duration) -> Self {
        Self { session: 0, password: vec![0; 16], last_zxid: 0, timeout }
    }
}

/// A connection with an open session.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    protocol: Protocol,
    pub(super) peer: SessionPeer,
    /// The error that ended the connection, if known.
    broken: Option<io::Error>,
}

/// Opens connections of a session, at one member after the other.
#[derive(Debug)]
pub(super) struct Members {
    pub(super) params: SessionParams,
    /// Number of attempts; each goes to the next member.
    attempts: AtomicUsize,
    /// The failures of the last attempt to connect, for the log.
    failure: Mutex<String>,
    /// Whether a limit of the exporter prevented a connection in the last search.
    limited: AtomicBool,
    /// The member of the last connection, until that is lost.
    peer: Mutex<Option<SessionPeer>>,
    /// Hash of the secret that the last connection was opened with; 0 without one.
    secret: AtomicU64,
    hasher: RandomState,
}

impl Members {
    pub(super) fn new(params: SessionParams, first: usize) -> Self {
        let (attempts, hasher) = (AtomicUsize::new(first), RandomState::new());
        let (failure, limited, peer) = (Mutex::default(), AtomicBool::default(), Mutex::default());
        Self { params, attempts, failure, limited, peer, secret: AtomicU64::default(), hasher }
    }

    /// Whether a limit of the exporter prevented a connection in the last search: its failure is not evidence.
    pub(super) fn is_limited(&self) -> bool {
        self.limited.load(Ordering::Relaxed)
    }

    /// The member of the last connection, until that is lost.
    pub(super) fn peer(&self) -> Option<SessionPeer> {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note_peer(&self, peer: Option<SessionPeer>) {
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner) = peer;
    }

    /// The connection with this member was lost.
    pub(super) fn note_lost(&self, peer: &SessionPeer) {
        self.note_peer(None);
        self.note(format!("{}: the connection was lost", peer.member));
    }

    fn hash(&self, secret: Option<&str>) -> u64 {
        secret.map_or(0, |secret| self.hasher.hash_one(secret))
    }

    /// Whether the secret differs from the one that the last connection was opened with. A file that cannot be read
    /// ends no session: it may be about to be replaced.
    pub(super) async fn has_new_secret(&self) -> bool {
        let secret = self.params.secret().await;
        secret.is_ok_and(|secret| self.hash(secret.as_deref()) != self.secret.load(Ordering::Relaxed))
    }

    /// The failure of each member in the last unsuccessful search.
    pub(super) fn failure(&self) -> String {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens a session (`None`) or continues one, beginning with the member after the last one and its next address.
    /// Every member that is not avoided is tried once. Each attempt but the last gets half of the remaining time: a TLS
    /// handshake with a busy server is slow, and an unresponsive member must not use up the whole time.
    ///
    /// # Errors
    /// The last failure that is not `Connect`, if any; an expired session ends the search.
    pub(super) async fn establish(
        &self,
        identity: Option<&SessionIdentity>,
        deadline: Instant,
    ) -> Result<(Connection, SessionIdentity), SessionError> {
        let (all, avoided) = (&self.params.members, self.params.avoided.get());
        let members = all.len() - all.iter().filter(|member| avoided.contains(member)).count();
        if members == 0 {
            self.note("all members belong to another ensemble or are standalone".to_owned());
            return Err(SessionError::Connect);
        }
        let secret = self.params.secret().await.map_err(|message| {
            self.note(format!("digest_file: {message}"));
            SessionError::DigestFile
        })?;
        let (mut last, mut failures) = (SessionError::Connect, Vec::new());
        self.limited.store(false, Ordering::Relaxed);
        let mut tried = 0;
        while tried < members {
            let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
            let (rotation, member) = (attempt / all.len(), &all[attempt % all.len()]);
            if avoided.contains(member) {
                continue;
            }
            tried += 1;
            let left = deadline.saturating_duration_since(Instant::now());
            let until = Instant::now() + if tried < members { left / 2 } else { left };
            let opened = self.open(identity, secret.as_deref(), member, &avoided, rotation, until);
            match timeout_at(until, opened)
                .await
                .unwrap_or_else(|_| Err((SessionError::Timeout, self.unopened("no session in time"))))
            {
                Ok(done) => {
                    self.limited.store(false, Ordering::Relaxed);
                    self.note(String::new());
                    self.note_peer(Some(done.0.peer.clone()));
                    self.secret.store(self.hash(secret.as_deref()), Ordering::Relaxed);
                    return Ok(done);
                }
                Err((SessionError::SessionExpired, _)) => return Err(SessionError::SessionExpired),
                Err((error, detail)) => {
                    if error == SessionError::Protocol {
                        self.params.violations.log(member);
                    }
                    if error != SessionError::Connect {
                        last = error;
                    }
                    // Some connection failures already begin with the address.
                    let member = member.to_string();
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
        identity: Option<&SessionIdentity>,
        secret: Option<&str>,
        member: &Address,
        avoided: &BTreeSet<Address>,
        rotation: usize,
        deadline: Instant,
    ) -> Result<(Connection, SessionIdentity), (SessionError, String)> {
        let Self { params: SessionParams { wire, config, .. }, .. } = self;
        let failed = |failure| self.failed(failure);
        let mut addresses = wire::resolve(member, deadline).await.map_err(failed)?;
        // Those of a name with several members.
        addresses.retain(|address| !avoided.contains(&Address::from(*address)));
        let peer = SessionPeer {
            member: member.clone(),
            addresses: addresses.iter().map(|address| Address::from(*address)).collect(),
        };
        let first = rotation % addresses.len().max(1);
        addresses.rotate_left(first);
        let stream =
            wire.connect(member.host(), &addresses, deadline).await.map_err(|failure| match failure.reason {
                Reason::Reset => (SessionError::Connect, self.unopened(&failure.detail)),
                _ => failed(failure),
            })?;
        let protocol = Protocol::default();
        let mut connection = Connection { stream, protocol, peer, broken: None };
        let known = identity.cloned().unwrap_or_else(|| SessionIdentity::unknown(config.timeout));
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

    /// The error of a connection that failed, and its detail.
    pub(super) fn failed(&self, failure: Failure) -> (SessionError, String) {
        // A member that this host can never reach is like one that is down; the others decide.
        let is_passing = failure.limit.is_some_and(|limit| limit != Limit::Family);
        self.limited.fetch_or(is_passing, Ordering::Relaxed);
        let error = match failure.reason {
            Reason::Dns => SessionError::Dns,
            Reason::Tls => SessionError::Tls,
            Reason::Timeout => SessionError::Timeout,
            _ => SessionError::Connect,
        };
        (error, failure.detail.into_owned())
    }

    /// Possible causes if a member does not open a session: ZooKeeper closes the connection without an error, or does
    /// not reply.
    fn unopened(&self, what: &str) -> String {
        let more = if self.params.wire.has_tls() {
            "or does it demand a client certificate?"
        } else {
            "or is this its TLS port? then its module needs `tls:`"
        };
        format!("{what}; is the member read-only, without a quorum or paused, is maxClientCnxns reached, {more}")
    }
}

impl Connection {
    async fn handshake(
        &mut self,
        known: SessionIdentity,
        asked: Duration,
        secret: Option<&str>,
    ) -> Result<SessionIdentity, SessionError> {
        let SessionIdentity { session, password, last_zxid, .. } = known;
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
        Ok(SessionIdentity { session: response.session, password: response.password, last_zxid, timeout })
    }

    /// The next frame during the handshake.
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

    /// Reads the available bytes; the buffer grows only with received bytes. Cancel-safe.
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

    /// Exchanges calls and replies until a close is requested or the member is avoided. A ping is sent after a third of
    /// the session timeout without a request; after two thirds without a byte the connection counts as lost
    /// (`SendThread.run`). Pending calls remain in the protocol. An error means that the connection is lost or the
    /// session has ended.
    pub(super) async fn serve(
        mut self,
        calls: &mut mpsc::Receiver<Call>,
        close: &mut oneshot::Receiver<()>,
        avoided: &AvoidedMembers,
        identity: &mut SessionIdentity,
    ) -> (Result<(), SessionError>, Protocol) {
        let end = self.exchange(calls, close, avoided, identity.timeout).await;
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
        avoided: &AvoidedMembers,
        session_timeout: Duration,
    ) -> Result<(), SessionError> {
        let peer = self.peer.clone();
        let mut avoided = pin!(avoided.until_includes(&peer));
        // Bytes that came with the end of the handshake: no reply is due yet.
        self.protocol.receive()?;
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
                    // The deadline of the call may have passed while it was queued.
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
                () = &mut avoided => return Ok(()),
                // Dropping the session closes it as well.
                _ = &mut *close => return Ok(()),
            };
            sent = Instant::now();
            timeout_at(lost, self.write(&frame)).await.unwrap_or(Err(SessionError::Timeout))?;
        }
    }

    /// Closes the session, which deletes its ephemeral znodes; the server replies and closes the connection
    /// (`FinalRequestProcessor`, `sendCloseSession`).
    async fn close(&mut self) {
        if self.write(&Request::Close.encode()).await.is_ok() {
            let mut rest = [0; 512];
            while self.stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
        }
    }
}

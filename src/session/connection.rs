//! One connection of a session: opened at the next member that accepts it, served until it is lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::background::CLOSE_TIMEOUT;
use super::jute::{self, AUTH_XID, ConnectResponse, ReplyHeader, Request};
use super::protocol::{Call, Protocol};
use super::{SessionError, SessionParams};
use crate::config::Address;
use crate::wire::{self, Stream};

/// Requests that may be on their way at once; further ones wait in their queue.
const MAX_PENDING: usize = 64;

/// A server that grants less is asked no more often than this allows.
const MIN_TIMEOUT: Duration = Duration::from_millis(300);

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
    member: Address,
}

/// Opens a session (`None`) or continues one, at the member after the last and with its next address. Every member is
/// tried once, each with its share of the time that is left.
///
/// # Errors
/// Of several failures the last that says more than `Connect`; an expired session ends the search.
pub(super) async fn establish(
    params: &SessionParams,
    identity: Option<&Identity>,
    attempts: &AtomicUsize,
    deadline: Instant,
) -> Result<(Connection, Identity), SessionError> {
    let secret = params.secret().await?;
    let mut last = SessionError::Connect;
    for tried in 0..params.members.len() {
        let attempt = attempts.fetch_add(1, Ordering::Relaxed);
        let (rotation, place) = (attempt / params.members.len(), attempt % params.members.len());
        let left = deadline.saturating_duration_since(Instant::now());
        let shares = u32::try_from(params.members.len() - tried).unwrap_or(u32::MAX);
        let until = Instant::now() + left / shares;
        let opened = open(params, identity, secret.as_deref(), &params.members[place], rotation, until);
        match timeout_at(until, opened).await.unwrap_or(Err(SessionError::Timeout)) {
            Err(SessionError::SessionExpired) => return Err(SessionError::SessionExpired),
            Err(SessionError::Connect) => {}
            Err(error) => last = error,
            done => return done,
        }
    }
    Err(last)
}

async fn open(
    params: &SessionParams,
    identity: Option<&Identity>,
    secret: Option<&str>,
    member: &Address,
    rotation: usize,
    deadline: Instant,
) -> Result<(Connection, Identity), SessionError> {
    let failed = |failure: wire::Failure| {
        tracing::debug!(%member, reason = failure.reason.text(), "session connection failed: {}", failure.detail);
        SessionError::Connect
    };
    let mut addresses = wire::resolve(member, deadline).await.map_err(failed)?;
    let first = rotation % addresses.len().max(1);
    addresses.rotate_left(first);
    let stream = params.wire.connect(member.host(), &addresses, deadline).await.map_err(failed)?;
    let mut connection = Connection { stream, protocol: Protocol::default(), member: member.clone() };
    let asked = params.config.timeout;
    let granted = connection.handshake(identity.cloned().unwrap_or_else(|| Identity::unknown(asked)), asked).await;
    let granted = granted.inspect_err(|error| connection.log_violation(*error))?;
    if let Some(secret) = secret {
        connection.authenticate(secret).await.inspect_err(|error| connection.log_violation(*error))?;
    }
    Ok((connection, granted))
}

/// Why a connection is no longer served.
pub(super) enum End {
    /// The session was closed on request.
    Closed,
    /// The connection was lost, or the session ended.
    Failed(SessionError),
}

impl Connection {
    async fn handshake(&mut self, known: Identity, asked: Duration) -> Result<Identity, SessionError> {
        let milliseconds = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        let Identity { session, password, last_zxid, .. } = known;
        let request = Request::Connect { last_zxid, timeout: milliseconds(asked), session, password: &password };
        self.write(&request.encode()).await?;
        let response = ConnectResponse::decode(&self.frame().await?)?;
        if response.timeout <= 0 {
            return Err(if session == 0 { SessionError::Protocol } else { SessionError::SessionExpired });
        }
        if response.session == 0 || (session != 0 && session != response.session) {
            return Err(SessionError::Protocol);
        }
        let granted = Duration::from_millis(response.timeout.unsigned_abs().into());
        let timeout = granted.min(asked).max(MIN_TIMEOUT);
        self.protocol.last_zxid = last_zxid;
        Ok(Identity { session: response.session, password: response.password, last_zxid, timeout })
    }

    async fn authenticate(&mut self, secret: &str) -> Result<(), SessionError> {
        self.write(&Request::Auth(secret).encode()).await?;
        let frame = self.frame().await?;
        match ReplyHeader::decode(&frame)?.0 {
            ReplyHeader { xid: AUTH_XID, error: 0, .. } => Ok(()),
            ReplyHeader { xid: AUTH_XID, error, .. } => Err(SessionError::from_code(error)),
            _ => Err(SessionError::Protocol),
        }
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
            Ok(1..) => Ok(()),
            Ok(0) | Err(_) => Err(SessionError::Connect),
        }
    }

    async fn write(&mut self, frame: &[u8]) -> Result<(), SessionError> {
        let written = async {
            self.stream.write_all(frame).await?;
            self.stream.flush().await
        };
        written.await.map_err(|_| SessionError::Connect)
    }

    /// Carries calls and replies until the session is closed or the connection lost, with a ping after a third of the
    /// session's timeout without a request, and no more than two thirds without a byte (`SendThread.run`).
    pub(super) async fn serve(
        mut self,
        calls: &mut mpsc::Receiver<Call>,
        close: &mut oneshot::Receiver<()>,
        identity: &mut Identity,
    ) -> End {
        let end = self.exchange(calls, close, identity.timeout).await;
        identity.last_zxid = self.protocol.last_zxid;
        let error = match end {
            End::Closed => {
                let _ = timeout(CLOSE_TIMEOUT, self.close()).await;
                SessionError::Connect
            }
            End::Failed(error) => {
                self.log_violation(error);
                error
            }
        };
        self.protocol.fail(error);
        end
    }

    async fn exchange(
        &mut self,
        calls: &mut mpsc::Receiver<Call>,
        close: &mut oneshot::Receiver<()>,
        session_timeout: Duration,
    ) -> End {
        let (mut sent, mut received) = (Instant::now(), Instant::now());
        loop {
            let (ping, lost) = (sent + session_timeout / 3, received + session_timeout * 2 / 3);
            let frame = tokio::select! {
                read = self.read() => {
                    received = Instant::now();
                    match read.and_then(|()| self.protocol.receive()) {
                        Ok(()) => continue,
                        Err(error) => return End::Failed(error),
                    }
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
                        return End::Failed(SessionError::Timeout);
                    }
                    self.protocol.ping()
                }
                // Dropping the session closes it as well.
                _ = &mut *close => return End::Closed,
            };
            sent = Instant::now();
            match timeout_at(lost, self.write(&frame)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return End::Failed(error),
                Err(_) => return End::Failed(SessionError::Timeout),
            }
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

    fn log_violation(&self, error: SessionError) {
        if error == SessionError::Protocol {
            tracing::warn!(member = %self.member, "session ended: the server violated the protocol");
        }
    }
}

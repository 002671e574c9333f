//! A client session with an ensemble: opened on demand, continued on other members, and closed at the end.
//!
//! A separate task serves the session's connection:
//!
//! ```text
//!   Session::client ──▶ open ──▶ connected ◀──────────▶ disconnected ──▶ ended
//!                                    │   lost / next member   │  timeout passed, expired, refused
//!                                    └──── closed, protocol violated ──▶ ended
//! ```
//!
//! A session that lost its connection is continued at the next member until its timeout. After a connection that was
//! lost at once it pauses first, longer each time, so that a server that accepts and closes is not flooded. Requests
//! are never sent twice, and watches end with the connection, so that each request has either a reply or an error.

mod avoided;
pub mod background;
mod client;
mod connection;
mod error;
pub mod jute;
pub mod protocol;
pub mod stall;
#[cfg(test)]
mod tests;
mod violations;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout, timeout_at};

pub use avoided::{AvoidedMembers, SessionPeer};
pub use client::{Children, Client, Watch};
use connection::{Connection, Members, SessionIdentity};
pub use error::SessionError;
pub use jute::{Acl, EventKind, Stat};

use crate::config::probes::{SessionConfig, digest};
use crate::config::{Address, Module};
use crate::wire;
use protocol::Call;
use stall::is_stalled;
use violations::ViolationLog;

/// Maximum number of calls in the queue.
const MAX_QUEUED: usize = 16;

/// Pause between two attempts to continue a session, and the first pause after a short-lived connection.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// A connection that is lost earlier is short-lived: the next one is not opened at once.
const SHORT_LIVED: Duration = Duration::from_secs(1);

/// The members of an ensemble, and the parameters of sessions with them.
#[derive(Clone, Debug)]
pub struct SessionParams {
    /// The members; a session may use any of them that is not avoided.
    pub members: Vec<Address>,
    /// The members that no session uses.
    pub avoided: Arc<AvoidedMembers>,
    /// Timeout, identity, ACL.
    pub config: SessionConfig,
    /// The client that connects to members.
    pub wire: Arc<wire::Client>,
    /// Log of protocol violations, shared by all sessions with these members.
    violations: Arc<ViolationLog>,
}

impl SessionParams {
    /// The parameters of a module for these members.
    #[must_use]
    pub fn new(members: Vec<Address>, module: &Module, wire: Arc<wire::Client>) -> Self {
        let config = module.probes.session.clone();
        Self { members, avoided: Arc::default(), config, wire, violations: Arc::default() }
    }

    /// The same parameters for a single member.
    #[must_use]
    pub fn of_member(&self, member: Address) -> Self {
        Self { members: vec![member], ..self.clone() }
    }

    /// Whether results from this member do not count, or results from all members: they belong to another ensemble or
    /// are standalone.
    #[must_use]
    pub fn avoids(&self, peer: Option<&SessionPeer>) -> bool {
        self.avoided.include_all(&self.members) || peer.is_some_and(|peer| self.avoided.includes(peer))
    }

    /// `user:password`, read for each connection and before each use of a session, because the file may change.
    ///
    /// # Errors
    /// What is wrong with the file, in one line.
    async fn secret(&self) -> Result<Option<String>, String> {
        let Some(file) = self.config.digest_file.clone() else { return Ok(None) };
        let read = spawn_blocking(move || digest(&file)).await;
        read.unwrap_or_else(|_| Err("reading it panicked".to_owned())).map(Some)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionState {
    Connected,
    Disconnected,
    /// With the error that ended it; operations on it fail with that.
    Ended(SessionError),
}

impl SessionState {
    const fn is_ended(self) -> bool {
        matches!(self, Self::Ended(_))
    }

    /// The error of a request that can have no reply.
    const fn error(self) -> SessionError {
        match self {
            Self::Ended(error) => error,
            Self::Connected | Self::Disconnected => SessionError::Connect,
        }
    }
}

/// A session that is replaced after it has ended; at most one is open at a time.
#[derive(Debug)]
pub struct Session {
    members: Arc<Members>,
    /// Maximum time an operation waits for a lost connection.
    reconnect_timeout: Duration,
    open: Option<OpenSession>,
}

/// An open session, and the channels to the task that serves it.
#[derive(Debug)]
struct OpenSession {
    calls: mpsc::Sender<Call>,
    session: i64,
    state: watch::Receiver<SessionState>,
    /// Closes the session when a message is sent or when it is dropped.
    close: oneshot::Sender<()>,
}

impl Session {
    /// A session that is opened by the first operation.
    #[must_use]
    pub fn new(params: SessionParams) -> Self {
        let reconnect_timeout = params.config.timeout;
        // Distributes sessions over the members.
        let random = RandomState::new().hash_one(0).to_ne_bytes()[0];
        Self { members: Arc::new(Members::new(params, random.into())), reconnect_timeout, open: None }
    }

    /// Sets the maximum time an operation waits for a lost connection.
    #[must_use]
    pub fn with_reconnect_timeout(self, reconnect_timeout: Duration) -> Self {
        Self { reconnect_timeout, ..self }
    }

    /// A client of the connected session, for operations with this deadline. If the file with the password has changed,
    /// a new session replaces this one: ZooKeeper keeps the identities of a connection until its end.
    ///
    /// # Errors
    /// If no member opens or continues the session in time.
    pub async fn client(&mut self, deadline: Instant) -> Result<Client, SessionError> {
        if self.peer().is_some_and(|peer| self.members.params.avoided.includes(&peer)) {
            self.open = None;
        }
        if self.open.is_some() && timeout_at(deadline, self.members.has_new_secret()).await.unwrap_or(false) {
            self.open = None;
        }
        if let Some(open) = &mut self.open {
            let until = deadline.min(Instant::now() + self.reconnect_timeout);
            let settled = timeout_at(until, open.state.wait_for(|state| *state != SessionState::Disconnected)).await;
            let settled = settled.map_err(|_| SessionError::Connect)?;
            // An error means that the task has ended.
            if settled.map_or(true, |state| state.is_ended()) {
                self.open = None;
            }
        }
        let open = if let Some(open) = &self.open {
            open
        } else {
            let open = OpenSession::new(&self.members, deadline).await?;
            self.open.insert(open)
        };
        Ok(Client { calls: open.calls.clone(), session: open.session, state: open.state.clone(), deadline })
    }

    /// Why a session could not be opened or continued, for the log: the failures of the members, or else a hint.
    #[must_use]
    pub fn describe(&self, error: SessionError) -> String {
        let failure = self.members.failure();
        if failure.is_empty() { error.advice().unwrap_or(error.text()).to_owned() } else { failure }
    }

    /// Whether the last search for a member failed because of a limit of the exporter, which is not evidence about the
    /// ensemble.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.members.is_limited()
    }

    /// Completes when the connection has been lost for too long; never without a session.
    pub async fn lost(&self) {
        let Some(open) = &self.open else { return std::future::pending().await };
        let mut state = open.state.clone();
        while state.wait_for(|state| *state != SessionState::Connected).await.is_ok_and(|state| !state.is_ended()) {
            let until = Instant::now() + self.reconnect_timeout;
            let again = state.wait_for(|state| *state != SessionState::Disconnected);
            if timeout_at(until, again).await.is_err() && !is_stalled(until) {
                return;
            }
        }
        // An ended session is replaced by the next operation.
        std::future::pending::<()>().await;
    }

    /// Completes when the session has ended; never without a session.
    pub async fn ended(&self) {
        let Some(open) = &self.open else { return std::future::pending().await };
        // An error means that the task has ended.
        let _ = open.state.clone().wait_for(|state| state.is_ended()).await;
    }

    /// The member of the connection, if there is one.
    #[must_use]
    pub fn peer(&self) -> Option<SessionPeer> {
        self.open.as_ref().and_then(|_| self.members.peer())
    }

    /// Whether results from this member do not count; [`SessionParams::avoids`].
    #[must_use]
    pub fn avoids(&self, peer: Option<&SessionPeer>) -> bool {
        self.members.params.avoids(peer)
    }

    /// Whether there is a connected session.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.open.as_ref().is_some_and(|open| *open.state.borrow() == SessionState::Connected)
    }

    /// Discards the session after an error that makes its server unusable: it does not reply, e.g. because it is
    /// paused, or sends invalid data. Pending requests end when the session closes; the next session begins at another
    /// member.
    pub fn discard_after(&mut self, error: SessionError) {
        match error {
            SessionError::Timeout | SessionError::Protocol | SessionError::Other => self.open = None,
            _ => {}
        }
    }

    /// Closes the session, which deletes its ephemeral znodes; waits at most `close_timeout`.
    pub async fn close(mut self, close_timeout: Duration) {
        let Some(OpenSession { close, mut state, .. }) = self.open.take() else { return };
        let _ = close.send(());
        if timeout(close_timeout, state.wait_for(|state| state.is_ended())).await.is_err() {
            tracing::debug!("session not closed in time; it ends with its timeout");
        }
    }
}

impl OpenSession {
    async fn new(members: &Arc<Members>, deadline: Instant) -> Result<Self, SessionError> {
        let (connection, identity) = members.establish(None, deadline).await?;
        let (calls, called) = mpsc::channel(MAX_QUEUED);
        let (state, watched) = watch::channel(SessionState::Connected);
        let (close, closed) = oneshot::channel();
        let session = identity.session;
        let task = Task { members: Arc::clone(members), identity, calls: called, close: closed, state };
        tokio::spawn(task.run(connection));
        Ok(Self { calls, session, state: watched, close })
    }
}

/// Serves a session from its first connection to its end.
struct Task {
    members: Arc<Members>,
    identity: SessionIdentity,
    calls: mpsc::Receiver<Call>,
    close: oneshot::Receiver<()>,
    state: watch::Sender<SessionState>,
}

impl Task {
    async fn run(mut self, mut connection: Connection) {
        let mut pause = Duration::ZERO;
        loop {
            let (peer, begun) = (connection.peer.clone(), Instant::now());
            let avoided = &self.members.params.avoided;
            let (end, protocol) = connection.serve(&mut self.calls, &mut self.close, avoided, &mut self.identity).await;
            let is_lost = end.is_err_and(SessionError::is_of_connection);
            let error = end.err().unwrap_or(SessionError::Connect);
            // Set before the calls fail: a caller that receives an error must not see the session as connected.
            self.state.send_replace(if is_lost { SessionState::Disconnected } else { SessionState::Ended(error) });
            protocol.fail(error);
            if !is_lost {
                self.note_end(end, &peer);
                return;
            }
            pause = match begun.elapsed() {
                lived if lived < SHORT_LIVED => next_pause(pause, self.identity.timeout),
                _ => Duration::ZERO,
            };
            self.members.note_lost(&peer);
            let next = self.reconnect(pause).await;
            match next {
                Ok(next) => (connection, self.identity) = next,
                Err(error) => {
                    self.state.send_replace(SessionState::Ended(error));
                    return;
                }
            }
            self.state.send_replace(SessionState::Connected);
        }
    }

    fn note_end(&self, end: Result<(), SessionError>, peer: &SessionPeer) {
        let SessionParams { avoided, violations, .. } = &self.members.params;
        let member = &peer.member;
        match end {
            Err(SessionError::Protocol) => violations.log(member),
            Ok(()) if avoided.includes(peer) => {
                tracing::info!(%member, "session ended: the member is standalone or belongs to another ensemble");
            }
            _ => {}
        }
    }

    /// The next connection of the session, opened after a pause.
    ///
    /// # Errors
    /// If it was closed or has ended.
    async fn reconnect(&mut self, pause: Duration) -> Result<(Connection, SessionIdentity), SessionError> {
        let Self { members, identity, calls, close, .. } = self;
        // The ensemble expires the session at this time.
        let deadline = Instant::now() + identity.timeout;
        let next = async {
            sleep(pause).await;
            while Instant::now() < deadline {
                match members.establish(Some(identity), deadline).await {
                    Ok(done) => return Ok(done),
                    // The password file may be about to be replaced.
                    Err(error) if error.is_of_connection() || error == SessionError::DigestFile => {
                        sleep(RECONNECT_PAUSE).await;
                    }
                    Err(error) => return Err(error),
                }
            }
            Err(SessionError::Connect)
        };
        tokio::pin!(next);
        loop {
            tokio::select! {
                found = &mut next => return found,
                Some(call) = calls.recv() => {
                    let _ = call.reply.send(Err(SessionError::Connect));
                }
                _ = &mut *close => return Err(SessionError::Connect),
            }
        }
    }
}

/// The pause after one more short-lived connection: twice the last one, and short enough that the session can still be
/// continued before its timeout.
fn next_pause(last: Duration, session_timeout: Duration) -> Duration {
    (last * 2).max(RECONNECT_PAUSE).min(session_timeout / 3)
}

/// The configured ACL of created znodes. By default everyone has all permissions; with an identity, the identity has
/// all permissions and everyone else can read.
#[must_use]
pub fn acl(config: &SessionConfig) -> Vec<Acl> {
    match (&config.acl[..], &config.digest_file) {
        ([], None) => vec![Acl::open()],
        ([], Some(_)) => vec![Acl::creator(), Acl::readable()],
        (entries, _) => entries.iter().map(Acl::from).collect(),
    }
}

/// Creates a persistent znode and its missing parents.
///
/// # Errors
/// If one of them neither exists nor can be created.
pub async fn create_parents(client: &Client, path: &str, acl: &[Acl]) -> Result<(), SessionError> {
    let ends = path.match_indices('/').map(|(place, _)| place).skip(1).chain([path.len()]);
    for end in ends {
        let part = &path[..end];
        match client.create(part, b"", acl, false).await {
            Ok(()) | Err(SessionError::NodeExists) => {}
            // Without permission to create znodes in `/`, the component may already exist.
            Err(SessionError::NoAuth) if client.exists(part).await.is_ok_and(|stat| stat.is_some()) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

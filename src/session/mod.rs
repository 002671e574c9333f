//! One client session with an ensemble: opened when it is needed, kept while it lives, closed for good.
//!
//! A task of its own serves the session's connection:
//!
//! ```text
//!   Session::client ──▶ open ──▶ connected ◀──────────▶ disconnected ──▶ ended
//!                                    │   lost / next member   │  timeout passed, expired, refused
//!                                    └──── closed, protocol violated ──▶ ended
//! ```
//!
//! A session that lost its connection is continued at the next member for as long as its timeout lasts. Nothing is sent
//! twice, and watches end with the connection, so that a request either has its reply or an error.

pub mod background;
mod client;
mod connection;
mod error;
pub mod jute;
pub mod protocol;
#[cfg(test)]
mod tests;
mod violations;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout, timeout_at};

pub use client::{Children, Client, Watch};
use connection::{Connection, Identity, Members};
pub use error::SessionError;
pub use jute::{Acl, EventKind, Stat};

use crate::config::extras::{SessionConfig, digest};
use crate::config::{Address, Module};
use crate::wire;
use protocol::Call;
use violations::ViolationLog;

/// Calls that wait until they are sent.
const MAX_QUEUED: usize = 16;

/// Between two attempts to find a member that continues a session.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// The members of an ensemble, and how a session with it is made.
#[derive(Clone, Debug)]
pub struct SessionParams {
    /// The members, any of which will do.
    pub members: Vec<Address>,
    /// Timeout, identity, ACL.
    pub config: SessionConfig,
    /// How members are reached.
    pub wire: Arc<wire::Client>,
    /// What all sessions with these members log of violations.
    violations: Arc<ViolationLog>,
}

impl SessionParams {
    /// Those of a module for these members.
    #[must_use]
    pub fn new(members: Vec<Address>, module: &Module, wire: Arc<wire::Client>) -> Self {
        Self { members, config: module.extras.session.clone(), wire, violations: Arc::default() }
    }

    /// The same for one of the members.
    #[must_use]
    pub fn of_member(&self, member: Address) -> Self {
        Self { members: vec![member], ..self.clone() }
    }

    /// `user:password`. The file may have changed since the start: it is read whenever a connection is made.
    ///
    /// # Errors
    /// One line that says what is wrong with the file.
    async fn secret(&self) -> Result<Option<String>, String> {
        let Some(file) = self.config.digest_file.clone() else { return Ok(None) };
        let read = spawn_blocking(move || digest(&file)).await;
        read.unwrap_or_else(|_| Err("reading it panicked".to_owned())).map(Some)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connected,
    Disconnected,
    Ended,
}

/// A session that is opened again when it has ended. Never more than one is in use.
#[derive(Debug)]
pub struct Session {
    members: Arc<Members>,
    /// How long an operation waits for a connection that was lost.
    reconnect_timeout: Duration,
    open: Option<Open>,
}

/// A session that was opened, and the task that serves it.
#[derive(Debug)]
struct Open {
    calls: mpsc::Sender<Call>,
    session: i64,
    state: watch::Receiver<State>,
    /// Sending and dropping alike closes the session.
    close: oneshot::Sender<()>,
}

impl Session {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(params: SessionParams) -> Self {
        let reconnect_timeout = params.config.timeout;
        // Sessions must not all begin with the same member.
        let random = RandomState::new().hash_one(0).to_ne_bytes()[0];
        Self { members: Arc::new(Members::new(params, random.into())), reconnect_timeout, open: None }
    }

    /// The same, with another time that an operation waits for a connection that was lost.
    #[must_use]
    pub fn with_reconnect_timeout(self, reconnect_timeout: Duration) -> Self {
        Self { reconnect_timeout, ..self }
    }

    /// The session, connected, for operations under this deadline.
    ///
    /// # Errors
    /// When no member lets a session be opened or continued in time.
    pub async fn client(&mut self, deadline: Instant) -> Result<Client, SessionError> {
        if let Some(open) = &mut self.open {
            let until = deadline.min(Instant::now() + self.reconnect_timeout);
            let settled = timeout_at(until, open.state.wait_for(|state| *state != State::Disconnected)).await;
            let settled = settled.map_err(|_| SessionError::Connect)?;
            // An error is a task that is gone.
            if settled.map_or(State::Ended, |state| *state) == State::Ended {
                self.open = None;
            }
        }
        let open = if let Some(open) = &self.open {
            open
        } else {
            let open = Open::new(&self.members, deadline).await?;
            self.open.insert(open)
        };
        Ok(Client { calls: open.calls.clone(), session: open.session, deadline })
    }

    /// Why a session could not be opened or continued, for a person: what the members answered, else what to do.
    #[must_use]
    pub fn describe(&self, error: SessionError) -> String {
        let failure = self.members.failure();
        if failure.is_empty() { error.advice().unwrap_or(error.text()).to_owned() } else { failure }
    }

    /// Returns when a session has been without a connection for too long; never without a session.
    pub async fn lost(&self) {
        let Some(open) = &self.open else { return std::future::pending().await };
        let mut state = open.state.clone();
        while state.wait_for(|state| *state != State::Connected).await.is_ok_and(|state| *state != State::Ended) {
            let again = state.wait_for(|state| *state != State::Disconnected);
            if timeout(self.reconnect_timeout, again).await.is_err() {
                return;
            }
        }
        // An ended session is replaced by the next operation.
        std::future::pending::<()>().await;
    }

    /// Returns when the session has ended; never without one.
    pub async fn ended(&self) {
        let Some(open) = &self.open else { return std::future::pending().await };
        // An error is a task that is gone.
        let _ = open.state.clone().wait_for(|state| *state == State::Ended).await;
    }

    /// Whether there is a session that needs no connecting.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.open.as_ref().is_some_and(|open| *open.state.borrow() == State::Connected)
    }

    /// Gives the session up where an error says that its server is of no use: it is silent and may be paused, or sends
    /// nonsense. What was requested is done or undone when the session closes; the next one begins at another member.
    pub fn discard_after(&mut self, error: SessionError) {
        match error {
            SessionError::Timeout | SessionError::Protocol | SessionError::Other => self.open = None,
            _ => {}
        }
    }

    /// Closes the session, which ends its ephemeral znodes, and waits for that, but no longer than `close_timeout`.
    pub async fn close(mut self, close_timeout: Duration) {
        let Some(Open { close, mut state, .. }) = self.open.take() else { return };
        let _ = close.send(());
        if timeout(close_timeout, state.wait_for(|state| *state == State::Ended)).await.is_err() {
            tracing::debug!("session not closed in time; it ends with its timeout");
        }
    }
}

impl Open {
    async fn new(members: &Arc<Members>, deadline: Instant) -> Result<Self, SessionError> {
        let (connection, identity) = members.establish(None, deadline).await?;
        let (calls, called) = mpsc::channel(MAX_QUEUED);
        let (state, watched) = watch::channel(State::Connected);
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
    identity: Identity,
    calls: mpsc::Receiver<Call>,
    close: oneshot::Receiver<()>,
    state: watch::Sender<State>,
}

impl Task {
    async fn run(mut self, mut connection: Connection) {
        loop {
            let member = connection.member.clone();
            let (end, protocol) = connection.serve(&mut self.calls, &mut self.close, &mut self.identity).await;
            let is_lost = end.is_err_and(SessionError::is_of_connection);
            // Before the calls fail: who sees an error must not take the session for connected.
            self.state.send_replace(if is_lost { State::Disconnected } else { State::Ended });
            protocol.fail(end.err().unwrap_or(SessionError::Connect));
            if end == Err(SessionError::Protocol) {
                self.members.params.violations.log(&member);
            }
            if !is_lost {
                return;
            }
            let Some((next, identity)) = self.reconnect().await else { break };
            (connection, self.identity) = (next, identity);
            self.state.send_replace(State::Connected);
        }
        self.state.send_replace(State::Ended);
    }

    /// The session's next connection; none where it was closed or has ended.
    async fn reconnect(&mut self) -> Option<(Connection, Identity)> {
        let Self { members, identity, calls, close, .. } = self;
        // The ensemble ends the session then, if it has not already.
        let deadline = Instant::now() + identity.timeout;
        let next = async {
            while Instant::now() < deadline {
                match members.establish(Some(identity), deadline).await {
                    Ok(done) => return Some(done),
                    Err(error) if error.is_of_connection() => sleep(RECONNECT_PAUSE).await,
                    Err(_) => return None,
                }
            }
            None
        };
        tokio::pin!(next);
        loop {
            tokio::select! {
                found = &mut next => return found,
                Some(call) = calls.recv() => {
                    let _ = call.reply.send(Err(SessionError::Connect));
                }
                _ = &mut *close => return None,
            }
        }
    }
}

/// The ACL of znodes that are created: as configured, else everything to everyone, or with an identity everything to it
/// and reading to everyone.
#[must_use]
pub fn acl(config: &SessionConfig) -> Vec<Acl> {
    match (&config.acl[..], &config.digest_file) {
        ([], None) => vec![Acl::open()],
        ([], Some(_)) => vec![Acl::creator(), Acl::readable()],
        (entries, _) => entries.iter().map(Acl::from).collect(),
    }
}

/// Creates a persistent znode and all above it, where missing.
///
/// # Errors
/// When one can be neither found nor created.
pub async fn create_parents(client: &Client, path: &str, acl: &[Acl]) -> Result<(), SessionError> {
    let ends = path.match_indices('/').map(|(place, _)| place).skip(1).chain([path.len()]);
    for end in ends {
        let part = &path[..end];
        match client.create(part, b"", acl, false).await {
            Ok(()) | Err(SessionError::NodeExists) => {}
            // A client that may not create below `/` may still find the part there.
            Err(SessionError::NoAuth) if client.exists(part).await.is_ok_and(|stat| stat.is_some()) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

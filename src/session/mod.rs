//! One client session with an ensemble: opened when needed, kept while it lives, closed for good.

pub mod background;
mod relay;
mod trouble;
mod tunnel;

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout, timeout_at};
use zookeeper_client::{Acl, Acls, AuthId, Client, CreateMode, Error, Permission, SessionState, StateWatcher};

pub use trouble::Trouble;
use tunnel::Tunnels;

use crate::config::extras::{SessionConfig, digest};
use crate::config::znode::AclEntry;
use crate::config::{Address, Module};
use crate::wire;

/// Sessions that were given up and are not closed yet; more than this many, and no new one is opened.
const MOST_CLOSING: usize = 2;

/// Where to, and how.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The members, any of which will do.
    pub members: Vec<Address>,
    /// Timeout, identity, ACL.
    pub config: SessionConfig,
    /// How members are reached.
    pub wire: Arc<wire::Client>,
}

impl Terms {
    /// The terms of a module for these members.
    #[must_use]
    pub fn new(members: Vec<Address>, module: &Module, wire: Arc<wire::Client>) -> Self {
        Self { members, config: module.extras.session.clone(), wire }
    }
}

/// A session that is opened again when it is lost. Never more than one is in use.
#[derive(Debug)]
pub struct Session {
    terms: Terms,
    /// Most time that a lost connection is waited for.
    patience: Duration,
    open: Option<Open>,
    closing: Vec<Closing>,
    /// Sessions that were asked for so far.
    turn: usize,
}

/// A session, and the tunnels its connections go through.
#[derive(Debug)]
struct Open {
    client: Client,
    tunnels: Tunnels,
}

/// The client crate closes a session in the background; the tunnels must live until then.
#[derive(Debug)]
struct Closing {
    state: StateWatcher,
    /// Holds the tunnels: when it ends, so do the connections, whatever the member does.
    waiting: JoinHandle<()>,
}

impl Session {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        let patience = terms.config.timeout;
        Self { terms, patience, open: None, closing: Vec::new(), turn: 0 }
    }

    /// The same, with less patience for a connection that is lost.
    #[must_use]
    pub fn impatient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The session, connected. One that lost its connection is waited for until the deadline.
    ///
    /// # Errors
    /// When no member lets a session be opened in time.
    pub async fn client(&mut self, deadline: Instant) -> Result<&Client, Trouble> {
        if let Some(open) = &self.open {
            let mut watcher = open.client.state_watcher();
            let mut state = watcher.state();
            let until = deadline.min(Instant::now() + self.patience);
            while state == SessionState::Disconnected {
                state = timeout_at(until, watcher.changed()).await.map_err(|_| Trouble::Connect)?;
            }
            if state.is_terminated() {
                self.open = None;
            }
        }
        if self.open.is_none() {
            self.open = Some(self.connect(deadline).await?);
        }
        // Set one line above.
        self.open.as_ref().map(|open| &open.client).ok_or(Trouble::Connect)
    }

    /// Returns when a session that was there has been without a connection for too long; never without a session.
    pub async fn lost(&self) {
        let Some(open) = &self.open else { return std::future::pending().await };
        let mut watcher = open.client.state_watcher();
        let mut state = watcher.state();
        loop {
            if state == SessionState::SyncConnected {
                state = watcher.changed().await;
                continue;
            }
            match timeout(self.patience, watcher.changed()).await {
                Ok(changed) => state = changed,
                Err(_) => return,
            }
        }
    }

    /// Returns when the ensemble has ended the session; never without one.
    pub async fn ended(&self) {
        let Some(open) = &self.open else { return std::future::pending().await };
        let mut watcher = open.client.state_watcher();
        while !watcher.changed().await.is_terminated() {}
    }

    /// Whether a session is there that needs no connecting.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.client.state() == SessionState::SyncConnected)
    }

    /// Leaves the session where a failure says that it is of no use: its server is silent and may be paused, speaks
    /// nonsense and will do so again, or the client crate broke off without a word. A lost connection it mends itself.
    pub fn doubt(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Timeout | Trouble::Other => self.give_up(),
            Trouble::Connect if self.is_connected() => self.give_up(),
            _ => {}
        }
    }

    /// Leaves a session whose server does not answer: the next one may find another server. What was asked of the
    /// old one is done or undone when it closes.
    fn give_up(&mut self) {
        if let Some(Open { client, tunnels }) = self.open.take() {
            let state = client.state_watcher();
            let (mut ending, longest) = (state.clone(), self.terms.config.timeout);
            let waiting = tokio::spawn(async move {
                let closed = async { while !ending.changed().await.is_terminated() {} };
                let _ = timeout(longest, closed).await;
                drop(tunnels);
            });
            self.closing.push(Closing { state, waiting });
        }
    }

    /// Closes the session, which ends its ephemeral znodes, and waits for that up to `patience`.
    pub async fn close(mut self, patience: Duration) {
        self.give_up();
        let Some(mut closing) = self.closing.pop() else { return };
        let closed = async { while !closing.state.changed().await.is_terminated() {} };
        if timeout(patience, closed).await.is_err() {
            tracing::debug!("a session did not close in time; the ensemble will end it after its timeout");
        }
    }

    async fn connect(&mut self, deadline: Instant) -> Result<Open, Trouble> {
        self.closing.retain(|closing| !closing.state.peek_state().is_terminated() && !closing.waiting.is_finished());
        if self.closing.len() >= MOST_CLOSING {
            return Err(Trouble::Connect);
        }
        let mut connector = Client::connector().with_session_timeout(self.terms.config.timeout).with_fail_eagerly();
        // The oldest words that all releases understand.
        connector = connector.with_server_version(3, 4, 0);
        if let Some(file) = self.terms.config.digest_file.clone() {
            connector = connector.with_auth("digest", secret(file).await?.as_bytes());
        }
        let Terms { members, config, wire } = &self.terms;
        self.turn = self.turn.wrapping_add(1);
        let tunnels = Tunnels::open(wire, members, config.timeout, self.turn).await?;
        let client = within(deadline, connector.connect(&tunnels.servers())).await?;
        Ok(Open { client, tunnels })
    }
}

/// The file may have changed since the start: it is read for every session.
async fn secret(file: PathBuf) -> Result<String, Trouble> {
    let read = spawn_blocking(move || digest(&file)).await.map_err(|_| Trouble::DigestFile)?;
    read.map_err(|message| {
        tracing::warn!("digest_file: {message}");
        Trouble::DigestFile
    })
}

/// The ACL of znodes that are made: as configured, else all to their maker where there is one with a name, and
/// reading to everyone.
#[must_use]
pub fn acl(config: &SessionConfig) -> Vec<Acl> {
    let anyone = |permission| Acl::new(permission, AuthId::anyone());
    match (&config.acl[..], &config.digest_file) {
        ([], None) => vec![anyone(Permission::ALL)],
        ([], Some(_)) => vec![Acl::new(Permission::ALL, AuthId::authed()), anyone(Permission::READ)],
        (entries, _) => entries.iter().map(entry).collect(),
    }
}

fn entry(entry: &AclEntry) -> Acl {
    let permission = entry.permissions.chars().fold(Permission::NONE, |sum, letter| {
        sum | match letter {
            'c' => Permission::CREATE,
            'd' => Permission::DELETE,
            'r' => Permission::READ,
            'w' => Permission::WRITE,
            _ => Permission::ADMIN,
        }
    });
    Acl::new(permission, AuthId::new(&entry.scheme, &entry.id))
}

/// Makes a persistent znode and all above it, where missing.
///
/// # Errors
/// When one can be neither found nor made.
pub async fn make_parents(client: &Client, path: &str, acl: &[Acl], deadline: Instant) -> Result<(), Trouble> {
    let ends = path.match_indices('/').map(|(place, _)| place).skip(1).chain([path.len()]);
    for end in ends {
        let part = &path[..end];
        let options = CreateMode::Persistent.with_acls(Acls::new(acl));
        match within(deadline, client.create(part, b"", &options)).await {
            Ok(_) | Err(Trouble::NodeExists) => {}
            // Whoever may not create below `/` may still find the part there.
            Err(Trouble::NoAuth) if exists(client, part, deadline).await => {}
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(())
}

/// What an operation gives, or why there is nothing at the deadline.
///
/// # Errors
/// The operation's own, or [`Trouble::Timeout`].
pub async fn within<T>(deadline: Instant, operation: impl Future<Output = Result<T, Error>>) -> Result<T, Trouble> {
    match timeout_at(deadline, whole(operation)).await {
        Ok(Some(done)) => done.map_err(|error| Trouble::from(&error)),
        Ok(None) => Err(Trouble::Other),
        Err(_) => Err(Trouble::Timeout),
    }
}

/// What a future gives; none where it panics: the client crate does so at answers that make no sense to it.
pub async fn whole<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    // What it leaves behind is the session's, which is given up then.
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

async fn exists(client: &Client, path: &str, deadline: Instant) -> bool {
    matches!(within(deadline, client.check_stat(path)).await, Ok(Some(_)))
}

//! One round of a canary, with one deadline. Its znode is ephemeral: it disappears with the session at the latest.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::probes::CanaryConfig;
use crate::session::{Acl, Client, EventKind, Session, SessionError, SessionPeer, create_parents};

/// Data of the new znode.
const BEFORE: &[u8] = b"0";

/// Data of the znode after the update.
const AFTER: &[u8] = b"1";

/// Maximum size of data that is read; the canary writes one byte.
const MAX_DATA_BYTES: usize = 64;

/// The values of the label `operation`, in the order of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Opening or continuing the session; only in rounds that begin without a connection.
    Connect,
    /// Creating an ephemeral znode.
    Create,
    /// Reading the znode and setting the watch.
    Read,
    /// Updating the znode.
    Update,
    /// The time from sending the update to receiving the watch event.
    Watch,
    /// Deleting the znode.
    Delete,
}

impl Operation {
    /// All operations, in the order of a round.
    pub const ALL: [Self; 6] = [Self::Connect, Self::Create, Self::Read, Self::Update, Self::Watch, Self::Delete];

    /// The value of the label.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Watch => "watch",
            Self::Delete => "delete",
        }
    }
}

/// The result of a round.
#[derive(Clone, Debug, Default)]
pub(super) struct CanaryRound {
    pub(super) durations: Vec<(Operation, Duration)>,
    /// The failed operation and its error.
    pub(super) failure: Option<(Operation, SessionError)>,
    /// The member to which the session was connected, if one was.
    pub(super) peer: Option<SessionPeer>,
    /// Details for the log, if any.
    pub(super) detail: Option<String>,
}

impl CanaryRound {
    /// The result if the connection stayed lost between two rounds.
    pub(super) fn lost(session: &Session) -> Self {
        let mut round = Self::default();
        round.fail(session, Operation::Connect, SessionError::Connect);
        round
    }

    fn fail(&mut self, session: &Session, operation: Operation, error: SessionError) {
        self.failure = Some((operation, error));
        self.detail = match operation {
            Operation::Connect => Some(session.describe(error)),
            _ => error.advice().map(str::to_owned),
        };
    }

    /// Whether the round failed without a connection.
    pub(super) fn is_lost(&self) -> bool {
        self.failure.is_some_and(|(operation, _)| operation == Operation::Connect)
    }
}

/// Runs one round.
pub(super) async fn run(session: &mut Session, config: &CanaryConfig, acl: &[Acl]) -> CanaryRound {
    let deadline = Instant::now() + config.timeout;
    let mut round = CanaryRound::default();
    let (was_connected, begun) = (session.is_connected(), Instant::now());
    let failed = match session.client(deadline).await {
        Err(error) => Some((Operation::Connect, error)),
        Ok(client) => {
            round.peer = session.peer();
            if !was_connected {
                round.durations.push((Operation::Connect, begun.elapsed()));
            }
            operations(&client, config, acl, &mut round.durations).await.err()
        }
    };
    if let Some((operation, error)) = failed {
        round.fail(session, operation, error);
        if operation != Operation::Connect {
            session.discard_after(error);
        }
    }
    round
}

async fn operations(
    client: &Client,
    config: &CanaryConfig,
    acl: &[Acl],
    durations: &mut Vec<(Operation, Duration)>,
) -> Result<(), (Operation, SessionError)> {
    // The session id is unique, and identifies the creator of the znode.
    let path = format!("{}/{:016x}", config.path, client.session_id());
    let mut done = |operation, begun: Instant| durations.push((operation, begun.elapsed()));

    let mut begun = Instant::now();
    let of = |operation: Operation| move |error| (operation, error);
    match client.create(&path, BEFORE, acl, true).await {
        Ok(()) => {}
        // The parent does not exist before the first round; the znode may be left over from a failed round.
        Err(again @ (SessionError::NoNode | SessionError::NodeExists)) => {
            if again == SessionError::NoNode {
                create_parents(client, &config.path, acl).await.map_err(of(Operation::Create))?;
            } else {
                client.delete(&path).await.map_err(of(Operation::Delete))?;
            }
            begun = Instant::now();
            client.create(&path, BEFORE, acl, true).await.map_err(of(Operation::Create))?;
        }
        Err(error) => return Err((Operation::Create, error)),
    }
    done(Operation::Create, begun);

    begun = Instant::now();
    let (data, _, watch) = client.data_and_watch(&path, MAX_DATA_BYTES).await.map_err(of(Operation::Read))?;
    if data != BEFORE {
        return Err((Operation::Read, SessionError::Changed));
    }
    done(Operation::Read, begun);

    begun = Instant::now();
    client.set_data(&path, AFTER).await.map_err(of(Operation::Update))?;
    done(Operation::Update, begun);
    let event = watch.event().await.map_err(of(Operation::Watch))?;
    if event != EventKind::DataChanged {
        return Err((Operation::Watch, SessionError::Changed));
    }
    done(Operation::Watch, begun);

    begun = Instant::now();
    client.delete(&path).await.map_err(of(Operation::Delete))?;
    done(Operation::Delete, begun);
    Ok(())
}

//! One round of a canary, under one deadline; whatever breaks off, its znode ends with its session at the latest.

use std::time::Duration;

use tokio::time::Instant;
use zookeeper_client::{Acl, Acls, Client, CreateMode};

use crate::config::extras::CanaryConfig;
use crate::session::{Session, Trouble, make_parents, within};

/// The values of the label `operation`, in the order of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Opening the session, or finding another server for it; only in rounds that begin without one.
    Connect,
    /// Making an ephemeral znode.
    Create,
    /// Reading it, and setting the watch.
    Read,
    /// Changing it.
    Update,
    /// From the change being sent to the watch telling of it.
    Watch,
    /// Removing it.
    Delete,
}

impl Operation {
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

/// How a round went.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    pub(super) durations: Vec<(Operation, Duration)>,
    /// The operation that ended it, and why.
    pub(super) failure: Option<(Operation, Trouble)>,
}

impl Round {
    /// What is written down when the connection is away.
    pub(super) fn lost() -> Self {
        Self { durations: Vec::new(), failure: Some((Operation::Connect, Trouble::Connect)) }
    }

    /// Whether there was no connection.
    pub(super) fn is_lost(&self) -> bool {
        self.failure.is_some_and(|(operation, _)| operation == Operation::Connect)
    }
}

/// Flies one round.
pub(super) async fn fly(session: &mut Session, config: &CanaryConfig, acl: &[Acl]) -> Round {
    let deadline = Instant::now() + config.timeout;
    let mut round = Round::default();
    let (was_connected, begun) = (session.is_connected(), Instant::now());
    let failed = match session.client(deadline).await {
        Err(trouble) => Some((Operation::Connect, trouble)),
        Ok(client) => {
            if !was_connected {
                round.durations.push((Operation::Connect, begun.elapsed()));
            }
            let client = client.clone();
            operations(&client, config, acl, deadline, &mut round.durations).await.err()
        }
    };
    if let Some((_, trouble)) = failed.filter(|(operation, _)| *operation != Operation::Connect) {
        session.doubt(trouble);
    }
    round.failure = failed;
    round
}

async fn operations(
    client: &Client,
    config: &CanaryConfig,
    acl: &[Acl],
    deadline: Instant,
    durations: &mut Vec<(Operation, Duration)>,
) -> Result<(), (Operation, Trouble)> {
    // The session's number is no other client's, and tells who made the znode.
    let path = format!("{}/{:016x}", config.path, client.session_id().0);
    let mut done = |operation, begun: Instant| durations.push((operation, begun.elapsed()));

    let mut begun = Instant::now();
    let of = |operation: Operation| move |trouble| (operation, trouble);
    let options = CreateMode::Ephemeral.with_acls(Acls::new(acl));
    match within(deadline, client.create(&path, b"0", &options)).await {
        Ok(_) => {}
        // The first round of all finds no parent; a round that broke off may have left its znode behind.
        Err(again @ (Trouble::NoNode | Trouble::NodeExists)) => {
            if again == Trouble::NoNode {
                make_parents(client, &config.path, acl, deadline).await.map_err(of(Operation::Create))?;
            } else {
                within(deadline, client.delete(&path, None)).await.map_err(of(Operation::Delete))?;
            }
            begun = Instant::now();
            within(deadline, client.create(&path, b"0", &options)).await.map_err(of(Operation::Create))?;
        }
        Err(trouble) => return Err((Operation::Create, trouble)),
    }
    done(Operation::Create, begun);

    begun = Instant::now();
    let read = within(deadline, client.get_and_watch_data(&path)).await;
    let (data, _, watcher) = read.map_err(of(Operation::Read))?;
    if data != b"0" {
        return Err((Operation::Read, Trouble::Changed));
    }
    done(Operation::Read, begun);

    begun = Instant::now();
    within(deadline, client.set_data(&path, b"1", None)).await.map_err(of(Operation::Update))?;
    done(Operation::Update, begun);
    let told = within(deadline, async { Ok(watcher.changed().await) }).await.map_err(of(Operation::Watch))?;
    if told.event_type != zookeeper_client::EventType::NodeDataChanged {
        return Err((Operation::Watch, Trouble::Connect));
    }
    done(Operation::Watch, begun);

    begun = Instant::now();
    within(deadline, client.delete(&path, None)).await.map_err(of(Operation::Delete))?;
    done(Operation::Delete, begun);
    Ok(())
}

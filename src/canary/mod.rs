//! A client that verifies that an ensemble works: it creates, reads, watches, updates and deletes a znode.

mod durations;
mod round;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

pub use durations::OperationDurations;
use round::CanaryRound;
pub use round::Operation;

use crate::config::probes::CanaryConfig;
use crate::session::background::{Background, CLOSE_TIMEOUT, Stop};
use crate::session::stall::{is_stalled, noticing_stalls};
use crate::session::{Session, SessionError, SessionParams};

/// A running canary.
#[derive(Debug)]
pub struct Canary {
    /// The member it connects to; `None` for any member of the ensemble.
    member: Option<Arc<str>>,
    params: SessionParams,
    history: Arc<Mutex<History>>,
    task: Background,
}

/// Maximum number of different failures that are logged until a round succeeds.
const MAX_LOGGED: usize = 32;

/// The last round, and the counts of all rounds.
#[derive(Clone, Debug, Default)]
struct History {
    ended: Option<Instant>,
    last: CanaryRound,
    rounds: u64,
    failures: BTreeMap<(Operation, SessionError), u64>,
    /// Kinds of failures since the last success; each has one line in the log, also if they alternate.
    logged: BTreeSet<(Operation, SessionError, Option<String>)>,
}

/// The state of a canary as exported by a scrape.
#[derive(Clone, Debug)]
pub struct CanaryReading {
    /// The member it connects to; `None` for any member of the ensemble.
    pub member: Option<Arc<str>>,
    /// Whether all operations of the last round succeeded.
    pub up: bool,
    /// Duration of each operation of the last round, without operations that failed or were not reached.
    pub durations: Vec<(Operation, Duration)>,
    /// Number of failures since the start.
    pub failures: BTreeMap<(Operation, SessionError), u64>,
    /// Number of rounds since the start.
    pub rounds: u64,
    /// Time since the last round ended.
    pub age: Duration,
}

impl Canary {
    /// Starts a canary; the first round begins immediately.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[must_use]
    pub fn start(
        ensemble: Arc<str>,
        member: Option<Arc<str>>,
        config: CanaryConfig,
        params: SessionParams,
        durations: Arc<OperationDurations>,
    ) -> Self {
        let history = Arc::new(Mutex::new(History::default()));
        let recorder = Recorder { ensemble, member: member.clone(), history: Arc::clone(&history), durations };
        let task = Background::start(|stop| run(config, params.clone(), recorder, stop));
        Self { member, params, history, task }
    }

    /// The last results; `None` before the end of the first round, after a panic, and if they are of a member that is
    /// standalone or belongs to another ensemble.
    #[must_use]
    pub fn reading(&self) -> Option<CanaryReading> {
        if !self.task.is_running() {
            return None;
        }
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if self.params.avoids(history.last.peer.as_ref()) {
            return None;
        }
        Some(CanaryReading {
            member: self.member.clone(),
            up: history.last.failure.is_none(),
            durations: history.last.durations,
            failures: history.failures,
            rounds: history.rounds,
            age: history.ended?.elapsed(),
        })
    }

    /// Requests a stop, without waiting.
    pub fn request_stop(&self) {
        self.task.request_stop();
    }

    /// Stops the canary and closes its session.
    pub async fn stop(&self) {
        self.task.stop().await;
    }
}

/// Records and logs the rounds.
struct Recorder {
    ensemble: Arc<str>,
    member: Option<Arc<str>>,
    history: Arc<Mutex<History>>,
    durations: Arc<OperationDurations>,
}

async fn run(config: CanaryConfig, params: SessionParams, recorder: Recorder, mut stop: Stop) {
    let acl = crate::session::acl(&params.config);
    // A connection lost just before a round causes two waits; the loss must still be reported within one interval.
    let mut session = Session::new(params).with_reconnect_timeout(config.timeout.min(config.interval / 3));
    // Missed rounds are skipped, so that the interval bounds the request rate.
    let mut ticks = interval(config.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut lost = false;
    loop {
        let round = async {
            // A connection that stays lost between two rounds is reported before the next round, without a request.
            let due = tokio::select! {
                due = ticks.tick() => due,
                () = session.lost(), if !lost => return Some((CanaryRound::lost(&session), false)),
            };
            if session.avoids(None) {
                return None;
            }
            let was_stalled = is_stalled(due);
            let (round, stalled) = noticing_stalls(round::run(&mut session, &config, &acl)).await;
            Some((round, stalled || was_stalled))
        };
        let round = tokio::select! {
            round = round => round,
            () = stop.requested() => break,
        };
        // Without a member to use there is no round.
        let Some((round, stalled)) = round else { continue };
        if (stalled || session.is_limited()) && round.failure.is_some_and(|(_, error)| error.may_be_a_stall()) {
            tracing::debug!(
                failure = ?round.failure,
                detail = round.detail.as_deref(),
                "canary round not counted: the exporter was stalled or at its limits"
            );
            continue;
        }
        if session.avoids(round.peer.as_ref()) {
            // The round does not count; another one at a member of the ensemble replaces it, if there is one.
            if !session.avoids(None) {
                ticks.reset_immediately();
            }
            continue;
        }
        lost = round.is_lost();
        recorder.record(round);
    }
    session.close(CLOSE_TIMEOUT).await;
}

impl Recorder {
    fn record(&self, round: CanaryRound) {
        self.durations.observe(&round.durations);
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let (ensemble, member) = (&*self.ensemble, self.member.as_deref().unwrap_or("any"));
        if let Some((operation, error)) = round.failure {
            let is_new =
                history.logged.len() < MAX_LOGGED && history.logged.insert((operation, error, round.detail.clone()));
            if is_new {
                let (operation, error) = (operation.text(), error.text());
                let detail = round.detail.as_deref();
                tracing::warn!(ensemble, member, operation, error, detail, "canary round failed");
            }
        } else if !std::mem::take(&mut history.logged).is_empty() {
            tracing::info!(ensemble, member, "canary recovered");
        }
        tracing::debug!(ensemble, member, durations = ?round.durations, "canary round ended");
        if let Some(failure) = round.failure {
            *history.failures.entry(failure).or_default() += 1;
        }
        history.rounds += 1;
        history.ended = Some(Instant::now());
        history.last = round;
    }
}

//! A client that proves that an ensemble works: it creates, reads, watches, changes and deletes a znode of its own.

mod round;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

pub use round::Operation;
use round::Round;

use crate::config::extras::CanaryConfig;
use crate::session::background::{Background, CLOSE_TIMEOUT, Stop};
use crate::session::{Session, SessionError, SessionParams};

/// A running canary.
#[derive(Debug)]
pub struct Canary {
    /// The member it connects to; `None` for any of the ensemble.
    member: Option<Arc<str>>,
    history: Arc<Mutex<History>>,
    task: Background,
}

/// The last round, and counts of all.
#[derive(Clone, Debug, Default)]
struct History {
    ended: Option<Instant>,
    last: Round,
    rounds: u64,
    failures: BTreeMap<(Operation, SessionError), u64>,
}

/// A canary as a scrape reads it.
#[derive(Clone, Debug)]
pub struct CanaryReading {
    /// The member it connects to; `None` for any of the ensemble.
    pub member: Option<Arc<str>>,
    /// Whether its last round succeeded as a whole.
    pub up: bool,
    /// How long each operation of the last round took; what failed or was not reached is not there.
    pub durations: Vec<(Operation, Duration)>,
    /// Failures since the start.
    pub failures: BTreeMap<(Operation, SessionError), u64>,
    /// Rounds since the start.
    pub rounds: u64,
    /// Since the last round ended.
    pub age: Duration,
}

impl Canary {
    /// Starts one; its first round begins at once.
    ///
    /// # Panics
    /// Outside a runtime.
    #[must_use]
    pub fn start(ensemble: Arc<str>, member: Option<Arc<str>>, config: CanaryConfig, params: SessionParams) -> Self {
        let history = Arc::new(Mutex::new(History::default()));
        let recorder = Recorder { ensemble, member: member.clone(), history: Arc::clone(&history) };
        let task = Background::start(|stop| run(config, params, recorder, stop));
        Self { member, history, task }
    }

    /// The last results; `None` before its first round ended, and after a panic.
    #[must_use]
    pub fn reading(&self) -> Option<CanaryReading> {
        if !self.task.is_running() {
            return None;
        }
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Some(CanaryReading {
            member: self.member.clone(),
            up: history.last.failure.is_none(),
            durations: history.last.durations,
            failures: history.failures,
            rounds: history.rounds,
            age: history.ended?.elapsed(),
        })
    }

    /// Asks it to stop, without waiting.
    pub fn request_stop(&self) {
        self.task.request_stop();
    }

    /// Ends it and its session.
    pub async fn stop(&self) {
        self.task.stop().await;
    }
}

/// Where rounds are recorded.
struct Recorder {
    ensemble: Arc<str>,
    member: Option<Arc<str>>,
    history: Arc<Mutex<History>>,
}

async fn run(config: CanaryConfig, params: SessionParams, recorder: Recorder, mut stop: Stop) {
    let acl = crate::session::acl(&params.config);
    // A connection that is lost just before a round is waited for twice, and reported within one interval all the same.
    let mut session = Session::new(params).with_reconnect_timeout(config.timeout.min(config.interval / 3));
    // A late round is not made up for: the interval bounds the rate.
    let mut ticks = interval(config.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut lost = false;
    loop {
        let round = async {
            // A connection that stays away between two rounds is reported before the next, without a request.
            tokio::select! {
                _ = ticks.tick() => {}
                () = session.lost(), if !lost => return Round::lost(&session),
            }
            round::run(&mut session, &config, &acl).await
        };
        tokio::select! {
            round = round => {
                lost = round.is_lost();
                recorder.record(round);
            }
            () = stop.requested() => break,
        }
    }
    session.close(CLOSE_TIMEOUT).await;
}

impl Recorder {
    fn record(&self, round: Round) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let (ensemble, member) = (&*self.ensemble, self.member.as_deref().unwrap_or("any"));
        if round.failure != history.last.failure {
            if let Some((operation, error)) = round.failure {
                let (operation, error) = (operation.text(), error.text());
                let detail = round.detail.as_deref();
                tracing::warn!(ensemble, member, operation, error, detail, "canary round failed");
            } else {
                tracing::info!(ensemble, member, "canary recovered");
            }
        }
        if let Some(failure) = round.failure {
            *history.failures.entry(failure).or_default() += 1;
        }
        history.rounds += 1;
        history.ended = Some(Instant::now());
        history.last = round;
    }
}

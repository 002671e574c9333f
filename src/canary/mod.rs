//! A client that proves that an ensemble works: it makes, reads, watches, changes and removes a znode of its own.

mod round;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

pub use round::Operation;
use round::Round;

use crate::config::extras::CanaryConfig;
use crate::session::background::{Background, FAREWELL, Stop};
use crate::session::{Session, Terms, Trouble};

/// A canary at work.
#[derive(Debug)]
pub struct Canary {
    /// The member it talks to; `None` for whichever lets it in.
    member: Option<Arc<str>>,
    seen: Arc<Mutex<Seen>>,
    task: Background,
}

/// What it saw last, and what it counted.
#[derive(Clone, Debug, Default)]
struct Seen {
    ended: Option<Instant>,
    last: Round,
    rounds: u64,
    failures: BTreeMap<(Operation, Trouble), u64>,
}

/// A canary as a scrape finds it.
#[derive(Clone, Debug)]
pub struct CanaryReading {
    /// The member it talks to; `None` for whichever lets it in.
    pub member: Option<Arc<str>>,
    /// Whether its last round succeeded as a whole.
    pub up: bool,
    /// How long each operation of the last round took; what failed or was not reached is not there.
    pub durations: Vec<(Operation, Duration)>,
    /// Failures since the start.
    pub failures: BTreeMap<(Operation, Trouble), u64>,
    /// Rounds since the start.
    pub rounds: u64,
    /// Since the last round ended.
    pub age: Duration,
}

impl Canary {
    /// Sends one out; its first round begins at once.
    ///
    /// # Panics
    /// Outside a runtime.
    #[must_use]
    pub fn start(ensemble: Arc<str>, member: Option<Arc<str>>, config: CanaryConfig, terms: Terms) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let notes = Notes { ensemble, member: member.clone(), seen: Arc::clone(&seen) };
        let task = Background::start(|stop| fly(config, terms, notes, stop));
        Self { member, seen, task }
    }

    /// What it saw last; `None` before its first round ended.
    #[must_use]
    pub fn reading(&self) -> Option<CanaryReading> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Some(CanaryReading {
            member: self.member.clone(),
            up: seen.last.failure.is_none(),
            durations: seen.last.durations,
            failures: seen.failures,
            rounds: seen.rounds,
            age: seen.ended?.elapsed(),
        })
    }

    /// Tells it to end, without waiting.
    pub fn tell_to_stop(&self) {
        self.task.tell_to_stop();
    }

    /// Ends it and its session.
    pub async fn stop(&self) {
        self.task.stop().await;
    }
}

/// Where a round is written down.
struct Notes {
    ensemble: Arc<str>,
    member: Option<Arc<str>>,
    seen: Arc<Mutex<Seen>>,
}

async fn fly(config: CanaryConfig, terms: Terms, notes: Notes, mut stop: Stop) {
    let acl = crate::session::acl(&terms.config);
    // A loss just before a round is waited for twice, and told within one interval all the same.
    let mut session = Session::new(terms).impatient(config.timeout.min(config.interval / 3));
    // A late round is not made up for: the stated rate is the most there is.
    let mut ticks = interval(config.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut lost = false;
    loop {
        let round = async {
            // A connection that stays away between two rounds is told before the next, without a request.
            tokio::select! {
                _ = ticks.tick() => {}
                () = session.lost(), if !lost => return Round::lost(),
            }
            round::fly(&mut session, &config, &acl).await
        };
        tokio::select! {
            round = round => {
                lost = round.is_lost();
                notes.take(round);
            }
            () = stop.wanted() => break,
        }
    }
    session.close(FAREWELL).await;
}

impl Notes {
    fn take(&self, round: Round) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (ensemble, member) = (&*self.ensemble, self.member.as_deref().unwrap_or("any"));
        if round.failure != seen.last.failure {
            if let Some((operation, trouble)) = round.failure {
                let (operation, error) = (operation.text(), trouble.text());
                tracing::warn!(ensemble, member, operation, error, "the canary's round failed");
            } else {
                tracing::info!(ensemble, member, "the canary's rounds succeed again");
            }
        }
        if let Some(failure) = round.failure {
            *seen.failures.entry(failure).or_default() += 1;
        }
        seen.rounds += 1;
        seen.ended = Some(Instant::now());
        seen.last = round;
    }
}

//! Znodes read as numbers on an interval, beside the thresholds that their alarm znodes hold.

pub mod alarm;
mod read;
pub mod value;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

pub use alarm::{Alarm, Severity};
pub use read::Findings;

use crate::config::extras::{AlarmsConfig, ZnodesConfig};
use crate::session::background::{Background, FAREWELL, Stop};
use crate::session::{Session, Terms};

/// A reader at work.
#[derive(Debug)]
pub struct Reader {
    seen: Seen,
    task: Background,
}

/// The last reading and when it ended.
type Seen = Arc<Mutex<Option<(Instant, Arc<Findings>)>>>;

/// Most time for a reading, however long the interval is.
const LONGEST: Duration = Duration::from_secs(10);

impl Reader {
    /// Begins to read; the first reading begins at once.
    ///
    /// # Panics
    /// Outside a runtime.
    #[must_use]
    pub fn start(ensemble: Arc<str>, config: ZnodesConfig, alarms: AlarmsConfig, terms: Terms) -> Self {
        let seen = Seen::default();
        let shown = Arc::clone(&seen);
        let task = Background::start(|stop| read(ensemble, config, alarms, terms, shown, stop));
        Self { seen, task }
    }

    /// What was found last, and how long ago; `None` before the first reading ended.
    #[must_use]
    pub fn reading(&self) -> Option<(Arc<Findings>, Duration)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.as_ref().map(|(at, findings)| (Arc::clone(findings), at.elapsed()))
    }

    /// Ends it and its session.
    pub async fn stop(&self) {
        self.task.stop().await;
    }
}

async fn read(
    ensemble: Arc<str>,
    config: ZnodesConfig,
    alarms: AlarmsConfig,
    terms: Terms,
    seen: Seen,
    mut stop: Stop,
) {
    let mut session = Session::new(terms);
    let mut ticks = interval(config.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = Vec::new();
    loop {
        let reading = async {
            ticks.tick().await;
            let deadline = Instant::now() + config.interval.min(LONGEST);
            match session.client(deadline).await {
                Err(trouble) => Findings::unreachable(&config, trouble),
                Ok(client) => {
                    let client = client.clone();
                    read::all(&client, &config, &alarms, deadline).await
                }
            }
        };
        let findings = tokio::select! {
            findings = reading => findings,
            () = stop.wanted() => break,
        };
        findings.failures.iter().for_each(|(_, trouble)| session.doubt(*trouble));
        if findings.failures != told {
            for (path, trouble) in findings.failures.iter().filter(|failure| !told.contains(failure)) {
                tracing::warn!(ensemble = &*ensemble, path, reason = trouble.text(), "a znode cannot be read");
            }
            told.clone_from(&findings.failures);
        }
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::new(findings)));
    }
    session.close(FAREWELL).await;
}

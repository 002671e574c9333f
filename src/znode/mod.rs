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
use crate::session::background::{Background, CLOSE_TIMEOUT, Stop};
use crate::session::{Session, SessionParams};

/// A running reader.
#[derive(Debug)]
pub struct Reader {
    latest: Latest,
    task: Background,
}

/// The last reading and when it ended.
type Latest = Arc<Mutex<Option<(Instant, Arc<Findings>)>>>;

/// A reading ends after this time, however long the interval is.
const READING_TIMEOUT: Duration = Duration::from_secs(10);

impl Reader {
    /// Starts one; its first reading begins at once.
    ///
    /// # Panics
    /// Outside a runtime.
    #[must_use]
    pub fn start(ensemble: Arc<str>, config: ZnodesConfig, alarms: AlarmsConfig, params: SessionParams) -> Self {
        let latest = Latest::default();
        let shown = Arc::clone(&latest);
        let task = Background::start(|stop| read(ensemble, config, alarms, params, shown, stop));
        Self { latest, task }
    }

    /// The last reading and its age; `None` before the first one ended.
    #[must_use]
    pub fn reading(&self) -> Option<(Arc<Findings>, Duration)> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.as_ref().map(|(at, findings)| (Arc::clone(findings), at.elapsed()))
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
    params: SessionParams,
    latest: Latest,
    mut stop: Stop,
) {
    let mut session = Session::new(params);
    let mut ticks = interval(config.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut logged = Vec::new();
    loop {
        let reading = async {
            ticks.tick().await;
            let deadline = Instant::now() + config.interval.min(READING_TIMEOUT);
            match session.client(deadline).await {
                Err(error) => Findings::unreachable(&config, error),
                Ok(client) => read::all(&client, &config, &alarms).await,
            }
        };
        let findings = tokio::select! {
            findings = reading => findings,
            () = stop.requested() => break,
        };
        findings.failures.iter().for_each(|(_, error)| session.discard_after(*error));
        if findings.failures != logged {
            for (path, error) in findings.failures.iter().filter(|failure| !logged.contains(failure)) {
                tracing::warn!(ensemble = &*ensemble, path, reason = error.text(), "znode not readable");
            }
            logged.clone_from(&findings.failures);
        }
        *latest.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::new(findings)));
    }
    session.close(CLOSE_TIMEOUT).await;
}

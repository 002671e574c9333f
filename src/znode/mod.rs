//! Znodes read as numbers on an interval, beside the thresholds that their alarm znodes hold.

pub mod alarm;
mod read;
pub mod value;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

pub use alarm::{Alarm, Severity};
pub use read::Findings;

use crate::config::extras::{AlarmsConfig, ZnodesConfig};
use crate::session::background::{Background, CLOSE_TIMEOUT, Stop};
use crate::session::{Session, SessionError, SessionParams};

/// A running reader.
#[derive(Debug)]
pub struct Reader {
    latest: Latest,
    task: Background,
}

/// The last reading and when it ended.
type Latest = Arc<Mutex<Option<(Instant, Arc<Findings>)>>>;

/// A path, and why it could not be read.
type Failure = (String, SessionError);

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

    /// The last reading and its age; `None` before the first one ended, and after a panic.
    #[must_use]
    pub fn reading(&self) -> Option<(Arc<Findings>, Duration)> {
        if !self.task.is_running() {
            return None;
        }
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
                Err(error) => (Findings::unreachable(&config, error), Some(session.describe(error))),
                Ok(client) => (read::all(&client, &config, &alarms).await, None),
            }
        };
        let (findings, detail) = tokio::select! {
            done = reading => done,
            () = stop.requested() => break,
        };
        findings.failures.iter().for_each(|(_, error)| session.discard_after(*error));
        if findings.failures != logged {
            log(&ensemble, &findings.failures, &logged, detail.as_deref());
            logged.clone_from(&findings.failures);
        }
        *latest.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::new(findings)));
    }
    session.close(CLOSE_TIMEOUT).await;
}

/// A reason's line names so many paths: an outage is one line, not one for each znode.
const MAX_LOGGED_PATHS: usize = 5;

/// One line for each reason that is new with a path.
fn log(ensemble: &str, failures: &[Failure], logged: &[Failure], detail: Option<&str>) {
    if failures.is_empty() {
        tracing::info!(ensemble, "znodes readable again");
    }
    let mut by_reason: BTreeMap<SessionError, Vec<&str>> = BTreeMap::new();
    for (path, error) in failures.iter().filter(|failure| !logged.contains(failure)) {
        by_reason.entry(*error).or_default().push(path);
    }
    for (error, paths) in by_reason {
        let shown = &paths[..paths.len().min(MAX_LOGGED_PATHS)];
        let (reason, more) = (error.text(), paths.len() - shown.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let paths = shown.join(" ") + &more;
        let detail = detail.or(error.advice());
        tracing::warn!(ensemble, reason, paths, detail, "znodes not readable");
    }
}

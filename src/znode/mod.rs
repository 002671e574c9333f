//! Znodes read as numbers at an interval, together with the thresholds of their alarm znodes.

pub mod alarm;
mod read;
pub mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

pub use alarm::{Alarm, Severity};
pub use read::Findings;

use crate::config::probes::{AlarmsConfig, ZnodesConfig};
use crate::session::background::{Background, CLOSE_TIMEOUT, Stop};
use crate::session::stall::{is_stalled, noticing_stalls};
use crate::session::{Session, SessionError, SessionParams, SessionPeer};

/// A running reader of znodes.
#[derive(Debug)]
pub struct Reader {
    latest: Latest,
    params: SessionParams,
    task: Background,
}

/// The last reading, the time of its end, and the member that was read, if one was.
type Latest = Arc<Mutex<Option<(Instant, Arc<Findings>, Option<SessionPeer>)>>>;

/// The path of a znode that could not be read, with the error.
type ReadFailure = (String, SessionError);

/// Timeout of a reading, independent of the interval.
const READING_TIMEOUT: Duration = Duration::from_secs(10);

impl Reader {
    /// Starts a reader; the first reading begins immediately.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[must_use]
    pub fn start(ensemble: Arc<str>, config: ZnodesConfig, alarms: AlarmsConfig, params: SessionParams) -> Self {
        let latest = Latest::default();
        let shown = Arc::clone(&latest);
        let task = Background::start(|stop| read(ensemble, config, alarms, params.clone(), shown, stop));
        Self { latest, params, task }
    }

    /// The last reading and its age; `None` before the end of the first reading, after a panic, and if it is of a member
    /// that is standalone or belongs to another ensemble.
    #[must_use]
    pub fn reading(&self) -> Option<(Arc<Findings>, Duration)> {
        if !self.task.is_running() {
            return None;
        }
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, findings, peer) = latest.as_ref()?;
        (!self.params.avoids(peer.as_ref())).then(|| (Arc::clone(findings), at.elapsed()))
    }

    /// Stops the reader and closes its session.
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
    let mut logged = BTreeSet::new();
    loop {
        let reading = async {
            let was_stalled = is_stalled(ticks.tick().await);
            let deadline = Instant::now() + config.interval.min(READING_TIMEOUT);
            let reading = async {
                match session.client(deadline).await {
                    Err(error) => (Findings::unreachable(&config, error), Some(session.describe(error)), None),
                    Ok(client) => {
                        let peer = session.peer();
                        (read::all(&client, &config, &alarms).await, None, peer)
                    }
                }
            };
            let (read, stalled) = noticing_stalls(reading).await;
            (read, stalled || was_stalled)
        };
        let ((findings, detail, peer), stalled) = tokio::select! {
            done = reading => done,
            () = stop.requested() => break,
        };
        if session.avoids(peer.as_ref()) {
            // The reading does not count; another one at a member of the ensemble replaces it, if there is one.
            if !session.avoids(None) {
                ticks.reset_immediately();
            }
            continue;
        }
        findings.failures.iter().for_each(|(_, error)| session.discard_after(*error));
        let is_excused = stalled || session.is_limited();
        if is_excused && findings.failures.iter().any(|(_, error)| error.may_be_a_stall()) {
            tracing::debug!(
                detail = detail.as_deref(),
                "znodes not counted: the exporter was stalled or at its limits"
            );
            continue;
        }
        log(&ensemble, &findings.failures, &mut logged, detail.as_deref());
        *latest.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::new(findings), peer));
    }
    session.close(CLOSE_TIMEOUT).await;
}

/// Maximum number of paths per log line; an outage is one line.
const MAX_LOGGED_PATHS: usize = 5;

/// Logs one line per error, with the paths that did not have this error since they were last readable: errors that
/// alternate have one line each.
fn log(ensemble: &str, failures: &[ReadFailure], logged: &mut BTreeSet<ReadFailure>, detail: Option<&str>) {
    if failures.is_empty() && !logged.is_empty() {
        tracing::info!(ensemble, "znodes readable again");
    }
    let failing: BTreeSet<&str> = failures.iter().map(|(path, _)| path.as_str()).collect();
    logged.retain(|(path, _)| failing.contains(path.as_str()));
    let mut by_reason: BTreeMap<SessionError, Vec<&str>> = BTreeMap::new();
    for (path, error) in failures {
        if logged.insert((path.clone(), *error)) {
            by_reason.entry(*error).or_default().push(path);
        }
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

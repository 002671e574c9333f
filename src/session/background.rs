//! A task beside the scrapes: it runs until it is told to stop or nobody holds it any more.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A running task. Dropping it tells the task to stop, which closes its session on the way out.
#[derive(Debug)]
pub struct Background {
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What a task listens to.
#[derive(Debug)]
pub struct Stop(watch::Receiver<bool>);

/// A task closes its session within this time, or leaves that to the session's timeout.
pub const FAREWELL: Duration = Duration::from_secs(1);

impl Background {
    /// Starts what `task` makes of the signal to stop.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn start<F: Future<Output = ()> + Send + 'static>(task: impl FnOnce(Stop) -> F) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { stop, task: Mutex::new(Some(tokio::spawn(task(Stop(stopped))))) }
    }

    /// Tells the task to stop.
    pub fn tell_to_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Tells the task to stop and waits, within a bound, until it has.
    pub async fn stop(&self) {
        self.tell_to_stop();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = timeout(FAREWELL * 2, task).await;
        }
    }
}

impl Stop {
    /// Returns when the task is to stop.
    pub async fn wanted(&mut self) {
        // An error is a holder that is gone.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

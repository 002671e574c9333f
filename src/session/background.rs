//! A task beside the scrapes: it runs until it is asked to stop or its handle is dropped.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A running task. Dropping it asks the task to stop, which closes its session on the way out.
#[derive(Debug)]
pub struct Background {
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// The signal to stop, as the task receives it.
#[derive(Debug)]
pub struct Stop(watch::Receiver<bool>);

/// A session that is not closed within this time is left to its own timeout.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

impl Background {
    /// Starts the future that `task` makes of the signal to stop.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn start<F: Future<Output = ()> + Send + 'static>(task: impl FnOnce(Stop) -> F) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { stop, task: Mutex::new(Some(tokio::spawn(task(Stop(stopped))))) }
    }

    /// Whether the task goes on: one that panicked knows nothing any more.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        task.as_ref().is_some_and(|task| !task.is_finished())
    }

    /// Asks the task to stop, without waiting.
    pub fn request_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Asks the task to stop and waits, within a bound, until it has.
    pub async fn stop(&self) {
        self.request_stop();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = timeout(CLOSE_TIMEOUT * 2, task).await;
        }
    }
}

impl Stop {
    /// Returns when the task should stop.
    pub async fn requested(&mut self) {
        // An error is a handle that was dropped.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panicked_is_not_running() {
        let works = Background::start(|mut stop| async move { stop.requested().await });
        let broken = Background::start(|_| async { panic!("a bug") });
        tokio::task::yield_now().await;
        assert!(works.is_running() && !broken.is_running());
        works.stop().await;
        assert!(!works.is_running());
    }
}

//! A background task that runs until a stop is requested or its handle is dropped.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A running task. Dropping the handle requests a stop; the task then closes its session.
#[derive(Debug)]
pub struct Background {
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// The stop signal passed to the task.
#[derive(Debug)]
pub struct Stop(watch::Receiver<bool>);

/// Timeout for closing a session; afterwards the session expires.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

impl Background {
    /// Starts the future that `task` creates from the stop signal.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn start<F: Future<Output = ()> + Send + 'static>(task: impl FnOnce(Stop) -> F) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { stop, task: Mutex::new(Some(tokio::spawn(task(Stop(stopped))))) }
    }

    /// Whether the task is running; after a panic its results are outdated.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        task.as_ref().is_some_and(|task| !task.is_finished())
    }

    /// Requests a stop, without waiting.
    pub fn request_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Requests a stop and waits for the task for a limited time.
    pub async fn stop(&self) {
        self.request_stop();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = timeout(CLOSE_TIMEOUT * 2, task).await;
        }
    }
}

impl Stop {
    /// Completes when a stop was requested.
    pub async fn requested(&mut self) {
        // An error means that the handle was dropped.
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

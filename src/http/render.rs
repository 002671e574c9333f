//! Runs long writes of responses off the event loop with limited concurrency, so that health checks are always served.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Limits the concurrency of rendering; requests alternate piece by piece.
#[derive(Clone, Debug)]
pub(super) struct Renderer(Arc<Semaphore>);

impl Default for Renderer {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        // The other CPUs are left to queries and clients.
        Self(Arc::new(Semaphore::new((cores / 2).max(1))))
    }
}

impl Renderer {
    /// Runs the work and returns its result; `None` if it panicked.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        // The semaphore is never closed.
        let turn = Arc::clone(&self.0).acquire_owned().await.ok()?;
        let done = spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.inspect_err(|error| tracing::error!(%error, "cannot write the page")).ok()
    }
}

//! Long texts are written off the event loop, few at a time: whatever pages are in flight, a health check is answered.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Runs what takes long; requests alternate piece by piece.
#[derive(Clone, Debug)]
pub(super) struct Renderer(Arc<Semaphore>);

impl Default for Renderer {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        // The other half is for asking members and for clients.
        Self(Arc::new(Semaphore::new((cores / 2).max(1))))
    }
}

impl Renderer {
    /// What the work gives; `None` if it panicked.
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

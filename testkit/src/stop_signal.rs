//! Ctrl-C and other requests to end, as a flag that loops check, so that they can clean up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// The last signal received since `catch`.
pub struct StopSignal(Arc<AtomicUsize>);

impl StopSignal {
    /// From now on, SIGINT, SIGTERM and SIGHUP no longer end the process.
    ///
    /// # Errors
    /// If the system refuses to install a handler.
    pub fn catch() -> std::io::Result<Self> {
        let last = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let number = usize::try_from(signal).unwrap_or_default();
            signal_hook::flag::register_usize(signal, Arc::clone(&last), number)?;
        }
        Ok(Self(last))
    }

    /// The exit status of a process that ended because of the signal, or `None` if there was none.
    #[must_use]
    pub fn status(&self) -> Option<u8> {
        let number = self.0.load(Ordering::Relaxed);
        (number != 0).then(|| 128 + u8::try_from(number).unwrap_or(0))
    }
}

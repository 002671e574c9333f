//! `--config.auto-reload-interval`: reloads the configuration when its file has changed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::fingerprint::Fingerprint;
use crate::http::App;

/// The configuration file, and its fingerprint from before the active configuration was read.
#[derive(Debug)]
pub(super) struct Watched {
    file: PathBuf,
    read: Fingerprint,
}

impl Watched {
    /// Takes the fingerprint. Must be called before the file is read, so that no change in between is missed.
    pub(super) fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), read: Fingerprint::of([file]) }
    }

    /// Reloads after each change. A file may be partly written: a change is read once two consecutive checks have seen
    /// the same file. An invalid file is reported once, and read again after its next change.
    pub(super) async fn reload(mut self, app: Arc<App>, every: Duration) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = self.read.clone();
        loop {
            ticks.tick().await;
            let file = self.file.clone();
            let Ok(now) = spawn_blocking(move || Fingerprint::of([file.as_path()])).await else { continue };
            if now == before && now != self.read {
                self.read = now.clone();
                // A failure is logged and counted.
                let _ = app.reload().await;
            }
            before = now;
        }
    }
}

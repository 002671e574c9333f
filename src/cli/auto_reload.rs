//! Reloads the configuration when its file has changed, where that is asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::stamp::Stamp;
use crate::http::App;

/// A file, and what it looked like before the current configuration was read.
#[derive(Debug)]
pub(super) struct Watched {
    file: PathBuf,
    read: Stamp,
}

impl Watched {
    /// Looks at the file; called before it is read, so that no change in between is missed.
    pub(super) fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), read: Stamp::of([file]) }
    }

    /// Reloads after each change, until the process ends. A file may be seen half-written: a change is read once it has
    /// been the same for two looks. A file that cannot be used is reported once, and read again when it changes again.
    pub(super) async fn reload(mut self, app: Arc<App>, every: Duration) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = self.read.clone();
        loop {
            ticks.tick().await;
            let file = self.file.clone();
            let Ok(now) = spawn_blocking(move || Stamp::of([file.as_path()])).await else { continue };
            if now == before && now != self.read {
                self.read = now.clone();
                // A failure is in the log and the metrics.
                let _ = app.reload().await;
            }
            before = now;
        }
    }
}

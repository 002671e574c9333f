//! The active configuration and its scraper, replaced as a whole: a request keeps the one it started with.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::App;
use super::visits::Visits;
use crate::alert::Thresholds;
use crate::config::{Config, ConfigError, Place};
use crate::scrape::Scraper;

/// The active configuration at one moment; immutable.
#[derive(Debug)]
pub struct Running {
    /// What the exporter is told to do.
    pub config: Arc<Config>,
    /// Who is asked, and what is remembered of them.
    pub scraper: Arc<Scraper>,
    /// The thresholds of the alerts.
    pub thresholds: Arc<Thresholds>,
    /// What the status page was shown last.
    pub(super) visits: Visits,
}

impl Running {
    /// Puts together what belongs to a configuration, whose thresholds were found good when it was read.
    #[must_use]
    pub fn new(config: Config, scraper: Scraper) -> Self {
        let thresholds = Arc::new(Thresholds::of(&config).unwrap_or_default());
        Self { config: Arc::new(config), scraper: Arc::new(scraper), thresholds, visits: Visits::default() }
    }
}

/// Reads the configuration from where it came from at the start.
type Load = dyn Fn() -> Result<Config, ConfigError> + Send + Sync;

/// The active configuration, and how to reload it. The lock is only held to clone one pointer.
pub struct Current {
    running: RwLock<Arc<Running>>,
    load: Arc<Load>,
    /// One reload at a time.
    reloading: Mutex<()>,
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").field("running", &self.running).finish_non_exhaustive()
    }
}

impl Current {
    /// Activates the first configuration; `load` returns the next ones.
    pub fn new(running: Running, load: impl Fn() -> Result<Config, ConfigError> + Send + Sync + 'static) -> Self {
        Self { running: RwLock::new(Arc::new(running)), load: Arc::new(load), reloading: Mutex::new(()) }
    }

    /// The active configuration; it does not change while it is held.
    #[must_use]
    pub fn get(&self) -> Arc<Running> {
        Arc::clone(&self.running.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, running: Running) {
        *self.running.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(running);
    }
}

impl App {
    /// Reloads everything, the web configuration too, completely or not at all. What is remembered
    /// of members that stay is kept; requests under way end with what they began with.
    ///
    /// # Errors
    /// The first error; the previous configuration then remains active, as log and metrics report.
    pub async fn reload(&self) -> Result<(), ConfigError> {
        let _alone = self.current.reloading.lock().await;
        let (load, web) = (Arc::clone(&self.current.load), Arc::clone(&self.web));
        let read = spawn_blocking(move || Ok::<_, ConfigError>((load()?, web.read()?))).await;
        let read = read.unwrap_or_else(|error| {
            let message = format!("reading the configuration panicked: {error}");
            Err(ConfigError { place: Place::Flag("--config.file"), message })
        });
        match read {
            Ok((config, web)) => {
                let scraper = self.current.get().scraper.renewed(&config);
                let (ensembles, members) = (config.ensembles.len(), scraper.members());
                self.current.put(Running::new(config, scraper));
                self.web.put(web);
                self.telemetry.note_reload(true);
                tracing::info!(ensembles, members, "configuration reloaded");
                Ok(())
            }
            Err(error) => {
                self.telemetry.note_reload(false);
                tracing::error!("configuration reload failed, keeping the previous configuration: {error}");
                Err(error)
            }
        }
    }
}

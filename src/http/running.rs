//! The active configuration and its scraper, replaced together: a request keeps the pair that it started with.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::App;
use super::visits::Visits;
use crate::alert::Thresholds;
use crate::config::{Config, ConfigError, Place};
use crate::scrape::Scraper;
use crate::settings::Settings;

/// An immutable snapshot of the active configuration.
#[derive(Debug)]
pub struct Running {
    /// The configuration.
    pub config: Arc<Config>,
    /// The scraper, which holds the state of the members.
    pub scraper: Arc<Scraper>,
    /// The thresholds of the alerts.
    pub thresholds: Arc<Thresholds>,
    /// The last status page visit of each ensemble.
    pub(super) visits: Visits,
}

impl Running {
    /// Combines parsed settings with the scraper of their ensembles.
    #[must_use]
    pub fn new(settings: Settings, scraper: Scraper) -> Self {
        let Settings { config, thresholds, .. } = settings;
        let (config, thresholds) = (Arc::new(config), Arc::new(thresholds));
        Self { config, scraper: Arc::new(scraper), thresholds, visits: Visits::default() }
    }
}

/// Reads the configuration from its source.
type Load = dyn Fn() -> Result<Settings, ConfigError> + Send + Sync;

/// The active configuration, and how to reload it. The lock is held only to clone a pointer.
pub struct Current {
    running: RwLock<Arc<Running>>,
    load: Arc<Load>,
    /// Serialises reloads.
    reloading: Mutex<()>,
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").field("running", &self.running).finish_non_exhaustive()
    }
}

impl Current {
    /// Activates the first configuration. `load` reads the configuration again at each reload.
    pub fn new(running: Running, load: impl Fn() -> Result<Settings, ConfigError> + Send + Sync + 'static) -> Self {
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
    /// Reloads everything including the web configuration, all or nothing. The state of remaining members is kept;
    /// requests in flight finish with the previous configuration.
    ///
    /// # Errors
    /// The first error; the previous configuration remains active.
    pub async fn reload(&self) -> Result<(), ConfigError> {
        let _alone = self.current.reloading.lock().await;
        self.service_manager.reloading();
        let (load, web) = (Arc::clone(&self.current.load), Arc::clone(&self.web));
        let read = spawn_blocking(move || Ok::<_, ConfigError>((load()?, web.read()?))).await;
        let read = read.unwrap_or_else(|error| {
            let message = format!("reading the configuration panicked: {error}");
            Err(ConfigError { place: Place::Flag("--config.file"), message })
        });
        match read {
            Ok((settings, web)) => {
                let scraper = self.current.get().scraper.renewed(&settings.config);
                let names: Vec<String> = settings.config.ensembles.iter().map(|one| one.name.clone()).collect();
                self.recorder.note_reload(&Ok(&names));
                let (ensembles, members) = (settings.config.ensembles.len(), scraper.members());
                self.current.put(Running::new(settings, scraper));
                self.web.put(web);
                self.telemetry.note_reload(true);
                tracing::info!(ensembles, members, "configuration reloaded");
                self.service_manager.ready(&format!("{ensembles} ensembles, {members} members"));
                Ok(())
            }
            Err(error) => {
                self.recorder.note_reload(&Err(error.to_string()));
                self.telemetry.note_reload(false);
                tracing::error!("configuration reload failed, keeping the previous configuration: {error}");
                self.service_manager.ready(&format!("configuration reload failed: {error}"));
                Err(error)
            }
        }
    }
}

//! The parsed configuration from file or flags, validated once against the catalogues of metrics and alerts.
//!
//! Every command starts from [`Settings`]. An invalid configuration is rejected here, with its position; higher layers
//! do not validate it again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{Deployment, Thresholds};
use crate::catalogue::catalogue;
use crate::config::choice::fits;
use crate::config::probes::ClientsConfig;
use crate::config::{self, AlertSetting, Choice, Config, ConfigError, Module, Probes};

/// A configuration and the values derived from it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The ensembles and modules.
    pub config: Config,
    /// The limits of the alerts, for all ensembles of the file.
    pub thresholds: Thresholds,
    /// Properties of the ensembles that determine the alert rules.
    pub deployment: Deployment,
}

impl Settings {
    /// Reads a configuration file. `overrides` are thresholds given as flags, which replace those of the file.
    ///
    /// # Errors
    /// On the first invalid value: in the file with its position, or in the name or limit of a threshold.
    pub fn load(file: &Path, overrides: &[AlertSetting]) -> Result<Self, ConfigError> {
        Self::new(config::load(file)?, overrides)
    }

    /// The ensembles of `--zookeeper`, with this module.
    ///
    /// # Errors
    /// On the first invalid value.
    pub fn from_flags(values: &[String], module: Module, overrides: &[AlertSetting]) -> Result<Self, ConfigError> {
        Self::new(config::from_flags(values, module)?, overrides)
    }

    fn new(mut config: Config, overrides: &[AlertSetting]) -> Result<Self, ConfigError> {
        config.alerts.settings.extend_from_slice(overrides);
        let thresholds = Thresholds::of(&config)?;
        check_patterns(&config)?;
        let deployment = Deployment::of(&config);
        Ok(Self { config, thresholds, deployment })
    }

    /// Keeps only the named ensembles; an empty list keeps all. Thresholds may still name every ensemble of the file.
    ///
    /// # Errors
    /// When there is no ensemble with a given name.
    pub fn keep_ensembles(&mut self, names: &[String]) -> Result<(), String> {
        let ensembles = &mut self.config.ensembles;
        for name in names {
            if !ensembles.iter().any(|ensemble| ensemble.name == *name) {
                let known: Vec<&str> = ensembles.iter().map(|ensemble| ensemble.name.as_str()).collect();
                return Err(format!("unknown ensemble `{name}`: expected one of {}", known.join(", ")));
            }
        }
        ensembles.retain(|ensemble| names.is_empty() || names.contains(&ensemble.name));
        Ok(())
    }

    /// Reads the clients of all members at every scrape, with the configured mask, and sends no other probes.
    pub fn read_clients_always(&mut self) {
        for ensemble in &mut self.config.ensembles {
            let module = Arc::make_mut(&mut ensemble.module);
            let configured = module.probes.clients.unwrap_or_default();
            let clients = Some(ClientsConfig { interval: Duration::ZERO, ..configured });
            module.probes = Probes { clients, ..Probes::default() };
        }
    }

    /// Removes the metric filters: conditions may need metrics that a page omits to save series.
    pub fn keep_all_metrics(&mut self) {
        for ensemble in &mut self.config.ensembles {
            Arc::make_mut(&mut ensemble.module).metrics = Choice::All;
        }
    }
}

/// Rejects a pattern in `metrics:` that matches no metric.
fn check_patterns(config: &Config) -> Result<(), ConfigError> {
    if config.patterns.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = catalogue().families().map(|(_, family)| family.full_name()).collect();
    let unmatched = config.patterns.iter().find(|pattern| !names.iter().any(|name| fits(&pattern.value, name)));
    unmatched.map_or(Ok(()), |pattern| {
        let message = format!("pattern `{}` matches no metric (see docs/metrics.md)", pattern.value);
        Err(ConfigError { place: pattern.place.clone(), message })
    })
}

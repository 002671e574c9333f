//! The flags that select the ensembles, shared by all commands that query members.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::positive_duration;
use crate::config::{AlertSetting, ConfigError, Module};
use crate::settings::Settings;

/// Ensembles from flags or from a file.
#[derive(Debug, clap::Args)]
pub(super) struct Targets {
    /// An ensemble as [NAME=]HOST:PORT[,HOST:PORT...]; repeat the flag for more ensembles. HOST:PORT:observer marks a
    /// member that does not vote. Default: localhost:2181.
    #[arg(long, env = "ZOOKEEPER_EXPORTER_ZOOKEEPER", value_name = "[NAME=]MEMBERS", conflicts_with = "config_file")]
    zookeeper: Vec<String>,

    /// A YAML file with ensembles and modules.
    #[arg(long = "config.file", env = "ZOOKEEPER_EXPORTER_CONFIG_FILE", value_name = "FILE")]
    config_file: Option<PathBuf>,

    /// Per-member timeout with --zookeeper; with --config.file, set `timeout` in the module. Default: 5s.
    #[arg(long = "scrape.timeout", env = "ZOOKEEPER_EXPORTER_SCRAPE_TIMEOUT", value_name = "DURATION",
          conflicts_with = "config_file", value_parser = positive_duration)]
    timeout: Option<Duration>,
}

/// The source of the configuration, used at the start and at every reload.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    file: Option<PathBuf>,
    flags: Vec<String>,
    module: Module,
    /// Thresholds given by flags.
    overrides: Vec<AlertSetting>,
}

impl Origin {
    /// The same source with thresholds given by flags.
    pub(super) fn overridden(self, overrides: &[AlertSetting]) -> Self {
        Self { overrides: overrides.to_vec(), ..self }
    }

    /// The configuration file, if any.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Reads and validates the configuration.
    pub(super) fn load(&self) -> Result<Settings, ConfigError> {
        match &self.file {
            Some(file) => Settings::load(file, &self.overrides),
            None => Settings::from_flags(&self.flags, self.module.clone(), &self.overrides),
        }
    }
}

impl Targets {
    /// Whether a configuration file is given.
    pub(super) fn has_file(&self) -> bool {
        self.config_file.is_some()
    }

    /// A source with this member only, whatever the flags select.
    pub(super) fn origin_of(&self, member: String) -> Origin {
        Origin { file: None, flags: vec![member], ..self.origin() }
    }

    /// The source selected by the flags.
    pub(super) fn origin(&self) -> Origin {
        let flags = ensembles(&self.zookeeper);
        let default = Module::default();
        let module = Module { timeout: self.timeout.unwrap_or(default.timeout), ..default };
        Origin { file: self.config_file.clone(), flags, module, overrides: Vec::new() }
    }
}

/// Splits each value at white space into ensembles; white space next to a comma belongs to a list of members. The
/// default is the ensemble on this host.
pub(super) fn ensembles(values: &[String]) -> Vec<String> {
    if values.is_empty() {
        return vec!["localhost:2181".to_owned()];
    }
    let mut found: Vec<String> = Vec::new();
    for value in values {
        let mut words = value.split_whitespace();
        // An empty value is kept, so that it is reported as an error.
        found.push(words.next().unwrap_or_default().to_owned());
        for word in words {
            match found.last_mut().filter(|last| last.ends_with(',') || word.starts_with(',')) {
                Some(last) => last.push_str(word),
                None => found.push(word.to_owned()),
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::ensembles;

    #[test]
    fn white_space_separates_ensembles_but_not_members() {
        for (values, expected) in [
            (&["prod=zk-1,zk-2 dev=zk-3"][..], &["prod=zk-1,zk-2", "dev=zk-3"][..]),
            (&["prod=zk-1, zk-2 ,zk-3"], &["prod=zk-1,zk-2,zk-3"]),
            (&["prod=zk-1,\n  zk-2\ndev=zk-3\n"], &["prod=zk-1,zk-2", "dev=zk-3"]),
            (&["zk-1", "dev=zk-2"], &["zk-1", "dev=zk-2"]),
            (&[" "], &[""]),
            (&[], &["localhost:2181"]),
        ] {
            let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
            assert_eq!(ensembles(&values), expected, "{values:?}");
        }
    }
}

//! `config check`: validates a configuration file before a running exporter reloads it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use super::UsageError;
use super::stdout::{Written, print};
use super::targets::ensembles;
use crate::config::{Config, DEFAULT_MODULE, Module};
use crate::http::Web;
use crate::settings::Settings;

/// `config` and its sub-commands.
#[derive(Debug, clap::Args)]
pub(super) struct Configuration {
    #[command(subcommand)]
    command: ConfigAction,
}

#[derive(Debug, clap::Subcommand)]
enum ConfigAction {
    /// Check configuration files: exit 0 if all are valid, else 2 with the first error and its position.
    Check(Check),
}

#[derive(Debug, clap::Args)]
struct Check {
    /// Files for --config.file. Default: those of the environment.
    #[arg(value_name = "FILE", env = "ZOOKEEPER_EXPORTER_CONFIG_FILE",
          required_unless_present_any = ["web_config_file", "zookeeper"])]
    files: Vec<PathBuf>,

    /// Web configuration file (TLS, users, headers), with the files that it refers to.
    #[arg(long = "web.config.file", env = "ZOOKEEPER_EXPORTER_WEB_CONFIG_FILE", value_name = "FILE")]
    web_config_file: Option<PathBuf>,

    /// Ensembles, as for the exporter.
    #[arg(long, env = "ZOOKEEPER_EXPORTER_ZOOKEEPER", value_name = "[NAME=]MEMBERS")]
    zookeeper: Vec<String>,
}

impl Configuration {
    pub(super) fn run(&self) -> Result<ExitCode, UsageError> {
        let ConfigAction::Check(check) = &self.command;
        // All files are checked, even if stdout is closed.
        let mut failed = false;
        // A failed write is reported once.
        let mut ok = |name: &str, what: &str| {
            failed = failed || print(&format!("{name}: ok{what}\n")) == Written::Failed;
        };
        for file in &check.files {
            ok(&file.display().to_string(), &summary(&Settings::load(file, &[])?.config));
        }
        if !check.zookeeper.is_empty() {
            let settings = Settings::from_flags(&ensembles(&check.zookeeper), Module::default(), &[])?;
            ok("--zookeeper", &summary(&settings.config));
        }
        if let Some(file) = &check.web_config_file {
            Web::load(Some(file.clone()))?;
            ok(&file.display().to_string(), "");
        }
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn summary(config: &Config) -> String {
    let members: usize = config.ensembles.iter().map(|ensemble| ensemble.members.len()).sum();
    // Without the default module, unless the file changes it.
    let is_configured =
        |(name, module): &(&String, &Arc<Module>)| *name != DEFAULT_MODULE || ***module != Module::default();
    let modules = match config.modules.iter().filter(is_configured).count() {
        0 => String::new(),
        modules => format!(", modules {modules}"),
    };
    format!(": ensembles {}, members {members}{modules}", config.ensembles.len())
}

//! `config check`: say whether a configuration file can be used, before a running exporter is told to.

use std::path::PathBuf;
use std::process::ExitCode;

use super::UsageError;
use super::out::{Written, print};

/// `config` and its sub-commands.
#[derive(Debug, clap::Args)]
pub(super) struct Configuration {
    #[command(subcommand)]
    command: ConfigAction,
}

#[derive(Debug, clap::Subcommand)]
enum ConfigAction {
    /// Check configuration files: exit 0 if all can be used, else 2 with the first mistake and its place.
    Check(Check),
}

#[derive(Debug, clap::Args)]
struct Check {
    /// The files, as they are given to --config.file.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Configuration {
    pub(super) fn run(&self) -> Result<ExitCode, UsageError> {
        let ConfigAction::Check(check) = &self.command;
        for file in &check.files {
            let config = super::load(file)?;
            let members: usize = config.ensembles.iter().map(|ensemble| ensemble.members.len()).sum();
            let (ensembles, modules) = (config.ensembles.len(), config.modules.len());
            let file = file.display();
            // Without a reader the other files still count.
            if print(&format!("{file}: ok: ensembles {ensembles}, members {members}, modules {modules}\n"))
                == Written::Failed
            {
                return Ok(ExitCode::FAILURE);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

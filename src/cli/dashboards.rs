//! `zookeeper-exporter dashboards`: the Grafana dashboards as files.

use std::path::PathBuf;
use std::process::ExitCode;

use super::UsageError;
use super::replace::replace;
use super::stdout::print;
use crate::dashboard;

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter dashboards --out dashboards
      write them into ./dashboards, for import or provisioning
  zookeeper-exporter dashboards --out /var/lib/grafana/dashboards/zookeeper
      write them into the directory that Grafana's provisioning reads";

/// Write the Grafana dashboards.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Dashboards {
    /// The output directory, created if necessary. Files of the same names are replaced, others are kept.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Dashboards {
    pub(super) fn run(&self) -> Result<ExitCode, UsageError> {
        let failed = |path: &std::path::Path, error: std::io::Error| {
            UsageError(format!("--out: cannot write {}: {error}", path.display()))
        };
        std::fs::create_dir_all(&self.out).map_err(|error| failed(&self.out, error))?;
        let mut written = Vec::new();
        for (name, text) in dashboard::files() {
            let path = self.out.join(name);
            replace(&path, &text).map_err(|error| failed(&path, error))?;
            written.push(format!("{}\n", path.display()));
        }
        Ok(print(&written.concat()).code(ExitCode::SUCCESS))
    }
}

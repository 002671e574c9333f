//! `rules`: alert rules for Prometheus, with the thresholds of the configuration as literal numbers.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{UsageError, load};
use crate::alert::{Deployment, Format, RuleFile, Thresholds};

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter rules > zookeeper.yml
      the rules with the thresholds of the catalogue
  zookeeper-exporter rules --config.file ensembles.yml --out /etc/prometheus/rules
      zookeeper.yml and early-warning.yml in that directory, with the thresholds of the file
  zookeeper-exporter rules --config.file ensembles.yml --out /etc/prometheus/rules --check
      exit 1 if these files are not what would be written: for CI, and after an upgrade
  zookeeper-exporter rules --config.file ensembles.yml --format kubernetes | kubectl apply -f -
      a PrometheusRule for the Prometheus operator

Rules that can never fire here (no TLS, no JVM figures, an old ZooKeeper) are left out; the head of the file and the \
standard error say which, and why.";

/// Flags of `rules`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Rules {
    /// The exporter's YAML file: its ensembles, modules and alerts. Default: the thresholds of the catalogue.
    #[arg(long = "config.file", env = "ZOOKEEPER_EXPORTER_CONFIG_FILE", value_name = "FILE")]
    config_file: Option<PathBuf>,

    /// Write zookeeper.yml and early-warning.yml into this directory instead of all rules to the standard output.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Write nothing; exit 1 if the files in --out are not what would be written.
    #[arg(long, requires = "out")]
    check: bool,

    /// A rule file of Prometheus, or a `PrometheusRule` of the Prometheus operator.
    #[arg(long, value_name = "FORMAT", default_value = "prometheus")]
    format: Format,
}

impl Rules {
    pub(super) fn run(&self) -> Result<ExitCode, UsageError> {
        let (thresholds, deployment) = match &self.config_file {
            Some(file) => {
                let config = load(file)?;
                (Thresholds::of(&config)?, Deployment::of(&config))
            }
            None => (Thresholds::default(), Deployment::default()),
        };
        let rules = RuleFile::new(&thresholds, &deployment);
        if self.config_file.is_some() {
            for left_out in &rules.left_out {
                eprintln!("zookeeper-exporter: left out: {}: {}", left_out.alert, left_out.reason);
            }
        }
        let Some(folder) = &self.out else {
            // Whoever closed the pipe does not want to read it.
            let _ = std::io::stdout().write_all(rules.text(self.format).as_bytes());
            return Ok(ExitCode::SUCCESS);
        };
        let files = match self.format {
            Format::Prometheus => rules.files().to_vec(),
            // An object holds all of them.
            Format::Kubernetes => vec![("zookeeper.yml", rules.text(self.format))],
        };
        if self.check {
            let same = files.iter().filter(|(name, text)| compare(&folder.join(name), text)).count();
            return Ok(if same == files.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        for (name, text) in files {
            let file = folder.join(name);
            replace(&file, &text).map_err(|error| {
                UsageError(format!(
                    "--out: cannot write {}: {error}; name a directory that can be written to",
                    file.display()
                ))
            })?;
            let count = |key: &str| text.matches(key).count();
            let (alerts, records) = (count("- alert: "), count("- record: "));
            let _ = writeln!(std::io::stdout(), "{}: {} rules", file.display(), alerts + records);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Prometheus may read the file at any moment: it appears whole or not at all.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let new = file.with_extension("yml.new");
    std::fs::write(&new, text)?;
    std::fs::rename(&new, file)
}

/// Whether the file is what would be written; says on the standard error where it is not.
fn compare(file: &Path, wanted: &str) -> bool {
    let found = match std::fs::read_to_string(file) {
        Ok(found) => found,
        Err(error) => {
            eprintln!("zookeeper-exporter: {}: {error}; write it without --check", file.display());
            return false;
        }
    };
    if found == wanted {
        return true;
    }
    let line = found.lines().zip(wanted.lines()).position(|(found, wanted)| found != wanted);
    let line = line.unwrap_or_else(|| found.lines().count().min(wanted.lines().count()));
    eprintln!(
        "zookeeper-exporter: {}:{}: not what the configuration says; write it anew without --check",
        file.display(),
        line + 1
    );
    false
}

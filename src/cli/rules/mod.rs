//! `rules`: generates alert rules for Prometheus, with the configured thresholds as literal numbers.

mod backtest;
mod html;
mod output;
mod server;
mod suggest;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::UsageError;
use super::replace::replace;
use super::stdout::{print, tell};
use crate::alert::alertmanager::configuration;
use crate::alert::{Deployment, Format, LeftOut, RuleFile, Template, Thresholds};
use crate::config::bounded_read;
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter rules > zookeeper.yml
      the rules with the thresholds of the catalogue
  zookeeper-exporter rules --config.file ensembles.yml --out /etc/prometheus/rules
      zookeeper.yml and early-warning.yml in that directory, with the thresholds of the file
  zookeeper-exporter rules --config.file ensembles.yml --out /etc/prometheus/rules --check
      exit 1 if these files differ from the output: for CI, and after an upgrade
  zookeeper-exporter rules --config.file ensembles.yml --format kubernetes | kubectl apply -f -
      a PrometheusRule for the Prometheus operator
  zookeeper-exporter rules --config.file ensembles.yml --format zabbix > zookeeper-exporter.yaml
      a template for Zabbix 6.0 and later, with the thresholds as macros
  zookeeper-exporter rules --config.file ensembles.yml --format alertmanager > alertmanager.yml
      routes and inhibitions for Alertmanager that keep clusters apart

Rules that can never fire (no TLS, no JVM metrics, an old ZooKeeper) are left out; the head of the file and standard error \
list them with the reason.";

/// Flags of `rules`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct Rules {
    #[command(subcommand)]
    command: Option<RulesAction>,

    /// The exporter's YAML file: its ensembles, modules and alerts. Default: the thresholds of the catalogue.
    #[arg(long = "config.file", env = "ZOOKEEPER_EXPORTER_CONFIG_FILE", value_name = "FILE")]
    config_file: Option<PathBuf>,

    /// Write zookeeper.yml and early-warning.yml into this directory, created if necessary, instead of all rules to standard
    /// output.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Write nothing; exit 1 if the files in --out differ from the output.
    #[arg(long, requires = "out")]
    check: bool,

    /// Output format.
    #[arg(long, value_name = "FORMAT", default_value = "prometheus")]
    format: System,
}

#[derive(Debug, clap::Subcommand)]
enum RulesAction {
    /// Show how often each alert would have fired, from the history of a Prometheus-compatible server.
    Backtest(Box<backtest::Backtest>),
    /// Propose warning limits for each ensemble, from its own history.
    Suggest(Box<suggest::Suggest>),
}

/// The system that evaluates the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum System {
    /// A rule file of Prometheus.
    Prometheus,
    /// A `PrometheusRule` of the Prometheus operator.
    Kubernetes,
    /// A template for Zabbix 6.0 and later, written to zookeeper-exporter.yaml.
    Zabbix,
    /// A configuration for Alertmanager, with routes and inhibitions separated by `alerts.keep_labels`.
    Alertmanager,
}

/// The generated rules: as one text, as files for `--out`, and the alerts that were left out.
struct Written {
    text: String,
    files: Vec<(&'static str, String, String)>,
    left_out: Vec<LeftOut>,
}

impl Rules {
    fn written(&self, thresholds: &Thresholds, deployment: &Deployment) -> Written {
        let format = match self.format {
            System::Prometheus => Format::Prometheus,
            System::Kubernetes => Format::Kubernetes,
            System::Zabbix => return template(thresholds, deployment),
            System::Alertmanager => return routes(deployment),
        };
        let rules = RuleFile::new(thresholds, deployment);
        let text = rules.text(format);
        let files = match format {
            Format::Prometheus => rules.files().to_vec(),
            // One object contains all rules.
            Format::Kubernetes => vec![("zookeeper.yml", text.clone())],
        };
        let counted = |(name, text): (&'static str, String)| {
            let count = |key: &str| text.matches(key).count();
            let rules = count("- alert: ") + count("- record: ");
            (name, text, format!("{rules} rules"))
        };
        Written { text, files: files.into_iter().map(counted).collect(), left_out: rules.left_out }
    }

    pub(super) fn run(&self) -> Result<ExitCode, UsageError> {
        match &self.command {
            Some(RulesAction::Backtest(backtest)) => return backtest.run(),
            Some(RulesAction::Suggest(suggest)) => return suggest.run(),
            None => {}
        }
        let (thresholds, deployment) = of_file(self.config_file.as_deref())?;
        let Written { text, files, left_out } = self.written(&thresholds, &deployment);
        if self.config_file.is_some() {
            for left_out in &left_out {
                tell(format_args!("left out: {}: {}", left_out.alert, left_out.reason));
            }
        }
        if matches!(self.format, System::Alertmanager) {
            tell("the receivers are empty: no notification is sent until you fill them in");
        }
        let Some(folder) = &self.out else {
            return Ok(print(&text).code(ExitCode::SUCCESS));
        };
        if self.check {
            let same = files.iter().filter(|(name, text, _)| compare(&folder.join(name), text)).count();
            return Ok(if same == files.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        std::fs::create_dir_all(folder)
            .map_err(|error| UsageError(format!("--out: cannot create {}: {error}", folder.display())))?;
        let mut written = Vec::new();
        for (name, text, what) in files {
            let file = folder.join(name);
            replace(&file, &text).map_err(|error| {
                UsageError(format!("--out: cannot write {}: {error}: expected a writable directory", file.display()))
            })?;
            written.push(format!("{}: {what}\n", file.display()));
        }
        Ok(print(&written.concat()).code(ExitCode::SUCCESS))
    }
}

/// The thresholds of a configuration file, or of the catalogue.
fn of_file(file: Option<&Path>) -> Result<(Thresholds, Deployment), UsageError> {
    let Some(file) = file else { return Ok((Thresholds::default(), Deployment::default())) };
    let settings = Settings::load(file, &[])?;
    Ok((settings.thresholds, settings.deployment))
}

fn routes(deployment: &Deployment) -> Written {
    let text = configuration(deployment);
    let files = vec![("alertmanager.yml", text.clone(), format!("{} inhibitions", text.matches("equal: ").count()))];
    Written { text, files, left_out: Vec::new() }
}

fn template(thresholds: &Thresholds, deployment: &Deployment) -> Written {
    let template = Template::new(thresholds, deployment);
    let text = template.text();
    let files = vec![("zookeeper-exporter.yaml", text.clone(), format!("{} triggers", template.len()))];
    Written { text, files, left_out: template.left_out().to_vec() }
}

/// Maximum size of a file to compare; generated files are smaller.
const MAX_RULES_BYTES: u64 = 64 << 20;

/// Whether the file has the wanted content; reports a difference on stderr.
fn compare(file: &Path, wanted: &str) -> bool {
    let found = match bounded_read::text(file, MAX_RULES_BYTES) {
        Ok(found) => found,
        Err(error) => {
            tell(format_args!("{}: {error}: run without --check to write it", file.display()));
            return false;
        }
    };
    if found == wanted {
        return true;
    }
    let line = found.lines().zip(wanted.lines()).position(|(found, wanted)| found != wanted);
    let line = line.unwrap_or_else(|| found.lines().count().min(wanted.lines().count()));
    tell(format_args!(
        "{}:{}: differs from the configuration: run without --check to write it again",
        file.display(),
        line + 1
    ));
    false
}

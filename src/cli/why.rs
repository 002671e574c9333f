//! `zookeeper-exporter why`: the most probable cause of a problem, with the symptoms that it explains.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgGroup;

use super::exporter::{ExporterApi, ExporterArgs};
use super::fetch::encoded;
use super::one_shot::{OneShot, Output, Style, exit_code, run, two_scrapes};
use super::stdout::{Written, print, print_styled, tell};
use super::{UsageError, duration};
use crate::incident::{Cause, Evidence, Explanation, Symptom, why};
use crate::text;
use crate::verdict::Level;

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter why --zookeeper zk-1,zk-2,zk-3
      two scrapes of the members of one ensemble
  zookeeper-exporter why prod --config.file ensembles.yml
      one ensemble of a configuration
  zookeeper-exporter why prod --url http://exporter:9141
      a running exporter, with its recorded history
  zookeeper-exporter why prod --config.file ensembles.yml --output json
      for a script

The current state is judged, independent of the duration that an alert requires; alerts that need minutes of history are listed \
as not judged.

Exit status: 0 if at least one member of every ensemble, or the exporter, replied, 1 if not, 2 for wrong usage.";

/// Flags of `why`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("source").args(["url", "zookeeper", "config_file"]))]
pub(super) struct WhyCommand {
    /// Only this ensemble of the configuration.
    #[arg(value_name = "ENSEMBLE")]
    name: Option<String>,

    #[command(flatten)]
    look: OneShot,

    #[command(flatten)]
    exporter: ExporterArgs,

    /// Time between two scrapes, over which disks and latency are judged; 0s for one scrape without them.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = duration)]
    interval: Duration,
}

impl WhyCommand {
    pub(super) fn run(mut self) -> Result<ExitCode, UsageError> {
        let name = self.name.take();
        if let Some((name, other)) =
            name.as_ref().zip(self.look.named().iter().find(|other| Some(*other) != name.as_ref()))
        {
            return Err(UsageError(format!(
                "--ensemble: {other:?} differs from the argument {name:?}: expected one of them"
            )));
        }
        self.look.only(name);
        if let Some(exporter) = self.exporter.named()? {
            return run(self.ask(&exporter));
        }
        let (scraper, settings) = self.look.scraper_and_settings()?;
        let judged = run(two_scrapes(&scraper, &settings.thresholds, self.interval))?;
        let runbooks = settings.config.alerts.runbook_base();
        let explain = |ensemble| why(&judged, ensemble, &settings.thresholds, None).linked(runbooks);
        let explained: Vec<Explanation> = judged.report.ensembles.iter().map(|ensemble| explain(ensemble)).collect();
        Ok(self.written(&explained).code(exit_code(&judged.report)))
    }

    /// Prints the explanations of a running exporter.
    async fn ask(&self, exporter: &ExporterApi) -> ExitCode {
        let mut queries: Vec<String> =
            self.look.named().iter().map(|name| format!("?ensemble={}", encoded(name))).collect();
        queries.dedup();
        if queries.is_empty() {
            queries.push(String::new());
        }
        let mut explained: Vec<Explanation> = Vec::new();
        for query in queries {
            match exporter.get(&format!("/api/v1/why{query}")).await {
                Ok(one) => explained.push(one),
                Err(why) => {
                    tell(format_args!("{why}; without --url the members are queried directly"));
                    return ExitCode::FAILURE;
                }
            }
        }
        self.written(&explained).code(ExitCode::SUCCESS)
    }

    fn written(&self, explained: &[Explanation]) -> Written {
        match self.look.output {
            Output::Json => {
                // No map has non-string keys: serialisation cannot fail.
                let json = serde_json::to_string_pretty(explained).unwrap_or_default();
                print(&(text::escape_json(&json).into_owned() + "\n"))
            }
            Output::Text => {
                let style = Style::of_stdout();
                let texts: Vec<String> =
                    explained.iter().map(|one| described(&one.clone().printable(), style)).collect();
                print_styled(&texts.join("\n"))
            }
        }
    }
}

/// Formats the explanation of one ensemble.
fn described(explained: &Explanation, style: Style) -> String {
    let mut out = String::new();
    let line = |out: &mut String, line: String| {
        out.push_str(&line);
        out.push('\n');
    };
    let clean = |text: &str| text::printable(text).into_owned();
    let head = format!("{}: {}: {}", clean(&explained.ensemble), explained.state, clean(&explained.summary));
    line(&mut out, style.strong(&head));
    if let Some((first, others)) = explained.causes.split_first() {
        let heading = if first.sure { "Most probable cause" } else { "Most probable cause (not sure)" };
        line(&mut out, format!("\n{}", style.strong(heading)));
        cause(&mut out, first, style);
        if !others.is_empty() {
            line(&mut out, format!("\n{}", style.strong("Other causes")));
            for other in others {
                cause(&mut out, other, style);
            }
        }
    } else {
        line(&mut out, "No problem found.".to_owned());
    }
    if !explained.notes.is_empty() {
        line(&mut out, format!("\n{}", style.strong("Further findings")));
        for note in &explained.notes {
            let level = level(&note.severity, style);
            line(&mut out, format!("  {level}  {}\n            {}", clean(&note.text), note.guide));
        }
    }
    let over = explained.judged_over_seconds;
    let extent = if over > 0.0 { format!("judged over {over:.1} s") } else { "judged by one scrape".to_owned() };
    if let Some(since) = &explained.history_since {
        line(&mut out, format!("\nhistory since {}", clean(since)));
    }
    line(
        &mut out,
        format!("\n{extent} at {}; {} alerts need a longer interval", explained.time, explained.not_judged.len()),
    );
    out
}

fn cause(out: &mut String, cause: &Cause, style: Style) {
    let who = if cause.members.is_empty() { String::new() } else { format!(": {}", cause.members.join(", ")) };
    let level = level(&cause.severity, style);
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(out, "  {level}  {}{}", style.strong(&cause.alert), text::printable(&who));
    for Evidence { text, since, .. } in &cause.evidence {
        let _ = writeln!(out, "            {}{}", text::printable(text), from(since.as_deref()));
    }
    if !cause.doubts.is_empty() {
        let _ = writeln!(out, "            Not sure: {}.", text::printable(&cause.doubts.join("; ")));
    }
    if !cause.explains.is_empty() {
        let _ = writeln!(out, "            It explains:");
    }
    for Symptom { alert, severity, text, since, .. } in &cause.explains {
        let _ =
            writeln!(out, "              {severity:8}  {alert}: {}{}", text::printable(text), from(since.as_deref()));
    }
    let _ = writeln!(out, "            First action: {}", text::printable(&cause.first_action));
    let _ = writeln!(out, "            {}", text::printable(&cause.look));
    let _ = writeln!(out, "            Runbook: {}", cause.runbook);
}

fn from(since: Option<&str>) -> String {
    since.map_or_else(String::new, |since| format!(" (since {})", text::printable(since)))
}

fn level(severity: &str, style: Style) -> String {
    let level = if severity == "critical" { Level::Critical } else { Level::Warning };
    style.level(level, &format!("{severity:8}"))
}

//! `zookeeper-exporter events`: prints the transitions recorded by a running exporter, as lines or JSON.

use std::process::ExitCode;
use std::time::Duration;

use tokio::time::sleep;

use super::UsageError;
use super::exporter::{ExporterApi, ExporterArgs};
use super::fetch::encoded;
use super::one_shot::{Output, run};
use super::stdout::{Written, print, tell};
use crate::incident::{EventPage, MAX_PAGE, TransitionInfo, clock};
use crate::text;

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter events prod --since 1h
      transitions of one ensemble in the last hour, from the exporter on this host
  zookeeper-exporter events --url http://exporter:9141 --follow
      all ensembles, and new transitions until interrupted
  zookeeper-exporter events prod --output json
      one JSON object per line

Exit status: 0 if the exporter responded, 1 if not, 2 for wrong usage.";

/// Poll interval of `--follow`.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(2);

/// Flags of `events`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Events {
    /// Only this ensemble.
    #[arg(value_name = "ENSEMBLE")]
    ensemble: Option<String>,

    #[command(flatten)]
    exporter: ExporterArgs,

    /// Only transitions since this time: a duration such as 1h, a UTC time, or seconds since 1970.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Continue with new transitions until interrupted.
    #[arg(short, long)]
    follow: bool,

    /// Output format.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

impl Events {
    pub(super) fn run(&self) -> Result<ExitCode, UsageError> {
        if let Some(since) = self.since.as_deref().filter(|since| clock::parse_moment(since).is_none()) {
            return Err(UsageError(format!("--since: invalid time {since:?}: expected {}", clock::MOMENT_FORMS)));
        }
        let exporter = self.exporter.or_local()?;
        run(self.read(&exporter))
    }

    async fn read(&self, exporter: &ExporterApi) -> ExitCode {
        let mut after = None;
        loop {
            let page: EventPage = match exporter.get(&self.path(after)).await {
                Ok(page) => page,
                Err(why) => {
                    tell(&why);
                    // The exporter may be restarting: retry.
                    if self.follow && after.is_some() && !why.is_refused {
                        sleep(FOLLOW_INTERVAL).await;
                        continue;
                    }
                    return ExitCode::FAILURE;
                }
            };
            let written = print(&page.events.iter().map(|event| self.line(event)).collect::<String>());
            if written != Written::Whole || (!self.follow && !page.more) {
                return written.code(ExitCode::SUCCESS);
            }
            after = Some(page.next);
            if !page.more {
                sleep(FOLLOW_INTERVAL).await;
            }
        }
    }

    fn path(&self, after: Option<u64>) -> String {
        let ensemble = self.ensemble.iter().map(|name| format!("&ensemble={}", encoded(name)));
        let begin = match (after, &self.since) {
            (Some(after), _) => format!("&after={after}"),
            (None, Some(since)) => format!("&since={}", encoded(since)),
            (None, None) => String::new(),
        };
        format!("/api/v1/events?limit={MAX_PAGE}{}{begin}", ensemble.collect::<String>())
    }

    fn line(&self, event: &TransitionInfo) -> String {
        match self.output {
            Output::Json => {
                // Only strings and numbers: serialisation cannot fail.
                let json = serde_json::to_string(event).unwrap_or_default();
                text::escape_json(&json).into_owned() + "\n"
            }
            Output::Text => {
                let ensemble = if event.ensemble.is_empty() { "-" } else { &event.ensemble };
                format!("{}  {}  {}\n", event.time, text::line(ensemble, 60), text::line(&event.line(), 1000))
            }
        }
    }
}

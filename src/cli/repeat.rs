//! Commands that show what happens between two scrapes, once or repeatedly.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::one_shot::{Output, ask};
use super::positive_duration;
use super::screen::Screen;
use super::stdout::{Written, print_styled};
use crate::scrape::{Report, Scraper};

/// Flags of the commands that scrape at an interval.
#[derive(Debug, clap::Args)]
pub(super) struct Repeat {
    /// Repeat until interrupted.
    #[arg(long)]
    watch: bool,

    /// Time between two scrapes. Default: 1s, with --watch 2s.
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    interval: Option<Duration>,
}

/// One scrape and its end.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) report: Arc<Report>,
    pub(super) taken: Instant,
}

impl Look {
    async fn take(scraper: &Arc<Scraper>) -> Self {
        let report = Arc::new(ask(scraper).await);
        Self { report, taken: Instant::now() }
    }
}

impl Repeat {
    /// Scrapes twice, and again with `--watch`, and prints what `show` makes of each scrape and the one before it. On a
    /// terminal, a new table replaces the previous one.
    pub(super) async fn run(
        &self,
        scraper: &Arc<Scraper>,
        output: Output,
        screen: Screen,
        code: fn(&Report) -> ExitCode,
        show: impl Fn(&Look, &Look) -> String,
    ) -> ExitCode {
        let usual = if self.watch { Duration::from_secs(2) } else { Duration::from_secs(1) };
        let interval = self.interval.unwrap_or(usual);
        let mut earlier = Look::take(scraper).await;
        loop {
            tokio::time::sleep(interval).await;
            let now = Look::take(scraper).await;
            let text = show(&earlier, &now);
            let replaces = self.watch && output == Output::Text && screen.width().is_some();
            let clear = if replaces { "\u{1b}[H\u{1b}[2J" } else { "" };
            let text = if replaces { screen.cut(&format!("{}{text}", clock(interval))) } else { text };
            let apart = if self.watch && output == Output::Text && clear.is_empty() { "\n" } else { "" };
            let written = print_styled(&format!("{clear}{text}{apart}"));
            if !self.watch || written != Written::Whole {
                return written.code(code(&now.report));
            }
            earlier = now;
        }
    }
}

/// The first line of a table that is replaced at each interval.
fn clock(interval: Duration) -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{hour:02}:{minute:02}:{second:02} UTC, every {} s\n", interval.as_secs_f64())
}

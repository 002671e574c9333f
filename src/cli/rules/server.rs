//! Flags for a server with the query API of Prometheus, and the progress of a run over its history.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::{UsageError, duration};
use crate::config::pem::Pem;
use crate::config::{ServerUrl, TlsConfig, UrlForm, bounded_read, parse_years};
use crate::history::backtest::RunProgress;
use crate::history::client::QueryApi;
use crate::history::grid::{Grid, Moment};

const FORM: UrlForm = UrlForm {
    // Text after `://` up to an `@` would be masked as a password.
    how: "expected [USER:PASSWORD@]HOST after http:// or https://, for example http://HOST:9090",
    default_path: "/",
};

/// Maximum size of a token file.
const MAX_TOKEN_BYTES: u64 = 64 << 10;

/// Maximum interval in seconds: Prometheus looks back this far for a sample, and `ALERTS` of the previous evaluation is
/// needed.
const MAX_INTERVAL: u64 = 300;

/// Flags of the commands that read the history of a server.
#[derive(Debug, clap::Args)]
pub(super) struct HistoryServer {
    /// Base URL of a server with the query API of Prometheus, `http://[USER:PASSWORD@]HOST[:PORT][/PATH]`: Prometheus,
    /// VictoriaMetrics, Thanos, Mimir.
    #[arg(long, env = "ZOOKEEPER_EXPORTER_PROMETHEUS", hide_env_values = true, value_name = "URL")]
    prometheus: String,

    /// CA that signs the certificate of the server [default: those of the system].
    #[arg(long = "prometheus.ca-file", value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// Client certificate for the server.
    #[arg(long = "prometheus.cert-file", value_name = "FILE", requires = "key_file")]
    cert_file: Option<PathBuf>,

    /// Key of the client certificate.
    #[arg(long = "prometheus.key-file", value_name = "FILE", requires = "cert_file")]
    key_file: Option<PathBuf>,

    /// File with a bearer token for the server.
    #[arg(long = "prometheus.bearer-token-file", value_name = "FILE")]
    bearer_token_file: Option<PathBuf>,

    /// Header of each request, `NAME: VALUE`, for example `X-Scope-OrgID: infra`; repeat the flag for more.
    #[arg(long = "prometheus.header", value_name = "HEADER", value_parser = header)]
    header: Vec<(String, String)>,

    /// Time range before the end, e.g. 12h or 30d.
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = back)]
    since: Duration,

    /// End of the time range, e.g. `2026-11-30T06:00:00Z` [default: now].
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,

    /// The `evaluation_interval` of the server that evaluates the rules.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = interval)]
    interval: i64,

    /// Per-request timeout.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = timeout)]
    timeout: Duration,

    /// Maximum number of concurrent requests.
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u8).range(1..=32))]
    concurrency: u8,
}

impl HistoryServer {
    /// A client for the server; sends no request yet.
    pub(super) fn api(&self) -> Result<QueryApi, UsageError> {
        // Not parsed by clap, whose error message would contain the password.
        let wrong = |why: String| UsageError(format!("--prometheus: {why}"));
        let url = ServerUrl::parse(&self.prometheus, FORM).map_err(wrong)?;
        if url.path.query().is_some() {
            return Err(wrong(FORM.how.to_owned()));
        }
        let pem = |file: &PathBuf| Pem::File(file.clone());
        let tls = TlsConfig {
            ca_file: self.ca_file.as_ref().map(pem),
            identity: self.cert_file.as_ref().map(pem).zip(self.key_file.as_ref().map(pem)),
            ..TlsConfig::default()
        };
        if let Some(Err(why)) = tls.ca_file.as_ref().map(Pem::roots) {
            return Err(UsageError(format!("--prometheus.ca-file: {why}")));
        }
        let token = |file: &PathBuf| {
            let text = bounded_read::text(file, MAX_TOKEN_BYTES);
            text.map(|text| text.trim().to_owned())
                .map_err(|error| UsageError(format!("--prometheus.bearer-token-file: {}: {error}", file.display())))
        };
        let token = self.bearer_token_file.as_ref().map(token).transpose()?;
        QueryApi::new(url, tls, token.as_deref(), &self.header, self.timeout).map_err(wrong)
    }

    /// The evaluation times.
    pub(super) fn grid(&self) -> Result<Grid, UsageError> {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let until = self.until.map_or_else(|| i64::try_from(now()).unwrap_or(i64::MAX), |moment| moment.0);
        let since = i64::try_from(self.since.as_secs()).unwrap_or(i64::MAX);
        let grid = Grid::new(until.saturating_sub(since), until, self.interval);
        if grid.is_empty() || grid.start < 0 {
            return Err(UsageError("--since too short: expected at least twice the --interval".to_owned()));
        }
        Ok(grid)
    }

    /// Number of evaluations per request: one day, so that windows of a day at most double the cost.
    pub(super) fn moments(&self) -> usize {
        usize::try_from(86_400 / self.interval).unwrap_or(1440)
    }

    /// Number of concurrent requests.
    pub(super) fn concurrency(&self) -> usize {
        usize::from(self.concurrency)
    }
}

/// A progress line that is overwritten; shown only on a terminal.
#[derive(Debug)]
pub(super) struct ProgressBar {
    shown: bool,
    begun: std::time::Instant,
    last: Option<std::time::Instant>,
}

/// Width of the bar, in characters.
const BAR: usize = 30;

/// Minimum interval between two updates.
const REFRESH: Duration = Duration::from_millis(200);

impl ProgressBar {
    pub(super) fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal(), begun: std::time::Instant::now(), last: None }
    }

    pub(super) fn show(&mut self, progress: RunProgress) {
        let now = std::time::Instant::now();
        if !self.shown || self.last.is_some_and(|last| now - last < REFRESH) {
            return;
        }
        self.last = Some(now);
        let _ = write!(std::io::stderr(), "\r{}", line(progress, (now - self.begun).as_secs()));
    }

    pub(super) fn end(&self) {
        if self.last.is_some() {
            let _ = write!(std::io::stderr(), "\r{}\r", " ".repeat(BAR + 50));
        }
    }
}

/// The bar, the number of requests, and the estimated time.
fn line(RunProgress { done, expected }: RunProgress, seconds: u64) -> String {
    // A request that exceeds a limit of the server is divided, so that there may be more than expected.
    let expected = expected.max(done).max(1);
    let filled = BAR * done / expected;
    let left =
        u64::try_from(expected - done).unwrap_or(0).saturating_mul(seconds) / u64::try_from(done.max(1)).unwrap_or(1);
    let bar = format!("{}{}", "#".repeat(filled), ".".repeat(BAR - filled));
    format!("[{bar}] {done}/{expected} requests, about {left} s left   ")
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE, e.g. `X-Scope-OrgID: infra`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn back(text: &str) -> Result<Duration, String> {
    parse_years(text).map_err(|error| error.to_string())
}

fn moment(text: &str) -> Result<Moment, String> {
    Moment::parse(text).ok_or_else(|| "expected a time in UTC, e.g. 2026-11-30T06:00:00Z or 2026-11-30".to_owned())
}

fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = duration(text)?;
    if timeout.is_zero() { Err("expected more than 0".to_owned()) } else { Ok(timeout) }
}

fn interval(text: &str) -> Result<i64, String> {
    let interval = duration(text)?;
    if interval.subsec_nanos() > 0 || !(1..=MAX_INTERVAL).contains(&interval.as_secs()) {
        return Err("expected whole seconds, from 1s to 5m".to_owned());
    }
    i64::try_from(interval.as_secs()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_progress_line_has_its_width_even_with_more_requests_than_expected() {
        for (done, expected, filled) in [(0, 0, 0), (0, 10, 0), (5, 10, 15), (10, 10, 30), (14, 10, 30)] {
            let line = line(RunProgress { done, expected }, 60);
            let bar = line.split(']').next().unwrap_or_default();
            assert_eq!((bar.len(), bar.matches('#').count()), (BAR + 1, filled), "{line}");
        }
        assert!(line(RunProgress { done: 14, expected: 10 }, 60).ends_with("14/14 requests, about 0 s left   "));
    }
}

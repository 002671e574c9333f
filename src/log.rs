//! The log: lines on standard error, which never hold the exporter up, whoever reads them.

use std::io::{self, IsTerminal, Stderr, Write};
use std::os::fd::AsFd;
use std::sync::Mutex;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// Failures of the exporter itself.
    Error,
    /// Also what changed for the worse with a member.
    Warn,
    /// Also what the exporter does.
    #[default]
    Info,
    /// Also every failed word of every scrape.
    Debug,
    /// Everything.
    Trace,
}

/// Starts the log on standard error. A second call in one process does nothing.
pub fn start_log(level: LogLevel, format: LogFormat) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // The client crate tells of every connection; what matters of it, canary and reader say in their own words.
    let filter = Targets::new().with_default(level).with_target("zookeeper_client", LevelFilter::ERROR);
    let lines = Mutex::new(Lines { out: io::stderr(), format, dropped: 0, midway: false });
    let log = layer().with_writer(lines).with_target(false).with_ansi(io::stderr().is_terminal());
    // An error means that a log is there already, which is what was asked for.
    let _ = match format {
        LogFormat::Text => registry().with(filter).with(log).try_init(),
        LogFormat::Json => registry().with(filter).with(log.json().flatten_event(true)).try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a bug, please report it: {}", panic.payload_as_str().unwrap_or("panic"));
    }));
}

/// What a pipe takes at once when it says that it takes anything (`PIPE_BUF`).
const PIECE: usize = 4096;

/// How long a reader may be behind before lines are dropped.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Whole lines; what nobody takes is dropped and counted.
#[derive(Debug)]
struct Lines<W = Stderr> {
    out: W,
    format: LogFormat,
    dropped: u64,
    /// The last line that was written was not written to its end.
    midway: bool,
}

impl<W: Write + AsFd> Lines<W> {
    /// Whether the reader takes some bytes now, or soon. One that let lines be dropped is not waited for again.
    fn is_ready(&self) -> bool {
        let patience = if self.dropped == 0 { PATIENCE } else { Timespec::default() };
        let mut out = [PollFd::new(&self.out, PollFlags::OUT)];
        // An error is a descriptor that cannot be waited for; to write to it fails or not, but at once.
        poll(&mut out, Some(&patience)).map_or(true, |ready| ready > 0)
    }

    /// How many lines are missing, in the log's own format.
    fn gap(&self) -> String {
        let (dropped, what) = (self.dropped, "lines are missing here: nobody read standard error");
        let line = match self.format {
            LogFormat::Text => format!(" WARN {what} lines={dropped}\n"),
            LogFormat::Json => format!("{{\"level\":\"WARN\",\"message\":\"{what}\",\"lines\":{dropped}}}\n"),
        };
        if self.midway { format!("\n{line}") } else { line }
    }
}

impl<W: Write + AsFd> Write for Lines<W> {
    /// Takes a line, which the log's layer hands over whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.dropped > 0 && self.is_ready() {
            let gap = self.gap();
            (self.dropped, self.midway) = (0, false);
            self.out.write_all(gap.as_bytes())?;
        }
        for (number, piece) in line.chunks(PIECE).enumerate() {
            if !self.is_ready() {
                self.dropped += 1;
                self.midway |= number > 0;
                break;
            }
            self.out.write_all(piece)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeWriter, Read, pipe};

    use super::*;

    /// A log into a pipe that is full after 65 536 bytes.
    fn log() -> (io::PipeReader, Lines<PipeWriter>) {
        let (reader, out) = pipe().expect("a pipe");
        (reader, Lines { out, format: LogFormat::Json, dropped: 0, midway: false })
    }

    #[test]
    fn a_reader_that_stops_loses_lines_and_is_told() {
        let (mut reader, mut log) = log();
        let line = format!("{}\n", "x".repeat(999));
        let begun = std::time::Instant::now();
        for _ in 0..200 {
            log.write_all(line.as_bytes()).expect("never fails");
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
        let written = 200 - log.dropped;
        assert!((50..=65).contains(&written), "{written}");
        let mut bytes = vec![0; 1000 * usize::try_from(written).expect("few")];
        reader.read_exact(&mut bytes).expect("what was written");
        log.write_all(b"again\n").expect("never fails");
        drop(log);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).expect("text");
        let gap = "{\"level\":\"WARN\",\"message\":\"lines are missing here: nobody read standard error\",\"lines\":";
        assert_eq!(rest, format!("{gap}{}}}\nagain\n", 200 - written));
    }

    #[test]
    fn a_line_that_was_cut_is_ended_before_the_next() {
        let (mut reader, mut log) = log();
        let endless = "y".repeat(100_000);
        log.write_all(endless.as_bytes()).expect("never fails");
        let mut bytes = vec![0; 1 << 17];
        let came = reader.read(&mut bytes).expect("what was written");
        assert!(came < endless.len());
        log.write_all(b"{}\n").expect("never fails");
        drop(log);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).expect("text");
        assert!(rest.starts_with("\n{") && rest.ends_with(":1}\n{}\n"), "{rest}");
    }
}

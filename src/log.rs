//! The log: lines on standard error that never block the exporter.
//!
//! If stderr is blocked (a full pipe, a stopped terminal), scrapes must continue. The descriptor is reopened as
//! non-blocking, without an effect on other processes that use it. A line that cannot be written within a short timeout
//! is dropped and counted; the number of dropped lines is written before the next line.

mod logfmt;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileTypeExt;
use std::sync::Mutex;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

use crate::text;
use logfmt::Logfmt;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Plain text.
    #[default]
    Text,
    /// Key-value pairs, as other exporters of Prometheus log.
    Logfmt,
    /// One JSON object per line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// Failures of the exporter itself.
    Error,
    /// Also members that became worse.
    Warn,
    /// Also actions of the exporter.
    #[default]
    Info,
    /// Also every failed command of every scrape.
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
    let filter = Targets::new().with_default(level);
    // Without a descriptor for stderr there is no log.
    let Ok(out) = io::stderr().as_fd().try_clone_to_owned() else { return };
    let ansi = io::stderr().is_terminal() && format == LogFormat::Text;
    let lines = Mutex::new(LogWriter { ansi, ..LogWriter::new(File::from(out), format) });
    let log = layer().with_writer(lines).with_target(false).with_ansi(ansi);
    // An error means that the log was already started.
    let _ = match format {
        LogFormat::Text => registry().with(filter).with(log).try_init(),
        LogFormat::Logfmt => registry().with(filter).with(log.event_format(Logfmt)).try_init(),
        LogFormat::Json => registry().with(filter).with(log.json().flatten_event(true)).try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let error = panic.payload_as_str().unwrap_or("panic");
        if ["Too many open files", "Resource temporarily unavailable"].iter().any(|limit| error.contains(limit)) {
            tracing::error!(error, "out of file descriptors or threads: raise LimitNOFILE or TasksMax");
        } else {
            tracing::error!(place, error, "panic (this is a bug, please report it)");
        }
    }));
}

/// Maximum length of a line in bytes; longer lines are truncated. A safeguard: texts are already bounded at their
/// source.
const MAX_LINE_BYTES: usize = 16 << 10;

/// Largest write that does not block on a writable pipe (`PIPE_BUF`).
const PIECE: usize = 4096;

/// Maximum time to wait for a slow reader before a line is dropped.
const WRITE_TIMEOUT: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Line-buffered writer that drops and counts lines when stderr would block.
#[derive(Debug)]
struct LogWriter {
    out: File,
    /// Maximum size of one write, in bytes.
    piece: usize,
    format: LogFormat,
    /// Whether lines may contain colours.
    ansi: bool,
    dropped: u64,
    /// Whether the last line was written incompletely.
    midway: bool,
}

impl LogWriter {
    fn new(out: File, format: LogFormat) -> Self {
        let (out, piece) = unblocked(out);
        Self { out, piece, format, ansi: false, dropped: 0, midway: false }
    }

    /// Whether stderr becomes writable within the timeout. After a dropped line there is no wait.
    fn is_ready(&self) -> bool {
        let timeout = if self.dropped == 0 { WRITE_TIMEOUT } else { Timespec::default() };
        let mut out = [PollFd::new(&self.out, PollFlags::OUT)];
        // An error means that the descriptor cannot be polled; writes to it return immediately.
        poll(&mut out, Some(&timeout)).map_or(true, |ready| ready > 0)
    }

    /// The line that reports dropped lines, in the format of the log.
    fn gap(&self) -> String {
        let (dropped, what) = (self.dropped, "log lines dropped: stderr was blocked");
        let line = match self.format {
            LogFormat::Text => format!(" WARN {what} lines={dropped}\n"),
            LogFormat::Logfmt => format!("level=WARN msg=\"{what}\" lines={dropped}\n"),
            LogFormat::Json => format!("{{\"level\":\"WARN\",\"message\":\"{what}\",\"lines\":{dropped}}}\n"),
        };
        if self.midway { format!("\n{line}") } else { line }
    }
}

impl Write for LogWriter {
    /// Writes one line; each call receives a complete line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.dropped > 0 && self.is_ready() {
            let gap = self.gap();
            (self.dropped, self.midway) = (0, false);
            self.put(gap.as_bytes())?;
        }
        self.put(harmless(line, self.format, self.ansi).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LogWriter {
    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        let mut rest = line;
        while !rest.is_empty() {
            let piece = &rest[..rest.len().min(self.piece)];
            let written = if self.is_ready() { self.out.write(piece) } else { Err(ErrorKind::WouldBlock.into()) };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Includes a terminal that has space for a byte, but not for an expanded line break.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.dropped += 1;
                    self.midway |= rest.len() < line.len();
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Removes escapes, invisible characters and line breaks that originate from server texts.
fn harmless(line: &[u8], format: LogFormat, ansi: bool) -> Cow<'_, str> {
    let line = String::from_utf8_lossy(line);
    let body = line.strip_suffix('\n').unwrap_or(&line);
    if body.len() <= MAX_LINE_BYTES && body.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return line;
    }
    let shown = match format {
        LogFormat::Json if body.len() > MAX_LINE_BYTES => {
            format!("{{\"level\":\"WARN\",\"message\":\"log line dropped: too long\",\"bytes\":{}}}", body.len())
        }
        LogFormat::Json => text::escape_json(body).replace('\n', "\\n"),
        LogFormat::Text | LogFormat::Logfmt => {
            let end = body.floor_char_boundary(MAX_LINE_BYTES);
            let mut shown = if ansi { painted(&body[..end]) } else { text::printable(&body[..end]).into_owned() };
            if end < body.len() {
                shown.push('…');
            }
            shown
        }
    };
    Cow::Owned(shown + "\n")
}

/// Keeps only the colour sequences of the layer, which escapes those in fields.
fn painted(line: &str) -> String {
    let mut pieces = line.split('\u{1b}');
    let mut shown = text::printable(pieces.next().unwrap_or("")).into_owned();
    for piece in pieces {
        let digits = |c: char| c.is_ascii_digit() || c == ';';
        let colour = piece.strip_prefix('[').is_some_and(|rest| rest.trim_start_matches(digits).starts_with('m'));
        shown.push(if colour { '\u{1b}' } else { char::REPLACEMENT_CHARACTER });
        shown.push_str(&text::printable(piece));
    }
    shown
}

/// Reopens pipes and terminals as non-blocking; setting the flag on the descriptor itself would affect other processes.
/// Also returns the maximum size of one write.
fn unblocked(out: File) -> (File, usize) {
    let Ok(kind) = out.metadata().map(|about| about.file_type()) else { return (out, PIECE) };
    if !kind.is_fifo() && !kind.is_char_device() {
        return (out, PIECE);
    }
    let path = format!("/proc/self/fd/{}", out.as_raw_fd());
    match open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(reopened) => (File::from(reopened), PIECE),
        // A terminal of another user: its free space may be smaller than a piece.
        Err(_) if kind.is_char_device() => (out, 1),
        Err(_) => (out, PIECE),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};
    use std::os::fd::OwnedFd;

    use super::*;

    /// A log that writes to a pipe, which is full after 65,536 bytes.
    fn log() -> (io::PipeReader, LogWriter) {
        let (reader, out) = pipe().expect("a pipe");
        (reader, LogWriter::new(File::from(OwnedFd::from(out)), LogFormat::Json))
    }

    #[test]
    fn lines_for_a_stopped_reader_are_dropped_and_counted() {
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
        let gap = "{\"level\":\"WARN\",\"message\":\"log lines dropped: stderr was blocked\",\"lines\":";
        assert_eq!(rest, format!("{gap}{}}}\nagain\n", 200 - written));
    }

    #[test]
    fn nothing_in_a_line_paints_hides_or_makes_a_second_one() {
        let (json, text) = (LogFormat::Json, LogFormat::Text);
        let hostile = "a\u{9b}\u{202e}\u{7f}\nb\u{1b}[2Jc\u{1b}[31md\n";
        assert_eq!(
            harmless(hostile.as_bytes(), text, false),
            "a\u{fffd}\u{fffd}\u{fffd}\u{fffd}b\u{fffd}[2Jc\u{fffd}[31md\n"
        );
        assert_eq!(
            harmless(hostile.as_bytes(), text, true),
            "a\u{fffd}\u{fffd}\u{fffd}\u{fffd}b\u{fffd}[2Jc\u{1b}[31md\n"
        );
        let line = harmless("{\"a\":\"\u{9b}\u{2066}é\"}\n".as_bytes(), json, false).into_owned();
        assert_eq!(line, "{\"a\":\"\\u009b\\u2066é\"}\n");
        let long = format!("{{\"a\":\"{}\"}}\n", "x".repeat(MAX_LINE_BYTES));
        let line = harmless(long.as_bytes(), json, false).into_owned();
        assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok_and(|line| line["bytes"] == MAX_LINE_BYTES + 8));
        assert_eq!(harmless("é".repeat(20_000).as_bytes(), text, false).len(), MAX_LINE_BYTES + "…\n".len());
    }

    #[test]
    fn a_line_that_was_cut_is_ended_before_the_next() {
        let (mut reader, mut log) = log();
        let endless = "y".repeat(100_000);
        log.put(endless.as_bytes()).expect("never fails");
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

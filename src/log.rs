//! The log: lines on standard error that never block the exporter.

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
    // Without a descriptor for standard error there is no output.
    let Ok(out) = io::stderr().as_fd().try_clone_to_owned() else { return };
    let ansi = io::stderr().is_terminal();
    let lines = Mutex::new(Lines { ansi, ..Lines::new(File::from(out), format) });
    let log = layer().with_writer(lines).with_target(false).with_ansi(ansi);
    // An error means that a log is there already, which is what was asked for.
    let _ = match format {
        LogFormat::Text => registry().with(filter).with(log).try_init(),
        LogFormat::Json => registry().with(filter).with(log.json().flatten_event(true)).try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let said = panic.payload_as_str().unwrap_or("panic");
        if ["Too many open files", "Resource temporarily unavailable"].iter().any(|limit| said.contains(limit)) {
            tracing::error!("too few descriptors or threads: raise the limits (LimitNOFILE, TasksMax): {said}");
        } else {
            tracing::error!(place, "a bug, please report it: {said}");
        }
    }));
}

/// A longer line is cut: every text in one is bounded where it enters, so that none is in a sound log.
const MAX_LINE_BYTES: usize = 16 << 10;

/// What a pipe or a socket takes at once when it says that it takes anything (`PIPE_BUF`).
const PIECE: usize = 4096;

/// How long a reader may be behind before lines are dropped.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Line-buffered writer; lines are dropped and counted when standard error would block.
#[derive(Debug)]
struct Lines {
    out: File,
    /// Most bytes of one write.
    piece: usize,
    format: LogFormat,
    /// The layer paints its lines.
    ansi: bool,
    dropped: u64,
    /// The last line that was written was not written to its end.
    midway: bool,
}

impl Lines {
    fn new(out: File, format: LogFormat) -> Self {
        let (out, piece) = unblocked(out);
        Self { out, piece, format, ansi: false, dropped: 0, midway: false }
    }

    /// Whether the reader takes some bytes now, or soon. One that let lines be dropped is not waited for again.
    fn is_ready(&self) -> bool {
        let patience = if self.dropped == 0 { PATIENCE } else { Timespec::default() };
        let mut out = [PollFd::new(&self.out, PollFlags::OUT)];
        // An error is a descriptor that cannot be waited for; to write to it fails or not, but at once.
        poll(&mut out, Some(&patience)).map_or(true, |ready| ready > 0)
    }

    /// How many lines are missing, in the log's own format.
    fn gap(&self) -> String {
        let (dropped, what) = (self.dropped, "log lines dropped: stderr was blocked");
        let line = match self.format {
            LogFormat::Text => format!(" WARN {what} lines={dropped}\n"),
            LogFormat::Json => format!("{{\"level\":\"WARN\",\"message\":\"{what}\",\"lines\":{dropped}}}\n"),
        };
        if self.midway { format!("\n{line}") } else { line }
    }
}

impl Write for Lines {
    /// Takes a line, which the log's layer hands over whole.
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

impl Lines {
    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        let mut rest = line;
        while !rest.is_empty() {
            let piece = &rest[..rest.len().min(self.piece)];
            let written = if self.is_ready() { self.out.write(piece) } else { Err(ErrorKind::WouldBlock.into()) };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A terminal may have room, but not for what a line break becomes.
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

/// A line without anything that paints, hides or makes a second line, whatever a server had in its texts.
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
        LogFormat::Text => {
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

/// A line of the layer's that has its colours, the one escape that stays: it leaves none in the values of fields.
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

/// Pipes and terminals reopened, so that a write to them never waits: to say so of the descriptor itself would say it
/// of everybody who shares it. And how much may be written at once.
fn unblocked(out: File) -> (File, usize) {
    let Ok(kind) = out.metadata().map(|about| about.file_type()) else { return (out, PIECE) };
    if !kind.is_fifo() && !kind.is_char_device() {
        return (out, PIECE);
    }
    let path = format!("/proc/self/fd/{}", out.as_raw_fd());
    match open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(reopened) => (File::from(reopened), PIECE),
        // The terminal of another user: some room may be less than a piece.
        Err(_) if kind.is_char_device() => (out, 1),
        Err(_) => (out, PIECE),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};
    use std::os::fd::OwnedFd;

    use super::*;

    /// A log into a pipe that is full after 65 536 bytes.
    fn log() -> (io::PipeReader, Lines) {
        let (reader, out) = pipe().expect("a pipe");
        (reader, Lines::new(File::from(OwnedFd::from(out)), LogFormat::Json))
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

//! Output of results and messages: a result that cannot be written is a failure, a lost message is not.

use std::fmt::Display;
use std::io::{ErrorKind, Result, Write};
use std::process::ExitCode;

use crate::text;

/// The outcome of a write to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Written {
    /// Everything was written.
    Whole,
    /// The reader closed the pipe, e.g. `| head`; not an error.
    Closed,
    /// Writing failed; the error was reported.
    Failed,
}

/// Maximum length of a message, in characters; it may quote input.
const MAX_MESSAGE: usize = 2000;

/// Writes lines to stdout, replacing unprintable characters; reports a failure.
pub(super) fn print(text: &str) -> Written {
    let mut lines = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        lines.push_str(&text::printable(line));
        lines.push_str(end);
    }
    print_styled(&lines)
}

/// Writes text with terminal escapes. Text from outside must be made printable by the caller.
pub(super) fn print_styled(text: &str) -> Written {
    let mut out = std::io::stdout().lock();
    Written::of(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Writes one line to stderr. A failure is ignored: the exit code still reports the result.
pub(super) fn tell(message: impl Display) {
    let _ = writeln!(std::io::stderr(), "zookeeper-exporter: {}", one_line(message));
}

/// A message as one line. It may quote a path, a flag or a page; the password of a URL is removed, even if it is in the
/// wrong place.
pub(super) fn one_line(message: impl Display) -> String {
    text::line(&text::without_logins(&message.to_string()), MAX_MESSAGE)
}

impl Written {
    /// The outcome of a write; reports a failure.
    pub(super) fn of(done: Result<()>) -> Self {
        match done {
            Ok(()) => Self::Whole,
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Self::Closed,
            Err(error) => {
                tell(format_args!("cannot write to standard output: {error}"));
                Self::Failed
            }
        }
    }

    /// The exit code of a command that returns `whole` if everything was written.
    pub(super) fn code(self, whole: ExitCode) -> ExitCode {
        match self {
            Self::Whole => whole,
            Self::Closed => ExitCode::SUCCESS,
            Self::Failed => ExitCode::FAILURE,
        }
    }
}

//! Where results and messages go: a result that cannot be written is a failure, a message that cannot be is none.

use std::fmt::Display;
use std::io::{ErrorKind, Result, Write};
use std::process::ExitCode;

use crate::text;

/// How a text got to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Written {
    /// All of it is there.
    Whole,
    /// A closed pipe behind `| head` is the reader's wish.
    Closed,
    /// Not, or not all of it; why is told already.
    Failed,
}

/// Characters of a message: one that quotes megabytes does not help.
const MAX_MESSAGE: usize = 2000;

/// Writes lines to standard output, and tells where that fails. Nothing in them paints or moves the cursor.
pub(super) fn print(text: &str) -> Written {
    let mut lines = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        lines.push_str(&text::printable(line));
        lines.push_str(end);
    }
    print_styled(&lines)
}

/// Writes text that has escapes of ours for a terminal; other texts are made printable where they are put in.
pub(super) fn print_styled(text: &str) -> Written {
    let mut out = std::io::stdout().lock();
    Written::of(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Writes one line to standard error; if that fails, the exit code still reports the result.
pub(super) fn tell(message: impl Display) {
    let _ = writeln!(std::io::stderr(), "zookeeper-exporter: {}", one_line(message));
}

/// A message as one line: it may quote a path, a flag or a page.
pub(super) fn one_line(message: impl Display) -> String {
    text::line(&message.to_string(), MAX_MESSAGE)
}

impl Written {
    /// What became of it, told where it failed.
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

    /// The exit code of a command which has this one where all is written.
    pub(super) fn code(self, whole: ExitCode) -> ExitCode {
        match self {
            Self::Whole => whole,
            Self::Closed => ExitCode::SUCCESS,
            Self::Failed => ExitCode::FAILURE,
        }
    }
}

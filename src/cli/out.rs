//! The two standard streams: a result that cannot be written is a failure, a message that cannot be is none.

use std::fmt::Display;
use std::io::{ErrorKind, Result, Write};
use std::process::ExitCode;

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

/// Writes a text to standard output, and tells where that fails.
pub(super) fn print(text: &str) -> Written {
    let mut out = std::io::stdout().lock();
    Written::of(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Writes one line to standard error; where nobody can read it, the exit code still says what there is to say.
pub(super) fn tell(message: impl Display) {
    let _ = writeln!(std::io::stderr(), "zookeeper-exporter: {message}");
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

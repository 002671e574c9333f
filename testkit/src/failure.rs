//! How a command ends without success: the message, and the exit status.

use std::io::Write;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// Wrong arguments, or something is missing: exit status 2.
    Usage(String),
    /// Exit status 1.
    Failed(String),
    /// A signal or a closed pipe: this exit status, without a message.
    Ended(u8),
}

impl Failure {
    /// Prints the message with the name of the program, and returns the exit status.
    #[must_use]
    pub fn report(&self, program: &str) -> ExitCode {
        match self {
            Self::Usage(message) => {
                tell(program, message);
                ExitCode::from(2)
            }
            Self::Failed(message) => {
                tell(program, message);
                ExitCode::FAILURE
            }
            Self::Ended(status) => ExitCode::from(*status),
        }
    }
}

/// Errors of input and output; a reader that closed the pipe is not reported.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe { Self::Ended(141) } else { Self::Failed(error.to_string()) }
    }
}

/// `Err(Failed)` with this message.
///
/// # Errors
/// Always.
pub fn fail<T>(message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Failed(message.into()))
}

/// `Err(Usage)` with this message.
///
/// # Errors
/// Always.
pub fn refuse<T>(message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Usage(message.into()))
}

/// Writes a message to the standard error, which may be closed.
pub fn tell(program: &str, message: &str) {
    let _ = writeln!(std::io::stderr(), "{program}: {message}");
}

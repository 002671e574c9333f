//! One error for everything a user can write wrong: where it stands and what to write instead.

use std::fmt;
use std::path::PathBuf;

/// A mistake in a flag or in the configuration file; its text is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where.
    pub place: Place,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// Where a mistake stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A flag, or the environment variable beside it.
    Flag(&'static str),
    /// A line and column of a file, both from 1; 0 where they are not known.
    File {
        /// The file as named by the user.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The column.
        column: u64,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Flag(flag) => write!(f, "{flag}: {}", self.message),
            Place::File { path, line: 0, .. } => write!(f, "{}: {}", path.display(), self.message),
            Place::File { path, line, column } => {
                write!(f, "{}:{line}:{column}: {}", path.display(), self.message)
            }
        }
    }
}

impl std::error::Error for ConfigError {}

//! The error type for flags and configuration: the position, what is wrong, and what is expected.

use std::fmt;
use std::path::PathBuf;

use crate::text;

/// Maximum displayed length of a path or a message, in characters.
const MAX_SHOWN: usize = 1000;

/// An error in a flag or in the configuration file, displayed as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The position.
    pub place: Place,
    /// What is wrong, and what is expected.
    pub message: String,
}

/// An error in a YAML file before the path is added: position and message.
pub(super) type Mistake = (serde_saphyr::Location, String);

/// The position of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A flag, or its environment variable.
    Flag(&'static str),
    /// A line and column of a file, both from 1; 0 if unknown.
    File {
        /// The file as given by the user.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The column.
        column: u64,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Path and message quote user input, which may contain line breaks or terminal escapes.
        match &self.place {
            Place::Flag(flag) => write!(f, "{flag}: ")?,
            Place::File { path, line, column } => {
                f.write_str(&text::line(&path.display().to_string(), MAX_SHOWN))?;
                if *line > 0 {
                    write!(f, ":{line}:{column}")?;
                }
                f.write_str(": ")?;
            }
        }
        f.write_str(&text::line(&self.message, MAX_SHOWN))
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_input_cannot_add_a_second_line() {
        let message = "invalid ensemble name `a\nb\u{1b}[31m`".to_owned();
        let shown = ConfigError { place: Place::Flag("--zookeeper"), message }.to_string();
        assert_eq!(shown, "--zookeeper: invalid ensemble name `a\u{fffd}b\u{fffd}[31m`");
    }
}

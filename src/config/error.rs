//! One error for everything a user can write wrong: where it stands and what to write instead.

use std::fmt;
use std::path::PathBuf;

use crate::text;

/// Characters of a path or a message that are shown: enough for any that is of use.
const MAX_SHOWN: usize = 1000;

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
        // A path and a message quote what was written, which may hold line breaks, or colours of a terminal.
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
    fn what_a_user_wrote_cannot_make_a_second_line() {
        let message = "`a\nb\u{1b}[31m` is no ensemble name".to_owned();
        let shown = ConfigError { place: Place::Flag("--zookeeper"), message }.to_string();
        assert_eq!(shown, "--zookeeper: `a\u{fffd}b\u{fffd}[31m` is no ensemble name");
    }
}

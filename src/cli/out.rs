//! Where results and messages go: a result that cannot be written is a failure, a message that cannot be is none.

use std::fmt::Display;
use std::io::{ErrorKind, Result, Write};
use std::path::Path;
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

/// Writes a file that others may read at any moment: it appears whole or not at all.
pub(super) fn replace(file: &Path, text: &str) -> Result<()> {
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    let done = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, file));
    if done.is_err() {
        // What failed is told; that its half cannot be removed either says no more.
        let _ = std::fs::remove_file(&new);
    }
    done
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

#[cfg(test)]
mod tests {
    use super::replace;

    #[test]
    fn a_file_that_cannot_be_replaced_leaves_the_old_one_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.yml");
        replace(&file, "old").unwrap();
        replace(&file, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        // No file can take the place of a folder with something in it.
        let full = folder.path().join("full");
        std::fs::create_dir_all(full.join("x")).unwrap();
        assert!(replace(&full, "text").is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
    }
}

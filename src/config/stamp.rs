//! Whether files changed since they were read, told from their metadata: cheap enough for every few seconds.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the metadata of some files said; equal as long as none of them changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp(Vec<(PathBuf, Option<Seen>)>);

/// Device, inode, size, and the time of the last change; a rotated file changes at least one, also behind a symbolic
/// link as Kubernetes mounts secrets.
type Seen = (u64, u64, u64, i64, i64);

impl Stamp {
    /// Looks at the files; one that is not there is a state, too.
    pub fn of<'p>(files: impl IntoIterator<Item = &'p Path>) -> Self {
        Self(files.into_iter().map(|file| (file.to_owned(), seen(file))).collect())
    }

    /// The same files as they are now.
    #[must_use]
    pub fn now(&self) -> Self {
        Self::of(self.0.iter().map(|(file, _)| &**file))
    }
}

fn seen(file: &Path) -> Option<Seen> {
    let about = std::fs::metadata(file).ok()?;
    Some((about.dev(), about.ino(), about.len(), about.ctime(), about.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_a_rewrite_a_rotation_and_a_removal() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, next) = (folder.path().join("a.pem"), folder.path().join("b.pem"));
        let before = Stamp::of([file.as_path()]);
        std::fs::write(&file, "one").expect("written");
        let first = before.now();
        assert_ne!(before, first);
        assert_eq!(first, first.now());
        std::fs::write(&next, "two").expect("written");
        std::fs::rename(&next, &file).expect("renamed");
        let second = first.now();
        assert_ne!(first, second);
        std::fs::remove_file(&file).expect("removed");
        assert_eq!(second.now(), before);
    }
}

//! Detects changed files by their metadata, which is cheap enough for a check every few seconds.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The metadata of some files; equal as long as none of them has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(Vec<(PathBuf, Option<FileMetadata>)>);

/// Device, inode, size, and time of the last change. A rotated file differs in at least one of them, even behind a
/// symbolic link, as in secrets mounted by Kubernetes.
type FileMetadata = (u64, u64, u64, i64, i64);

impl Fingerprint {
    /// Reads the metadata of the files; a missing file is a valid state.
    pub fn of<'p>(files: impl IntoIterator<Item = &'p Path>) -> Self {
        Self(files.into_iter().map(|file| (file.to_owned(), metadata(file))).collect())
    }

    /// The current fingerprint of the same files.
    #[must_use]
    pub fn now(&self) -> Self {
        Self::of(self.0.iter().map(|(file, _)| &**file))
    }
}

fn metadata(file: &Path) -> Option<FileMetadata> {
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
        let before = Fingerprint::of([file.as_path()]);
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

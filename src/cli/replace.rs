//! Files that others read at any moment: written whole beside their place, then renamed into it.
//!
//! The new file has a random name that no other writer, and no planted link, can have; a failure removes that file alone.
//! What is there keeps its mode and, where the user may set it, its owner; a link keeps pointing to the file it names.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Error, ErrorKind, Result, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// A longer chain of links is a loop.
const MAX_LINKS: usize = 40;

/// Random names of 64 bits that are all taken mean something else.
const MAX_NAMES: usize = 16;

/// Writes a file: it appears whole or not at all.
pub(super) fn replace(file: &Path, text: &str) -> Result<()> {
    let place = behind_links(file)?;
    let old = match fs::metadata(&place) {
        Ok(old) if old.is_dir() => return Err(ErrorKind::IsADirectory.into()),
        // A pipe or a device has nothing to be kept whole.
        Ok(old) if !old.is_file() => return OpenOptions::new().write(true).open(&place)?.write_all(text.as_bytes()),
        Ok(old) => Some(old),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (path, new) = create(folder, old.is_none())?;
    let done = fill(new, text, old.as_ref()).and_then(|()| fs::rename(&path, &place));
    if done.is_err() {
        // What failed is told; that the half cannot be removed either says no more.
        let _ = fs::remove_file(&path);
        return done;
    }
    // The file is in its place; that the directory's entry survives a power cut is asked for where it can be.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// The file that a path means, which may not be there yet.
fn behind_links(file: &Path) -> Result<PathBuf> {
    let mut place = file.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&place) {
            Ok(target) => place = place.parent().unwrap_or(Path::new("")).join(target),
            // No link, or nothing there.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => return Ok(place),
            Err(error) => return Err(error),
        }
    }
    Err(Error::other("too many symbolic links"))
}

/// A new file under an unpredictable name. A first one gets the mode that the umask leaves.
fn create(folder: &Path, first: bool) -> Result<(PathBuf, File)> {
    let mode = if first { 0o666 } else { 0o600 };
    for _ in 0..MAX_NAMES {
        let random = RandomState::new().build_hasher().finish();
        let path = folder.join(format!(".zookeeper-exporter-{random:016x}.tmp"));
        // With `create_new` the last part of the path is never followed where it is a link.
        match OpenOptions::new().write(true).create_new(true).mode(mode).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

fn fill(mut new: File, text: &str, old: Option<&Metadata>) -> Result<()> {
    new.write_all(text.as_bytes())?;
    if let Some(old) = old {
        let mine = new.metadata()?;
        let owned = (mine.uid(), mine.gid()) == (old.uid(), old.gid())
            || fchown(&new, Some(old.uid()), Some(old.gid())).is_ok()
            // Another user's file becomes ours; its group may still be one of ours.
            || fchown(&new, None, Some(old.gid())).is_ok();
        // Bits beyond those of reading and writing are for the owner they were set with.
        let mode = old.mode() & if owned { 0o7777 } else { 0o777 };
        new.set_permissions(Permissions::from_mode(mode))?;
    }
    new.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_that_cannot_be_replaced_leaves_the_old_one_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.yml");
        replace(&file, "old").unwrap();
        fs::write(folder.path().join("rules.yml.new"), "the user's").unwrap();
        replace(&file, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        let full = folder.path().join("full");
        fs::create_dir(&full).unwrap();
        assert!(replace(&full, "text").is_err());
        assert!(replace(&folder.path().join("none/rules.yml"), "text").is_err());
        assert_eq!(names(folder.path()), ["full", "rules.yml", "rules.yml.new"]);
        assert_eq!(fs::read_to_string(folder.path().join("rules.yml.new")).unwrap(), "the user's");
    }

    #[test]
    fn mode_and_links_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (elsewhere, link) = (folder.path().join("a/rules.yml"), folder.path().join("link"));
        fs::create_dir(folder.path().join("a")).unwrap();
        symlink("a/rules.yml", &link).unwrap();
        let second = folder.path().join("second");
        symlink("link", &second).unwrap();
        replace(&second, "through a link to nothing yet").unwrap();
        fs::set_permissions(&elsewhere, Permissions::from_mode(0o640)).unwrap();
        replace(&link, "text").unwrap();
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "text");
        assert_eq!(fs::metadata(&elsewhere).unwrap().mode() & 0o7777, 0o640);
        assert!([&link, &second].iter().all(|link| fs::symlink_metadata(link).unwrap().is_symlink()));
        symlink("loop", folder.path().join("loop")).unwrap();
        assert!(replace(&folder.path().join("loop"), "text").is_err());
        assert_eq!(names(folder.path()), ["a", "link", "loop", "second"]);
        assert_eq!(names(&folder.path().join("a")), ["rules.yml"]);
    }

    #[test]
    fn many_writers_at_once_leave_one_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.yml");
        let texts: Vec<String> = (0..8).map(|writer| writer.to_string().repeat(100_000)).collect();
        std::thread::scope(|scope| {
            for text in &texts {
                scope.spawn(|| (0..10).for_each(|_| replace(&file, text).unwrap()));
            }
            for _ in 0..200 {
                let seen = fs::read_to_string(&file).unwrap_or_default();
                assert!(seen.is_empty() || texts.contains(&seen), "{} bytes", seen.len());
            }
        });
        assert_eq!(names(folder.path()), ["rules.yml"]);
    }
}

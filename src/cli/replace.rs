//! Atomic replacement of files: written under a temporary name in the same directory, then renamed.
//!
//! The temporary file has a random name, which neither another writer nor a planted link can occupy. After a failure
//! only this file is removed. An existing file keeps its mode and, if permitted, its owner; symbolic links are
//! followed.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Error, ErrorKind, Result, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

/// Maximum number of symbolic links; a longer chain is a loop.
const MAX_LINKS: usize = 40;

/// Maximum number of attempts to find an unused name.
const MAX_NAMES: usize = 16;

/// Writes a file atomically.
pub(super) fn replace(file: &Path, text: &str) -> Result<()> {
    let place = behind_links(file)?;
    let old = match fs::metadata(&place) {
        Ok(old) if old.is_dir() => return Err(ErrorKind::IsADirectory.into()),
        // A pipe or a device is written directly.
        Ok(old) if !old.is_file() => return OpenOptions::new().write(true).open(&place)?.write_all(text.as_bytes()),
        Ok(old) => Some(old),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (path, new) = create(folder, old.is_none())?;
    let done = fill(new, text, old.as_ref()).and_then(|()| fs::rename(&path, &place));
    if done.is_err() {
        // The first error is the relevant one.
        let _ = fs::remove_file(&path);
        return done;
    }
    // Makes the directory entry durable, if possible.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// The target of a path after resolving all symbolic links; it may not exist.
fn behind_links(file: &Path) -> Result<PathBuf> {
    let mut place = file.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&place) {
            Ok(_) if is_planted(&place)? => {
                return Err(Error::new(
                    ErrorKind::PermissionDenied,
                    "a symbolic link of another user in a world-writable directory is not followed",
                ));
            }
            Ok(target) => place = place.parent().unwrap_or(Path::new("")).join(target),
            // Not a link, or the file does not exist.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => return Ok(place),
            Err(error) => return Err(error),
        }
    }
    Err(Error::other("too many symbolic links"))
}

/// Whether a link must not be followed: in a sticky, world-writable directory, if it belongs to neither this user nor
/// the owner of the directory. The kernel applies the same rule with `fs.protected_symlinks`, but not to links that are
/// resolved here.
fn is_planted(link: &Path) -> Result<bool> {
    let folder = link.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (folder, link) = (fs::metadata(folder)?, fs::symlink_metadata(link)?);
    let is_shared = folder.mode() & 0o1002 == 0o1002;
    Ok(is_shared && link.uid() != geteuid().as_raw() && link.uid() != folder.uid())
}

/// Creates a file with an unpredictable name. The umask determines the mode of a file that did not exist before.
fn create(folder: &Path, first: bool) -> Result<(PathBuf, File)> {
    let mode = if first { 0o666 } else { 0o600 };
    for _ in 0..MAX_NAMES {
        let random = RandomState::new().build_hasher().finish();
        let path = folder.join(format!(".zookeeper-exporter-{random:016x}.tmp"));
        // `create_new` does not follow a link in the last component.
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
            // The owner cannot be kept; the group may be one of this user's groups.
            || fchown(&new, None, Some(old.gid())).is_ok();
        // Set-uid and set-gid bits are only valid for the original owner.
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
    fn a_failed_replacement_keeps_the_previous_file_and_nothing_else() {
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
    fn mode_and_links_are_kept() {
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
    fn a_link_planted_in_a_shared_directory_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (shared, victim) = (folder.path().join("shared"), folder.path().join("victim"));
        fs::create_dir(&shared).unwrap();
        fs::write(&victim, "old").unwrap();
        let link = shared.join("rules.yml");
        symlink("../victim", &link).unwrap();
        fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
        replace(&link, "one's own link").unwrap();
        // Only root can create a link of another user.
        if geteuid().is_root() {
            std::os::unix::fs::lchown(&link, Some(65_534), None).unwrap();
            assert_eq!(replace(&link, "planted").unwrap_err().kind(), ErrorKind::PermissionDenied);
            assert_eq!(names(&shared), ["rules.yml"]);
            fs::set_permissions(&shared, Permissions::from_mode(0o755)).unwrap();
            replace(&link, "in a directory of one's own").unwrap();
        }
        assert!(fs::read_to_string(&victim).unwrap().contains("own"));
    }

    #[test]
    fn concurrent_writers_leave_one_complete_file() {
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

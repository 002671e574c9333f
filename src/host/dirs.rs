//! The data and log directories of a member: their size, and the free space of their disks.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use super::find::Found;
use crate::config::whole;

/// The values of the label `dir`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dir {
    /// `dataDir`: snapshots.
    Data,
    /// `dataLogDir`: transaction logs; the data directory where there is none of its own.
    Log,
}

impl Dir {
    /// The value of the label.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Log => "log",
        }
    }
}

/// One directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirFigures {
    /// Which.
    pub dir: Dir,
    /// Its path as the server has it.
    pub path: String,
    /// Bytes of the files in it.
    pub used_bytes: Option<u64>,
    /// Bytes that the server may still write to its disk.
    pub free_bytes: u64,
    /// Size of its disk.
    pub size_bytes: u64,
}

/// ZooKeeper keeps a few snapshots and logs; a directory with more entries is an accident.
const MOST_FILES: usize = 100_000;

/// More than any `zoo.cfg` has.
const MOST_BYTES: u64 = 1 << 20;

/// Reads what can be read; a directory that cannot is left out.
pub(super) fn figures(found: &Found, dirs: Vec<(Dir, PathBuf)>) -> Vec<DirFigures> {
    let figures = |(dir, path): (Dir, PathBuf)| {
        // A server started with a relative path means its own working directory.
        let path = if path.is_absolute() { path } else { found.process.cwd().ok()?.join(path) };
        let seen = seen(found, &path)?;
        let disk = statvfs(&seen).ok()?;
        Some(DirFigures {
            dir,
            path: path.display().to_string(),
            used_bytes: used(&seen),
            free_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
            size_bytes: disk.f_blocks.saturating_mul(disk.f_frsize),
        })
    };
    dirs.into_iter().filter_map(figures).collect()
}

/// The directory as the server sees it, which in a container is not where the exporter does.
fn seen(found: &Found, path: &Path) -> Option<PathBuf> {
    let inside = PathBuf::from(format!("/proc/{}/root", found.process.pid())).join(path.strip_prefix("/").ok()?);
    match fs::metadata(&inside) {
        Ok(_) => Some(inside),
        // Only root may look through another's root; without a container the path is the same.
        Err(_) if same_mounts(found) => Some(path.to_owned()),
        Err(_) => None,
    }
}

/// Whether the server has the file systems of the exporter; where that is hidden, it is taken for granted.
fn same_mounts(found: &Found) -> bool {
    let mounts = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    mounts(&found.process.pid().to_string()).is_none_or(|its| Some(its) == mounts("self"))
}

fn used(path: &Path) -> Option<u64> {
    let files = fs::read_dir(path).ok()?.take(MOST_FILES).flatten();
    Some(files.filter_map(|file| file.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum())
}

/// The directories that the process was started with, from its `zoo.cfg`: for where `conf` is refused.
pub(super) fn of_process(found: &Found) -> Vec<(Dir, PathBuf)> {
    let Ok(words) = found.process.cmdline() else { return Vec::new() };
    let Some(file) = words.iter().rev().find(|word| Path::new(word).extension().is_some_and(|end| end == "cfg")) else {
        return Vec::new();
    };
    let file = if Path::new(file).is_absolute() {
        PathBuf::from(file)
    } else {
        let Ok(cwd) = found.process.cwd() else { return Vec::new() };
        cwd.join(file)
    };
    let text = |file: PathBuf| {
        // Named by another's command line: a pipe would be waited for.
        let is_file = fs::metadata(&file).is_ok_and(|about| about.is_file());
        is_file.then(|| whole::text(&file, MOST_BYTES).ok()).flatten()
    };
    seen(found, &file).and_then(text).map(|text| of_file(&text)).unwrap_or_default()
}

/// `dataDir` and `dataLogDir` of a `zoo.cfg`; files are in `version-2` below.
fn of_file(text: &str) -> Vec<(Dir, PathBuf)> {
    let value = |wanted: &str| {
        let mut entries = text.lines().filter_map(|line| line.trim().split_once('='));
        let found = entries.rfind(|(key, _)| key.trim() == wanted);
        found.map(|(_, value)| PathBuf::from(value.trim()).join("version-2"))
    };
    let Some(data) = value("dataDir") else { return Vec::new() };
    let log = value("dataLogDir").unwrap_or_else(|| data.clone());
    vec![(Dir::Data, data), (Dir::Log, log)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_directories_of_a_configuration() {
        let both = of_file("tickTime=2000\n dataDir = /var/lib/zk \n#dataLogDir=/no\ndataLogDir=/log\n");
        assert_eq!(both, [(Dir::Data, "/var/lib/zk/version-2".into()), (Dir::Log, "/log/version-2".into())]);
        let one = of_file("dataDir=/d");
        assert_eq!(one[1], (Dir::Log, "/d/version-2".into()));
        assert_eq!(of_file(""), []);
    }
}

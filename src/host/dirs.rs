//! The data and log directories of a member: their size, and the free space on their disks.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use super::find::MemberProcess;
use crate::config::bounded_read;

/// The values of the label `dir`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dir {
    /// `dataDir`: snapshots.
    Data,
    /// `dataLogDir`: transaction logs; the data directory if it is not set.
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

/// Size of a directory and its disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirFigures {
    /// Data or log directory.
    pub dir: Dir,
    /// The path in the server's configuration.
    pub path: String,
    /// Total size of the files in bytes; `None` if they cannot be read.
    pub used_bytes: Option<u64>,
    /// Free space on the disk that is available to the server, in bytes.
    pub free_bytes: u64,
    /// Size of the disk in bytes.
    pub size_bytes: u64,
}

/// Maximum number of files that are counted; ZooKeeper keeps few snapshots and logs.
const MOST_FILES: usize = 100_000;

/// Maximum size of a `zoo.cfg`, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Reads the directories; unreadable ones are omitted.
pub(super) fn figures(found: &MemberProcess, dirs: Vec<(Dir, PathBuf)>) -> Vec<DirFigures> {
    let figures = |(dir, path): (Dir, PathBuf)| {
        // Relative to the working directory of the server.
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

/// The directory as the server sees it; in a container the path differs from the exporter's.
fn seen(found: &MemberProcess, path: &Path) -> Option<PathBuf> {
    let inside = PathBuf::from(format!("/proc/{}/root", found.process.pid())).join(path.strip_prefix("/").ok()?);
    match fs::metadata(&inside) {
        Ok(_) => Some(inside),
        // Only root may read `/proc/PID/root` of other users. Without a container the path is the same.
        Err(_) if same_mounts(found) => Some(path.to_owned()),
        Err(_) => None,
    }
}

/// Whether the server shares the exporter's mount namespace; assumed if this cannot be read.
fn same_mounts(found: &MemberProcess) -> bool {
    let mounts = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    mounts(&found.process.pid().to_string()).is_none_or(|its| Some(its) == mounts("self"))
}

fn used(path: &Path) -> Option<u64> {
    let files = fs::read_dir(path).ok()?.take(MOST_FILES).flatten();
    Some(files.filter_map(|file| file.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum())
}

/// The directories from the `zoo.cfg` of the process, used if `conf` is refused.
pub(super) fn of_process(found: &MemberProcess) -> Vec<(Dir, PathBuf)> {
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
        // The path is given by another process; reading a pipe would block.
        let is_file = fs::metadata(&file).is_ok_and(|about| about.is_file());
        is_file.then(|| bounded_read::text(&file, MOST_BYTES).ok()).flatten()
    };
    seen(found, &file).and_then(text).map(|text| of_file(&text)).unwrap_or_default()
}

/// The directories of a `zoo.cfg`; the files are in the subdirectory `version-2`.
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

//! A file with the results of completed queries, from which an interrupted run is resumed.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::grid::Grid;
use crate::config::bounded_read;

/// Maximum size of a journal, in bytes.
const MAX_JOURNAL_BYTES: u64 = 1 << 30;

/// The first line of a journal: the run that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct JournalHead {
    journal_of: String,
    from: i64,
    until: i64,
    step: i64,
}

#[derive(Serialize, Deserialize)]
struct JournalLine<V> {
    key: String,
    value: V,
}

/// Results by key; new results are appended to the file.
#[derive(Debug, Default)]
pub struct Journal {
    found: BTreeMap<String, Box<RawValue>>,
    file: Option<JournalFile>,
}

#[derive(Debug)]
struct JournalFile {
    path: PathBuf,
    file: File,
    /// Written before the first result: a run without any result does not fix the times of the next one.
    start: Option<String>,
}

impl Journal {
    /// Opens a journal; returns it with its grid. `grid` is used if the file does not exist.
    ///
    /// # Errors
    /// If the file cannot be used, or belongs to another server or interval.
    pub fn open(path: &Path, server: &str, grid: Grid) -> Result<(Self, Grid), String> {
        let at = |what: String| format!("{}: {what}", path.display());
        let mut head =
            JournalHead { journal_of: server.to_owned(), from: grid.start, until: grid.end, step: grid.step };
        let mut found = BTreeMap::new();
        let exists = path.try_exists().map_err(|error| at(error.to_string()))?;
        let text = if exists { bounded_read::text(path, MAX_JOURNAL_BYTES) } else { Ok(String::new()) };
        let text = text.map_err(|error| at(error.to_string()))?;
        let is_new = text.is_empty();
        if !is_new {
            let mut lines = text.lines();
            let first = lines.next().and_then(|line| serde_json::from_str::<JournalHead>(line).ok());
            let first = first.ok_or_else(|| at("not a journal of a backtest: expected a new file".to_owned()))?;
            if (&first.journal_of, first.step) != (&head.journal_of, head.step) {
                return Err(at(format!(
                    "journal of {} at an interval of {} s: expected a new file",
                    first.journal_of, first.step
                )));
            }
            head = first;
            // The last line may be incomplete.
            for line in lines {
                if let Ok(JournalLine { key, value }) = serde_json::from_str::<JournalLine<Box<RawValue>>>(line) {
                    found.insert(key, value);
                }
            }
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(|error| at(error.to_string()))?;
        let start = if is_new {
            format!("{}\n", serde_json::to_string(&head).map_err(|error| at(error.to_string()))?)
        } else {
            "\n".to_owned()
        };
        let grid = Grid { start: head.from, end: head.until, step: head.step };
        let file = JournalFile { path: path.to_owned(), file, start: Some(start) };
        Ok((Self { found, file: Some(file) }, grid))
    }

    /// The stored result for a key.
    #[must_use]
    pub fn get<V: DeserializeOwned>(&self, key: &str) -> Option<V> {
        serde_json::from_str(self.found.get(key)?.get()).ok()
    }

    /// Appends a result.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn put<V: Serialize>(&mut self, key: &str, value: &V) -> Result<(), String> {
        let Some(JournalFile { path, file, start }) = &mut self.file else { return Ok(()) };
        let line =
            serde_json::to_string(&JournalLine { key: key.to_owned(), value }).map_err(|error| error.to_string())?;
        let start = start.take().unwrap_or_default();
        file.write_all(format!("{start}{line}\n").as_bytes()).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// A key derived from everything that the result of a query depends on.
#[must_use]
pub fn key(of: impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_results_does_not_fix_the_times() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        Journal::open(&path, "http://a", Grid::new(0, 600, 60)).expect("a new journal");
        let later = Grid::new(600, 1200, 60);
        let (_, grid) = Journal::open(&path, "http://b", later).expect("still a new journal");
        assert_eq!(grid, later);
    }

    #[test]
    fn results_survive_an_interrupted_run_and_a_cut_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let grid = Grid::new(0, 600, 60);
        let (mut journal, _) = Journal::open(&path, "http://a", grid).expect("a new journal");
        journal.put("x", &vec![1, 2]).expect("written");
        std::fs::write(&path, std::fs::read_to_string(&path).expect("read") + "{\"key\":\"y\",\"val").expect("written");
        let (mut journal, again) = Journal::open(&path, "http://a", Grid::new(0, 1200, 60)).expect("the same journal");
        assert_eq!(again, grid);
        assert_eq!(journal.get::<Vec<u8>>("x"), Some(vec![1, 2]));
        assert_eq!(journal.get::<Vec<u8>>("y"), None);
        journal.put("y", &vec![3]).expect("written");
        let (journal, _) = Journal::open(&path, "http://a", grid).expect("the same journal");
        assert_eq!(journal.get::<Vec<u8>>("y"), Some(vec![3]));
        assert!(Journal::open(&path, "http://b", grid).is_err());
        assert!(Journal::open(&path, "http://a", Grid::new(0, 600, 30)).is_err());
    }
}

//! Helpers shared by several tests: fixtures, pages built from replies, and a strict parser for pages.

pub mod certs;
pub mod exporter;
pub mod listeners;
pub mod page;
pub mod promql;
pub mod replies;
pub mod runbooks;
#[allow(dead_code, reason = "only the tests of real servers hold sessions")]
pub mod sessions;

use std::path::{Path, PathBuf};

#[allow(unused_imports, reason = "not every test binary uses all of them")]
pub use page::{Page, Series, read_page};
#[allow(unused_imports, reason = "not every test binary uses all of them")]
pub use replies::{READING, heard, member, named_page, page, report};
use zookeeper_exporter::scrape::MemberReport;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder below `tests/fixtures`: the replies of one real member at one point in time.
#[derive(Clone, Debug)]
pub struct Fixture {
    pub name: String,
    pub folder: PathBuf,
}

impl Fixture {
    pub fn read(&self, file: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder.join(file)).ok()
    }

    pub fn mntr(&self) -> String {
        String::from_utf8(self.read("mntr.txt").expect("every fixture has mntr.txt")).expect("UTF-8")
    }
}

/// All fixtures in sorted order, e.g. `3.8.0/leader`.
pub fn fixtures() -> Vec<Fixture> {
    let mut found = Vec::new();
    for version in entries(&root().join("tests/fixtures")) {
        for role in entries(&version) {
            let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
            found.push(Fixture { name: format!("{}/{}", name(&version), name(&role)), folder: role });
        }
    }
    assert!(found.len() > 60, "the fixtures are missing");
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

pub fn fixture_member(fixture: &Fixture) -> MemberReport {
    let (mntr, srvr, conf) = (fixture.read("mntr.txt"), fixture.read("srvr.txt"), fixture.read("conf.txt"));
    member("zk-1:2181", mntr.as_deref(), srvr.as_deref(), conf.as_deref())
}

/// Compares `text` with a committed file, or writes the file if `UPDATE_GOLDEN=1`.
pub fn assert_golden(path: &str, text: &str) {
    let path = root().join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    if known != text {
        let at = known.lines().zip(text.lines()).position(|(old, new)| old != new);
        let line = at.unwrap_or_else(|| known.lines().count().min(text.lines().count()));
        panic!(
            "{} differs at line {}:\n- {}\n+ {}\nUPDATE_GOLDEN=1 cargo test rewrites it, cargo xtask gen if it ships; look at the difference",
            path.display(),
            line + 1,
            known.lines().nth(line).unwrap_or("(end)"),
            text.lines().nth(line).unwrap_or("(end)")
        );
    }
}

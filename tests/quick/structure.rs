//! The house rules of `ARCHITECTURE.md`, held: who may import whom, and what a file looks like.

use std::path::{Path, PathBuf};

use crate::common::root;

/// The floors, from the ground up. An import goes to a lower floor or stays in its room.
const FLOORS: [&[&str]; 12] = [
    &["text"],
    &["config", "reply", "catalogue"],
    &["ensemble"],
    &["wire", "host"],
    &["session"],
    &["canary", "znode"],
    &["scrape"],
    &["verdict"],
    &["exposition", "alert"],
    &["telemetry", "log"],
    &["http", "dashboard"],
    &["cli"],
];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Every source file with the room it stands in.
fn sources() -> Vec<(String, PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let room = path.strip_prefix(root().join("src")).unwrap().components().next().unwrap();
                let room = room.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((room, path, text));
            }
        }
    }
    assert!(found.len() > 30);
    found
}

/// The rooms that a file names behind `crate::`, braces included.
fn imports(text: &str) -> Vec<String> {
    text.split("crate::")
        .skip(1)
        .flat_map(|behind| match behind.strip_prefix('{') {
            Some(list) => {
                let list = list.split(';').next().unwrap_or("");
                list.split([',', '{', '}']).map(first_word).collect::<Vec<_>>()
            }
            None => vec![first_word(behind)],
        })
        .filter(|room| floor(room).is_some())
        .collect()
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()
}

#[test]
fn data_flows_one_way() {
    let mut seen = 0;
    for (room, path, text) in sources() {
        if matches!(room.as_str(), "main" | "lib") {
            continue;
        }
        let own =
            floor(&room).unwrap_or_else(|| panic!("{room} has no floor: add it to ARCHITECTURE.md and to this test"));
        for import in imports(&text) {
            let other = floor(&import).unwrap();
            assert!(import == room || other < own, "{} imports {import}, which is not below {room}", path.display());
            seen += usize::from(import != room);
        }
    }
    assert!(seen > 30, "the test sees no imports any more");
}

#[test]
fn pure_rooms_do_no_io() {
    for (room, path, text) in sources() {
        let pure = matches!(room.as_str(), "reply" | "catalogue" | "verdict" | "exposition" | "dashboard")
            || path.ends_with("scrape/reading.rs");
        for forbidden in ["tokio", "std::net", "std::fs", "hyper", "axum"] {
            assert!(!pure || !text.contains(forbidden), "{} knows {forbidden}", path.display());
        }
    }
}

#[test]
fn only_the_catalogue_knows_names() {
    for (room, path, text) in sources() {
        let code: String = text
            .split("#[cfg(test)]")
            .next()
            .unwrap()
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        let knows = code.contains("\"zk_") || code.contains("\"process_");
        // Tests hold every name in `alert` and `dashboard` to the catalogue.
        // `reply` knows the prefix of the wire format, and the raw page is made of raw names.
        let allowed = matches!(room.as_str(), "catalogue" | "reply" | "alert" | "dashboard")
            || path.ends_with("exposition/raw.rs");
        assert!(allowed || !knows, "{} names a metric", path.display());
    }
}

#[test]
fn every_file_says_its_purpose_and_stays_a_room() {
    for (_, path, text) in sources() {
        assert!(text.starts_with("//! "), "{} does not begin with its purpose", path.display());
        let lines = text.lines().count();
        assert!(lines <= 400, "{} has {lines} lines", path.display());
        assert!(!is_named(&path, &["util", "utils", "helpers", "misc", "common"]), "{}", path.display());
    }
}

fn is_named(path: &Path, names: &[&str]) -> bool {
    path.file_stem().is_some_and(|stem| names.iter().any(|name| stem == *name))
}

#[test]
fn the_architecture_document_names_every_room() {
    let document = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for room in FLOORS.iter().copied().flatten() {
        assert!(document.contains(&format!("`{room}`")) || document.contains(&format!("`{room}/`")), "{room}");
    }
}

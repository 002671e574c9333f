//! The rules of `ARCHITECTURE.md`: allowed imports, and the form of source files.

use std::path::{Path, PathBuf};

use crate::common::root;

/// The layers, from the lowest. A module imports from lower layers or from itself.
const LAYERS: [&[&str]; 15] = [
    &["text", "histogram", "version", "runbook"],
    &["config", "reply", "catalogue"],
    &["ensemble"],
    &["wire", "host"],
    &["session"],
    &["canary", "znode"],
    &["scrape"],
    &["verdict"],
    &["exposition"],
    &["alert"],
    &["settings"],
    &["incident"],
    &["telemetry", "log", "history"],
    &["http"],
    &["cli"],
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// All source files of the exporter with their module.
fn sources() -> Vec<(String, PathBuf, String)> {
    let found = sources_below("src");
    assert!(found.len() > 30);
    found
}

/// All source files of a folder with their module.
fn sources_below(source: &str) -> Vec<(String, PathBuf, String)> {
    let source = root().join(source);
    let mut found = Vec::new();
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let module = path.strip_prefix(&source).unwrap().components().next().unwrap();
                let module = module.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((module, path, text));
            }
        }
    }
    found
}

/// The modules that a file imports from `crate::`, including imports in braces.
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
        .filter(|module| layer(module).is_some())
        .collect()
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()
}

#[test]
fn imports_follow_the_layers() {
    let mut seen = 0;
    for (module, path, text) in sources() {
        if matches!(module.as_str(), "main" | "lib") {
            continue;
        }
        let own = layer(&module)
            .unwrap_or_else(|| panic!("{module} has no layer: add it to ARCHITECTURE.md and to this test"));
        for import in imports(&text) {
            let other = layer(&import).unwrap();
            assert!(
                import == module || other < own,
                "{} imports {import}, which is not below {module}",
                path.display()
            );
            seen += usize::from(import != module);
        }
    }
    assert!(seen > 30, "the test sees no imports any more");
}

#[test]
fn pure_modules_do_no_io() {
    for (module, path, text) in sources() {
        let pure = matches!(module.as_str(), "reply" | "catalogue" | "verdict" | "exposition")
            || path.ends_with("scrape/reading.rs");
        for forbidden in ["tokio", "std::net", "std::fs", "hyper", "axum"] {
            assert!(!pure || !text.contains(forbidden), "{} knows {forbidden}", path.display());
        }
    }
}

#[test]
fn only_the_catalogue_names_metrics() {
    for (module, path, text) in sources() {
        let code: String = text
            .split("#[cfg(test)]")
            .next()
            .unwrap()
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        let knows = code.contains("\"zk_") || code.contains("\"process_");
        // Tests check the names in `alert` against the catalogue. `reply` knows the prefix of the wire format, and the
        // raw page consists of raw names.
        let allowed = matches!(module.as_str(), "catalogue" | "reply" | "alert") || path.ends_with("exposition/raw.rs");
        assert!(allowed || !knows, "{} names a metric", path.display());
    }
}

#[test]
fn every_file_states_its_purpose_and_is_short() {
    let beside = ["testkit/src", "xtask/src"].map(sources_below).concat();
    for (_, path, text) in sources().into_iter().chain(beside) {
        assert!(text.starts_with("//! "), "{} does not begin with its purpose", path.display());
        let lines = text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines", path.display());
        assert!(!is_named(&path, &["util", "utils", "helpers", "misc", "common"]), "{}", path.display());
    }
}

fn is_named(path: &Path, names: &[&str]) -> bool {
    path.file_stem().is_some_and(|stem| names.iter().any(|name| stem == *name))
}

#[test]
fn the_architecture_document_names_every_module() {
    let document = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for module in LAYERS.iter().copied().flatten() {
        assert!(document.contains(&format!("`{module}`")) || document.contains(&format!("`{module}/`")), "{module}");
    }
    for package in ["testkit", "xtask"] {
        for (module, _, _) in sources_below(&format!("{package}/src")) {
            let is_named = document.contains(&format!("| `{module}`")) || document.contains(&format!("| `{module}/`"));
            assert!(
                is_named || ["lib", "main"].contains(&&*module),
                "ARCHITECTURE.md does not name {module} of {package}"
            );
        }
    }
}

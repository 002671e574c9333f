//! Replays the corpus of the fuzz targets, so that fixed bugs stay fixed.
//!
//! Fuzzing itself needs a separate build with coverage, which takes minutes: `./scripts/test long fuzz`.

#[path = "../../fuzz/src/lib.rs"]
#[allow(
    dead_code,
    unused_imports,
    clippy::duplicate_mod,
    reason = "shared with the libFuzzer crate, whose targets are used only there"
)]
mod targets;

use std::path::PathBuf;

use crate::common::root;

fn folder(path: &str) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut found: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn every_input_of_the_corpus_passes() {
    for (name, target) in targets::TARGETS {
        let inputs = folder(&format!("fuzz/corpus/{name}"));
        assert!(inputs.len() >= 3, "the corpus of {name} is missing");
        for input in inputs {
            let bytes = std::fs::read(&input).unwrap();
            let held = std::panic::catch_unwind(|| target(&bytes));
            assert!(held.is_ok(), "{name} fails for {}; see the panic above", input.display());
        }
    }
}

#[test]
fn every_target_has_a_file_and_is_listed() {
    let files = folder("fuzz/fuzz_targets");
    let names: Vec<_> = files.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, targets::TARGETS.map(|(name, _)| name));
    let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")), "{name}");
        let text = std::fs::read_to_string(root().join(format!("fuzz/fuzz_targets/{name}.rs"))).unwrap();
        assert!(text.contains(&format!("targets::{name}(data)")), "{name} calls another target");
    }
}

//! Generators of the files that ship with the exporter but are no part of its binary.
//!
//! [`generated`] returns all of them; `cargo xtask gen` writes them, and `tests/quick/generated.rs` compares them with the
//! committed files. The tests also use [`dashboard`] as a model of the dashboards, and [`rule_tests`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a generator fails by panicking")]
#![allow(clippy::missing_panics_doc, reason = "a generator fails by panicking")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "readability over speed in generators")]
#![forbid(unsafe_code)]

mod chart;
pub mod dashboard;
mod document;
pub mod mixin;
pub mod rule_tests;
mod rules;

use std::path::Path;

/// A generated file: its path in the repository, and its content.
pub type File = (String, String);

/// The root of the repository.
#[must_use]
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// Every generated file. Documents that are partly written by hand are read first.
#[must_use]
pub fn generated() -> Vec<File> {
    let dashboards = dashboard::files().into_iter().map(|(name, text)| (format!("dashboards/{name}"), text));
    let mut all: Vec<File> = dashboards.collect();
    all.extend(rules::files());
    all.push(mixin::file());
    all.extend(chart::files());
    all.extend(document::files());
    all
}

/// A file of the repository.
fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

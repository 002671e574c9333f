//! Real servers for tests and for use by hand: ZooKeeper ensembles (`scripts/ensemble`), and the demo (`scripts/demo`).
//!
//! It does not depend on the exporter, so that it builds in seconds.
#![allow(clippy::format_push_string, clippy::format_collect, reason = "readability over speed")]
#![forbid(unsafe_code)]

pub mod demo;
pub mod ensemble;
pub mod failure;
pub mod http;
pub mod process;
pub mod stop_signal;
pub mod wait;

use std::path::Path;

/// The root of the repository.
#[must_use]
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// A random number.
#[must_use]
pub fn random(below: u64) -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // Each `RandomState` has new random keys.
    std::collections::hash_map::RandomState::new().build_hasher().finish() % below
}

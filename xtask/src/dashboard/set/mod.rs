//! The dashboards, one file each, and their common panels.

mod capacity;
mod client;
mod compare;
mod ensembles;
mod exporter;
mod jvm;
mod latency;
mod member;
mod overview;
mod parts;
mod warning;

use super::board::Board;

/// All dashboards, in the order of use.
#[must_use]
pub fn boards() -> Vec<Board> {
    vec![
        ensembles::board(),
        overview::board(),
        member::board(),
        latency::board(),
        jvm::board(),
        warning::board(),
        compare::board(),
        capacity::board(),
        client::board(),
        exporter::board(),
    ]
}

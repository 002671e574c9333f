//! The dashboards themselves, one file each, and the panels that several of them share.

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

/// Every dashboard, in the order in which one looks at them.
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

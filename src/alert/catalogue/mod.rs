//! Every condition there is: the one place that knows an alert.
#![allow(clippy::too_many_lines, reason = "tables")]

mod availability;
mod beyond;
mod connections;
mod data;
mod drift;
mod early;
mod exporter;
mod jvm;
mod latency;
mod leadership;
mod quorum;
mod replication;
mod requests;
mod security;

use std::sync::LazyLock;

use super::condition::Condition;

static CONDITIONS: LazyLock<Vec<Condition>> = LazyLock::new(|| {
    let groups = [
        availability::conditions(),
        quorum::conditions(),
        leadership::conditions(),
        replication::conditions(),
        latency::conditions(),
        requests::conditions(),
        connections::conditions(),
        data::conditions(),
        jvm::conditions(),
        security::conditions(),
        drift::conditions(),
        exporter::conditions(),
        beyond::conditions(),
        early::conditions(),
    ];
    groups.into_iter().flatten().collect()
});

/// Every condition, in the order of the rules.
#[must_use]
pub fn conditions() -> &'static [Condition] {
    &CONDITIONS
}

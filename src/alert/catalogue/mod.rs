//! The catalogue: every alert condition, the single source of rules, runbooks and templates.
#![allow(clippy::too_many_lines, reason = "tables")]

mod availability;
mod connections;
mod data;
mod drift;
mod early;
mod exporter;
mod jvm;
mod latency;
mod leadership;
mod probes;
mod quorum;
mod regression;
mod replication;
mod requests;
mod security;
mod shape;
mod zones;

use std::sync::LazyLock;

use super::condition::Condition;

static CONDITIONS: LazyLock<Vec<Condition>> = LazyLock::new(|| {
    let groups = [
        availability::conditions(),
        quorum::conditions(),
        shape::conditions(),
        leadership::conditions(),
        replication::conditions(),
        regression::conditions(),
        latency::conditions(),
        requests::conditions(),
        connections::conditions(),
        data::conditions(),
        jvm::conditions(),
        security::conditions(),
        drift::conditions(),
        zones::conditions(),
        exporter::conditions(),
        probes::conditions(),
        early::conditions(),
    ];
    groups.into_iter().flatten().map(Condition::through_gaps).collect()
});

/// Every condition, in the order of the rules.
#[must_use]
pub fn conditions() -> &'static [Condition] {
    &CONDITIONS
}

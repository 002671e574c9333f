//! Profiles: limits for what uses the ensemble, each with its source; what has none is as in the catalogue.

use super::condition::Severity;

/// One limit that a profile changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    /// The condition, without `ZooKeeper`.
    pub condition: &'static str,
    /// The level.
    pub severity: Severity,
    /// The limit, in the unit of the condition.
    pub limit: f64,
    /// Where the number comes from.
    pub source: &'static str,
}

/// What uses an ensemble.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// The word in the configuration.
    pub name: &'static str,
    /// What is different from the catalogue.
    pub presets: &'static [Preset],
    /// What was looked for, and why the rest is inherited.
    pub reason: &'static str,
}

/// Every profile.
pub const PROFILES: &[Profile] = &[
    Profile { name: "default", presets: &[], reason: "the limits of the catalogue" },
    Profile {
        name: "kafka",
        presets: &[
            Preset {
                condition: "SlowWrites",
                severity: Severity::Warning,
                limit: 0.01,
                source: "Strimzi's and Confluent's alerts for Kafka's ZooKeeper: 10 ms; of writes, for theirs is a mean of all requests since the start",
            },
            Preset { condition: "SlowReads", severity: Severity::Warning, limit: 0.01, source: "the same 10 ms" },
        ],
        reason: "their limit of 10 outstanding requests is the catalogue's",
    },
    Profile {
        name: "hadoop",
        presets: &[],
        reason: "Cloudera Manager's health tests name no limit for connections (never), and free space in bytes rather than as a part",
    },
    Profile {
        name: "hbase",
        presets: &[],
        reason: "HBase's book sets sessions and maxClientCnxns, which are the servers', and names no limit to alert at",
    },
    Profile {
        name: "solr",
        presets: &[],
        reason: "Solr's guide speaks of jute.maxbuffer alone, and LargeProposal watches its default",
    },
    Profile {
        name: "clickhouse",
        presets: &[],
        reason: "ClickHouse's advice is about zoo.cfg (snapCount, maxClientCnxns); the figures that ClickHouse Keeper and RaftKeeper lack make no alert",
    },
];

/// The profile of this name.
#[must_use]
pub fn profile(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

//! Profiles: limits for common applications of ZooKeeper, each with its source. Limits that a profile does not set keep
//! their default.

use super::condition::Severity;

/// One limit that a profile sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    /// The condition, without the prefix `ZooKeeper`.
    pub condition: &'static str,
    /// The severity of the level.
    pub severity: Severity,
    /// The limit, in the unit of the condition.
    pub limit: f64,
    /// Source of the number.
    pub source: &'static str,
}

/// An application that uses the ensemble.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// Name in the configuration.
    pub name: &'static str,
    /// Limits that differ from the defaults.
    pub presets: &'static [Preset],
    /// Documentation that was evaluated, and why the other limits keep their default.
    pub reason: &'static str,
}

/// All profiles.
pub const PROFILES: &[Profile] = &[
    Profile { name: "default", presets: &[], reason: "the limits of the catalogue" },
    Profile {
        name: "kafka",
        presets: &[
            Preset {
                condition: "SlowWrites",
                severity: Severity::Warning,
                limit: 0.01,
                source: "Strimzi's and Confluent's alerts for Kafka's ZooKeeper: 10 ms; applied to writes, since theirs is a mean of all requests since the start",
            },
            Preset { condition: "SlowReads", severity: Severity::Warning, limit: 0.01, source: "the same 10 ms" },
        ],
        reason: "their limit of 10 outstanding requests is the catalogue's",
    },
    Profile {
        name: "hadoop",
        presets: &[],
        reason: "Cloudera Manager's health tests have no limit for connections (never), and one for free space in bytes instead of a ratio",
    },
    Profile {
        name: "hbase",
        presets: &[],
        reason: "HBase's reference guide sets sessions and maxClientCnxns, which are settings of the servers, and has no alert limit",
    },
    Profile {
        name: "solr",
        presets: &[],
        reason: "Solr's guide covers only jute.maxbuffer, whose default LargeProposal monitors",
    },
    Profile {
        name: "clickhouse",
        presets: &[],
        reason: "ClickHouse's advice is about zoo.cfg (snapCount, maxClientCnxns); alerts on metrics that ClickHouse Keeper and RaftKeeper lack never fire",
    },
];

/// The profile with this name.
#[must_use]
pub fn profile(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

//! Drift between members: versions, configurations, numbers of voters.

use super::super::condition::Severity::Warning;
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Span};

fn distinct(name: &'static str, of: &'static str, hold: Span, summary: &'static str) -> Condition {
    Condition::new(name, Group::Drift, Unit::Count, Expr::newest(of, Agg::Max, Keys::Ensemble).gt(1.0))
        .warning(None, hold, summary)
}

pub(super) fn conditions() -> Vec<Condition> {
    vec![
        distinct(
            "VersionMismatch",
            "zk_ensemble_distinct_versions",
            Span::hours(1),
            "Members of a ZooKeeper ensemble run different versions.",
        )
        .source("1 hour is enough for a rolling upgrade; kubernetes-mixin waits 15 minutes")
        .says(
            "the members of ensemble <ensemble> have run <value> different versions of ZooKeeper for over <for>.",
            "First check which members differ: <info>",
        )
        .means("A rolling upgrade was not finished, or a member was omitted.", "None immediately; new features stay off, and mixed versions are less tested.")
        .so("Finish the upgrade.", "Upgrade the remaining members: observers and followers first, the leader last.")
        .fires(Warning, "e", "two versions", &["zk_ensemble_distinct_versions e 2"])
        .quiet(Warning, "a rolling upgrade of half an hour", &["zk_ensemble_distinct_versions e 1 for 20m then 2 for 30m then 1"]),
        distinct(
            "ConfigMismatch",
            "zk_ensemble_distinct_configs",
            Span::minutes(20),
            "Members of a ZooKeeper ensemble have different configurations.",
        )
        .source("Alertmanager's own mixin waits 20 minutes for the same; only settings that must be equal on all members are compared")
        .says(
            "the members of ensemble <ensemble> have had <value> different configurations for over <for>, in settings that must be equal on all members: tickTime, initLimit, syncLimit, session timeouts, maxClientCnxns, membership.",
            "First check which keys differ: <info>",
        )
        .means("zoo.cfg or the dynamic configuration differs between members.", "Limits and timeouts depend on the member that a client reaches; different memberships can cost the quorum.")
        .so("Make them equal before the next restart, when the difference can take effect.", "Roll out one zoo.cfg and restart one member at a time, while the margin is above 0; for a different membership version, check the member's quorum connection.")
        .fires(Warning, "e", "two configurations", &["zk_ensemble_distinct_configs e 2"])
        .quiet(Warning, "a rolling change of ten minutes", &["zk_ensemble_distinct_configs e 1 for 10m then 2 for 10m then 1"]),
        distinct(
            "QuorumSizeMismatch",
            "zk_ensemble_distinct_quorum_sizes",
            Span::minutes(10),
            "Members of a ZooKeeper ensemble disagree on the number of voters.",
        )
        .source("10 minutes are enough for a reconfiguration; members that disagree can form two majorities")
        .says(
            "the members of ensemble <ensemble> have reported <value> different numbers of voters for over <for>: two majorities are possible.",
            "First check which members differ: <info> - then compare the server lines of their zoo.cfg and dynamic configuration.",
        )
        .means("The server lists of the members differ.", "A part of the ensemble can elect a leader that the other members do not know.")
        .so("No restart and no election until the lists are equal.", "Make the server lines equal on all members; restart those that were wrong, one at a time, while the margin is above 0.")
        .fires(Warning, "e", "two different numbers of voters", &["zk_ensemble_distinct_quorum_sizes e 2"])
        .quiet(Warning, "a reconfiguration", &["zk_ensemble_distinct_quorum_sizes e 1 for 8m then 2 for 2m then 1"]),
    ]
}

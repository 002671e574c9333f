//! Committed transactions that an ensemble lost.

use super::super::condition::Severity::Critical;
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Span};

pub(super) fn conditions() -> Vec<Condition> {
    vec![
        Condition::new(
            "ZxidRegressed",
            Group::Replication,
            Unit::State,
            Expr::newest("zk_ensemble_zxid_regressed", Agg::Max, Keys::Ensemble).eq(1.0),
        )
        .critical(None, Span::minutes(1), "A ZooKeeper ensemble has lost committed transactions.")
        .source("the epoch of an ensemble never falls: a lower zxid than before is possible only if a majority of the voters lost their data")
        .says(
            "the newest zxid of ensemble <ensemble> is lower than one that it had before: a majority of the voters was started without its data, and committed transactions are gone.",
            "First stop all changes: do not clear a data directory or restart a member. Then check which member had the newer zxid and does not serve now: zookeeper-exporter why <ensemble> --url http://EXPORTER:9141 - copy its dataDir and dataLogDir before any other step.",
        )
        .means(
            "A majority of the voters was started with empty, older or foreign data directories and elected a leader; its epoch or zxid is below what the ensemble had already committed.",
            "Everything written since is lost to the clients. A member that still has the newer data cannot join: the leader refuses it, and clearing its data directory would destroy the last copy.",
        )
        .so(
            "Do not clear a data directory or restart a member. Keep the data directory of the member that still has the newer zxid.",
            "Stop the clients that write, then all members; restore the newest data directory or a backup on a majority, and start from it.",
        )
        .fires(Critical, "e", "the epoch went back", &["zk_ensemble_zxid_regressed e 0 for 3m then 1"])
        .fires(Critical, "e", "an election hides it for a moment", &[
            "zk_ensemble_zxid_regressed e 0 for 2m then 1 for 2m then stale for 30s then 1",
        ])
        .fires(Critical, "e", "another exporter was started later and did not see it", &[
            "zk_ensemble_zxid_regressed e 1",
            "zk_ensemble_zxid_regressed e@2 0",
        ])
        .quiet(Critical, "elections, each in a higher epoch", &["zk_ensemble_zxid_regressed e 0"])
        .quiet(Critical, "the data were restored", &["zk_ensemble_zxid_regressed e 1 for 3m then 0"]),
    ]
}

//! Replication: followers that fall behind, and members that hold different data.

use super::super::build::{LIMIT, series};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Span};

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Replication, unit, expr)
}

pub(super) fn conditions() -> Vec<Condition> {
    let ensemble = |name| Expr::newest(name, Agg::Max, Keys::Ensemble);
    let snapshots = || series("zk_snaps_total").increase(Span::minutes(15)).of_member();
    let in_an_hour = || series("zk_snaps_total").increase(Span::hours(1)).of_member();
    vec![
        condition(
            "VotersNotSynced",
            Unit::Count,
            (ensemble("zk_ensemble_voters_serving") - ensemble("zk_ensemble_voters_synced"))
                .gt(0.0)
                .and(ensemble("zk_ensemble_has_quorum").eq(1.0)),
        )
        .warning(None, Span::minutes(5), "A voter of a ZooKeeper ensemble serves but is not in sync.")
        .source("Zabbix: synced_followers < quorum_size - 1, at once; 5 minutes are enough to sync a snapshot")
        .says(
            "<value> voter(s) of ensemble <ensemble> that serve clients have not been in sync with the leader for over <for>: they do not count for the majority. Members:<states>",
            "first check which voter is missing: <info> - then read the log of that follower.",
        )
        .means(
            "A follower serves, but the leader does not count it as in sync.",
            "The margin is smaller than the number of running members suggests.",
        )
        .so("Count this voter as lost before you stop another one.", "Check the disk of the lagging follower and its network to the leader; restart it only if the margin without it is above 0.")
        .fires(Warning, "e", "one of three", &["zk_ensemble_voters_synced e 2"])
        .quiet(Warning, "a sync of two minutes", &["zk_ensemble_voters_synced e 3 for 5m then 2 for 2m then 3"])
        .quiet(Warning, "a lost quorum has its own alert", &[
            "zk_ensemble_voters_synced e 0",
            "zk_ensemble_has_quorum e 0",
        ]),
        condition("ZxidLag", Unit::Count, series("zk_zxid_lag").min(Span::minutes(5)).of_member().gt(LIMIT))
            .warning(1000.0, Span::minutes(3), "A ZooKeeper member lags behind the leader.")
            .source("judgement: twice the 500 transactions that a leader keeps to sync a follower without a snapshot (commitLogCount)")
            .says(
                "<who> has been at least <value> transactions behind the leader for 5 minutes (limit <limit>): clients read stale data from it.",
                "First check its disk and its network: iostat -dx 5 3 on <host>; ping -c 20 LEADER - and its pauses: grep 'Detected pause' zookeeper.log on <host>.",
            )
            .means(
                "It processes transactions more slowly than the leader produces them.",
                "Reads from it are stale; if it falls further behind, it needs a whole snapshot.",
            )
            .so("Do not rely on this member: do not restart the leader or stop another voter now.", "Reduce the load and other use of its disk; repair the network; restart it if it hangs and the margin is above 0.")
            .fires(Warning, "m2", "it stays behind", &["zk_zxid_lag m2 5000"])
            .fires(Warning, "m2", "it stays behind, and a scrape is lost of those every two minutes", &[
                "zk_zxid_lag m2 5000 for 9m then stale for 225s then 5000",
            ])
            .quiet(Warning, "it catches up", &["zk_zxid_lag m2 0 for 4m then 5000 for 1m then 0"]),
        condition("EpochMismatch", Unit::Count, ensemble("zk_ensemble_distinct_epochs").gt(1.0))
            .warning(None, Span::minutes(5), "Members of a ZooKeeper ensemble are in different epochs.")
            .source("members of one quorum share the epoch; 5 minutes are longer than an election")
            .says(
                "the members of ensemble <ensemble> that serve have been in <value> different epochs for over <for>: some follow a leader that the others no longer follow.",
                "First compare zxid and role of all members: <info> - the epoch is the part before the last eight hexadecimal digits of a zxid.",
            )
            .means(
                "A part of the ensemble is partitioned without detecting it, or a server of another ensemble answers under one of the addresses.",
                "Clients of that part read stale data that no longer changes.",
            )
            .so("Take the members of the lower epoch out of service until they have rejoined.", "Repair the network between the two parts; members of the lower epoch then rejoin automatically. Restart one only if it does not, and only while the others have a majority.")
            .fires(Warning, "e", "two epochs", &["zk_ensemble_distinct_epochs e 2"])
            .fires(Warning, "e", "two epochs, and a failed scrape", &[
                "zk_ensemble_distinct_epochs e 1 for 2m then 2 for 5m then stale for 30s then 2",
            ])
            .quiet(Warning, "the last samples of an exporter that is gone", &[
                "zk_ensemble_distinct_epochs e 1 for 3m then 2 for 3m then stale",
                "zk_ensemble_distinct_epochs e@2 1",
            ])
            .quiet(Warning, "an election", &["zk_ensemble_distinct_epochs e 1 for 6m then 2 for 1m then 1"]),
        condition(
            "SnapshotSyncs",
            Unit::Count,
            snapshots().gt(LIMIT).and(in_an_hour().by(Agg::Max, Keys::Ensemble).gt(ensemble("zk_ensemble_members"))),
        )
        .warning(4.0, Span(0), "A ZooKeeper leader repeatedly sends whole snapshots.")
        .source("a restarted member usually needs only the transactions it missed; 5 whole snapshots in 15 minutes, and more in an hour than the ensemble has members, are not a rolling restart: some learner received several")
        .says(
            "<who> has sent <value> whole snapshots to followers or observers within 15 minutes (limit <limit>).",
            "First find the learner that rejoins repeatedly: grep -E 'Sending snapshot|Synchronizing with Learner' zookeeper.log on <host>",
        )
        .means(
            "A learner falls so far behind that it needs a whole snapshot, loses the leader while it loads, and starts over.",
            "The leader's disk and network transfer the whole tree each time, and writes slow down.",
        )
        .so("Stop that learner rather than let it slow down the leader.", "Raise initLimit for a large tree; repair the learner's disk or network; then start it again.")
        .fires(Warning, "m1", "eight in a quarter of an hour", &["zk_snaps_total m1 +0.5/m"])
        .fires(Warning, "m1", "eight to one learner of seven members", &[
            "zk_snaps_total m1 +0.55/m",
            "zk_ensemble_members e 7",
        ])
        .quiet(Warning, "a rolling restart of seven members", &[
            "zk_snaps_total m1 0 for 8m then 1 for 2m then 2 for 2m then 3 for 2m then 4 for 2m then 5 for 2m then 6",
            "zk_ensemble_members e 7",
        ])
        .quiet(Warning, "two restarts", &["zk_snaps_total m1 0 for 8m then 1 for 2m then 2"]),
        condition(
            "DigestMismatch",
            Unit::Count,
            Expr::newest("zk_digest_mismatches_total", Agg::Max, Keys::Member).gt(0.0),
        )
        .critical(None, Span::minutes(1), "The data of a ZooKeeper member does not match the leader's digest.")
        .source("any mismatch means diverged data (DataTree.reportDigestMismatch) and persists: the absolute value of the counter is judged, until the member is rebuilt and starts at 0")
        .says(
            "since its start <who> has counted <value> digest mismatch(es): after a transaction its tree did not match the leader's digest, so its data may have diverged from the others'.",
            "First check whether other members count them too: <info> - one member: rebuild it while the margin without it is above 0; several: stop, and ask the mailing list before you rebuild any.",
        )
        .means(
            "After a transaction the member's tree did not match the leader's digest: a bug, or faulty memory or disk.",
            "Clients of this member may read wrong data, and its snapshot spreads the damage if it becomes leader.",
        )
        .so("Keep this member from becoming the leader: rebuild it soon, while the margin without it is above 0.", "Stop it, keep a copy of its dataDir for the bug report, move version-2 aside, and start it: it copies all data from the leader.")
        .fires(Critical, "m3", "one mismatch", &["zk_digest_mismatches_total m3 0 for 3m then 1"])
        .fires(Critical, "m3", "an old mismatch, on an idle ensemble", &["zk_digest_mismatches_total m3 1"])
        .fires(Critical, "m3", "a failed scrape", &["zk_digest_mismatches_total m3 1 for 3m then stale"])
        .quiet(Critical, "none", &["zk_digest_mismatches_total m3 0"])
        .quiet(Critical, "the member was rebuilt", &["zk_digest_mismatches_total m3 7 for 3m then 0"]),
        condition(
            "DataDiverged",
            Unit::State,
            Expr::newest("zk_data_digest_agrees", Agg::Min, Keys::Member).eq(0.0),
        )
        .warning(None, Span::minutes(15), "The data digest of a ZooKeeper member differs, not yet proven.")
        .when(Expr::newest("zk_data_digest_pending", Agg::Max, Keys::Member).eq(1.0))
        .critical(None, Span::minutes(1), "A ZooKeeper member holds different data than the rest of its ensemble.")
        .source("two different digests of one transaction mean different data (DataTree.logZxidDigest). Critical only for digests that both members wrote while they served; a difference that may come from a snapshot being received is a warning after 15 minutes, by which time an ensemble in use has written the 128 transactions that decide. Needs the module key digests and hash in the whitelist, or the AdminServer")
        .says(
            "the digest of the data of <who> differs from that of the other members at the same transaction, for over <for>.",
            "First check between which transactions the data diverged, and whether it is proven: <info> - and copy the files of all members before you restart any.",
        )
        .means(
            "Two members applied the same transactions and hold different trees: a bug, faulty memory or disk, or a member that was started with the wrong files.",
            "The data that a client reads depends on the member it reaches; if the member becomes leader, its data replace those of all others.",
        )
        .so(
            "Keep copies of dataDir and dataLogDir of all members before any other step; do not restart a member without checking, and keep a diverged member from becoming the leader.",
            "Find which data are right, then rebuild the minority from the leader, one member at a time, while the margin without it is above 0.",
        )
        .fires(Critical, "m3", "different data", &["zk_data_digest_agrees m3 1 for 3m then 0"])
        .fires(Critical, "m3", "a lost reply", &["zk_data_digest_agrees m3 0 for 5m then stale"])
        .fires(Critical, "m3", "only one of two exporters compares", &["zk_data_digest_agrees m3 0", "zk_data_digest_agrees m3@2 1"])
        .quiet(Critical, "the same data", &["zk_data_digest_agrees m3 1"])
        .quiet(Critical, "a difference without proof is only a warning", &["zk_data_digest_pending m3 1"])
        .quiet(Critical, "the member was rebuilt", &["zk_data_digest_agrees m3 0 for 3m then 1"])
        .fires(Warning, "m3", "no transactions are written that would decide", &["zk_data_digest_pending m3 1"])
        .quiet(Warning, "a snapshot was received, then 128 transactions", &[
            "zk_data_digest_pending m3 absent for 5m then 1 for 5m then stale",
            "zk_data_digest_agrees m3 1 for 5m then stale for 5m then 1",
        ]),
        condition(
            "ZxidRollover",
            Unit::Ratio,
            (series("zk_zxid_sequence").of_ensemble() / Expr::Number(f64::from(u32::MAX))).gt(LIMIT),
        )
        .warning(0.9, Span::minutes(5), "The transaction counter of a ZooKeeper epoch is nearly used up.")
        .source("at 0xffffffff the leader steps down to begin a new epoch (Leader.propose); 10 % are some 430 million transactions")
        .says(
            "ensemble <ensemble> has used <value> of the transaction numbers of its epoch (limit <limit>); at the end the leader steps down, at an unplanned moment.",
            "First check which member leads and the margin: <info> - then restart the leader in a quiet hour, while the margin is above 0.",
        )
        .means("The lower half of the zxid is near its end.", "Only an election at an unplanned moment.")
        .so("Restart the leader in a quiet hour, while the margin is above 0.", "The new leader begins an epoch at 0.")
        .fires(Warning, "e", "95 percent", &["zk_zxid_sequence m1 4080218930"])
        .quiet(Warning, "80 percent", &["zk_zxid_sequence m1 3435973836"]),
        condition("PendingSyncs", Unit::Count, series("zk_pending_syncs").avg(Span::minutes(5)).of_member().gt(LIMIT))
            .warning(10.0, Span::minutes(5), "Many sync() calls are pending at a ZooKeeper leader.")
            .source("Zabbix {$ZOOKEEPER.PENDING_SYNCS.MAX.WARN} = 10 for 5 minutes; Elastic uses the same")
            .says(
                "<value> sync() calls have been pending at leader <member> of ensemble <ensemble> on average of 5 minutes (limit <limit>).",
                "First check which member is slow: <stat>",
            )
            .means("Clients have requested the newest state and wait for it.", "Those clients are blocked.")
            .so("Find the slow follower or disk before clients time out.", "As under ZooKeeperSlowWrites.")
            .fires(Warning, "m1", "fifty pending calls", &["zk_pending_syncs m1 50"])
            .quiet(Warning, "a burst", &["zk_pending_syncs m1 0 for 7m then 50 for 30s then 0"]),
    ]
}

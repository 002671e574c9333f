//! Whether followers keep up, and whether all members hold the same data.

use super::super::build::{LIMIT, series};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Span};
use crate::verdict::{EPOCH_NEARLY_USED, LAG_WORTH_A_WARNING};

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Replication, unit, expr)
}

pub(super) fn conditions() -> Vec<Condition> {
    let ensemble = |name| Expr::newest(name, Agg::Max, Keys::Ensemble);
    vec![
        condition(
            "VotersNotSynced",
            Unit::Count,
            (ensemble("zk_ensemble_voters_serving") - ensemble("zk_ensemble_voters_synced"))
                .gt(0.0)
                .and(ensemble("zk_ensemble_has_quorum").eq(1.0)),
        )
        .warning(None, Span::minutes(5), "A voter of a ZooKeeper ensemble serves but is not in sync.")
        .source("Zabbix: synced_followers < quorum_size - 1, at once; 5 minutes allow the sync of a snapshot")
        .says(
            "<value> voter(s) of ensemble <ensemble> that serve clients have not been in sync with the leader for over <for>: they do not count for the majority. Members:<states>",
            "first see who is missing: <info> - then the log of that follower.",
        )
        .means(
            "A follower serves and the leader does not count it as in sync.",
            "The margin is smaller than the number of running members says.",
        )
        .so("Count this voter as lost before you take another one down.", "Look at the disk of the follower that lags and at its network to the leader; restart it only where the margin without it is above 0.")
        .fires(Warning, "e", "one of three", &["zk_ensemble_voters_synced e 2"])
        .quiet(Warning, "a sync of two minutes", &["zk_ensemble_voters_synced e 3 for 5m then 2 for 2m then 3"])
        .quiet(Warning, "a lost quorum is another alarm", &[
            "zk_ensemble_voters_synced e 0",
            "zk_ensemble_has_quorum e 0",
        ]),
        condition("ZxidLag", Unit::Count, series("zk_zxid_lag").min(Span::minutes(2)).of_member().gt(LIMIT))
            .warning(f64::from(LAG_WORTH_A_WARNING), Span::minutes(3), "A ZooKeeper member lags behind the leader.")
            .source("judgement: twice the 500 transactions that a leader keeps to bring a follower up to date the cheap way (commitLogCount)")
            .says(
                "<who> has been at least <value> transactions behind the leader for 5 minutes (limit <limit>): clients read old data from it.",
                "First look at its disk and its network: iostat -dx 5 3 on <host>; ping -c 20 LEADER - and its pauses: grep 'Detected pause' in its log.",
            )
            .means(
                "It processes transactions more slowly than the leader makes them.",
                "Reads from it are stale; if it falls further behind, it needs a whole snapshot.",
            )
            .so("Do not make this member count: no restart of the leader, no loss of another voter now.", "Take load or neighbours off its disk; repair the network; restart it if it hangs and the margin is above 0.")
            .fires(Warning, "m2", "it stays behind", &["zk_zxid_lag m2 5000"])
            .quiet(Warning, "it catches up", &["zk_zxid_lag m2 0 for 4m then 5000 for 1m then 0"]),
        condition("EpochMismatch", Unit::Count, ensemble("zk_ensemble_distinct_epochs").gt(1.0))
            .warning(None, Span::minutes(5), "Members of a ZooKeeper ensemble live in different epochs.")
            .source("members of one quorum share the epoch; 5 minutes cover an election")
            .says(
                "the members of ensemble <ensemble> that serve have been in <value> different epochs for over <for>: some follow a leader that the others have left.",
                "First compare zxid and role of all members: <info> - the epoch is the part before the last eight hexadecimal digits of a zxid.",
            )
            .means(
                "A part of the ensemble is partitioned and has not noticed, or a server of another ensemble answers under one of the addresses.",
                "Clients of that part read data that no longer changes.",
            )
            .so("Take the members of the lower epoch out of service until they have joined.", "Repair the network between the two parts; members of the lower epoch then join by themselves. Restart one only if it does not, and only while the rest has a majority.")
            .fires(Warning, "e", "two epochs", &["zk_ensemble_distinct_epochs e 2"])
            .fires(Warning, "e", "two epochs, and a scrape that failed", &[
                "zk_ensemble_distinct_epochs e 1 for 2m then 2 for 5m then stale for 30s then 2",
            ])
            .quiet(Warning, "the last figures of an exporter that is gone", &[
                "zk_ensemble_distinct_epochs e 1 for 3m then 2 for 3m then stale",
                "zk_ensemble_distinct_epochs e@2 1",
            ])
            .quiet(Warning, "an election", &["zk_ensemble_distinct_epochs e 1 for 6m then 2 for 1m then 1"]),
        condition(
            "SnapshotSyncs",
            Unit::Count,
            series("zk_snaps_total").increase(Span::minutes(15)).of_member().gt(LIMIT),
        )
        .warning(4.0, Span(0), "A ZooKeeper leader sends whole snapshots again and again.")
        .source("a restarted member usually needs only the transactions it missed; 5 whole snapshots in 15 minutes are no rolling restart")
        .says(
            "<who> has sent <value> whole snapshots to followers or observers within 15 minutes (limit <limit>).",
            "First find the learner that joins again and again: grep -E 'Sending snapshot|Synchronizing with Learner' in the log on <host>",
        )
        .means(
            "A learner falls so far behind that it needs everything, loses the leader while it loads, and starts over.",
            "The leader's disk and network carry the whole tree each time, and writes slow down.",
        )
        .so("Stop the learner that does it, rather than let it slow the leader.", "Raise initLimit for a large tree; repair the learner's disk or network; then start it again.")
        .fires(Warning, "m1", "eight in a quarter of an hour", &["zk_snaps_total m1 +0.5/m"])
        .quiet(Warning, "two restarts", &["zk_snaps_total m1 0 for 8m then 1 for 2m then 2"]),
        condition(
            "DigestMismatch",
            Unit::Count,
            Expr::newest("zk_digest_mismatches_total", Agg::Max, Keys::Member).gt(0.0),
        )
        .critical(None, Span::minutes(1), "The data of a ZooKeeper member differs from what the leader says.")
        .source("any mismatch is data that has diverged (DataTree.reportDigestMismatch), and it does not go away by itself: the counter is judged as it stands, until the member is rebuilt and starts at 0")
        .says(
            "since its start <who> has counted <value> digest mismatch(es): after a transaction its tree was not what the leader's digest says, so its data may have diverged from the others'.",
            "First see whether other members count them too: <info> - one member: rebuild it while the margin without it is above 0; several: stop and ask the mailing list before anything is rebuilt.",
        )
        .means(
            "After a transaction the member's tree was not what the leader's digest says: a bug, or damaged memory or disk.",
            "Clients of this member may read wrong data, and a snapshot of it spreads the damage if it becomes leader.",
        )
        .so("Keep this member from becoming the leader: rebuild it soon, while the margin without it is above 0.", "Stop it, keep a copy of its dataDir for the bug report, move version-2 aside, start it: it copies everything from the leader.")
        .fires(Critical, "m3", "one mismatch", &["zk_digest_mismatches_total m3 0 for 3m then 1"])
        .fires(Critical, "m3", "an old one, on an idle ensemble", &["zk_digest_mismatches_total m3 1"])
        .fires(Critical, "m3", "a scrape that failed", &["zk_digest_mismatches_total m3 1 for 3m then stale"])
        .quiet(Critical, "none", &["zk_digest_mismatches_total m3 0"])
        .quiet(Critical, "the member was rebuilt", &["zk_digest_mismatches_total m3 7 for 3m then 0"]),
        condition(
            "ZxidRollover",
            Unit::Ratio,
            (series("zk_zxid_sequence").of_ensemble() / Expr::Number(f64::from(u32::MAX))).gt(LIMIT),
        )
        .warning(EPOCH_NEARLY_USED, Span::minutes(5), "The transaction counter of a ZooKeeper epoch is nearly used up.")
        .source("at 0xffffffff the leader steps down to begin a new epoch (Leader.propose); 10 % are some 430 million transactions")
        .says(
            "ensemble <ensemble> has used <value> of the transaction numbers of its epoch (limit <limit>); at the end the leader steps down by itself, at whatever moment that is.",
            "First see who leads and what the margin is: <info> - then restart the leader in a quiet hour, while the margin is above 0.",
        )
        .means("The lower half of the zxid is near its end.", "An election at an unplanned moment, no more.")
        .so("Restart the leader in a quiet hour, while the margin is above 0.", "The new leader begins an epoch at 0.")
        .fires(Warning, "e", "95 percent", &["zk_zxid_sequence m1 4080218930"])
        .quiet(Warning, "80 percent", &["zk_zxid_sequence m1 3435973836"]),
        condition("PendingSyncs", Unit::Count, series("zk_pending_syncs").avg(Span::minutes(5)).of_member().gt(LIMIT))
            .warning(10.0, Span::minutes(5), "Calls of sync() wait at a ZooKeeper leader.")
            .source("Zabbix {$ZOOKEEPER.PENDING_SYNCS.MAX.WARN} = 10 for 5 minutes; Elastic alike")
            .says(
                "<value> calls of sync() have waited at leader <member> of ensemble <ensemble> on average of 5 minutes (limit <limit>).",
                "First see which member is slow: <stat>",
            )
            .means("Clients asked for the newest state and wait for it.", "Those clients hang.")
            .so("Look for the slow follower or disk before clients time out.", "As under ZooKeeperSlowWrites.")
            .fires(Warning, "m1", "fifty wait", &["zk_pending_syncs m1 50"])
            .quiet(Warning, "a burst", &["zk_pending_syncs m1 0 for 7m then 50 for 30s then 0"]),
    ]
}

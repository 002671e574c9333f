//! Latency of reads, writes, fsync and snapshots: means of the last minutes, never since the start of the process.

use super::super::build::{LIMIT, MIN_RATE, mean};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::Span;

pub(super) fn conditions() -> Vec<Condition> {
    let five = Span::minutes(5);
    vec![
        Condition::new(
            "SlowWrites",
            Group::Latency,
            Unit::Seconds,
            mean("zk_updatelatency_seconds_sum", "zk_updatelatency_seconds_count", five, MIN_RATE).of_member().gt(LIMIT),
        )
        .warning(0.05, five, "Writes through a ZooKeeper member are slow.")
        .critical(0.3, five, "Writes through a ZooKeeper member are slow enough to affect clients.")
        .source("published limits: 10 ms (Strimzi, Confluent), 50 (schema.ai), 100 (ZooKeeper's documentation, Elastic's SLO), 300 (Huawei), of a mean since the start; here the mean of 5 minutes with at least 15 writes")
        .says(
            "writes through <who> have taken <value> on average of 5 minutes, for over <for> (limit <limit>).",
            "First check whether one member or all are affected: <stat> - all: the leader, or the disks of a majority; one: its own queue, pauses or network. Then iostat -dx 5 3 on <host> and on the leader's host.",
        )
        .means(
            "A write waits for the leader, for the fsyncs of the quickest majority, and for this member's own queue.",
            "Every client that writes waits that long; when writes take seconds, sessions end.",
        )
        .so("One member: move its clients to other members. All members: the leader or the disk of a majority is slow; move the leader.", "As under ZooKeeperSlowFsync; then check pauses, then load.")
        .fires(Warning, "m1", "80 ms", &[
            "zk_updatelatency_seconds_sum m1 +48/m",
            "zk_updatelatency_seconds_count m1 +600/m",
        ])
        .fires(Critical, "m1", "half a second", &[
            "zk_updatelatency_seconds_sum m1 +300/m",
            "zk_updatelatency_seconds_count m1 +600/m",
        ])
        .quiet(Warning, "10 ms, after earlier slow writes", &[
            "zk_updatelatency_seconds_sum m1 +6/m",
            "zk_updatelatency_seconds_count m1 +600/m",
        ])
        .quiet(Critical, "80 ms is only a warning", &[
            "zk_updatelatency_seconds_sum m1 +48/m",
            "zk_updatelatency_seconds_count m1 +600/m",
        ])
        .quiet(Warning, "2 slow writes a minute of an idle ensemble", &[
            "zk_updatelatency_seconds_sum m1 +0.7/m",
            "zk_updatelatency_seconds_count m1 +2/m",
        ])
        .fires(Warning, "m1", "4 slow writes a minute", &[
            "zk_updatelatency_seconds_sum m1 +1/m",
            "zk_updatelatency_seconds_count m1 +4/m",
        ]),
        Condition::new(
            "SlowReads",
            Group::Latency,
            Unit::Seconds,
            mean("zk_readlatency_seconds_sum", "zk_readlatency_seconds_count", five, MIN_RATE).of_member().gt(LIMIT),
        )
        .warning(0.02, Span::minutes(10), "Reads from a ZooKeeper member are slow.")
        .source("reads never access the disk; Strimzi and Confluent alert at 10 ms of all requests, here twice that. Pings of idle clients count as reads and lower the mean. At least 15 reads in 5 minutes")
        .says(
            "reads from <who> have taken <value> on average of 5 minutes, for over <for> (limit <limit>).",
            "First compare it with the others: <stat> - then look for pauses and high CPU use: grep 'Detected pause' zookeeper.log on <host>; top -H -n 1 -b -p $(pgrep -f QuorumPeerMain) | head -20 on <host>",
        )
        .means("Reads are served from memory: a slow read waited for a garbage collection, for CPU, or for a write of its own session.", "Clients of this member wait; clients of other members do not.")
        .so("Move its clients if it does not improve.", "Raise the heap; reduce the load on the host; find the client that reads large znodes or lists large parents.")
        .fires(Warning, "m2", "50 ms", &["zk_readlatency_seconds_sum m2 +30/m", "zk_readlatency_seconds_count m2 +600/m"])
        .quiet(Warning, "5 ms", &["zk_readlatency_seconds_sum m2 +3/m", "zk_readlatency_seconds_count m2 +600/m"])
        .quiet(Warning, "2 slow reads a minute", &["zk_readlatency_seconds_sum m2 +0.7/m", "zk_readlatency_seconds_count m2 +2/m"]),
        Condition::new(
            "SlowFsync",
            Group::Disk,
            Unit::Seconds,
            mean("zk_fsynctime_seconds_sum", "zk_fsynctime_seconds_count", five, MIN_RATE).of_member().gt(LIMIT),
        )
        .warning(0.1, Span::minutes(10), "Writes of a ZooKeeper member to disk are slow.")
        .critical(0.5, five, "Writes of a ZooKeeper member to disk are so slow that clients time out.")
        .source("etcd: the 99th percentile at 0.5 and 1 s; New Relic 90 ms; ZooKeeper itself logs from 1 s (fsync.warningthresholdms). A mean rises less than a percentile, hence half of etcd's. At least 15 in 5 minutes")
        .says(
            "An fsync of the transaction log of <who> has taken <value> on average of 5 minutes, for over <for> (limit <limit>). A write waits for the fsyncs of the quickest majority: one slow disk reduces the margin, slow disks of a majority delay every write by that time.",
            "First check whether other members are slow as well: <stat> - then which processes use that disk, on <host>: iostat -dx 5 3; sudo iotop -obn 3",
        )
        .means(
            "The disk takes that long to confirm that a group of transactions is stored.",
            "One slow disk, of the leader or of a follower: writes continue at the speed of the quickest majority, but the margin depends on the slow disk. A majority of slow disks: every write waits that long; when writes take seconds, sessions end.",
        )
        .so("One slow disk: treat this member as the next that may be lost. Several: expect slow writes, and check what the disks share.", "Stop other users of the disk; give dataLogDir its own device with a power-safe write cache.")
        .fires(Warning, "m1", "200 ms", &["zk_fsynctime_seconds_sum m1 +12/m", "zk_fsynctime_seconds_count m1 +60/m"])
        .fires(Critical, "m1", "a second", &["zk_fsynctime_seconds_sum m1 +60/m", "zk_fsynctime_seconds_count m1 +60/m"])
        .quiet(Warning, "10 ms", &["zk_fsynctime_seconds_sum m1 +0.6/m", "zk_fsynctime_seconds_count m1 +60/m"])
        .quiet(Warning, "nothing is written", &["zk_fsynctime_seconds_sum m1 100", "zk_fsynctime_seconds_count m1 100"])
        .quiet(Warning, "2 slow fsyncs a minute", &["zk_fsynctime_seconds_sum m1 +2/m", "zk_fsynctime_seconds_count m1 +2/m"])
        .quiet(Critical, "200 ms is only a warning", &[
            "zk_fsynctime_seconds_sum m1 +12/m",
            "zk_fsynctime_seconds_count m1 +60/m",
        ]),
        Condition::new(
            "SlowSnapshot",
            Group::Disk,
            Unit::Seconds,
            mean("zk_snapshottime_seconds_sum", "zk_snapshottime_seconds_count", Span::hours(1), 0.0).of_member().gt(LIMIT),
        )
        .warning(10.0, Span(0), "A ZooKeeper member writes its snapshots slowly.")
        .source("10 s is syncLimit in ZooKeeper's example configuration (5 ticks of 2 s): a member that needs longer to write its tree also needs longer to send it. ZooKeeper's documentation: 30 s")
        .says(
            "a snapshot of <who> has taken <value> on average of the last hour (limit <limit>).",
            "First check how large it is: ls -lh DATADIR/version-2 | tail -5 on <host>, and how busy the disk is: iostat -dx 5 3",
        )
        .means("The tree has become large, or the disk has become slow.", "The fsync of the transaction log competes with it; a restarted member takes as long to load.")
        .so("Plan for a larger initLimit before the next restart.", "Put dataLogDir on its own disk; find what fills the tree (ZooKeeperDataSizeHigh).")
        .fires(Warning, "m3", "20 s", &["zk_snapshottime_seconds_sum m3 +2/m", "zk_snapshottime_seconds_count m3 +0.1/m"])
        .quiet(Warning, "one second", &["zk_snapshottime_seconds_sum m3 +0.1/m", "zk_snapshottime_seconds_count m3 +0.1/m"]),
    ]
}

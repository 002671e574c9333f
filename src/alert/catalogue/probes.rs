//! Conditions of the probes, beyond `mntr`: CPU and disk of the host, the canary, and znodes over alarm thresholds.

use super::super::build::{LIMIT, series, series_with};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Span};
use super::super::trouble::flapping;

/// Whether the last round of a canary succeeded.
fn canary() -> Expr {
    series("zk_canary_up")
}

pub(super) fn conditions() -> Vec<Condition> {
    let (one, five, ten) = (Span::minutes(1), Span::minutes(5), Span::minutes(10));
    let free = || series("zk_dir_free_bytes");
    let share = || (free() / series("zk_dir_filesystem_size_bytes")).by(Agg::Min, Keys::Member);
    let values = || series("zk_znode_value").by(Agg::Max, Keys::Znode);
    let threshold = |severity| series_with("zk_znode_alarm_threshold", "severity", severity).by(Agg::Max, Keys::Znode);
    vec![
        Condition::new(
            "CpuBound",
            Group::Jvm,
            Unit::Ratio,
            (series("zk_process_cpu_seconds_total").rate(five).of_member() / series("zk_process_cpus").of_member()).gt(LIMIT),
        )
        .warning(0.8, ten, "The process of a ZooKeeper member uses nearly all of its CPU.")
        .critical(0.95, ten, "The process of a ZooKeeper member is CPU-bound.")
        .source("node-mixin 90 % of a host, schema.ai 70 %; of the CPUs that the process may use, and longer than a snapshot or a sync. Needs the module key host")
        .says(
            "the process of <who> has used <share> of its CPUs over 5 minutes, for over <for> (limit <limit>).",
            "First check which threads: top -H -b -n 1 -p $(pgrep -f QuorumPeerMain) | head -20 on <host> - CommitProcWork and NIOWorker are requests, GC threads the heap, C2 the compiler after a start.",
        )
        .means("Requests, TLS or garbage collections take more CPU than the process has.", "Requests queue; pings are answered late, which ends sessions and, on the leader, the leadership.")
        .so("Find the client that sends these requests now: an election will not reduce them.", "Restart or throttle that client; give the process more CPUs; move TLS or large reads elsewhere.")
        .fires(Warning, "m2", "1.7 of 2 CPUs", &["zk_process_cpu_seconds_total m2 +102/m", "zk_process_cpus m2 2"])
        .fires(Critical, "m2", "1.98 of 2 CPUs", &["zk_process_cpu_seconds_total m2 +118.8/m", "zk_process_cpus m2 2"])
        .quiet(Warning, "one of 2 CPUs", &["zk_process_cpu_seconds_total m2 +60/m", "zk_process_cpus m2 2"])
        .quiet(Critical, "1.7 of 2 is only a warning", &["zk_process_cpu_seconds_total m2 +102/m", "zk_process_cpus m2 2"]),
        Condition::new("DiskSpaceLow", Group::Disk, Unit::Ratio, share().lt(LIMIT))
            .warning(0.15, ten, "The disk of a ZooKeeper member is nearly full.")
            .critical(0.05, five, "The disk of a ZooKeeper member is almost full.")
            .source("15 %: Strimzi, Kubernetes' KubePersistentVolumeFillingUp; 5 %: node-mixin. Needs the module key host")
            .says(
                "the disk under a data or log directory of <who> has had only <value> free for over <for> (limit <limit>); a member that cannot write its transaction log stops.",
                "First check what uses it: df -h and du -sh of dataDir and dataLogDir on <host> - snapshots and logs accumulate if autopurge.purgeInterval is 0.",
            )
            .means("Snapshots and transaction logs, or other files on the same disk, fill it.", "At 0 the member stops, and so will the others, whose disks fill in the same way.")
            .so("Free space now: once the disk is full, the member stops and does not recover automatically.", "Delete old snapshots and logs with zkCleanup.sh -n 3; set autopurge.purgeInterval=24; use a larger disk.")
            .fires(Warning, "m2", "a tenth", &[
                "zk_dir_free_bytes{dir=\"log\"} m2 10",
                "zk_dir_filesystem_size_bytes{dir=\"log\"} m2 100",
            ])
            .fires(Critical, "m2", "only the log directory", &[
                "zk_dir_free_bytes{dir=\"data\"} m2 60",
                "zk_dir_filesystem_size_bytes{dir=\"data\"} m2 100",
                "zk_dir_free_bytes{dir=\"log\"} m2 2",
                "zk_dir_filesystem_size_bytes{dir=\"log\"} m2 100",
            ])
            .quiet(Warning, "a quarter", &[
                "zk_dir_free_bytes{dir=\"log\"} m2 25",
                "zk_dir_filesystem_size_bytes{dir=\"log\"} m2 100",
            ])
            .quiet(Critical, "a tenth is only a warning", &[
                "zk_dir_free_bytes{dir=\"log\"} m2 10",
                "zk_dir_filesystem_size_bytes{dir=\"log\"} m2 100",
            ]),
        Condition::new(
            "CanaryFailing",
            Group::Availability,
            Unit::State,
            // The canary of one member fails while that member does not serve, which is another alarm.
            canary()
                .by(Agg::Max, Keys::Canary)
                .lt(1.0)
                .or(flapping(canary).by(Agg::Max, Keys::Canary))
                .unless_on(Keys::Member, series("zk_serving").eq(0.0)),
        )
        .critical(None, one, "A ZooKeeper ensemble does not work for a client.")
        .source("Cloudera's ZooKeeper canary; a minute is two rounds at the default interval, longer than an election. Needs the module key canary")
        .says(
            "the canary of <who> has failed to create, read, watch, update and delete a znode for over <for>.",
            "First check where it fails: zk_canary_failures_total{ensemble=\"<ensemble>\"} names operation and error - connect for every operation means no quorum or no network, no_auth the ACL of its path, timeout a disk or a server that hangs; then check the state of the members: <info>",
        )
        .means("A real client cannot use the ensemble, regardless of what its members report: ruok answers imok without a quorum.", "Clients fail in the same way as the canary.")
        .so("Treat it as an outage until another client proves otherwise.", "Depends on the failing operation; see the other alerts of the ensemble.")
        .fires(Critical, "e", "every round fails", &["zk_canary_up e 0"])
        .quiet(Critical, "every round succeeds", &["zk_canary_up e 1"])
        .quiet(Critical, "one failed round", &["zk_canary_up e 1 for 5m then 0 for 30s then 1"])
        .fires(Critical, "e", "three of four rounds fail", &[
            "zk_canary_up e 1 for 13m then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1",
        ])
        .fires(Critical, "m2", "every round of the canary of one member fails", &["zk_canary_up m2 0"])
        .quiet(Critical, "the canary of a member that does not serve", &["zk_canary_up m2 0", "zk_serving m2 0"])
        .quiet(Critical, "one of four rounds fails", &[
            "zk_canary_up e 1 for 13m then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1",
        ])
        .quiet(Critical, "a canary that failed intermittently was switched off", &[
            "zk_canary_up e 1 for 10m then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then stale",
        ])
        .quiet(Critical, "the canary of another exporter works", &["zk_canary_up e 0", "zk_canary_up e@2 1"]),
        Condition::new(
            "CanarySlow",
            Group::Latency,
            Unit::Seconds,
            series_with("zk_canary_duration_seconds", "operation", "create|read|update|watch|delete")
                .min(five)
                .by(Agg::Max, Keys::Canary)
                .gt(LIMIT),
        )
        .warning(0.5, five, "A ZooKeeper ensemble is slow for a client.")
        .source("a write is a round trip and the fsyncs of a majority, about 10 ms; half a second is fifty times that. The minimum of 5 minutes, so that a single slow round does not count")
        .says(
            "an operation of the canary of <who> has taken at least <value> in every round of 5 minutes, for over <for> (limit <limit>).",
            "First check which: zk_canary_duration_seconds{ensemble=\"<ensemble>\"} - create, update and delete go through the leader and every disk, read does not; if read is as slow as they are, the cause is the network or a member without CPU.",
        )
        .means("Requests of clients wait for disks, for a busy leader, or for the network.", "Clients are equally slow; sessions end when pings wait that long.")
        .so("Check fsync and the queues before clients time out.", "As for slow fsync and outstanding requests.")
        .fires(Warning, "e", "a second for writes", &[
            "zk_canary_duration_seconds{operation=\"create\"} e 1",
            "zk_canary_duration_seconds{operation=\"read\"} e 0.001",
        ])
        .quiet(Warning, "20 ms", &["zk_canary_duration_seconds{operation=\"create\"} e 0.02"])
        .quiet(Warning, "one slow round", &[
            "zk_canary_duration_seconds{operation=\"create\"} e 0.02 for 8m then 3 for 1m then 0.02",
        ])
        .quiet(Warning, "connect, which may try dead members", &["zk_canary_duration_seconds{operation=\"connect\"} e 3"]),
        Condition::new("ZnodeAboveThreshold", Group::Data, Unit::Number, values().gt(threshold("warning")))
            .warning(None, one, "A znode holds a value above the warning threshold of its alarm.")
            .critical(None, one, "A znode holds a value above the critical threshold of its alarm.")
            .when(values().gt(threshold("critical")))
            .source("the thresholds are those written by zookeeper-exporter alarm set")
            .says(
                "znode <path> of ensemble <ensemble> has held <value>, above a threshold of its alarm znode, for over <for>.",
                "First check the value and both thresholds: zookeeper-exporter alarm list --config.file FILE --ensemble <ensemble>",
            )
            .means("The znode's value exceeds a threshold of its alarm.", "Depends on the meaning of the znode.")
            .so("Warning: act before the critical threshold. Critical: the threshold was set to raise an alarm at this value.", "Ask the owner of the znode; change the thresholds with zookeeper-exporter alarm set.")
            .fires(Warning, "e path=/cpu_usage", "85 over 80", &[
                "zk_znode_value{path=\"/cpu_usage\"} e 85",
                "zk_znode_alarm_threshold{path=\"/cpu_usage\",severity=\"warning\"} e 80",
            ])
            .quiet(Warning, "75 under 80", &[
                "zk_znode_value{path=\"/cpu_usage\"} e 75",
                "zk_znode_alarm_threshold{path=\"/cpu_usage\",severity=\"warning\"} e 80",
            ])
            .quiet(Warning, "no alarm is set", &["zk_znode_value{path=\"/cpu_usage\"} e 85"])
            .fires(Critical, "e path=/cpu_usage", "95 over 90", &[
                "zk_znode_value{path=\"/cpu_usage\"} e 95",
                "zk_znode_alarm_threshold{path=\"/cpu_usage\",severity=\"critical\"} e 90",
            ])
            .quiet(Critical, "85 under 90", &[
                "zk_znode_value{path=\"/cpu_usage\"} e 85",
                "zk_znode_alarm_threshold{path=\"/cpu_usage\",severity=\"critical\"} e 90",
            ])
            .quiet(Critical, "only the warning threshold is exceeded", &[
                "zk_znode_value{path=\"/cpu_usage\"} e 85",
                "zk_znode_alarm_threshold{path=\"/cpu_usage\",severity=\"warning\"} e 80",
            ])
            .quiet(Critical, "the threshold of another znode", &[
                "zk_znode_value{path=\"/cpu_usage\"} e 95",
                "zk_znode_alarm_threshold{path=\"/load\",severity=\"critical\"} e 90",
            ]),
        Condition::new(
            "ZnodeUnreadable",
            Group::Data,
            Unit::State,
            series("zk_znode_failure").by(Agg::Max, Keys::Znode).gt(0.0),
        )
        .warning(None, five, "A watched znode cannot be read.")
        .source("an alarm on a znode that cannot be read never fires")
        .says(
            "znode <path> of ensemble <ensemble> could not be read as a number for over <for>.",
            "First check the reason: zk_znode_failure{path=\"<path>\"} - no_node: it does not exist; not_a_number, pointer: its content; no_auth: its ACL or the exporter's password; bad_alarm: the content of the alarm znode.",
        )
        .means("The value or the threshold is unknown.", "Its alarm cannot fire.")
        .so("Find out whether the writer of the znode has died.", "Restart the writer; correct data, ACL or the module's session: digest_file.")
        .fires(Warning, "e path=/cpu_usage", "it does not exist", &["zk_znode_failure{path=\"/cpu_usage\",reason=\"no_node\"} e 1"])
        .quiet(Warning, "a short moment", &["zk_znode_failure{path=\"/cpu_usage\",reason=\"connect\"} e absent for 5m then 1 for 1m then stale"]),
    ]
}

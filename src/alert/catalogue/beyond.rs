//! What `mntr` cannot say: CPU and disk of the host, the canary, and znodes over their alarm thresholds.

use super::super::build::{LIMIT, series, series_with};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Keys, Span};

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
        .warning(0.8, ten, "The process of a ZooKeeper member uses nearly all CPU it may use.")
        .critical(0.95, ten, "The process of a ZooKeeper member is CPU-bound.")
        .source("node-mixin 90 % of a host, schema.ai 70 %; of the CPUs that the process may use, and long enough for a snapshot or a sync to be over. Needs the module key host")
        .says(
            "the process of <who> has used <share> of its CPUs over 5 minutes, for over <for> (limit <limit>).",
            "First see which threads: top -H -b -n 1 -p $(pgrep -f QuorumPeerMain) | head -20 on <host> - CommitProcWork and NIOWorker are requests, GC threads the heap, C2 the compiler after a start.",
        )
        .means("Requests, TLS or garbage collections take more CPU than the process has.", "Requests queue; pings are answered late, which costs sessions and, on the leader, the leadership.")
        .so("Find the client that asks so much now: its requests will not become fewer in an election.", "Restart or throttle that client; give the process more CPUs; move TLS or large reads elsewhere.")
        .fires(Warning, "m2", "1.7 of 2 CPUs", &["zk_process_cpu_seconds_total m2 +102/m", "zk_process_cpus m2 2"])
        .fires(Critical, "m2", "1.98 of 2 CPUs", &["zk_process_cpu_seconds_total m2 +118.8/m", "zk_process_cpus m2 2"])
        .quiet(Warning, "one of 2 CPUs", &["zk_process_cpu_seconds_total m2 +60/m", "zk_process_cpus m2 2"])
        .quiet(Critical, "1.7 of 2 is a warning", &["zk_process_cpu_seconds_total m2 +102/m", "zk_process_cpus m2 2"]),
        Condition::new("DiskSpaceLow", Group::Disk, Unit::Ratio, share().lt(LIMIT))
            .warning(0.15, ten, "The disk of a ZooKeeper member is nearly full.")
            .critical(0.05, five, "The disk of a ZooKeeper member is all but full.")
            .source("15 %: Strimzi, Kubernetes' KubePersistentVolumeFillingUp; 5 %: node-mixin. Needs the module key host")
            .says(
                "the disk under a data or log directory of <who> has had only <value> free for over <for> (limit <limit>); a member that cannot write its transaction log stops.",
                "First see what is in it: df -h and du -sh of dataDir and dataLogDir on <host> - snapshots and logs pile up where autopurge.purgeInterval is 0.",
            )
            .means("Snapshots and transaction logs, or other files on the same disk, use it up.", "At 0 the member stops, and so will the others, whose disks fill alike.")
            .so("Make room now: once it is full the member is gone and does not come back by itself.", "Delete old snapshots and logs with zkCleanup.sh -n 3; set autopurge.purgeInterval=24; a larger disk.")
            .fires(Warning, "m2", "a tenth", &[
                "zk_dir_free_bytes{dir=\"log\"} m2 10",
                "zk_dir_filesystem_size_bytes{dir=\"log\"} m2 100",
            ])
            .fires(Critical, "m2", "the log directory alone", &[
                "zk_dir_free_bytes{dir=\"data\"} m2 60",
                "zk_dir_filesystem_size_bytes{dir=\"data\"} m2 100",
                "zk_dir_free_bytes{dir=\"log\"} m2 2",
                "zk_dir_filesystem_size_bytes{dir=\"log\"} m2 100",
            ])
            .quiet(Warning, "a quarter", &[
                "zk_dir_free_bytes{dir=\"log\"} m2 25",
                "zk_dir_filesystem_size_bytes{dir=\"log\"} m2 100",
            ])
            .quiet(Critical, "a tenth is a warning", &[
                "zk_dir_free_bytes{dir=\"log\"} m2 10",
                "zk_dir_filesystem_size_bytes{dir=\"log\"} m2 100",
            ]),
        Condition::new(
            "CanaryFailing",
            Group::Availability,
            Unit::State,
            series("zk_canary_up").by(Agg::Max, Keys::Canary).lt(1.0),
        )
        .critical(None, one, "A ZooKeeper ensemble does not work for a client.")
        .source("Cloudera's ZooKeeper canary; a minute is two rounds at the default interval, so that an election passes. Needs the module key canary")
        .says(
            "the canary of <who> has not managed to make, read, watch, change and remove a znode for over <for>.",
            "First see where it fails: zk_canary_failures_total{ensemble=\"<ensemble>\"} names operation and error - connect with every operation is no quorum or no network, no_auth the ACL of its path, timeout a disk or a server that hangs; then the state of the members: <info>",
        )
        .means("A real client cannot use it, whatever the members say of themselves: ruok answers imok without a quorum.", "Clients fail as the canary does.")
        .so("Treat it as an outage until another client proves otherwise.", "As the failing operation says; see the other alerts of the ensemble.")
        .fires(Critical, "e", "every round fails", &["zk_canary_up e 0"])
        .quiet(Critical, "it works", &["zk_canary_up e 1"])
        .quiet(Critical, "one round", &["zk_canary_up e 1 for 5m then 0 for 30s then 1"])
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
        .source("a write is a round trip and the fsyncs of a majority, some 10 ms; half a second is fifty of them. The least of 5 minutes, so that no single slow round counts")
        .says(
            "an operation of the canary of <who> has taken at least <value> in every round of 5 minutes, for over <for> (limit <limit>).",
            "First see which: zk_canary_duration_seconds{ensemble=\"<ensemble>\"} - create, update and delete go through the leader and every disk, read does not; read as slow as they are is the network or a member without CPU.",
        )
        .means("Requests of clients wait: for disks, for a leader that is busy, or on the network.", "Clients are as slow; sessions end when pings wait that long.")
        .so("Look at fsync and the queues before clients time out.", "As for slow fsync and outstanding requests.")
        .fires(Warning, "e", "a second for writes", &[
            "zk_canary_duration_seconds{operation=\"create\"} e 1",
            "zk_canary_duration_seconds{operation=\"read\"} e 0.001",
        ])
        .quiet(Warning, "20 ms", &["zk_canary_duration_seconds{operation=\"create\"} e 0.02"])
        .quiet(Warning, "one slow round", &[
            "zk_canary_duration_seconds{operation=\"create\"} e 0.02 for 8m then 3 for 1m then 0.02",
        ])
        .quiet(Warning, "connecting, which finds dead members", &["zk_canary_duration_seconds{operation=\"connect\"} e 3"]),
        Condition::new("ZnodeAboveThreshold", Group::Data, Unit::Number, values().gt(threshold("warning")))
            .warning(None, one, "A znode holds a value above the warning threshold of its alarm.")
            .critical(None, one, "A znode holds a value above the critical threshold of its alarm.")
            .when(values().gt(threshold("critical")))
            .source("the thresholds are what zookeeper-exporter alarm set wrote")
            .says(
                "znode <path> of ensemble <ensemble> has held <value>, above a threshold of its alarm znode, for over <for>.",
                "First see the value and both thresholds: zookeeper-exporter alarm list --config.file FILE --ensemble <ensemble>",
            )
            .means("The znode's value exceeds a threshold of its alarm.", "What the znode stands for.")
            .so("Warning: act before the critical threshold. Critical: the threshold was set to raise an alarm at this value.", "As the owner of the znode says; the thresholds are changed with zookeeper-exporter alarm set.")
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
            .quiet(Critical, "only the warning threshold is passed", &[
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
            "First see why: zk_znode_failure{path=\"<path>\"} has the reason - no_node: it does not exist; not_a_number, pointer: what it holds; no_auth: its ACL or the exporter's password; bad_alarm: what the alarm znode holds.",
        )
        .means("The value, or the threshold, is not known.", "Its alarm is blind.")
        .so("Find out whether the writer of the znode has died.", "Restart the writer; correct data, ACL or the module's session: digest_file.")
        .fires(Warning, "e path=/cpu_usage", "it does not exist", &["zk_znode_failure{path=\"/cpu_usage\",reason=\"no_node\"} e 1"])
        .quiet(Warning, "a moment", &["zk_znode_failure{path=\"/cpu_usage\",reason=\"connect\"} e absent for 5m then 1 for 1m then stale"]),
    ]
}

//! The Java process: heap, pauses, file descriptors, threads.

use super::super::build::{Growth, LIMIT, series, series_with};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Span};

/// Collectors that run concurrently with the application: their time is not a pause.
const CONCURRENT: &str = "!.* Cycles|.*Concurrent.*|ZGC|GPGC New|GPGC Old";

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Jvm, unit, expr)
}

pub(super) fn conditions() -> Vec<Condition> {
    let (five, ten) = (Span::minutes(5), Span::minutes(10));
    let open = || series("zk_open_file_descriptors");
    let most = || series("zk_max_file_descriptors").of_member();
    let growth = Growth { name: "zk_open_file_descriptors", keys: Keys::Member, period: Span::minutes(30) };
    vec![
        condition(
            "FileDescriptors",
            Unit::Ratio,
            (open().of_member() / most()).gt(LIMIT),
        )
        .warning(0.8, five, "A ZooKeeper member is running out of file descriptors.")
        .critical(0.95, five, "A ZooKeeper member has almost no file descriptors left.")
        .source("Elastic 80 %, Zabbix 85 %; the absolute 300 of ZooKeeper's documentation does not fit other limits of open files")
        .says(
            "<who> has used <value> of its file descriptors for over <for> (limit <limit>); without a free one it can neither accept a client nor open a log file.",
            "First check whether connections use them: <stat> - then where those come from: <ask cons> | sed 's/^ *\\/\\(.*\\):[0-9]*\\[.*/\\1/' | sort | uniq -c | sort -rn | head",
        )
        .means(
            "Client connections, rarely files, use up the open file limit of the process (nofile).",
            "At the limit it refuses clients and cannot roll its transaction log: it stops.",
        )
        .so("Find the client that leaks now; restarting the member only moves that client to another one.", "Restart the client; raise LimitNOFILE of the service, and restart the member while the margin is above 0.")
        .fires(Warning, "m2", "85 percent", &["zk_open_file_descriptors m2 850", "zk_max_file_descriptors m2 1000"])
        .fires(Critical, "m2", "98 percent", &["zk_open_file_descriptors m2 980", "zk_max_file_descriptors m2 1000"])
        .fires(Warning, "m2", "85 percent, and a scrape lost of those every two minutes", &[
            "zk_open_file_descriptors m2 850 for 6m then stale for 225s then 850",
            "zk_max_file_descriptors m2 1000 for 6m then stale for 225s then 1000",
        ])
        .quiet(Warning, "85 percent for one minute", &[
            "zk_open_file_descriptors m2 500 for 4m then 850 for 1m then 500",
            "zk_max_file_descriptors m2 1000",
        ])
        .quiet(Warning, "half", &["zk_open_file_descriptors m2 500", "zk_max_file_descriptors m2 1000"])
        .quiet(Critical, "85 percent is only a warning", &[
            "zk_open_file_descriptors m2 850",
            "zk_max_file_descriptors m2 1000",
        ]),
        condition(
            "FileDescriptorsForecast",
            Unit::Ratio,
            growth.gate((growth.forecast(Span::hours(4)) / most()).gt(LIMIT)),
        )
        .warning(1.0, Span::minutes(15), "A ZooKeeper member will run out of file descriptors within hours.")
        .source("four hours ahead, like etcd's forecast of its database. Each of the last three half hours must have grown by at least half of their mean, so that clients that moved after a failover make no forecast, and the number must be above that of the day before")
        .says(
            "at the rate of the last one and a half hours, <who> will need <value> of its file descriptors in four hours.",
            "First check whether connections use them: <stat> - then the client that leaks: <ask cons> | sed 's/^ *\\/\\(.*\\):[0-9]*\\[.*/\\1/' | sort | uniq -c | sort -rn | head",
        )
        .means("The number of open connections or files grows steadily.", "None yet.")
        .so("Find the leak in the remaining hours.", "As under ZooKeeperFileDescriptors.")
        .fires(Warning, "m2", "120 an hour", &[
            "zk_open_file_descriptors m2 300 for 23h then +2/m",
            "zk_max_file_descriptors m2 1000",
        ])
        .quiet(Warning, "as on the same day of the week before", &[
            "zk_open_file_descriptors m2 300 for 240m then 720 for 600m then 300 for 9760m then +2/m for 200m",
            "zk_max_file_descriptors m2 1000",
        ])
        .fires(Warning, "m2", "far above the same day of the week before", &[
            "zk_open_file_descriptors m2 300 for 240m then 500 for 600m then 300 for 9760m then +2/m for 200m",
            "zk_max_file_descriptors m2 1000",
        ])
        .quiet(Warning, "the clients of a member that started an hour ago", &[
            "zk_open_file_descriptors m2 absent for 25h then +6/m",
            "zk_max_file_descriptors m2 1000",
        ])
        .quiet(Warning, "the number does not change", &[
            "zk_open_file_descriptors m2 500",
            "zk_max_file_descriptors m2 1000",
        ])
        .quiet(Warning, "clients that moved here an hour ago", &[
            "zk_open_file_descriptors m2 340 for 25h then 510",
            "zk_max_file_descriptors m2 1000",
        ])
        .quiet(Warning, "growth that has ended", &[
            "zk_open_file_descriptors m2 300 for 23h then +4/m for 2h then 780",
            "zk_max_file_descriptors m2 1000",
        ])
        .quiet(Warning, "growth with a pause", &[
            "zk_open_file_descriptors m2 300 for 23h then +4/m for 110m then 740 for 35m then +4/m",
            "zk_max_file_descriptors m2 1000",
        ])
        .quiet(Warning, "growth of less than one and a half hours", &[
            "zk_open_file_descriptors m2 300 for 1495m then +4/m",
            "zk_max_file_descriptors m2 1000",
        ])
        .quiet(Warning, "as many as yesterday", &[
            "zk_open_file_descriptors m2 300 for 5h then 900 for 1h then 300 for 17h then +2/m",
            "zk_max_file_descriptors m2 1000",
        ]),
        condition(
            "JvmPauses",
            Unit::Ratio,
            series("zk_jvm_pause_time_seconds_sum").rate(five).of_member().gt(LIMIT),
        )
        .warning(0.05, five, "The Java process of a ZooKeeper member pauses.")
        .source("5 % of the time; recorded only with jvm.pause.monitor=true, which is off unless set. After one pause of syncLimit * tickTime a leader loses its leadership")
        .says(
            "the whole process of <who> has been paused for <share> of the time over 5 minutes, for over <for> (limit <limit>).",
            "First find the cause: grep 'Detected pause' zookeeper.log on <host> names the collector - a pause without a collection comes from the host: swapping (vmstat 5 3) or stolen CPU (top, column st).",
        )
        .means("Garbage collections, swapping or a lack of CPU on the host stop every thread.", "Requests wait; a long pause ends sessions, and a leader loses its leadership.")
        .so("If it leads and the margin is above 0, move the leader: restart this member.", "Raise the heap (-Xmx) if it is full; disable swap; give the host more CPU.")
        .fires(Warning, "m1", "6 seconds a minute", &["zk_jvm_pause_time_seconds_sum m1 +6/m"])
        .quiet(Warning, "half a second a minute", &["zk_jvm_pause_time_seconds_sum m1 +0.5/m"]),
        condition(
            "GarbageCollection",
            Unit::Ratio,
            series_with("zk_jvm_gc_collection_seconds_sum", "gc", CONCURRENT)
                .rate(five)
                .by(Agg::Sum, Keys::MemberOfTarget)
                .of_member()
                .gt(LIMIT),
        )
        .warning(0.1, five, "A ZooKeeper member pauses for garbage collection much of the time.")
        .source("Huawei's ALM-13003: 5 s a minute is a major alarm; 6 s here. Only collectors that pause the process count: the cycles of ZGC and Shenandoah and other concurrent work do not. Needs the Prometheus provider (exportJvmInfo)")
        .says(
            "<who> has paused for garbage collection for <share> of the time over 5 minutes, for over <for> (limit <limit>).",
            "First check how full the heap is: jstat -gcutil $(pgrep -f QuorumPeerMain) 1000 5 on <host> - column O is the old generation.",
        )
        .means("The heap is too small for its content, or a client causes much garbage.", "Requests wait for the collector; long collections end sessions.")
        .so("Raise -Xmx before the heap is full.", "Raise -Xmx; find large reads and high numbers of watches.")
        .fires(Warning, "m1", "9 seconds a minute, by two collectors", &[
            "zk_jvm_gc_collection_seconds_sum{gc=\"G1 Young Generation\"} m1 +4/m",
            "zk_jvm_gc_collection_seconds_sum{gc=\"G1 Old Generation\"} m1 +5/m",
        ])
        .fires(Warning, "m1", "long pauses of ZGC", &[
            "zk_jvm_gc_collection_seconds_sum{gc=\"ZGC Pauses\"} m1 +9/m",
            "zk_jvm_gc_collection_seconds_sum{gc=\"ZGC Cycles\"} m1 +9/m",
        ])
        .quiet(Warning, "one second a minute", &["zk_jvm_gc_collection_seconds_sum{gc=\"G1 Young Generation\"} m1 +1/m"])
        .quiet(Warning, "cycles of collectors that do not pause", &[
            "zk_jvm_gc_collection_seconds_sum{gc=\"ZGC Major Cycles\"} m1 +20/m",
            "zk_jvm_gc_collection_seconds_sum{gc=\"ZGC Major Pauses\"} m1 +0.1/m",
            "zk_jvm_gc_collection_seconds_sum{gc=\"Shenandoah Cycles\"} m2 +20/m",
            "zk_jvm_gc_collection_seconds_sum{gc=\"ConcurrentMarkSweep\"} m3 +20/m",
        ]),
        condition(
            "HeapHigh",
            Unit::Ratio,
            (series_with("zk_jvm_memory_used_bytes", "area", "heap").min(ten).of_member()
                / series_with("zk_jvm_memory_max_bytes", "area", "heap").of_member())
            .gt(LIMIT),
        )
        .warning(0.85, ten, "The heap of a ZooKeeper member stays full.")
        .critical(0.95, ten, "The heap of a ZooKeeper member is almost used up.")
        .off()
        .source("Huawei's ALM-13004: 85 and 95 %; the minimum of 10 minutes is the level after a collection. Needs the Prometheus provider (exportJvmInfo). Critical is off: pauses and latency show the problem earlier")
        .says(
            "the heap of <who> has not fallen below <value> for over 10 minutes (limit <limit>).",
            "First check what is in it: jmap -histo $(pgrep -f QuorumPeerMain) | head -20 on <host> (it stops the process for a moment) - DataNode and String are the tree, Watch the watches.",
        )
        .means("Live objects, not garbage, fill the heap.", "Collections take longer, then OutOfMemoryError ends the process; the other members hold the same tree.")
        .so("Raise -Xmx on all members, one restart at a time, while there is a quorum margin.", "Raise -Xmx; shrink the tree or the watches.")
        .fires(Warning, "m3", "90 percent", &[
            "zk_jvm_memory_used_bytes{area=\"heap\"} m3 900000000",
            "zk_jvm_memory_max_bytes{area=\"heap\"} m3 1000000000",
        ])
        .fires(Critical, "m3", "97 percent", &[
            "zk_jvm_memory_used_bytes{area=\"heap\"} m3 970000000",
            "zk_jvm_memory_max_bytes{area=\"heap\"} m3 1000000000",
        ])
        .quiet(Warning, "it falls at each collection", &[
            "zk_jvm_memory_used_bytes{area=\"heap\"} m3 900000000 for 16m then 300000000 for 15s then 900000000",
            "zk_jvm_memory_max_bytes{area=\"heap\"} m3 1000000000",
        ])
        .quiet(Critical, "90 percent is only a warning", &[
            "zk_jvm_memory_used_bytes{area=\"heap\"} m3 900000000",
            "zk_jvm_memory_max_bytes{area=\"heap\"} m3 1000000000",
        ]),
        condition(
            "ThreadsDeadlocked",
            Unit::Count,
            series("zk_jvm_threads_deadlocked").of_member().gt(0.0),
        )
        .warning(None, Span::minutes(2), "Threads of a ZooKeeper member are deadlocked.")
        .source("Grafana's jvm-observ-lib: 2 minutes. Needs the Prometheus provider (exportJvmInfo)")
        .says(
            "<value> threads of <who> have waited for each other for over <for>; they will never continue.",
            "First save the evidence: jstack $(pgrep -f QuorumPeerMain) on <host> into a file - then restart only this member, once the margin is above 0: <info>",
        )
        .means("A bug: threads hold locks that the others wait for.", "The work of these threads is no longer done; the member may look healthy otherwise.")
        .so("Restart this member, if the margin allows it.", "Save the thread dump, restart the member while the margin is above 0, and report the bug.")
        .fires(Warning, "m3", "two", &["zk_jvm_threads_deadlocked m3 2"])
        .fires(Warning, "m3", "two, scraped every 90 s", &[
            "zk_jvm_threads_deadlocked m3 2 for 15s then stale for 75s then 2 for 15s then stale for 75s then 2 for 15s then stale for 75s then 2 for 15s then stale for 75s then 2 for 15s then stale",
        ])
        .quiet(Warning, "none", &["zk_jvm_threads_deadlocked m3 0"]),
        condition(
            "UnrecoverableErrors",
            Unit::Count,
            series("zk_unrecoverable_errors_total")
                .increase(Span::hours(1))
                .of_member()
                .gt(0.0)
                .and(series("zk_serving").max(Span::minutes(2)).of_member().eq(0.0))
                // With a full disk it rejoins repeatedly and fails at each write.
                .or(series("zk_unrecoverable_errors_total").increase(Span::minutes(10)).of_member().ge(3.0)),
        )
        .warning(None, Span::minutes(1), "A ZooKeeper member does not serve, or only briefly, after one of its threads died.")
        .source("ZooKeeperCriticalThread: the server shuts down after it. A pause of the process ends such a thread as well (3.8: SendAckRequestProcessor), and the member is in sync again a moment later: only a member that no longer serves counts, or one with three such errors within 10 minutes")
        .says(
            "<who> does not serve, or rejoins and fails repeatedly, and recently <value> thread(s) that it cannot do without died of an error: this is the likely cause.",
            "First check whether it is back in sync; if so, no action is needed: <info> - otherwise find out why: grep -A 20 'Severe unrecoverable error' zookeeper.log on <host>; most often a full disk or an OutOfMemoryError.",
        )
        .means("The thread that writes the log, commits or leads died of an error, and the member has not come back.", "The member is lost until the cause is removed; the ensemble tolerates one failure less.")
        .so("If it is in sync again: none. Otherwise free the disk or the heap first, and only then start it again.", "Free the disk or raise the heap, then start it. Do not restart a member that is in sync, in particular at margin 0.")
        .fires(Warning, "m1", "one error, and it no longer serves", &[
            "zk_unrecoverable_errors_total m1 0 for 30m then 1 for 20m then stale",
            "zk_serving m1 1 for 50m then 0",
        ])
        .fires(Warning, "m1", "its disk is full: it rejoins repeatedly", &[
            "zk_unrecoverable_errors_total m1 0 for 40m then +2/m",
        ])
        .quiet(Warning, "two pauses of the process within ten minutes", &[
            "zk_unrecoverable_errors_total m1 0 for 50m then 1 for 3m then 2",
        ])
        .quiet(Warning, "one error, and it serves: the process was paused", &[
            "zk_unrecoverable_errors_total m1 0 for 50m then 1",
            "zk_serving m1 1 for 49m then 0 for 1m then 1",
        ])
        .quiet(Warning, "an old error of a member that is down", &[
            "zk_unrecoverable_errors_total m1 1",
            "zk_serving m1 0",
        ]),
    ]
}

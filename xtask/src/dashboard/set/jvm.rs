//! The JVM dashboard: heap, garbage collection, pauses, threads, files, CPU and disk.

use super::parts;
use crate::dashboard::board::Board;
use crate::dashboard::panel::{Panel, Unit};
use crate::dashboard::query::{OfHost, busy, gauge, happened, of_host, of_member};

/// The text for JVM panels without data.
const PROVIDER: &str =
    "No data: needs ZooKeeper's PrometheusMetricsProvider with metricsProvider.exportJvmInfo=true on the members.";
const NODE: &str = "No data: needs node_exporter on the hosts, scraped under the same host names as the members.";

pub(super) fn board() -> Board {
    Board::new("zookeeper-jvm", "JVM and OS", "Is the cause the JVM or its host?")
        .row("Memory", memory())
        .row("Pauses and threads", pauses())
        .row("Files and CPU", files())
        .row("Host", host())
}

fn memory() -> Vec<Panel> {
    vec![
        Panel::curves("Heap used after collection", Unit::Ratio)
            .asks("How full is the heap after garbage collection (minimum of 10 minutes)?")
            .bad("Above the limits: collections take longer and longer, until the process runs out of memory.", "Raise -Xmx; check watches and data size.")
            .missing(PROVIDER)
            .query(
                of_member(r#"min_over_time(zk_jvm_memory_used_bytes{M,area="heap"}[10m]) / zk_jvm_memory_max_bytes{M,area="heap"}"#),
                "{{member}}",
            )
            .limits("HeapHigh")
            .between(0.0, 1.0),
        Panel::curves("Heap", Unit::Bytes)
            .asks("How much of the heap is used?")
            .bad("The minima rise: objects are never released.", "A heap dump (jmap) shows which.")
            .missing(PROVIDER)
            .query(of_member(r#"zk_jvm_memory_used_bytes{M,area="heap"}"#), "used {{member}}")
            .query(of_member(r#"zk_jvm_memory_max_bytes{M,area="heap"}"#), "max {{member}}"),
        Panel::curves("Memory outside of the heap", Unit::Bytes)
            .asks("How much memory is used outside of the heap?")
            .bad("Resident memory near the limit of host or container: the process is killed.", "Leave memory beside -Xmx; disable swapping.")
            .missing(PROVIDER)
            .query(gauge("zk_process_resident_memory_bytes"), "resident {{member}}")
            .query(of_member(r#"zk_jvm_memory_used_bytes{M,area="nonheap"}"#), "non-heap {{member}}")
            .query(of_member("sum by (job, instance, ensemble, member) (zk_jvm_buffer_pool_used_bytes{M})"), "buffers {{member}}"),
    ]
}

fn pauses() -> Vec<Panel> {
    vec![
        Panel::curves("Garbage collection time ratio", Unit::Ratio)
            .asks("How much of the time does garbage collection take?")
            .bad("Above the limit: every request waits.", "Use a larger heap, another collector, or fewer watches.")
            .missing(PROVIDER)
            .query(
                of_member("sum by (job, instance, ensemble, member) (rate(zk_jvm_gc_collection_seconds_sum{M}[$__rate_interval]))"),
                "{{member}}",
            )
            .limits("GarbageCollection"),
        Panel::curves("JVM pause ratio", Unit::Ratio)
            .asks("For how much of the time was the whole process paused?")
            .bad("Above the limit. If a leader pauses for syncLimit ticks, it loses its followers.", "Check garbage collection, swapping and CPU steal.")
            .missing("No data: needs jvm.pause.monitor=true on the members (ZooKeeper 3.6.2 or later).")
            .query(busy("zk_jvm_pause_time_seconds"), "{{member}}")
            .limits("JvmPauses"),
        Panel::curves("Collections", Unit::PerSecond)
            .asks("How often does each collector run?")
            .bad("Old or full collections several times per minute: the heap is too small.", "Raise -Xmx.")
            .missing(PROVIDER)
            .query("max by (ensemble, member, gc) (rate(zk_jvm_gc_collection_seconds_count{M}[$__rate_interval]))", "{{gc}} {{member}}"),
        Panel::curves("Threads", Unit::Count)
            .asks("How many threads are there, and in which state?")
            .bad("Threads that remain blocked, or a growing number.", "Take a thread dump (jstack).")
            .missing(PROVIDER)
            .query("max by (ensemble, member, state) (zk_jvm_threads_state{M} > 0)", "{{state}} {{member}}"),
        Panel::number("Deadlocked threads", Unit::Count)
            .asks("Are threads deadlocked?")
            .bad("More than 0.", "Take a thread dump, then restart the member.")
            .missing(PROVIDER)
            .query(gauge("zk_jvm_threads_deadlocked"), "{{member}}")
            .alarms("ensemble, member", &["ThreadsDeadlocked"])
            .paint(crate::dashboard::panel::Paint::From(vec![(1.0, "red")]))
            .size(8, 7),
        Panel::curves("Terminated critical threads", Unit::Count)
            .asks("Did a thread end that the server needs?")
            .bad("More than 0: the server stops, or no longer works.", "Read its log; restart it unless it is in sync again.")
            .missing(parts::SINCE_3_6)
            .query(of_member("increase(zk_unrecoverable_errors_total{M}[$__rate_interval])"), "{{member}}"),
    ]
}

fn files() -> Vec<Panel> {
    vec![
        Panel::curves("File descriptors used", Unit::Ratio)
            .asks("How near is the limit of sockets and files?")
            .bad(
                "Above the limits: it soon refuses connections and cannot write files.",
                "Raise nofile (LimitNOFILE); find the client that leaks.",
            )
            .missing("No data: mntr is not allowed, or the JVM knows no limit.")
            .query(of_member("zk_open_file_descriptors{M} / zk_max_file_descriptors{M}"), "{{member}}")
            .limits("FileDescriptors")
            .between(0.0, 1.0),
        Panel::curves("CPU of the process", Unit::Count)
            .asks("How many cores does it use?")
            .bad(
                "All of them: TLS, serialization or garbage collection.",
                "Check garbage collection above; spread the clients.",
            )
            .missing(PROVIDER)
            .query(of_member("rate(zk_process_cpu_seconds_total{M}[$__rate_interval])"), "{{member}}"),
        Panel::curves("Fsyncs", Unit::PerSecond)
            .asks("How often does it flush the transaction log?")
            .bad("As many per second as the device can do: writes wait.", "Use a faster device.")
            .missing(parts::SINCE_3_6)
            .query(happened("zk_fsynctime_seconds"), "{{member}}"),
    ]
}

fn host() -> Vec<Panel> {
    vec![
        Panel::curves("Disk used", Unit::Ratio)
            .asks("How full is the disk?")
            .bad(
                "Near 100 %: a member with a full disk stops.",
                "Set autopurge.purgeInterval (default 0: never); move old snapshots.",
            )
            .missing(
                "No data: needs the module key host (an exporter beside the member) or node_exporter on the hosts.",
            )
            .query(parts::disk_used(), "{{member}}")
            .between(0.0, 1.0)
            .size(6, 7),
        Panel::curves("Busiest disk", Unit::Ratio)
            .asks("How busy is the disk?")
            .bad("Near 100 %: another process writes, or the disk is too slow.", "Run iostat and iotop on the host.")
            .missing(NODE)
            .query(of_host(OfHost::Largest, "rate(node_disk_io_time_seconds_total[$__rate_interval])"), "{{member}}")
            .between(0.0, 1.0)
            .size(6, 7),
        Panel::curves("CPU of the host", Unit::Ratio)
            .asks("How busy is the host?")
            .bad("Near 100 %: ZooKeeper waits for a CPU.", "Move other processes: ZooKeeper needs its own host.")
            .missing(NODE)
            .query(
                of_host(
                    OfHost::Largest,
                    r#"1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[$__rate_interval]))"#,
                ),
                "{{member}}",
            )
            .between(0.0, 1.0)
            .size(6, 7),
        Panel::curves("Swapping", Unit::PerSecond)
            .asks("Does the host swap?")
            .bad("More than 0: pauses of seconds follow.", "Reduce the heap or add memory; disable swapping (swapoff).")
            .missing(NODE)
            .query(
                of_host(
                    OfHost::Largest,
                    "rate(node_vmstat_pswpin[$__rate_interval]) + rate(node_vmstat_pswpout[$__rate_interval])",
                ),
                "{{member}}",
            )
            .size(6, 7),
    ]
}

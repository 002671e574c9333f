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
    Board::new("zookeeper-jvm", "JVM and OS", "Is it the Java process or its host?")
        .row("Memory", memory())
        .row("Pauses and threads", pauses())
        .row("Files and CPU", files())
        .row("Host", host())
}

fn memory() -> Vec<Panel> {
    vec![
        Panel::curves("Heap that stays full", Unit::Ratio)
            .asks("How full is the heap after garbage collection (the least within 10 minutes)?")
            .bad("Above the lines: collections take ever longer, and then the process dies.", "Raise -Xmx; look at watches and data size.")
            .missing(PROVIDER)
            .query(
                of_member(r#"min_over_time(zk_jvm_memory_used_bytes{M,area="heap"}[10m]) / zk_jvm_memory_max_bytes{M,area="heap"}"#),
                "{{member}}",
            )
            .limits("HeapHigh")
            .between(0.0, 1.0),
        Panel::curves("Heap", Unit::Bytes)
            .asks("How much heap is used of how much?")
            .bad("The valleys of the saw rise: something is kept for ever.", "A heap dump (jmap) tells what.")
            .missing(PROVIDER)
            .query(of_member(r#"zk_jvm_memory_used_bytes{M,area="heap"}"#), "used {{member}}")
            .query(of_member(r#"zk_jvm_memory_max_bytes{M,area="heap"}"#), "most {{member}}"),
        Panel::curves("Outside of the heap", Unit::Bytes)
            .asks("What else takes memory?")
            .bad("Resident memory near the host's or the container's: it will be killed.", "Leave room beside -Xmx; never swap.")
            .missing(PROVIDER)
            .query(gauge("zk_process_resident_memory_bytes"), "resident {{member}}")
            .query(of_member(r#"zk_jvm_memory_used_bytes{M,area="nonheap"}"#), "non-heap {{member}}")
            .query(of_member("sum by (job, instance, ensemble, member) (zk_jvm_buffer_pool_used_bytes{M})"), "buffers {{member}}"),
    ]
}

fn pauses() -> Vec<Panel> {
    vec![
        Panel::curves("Part of the time in garbage collection", Unit::Ratio)
            .asks("How much time does garbage collection take?")
            .bad("Above the line: every request waits.", "A larger heap, another collector, fewer watches.")
            .missing(PROVIDER)
            .query(
                of_member("sum by (job, instance, ensemble, member) (rate(zk_jvm_gc_collection_seconds_sum{M}[$__rate_interval]))"),
                "{{member}}",
            )
            .limits("GarbageCollection"),
        Panel::curves("Pauses", Unit::Ratio)
            .asks("For which part of the time did the whole process stand still?")
            .bad("Above the line. A pause as long as syncLimit ticks costs a leader its followers.", "Garbage collection, swapping, stolen CPU.")
            .missing("No data: needs jvm.pause.monitor=true on the members (ZooKeeper 3.6.2 or later).")
            .query(busy("zk_jvm_pause_time_seconds"), "{{member}}")
            .limits("JvmPauses"),
        Panel::curves("Collections", Unit::PerSecond)
            .asks("How often does it collect, and with what?")
            .bad("Old or full collections many times a minute: the heap is too small.", "Raise -Xmx.")
            .missing(PROVIDER)
            .query("max by (ensemble, member, gc) (rate(zk_jvm_gc_collection_seconds_count{M}[$__rate_interval]))", "{{gc}} {{member}}"),
        Panel::curves("Threads", Unit::Count)
            .asks("How many threads are there, and what do they do?")
            .bad("Blocked ones that stay, or a number that grows.", "A thread dump: jstack.")
            .missing(PROVIDER)
            .query("max by (ensemble, member, state) (zk_jvm_threads_state{M} > 0)", "{{state}} {{member}}"),
        Panel::number("Threads in a deadlock", Unit::Count)
            .asks("Are threads locked for ever?")
            .bad("Anything but 0.", "A thread dump, then restart the member.")
            .missing(PROVIDER)
            .query(gauge("zk_jvm_threads_deadlocked"), "{{member}}")
            .alarms("ensemble, member", &["ThreadsDeadlocked"])
            .paint(crate::dashboard::panel::Paint::From(vec![(1.0, "red")]))
            .size(8, 7),
        Panel::curves("Critical threads that died", Unit::Count)
            .asks("Did a thread die that the server cannot do without?")
            .bad("Anything but 0: the server is going down.", "Its log, then restart it.")
            .missing(parts::SINCE_3_6)
            .query(of_member("increase(zk_unrecoverable_errors_total{M}[$__rate_interval])"), "{{member}}"),
    ]
}

fn files() -> Vec<Panel> {
    vec![
        Panel::curves("File descriptors used", Unit::Ratio)
            .asks("How near is the limit of sockets and files?")
            .bad(
                "Above the lines: it will refuse connections and fail to write.",
                "Raise nofile (LimitNOFILE); find the client that leaks.",
            )
            .missing("No data: mntr is not allowed, or the JVM knows no limit.")
            .query(of_member("zk_open_file_descriptors{M} / zk_max_file_descriptors{M}"), "{{member}}")
            .limits("FileDescriptors")
            .between(0.0, 1.0),
        Panel::curves("CPU of the process", Unit::Count)
            .asks("How many cores does it keep busy?")
            .bad(
                "As many as it has: TLS, serialisation or garbage collection.",
                "See garbage collection above; spread the clients.",
            )
            .missing(PROVIDER)
            .query(of_member("rate(zk_process_cpu_seconds_total{M}[$__rate_interval])"), "{{member}}"),
        Panel::curves("Fsyncs", Unit::PerSecond)
            .asks("How often does it flush its log?")
            .bad("As many a second as the device can do: writes queue behind it.", "A faster device.")
            .missing(parts::SINCE_3_6)
            .query(happened("zk_fsynctime_seconds"), "{{member}}"),
    ]
}

fn host() -> Vec<Panel> {
    vec![
        Panel::curves("Disk used", Unit::Ratio)
            .asks("How full is the disk?")
            .bad(
                "Near 100 %: a member whose disk is full stops.",
                "autopurge.purgeInterval is 0 by default: set it; move old snapshots.",
            )
            .missing(
                "No data: needs the module key host (an exporter beside the member) or node_exporter on the hosts.",
            )
            .query(parts::disk_used(), "{{member}}")
            .between(0.0, 1.0)
            .size(6, 7),
        Panel::curves("Busiest disk", Unit::Ratio)
            .asks("How busy is the disk?")
            .bad("Near 100 %: another process writes, or it is too slow.", "iostat and iotop on the host.")
            .missing(NODE)
            .query(of_host(OfHost::Largest, "rate(node_disk_io_time_seconds_total[$__rate_interval])"), "{{member}}")
            .between(0.0, 1.0)
            .size(6, 7),
        Panel::curves("CPU of the host", Unit::Ratio)
            .asks("How busy is the host?")
            .bad("Near 100 %: ZooKeeper waits for its turn.", "Who else runs there? ZooKeeper wants a host of its own.")
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
            .bad("Anything but 0: pauses of seconds follow.", "Less heap, or more memory; swapoff.")
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

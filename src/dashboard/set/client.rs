//! The client dashboard: canary, watched znodes and host processes.

use super::parts;
use crate::dashboard::board::Board;
use crate::dashboard::panel::{Column, Paint, Panel, Unit};
use crate::dashboard::query::{firing_of, of_member, quantile, rate};

const CANARY: &str = "No data: needs the module key canary.";
const ZNODES: &str = "No data: needs the module key znodes.";
const HOST: &str = "No data: needs the module key host, and an exporter beside the member.";

pub(super) fn board() -> Board {
    Board::new(
        "zookeeper-client",
        "Canary, znodes and host",
        "Does it work for a client, what do the watched znodes hold, and how do the processes fare?",
    )
    .row("Does it work for a client?", canary())
    .row("What do the watched znodes hold?", znodes())
    .row("How do the processes fare?", host())
}

fn canary() -> Vec<Panel> {
    vec![
        Panel::number("Ensembles whose canary fails", Unit::Count)
            .asks("Is there an ensemble in which a client cannot write?")
            .bad("1 or more: clients fail now, whatever the members say.", "The reasons, beside.")
            .missing(CANARY)
            .query(
                format!(
                    "count(group by (ensemble) (max by (ensemble) (zk_canary_up{{E}}) == 0) or {}) or 0 * count(zk_canary_up{{E}})",
                    firing_of("ensemble", &["CanaryFailing"])
                ),
                "",
            )
            .with_alarms(&["CanaryFailing"])
            .paint(Paint::From(vec![(1.0, "red")]))
            .size(4, 7),
        Panel::curves("Time of each operation", Unit::Seconds)
            .asks("How long does a client wait?")
            .bad(
                "Above the lines. Writes only: the disks or the leader. Reads as well: the network, or no CPU left.",
                "Latency and SLO tells which step of a write grew.",
            )
            .missing(CANARY)
            .query(
                "max by (ensemble, member, operation) (zk_canary_duration_seconds{E})",
                "{{operation}} {{ensemble}} {{member}}",
            )
            .limits("CanarySlow")
            .log()
            .size(12, 7),
        Panel::curves("Failed rounds", Unit::PerSecond)
            .asks("Which operation failed, and why?")
            .bad(
                "connect: no quorum, or no network. timeout: a disk or a server that hangs. no_auth: the ACL of its path.",
                "Ensemble overview says whether there is a quorum.",
            )
            .missing("No round has failed since the exporter started, or the module key canary is off.")
            .query(
                "max by (ensemble, member, operation, error) (rate(zk_canary_failures_total{E}[$__rate_interval]))",
                "{{operation}}: {{error}} {{ensemble}} {{member}}",
            )
            .size(8, 7),
        Panel::buckets("How often which time", Unit::Seconds, "zk_canary_operation_duration_seconds", r#"E,operation!="connect""#)
            .asks("Is every operation quick, or do some wait?")
            .bad(
                "A second band far above the first: some requests wait for a disk, a pause of the JVM or a lost packet.",
                "The 99th percentile beside says of which operation.",
            )
            .missing(CANARY)
            .size(12, 8),
        Panel::curves("Slowest hundredth of an hour, by operation", Unit::Seconds)
            .asks("How long do the slowest operations take that the last round does not show?")
            .bad(
                "Far above the time of each operation: few are slow, and the mean hides them.",
                "Fsync and JVM pauses of the members at the same time.",
            )
            .missing(CANARY)
            .query(
                quantile("0.99", "zk_canary_operation_duration_seconds", "ensemble, operation", "1h"),
                "{{operation}} {{ensemble}}",
            )
            .limits("CanarySlow")
            .log()
            .size(12, 8),
    ]
}

fn znodes() -> Vec<Panel> {
    vec![
        Panel::curves("Values", Unit::Count)
            .asks("What do the znodes hold?")
            .bad("A value past its alarm, in the table.", "Ask the owner of the writing client.")
            .missing(ZNODES)
            .query("max by (ensemble, path, pointer) (zk_znode_value{E})", "{{path}} {{pointer}}")
            .size(8, 8),
        Panel::table(
            "Alarms",
            &[("ensemble", "Ensemble"), ("path", "Path"), ("severity", "Severity")],
            vec![
                Column::new(
                    "Threshold",
                    Unit::Count,
                    "max by (ensemble, path, severity) (zk_znode_alarm_threshold{E})",
                ),
                Column::new(
                    "Value by threshold",
                    Unit::Ratio,
                    "max by (ensemble, path) (zk_znode_value{E}) / on (ensemble, path) group_right () \
                     (max by (ensemble, path, severity) (zk_znode_alarm_threshold{E}) > 0)",
                )
                .paint(Paint::From(vec![(1.0, "red")]))
                .bar(),
            ],
        )
        .asks("How near is each znode to its alarm?")
        .bad("100 % and more: the alert fires.", "zookeeper-exporter alarm list, then the owner of the writing client.")
        .missing("No data: no znode has an alarm; zookeeper-exporter alarm set makes one.")
        .size(10, 8),
        Panel::table(
            "Not readable",
            &[("ensemble", "Ensemble"), ("path", "Path"), ("reason", "Reason")],
            vec![Column::new("", Unit::Count, "max by (ensemble, path, reason) (zk_znode_failure{E} == 1)")],
        )
        .asks("Which znode cannot be read as a number, and why?")
        .bad("Any row: its alarm cannot fire.", "no_node: the path. no_auth: digest and ACL. pointer: the JSON.")
        .missing("Every znode was read, or the module key znodes is off.")
        .size(6, 8),
        Panel::curves("Children", Unit::Count)
            .asks("How many children do they have?")
            .bad("A steady rise: a client never deletes.", "Ask the owner of the creating client.")
            .missing(ZNODES)
            .query("max by (ensemble, path) (zk_znode_children{E})", "{{path}}")
            .size(12, 7),
        Panel::curves("Since their last change", Unit::Seconds)
            .asks("Is the writer alive?")
            .bad(
                "A line that only rises: that znode is not written any more.",
                "Check the client that should write it.",
            )
            .missing(ZNODES)
            .query("time() - max by (ensemble, path) (zk_znode_last_change_timestamp_seconds{E})", "{{path}}")
            .size(12, 7),
    ]
}

fn host() -> Vec<Panel> {
    let of = |title, unit, expr: String| Panel::curves(title, unit).missing(HOST).query(expr, "{{member}}").size(6, 7);
    vec![
        of(
            "CPU of what it may use",
            Unit::Ratio,
            of_member("rate(zk_process_cpu_seconds_total{M}[$__rate_interval]) / zk_process_cpus{M}"),
        )
        .asks("Is the process out of CPU?")
        .bad("Above the lines: requests wait for a CPU.", "jstack and top -H on that host; spread the clients.")
        .limits("CpuBound")
        .between(0.0, 1.0),
        Panel::curves("Disk used", Unit::Ratio)
            .asks("How full are its disks?")
            .bad("Near 100 %: a member whose disk is full stops.", "autopurge.purgeInterval; move old snapshots.")
            .missing(HOST)
            .query(parts::disk_used(), "{{member}}")
            .between(0.0, 1.0)
            .size(6, 7),
        Panel::curves("Storage I/O", Unit::BytesPerSecond)
            .asks("How much does it read and write?")
            .bad(
                "Writes in bursts of gigabytes: snapshots. Reads for long: a start, or a sync from disk.",
                "snapCount, the size of the data.",
            )
            .missing(HOST)
            .query(rate("zk_process_written_bytes_total"), "written {{member}}")
            .query(rate("zk_process_read_bytes_total"), "read {{member}}")
            .size(6, 7),
        of("Threads", Unit::Count, of_member("zk_process_threads{M}"))
            .asks("How many threads does it have?")
            .bad("A steady rise.", "jstack names what grows."),
    ]
}

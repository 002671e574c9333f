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
        "Do requests of a client succeed, which values do the watched znodes have, and what do the processes use?",
    )
    .row("Canary", canary())
    .row("Watched znodes", znodes())
    .row("Processes and hosts", host())
}

fn canary() -> Vec<Panel> {
    vec![
        Panel::number("Ensembles with a failing canary", Unit::Count)
            .asks("In how many ensembles does the canary fail?")
            .bad("1 or more: clients fail now, even if the members report no fault.", "See the reasons in Failed rounds.")
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
        Panel::curves("Duration by operation", Unit::Seconds)
            .asks("How long does a client wait?")
            .bad(
                "Above the lines. Writes only: the disks or the leader. Reads as well: the network, or no CPU left.",
                "Latency and SLO shows which step of a write became slower.",
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
                "Ensemble overview shows whether there is a quorum.",
            )
            .missing("No round has failed since the exporter started, or the module key canary is off.")
            .query(
                "max by (ensemble, member, operation, error) (rate(zk_canary_failures_total{E}[$__rate_interval]))",
                "{{operation}}: {{error}} {{ensemble}} {{member}}",
            )
            .size(8, 7),
        Panel::buckets("Distribution of durations", Unit::Seconds, "zk_canary_operation_duration_seconds", r#"E,operation!="connect""#)
            .asks("Are all operations fast, or do some wait?")
            .bad(
                "A second band far above the first: some requests wait for a disk, a pause of the JVM or a lost packet.",
                "The 99th percentile beside it shows which operation.",
            )
            .missing(CANARY)
            .size(12, 8),
        Panel::curves("99th percentile over 1 h, by operation", Unit::Seconds)
            .asks("How long do the slowest operations take? The last round does not show them.")
            .bad(
                "Far above the duration by operation: a few are slow, and the mean hides them.",
                "Check fsync and JVM pauses of the members at the same time.",
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
            .asks("Which values do the znodes have?")
            .bad("A value above its threshold, in the table of alarms.", "Ask the owner of the writing client.")
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
        .asks("How near is each znode to its threshold?")
        .bad(
            "100 % or more: the alert fires.",
            "Run zookeeper-exporter alarm list, then ask the owner of the writing client.",
        )
        .missing("No data: no znode has an alarm; create one with zookeeper-exporter alarm set.")
        .size(10, 8),
        Panel::table(
            "Unreadable znodes",
            &[("ensemble", "Ensemble"), ("path", "Path"), ("reason", "Reason")],
            vec![Column::new("", Unit::Count, "max by (ensemble, path, reason) (zk_znode_failure{E} == 1)")],
        )
        .asks("Which znode cannot be read as a number, and why?")
        .bad("Any row: its alarm cannot fire.", "no_node: the path. no_auth: digest and ACL. pointer: the JSON.")
        .missing("Every znode was read, or the module key znodes is off.")
        .size(6, 8),
        Panel::curves("Children", Unit::Count)
            .asks("How many children do the znodes have?")
            .bad("A steady rise: a client never deletes.", "Ask the owner of the creating client.")
            .missing(ZNODES)
            .query("max by (ensemble, path) (zk_znode_children{E})", "{{path}}")
            .size(12, 7),
        Panel::curves("Time since the last change", Unit::Seconds)
            .asks("Is the writer active?")
            .bad("A line that only rises: that znode is no longer written.", "Check the client that should write it.")
            .missing(ZNODES)
            .query("time() - max by (ensemble, path) (zk_znode_last_change_timestamp_seconds{E})", "{{path}}")
            .size(12, 7),
    ]
}

fn host() -> Vec<Panel> {
    let of = |title, unit, expr: String| Panel::curves(title, unit).missing(HOST).query(expr, "{{member}}").size(6, 7);
    vec![
        of(
            "CPU utilization",
            Unit::Ratio,
            of_member("rate(zk_process_cpu_seconds_total{M}[$__rate_interval]) / zk_process_cpus{M}"),
        )
        .asks("Does the process need more CPU than it may use?")
        .bad("Above the limits: requests wait for a CPU.", "Run jstack and top -H on that host; spread the clients.")
        .limits("CpuBound")
        .between(0.0, 1.0),
        Panel::curves("Disk used", Unit::Ratio)
            .asks("How full are the disks of each member?")
            .bad("Near 100 %: a member with a full disk stops.", "Set autopurge.purgeInterval; move old snapshots.")
            .missing(HOST)
            .query(parts::disk_used(), "{{member}}")
            .between(0.0, 1.0)
            .size(6, 7),
        Panel::curves("Storage I/O", Unit::BytesPerSecond)
            .asks("How much does the process read and write?")
            .bad(
                "Bursts of gigabytes written: snapshots. Long reads: a start, or a sync from disk.",
                "Check snapCount and the data size.",
            )
            .missing(HOST)
            .query(rate("zk_process_written_bytes_total"), "written {{member}}")
            .query(rate("zk_process_read_bytes_total"), "read {{member}}")
            .size(6, 7),
        of("Threads", Unit::Count, of_member("zk_process_threads{M}"))
            .asks("How many threads does the process have?")
            .bad("A steady rise.", "jstack shows which threads."),
    ]
}

//! The comparison dashboard: the members of an ensemble side by side.

use super::parts::SINCE_3_6;
use crate::dashboard::board::Board;
use crate::dashboard::panel::{Column, Paint, Panel, Unit};
use crate::dashboard::query::{ensemble_gauge, gauge, mean, rate};

pub(super) fn board() -> Board {
    Board::new("zookeeper-compare", "Compare members", "Which member differs from the others?")
        .row("Drift", alike())
        .row("Deviation from the ensemble mean", deviations())
        .row("Ranking now", ranking())
}

fn alike() -> Vec<Panel> {
    let one = |title, family: &str, alarms| {
        Panel::number(title, Unit::Count)
            .query(ensemble_gauge(family), "{{ensemble}}")
            .alarms("ensemble", alarms)
            .paint(Paint::From(vec![(2.0, "orange")]))
            .missing("Unknown: no member reports this")
            .size(3, 6)
    };
    vec![
        one("Versions", "zk_ensemble_distinct_versions", &["VersionMismatch"])
            .asks("Do all members run the same version?")
            .bad("2 or more: a rolling upgrade, or a forgotten member.", "See the table of versions and roles."),
        one("Configurations", "zk_ensemble_distinct_configs", &["ConfigMismatch"])
            .asks("Do all members have the same configuration (ticks, limits, membership)?")
            .bad(
                "2 or more: other limits may apply after the next election.",
                "zookeeper-exporter info shows which keys differ.",
            ),
        one("Quorum sizes", "zk_ensemble_distinct_quorum_sizes", &["QuorumSizeMismatch"])
            .asks("Do all members agree on the number of voters?")
            .bad("2 or more: two majorities can form.", "Compare the server lines of all members immediately."),
        one("Epochs", "zk_ensemble_distinct_epochs", &["EpochMismatch"])
            .asks("Are all members in the same epoch?")
            .bad("2 or more for minutes: a member is partitioned.", "Compare srvr of all members."),
        Panel::table(
            "Versions and roles",
            &[
                ("ensemble", "Ensemble"),
                ("member", "Member"),
                ("version", "Version"),
                ("server_id", "Server id"),
                ("peer_type", "Type"),
                ("source", "Source"),
            ],
            vec![Column::new(
                "",
                Unit::Count,
                "max by (ensemble, member, version, server_id, peer_type, source) (zk_member_info{M})",
            )],
        )
        .asks("Which version and role does each member have?")
        .bad(
            "A different version, a duplicate server id, or the source srvr.",
            "Finish the upgrade; allow mntr on members with the source srvr.",
        )
        .missing("No data: no member replies.")
        .size(12, 6),
    ]
}

/// The relative deviation of each member from the mean of its ensemble.
fn deviation(expr: &str) -> String {
    format!("({expr}) / on (ensemble) group_left () (avg by (ensemble) ({expr}) > 0) - 1")
}

fn deviations() -> Vec<Panel> {
    let of = |title, expr: String| {
        Panel::curves(title, Unit::Ratio).between(None, None).query(deviation(&expr), "{{member}} of {{ensemble}}")
    };
    vec![
        of("Write latency", mean("zk_updatelatency_seconds"))
            .asks("Which member is slower than the others?")
            .bad("One far above 0 %: its disk or its network to the leader.", "Check its fsync, beside it.")
            .missing(SINCE_3_6),
        of("Fsync", mean("zk_fsynctime_seconds"))
            .asks("Which member's disk is slower than the others?")
            .bad("One far above 0 %.", "Check that host for other writers and a failing device.")
            .missing(SINCE_3_6),
        of("Packets", rate("zk_packets_received_total")).asks("Is the load spread evenly?").bad(
            "One far above, the others below: clients connect to one member only.",
            "List all members in connect strings.",
        ),
        of("Connections", gauge("zk_num_alive_connections"))
            .asks("Are clients spread evenly?")
            .bad("One far above: clients moved there when the others restarted.", "Restart clients gently."),
        of("Watches", gauge("zk_watches"))
            .asks("Are watches spread evenly?")
            .bad("One far above: a client with very many watches.", "Run wchs on that member."),
        of("Znodes", gauge("zk_znodes"))
            .asks("Do all members have the same data?")
            .bad("A lasting deviation: a member lags, or has diverged.", "Check its zxid lag, then its log."),
    ]
}

fn ranking() -> Vec<Panel> {
    let top = |title, unit, expr: String| {
        Panel::bars(title, unit).query(format!("topk(8, {expr})"), "{{member}} of {{ensemble}}").size(6, 7)
    };
    vec![
        top("Slowest writes", Unit::Seconds, mean("zk_updatelatency_seconds"))
            .asks("Which member is slowest?")
            .bad("Red: above the limit of the alert.", "Follow the link to its dashboard.")
            .missing(SINCE_3_6),
        top("Slowest fsync", Unit::Seconds, mean("zk_fsynctime_seconds"))
            .asks("Which member's disk is slowest?")
            .bad("Red: above the limit of the alert.", "Check the disk of that host.")
            .missing(SINCE_3_6),
        top("Most connections", Unit::Count, gauge("zk_num_alive_connections"))
            .asks("Which member has the most clients?")
            .bad("One has nearly all.", "List all members in connect strings."),
        top("Largest zxid lag", Unit::Count, gauge("zk_zxid_lag"))
            .asks("Which member lags most?")
            .bad("Above the limit of the alert.", "Check its disk and network.")
            .missing("No data: no leader to compare with."),
    ]
}

//! The comparison dashboard: the members of an ensemble side by side.

use super::parts::SINCE_3_6;
use crate::dashboard::board::Board;
use crate::dashboard::panel::{Column, Paint, Panel, Unit};
use crate::dashboard::query::{ensemble_gauge, gauge, mean, rate};

pub(super) fn board() -> Board {
    Board::new("zookeeper-compare", "Compare members", "Which member is not like the others?")
        .row("Should be alike", alike())
        .row("Off the mean of the ensemble: 0 % is as the others", deviations())
        .row("Ranking now", ranking())
}

fn alike() -> Vec<Panel> {
    let one = |title, family: &str, alarms| {
        Panel::number(title, Unit::Count)
            .query(ensemble_gauge(family), "{{ensemble}}")
            .alarms("ensemble", alarms)
            .paint(Paint::From(vec![(2.0, "orange")]))
            .missing("Not known: no member answers, or none gives this")
            .size(3, 6)
    };
    vec![
        one("Versions", "zk_ensemble_distinct_versions", &["VersionMismatch"])
            .asks("Do all members run one version?")
            .bad("2 or more: a rolling upgrade, or a forgotten member.", "The table beside it says who runs what."),
        one("Configurations", "zk_ensemble_distinct_configs", &["ConfigMismatch"])
            .asks("Do all members have one configuration (ticks, limits, membership)?")
            .bad(
                "2 or more: after the next election other limits hold.",
                "zookeeper-exporter info shows which keys differ.",
            ),
        one("Quorum sizes", "zk_ensemble_distinct_quorum_sizes", &["QuorumSizeMismatch"])
            .asks("Do all members agree on the number of voters?")
            .bad("2 or more: two majorities can form.", "Compare the server lines of all members now."),
        one("Epochs", "zk_ensemble_distinct_epochs", &["EpochMismatch"])
            .asks("Are all members in one epoch?")
            .bad("2 or more for minutes: a member is partitioned.", "Compare srvr of all members."),
        Panel::table(
            "Versions and roles",
            &[
                ("ensemble", "Ensemble"),
                ("member", "Member"),
                ("version", "Version"),
                ("server_id", "Server id"),
                ("peer_type", "Type"),
                ("source", "Figures from"),
            ],
            vec![Column::new(
                "",
                Unit::Count,
                "max by (ensemble, member, version, server_id, peer_type, source) (zk_member_info{M})",
            )],
        )
        .asks("What runs where?")
        .bad(
            "A version, a server id or a source that differs.",
            "Finish the upgrade; allow mntr where figures come from srvr.",
        )
        .missing("No data: no member answers.")
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
            .asks("Who is slower than the others?")
            .bad("One far above 0 %: its disk or its way to the leader.", "Its fsync, beside.")
            .missing(SINCE_3_6),
        of("Fsync", mean("zk_fsynctime_seconds"))
            .asks("Whose disk is slower than the others'?")
            .bad("One far above 0 %.", "That host: other writers, a failing device.")
            .missing(SINCE_3_6),
        of("Packets", rate("zk_packets_received_total")).asks("Is the load spread evenly?").bad(
            "One far above, the others below: clients name only one member.",
            "Name all members in connect strings.",
        ),
        of("Connections", gauge("zk_num_alive_connections"))
            .asks("Are clients spread evenly?")
            .bad("One far above: clients gathered there after a restart of the others.", "Restart clients gently."),
        of("Watches", gauge("zk_watches"))
            .asks("Are watches spread evenly?")
            .bad("One far above: a client with very many watches.", "wchs on that member."),
        of("Znodes", gauge("zk_znodes"))
            .asks("Do all have the same data?")
            .bad("Anything but 0 % that stays: one lags, or has diverged.", "Its zxid lag; then its log."),
    ]
}

fn ranking() -> Vec<Panel> {
    let top = |title, unit, expr: String| {
        Panel::bars(title, unit).query(format!("topk(8, {expr})"), "{{member}} of {{ensemble}}").size(6, 7)
    };
    vec![
        top("Slowest writes", Unit::Seconds, mean("zk_updatelatency_seconds"))
            .asks("Who is slowest?")
            .bad("Red: past the limit of the alert.", "Its dashboard: follow the link.")
            .missing(SINCE_3_6),
        top("Slowest fsync", Unit::Seconds, mean("zk_fsynctime_seconds"))
            .asks("Whose disk is slowest?")
            .bad("Red: past the limit of the alert.", "That host's disk.")
            .missing(SINCE_3_6),
        top("Most connections", Unit::Count, gauge("zk_num_alive_connections"))
            .asks("Who has most clients?")
            .bad("One has nearly all.", "Name all members in connect strings."),
        top("Largest zxid lag", Unit::Count, gauge("zk_zxid_lag"))
            .asks("Who lags most?")
            .bad("Past the limit of the alert.", "Its disk and network.")
            .missing("No data: no leader to compare with."),
    ]
}

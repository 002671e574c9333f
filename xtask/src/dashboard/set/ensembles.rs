//! The dashboard of all ensembles: ensembles at risk with the affected members and causes, and resources that run out.

use super::parts;
use crate::dashboard::board::Board;
use crate::dashboard::panel::{ALARM, Column, Paint, Panel, Unit};
use crate::dashboard::query::{
    ensemble_gauge, firing_of, mean, of_ensemble, of_member, rate_of_ensemble, sum_of_members,
};

pub(super) fn board() -> Board {
    Board::new(
        "zookeeper-ensembles",
        "Ensembles",
        "Start here. Is any ensemble at risk? Which member, and why? Which resource is exhausted next?",
    )
    .row("Is any ensemble at risk?", danger())
    .row("Which member, and why?", vec![parts::members()])
    .row("Which resource is exhausted next?", vec![parts::runs_out(), parts::roles()])
    .row("Load", load())
}

fn counted(title: &'static str, condition: &str, color: &'static str) -> Panel {
    Panel::number(title, Unit::Count)
        .query(format!("count({condition}) or 0 * count(zk_ensemble_members{{E}})"), "")
        .paint(Paint::From(vec![(1.0, color)]))
}

/// As [`counted`], including ensembles with a related firing alert, so that a flapping state is counted as well.
fn counted_with(
    title: &'static str,
    keys: &str,
    condition: &str,
    alarms: &'static [&'static str],
    color: &'static str,
) -> Panel {
    counted(title, &format!("group by ({keys}) ({condition}) or {}", firing_of(keys, alarms)), color)
        .with_alarms(alarms)
}

/// The number of firing alerts of a severity.
fn alerts(severity: &str) -> String {
    format!(
        r#"max by (alertname, ensemble, member) (ALERTS{{alertname=~"ZooKeeper.*",alertstate="firing",severity="{severity}",ensemble=~"$ensemble|"}})"#
    )
}

fn danger() -> Vec<Panel> {
    vec![
        counted_with(
            "Without quorum",
            "ensemble",
            "max by (ensemble) (zk_ensemble_has_quorum{E}) == 0 or max by (ensemble) (zk_ensemble_members_up{E}) == 0",
            parts::OF_QUORUM,
            "red",
        )
        .asks("How many ensembles have no quorum, keep losing it, or do not reply at all?")
        .bad("1 or more: writes are impossible there.", "Bring back any of its voters; the table below shows which are missing."),
        counted_with(
            "Quorum margin 0",
            "ensemble",
            "max by (ensemble) (zk_ensemble_quorum_margin{E}) == 0 and on (ensemble) max by (ensemble) (zk_ensemble_voters{E}) > 1",
            &["QuorumMarginZero"],
            "orange",
        )
        .asks("How many ensembles lose their quorum with the next failure?")
        .bad(
            "1 or more: every remaining voter is needed.",
            "Bring back the missing voter before any other work there, and do not restart other members.",
        ),
        counted_with(
            "Members not serving",
            "ensemble, member",
            &format!("{} == 0", of_member("zk_serving{M}")),
            parts::OF_MEMBER,
            "red",
        )
        .asks("How many members serve no clients, or only intermittently?")
        .bad("1 or more: dead, unreachable, or without a leader.", "See the red states in the table of members."),
        counted("Critical alerts", &alerts("critical"), "red")
            .asks("How many critical alerts fire?")
            .bad("1 or more: a fault is here.", "See the firing alerts below, and their runbooks."),
        counted("Warnings", &alerts("warning"), "orange")
            .asks("How many warnings fire?")
            .bad("1 or more: a fault is coming.", "See the firing alerts below, and their runbooks."),
        Panel::number("Ensembles watched", Unit::Count)
            .asks("Is every ensemble monitored?")
            .bad("Fewer than exist.", "Check the configuration of the exporter and the targets of Prometheus.")
            .query("count(max by (ensemble) (zk_ensemble_members{E}))", ""),
        table(),
        parts::firing().size(10, 8),
    ]
}

fn table() -> Panel {
    let alerts = |severity| {
        let count = format!("count by (ensemble) ({})", alerts(severity));
        format!("{count} or 0 * {}", ensemble_gauge("zk_ensemble_members"))
    };
    let columns = vec![
        Column::new(
            "Quorum",
            Unit::Count,
            format!(
                "{ALARM} * {} or {}",
                firing_of("ensemble", parts::OF_QUORUM),
                ensemble_gauge("zk_ensemble_has_quorum")
            ),
        )
        .paint(parts::YES),
        Column::new(
            "Quorum margin",
            Unit::Count,
            // A standalone server has no margin; a negative margin means no quorum.
            format!(
                "{} and on (ensemble) {} > 1",
                ensemble_gauge("zk_ensemble_quorum_margin"),
                ensemble_gauge("zk_ensemble_voters")
            ),
        )
        .paint(Paint::Falling(vec![(0.0, "orange"), (1.0, "transparent")])),
        Column::new("In sync", Unit::Count, ensemble_gauge("zk_ensemble_voters_synced")),
        Column::new("Voters", Unit::Count, ensemble_gauge("zk_ensemble_voters")),
        Column::new("Up", Unit::Count, ensemble_gauge("zk_ensemble_members_up")),
        Column::new("Members", Unit::Count, ensemble_gauge("zk_ensemble_members")),
        Column::new("Critical", Unit::Count, alerts("critical")).paint(Paint::From(vec![(1.0, "red")])),
        Column::new("Warnings", Unit::Count, alerts("warning")).paint(Paint::From(vec![(1.0, "orange")])),
        Column::new("Slowest write", Unit::Seconds, of_ensemble(mean("zk_updatelatency_seconds"))),
    ];
    Panel::table("Ensembles", &[("ensemble", "Ensemble")], columns)
        .asks("Which ensemble is at risk, and how many more failures does it tolerate?")
        .bad(
            "Quorum NO: writes are impossible. Quorum margin 0 (orange): the next failure stops it. Up below Members: \
             a member is missing. An empty cell: standalone, or unknown without a leader.",
            "Follow the link on its name: the overview shows which member.",
        )
        .sorted("Critical", true)
        .size(14, 8)
}

fn load() -> Vec<Panel> {
    vec![
        Panel::curves("Packets from clients", Unit::PerSecond)
            .asks("How much load do clients cause?")
            .bad(
                "A sudden drop while clients are connected: they are blocked. A sudden rise: a client in a loop.",
                "Compare with connections and outstanding requests beside it.",
            )
            .query(rate_of_ensemble("zk_packets_received_total"), "{{ensemble}}")
            .size(6, 7),
        Panel::curves("Connections", Unit::Count)
            .asks("How many clients are connected?")
            .bad(
                "A sudden drop: network or member failure. A steady rise: a client that leaks connections.",
                "See the clients of each member.",
            )
            .query(sum_of_members("zk_num_alive_connections{M}"), "{{ensemble}}")
            .size(6, 7),
        Panel::curves("Outstanding requests of the worst member", Unit::Count)
            .asks("Do all members keep up?")
            .bad(
                "Above the limits for minutes: a member is overloaded.",
                "Check fsync and write latency of its members.",
            )
            .query(of_ensemble("zk_outstanding_requests{M}"), "{{ensemble}}")
            .limits("OutstandingRequests")
            .log_with_zero()
            .size(6, 7),
        Panel::curves("Write latency of the slowest member", Unit::Seconds)
            .asks("How long does a write take?")
            .bad(
                "Above the limits: clients wait, and sessions may expire.",
                "Check fsync first, then the network between members.",
            )
            .query(of_ensemble(mean("zk_updatelatency_seconds")), "{{ensemble}}")
            .limits("SlowWrites")
            .missing(parts::SINCE_3_6)
            .log()
            .size(6, 7),
    ]
}

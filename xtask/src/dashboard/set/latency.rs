//! The latency dashboard: windowed means, quantiles, the stages of a write, and the error budget.

use super::parts::{LEADER_ONLY, SINCE_3_6};
use crate::dashboard::board::Board;
use crate::dashboard::panel::{Paint, Panel, Unit};
use crate::dashboard::query::{busy, gauge, happened, mean, of_ensemble, of_member};

pub(super) fn board() -> Board {
    Board::new(
        "zookeeper-latency",
        "Latency and SLO",
        "How long do clients wait, since when, and how much of the error budget is left?",
    )
    .row("Now", now())
    .row("Objective: the mean write latency is within the warning limit for 99.5 % of the time", objective())
    .row("Means over the window", means())
    .row("Causes", why())
    .row("Distribution", spread())
}

fn now() -> Vec<Panel> {
    let worst = |title, summary: &str| {
        Panel::number(title, Unit::Seconds)
            .query(of_ensemble(mean(summary)), "{{ensemble}}")
            .missing(SINCE_3_6)
            .size(6, 4)
    };
    vec![
        worst("Slowest write", "zk_updatelatency_seconds")
            .asks("How long does a write take on the slowest member?")
            .bad("Above the dashed limits below.", "Check fsync beside it, then the row Causes."),
        worst("Slowest read", "zk_readlatency_seconds").asks("How long does a read take on the slowest member?").bad(
            "Above the dashed limits below: reads use no disk, so the cause is CPU or JVM.",
            "See the JVM dashboard.",
        ),
        worst("Slowest fsync", "zk_fsynctime_seconds").asks("How slow is the slowest disk?").bad(
            "Above the dashed limits below: writes wait for that disk.",
            "Give the transaction log its own device.",
        ),
        Panel::number("Quorum acknowledgement", Unit::Seconds)
            .asks("How long does it take until a quorum has a write on disk?")
            .bad(
                "Far above the fsync beside it: the network between voters.",
                "Check ping times and packet loss between members.",
            )
            .missing(LEADER_ONLY)
            .query(of_ensemble(mean("zk_quorum_ack_latency_seconds")), "{{ensemble}}")
            .size(6, 4),
    ]
}

/// The text for panels of the objective without data.
const RECORDED: &str =
    "No data: alert-rules/early-warning.yml is not loaded in this Prometheus, or ZooKeeper before 3.6.";

fn objective() -> Vec<Panel> {
    let of = |name: &str| of_ensemble(format!("{name}{{RE,objective=\"write_latency\"}}"));
    vec![
        Panel::number("Objective met in the last 24 h", Unit::Ratio)
            .asks("For how much of the day were writes fast enough, on the worst member?")
            .bad("Below 99.5 %: the objective is missed.", "The rows below show when, which member, and why.")
            .missing(RECORDED)
            .query(of("ensemble:zk_objective_kept:ratio1d"), "{{ensemble}}")
            .alarms("ensemble", &["BudgetBurn", "SlowWrites"])
            .paint(Paint::Falling(vec![(0.99, "orange"), (0.995, "green")]))
            .size(6, 7),
        Panel::number("Error budget left of 30 days", Unit::Ratio)
            .asks("How much of the permitted slow time of a month is left?")
            .bad("Below 0: the objective of the month is missed. Near 0: avoid risky changes.", "Find the cause before the budget is used up.")
            .missing(RECORDED)
            .query(of("ensemble:zk_budget_left:ratio30d"), "{{ensemble}}")
            .alarms("ensemble", &["BudgetBurn", "SlowWrites"])
            .paint(Paint::Falling(vec![(0.0, "orange"), (0.25, "green")]))
            .size(6, 7),
        Panel::curves("Burn rate of the error budget", Unit::Count)
            .asks("How many times faster than permitted is the budget used?")
            .bad(
                "Above 14.4 over one hour: the budget of a month is used up in two days. Above 6 over six hours: in five days.",
                "Follow the runbook of slow writes.",
            )
            .missing(RECORDED)
            .query(of("ensemble:zk_budget_burn:avg1h"), "1 h {{ensemble}}")
            .query(of("ensemble:zk_budget_burn:avg6h"), "6 h {{ensemble}}")
            .size(12, 7),
    ]
}

fn means() -> Vec<Panel> {
    let of = |title, summary: &str| {
        Panel::curves(title, Unit::Seconds).query(mean(summary), "{{member}}").missing(SINCE_3_6).log()
    };
    vec![
        of("Writes", "zk_updatelatency_seconds")
            .asks("How long do writes take on each member?")
            .bad(
                "Above the limits. One member: its disk. All: the leader or the network.",
                "Compare with the panels of the row Causes.",
            )
            .limits("SlowWrites"),
        of("Reads", "zk_readlatency_seconds")
            .asks("How long do reads take on each member? Pings of idle clients lower the mean.")
            .bad("Above the limit: CPU, garbage collection, large replies.", "See the JVM dashboard.")
            .limits("SlowReads"),
        of("Propagation latency", "zk_propagation_latency_seconds")
            .asks("How stale are reads of each member?")
            .bad(
                "One member far above the others: it lags. Clock differences are included.",
                "Check its network and CPU.",
            )
            .missing("No data: ZooKeeper before 3.6, a standalone server, or no writes in this window."),
    ]
}

fn why() -> Vec<Panel> {
    vec![
        Panel::curves("Fsync", Unit::Seconds)
            .asks("Are the disks slow?")
            .bad(
                "Above the limits on the leader or on a majority: every write waits.",
                "Give the transaction log its own device.",
            )
            .missing(SINCE_3_6)
            .query(mean("zk_fsynctime_seconds"), "{{member}}")
            .limits("SlowFsync")
            .log(),
        Panel::curves("Proposal and quorum acknowledgement", Unit::Seconds)
            .asks("Is the network slow?")
            .bad(
                "Late proposals on one member: its network to the leader. On all: the network of the leader.",
                "Check ping times and packet loss between members.",
            )
            .missing("No data: no leader and followers of ZooKeeper 3.6 or later with writes in this window.")
            .query(mean("zk_proposal_latency_seconds"), "proposal at {{member}}")
            .query(mean("zk_quorum_ack_latency_seconds"), "quorum at {{member}}")
            .log(),
        Panel::curves("Write latency and write rate", Unit::Seconds)
            .asks("Does latency rise with the load?")
            .bad(
                "Latency rises while the write rate does not: a component became slower.",
                "Check disk, network and JVM, in this order.",
            )
            .missing(SINCE_3_6)
            .query(of_ensemble(mean("zk_updatelatency_seconds")), "slowest write {{ensemble}}")
            .right(
                Unit::PerSecond,
                format!("sum by (ensemble) ({})", happened("zk_updatelatency_seconds")),
                "writes {{ensemble}}",
            ),
        Panel::curves("Fsync utilization", Unit::Ratio)
            .asks("How much of the time are the disks busy with fsync?")
            .bad("Near 100 %: no more writes are possible.", "Use a faster device, or reduce the writes.")
            .missing(SINCE_3_6)
            .query(busy("zk_fsynctime_seconds"), "{{member}}")
            .between(0.0, 1.0),
        Panel::curves("JVM pause ratio", Unit::Ratio)
            .asks("Do JVM pauses delay requests?")
            .bad("Above the limit: every request waits.", "Check heap size and collector on the JVM dashboard.")
            .missing("No data: needs jvm.pause.monitor=true on the members (ZooKeeper 3.6.2 or later).")
            .query(busy("zk_jvm_pause_time_seconds"), "{{member}}")
            .limits("JvmPauses"),
        Panel::curves("Outstanding requests", Unit::Count)
            .asks("Do requests queue up?")
            .bad("Above the limits.", "The row Pipeline of the member's dashboard shows the slow step.")
            .query(gauge("zk_outstanding_requests"), "{{member}}")
            .limits("OutstandingRequests")
            .log_with_zero(),
    ]
}

fn spread() -> Vec<Panel> {
    let quantile = |summary: &str, quantile: &str| of_member(format!(r#"{summary}{{M,quantile="{quantile}"}}"#));
    vec![
        Panel::heat("Write latency by member", Unit::Seconds)
            .asks("Which member was slow, and when?")
            .bad("A red row: one member. A red column: all members at one time.", "A row: check its disk. A column: check leader and network.")
            .missing(SINCE_3_6)
            .query(mean("zk_updatelatency_seconds"), "{{member}}"),
        Panel::curves("Write latency quantiles since the start", Unit::Seconds)
            .asks("How long do the slowest writes take? ZooKeeper computes quantiles since its start, so they hardly change on a long-running server.")
            .bad("p99 far above the median: some writes wait.", "Compare with the means above, which cover the current window.")
            .missing("No data: ZooKeeper before 3.6, or no client wrote through these members.")
            .query(quantile("zk_updatelatency_seconds", "0.5"), "median {{member}}")
            .query(quantile("zk_updatelatency_seconds", "0.99"), "p99 {{member}}")
            .log()
            .size(12, 8),
    ]
}

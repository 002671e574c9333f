//! The latency dashboard: windowed means, quantiles, the stages of a write, and the error budget.

use super::parts::{LEADER_ONLY, SINCE_3_6};
use crate::dashboard::board::Board;
use crate::dashboard::panel::{Paint, Panel, Unit};
use crate::dashboard::query::{busy, gauge, happened, mean, of_ensemble, of_member};

pub(super) fn board() -> Board {
    Board::new(
        "zookeeper-latency",
        "Latency and SLO",
        "How long do clients wait, since when, and how much may they still wait?",
    )
    .row("Now", now())
    .row("Objective: 99.5 % of the time the mean write is within the warning limit", objective())
    .row("Means over the window, not since the start", means())
    .row("Why", why())
    .row("Spread", spread())
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
            .asks("How long does a write take at the slowest member now?")
            .bad(
                "More than the dashed lines below: past the limits of the alert.",
                "See fsync beside it, then the row Why.",
            ),
        worst("Slowest read", "zk_readlatency_seconds")
            .asks("How long does a read take at the slowest member now?")
            .bad(
                "More than the dashed lines below: reads touch no disk, so it is the CPU or the JVM.",
                "See the JVM dashboard.",
            ),
        worst("Slowest fsync", "zk_fsynctime_seconds").asks("How slow is the slowest disk now?").bad(
            "More than the dashed lines below: that disk holds writes up.",
            "The transaction log wants a device of its own.",
        ),
        Panel::number("Acknowledged by a quorum in", Unit::Seconds)
            .asks("How long until a quorum has a write on disk?")
            .bad(
                "Much more than the fsync beside it: the network between voters.",
                "Ping times and lost packets between members.",
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
        Panel::number("Kept in the last 24 hours", Unit::Ratio)
            .asks("For which part of the day were writes fast enough, at the worst member?")
            .bad("Below 99.5 %: the objective is missed.", "The rows below say when, who and why.")
            .missing(RECORDED)
            .query(of("ensemble:zk_objective_kept:ratio1d"), "{{ensemble}}")
            .alarms("ensemble", &["BudgetBurn", "SlowWrites"])
            .paint(Paint::Falling(vec![(0.99, "orange"), (0.995, "green")]))
            .size(6, 7),
        Panel::number("Budget left of 30 days", Unit::Ratio)
            .asks("How much of the slow time that a month may have is left?")
            .bad("Below 0: the month is lost. Near 0: no risks now.", "Find the cause before it is spent.")
            .missing(RECORDED)
            .query(of("ensemble:zk_budget_left:ratio30d"), "{{ensemble}}")
            .alarms("ensemble", &["BudgetBurn", "SlowWrites"])
            .paint(Paint::Falling(vec![(0.0, "orange"), (0.25, "green")]))
            .size(6, 7),
        Panel::curves("How fast the budget burns", Unit::Count)
            .asks("How many times faster than allowed is the budget used up?")
            .bad(
                "Above 14.4 over an hour: the budget of a month is gone in two days. Above 6 over six hours: in five.",
                "Treat it as the alert of slow writes.",
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
            .asks("How long do writes take at each member?")
            .bad(
                "Above the lines. One member: its disk. All: the leader or the network.",
                "Compare with the three panels of the row Why.",
            )
            .limits("SlowWrites"),
        of("Reads", "zk_readlatency_seconds")
            .asks("How long do reads take at each member? Pings of idle clients pull it down.")
            .bad("Above the line: CPU, garbage collection, large answers.", "See the JVM dashboard.")
            .limits("SlowReads"),
        of("From decision to applied", "zk_propagation_latency_seconds")
            .asks("How stale is what a member serves?")
            .bad("One member far above the others lags. Differences of clocks show here too.", "Its network and CPU.")
            .missing("No data: ZooKeeper before 3.6, a standalone server, or no writes in this window."),
    ]
}

fn why() -> Vec<Panel> {
    vec![
        Panel::curves("Fsync", Unit::Seconds)
            .asks("Is it the disks?")
            .bad(
                "Above the lines, at the leader or at a majority: yes.",
                "A device of its own for the transaction log.",
            )
            .missing(SINCE_3_6)
            .query(mean("zk_fsynctime_seconds"), "{{member}}")
            .limits("SlowFsync")
            .log(),
        Panel::curves("From leader to follower and back", Unit::Seconds)
            .asks("Is it the network?")
            .bad(
                "Proposals arrive late at one member: its way to the leader. At all: the leader's.",
                "Ping and lost packets between members.",
            )
            .missing("No data: no leader and followers of ZooKeeper 3.6 or later with writes in this window.")
            .query(mean("zk_proposal_latency_seconds"), "proposal at {{member}}")
            .query(mean("zk_quorum_ack_latency_seconds"), "quorum at {{member}}")
            .log(),
        Panel::curves("Latency against load", Unit::Seconds)
            .asks("Is it only more load?")
            .bad(
                "Latency rises while writes do not: something has become slower.",
                "Disk, network, JVM, in this order.",
            )
            .missing(SINCE_3_6)
            .query(of_ensemble(mean("zk_updatelatency_seconds")), "slowest write {{ensemble}}")
            .right(
                Unit::PerSecond,
                format!("sum by (ensemble) ({})", happened("zk_updatelatency_seconds")),
                "writes {{ensemble}}",
            ),
        Panel::curves("Fsync utilization", Unit::Ratio)
            .asks("How much room is left on the disks?")
            .bad("Near 100 %: no more writes fit.", "A faster device, or fewer writes.")
            .missing(SINCE_3_6)
            .query(busy("zk_fsynctime_seconds"), "{{member}}")
            .between(0.0, 1.0),
        Panel::curves("JVM pause ratio", Unit::Ratio)
            .asks("Is it garbage collection?")
            .bad("Above the line: every request waits for it.", "Heap size and collector; see the JVM dashboard.")
            .missing("No data: needs jvm.pause.monitor=true on the members (ZooKeeper 3.6.2 or later).")
            .query(busy("zk_jvm_pause_time_seconds"), "{{member}}")
            .limits("JvmPauses"),
        Panel::curves("Outstanding requests", Unit::Count)
            .asks("Do requests pile up?")
            .bad("Above the lines.", "The slow step is on the member's dashboard, row Pipeline.")
            .query(gauge("zk_outstanding_requests"), "{{member}}")
            .limits("OutstandingRequests")
            .log_with_zero(),
    ]
}

fn spread() -> Vec<Panel> {
    let quantile = |summary: &str, quantile: &str| of_member(format!(r#"{summary}{{M,quantile="{quantile}"}}"#));
    vec![
        Panel::heat("Write latency of every member", Unit::Seconds)
            .asks("When was which member slow?")
            .bad("A red line: that member. A red column: all at that moment.", "A line: its disk. A column: leader or network.")
            .missing(SINCE_3_6)
            .query(mean("zk_updatelatency_seconds"), "{{member}}"),
        Panel::curves("Quantiles of writes since the start", Unit::Seconds)
            .asks("How bad are the worst writes? ZooKeeper reckons these over its whole life, so they hardly move on an old server.")
            .bad("p99 far above the median: some writes wait for something.", "Compare with the means above for now.")
            .missing("No data: ZooKeeper before 3.6, or no write came in through these members.")
            .query(quantile("zk_updatelatency_seconds", "0.5"), "median {{member}}")
            .query(quantile("zk_updatelatency_seconds", "0.99"), "p99 {{member}}")
            .log()
            .size(12, 8),
    ]
}

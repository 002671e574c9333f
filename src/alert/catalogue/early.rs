//! Early warning: risk that has lasted, and figures that are not as usual. They look at what recording rules write.

use super::super::build::{LIMIT, series, series_with};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Span};

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::EarlyWarning, unit, expr)
}

pub(super) fn conditions() -> Vec<Condition> {
    let (five, quarter) = (Span::minutes(5), Span::minutes(15));
    vec![
        condition("MemberRisk", Unit::Ratio, series("member:zk_risk:noisy_or").of_member().gt(LIMIT))
            .warning(0.5, five, "A ZooKeeper member is on its way to a fault.")
            .source("0.5 is one indicator at its warning limit, or two of different groups at seven tenths of the way; 5 minutes, so that it comes before the alerts of the single indicators, most of which wait for 10")
            .says(
                "the risk of <who> has been <value> for over <for> (limit <limit>): indicators of disk, JVM, load, replication, connections and data, taken together.",
                "First see which indicator leads: member:zk_warning:score{ensemble=\"<ensemble>\",member=\"<member>\"} in Prometheus - 50 % is its warning limit; its own alert has the next step.",
            )
            .means("One indicator has reached its warning limit, or several are near theirs at once.", "Nothing yet; the alerts of the single indicators follow.")
            .so("Look while it still works.", "As under the alert of the indicator that leads.")
            .fires(Warning, "m2", "seven tenths", &["member:zk_risk:noisy_or m2 0.7"])
            .quiet(Warning, "a fifth", &["member:zk_risk:noisy_or m2 0.2"])
            .quiet(Warning, "a moment", &["member:zk_risk:noisy_or m2 0 for 4m then 0.9 for 1m then 0"]),
        condition("EnsembleRisk", Unit::Ratio, series("ensemble:zk_risk:noisy_or").of_ensemble().gt(LIMIT))
            .warning(0.5, five, "A ZooKeeper ensemble is on its way to a fault.")
            .source("as for a member; the risks of its voters are combined and softened by the quorum margin, so that one member in trouble counts less the more of them may fail")
            .says(
                "the risk of ensemble <ensemble> has been <value> for over <for> (limit <limit>): the risks of its voters, taken together and softened by the quorum margin.",
                "First see which members carry it: member:zk_risk:noisy_or{ensemble=\"<ensemble>\"} in Prometheus, then which indicators: member:zk_warning:score{ensemble=\"<ensemble>\"}",
            )
            .means("Several voters are on their way to a fault, or one is while no other may fail.", "Nothing yet; a loss of the quorum is nearer than usual.")
            .so("No maintenance and no restarts now, unless they remove the cause.", "Bring missing members back first; then as under the alerts of the indicators that lead.")
            .fires(Warning, "e", "eight tenths", &["ensemble:zk_risk:noisy_or e 0.8"])
            .quiet(Warning, "three tenths", &["ensemble:zk_risk:noisy_or e 0.3"]),
        condition(
            "UnusualIndicator",
            Unit::Ratio,
            series("member:zk_detection:probability")
                .by(Agg::Max, Keys::Indicator)
                .gt(LIMIT)
                .and(series("member:zk_warning:score").by(Agg::Max, Keys::Indicator).gt(super::super::early::DEAD_ZONE)),
        )
        .warning(0.98, quarter, "An indicator of a ZooKeeper member is far from what it was a day long.")
        .source("0.98 is 3.9 standard deviations above the mean of a day; GitLab and Grafana alert at 3 to 4. Only above the dead zone of the warning score, about half of the way to the warning limit: what is unusual and harmless stays quiet")
        .says(
            "the indicator <indicator> of <who> has been above nearly all of its last day (detection <value>, limit <limit>) for over <for>, and it is on its way to its warning limit.",
            "First compare it with yesterday: member:zk_indicator:value{ensemble=\"<ensemble>\",member=\"<member>\",indicator=\"<indicator>\"} in Prometheus - then ask what changed: a new client, more load, a neighbour on the disk.",
        )
        .means("The figure is higher than in the day before by far more than it varies. File descriptors, connections and watches are left out for a day after a member restarted or was away, since clients stay where they moved.", "Nothing yet.")
        .so("Find out what changed, while the change is fresh.", "Undo the change, or accept it: after a day it is what is usual.")
        .fires(Warning, "m1 indicator=fsync", "four deviations, half of the limit", &[
            "member:zk_detection:probability{indicator=\"fsync\"} m1 0.99",
            "member:zk_warning:score{indicator=\"fsync\"} m1 0.1",
        ])
        .quiet(Warning, "as usual", &[
            "member:zk_detection:probability{indicator=\"fsync\"} m1 0.6",
            "member:zk_warning:score{indicator=\"fsync\"} m1 0.1",
        ])
        .quiet(Warning, "unusual, but far from any limit", &[
            "member:zk_detection:probability{indicator=\"fsync\"} m1 1",
            "member:zk_warning:score{indicator=\"fsync\"} m1 0.01",
        ]),
        condition(
            "RunsOut",
            Unit::Seconds,
            series_with("member:zk_forecast:seconds", "resource", "disk_space|heap|znodes|watches|zxid")
                .by(Agg::Min, Keys::Resource)
                .lt(LIMIT),
        )
        .warning(86_400.0, Span::minutes(30), "Something that a ZooKeeper ensemble cannot do without runs out within a day.")
        .source("node-mixin's NodeFilesystemSpaceFillingUp: a line through 6 hours, a day ahead, from a level on; here 30 %, and growth in each of the last three periods of 90 minutes, above the level of the day before. File descriptors and the size of the data have forecasts of their own")
        .says(
            "at the pace of the last hours, <resource> of ensemble <ensemble> is used up in <value> (limit <limit>).",
            "First see at which member, and how far it is: member:zk_forecast:seconds{ensemble=\"<ensemble>\",resource=\"<resource>\"} in Prometheus - then as the runbook says for <resource>.",
        )
        .means("A disk, a heap, the tree, the watches or the transaction numbers of the epoch fill up steadily.", "Nothing yet.")
        .so("Find what grows in the hours that are left.", "As under the alert of the resource: ZooKeeperDiskSpaceLow, ZooKeeperHeapHigh, ZooKeeperZnodesHigh, ZooKeeperWatchesHigh, ZooKeeperZxidRollover.")
        .fires(Warning, "e resource=disk_space", "ten hours", &["member:zk_forecast:seconds{resource=\"disk_space\"} m2 36000"])
        .quiet(Warning, "a week", &["member:zk_forecast:seconds{resource=\"disk_space\"} m2 604800"])
        .quiet(Warning, "file descriptors have an alert of their own", &["member:zk_forecast:seconds{resource=\"file_descriptors\"} m2 3600"]),
        condition(
            "OutageBudgetBurn",
            Unit::Number,
            available("ensemble:zk_budget_burn:avg1h")
                .gt(LIMIT)
                .and(available("ensemble:zk_budget_burn:avg5m").gt(LIMIT))
                .and(series_with(MISSED, "objective", "availability").changes(Span::hours(1)).of_ensemble().ge(3.0))
                .and(series_with(SEEN, "objective", "availability").ago(Span::minutes(30)).of_ensemble()),
        )
        .warning(7.2, Span::minutes(2), "A ZooKeeper ensemble keeps losing its quorum.")
        .critical(14.4, Span::minutes(2), "A ZooKeeper ensemble keeps losing its quorum, for much of the time.")
        .off()
        .source("Google's SRE workbook: 14.4 times over an hour and five minutes spends the budget of 30 days in two, half of it in four; the objective is a quorum 99.9 % of the time. Critical is off: an outage that lasts has its own alarm already, so at least two separate losses of the quorum within the hour are wanted. The budget of slow writes has a warning alone")
        .says(
            "ensemble <ensemble> has lost its quorum at least twice within the last hour, and was without it in the last 5 minutes as well: together <value> times the outage that its objective allows (limit <limit>).",
            "First see who leads and who is missing: <info> - then when it was: ensemble:zk_objective_missed:bool{ensemble=\"<ensemble>\",objective=\"availability\"} in Prometheus over the last hour",
        )
        .means("The ensemble loses its quorum repeatedly, each time perhaps too shortly for the alarm of that.", "Writes wait or fail while it lasts; clients lose sessions each time.")
        .so("Treat it as an outage that has not ended.", "As under ZooKeeperQuorumLost and ZooKeeperFrequentElections.")
        .fires(Critical, "e", "a tenth of the time", &[
            "ensemble:zk_objective_missed:bool{objective=\"availability\"} e 0 for 20m then 1 for 4m then 0 for 9m then 1 for 2m then 0",
            "ensemble:zk_budget_burn:avg1h{objective=\"availability\"} e 100",
            "ensemble:zk_budget_burn:avg5m{objective=\"availability\"} e 100",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"availability\"} e 0",
        ])
        .quiet(Critical, "one outage alone, which has an alarm of its own", &[
            "ensemble:zk_objective_missed:bool{objective=\"availability\"} e 0 for 20m then 1 for 4m then 0",
            "ensemble:zk_budget_burn:avg1h{objective=\"availability\"} e 100",
            "ensemble:zk_budget_burn:avg5m{objective=\"availability\"} e 100",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"availability\"} e 0",
        ])
        .quiet(Critical, "it is over", &[
            "ensemble:zk_objective_missed:bool{objective=\"availability\"} e 0 for 20m then 1 for 4m then 0 for 9m then 1 for 2m then 0",
            "ensemble:zk_budget_burn:avg1h{objective=\"availability\"} e 100",
            "ensemble:zk_budget_burn:avg5m{objective=\"availability\"} e 0",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"availability\"} e 0",
        ])
        .fires(Warning, "e", "a hundredth of the time", &[
            "ensemble:zk_objective_missed:bool{objective=\"availability\"} e 0 for 20m then 1 for 4m then 0 for 9m then 1 for 2m then 0",
            "ensemble:zk_budget_burn:avg1h{objective=\"availability\"} e 10",
            "ensemble:zk_budget_burn:avg5m{objective=\"availability\"} e 10",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"availability\"} e 0",
        ])
        .quiet(Warning, "it is over", &[
            "ensemble:zk_objective_missed:bool{objective=\"availability\"} e 0 for 20m then 1 for 4m then 0 for 9m then 1 for 2m then 0",
            "ensemble:zk_budget_burn:avg1h{objective=\"availability\"} e 10",
            "ensemble:zk_budget_burn:avg5m{objective=\"availability\"} e 0",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"availability\"} e 0",
        ])
        .quiet(Critical, "a hundredth of the time is a warning", &[
            "ensemble:zk_objective_missed:bool{objective=\"availability\"} e 0 for 20m then 1 for 4m then 0 for 9m then 1 for 2m then 0",
            "ensemble:zk_budget_burn:avg1h{objective=\"availability\"} e 10",
            "ensemble:zk_budget_burn:avg5m{objective=\"availability\"} e 10",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"availability\"} e 0",
        ])
        .quiet(Warning, "a young Prometheus", &[
            "ensemble:zk_objective_missed:bool{objective=\"availability\"} e 0 for 20m then 1 for 4m then 0 for 9m then 1 for 2m then 0",
            "ensemble:zk_budget_burn:avg1h{objective=\"availability\"} e 10",
            "ensemble:zk_budget_burn:avg5m{objective=\"availability\"} e 10",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"availability\"} e absent for 50m then 0",
        ])
        .quiet(Critical, "slow writes are a warning alone", &[
            "ensemble:zk_objective_missed:bool{objective=\"write_latency\"} e 0 for 20m then 1 for 4m then 0 for 9m then 1 for 2m then 0",
            "ensemble:zk_budget_burn:avg1h{objective=\"write_latency\"} e 100",
            "ensemble:zk_budget_burn:avg5m{objective=\"write_latency\"} e 100",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"write_latency\"} e 0",
        ]),
        condition(
            "BudgetBurn",
            Unit::Number,
            burns("ensemble:zk_budget_burn:avg6h", "ensemble:zk_budget_burn:avg30m", 6.0, Span::hours(3))
                .or(burns("ensemble:zk_budget_burn:avg1d", "ensemble:zk_budget_burn:avg2h", 3.0, Span::hours(12)))
                .or(burns("ensemble:zk_budget_burn:avg3d", "ensemble:zk_budget_burn:avg6h", 1.0, Span::hours(36))),
        )
        .warning(None, quarter, "A ZooKeeper ensemble uses up the budget of an objective too fast.")
        .source("Google's SRE workbook: 6 times over 6 hours and 30 minutes, 3 times over a day and 2 hours, once over 3 days and 6 hours. The objectives: a quorum 99.9 % of the time; for 99.5 % of it a mean write within the warning limit of ZooKeeperSlowWrites (Elastic's objective is 99.5 %)")
        .says(
            "the budget of the objective <objective> of ensemble <ensemble> has burned <value> times as fast as it may, over hours and in the last ones as well.",
            "First see when: ensemble:zk_objective_missed:bool{ensemble=\"<ensemble>\",objective=\"<objective>\"} in Prometheus over a day - and what is left: ensemble:zk_budget_left:ratio30d{ensemble=\"<ensemble>\"}",
        )
        .means("Outages or slow writes, each perhaps small, add up to more than the objective allows.", "Clients have noticed by now; at this pace the objective of the month is missed.")
        .so("Give the cause time this week, before new features.", "write_latency: as under ZooKeeperSlowWrites. availability: as under ZooKeeperFrequentElections.")
        .fires(Warning, "e objective=write_latency", "6 hours", &[
            "ensemble:zk_budget_burn:avg30m{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg6h{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg1d{objective=\"write_latency\"} e 2",
            "ensemble:zk_budget_burn:avg2h{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg3d{objective=\"write_latency\"} e 0.5",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"write_latency\"} e 0",
        ])
        .fires(Warning, "e objective=write_latency", "a day", &[
            "ensemble:zk_budget_burn:avg30m{objective=\"write_latency\"} e 4",
            "ensemble:zk_budget_burn:avg6h{objective=\"write_latency\"} e 0.9",
            "ensemble:zk_budget_burn:avg1d{objective=\"write_latency\"} e 4",
            "ensemble:zk_budget_burn:avg2h{objective=\"write_latency\"} e 4",
            "ensemble:zk_budget_burn:avg3d{objective=\"write_latency\"} e 2",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"write_latency\"} e 0",
        ])
        .fires(Warning, "e objective=availability", "three days", &[
            "ensemble:zk_budget_burn:avg30m{objective=\"availability\"} e 2",
            "ensemble:zk_budget_burn:avg6h{objective=\"availability\"} e 2",
            "ensemble:zk_budget_burn:avg1d{objective=\"availability\"} e 2",
            "ensemble:zk_budget_burn:avg2h{objective=\"availability\"} e 2",
            "ensemble:zk_budget_burn:avg3d{objective=\"availability\"} e 2",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"availability\"} e 0",
        ])
        .quiet(Warning, "a young Prometheus", &[
            "ensemble:zk_budget_burn:avg30m{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg6h{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg1d{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg2h{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg3d{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"write_latency\"} e absent for 34h then 0",
        ])
        .quiet(Warning, "a bad hour that is over", &[
            "ensemble:zk_budget_burn:avg30m{objective=\"write_latency\"} e 0",
            "ensemble:zk_budget_burn:avg6h{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg1d{objective=\"write_latency\"} e 4",
            "ensemble:zk_budget_burn:avg2h{objective=\"write_latency\"} e 0",
            "ensemble:zk_budget_burn:avg3d{objective=\"write_latency\"} e 0.9",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"write_latency\"} e 0",
        ])
        .quiet(Warning, "a bad day that is over", &[
            "ensemble:zk_budget_burn:avg30m{objective=\"write_latency\"} e 0",
            "ensemble:zk_budget_burn:avg6h{objective=\"write_latency\"} e 0",
            "ensemble:zk_budget_burn:avg1d{objective=\"write_latency\"} e 2",
            "ensemble:zk_budget_burn:avg2h{objective=\"write_latency\"} e 0",
            "ensemble:zk_budget_burn:avg3d{objective=\"write_latency\"} e 2",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"write_latency\"} e 0",
        ]),
    ]
}

/// Of the objective that the ensemble has a quorum.
fn available(name: &'static str) -> Expr {
    series_with(name, "objective", "availability").of_ensemble()
}

/// Too fast over the long window, and in the short one still; and half of the long one was seen, for the first minutes of a
/// young Prometheus are no day.
fn burns(long: &'static str, short: &'static str, times: f64, seen: Span) -> Expr {
    let of = |name| series(name).by(Agg::Max, Keys::Objective);
    let then = series(SEEN).ago(seen).by(Agg::Max, Keys::Objective);
    of(long).gt(times).and(of(short).gt(times)).and(then)
}

/// 1 while an objective is missed.
const MISSED: &str = "ensemble:zk_objective_missed:bool";

/// Is there from the first evaluation on.
const SEEN: &str = "ensemble:zk_budget_burn:ratio_thinned";

//! Early warning: persistent risk and unusual values, from the series of the recording rules.

use super::super::build::{LIMIT, WEEKLY, series, series_with};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Span};

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::EarlyWarning, unit, expr)
}

pub(super) fn conditions() -> Vec<Condition> {
    let (five, quarter) = (Span::minutes(5), Span::minutes(15));
    // The same hours of a week ago: a peak of each Monday is above all of Sunday.
    let indicator = || series("member:zk_indicator:value").by(Agg::Max, Keys::Indicator);
    let a_week_ago =
        series("member:zk_indicator:value").max(Span::hours(4)).ago(Span::hours(166)).by(Agg::Max, Keys::Indicator)
            / WEEKLY.into();
    vec![
        condition("MemberRisk", Unit::Ratio, series("member:zk_risk:noisy_or").of_member().gt(LIMIT))
            .warning(0.5, five, "A ZooKeeper member is at risk of a fault.")
            .source("0.5 is one indicator at its warning limit, or two of different groups at seven tenths of theirs; 5 minutes, so that it fires before the alerts of the single indicators, most of which wait for 10")
            .says(
                "the risk of <who> has been <value> for over <for> (limit <limit>): indicators of disk, JVM, load, replication, connections and data, combined.",
                "First check which indicator is highest: member:zk_warning:score{ensemble=\"<ensemble>\",member=\"<member>\"} in Prometheus - 50 % is its warning limit; the next step is in the runbook of its alert.",
            )
            .means("One indicator has reached its warning limit, or several are near their limits at the same time.", "None yet; the alerts of the single indicators follow.")
            .so("Investigate while the member still works.", "As under the alert of the highest indicator.")
            .fires(Warning, "m2", "seven tenths", &["member:zk_risk:noisy_or m2 0.7"])
            .quiet(Warning, "a fifth", &["member:zk_risk:noisy_or m2 0.2"])
            .quiet(Warning, "a short moment", &["member:zk_risk:noisy_or m2 0 for 4m then 0.9 for 1m then 0"]),
        condition("EnsembleRisk", Unit::Ratio, series("ensemble:zk_risk:noisy_or").of_ensemble().gt(LIMIT))
            .warning(0.5, five, "A ZooKeeper ensemble is at risk of a fault.")
            .source("as for a member; the risks of its voters are combined and reduced by the quorum margin: the larger the margin, the less one member at risk counts")
            .says(
                "the risk of ensemble <ensemble> has been <value> for over <for> (limit <limit>): the risks of its voters, combined and reduced by the quorum margin.",
                "First check which members contribute: member:zk_risk:noisy_or{ensemble=\"<ensemble>\"} in Prometheus, then which indicators: member:zk_warning:score{ensemble=\"<ensemble>\"}",
            )
            .means("Several voters are at risk of a fault, or one is while no other voter may fail.", "None yet; a loss of the quorum is more likely than usual.")
            .so("No maintenance and no restarts now, unless they remove the cause.", "Bring missing members back first; then as under the alerts of the highest indicators.")
            .fires(Warning, "e", "eight tenths", &["ensemble:zk_risk:noisy_or e 0.8"])
            .quiet(Warning, "three tenths", &["ensemble:zk_risk:noisy_or e 0.3"]),
        condition(
            "UnusualIndicator",
            Unit::Ratio,
            series("member:zk_detection:probability")
                .by(Agg::Max, Keys::Indicator)
                .gt(LIMIT)
                .and(series("member:zk_warning:score").by(Agg::Max, Keys::Indicator).gt(super::super::early::DEAD_ZONE))
                .unless(a_week_ago.ge(indicator())),
        )
        .warning(0.98, quarter, "An indicator of a ZooKeeper member is far above its values of the last day.")
        .source("0.98 is 3.9 standard deviations above the mean of a day; GitLab and Grafana alert at 3 to 4. Only above the dead zone of the warning score, about half of the warning limit: unusual but harmless values do not fire, nor do values that were reached at the same hours a week ago, which needs 8 days of retention")
        .says(
            "the indicator <indicator> of <who> has been above nearly all of its values of the last day (detection <value>, limit <limit>) for over <for>, and is approaching its warning limit.",
            "First compare it with yesterday: member:zk_indicator:value{ensemble=\"<ensemble>\",member=\"<member>\",indicator=\"<indicator>\"} in Prometheus - then find out what changed: a new client, more load, another user of the disk.",
        )
        .means("The value exceeds that of the previous day by far more than its usual variation. File descriptors, connections and watches are not judged for a day after a member restarted or was away, since clients stay on the members they moved to.", "None yet.")
        .so("Find out what changed while the change is recent.", "Undo the change, or accept it: after a day it is part of the baseline.")
        .fires(Warning, "m1 indicator=fsync", "four standard deviations, half of the limit", &[
            "member:zk_detection:probability{indicator=\"fsync\"} m1 0.99",
            "member:zk_warning:score{indicator=\"fsync\"} m1 0.1",
        ])
        .quiet(Warning, "as on the same day of the week before", &[
            "member:zk_detection:probability{indicator=\"fsync\"} m1 0.99",
            "member:zk_warning:score{indicator=\"fsync\"} m1 0.1",
            "member:zk_indicator:value{indicator=\"fsync\"} m1 0.05 for 4h then 0.01 for 164h then 0.052 for 40m",
        ])
        .fires(Warning, "m1 indicator=fsync", "far above the same day of the week before", &[
            "member:zk_detection:probability{indicator=\"fsync\"} m1 0.99",
            "member:zk_warning:score{indicator=\"fsync\"} m1 0.1",
            "member:zk_indicator:value{indicator=\"fsync\"} m1 0.03 for 4h then 0.01 for 164h then 0.052 for 40m",
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
        .warning(86_400.0, Span::minutes(30), "A resource of a ZooKeeper ensemble runs out within a day.")
        .source("node-mixin's NodeFilesystemSpaceFillingUp: a linear forecast from 6 hours, a day ahead, above a minimum level; here 30 %, and growth in each of the last three periods of 90 minutes, above the level of the day before. File descriptors and the size of the data have forecasts of their own")
        .says(
            "at the rate of the last hours, <resource> of ensemble <ensemble> will be used up in <value> (limit <limit>).",
            "First check which member, and how much time is left: member:zk_forecast:seconds{ensemble=\"<ensemble>\",resource=\"<resource>\"} in Prometheus - then follow the runbook for <resource>.",
        )
        .means("A disk, a heap, the tree, the watches or the transaction numbers of the epoch are filling up steadily.", "None yet.")
        .so("Find the cause of the growth in the remaining hours.", "As under the alert of the resource: ZooKeeperDiskSpaceLow, ZooKeeperHeapHigh, ZooKeeperZnodesHigh, ZooKeeperWatchesHigh, ZooKeeperZxidRollover.")
        .fires(Warning, "e resource=disk_space", "ten hours", &["member:zk_forecast:seconds{resource=\"disk_space\"} m2 36000"])
        .quiet(Warning, "a week", &["member:zk_forecast:seconds{resource=\"disk_space\"} m2 604800"])
        .quiet(Warning, "file descriptors have their own alert", &["member:zk_forecast:seconds{resource=\"file_descriptors\"} m2 3600"]),
        condition(
            "OutageBudgetBurn",
            Unit::Number,
            available("ensemble:zk_budget_burn:avg1h")
                .gt(LIMIT)
                .and(available("ensemble:zk_budget_burn:avg5m").gt(LIMIT))
                .and(series_with(MISSED, "objective", "availability").changes(Span::hours(1)).of_ensemble().ge(3.0))
                .and(series_with(SEEN, "objective", "availability").ago(Span::minutes(30)).of_ensemble()),
        )
        .warning(7.2, Span::minutes(2), "A ZooKeeper ensemble loses its quorum repeatedly.")
        .critical(14.4, Span::minutes(2), "A ZooKeeper ensemble loses its quorum repeatedly, for much of the time.")
        .off()
        .source("Google's SRE workbook: a burn rate of 14.4 over an hour and five minutes spends the budget of 30 days in two, half of that rate in four; the objective is a quorum 99.9 % of the time. Critical is off: a lasting outage already has its own alert, so at least two separate losses of the quorum within the hour are required. The budget of slow writes has only a warning")
        .says(
            "ensemble <ensemble> has lost its quorum at least twice within the last hour, and was without it in the last 5 minutes as well: in total <value> times the outage that its objective allows (limit <limit>).",
            "First check which member leads and which are missing: <info> - then the times of the losses: ensemble:zk_objective_missed:bool{ensemble=\"<ensemble>\",objective=\"availability\"} in Prometheus over the last hour",
        )
        .means("The ensemble loses its quorum repeatedly, each time perhaps too briefly for the alert of a lost quorum.", "Writes wait or fail during each loss, and clients lose sessions.")
        .so("Treat it as an ongoing outage.", "As under ZooKeeperQuorumLost and ZooKeeperFrequentElections.")
        .fires(Critical, "e", "a tenth of the time", &[
            "ensemble:zk_objective_missed:bool{objective=\"availability\"} e 0 for 20m then 1 for 4m then 0 for 9m then 1 for 2m then 0",
            "ensemble:zk_budget_burn:avg1h{objective=\"availability\"} e 100",
            "ensemble:zk_budget_burn:avg5m{objective=\"availability\"} e 100",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"availability\"} e 0",
        ])
        .quiet(Critical, "a single outage, which has its own alert", &[
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
        .quiet(Critical, "a hundredth of the time is only a warning", &[
            "ensemble:zk_objective_missed:bool{objective=\"availability\"} e 0 for 20m then 1 for 4m then 0 for 9m then 1 for 2m then 0",
            "ensemble:zk_budget_burn:avg1h{objective=\"availability\"} e 10",
            "ensemble:zk_budget_burn:avg5m{objective=\"availability\"} e 10",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"availability\"} e 0",
        ])
        .quiet(Warning, "a recently started Prometheus", &[
            "ensemble:zk_objective_missed:bool{objective=\"availability\"} e 0 for 20m then 1 for 4m then 0 for 9m then 1 for 2m then 0",
            "ensemble:zk_budget_burn:avg1h{objective=\"availability\"} e 10",
            "ensemble:zk_budget_burn:avg5m{objective=\"availability\"} e 10",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"availability\"} e absent for 50m then 0",
        ])
        .quiet(Critical, "slow writes are only a warning", &[
            "ensemble:zk_objective_missed:bool{objective=\"write_latency\"} e 0 for 20m then 1 for 4m then 0 for 9m then 1 for 2m then 0",
            "ensemble:zk_budget_burn:avg1h{objective=\"write_latency\"} e 100",
            "ensemble:zk_budget_burn:avg5m{objective=\"write_latency\"} e 100",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"write_latency\"} e 0",
        ]),
        condition(
            "BudgetBurn",
            Unit::Number,
            burns("ensemble:zk_budget_burn:avg6h", "ensemble:zk_budget_burn:avg30m", 6.0, Span::hours(6))
                .or(burns("ensemble:zk_budget_burn:avg1d", "ensemble:zk_budget_burn:avg2h", 3.0, Span::hours(24)))
                .or(burns("ensemble:zk_budget_burn:avg3d", "ensemble:zk_budget_burn:avg6h", 1.0, Span::hours(72))),
        )
        .warning(None, quarter, "A ZooKeeper ensemble consumes the error budget of an objective too fast.")
        .source("Google's SRE workbook: burn rates of 6 over 6 hours and 30 minutes, 3 over a day and 2 hours, 1 over 3 days and 6 hours. The objectives: a quorum 99.9 % of the time; for 99.5 % of it a mean write within the warning limit of ZooKeeperSlowWrites (Elastic's objective is 99.5 %). The objective must have been missed at least twice within the long window: a single outage or slow period has its own alert")
        .says(
            "the error budget of the objective <objective> of ensemble <ensemble> has burned <value> times as fast as allowed, over a long window and a recent short one.",
            "First check when: ensemble:zk_objective_missed:bool{ensemble=\"<ensemble>\",objective=\"<objective>\"} in Prometheus over a day - and the remaining budget: ensemble:zk_budget_left:ratio30d{ensemble=\"<ensemble>\"}",
        )
        .means("Outages or slow writes, each perhaps short, add up to more than the objective allows.", "Clients have noticed by now; at this rate the objective of the month will be missed.")
        .so("Work on the cause this week, before new features.", "write_latency: as under ZooKeeperSlowWrites. availability: as under ZooKeeperFrequentElections.")
        .fires(Warning, "e objective=write_latency", "6 hours", &[
            "ensemble:zk_objective_missed:bool{objective=\"write_latency\"} e 0 for 70h then 1 for 20m then 0 for 20m then 1 for 20m then 0",
            "ensemble:zk_budget_burn:avg30m{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg6h{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg1d{objective=\"write_latency\"} e 2",
            "ensemble:zk_budget_burn:avg2h{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg3d{objective=\"write_latency\"} e 0.5",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"write_latency\"} e 0",
        ])
        .fires(Warning, "e objective=write_latency", "a day", &[
            "ensemble:zk_objective_missed:bool{objective=\"write_latency\"} e 0 for 56h then 1 for 20m then 0 for 20m then 1 for 20m then 0",
            "ensemble:zk_budget_burn:avg30m{objective=\"write_latency\"} e 4",
            "ensemble:zk_budget_burn:avg6h{objective=\"write_latency\"} e 0.9",
            "ensemble:zk_budget_burn:avg1d{objective=\"write_latency\"} e 4",
            "ensemble:zk_budget_burn:avg2h{objective=\"write_latency\"} e 4",
            "ensemble:zk_budget_burn:avg3d{objective=\"write_latency\"} e 2",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"write_latency\"} e 0",
        ])
        .fires(Warning, "e objective=availability", "three days", &[
            "ensemble:zk_objective_missed:bool{objective=\"availability\"} e 0 for 10h then 1 for 20m then 0 for 20m then 1 for 20m then 0",
            "ensemble:zk_budget_burn:avg30m{objective=\"availability\"} e 2",
            "ensemble:zk_budget_burn:avg6h{objective=\"availability\"} e 2",
            "ensemble:zk_budget_burn:avg1d{objective=\"availability\"} e 2",
            "ensemble:zk_budget_burn:avg2h{objective=\"availability\"} e 2",
            "ensemble:zk_budget_burn:avg3d{objective=\"availability\"} e 2",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"availability\"} e 0",
        ])
        .quiet(Warning, "a recently started Prometheus", &[
            "ensemble:zk_objective_missed:bool{objective=\"write_latency\"} e 0 for 70h then 1 for 20m then 0 for 20m then 1 for 20m then 0",
            "ensemble:zk_budget_burn:avg30m{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg6h{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg1d{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg2h{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg3d{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"write_latency\"} e absent for 70h then 0",
        ])
        .quiet(Warning, "one slow period, which has its own alert", &[
            "ensemble:zk_objective_missed:bool{objective=\"write_latency\"} e 0 for 71h then 1 for 20m then 0",
            "ensemble:zk_budget_burn:avg30m{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg6h{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg1d{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg2h{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg3d{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"write_latency\"} e 0",
        ])
        .quiet(Warning, "a bad hour that has ended", &[
            "ensemble:zk_objective_missed:bool{objective=\"write_latency\"} e 0 for 70h then 1 for 20m then 0 for 20m then 1 for 20m then 0",
            "ensemble:zk_budget_burn:avg30m{objective=\"write_latency\"} e 0",
            "ensemble:zk_budget_burn:avg6h{objective=\"write_latency\"} e 7",
            "ensemble:zk_budget_burn:avg1d{objective=\"write_latency\"} e 4",
            "ensemble:zk_budget_burn:avg2h{objective=\"write_latency\"} e 0",
            "ensemble:zk_budget_burn:avg3d{objective=\"write_latency\"} e 0.9",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"write_latency\"} e 0",
        ])
        .quiet(Warning, "a bad day that has ended", &[
            "ensemble:zk_objective_missed:bool{objective=\"write_latency\"} e 0 for 70h then 1 for 20m then 0 for 20m then 1 for 20m then 0",
            "ensemble:zk_budget_burn:avg30m{objective=\"write_latency\"} e 0",
            "ensemble:zk_budget_burn:avg6h{objective=\"write_latency\"} e 0",
            "ensemble:zk_budget_burn:avg1d{objective=\"write_latency\"} e 2",
            "ensemble:zk_budget_burn:avg2h{objective=\"write_latency\"} e 0",
            "ensemble:zk_budget_burn:avg3d{objective=\"write_latency\"} e 2",
            "ensemble:zk_budget_burn:ratio_thinned{objective=\"write_latency\"} e 0",
        ]),
    ]
}

/// The series of the objective `availability`, by ensemble.
fn available(name: &'static str) -> Expr {
    series_with(name, "objective", "availability").of_ensemble()
}

/// The burn rate exceeds `times` in both windows, the objective was missed at least twice within the long one, and the
/// rules already ran half of the long window ago: the first minutes of a new Prometheus are not a day, and a single
/// outage has its own alert.
fn burns(long: &'static str, short: &'static str, times: f64, window: Span) -> Expr {
    let of = |name| series(name).by(Agg::Max, Keys::Objective);
    let then = series(SEEN).ago(Span(window.0 / 2)).by(Agg::Max, Keys::Objective);
    let repeated = series(MISSED).changes(window).by(Agg::Max, Keys::Objective).ge(3.0);
    of(long).gt(times).and(of(short).gt(times)).and(repeated).and(then)
}

/// 1 while an objective is missed.
const MISSED: &str = "ensemble:zk_objective_missed:bool";

/// Present from the first evaluation of the rules on.
const SEEN: &str = "ensemble:zk_budget_burn:ratio_thinned";

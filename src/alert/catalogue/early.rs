//! Early warning: risk that has lasted, and figures that are not as usual. They look at what recording rules write.

use super::super::build::{LIMIT, series};
use super::super::condition::Severity::Warning;
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
            .so("Use the lead: look while it still works.", "As under the alert of the indicator that leads.")
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
            .so("No maintenance and no restarts now, unless they mend the cause.", "Bring missing members back first; then as under the alerts of the indicators that lead.")
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
        .means("The figure is higher than in the day before by far more than it varies.", "Nothing yet.")
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
    ]
}

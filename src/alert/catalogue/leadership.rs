//! Who leads, and how often that changes.

use super::super::build::{LIMIT, mean, series};
use super::super::condition::Severity::Warning;
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Span};

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Leadership, unit, expr)
}

pub(super) fn conditions() -> Vec<Condition> {
    let quarter = Span::minutes(15);
    vec![
        condition(
            "FrequentElections",
            Unit::Count,
            series("zk_election_time_seconds_count").increase(quarter).of_ensemble().ge(LIMIT),
        )
        .warning(4.0, Span(0), "A ZooKeeper ensemble elects leaders again and again.")
        .source("etcd's mixin: 4 changes of the leader in 15 minutes; a rolling restart makes one or two")
        .says(
            "ensemble <ensemble> has had <value> elections within 15 minutes (limit <limit>); each one stops all writes for a moment.",
            "First see what the members lost the leader for: grep -hE 'LOOKING|Exception when following|shutdown Leader' in their logs - then fsync and pauses: ZooKeeperSlowFsync, ZooKeeperJvmPauses, and packet loss between the members: ping -c 50 -i 0.2 OTHER",
        )
        .means(
            "Leaders are lost as soon as they are found: the network, long pauses, or a slow disk.",
            "Writes stop at each election, and sessions move.",
        )
        .so(
            "Find the common cause; raise syncLimit only after that.",
            "Mend the network, the garbage collections or the disk of the member that loses its followers.",
        )
        .fires(Warning, "e", "five in a quarter of an hour", &["zk_election_time_seconds_count m2 +0.4/m"])
        .quiet(Warning, "a rolling restart", &["zk_election_time_seconds_count m2 1 for 8m then 2 for 3m then 3"]),
        condition(
            "UnavailableTime",
            Unit::Seconds,
            series("zk_unavailable_time_seconds_sum")
                .increase(quarter)
                .of_member()
                .by(Agg::Min, Keys::Ensemble)
                .gt(LIMIT),
        )
        .warning(30.0, Span(0), "A ZooKeeper ensemble was without a quorum for long.")
        .source("30 s of 15 minutes are 3 % of the time; of the members the best is taken, so that no restart of one counts")
        .says(
            "every member of ensemble <ensemble> was without a leader for at least <value> of the last 15 minutes (limit <limit>).",
            "First see when and for how long: zk_server_state{state=\"not-serving\"} in Prometheus - then what ended the leaders, as under ZooKeeperFrequentElections.",
        )
        .means(
            "The quorum came and went; each time was too short for ZooKeeperQuorumLost.",
            "Clients waited or lost their sessions for that long.",
        )
        .so("Tell the owners of the clients, and look for the cause before it stays away.", "As under ZooKeeperFrequentElections.")
        .fires(Warning, "e", "a minute without a quorum, as all say", &[
            "zk_unavailable_time_seconds_sum m1 10 for 10m then 70",
            "zk_unavailable_time_seconds_sum m2 10 for 10m then 70",
            "zk_unavailable_time_seconds_sum m3 10 for 10m then 70",
        ])
        .quiet(Warning, "a minute of one member alone", &["zk_unavailable_time_seconds_sum m2 10 for 10m then 70"]),
        condition(
            "ElectionSlow",
            Unit::Seconds,
            mean("zk_election_time_seconds_sum", "zk_election_time_seconds_count", quarter).of_member().gt(LIMIT),
        )
        .warning(5.0, Span(0), "A ZooKeeper election took long.")
        .off()
        .source("a healthy election takes some 200 ms (finalizeWait); 5 s is the default time to connect to a dead member (cnxTimeout). Off: it is over when it is told")
        .says(
            "an election that <who> took part in lasted <value> on average (limit <limit>).",
            "First see whom it tried to reach: grep -E 'Cannot open channel to|Notification time out' in its log - a member that is configured and not there costs a connect time-out each round.",
        )
        .means("The members took long to agree.", "Nothing could be written for that long.")
        .so("Take dead members out of the configuration.", "Mend DNS and routes to the election ports; remove members that are gone.")
        .fires(Warning, "m2", "ten seconds", &[
            "zk_election_time_seconds_sum m2 0 for 10m then 10",
            "zk_election_time_seconds_count m2 1 for 10m then 2",
        ])
        .quiet(Warning, "a fifth of a second", &[
            "zk_election_time_seconds_sum m2 0 for 10m then 0.2",
            "zk_election_time_seconds_count m2 1 for 10m then 2",
        ]),
        condition("LeaderChanged", Unit::Seconds, series("zk_leader_uptime_seconds").of_ensemble().lt(LIMIT))
            .warning(600.0, Span(0), "A ZooKeeper ensemble has elected a new leader.")
            .off()
            .source("ZooKeeper's documentation alerts on every election; off, since one election is no fault")
            .says(
                "the leader of ensemble <ensemble> has led for <value> only.",
                "First see whether somebody restarted the old one: <ask-all srvr> | grep -E '==|Mode'",
            )
            .means("There was an election within the last minutes.", "Writes stopped for a moment.")
            .so("None, if it was planned.", "See ZooKeeperFrequentElections if it happens again.")
            .fires(Warning, "e", "a minute in office", &["zk_leader_uptime_seconds m1 60"])
            .quiet(Warning, "an hour in office", &["zk_leader_uptime_seconds m1 3600"]),
    ]
}

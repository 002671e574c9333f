//! Who leads, and how often that changes.

use super::super::build::{LIMIT, mean, series};
use super::super::condition::Severity::Warning;
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Span};

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Leadership, unit, expr)
}

pub(super) fn conditions() -> Vec<Condition> {
    let (quarter, half) = (Span::minutes(15), Span::minutes(30));
    // Each leader begins an epoch. What counts is what one member saw: it does not mix the epochs of two ensembles.
    let elections = |window| series("zk_zxid_epoch").changes(window).of_ensemble();
    vec![
        condition(
            "FrequentElections",
            Unit::Count,
            elections(quarter).ge(LIMIT),
        )
        .warning(4.0, Span(0), "A ZooKeeper ensemble elects leaders again and again.")
        .source("etcd's mixin: 4 changes of the leader in 15 minutes; a rolling restart makes one or two. Counted are the epochs that a member went through: each new leader begins one, and a follower that merely joins again begins none")
        .says(
            "ensemble <ensemble> has had at least <value> new leaders within 15 minutes (limit <limit>); each election stops all writes for a moment.",
            "First see who leads now and who is missing: <info> - then why the leaders were lost: grep -hE 'LOOKING|Exception when following|shutdown Leader' in the members' logs; fsync and pauses (ZooKeeperSlowFsync, ZooKeeperJvmPauses); packet loss between the members: ping -c 50 -i 0.2 OTHER",
        )
        .means(
            "Leaders are lost as soon as they are found: the network, long pauses, or a slow disk.",
            "Writes stop at each election, and sessions move.",
        )
        .so(
            "Find the common cause; raise syncLimit only after that.",
            "Repair the network, the garbage collections or the disk of the member that loses its followers.",
        )
        .fires(Warning, "e", "five in a quarter of an hour", &[
            "zk_zxid_epoch m 1 for 6m then 2 for 3m then 3 for 3m then 4 for 3m then 5 for 2m then 6",
        ])
        .fires(Warning, "e", "each leader is killed, and joins again without an answer in between", &[
            "zk_zxid_epoch m1 1 for 6m then stale for 1m then 2 for 4m then 3 for 2m then 4 for 2m then 5",
            "zk_zxid_epoch m2 1 for 12m then 3",
            "zk_zxid_epoch m3 1",
        ])
        .quiet(Warning, "a rolling restart, leader last", &["zk_zxid_epoch m 1 for 8m then 2 for 3m then 3"])
        .quiet(Warning, "an exporter that is replaced, after many elections of long ago", &[
            "zk_zxid_epoch m1 70 for 10m then stale",
            "zk_zxid_epoch m2 7 for 10m then stale",
            "zk_zxid_epoch m1@2 absent for 11m then 70",
        ]),
        condition(
            "MemberLosesLeader",
            Unit::Count,
            series("zk_election_time_seconds_count")
                .increase(half)
                .of_member()
                .ge(LIMIT)
                .unless(elections(half).ge(3.0)),
        )
        .warning(4.0, Span(0), "A ZooKeeper member loses its leader again and again.")
        .source("judgement: four elections of one member within 30 minutes while the ensemble had at most two new leaders: at least two times it lost a leader that all others kept. A rolling restart gives a member three at most")
        .says(
            "<who> has looked for a leader <value> times within 30 minutes (limit <limit>), while the ensemble changed its leader at most twice: it loses the leader and joins again. Each time its clients move and the quorum margin is one smaller.",
            "First see how it stands now: <info> - then why it lost the leader: grep -E 'Exception when following|LOOKING|Detected pause' in its log on <host> | tail -20; ping -c 50 -i 0.2 LEADER",
        )
        .means(
            "This member alone loses the connection to a leader that the others keep: its network, pauses, its disk, or something that stops the process.",
            "Clients of this member are moved each time; while it is out, the ensemble bears one failure less.",
        )
        .so(
            "Do not count on this member: no maintenance on another one until it stays.",
            "Repair its network to the leader (ports 2888 and 3888), its pauses or its disk.",
        )
        .fires(Warning, "m2", "every five minutes", &["zk_election_time_seconds_count m2 +0.2/m", "zk_zxid_epoch m 3"])
        .quiet(Warning, "twice", &[
            "zk_election_time_seconds_count m2 1 for 12m then 2 for 5m then 3",
            "zk_zxid_epoch m 3",
        ])
        .quiet(Warning, "the whole ensemble elects", &[
            "zk_election_time_seconds_count m +0.2/m",
            "zk_zxid_epoch m 3 for 8m then 4 for 8m then 5 for 8m then 6 for 8m then 7",
        ]),
        condition(
            "UnavailableTime",
            Unit::Seconds,
            series("zk_unavailable_time_seconds_sum")
                .increase(quarter)
                .of_member()
                .unless(series("zk_received_bytes_total").resets(quarter).of_member().gt(0.0))
                .by(Agg::Min, Keys::Ensemble)
                .gt(LIMIT),
        )
        .warning(30.0, Span(0), "Members of a ZooKeeper ensemble were without a leader for long.")
        .source("30 s of 15 minutes are 3 % of the time; of the members that ran all the time the best is taken, so that the way back of a restarted member does not count")
        .says(
            "every member of ensemble <ensemble> that ran through the last 15 minutes was without a leader for at least <value> of them (limit <limit>).",
            "First see how it stands now: <info> - then when it was: zk_ensemble_has_quorum{ensemble=\"<ensemble>\"} in Prometheus; and what ended the leaders, as under ZooKeeperFrequentElections.",
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
        .fires(Warning, "e", "a minute without a quorum, and two restarts that made it", &[
            "zk_unavailable_time_seconds_sum m1 10 for 10m then 70",
            "zk_unavailable_time_seconds_sum m2 10 for 9m then stale for 1m then 5",
            "zk_unavailable_time_seconds_sum m3 10 for 9m then stale for 1m then 5",
            "zk_received_bytes_total m2 +600/m for 9m then stale for 1m then 10",
            "zk_received_bytes_total m3 +600/m for 9m then stale for 1m then 10",
        ])
        .quiet(Warning, "a minute of one member alone", &["zk_unavailable_time_seconds_sum m2 10 for 10m then 70"])
        .quiet(Warning, "a rolling restart, 45 seconds each", &[
            "zk_unavailable_time_seconds_sum m1 10 for 8m then stale for 1m then 45",
            "zk_unavailable_time_seconds_sum m2 10 for 10m then stale for 1m then 45",
            "zk_unavailable_time_seconds_sum m3 10 for 12m then stale for 1m then 45",
            "zk_received_bytes_total m1 +600/m for 8m then stale for 1m then 10",
            "zk_received_bytes_total m2 +600/m for 10m then stale for 1m then 10",
            "zk_received_bytes_total m3 +600/m for 12m then stale for 1m then 10",
        ]),
        condition(
            "ElectionSlow",
            Unit::Seconds,
            mean("zk_election_time_seconds_sum", "zk_election_time_seconds_count", quarter, 0.0).of_member().gt(LIMIT),
        )
        .warning(5.0, Span(0), "A ZooKeeper election took long.")
        .off()
        .source("a healthy election takes some 200 ms (finalizeWait); 5 s is the default time to connect to a dead member (cnxTimeout). Off: it is over when it is reported")
        .says(
            "an election that <who> took part in lasted <value> on average (limit <limit>).",
            "First see whom it tried to reach: grep -E 'Cannot open channel to|Notification time out' in its log - a member that is configured and not there costs a connect time-out each round.",
        )
        .means("The members took long to agree.", "Nothing could be written for that long.")
        .so("Take dead members out of the configuration.", "Repair DNS and routes to the election ports; remove members that are gone.")
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
                "First see who leads now and since when the others run: <info>",
            )
            .means("There was an election within the last minutes.", "Writes stopped for a moment.")
            .so("None, if it was planned.", "See ZooKeeperFrequentElections if it happens again.")
            .fires(Warning, "e", "a minute in office", &["zk_leader_uptime_seconds m1 60"])
            .quiet(Warning, "an hour in office", &["zk_leader_uptime_seconds m1 3600"]),
    ]
}

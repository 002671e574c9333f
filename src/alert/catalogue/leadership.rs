//! Leaders and elections: how often and for how long the ensemble is without a leader.

use super::super::build::{LIMIT, mean, series, series_with};
use super::super::condition::Severity::Warning;
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Span};
use super::super::watch::HAS_QUORUM;

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Leadership, unit, expr)
}

pub(super) fn conditions() -> Vec<Condition> {
    let (quarter, half) = (Span::minutes(15), Span::minutes(30));
    // Each leader begins an epoch. Epochs are counted per member, so that those of two ensembles are not mixed.
    let elections = |window| series("zk_zxid_epoch").changes(window).of_ensemble();
    // Other products have no epochs. A new leader changes the state of two members.
    let epoch = || Expr::newest("zk_zxid_epoch", Agg::Max, Keys::Ensemble);
    let led = |window| {
        series_with("zk_server_state", "state", "leader").changes(window).of_member().by(Agg::Sum, Keys::Ensemble)
    };
    // Lost replies of one leader change the state of one member.
    let most = |window| {
        series_with("zk_server_state", "state", "leader").changes(window).of_member().by(Agg::Max, Keys::Ensemble)
    };
    // Members that ran all the time: what a restarted member was without is its own.
    let restarts = |window| series("zk_received_bytes_total").resets(window).of_member();
    let unavailable =
        || series("zk_unavailable_time_seconds_sum").increase(quarter).of_member().unless(restarts(quarter).gt(0.0));
    // A restarted member begins with its own election.
    let own_elections = || series("zk_election_time_seconds_count").increase(half).of_member();
    let quorum = || series(HAS_QUORUM).avg(quarter).of_ensemble();
    vec![
        condition(
            "FrequentElections",
            Unit::Count,
            elections(quarter).ge(LIMIT).or((led(quarter) / 2.0.into())
                .ge(LIMIT)
                .and((led(quarter) - most(quarter)).ge(LIMIT))
                .unless(epoch())),
        )
        .warning(4.0, Span(0), "A ZooKeeper ensemble elects leaders repeatedly.")
        .source("etcd's mixin: 4 changes of the leader in 15 minutes; a rolling restart causes one or two. The epochs of a member are counted: each new leader begins one, and a follower that only rejoins begins none. Other products have no epochs: half of the changes of their members from or to leader count")
        .says(
            "ensemble <ensemble> has had at least <value> new leaders within 15 minutes (limit <limit>); each election stops all writes for a moment.",
            "First check which member leads and which are missing: <info> - then why the leaders were lost: grep -hE 'LOOKING|Exception when following|shutdown Leader' zookeeper.log on each member; fsync and pauses (ZooKeeperSlowFsync, ZooKeeperJvmPauses); packet loss between the members: ping -c 50 -i 0.2 OTHER",
        )
        .means(
            "Leaders are lost soon after their election: the network, long pauses, or a slow disk.",
            "Writes stop at each election, and sessions move to other members.",
        )
        .so(
            "Find the common cause; raise syncLimit only after that.",
            "Fix the network, the garbage collections or the disk of the member that loses its followers.",
        )
        .fires(Warning, "e", "five in a quarter of an hour", &[
            "zk_zxid_epoch m 1 for 6m then 2 for 3m then 3 for 3m then 4 for 3m then 5 for 2m then 6",
        ])
        .fires(Warning, "e", "each leader is killed and rejoins, with no answer in between", &[
            "zk_zxid_epoch m1 1 for 6m then stale for 1m then 2 for 4m then 3 for 2m then 4 for 2m then 5",
            "zk_zxid_epoch m2 1 for 12m then 3",
            "zk_zxid_epoch m3 1",
        ])
        .fires(Warning, "e", "another product, whose leaders alternate", &[
            "zk_server_state{state=\"leader\"} m1 1 for 6m then 0 for 3m then 1 for 3m then 0 for 3m then 1 for 2m then 0",
            "zk_server_state{state=\"leader\"} m2 0 for 6m then 1 for 3m then 0 for 3m then 1 for 3m then 0 for 2m then 1",
        ])
        .quiet(Warning, "another product, with two new leaders", &[
            "zk_server_state{state=\"leader\"} m1 1 for 8m then 0 for 3m then 1",
            "zk_server_state{state=\"leader\"} m2 0 for 8m then 1 for 3m then 0",
        ])
        .quiet(Warning, "a leader whose replies are lost leads all the time", &[
            "zk_zxid_epoch m 3",
            "zk_server_state{state=\"leader\"} m1 1 for 6m then 0 for 1m then 1 for 1m then 0 for 1m then 1 for 1m then 0 for 1m then 1 for 1m then 0 for 1m then 1 for 1m then 0 for 1m then 1",
        ])
        .quiet(Warning, "another product, and a leader whose replies are lost", &[
            "zk_server_state{state=\"leader\"} m1 1 for 6m then 0 for 1m then 1 for 1m then 0 for 1m then 1 for 1m then 0 for 1m then 1 for 1m then 0 for 1m then 1 for 1m then 0 for 1m then 1",
        ])
        .quiet(Warning, "a rolling restart, leader last", &["zk_zxid_epoch m 1 for 8m then 2 for 3m then 3"])
        .quiet(Warning, "an exporter is replaced long after many elections", &[
            "zk_zxid_epoch m1 70 for 10m then stale",
            "zk_zxid_epoch m2 7 for 10m then stale",
            "zk_zxid_epoch m1@2 absent for 11m then 70",
        ]),
        condition(
            "MemberLosesLeader",
            Unit::Count,
            own_elections()
                .ge(LIMIT)
                // `srst` looks like a restart; a member with more of them than two rolling restarts has is not excused.
                .unless((own_elections() - restarts(half)).lt(LIMIT).and(restarts(half).le(2.0)))
                .unless(elections(half).ge(3.0)),
        )
        .warning(4.0, Span(0), "A ZooKeeper member loses its leader repeatedly.")
        .source("judgement: four elections of one member within 30 minutes, not counting one for each of its restarts, while the ensemble had at most two new leaders: at least twice it lost a leader that all others kept. Two rolling restarts, each with one new leader, cause as many, half of them by its own restarts")
        .says(
            "<who> has looked for a leader <value> times within 30 minutes (limit <limit>), while the ensemble changed its leader at most twice: it loses the leader and rejoins. Each time its clients move and the quorum margin is one smaller.",
            "First check its current state: <info> - then why it lost the leader: grep -E 'Exception when following|LOOKING|Detected pause' zookeeper.log | tail -20 on <host>; ping -c 50 -i 0.2 LEADER",
        )
        .means(
            "Only this member loses the connection to a leader that the others keep: its network, pauses, its disk, or something that stops the process.",
            "Clients of this member move each time; while it is out, the ensemble tolerates one failure less.",
        )
        .so(
            "Do not rely on this member: no maintenance on another one until it is stable.",
            "Fix its network to the leader (ports 2888 and 3888), its pauses or its disk.",
        )
        .fires(Warning, "m2", "every five minutes", &[
            "zk_election_time_seconds_count m2 +0.2/m",
            "zk_received_bytes_total m2 +600/m",
            "zk_zxid_epoch m 3",
        ])
        .fires(Warning, "m2", "every five minutes, while a program resets its statistics", &[
            "zk_election_time_seconds_count m2 +0.2/m",
            "zk_received_bytes_total m2 100 for 6m then 50 for 6m then 20 for 6m then 5",
            "zk_zxid_epoch m 3",
        ])
        .quiet(Warning, "two rolling restarts, the leader last in each", &[
            "zk_election_time_seconds_count m2 7 for 12m then 1 for 4m then 2 for 6m then 1 for 4m then 2",
            "zk_received_bytes_total m2 +600/m for 12m then 10 for 10m then 5",
            "zk_zxid_epoch m 3 for 16m then 4 for 10m then 5",
        ])
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
            unavailable().by(Agg::Min, Keys::Ensemble).gt(LIMIT).and(
                unavailable()
                    .by(Agg::Group, Keys::Member)
                    .by(Agg::Sum, Keys::Ensemble)
                    .ge(2.0)
                    .or(quorum().lt(Expr::Number(1.0) - LIMIT / 900.0.into())),
            ),
        )
        .warning(30.0, Span(0), "Members of a ZooKeeper ensemble were without a leader for a long time.")
        .source("30 s of 15 minutes are 3 % of the time; the best of the members that ran all the time is used, so that the rejoin of a restarted member does not count. If only one ran all the time, the quorum must have been lost for that share of the time as well: a follower that loses a restarted leader rejoins later than the others")
        .says(
            "every member of ensemble <ensemble> that ran through the last 15 minutes was without a leader for at least <value> of them (limit <limit>).",
            "First check the current state: <info> - then when it happened: zk_ensemble_has_quorum{ensemble=\"<ensemble>\"} in Prometheus; and why the leaders were lost, as under ZooKeeperFrequentElections.",
        )
        .means(
            "The quorum was lost repeatedly, each time too briefly for ZooKeeperQuorumLost.",
            "Clients waited for that long, or lost their sessions.",
        )
        .so("Notify the owners of the clients, and find the cause before the quorum is lost for longer.", "As under ZooKeeperFrequentElections.")
        .fires(Warning, "e", "a minute without a quorum, reported by all members", &[
            "zk_unavailable_time_seconds_sum m1 10 for 10m then 70",
            "zk_unavailable_time_seconds_sum m2 10 for 10m then 70",
            "zk_unavailable_time_seconds_sum m3 10 for 10m then 70",
        ])
        .fires(Warning, "e", "a minute without a quorum, caused by two restarts", &[
            "zk_unavailable_time_seconds_sum m1 10 for 10m then 70",
            "zk_unavailable_time_seconds_sum m2 10 for 9m then stale for 1m then 5",
            "zk_unavailable_time_seconds_sum m3 10 for 9m then stale for 1m then 5",
            "zk_received_bytes_total m2 +600/m for 9m then stale for 1m then 10",
            "zk_received_bytes_total m3 +600/m for 9m then stale for 1m then 10",
            "zk_ensemble_has_quorum e 1 for 9m then 0 for 1m then 1",
        ])
        .quiet(Warning, "a minute of the only follower that ran through a rolling restart", &[
            "zk_unavailable_time_seconds_sum m1 10 for 8m then stale for 1m then 45",
            "zk_unavailable_time_seconds_sum m2 10 for 10m then 70",
            "zk_unavailable_time_seconds_sum m3 10 for 10m then stale for 1m then 45",
            "zk_received_bytes_total m1 +600/m for 8m then stale for 1m then 10",
            "zk_received_bytes_total m2 +600/m",
            "zk_received_bytes_total m3 +600/m for 10m then stale for 1m then 10",
        ])
        .quiet(Warning, "a minute of a single member", &["zk_unavailable_time_seconds_sum m2 10 for 10m then 70"])
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
        .source("a healthy election takes some 200 ms (finalizeWait); 5 s is the default time to connect to a dead member (cnxTimeout). Off: the election has ended when it is reported")
        .says(
            "an election that <who> took part in lasted <value> on average (limit <limit>).",
            "First check which members it tried to reach: grep -E 'Cannot open channel to|Notification time out' zookeeper.log on <host> - a configured member that is absent costs a connect timeout in each round.",
        )
        .means("The members took long to agree on a leader.", "No write succeeded during that time.")
        .so("Remove dead members from the configuration.", "Repair DNS and routes to the election ports; remove members that no longer exist.")
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
            .source("ZooKeeper's documentation alerts on every election; off, since one election is not a fault")
            .says(
                "the leader of ensemble <ensemble> has led for only <value>.",
                "First check which member leads now and how long the others have run: <info>",
            )
            .means("There was an election within the last minutes.", "Writes stopped for a moment.")
            .so("None, if it was planned.", "See ZooKeeperFrequentElections if it happens again.")
            .fires(Warning, "e", "leader for a minute", &["zk_leader_uptime_seconds m1 60"])
            .quiet(Warning, "leader for an hour", &["zk_leader_uptime_seconds m1 3600"]),
    ]
}

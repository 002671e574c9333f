//! Members that do not answer or serve, the quorum, and who watches.

use super::super::build::{LIMIT, series, series_with};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Selector, Span};
use super::MEMORY;

fn state(name: &'static str) -> Expr {
    series_with("zk_server_state", "state", name).last(MEMORY).of_member().eq(1.0)
}

/// Members that were seen within the last hour by an exporter which Prometheus does not reach now.
fn seen_by_the_lost() -> Expr {
    series("zk_up").last(Span::hours(1)).unless_on(Keys::Target, series("up").eq(1.0))
}

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Availability, unit, expr)
}

pub(super) fn conditions() -> Vec<Condition> {
    let has_quorum = || series("zk_ensemble_has_quorum");
    let followed = || series_with("zk_server_state", "state", "follower|observer").last(MEMORY).of_ensemble().eq(1.0);
    let voters = || series("zk_ensemble_voters").last(MEMORY).of_ensemble().gt(1.0);
    let watched = Selector { name: "zk_up", labels: Vec::new() };
    vec![
        condition(
            "MemberDown",
            Unit::State,
            series("zk_up").of_member().eq(0.0).or(seen_by_the_lost()
                .of_member()
                .eq(0.0)
                .unless_on(Keys::Member, series("zk_up"))),
        )
        .critical(None, Span::minutes(2), "A ZooKeeper member does not answer.")
        .source("2 minutes ride over the restart of one member; the rules of ZooKeeper's documentation wait 1, etcd's 20")
        .says(
            "<who> has not answered for over <for> (reason: <reasons>seen by the exporter).",
            "First ask it yourself: <ask srvr> - if that shows a Mode line, look at the exporter and the network; if not, read the end of ZooKeeper's log on that host and start it. Do not restart another member meanwhile.",
        )
        .means(
            "The process is dead, hung or unreachable, or something else listens on its port.",
            "Its clients moved to other members; an ensemble of 2n+1 voters stops when n+1 are lost.",
        )
        .so(
            "Stop all maintenance on this ensemble and bring the member back now.",
            "Start the process; free the disk if it is full; rebuild a damaged member from the leader.",
        )
        .fires(Critical, "m1", "a member that gives no answer", &["zk_up m1 1 for 2m then 0"])
        .fires(Critical, "m1", "it was down before its exporter went: silence is not recovery", &[
            "zk_up m1 0 for 4m then stale",
            "zk_up m2 1 for 4m then stale",
            "zk_up m3 1 for 4m then stale",
            "up x 1 for 4m then 0",
        ])
        .quiet(Critical, "another exporter sees it well", &[
            "zk_up m1 0 for 4m then stale",
            "up x 1 for 4m then 0",
            "zk_up m1@2 1",
            "up x@2 1",
        ])
        .quiet(Critical, "a restart of one minute", &["zk_up m1 1 for 4m then 0 for 1m then 1"])
        .quiet(Critical, "a member taken out of the configuration", &["zk_up m1 0 for 3m then stale"]),
        condition(
            "MemberNotServing",
            Unit::State,
            series("zk_serving").last(MEMORY).of_member().eq(0.0).and(series("zk_up").last(MEMORY).of_member().eq(1.0)),
        )
        .critical(None, Span::minutes(2), "A ZooKeeper member runs but serves no clients.")
        .source("an election takes seconds; 2 minutes let a restarted member load and sync")
        .says(
            "<who> has answered for over <for> that it is not serving requests: it finds no leader, or cannot sync with the one there is.",
            "First see whether it is alone with that: <ask-all srvr> - if the others serve, check that this host reaches their ports 2888 and 3888, then restart this member alone; if none serves, treat it as ZooKeeperQuorumLost.",
        )
        .means(
            "The process runs and has no part in a quorum: it looks for a leader, loads, or cannot sync.",
            "It counts as lost for the quorum, and its clients have gone elsewhere.",
        )
        .so(
            "Treat it as a lost member: no maintenance until it serves.",
            "Mend the network between the quorum ports; raise initLimit where the sync does not end in time; put zoo.cfg and myid right.",
        )
        .fires(Critical, "m2", "it says that it serves nobody", &["zk_serving m2 1 for 2m then 0"])
        .quiet(Critical, "an election", &["zk_serving m2 1 for 4m then 0 for 1m then 1"])
        .quiet(Critical, "a dead member is another alarm", &["zk_serving m2 0", "zk_up m2 0"]),
        condition("MemberReadOnly", Unit::State, state("read-only"))
            .critical(None, Span::minutes(1), "A ZooKeeper member is cut off from the quorum and serves only reads.")
            .source("HariSekhon's check_zookeeper: isro other than rw is critical; 1 minute rides over an election")
            .says(
                "<who> has been read-only for over <for>: it does not reach a majority of the voters, and what it serves may be old.",
                "First check the network from <host> to the quorum and election ports of the others: nc -vz OTHER 2888; nc -vz OTHER 3888 - and what the others say: <ask-all isro>",
            )
            .means(
                "readonlymode.enabled is set and the member is partitioned from the majority.",
                "Clients that accept read-only sessions read old data from it; all others have left it.",
            )
            .so(
                "Treat it as a lost voter, and its answers as stale.",
                "Mend the network or bring the other voters back; it joins by itself.",
            )
            .fires(Critical, "m3", "a minority that serves reads", &["zk_server_state{state=\"read-only\"} m3 1"])
            .quiet(Critical, "half a minute of it", &[
                "zk_server_state{state=\"read-only\"} m3 0 for 5m then 1 for 30s then 0",
            ]),
        condition(
            "StandaloneInEnsemble",
            Unit::State,
            state("standalone").and(series("zk_ensemble_members").last(MEMORY).of_ensemble().gt(1.0)),
        )
        .critical(None, Span::minutes(2), "A member of a ZooKeeper ensemble runs alone, with data of its own.")
        .source("HariSekhon's check_zookeeper: standalone in an ensemble is critical: a split brain in waiting")
        .says(
            "<who> runs as a standalone server, but the ensemble has several members: clients that reach it read and write data that no other member has.",
            "First stop it, so that no more writes go astray: systemctl stop zookeeper on <host> - then compare its zoo.cfg: it has no server.N lines, or only its own.",
        )
        .means(
            "It was started without the server.N lines of the ensemble, or it is another server under this address.",
            "What clients write there is not in the ensemble: locks are held twice, registrations are not seen.",
        )
        .so(
            "Stop it at once; what was written to it has to be looked through by hand.",
            "Put its zoo.cfg and myid right, move its version-2 aside, start it: it copies everything from the leader.",
        )
        .fires(Critical, "m3", "a standalone server among three", &["zk_server_state{state=\"standalone\"} m3 1"])
        .quiet(Critical, "a standalone server that is meant to be one", &[
            "zk_server_state{state=\"standalone\"} m3 1",
            "zk_ensemble_members e 1",
        ]),
        condition(
            "QuorumLost",
            Unit::State,
            has_quorum()
                .max(Span::minutes(1))
                .of_ensemble()
                .eq(0.0)
                .and(series("zk_ensemble_members_up").last(MEMORY).of_ensemble().gt(0.0))
                .unless(followed()),
        )
        .critical(None, Span::minutes(1), "A ZooKeeper ensemble has no quorum.")
        .source("etcd waits 3 minutes for the same; ZooKeeper refuses every write at once, so 1 minute")
        .says(
            "ensemble <ensemble> has had no leader with a majority in sync for over <for>: it takes no writes, and most clients cannot connect. Members:<states>",
            "first bring back any voter that is down, a majority is enough. Ask all of them: <ask-all srvr>",
        )
        .means(
            "No majority of the voters has agreed on a leader.",
            "Nothing can be written; everything that coordinates through this ensemble stands still.",
        )
        .so(
            "Wake who you must: this is the outage. Do not touch the server lists under pressure.",
            "Bring back the voters that are easiest to bring back; mend the election ports (3888).",
        )
        .fires(Critical, "e", "one of three is left and says so", &[
            "zk_ensemble_has_quorum e 1 for 2m then 0",
            "zk_server_state{state=\"leader\"} m1 0",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
            "zk_ensemble_members_up e 1",
        ])
        .quiet(Critical, "an election of half a minute", &[
            "zk_ensemble_has_quorum e 1 for 4m then 0 for 30s then 1",
        ])
        .quiet(Critical, "followers of a silent leader are another alarm", &["zk_ensemble_has_quorum e 0"])
        .quiet(Critical, "nobody up is another alarm", &[
            "zk_ensemble_has_quorum e 0",
            "zk_ensemble_members_up e 0",
            "zk_server_state{state=\"leader\"} m1 0",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ]),
        condition(
            "EnsembleUnreachable",
            Unit::State,
            series("zk_ensemble_members_up").last(MEMORY).of_ensemble().eq(0.0),
        )
        .critical(None, Span::minutes(1), "No member of a ZooKeeper ensemble answers.")
        .source("no restart takes all members at once; 1 minute rides over a network that blinks")
        .says(
            "no member of ensemble <ensemble> has given the exporter an answer for over <for>. Either all are down, or the exporter's way to them is cut.",
            "First ask from another host than the exporter's: <ask-all srvr> - if they answer there, the exporter's network, DNS or firewall is at fault; if not, this is a full outage: start the members, a majority first.",
        )
        .means(
            "Every member is dead or unreachable from the exporter.",
            "If they are down, everything that coordinates through this ensemble stands still; if not, you are blind.",
        )
        .so(
            "Find out within a minute which of the two it is: an outage, or blindness.",
            "Start a majority of the members; or mend the exporter's network, DNS, TLS or whitelist.",
        )
        .fires(Critical, "e", "no member answers", &["zk_ensemble_members_up e 3 for 1m then 0"])
        .quiet(Critical, "one still does", &["zk_ensemble_members_up e 1"]),
        condition(
            "QuorumMarginZero",
            Unit::Count,
            series("zk_ensemble_quorum_margin")
                .max(Span::minutes(2))
                .of_ensemble()
                .le(LIMIT)
                .and(has_quorum().max(Span::minutes(2)).of_ensemble().eq(1.0))
                .and(voters()),
        )
        .warning(0.0, Span::minutes(1), "One more failure stops a ZooKeeper ensemble.")
        .source("margin = voters in sync - majority; 0 means that the next loss stops all writes. The best of 2 minutes must be 0, so that a rolling restart does not raise it and an election does not end it")
        .says(
            "the voters in sync of ensemble <ensemble> have been only <value> more than a majority for over <for>: the loss of another one stops all writes. Not serving:<down>.",
            "First stop all maintenance on this ensemble, then bring the missing voter back; see what the leader counts: <ask-all mntr> | grep -E '==|quorum_size|synced_'",
        )
        .means(
            "Just enough voters are in sync for a majority.",
            "Nothing yet; a reboot, a deployment or a slow disk on one more voter is an outage.",
        )
        .so(
            "No maintenance on this ensemble until the voter is back.",
            "Bring the missing voter back, replace it under its id, or take it out with reconfig -remove.",
        )
        .fires(Warning, "e", "two of three in sync", &["zk_ensemble_quorum_margin e 1 for 2m then 0"])
        .quiet(Warning, "a rolling restart", &["zk_ensemble_quorum_margin e 1 for 4m then 0 for 90s then 1"])
        .quiet(Warning, "a standalone server has no margin", &[
            "zk_ensemble_quorum_margin e 0",
            "zk_ensemble_voters e 1",
        ])
        .quiet(Warning, "a lost quorum is another alarm", &[
            "zk_ensemble_quorum_margin e -1",
            "zk_ensemble_has_quorum e 0",
        ]),
        condition(
            "EnsembleUnwatched",
            Unit::State,
            seen_by_the_lost()
                .by(Agg::Group, Keys::Ensemble)
                .unless_on(Keys::Ensemble, series("zk_up"))
                .or(Expr::AbsentEnsembles(watched)),
        )
        .critical(None, Span::minutes(3), "Nobody watches a ZooKeeper ensemble any more.")
        .source("3 minutes are several scrapes and ride over the restart of an exporter; kube-prometheus waits as long")
        .says(
            "Prometheus has had no figures of ensemble <ensemble> for over <for>: the exporter that watched it is gone or not scraped. No other alarm of this ensemble can fire, and none that has ended need be over.",
            "First look at Prometheus' targets page for the exporter; then on its host: systemctl status zookeeper-exporter; journalctl -u zookeeper-exporter -n 50",
        )
        .means(
            "The ensemble was watched within the last hour, or stands in the configuration, and no exporter reports it now.",
            "The ensemble may be well; nobody would know if it were not.",
        )
        .so(
            "Look at the ensemble by hand until it is watched again.",
            "Start the exporter, mend the scrape configuration or service discovery.",
        )
        .fires(Critical, "e", "the only exporter is gone", &[
            "up x 1 for 3m then 0",
            "zk_up m1 1 for 3m then stale",
            "zk_up m2 1 for 3m then stale",
            "zk_up m3 1 for 3m then stale",
        ])
        .quiet(Critical, "another exporter watches it still", &[
            "up x 1 for 3m then 0",
            "up x@2 1",
            "zk_up m1 1 for 3m then stale",
            "zk_up m2 1 for 3m then stale",
            "zk_up m3 1 for 3m then stale",
            "zk_up m1@2 1",
        ])
        .quiet(Critical, "an exporter that restarts", &["up x 1 for 4m then 0 for 1m then 1"])
        .quiet(Critical, "an ensemble taken out of the configuration", &[
            "zk_up m1 1 for 2m then stale",
            "zk_up m2 1 for 2m then stale",
            "zk_up m3 1 for 2m then stale",
        ]),
        condition(
            "MemberRestarting",
            Unit::Count,
            series("zk_received_bytes_total").resets(Span::hours(1)).of_member().ge(LIMIT),
        )
        .warning(3.0, Span(0), "A ZooKeeper member restarts again and again.")
        .source("three restarts within an hour are no maintenance; a counter that survives elections falls only when the process ends")
        .says(
            "The process of <who> has restarted <value> times within an hour (limit <limit>).",
            "First read why it ended: journalctl -u zookeeper --since -1h on <host> - look for OutOfMemoryError, No space left, Severe unrecoverable error, and dmesg -T | grep -i oom for the kernel's killer.",
        )
        .means(
            "The process dies, or something restarts it: a supervisor, a failing probe, the kernel's OOM killer.",
            "Each restart is a lost voter for a while, and moves its clients.",
        )
        .so(
            "Find the cause before it takes a second member.",
            "Free the disk, raise the heap or the container's memory limit, loosen a probe that kills a slow start.",
        )
        .fires(Warning, "m1", "four lives in an hour", &[
            "zk_received_bytes_total m1 +600/m for 15m then 0 for 1m then +600/m for 14m then 0 for 1m then +600/m for 14m then 0 for 1m then +600/m",
        ])
        .quiet(Warning, "one restart", &["zk_received_bytes_total m1 +600/m for 30m then 0 for 1m then +600/m"]),
        condition(
            "EnsembleEvenSize",
            Unit::Count,
            series("zk_ensemble_voters").last(MEMORY).of_ensemble().eq(2.0)
                .or(series("zk_ensemble_voters").last(MEMORY).of_ensemble().eq(4.0))
                .or(series("zk_ensemble_voters").last(MEMORY).of_ensemble().eq(6.0)),
        )
        .warning(None, Span::hours(1), "A ZooKeeper ensemble has an even number of voters.")
        .off()
        .source("an even number adds a member that can fail and no failure that can be borne (ZooKeeper's administrator's guide); off, since nothing is wrong tonight")
        .says(
            "ensemble <ensemble> has <value> voters: it bears no more failures than with one less.",
            "First see the configured voters: <ask-all conf> | grep -E '==|^server'",
        )
        .means("The number of voters is even.", "One more machine that can fail, without a failure more that can be borne.")
        .so(
            "Add a voter or make one an observer at the next occasion.",
            "reconfig -add or -remove (3.5 and later), or the server lines of all members and a rolling restart.",
        )
        .fires(Warning, "e", "two voters", &["zk_ensemble_voters e 2"])
        .fires(Warning, "e", "four voters", &["zk_ensemble_voters e 4"])
        .fires(Warning, "e", "six voters", &["zk_ensemble_voters e 6"])
        .quiet(Warning, "seven voters", &["zk_ensemble_voters e 7"]),
    ]
}

//! Members that do not answer or do not serve.

use super::super::build::{LIMIT, series};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Selector, Span};
use super::super::trouble::{CHANGES, CHANGES_WINDOW};
use super::super::watch::{OBSERVER, SERVING};

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Availability, unit, expr)
}

/// Members that give no answer to any exporter.
fn silent() -> Expr {
    Expr::trouble(Selector { name: "zk_up", labels: Vec::new() }, 0.0, Keys::Member, None)
}

/// Members that do not serve now, or did not for most of the time.
fn not_serving() -> Expr {
    Expr::trouble(Selector { name: "zk_serving", labels: Vec::new() }, 0.0, Keys::Member, Some(SERVING))
}

fn state(name: &'static str) -> Expr {
    let flag = Selector { name: "zk_server_state", labels: vec![("state", name)] };
    Expr::trouble(flag, 1.0, Keys::Member, None)
}

fn observer() -> Expr {
    series(OBSERVER).eq(1.0)
}

pub(super) fn conditions() -> Vec<Condition> {
    // The newest answer where a scrape takes longer than that.
    let members = || Expr::newest("zk_ensemble_members", Agg::Max, Keys::Ensemble);
    let answered = series("zk_up").max(Span::minutes(2)).or(series("zk_up")).of_member().eq(1.0);
    // Or answers now and then, whether it serves or not: a dead member does not.
    let comes_and_goes = series("zk_up").changes(CHANGES_WINDOW).and(series("zk_up")).of_member().ge(CHANGES);
    let answered = answered.or(comes_and_goes);
    vec![
        condition(
            "MemberDown",
            Unit::State,
            silent().unless_on(Keys::Member, observer()).or_held("ZooKeeperMemberDown", Keys::Member, "zk_up"),
        )
        .critical(None, Span::minutes(2), "A ZooKeeper member does not answer.")
        .source("2 minutes outlast the restart of one member; the rules of ZooKeeper's documentation wait 1, etcd's 20")
        .says(
            "<who> has given the exporter no answer for over <for> (reason: <reasons>seen by the exporter).",
            "First ask it yourself: <info> - if it answers you, look at the exporter's network; else, on its host: systemctl status zookeeper; journalctl -u zookeeper -n 50 - and start it if it is dead. With the reason timeout it runs: it loads its data (wait), hangs or is overloaded. Do not restart another member meanwhile.",
        )
        .means(
            "The process is dead, hung or unreachable, or another program listens on its port.",
            "Its clients moved to other members; an ensemble of 2n+1 voters stops when n+1 are lost.",
        )
        .so(
            "Stop all maintenance on this ensemble and bring the member back now.",
            "Start the process; free the disk if it is full; rebuild a damaged member from the leader.",
        )
        .fires(Critical, "m1", "a member that gives no answer", &["zk_up m1 1 for 2m then 0"])
        .fires(Critical, "m1", "it was down before its exporter went: a gap is no recovery", &[
            "zk_up m1 0 for 4m then stale",
            "zk_up m2 1 for 4m then stale",
            "zk_up m3 1 for 4m then stale",
            "up x 1 for 4m then 0",
        ])
        .fires(Critical, "m1", "half a minute without a page while it was pending", &[
            "zk_up m1 1 for 14m then 0 for 1m then stale for 30s then 0",
            "zk_up m2 1 for 15m then stale for 30s then 1",
            "zk_up m3 1 for 15m then stale for 30s then 1",
            "up x 1 for 15m then 0 for 30s then 1",
        ])
        .fires(Critical, "m1", "the exporter was at its limit for half a minute while it was pending", &[
            "zk_up m1 1 for 14m then 0 for 1m then stale for 30s then 0",
            "zk_scrape_failure{command=\"srvr\",reason=\"limit\"} m1 absent for 15m then 1 for 30s then stale",
        ])
        .fires(Critical, "m1", "it was down before the exporter reached its own limit", &[
            "zk_up m1 0 for 4m then stale",
            "zk_scrape_failure{command=\"srvr\",reason=\"limit\"} m1 absent for 4m then 1",
        ])
        .fires(Critical, "m1", "the exporter that saw it well is gone", &[
            "zk_up m1 1 for 2m then stale",
            "up x 1 for 2m then 0",
            "zk_up m1@2 1 for 2m then 0",
            "up x@2 1",
        ])
        .quiet(Critical, "another exporter reaches it", &["zk_up m1 0", "zk_up m1@2 1", "up x@2 1"])
        .quiet(Critical, "a restart of one minute", &["zk_up m1 1 for 4m then 0 for 1m then 1"])
        .quiet(Critical, "a restart that the exporter went away in", &[
            "zk_up m1 1 for 4m then 0 for 15s then stale",
            "zk_up m2 1 for 4m then 1 for 15s then stale",
            "zk_up m3 1 for 4m then 1 for 15s then stale",
            "up x 1 for 4m then 0",
        ])
        .quiet(Critical, "a restart in which the exporter reached its own limit", &[
            "zk_up m1 1 for 4m then 0 for 15s then stale",
            "zk_scrape_failure{command=\"srvr\",reason=\"limit\"} m1 absent for 4m then absent for 15s then 1",
        ])
        .quiet(Critical, "a member taken out of the configuration", &["zk_up m1 0 for 4m then stale"])
        .quiet(Critical, "its ensemble taken out of the configuration", &[
            "zk_up m1 0 for 4m then stale",
            "zk_up m2 1 for 4m then stale",
            "zk_up m3 1 for 4m then stale",
            "zk_ensemble_members e 3 for 4m then stale",
        ])
        .quiet(Critical, "it answers again, while one command reached a limit of the exporter", &[
            "zk_up m1 0 for 4m then 1",
            "zk_scrape_failure{command=\"mntr\",reason=\"limit\"} m1 absent for 4m then 1",
        ])
        .quiet(Critical, "only the exporter that does not reach it is left", &[
            "up x 1",
            "zk_up m1 0",
            "up x@2 1 for 12m then 0",
            "zk_up m1@2 1 for 12m then stale",
            "zk_up m2@2 1 for 12m then stale",
            "zk_up m3@2 1 for 12m then stale",
        ])
        .quiet(Critical, "a member that a new exporter no longer has", &[
            "zk_up m1 0 for 4m then stale",
            "zk_up m2 1 for 4m then stale",
            "zk_up m3 1 for 4m then stale",
            "up x 1 for 4m then stale",
            "zk_up m2@2 absent for 4m then 1",
            "up x@2 absent for 4m then 1",
        ])
        .quiet(Critical, "an observer is a warning", &[
            "zk_up m3 1 for 2m then 0",
            "zk_serving m3 1 for 2m then 0",
            "zk_server_state{state=\"observer\"} m3 1 for 2m then 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ]),
        condition(
            "MemberNotServing",
            Unit::State,
            not_serving()
                .and(answered)
                .unless_on(Keys::Member, series("zk_ensemble_leader_info"))
                .unless_on(Keys::Member, observer())
                .or_held("ZooKeeperMemberNotServing", Keys::Member, "zk_serving"),
        )
        .critical(None, Span::minutes(2), "A ZooKeeper member does not serve clients.")
        .source("an election takes seconds; 2 minutes let a restarted member load and sync. Or 4 of 10 minutes in pieces, so that a crash loop counts")
        .says(
            "<who> has not served clients for over <for>, or comes and goes: it finds no leader, cannot sync with the one there is, or starts and dies again.",
            "First see whether it is alone with that: <info> - if the others serve, read the end of its log and check that its host reaches their ports 2888 and 3888, then restart this member alone: it has no part in the margin now; if none serves, treat it as ZooKeeperQuorumLost.",
        )
        .means(
            "The member has no part in a quorum, or not for long: it looks for a leader, loads, cannot sync, or restarts again and again.",
            "It counts as lost for the quorum, and its clients have gone elsewhere.",
        )
        .so(
            "Treat it as a lost member: no maintenance until it serves.",
            "Repair the network between the quorum ports; raise initLimit where the sync does not end in time; correct zoo.cfg and myid; free a full disk.",
        )
        .fires(Critical, "m2", "it says that it does not serve", &["zk_serving m2 1 for 2m then 0"])
        .fires(Critical, "m2", "30 s dead, 45 s looking for a leader, and again", &[
            "zk_serving m2 1 for 13m then 0",
            "zk_up m2 1 for 13m then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1",
        ])
        .fires(Critical, "m2", "one scrape of six is answered, and served", &[
            "zk_serving m2 1 for 13m then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1",
            "zk_up m2 1 for 13m then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1",
        ])
        .fires(Critical, "m2", "it did not serve before the exporter went", &[
            "zk_serving m2 1 for 18m then 0 for 4m then stale",
            "zk_up m1 1 for 22m then stale",
            "zk_up m2 1 for 22m then stale",
            "zk_up m3 1 for 22m then stale",
            "up x 1 for 22m then 0",
        ])
        .quiet(Critical, "an election", &["zk_serving m2 1 for 22m then 0 for 1m then 1"])
        .quiet(Critical, "it serves again after ten minutes", &["zk_serving m2 1 for 13m then 0 for 10m then 1"])
        .quiet(Critical, "two restarts of a minute", &[
            "zk_serving m2 1 for 20m then 0 for 1m then 1 for 2m then 0 for 1m then 1",
        ])
        .quiet(Critical, "a dead member is another alarm", &["zk_serving m2 1 for 20m then 0", "zk_up m2 1 for 20m then 0"])
        .quiet(Critical, "a leader that does not serve clients", &[
            "zk_serving m1 0",
            "zk_ensemble_leader_info m1 1",
        ])
        .quiet(Critical, "an observer is a warning", &[
            "zk_serving m3 1 for 2m then 0",
            "zk_server_state{state=\"observer\"} m3 1 for 2m then 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ]),
        condition(
            "ObserverDown",
            Unit::State,
            not_serving()
                .and_on(Keys::Member, observer())
                .or_held("ZooKeeperObserverDown", Keys::Member, "zk_serving"),
        )
        .warning(None, Span::minutes(5), "A ZooKeeper observer does not serve clients.")
        .source("an observer has no vote: the quorum does not need it, its clients have other members")
        .says(
            "the observer <who> has not served clients for over <for>, or comes and goes.",
            "First see its state: <info> - then the end of its log: journalctl -u zookeeper -n 50 on <host>",
        )
        .means(
            "The process is dead or unreachable, or finds no leader to learn from.",
            "Its clients moved to other members; the quorum is as before.",
        )
        .so("None tonight, if the other members bear its clients.", "As for a member that is down or does not serve.")
        .fires(Warning, "m3", "a dead observer", &[
            "zk_serving m3 1 for 5m then 0",
            "zk_server_state{state=\"observer\"} m3 1 for 5m then 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ])
        .fires(Warning, "m3", "it was dead before the exporter went", &[
            "zk_serving m3 1 for 2m then 0 for 10m then stale",
            "zk_server_state{state=\"observer\"} m3 1 for 2m then 0 for 10m then stale",
            "zk_server_state{state=\"follower\"} m3 0",
            "zk_up m1 1 for 12m then stale",
            "zk_up m2 1 for 12m then stale",
            "zk_up m3 1 for 2m then 0 for 10m then stale",
            "up x 1 for 12m then 0",
        ])
        .quiet(Warning, "a voter", &["zk_serving m3 1 for 5m then 0"])
        .quiet(Warning, "a restart", &[
            "zk_serving m3 1 for 10m then 0 for 1m then 1",
            "zk_server_state{state=\"observer\"} m3 1 for 10m then 0 for 1m then 1",
            "zk_server_state{state=\"follower\"} m3 0",
        ])
        .quiet(Warning, "an observer that became a voter and died", &[
            "zk_serving m3 1 for 7m then 0",
            "zk_server_state{state=\"observer\"} m3 1 for 4m then 0",
            "zk_server_state{state=\"follower\"} m3 0 for 4m then 1 for 3m then 0",
        ]),
        condition(
            "MemberReadOnly",
            Unit::State,
            state("read-only").or_held("ZooKeeperMemberReadOnly", Keys::Member, "zk_server_state"),
        )
            .critical(None, Span::minutes(1), "A ZooKeeper member is cut off from the quorum and serves only reads.")
            .source("HariSekhon's check_zookeeper: isro other than rw is critical; 1 minute outlasts an election")
            .says(
                "<who> has been read-only for over <for>: it does not reach a majority of the voters, and what it serves may be old.",
                "First see what the others say: <info> - then check the network from <host> to their quorum and election ports: nc -vz OTHER 2888; nc -vz OTHER 3888",
            )
            .means(
                "readonlymode.enabled is set and the member is partitioned from the majority.",
                "Clients that accept read-only sessions read old data from it; all others have left it.",
            )
            .so(
                "Treat it as a lost voter, and its answers as stale.",
                "Repair the network or bring the other voters back; it joins without a restart.",
            )
            .fires(Critical, "m3", "a minority that serves reads", &["zk_server_state{state=\"read-only\"} m3 1"])
            .fires(Critical, "m3", "it was read-only before the exporter went", &[
                "zk_server_state{state=\"read-only\"} m3 1 for 4m then stale",
                "zk_up m1 1 for 4m then stale",
                "zk_up m2 1 for 4m then stale",
                "zk_up m3 1 for 4m then stale",
                "up x 1 for 4m then 0",
            ])
            .quiet(Critical, "half a minute of it", &[
                "zk_server_state{state=\"read-only\"} m3 0 for 5m then 1 for 30s then 0",
            ]),
        condition(
            "StandaloneInEnsemble",
            Unit::State,
            state("standalone")
                .and(members().gt(1.0))
                // One server under two addresses is alone, and meant to be.
                .unless((members() - Expr::newest("zk_ensemble_duplicate_members", Agg::Max, Keys::Ensemble)).le(1.0))
                .or_held("ZooKeeperStandaloneInEnsemble", Keys::Member, "zk_server_state"),
        )
        .critical(None, Span::minutes(2), "A member of a ZooKeeper ensemble runs alone, with data of its own.")
        .source("HariSekhon's check_zookeeper: standalone in an ensemble is critical: a split brain in waiting")
        .says(
            "<who> runs as a standalone server, but the ensemble has several members: clients that reach it read and write data that no other member has.",
            "First make sure of it: <info> - then stop it, so that no more writes go astray: systemctl stop zookeeper on <host> - and compare its zoo.cfg: it has no server.N lines, or only its own.",
        )
        .means(
            "It was started without the server.N lines of the ensemble, or it is another server under this address.",
            "What clients write there is not in the ensemble: locks are held twice, registrations are not seen.",
        )
        .so(
            "Stop it at once; what was written to it has to be looked through by hand.",
            "Correct its zoo.cfg and myid, move its version-2 aside, start it: it copies everything from the leader.",
        )
        .fires(Critical, "m3", "a standalone server among three", &["zk_server_state{state=\"standalone\"} m3 1"])
        .fires(Critical, "m3", "it ran alone before the exporter went", &[
            "zk_server_state{state=\"standalone\"} m3 1 for 4m then stale",
            "zk_up m1 1 for 4m then stale",
            "zk_up m2 1 for 4m then stale",
            "zk_up m3 1 for 4m then stale",
            "up x 1 for 4m then 0",
        ])
        .quiet(Critical, "a standalone server that is meant to be one", &[
            "zk_server_state{state=\"standalone\"} m3 1",
            "zk_ensemble_members e 1",
        ])
        .quiet(Critical, "one standalone server under two addresses", &[
            "zk_server_state{state=\"standalone\"} m3 1",
            "zk_ensemble_members e 2",
            "zk_ensemble_duplicate_members e 1",
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
    ]
}

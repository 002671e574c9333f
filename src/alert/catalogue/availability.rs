//! Members that do not answer or do not serve.

use super::super::build::{LIMIT, series};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Selector, Span};
use super::super::trouble::{CHANGES, CHANGES_WINDOW, GOOD_SHARE, WINDOW, flapping};
use super::super::watch::{OBSERVER, SERVING};

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Availability, unit, expr)
}

/// Members that answer no exporter.
fn silent() -> Expr {
    Expr::trouble(Selector { name: "zk_up", labels: Vec::new() }, 0.0, Keys::Member, None)
}

/// Members that do not serve now, or have not served for most of the window.
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
    // The newest sample: during a slow scrape there may be no current one.
    let members = || Expr::newest("zk_ensemble_members", Agg::Max, Keys::Ensemble);
    let answered = series("zk_up").max(Span::minutes(2)).or(series("zk_up")).of_member().eq(1.0);
    // Also a member that answers intermittently, serving or not; a dead member never answers.
    let comes_and_goes = || series("zk_up").changes(CHANGES_WINDOW).and(series("zk_up")).of_member().ge(CHANGES);
    let answered = answered.or(comes_and_goes());
    // A leader may serve no clients (`leaderServes=no`); one that answers intermittently has a fault in both cases.
    let rarely_answers = series("zk_up").avg(WINDOW).and(series("zk_up")).of_member().lt(GOOD_SHARE);
    let leader_comes_and_goes =
        flapping(|| series(SERVING)).by(Agg::Max, Keys::Member).and(comes_and_goes()).and(rarely_answers);
    vec![
        condition(
            "MemberDown",
            Unit::State,
            silent().unless_on(Keys::Member, observer()).or_held_until_good("ZooKeeperMemberDown", Keys::Member, "zk_up"),
        )
        .critical(None, Span::minutes(2), "A ZooKeeper member does not answer.")
        .keeps(Span::minutes(3), "a member that restarts repeatedly alternates between down and not serving, and remains one page")
        .source("2 minutes are longer than the restart of one member; the rules in ZooKeeper's documentation wait 1, etcd's 20")
        .says(
            "<who> has given the exporter no answer for over <for> (reason: <reasons>seen by the exporter).",
            "First query it yourself: <info> - if it answers, check the exporter's network; otherwise, on its host: systemctl status zookeeper; journalctl -u zookeeper -n 50 - and start it if it is dead. With the reason timeout the process is running: it is loading its data (wait), hung or overloaded; with empty or reset it closes connections: check maxClientCnxns. Do not restart another member meanwhile.",
        )
        .means(
            "The process is dead, hung or unreachable, or another program listens on its port.",
            "Its clients have moved to other members. An ensemble of 2n+1 voters stops when n+1 are lost.",
        )
        .so(
            "Stop all maintenance on this ensemble and bring the member back now.",
            "Start the process; free the disk if it is full; rebuild a damaged member from the leader.",
        )
        .fires(Critical, "m1", "the member does not answer", &["zk_up m1 1 for 2m then 0"])
        .fires(Critical, "m1", "down before the exporter stopped: missing samples are not a recovery", &[
            "zk_up m1 0 for 4m then stale",
            "zk_up m2 1 for 4m then stale",
            "zk_up m3 1 for 4m then stale",
            "up x 1 for 4m then 0",
        ])
        .fires(Critical, "m1", "half a minute without a page while the alert was pending", &[
            "zk_up m1 1 for 14m then 0 for 1m then stale for 30s then 0",
            "zk_up m2 1 for 15m then stale for 30s then 1",
            "zk_up m3 1 for 15m then stale for 30s then 1",
            "up x 1 for 15m then 0 for 30s then 1",
        ])
        .fires(Critical, "m1", "the exporter was at its limit for half a minute while the alert was pending", &[
            "zk_up m1 1 for 14m then 0 for 1m then stale for 30s then 0",
            "zk_scrape_failure{command=\"srvr\",reason=\"limit\"} m1 absent for 15m then 1 for 30s then stale",
        ])
        .fires(Critical, "m1", "down before the exporter reached its own limit", &[
            "zk_up m1 0 for 4m then stale",
            "zk_scrape_failure{command=\"srvr\",reason=\"limit\"} m1 absent for 4m then 1",
        ])
        .fires(Critical, "m1", "the exporter that reached it is gone", &[
            "zk_up m1 1 for 2m then stale",
            "up x 1 for 2m then 0",
            "zk_up m1@2 1 for 2m then 0",
            "up x@2 1",
        ])
        .fires(Critical, "m1", "it was down before the only exporter that reached it stopped", &[
            "up x 1",
            "zk_up m1 0",
            "zk_up m1@2 1 for 630s then 0 for 150s then stale",
            "up x@2 1 for 13m then 0",
        ])
        .fires(Critical, "m1", "the only exporter that reaches it was away for half a minute while it was pending", &[
            "up x 1",
            "zk_up m1 0",
            "zk_up m1@2 1 for 14m then 0 for 1m then stale for 30s then 0",
            "up x@2 1 for 15m then 0 for 30s then 1",
        ])
        .quiet(Critical, "it answers again, and a scrape is lost every two minutes", &[
            "zk_up m1 0 for 4m then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1",
            "zk_up m2 1 for 4m then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1",
            "zk_up m3 1 for 4m then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1",
            "up x 1 for 4m then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1",
        ])
        .quiet(Critical, "it is back, and the exporter that saw it down was replaced", &[
            "zk_up m1 1 for 2m then 0 for 7m then stale",
            "zk_up m2 1 for 9m then stale",
            "zk_up m3 1 for 9m then stale",
            "up x 1 for 9m then stale",
            "zk_up m1@2 absent for 9m then 0 for 1m then 1",
            "zk_up m2@2 absent for 9m then 1",
            "zk_up m3@2 absent for 9m then 1",
            "up x@2 absent for 9m then 1",
        ])
        .quiet(Critical, "another exporter reaches it", &["zk_up m1 0", "zk_up m1@2 1", "up x@2 1"])
        .quiet(Critical, "a restart of one minute", &["zk_up m1 1 for 4m then 0 for 1m then 1"])
        .quiet(Critical, "the exporter stopped during a restart", &[
            "zk_up m1 1 for 4m then 0 for 15s then stale",
            "zk_up m2 1 for 4m then 1 for 15s then stale",
            "zk_up m3 1 for 4m then 1 for 15s then stale",
            "up x 1 for 4m then 0",
        ])
        .quiet(Critical, "the exporter reached its own limit during a restart", &[
            "zk_up m1 1 for 4m then 0 for 15s then stale",
            "zk_scrape_failure{command=\"srvr\",reason=\"limit\"} m1 absent for 4m then absent for 15s then 1",
        ])
        .quiet(Critical, "a member removed from the configuration", &["zk_up m1 0 for 4m then stale"])
        .quiet(Critical, "its ensemble removed from the configuration", &[
            "zk_up m1 0 for 4m then stale",
            "zk_up m2 1 for 4m then stale",
            "zk_up m3 1 for 4m then stale",
            "zk_ensemble_members e 3 for 4m then stale",
        ])
        .quiet(Critical, "it answers again, while one command reached a limit of the exporter", &[
            "zk_up m1 0 for 4m then 1",
            "zk_scrape_failure{command=\"mntr\",reason=\"limit\"} m1 absent for 4m then 1",
        ])
        .quiet(Critical, "only the exporter that does not reach it remains", &[
            "up x 1",
            "zk_up m1 0",
            "up x@2 1 for 12m then 0",
            "zk_up m1@2 1 for 12m then stale",
            "zk_up m2@2 1 for 12m then stale",
            "zk_up m3@2 1 for 12m then stale",
        ])
        .quiet(Critical, "a member that is not configured in a new exporter", &[
            "zk_up m1 0 for 4m then stale",
            "zk_up m2 1 for 4m then stale",
            "zk_up m3 1 for 4m then stale",
            "up x 1 for 4m then stale",
            "zk_up m2@2 absent for 4m then 1",
            "up x@2 absent for 4m then 1",
        ])
        .quiet(Critical, "a member without a vote that never answered is a warning", &[
            "zk_up m3 0",
            "zk_serving m3 0",
            "zk_member_voter m3 0",
        ])
        .fires(Critical, "m3", "an observer that became a voter while it was down", &[
            "zk_up m3 0",
            "zk_serving m3 0",
            "zk_member_voter m3 0 for 2m then 1",
        ])
        .fires(Critical, "m3", "two exporters differ on its vote", &[
            "zk_up m3 0",
            "zk_serving m3 0",
            "zk_member_voter m3 0",
            "zk_member_voter m3@2 1",
            "up x@2 1",
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
                .or(leader_comes_and_goes)
                .unless_on(Keys::Member, observer())
                .or_held_until_good("ZooKeeperMemberNotServing", Keys::Member, "zk_serving"),
        )
        .critical(None, Span::minutes(2), "A ZooKeeper member does not serve clients.")
        .keeps(Span::minutes(3), "a member that restarts repeatedly alternates between down and not serving, and remains one page")
        .source("an election takes seconds; within 2 minutes a restarted member loads and syncs. Also more than 4 of 10 minutes in total, so that a crash loop counts")
        .says(
            "<who> has not served clients for over <for>, or serves intermittently, as seen by the exporter: it finds no leader, cannot sync with the leader, starts and dies repeatedly, or its replies are lost.",
            "First check whether only this member is affected: <info> - if the others serve, read the end of its log and check that its host reaches their ports 2888 and 3888, then restart this member only if it does not serve now: it does not count towards the margin then; if it serves, check the network between it and the exporter; if none serves, treat it as ZooKeeperQuorumLost.",
        )
        .means(
            "The member is not part of a quorum, or only briefly: it is looking for a leader, loading, unable to sync, or restarting repeatedly.",
            "It counts as lost for the quorum, and its clients have moved to other members.",
        )
        .so(
            "Treat it as a lost member: no maintenance until it serves.",
            "Repair the network between the quorum ports; raise initLimit if the sync does not finish in time; correct zoo.cfg and myid; free a full disk.",
        )
        .fires(Critical, "m2", "it reports that it does not serve", &["zk_serving m2 1 for 2m then 0"])
        .quiet(Critical, "restarted with a whitelist that refuses every command", &[
            "zk_serving m2 1 for 2m then 0 for 8m then stale for 30m",
        ])
        .fires(Critical, "m2", "30 s dead, 45 s looking for a leader, repeatedly", &[
            "zk_serving m2 1 for 13m then 0",
            "zk_up m2 1 for 13m then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1",
        ])
        .fires(Critical, "m2", "it answers and serves in one scrape of six", &[
            "zk_serving m2 1 for 13m then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1",
            "zk_up m2 1 for 13m then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1",
        ])
        .fires(Critical, "m1", "the leader answers in one scrape of six", &[
            "zk_serving m1 1 for 13m then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1",
            "zk_up m1 1 for 13m then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1",
            "zk_ensemble_leader_info m1 1",
        ])
        .quiet(Critical, "a leader that serves no clients leads again and again", &[
            "zk_serving m1 1 for 13m then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1",
            "zk_ensemble_leader_info m1 1",
        ])
        .quiet(Critical, "a leader that serves no clients, some of whose replies are lost", &[
            "zk_serving m1 0",
            "zk_up m1 1 for 13m then 0 for 15s then 1 for 1m then 0 for 15s then 1 for 1m then 0 for 15s then 1 for 1m then 0 for 15s then 1 for 1m then 1",
            "zk_ensemble_leader_info m1 1",
        ])
        .quiet(Critical, "a leader that serves no clients, elected after its restart and a lost reply", &[
            "zk_serving m1 1 for 5m then 0 for 30s then 1 for 30s then 0 for 15s then 1 for 2m then 0",
            "zk_up m1 1 for 5m then 0 for 30s then 1 for 30s then 0 for 15s then 1",
            "zk_ensemble_leader_info m1 1",
        ])
        .quiet(Critical, "it came and went, and refuses every command since", &[
            "zk_serving m2 1 for 13m then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then stale",
            "zk_up m2 1 for 13m then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 0 for 75s then 1 for 15s then 1",
        ])
        .fires(Critical, "m2", "it did not serve before the exporter stopped", &[
            "zk_serving m2 1 for 18m then 0 for 4m then stale",
            "zk_up m1 1 for 22m then stale",
            "zk_up m2 1 for 22m then stale",
            "zk_up m3 1 for 22m then stale",
            "up x 1 for 22m then 0",
        ])
        .quiet(Critical, "it serves again, and the exporter that saw it fail was replaced", &[
            "zk_serving m2 1 for 10m then 0 for 9m then stale",
            "zk_up m1 1 for 19m then stale",
            "zk_up m2 1 for 19m then stale",
            "zk_up m3 1 for 19m then stale",
            "up x 1 for 19m then stale",
            "zk_up m1@2 absent for 19m then 1",
            "zk_up m2@2 absent for 19m then 1",
            "zk_up m3@2 absent for 19m then 1",
            "zk_serving m2@2 absent for 19m then 0 for 1m then 1",
            "up x@2 absent for 19m then 1",
        ])
        .quiet(Critical, "an election", &["zk_serving m2 1 for 22m then 0 for 1m then 1"])
        .quiet(Critical, "it serves again, and a scrape is lost every two minutes", &[
            "zk_serving m2 0 for 4m then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1",
            "zk_up m1 1 for 4m then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1",
            "zk_up m2 1 for 4m then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1",
            "zk_up m3 1 for 4m then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1",
            "up x 1 for 4m then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1",
        ])
        .quiet(Critical, "it serves again after ten minutes", &["zk_serving m2 1 for 13m then 0 for 10m then 1"])
        .quiet(Critical, "two restarts of a minute", &[
            "zk_serving m2 1 for 20m then 0 for 1m then 1 for 2m then 0 for 1m then 1",
        ])
        .quiet(Critical, "a dead member has its own alert", &["zk_serving m2 1 for 20m then 0", "zk_up m2 1 for 20m then 0"])
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
        .source("an observer has no vote: the quorum does not need it, and its clients have other members")
        .says(
            "<who>, which has no vote, has not served clients for over <for>, or serves intermittently.",
            "First check its state: <info> - then the end of its log: journalctl -u zookeeper -n 50 on <host>",
        )
        .means(
            "The process is dead or unreachable, or finds no leader to sync with.",
            "Its clients have moved to other members; the quorum is not affected.",
        )
        .so("None now, if the other members can carry its clients.", "As for a member that is down or does not serve.")
        .fires(Warning, "m3", "a dead observer", &[
            "zk_serving m3 1 for 5m then 0",
            "zk_server_state{state=\"observer\"} m3 1 for 5m then 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ])
        .fires(Warning, "m3", "a dead member without a vote that never answered", &[
            "zk_up m3 0",
            "zk_serving m3 0",
            "zk_member_voter m3 0",
        ])
        .fires(Warning, "m3", "its vote is unknown for a while", &[
            "zk_up m3 0",
            "zk_serving m3 0",
            "zk_member_voter m3 0 for 2m then stale",
        ])
        .quiet(Warning, "an observer that became a voter while it was down", &[
            "zk_up m3 0",
            "zk_serving m3 0",
            "zk_member_voter m3 0 for 2m then 1",
        ])
        .fires(Warning, "m3", "dead before the exporter stopped", &[
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
            .source("HariSekhon's check_zookeeper: isro other than rw is critical; 1 minute is longer than an election")
            .says(
                "<who> has been read-only for over <for>: it does not reach a majority of the voters, and the data it serves may be stale.",
                "First compare it with the other members: <info> - then check the network from <host> to their quorum and election ports: nc -vz OTHER 2888; nc -vz OTHER 3888",
            )
            .means(
                "readonlymode.enabled is set and the member is partitioned from the majority.",
                "Clients that accept read-only sessions read stale data from it; all others have left it.",
            )
            .so(
                "Treat it as a lost voter, and its data as stale.",
                "Repair the network or bring the other voters back; it rejoins without a restart.",
            )
            .fires(Critical, "m3", "a minority that serves reads", &["zk_server_state{state=\"read-only\"} m3 1"])
            .fires(Critical, "m3", "read-only before the exporter stopped", &[
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
                // One standalone server listed under two addresses is intended, not a fault.
                .unless((members() - Expr::newest("zk_ensemble_duplicate_members", Agg::Max, Keys::Ensemble)).le(1.0))
                .or_held("ZooKeeperStandaloneInEnsemble", Keys::Member, "zk_server_state"),
        )
        .critical(None, Span::minutes(2), "A member of a ZooKeeper ensemble runs standalone, with its own data.")
        .source("HariSekhon's check_zookeeper: standalone in an ensemble is critical: a potential split brain")
        .says(
            "<who> runs as a standalone server, but the ensemble has several members: clients that reach it read and write data that no other member has.",
            "First confirm it: <info> - then stop it, so that it accepts no more writes: systemctl stop zookeeper on <host> - and compare its zoo.cfg: it has no server.N lines, or only its own.",
        )
        .means(
            "It was started without the server.N lines of the ensemble, or it is another server under this address.",
            "Data that clients write there is not in the ensemble: locks are held twice, registrations are not seen.",
        )
        .so(
            "Stop it at once; data written to it must be reviewed by hand.",
            "Correct its zoo.cfg and myid, move its version-2 aside, and start it: it copies all data from the leader.",
        )
        .fires(Critical, "m3", "a standalone server among three members", &["zk_server_state{state=\"standalone\"} m3 1"])
        .fires(Critical, "m3", "standalone before the exporter stopped", &[
            "zk_server_state{state=\"standalone\"} m3 1 for 4m then stale",
            "zk_up m1 1 for 4m then stale",
            "zk_up m2 1 for 4m then stale",
            "zk_up m3 1 for 4m then stale",
            "up x 1 for 4m then 0",
        ])
        .quiet(Critical, "an intended standalone server", &[
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
            // The command srst resets all counters but not the uptime, an election resets the uptime but no counter.
            series("zk_received_bytes_total")
                .resets(Span::hours(1))
                .of_member()
                .ge(LIMIT)
                .and(series("zk_uptime_seconds").resets(Span::hours(1)).of_member().ge(LIMIT)),
        )
        .warning(3.0, Span(0), "A ZooKeeper member restarts repeatedly.")
        .source("three restarts within an hour are not maintenance; only the end of the process resets both a counter that survives elections and the uptime in the current role")
        .says(
            "The process of <who> has restarted <value> times within an hour (limit <limit>).",
            "First find out why it ended: journalctl -u zookeeper --since -1h on <host> - look for OutOfMemoryError, No space left, Severe unrecoverable error, and dmesg -T | grep -i oom for the kernel's OOM killer.",
        )
        .means(
            "The process dies, or something restarts it: a supervisor, a failing probe, the kernel's OOM killer.",
            "During each restart one voter is missing, and its clients move.",
        )
        .so(
            "Find the cause before it affects a second member.",
            "Free the disk, raise the heap or the container's memory limit, relax a probe that kills a slow start.",
        )
        .fires(Warning, "m1", "four starts in an hour", &[
            "zk_received_bytes_total m1 +600/m for 15m then 0 for 1m then +600/m for 14m then 0 for 1m then +600/m for 14m then 0 for 1m then +600/m",
            "zk_uptime_seconds m1 +60/m for 15m then 0 for 1m then +60/m for 14m then 0 for 1m then +60/m for 14m then 0 for 1m then +60/m",
        ])
        .quiet(Warning, "one restart", &[
            "zk_received_bytes_total m1 +600/m for 30m then 0 for 1m then +600/m",
            "zk_uptime_seconds m1 +60/m for 30m then 0 for 1m then +60/m",
        ])
        .quiet(Warning, "another tool resets the counters with srst", &[
            "zk_received_bytes_total m1 +600/m for 15m then 0 for 1m then +600/m for 14m then 0 for 1m then +600/m for 14m then 0 for 1m then +600/m",
            "zk_uptime_seconds m1 +60/m",
        ])
        .quiet(Warning, "elections", &[
            "zk_received_bytes_total m1 +600/m",
            "zk_uptime_seconds m1 +60/m for 15m then 0 for 1m then +60/m for 14m then 0 for 1m then +60/m for 14m then 0 for 1m then +60/m",
        ]),
    ]
}

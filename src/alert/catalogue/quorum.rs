//! The quorum and its leader.

use super::super::build::{LIMIT, series, series_with};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Selector, Span};
use super::super::trouble::{GOOD_SHARE, Held, WINDOW, blind_for, flapping};
use super::super::watch::HAS_QUORUM;

fn of(name: &'static str) -> Selector {
    Selector { name, labels: Vec::new() }
}

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Availability, unit, expr)
}

/// No leader with a majority in sync answers now, or none did for most of the window.
fn no_quorum() -> Expr {
    Expr::trouble(of("zk_ensemble_has_quorum"), 0.0, Keys::Ensemble, Some(HAS_QUORUM))
}

/// Some member followed a leader throughout the window. Only members that are still on a page, and that replied for most
/// of the window: a follower that pauses has no samples of the time in which it did not follow. Unknown while another
/// ensemble is in the same list, whose followers are not those of this one.
fn followed(window: Span) -> Expr {
    let following = || series_with("zk_server_state", "state", "follower|observer");
    let replied = series("zk_up").avg(window).gt(GOOD_SHARE);
    following()
        .min(window)
        .and(following())
        .and_on(Keys::MemberOfTarget, replied)
        .of_ensemble()
        .eq(1.0)
        .unless(foreign())
}

/// Members of another ensemble are in the list.
pub(super) fn foreign() -> Expr {
    Expr::newest("zk_ensemble_foreign_members", Agg::Max, Keys::Ensemble).gt(0.0)
}

pub(super) fn conditions() -> Vec<Condition> {
    let voters = || Expr::newest("zk_ensemble_voters", Agg::Max, Keys::Ensemble);
    let up = || series("zk_ensemble_members_up");
    let three = Span::minutes(3);
    let answered = up().max(Span::minutes(2)).or(up()).of_ensemble().gt(0.0);
    let answered = answered.or(flapping(|| series(HAS_QUORUM)).by(Agg::Max, Keys::Ensemble));
    // Nearly two intervals of 2 minutes: a restart that one scrape meets leaves the window after half a minute without
    // a better value.
    let recent = Span(210);
    // Without the view of an exporter that misses members and saw nothing else in trouble for as long.
    let best = |name| {
        let seen = series(name).max(recent).and(series(name));
        seen.unless_on(Keys::EnsembleOfTarget, blind_for(recent)).of_ensemble()
    };
    // An exporter that was replaced during a restart of a voter saw the margin before it.
    let margin_before = || series("zk_ensemble_quorum_margin").max(recent).of_ensemble();
    let held_margin = Held {
        alert: "ZooKeeperQuorumMarginZero",
        keys: Keys::Ensemble,
        flag: of("zk_ensemble_quorum_margin"),
        good_above: Some(Box::new(LIMIT)),
    };
    vec![
        condition(
            "QuorumLost",
            Unit::State,
            no_quorum().and(answered).unless(followed(three)).or_held_until_good("ZooKeeperQuorumLost", Keys::Ensemble, "zk_ensemble_has_quorum"),
        )
        .critical(None, Span::minutes(2), "A ZooKeeper ensemble has no quorum.")
        .keeps(Span::minutes(3), "a quorum that returns for one scrape may be lost again at once")
        .source("etcd waits 3 minutes for the same; ZooKeeper refuses every write at once, so 2 minutes. Also more than 4 of 10 or 6 of 30 minutes in total, so that an intermittent loss of the quorum counts")
        .says(
            "no majority of ensemble <ensemble> has answered the exporter for over <for>, or only intermittently: either the quorum is lost, or the exporter cannot reach enough members. Without a majority no write succeeds and most clients cannot connect. Members:<states>",
            "first query all of them, also from a host of the clients: <info> - then bring back any voter that is down; a majority is enough.",
        )
        .means(
            "No leader with a majority of the voters in sync answers the exporter.",
            "If they are down, no write succeeds, and everything that coordinates through this ensemble waits.",
        )
        .so(
            "This is an outage: escalate now. Do not change the server lists under pressure.",
            "Bring back the voters that are easiest to restore; repair the election ports (3888).",
        )
        .fires(Critical, "e", "one of three is left and reports that it does not serve", &[
            "zk_ensemble_has_quorum e 1 for 2m then 0",
            "zk_server_state{state=\"leader\"} m1 0",
            "zk_server_state{state=\"follower\"} m2 1 for 2m then 0",
            "zk_server_state{state=\"follower\"} m3 1 for 2m then 0",
            "zk_ensemble_members_up e 1",
        ])
        .fires(Critical, "e", "lost for 45 s of every minute", &[
            "zk_ensemble_has_quorum e 1 for 15m then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ])
        .fires(Critical, "e", "lost for 45 s of every minute, seven minutes long", &[
            "zk_ensemble_has_quorum e 1 for 18m then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 1",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ])
        .fires(Critical, "e", "lost for a third of every five minutes", &[
            "zk_ensemble_has_quorum e 1 for 6m then 0 for 105s then 1 for 195s then 0 for 105s then 1 for 195s then 0 for 105s then 1 for 195s then 0 for 105s then 1",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ])
        .quiet(Critical, "lost for a third of every five minutes until eight minutes ago", &[
            "zk_ensemble_has_quorum e 1 for 2m then 0 for 105s then 1 for 195s then 0 for 105s then 1 for 195s then 0 for 105s then 1 for 195s then 0 for 105s then 1",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ])
        .fires(Critical, "e", "paused followers answer only while they follow", &[
            "zk_ensemble_has_quorum e 1 for 15m then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1",
            "zk_server_state{state=\"follower\"} m2 1 for 15m then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1",
            "zk_server_state{state=\"follower\"} m3 1 for 15m then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1 for 15s then stale for 45s then 1",
            "zk_up m2 1 for 15m then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1",
            "zk_up m3 1 for 15m then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1",
        ])
        .fires(Critical, "e", "lost before the exporter stopped", &[
            "zk_ensemble_has_quorum e 1 for 18m then 0 for 4m then stale",
            "zk_server_state{state=\"follower\"} m2 0 for 22m then stale",
            "zk_server_state{state=\"follower\"} m3 0 for 22m then stale",
            "zk_ensemble_members_up e 1 for 22m then stale",
            "zk_up m1 1 for 22m then stale",
            "zk_up m2 1 for 22m then stale",
            "zk_up m3 1 for 22m then stale",
            "up x 1 for 22m then 0",
        ])
        .fires(Critical, "e", "half a minute without a page while the alert was pending", &[
            "zk_ensemble_has_quorum e 1 for 24m then 0 for 1m then stale for 30s then 0",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
            "zk_ensemble_members_up e 1 for 25m then stale for 30s then 1",
            "zk_up m1 1 for 25m then stale for 30s then 1",
            "zk_up m2 1 for 25m then stale for 30s then 1",
            "zk_up m3 1 for 25m then stale for 30s then 1",
            "up x 1 for 25m then 0 for 30s then 1",
        ])
        .fires(Critical, "e", "the exporter was at its limit for half a minute while the alert was pending", &[
            "zk_ensemble_has_quorum e 1 for 24m then 0 for 1m then stale for 30s then 0",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
            "zk_scrape_failure{command=\"srvr\",reason=\"limit\"} m1 absent for 25m then 1 for 30s then stale",
        ])
        .fires(Critical, "e", "followers of three minutes ago do not count", &[
            "zk_ensemble_has_quorum e 1 for 23m then 0",
            "zk_server_state{state=\"follower\"} m2 1 for 23m then stale",
            "zk_server_state{state=\"follower\"} m3 1 for 23m then stale",
        ])
        .fires(Critical, "e", "the last samples of an exporter that died at the same time", &[
            "zk_ensemble_has_quorum e 1 for 23m then stale",
            "zk_server_state{state=\"follower\"} m2 1 for 23m then stale",
            "zk_server_state{state=\"follower\"} m3 1 for 23m then stale",
            "up x 1 for 23m then 0",
            "zk_ensemble_has_quorum e@2 1 for 23m then 0",
            "zk_ensemble_members_up e@2 3 for 23m then 1",
            "zk_up m1@2 1",
            "up x@2 1",
        ])
        .quiet(Critical, "it is back, and a scrape is lost every two minutes", &[
            "zk_ensemble_has_quorum e 0 for 4m then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
            "zk_ensemble_members_up e 1 for 4m then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3",
            "zk_up m1 1 for 4m then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1",
            "zk_up m2 1 for 4m then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1",
            "zk_up m3 1 for 4m then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1",
            "up x 1 for 4m then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1",
        ])
        .quiet(Critical, "15 s of every minute", &[
            "zk_ensemble_has_quorum e 1 for 12m then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1 for 45s then 0 for 15s then 1",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ])
        .quiet(Critical, "an election of half a minute", &[
            "zk_ensemble_has_quorum e 1 for 24m then 0 for 30s then 1",
            "zk_server_state{state=\"follower\"} m2 1 for 24m then 0 for 30s then 1",
            "zk_server_state{state=\"follower\"} m3 1 for 24m then 0 for 30s then 1",
        ])
        .quiet(Critical, "the exporter stopped during an election", &[
            "zk_ensemble_has_quorum e 1 for 22m then 0 for 15s then stale",
            "zk_server_state{state=\"follower\"} m2 1 for 22m then 0 for 15s then stale",
            "zk_server_state{state=\"follower\"} m3 1 for 22m then 0 for 15s then stale",
            "zk_up m1 1 for 22m then 1 for 15s then stale",
            "zk_up m2 1 for 22m then 1 for 15s then stale",
            "zk_up m3 1 for 22m then 1 for 15s then stale",
            "up x 1 for 22m then 0",
        ])
        .fires(Critical, "e", "a member could not be queried since", &[
            "zk_ensemble_has_quorum e 1 for 18m then 0 for 4m then stale",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
            "zk_scrape_failure{command=\"srvr\",reason=\"limit\"} m1 absent for 22m then 1",
        ])
        .quiet(Critical, "the quorum is back, while a member could not be queried", &[
            "zk_ensemble_has_quorum e 1 for 18m then 0 for 4m then 1",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
            "zk_scrape_failure{command=\"srvr\",reason=\"limit\"} m1 absent for 22m then 1",
        ])
        .quiet(Critical, "its ensemble was removed from the configuration", &[
            "zk_ensemble_has_quorum e 1 for 18m then 0 for 4m then stale",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
            "zk_ensemble_members e 3 for 22m then stale",
            "zk_up m1 1 for 22m then stale",
            "zk_up m2 1 for 22m then stale",
            "zk_up m3 1 for 22m then stale",
        ])
        .quiet(Critical, "unknown since, with every member queried", &[
            "zk_ensemble_has_quorum e 1 for 18m then 0 for 4m then stale",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ])
        .quiet(Critical, "the quorum is back after ten minutes", &[
            "zk_ensemble_has_quorum e 1 for 13m then 0 for 10m then 1",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ])
        .quiet(Critical, "lost intermittently, and unknown since", &[
            "zk_ensemble_has_quorum e 1 for 15m then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then stale",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ])
        .fires(Critical, "e", "the members that follow belong to another ensemble", &["zk_ensemble_has_quorum e 0", "zk_ensemble_foreign_members e 3"])
        .quiet(Critical, "followers of a silent leader have their own alert", &["zk_ensemble_has_quorum e 0"])
        .quiet(Critical, "no member up has its own alert", &[
            "zk_ensemble_has_quorum e 0",
            "zk_ensemble_members_up e 0",
            "zk_server_state{state=\"leader\"} m1 0",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ]),
        condition(
            "LeaderSilent",
            Unit::State,
            no_quorum()
                .and(followed(three))
                // An intermittent quorum that is back now was not a silent leader, unless some member followed
                // throughout.
                .unless(series(HAS_QUORUM).eq(1.0).unless(followed(WINDOW)))
                .or_held_until_good("ZooKeeperLeaderSilent", Keys::Ensemble, "zk_ensemble_has_quorum"),
        )
        .critical(None, Span::minutes(2), "Followers of a ZooKeeper ensemble have a leader that does not answer.")
        .keeps(Span::minutes(3), "a leader that answers one scrape may hang again at once")
        .source("a paused leader keeps its followers for syncLimit ticks, 10 s by default; 2 minutes are much longer. Also more than 4 of 10 or 6 of 30 minutes in total, so that intermittent hangs count")
        .says(
            "members of ensemble <ensemble> report that they follow, but for over <for> no member has answered as their leader with a majority in sync: either it hangs and no write succeeds, or only the exporter cannot reach it. Members:<states>",
            "first check the roles of all members: <info> - then try a write: zkCli.sh -server MEMBER create /zookeeper-exporter-test x - if it hangs and the followers are a majority without the leader, stop the process of the silent leader (kill -9 is appropriate for a hung JVM); the others then elect a new one.",
        )
        .means(
            "The leader hangs (a long garbage collection, a stopped process, a stuck disk), or it leads and does not answer the exporter.",
            "If it hangs, no write to the ensemble succeeds, although every follower looks healthy.",
        )
        .so(
            "Use a test write to decide whether the leader hangs or only its client port is unreachable.",
            "Stop the hung process; or allow the exporter access to its client port and whitelist the commands.",
        )
        .fires(Critical, "e", "the leader is paused for longer than syncLimit allows", &[
            "zk_ensemble_has_quorum e 1 for 2m then 0",
            "zk_server_state{state=\"leader\"} m1 0",
        ])
        .fires(Critical, "e", "silent before the exporter stopped", &[
            "zk_ensemble_has_quorum e 1 for 8m then 0 for 4m then stale",
            "zk_server_state{state=\"follower\"} m2 1 for 12m then stale",
            "zk_server_state{state=\"follower\"} m3 1 for 12m then stale",
            "zk_up m1 1 for 12m then stale",
            "zk_up m2 1 for 12m then stale",
            "zk_up m3 1 for 12m then stale",
            "up x 1 for 12m then 0",
        ])
        .fires(Critical, "e", "the leader answers a quarter of the time and is followed throughout", &[
            "zk_ensemble_has_quorum e 1 for 5m then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1",
        ])
        .fires(Critical, "e", "the leader hangs for a third of every five minutes and is followed throughout", &[
            "zk_ensemble_has_quorum e 1 for 1m then 0 for 105s then 1 for 195s then 0 for 105s then 1 for 195s then 0 for 105s then 1",
        ])
        .quiet(Critical, "the leader answers again, and a scrape is lost every two minutes", &[
            "zk_ensemble_has_quorum e 0 for 4m then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1",
            "zk_ensemble_members_up e 2 for 4m then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3 for 2m then stale for 15s then 3",
            "zk_up m1 0 for 4m then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1",
            "zk_up m2 1 for 4m then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1",
            "zk_up m3 1 for 4m then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1 for 2m then stale for 15s then 1",
            "up x 1 for 4m then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1 for 2m then 0 for 15s then 1",
        ])
        .quiet(Critical, "a quorum that was lost intermittently until four minutes ago", &[
            "zk_ensemble_has_quorum e 1 for 5m then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 1",
            "zk_server_state{state=\"follower\"} m2 1 for 5m then 0 for 7m then 1",
            "zk_server_state{state=\"follower\"} m3 1 for 5m then 0 for 7m then 1",
        ])
        .quiet(Critical, "a pause of half a minute", &["zk_ensemble_has_quorum e 1 for 14m then 0 for 30s then 1"])
        .quiet(Critical, "the members that follow belong to another ensemble", &["zk_ensemble_has_quorum e 0", "zk_ensemble_foreign_members e 3"])
        .quiet(Critical, "no member follows: the quorum is lost", &[
            "zk_ensemble_has_quorum e 0",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ]),
        condition(
            "EnsembleUnreachable",
            Unit::State,
            Expr::trouble(of("zk_ensemble_members_up"), 0.0, Keys::Ensemble, None)
                .or_held("ZooKeeperEnsembleUnreachable", Keys::Ensemble, "zk_ensemble_members_up"),
        )
        .critical(None, Span::minutes(2), "No member of a ZooKeeper ensemble answers.")
        .source("2 minutes are longer than the restart of a standalone server and a short network outage")
        .says(
            "no member of ensemble <ensemble> has answered the exporter for over <for>. Either all are down, or the exporter cannot reach them.",
            "First query them from a host other than the exporter's: <info> - if they answer there, the exporter's network, DNS or firewall is at fault; if not, this is a full outage: start the members, a majority first.",
        )
        .means(
            "Every member is dead or unreachable from the exporter.",
            "If they are down, everything that coordinates through this ensemble waits; otherwise only monitoring is lost.",
        )
        .so(
            "Find out within a minute whether this is an outage or a loss of monitoring.",
            "Start a majority of the members; or repair the exporter's network, DNS, TLS or whitelist.",
        )
        .fires(Critical, "e", "no member answers", &["zk_ensemble_members_up e 3 for 1m then 0"])
        .fires(Critical, "e", "none answered before the exporter stopped", &[
            "zk_ensemble_members_up e 0 for 4m then stale",
            "zk_up m1 0 for 4m then stale",
            "zk_up m2 0 for 4m then stale",
            "zk_up m3 0 for 4m then stale",
            "up x 1 for 4m then 0",
        ])
        .fires(Critical, "e", "an exporter that reached them is gone", &[
            "zk_ensemble_members_up e 3 for 2m then stale",
            "zk_up m1 1 for 2m then stale",
            "up x 1 for 2m then 0",
            "zk_ensemble_members_up e@2 3 for 2m then 0",
            "zk_up m1@2 1 for 2m then 0",
            "up x@2 1",
        ])
        .quiet(Critical, "one still answers", &["zk_ensemble_members_up e 1"])
        .quiet(Critical, "another exporter gets answers", &["zk_ensemble_members_up e 0", "zk_ensemble_members_up e@2 3"]),
        condition(
            "QuorumMarginZero",
            Unit::Count,
            best("zk_ensemble_quorum_margin")
                .le(LIMIT)
                .and(best("zk_ensemble_has_quorum").eq(1.0))
                .and(voters().gt(1.0))
                .unless(margin_before().gt(LIMIT))
                .or(Expr::Held(held_margin) - 1.0.into()),
        )
        .warning(0.0, Span::minutes(1), "A ZooKeeper ensemble is close to losing its quorum.")
        .keeps(Span::minutes(5), "a voter that joins and leaves again does not restore the margin")
        .source("margin = voters in sync - majority; 0 means that the next loss stops all writes. The maximum of 210 s must be 0, so that a rolling restart does not fire it and an election does not resolve it")
        .says(
            "as seen by the exporter, the voters in sync of ensemble <ensemble> have exceeded a majority by only <value> for over <for>: <next_loss>. Not serving:<down>.",
            "First stop all maintenance on this ensemble and check which voter is missing: <info> - then bring it back.",
        )
        .means(
            "No more voters are in sync than a majority needs.",
            "None yet; a reboot, a deployment or a slow disk on one more voter is an outage.",
        )
        .so(
            "No maintenance on this ensemble until the voter is back.",
            "Bring the missing voter back, replace it under its id, or remove it with reconfig -remove.",
        )
        .fires(Warning, "e", "two of three in sync", &["zk_ensemble_quorum_margin e 1 for 2m then 0"])
        .fires(Warning, "e", "two of three in sync before the exporter stopped", &[
            "zk_ensemble_quorum_margin e 0 for 2m then stale",
            "zk_ensemble_has_quorum e 1 for 2m then stale",
            "zk_up m1 1 for 2m then stale",
            "zk_up m2 1 for 2m then stale",
            "zk_up m3 1 for 2m then stale",
            "up x 1 for 2m then 0",
        ])
        .fires(Warning, "e", "the last samples of an exporter that is gone", &[
            "zk_ensemble_quorum_margin e 1 for 5m then stale",
            "up x 1 for 5m then 0",
            "zk_ensemble_quorum_margin e@2 1 for 5m then 0",
            "zk_ensemble_has_quorum e@2 1",
            "zk_up m1@2 1",
            "up x@2 1",
        ])
        .quiet(Warning, "the voter is back, and a scrape is lost every two minutes", &[
            "zk_ensemble_quorum_margin e 1 for 450s then 0 for 90s then 1 for 90s then stale for 15s then 1 for 90s then stale for 15s then 1 for 90s then stale for 15s then 1 for 90s then stale for 15s then 1",
            "zk_ensemble_has_quorum e 1 for 540s then 1 for 90s then stale for 15s then 1 for 90s then stale for 15s then 1 for 90s then stale for 15s then 1 for 90s then stale for 15s then 1",
            "zk_up m1 1 for 540s then 1 for 90s then stale for 15s then 1 for 90s then stale for 15s then 1 for 90s then stale for 15s then 1 for 90s then stale for 15s then 1",
            "zk_up m2 1 for 540s then 1 for 90s then stale for 15s then 1 for 90s then stale for 15s then 1 for 90s then stale for 15s then 1 for 90s then stale for 15s then 1",
            "zk_up m3 1 for 540s then 1 for 90s then stale for 15s then 1 for 90s then stale for 15s then 1 for 90s then stale for 15s then 1 for 90s then stale for 15s then 1",
            "up x 1 for 540s then 1 for 90s then 0 for 15s then 1 for 90s then 0 for 15s then 1 for 90s then 0 for 15s then 1 for 90s then 0 for 15s then 1",
        ])
        .quiet(Warning, "an exporter that does not reach one member is left alone", &[
            "zk_up m2 0",
            "zk_serving m2 0",
            "zk_ensemble_members_up e 2",
            "zk_ensemble_quorum_margin e 0",
            "zk_up m1@2 1 for 690s then stale",
            "zk_up m2@2 1 for 690s then stale",
            "zk_up m3@2 1 for 690s then stale",
            "zk_ensemble_quorum_margin e@2 1 for 690s then stale",
            "zk_ensemble_has_quorum e@2 1 for 690s then stale",
            "up x@2 1 for 690s then stale",
        ])
        .fires(Warning, "e", "an exporter that does not reach one member sees another one fail", &[
            "zk_up m2 0",
            "zk_serving m2 0",
            "zk_up m3 1 for 12m then 0 for 6m",
            "zk_serving m3 1 for 12m then 0 for 6m",
            "zk_ensemble_members_up e 2",
            "zk_ensemble_quorum_margin e 0",
            "zk_up m1@2 1 for 690s then stale",
            "zk_up m2@2 1 for 690s then stale",
            "zk_up m3@2 1 for 690s then stale",
            "zk_ensemble_quorum_margin e@2 1 for 690s then stale",
            "zk_ensemble_has_quorum e@2 1 for 690s then stale",
            "up x@2 1 for 690s then stale",
        ])
        .quiet(Warning, "an exporter that does not reach one member is left alone, and another one restarts", &[
            "zk_up m2 0",
            "zk_serving m2 0",
            "zk_up m3 1 for 855s then 0 for 90s then 1",
            "zk_serving m3 1 for 855s then 0 for 90s then 1",
            "zk_ensemble_members_up e 2",
            "zk_ensemble_quorum_margin e 0",
            "zk_up m1@2 1 for 690s then stale",
            "zk_up m2@2 1 for 690s then stale",
            "zk_up m3@2 1 for 690s then stale",
            "zk_ensemble_quorum_margin e@2 1 for 690s then stale",
            "zk_ensemble_has_quorum e@2 1 for 690s then stale",
            "up x@2 1 for 690s then stale",
        ])
        .quiet(Warning, "the exporter is replaced while a voter restarts", &[
            "zk_ensemble_quorum_margin e 1 for 840s then stale",
            "zk_ensemble_has_quorum e 1 for 840s then stale",
            "zk_up m1 1 for 840s then stale",
            "zk_up m2 1 for 840s then stale",
            "zk_up m3 1 for 840s then stale",
            "up x 1 for 840s then stale",
            "zk_ensemble_quorum_margin e@2 absent for 870s then 0",
            "zk_ensemble_has_quorum e@2 absent for 870s then 1",
            "zk_up m1@2 absent for 870s then 1",
            "up x@2 absent for 870s then 1",
        ])
        .quiet(Warning, "a rolling restart", &["zk_ensemble_quorum_margin e 1 for 690s then 0 for 90s then 1"])
        .quiet(Warning, "a standalone server has no margin", &[
            "zk_ensemble_quorum_margin e 0",
            "zk_ensemble_voters e 1",
        ])
        .quiet(Warning, "a lost quorum has its own alert", &[
            "zk_ensemble_quorum_margin e -1",
            "zk_ensemble_has_quorum e 0",
        ]),
    ]
}

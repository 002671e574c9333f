//! The quorum and its leader.

use super::super::build::{LIMIT, series, series_with};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Selector, Span};
use super::super::trouble::{Held, WINDOW, flapping};
use super::super::watch::HAS_QUORUM;

fn of(name: &'static str) -> Selector {
    Selector { name, labels: Vec::new() }
}

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Availability, unit, expr)
}

/// No leader with a majority in sync answers now, or none did for most of the time.
fn no_quorum() -> Expr {
    Expr::trouble(of("zk_ensemble_has_quorum"), 0.0, Keys::Ensemble, Some(HAS_QUORUM))
}

/// A member followed a leader without a break; of members that a page still has.
fn followed(window: Span) -> Expr {
    let following = || series_with("zk_server_state", "state", "follower|observer");
    following().min(window).and(following()).of_ensemble().eq(1.0)
}

pub(super) fn conditions() -> Vec<Condition> {
    let voters = || Expr::newest("zk_ensemble_voters", Agg::Max, Keys::Ensemble);
    let up = || series("zk_ensemble_members_up");
    let three = Span::minutes(3);
    let answered = up().max(Span::minutes(2)).or(up()).of_ensemble().gt(0.0);
    let answered = answered.or(flapping(|| series(HAS_QUORUM)).by(Agg::Max, Keys::Ensemble));
    // At least one scrape at an interval of 2 minutes, whatever the offset.
    let best = |name| series(name).max(Span(150)).and(series(name)).of_ensemble();
    let held_margin =
        Held { alert: "ZooKeeperQuorumMarginZero", keys: Keys::Ensemble, flag: of("zk_ensemble_quorum_margin") };
    vec![
        condition(
            "QuorumLost",
            Unit::State,
            no_quorum().and(answered).unless(followed(three)).or_held("ZooKeeperQuorumLost", Keys::Ensemble, "zk_ensemble_has_quorum"),
        )
        .critical(None, Span::minutes(2), "A ZooKeeper ensemble has no quorum.")
        .source("etcd waits 3 minutes for the same; ZooKeeper refuses every write at once, so 2 minutes. Or 4 of 10 minutes in pieces, so that a quorum that comes and goes counts")
        .says(
            "no majority of ensemble <ensemble> has answered the exporter for over <for>, or it comes and goes: it is down, or out of the exporter's sight. Without one no write succeeds and most clients cannot connect. Members:<states>",
            "first ask all of them, from a host of the clients too: <info> - then bring back any voter that is down; a majority is enough.",
        )
        .means(
            "No leader with a majority of the voters in sync answers the exporter.",
            "If they are down, nothing can be written, and everything that coordinates through this ensemble waits.",
        )
        .so(
            "Wake who you must: this is the outage. Do not touch the server lists under pressure.",
            "Bring back the voters that are easiest to bring back; repair the election ports (3888).",
        )
        .fires(Critical, "e", "one of three is left and says so", &[
            "zk_ensemble_has_quorum e 1 for 2m then 0",
            "zk_server_state{state=\"leader\"} m1 0",
            "zk_server_state{state=\"follower\"} m2 1 for 2m then 0",
            "zk_server_state{state=\"follower\"} m3 1 for 2m then 0",
            "zk_ensemble_members_up e 1",
        ])
        .fires(Critical, "e", "45 s of every minute, the exporter in between", &[
            "zk_ensemble_has_quorum e 1 for 15m then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ])
        .fires(Critical, "e", "it was lost before the exporter went", &[
            "zk_ensemble_has_quorum e 1 for 18m then 0 for 4m then stale",
            "zk_server_state{state=\"follower\"} m2 0 for 22m then stale",
            "zk_server_state{state=\"follower\"} m3 0 for 22m then stale",
            "zk_ensemble_members_up e 1 for 22m then stale",
            "zk_up m1 1 for 22m then stale",
            "zk_up m2 1 for 22m then stale",
            "zk_up m3 1 for 22m then stale",
            "up x 1 for 22m then 0",
        ])
        .fires(Critical, "e", "half a minute without a page while it was pending", &[
            "zk_ensemble_has_quorum e 1 for 24m then 0 for 1m then stale for 30s then 0",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
            "zk_ensemble_members_up e 1 for 25m then stale for 30s then 1",
            "zk_up m1 1 for 25m then stale for 30s then 1",
            "zk_up m2 1 for 25m then stale for 30s then 1",
            "zk_up m3 1 for 25m then stale for 30s then 1",
            "up x 1 for 25m then 0 for 30s then 1",
        ])
        .fires(Critical, "e", "the exporter was at its limit for half a minute while it was pending", &[
            "zk_ensemble_has_quorum e 1 for 24m then 0 for 1m then stale for 30s then 0",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
            "zk_scrape_failure{command=\"srvr\",reason=\"limit\"} m1 absent for 25m then 1 for 30s then stale",
        ])
        .fires(Critical, "e", "followers of three minutes ago are no followers", &[
            "zk_ensemble_has_quorum e 1 for 23m then 0",
            "zk_server_state{state=\"follower\"} m2 1 for 23m then stale",
            "zk_server_state{state=\"follower\"} m3 1 for 23m then stale",
        ])
        .fires(Critical, "e", "the last figures of an exporter that died with it", &[
            "zk_ensemble_has_quorum e 1 for 23m then stale",
            "zk_server_state{state=\"follower\"} m2 1 for 23m then stale",
            "zk_server_state{state=\"follower\"} m3 1 for 23m then stale",
            "up x 1 for 23m then 0",
            "zk_ensemble_has_quorum e@2 1 for 23m then 0",
            "zk_ensemble_members_up e@2 3 for 23m then 1",
            "zk_up m1@2 1",
            "up x@2 1",
        ])
        .quiet(Critical, "an election of half a minute", &[
            "zk_ensemble_has_quorum e 1 for 24m then 0 for 30s then 1",
            "zk_server_state{state=\"follower\"} m2 1 for 24m then 0 for 30s then 1",
            "zk_server_state{state=\"follower\"} m3 1 for 24m then 0 for 30s then 1",
        ])
        .quiet(Critical, "an election that the exporter went away in", &[
            "zk_ensemble_has_quorum e 1 for 22m then 0 for 15s then stale",
            "zk_server_state{state=\"follower\"} m2 1 for 22m then 0 for 15s then stale",
            "zk_server_state{state=\"follower\"} m3 1 for 22m then 0 for 15s then stale",
            "zk_up m1 1 for 22m then 1 for 15s then stale",
            "zk_up m2 1 for 22m then 1 for 15s then stale",
            "zk_up m3 1 for 22m then 1 for 15s then stale",
            "up x 1 for 22m then 0",
        ])
        .fires(Critical, "e", "a member could not be asked since", &[
            "zk_ensemble_has_quorum e 1 for 18m then 0 for 4m then stale",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
            "zk_scrape_failure{command=\"srvr\",reason=\"limit\"} m1 absent for 22m then 1",
        ])
        .quiet(Critical, "it is back, while a member could not be asked", &[
            "zk_ensemble_has_quorum e 1 for 18m then 0 for 4m then 1",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
            "zk_scrape_failure{command=\"srvr\",reason=\"limit\"} m1 absent for 22m then 1",
        ])
        .quiet(Critical, "its ensemble left the configuration", &[
            "zk_ensemble_has_quorum e 1 for 18m then 0 for 4m then stale",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
            "zk_ensemble_members e 3 for 22m then stale",
            "zk_up m1 1 for 22m then stale",
            "zk_up m2 1 for 22m then stale",
            "zk_up m3 1 for 22m then stale",
        ])
        .quiet(Critical, "it is unknown since, with every member asked", &[
            "zk_ensemble_has_quorum e 1 for 18m then 0 for 4m then stale",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ])
        .quiet(Critical, "it is back after ten minutes", &[
            "zk_ensemble_has_quorum e 1 for 13m then 0 for 10m then 1",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ])
        .quiet(Critical, "it came and went, and is unknown since", &[
            "zk_ensemble_has_quorum e 1 for 15m then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then stale",
            "zk_server_state{state=\"follower\"} m2 0",
            "zk_server_state{state=\"follower\"} m3 0",
        ])
        .quiet(Critical, "followers of a silent leader are another alarm", &["zk_ensemble_has_quorum e 0"])
        .quiet(Critical, "no member up is another alarm", &[
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
                // A quorum that came and went and is there now was not a silent leader, unless it was followed all along.
                .unless(series(HAS_QUORUM).eq(1.0).unless(followed(WINDOW)))
                .or_held("ZooKeeperLeaderSilent", Keys::Ensemble, "zk_ensemble_has_quorum"),
        )
        .critical(None, Span::minutes(2), "Followers follow a leader that does not answer.")
        .source("a paused leader keeps its followers for syncLimit ticks, 10 s by default; 2 minutes are well beyond")
        .says(
            "members of ensemble <ensemble> say that they follow, but for over <for> no member has answered as their leader with a majority in sync: it hangs and no write succeeds, or only the exporter cannot reach it. Members:<states>",
            "first see who follows whom: <info> - then try a write: zkCli.sh -server MEMBER create /zookeeper-exporter-test x - if that hangs and the followers are a majority without it, stop the silent leader's process (kill -9 is right for a hung JVM), and the others elect a new one.",
        )
        .means(
            "The leader hangs (a long garbage collection, a stopped process, a stuck disk), or it leads and does not answer the exporter.",
            "If it hangs, no write of the whole ensemble succeeds while every follower looks healthy.",
        )
        .so(
            "Decide by a test write whether the leader hangs or only its port is closed to you.",
            "End the hung process; or open its client port and whitelist to the exporter.",
        )
        .fires(Critical, "e", "the leader is paused for longer than the followers should bear", &[
            "zk_ensemble_has_quorum e 1 for 2m then 0",
            "zk_server_state{state=\"leader\"} m1 0",
        ])
        .fires(Critical, "e", "it was silent before the exporter went", &[
            "zk_ensemble_has_quorum e 1 for 8m then 0 for 4m then stale",
            "zk_server_state{state=\"follower\"} m2 1 for 12m then stale",
            "zk_server_state{state=\"follower\"} m3 1 for 12m then stale",
            "zk_up m1 1 for 12m then stale",
            "zk_up m2 1 for 12m then stale",
            "zk_up m3 1 for 12m then stale",
            "up x 1 for 12m then 0",
        ])
        .fires(Critical, "e", "the leader answers a quarter of the time and is followed all along", &[
            "zk_ensemble_has_quorum e 1 for 5m then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1",
        ])
        .quiet(Critical, "a quorum that came and went until four minutes ago", &[
            "zk_ensemble_has_quorum e 1 for 5m then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 0 for 45s then 1 for 15s then 1",
            "zk_server_state{state=\"follower\"} m2 1 for 5m then 0 for 7m then 1",
            "zk_server_state{state=\"follower\"} m3 1 for 5m then 0 for 7m then 1",
        ])
        .quiet(Critical, "a pause of half a minute", &["zk_ensemble_has_quorum e 1 for 14m then 0 for 30s then 1"])
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
        .critical(None, Span::minutes(1), "No member of a ZooKeeper ensemble answers.")
        .source("no restart takes all members at once; 1 minute outlasts a short loss of the network")
        .says(
            "no member of ensemble <ensemble> has given the exporter an answer for over <for>. Either all are down, or the exporter's way to them is cut.",
            "First ask from another host than the exporter's: <info> - if they answer there, the exporter's network, DNS or firewall is at fault; if not, this is a full outage: start the members, a majority first.",
        )
        .means(
            "Every member is dead or unreachable from the exporter.",
            "If they are down, everything that coordinates through this ensemble waits; if not, you are blind.",
        )
        .so(
            "Find out within a minute which of the two it is: an outage, or blindness.",
            "Start a majority of the members; or repair the exporter's network, DNS, TLS or whitelist.",
        )
        .fires(Critical, "e", "no member answers", &["zk_ensemble_members_up e 3 for 1m then 0"])
        .fires(Critical, "e", "none answered before the exporter went", &[
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
        .quiet(Critical, "one still does", &["zk_ensemble_members_up e 1"])
        .quiet(Critical, "another exporter gets answers", &["zk_ensemble_members_up e 0", "zk_ensemble_members_up e@2 3"]),
        condition(
            "QuorumMarginZero",
            Unit::Count,
            best("zk_ensemble_quorum_margin")
                .le(LIMIT)
                .and(best("zk_ensemble_has_quorum").eq(1.0))
                .and(voters().gt(1.0))
                .or(Expr::Held(held_margin) - 1.0.into()),
        )
        .warning(0.0, Span::minutes(1), "One more failure stops a ZooKeeper ensemble.")
        .source("margin = voters in sync - majority; 0 means that the next loss stops all writes. The best of 150 s must be 0, so that a rolling restart does not raise it and an election does not end it")
        .says(
            "the voters in sync of ensemble <ensemble>, as the exporter sees them, have been only <value> more than a majority for over <for>: the loss of another one stops all writes. Not serving:<down>.",
            "First stop all maintenance on this ensemble and see who is missing: <info> - then bring that voter back.",
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
        .fires(Warning, "e", "they were two before the exporter went", &[
            "zk_ensemble_quorum_margin e 0 for 5m then stale",
            "zk_ensemble_has_quorum e 1 for 5m then stale",
            "zk_up m1 1 for 5m then stale",
            "zk_up m2 1 for 5m then stale",
            "zk_up m3 1 for 5m then stale",
            "up x 1 for 5m then 0",
        ])
        .fires(Warning, "e", "the last figures of an exporter that is gone", &[
            "zk_ensemble_quorum_margin e 1 for 5m then stale",
            "up x 1 for 5m then 0",
            "zk_ensemble_quorum_margin e@2 1 for 5m then 0",
            "zk_ensemble_has_quorum e@2 1",
            "zk_up m1@2 1",
            "up x@2 1",
        ])
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
            "MultipleLeaders",
            Unit::Count,
            series("zk_ensemble_leaders")
                .of_ensemble()
                .gt(1.0)
                .unless(Expr::newest("zk_ensemble_foreign_members", Agg::Max, Keys::Ensemble).gt(0.0))
                .or_held("ZooKeeperMultipleLeaders", Keys::Ensemble, "zk_ensemble_leaders"),
        )
        .critical(None, Span::minutes(1), "A ZooKeeper ensemble has more than one leader.")
        .source("1 minute, since two scrapes may meet one hand-over; an old leader of a lower epoch with no follower in sync is not counted")
        .says(
            "more than one member of ensemble <ensemble> has said for over <for> that it leads: clients may read and write two different trees. Members:<states>",
            "First see whether they are one ensemble, and compare their epochs and followers: <info> - stop nothing before you know: two healthy ensembles in one list of members are a mistake of the list, and both are to run on. Of one ensemble in two halves, stop the leader of the lower epoch; of equal epochs, the one of fewer followers.",
        )
        .means(
            "Two halves each hold what they take for a majority: their configurations differ.",
            "Writes of the two sides contradict each other; one side's will be lost.",
        )
        .so(
            "Decide which side goes on: the epoch and the number of followers tell.",
            "Make the server lines and myid of all members equal; let the stopped side sync from the other.",
        )
        .fires(Critical, "e", "two leaders", &["zk_ensemble_leaders e 2"])
        .fires(Critical, "e", "two before the exporter went", &[
            "zk_ensemble_leaders e 2 for 4m then stale",
            "zk_up m1 1 for 4m then stale",
            "zk_up m2 1 for 4m then stale",
            "zk_up m3 1 for 4m then stale",
            "up x 1 for 4m then 0",
        ])
        .quiet(Critical, "two ensembles in one list are another alarm", &[
            "zk_ensemble_leaders e 2",
            "zk_ensemble_foreign_members e 3",
        ])
        .quiet(Critical, "a hand-over", &["zk_ensemble_leaders e 1 for 4m then 2 for 30s then 1"]),
        condition(
            "EnsembleEvenSize",
            Unit::Count,
            voters()
                .eq(2.0)
                .or(voters().eq(4.0))
                .or(voters().eq(6.0))
                // Groups and weights have no majority of voters.
                .and(Expr::newest("zk_ensemble_majority", Agg::Max, Keys::Ensemble).gt(0.0)),
        )
        .warning(None, Span::hours(1), "A ZooKeeper ensemble has an even number of voters.")
        .off()
        .source("an even number adds a member that can fail and no failure that can be borne (ZooKeeper's administrator's guide); off, since nothing is wrong tonight")
        .says(
            "ensemble <ensemble> has <value> voters: it bears no more failures than with one less.",
            "First see the voters that the members know: <info>",
        )
        .means("The number of voters is even.", "One more machine that can fail, without a failure more that can be borne.")
        .so(
            "Add a voter or make one an observer at the next occasion.",
            "reconfig -add or -remove (3.5 and later), or the server lines of all members and a rolling restart, each while the margin is above 0.",
        )
        .fires(Warning, "e", "two voters", &["zk_ensemble_voters e 2"])
        .fires(Warning, "e", "four voters", &["zk_ensemble_voters e 4"])
        .fires(Warning, "e", "six voters", &["zk_ensemble_voters e 6"])
        .quiet(Warning, "four voters in groups", &["zk_ensemble_voters e 4", "zk_ensemble_majority e absent"])
        .quiet(Warning, "seven voters", &["zk_ensemble_voters e 7"]),
    ]
}

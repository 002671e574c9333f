//! Planned restarts, failovers, followers that lose their leader, and the JVM.

use crate::expect::Who::{Any, Member};
use crate::story::{Story, story};

/// Time of concurrent collectors, which do not stop the process.
const CYCLES: &str = "jvm_gc_collection_seconds_sum{gc=\"ZGC Cycles\"}";

pub fn stories() -> Vec<Story> {
    vec![
        rolling("rolling-restart-of-three", 3, 45.0, 180.0),
        rolling("rolling-restart-of-five", 5, 45.0, 180.0),
        // One per minute: every scrape at an interval of a minute sees a member down.
        rolling("fast-rolling-restart-of-three", 3, 15.0, 60.0).may(&["QuorumMarginZero"]),
        rolling("rolling-restart-with-a-large-snapshot", 3, 80.0, 300.0),
        rolling("rolling-restart-of-five-with-large-snapshots", 5, 110.0, 240.0),
        rolling("rolling-restart-twice-as-fast-as-it-should-be", 5, 30.0, 40.0).may(&["UnavailableTime"]),
        rolling_with_observers("rolling-restart-of-three-and-three-observers"),
        // All of them within minutes, as an operator does: followers first, the leader last.
        rolling("rolling-restart-in-three-minutes", 3, 25.0, 60.0).may(&["QuorumMarginZero"]),
        // A follower loses the leader every three minutes and rejoins; the leader does not change.
        story("follower-loses-its-leader-again-and-again", 3, 0)
            .minutes(90.0)
            .again(
                (10.0, 90.0),
                180.0,
                |world| world.server(1).isolated = true,
                15.0,
                |world| world.server(1).isolated = false,
            )
            .fires("MemberLosesLeader", Member(1), 10.0, 35.0)
            .warning(),
        story("follower-rejoins-once", 3, 0)
            .at(10.0, |world| world.server(1).isolated = true)
            .at(10.3, |world| world.server(1).isolated = false),
        story("failover-by-a-dead-leader-that-comes-back", 3, 0)
            .at(10.0, |world| world.stop(3))
            .at(11.5, |world| world.start(3, 10.0)),
        story("five-elections-within-a-quarter-of-an-hour", 5, 0)
            .minutes(45.0)
            .again(
                (10.0, 24.0),
                160.0,
                |world| {
                    let id = world.leader();
                    world.suspend(id);
                },
                20.0,
                |world| (1..=5).for_each(|id| world.resume(id)),
            )
            .fires("FrequentElections", Any, 10.0, 26.0)
            .ends(24.0, 42.0)
            .may(&["UnavailableTime", "OutageBudgetBurn"]),
        story("member-restarts-again-and-again", 3, 0)
            .minutes(120.0)
            .again((10.0, 120.0), 900.0, |world| world.stop(1), 20.0, |world| world.start(1, 5.0))
            .fires("MemberRestarting", Member(1), 10.0, 75.0),
        // ZooKeeper 3.8 counts a thread error when a suspended follower continues; it is in sync seconds later.
        story("unrecoverable-error-of-a-pause", 3, 0).minutes(80.0).at(10.0, |world| world.suspend(1)).at(
            10.2,
            |world| {
                world.resume(1);
                world.server(1).figures.add("unrecoverable_error_count", 1.0);
            },
        ),
        story("unrecoverable-error-of-a-member-that-is-lost", 3, 0)
            .minutes(60.0)
            .at(10.0, |world| {
                world.server(1).figures.add("unrecoverable_error_count", 1.0);
                world.server(1).stuck = true;
            })
            .fires("UnrecoverableErrors|MemberNotServing", Member(1), 10.0, 15.0)
            .fires("QuorumMarginZero", Any, 10.0, 16.0)
            .may(&["MemberNotServing", "UnrecoverableErrors"]),
        // The cycles use a whole CPU and do not pause the process.
        story("zgc-cycles", 3, 0).minutes(90.0).early().intervals(&[15, 60]).at(10.0, |world| {
            (1..=3).for_each(|id| {
                world.zk().rates.push((id, CYCLES.to_owned(), 0.6));
                world.zk().rates.push((id, CYCLES.replace("Cycles", "Pauses"), 0.00002));
            });
        }),
        story("shenandoah-cycles", 3, 0).minutes(60.0).early().intervals(&[60]).at(10.0, |world| {
            for id in 1..=3 {
                world.zk().rates.push((id, CYCLES.replace("ZGC", "Shenandoah"), 0.6));
            }
        }),
        story("garbage-collection-stops-the-process", 3, 0)
            .minutes(60.0)
            .at(10.0, |world| {
                let sum = CYCLES.replace("ZGC Cycles", "G1 Old Generation");
                world.zk().rates.push((1, sum.replace("_sum", "_count"), 0.1));
                world.zk().rates.push((1, sum, 0.3));
            })
            .fires("GarbageCollection", Member(1), 10.0, 22.0),
        story("heap-full", 3, 0)
            .minutes(60.0)
            .at(10.0, |world| world.server(1).figures.set("jvm_memory_bytes_used{area=\"heap\"}", 1_000_000_000.0))
            .fires("HeapHigh", Member(1), 10.0, 34.0),
    ]
}

/// Restarts of 90 s, each of which one scrape meets.
pub fn rare_scrapes() -> Vec<Story> {
    vec![
        rolling("rolling-restart-that-a-scrape-meets-each-time", 3, 90.0, 360.0).intervals(&[60, 105, 120]),
        story("follower-dead-and-few-scrapes", 3, 0)
            .intervals(&[105, 120])
            .at(10.0, |world| world.stop(1))
            .fires("MemberDown", Member(1), 10.0, 15.0)
            .critical()
            .fires("QuorumMarginZero", Any, 10.0, 17.0)
            .warning(),
    ]
}

/// Three voters and three observers, 45 s each; learners receive only the missed transactions, no whole snapshot.
fn rolling_with_observers(name: &'static str) -> Story {
    (1..=6).fold(story(name, 3, 3).minutes(60.0), |story, id| {
        let begins = 10.0 + f64::from(id - 1) * 2.0;
        story.at(begins, move |world| world.stop(id)).at(begins + 0.6, move |world| world.start(id, 5.0))
    })
}

/// Every member is restarted, one every `pause` seconds, the leader last; each serves again after `away` seconds.
fn rolling(name: &'static str, voters: u32, away: f64, pause: f64) -> Story {
    (1..=voters).fold(story(name, voters, 0).minutes(60.0), |story, id| {
        let begins = 10.0 + f64::from(id - 1) * pause / 60.0;
        story
            .at(begins, move |world| world.stop(id))
            .at(begins + 5.0 / 60.0, move |world| {
                world.start(id, 2.0);
                // It receives the snapshot from the leader.
                world.server(id).sync = away - 7.0;
            })
            .at(begins + (away + 20.0) / 60.0, move |world| world.server(id).sync = 3.0)
    })
}

//! Simultaneous faults and changes: a member and its exporter, two restarts, an exporter that reaches only some members.

use crate::expect::Who::{Any, Exporter, Member};
use crate::exporter::{Members, Target};
use crate::server::{Process, Server};
use crate::story::{Rules, Story, story};
use crate::world::World;

/// Alerts permitted in addition to a lost quorum or a flapping member.
const BESIDE: &[&str] = &[
    "MemberDown",
    "MemberNotServing",
    "UnavailableTime",
    "FrequentElections",
    "OutageBudgetBurn",
    "BudgetBurn",
    "ConnectionsCollapsed",
    "QuorumMarginZero",
    "MemberRestarting",
    "ScrapeSlow",
];

/// The exporter is a new process at another address.
fn renewed(world: &mut World) {
    let mut new = world.exporters[0].clone();
    new.instance = new.instance.replace("a.", "b.");
    new.restart();
    world.exporters.push(new);
}

pub fn stories() -> Vec<Story> {
    vec![
        story("standalone-crash-loop", 1, 0)
            .minutes(60.0)
            .unevenly((10.0, 60.0), 90.0, 0.7, |world| world.stop(1), |world| world.start(1, 2.0))
            .fires("MemberDown|MemberNotServing|QuorumLost|EnsembleUnreachable", Any, 10.0, 26.0)
            .critical()
            .mostly(0.75)
            .may(BESIDE)
            .may(&["QuorumLost", "EnsembleUnreachable"]),
        story("leader-answers-a-third-of-the-time", 5, 0)
            .minutes(60.0)
            .unevenly(
                (10.0, 60.0),
                60.0,
                0.7,
                |world| world.out_of_sight(0, 5),
                |world| world.exporters[0].unreachable.clear(),
            )
            .fires("MemberDown|MemberNotServing|LeaderSilent", Any, 10.0, 26.0)
            .critical()
            .mostly(0.7)
            .may(BESIDE),
        story("node-drained-with-exporter-and-member", 3, 0)
            .at(10.0, |world| {
                world.stop(1);
                world.exporters[0].target = Target::Gone;
            })
            .at(10.5, renewed)
            .at(11.6, |world| world.start(1, 8.0)),
        story("blind-and-the-other-restarts-in-a-rolling-restart", 3, 0)
            .minutes(60.0)
            .given(two)
            .at(5.0, |world| world.out_of_sight(0, 1))
            .at(40.0, |world| {
                world.stop(2);
                world.exporters[1].target = Target::Down;
            })
            .at(41.4, |world| world.start(2, 5.0))
            .at(41.5, |world| world.exporters[1].restart())
            .fires("ExporterBlind", Any, 5.0, 25.0)
            .may(&["ScrapeSlow"]),
        twice_rolled("two-rolling-restarts-within-half-an-hour"),
        story("blind-exporter-and-the-other-restarts-twice", 3, 0)
            .minutes(100.0)
            .early()
            .intervals(&[60])
            .given(two)
            .at(5.0, |world| world.blind(0))
            .at(60.0, |world| world.exporters[1].target = Target::Down)
            .at(61.2, |world| world.exporters[1].restart())
            .at(75.0, |world| world.exporters[1].target = Target::Down)
            .at(76.2, |world| world.exporters[1].restart())
            .fires("ExporterBlind", Any, 5.0, 25.0)
            .may(&["ScrapeSlow"]),
        story("all-pods-gone-from-the-name", 3, 0)
            .given(|world| world.exporters[0].members = Members::Dns)
            .at(10.0, |world| (1..=3).for_each(|id| world.stop(id)))
            .fires("EnsembleUnwatched|EnsembleUnreachable|QuorumLost", Any, 10.0, 16.0)
            .critical()
            .may(&["VoterNotWatched", "QuorumLost", "EnsembleUnreachable", "EnsembleUnwatched"]),
        story("leader-serves-no-and-the-exporter-restarts", 3, 0)
            .intervals(&[15, 30, 60, 120])
            .given(|world| world.server(3).serves_as_leader = false)
            .at(10.0, |world| world.exporters[0].target = Target::Down)
            .at(11.0, |world| world.exporters[0].restart())
            .at(20.0, |world| world.exporters[0].restart()),
        story("leader-out-of-sight-and-the-exporter-restarts", 3, 0)
            .intervals(&[15, 30, 60, 120])
            .given(|world| world.out_of_sight(0, 3))
            .at(20.0, |world| world.exporters[0].restart())
            .fires("MemberDown", Member(3), 0.0, 6.0)
            .may(&["ScrapeSlow"]),
        story("exporter-target-gone-40-of-60-seconds", 3, 0)
            .minutes(60.0)
            .intervals(&[15, 30])
            .unevenly(
                (10.0, 60.0),
                60.0,
                0.67,
                |world| world.exporters[0].target = Target::Gone,
                |world| world.exporters[0].restart(),
            )
            // It is away for half of 20 minutes after 15 at the earliest; few scrapes see it somewhat more often.
            .fires("ExporterDown|EnsembleUnwatched", Any, 10.0, 34.0)
            .mostly(0.7)
            .may(&["EnsembleUnwatched", "ExporterDown"]),
        story("each-exporter-sees-a-half-and-the-quorum-is-lost", 5, 0)
            .minutes(60.0)
            .given(two)
            .at(1.0, |world| {
                for id in [3, 4, 5] {
                    world.out_of_sight(0, id);
                }
                for id in [1, 2] {
                    world.out_of_sight(1, id);
                }
            })
            .at(40.0, |world| [1, 4, 5].into_iter().for_each(|id| world.stop(id)))
            .fires("QuorumLost", Any, 40.0, 44.0)
            .critical()
            .fires("ExporterBlind", Any, 1.0, 25.0)
            .may(BESIDE),
        story("exporter-reaches-two-of-five-and-the-quorum-is-lost", 5, 0)
            .minutes(60.0)
            .given(|world| [3, 4, 5].into_iter().for_each(|id| world.out_of_sight(0, id)))
            .at(30.0, |world| [3, 4, 5].into_iter().for_each(|id| world.stop(id)))
            .fires("QuorumLost", Any, 30.0, 34.0)
            .critical()
            .may(BESIDE),
        story("voter-replaced-by-a-new-address", 3, 0)
            .minutes(60.0)
            .given(|world| world.exporters[0].members = Members::Listed(vec![1, 2, 3], vec![]))
            .at(10.0, |world| world.stop(1))
            .at(14.0, |world| {
                let mut new = Server::new(4, true);
                new.process = Process::Loading(world.now + 5.0);
                world.zk().servers.remove(0);
                world.zk().servers.push(new);
                // The index of the leader in the list decreases by one.
                let leader = world.zk().leader.map(|place| place - 1);
                world.zk().leader = leader;
                world.exporters[0].members = Members::Listed(vec![2, 3], vec!["zk-1:2181".to_owned()]);
            })
            .at(20.0, |world| world.exporters[0].members = Members::Listed(vec![2, 3, 4], vec![]))
            .fires("MemberDown", Any, 10.0, 15.0)
            .ends(20.0, 25.0)
            .may(&["QuorumMarginZero", "VoterNotWatched", "ConfigMismatch"]),
        story("ensemble-removed-while-its-quorum-is-lost", 3, 0)
            .rules(Rules::Shipped)
            .minutes(60.0)
            .at(10.0, |world| [1, 2].into_iter().for_each(|id| world.stop(id)))
            .at(20.0, |world| world.exporters[0].watches.clear())
            .fires("QuorumLost", Any, 10.0, 14.0)
            .ends(20.0, 25.0)
            .may(BESIDE),
        story("ensemble-removed-by-a-restart-of-the-exporter", 3, 0)
            .rules(Rules::Shipped)
            .minutes(60.0)
            .at(10.0, |world| [1, 2].into_iter().for_each(|id| world.stop(id)))
            .at(20.0, |world| world.exporters[0].target = Target::Down)
            .at(21.0, |world| {
                world.exporters[0].restart();
                world.exporters[0].watches.clear();
            })
            .fires("QuorumLost", Any, 10.0, 14.0)
            .ends(20.0, 26.0)
            .may(BESIDE),
        story("read-only-again-and-again", 3, 0)
            .minutes(60.0)
            .given(|world| world.server(1).read_only_allowed = true)
            .unevenly(
                (10.0, 60.0),
                60.0,
                0.7,
                |world| world.server(1).isolated = true,
                |world| world.server(1).isolated = false,
            )
            .fires("MemberReadOnly|MemberNotServing|MemberLosesLeader|VotersNotSynced", Member(1), 10.0, 30.0)
            .mostly(0.7)
            .may(BESIDE)
            .may(&["VotersNotSynced", "MemberLosesLeader", "MemberReadOnly"]),
        story("observer-comes-and-goes", 3, 1)
            .minutes(60.0)
            // The warning has no `keep_firing_for`, and scrapes every minute may see it healthy for minutes.
            .intervals(&[15, 30])
            .unevenly((10.0, 60.0), 60.0, 0.7, |world| world.suspend(4), |world| world.resume(4))
            .fires("ObserverDown", Member(4), 10.0, 32.0)
            .warning()
            .mostly(0.7)
            .may(&["ScrapeSlow", "MemberLosesLeader", "MemberRestarting"]),
        // Three quarters of the scrapes succeed: it is monitored.
        story("a-quarter-of-the-scrapes-lost", 3, 0)
            .minutes(240.0)
            .intervals(&[60, 120])
            .unevenly(
                (5.0, 240.0),
                75.0,
                0.25,
                |world| world.exporters[0].target = Target::Down,
                |world| world.exporters[0].target = Target::Up,
            )
            .may(&["ExporterDown"]),
        story("exporter-restarts-twice-and-a-scrape-meets-each", 3, 0)
            .intervals(&[120])
            .at(10.2, |world| world.exporters[0].target = Target::Down)
            .at(10.8, |world| world.exporters[0].restart())
            .at(14.2, |world| world.exporters[0].target = Target::Down)
            .at(14.8, |world| world.exporters[0].restart()),
        story("two-elections-and-a-scrape-meets-each", 3, 0)
            .intervals(&[120])
            .at(10.3, |world| world.stop(3))
            .at(10.8, |world| world.start(3, 3.0))
            .at(14.3, |world| {
                let id = world.leader();
                world.stop(id);
            })
            .at(14.8, |world| {
                let dead: Vec<u32> = world
                    .zk()
                    .servers
                    .iter()
                    .filter(|server| server.process == Process::Stopped)
                    .map(|server| server.id)
                    .collect();
                for id in dead {
                    world.start(id, 3.0);
                }
            }),
        story("member-restarts-twice-and-a-scrape-meets-each", 5, 0)
            .intervals(&[120])
            .at(10.2, |world| world.stop(1))
            .at(10.8, |world| world.start(1, 3.0))
            .at(16.2, |world| world.stop(1))
            .at(16.8, |world| world.start(1, 3.0)),
        story("exporter-has-no-member-left", 3, 0)
            .at(10.0, |world| world.exporters[0].members = Members::Listed(vec![], vec![]))
            .fires("EnsembleUnwatched", Any, 10.0, 16.0)
            .critical()
            .may(&["VoterNotWatched", "EnsembleUnreachable"]),
        story("two-voters-quiet", 2, 0).may(&["QuorumMarginZero"]),
        story("quorum-lost-while-both-exporters-are-replaced", 3, 0)
            .minutes(60.0)
            .given(two)
            .at(10.0, |world| [1, 2].into_iter().for_each(|id| world.stop(id)))
            .at(16.0, |world| world.exporters[0].target = Target::Gone)
            .at(17.0, |world| {
                let mut new = world.exporters[0].clone();
                new.instance = new.instance.replace("a.", "c.");
                new.restart();
                world.exporters.push(new);
            })
            .at(18.0, |world| world.exporters[1].target = Target::Gone)
            .at(19.0, |world| {
                let mut new = world.exporters[1].clone();
                new.instance = new.instance.replace("b.", "d.");
                new.restart();
                world.exporters.push(new);
            })
            .fires("QuorumLost", Any, 10.0, 14.0)
            .critical()
            .may(BESIDE),
        story("member-dead-and-the-exporter-comes-and-goes", 3, 0)
            .minutes(60.0)
            .intervals(&[15, 30])
            .unevenly(
                (5.0, 60.0),
                60.0,
                0.6,
                |world| world.exporters[0].target = Target::Down,
                |world| world.exporters[0].target = Target::Up,
            )
            .at(20.0, |world| world.stop(1))
            .fires("MemberDown", Member(1), 20.0, 40.0)
            .fires("ExporterDown", Exporter(0), 5.0, 25.0)
            .mostly(0.7)
            .may(&["QuorumMarginZero", "EnsembleUnwatched"]),
        story("leader-visible-alone", 3, 0)
            .given(|world| [1, 2].into_iter().for_each(|id| world.out_of_sight(0, id)))
            .fires("MemberDown", Member(1), 0.0, 6.0)
            .may(&["MemberDown", "QuorumMarginZero", "ScrapeSlow"]),
        story("follower-visible-alone", 3, 0)
            .given(|world| [1, 3].into_iter().for_each(|id| world.out_of_sight(0, id)))
            .fires("MemberDown", Member(1), 0.0, 6.0)
            .may(&["MemberDown", "QuorumMarginZero", "ScrapeSlow", "LeaderSilent", "OutageBudgetBurn"]),
        story("rolling-restart-with-the-exporter-replaced-in-it", 3, 0)
            .minutes(60.0)
            .at(10.0, |world| world.stop(1))
            .at(10.1, |world| slow(world, 1, 90.0))
            .at(13.0, |world| world.stop(2))
            .at(13.1, |world| {
                slow(world, 2, 90.0);
                world.exporters[0].target = Target::Gone;
                renewed(world);
            })
            .at(16.0, |world| world.stop(3))
            .at(16.1, |world| slow(world, 3, 90.0)),
    ]
}

/// A member that takes this number of seconds to receive a snapshot.
fn slow(world: &mut World, id: u32, seconds: f64) {
    world.start(id, 2.0);
    world.server(id).sync = seconds;
}

/// A second exporter.
fn two(world: &mut World) {
    let mut other = world.exporters[0].clone();
    other.instance = other.instance.replace("a.", "b.");
    world.exporters.push(other);
}

/// Followers first, the leader last, then the same again for another change.
fn twice_rolled(name: &'static str) -> Story {
    let story = story(name, 3, 0).minutes(70.0).given(|world| {
        world.zk().servers.iter_mut().for_each(|server| server.figures.add("election_time_count", 7.0));
    });
    let order = [(10.0, 1), (12.0, 2), (14.0, 3), (24.0, 1), (26.0, 3), (28.0, 2)];
    order.into_iter().fold(story, |story, (minute, id)| {
        story.at(minute, move |world| world.stop(id)).at(minute + 0.5, move |world| world.start(id, 5.0))
    })
}

//! The quorum: lost at once, gradually, or while the exporter is down; elections; a silent leader; partitions.

use crate::expect::Who::{Any, Member};
use crate::exporter::Target;
use crate::story::{Story, story};
use crate::told::flapping::patient;

/// Alerts that fire in addition to a lost quorum and are inhibited by Alertmanager.
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
    "EnsembleRisk",
    "MemberRisk",
];

pub fn stories() -> Vec<Story> {
    vec![
        story("two-of-three-dead", 3, 0)
            .at(10.0, |world| [1, 2].into_iter().for_each(|id| world.stop(id)))
            .fires("QuorumLost", Any, 10.0, 14.0)
            .critical()
            .may(BESIDE),
        story("three-of-five-dead", 5, 0)
            .at(10.0, |world| [1, 2, 5].into_iter().for_each(|id| world.stop(id)))
            .fires("QuorumLost", Any, 10.0, 14.0)
            .critical()
            .may(BESIDE),
        story("all-dead", 3, 0)
            .at(10.0, |world| (1..=3).for_each(|id| world.stop(id)))
            .fires("EnsembleUnreachable", Any, 10.0, 14.0)
            .critical()
            .may(BESIDE)
            .may(&["QuorumLost"]),
        story("quorum-lost-while-the-exporter-moves", 3, 0)
            .at(10.0, |world| [1, 2].into_iter().for_each(|id| world.stop(id)))
            .at(14.0, |world| world.exporters[0].target = Target::Down)
            .at(15.5, |world| world.exporters[0].restart())
            .fires("QuorumLost", Any, 10.0, 14.0)
            .critical()
            .may(BESIDE)
            .intervals(&[15, 30, 60, 120]),
        story("quorum-comes-back", 3, 0)
            .at(10.0, |world| [1, 2].into_iter().for_each(|id| world.stop(id)))
            .at(20.0, |world| [1, 2].into_iter().for_each(|id| world.start(id, 5.0)))
            .fires("QuorumLost", Any, 10.0, 14.0)
            .critical()
            .ends(20.0, 32.0)
            .may(BESIDE),
        // Two members stall for 45 s of each minute.
        story("no-quorum-three-quarters-of-the-time", 3, 0)
            .minutes(60.0)
            .again(
                (10.0, 60.0),
                61.0,
                |world| [1, 2].into_iter().for_each(|id| world.suspend(id)),
                45.0,
                |world| [1, 2].into_iter().for_each(|id| world.resume(id)),
            )
            .fires("QuorumLost|LeaderSilent", Any, 10.0, 21.0)
            .critical()
            // If the scrape interval equals that of the pauses, scrapes may miss the pauses for minutes.
            .mostly(0.7)
            .may(BESIDE)
            .may(&["LeaderSilent", "ScrapeSlow", "EnsembleUnreachable"]),
        story("leader-killed-every-minute", 5, 0)
            .minutes(60.0)
            .unevenly(
                (10.0, 60.0),
                60.0,
                0.33,
                |world| {
                    let id = world.leader();
                    world.stop(id);
                },
                |world| {
                    let dead: Vec<u32> = world
                        .zk()
                        .servers
                        .iter()
                        .filter(|server| server.process == crate::server::Process::Stopped)
                        .map(|server| server.id)
                        .collect();
                    for id in dead {
                        world.start(id, 2.0);
                    }
                },
            )
            .fires("FrequentElections", Any, 10.0, 25.0)
            .warning()
            .may(BESIDE),
        story("one-election", 3, 0).at(10.0, |world| world.suspend(3)).at(11.0, |world| world.resume(3)),
        story("leader-suspended", 3, 0)
            .at(10.0, |world| world.suspend(3))
            .fires("MemberDown", Member(3), 10.0, 15.0)
            .fires("QuorumMarginZero", Any, 10.0, 17.0)
            .may(&["ScrapeSlow"]),
        // Followers that follow for longer than the sync limit prove that their leader works.
        story("leader-out-of-the-exporters-sight", 3, 0)
            .at(10.0, |world| world.out_of_sight(0, 3))
            .fires("MemberDown", Member(3), 10.0, 15.0)
            .critical()
            .may(&["ScrapeSlow"]),
        story("leader-hangs-for-less-than-a-long-sync-limit", 3, 0)
            .given(patient)
            .at(10.0, |world| world.suspend(3))
            .fires("LeaderSilent", Any, 10.0, 15.0)
            .critical()
            .fires("MemberDown", Member(3), 10.0, 15.0)
            .may(&["OutageBudgetBurn", "BudgetBurn", "ScrapeSlow"]),
        // The leader serves no clients and refuses every command; its followers are in sync.
        story("leader-serves-no", 3, 0).minutes(60.0).given(|world| world.server(3).serves_as_leader = false),
        story("leader-serves-no-of-five-and-a-follower-dies", 5, 0)
            .given(|world| world.server(5).serves_as_leader = false)
            .at(10.0, |world| world.stop(1))
            .fires("MemberDown", Member(1), 10.0, 15.0)
            .critical(),
        story("leader-serves-no-and-the-quorum-is-lost", 3, 0)
            .given(|world| (1..=3).for_each(|id| world.server(id).serves_as_leader = false))
            .at(10.0, |world| [1, 2].into_iter().for_each(|id| world.stop(id)))
            .fires("QuorumLost|EnsembleUnreachable|MemberNotServing", Any, 10.0, 15.0)
            .critical()
            .may(BESIDE)
            .may(&["QuorumLost"]),
    ]
}

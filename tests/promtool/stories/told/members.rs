//! One member that is down, slow, flapping, removed, or read-only.

use crate::expect::Who::{Any, Member};
use crate::exporter::Members;
use crate::story::{Story, story};
use crate::world::World;

/// A member that stays down, or does not serve.
const LOST: &str = "MemberDown|MemberNotServing";

pub fn stories() -> Vec<Story> {
    vec![
        story("quiet-hour", 3, 0).minutes(60.0),
        story("quiet-hour-with-observers", 3, 2).minutes(60.0),
        story("standalone-quiet", 1, 0).minutes(60.0),
        story("standalone-dead", 1, 0)
            .at(10.0, |world| world.stop(1))
            .fires("MemberDown|EnsembleUnreachable", Any, 10.0, 15.0)
            .critical(),
        story("follower-dead-of-three", 3, 0)
            .at(10.0, |world| world.stop(1))
            .fires("MemberDown", Member(1), 10.0, 15.0)
            .critical()
            .fires("QuorumMarginZero", Any, 10.0, 17.0)
            .warning(),
        story("follower-dead-of-five", 5, 0)
            .at(10.0, |world| world.stop(1))
            .fires("MemberDown", Member(1), 10.0, 15.0)
            .critical(),
        story("leader-dead-of-three", 3, 0)
            .at(10.0, |world| world.stop(3))
            .fires("MemberDown", Member(3), 10.0, 15.0)
            .critical()
            .may(&["QuorumMarginZero"]),
        story("observer-dead", 3, 1)
            .at(10.0, |world| world.stop(4))
            .fires("MemberDown|ObserverDown", Member(4), 10.0, 17.0)
            .warning(),
        story("follower-restarts-in-a-minute", 3, 0)
            .at(10.0, |world| world.stop(1))
            .at(11.0, |world| world.start(1, 5.0)),
        story("leader-restarts-in-a-minute", 3, 0)
            .at(10.0, |world| world.stop(3))
            .at(11.0, |world| world.start(3, 5.0)),
        story("member-comes-back", 3, 0)
            .minutes(60.0)
            .at(10.0, |world| world.stop(1))
            .at(30.0, |world| world.start(1, 5.0))
            .fires("MemberDown", Member(1), 10.0, 15.0)
            .ends(30.0, 42.0)
            .fires("QuorumMarginZero", Any, 10.0, 17.0)
            .ends(30.0, 42.0),
        // 30 s dead, 45 s looking for a leader, repeatedly: it never serves.
        story("crash-loop-of-one-in-five", 5, 0)
            .minutes(90.0)
            .at(10.0, |world| world.server(2).stuck = true)
            .again((10.0, 90.0), 75.0, |world| world.stop(2), 30.0, |world| world.start(2, 0.0))
            .fires(LOST, Member(2), 10.0, 22.0)
            // Between the alert that it is down and the one that it does not serve.
            .mostly(0.9)
            .may(&["MemberRestarting", "QuorumMarginZero"]),
        story("silent-90-of-120-seconds", 3, 0)
            .minutes(90.0)
            .again((10.0, 90.0), 120.0, |world| world.suspend(1), 90.0, |world| world.resume(1))
            .fires(LOST, Member(1), 10.0, 24.0)
            .may(&["MemberRestarting", "MemberLosesLeader", "QuorumMarginZero", "ScrapeSlow"]),
        story("answers-one-scrape-in-six", 5, 0)
            .minutes(90.0)
            .again((10.0, 90.0), 90.0, |world| world.suspend(1), 75.0, |world| world.resume(1))
            .fires(LOST, Member(1), 10.0, 24.0)
            .may(&["MemberRestarting", "MemberLosesLeader", "ScrapeSlow"]),
        story("full-disk-flaps", 3, 0)
            .minutes(60.0)
            .at(10.0, |world| world.server(2).stuck = true)
            .again((10.0, 60.0), 41.0, |world| world.stop(2), 10.0, |world| world.start(2, 0.0))
            .fires(LOST, Member(2), 10.0, 22.0)
            .may(&["MemberRestarting", "QuorumMarginZero"])
            .fires("QuorumMarginZero", Any, 10.0, 20.0),
        story("member-never-joins", 3, 0)
            .at(10.0, |world| world.server(2).stuck = true)
            .fires("MemberNotServing", Member(2), 10.0, 15.0)
            .critical()
            .fires("QuorumMarginZero", Any, 10.0, 17.0),
        story("member-read-only", 3, 0)
            .given(|world| world.server(1).read_only_allowed = true)
            .at(10.0, |world| world.server(1).isolated = true)
            .fires("MemberReadOnly", Member(1), 10.0, 15.0)
            .critical()
            .fires("QuorumMarginZero", Any, 10.0, 17.0)
            .may(&["MemberNotServing", "VotersNotSynced"]),
        story("mntr-refused", 3, 0).given(|world| world.server(2).mntr_allowed = false).fires(
            "MntrMissing",
            Member(2),
            0.0,
            15.0,
        ),
        story("one-member-slow-to-reply", 3, 0)
            .at(10.0, |world| world.server(2).delay = 3.5)
            .fires("ScrapeSlow", Member(2), 10.0, 30.0)
            .warning(),
        story("member-taken-out-of-the-list", 3, 0)
            .at(10.0, |world| world.stop(1))
            .at(14.0, |world| world.exporters[0].members = Members::Listed(vec![2, 3], vec![]))
            .may(&["MemberDown", "QuorumMarginZero", "VoterNotWatched"]),
        replaced_by_a_roll_out(),
    ]
}

/// Members that nobody has seen alive: their vote is known from the membership.
pub fn without_a_vote() -> Vec<Story> {
    vec![
        story("observer-dead-from-the-start", 3, 1)
            .given(|world| world.stop(4))
            .fires("ObserverDown", Member(4), 0.0, 15.0)
            .warning(),
        story("voter-dead-from-the-start", 3, 0)
            .given(|world| world.stop(1))
            .fires("MemberDown", Member(1), 0.0, 10.0)
            .critical()
            .fires("QuorumMarginZero", Any, 0.0, 10.0),
    ]
}

/// A dead member is removed from the configuration: a new pod of the exporter, with another address, lacks it.
fn replaced_by_a_roll_out() -> Story {
    story("dead-member-removed-by-a-roll-out", 4, 0)
        .minutes(60.0)
        .at(5.0, |world| world.stop(4))
        .at(15.0, |world: &mut World| {
            let mut new = world.exporters[0].clone();
            new.instance = new.instance.replace("a.", "b.");
            new.members = Members::Listed(vec![1, 2, 3], vec![]);
            new.restart();
            world.zk().servers.truncate(3);
            world.exporters[0].target = crate::exporter::Target::Gone;
            world.exporters.push(new);
        })
        .fires("MemberDown", Member(4), 5.0, 10.0)
        .ends(15.0, 20.0)
        .may(&["ConfigMismatch", "QuorumMarginZero"])
}

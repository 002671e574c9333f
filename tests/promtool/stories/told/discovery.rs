//! Members that a name gives: pods that leave it as they die, servers under two addresses, lists that are wrong.

use crate::expect::Who::Any;
use crate::exporter::Members;
use crate::story::{Story, story};
use crate::world::World;

pub fn stories() -> Vec<Story> {
    vec![
        pods("pods-quiet", 5),
        // A headless service that publishes only what is ready: the address leaves the name as the pod dies.
        pods("pod-of-five-gone-from-the-name", 5).at(10.0, |world| world.stop(1)).fires(
            "VoterNotWatched|MemberDown|VoterMissing",
            Any,
            10.0,
            18.0,
        ),
        pods("three-pods-of-five-gone-from-the-name", 5)
            .at(10.0, |world| [1, 2, 5].into_iter().for_each(|id| world.stop(id)))
            .fires("QuorumLost", Any, 10.0, 14.0)
            .critical()
            .may(&[
                "VoterNotWatched",
                "MemberNotServing",
                "UnavailableTime",
                "OutageBudgetBurn",
                "BudgetBurn",
                "MemberDown",
            ]),
        pods("pod-replaced-under-a-new-address", 3)
            .minutes(60.0)
            .at(10.0, |world| world.stop(1))
            .at(10.7, |world| back(world, 1)),
        pods("rolling-restart-of-pods-with-new-addresses", 3)
            .minutes(60.0)
            .at(10.0, |world| world.stop(1))
            .at(10.7, |world| back(world, 1))
            .at(13.0, |world| world.stop(2))
            .at(13.7, |world| back(world, 2))
            .at(16.0, |world| world.stop(3))
            .at(16.7, |world| back(world, 3)),
        story("listed-address-with-nothing-behind-it", 3, 0)
            .given(|world| world.exporters[0].members = Members::Listed(vec![1, 2, 3], vec!["zk-9:2181".to_owned()]))
            .fires("MemberDown", Any, 0.0, 10.0)
            .critical(),
    ]
}

/// The pod comes back under another address.
fn back(world: &mut World, id: u32) {
    let address = format!("10.0.1.{id}:2181");
    world.server(id).address = address;
    world.start(id, 5.0);
}

/// Pods behind a headless service; members are addresses.
fn pods(name: &'static str, voters: u32) -> Story {
    story(name, voters, 0).given(|world| {
        world.exporters[0].members = Members::Dns;
        for server in &mut world.zk().servers {
            server.address = format!("10.0.0.{}:2181", server.id);
        }
    })
}

//! Members discovered by name: pods whose address is removed when they die, servers with two addresses, wrong lists.

use crate::ensemble::Ensemble;
use crate::expect::Who::Any;
use crate::exporter::{Members, Target};
use crate::server::{Process, Role, Server};
use crate::story::{Story, story};
use crate::world::World;

/// Two ensembles in one list, of which one fails.
pub fn mixed_faults() -> Vec<Story> {
    vec![
        mixed("two-ensembles-in-one-list-one-loses-its-quorum")
            .at(10.0, |world| [1, 2].into_iter().for_each(|id| world.stop(id)))
            .fires("EnsemblesMixed", Any, 0.0, 10.0)
            .warning()
            .fires("QuorumLost", Any, 10.0, 15.0)
            .critical()
            .may(&[
                "ConfigMismatch",
                "MemberDown",
                "MemberNotServing",
                "QuorumMarginZero",
                "OutageBudgetBurn",
                "BudgetBurn",
            ]),
    ]
}

pub fn stories() -> Vec<Story> {
    vec![
        pods("pods-quiet", 5),
        // A headless service that publishes only ready pods: the address is removed from the name when the pod dies.
        pods("pod-of-five-gone-from-the-name", 5).at(10.0, |world| world.stop(1)).fires(
            "VoterNotWatched|MemberDown",
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
        // Two ensembles behind one name or in one list: both are healthy.
        mixed("two-ensembles-in-one-list").fires("EnsemblesMixed", Any, 0.0, 10.0).warning().may(&["ConfigMismatch"]),
        mixed("two-ensembles-in-one-list-one-restarts-its-leader")
            .at(15.0, |world| world.ensembles[1].server(3).process = Process::Stopped)
            .at(15.8, |world| world.ensembles[1].server(3).process = Process::Loading(0.0))
            .fires("EnsemblesMixed", Any, 0.0, 10.0)
            .warning()
            .may(&["ConfigMismatch"]),
        // One server under an IPv4 and an IPv6 address.
        twice("server-under-two-addresses", 3).fires("MemberListedTwice", Any, 0.0, 10.0).warning(),
        twice("server-under-two-addresses-dies", 3)
            .at(15.0, |world| world.stop(1))
            .fires("MemberListedTwice", Any, 0.0, 10.0)
            .warning()
            .ends(15.0, 40.0)
            .fires("MemberDown", Any, 15.0, 20.0)
            .critical()
            .may(&["QuorumMarginZero"]),
        twice("standalone-under-two-addresses", 1).fires("MemberListedTwice", Any, 0.0, 10.0).warning(),
        // Five voters are reduced to three.
        pods("scaled-down-by-reconfiguration", 5).minutes(60.0).at(10.0, |world| {
            world.zk().servers.remove(1);
            world.zk().servers.remove(0);
            world.zk().leader = Some(2);
        }),
        pods("observer-pod-scaled-away", 3)
            .minutes(60.0)
            .given(|world| {
                let mut observer = Server::new(4, false);
                "10.0.0.4:2181".clone_into(&mut observer.address);
                observer.serve(Role::Observer, 0.0);
                world.zk().servers.push(observer);
            })
            .at(10.0, |world| {
                world.zk().servers.pop();
            })
            .may(&["ConnectionsCollapsed"]),
        // The exporter restarts while a voter is down, and loses what it knew of it.
        pods("pod-gone-and-the-exporter-restarts", 5)
            .minutes(60.0)
            .at(10.0, |world| world.stop(1))
            .at(25.0, |world| world.exporters[0].target = Target::Down)
            .at(26.0, |world| world.exporters[0].restart())
            .fires("VoterNotWatched|MemberDown", Any, 10.0, 18.0),
        pods("pod-gone-and-the-exporter-moves", 5)
            .minutes(60.0)
            .at(10.0, |world| world.stop(1))
            .at(25.0, |world| {
                let mut new = world.exporters[0].clone();
                new.instance = new.instance.replace("a.", "b.");
                new.restart();
                world.exporters[0].target = Target::Gone;
                world.exporters.push(new);
            })
            .fires("VoterNotWatched|MemberDown", Any, 10.0, 18.0),
        pods("pod-of-five-replaced-by-hand-after-an-hour", 5)
            .minutes(90.0)
            .at(10.0, |world| world.stop(1))
            .at(70.0, |world| back(world, 1))
            .fires("VoterNotWatched|MemberDown", Any, 10.0, 18.0)
            .ends(70.0, 76.5),
        pods("one-pod-after-the-other-evicted", 5)
            .minutes(60.0)
            .at(10.0, |world| world.stop(1))
            .at(13.0, |world| back(world, 1))
            // A shorter time between two evictions is not seen by scrapes every minute.
            .at(15.0, |world| world.stop(2))
            .at(18.0, |world| back(world, 2))
            .at(20.0, |world| world.stop(3))
            .at(23.0, |world| back(world, 3)),
    ]
}

/// The servers of a second ensemble are in the list of the first one.
fn mixed(name: &'static str) -> Story {
    story(name, 3, 0).given(|world| {
        let mut other = Ensemble::new("other", 3, 0);
        other.host = "qa";
        for server in &mut other.servers {
            server.address = format!("qa-{}:2181", server.id);
        }
        world.ensembles.push(other);
        world.exporters[0].mixed_with = Some(1);
    })
}

fn twice(name: &'static str, voters: u32) -> Story {
    story(name, voters, 0).given(|world| {
        let servers = world.zk().servers.clone();
        world.exporters[0].listed_twice =
            servers.iter().map(|server| (server.id, format!("[fd00::{}]:2181", server.id))).collect();
    })
}

/// The pod returns with another address.
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

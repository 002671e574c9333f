//! Load of clients and disks: idle ensembles, slow disks, bulk loads, batches, storms, leaks.

use crate::expect::Who::{Any, Member};
use crate::exporter::Target;
use crate::story::{Story, story};
use crate::world::World;

/// Alerts permitted in addition to those of a slow disk or slow writes.
const SLOW: &[&str] =
    &["MemberRisk", "EnsembleRisk", "UnusualIndicator", "BudgetBurn", "OutstandingRequests", "SlowWrites", "SlowFsync"];

fn every(world: &mut World, act: impl Fn(&mut crate::server::Server)) {
    world.zk().servers.iter_mut().for_each(act);
}

/// Services that are deployed again.
pub fn deployments() -> Vec<Story> {
    vec![
        story("services-deployed-again-within-a-minute", 3, 0)
            .minutes(60.0)
            .intervals(&[10, 15, 30, 60])
            .at(40.0, |world| world.zk().ephemerals = 60.0)
            .at(41.0, |world| world.zk().ephemerals = 200.0),
    ]
}

pub fn stories() -> Vec<Story> {
    [idle(), slow(), data(), clients()].concat()
}

fn idle() -> Vec<Story> {
    vec![
        // One write every ten minutes, which takes 60 ms.
        story("idle-with-a-slow-write-now-and-then", 3, 0).minutes(480.0).early().intervals(&[60]).given(|world| {
            world.zk().load.writes = 1.0 / 600.0;
            world.zk().load.reads = 0.01;
            every(world, |server| server.fsync_ms = 55.0);
        }),
        // Fifteen writes per hour of 350 ms each are not an outage.
        story("idle-with-slow-writes", 3, 0)
            .minutes(120.0)
            .early()
            .given(|world| {
                world.zk().load.writes = 1.0 / 240.0;
                every(world, |server| server.fsync_ms = 346.0);
            })
            .intervals(&[15, 60]),
        story("wholly-idle", 3, 0).minutes(60.0).given(|world| {
            world.zk().load.writes = 0.0;
            world.zk().load.reads = 0.0;
        }),
    ]
}

fn slow() -> Vec<Story> {
    vec![
        story("all-disks-slow", 3, 0)
            .minutes(60.0)
            .at(10.0, |world| every(world, |server| server.fsync_ms = 600.0))
            .fires("SlowWrites", Any, 10.0, 22.0)
            .critical()
            .fires("SlowFsync", Member(1), 10.0, 22.0)
            .critical()
            .may(SLOW),
        story("disk-of-one-follower-slow", 3, 0)
            .minutes(60.0)
            .at(10.0, |world| world.server(1).fsync_ms = 200.0)
            .fires("SlowFsync", Member(1), 10.0, 28.0)
            .warning()
            .may(&["MemberRisk", "EnsembleRisk", "UnusualIndicator"]),
        story("disk-slow-for-two-minutes", 3, 0)
            .at(10.0, |world| every(world, |server| server.fsync_ms = 200.0))
            .at(12.0, |world| every(world, |server| server.fsync_ms = 5.0)),
        story("requests-queue-up", 3, 0)
            .at(10.0, |world| world.server(3).figures.set("outstanding_requests", 50.0))
            .fires("OutstandingRequests", Member(3), 10.0, 20.0)
            .warning(),
        story("requests-queue-for-fifteen-seconds", 3, 0)
            .at(10.0, |world| world.server(3).figures.set("outstanding_requests", 400.0))
            .at(10.2, |world| world.server(3).figures.set("outstanding_requests", 0.0)),
    ]
}

fn data() -> Vec<Story> {
    let size =
        |world: &mut World, bytes: f64| every(world, |server| server.figures.set("approximate_data_size", bytes));
    vec![
        // 180 MB within ten minutes, then no further growth.
        (0..10).fold(
            story("one-bulk-load", 3, 0).minutes(420.0).early().intervals(&[60]).given(move |world| size(world, 60e6)),
            |story, step| story.at(30.0 + f64::from(step), move |world| size(world, 78e6 + 18e6 * f64::from(step))),
        ),
        // 50 MB are added within half an hour and removed again, every hour; the exporter is replaced in between.
        (0..600)
            .fold(
                story("hourly-batches-and-a-new-exporter", 3, 0)
                    .minutes(600.0)
                    .early()
                    .intervals(&[60])
                    .given(move |world| size(world, 400e6)),
                |story, minute| {
                    let phase = f64::from(minute % 60) / 30.0;
                    let grown = if phase <= 1.0 { phase } else { 2.0 - phase };
                    story.at(f64::from(minute), move |world| size(world, 400e6 + 50e6 * grown))
                },
            )
            .at(480.0, |world| {
                let mut new = world.exporters[0].clone();
                new.instance = new.instance.replace("a.", "b.");
                new.restart();
                world.exporters[0].target = Target::Gone;
                world.exporters.push(new);
            }),
        // 80 MB per hour: at the limit within a day.
        (0..480)
            .fold(
                story("data-grows-toward-the-limit", 3, 0).minutes(480.0).early().intervals(&[60]),
                |story, minute| {
                    story.at(f64::from(minute), move |world| size(world, 400e6 + 80e6 / 60.0 * f64::from(minute)))
                },
            )
            .fires("DataGrowth", Any, 60.0, 345.0)
            .may(&["RunsOut", "UnusualIndicator", "EnsembleRisk"]),
        story("large-write-of-days-ago", 3, 0)
            .minutes(150.0)
            .given(|world| world.server(3).figures.set("max_proposal_size", 900_000.0))
            .at(60.0, |world| world.exporters[0].target = Target::Down)
            .at(85.0, |world| world.exporters[0].restart())
            .may(&["ExporterDown", "EnsembleUnwatched"])
            .intervals(&[15, 60]),
        story("large-write-now", 3, 0)
            .minutes(180.0)
            .at(65.0, |world| {
                world.server(3).figures.set("max_proposal_size", 900_000.0);
                world.server(3).figures.set("last_proposal_size", 900_000.0);
            })
            .at(66.0, |world| world.server(3).figures.set("last_proposal_size", 300.0))
            .fires("LargeProposal", Member(3), 65.0, 68.0)
            .ends(70.0, 130.0),
    ]
}

fn clients() -> Vec<Story> {
    vec![
        // A batch takes 500 locks for five minutes.
        story("batch-of-locks", 3, 0)
            .minutes(60.0)
            .at(20.0, |world| world.zk().ephemerals = 700.0)
            .at(25.0, |world| world.zk().ephemerals = 200.0),
        story("nightly-batch-of-clients", 3, 0)
            .minutes(90.0)
            .at(20.0, |world| world.zk().set_clients(400))
            .at(23.0, |world| world.zk().set_clients(90)),
        story("services-deregister", 3, 0)
            .minutes(90.0)
            .at(40.0, |world| world.zk().ephemerals = 20.0)
            .fires("EphemeralsCollapsed", Any, 40.0, 52.0)
            .ends(44.0, 90.0),
        story("clients-vanish", 3, 0)
            .minutes(120.0)
            .given(|world| world.zk().set_clients(600))
            .at(60.0, |world| world.zk().set_clients(60))
            .fires("ConnectionsCollapsed", Any, 60.0, 72.0)
            .ends(70.0, 120.0)
            .may(&["EphemeralsCollapsed"]),
        // Each server has 34 % of its descriptors open; one restarts, and its clients stay on the other servers.
        story("clients-stay-after-a-restart", 3, 0)
            .minutes(300.0)
            .early()
            .intervals(&[60])
            .given(|world| world.zk().set_clients(3900))
            .at(180.0, |world| world.stop(1))
            .at(181.0, |world| world.start(1, 5.0))
            .may(&["ConnectionsImbalanced"]),
        story("watches-stay-after-a-restart", 3, 0)
            .minutes(420.0)
            .early()
            .intervals(&[60])
            .given(|world| {
                world.zk().set_clients(900);
                world.zk().watches_of_a_client = 133.0;
            })
            .at(180.0, |world| world.stop(1))
            .at(181.0, |world| world.start(1, 5.0))
            .may(&["ConnectionsImbalanced"]),
        // A client leaks two connections per minute.
        (0..600)
            .fold(
                story("connections-leak", 3, 0)
                    .minutes(600.0)
                    .early()
                    .intervals(&[60])
                    .given(|world| world.zk().set_clients(4800)),
                |story, minute| story.at(f64::from(minute), |world| world.server(2).clients += 4),
            )
            .fires("FileDescriptorsForecast|RunsOut", Any, 60.0, 560.0)
            .ends(560.0, 600.0)
            .may(&[
                "FileDescriptorsForecast",
                "RunsOut",
                "UnusualIndicator",
                "FileDescriptors",
                "MemberRisk",
                "EnsembleRisk",
            ]),
        // A load balancer connects to the TLS port every ten seconds without a handshake: a known cause, named in the text.
        story("health-checks-on-the-tls-port", 3, 0)
            .minutes(60.0)
            .at(10.0, |world| world.zk().rates.push((1, "unsuccessful_handshake".to_owned(), 0.1)))
            .fires("TlsHandshakeFailures", Member(1), 10.0, 22.0)
            .warning(),
        story("two-failed-handshakes", 3, 0)
            .minutes(60.0)
            .at(20.0, |world| world.server(1).figures.add("unsuccessful_handshake", 2.0)),
        // An idle heap fills with garbage to three quarters and drops to a third, every half hour.
        (0..120).fold(
            story("idle-heap-with-garbage", 3, 0).minutes(120.0).early().intervals(&[60]),
            |story, minute| {
                let share = 0.31 + 0.47 * f64::from(minute % 30) / 29.0;
                story.at(f64::from(minute), move |world| {
                    every(world, |server| {
                        server.figures.set("jvm_memory_bytes_used{area=\"heap\"}", (1_073_741_824.0 * share).floor());
                    });
                })
            },
        ),
        // 900 clients disconnect within three hours and return in the morning.
        (0..180).fold(
            story("clients-go-home", 3, 0).minutes(480.0).early().intervals(&[60]).given(|world| {
                world.zk().set_clients(900);
            }),
            |story, minute| {
                story
                    .at(90.0 + f64::from(minute), move |world| world.zk().set_clients(900 - 4 * minute))
                    .at(290.0 + f64::from(minute), move |world| world.zk().set_clients(184 + 4 * minute))
            },
        ),
        story("clients-fail-to-log-in", 3, 0)
            .at(10.0, |world| world.zk().rates.push((1, "auth_failed_count".to_owned(), 0.05)))
            .fires("AuthFailures", Member(1), 10.0, 20.0),
    ]
}

//! Intermittent faults of members, quorums and exporters, with periods that no scrape interval is in phase with.

use crate::expect::Who::{Any, Exporter, Member};
use crate::exporter::Target;
use crate::server::Process;
use crate::story::{Story, story};
use crate::world::World;

/// Alerts permitted in addition to that of a flapping member.
const BESIDE_A_MEMBER: &[&str] = &["MemberRestarting", "MemberLosesLeader", "ScrapeSlow", "QuorumMarginZero"];

/// Alerts permitted in addition to that of a flapping quorum.
const BESIDE_A_QUORUM: &[&str] = &[
    "MemberDown",
    "MemberNotServing",
    "MemberRestarting",
    "MemberLosesLeader",
    "LeaderSilent",
    "EnsembleUnreachable",
    "UnavailableTime",
    "FrequentElections",
    "OutageBudgetBurn",
    "BudgetBurn",
    "ConnectionsCollapsed",
    "EphemeralsCollapsed",
    "QuorumMarginZero",
    "ScrapeSlow",
    "EnsembleRisk",
    "MemberRisk",
];

const EVERY_INTERVAL: &[u64] = &[15, 30, 60, 120];

pub fn stories() -> Vec<Story> {
    vec![
        suspended("member-suspended-14-of-20-seconds", 20.0),
        suspended("member-suspended-21-of-30-seconds", 30.0),
        suspended("member-suspended-35-of-50-seconds", 50.0),
        suspended("member-suspended-63-of-90-seconds", 90.0),
        killed("quorum-lost-14-of-20-seconds", 20.0),
        killed("quorum-lost-21-of-30-seconds", 30.0),
        killed("quorum-lost-35-of-50-seconds", 50.0),
        killed("quorum-lost-63-of-90-seconds", 90.0),
        // A fifth of the time is a warning about elections or time without a leader, and not critical.
        story("quorum-lost-12-of-60-seconds-for-ten-minutes", 3, 0)
            .minutes(60.0)
            .intervals(&[15])
            .unevenly((10.0, 20.0), 60.0, 0.2, lose_quorum, return_all)
            .may(&[
                "FrequentElections",
                "UnavailableTime",
                "OutageBudgetBurn",
                "MemberRestarting",
                "MemberLosesLeader",
            ]),
        crash_loop("exporter-away-40-of-60-seconds")
            // Scrapes every minute see it up for most of the hour.
            .intervals(&[15, 30])
            .fires("ExporterDown", Exporter(0), 10.0, 30.0)
            .mostly(0.7)
            .may(&["EnsembleUnwatched"]),
        // Slightly more than every fourth scrape is lost. One lost at the time when an alert would fire restarts its two
        // minutes.
        losing_scrapes("quorum-lost-and-every-fourth-scrape")
            .at(15.0, lose_quorum)
            .fires("QuorumLost", Any, 15.0, 25.0)
            .critical()
            .may(BESIDE_A_QUORUM),
        losing_scrapes("member-dead-and-every-fourth-scrape-lost")
            .at(15.0, |world| world.stop(1))
            .fires("MemberDown", Member(1), 15.0, 25.0)
            .critical()
            .may(&["QuorumMarginZero"]),
        losing_scrapes("leader-silent-and-every-fourth-scrape-lost")
            .given(patient)
            .at(15.0, |world| world.suspend(3))
            .fires("LeaderSilent", Any, 15.0, 25.0)
            .critical()
            .may(&["MemberDown", "OutageBudgetBurn", "BudgetBurn", "ScrapeSlow"]),
        losing_scrapes("member-back-and-every-fourth-scrape-lost")
            .at(15.0, |world| world.stop(1))
            .at(25.0, |world| world.start(1, 5.0))
            .fires("MemberDown", Member(1), 15.0, 25.0)
            .ends(25.0, 31.0)
            .may(&["QuorumMarginZero", "MemberNotServing"]),
        losing_scrapes("every-fourth-scrape-lost-and-nothing-else"),
        losing_scrapes("rolling-restart-and-every-fourth-scrape-lost").minutes(60.0).again(
            (15.0, 24.0),
            180.0,
            restart_next,
            45.0,
            return_all,
        ),
    ]
}

/// Members that answer most of the time.
pub fn rare_gaps() -> Vec<Story> {
    vec![
        story("member-loses-every-fourth-reply", 3, 0)
            .minutes(120.0)
            .intervals(EVERY_INTERVAL)
            .unevenly(
                (5.0, 120.0),
                75.0,
                0.25,
                |world| world.out_of_sight(0, 1),
                |world| world.exporters[0].unreachable.clear(),
            )
            .may(&["ScrapeSlow"]),
    ]
}

/// States that last for a third of the time and for less than two minutes each.
pub fn thirds() -> Vec<Story> {
    vec![
        story("quorum-lost-100-of-301-seconds", 3, 0)
            .minutes(80.0)
            .intervals(EVERY_INTERVAL)
            .again((10.0, 80.0), 301.0, lose_quorum, 100.0, return_all)
            .fires("QuorumLost", Any, 10.0, 40.0)
            .critical()
            .mostly(0.7)
            .may(BESIDE_A_QUORUM),
        // The quorum remains after the fourth time.
        story("quorum-lost-100-of-301-seconds-four-times", 3, 0)
            .minutes(60.0)
            .intervals(&[15, 30, 60])
            .again((10.0, 27.0), 301.0, lose_quorum, 100.0, return_all)
            .fires("QuorumLost", Any, 10.0, 28.0)
            .critical()
            .ends(27.0, 37.0)
            .may(BESIDE_A_QUORUM),
        story("leader-hangs-100-of-301-seconds", 3, 0)
            .minutes(80.0)
            .intervals(EVERY_INTERVAL)
            .given(patient)
            .again((10.0, 80.0), 301.0, |world| world.suspend(3), 100.0, |world| world.resume(3))
            .fires("LeaderSilent", Any, 10.0, 40.0)
            .critical()
            .mostly(0.7)
            .may(BESIDE_A_QUORUM),
        story("quorum-lost-for-seven-minutes-after-elections", 3, 0)
            .minutes(60.0)
            .again((10.0, 19.0), 300.0, |world| world.suspend(3), 30.0, |world| world.resume(3))
            .at(25.0, lose_quorum)
            .at(32.0, return_all)
            .fires("QuorumLost", Any, 25.0, 29.0)
            .critical()
            .ends(32.0, 42.0)
            .may(BESIDE_A_QUORUM),
    ]
}

fn suspended(name: &'static str, period: f64) -> Story {
    story(name, 5, 0)
        .minutes(60.0)
        .intervals(EVERY_INTERVAL)
        .unevenly((10.0, 60.0), period, 0.7, |world| world.suspend(1), |world| world.resume(1))
        .fires("MemberDown|MemberNotServing", Member(1), 10.0, 26.0)
        .critical()
        .mostly(0.75)
        .may(BESIDE_A_MEMBER)
}

fn killed(name: &'static str, period: f64) -> Story {
    story(name, 3, 0)
        .minutes(60.0)
        .intervals(EVERY_INTERVAL)
        .unevenly((10.0, 60.0), period, 0.7, lose_quorum, return_all)
        .fires("QuorumLost", Any, 10.0, 22.0)
        .critical()
        .mostly(0.75)
        .may(BESIDE_A_QUORUM)
}

fn crash_loop(name: &'static str) -> Story {
    story(name, 3, 0).minutes(60.0).unevenly((10.0, 60.0), 60.0, 0.67, away, back)
}

/// The exporter does not answer for a quarter of each minute.
fn losing_scrapes(name: &'static str) -> Story {
    story(name, 3, 0).minutes(45.0).intervals(&[15, 30, 60]).unevenly((5.0, 45.0), 75.0, 0.25, away, |world| {
        // It was not a new process: its state is kept.
        world.exporters[0].target = Target::Up;
    })
}

/// Followers keep a silent leader for more than ten minutes.
pub fn patient(world: &mut World) {
    world.zk().servers.iter_mut().for_each(|server| server.sync_limit = 3600.0);
}

fn away(world: &mut World) {
    world.exporters[0].target = Target::Down;
}

fn back(world: &mut World) {
    world.exporters[0].restart();
}

fn lose_quorum(world: &mut World) {
    world.stop(1);
    world.stop(2);
}

/// The member with the longest uptime is restarted.
fn restart_next(world: &mut World) {
    let oldest = world.zk().servers.iter().min_by(|one, other| one.serving_since.total_cmp(&other.serving_since));
    let id = oldest.map_or(1, |server| server.id);
    world.stop(id);
}

fn return_all(world: &mut World) {
    let dead: Vec<u32> =
        world.zk().servers.iter().filter(|server| server.process == Process::Stopped).map(|server| server.id).collect();
    for id in dead {
        world.start(id, 1.0);
    }
}

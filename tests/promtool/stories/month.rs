//! The healthy month: three ensembles with daily peaks, quiet weekends, deployments, backups, rolling restarts and an exporter
//! that restarts once a week. It raises no critical alert and at most two warnings, each with a documented reason.

use std::collections::{BTreeMap, BTreeSet};

use super::exporter::Target;
use super::promtool;
use super::rules::{self, View};
use super::story::{Story, story};
use super::world::World;
use crate::common::root;

/// Seconds between scrapes, and between evaluations. Prometheus' own default.
const INTERVAL: u64 = 60;

/// Permitted warnings, with the reason.
const DEFENSIBLE: &[(&str, &str)] = &[];

/// One of the three ensembles.
struct Habits {
    name: &'static str,
    voters: u32,
    observers: u32,
    /// Clients and writes per second at the daily peak.
    clients: u32,
    writes: f64,
    /// The day of the week of rolling restarts, and the hour of the backup.
    restarts: u32,
    backup: u32,
}

const THREE: [Habits; 3] = [
    Habits { name: "month-search", voters: 3, observers: 0, clients: 900, writes: 60.0, restarts: 1, backup: 2 },
    Habits { name: "month-events", voters: 5, observers: 1, clients: 4200, writes: 300.0, restarts: 2, backup: 3 },
    // Almost idle: one write per minute at night.
    Habits { name: "month-config", voters: 3, observers: 0, clients: 60, writes: 0.5, restarts: 3, backup: 4 },
];

const DAY: f64 = 24.0 * 60.0;

/// The current share of the daily peak: it rises and falls between 7:00 and 22:00, to less than half at weekends.
fn demand(minute: f64) -> f64 {
    let hour = minute % DAY / 60.0;
    let hill = if (7.0..22.0).contains(&hour) { ((hour - 7.0) / 15.0 * std::f64::consts::PI).sin() } else { 0.0 };
    let weekend = minute / DAY % 7.0 >= 5.0;
    0.15 + 0.85 * hill * if weekend { 0.4 } else { 1.0 }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousand clients")]
fn month(habits: &Habits, days: u32) -> Story {
    let &Habits { name, voters, observers, clients, writes, restarts, backup } = habits;
    let minutes = f64::from(days) * DAY;
    let mut story = story(name, voters, observers).minutes(minutes).step(5);
    let every = |world: &mut World, act: &dyn Fn(&mut super::server::Server)| {
        world.zk().servers.iter_mut().for_each(act);
    };
    for ten in 0..days * 144 {
        let minute = f64::from(ten) * 10.0;
        let part = demand(minute);
        story = story.at(minute, move |world| {
            world.zk().set_clients((f64::from(clients) * part) as u32);
            world.zk().load.writes = writes * part;
            world.zk().load.reads = 4.0 * writes * part;
            world.zk().ephemerals = (f64::from(clients) * part * 1.5).floor();
            every(world, &|server| {
                // Garbage fills the heap and is collected; the tree grows slightly every day.
                let used = [0.35, 0.5, 0.65, 0.75][ten as usize % 4] * 1_073_741_824.0;
                server.figures.set("jvm_memory_bytes_used{area=\"heap\"}", f64::floor(used));
                server.figures.set("approximate_data_size", (30e6 + minute * 140.0 + 2e6 * part).floor());
                server.figures.set("znode_count", (50_000.0 + minute / 20.0 + 3000.0 * part).floor());
                server.figures.set("outstanding_requests", (3.0 * part).floor());
            });
        });
    }
    for day in 0..days {
        let at = |hour: f64| f64::from(day) * DAY + hour * 60.0;
        // The backup reads from the disk of a follower.
        story = story
            .at(at(f64::from(backup)), |world| world.server(1).fsync_ms = 70.0)
            .at(at(f64::from(backup) + 0.25), |world| world.server(1).fsync_ms = 5.0);
        // A deployment: three of ten clients disconnect, reconnect and load their data.
        if [0, 2, 3].contains(&(day % 7)) {
            story = story
                .at(at(11.0), |world| {
                    let clients = world.zk().clients();
                    world.zk().set_clients(clients * 7 / 10);
                    world.zk().ephemerals = (world.zk().ephemerals * 0.7).floor();
                    world.zk().load.writes *= 4.0;
                    world.zk().load.reads *= 6.0;
                })
                .at(at(11.05), |world| {
                    let clients = world.zk().clients();
                    world.zk().set_clients(clients * 10 / 7);
                    world.zk().ephemerals = (world.zk().ephemerals / 0.7).floor();
                });
        }
        if day % 7 == restarts {
            for id in 1..=voters + observers {
                // Observers first, then the voters, the leader last.
                let server = if id <= observers { voters + id } else { id - observers };
                let begins = at(10.0) + f64::from(id - 1) * 3.0;
                story = story.at(begins, move |world| world.stop(server)).at(begins + 0.6, move |world| {
                    world.start(server, 5.0);
                    // The data of a process is loaded from the disk.
                    let minute = world.now / 60.0;
                    world.server(server).figures.set("approximate_data_size", (30e6 + minute * 140.0).floor());
                    world.server(server).figures.set("znode_count", (50_000.0 + minute / 20.0).floor());
                });
            }
        }
        if day % 7 == 4 {
            story = story
                .at(at(15.0), |world| world.exporters[0].target = Target::Down)
                .at(at(15.0) + 1.0, |world| world.exporters[0].restart());
        }
    }
    story
}

/// The rule files, including those of early warning.
fn fired(story: &Story) -> promtool::Fired {
    let folder = tempfile::tempdir().unwrap();
    let names = ["zookeeper.yml", "early-warning.yml"];
    let (files, wanted) = rules::write(&root().join("alert-rules"), &names, View::default(), folder.path());
    let input = story.series(INTERVAL, 0).input_series(&wanted);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the minutes of a month")]
    let seconds = (story.minutes * 60.0) as u64;
    promtool::run(folder.path(), &files, &input, INTERVAL, seconds)
}

/// `MONTH_DAYS` sets the number of days; the gate runs one, `./scripts/test long stories` thirty.
#[test]
fn a_healthy_month_raises_no_alert() {
    let days = std::env::var("MONTH_DAYS").ok().and_then(|days| days.parse().ok()).unwrap_or(1);
    let all: Vec<(&'static str, promtool::Fired)> = std::thread::scope(|scope| {
        let runs: Vec<_> =
            THREE.iter().map(|habits| (habits.name, scope.spawn(move || fired(&month(habits, days))))).collect();
        runs.into_iter().map(|(name, run)| (name, run.join().unwrap())).collect()
    });
    let (mut told, mut warnings, mut wrong) = (Vec::new(), BTreeSet::new(), Vec::new());
    for (name, fired) in &all {
        for (firing, times) in fired {
            let severity = firing.labels.get("severity").map_or("", String::as_str);
            let days: BTreeMap<u64, usize> = times.iter().fold(BTreeMap::new(), |mut days, minute| {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a day of the month")]
                let day = (minute / DAY) as u64;
                *days.entry(day).or_default() += 1;
                days
            });
            told.push(format!(
                "{name}: {} {:?}: minutes by day {days:?}, from {:?}",
                firing.alert,
                firing.labels,
                times.first()
            ));
            if severity == "critical" || !DEFENSIBLE.iter().any(|(alert, _)| *alert == firing.alert) {
                wrong.push(format!("{} {severity}", firing.alert));
            }
            warnings.extend(days.keys().map(|day| (*name, firing.alert.clone(), *day)));
        }
    }
    assert!(wrong.is_empty() && warnings.len() <= 2, "{wrong:?}\n{} warnings\n{}", warnings.len(), told.join("\n"));
}

//! Intermittent faults on real ensembles: a quorum that is lost for most of each minute, a member in a crash loop, a
//! member that replies only occasionally. An exporter restart during the faults neither resolves nor raises alerts.
//!
//! Durations are divided by [`FACTOR`]; the scrape interval corresponds to 20 s of the shipped rules.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::ALONE;
use crate::bench::{Bench, Notice, Plan};
use crate::live::Ensemble;
use crate::long::first;

const FACTOR: u32 = 5;
const EVERY: u64 = 4;

/// Scales a duration of the shipped rules.
fn divided(seconds: u64) -> Duration {
    Duration::from_secs(seconds) / FACTOR
}

/// Repeats `work` until `done` is set.
fn again(done: &AtomicBool, work: impl Fn()) {
    while !done.load(Ordering::Relaxed) {
        work();
    }
}

fn key(notice: &Notice) -> (String, String, String) {
    let of = |name: &str| notice.labels.get(name).cloned().unwrap_or_default();
    (of("alertname"), of("ensemble"), of("member"))
}

#[test]
fn flapping_faults_are_reported_despite_gaps_in_the_scrapes() {
    let _alone = ALONE.lock();
    // Followers time out after one second, so that a pause causes an immediate loss.
    let start = || Ensemble::start(&["--cfg", "syncLimit=2"]);
    let (quorum, crashing, seldom) = (start(), start(), start());
    let entry = |name: &str, ensemble: &Ensemble| {
        format!("  - {{name: {name}, members: [{}]}}\n", ensemble.members().join(", "))
    };
    let config =
        format!("ensembles:\n{}{}{}", entry("quorum", &quorum), entry("crashing", &crashing), entry("seldom", &seldom));
    let mut bench = Bench::of(&Plan {
        exporters: vec![(&config, None)],
        factor: u64::from(FACTOR),
        every: EVERY,
        written_routes: false,
    });
    // Ten healthy minutes first: the availability over the window must then decrease from 100 %.
    let calm = Instant::now();
    std::thread::sleep(divided(600));
    let alarms = bench.since(calm).into_iter().filter(|notice| notice.labels["severity"] == "critical");
    assert_eq!(alarms.count(), 0, "no fault yet");
    let (loops, crasher) = first(&crashing, "follower");
    let (silent, stutterer) = first(&seldom, "follower");
    let followers: Vec<String> = quorum.run(&["mode", "follower"]).lines().map(str::to_owned).collect();
    assert_eq!(followers.len(), 2);
    // This member looks for its peers at wrong ports and never serves.
    let lost: Vec<String> = (1..=3)
        .filter(|id| id.to_string() != loops)
        .flat_map(|id| ["--cfg".to_owned(), format!("server.{id}=127.0.0.1:1:2")])
        .collect();
    let begun = Instant::now();
    let done = AtomicBool::new(false);
    let (gap, resumed) = std::thread::scope(|threads| {
        // No quorum for 45 s of each minute.
        threads.spawn(|| {
            again(&done, || {
                for id in &followers {
                    quorum.run(&["pause", id]);
                }
                std::thread::sleep(divided(45));
                for id in &followers {
                    quorum.run(&["resume", id]);
                }
                std::thread::sleep(divided(15));
            });
        });
        // 30 s down, 45 s up without a leader.
        threads.spawn(|| {
            let mut arguments = vec!["restart", &*loops];
            arguments.extend(lost.iter().map(String::as_str));
            crashing.run(&arguments);
            again(&done, || {
                crashing.run(&["kill", &loops]);
                std::thread::sleep(divided(30));
                crashing.run(&["restart", &loops]);
                std::thread::sleep(divided(45));
            });
        });
        // Stopped for 90 s of every 120 s.
        threads.spawn(|| {
            again(&done, || {
                seldom.run(&["pause", &silent]);
                std::thread::sleep(divided(90));
                seldom.run(&["resume", &silent]);
                std::thread::sleep(divided(30));
            });
        });
        let mut told = Vec::new();
        for (alert, ensemble, member) in [
            ("ZooKeeperQuorumLost", "quorum", None),
            ("ZooKeeperMemberNotServing", "crashing", Some(&crasher)),
            ("ZooKeeperMemberNotServing", "seldom", Some(&stutterer)),
        ] {
            let fired = bench.notice(begun, divided(900), |notice| {
                notice.status == "firing"
                    && notice.labels["alertname"] == alert
                    && notice.labels["ensemble"] == ensemble
                    && member.is_none_or(|member| notice.labels.get("member") == Some(member))
            });
            let after = fired.map(|fired| fired.at.duration_since(begun).as_secs_f64());
            println!(
                "{alert} of {ensemble}: {after:?} s, {} s of the rules as shipped",
                after.as_ref().map_or(f64::NAN, |after| after * f64::from(FACTOR))
            );
            told.push((alert, ensemble, after));
        }
        // The faults were intermittent: no outage lasted as long as `for`.
        let changes = bench.query("changes(ensemble:zk_has_quorum:max{ensemble=\"quorum\"}[2m])");
        // The exporter is down for 75 s.
        let gap = Instant::now();
        bench.stop_exporter(0);
        std::thread::sleep(divided(75));
        bench.start_exporter(0);
        std::thread::sleep(divided(120));
        let resumed = Instant::now();
        done.store(true, Ordering::Relaxed);
        for (alert, ensemble, after) in told {
            let after = after.unwrap_or_else(|said| panic!("{alert} of {ensemble} did not fire: {said}"));
            assert!(after <= divided(600).as_secs_f64(), "{alert} of {ensemble} fired after {after} s only");
        }
        assert!(changes.is_some_and(|changes| changes >= 3.0), "{changes:?}");
        (gap, resumed)
    });
    let before: BTreeSet<_> =
        bench.since(begun).iter().filter(|notice| notice.at < gap && notice.status == "firing").map(key).collect();
    let during: Vec<Notice> = bench.since(gap).into_iter().filter(|notice| notice.at < resumed).collect();
    let critical = |notice: &&Notice| notice.labels["severity"] == "critical";
    let ended: Vec<_> = during.iter().filter(critical).filter(|notice| notice.status == "resolved").map(key).collect();
    assert!(ended.is_empty(), "a gap is no recovery: {ended:?}");
    let begins: Vec<_> = during
        .iter()
        .filter(critical)
        .filter(|notice| notice.status == "firing")
        .map(key)
        .filter(|key| !before.contains(key))
        .collect();
    assert!(begins.is_empty(), "a gap is no fault: {begins:?}");
    // Two of the three recover without intervention; the window must first reach its threshold again.
    for (alert, ensemble) in [("ZooKeeperQuorumLost", "quorum"), ("ZooKeeperMemberNotServing", "seldom")] {
        let over = bench.notice(resumed, divided(900), |notice| {
            notice.status == "resolved" && notice.labels["alertname"] == alert && notice.labels["ensemble"] == ensemble
        });
        println!("{alert} of {ensemble} ends {:.1} s after", over.unwrap().at.duration_since(resumed).as_secs_f64());
    }
}

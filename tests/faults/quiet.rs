//! Fifteen minutes without a fault: `./scripts/test long faults`.

use std::time::{Duration, Instant};

use crate::ALONE;
use crate::bench::{Bench, Script};
use crate::live::Ensemble;

/// Fifteen minutes of load and a rolling restart, with the durations of the shipped rules.
#[test]
fn normal_load_with_a_rolling_restart_raises_no_alert() {
    let _alone = ALONE.lock();
    let ensemble = Ensemble::start(&["--observers", "1"]);
    let members = ensemble.members();
    let config =
        format!("ensembles: [{{name: e, members: [{}]}}]\n", ensemble.run(&["members", "--flag"]).replace(',', ", "));
    let bench = Bench::start_with(&config, 1, 1);
    let _load = Script::load(&members.join(","));
    let begun = Instant::now();
    let whole = Duration::from_mins(15);
    std::thread::sleep(Duration::from_mins(4));
    for id in ["1", "2", "3", "4"] {
        ensemble.run(&["term", id]);
        std::thread::sleep(Duration::from_secs(5));
        ensemble.run(&["restart", id, "--wait"]);
        std::thread::sleep(Duration::from_secs(20));
    }
    std::thread::sleep(whole.saturating_sub(begun.elapsed()));
    let woken: Vec<_> =
        bench.since(begun).into_iter().filter(|notice| notice.labels["severity"] == "critical").collect();
    assert!(woken.is_empty(), "{woken:#?}");
    let told: Vec<_> = bench.since(begun).into_iter().filter(|notice| notice.labels["severity"] == "warning").collect();
    println!(
        "warnings within 15 minutes: {:?}",
        told.iter().map(|notice| &notice.labels["alertname"]).collect::<Vec<_>>()
    );
    assert!(
        bench.since(begun).iter().any(|notice| notice.labels["alertname"] == "ZooKeeperWatchdog"),
        "the chain works"
    );
}

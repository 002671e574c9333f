//! The demo as a new user runs it: two instances at the same time, real faults, real alerts at the webhook, and complete
//! cleanup.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "each test binary is its own crate")]
#![allow(missing_docs, reason = "test names describe the tests")]
#![allow(clippy::disallowed_methods, reason = "these tests have no async runtime and wait by sleeping")]

mod demo;
#[path = "../common/trial.rs"]
mod trial;

use std::process::Command;
use std::time::Duration;

use demo::{Demo, FIRING, RESOLVED};

/// The demo divides `for` by ten; the rest allows for a loaded machine.
const SOON: Duration = Duration::from_secs(90);

#[test]
fn two_demos_at_once_and_every_alarm_fires_and_ends() {
    let slow = std::thread::spawn(a_slow_disk);
    lost_members();
    slow.join().unwrap();
}

/// Member down, zero margin, quorum lost, not serving; stopped with Ctrl-C.
fn lost_members() {
    let mut demo = Demo::start(&[]);
    demo.ensemble(&["kill", "leader"]);
    demo.await_alert(FIRING, "critical", "ZooKeeperMemberDown", SOON);
    demo.await_alert(FIRING, "warning", "ZooKeeperQuorumMarginZero", SOON);
    // Resolved before another alert inhibits it: Alertmanager does not notify about alerts resolved while inhibited.
    demo.ensemble(&["restart", "down"]);
    demo.await_alert(RESOLVED, "critical", "ZooKeeperMemberDown", SOON);
    demo.await_alert(RESOLVED, "warning", "ZooKeeperQuorumMarginZero", SOON);

    // Two of three voters are killed; the last one has no quorum, and the observer no leader.
    for follower in demo.ensemble(&["mode", "follower"]).split_whitespace() {
        demo.ensemble(&["kill", follower]);
    }
    demo.await_alert(FIRING, "critical", "ZooKeeperQuorumLost", SOON);
    // The shipped inhibitions suppress it in Alertmanager because of the alert above, but it fires in Prometheus.
    demo.await_in_prometheus("ALERTS{alertname=\"ZooKeeperMemberNotServing\",alertstate=\"firing\"}", SOON);
    // `down` selects the first member that is down.
    demo.ensemble(&["restart", "down"]);
    demo.ensemble(&["restart", "down"]);
    demo.await_alert(RESOLVED, "critical", "ZooKeeperQuorumLost", SOON);
    demo.await_alert(RESOLVED, "critical", "ZooKeeperMemberDown", SOON);

    // One follower that cannot find the leader: while there is a leader, the alert reaches the webhook.
    let followers = demo.ensemble(&["mode", "follower"]);
    let follower = followers.split([' ', '\n']).next().unwrap().to_owned();
    let right = demo.mislead(&follower);
    demo.await_alert(FIRING, "critical", "ZooKeeperMemberNotServing", SOON);
    demo.ensemble(&["restart", &follower, "--cfg", &right]);
    demo.await_alert(RESOLVED, "critical", "ZooKeeperMemberNotServing", SOON);

    demo.signal("INT");
    let status = demo.wait();
    assert_eq!(status.code(), Some(0), "Ctrl-C ends a demo well: {status}");
    demo.assert_nothing_left();
}

/// Slow fsync at both levels, and a demo that is killed.
fn a_slow_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (library, delay) = (folder.path().join("slow_fsync.so"), folder.path().join("delay"));
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(demo::root().join("tests/demo/slow_fsync.c"))
        .arg("-ldl")
        .status()
        .unwrap();
    assert!(built.success());
    let mut demo = Demo::start(&[("LD_PRELOAD", library.to_str().unwrap()), ("SLOW_FSYNC", delay.to_str().unwrap())]);

    std::fs::write(&delay, "600").unwrap();
    demo.await_alert(FIRING, "critical", "ZooKeeperSlowFsync", 2 * SOON);
    demo.await_in_prometheus(
        "ALERTS{alertname=\"ZooKeeperSlowFsync\",alertstate=\"firing\",severity=\"warning\"}",
        2 * SOON,
    );
    std::fs::remove_file(&delay).unwrap();
    demo.await_alert(RESOLVED, "critical", "ZooKeeperSlowFsync", 2 * SOON);

    demo.signal("KILL");
    demo.wait();
    demo.assert_nothing_left();
}

//! The demo as a newcomer runs it: two at once, real faults, real alerts at the webhook, and nothing left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "one crate a test binary")]
#![allow(missing_docs, reason = "tests are read by their names")]
#![allow(clippy::disallowed_methods, reason = "a test without a runtime waits by sleeping")]

mod demo;
#[path = "../common/trial.rs"]
mod trial;

use std::process::Command;
use std::time::Duration;

use demo::{Demo, FIRING, RESOLVED};

/// The alerts come with a tenth of their `for`; the rest is what a loaded machine may need.
const SOON: Duration = Duration::from_secs(90);

#[test]
fn two_demos_at_once_and_every_alarm_fires_and_ends() {
    let slow = std::thread::spawn(a_slow_disk);
    lost_members();
    slow.join().unwrap();
}

/// Member down, no margin, no quorum, not serving; ended by Ctrl-C.
fn lost_members() {
    let mut demo = Demo::start(&[]);
    demo.ensemble(&["kill", "leader"]);
    demo.await_alert(FIRING, "critical", "ZooKeeperMemberDown", SOON);
    demo.await_alert(FIRING, "warning", "ZooKeeperQuorumMarginZero", SOON);
    // Ended while nothing inhibits it: what ends under an inhibition, Alertmanager does not tell.
    demo.ensemble(&["restart", "down"]);
    demo.await_alert(RESOLVED, "critical", "ZooKeeperMemberDown", SOON);
    demo.await_alert(RESOLVED, "warning", "ZooKeeperQuorumMarginZero", SOON);

    // Two voters of three; the one left has no quorum, and the observer nobody to learn from.
    for follower in demo.ensemble(&["mode", "follower"]).split_whitespace() {
        demo.ensemble(&["kill", follower]);
    }
    demo.await_alert(FIRING, "critical", "ZooKeeperQuorumLost", SOON);
    // It is inhibited at Alertmanager by the alert above, as we ship it, but Prometheus has it.
    demo.await_in_prometheus("ALERTS{alertname=\"ZooKeeperMemberNotServing\",alertstate=\"firing\"}", SOON);
    // `down` is the first member that is.
    demo.ensemble(&["restart", "down"]);
    demo.ensemble(&["restart", "down"]);
    demo.await_alert(RESOLVED, "critical", "ZooKeeperQuorumLost", SOON);
    demo.await_alert(RESOLVED, "critical", "ZooKeeperMemberDown", SOON);

    // One follower that does not find the leader: with a leader there, the alert reaches the webhook.
    let followers = demo.ensemble(&["mode", "follower"]);
    let follower = followers.split([' ', '\n']).next().unwrap().to_owned();
    let right = demo.mislead(&follower);
    demo.await_alert(FIRING, "critical", "ZooKeeperMemberNotServing", SOON);
    demo.ensemble(&["restart", &follower, "--cfg", &right]);
    demo.await_alert(RESOLVED, "critical", "ZooKeeperMemberNotServing", SOON);

    demo.signal("INT");
    assert_eq!(demo.wait().code(), Some(0), "Ctrl-C ends a demo well");
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

//! Whether a member may be restarted in each state of an ensemble, and the order of a rolling restart.

use std::time::Duration;

use zookeeper_exporter::catalogue::{Own, Part};
use zookeeper_exporter::reply::Number;
use zookeeper_exporter::scrape::samples::Collector;
use zookeeper_exporter::verdict::{RestartPolicy, judge, restart_objections, restart_order};

use crate::common::exporter::{Exporter, run};
use crate::common::listeners::Listener;
use crate::reload::request;
use crate::verdicts::Made;

/// The replies were captured seconds after the start.
const SETTLED: RestartPolicy = RestartPolicy { settle: Duration::from_secs(1), allow_leader: false };

/// The reasons against a restart of server `id`.
fn reasons(made: Made, id: usize, policy: RestartPolicy) -> Vec<String> {
    let report = made.report();
    restart_objections(&report, &judge(&report), id - 1, policy, &|_| None)
}

fn healthy() -> Made {
    Made::all_up("3.8.0")
}

#[test]
fn a_healthy_ensemble_allows_followers_and_observers_and_the_leader_last() {
    for id in [1, 2, 4] {
        assert_eq!(reasons(healthy(), id, SETTLED), Vec::<String>::new(), "{id}");
    }
    let leader = reasons(healthy(), 3, SETTLED);
    assert_eq!(leader.len(), 1, "{leader:?}");
    assert!(leader[0].contains("it leads") && leader[0].contains("zk-1:2181, zk-2:2181"), "{leader:?}");
    assert!(reasons(healthy(), 3, RestartPolicy { allow_leader: true, ..SETTLED }).is_empty());
}

#[test]
fn a_restart_that_loses_the_quorum_is_refused() {
    let degraded = || {
        let lost = [("zk_synced_followers\t2\n", "zk_synced_followers\t1\n"), ("zk_learners\t3\n", "zk_learners\t2\n")];
        healthy().silent(2).leader(&lost)
    };
    let follower = reasons(degraded(), 1, SETTLED);
    assert!(follower.iter().any(|reason| reason.contains("margin 0")), "{follower:?}");
    assert!(follower.iter().any(|reason| reason == "zk-2:2181 is no-answer"), "{follower:?}");
    // The dead member itself may be restarted.
    assert_eq!(reasons(degraded(), 2, SETTLED), Vec::<String>::new());
    // So may an observer, but a rolling restart stops if a voter is unhealthy.
    assert!(reasons(degraded(), 4, SETTLED).iter().any(|reason| reason == "2 of 3 voters in sync"));
}

#[test]
fn restarts_are_refused_without_a_quorum_or_a_visible_leader() {
    let lost = || healthy().not_serving(1).not_serving(2).not_serving(3);
    for id in 1..=4 {
        assert!(!reasons(lost(), id, SETTLED).is_empty(), "{id}");
    }
    let hidden = reasons(healthy().silent(3), 1, SETTLED);
    assert!(hidden.iter().any(|reason| reason == "zk-3:2181 is no-answer"), "{hidden:?}");
}

#[test]
fn restarts_wait_for_lag_synchronisation_and_recent_restarts() {
    let behind = reasons(healthy().zxid(3, 9, 5000).zxid(1, 9, 5000).zxid(2, 9, 1000), 1, SETTLED);
    assert!(behind.iter().any(|reason| reason.contains("zk-2:2181 is 4000 transactions behind")), "{behind:?}");
    let recent = reasons(healthy(), 1, RestartPolicy::default());
    assert!(recent.iter().any(|reason| reason.contains("zk-3:2181 has been leader for 5 s")), "{recent:?}");
    assert!(recent.iter().any(|reason| reason.contains("zk-2:2181 has been follower for 8 s")), "{recent:?}");
    let syncing = reasons(healthy().counts(1), 2, SETTLED);
    assert!(syncing.iter().any(|reason| reason.contains("1 of 3 learners are synchronising")), "{syncing:?}");
}

/// The reasons against a restart of server `id` while the canaries of these members fail; `""` for the ensemble's.
fn reasons_with_canaries(made: Made, id: usize, failing: &[&str]) -> Vec<String> {
    let mut all = Collector::new(100);
    for member in ["", "zk-1:2181", "zk-2:2181", "zk-3:2181", "zk-4:2181"] {
        let up = i64::from(!failing.contains(&member));
        all.push_many(Own::CanaryUp.into(), Part::Value, &[member], Number::Int(up));
    }
    let mut report = made.report();
    report.samples = all.finish();
    restart_objections(&report, &judge(&report), id - 1, SETTLED, &|_| None)
}

#[test]
fn failing_canaries_object_where_the_ensemble_relies_on_their_members() {
    let none = Vec::<String>::new();
    assert_eq!(reasons_with_canaries(healthy(), 1, &[]), none);
    assert_eq!(reasons_with_canaries(healthy(), 1, &[""]), ["the canary of the ensemble fails"]);
    assert_eq!(reasons_with_canaries(healthy(), 1, &["zk-2:2181"]), ["the canary of zk-2:2181 fails"]);
    // Its own canary, and that of an observer.
    assert_eq!(reasons_with_canaries(healthy(), 2, &["zk-2:2181", "zk-4:2181"]), none);
    assert_eq!(reasons_with_canaries(healthy(), 1, &["zk-4:2181"]), none);
    // A dead member: it may be restarted, and is one reason against a restart of another, not two.
    let lost = [("zk_synced_followers\t2\n", "zk_synced_followers\t1\n"), ("zk_learners\t3\n", "zk_learners\t2\n")];
    let degraded = || healthy().silent(2).leader(&lost);
    assert_eq!(reasons_with_canaries(degraded(), 2, &["zk-2:2181"]), none);
    assert_eq!(reasons_with_canaries(degraded(), 1, &["zk-2:2181"]), reasons(degraded(), 1, SETTLED));
}

#[test]
fn releases_without_uptime_use_the_other_criteria() {
    let unsettled = RestartPolicy { settle: Duration::ZERO, ..SETTLED };
    assert_eq!(reasons(Made::all_up("3.4.14"), 1, unsettled), Vec::<String>::new());
    let leader = reasons(Made::all_up("3.4.14"), 3, unsettled);
    assert!(leader.len() == 1 && leader[0].contains("it leads"), "the leader goes last: {leader:?}");
}

#[test]
fn the_order_is_unhealthy_observers_followers_leader() {
    let order = |made: Made| {
        let report = made.report();
        restart_order(&report, &judge(&report)).into_iter().map(|place| place + 1).collect::<Vec<_>>()
    };
    assert_eq!(order(healthy()), [4, 1, 2, 3]);
    assert_eq!(order(healthy().silent(2).counts(1)), [2, 4, 1, 3]);
}

#[test]
fn command_and_endpoint_agree() {
    let standalone = |file: &str| {
        let path = crate::common::root().join("tests/fixtures/3.8.0/standalone").join(file);
        std::fs::read_to_string(path).unwrap()
    };
    let (mntr, srvr) = (standalone("mntr.txt"), standalone("srvr.txt"));
    let member = Listener::answering_words(&[("mntr", &mntr), ("srvr", &srvr)]);
    let targets = format!("prod={}", member.address);
    let exporter = Exporter::start(&["--zookeeper", &targets]);
    let path = format!("/-/may-restart?ensemble=prod&member={}", member.address);
    let (status, json) = request(&exporter, "GET", &path);
    assert_eq!(status, 409, "{json}");
    assert!(json.contains("\"may_restart\": false") && json.contains("it is the only voter"), "{json}");
    for (wrong, status) in [
        ("/-/may-restart", 400),
        ("/-/may-restart?ensemble=prod", 400),
        ("/-/may-restart?ensemble=prod&member=x&word=y", 400),
        ("/-/may-restart?ensemble=prod&member=x&allow_leader=perhaps", 400),
        ("/-/may-restart?ensemble=other&member=x", 404),
        ("/-/may-restart?ensemble=prod&member=x", 404),
    ] {
        assert_eq!(request(&exporter, "GET", wrong).0, status, "{wrong}");
    }
    let output = run(&["may-restart", &member.address, "--zookeeper", &targets]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("it is the only voter"), "{output:?}");
    let unknown = run(&["may-restart", "zk-9:2181", "--zookeeper", &targets]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("unknown member `zk-9:2181`"), "{unknown:?}");
    let plan = run(&["plan", "--names", "--zookeeper", &targets]);
    assert_eq!(String::from_utf8_lossy(&plan.stdout), format!("{}\n", member.address));
}

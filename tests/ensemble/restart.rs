//! A rolling restart of a real ensemble, each step gated by `may-restart`, in the order of `plan`.

use zookeeper_exporter::exposition::Format;

use crate::common::exporter::{Exporter, run};
use crate::common::read_page;
use crate::live::Ensemble;

/// The exit code of `may-restart`, and what it printed.
fn may_restart(member: &str, targets: &str, wait: &str) -> (Option<i32>, String) {
    let output = run(&["may-restart", member, "--zookeeper", targets, "--settle", "1s", "--wait", wait]);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_gated_rolling_restart_never_has_two_members_down() {
    let ensemble = Ensemble::start(&["--members", "3", "--observers", "1"]);
    let targets = ensemble.flag("prod");
    let exporter = Exporter::start(&["--zookeeper", &targets]);
    let plan = run(&["plan", "--names", "--zookeeper", &targets]);
    let order: Vec<String> = String::from_utf8_lossy(&plan.stdout).lines().map(str::to_owned).collect();
    let (members, leader) = (ensemble.members(), ensemble.leader());
    assert_eq!((order.len(), &order[0], &order[3]), (4, &members[3], &leader), "observer first, leader last");

    let (code, early) = may_restart(&leader, &targets, "0s");
    assert!(code == Some(1) && early.contains("it leads"), "{early}");
    for member in &order {
        let (code, why) = may_restart(member, &targets, "60s");
        assert_eq!(code, Some(0), "{why}");
        ensemble.run(&["kill", &ensemble.id(member)]);
        // While it is down, no voter may go.
        let other = members[..3].iter().find(|other| *other != member && **other != leader).unwrap();
        let (code, why) = may_restart(other, &targets, "0s");
        assert_eq!(code, Some(i32::from(member != &members[3])), "{member} is down: {why}");
        let answer = exporter.get(&format!("/-/may-restart?ensemble=prod&member={other}&allow_leader=true"), &[]);
        assert!(answer.status == 409 || member == &members[3], "{}", answer.text());
        ensemble.run(&["restart", &ensemble.id(member), "--wait"]);
    }
    let page = read_page(exporter.scrape("5").text(), Format::Classic).unwrap();
    assert_eq!(page.value("zk_ensemble_quorum_margin", &[]), Some(1.0));
}

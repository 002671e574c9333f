//! `check` against a real ensemble: healthy, with a member killed, without a quorum, and healthy again.

use std::time::{Duration, Instant};

use crate::common::exporter::{Exporter, run};
use crate::live::{Ensemble, until};

/// Runs `check` and returns its exit code and the first line of its output.
fn check(arguments: &[&str]) -> (i32, String) {
    let mut all = vec!["check", "--timeout", "20"];
    all.extend(arguments);
    let output = run(&all);
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), said.lines().next().unwrap_or_default().to_owned())
}

/// Repeats `check` until it exits with this code, and returns its first line.
fn check_until(code: i32, arguments: &[&str]) -> String {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let (seen, line) = check(arguments);
        if seen == code {
            return line;
        }
        assert!(Instant::now() < deadline, "never {code}: {line}");
    }
}

#[test]
fn the_plugin_follows_the_ensemble() {
    let ensemble = Ensemble::start(&["--members", "3", "--observers", "1"]);
    let flag = ensemble.flag("prod");
    let exporter = Exporter::start(&["--zookeeper", &flag]);
    let page = format!("http://{}/metrics", exporter.address);
    let direct = ["--zookeeper", &flag];
    let asked = ["--from", &page, "--ensemble", "prod"];
    until(&exporter, "a whole ensemble", |page| page.value("zk_ensemble_quorum_margin", &[]) == Some(1.0));

    for arguments in [&direct[..], &asked] {
        let line = check_until(0, arguments);
        assert!(line.starts_with("ZOOKEEPER OK - prod: 4 of 4 members up, 3 of 3 voters in sync ("), "{line}");
        for figure in ["'members_up prod'=4", "'quorum_margin prod'=1", "'OutstandingRequests "] {
            assert!(line.contains(figure), "{figure} is not among the figures of {line}");
        }
    }
    let member = ensemble.members()[0].clone();
    let metric = ["--zookeeper", &flag, "--member", &member, "--metric"];
    let with = |more: &[&str]| check(&[&metric[..], more].concat());
    assert_eq!(with(&["znode_count", "-c", "100"]).0, 0);
    let (code, line) = with(&["znode_count", "-w", "~:1", "-c", "100000"]);
    assert!(code == 1 && line.starts_with("ZOOKEEPER WARNING - zk_znodes: "), "{line}");
    assert_eq!(with(&["fsynctime", "-c", "~:10"]).0, 0);
    assert_eq!(with(&["packets_received", "--rate", "-c", "@0:0"]).0, 0, "the two scrapes alone are packets");

    let follower = ensemble.run(&["mode", "follower"]).split(['\n', ' ']).next().unwrap().to_owned();
    let dead = ensemble.members()[follower.parse::<usize>().unwrap() - 1].clone();
    ensemble.run(&["kill", &follower]);
    for arguments in [&direct[..], &asked] {
        let line = check_until(2, arguments);
        assert!(
            line.contains(&format!(
                "member {dead} of ensemble prod has given the exporter no answer (reason: connect "
            )),
            "{line}"
        );
    }
    let others = |member: &str| check(&["--zookeeper", &flag, "--member", member]).0;
    assert_eq!(others(&dead), 2);
    let observer = ensemble.members()[3].clone();
    assert_eq!(others(&observer), 0, "what happens to a follower is not the observer's");
    // With MemberDown off, the most severe remaining condition is the quorum margin.
    let line = check_until(1, &["--from", &page, "--threshold", "MemberDown=off"]);
    assert!(line.contains("prod"), "{line}");

    ensemble.run(&["kill", "leader"]);
    let line = check_until(2, &["--from", &page, "--threshold", "MemberDown=off"]);
    assert!(line.starts_with("ZOOKEEPER CRITICAL - "), "{line}");
    ensemble.run(&["restart", "down"]);
    ensemble.run(&["restart", "down"]);
    ensemble.run(&["wait"]);
    check_until(0, &direct);

    drop(exporter);
    let (code, line) = check(&asked);
    assert!(code == 3 && line.starts_with("ZOOKEEPER UNKNOWN - --from: "), "{line}");
}

#[test]
fn the_plugin_reports_further_faults_of_real_members() {
    let ensemble =
        Ensemble::start(&["--members", "3", "--cfg", "syncLimit=20", "--jvm", "-Dreadonlymode.enabled=true"]);
    let flag = ensemble.flag("prod");
    let direct = ["--zookeeper", &flag];
    check_until(0, &direct);
    let id = ensemble.run(&["mode", "follower"]).lines().next().unwrap().to_owned();
    let follower = ensemble.members()[id.parse::<usize>().unwrap() - 1].clone();

    ensemble.run(&["pause", &id]);
    let line = check_until(2, &direct);
    assert!(
        line.contains(&format!(
            "member {follower} of ensemble prod has given the exporter no answer (reason: timeout "
        )),
        "{line}"
    );
    ensemble.run(&["resume", &id]);
    check_until(0, &direct);

    let again = |setting: &str| ensemble.run(&["restart", &id, "--wait", "--cfg", setting]);
    again("4lw.commands.whitelist=srvr");
    let line = check_until(1, &direct);
    assert!(
        line.contains(&format!("member {follower} of ensemble prod answers, but mntr could not be read")),
        "{line}"
    );
    again("4lw.commands.whitelist=mntr,srvr,conf,cons,wchs,isro");
    again("tickTime=700");
    let line = check_until(1, &direct);
    assert!(line.contains("Members have different configurations: tickTime is 700"), "{line}");
    again("tickTime=500");
    check_until(0, &direct);

    let alone = Ensemble::start(&["--members", "1"]);
    let impostor = alone.members()[0].clone();
    let mixed = format!("prod={},{},{impostor}", ensemble.members()[0], ensemble.members()[1]);
    let line = check_until(2, &["--zookeeper", &mixed]);
    assert!(line.contains(&impostor) && line.contains("standalone"), "{line}");

    // The leader was never restarted and may still serve read-only.
    let leader = ensemble.run(&["mode", "leader"]).lines().next().unwrap().to_owned();
    let last = ensemble.members()[leader.parse::<usize>().unwrap() - 1].clone();
    for dead in ["1", "2", "3"].iter().filter(|dead| **dead != leader) {
        ensemble.run(&["kill", dead]);
    }
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let (code, line) = check(&["--zookeeper", &flag, "--member", &last]);
        if line.contains("read-only") {
            break assert_eq!(code, 2, "{line}");
        }
        assert!(Instant::now() < deadline, "never read-only: {line}");
    }
}

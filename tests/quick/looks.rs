//! `info` and `stat` against replayed members: tables for people, JSON for scripts, exit codes.

use std::process::Output;

use crate::common::exporter::{binary, run};
use crate::common::listeners::{Listener, nobody};

/// A member that replays what a real one of 3.9.3 answered.
fn replayed(role: &str) -> Listener {
    let read = |file: &str| {
        std::fs::read_to_string(crate::common::root().join(format!("tests/fixtures/3.9.3/{role}/{file}.txt"))).unwrap()
    };
    let (mntr, srvr, conf) = (read("mntr"), read("srvr"), read("conf"));
    Listener::answering_words(&[("mntr", &mntr), ("srvr", &srvr), ("conf", &conf)])
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn info_says_who_is_who_and_what_is_wrong() {
    let (leader, follower, dead) = (replayed("leader"), replayed("follower"), nobody());
    let flag = format!("prod={},{},{dead}", leader.address, follower.address);
    let output = run(&["info", "--zookeeper", &flag]);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("prod: 2 of 3 voters in sync, majority 2, margin 0, leader"), "{text}");
    assert!(text.contains(&format!("critical  {dead} does not answer (connect).")), "{text}");
    let row = |address: &str| {
        let line = lines.iter().find(|line| line.starts_with(&format!("{address} "))).expect("a row");
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let zxid = "0x1000004cf";
    assert_eq!(row(&leader.address)[1..], ["3", "leader", "yes", "3.9.3", "1", zxid, "0", "-"]);
    assert_eq!(row(&follower.address)[2..], ["follower", "yes", "3.9.3", "1", zxid, "0", "-"]);
    assert_eq!(row(&dead)[2], "no-answer");
    assert!(text.contains("tickTime=500") && text.contains("participant"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colour in a pipe");
    let last = lines.last().unwrap();
    assert!(last.contains(" conditions judged over 1") && last.contains(" need a longer time"), "{last}");
    // The columns of the table begin below each other.
    let head = lines.iter().position(|line| line.starts_with("MEMBER")).unwrap();
    let column = lines[head].find("STATE").unwrap();
    assert!(lines[head + 1..head + 4].iter().all(|line| line.as_bytes()[column - 1] == b' '), "{text}");
}

#[test]
fn info_as_json_has_every_number() {
    let leader = replayed("leader");
    let flag = format!("prod={},{}", leader.address, nobody());
    let output = run(&["info", "--output", "json", "--zookeeper", &flag]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let prod = &found[0];
    assert_eq!(
        (prod["ensemble"].as_str(), prod["voters"].as_u64(), prod["quorum_margin"].as_i64()),
        (Some("prod"), Some(3), Some(0))
    );
    assert_eq!(prod["voters_source"], "conf");
    assert!(prod["judged_over_seconds"].as_f64().is_some_and(|over| (1.0..5.0).contains(&over)), "{prod}");
    let not_judged = prod["not_judged"].as_array().unwrap();
    assert!(not_judged.iter().any(|name| name == "ZooKeeperFrequentElections"), "{not_judged:?}");
    let member = &prod["members"][0];
    assert_eq!((member["state"].as_str(), member["zxid"].as_str()), (Some("leader"), Some("0x1000004cf")));
    assert_eq!(member["configuration"]["tickTime"], "500");
    assert_eq!(prod["members"][1]["failures"][0]["reason"], "connect");
    assert_eq!(prod["membership"]["servers"].as_array().map(Vec::len), Some(4));
}

#[test]
fn nobody_there_is_exit_1_and_a_mistake_is_2() {
    let dead = nobody();
    for command in ["info", "stat"] {
        let output = run(&[command, "--zookeeper", &dead]);
        assert_eq!(output.status.code(), Some(1), "{command}");
        let output = run(&[command, "--zookeeper", &dead, "--ensemble", "prod"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("no ensemble `prod`") && said.contains("write one of default"), "{said}");
        assert!(text(&run(&[command, "--help"])).contains("Exit status"));
    }
    assert_eq!(run(&["stat", "--interval", "0s"]).status.code(), Some(2));
}

#[test]
fn stat_has_a_row_a_member_and_takes_the_environment() {
    let leader = replayed("leader");
    let output =
        binary().env("ZOOKEEPER_EXPORTER_ZOOKEEPER", &leader.address).args(["stat", "--interval", "50ms"]).output();
    let text = text(&output.unwrap());
    let row = text.lines().find(|line| line.starts_with(&leader.address)).expect(&text);
    let cells: Vec<&str> = row.split_whitespace().collect();
    // Replayed counters stand still: no requests, and so no latency and no fsync.
    assert_eq!(cells[1..4], ["leader", "0.0", "-"], "{text}");
    assert_eq!((cells[8], cells[9]), ("-", "0"), "{text}");
    let output = run(&["stat", "--output", "json", "--interval", "50ms", "--zookeeper", &leader.address]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found[0]["members"][0]["requests_per_second"].as_f64(), Some(0.0));
    assert!(found[0]["members"][0]["znodes"].as_u64().is_some_and(|znodes| znodes > 1));
}

#[test]
fn stat_watches_until_its_reader_goes_away() {
    let leader = replayed("leader");
    let command = format!(
        "{} stat --watch --interval 50ms --zookeeper {} | head -12",
        env!("CARGO_BIN_EXE_zookeeper-exporter"),
        leader.address
    );
    let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
    let text = text(&output);
    assert!(text.matches("MEMBER").count() >= 3, "{text}");
    assert!(output.stderr.is_empty() && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn what_a_hostile_member_says_does_not_reach_the_terminal() {
    let srvr = "Zookeeper version: 3.8.0\u{1b}[2J-x, built on x\nLatency min/avg/max: 0/0.0/0\nReceived: 1\nSent: 1\n\
                Connections: 1\nOutstanding: 0\nZxid: 0x1\nMode: follower\nNode count: 5\n";
    let conf = "clientPort=1\ntickTime=5\u{1b}]0;owned\u{7}\nserverId=\u{1b}[31m1\n";
    let hostile = Listener::answering_words(&[("mntr", "\u{1b}[2J"), ("srvr", srvr), ("conf", conf)]);
    for command in [&["info"][..], &["stat", "--interval", "50ms"]] {
        let output = run(&[command, &["--zookeeper", &hostile.address]].concat());
        let text = text(&output);
        assert!(text.contains("follower"), "{text}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
}

//! `info` and `stat` with replayed members: tables, JSON, and exit codes.

use std::process::Output;

use crate::common::exporter::{binary, run};
use crate::common::listeners::{Listener, closed_port};

/// A member that replays the replies of a real 3.9.3 server.
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
fn info_lists_members_and_findings() {
    let (leader, follower, dead) = (replayed("leader"), replayed("follower"), closed_port());
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
    // The columns of the table are aligned.
    let head = lines.iter().position(|line| line.starts_with("MEMBER")).unwrap();
    let column = lines[head].find("STATE").unwrap();
    assert!(lines[head + 1..head + 4].iter().all(|line| line.as_bytes()[column - 1] == b' '), "{text}");
}

#[test]
fn info_as_json_is_complete() {
    let leader = replayed("leader");
    let flag = format!("prod={},{}", leader.address, closed_port());
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
fn exit_code_is_1_without_members_and_2_for_wrong_usage() {
    let dead = closed_port();
    for command in ["info", "stat", "top"] {
        let output = run(&[command, "--zookeeper", &dead]);
        assert_eq!(output.status.code(), Some(1), "{command}");
        let output = run(&[command, "--zookeeper", &dead, "--ensemble", "prod"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("unknown ensemble `prod`: expected one of default"), "{said}");
        assert!(text(&run(&[command, "--help"])).contains("Exit status"));
    }
    assert_eq!(run(&["stat", "--interval", "0s"]).status.code(), Some(2));
}

#[test]
fn stat_has_a_row_per_member_and_uses_the_environment() {
    let leader = replayed("leader");
    let output =
        binary().env("ZOOKEEPER_EXPORTER_ZOOKEEPER", &leader.address).args(["stat", "--interval", "50ms"]).output();
    let text = text(&output.unwrap());
    let row = text.lines().find(|line| line.starts_with(&leader.address)).expect(&text);
    let cells: Vec<&str> = row.split_whitespace().collect();
    // Replayed counters are constant: no requests, hence no latency and no fsync.
    assert_eq!(cells[1..4], ["leader", "0.0", "-"], "{text}");
    assert_eq!((cells[8], cells[9]), ("-", "0"), "{text}");
    let output = run(&["stat", "--output", "json", "--interval", "50ms", "--zookeeper", &leader.address]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["ensembles"][0]["members"][0]["requests_per_second"].as_f64(), Some(0.0));
    assert!(found["ensembles"][0]["members"][0]["znodes"].as_u64().is_some_and(|znodes| znodes > 1));
}

/// The output of a command on a terminal of this size, with and without escape sequences.
fn on_terminal(columns: usize, rows: usize, arguments: &str) -> (String, String) {
    let program = env!("CARGO_BIN_EXE_zookeeper-exporter");
    let command = format!("stty cols {columns} rows {rows}; exec {program} {arguments}");
    let output = std::process::Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .env_remove("NO_COLOR")
        .output()
        .unwrap();
    let painted = text(&output).replace('\r', "");
    let mut plain = String::new();
    let mut pieces = painted.split('\u{1b}');
    plain.push_str(pieces.next().unwrap());
    pieces.for_each(|piece| plain.push_str(piece.split_once(['m', 'H', 'J']).map_or("", |(_, rest)| rest)));
    (painted, plain)
}

#[test]
fn tables_fit_the_terminal_and_are_complete_in_a_pipe() {
    let (leader, follower, dead) = (replayed("leader"), replayed("follower"), closed_port());
    let flag = format!("--zookeeper prod={},{},{dead}", leader.address, follower.address);
    for command in ["info", "stat --interval 50ms", "top --by member --interval 50ms"] {
        let (painted, plain) = on_terminal(80, 50, &format!("{command} {flag}"));
        for line in plain.lines().filter(|line| !line.trim_start().starts_with("https://")) {
            assert!(line.chars().count() <= 80, "{command}: {line}");
        }
        assert!(plain.contains(&follower.address), "a name without a common end is whole: {plain}");
        assert!(painted.contains("\u{1b}[1;31mno-answer\u{1b}[0m"), "the state is coloured: {painted}");
        let piped = text(&run(&format!("{command} {flag}").split(' ').collect::<Vec<_>>()));
        assert!(!piped.contains("hidden at") && !piped.contains('\u{1b}'), "{piped}");
        assert!(piped.contains("FAILED") || piped.contains("WATCHES") || piped.contains("NEAREST LIMIT"), "{piped}");
    }
}

#[test]
fn common_suffixes_of_names_are_removed_only_on_a_terminal() {
    let name = |place: usize| format!("zk-{place}.zookeeper-headless.production-eu-west.svc.cluster.invalid:2181");
    let flag = format!("--zookeeper prod={},{},{}", name(0), name(1), name(2));
    let (_, plain) = on_terminal(80, 50, &format!("info --interval 0s {flag}"));
    assert!(
        plain.contains("all names end in .zookeeper-headless.production-eu-west.svc.cluster.invalid:2181\n"),
        "{plain}"
    );
    assert!(plain.contains("\nzk-1  "), "{plain}");
    let piped = text(&run(&["info", "--interval", "0s", "--zookeeper", &flag[12..]]));
    assert!(piped.contains(&format!("\n{}  ", name(1))), "{piped}");
}

#[test]
fn stat_watch_stays_on_the_screen_with_a_clock() {
    let dead: Vec<String> = (0..30).map(|_| closed_port()).collect();
    let well = replayed("standalone");
    let flag = format!("--zookeeper well={} --zookeeper sick={}", well.address, dead.join(","));
    let (painted, plain) = on_terminal(80, 20, &format!("stat --watch --interval 100ms {flag} & sleep 3; kill $!"));
    let frames: Vec<&str> = painted.split("\u{1b}[H\u{1b}[2J").skip(1).collect();
    assert!(frames.len() > 2, "{plain}");
    for frame in frames {
        assert!(frame.lines().count() < 20, "{frame}");
        let first = frame.lines().next().unwrap();
        assert!(first.contains(" UTC, every 0.1 s") && first.as_bytes()[2] == b':', "{first}");
        assert!(frame.contains("sick: ") && !frame.contains("well: "), "the sick ensemble is first: {frame}");
    }
    assert!(plain.contains(" more lines\n"), "{plain}");
}

#[test]
fn errors_are_json_when_the_result_is_json() {
    for command in ["info", "stat", "top", "plan", "may-restart", "simulate"] {
        let output = run(&[command, "--output", "json", "--config.file", "/nonexistent.yml"]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        let error: serde_json::Value = serde_json::from_slice(&output.stdout).expect(command);
        assert!(error["error"].as_str().is_some_and(|error| !error.is_empty()), "{command}: {error}");
        assert!(output.stderr.is_empty(), "{command}");
    }
}

#[test]
fn stat_watch_stops_when_its_output_is_closed() {
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
fn control_characters_of_members_do_not_reach_the_terminal() {
    let srvr = "Zookeeper version: 3.8.0\u{1b}[2J-x, built on x\nLatency min/avg/max: 0/0.0/0\nReceived: 1\nSent: 1\n\
                Connections: 1\nOutstanding: 0\nZxid: 0x1\nMode: follower\nNode count: 5\n";
    let conf = "clientPort=1\ntickTime=5\u{1b}]0;owned\u{7}\nserverId=\u{1b}[31m1\n";
    let hostile = Listener::answering_words(&[("mntr", "\u{1b}[2J"), ("srvr", srvr), ("conf", conf)]);
    for command in [&["info"][..], &["stat", "--interval", "50ms"], &["top", "--by", "member", "--interval", "50ms"]] {
        let output = run(&[command, &["--zookeeper", &hostile.address]].concat());
        let text = text(&output);
        assert!(text.contains("follower"), "{text}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
}

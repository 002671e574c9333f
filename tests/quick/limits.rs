//! The exporter at its own limits: members that it cannot query are unknown, never down.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use crate::common::exporter::Exporter;
use crate::common::listeners::{Listener, closed_port};
use crate::common::{Page, read_page};
use zookeeper_exporter::exposition::Format;

const SRVR: &str = include_str!("../fixtures/3.9.3/follower/srvr.txt");
const MNTR: &str = include_str!("../fixtures/3.9.3/follower/mntr.txt");
const CONF: &str = include_str!("../fixtures/3.9.3/follower/conf.txt");

fn healthy(count: usize) -> Vec<Listener> {
    let replies = [("mntr", MNTR), ("srvr", SRVR), ("conf", CONF)];
    (0..count).map(|_| Listener::answering_words(&replies)).collect()
}

/// Members that reply after a delay.
fn slow(count: usize, time: Duration) -> Vec<Listener> {
    (0..count).map(|_| Listener::answering_late(time, &[("mntr", MNTR), ("srvr", SRVR), ("conf", CONF)])).collect()
}

fn silent(count: usize) -> Vec<Listener> {
    (0..count).map(|_| Listener::silent()).collect()
}

fn ensemble(name: &str, members: &[Listener]) -> String {
    let members: Vec<&str> = members.iter().map(|listener| &*listener.address).collect();
    format!("{name}={}", members.join(","))
}

fn scrape(exporter: &Exporter, timeout: &str) -> Page {
    let answer = exporter.scrape(timeout);
    assert_eq!(answer.status, 200);
    read_page(answer.text(), Format::Classic).unwrap()
}

/// The numbers of members that are up, down and unknown. Unknown members have no state metrics, but a failure reason.
fn counts(page: &Page, members: &[Listener]) -> (usize, usize, usize) {
    let (mut up, mut down, mut unknown) = (0, 0, 0);
    for member in members {
        let value = |name: &str| page.value(name, &[("member", &member.address)]);
        match value("zk_up") {
            Some(1.0) => up += 1,
            Some(_) => down += 1,
            None => {
                unknown += 1;
                let of_member = |name: &str| {
                    page.series
                        .iter()
                        .filter(|(series, _)| series.name == name && series.label("member") == member.address)
                        .map(|(series, _)| series.label("reason").to_owned())
                        .collect::<Vec<_>>()
                };
                for name in ["zk_serving", "zk_mntr_complete", "zk_server_state", "zk_scrape_duration_seconds"] {
                    assert!(of_member(name).is_empty(), "{name} of {}", member.address);
                }
                let reasons = of_member("zk_scrape_failure");
                assert!(!reasons.is_empty() && reasons.iter().all(|reason| reason == "limit"), "{reasons:?}");
            }
        }
    }
    (up, down, unknown)
}

fn limits(page: &Page) -> Vec<String> {
    let limited = page.series.iter().filter(|(series, _)| series.name == "zk_exporter_limited_members");
    let mut limits: Vec<_> = limited.map(|(series, _)| series.label("limit").to_owned()).collect();
    limits.sort_unstable();
    limits.dedup();
    limits
}

#[test]
fn slow_members_are_queried_concurrently() {
    let members = slow(120, Duration::from_millis(800));
    let exporter = Exporter::start(&["--zookeeper", &ensemble("prod", &members)]);
    for _ in 0..2 {
        let page = scrape(&exporter, "10");
        assert_eq!(counts(&page, &members), (120, 0, 0));
        assert!(limits(&page).is_empty());
    }
}

#[test]
fn silent_members_do_not_starve_healthy_ones_from_the_first_scrape() {
    let (dead, prod) = (silent(60), healthy(5));
    let exporter = Exporter::start(&["--zookeeper", &ensemble("dead", &dead), "--zookeeper", &ensemble("prod", &prod)]);
    for _ in 0..2 {
        let page = scrape(&exporter, "2.5");
        assert_eq!((counts(&page, &prod), counts(&page, &dead)), ((5, 0, 0), (0, 60, 0)));
    }
}

#[test]
fn with_few_connections_healthy_members_take_precedence() {
    let (dead, prod) = (silent(30), healthy(3));
    // The dead members come first and hold connections until the deadline. A quarter of the limit is reserved for
    // probes.
    let exporter = Exporter::start(&[
        "--zookeeper",
        &ensemble("dead", &dead),
        "--zookeeper",
        &ensemble("prod", &prod),
        "--limit.sockets",
        "32",
    ]);
    let mut seen_down = std::collections::BTreeSet::new();
    for round in 0..6 {
        let page = scrape(&exporter, "1.5");
        let (up, down, unknown) = counts(&page, &prod);
        assert_eq!(down, 0, "round {round}");
        assert!(round < 3 || up == 3, "round {round}: {up} up, {unknown} unknown");
        let (_, down, unknown) = counts(&page, &dead);
        assert!(down > 0 && unknown > 0, "round {round}: {down} down, {unknown} unknown");
        assert_eq!(limits(&page), ["sockets"]);
        let is_down = |member: &&Listener| page.value("zk_up", &[("member", &member.address)]) == Some(0.0);
        seen_down.extend(dead.iter().filter(is_down).map(|member| member.address.clone()));
        // The leader may be one of the members that were not queried.
        assert_eq!(page.value("zk_ensemble_has_quorum", &[("ensemble", "dead")]), None);
        assert_eq!(page.value("zk_ensemble_quorum_margin", &[("ensemble", "dead")]), None);
        assert_eq!(page.value("zk_ensemble_members_up", &[("ensemble", "dead")]), None);
    }
    assert_eq!(seen_down.len(), 30, "each was queried in turn");
}

#[test]
fn probes_and_scrapes_do_not_starve_each_other() {
    let (dead, prod) = (silent(24), healthy(4));
    let file = tempfile::NamedTempFile::new().unwrap();
    let list: Vec<String> = prod.iter().map(|member| format!("'{}'", member.address)).collect();
    let config = format!(
        "probe: {{allow: ['127.0.0.1/32:1-65535']}}\nensembles:\n  - {{name: prod, members: [{}]}}\n",
        list.join(", ")
    );
    std::fs::write(file.path(), config).unwrap();
    let exporter = Exporter::start(&["--config.file", file.path().to_str().unwrap(), "--limit.sockets", "64"]);
    let targets = ensemble("x", &dead).trim_start_matches("x=").to_owned();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let header = [("X-Prometheus-Scrape-Timeout-Seconds", "3")];
                let answer = exporter.get(&format!("/probe?target={targets}"), &header);
                assert_eq!(answer.status, 200, "{}", answer.text());
            });
        }
        for _ in 0..8 {
            assert_eq!(counts(&scrape(&exporter, "2"), &prod), (4, 0, 0));
        }
    });
}

#[test]
fn a_scrape_too_short_to_query_leaves_members_unknown() {
    let members = slow(3, Duration::from_millis(500));
    let exporter = Exporter::start(&["--zookeeper", &ensemble("prod", &members)]);
    let page = scrape(&exporter, "0.3");
    assert_eq!((counts(&page, &members), limits(&page)), ((0, 0, 3), vec!["deadline".to_owned()]));
    assert_eq!(page.value("zk_ensemble_members_up", &[("ensemble", "prod")]), None);
    let page = scrape(&exporter, "3");
    assert_eq!((counts(&page, &members), limits(&page)), ((3, 0, 0), vec![]));
}

#[test]
fn a_scrape_with_a_short_timeout_reports_members_as_unknown() {
    let members = slow(2, Duration::from_millis(1500));
    let exporter = Exporter::start(&["--zookeeper", &ensemble("prod", &members)]);
    std::thread::scope(|scope| {
        let patient = scope.spawn(|| scrape(&exporter, "5"));
        // Joins the scrape in progress.
        let hasty = scope.spawn(|| {
            pause(Duration::from_millis(100));
            scrape(&exporter, "1")
        });
        assert_eq!(counts(&hasty.join().unwrap(), &members), (0, 0, 2));
        assert_eq!(counts(&patient.join().unwrap(), &members), (2, 0, 0));
    });
}

#[test]
fn silent_members_are_down_with_a_short_module_timeout() {
    let members = silent(2);
    let file = tempfile::NamedTempFile::new().unwrap();
    let list: Vec<String> = members.iter().map(|member| format!("'{}'", member.address)).collect();
    let config = format!(
        "modules: {{short: {{timeout: 200ms}}}}\nensembles:\n  - {{name: prod, module: short, members: [{}]}}\n",
        list.join(", ")
    );
    std::fs::write(file.path(), config).unwrap();
    let exporter = Exporter::start(&["--config.file", file.path().to_str().unwrap()]);
    assert_eq!(counts(&scrape(&exporter, "5"), &members), (0, 2, 0));
}

#[test]
fn without_descriptors_members_are_unknown() {
    let members = silent(30);
    let mut shell = Command::new("bash");
    shell.args(["-c", "ulimit -n 48; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_zookeeper-exporter")]);
    let exporter = Exporter::start_by(shell, &["--zookeeper", &ensemble("prod", &members), "--limit.sockets", "1000"]);
    assert!(exporter.log().contains("few open files"), "{}", exporter.log());
    let page = scrape(&exporter, "2.5");
    let (up, down, unknown) = counts(&page, &members);
    assert_eq!(up, 0);
    assert!(unknown > 10, "{down} down, {unknown} unknown: {}", exporter.log());
    assert!(limits(&page).contains(&"files".to_owned()), "{:?}", limits(&page));
}

#[test]
fn too_few_descriptors_at_start_are_an_error_with_advice() {
    for arguments in [&["--web.listen-address", "127.0.0.1:0"][..], &["info"], &["check"]] {
        let mut shell = Command::new("bash");
        shell.args(["-c", "ulimit -n 16; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_zookeeper-exporter")]);
        let output = shell.args(arguments).args(["--zookeeper", &closed_port()]).output().unwrap();
        // `check` reports on standard output, where its monitoring system reads.
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(said.contains("limit of open files 16: expected at least 32"), "{arguments:?}: {said}");
        assert!(!said.contains("bug"), "{said}");
    }
}

#[test]
fn commands_report_unqueried_members_as_unknown() {
    // No listener replies: with one connection for scrapes, the second member is never queried.
    let members = [Listener::silent(), Listener::silent()];
    let exporter = Exporter::start(&["--zookeeper", &ensemble("prod", &members), "--limit.sockets", "2"]);
    let page = exporter.get("/ensemble/prod", &[]);
    assert!(page.text().contains("not queried: exporter limit"), "{}", page.text());
    let info = |arguments: &[&str]| {
        let mut all = vec!["info", "--limit.sockets", "2", "--zookeeper"];
        let targets = ensemble("prod", &members);
        all.push(&targets);
        all.extend(arguments);
        String::from_utf8(crate::common::exporter::run(&all).stdout).unwrap()
    };
    let text = info(&[]);
    assert!(text.contains(" unknown ") && text.contains("Not queried"), "{text}");
    assert!(info(&["--output", "json"]).contains("\"state\": \"unknown\""));
}

/// Without accept calls the backlog of the listener fills up, and further connection attempts get no reply.
#[test]
fn a_member_whose_backlog_is_full_is_down_and_not_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let member = [Listener { address, connections: std::sync::Arc::default() }];
    let exporter = Exporter::start(&["--zookeeper", &ensemble("prod", &member)]);
    assert_eq!(counts(&scrape(&exporter, "1.5"), &member), (0, 1, 0));
}

#[expect(clippy::disallowed_methods, reason = "runs in a thread of its own, outside any runtime")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

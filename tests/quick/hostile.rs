//! Dead, slow and hostile members: each loses only its own series, and the page gives the reason.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::exporter::Exporter;
use crate::common::listeners::{Listener, closed_port};
use crate::common::{Page, read_page};
use zookeeper_exporter::exposition::Format;

const SRVR: &str = include_str!("../fixtures/3.9.3/follower/srvr.txt");
const MNTR: &str = include_str!("../fixtures/3.9.3/follower/mntr.txt");
const CONF: &str = include_str!("../fixtures/3.9.3/follower/conf.txt");

/// Replies of a real member, replayed.
fn replayed() -> Listener {
    Listener::answering_words(&[("mntr", MNTR), ("srvr", SRVR), ("conf", CONF)])
}

fn scrape(exporter: &Exporter, timeout: &str) -> (Page, Duration) {
    let answer = exporter.scrape(timeout);
    assert_eq!(answer.status, 200);
    (read_page(answer.text(), Format::Classic).unwrap(), answer.took)
}

fn state(page: &Page, member: &str) -> String {
    let set = page
        .series
        .iter()
        .find(|(series, value)| series.name == "zk_server_state" && series.label("member") == member && *value == 1.0);
    set.map(|(series, _)| series.label("state").to_owned()).unwrap_or_default()
}

/// The failure reason of `mntr`.
fn reason(page: &Page, member: &str) -> String {
    let found = page.series.iter().find(|(series, _)| {
        series.name == "zk_scrape_failure" && series.label("member") == member && series.label("command") == "mntr"
    });
    found.map(|(series, _)| series.label("reason").to_owned()).unwrap_or_default()
}

#[test]
fn failed_members_have_a_reason_and_healthy_ones_are_complete() {
    let healthy = replayed();
    let sick: Vec<(&str, Listener, f64)> = vec![
        ("empty", Listener::closing(), 0.0),
        ("reset", Listener::resetting(), 0.0),
        ("garbage", Listener::answering("SSH-2.0-OpenSSH_9.2p1\r\n"), 0.0),
        ("garbage", Listener::answering("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), 0.0),
        ("garbage", Listener::answering(vec![0, 255, 254, 10, 0, 13, 9]), 0.0),
        ("timeout", Listener::silent(), 0.0),
        ("timeout", Listener::dripping(), 0.0),
        ("too_large", Listener::flooding("zk_znode_count\t1\n"), 0.0),
        ("too_large", Listener::flooding("x"), 0.0),
        ("truncated", Listener::answering(&MNTR.as_bytes()[..MNTR.len() / 2]), 1.0),
        ("not_allowed", Listener::answering("mntr is not executed because it is not in the whitelist.\n"), 1.0),
    ];
    let (refused, unknown) = (closed_port(), "no-such-host.invalid:2181".to_owned());
    let mut members = vec![healthy.address.clone(), refused.clone(), unknown.clone()];
    members.extend(sick.iter().map(|(_, listener, _)| listener.address.clone()));
    let exporter = Exporter::start(&["--zookeeper", &format!("prod={}", members.join(","))]);

    for _ in 0..2 {
        let (page, took) = scrape(&exporter, "2");
        assert!(took < Duration::from_millis(1900), "the page took {took:?} of 2 s");
        let up = |member: &str| page.value("zk_up", &[("member", member)]).expect("zk_up is always there");
        assert_eq!(up(&healthy.address), 1.0);
        assert_eq!(state(&page, &healthy.address), "follower");
        let whole = page.series.iter().filter(|(series, _)| series.label("member") == healthy.address).count();
        assert!(whole > 400, "the healthy member has {whole} series");
        for (member, why) in [(&refused, "connect"), (&unknown, "dns")] {
            assert_eq!((up(member), reason(&page, member).as_str()), (0.0, why));
            assert_eq!(state(&page, member), "no-answer");
        }
        for (why, listener, expected_up) in &sick {
            let member = &listener.address;
            assert_eq!((reason(&page, member).as_str(), up(member)), (*why, *expected_up), "{member}");
            assert_eq!(page.value("zk_mntr_complete", &[("member", member)]), Some(0.0), "{why}");
        }
    }
    let (page, _) = scrape(&exporter, "2");
    let total = page.value("zk_scrape_failures_total", &[("member", &refused), ("command", "mntr")]);
    assert_eq!(total, Some(3.0), "failures are counted");
    // The failure is logged once, not at each scrape.
    let told = exporter
        .log()
        .lines()
        .filter(|line| line.contains(&refused) && line.contains("commands=\"mntr,srvr,conf\""))
        .count();
    assert_eq!(told, 1, "{}", exporter.log());
    // Replies are limited to 4 MiB; four members sent endless replies at the same time.
    assert!(exporter.resident() < 48 << 20, "{} bytes resident after floods", exporter.resident());
}

#[test]
fn a_recovered_member_is_complete_at_the_next_scrape() {
    let answers = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let switch = std::sync::Arc::clone(&answers);
    let member = Listener::start(move |mut stream| {
        use std::io::{Read, Write};
        let mut word = [0; 4];
        let _ = stream.read_exact(&mut word);
        if switch.load(std::sync::atomic::Ordering::Relaxed) {
            let _ = stream.write_all(if word == *b"mntr" { MNTR.as_bytes() } else { SRVR.as_bytes() });
        }
    });
    let exporter = Exporter::start(&["--zookeeper", &member.address]);
    let (page, _) = scrape(&exporter, "2");
    assert_eq!(reason(&page, &member.address), "empty");
    answers.store(true, std::sync::atomic::Ordering::Relaxed);
    let (page, _) = scrape(&exporter, "2");
    assert_eq!((reason(&page, &member.address), state(&page, &member.address)), (String::new(), "follower".into()));
    assert!(exporter.log().contains("member recovered"), "{}", exporter.log());
}

#[test]
fn a_truncated_reply_is_requested_once_more() {
    let cut = Listener::answering(&MNTR.as_bytes()[..1000]);
    let exporter = Exporter::start(&["--zookeeper", &cut.address, "--scrape.timeout", "1s"]);
    let (page, _) = scrape(&exporter, "5");
    assert_eq!(reason(&page, &cut.address), "truncated");
    // mntr twice, srvr and conf once: the replies to srvr and conf are invalid rather than truncated.
    assert_eq!(cut.connections.load(std::sync::atomic::Ordering::Relaxed), 4);
}

#[test]
fn the_descriptors_of_sessions_are_counted() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let address = closed_port();
    let mut config = String::from("modules: {s: {canary: {interval: 1h}}}\nensembles:\n");
    for number in 0..60 {
        config.push_str(&format!("  - {{name: e{number}, members: ['{address}'], module: MODULE}}\n"));
    }
    // 800 descriptors suffice for 150 connections, clients, lookups and the rest, but not for 60 additional sessions of
    // two each.
    for (module, warned) in [("default", false), ("s", true)] {
        std::fs::write(file.path(), config.replace("MODULE", module)).unwrap();
        let mut shell = Command::new("bash");
        shell.args(["-c", "ulimit -n 800; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_zookeeper-exporter")]);
        let exporter =
            Exporter::start_by(shell, &["--config.file", file.path().to_str().unwrap(), "--limit.sockets", "150"]);
        assert_eq!(exporter.log().contains("few open files"), warned, "{module}: {}", exporter.log());
    }
}

#[test]
fn the_series_of_a_member_are_bounded_and_drops_are_counted() {
    let mut reply = MNTR.to_owned();
    for number in 0..2000 {
        reply.push_str(&format!(
            "zk_avg_ns{number}_write_per_namespace\t1.0\nzk_max_ns{number}_write_per_namespace\t{number}\n"
        ));
        reply.push_str(&format!("zk_no_such_key_{number}\t1\n"));
    }
    let member = Listener::answering(reply);
    let exporter = Exporter::start(&["--zookeeper", &member.address, "--limit.series-per-member", "900"]);
    let (page, _) = scrape(&exporter, "2");
    let of_mntr = page.series.iter().filter(|(series, _)| series.label("member") == member.address).count();
    assert!((800..950).contains(&of_mntr), "{of_mntr}");
    let dropped = page.value("zk_exporter_dropped_samples_total", &[("member", &member.address), ("reason", "cap")]);
    assert!(dropped.unwrap_or(0.0) > 2000.0, "{dropped:?}");
}

/// `MEMORY_SCRAPES` is the number of scrapes after which memory must stay constant for nine times as many.
/// `scripts/test long memory` sets it to 1 000, the documented number.
#[test]
fn memory_is_flat_over_many_scrapes_of_sick_and_healthy_members() {
    let first = std::env::var("MEMORY_SCRAPES").map_or(100, |text| text.parse().expect("a number"));
    let listeners = [
        replayed(),
        replayed(),
        Listener::flooding("y\n"),
        Listener::closing(),
        Listener::answering("\t\t\t\n"),
        Listener::resetting(),
    ];
    let mut members: Vec<_> = listeners.iter().map(|listener| listener.address.clone()).collect();
    members.push(closed_port());
    let exporter = Exporter::start(&["--zookeeper", &members.join(","), "--limit.reply-bytes", "262144"]);
    let many = |times: usize| {
        for _ in 0..times {
            assert_eq!(exporter.scrape("5").status, 200);
        }
        exporter.resident()
    };
    // With few scrapes the allocator has not settled yet.
    let grown = if first < 1000 { 2 << 20 } else { 1 << 20 };
    let (before, after) = (many(first), many(9 * first));
    println!("{before} bytes resident after {first} scrapes, {after} after {}", 10 * first);
    assert!(after < before + grown, "{before} bytes resident after {first} scrapes, {after} after {}", 10 * first);
}

#[test]
fn disconnecting_and_slow_clients_do_not_affect_others() {
    use std::io::Write;
    let exporter = Exporter::start(&["--zookeeper", &replayed().address]);
    for _ in 0..50 {
        let mut stream = std::net::TcpStream::connect(&exporter.address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    }
    let held: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(&exporter.address).unwrap();
            stream.write_all(b"GET /metr").unwrap();
            stream
        })
        .collect();
    let begun = Instant::now();
    assert_eq!(exporter.get("/-/healthy", &[]).status, 200);
    assert!(begun.elapsed() < Duration::from_secs(1));
    drop(held);
    assert_eq!(exporter.get("/nothing/here", &[]).status, 404);
    assert_eq!(exporter.get(&format!("/{}", "a".repeat(60_000)), &[]).status, 404);
    let page = exporter.scrape("5");
    assert!(page.text().contains("zk_exporter_http_requests_total{handler=\"other\",code=\"404\"} 2"));
}

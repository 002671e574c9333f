//! The AdminServer's `monitor` as a fallback for `mntr`: replies of real servers, and invalid replies.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Duration;

use zookeeper_exporter::config::Command;
use zookeeper_exporter::exposition::Format;
use zookeeper_exporter::scrape::reading::Replies;
use zookeeper_exporter::scrape::{MemberReport, Source, State};
use zookeeper_exporter::wire::Reason;

use crate::common::exporter::Exporter;
use crate::common::listeners::Listener;
use crate::common::{Page, fixtures, heard, page, read_page, report};

const MONITOR: &str = include_str!("../fixtures/3.9.3/follower/admin-monitor.json");
const SRVR: &str = include_str!("../fixtures/3.9.3/follower/srvr.txt");
const REFUSED: &[u8] = b"mntr is not executed because it is not in the whitelist.\n";

/// A member that refuses `mntr` and whose AdminServer returns this body.
fn refusing(monitor: &[u8], srvr: Option<&[u8]>) -> MemberReport {
    let replies = Replies {
        mntr: Some(heard(Command::Mntr, REFUSED)),
        monitor: Some(heard(Command::Monitor, monitor)),
        srvr: srvr.map(|bytes| heard(Command::Srvr, bytes)),
        ..Replies::default()
    };
    replies.report("zk-1:2181".into(), None)
}

fn families(member: MemberReport) -> Vec<String> {
    let text = page(&report(vec![member]), Format::Classic);
    let read = read_page(&text, Format::Classic).unwrap();
    read.types
        .keys()
        .filter(|name| !name.starts_with("zk_scrape_") && !name.starts_with("zk_ensemble_"))
        .cloned()
        .collect()
}

#[test]
fn captured_monitor_replies_have_the_metrics_of_mntr() {
    let mut seen = 0;
    for fixture in fixtures() {
        let Some(body) = fixture.read("admin-monitor.json") else { continue };
        let mntr = fixture.mntr();
        let not_serving = mntr.contains("not currently serving");
        let member = refusing(&body, fixture.read("srvr.txt").as_deref());
        assert!(member.failures.is_empty(), "{}: {:?}", fixture.name, member.failures);
        if not_serving {
            assert_eq!((member.state, member.complete), (State::NotServing, false), "{}", fixture.name);
            // Also without `srvr`: the error page, or the sentence of 3.5, is sufficient.
            assert_eq!(refusing(&body, None).state, State::NotServing, "{}", fixture.name);
            seen += 1;
            continue;
        }
        assert!(member.complete && member.up, "{}", fixture.name);
        assert_eq!(member.identity.as_ref().map(|identity| identity.source), Some(Source::AdminServer));
        if !mntr.starts_with("zk_") {
            continue;
        }
        let by_mntr = crate::common::fixture_member(&fixture);
        assert_eq!(member.state, by_mntr.state, "{}", fixture.name);
        let (by_admin, by_mntr) = (families(member), families(by_mntr));
        let missing: Vec<_> = by_mntr.iter().filter(|name| !by_admin.contains(name)).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", fixture.name);
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn truncated_and_foreign_monitor_replies_are_incomplete() {
    for end in (0..MONITOR.len()).step_by(97) {
        let member = refusing(&MONITOR.as_bytes()[..end], None);
        assert!(!member.complete, "{end} bytes");
        assert!(member.failures.contains(&(Command::Mntr, Reason::NotAllowed)));
    }
    for body in
        ["{}", "[]", "null", "{\"avg_latency\": 1}", "<html>", "{\"status\": \"404\", \"message\": \"Not Found\"}"]
    {
        let member = refusing(body.as_bytes(), None);
        assert!(!member.complete && member.samples.cells().is_empty(), "{body}");
        assert!(member.failures.iter().any(|(word, _)| *word == Command::Monitor), "{body}: {:?}", member.failures);
    }
    // Keys and values must not inject lines.
    let body = r#"{"version":"3.9.3-x, built on y","a\nzk_b\t1\nzk_c":"2\nzk_d\t3","command":"monitor","error":null}"#;
    let text = page(&report(vec![refusing(body.as_bytes(), None)]), Format::Classic);
    assert!(!text.contains("key=\"b\"") && !text.contains("key=\"d\""), "{text}");
}

/// A member that refuses `mntr`, with a custom AdminServer.
fn scraped(treat: impl Fn(TcpStream) + Send + Sync + 'static) -> (Page, Exporter, Listener) {
    let member = Listener::answering_words(&[
        ("mntr", "mntr is not executed because it is not in the whitelist.\n"),
        ("srvr", SRVR),
    ]);
    let admin = Listener::start(move |mut stream| {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read_exact(&mut byte).is_err() {
                return;
            }
            request.push(byte[0]);
        }
        let text = String::from_utf8(request).unwrap();
        assert!(text.starts_with("GET /commands/monitor HTTP/1.1\r\n") && text.contains("connection: close"), "{text}");
        treat(stream);
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yml");
    let port = admin.address.rsplit_once(':').unwrap().1;
    std::fs::write(
        &path,
        format!(
            "ensembles: [{{name: prod, members: ['{}']}}]\nmodules: {{default: {{admin: 'http://{{host}}:{port}', commands: [mntr, srvr]}}}}\n",
            member.address
        ),
    )
    .unwrap();
    let exporter = Exporter::start(&["--config.file", path.to_str().unwrap(), "--limit.reply-bytes", "200000"]);
    let answer = exporter.scrape("2.5");
    assert!(answer.took < Duration::from_millis(2450), "{:?}", answer.took);
    (read_page(answer.text(), Format::Classic).unwrap(), exporter, admin)
}

fn say(stream: &mut TcpStream, head: &str, body: &str) {
    let _ = stream.write_all(format!("HTTP/1.1 {head}\r\n\r\n{body}").as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
}

#[test]
fn a_failed_admin_server_loses_only_its_metrics() {
    type Treat = Box<dyn Fn(TcpStream) + Send + Sync>;
    let length = MONITOR.len();
    let cases: Vec<(&str, &str, Treat)> = vec![
        (
            "http",
            "answered 404; if admin.commandURL is not /commands",
            Box::new(|mut stream| say(&mut stream, "404 Not Found\r\nContent-Length: 0", "")),
        ),
        (
            "http",
            "redirected with 302 to https://zk-1/x; if it requires TLS, set admin: https:",
            Box::new(|mut stream| say(&mut stream, "302 Found\r\nLocation: https://zk-1/x\r\nContent-Length: 0", "")),
        ),
        (
            "http",
            "answered 500",
            Box::new(|mut stream| say(&mut stream, "500 Server Error\r\nContent-Length: 3", "Bad")),
        ),
        ("http", "answered 401", Box::new(|mut stream| say(&mut stream, "401 Unauthorized\r\nContent-Length: 0", ""))),
        ("garbage", "no valid HTTP reply", Box::new(|mut stream| drop(stream.write_all(b"SSH-2.0-OpenSSH\r\n\r\n")))),
        (
            "garbage",
            "is not from ZooKeeper",
            Box::new(|mut stream| say(&mut stream, "200 OK\r\nContent-Length: 2", "{}")),
        ),
        ("reset", "no valid HTTP reply", Box::new(drop)),
        ("empty", "without a body", Box::new(|mut stream| say(&mut stream, "200 OK", ""))),
        (
            "truncated",
            "was truncated",
            Box::new(move |mut stream| {
                say(&mut stream, &format!("200 OK\r\nContent-Length: {length}"), &MONITOR[..length / 2]);
            }),
        ),
        ("truncated", "is incomplete", Box::new(move |mut stream| say(&mut stream, "200 OK", &MONITOR[..length / 2]))),
        (
            "too_large",
            "has more than 200000 bytes",
            Box::new(|mut stream| {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                while stream.write_all(&[b' '; 10_000]).is_ok() {}
            }),
        ),
        (
            "timeout",
            "no answer in time",
            Box::new(|mut stream| {
                let _ = stream.read(&mut [0]);
            }),
        ),
        (
            "timeout",
            "no answer in time",
            Box::new(|mut stream| {
                let piece = "HTTP/1.1 100 Continue\r\n\r\n".repeat(4000);
                while stream.write_all(piece.as_bytes()).is_ok() {}
            }),
        ),
    ];
    for (why, hint, treat) in cases {
        let (page, exporter, admin) = scraped(treat);
        let failed = page.value("zk_scrape_failure", &[("command", "monitor"), ("reason", why)]);
        assert_eq!(failed, Some(1.0), "{why} {hint}: {}", exporter.log());
        assert!(exporter.log().contains(hint), "{hint}: {}", exporter.log());
        assert_eq!(page.value("zk_scrape_failure", &[("command", "mntr"), ("reason", "not_allowed")]), Some(1.0));
        assert_eq!((page.value("zk_mntr_complete", &[]), page.value("zk_up", &[])), (Some(0.0), Some(1.0)), "{hint}");
        assert!(page.value("zk_avg_latency_seconds", &[]).is_some(), "{hint}: srvr is there");
        // Only a truncated reply is requested a second time.
        let asked = admin.connections.load(Ordering::Relaxed);
        assert_eq!(asked, if why == "truncated" { 2 } else { 1 }, "{hint}");
    }
}

#[test]
fn both_http_framings_of_the_admin_server_are_parsed() {
    let whole = |stream: &mut TcpStream| say(stream, &format!("200 OK\r\nContent-Length: {}", MONITOR.len()), MONITOR);
    let chunked = |stream: &mut TcpStream| {
        let (first, second) = MONITOR.split_at(1000);
        let body = format!("3e8\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", second.len());
        say(stream, "200 OK\r\nTransfer-Encoding: chunked", &body);
    };
    let (one, _exporter, _admin) = scraped(move |mut stream| whole(&mut stream));
    let (other, _exporter, _admin) = scraped(move |mut stream| chunked(&mut stream));
    for page in [&one, &other] {
        assert_eq!(page.value("zk_mntr_complete", &[]), Some(1.0));
        assert_eq!(page.value("zk_member_info", &[("source", "adminserver"), ("version", "3.9.3")]), Some(1.0));
        assert!(page.series.iter().all(|(series, _)| series.name != "zk_scrape_failure"));
    }
}

//! `/probe` and `/sd`: allowed targets, errors, shared scrapes, and the content of the page.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use zookeeper_exporter::exposition::Format;

use crate::common::exporter::Exporter;
use crate::common::listeners::{Listener, closed_port};
use crate::common::{Page, fixtures, read_page};

const SRVR: &str = "Zookeeper version: 3.9.3-x, built on 2024-10-17 23:21 UTC\nLatency min/avg/max: 0/0.0/0\nReceived: 1\n\
    Sent: 1\nConnections: 1\nOutstanding: 0\nZxid: 0x100000001\nMode: follower\nNode count: 5\n";

fn member() -> Listener {
    Listener::answering_words(&[("srvr", SRVR)])
}

fn exporter(text: &str) -> (Exporter, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    (Exporter::start(&["--config.file", file.path().to_str().unwrap(), "--web.enable-lifecycle"]), file)
}

fn page(exporter: &Exporter, path: &str) -> Page {
    let answer = exporter.get(path, &[("X-Prometheus-Scrape-Timeout-Seconds", "3")]);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    read_page(answer.text(), Format::Classic).unwrap()
}

fn refused(exporter: &Exporter, path: &str) -> (u16, String) {
    let answer = exporter.get(path, &[]);
    let text = answer.text().to_owned();
    assert!(answer.status >= 400 && text.ends_with('\n') && text.lines().count() == 1, "{path}: {text}");
    assert!(answer.took < Duration::from_secs(8), "{path} took {:?}", answer.took);
    (answer.status, text)
}

fn ensembles(page: &Page) -> Vec<&str> {
    let mut names: Vec<_> =
        page.series.iter().filter(|(s, _)| s.name == "zk_up").map(|(s, _)| s.label("ensemble")).collect();
    names.dedup();
    names
}

#[test]
fn configured_ensembles_are_probed_by_name_or_by_members() {
    let (one, two) = (member(), member());
    let (exporter, _file) = exporter(&format!(
        "ensembles:\n- {{name: one, members: [\"{}\"]}}\n- {{name: two, members: [\"{}\"], module: bare}}\nmodules: {{bare: {{commands: [srvr]}}}}\n",
        one.address, two.address
    ));
    let by_name = page(&exporter, "/probe?ensemble=one");
    assert_eq!(ensembles(&by_name), ["one"]);
    assert_eq!(by_name.value("zk_up", &[("member", &one.address)]), Some(1.0));
    assert!(by_name.value("zk_ensemble_members", &[]).is_some());
    let own = |page: &Page| {
        page.series.iter().any(|(s, _)| s.name.starts_with("zk_exporter_") || s.name.starts_with("process_"))
    };
    assert!(!own(&by_name) && own(&page(&exporter, "/metrics")));
    // Configured members may be probed by address, under any ensemble name.
    let both = page(&exporter, &format!("/probe?target={},{}&ensemble=any", one.address, two.address));
    assert_eq!(both.value("zk_ensemble_members_up", &[("ensemble", "any")]), Some(2.0));
    assert_eq!(both.value("zk_scrape_failure", &[("member", &one.address), ("command", "mntr")]), Some(1.0));
    // A probe by address keeps no state, changes no counters and does not log what its response contains.
    assert!(!exporter.log().contains("any"), "{}", exporter.log());
    assert!(both.series.iter().all(|(s, _)| s.name != "zk_scrape_failures_total"));
    // The module is that of the ensemble, or the one in the request.
    let failures = |path: &str| page(&exporter, path).series.iter().any(|(s, _)| s.name == "zk_scrape_failure");
    assert!(!failures("/probe?ensemble=two") && failures("/probe?ensemble=two&module=default"));
    let encoded = one.address.replace(':', "%3A");
    assert_eq!(ensembles(&page(&exporter, &format!("/probe?target={encoded}"))), ["default"]);
}

#[test]
fn targets_outside_the_allowlist_are_rejected() {
    let (own, other) = (member(), member());
    let port = other.address.rsplit_once(':').unwrap().1.to_owned();
    let config = |allow: &str| {
        format!("ensembles: [{{name: one, members: [\"{}\"]}}]\nprobe: {{allow: [{allow}]}}\n", own.address)
    };
    let (exporter, file) = exporter(&config(""));
    let path = format!("/probe?target={}", other.address);
    let (status, told) = refused(&exporter, &path);
    assert_eq!(status, 403);
    assert!(told.contains(&format!("probe: {{allow: [\"{}\"]}}", other.address)), "{told}");
    assert_eq!(other.connections.load(Ordering::Relaxed), 0);
    // Adding the suggested line at the suggested place is sufficient.
    let allow = |line: &str| {
        std::fs::write(file.path(), config(line)).unwrap();
        assert_eq!(crate::reload::request(&exporter, "POST", "/-/reload"), (200, "ok\n".to_owned()), "{line}");
    };
    allow(&format!("\"{}\"", other.address));
    assert_eq!(page(&exporter, &path).value("zk_up", &[]), Some(1.0));
    allow("127.0.0.0/8");
    assert_eq!(page(&exporter, &path).value("zk_up", &[]), Some(1.0));
    let by_name = format!("/probe?target=localhost:{port}");
    assert_eq!(exporter.get(&by_name, &[]).status, 200, "what it resolves to is allowed");
    for line in ["10.0.0.0/8", "127.0.0.0/8:1-1023", "'*'", "'localhost'"] {
        allow(line);
        let seen = other.connections.load(Ordering::Relaxed);
        assert_eq!(refused(&exporter, &path).0, 403, "{line}");
        assert_eq!(refused(&exporter, &by_name).0, 403, "{line}");
        assert_eq!(other.connections.load(Ordering::Relaxed), seen, "{line}");
    }
    // A single target that is not allowed is sufficient for a rejection.
    assert_eq!(refused(&exporter, &format!("/probe?target={},{}", own.address, other.address)).0, 403);
    assert_eq!(refused(&exporter, "/probe?target=no-such-host.invalid:2181").0, 403);
    allow("'*.invalid'");
    let gone = page(&exporter, "/probe?target=no-such-host.invalid:2181");
    assert_eq!(gone.value("zk_scrape_failure", &[("command", "srvr"), ("reason", "dns")]), Some(1.0));
}

#[test]
fn invalid_parameters_are_reported_in_one_line() {
    let own = member();
    let (exporter, _file) = exporter(&format!("ensembles: [{{name: one, members: [\"{}\"]}}]\n", own.address));
    for (query, part) in [
        ("", "missing parameter: expected /probe?ensemble=NAME"),
        ("?", "missing parameter"),
        ("?ensemble=two", "unknown ensemble \"two\": expected one of one"),
        ("?ensemble=", "empty parameter ensemble"),
        ("?ensemble=one&ensemble=one", "duplicate parameter ensemble\n"),
        ("?target=zk-1&target=zk-2", "duplicate parameter target: separate several members by commas"),
        ("?ensemble=one&module=secure", "unknown module \"secure\": expected one of default"),
        ("?ensemble=one&modul=secure", "unknown parameter \"modul\": expected target, ensemble, module or debug"),
        ("?ensemble=one&debug=perhaps", "invalid debug=\"perhaps\": expected true or false"),
        ("?target=zk-1:port", "invalid port"),
        ("?target=zk-1,zk-1:2181", "duplicate member"),
        ("?target=,", "empty member address"),
        ("?target=http://zk-1:2181", "unexpected path"),
        ("?target=zk-1&ensemble=my%20prod", "ensemble: invalid ensemble name `my prod`"),
        ("?target=zk%0A1", "invalid host"),
        ("?target=%", "malformed query"),
    ] {
        let (status, told) = refused(&exporter, &format!("/probe{query}"));
        assert_eq!(status, 400, "{query}");
        assert!(told.contains(part), "{query}: {told}");
    }
    let many: Vec<_> = (1..=256).map(|n| format!("h{n}")).collect();
    assert!(refused(&exporter, &format!("/probe?target={}", many.join(","))).1.contains("expected at most 255"));
    assert_eq!(crate::reload::request(&exporter, "POST", "/probe?ensemble=one").0, 405);
}

#[test]
fn debug_shows_requests_and_replies() {
    let (own, dead) = (member(), closed_port());
    let (exporter, _file) =
        exporter(&format!("ensembles: [{{name: one, members: [\"{}\", \"{dead}\"]}}]\n", own.address));
    let answer = exporter.get("/probe?ensemble=one&debug=true", &[]);
    assert_eq!(answer.status, 200);
    let text = answer.text();
    for part in [
        &format!("{} srvr\n", own.address),
        &format!("{dead} mntr\n"),
        "  result         ok, ",
        "  | Zookeeper version: 3.9.3-x",
        "  | ...\n",
        "  result         connect, 0 bytes: ",
        "  result         empty, 0 bytes",
        "state follower, up true",
        "all in 0.",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    assert!(!text.contains("Node count"), "only the first lines of a reply");
}

#[test]
fn sd_lists_the_ensembles_in_order() {
    let (exporter, _file) = exporter(
        "ensembles:\n- {name: z, members: [zk-1, zk-2:2182]}\n- {name: a, members: [zk-3], discovery: dns, module: m}\nmodules: {m: {}}\n",
    );
    let answer = exporter.get("/sd", &[]);
    assert!(answer.head.contains("content-type: application/json\r\n"), "{}", answer.head);
    let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let expected = serde_json::json!([
        {"targets": ["z"], "labels": {
            "__meta_zookeeper_ensemble": "z", "__meta_zookeeper_members": "zk-1:2181,zk-2:2182",
            "__meta_zookeeper_module": "default", "__meta_zookeeper_discovery": "static"}},
        {"targets": ["a"], "labels": {
            "__meta_zookeeper_ensemble": "a", "__meta_zookeeper_members": "zk-3:2181",
            "__meta_zookeeper_module": "m", "__meta_zookeeper_discovery": "dns"}},
    ]);
    assert_eq!(document, expected);
    assert_eq!(exporter.get("/sd", &[]).body, answer.body);
}

/// A member that replies to `srvr` after a delay, so that a scrape of it stays in flight.
#[expect(clippy::disallowed_methods, reason = "called from threads of its own, outside any runtime")]
fn slow(time: Duration) -> (Listener, Arc<AtomicUsize>) {
    let answered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answered);
    let listener = Listener::start(move |mut stream| {
        let _ = stream.read_exact(&mut [0; 4]);
        std::thread::sleep(time);
        count.fetch_add(1, Ordering::Relaxed);
        let _ = stream.write_all(SRVR.as_bytes());
        let _ = stream.shutdown(Shutdown::Both);
    });
    (listener, answered)
}

#[test]
fn simultaneous_scrapes_are_shared_until_the_first_reply() {
    let (slow, _) = slow(Duration::from_millis(1500));
    let quick = member();
    let (exporter, _file) = exporter(&format!(
        "ensembles:\n- {{name: slow, members: [\"{}\"]}}\n- {{name: mixed, members: [\"{}\", \"{}\"]}}\nmodules: {{default: {{commands: [srvr]}}}}\n",
        slow.address,
        quick.address,
        closed_port()
    ));
    // Four simultaneous scrapes through both endpoints use one connection.
    std::thread::scope(|scope| {
        let up = |path: &'static str| {
            let exporter = &exporter;
            scope.spawn(move || page(exporter, path).value("zk_up", &[("ensemble", "slow")]))
        };
        let all: Vec<_> = ["/metrics", "/probe?ensemble=slow", "/metrics", "/probe?ensemble=slow"].map(up).into();
        assert!(all.into_iter().all(|scrape| scrape.join().unwrap() == Some(1.0)));
    });
    assert_eq!(slow.connections.load(Ordering::Relaxed), 1, "they did not share a round");
    // A finished scrape is not reused.
    assert_eq!(page(&exporter, "/probe?ensemble=slow").value("zk_up", &[]), Some(1.0));
    assert_eq!(slow.connections.load(Ordering::Relaxed), 2);
    // A scrape is not joined after its first reply: two in a row are two scrapes.
    let before = quick.connections.load(Ordering::Relaxed);
    page(&exporter, "/probe?ensemble=mixed");
    page(&exporter, "/probe?ensemble=mixed");
    assert_eq!(quick.connections.load(Ordering::Relaxed), before + 2);
}

#[test]
fn shared_scrapes_keep_the_deadline_of_each_request() {
    let (slow, _) = slow(Duration::from_secs(2));
    let (exporter, _file) = exporter(&format!(
        "ensembles: [{{name: slow, members: [\"{}\"]}}]\nmodules: {{default: {{commands: [srvr], timeout: 8s}}}}\n",
        slow.address
    ));
    let with = |timeout: &str| {
        let begun = Instant::now();
        let answer = exporter.get("/metrics", &[("X-Prometheus-Scrape-Timeout-Seconds", timeout)]);
        (read_page(answer.text(), Format::Classic).unwrap(), begun.elapsed())
    };
    std::thread::scope(|scope| {
        let patient = scope.spawn(|| with("8"));
        while slow.connections.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        // Joins, and returns at its own deadline: a member that may still reply is unknown.
        let (page, took) = with("1");
        assert!(took < Duration::from_millis(1500), "{took:?}");
        assert_eq!(page.value("zk_up", &[]), None);
        assert_eq!(page.value("zk_scrape_failure", &[("command", "srvr"), ("reason", "limit")]), Some(1.0));
        assert_eq!(slow.connections.load(Ordering::Relaxed), 1);
        assert_eq!(patient.join().unwrap().0.value("zk_up", &[]), Some(1.0));
    });
    std::thread::scope(|scope| {
        let hasty = scope.spawn(|| with("1"));
        while slow.connections.load(Ordering::Relaxed) == 1 {
            std::thread::yield_now();
        }
        // A scrape with an earlier deadline is not joined: the member would appear to be down.
        assert_eq!(with("8").0.value("zk_up", &[]), Some(1.0));
        assert_eq!(hasty.join().unwrap().0.value("zk_up", &[]), Some(0.0));
    });
}

/// A member that replays a fixture.
fn replaying(mntr: Vec<u8>) -> Listener {
    Listener::start(move |mut stream| {
        let mut word = [0; 4];
        let _ = stream.read_exact(&mut word);
        let _ = stream.write_all(if &word == b"mntr" { &mntr } else { b"" });
        let _ = stream.shutdown(Shutdown::Both);
    })
}

#[test]
fn essential_has_at_most_80_series_per_member_in_every_role_and_release() {
    let fixtures: Vec<_> = fixtures().into_iter().filter(|fixture| !fixture.mntr().is_empty()).collect();
    let listeners: Vec<_> = fixtures.iter().map(|fixture| replaying(fixture.mntr().into_bytes())).collect();
    let list = listeners.iter().map(|listener| format!("\"{}\"", listener.address)).collect::<Vec<_>>().join(", ");
    let (exporter, _file) = exporter(&format!(
        "ensembles:\n- {{name: some, members: [{list}], module: essential}}\n- {{name: few, members: [{list}], module: few}}\n\
         modules:\n  essential: {{metrics: essential, commands: [mntr]}}\n  few: {{metrics: ['zk_fsync*', zk_znodes, '*_packets_received_total'], commands: [mntr]}}\n"
    ));
    let some = page(&exporter, "/probe?ensemble=some");
    let mut most = 0;
    for (fixture, listener) in fixtures.iter().zip(&listeners) {
        let of = some.series.iter().filter(|(series, _)| series.label("member") == listener.address);
        let count = of.clone().count();
        assert!(count <= 80, "{} has {count} series: {:?}", fixture.name, of.map(|(s, _)| &s.name).collect::<Vec<_>>());
        most = most.max(count);
    }
    assert!(most > 50, "only {most} series: the selection is not in force, or the fixtures are gone");
    assert!(some.value("zk_updatelatency_seconds_sum", &[("member", &listeners[0].address)]).is_some() || most > 0);
    assert!(some.series.iter().all(|(series, _)| series.label("quantile").is_empty()));
    let few = page(&exporter, "/probe?ensemble=few");
    assert!(few.series.iter().any(|(s, _)| s.name == "zk_fsynctime_seconds_count"));
    assert!(few.series.iter().any(|(s, _)| s.name == "zk_znodes"));
    assert!(few.series.iter().any(|(s, _)| s.name == "zk_up"), "the exporter's own metrics are always exported");
    assert!(few.series.iter().all(|(s, _)| s.name != "zk_watches" && s.name != "zk_packets_sent_total"));
}

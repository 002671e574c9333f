//! ZooKeeper's own metrics endpoint as a fallback for `mntr`: replies of real servers, and invalid replies.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;

use zookeeper_exporter::catalogue::{Part, catalogue};
use zookeeper_exporter::config::Command;
use zookeeper_exporter::exposition::{Format, visit_samples};
use zookeeper_exporter::reply::{Number, mntr, native};
use zookeeper_exporter::scrape::reading::Replies;
use zookeeper_exporter::scrape::typed::{typed, without_total};
use zookeeper_exporter::scrape::{MemberReport, Source, State};
use zookeeper_exporter::wire::Reason;

use crate::common::exporter::Exporter;
use crate::common::listeners::Listener;
use crate::common::{Page, fixtures, heard, read_page, report};

const NATIVE: &str = include_str!("../fixtures/3.9.3/leader-prometheus-provider/prometheus-metrics.txt");
const MONITOR: &str = include_str!("../fixtures/3.9.3/leader-prometheus-provider/admin-monitor.json");
const SRVR: &str = include_str!("../fixtures/3.9.3/leader-prometheus-provider/srvr.txt");
const REFUSED: &str = "mntr is not executed because it is not in the whitelist.\n";

fn refusing(body: &[u8], srvr: Option<&[u8]>) -> MemberReport {
    let replies = Replies {
        mntr: Some(heard(Command::Mntr, REFUSED.as_bytes())),
        native: Some(heard(Command::Native, body)),
        srvr: srvr.map(|bytes| heard(Command::Srvr, bytes)),
        ..Replies::default()
    };
    replies.report("zk-1:2181".into(), None)
}

/// The samples of the member by name and labels.
fn own(member: MemberReport) -> BTreeMap<(String, Vec<(String, String)>), f64> {
    let mut all = BTreeMap::new();
    visit_samples(&report(vec![member]).ensembles[0], |_| true, &mut |name, labels, value| {
        if !name.starts_with("zk_ensemble_") && !name.starts_with("zk_scrape_") {
            let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            all.insert((name.to_owned(), labels), value);
        }
    });
    all
}

#[test]
fn captured_native_replies_have_the_metrics_of_mntr() {
    let mut seen = 0;
    for fixture in fixtures() {
        let Some(body) = fixture.read("prometheus-metrics.txt") else { continue };
        seen += 1;
        let member = refusing(&body, fixture.read("srvr.txt").as_deref());
        assert!(member.failures.is_empty(), "{}: {:?}", fixture.name, member.failures);
        assert_eq!(
            member.samples.dropped().values().sum::<u64>(),
            0,
            "{}: {:?}",
            fixture.name,
            member.samples.dropped()
        );
        let by_mntr = crate::common::fixture_member(&fixture);
        assert_eq!((member.state, member.zxid), (by_mntr.state, by_mntr.zxid), "{}", fixture.name);
        if by_mntr.state == State::NotServing {
            // Without a running server only the process has metrics.
            assert!(own(member).keys().any(|(name, _)| name == "zk_jvm_memory_used_bytes"), "{}", fixture.name);
            continue;
        }
        assert!(member.complete && member.up, "{}", fixture.name);
        assert_eq!(member.identity.as_ref().map(|identity| identity.source), Some(Source::Native));
        let (native, mntr) = (own(member), own(by_mntr));
        // Only `mntr` has texts, and latencies computed by the server.
        let missing: Vec<_> = mntr.keys().filter(|series| !native.contains_key(*series)).collect();
        let more: Vec<_> = native.keys().filter(|series| !mntr.contains_key(*series)).collect();
        let only_mntr = |(name, labels): &&(String, Vec<(String, String)>)| {
            name.ends_with("_info") || name == "zk_unknown" && labels.iter().any(|(_, key)| key.contains("zk_"))
        };
        assert!(missing.iter().all(&only_mntr), "{}: {missing:?}", fixture.name);
        assert!(more.iter().all(only_mntr), "{}: {more:?}", fixture.name);
        // The two were captured one after the other: only few values changed in between.
        let of_process = |name: &str| ["zk_jvm_", "zk_process_"].iter().any(|prefix| name.starts_with(prefix));
        let moved: Vec<_> = native
            .iter()
            .filter(|((name, _), _)| !of_process(name))
            .filter(|(series, value)| mntr.get(series).is_some_and(|other| other.total_cmp(value).is_ne()))
            .map(|((name, _), _)| name)
            .collect();
        assert!(moved.len() * 20 < native.len(), "{}: {} of {}: {moved:?}", fixture.name, moved.len(), native.len());
    }
    assert!(seen >= 9, "{seen}");
}

#[test]
fn truncated_and_foreign_native_replies_are_incomplete() {
    for end in (0..NATIVE.len()).step_by(197).filter(|end| !NATIVE[..*end].ends_with('\n')) {
        let member = refusing(&NATIVE.as_bytes()[..end], None);
        assert!(!member.complete, "{end} bytes");
        assert!(member.failures.contains(&(Command::Mntr, Reason::NotAllowed)));
    }
    for body in ["# nothing\n", "node_load1 0.5\n", "<html>", "{}"] {
        let member = refusing(body.as_bytes(), None);
        assert!(!member.complete && member.samples.cells().is_empty(), "{body}");
        assert!(member.failures.contains(&(Command::Native, Reason::Garbage)), "{body}: {:?}", member.failures);
    }
}

#[test]
fn newer_releases_append_total_to_counters() {
    let body = "fsynctime_count 1.0\npackets_received_total 7.0\njvm_classes_loaded_total 3.0\nodd_total 2.0\n";
    let (_, lines) = native::as_mntr(body);
    let (samples, _) = typed(mntr::entries(&lines).map(without_total), 0, 100);
    let value = |name: &str| {
        let (id, _) = catalogue().families().find(|(_, family)| family.full_name() == name).unwrap();
        samples.value(id, Part::Value).map(Number::as_f64)
    };
    assert_eq!(value("zk_packets_received_total"), Some(7.0));
    assert_eq!(value("zk_jvm_classes_loaded_total"), Some(3.0));
    assert!(samples.cells().iter().any(|cell| samples.label_values(*cell).eq(["odd_total"])), "{samples:?}");
}

/// A member that refuses `mntr` and returns this body over HTTP for every path.
fn scraped(
    mntr: &'static str,
    module: &str,
    respond: impl Fn(&str) -> String + Send + Sync + 'static,
) -> (Page, Exporter, Listener) {
    let member = Listener::answering_words(&[("mntr", mntr), ("srvr", SRVR)]);
    let endpoint = Listener::start(move |mut stream: TcpStream| {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read_exact(&mut byte).is_err() {
                return;
            }
            request.push(byte[0]);
        }
        let request = String::from_utf8(request).unwrap();
        let path = request.split(' ').nth(1).unwrap();
        let body = respond(path);
        let head = if body.is_empty() { "404 Not Found" } else { "200 OK" };
        let _ = stream.write_all(format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
    });
    let port = endpoint.address.rsplit_once(':').unwrap().1;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yml");
    let module = module.replace("PORT", port);
    std::fs::write(
        &path,
        format!("ensembles: [{{name: prod, members: ['{}']}}]\nmodules: {{default: {{{module}}}}}\n", member.address),
    )
    .unwrap();
    let exporter = Exporter::start(&["--config.file", path.to_str().unwrap()]);
    let answer = exporter.scrape("5");
    (read_page(answer.text(), Format::Classic).unwrap(), exporter, endpoint)
}

const BOTH: &str = "native: 'http://{host}:PORT', admin: 'http://{host}:PORT', commands: [mntr, srvr]";

fn source(page: &Page) -> &str {
    page.series
        .iter()
        .find(|(series, _)| series.name == "zk_member_info")
        .map_or("", |(series, _)| series.label("source"))
}

#[test]
fn sources_are_queried_in_their_order() {
    let native_only = |path: &str| if path == "/metrics" { NATIVE.to_owned() } else { String::new() };
    let (page, exporter, endpoint) = scraped(REFUSED, BOTH, native_only);
    assert_eq!(source(&page), "native", "{}", exporter.log());
    assert_eq!((page.value("zk_mntr_complete", &[]), page.value("zk_up", &[])), (Some(1.0), Some(1.0)));
    assert_eq!(page.value("zk_server_state", &[("state", "leader")]), Some(1.0));
    assert!(page.value("zk_zxid_sequence", &[]).is_some());
    assert_eq!(endpoint.connections.load(Ordering::Relaxed), 1, "the AdminServer is not queried as well");
    assert!(
        exporter.log().contains("another source is queried instead") && exporter.log().contains("source=\"native\""),
        "{}",
        exporter.log()
    );

    let admin_only = |path: &str| if path == "/commands/monitor" { MONITOR.to_owned() } else { String::new() };
    let (page, exporter, endpoint) = scraped(REFUSED, BOTH, admin_only);
    assert_eq!(source(&page), "adminserver", "{}", exporter.log());
    assert_eq!(page.value("zk_scrape_failure", &[("command", "native"), ("reason", "http")]), Some(1.0));
    assert_eq!(endpoint.connections.load(Ordering::Relaxed), 2);

    // A member that is not serving may lead; the AdminServer reports that, the metrics endpoint does not.
    let both = |path: &str| if path == "/metrics" { NATIVE.to_owned() } else { MONITOR.to_owned() };
    let not_serving = "This ZooKeeper instance is not currently serving requests\n";
    let (page, exporter, _) = scraped(not_serving, BOTH, both);
    assert_eq!(source(&page), "adminserver", "{}", exporter.log());

    let without_mntr = "native: 'http://{host}:PORT', commands: [srvr]";
    let (page, exporter, _) = scraped(REFUSED, without_mntr, native_only);
    assert_eq!(source(&page), "native", "{}", exporter.log());
    assert!(page.value("zk_fsynctime_seconds_count", &[]).is_some());
    assert!(!exporter.log().contains("refuses"), "{}", exporter.log());

    // If `mntr` succeeds, no other source is queried.
    let answers = "zk_version\t3.9.3-x, built on y\nzk_server_state\tleader\n";
    let (_, _, endpoint) = scraped(answers, BOTH, both);
    assert_eq!(endpoint.connections.load(Ordering::Relaxed), 0);
}

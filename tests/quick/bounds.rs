//! Limits on what servers, clients and files can make the exporter do: its connections, its memory, its output.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use zookeeper_exporter::config::Command;
use zookeeper_exporter::exposition::Format;
use zookeeper_exporter::wire::Reason;

use crate::common::exporter::{Exporter, run};
use crate::common::listeners::Listener;
use crate::common::{Page, heard, read_page};

const SRVR: &str = include_str!("../fixtures/3.9.3/follower/srvr.txt");

fn exporter(config: &str) -> (Exporter, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config).unwrap();
    (Exporter::start(&["--config.file", file.path().to_str().unwrap()]), file)
}

fn scrape(exporter: &Exporter) -> Page {
    let answer = exporter.scrape("4");
    assert_eq!(answer.status, 200);
    read_page(answer.text(), Format::Classic).unwrap()
}

/// A `conf` reply with these client addresses.
fn membership(clients: &[String]) -> String {
    let mut text = String::from("clientPort=1\nserverId=1\npeerType=0\nmembership: \n");
    for (place, client) in clients.iter().enumerate() {
        text.push_str(&format!("server.{}=zk-{0}.invalid:2888:3888:participant;{client}\n", place + 1));
    }
    text + "version=100000000"
}

#[test]
fn a_conf_reply_above_its_limit_is_not_kept() {
    let line = "server.1=zk-1:2888:3888:participant\n";
    for (lines, expected) in [(2, None), ((256 << 10) / line.len() + 1, Some(Reason::TooLarge))] {
        let text = format!("clientPort=2181\nserverId=1\n{}version=0", line.repeat(lines));
        let heard = heard(Command::Conf, text.as_bytes());
        assert_eq!(heard.failure.as_ref().map(|failure| failure.reason), expected, "{lines} lines");
        assert_eq!(heard.conf().is_none(), expected.is_some());
    }
}

#[test]
fn discovered_loopback_addresses_are_not_queried() {
    let victim = Listener::answering("secret\n");
    let port = victim.address.rsplit_once(':').unwrap().1;
    let spellings =
        ["127.1", "2130706433", "0x7f000001", "017700000001", "localhost", "127.0.0.1", "0", "ip6-localhost"];
    let clients: Vec<String> = spellings.iter().map(|host| format!("{host}:{port}")).collect();
    let conf = membership(&clients);
    let liar = Listener::answering_words(&[("srvr", SRVR), ("conf", &conf)]);
    // One of the configured members has a name: this ensemble is not on loopback.
    let config =
        format!("ensembles: [{{name: prod, members: [\"{}\", \"zk-1.invalid\"], discovery: conf}}]\n", liar.address);
    let (exporter, _file) = exporter(&config);
    for _ in 0..3 {
        scrape(&exporter);
    }
    for client in &clients {
        let debug = exporter.get(&format!("/probe?target={client}&debug=true"), &[]);
        assert!(!debug.text().contains("secret"), "{client}: {}", debug.text());
    }
    assert_eq!(victim.connections.load(Ordering::Relaxed), 0);
    // An ensemble on loopback may discover loopback addresses, as tests and demos do.
    let config = format!("ensembles: [{{name: prod, members: [\"{}\"], discovery: conf}}]\n", liar.address);
    let (exporter, _file) = self::exporter(&config);
    for _ in 0..3 {
        scrape(&exporter);
    }
    assert!(victim.connections.load(Ordering::Relaxed) > 0);
}

#[test]
fn servers_with_thousands_of_addresses_are_queried_at_a_few() {
    let networks: Vec<String> =
        (0..9000).map(|number| format!("127.1.{}.{}:1:2", number / 250, 1 + number % 250)).collect();
    let conf = format!(
        "clientPort=1\nserverId=1\npeerType=0\nmembership: \nserver.2={}:participant\nversion=100000000",
        networks.join("|")
    );
    let liar = Listener::answering_words(&[("srvr", SRVR), ("conf", &conf)]);
    let (exporter, _file) =
        exporter(&format!("ensembles: [{{name: prod, members: [\"{}\"], discovery: conf}}]\n", liar.address));
    for _ in 0..3 {
        let page = scrape(&exporter);
        assert_eq!(page.series.iter().filter(|(series, _)| series.name == "zk_up").count(), 1);
    }
}

#[test]
fn long_texts_from_servers_are_truncated_and_counted() {
    let long = "x".repeat(60_000);
    let srvr = SRVR.replacen("version: 3.9.3", &format!("version: 3.9.3\u{9b}\u{202e}{long}"), 1);
    let conf = format!("clientPort=2181\nserverId=7{long}\n\u{1b}[2Jkey={long}\npeerType=0\n");
    assert_ne!(srvr, SRVR);
    let refused = "mntr is not executed because it is not in the whitelist.\n";
    let liar = Listener::answering_words(&[("mntr", refused), ("srvr", &srvr), ("conf", &conf)]);
    let key = format!(
        "zk_version\t3.9.3-{long}\nzk_{long}\t1\nzk_avg_{long}_write_per_namespace\t1\nzk_peer_state\t{long}\n"
    );
    let other = Listener::answering_words(&[("mntr", &key), ("srvr", SRVR)]);
    for names in ["prometheus", "mntr"] {
        let members = format!("prod={},{}", liar.address, other.address);
        let exporter = Exporter::start(&["--zookeeper", &members, "--metrics.names", names]);
        let answer = exporter.scrape("4");
        let text = answer.text();
        assert!(text.len() < 200_000, "{names}: {} bytes", text.len());
        assert!(!text.contains(['\u{9b}', '\u{202e}', '\u{1b}']), "{names}");
        let page = read_page(text, Format::Classic).unwrap();
        let longest = page.series.iter().flat_map(|(series, _)| series.labels.values()).map(String::len).max();
        assert!(longest < Some(2 * zookeeper_exporter::text::MAX_TEXT_BYTES), "{names}: a label of {longest:?} bytes");
        assert_eq!(page.value("zk_up", &[("member", &liar.address)]), Some(1.0));
        let cut = page.value("zk_exporter_cut_texts_total", &[]);
        assert!(cut >= Some(5.0), "{names}: {cut:?}");
        for path in ["/", "/ensemble/prod"] {
            let answer = exporter.get(path, &[]);
            let status = answer.text();
            assert!(status.len() < 50_000 && !status.contains(['\u{9b}', '\u{202e}', '\u{1b}']), "{path}");
        }
        assert!(exporter.log().len() < 50_000 && !exporter.log().contains(['\u{9b}', '\u{202e}', '\u{1b}']));
    }
}

#[test]
fn a_membership_that_changes_at_every_scrape_does_not_flood_page_or_log() {
    let asked = AtomicUsize::new(0);
    // Role and membership change with each request, and each membership names 254 nonexistent members.
    let liar = Listener::start(move |mut stream| {
        let mut word = [0; 4];
        let _ = stream.read_exact(&mut word);
        let number = asked.fetch_add(1, Ordering::Relaxed);
        let answer = match &word {
            b"conf" => {
                let long = ["x".repeat(60), "y".repeat(60), "z".repeat(60)].join(".");
                let clients: Vec<String> =
                    (0..254).map(|other| format!("h{number}-{other}.{long}.invalid:2181")).collect();
                membership(&clients).replace("version=1", &format!("version={:x}", 0x1_0000_0000_u64 + number as u64))
            }
            _ if number.is_multiple_of(2) => SRVR.replace("Mode: follower", "Mode: leader"),
            _ => SRVR.to_owned(),
        };
        let _ = stream.write_all(answer.as_bytes());
    });
    let (exporter, _file) =
        exporter(&format!("ensembles: [{{name: prod, members: [\"{}\"], discovery: conf}}]\n", liar.address));
    let mut largest = 0;
    for _ in 0..12 {
        largest = largest.max(exporter.scrape("2").text().len());
    }
    assert!(largest < 4 << 20, "a page of {largest} bytes");
    let log = exporter.log();
    assert!(log.len() < 400_000, "{} bytes of log", log.len());
    assert!(log.lines().all(|line| line.len() < 2000), "a long line");
}

#[test]
fn raw_mntr_names_cannot_replace_exporter_metrics() {
    let mut mntr = String::from(
        "zk_version\t3.9.3-x\nzk_exporter_build_info\t1\nzk_exporter_config_last_reload_successful\t0\n\
         zk_alert_threshold{alert=\"ZooKeeperMemberDown\",severity=\"critical\"}\t9\nzk_exporter_anything\t1\n\
         zk_exporter_http_requests_total\t5\nzk_canary_up\t1\nzk_dir_free_bytes\t1\nzk_ensemble_has_quorum\t7\n\
         zk_up\t5\nzk_check_status\t0\nzk_peer_state\tfollowing - broadcast\nzk_znode_count\t7\n",
    );
    for number in 0..12_000 {
        mntr.push_str(&format!("zk_flood_{number}\t1\n"));
    }
    let liar = Listener::answering_words(&[("mntr", &mntr), ("srvr", SRVR)]);
    let exporter = Exporter::start(&["--zookeeper", &liar.address, "--metrics.names", "mntr"]);
    for (accept, format) in
        [("text/plain", Format::Classic), ("application/openmetrics-text; version=1.0.0", Format::OpenMetrics)]
    {
        let answer = exporter.get("/metrics", &[("Accept", accept)]);
        let page = read_page(answer.text(), format).unwrap();
        let member = [("member", &*liar.address)];
        assert_eq!(page.value("zk_up", &member), Some(1.0));
        assert_eq!(page.value("zk_peer_state", &[("state", "following")]), Some(1.0));
        assert_eq!(page.value("zk_znode_count", &member), Some(7.0));
        assert_eq!(page.value("zk_exporter_config_last_reload_successful", &[]), Some(1.0));
        let of_member = |name: &str| page.series.iter().filter(|(s, _)| s.name.starts_with(name)).count();
        assert_eq!(of_member("zk_exporter_anything"), 0);
        assert_eq!(of_member("zk_exporter_build"), 1);
        assert_eq!(of_member("zk_dir_free") + of_member("zk_check_"), 0);
        let flood = of_member("zk_flood_");
        assert!((400..=500).contains(&flood), "{flood}");
        let thresholds = page.series.iter().filter(|(s, _)| s.name == "zk_alert_threshold");
        assert!(thresholds.map(|(s, _)| s.label("member")).all(str::is_empty));
    }
}

#[test]
fn check_bounds_size_and_time_of_a_hostile_page() {
    let continues = "HTTP/1.1 100 Continue\r\n\r\n";
    let endless = |line: &'static str| {
        Listener::start(move |mut stream| {
            let _ = stream.read(&mut [0; 2048]);
            if line != continues {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n");
            }
            let piece = line.repeat(65_536 / line.len());
            while stream.write_all(piece.as_bytes()).is_ok() {}
        })
    };
    for line in ["# nothing\n", "zk_up{ensemble=\"a\",member=\"b\"} 1\n", "x", "\n", continues] {
        let listener = endless(line);
        let url = format!("http://user:sec%2Fret@{}/metrics", listener.address);
        let begun = std::time::Instant::now();
        let output = run(&["check", "--from", &url, "-t", "4"]);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(3), "{line:?}: {said}");
        assert!(said.starts_with("ZOOKEEPER UNKNOWN - --from: ") && !said.contains("ret"), "{line:?}: {said}");
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{line:?}: {:?}", begun.elapsed());
    }
    // A page within the limits whose evaluation takes long: all members are down, and each is a finding.
    let mut page = String::from("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    for number in 0..190_000 {
        page.push_str(&format!(
            "zk_up{{ensemble=\"a\",member=\"{number}\"}} 0\nzk_serving{{ensemble=\"a\",member=\"{number}\"}} 0\n"
        ));
    }
    let down = Listener::start(move |mut stream| {
        let _ = stream.read(&mut [0; 2048]);
        let _ = stream.write_all(page.as_bytes());
    });
    let begun = std::time::Instant::now();
    let output = run(&["check", "--from", &format!("http://{}/metrics", down.address), "--interval", "0s", "-t", "6"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.code() == Some(3) && said.starts_with("ZOOKEEPER UNKNOWN - ") && said.contains(" within "),
        "{}",
        &said[..300.min(said.len())]
    );
    assert!(begun.elapsed() < std::time::Duration::from_secs(8), "{:?}", begun.elapsed());
    let gzip = Listener::start(|mut stream| {
        let _ = stream.read(&mut [0; 2048]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n\x1f\x8b");
    });
    let output = run(&["check", "--from", &format!("http://{}/metrics", gzip.address), "-t", "4"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(3) && said.contains("content encoding"), "{said}");
    let output = run(&["check", "--from", "http://user:geheim/ret@127.0.0.1:1/metrics"]);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.code() == Some(3) && !said.contains("geheim") && !said.contains("ret@"), "{said}");
    // Also as the argument of a different flag.
    for arguments in [&["check", "http://user:geheim@zk:1/"][..], &["--zookeeper", "https://user:ge@heim@zk:1"]] {
        let output = run(arguments);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains("://***@zk:1") && !said.contains("heim"), "{said}");
    }
}

#[test]
fn messages_are_one_short_line() {
    let long = "x".repeat(100_000);
    for arguments in [
        &["config", "check", "a\nb\u{1b}[31m\u{9b}\u{202e}.yml"][..],
        &["rules", "--config.file", "a\nb.yml"],
        &["--zookeeper", &long],
        &["info", "--zookeeper", "a\u{9b}\nb"],
        &["check", "--from", &long],
        &["--bogus\n\u{202e}", "x"],
    ] {
        let output = run(arguments);
        // `check` writes to standard output, the other commands to standard error.
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(told.lines().count(), 1, "{told}");
        let line = told.trim_end_matches('\n');
        assert!(
            line.len() < 8000 && !line.chars().any(zookeeper_exporter::text::is_unprintable),
            "{}",
            &told[..200.min(told.len())]
        );
    }
}

//! Flags common to Prometheus exporters: paths behind a proxy, limits, log format, version.

use std::time::{Duration, Instant};

use crate::common::exporter::{Exporter, run};
use crate::common::listeners::{Listener, closed_port};

fn start(arguments: &[&str]) -> Exporter {
    let member = closed_port();
    Exporter::start(&[&["--zookeeper", &member], arguments].concat())
}

/// The links of a page.
fn links(page: &str) -> Vec<&str> {
    page.split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|link| link.starts_with('/'))
        .collect()
}

#[test]
fn every_path_has_the_prefix() {
    let exporter = start(&["--web.external-url", "https://monitoring.example.com/zk/"]);
    for path in
        ["/zk/metrics", "/zk/-/healthy", "/zk/-/ready", "/zk/sd", "/zk/", "/zk/status.css", "/zk/ensemble/default"]
    {
        assert_eq!(exporter.get(path, &[]).status, 200, "{path}");
    }
    for path in ["/metrics", "/-/healthy", "/zkx/metrics", "/zk/zk/metrics"] {
        assert_eq!(exporter.get(path, &[]).status, 404, "{path}");
    }
    for path in ["/", "/zk"] {
        let answer = exporter.get(path, &[]);
        assert_eq!(answer.status, 302, "{path}");
        assert!(answer.head.contains("\r\nlocation: /zk/\r\n"), "{}", answer.head);
    }
    for path in ["/zk/", "/zk/ensemble/default", "/zk/ensemble/none"] {
        let answer = exporter.get(path, &[]);
        let links = links(answer.text());
        assert!(links.len() > 1 && links.iter().all(|link| link.starts_with("/zk/")), "{path}: {links:?}");
    }
    // Requests are counted by endpoint, independent of the prefix.
    assert!(exporter.get("/zk/metrics", &[]).text().contains("{handler=\"/-/healthy\",code=\"200\"} 1"));
    let healthy = ["healthy", "--web.listen-address", &exporter.address];
    assert_eq!(run(&healthy).status.code(), Some(1), "without the prefix there is no answer");
    assert_eq!(run(&[&healthy[..], &["--web.route-prefix", "/zk"]].concat()).status.code(), Some(0));
}

#[test]
fn a_proxy_may_remove_the_prefix() {
    let exporter = start(&["--web.external-url", "https://h.example.com/zk", "--web.route-prefix", "/"]);
    assert_eq!(exporter.get("/metrics", &[]).status, 200);
    let page = exporter.get("/", &[]);
    assert_eq!(page.status, 200);
    let links = links(page.text());
    assert!(!links.is_empty() && links.iter().all(|link| link.starts_with("/zk/")), "{links:?}");
}

#[test]
fn unusable_prefixes_are_refused() {
    for (flag, value) in
        [("--web.external-url", "example.com/zk"), ("--web.route-prefix", "zk"), ("--web.route-prefix", "/{x}")]
    {
        let output = run(&[flag, value]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(flag) && said.contains(value), "{said}");
    }
}

#[test]
fn scrapes_beyond_the_maximum_are_refused() {
    let member = Listener::silent();
    let exporter = Exporter::start(&["--zookeeper", &member.address, "--web.max-requests", "1"]);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| exporter.scrape("4"));
        let deadline = Instant::now() + Duration::from_secs(3);
        while member.connections.load(std::sync::atomic::Ordering::Relaxed) == 0 {
            assert!(Instant::now() < deadline, "the member is queried");
            std::thread::yield_now();
        }
        let second = exporter.scrape("4");
        assert_eq!(second.status, 503, "{}", second.text());
        assert!(
            second.text().contains("--web.max-requests") && second.head.contains("retry-after"),
            "{}",
            second.text()
        );
        assert_eq!(exporter.get("/-/healthy", &[]).status, 200, "only scrapes are counted");
        assert_eq!(first.join().unwrap().status, 200);
    });
    assert_eq!(exporter.scrape("1").status, 200, "the first one has ended");
}

#[test]
fn the_log_has_the_format_of_other_exporters() {
    let exporter = start(&["--log.format", "logfmt"]);
    let log = exporter.log();
    for line in log.lines() {
        assert!(line.starts_with("time=20") && line.contains(" level=INFO msg="), "{line}");
    }
    assert!(log.contains(" msg=starting version="), "{log}");
    assert!(
        log.contains(&format!(" msg=listening address={} members=1 tls=false password=false\n", exporter.address)),
        "{log}"
    );
}

#[test]
fn version_and_build_info_agree() {
    let output = run(&["--version"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(&format!("zookeeper-exporter {}\n", env!("CARGO_PKG_VERSION"))), "{text}");
    let exporter = start(&[]);
    let page = exporter.get("/metrics", &[]);
    let info = page.text().lines().find(|line| line.starts_with("zk_exporter_build_info{")).unwrap().to_owned();
    for (name, label) in [
        ("revision", "revision"),
        ("branch", "branch"),
        ("build date", "builddate"),
        ("target", "target"),
        ("features", "features"),
        ("rust", "rustversion"),
    ] {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(&format!("{name}:")).map(str::trim));
        let value = line.unwrap_or_else(|| panic!("no {name}: {text}"));
        assert!(info.contains(&format!("{label}=\"{value}\"")), "{info}");
    }
    assert!(info.contains("target=\"") && info.contains("-linux-"), "{info}");
}

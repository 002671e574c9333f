//! `check`: its output for every captured member, its exit codes, and its errors.

use std::time::Duration;

use zookeeper_exporter::alert::plugin::{Of, PluginOutput, Question, Status, single, whole};
use zookeeper_exporter::alert::{Page, Scrapes, Thresholds};
use zookeeper_exporter::exposition::Format;

use crate::common::exporter::run;
use crate::common::listeners::Listener;
use crate::common::{assert_golden, fixture_member, fixtures, page, report};

fn read(text: &str) -> Page {
    Page::read(text)
}

fn judged(now: &Page, before: Option<&Page>, of: Of<'_>) -> PluginOutput {
    let before = before.map(|page| (page, Duration::from_secs(10)));
    whole(&Thresholds::default(), Scrapes { now, before, time: 1_764_000_000.0 }, of, "https://runbooks", &|_| None)
}

#[test]
fn every_captured_role_has_its_state_and_its_line() {
    let mut all = String::new();
    let mut seen = std::collections::BTreeSet::new();
    for fixture in fixtures() {
        let now = read(&page(&report(vec![fixture_member(&fixture)]), Format::Classic));
        let told = judged(&now, Some(&now), Of { member: Some("zk-1:2181"), ..Of::default() });
        let text = told.nagios(0);
        let line = text.lines().next().unwrap();
        let words = line.split(" |").next().unwrap();
        assert!(words.starts_with(&format!("ZOOKEEPER {} - ", told.status.text())), "{line}");
        seen.insert(told.status.code());
        all.push_str(&format!("{} {} {words}\n", fixture.name, told.status.code()));
    }
    assert!(seen.contains(&0) && seen.contains(&2), "the fixtures show more than one state: {seen:?}");
    assert_golden("tests/golden/check.txt", &all);
}

#[test]
fn a_page_without_members_is_unknown() {
    const DEV: &str = "zk_up{ensemble=\"dev\",member=\"zk-1:2181\"} 1\n";
    for (text, ensemble, member, part) in [
        ("", "prod", None, "no zk_up on the page: is it a page"),
        ("up 1\n", "prod", Some("zk-1:2181"), "no zk_up on the page: is it a page"),
        (DEV, "prod", None, "--ensemble: unknown ensemble `prod`: expected one of dev"),
        (DEV, "prod", Some("zk-1:2181"), "--ensemble: unknown ensemble `prod`: expected one of dev"),
        (DEV, "dev", Some("zk-2:2181"), "--member: unknown member `zk-2:2181`: expected one of zk-1:2181"),
        (&*DEV.replace("} 1", "} NaN"), "dev", None, "zk_up of zk-1:2181 is NaN, neither 0 nor 1"),
        (&*DEV.replace("} 1", "} 0.5"), "dev", Some("zk-1:2181"), "zk_up of zk-1:2181 is 0.5, neither 0 nor 1"),
        (&*DEV.replace("} 1", "} +Inf"), "dev", None, "zk_up of zk-1:2181 is inf, neither 0 nor 1"),
        (
            "zk_scrape_failure{ensemble=\"dev\",member=\"zk-1:2181\",command=\"mntr\",reason=\"limit\"} 1\n\
             zk_exporter_limited_members{ensemble=\"dev\",limit=\"deadline\"} 1\n",
            "dev",
            Some("zk-1:2181"),
            "not queried because of the exporter's own limits (deadline)",
        ),
        // A label with this name would make a textfile for node_exporter invalid.
        (&*DEV.replace("member", "a b"), "dev", None, "no zk_up on the page"),
    ] {
        let told = judged(&read(text), None, Of { ensembles: &[ensemble.to_owned()], member });
        assert_eq!(told.status, Status::Unknown, "{text}");
        assert!(told.nagios(0).contains(part), "{text} {ensemble} {member:?}: {}", told.nagios(0));
    }
}

const PAGE: &str = "\
zk_up{ensemble=\"prod\",member=\"zk-1:2181\"} 1
zk_outstanding_requests{ensemble=\"prod\",member=\"zk-1:2181\"} 7
zk_outstanding_requests{ensemble=\"prod\",member=\"zk-2:2181\"} 20
zk_packets_received_total{ensemble=\"prod\",member=\"zk-1:2181\"} 1500
zk_fsynctime_seconds{ensemble=\"prod\",member=\"zk-1:2181\",quantile=\"0.99\"} 0.3
zk_fsynctime_seconds_sum{ensemble=\"prod\",member=\"zk-1:2181\"} 12
zk_fsynctime_seconds_count{ensemble=\"prod\",member=\"zk-1:2181\"} 110
";

const BEFORE: &str = "\
zk_up{ensemble=\"prod\",member=\"zk-1:2181\"} 1
zk_packets_received_total{ensemble=\"prod\",member=\"zk-1:2181\"} 1000
zk_fsynctime_seconds_sum{ensemble=\"prod\",member=\"zk-1:2181\"} 10
zk_fsynctime_seconds_count{ensemble=\"prod\",member=\"zk-1:2181\"} 100
";

#[test]
fn a_metric_is_checked_against_ranges_by_any_of_its_names() {
    let (now, before) = (read(PAGE), read(BEFORE));
    let scrapes = Scrapes { now: &now, before: Some((&before, Duration::from_secs(10))), time: 0.0 };
    for (metric, rate, label, range, status, part) in [
        ("zk_outstanding_requests", false, "", "10", Status::Critical, "zk-2:2181 has 20"),
        ("outstanding_requests", false, "", "~:30", Status::Ok, "(1 more series)"),
        ("packets_received", false, "", "~:1000", Status::Critical, "has 1500c"),
        ("zk_packets_received", true, "", "~:49", Status::Critical, "has 50 a second"),
        ("zk_packets_received_total", true, "", "~:50", Status::Ok, "has 50 a second"),
        // (12 - 10) / (110 - 100), not the lifetime mean 12 / 110.
        ("fsynctime", false, "", "~:0.15", Status::Critical, "has 0.2s"),
        ("zk_fsynctime_seconds", false, "quantile=0.99", "~:0.25", Status::Critical, "has 0.3s"),
        ("zk_nothing", false, "", "10", Status::Unknown, "no matching sample of `zk_nothing`"),
        ("znode_count", false, "", "10", Status::Unknown, "no matching sample of `znode_count`"),
    ] {
        let labels = label.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let question = Question {
            metric: metric.into(),
            labels: labels.into_iter().collect(),
            critical: range.parse().ok(),
            rate,
            warning: None,
        };
        let told = single(&question, scrapes, Of::default());
        assert!(told.status == status && told.line.contains(part), "{metric}: {told:?}");
    }
}

#[test]
fn wrong_usage_exits_with_3_and_prints_to_stdout() {
    for (arguments, part) in [
        (&["check", "--nonsense"][..], "--nonsense"),
        (&["check", "-w", "10"], "--metric"),
        (&["check", "--metric", "x", "-w", "20:10"], "invalid range `20:10`: expected 10"),
        (&["check", "--metric", "x", "-H", "zk 1"], "--hostname: invalid host `zk 1`"),
        (
            &["check", "-H", "zk-1:2181"],
            "--hostname: invalid host `zk-1:2181`: expected a name or an address, e.g. zk-1, and the port in -p",
        ),
        (&["check", "--timeout", "3", "--interval", "5s"], "--timeout 3 s too short for --interval 5 s"),
        (
            &["check", "--from", "localhost:9141"],
            "expected [USER:PASSWORD@]HOST:PORT/metrics after http:// or https://",
        ),
        (&["check", "--threshold", "SlowFsnc.critical=1s"], "did you mean SlowFsync?"),
        (&["check", "--threshold", "SlowFsync=1s"], "NAME.critical=LIMIT"),
        (&["check", "--zookeeper", "prod=zk-1", "--ensemble", "dev"], "unknown ensemble `dev`: expected one of prod"),
        (&["check", "--timeout", "0"], "at least 1 second"),
        (
            &["check", "-t", "18446744073709551615"],
            "'--timeout <TIME>': duration `18446744073709551615s` too long: expected at most 1w",
        ),
        (&["check", "-t", "1e18"], "invalid duration `1e18`"),
        (&["check", "--interval", "9999999999999y"], "'--interval <DURATION>': duration `9999999999999y` too long"),
        (&["check", "--config.file", "/nonexistent.yml"], "/nonexistent.yml"),
    ] {
        let output = run(arguments);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {said}");
        assert!(said.starts_with("ZOOKEEPER UNKNOWN - ") && said.contains(part), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn errors_are_json_with_json_output() {
    for arguments in [
        &["check", "--output", "json", "--nonsense"][..],
        &["check", "--output=json", "--config.file", "/nonexistent.yml"],
        &["check", "--zookeeper", "prod=zk-1", "--ensemble", "dev", "--output", "json"],
    ] {
        let output = run(arguments);
        let said = String::from_utf8(output.stdout).unwrap();
        let json: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{said}: {error}"));
        assert_eq!((&json["status"], output.status.code()), (&"UNKNOWN".into(), Some(3)), "{said}");
        assert!(
            output.stderr.is_empty(),
            "the result is written to one stream: {:?}",
            String::from_utf8(output.stderr)
        );
    }
}

#[test]
fn one_ensemble_is_checked_despite_overrides_for_another() {
    let (silent, folder) = (Listener::silent(), tempfile::tempdir().unwrap());
    let file = folder.path().join("ensembles.yml");
    let text = format!(
        "ensembles:\n  - {{name: prod, members: ['{0}']}}\n  - {{name: secure, members: ['{0}']}}\n\
         alerts: {{ensembles: {{prod: {{OutstandingRequests: {{warning: 50}}}}}}}}\n",
        silent.address
    );
    std::fs::write(&file, text).unwrap();
    let output = run(&["check", "--config.file", file.to_str().unwrap(), "--ensemble", "secure", "--timeout", "3"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("ZOOKEEPER CRITICAL - ") && said.contains("secure") && !said.contains("prod"), "{said}");
}

#[test]
fn silent_members_are_reported_within_the_timeout() {
    let silent = Listener::silent();
    let begun = std::time::Instant::now();
    let output = run(&["check", "--zookeeper", &format!("prod={}", silent.address), "--timeout", "3"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.starts_with("ZOOKEEPER CRITICAL - ") && said.contains("timeout"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());

    let output = run(&["check", "--from", &format!("http://{}", silent.address), "--timeout", "2"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(3) && said.starts_with("ZOOKEEPER UNKNOWN - --from: "), "{said}");
}

#[test]
fn performance_data_can_be_omitted() {
    let (mntr, srvr) =
        (include_str!("../fixtures/3.9.3/follower/mntr.txt"), include_str!("../fixtures/3.9.3/follower/srvr.txt"));
    let member = Listener::answering_words(&[("mntr", mntr), ("srvr", srvr)]);
    let line = |perfdata: &str| {
        let output = run(&["check", "--zookeeper", &member.address, "--interval", "50ms", "--perfdata", perfdata]);
        String::from_utf8(output.stdout).unwrap().lines().next().unwrap().to_owned()
    };
    let (all, ensemble, none) = (line("all"), line("ensemble"), line("none"));
    assert!(all.contains(&format!(" {}'=", member.address)) && all.contains("'members_up default'=1"), "{all}");
    assert!(
        !ensemble.contains(&format!(" {}'=", member.address)) && ensemble.contains("'members_up default'=1"),
        "{ensemble}"
    );
    assert!(!none.contains('|'), "{none}");
    // A count over hours cannot be judged over 50 ms.
    assert!(!all.contains("MemberRestarting"), "{all}");
}

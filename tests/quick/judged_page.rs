//! Conditions are evaluated on the samples of a report, which must equal those of its page.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use zookeeper_exporter::alert::{Page, Thresholds, conditions};
use zookeeper_exporter::catalogue::{Own, Part};
use zookeeper_exporter::ensemble::Known;
use zookeeper_exporter::exposition::{Format, visit_samples};
use zookeeper_exporter::histogram::DurationHistogram;
use zookeeper_exporter::incident::Judged;
use zookeeper_exporter::reply::Number;
use zookeeper_exporter::scrape::samples::Collector;
use zookeeper_exporter::scrape::{EnsembleReport, Report};
use zookeeper_exporter::verdict::{Level, findings, judge};

use crate::common::{Series, fixture_member, fixtures, member, page, read_page, report};

type Values = BTreeMap<(String, BTreeMap<String, String>), u64>;

/// Compared as bits, so that NaN equals NaN.
fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

fn visited(report: &Report) -> Values {
    let mut all = Values::new();
    for ensemble in &report.ensembles {
        visit_samples(ensemble, |_| true, &mut |name, labels, value| {
            let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let key = (name.to_owned(), labels);
            assert!(!all.contains_key(&key), "{key:?} twice");
            all.insert(key, bits(value));
        });
    }
    all
}

fn of_text(report: &Arc<Report>) -> Values {
    let page = read_page(&page(report, Format::Classic), Format::Classic).unwrap();
    let keyed = |(Series { name, labels }, value)| ((name, labels), bits(value));
    page.series.into_iter().map(keyed).collect()
}

#[test]
fn samples_of_every_fixture_match_its_page() {
    let members: Vec<_> = fixtures().iter().map(fixture_member).collect();
    assert!(members.len() > 20, "{} fixtures", members.len());
    for one in &members {
        let report = report(vec![one.clone()]);
        let (found, wanted) = (visited(&report), of_text(&report));
        assert!(wanted.len() > 10);
        assert_eq!(found, wanted, "{}", one.name);
    }
}

#[test]
fn samples_of_ensembles_match_the_page() {
    let mut all = Collector::new(100);
    all.push(Own::CanaryUp.into(), Part::Value, Number::Int(1));
    all.push_many(Own::ZnodeValue.into(), Part::Value, &["/a \"b\"\\", ""], Number::Float(2.5));
    let mut all = all.finish();
    let mut histogram = DurationHistogram::default();
    [0, 3, 3, 70, 9000].map(Duration::from_millis).into_iter().for_each(|duration| histogram.observe(duration));
    all.push_histogram(Own::CanaryOperationDurations, "create", histogram.clone());
    all.push_histogram(Own::MemberScrapeDurations, "", histogram);
    let ensemble = |name: &str, members| {
        Arc::new(EnsembleReport { samples: all.clone(), name: name.into(), members, known: Known::default() })
    };
    let hostile = b"zk_version\t3.8.0\nzk_server_state\tleader\nzk_a\"b\\c\xc3\xa9\t3\n";
    let members = vec![member("zk-1:2181", Some(hostile), None, None), member("[::1]:2181", None, None, None)];
    let report = Arc::new(Report { ensembles: vec![ensemble("prod", members), ensemble("test", Vec::new())] });
    let (found, wanted) = (visited(&report), of_text(&report));
    assert!(wanted.keys().any(|(name, _)| name == "zk_znode_value"), "{wanted:?}");
    assert!(wanted.keys().any(|(name, _)| name == "zk_canary_operation_duration_seconds_bucket"), "{wanted:?}");
    assert_eq!(found, wanted);
}

#[test]
fn a_judged_page_finds_its_samples_by_name() {
    let fixture = fixtures().into_iter().find(|fixture| fixture.name == "3.8.0/leader").unwrap();
    let report = report(vec![fixture_member(&fixture)]);
    let (of_report, of_text) = (Page::of(&report), Page::read(&page(&report, Format::Classic)));
    assert_eq!(of_report.samples("zk_server_state"), of_text.samples("zk_server_state"));
    assert_eq!(of_report.samples("zk_server_state").len(), 7);
}

/// Two members, one of them `lag` transactions behind.
fn lagging(lag: u64) -> Arc<EnsembleReport> {
    let one = |name: &str, mode: &str, sequence: u64| {
        let srvr = format!(
            "Zookeeper version: 3.8.0-x, built\nZxid: 0x{:x}\nMode: {mode}\nNode count: 5\n",
            1 << 32 | sequence
        );
        let mntr = format!("zk_version\t3.8.0-x\nzk_server_state\t{mode}\nzk_synced_followers\t1\n");
        member(name, Some(mntr.as_bytes()), Some(srvr.as_bytes()), None)
    };
    let members = vec![one("zk-1:2181", "leader", 90_000), one("zk-2:2181", "follower", 90_000 - lag)];
    Arc::clone(&report(members).ensembles[0])
}

fn alerts(ensemble: &Arc<EnsembleReport>, configuration: &str) -> Vec<String> {
    let text = format!("ensembles: [{{name: prod, members: [zk-1]}}]\n{configuration}");
    let config = zookeeper_exporter::config::parse(std::path::Path::new("test.yml"), &text).unwrap();
    let thresholds = Thresholds::of(&config).unwrap();
    let judged = Judged::new(Arc::new(Report { ensembles: vec![Arc::clone(ensemble)] }), None, &thresholds);
    let found = judged.findings(ensemble, &judge(ensemble));
    found.iter().filter_map(|finding| finding.alert().map(str::to_owned)).collect()
}

#[test]
fn findings_use_the_configured_limits() {
    const LAG: &str = "ZooKeeperZxidLag";
    let has = |lag: u64, configuration: &str| alerts(&lagging(lag), configuration).contains(&LAG.to_owned());
    assert!(has(1001, "") && !has(1000, ""));
    let raised = "alerts: {thresholds: {ZxidLag: {warning: 10000}}}";
    assert!(!has(1001, raised) && has(10_001, raised));
    assert!(!has(80_000, "alerts: {thresholds: {ZxidLag: off}}"));
}

#[test]
fn every_finding_of_the_verdict_has_a_condition() {
    let known: Vec<String> = conditions().iter().map(zookeeper_exporter::alert::Condition::alert).collect();
    let mut seen = std::collections::BTreeSet::new();
    for fixture in fixtures() {
        let report = report(vec![fixture_member(&fixture), member("zk-9:2181", None, None, None)]);
        let ensemble = &report.ensembles[0];
        let judged = Judged::new(Arc::clone(&report), None, &Thresholds::default());
        let shown = judged.findings(ensemble, &judge(ensemble));
        for finding in findings(ensemble, &judge(ensemble)) {
            let Some(alert) = finding.alert().filter(|_| finding.level < Level::Notice) else { continue };
            assert!(known.iter().any(|known| known == alert), "{}: no alert {alert}", fixture.name);
            let counterpart = shown.iter().any(|other| other.alert() == Some(alert));
            assert!(counterpart, "{}: nothing in place of {}", fixture.name, finding.text);
            seen.insert(alert.to_owned());
        }
    }
    assert!(seen.len() >= 4, "{seen:?}");
}

//! The alert rules: generated from the catalogue, checked against promtool and the rules of mixtool and pint, and
//! mutated.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use xtask::rule_tests;
use zookeeper_exporter::alert::early::{INDICATORS, is_recorded};
use zookeeper_exporter::alert::expr::{Cmp, Expr, Set, Span};
use zookeeper_exporter::alert::profiles::PROFILES;
use zookeeper_exporter::alert::promql::{Ensembles, Setting, family_of, promql};
use zookeeper_exporter::alert::rules::Rule;
use zookeeper_exporter::alert::{
    Condition, Deployment, Finding, Format, Group, Page, RuleFile, Scrapes, Severity, Thresholds, conditions,
};

use zookeeper_exporter::config::ConfigError;

fn shipped() -> RuleFile {
    RuleFile::new(&Thresholds::default(), &Deployment::default())
}

/// All levels on, including those that are off by default.
fn everything() -> RuleFile {
    RuleFile::new(
        &all_on(),
        &Deployment { host: true, digests: true, clients: true, canary: true, znodes: true, ..Deployment::default() },
    )
}

fn all_on() -> Thresholds {
    let settings = conditions().iter().map(|condition| format!("    {}: on\n", condition.name)).collect::<String>();
    configured(&format!("ensembles: [{{name: a, members: [zk-1]}}]\nalerts:\n  thresholds:\n{settings}")).unwrap().0
}

/// The thresholds and deployment of a configuration file, or its error in one line.
fn configured(text: &str) -> Result<(Thresholds, Deployment), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yml");
    std::fs::write(&path, text).unwrap();
    let told = |error: ConfigError| error.to_string().replace(&format!("{}:", path.display()), "");
    let config = zookeeper_exporter::config::load(&path).map_err(told)?;
    Ok((Thresholds::of(&config).map_err(told)?, Deployment::of(&config)))
}

#[test]
fn joins_keep_the_labels_of_clusters() {
    let deployment = Deployment {
        keep_labels: vec!["cluster".to_owned()],
        ensembles: vec!["a".to_owned()],
        host: true,
        digests: true,
        clients: true,
        canary: true,
        znodes: true,
        ..Deployment::default()
    };
    let file = RuleFile::new(&all_on(), &deployment);
    let records = file.records.iter().flat_map(|group| &group.records).chain(&file.watch);
    let expressions: Vec<&str> =
        file.rules().map(|rule| &*rule.expr).chain(records.map(|record| &*record.expr)).flat_map(str::lines).collect();
    let mut joins = 0;
    for line in expressions {
        for part in line.split(" by (").skip(1).chain(line.split(" on (").skip(1)) {
            let labels = part.split(')').next().unwrap();
            let is_absent = line.contains("absent(") && labels == "ensemble";
            assert!(labels.split(", ").any(|label| label == "cluster") || is_absent, "{line}");
            joins += 1;
        }
    }
    assert!(joins > 200, "{joins}");
}

fn promtool(arguments: &[&str], files: &[PathBuf]) -> (bool, String) {
    let output = Command::new("promtool").args(arguments).args(files).output().expect("promtool runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

/// Runs these tests in parallel, one process per CPU; returns their output.
fn promtool_side_by_side(tests: &[PathBuf]) -> String {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut said = String::new();
        while let Some(test) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
            said += &promtool(&["test", "rules"], std::slice::from_ref(test)).1;
        }
        said
    };
    let number = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..number).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// `ALERTS=MemberDown,QuorumLost` for the cases and mutants of these conditions only.
fn is_wanted(condition: &str) -> bool {
    std::env::var("ALERTS").map_or(true, |only| only.split(',').any(|wanted| wanted == condition))
}

/// Writes the rules of each condition to one file and its tests to another; returns the test files.
fn write_tests(folder: &Path, file: &RuleFile) -> Vec<PathBuf> {
    let mut tests = Vec::new();
    for condition in conditions().iter().filter(|condition| is_wanted(condition.name)) {
        let alert = condition.alert();
        let mut own = file.clone();
        own.groups.iter_mut().for_each(|(_, rules)| rules.retain(|rule| rule.alert == alert));
        // Keep the group that has the recording rules for unwatched ensembles.
        own.groups.retain(|(group, rules)| *group == Group::Availability || !rules.is_empty());
        own.records.clear();
        own.left_out.clear();
        std::fs::write(folder.join(format!("{alert}.yml")), own.text(Format::Prometheus)).unwrap();
        let test = folder.join(format!("{alert}_test.yml"));
        std::fs::write(&test, rule_tests::of_condition(condition, &format!("{alert}.yml"), &condition.cases)).unwrap();
        tests.push(test);
    }
    tests
}

#[test]
fn every_rule_fires_and_stays_quiet_as_its_cases_state() {
    for condition in conditions() {
        for level in &condition.levels {
            let of = |fires: bool| {
                condition.cases.iter().any(|case| case.severity == level.severity && case.fires.is_some() == fires)
            };
            assert!(of(true), "{} ({:?}) has no case in which it fires", condition.name, level.severity);
            assert!(
                of(false) || level.severity == Severity::Info || level.limit.is_none(),
                "{} ({:?}) has no case in which it stays quiet",
                condition.name,
                level.severity
            );
        }
        assert!(condition.cases.iter().any(|case| case.fires.is_none()) || condition.name == "Watchdog");
    }
    let folder = tempfile::tempdir().unwrap();
    let tests = write_tests(folder.path(), &everything());
    let said = promtool_side_by_side(&tests);
    assert_eq!(said.matches("SUCCESS").count(), tests.len(), "{said}");
}

/// Mutations of an expression: an inverted comparison, a removed gate, a removed side of an `or`.
fn mutants(expr: &Expr) -> Vec<Expr> {
    match expr {
        Expr::Compare(cmp, left, right) => {
            let other = match cmp {
                Cmp::Gt => Cmp::Le,
                Cmp::Ge => Cmp::Lt,
                Cmp::Lt => Cmp::Ge,
                Cmp::Le | Cmp::Eq => Cmp::Gt,
            };
            let mut all = vec![Expr::Compare(other, left.clone(), right.clone())];
            // A limit that is never reached.
            if **right == Expr::Limit {
                let further = if matches!(cmp, Cmp::Gt | Cmp::Ge) { 1000.0 } else { 0.001 };
                let away = if matches!(cmp, Cmp::Gt | Cmp::Ge) { 1.0 } else { -1.0 };
                let other = (**left).clone() / Expr::Number(further) - Expr::Number(away);
                all.push(Expr::Compare(*cmp, Box::new(other), right.clone()));
            }
            all
        }
        Expr::Sets(set, keys, left, right) => {
            let join =
                |left: &Expr, right: &Expr| Expr::Sets(*set, *keys, Box::new(left.clone()), Box::new(right.clone()));
            let mut all: Vec<Expr> = mutants(left).iter().map(|broken| join(broken, right)).collect();
            all.push((**left).clone());
            if *set == Set::Or {
                all.push((**right).clone());
                all.extend(mutants(right).iter().map(|broken| join(left, broken)));
            }
            all
        }
        Expr::By(agg, keys, inner) => {
            let inner = mutants(inner).into_iter().map(Box::new);
            inner.map(|inner| Expr::By(*agg, *keys, inner)).collect()
        }
        _ => Vec::new(),
    }
}

/// Writes the mutated expressions of a condition, each as a rule with its own name, next to the original rules.
fn write_mutants(folder: &Path, file: &RuleFile, condition: &'static Condition, expr: &Expr) -> Mutants {
    let (alert, thresholds) = (condition.alert(), all_on());
    let mut own = file.clone();
    own.groups.iter_mut().for_each(|(_, rules)| rules.retain(|rule| rule.alert == alert));
    own.groups.retain(|(group, rules)| *group == Group::Availability || !rules.is_empty());
    own.records.clear();
    own.left_out.clear();
    let mut broken = BTreeMap::new();
    for (_, rules) in &mut own.groups {
        let whole = std::mem::take(rules);
        for (number, mutant) in mutants(expr).iter().enumerate().filter(|_| !whole.is_empty()) {
            let name = format!("{alert}M{number}");
            for rule in &whole {
                let level = thresholds.levels().iter().find(|level| {
                    level.condition.name == condition.name && level.level.severity.text() == rule.labels["severity"]
                });
                let limit = level.unwrap().usual.unwrap().unwrap_or(f64::NAN);
                let setting = Setting { limit, hold: rule.hold, keep: &[], ensembles: Ensembles::All, configured: &[] };
                // An expression that refers to its own alert must refer to the mutant's.
                let expr = promql(mutant, &setting).replace(&format!("{alert}\""), &format!("{name}\""));
                broken.insert(name.clone(), expr.clone());
                rules.push(Rule { alert: name.clone(), expr, ..rule.clone() });
            }
        }
    }
    std::fs::write(folder.join(format!("{alert}.yml")), own.text(Format::Prometheus)).unwrap();
    // Every case is run against every mutant.
    let cases = rule_tests::of_condition(condition, &format!("{alert}.yml"), &condition.cases);
    let mut document = String::new();
    for (number, part) in cases.split("    promql_expr_test:\n").enumerate() {
        if number == 0 {
            document.push_str(part);
            continue;
        }
        let (asked, rest) = part.split_at(part.find("  - name: ").unwrap_or(part.len()));
        document.push_str("    promql_expr_test:\n");
        for name in broken.keys() {
            document.push_str(&asked.replace(&format!("{alert}\""), &format!("{name}\"")));
        }
        document.push_str(rest);
    }
    let test = folder.join(format!("{alert}_test.yml"));
    std::fs::write(&test, document).unwrap();
    Mutants { test, broken }
}

struct Mutants {
    test: PathBuf,
    /// Mutated expressions by rule name.
    broken: BTreeMap<String, String>,
}

#[test]
fn every_way_to_break_a_rule_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let file = everything();
    let mut all = Vec::new();
    for condition in conditions().iter().filter(|condition| is_wanted(condition.name)) {
        let expr = match &condition.expr {
            // Depends on ensemble names and is omitted without them.
            Expr::Sets(Set::Or, _, left, right) if matches!(**right, Expr::AbsentEnsembles(_)) => (**left).clone(),
            other => other.clone(),
        };
        // Expressions shared by all availability alerts are mutated in one alert about members and one about ensembles,
        // those that tolerate a failed scrape in one alert.
        let is_whole = ["MemberDown", "QuorumLost", "EpochMismatch"].contains(&condition.name);
        let expr = if is_whole { expr.expanded() } else { expr };
        if condition.name != "Watchdog" {
            all.push(write_mutants(folder.path(), &file, condition, &expr));
        }
    }
    all.retain(|mutants| !mutants.broken.is_empty());
    let tests: Vec<PathBuf> = all.iter().map(|mutants| mutants.test.clone()).collect();
    let said = promtool_side_by_side(&tests);
    let errors: Vec<&str> = said.lines().filter(|line| line.contains(" err: ")).collect();
    assert!(errors.is_empty(), "promtool ends a test at an error:\n{}", errors.join("\n"));
    // promtool prints the expression of an unexpected result: ALERTS{alertname="NAME",...}.
    let noticed: BTreeSet<&str> = said
        .lines()
        .filter_map(|line| line.split_once("expr: \"ALERTS{alertname=\\\"")?.1.split_once("\\\"").map(|(name, _)| name))
        .collect();
    let broken: BTreeMap<&String, &String> = all.iter().flat_map(|mutants| &mutants.broken).collect();
    let unnoticed: Vec<String> = broken
        .iter()
        .filter(|(name, _)| !noticed.contains(name.as_str()))
        .map(|(name, expr)| format!("{name}: {expr}"))
        .collect();
    assert!(unnoticed.is_empty(), "{} of {} unnoticed:\n{}", unnoticed.len(), broken.len(), unnoticed.join("\n\n"));
    assert!(broken.len() > 200 || std::env::var("ALERTS").is_ok(), "{}", broken.len());
}

#[test]
fn rules_satisfy_mixtool_and_pint() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.yml");
    for rules in [shipped(), everything()] {
        std::fs::write(&file, rules.text(Format::Prometheus)).unwrap();
        let (good, said) = promtool(&["check", "rules"], std::slice::from_ref(&file));
        assert!(good && !said.contains("duplicate") && !said.contains("FAILED"), "{said}");
    }
    let all = everything();
    for (group, rules) in &all.groups {
        // mixtool
        assert!(rules.len() <= 20 && group.name().len() <= 40);
        for rule in rules {
            let summary = &rule.annotations[0].1;
            let name = &rule.alert;
            assert!(name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}");
            assert!(["critical", "warning", "info"].contains(&rule.labels["severity"].as_str()));
            assert!(summary.starts_with(|c: char| c.is_ascii_uppercase()) && summary.ends_with('.'), "{summary}");
            assert!(!summary.contains("{{"), "{name}: the summary is no constant");
            assert!(rule.annotations[1].1.contains("{{"), "{name}: the description has no values");
            // pint: no templates in labels, durations that fit the scrape interval, no regexp without a pattern.
            assert!(rule.labels.values().all(|value| !value.contains("{{")), "{name}");
            assert!(!rule.expr.contains("=~") || rule.expr.contains('|'), "{name}: {}", rule.expr);
            for window in rule.expr.split('[').skip(1) {
                let window = window.split(']').next().unwrap();
                assert!(!["15s", "30s"].contains(&window), "{name}: {window} is less than two scrapes");
            }
            let events = [
                "increase(",
                "resets(",
                "changes(",
                "rate(",
                "offset",
                "zk_leader_uptime_seconds",
                "zk_max_proposal_size",
                "vector(1)",
            ];
            assert!(
                rule.hold > Span(0) || events.iter().any(|word| rule.expr.contains(word)),
                "{name}: give it a duration (`for`), or an expression over a time"
            );
        }
    }
    // Alerts on optional probes cannot fire unless a module enables the probe.
    let asked_for =
        |expr: &str| ["zk_canary", "zk_znode_", "zk_dir", "zk_process"].iter().any(|name| expr.contains(name));
    let shipped = shipped();
    let criticals = shipped.rules().filter(|rule| rule.labels["severity"] == "critical" && !asked_for(&rule.expr));
    let criticals: Vec<String> = criticals.map(|rule| rule.alert.clone()).collect();
    assert!(criticals.len() <= 16, "{} criticals are on by default: {criticals:?}", criticals.len());
}

#[test]
fn rules_aggregate_over_exporters() {
    for rule in everything().rules() {
        let condition = rule.condition;
        let keys = condition.expr.keys().unwrap_or_else(|| panic!("{} keeps every label", condition.name));
        let exporter = condition.group == Group::Exporter
            && ["ExporterDown", "ExporterBlind", "ConfigReloadFailed"].contains(&condition.name);
        assert!(exporter || keys.names().iter().all(|name| *name != "instance"), "{}", condition.name);
    }
}

#[test]
fn rules_use_existing_metrics() {
    for condition in conditions() {
        for sample in condition.samples() {
            assert!(
                sample == "up"
                    || family_of(sample).is_some()
                    || is_recorded(sample)
                    || zookeeper_exporter::alert::watch::is_recorded(sample),
                "{}: {sample}",
                condition.name
            );
        }
        let texts = [condition.source, condition.says, condition.first, condition.meaning, condition.impact];
        let texts = texts.into_iter().chain([condition.decision, condition.mitigation]);
        for text in texts {
            assert!(!text.is_empty() && !text.contains("  "), "{}: {text}", condition.name);
        }
        assert!(condition.levels.len() <= 2 && !condition.levels.is_empty());
        for level in &condition.levels {
            assert_eq!(level.limit.is_some(), condition.larger_is_worse().is_some(), "{}", condition.name);
        }
    }
    let names: BTreeSet<&str> = conditions().iter().map(|condition| condition.name).collect();
    assert_eq!(names.len(), conditions().len());
}

/// A healthy page of three members, with one line changed or added.
fn page(change: &str) -> Page {
    let mut lines: Vec<String> = Vec::new();
    for (member, state) in [("zk-1:2181", "leader"), ("zk-2:2181", "follower"), ("zk-3:2181", "follower")] {
        let labels = format!("ensemble=\"a\",member=\"{member}\"");
        lines.extend([
            format!("zk_up{{{labels}}} 1"),
            format!("zk_serving{{{labels}}} 1"),
            format!("zk_server_state{{{labels},state=\"{state}\"}} 1"),
            format!("zk_outstanding_requests{{{labels}}} 3"),
            format!("zk_fsynctime_seconds_sum{{{labels}}} 10"),
            format!("zk_fsynctime_seconds_count{{{labels}}} 100"),
        ]);
    }
    lines.push("zk_ensemble_members{ensemble=\"a\"} 3".into());
    let series = change.rsplit_once(' ').map_or(change, |(series, _)| series);
    lines.retain(|line| !line.starts_with(series));
    lines.push(change.to_owned());
    Page::read(&lines.join("\n"))
}

#[test]
fn pages_are_evaluated_with_the_conditions_of_the_rules() {
    let found = |before: Option<&Page>, now: &Page| -> Vec<String> {
        let scrapes = Scrapes { now, before: before.map(|page| (page, Duration::from_secs(10))), time: 1.0e9 };
        let judgement = Thresholds::default().judge(scrapes);
        let words = |finding: &Finding| format!("{:?} {}: {}", finding.severity, finding.condition.name, finding.text);
        judgement.findings.iter().map(words).collect()
    };
    let well = page("x 1");
    assert_eq!(found(None, &well), [] as [&str; 0]);

    let down = found(None, &page("zk_up{ensemble=\"a\",member=\"zk-2:2181\"} 0"));
    assert_eq!(down.len(), 1, "{down:?}");
    assert!(
        down[0].starts_with(
            "Critical MemberDown: member zk-2:2181 of ensemble a has given the exporter no answer (reason"
        ),
        "{down:?}"
    );
    assert!(down[0].contains("zookeeper-exporter info --config.file FILE --ensemble a"), "{down:?}");

    let queue = found(None, &page("zk_outstanding_requests{ensemble=\"a\",member=\"zk-1:2181\"} 50"));
    assert!(
        queue[0].starts_with("Warning OutstandingRequests: at least 50 requests have waited at member zk-1:2181"),
        "{queue:?}"
    );
    let pile = found(None, &page("zk_outstanding_requests{ensemble=\"a\",member=\"zk-1:2181\"} 500"));
    assert!(pile.len() == 1 && pile[0].starts_with("Critical OutstandingRequests"), "the worst level alone: {pile:?}");

    // A mean needs two pages: 2 s for one further fsync is slow, whatever the lifetime mean.
    let later = page("zk_fsynctime_seconds_sum{ensemble=\"a\",member=\"zk-1:2181\"} 12");
    let slow = Page::read(
        "zk_fsynctime_seconds_count{ensemble=\"a\",member=\"zk-1:2181\"} 101\n\
                           zk_fsynctime_seconds_sum{ensemble=\"a\",member=\"zk-1:2181\"} 12",
    );
    assert_eq!(found(None, &later), [] as [&str; 0]);
    let slow = found(Some(&well), &slow);
    let fsync = slow.iter().find(|line| line.starts_with("Critical SlowFsync")).expect("2 s are critical");
    assert!(fsync.contains("has taken 2 s") && fsync.contains(" [observed for 10 s]"), "{fsync}");
    assert!(!fsync.contains(" | "), "a bar begins the figures: {fsync}");
}

#[test]
fn counters_that_must_be_zero_need_one_page() {
    let diverged = page("zk_digest_mismatches_total{ensemble=\"a\",member=\"zk-2:2181\"} 13");
    let judgement = Thresholds::default().judge(Scrapes { now: &diverged, before: None, time: 1.0e9 });
    let found: Vec<&str> = judgement.findings.iter().map(|finding| finding.condition.name).collect();
    assert_eq!(found, ["DigestMismatch"]);
    assert!(judgement.findings[0].text.contains("13 digest mismatch(es)"), "{}", judgement.findings[0].text);
}

#[test]
fn conditions_over_hours_are_not_evaluated_on_two_pages() {
    let well = page("zk_election_time_seconds_count{ensemble=\"a\",member=\"zk-1:2181\"} 1");
    let judge = |between| {
        let judgement =
            Thresholds::default().judge(Scrapes { now: &well, before: Some((&well, between)), time: 1.0e9 });
        let names: Vec<&str> = judgement.not_judged.iter().map(|(condition, _)| condition.name).collect();
        (names, judgement.judged.len())
    };
    let (short, judged) = judge(Duration::from_secs(1));
    for name in ["SlowFsync", "MemberRestarting", "MemberLosesLeader", "FrequentElections", "DataGrowth", "RunsOut"] {
        assert!(short.contains(&name), "{name} was not judged within a second: {short:?}");
    }
    for name in ["MemberDown", "QuorumLost", "OutstandingRequests", "DigestMismatch", "FileDescriptors"] {
        assert!(!short.contains(&name), "{name} is judged over the full window: {short:?}");
    }
    let on =
        |name: &&str| Thresholds::default().levels().iter().any(|level| level.condition.name == *name && level.is_on());
    let all = conditions().iter().map(|one| one.name).filter(|name| on(name));
    let outside = ["Watchdog", "ExporterDown", "ConfigReloadFailed", "ExporterBlind", "SamplesDropped"];
    assert!(judged + short.len() >= all.filter(|name| !outside.contains(name)).count(), "each is one or the other");
    let (long, more) = judge(Duration::from_hours(2));
    assert!(!long.contains(&"SlowFsync") && !long.contains(&"MemberLosesLeader"), "{long:?}");
    assert!(long.contains(&"DataGrowth") && more > judged, "{long:?}");
}

#[test]
fn a_down_observer_is_a_warning_on_a_page() {
    let found = |serving: u8| {
        let page = Page::read(&format!(
            "zk_up{{ensemble=\"a\",member=\"zk-1:2181\"}} 1\nzk_serving{{ensemble=\"a\",member=\"zk-1:2181\"}} 1\n\
             zk_up{{ensemble=\"a\",member=\"zk-4:2181\"}} 0\nzk_serving{{ensemble=\"a\",member=\"zk-4:2181\"}} 0\n\
             zk_ensemble_voters{{ensemble=\"a\"}} 3\nzk_ensemble_voters_serving{{ensemble=\"a\"}} {serving}\n"
        ));
        let judgement = Thresholds::default().judge(Scrapes { now: &page, before: None, time: 1.0e9 });
        judgement.findings.iter().map(|finding| (finding.condition.name, finding.severity)).collect::<Vec<_>>()
    };
    assert_eq!(found(3), [("ObserverDown", Severity::Warning)], "all voters serve");
    assert_eq!(found(2), [("MemberDown", Severity::Critical)], "it may be the voter that is missing");
}

/// The same page decides the same for the rules and for the commands.
#[test]
fn a_page_states_which_members_vote() {
    let found = |votes: &str, serving: u8| {
        let page = Page::read(&format!(
            "zk_up{{ensemble=\"a\",member=\"zk-1:2181\"}} 1\nzk_serving{{ensemble=\"a\",member=\"zk-1:2181\"}} 1\n\
             zk_member_voter{{ensemble=\"a\",member=\"zk-1:2181\"}} 1\n\
             zk_up{{ensemble=\"a\",member=\"zk-4:2181\"}} 0\nzk_serving{{ensemble=\"a\",member=\"zk-4:2181\"}} 0\n\
             {votes}\
             zk_ensemble_voters{{ensemble=\"a\"}} 3\nzk_ensemble_voters_serving{{ensemble=\"a\"}} {serving}\n"
        ));
        let judgement = Thresholds::default().judge(Scrapes { now: &page, before: None, time: 1.0e9 });
        judgement.findings.iter().map(|finding| finding.condition.name).collect::<Vec<_>>()
    };
    let votes = |value: u8| format!("zk_member_voter{{ensemble=\"a\",member=\"zk-4:2181\"}} {value}\n");
    for serving in [2, 3] {
        assert_eq!(found(&votes(0), serving), ["ObserverDown"], "{serving} voters serve");
        assert_eq!(found(&votes(1), serving), ["MemberDown"], "{serving} voters serve");
        assert_eq!(found("", serving), ["MemberDown"], "unknown: {serving} voters serve");
    }
}

#[test]
fn findings_about_ensembles_precede_those_about_members() {
    let lost = Page::read(
        "zk_up{ensemble=\"a\",member=\"zk-1:2181\"} 0\nzk_up{ensemble=\"a\",member=\"zk-2:2181\"} 0\n\
         zk_up{ensemble=\"a\",member=\"zk-3:2181\"} 1\nzk_serving{ensemble=\"a\",member=\"zk-3:2181\"} 0\n\
         zk_ensemble_has_quorum{ensemble=\"a\"} 0\nzk_ensemble_members_up{ensemble=\"a\"} 1\n\
         zk_ensemble_voters{ensemble=\"a\"} 3\n",
    );
    let judgement = Thresholds::default().judge(Scrapes { now: &lost, before: None, time: 1.0e9 });
    let names: Vec<&str> = judgement.findings.iter().map(|finding| finding.condition.name).collect();
    assert_eq!(names.first(), Some(&"QuorumLost"), "{names:?}");
    assert!(names.contains(&"MemberDown"), "{names:?}");
}

const ENSEMBLES: &str = "ensembles: [{name: prod, members: [zk-1]}, {name: dev.eu, members: [zk-2]}]\n";

#[test]
fn invalid_alert_settings_are_rejected_with_their_position() {
    for (alerts, wanted) in [
        ("thresholds: {SlowFsnyc: off}", "3:27: unknown alert `SlowFsnyc`: did you mean SlowFsync?"),
        ("thresholds: {Nonsense: off}", "unknown alert `Nonsense`: expected a name from docs/alerts.md"),
        (
            "thresholds: {SlowFsync: {warning: 600ms}}",
            "the warning of `SlowFsync` (600 ms) is not below its critical level (500 ms): it would never warn: expected a warning limit below 500 ms",
        ),
        ("thresholds: {DiskSpaceLow: {warning: 3%}}", "expected a warning limit above 5 %"),
        ("thresholds: {ZxidLag: {critical: 5}}", "`ZxidLag` has no level critical, only warning"),
        ("thresholds: {MemberDown: {critical: 5}}", "`MemberDown` has no limit: expected on or off"),
        ("thresholds: {SlowFsync: {warning: fast}}", "invalid limit `fast`: expected e.g. 0.3, 300ms, 10s or 14d"),
        (
            "thresholds: {FileDescriptors: {warning: 80}}",
            "limit `80` is 8000 %: expected a fraction of 1, e.g. 0.85 or 85%",
        ),
        (
            "thresholds: {SlowFsync: maybe}",
            "invalid alert setting `maybe`: expected on, off or {warning: 10, critical: 100}",
        ),
        ("thresholds: {SlowFsync: {for: soon}}", "invalid duration `soon`"),
        ("ensembles: {prd: {SlowFsync: off}}", "unknown ensemble `prd`: did you mean prod?"),
        ("ensembles: {prod: {SlowFsync: {for: 1m}}}", "`for` applies to all ensembles: set it under thresholds"),
        ("ensembles: {prod: {ExporterDown: off}}", "`ExporterDown` does not apply to ensembles"),
        ("ensembles: {prod: {SlowFsync: {warning: 0.7}}}", "the warning of `SlowFsync` (700 ms) is not below"),
        ("keep_labels: [member]", "reserved label `member`: expected a label that the alerts do not set"),
        ("keep_labels: [a-b]", "invalid label name `a-b`"),
        ("runbook_url: wiki", "invalid URL `wiki`: expected e.g. https://"),
        (
            "thresholds: {OutstandingRequests: {warning: 0}}",
            "the warning of `OutstandingRequests` gives its early-warning score no steepness (tau is 0): expected a limit above 0, or off",
        ),
        ("thresholds: {WatchesHigh: {warning: 0}}", "expected a limit above 0, or off"),
        ("zookeeper: new", "invalid ZooKeeper release `new`: expected e.g. \"3.8\""),
        ("zookeeper: 3.3.6", "unsupported ZooKeeper release `3.3.6`: expected \"3.4\" or later"),
        ("thresholds: {OutstandingRequests: {warning: .nan}}", "number `.nan` is not finite: expected e.g. 10"),
        ("thresholds: {OutstandingRequests: {warning: 1e400}}", "not finite"),
    ] {
        let text = format!("{ENSEMBLES}alerts:\n  {alerts}\n");
        let error = configured(&text).map(|_| ()).expect_err(alerts);
        assert!(error.contains(wanted), "{alerts}: {error}");
        assert!(error.starts_with("3:") || error.starts_with("4:") && !error.contains('\n'), "{alerts}: {error}");
    }
}

/// Three configurations; promtool accepts the rules of each, and they contain the configured values.
#[test]
fn rules_follow_the_configuration() {
    let rules = |alerts: &str| {
        let (thresholds, deployment) = configured(&format!("{ENSEMBLES}{alerts}")).unwrap();
        let file = RuleFile::new(&thresholds, &deployment);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.yml");
        std::fs::write(&path, file.text(Format::Prometheus)).unwrap();
        let (good, said) = promtool(&["check", "rules"], &[path]);
        assert!(good, "{said}");
        file
    };
    let of = |file: &RuleFile, alert: &str, severity: &str| -> Option<(String, String, String)> {
        let mut all = file.rules();
        let rule = all.find(|rule| rule.alert == alert && rule.labels["severity"] == severity)?;
        Some((rule.expr.clone(), rule.hold.to_string(), rule.annotations[1].1.clone()))
    };
    let left_out = |file: &RuleFile, alert: &str| {
        file.left_out.iter().find(|left| left.alert == alert).map(|left| left.reason.clone()).unwrap_or_default()
    };

    // Defaults: alerts that no module can feed are omitted, and each ensemble is checked for absence by name.
    let plain = rules("");
    assert_eq!(left_out(&plain, "ZooKeeperCertificateExpiring"), "no module has tls");
    assert!(left_out(&plain, "ZooKeeperDiskSpaceLow").contains("host"));
    let unwatched = of(&plain, "ZooKeeperEnsembleUnwatched", "critical").unwrap().0;
    for name in ["prod", "dev.eu"] {
        assert!(unwatched.contains(&format!("absent(zk_up{{ensemble=\"{name}\"}})")), "{unwatched}");
    }

    // Limits, durations, levels and whole alerts changed, globally and for one ensemble.
    let tuned = rules(
        "alerts:\n  keep_labels: [cluster]\n  labels: {team: storage}\n  runbook_url: https://wiki/zk/\n  zookeeper: \"3.5\"\n  jvm: false\n  thresholds:\n    OutstandingRequests: {warning: 20, critical: off, for: 2m}\n    EpochMismatch: off\n    LeaderChanged: on\n  ensembles:\n    prod: {OutstandingRequests: {warning: 50}, MemberDown: off}\n    dev.eu: {OutstandingRequests: off, ZooKeeperMemberDown: off}\n",
    );
    let (expr, hold, description) = of(&tuned, "ZooKeeperOutstandingRequests", "warning").unwrap();
    let flat = expr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        flat,
        "( max by (ensemble, member, cluster) ( quantile_over_time(0.5, zk_outstanding_requests{ensemble=\"prod\"}[5m]) ) > 50 ) \
         or ( max by (ensemble, member, cluster) ( quantile_over_time(0.5, \
         zk_outstanding_requests{ensemble!~\"dev\\\\.eu|prod\"}[5m]) ) > 20 )"
    );
    assert_eq!(hold, "2m");
    assert!(description.contains("{{ if eq $labels.ensemble \"prod\" }}50{{ else }}20{{ end }}"), "{description}");
    assert!(of(&tuned, "ZooKeeperOutstandingRequests", "critical").is_none());
    assert_eq!(left_out(&tuned, "ZooKeeperOutstandingRequests (critical)"), "disabled in the configuration");
    assert_eq!(left_out(&tuned, "ZooKeeperEpochMismatch"), "disabled in the configuration");
    assert!(of(&tuned, "ZooKeeperMemberDown", "critical").unwrap().0.contains("ensemble!~"), "both are left out of it");
    assert!(left_out(&tuned, "ZooKeeperSlowFsync").contains("needs ZooKeeper 3.6.0"));
    assert!(left_out(&tuned, "ZooKeeperLeaderChanged").contains("needs ZooKeeper 3.6.0"));
    for rule in tuned.rules() {
        assert_eq!(rule.labels["team"], "storage");
        assert!(rule.annotations[2].1.starts_with("https://wiki/zk/ZooKeeper"));
    }

    // `keep_firing_for` came with Prometheus 2.42; the lists of a text are those of the kept labels.
    let keeps = |file: &RuleFile| file.rules().any(|rule| rule.keep.0 > 0);
    let [(_, text), _] = rules("alerts: {keep_labels: [cluster]}\n").files();
    assert!(keeps(&plain) && text.contains("        keep_firing_for: 3m\n"), "{text}");
    assert!(
        text.contains("zk_server_state{ensemble=%q,cluster=%q}) == 1\" $labels.ensemble $labels.cluster"),
        "{text}"
    );
    assert!(text.contains("Cluster {{ $labels.cluster }}: "), "{text}");
    assert!(!keeps(&rules("alerts: {prometheus: \"2.40\"}\n")) && keeps(&rules("alerts: {prometheus: \"2.42.0\"}\n")));

    // The Kubernetes format has the same rules.
    let kubernetes = tuned.text(Format::Kubernetes);
    assert!(
        kubernetes.contains("\nkind: PrometheusRule\n") && kubernetes.contains("\n  groups:\n    - name: zookeeper-")
    );
}

/// What a canary or a reader of znodes would report is not judged by commands that do not run one.
#[test]
fn conditions_of_background_tasks_need_a_running_exporter() {
    let (with, _) = configured(&format!("{ENSEMBLES}modules: {{default: {{canary: {{}}}}}}\n")).unwrap();
    let not_judged = |thresholds: &Thresholds, change: &str| -> Vec<&str> {
        let judgement = thresholds.judge(Scrapes { now: &page(change), before: None, time: 1.0e9 });
        judgement.not_judged.iter().map(|(condition, _)| condition.name).collect()
    };
    assert!(not_judged(&with, "x 1").contains(&"CanaryFailing"));
    assert!(!not_judged(&with, "x 1").contains(&"ZnodeUnreadable"), "no module reads znodes");
    assert!(!not_judged(&with, "zk_canary_up{ensemble=\"a\"} 1").contains(&"CanaryFailing"));
    assert!(!not_judged(&Thresholds::default(), "x 1").contains(&"CanaryFailing"));
    let judgement = with.judge(Scrapes { now: &page("x 1"), before: None, time: 1.0e9 });
    assert!(judgement.extent(None).ends_with("need a running exporter (--from)"), "{}", judgement.extent(None));
}

/// Alerts are omitted if no module queries their metrics, and kept if at least one does.
#[test]
fn rules_depend_on_the_commands_of_the_modules() {
    let left_out = |modules: &str, alert: &str| -> String {
        let (thresholds, deployment) = configured(&format!("{ENSEMBLES}modules: {{{modules}}}\n")).unwrap();
        let file = RuleFile::new(&thresholds, &deployment);
        file.left_out.iter().find(|left| left.alert == alert).map(|left| left.reason.clone()).unwrap_or_default()
    };
    let (status, all) = ("default: {commands: [srvr]}", "default: {commands: [mntr, srvr, conf]}");
    let admin = "default: {commands: [srvr], admin: 'http://{host}:8080'}";
    let other = "default: {commands: [srvr]}, other: {commands: [mntr, conf]}";
    for (modules, fsync, queue, drift) in [
        (all, "", "", ""),
        (status, "no module queries mntr, and none has an AdminServer", "", "no module queries conf"),
        (admin, "", "", "no module queries conf"),
        (other, "", "", ""),
    ] {
        assert_eq!(left_out(modules, "ZooKeeperSlowFsync"), fsync, "{modules}");
        assert_eq!(left_out(modules, "ZooKeeperOutstandingRequests"), queue, "{modules}");
        assert_eq!(left_out(modules, "ZooKeeperConfigMismatch"), drift, "{modules}");
    }
    let lacks = |modules: &str, alert: &str, reason: &str| {
        assert!(left_out(modules, alert).contains(reason), "{modules}");
        let with = "default: {tls: {}, host: true, digests: {}, clients: {}, canary: {}, znodes: {paths: [/load]}}";
        assert_eq!(left_out(with, alert), "", "{alert}");
    };
    lacks(all, "ZooKeeperCertificateExpiring", "no module has tls");
    lacks(all, "ZooKeeperCpuBound", "needs host: true");
    lacks(all, "ZooKeeperDiskSpaceLow", "needs host: true");
    lacks(all, "ZooKeeperZnodeAboveThreshold", "needs znodes:");
    lacks(all, "ZooKeeperCanaryFailing", "needs canary:");
    lacks(all, "ZooKeeperDataDiverged", "needs digests:");
    lacks(all, "ZooKeeperClientNearConnectionLimit", "needs clients:");
}

/// Scores of metrics that need a local member, and of limits for a single ensemble.
#[test]
fn scores_follow_the_limits_of_each_ensemble() {
    let (thresholds, deployment) = configured(
        "ensembles: [{name: prod, members: [zk-1], module: near}, {name: dev.eu, members: [zk-2]}]\n\
         modules: {near: {host: true}}\n\
         alerts:\n  thresholds: {OutstandingRequests: {warning: 20, critical: 40}}\n  ensembles:\n    prod: {OutstandingRequests: {warning: 100, critical: 1000}, SlowFsync: off}\n",
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [_, (name, rules)] = RuleFile::new(&thresholds, &deployment).files();
    std::fs::write(folder.path().join(name), rules).unwrap();
    let series = |name: &str, ensemble: &str, value: &str| {
        format!("      - {{series: '{name}{{job=\"zk\",ensemble=\"{ensemble}\",member=\"m\"}}', values: '{value}'}}\n")
    };
    let mut test =
        format!("rule_files: [{name}]\nevaluation_interval: 30s\ntests:\n  - interval: 30s\n    input_series:\n");
    for ensemble in ["prod", "dev.eu"] {
        test.push_str(&series("zk_up", ensemble, "1x60"));
        test.push_str(&series("zk_outstanding_requests", ensemble, "20x60"));
        test.push_str(&series("zk_fsynctime_seconds_sum", ensemble, "0+0.6x60"));
        test.push_str(&series("zk_fsynctime_seconds_count", ensemble, "0+6x60"));
        test.push_str(&series("zk_dir_free_bytes", ensemble, "5x60"));
        test.push_str(&series("zk_dir_filesystem_size_bytes", ensemble, "100x60"));
        test.push_str(&series("zk_process_cpu_seconds_total", ensemble, "0+24x60"));
        test.push_str(&series("zk_process_cpus", ensemble, "1x60"));
    }
    test.push_str("    promql_expr_test:\n      - expr: round(1000 * member:zk_warning:score)\n        eval_time: 25m\n        exp_samples:\n");
    for (ensemble, indicator, group, score) in [
        // For dev.eu, 20 equals nu; for prod, nu is 0.8 * 100, which is 4.8 tau above 20.
        ("dev.eu", "outstanding_requests", "load", 500),
        ("prod", "outstanding_requests", "load", 8),
        ("dev.eu", "fsync", "disk", 500),
        // 5 % free is the critical limit, 80 % of a CPU the warning limit.
        ("dev.eu", "disk_space", "disk", 900),
        ("prod", "disk_space", "disk", 900),
        ("dev.eu", "cpu", "load", 500),
        ("prod", "cpu", "load", 500),
    ] {
        test.push_str(&format!("          - {{labels: '{{ensemble=\"{ensemble}\",member=\"m\",indicator=\"{indicator}\",group=\"{group}\"}}', value: {score}}}\n"));
    }
    let path = folder.path().join("early_test.yml");
    std::fs::write(&path, test).unwrap();
    let (good, said) = promtool(&["test", "rules"], &[path]);
    assert!(good, "{said}");
}

#[test]
fn every_indicator_has_a_condition_with_a_limit() {
    for indicator in INDICATORS {
        assert_eq!(indicator.condition().name, indicator.condition, "{}", indicator.name);
        assert!(matches!(&indicator.condition().expr, Expr::Compare(_, _, limit) if **limit == Expr::Limit));
        assert_eq!(indicator.measured().keys().unwrap().names(), ["ensemble", "member"], "{}", indicator.name);
    }
}

#[test]
fn user_limits_override_those_of_a_profile() {
    let limit = |text: &str, ensemble: &str| {
        let (thresholds, _) = configured(text).unwrap();
        let mut levels = thresholds.levels().iter();
        let level = levels.find(|one| one.condition.name == "SlowWrites" && one.level.severity == Severity::Warning);
        level.unwrap().of_ensemble(ensemble).flatten()
    };
    let ensembles = "ensembles: [{name: a, members: [zk-1]}, {name: b, members: [zk-2], profile: PROFILE}]\n";
    let of = |own: &str| ensembles.replace("PROFILE", own);
    assert_eq!(limit(&of("kafka"), "a"), Some(0.05));
    assert_eq!(limit(&of("kafka"), "b"), Some(0.01));
    let kafka = format!("profile: kafka\n{}", of("default"));
    assert_eq!(limit(&kafka, "a"), Some(0.01));
    assert_eq!(limit(&kafka, "b"), Some(0.05));
    let told = format!(
        "{kafka}alerts: {{thresholds: {{SlowWrites: {{warning: 20ms}}}}, ensembles: {{b: {{SlowWrites: {{warning: 30ms}}}}}}}}\n"
    );
    assert_eq!(limit(&told, "a"), Some(0.02));
    assert_eq!(limit(&told, "b"), Some(0.03));
    let wrong = configured(&of("kafak")).map(|_| ()).unwrap_err();
    assert_eq!(wrong, "1:77: unknown profile `kafak`: expected one of default, kafka, hadoop, hbase, solr, clickhouse");
    // Each preset has a source and an existing level with a limit; promtool accepts the rules of each profile.
    for profile in PROFILES {
        assert!(profile.reason.len() > 20);
        for preset in profile.presets {
            let condition = conditions().iter().find(|condition| condition.name == preset.condition).unwrap();
            assert!(condition.level_of(preset.severity).unwrap().limit.is_some() && preset.source.len() > 10);
        }
        let named = format!("profile: {}\n{}", profile.name, of("default"));
        let file = RuleFile::new(&configured(&named).unwrap().0, &Deployment::default());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.yml");
        std::fs::write(&path, file.text(Format::Prometheus)).unwrap();
        assert!(promtool(&["check", "rules"], &[path]).0);
    }
}

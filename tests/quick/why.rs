//! The explanation of `why` for an unhealthy ensemble.

use std::sync::Arc;

use zookeeper_exporter::alert::Thresholds;
use zookeeper_exporter::incident::{Explanation, Judged, why};
use zookeeper_exporter::scrape::Report;

use crate::common::exporter::{binary, run};
use crate::common::listeners::{Listener, closed_port};
use crate::common::root;
use crate::verdicts::Made;

fn explained(made: Made) -> Explanation {
    let report = Arc::new(Report { ensembles: vec![Arc::new(made.report())] });
    let thresholds = Thresholds::default();
    let judged = Judged::new(Arc::clone(&report), None, &thresholds);
    why(&judged, &report.ensembles[0], &thresholds, None)
}

/// The names of the causes, and of the symptoms of the first one.
fn named(explained: &Explanation) -> (Vec<&str>, Vec<&str>) {
    let short = |alert: &'_ str| alert.len().min("ZooKeeper".len());
    let causes = explained.causes.iter().map(|cause| &cause.alert[short(&cause.alert)..]).collect();
    let first = explained.causes.first();
    let mut symptoms: Vec<&str> =
        first.into_iter().flat_map(|cause| &cause.explains).map(|one| &one.alert[short(&one.alert)..]).collect();
    symptoms.dedup();
    (causes, symptoms)
}

#[test]
fn a_healthy_ensemble_has_no_cause() {
    let healthy = explained(Made::all_up("3.8.0"));
    assert_eq!((healthy.state.as_str(), healthy.causes.len(), healthy.notes.len()), ("ok", 0, 0), "{healthy:?}");
    assert!(healthy.not_judged.iter().any(|name| name == "ZooKeeperFrequentElections"), "{healthy:?}");
}

#[test]
fn dead_members_are_the_cause_and_margin_or_quorum_the_symptom() {
    let one = explained(Made::all_up("3.8.0").silent(2).counts(1));
    assert_eq!(named(&one), (vec!["MemberDown"], vec!["QuorumMarginZero"]), "{one:?}");
    assert_eq!((one.causes[0].members.as_slice(), one.causes[0].sure), (&["zk-2:2181".to_owned()][..], true));
    assert!(one.causes[0].first_action.contains("bring the member back"), "{one:?}");
    assert!(one.causes[0].runbook.ends_with("/docs/runbooks/ZooKeeperMemberDown.md"), "{one:?}");
    let two = explained(Made::all_up("3.8.0").silent(2).silent(3).not_serving(1).not_serving(4));
    let (causes, symptoms) = named(&two);
    assert_eq!(causes, ["MemberDown"], "{two:?}");
    assert!(symptoms.contains(&"QuorumLost") && symptoms.contains(&"MemberNotServing"), "{two:?}");
    assert_eq!(two.causes[0].members, ["zk-2:2181", "zk-3:2181"]);
    assert_eq!(two.state, "critical");
}

#[test]
fn members_without_a_leader_have_an_unknown_cause() {
    let lost = explained(Made::all_up("3.8.0").not_serving(1).not_serving(2).not_serving(3).not_serving(4));
    assert_eq!(named(&lost).0, ["QuorumLost"], "{lost:?}");
    assert!(!lost.causes[0].sure && lost.causes[0].doubts[0].contains("symptom"), "{lost:?}");
}

#[test]
fn a_hung_leader_explains_its_missing_replies() {
    let hangs = explained(Made::all_up("3.8.0").silent(3));
    let (causes, symptoms) = named(&hangs);
    assert_eq!(causes, ["LeaderSilent"], "{hangs:?}");
    assert!(symptoms.contains(&"MemberDown"), "{hangs:?}");
}

#[test]
fn text_and_json_report_the_same_cause() {
    let read =
        |file: &str| std::fs::read_to_string(root().join(format!("tests/fixtures/3.9.3/leader/{file}.txt"))).unwrap();
    let (mntr, srvr, conf) = (read("mntr"), read("srvr"), read("conf"));
    let leader = Listener::answering_words(&[("mntr", &mntr), ("srvr", &srvr), ("conf", &conf)]);
    let dead = closed_port();
    let flag = format!("prod={},{dead}", leader.address);
    let arguments = ["why", "prod", "--interval", "200ms", "--zookeeper", &flag];
    let output = run(&arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("prod: critical: "), "{text}");
    let cause = text.find(&format!("ZooKeeperMemberDown: {dead}")).expect(&text);
    assert!(text.find("Most probable cause") < Some(cause), "{text}");
    assert!(
        text.contains("(reason: connect seen by the exporter)") && text.contains("First action: Stop all"),
        "{text}"
    );
    let json = run(&[&arguments[..], &["--output", "json"]].concat());
    let json: Vec<Explanation> = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((json.len(), json[0].causes[0].alert.as_str()), (1, "ZooKeeperMemberDown"));
    assert!(text.contains(&json[0].causes[0].first_action) && json[0].judged_over_seconds > 0.1, "{json:?}");
    let unknown = run(&["why", "other", "--zookeeper", &flag]);
    assert_eq!(unknown.status.code(), Some(2));
    assert_eq!(run(&["why", "--interval", "0s", "--zookeeper", &dead]).status.code(), Some(1));
}

/// The exit code, and the text on both outputs.
fn with_variables(variables: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let output = binary().arg("why").envs(variables.iter().copied()).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.code(), text)
}

#[test]
fn no_flag_is_ignored_in_favour_of_another() {
    const GONE: &str = "http://127.0.0.1:1";
    let url = ("ZOOKEEPER_EXPORTER_URL", GONE);
    let zookeeper = ("ZOOKEEPER_EXPORTER_ZOOKEEPER", "other=127.0.0.1:1");
    // A flag overrides a variable, in both directions.
    for variables in [&[url][..], &[url, zookeeper]] {
        let (_, text) = with_variables(variables, &["--zookeeper", "prod=127.0.0.1:1", "--interval", "0s"]);
        assert!(text.starts_with("prod: critical"), "{text}");
    }
    let (code, text) = with_variables(&[zookeeper], &["--url", GONE]);
    assert!(code == Some(1) && text.contains("without --url"), "{text}");
    // Of two variables, that of the exporter has priority.
    let (code, text) = with_variables(&[zookeeper, url], &[]);
    assert!(code == Some(1) && text.contains("without --url"), "{text}");
    for (wrong, reported) in [
        (&["--url", GONE, "--zookeeper", "prod=127.0.0.1:1"][..], "cannot be used with"),
        (&["--url", GONE, "--config.file", "x.yml"], "cannot be used with"),
        (&["e2", "--ensemble", "zzz", "--url", GONE], "--ensemble"),
        (&["e2", "--ensemble", "zzz", "--zookeeper", "e2=127.0.0.1:1 zzz=127.0.0.1:1"], "--ensemble"),
    ] {
        let (code, text) = with_variables(&[], wrong);
        assert!(code == Some(2) && text.contains(reported), "{wrong:?}: {code:?} {text}");
    }
}

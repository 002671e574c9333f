//! What events and `why` report about a failing canary, an unreadable znode and configurations that differ.

use std::sync::Arc;

use zookeeper_exporter::alert::Thresholds;
use zookeeper_exporter::catalogue::{Own, Part};
use zookeeper_exporter::ensemble::LastLeader;
use zookeeper_exporter::incident::{
    Cause, EventHistory, EventQuery, Explanation, FlightRecorder, Judged, TransitionInfo, why,
};
use zookeeper_exporter::reply::Number;
use zookeeper_exporter::scrape::samples::Collector;
use zookeeper_exporter::scrape::{EnsembleReport, Report, State};

use crate::verdicts::Made;

/// A healthy ensemble with samples of its probes: family, label values, value.
fn probed(samples: &[(Own, &[&str], i64)]) -> EnsembleReport {
    let mut all = Collector::new(100);
    for (own, labels, value) in samples {
        all.push_many((*own).into(), Part::Value, labels, Number::Int(*value));
    }
    EnsembleReport { samples: all.finish(), ..Made::all_up("3.8.0").report() }
}

fn explained(report: EnsembleReport, recorder: &FlightRecorder) -> Explanation {
    let report = Arc::new(Report { ensembles: vec![Arc::new(report)] });
    let thresholds = Thresholds::default();
    let judged = Judged::new(Arc::clone(&report), None, &thresholds);
    let history = EventHistory::of(recorder, "prod");
    why(&judged, &report.ensembles[0], &thresholds, history.as_ref())
}

fn cause<'e>(explained: &'e Explanation, alert: &str) -> &'e Cause {
    explained.causes.iter().find(|cause| cause.alert == alert).unwrap_or_else(|| panic!("no {alert}: {explained:?}"))
}

#[test]
fn a_failing_canary_is_reported_with_operation_error_and_member() {
    let (recorder, thresholds) = (FlightRecorder::default(), Thresholds::default());
    let up = |up: i64| (Own::CanaryUp, &["zk-2:2181"][..], up);
    let all = (Own::CanaryUp, &[""][..], 1);
    let old = (Own::CanaryFailures, &["zk-2:2181", "connect", "timeout"][..], 7);
    let new = (Own::CanaryFailures, &["zk-2:2181", "create", "no_auth"][..], 1);
    for (time, samples) in
        [vec![all, up(1), old], vec![all, up(0), old, new], vec![all, up(0), old, new]].iter().enumerate()
    {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        recorder.note_at(&probed(samples), &thresholds, time as f64);
    }
    let page = recorder.read(&EventQuery { limit: 100, ..EventQuery::default() });
    let lines: Vec<String> = page.events.iter().map(TransitionInfo::line).collect();
    assert_eq!(lines, ["canary zk-2:2181 up -> failing (create: no_auth)"]);
    let explained = explained(probed(&[all, up(0), old, new]), &recorder);
    let failing = cause(&explained, "ZooKeeperCanaryFailing");
    assert!(failing.evidence[0].text.ends_with("(create: no_auth)"), "{failing:?}");
    assert_eq!(failing.evidence[0].since.as_deref(), Some("1970-01-01T00:00:01.000Z"));
    assert!(failing.first_action.contains("digest_file"), "{failing:?}");
}

#[test]
fn a_canary_that_never_succeeded_is_reported_with_its_error() {
    let recorder = FlightRecorder::default();
    let samples: [(Own, &[&str], i64); 2] =
        [(Own::CanaryUp, &[""], 0), (Own::CanaryFailures, &["", "create", "no_auth"], 3)];
    recorder.note_at(&probed(&samples), &Thresholds::default(), 0.0);
    let explained = explained(probed(&samples), &recorder);
    let failing = cause(&explained, "ZooKeeperCanaryFailing");
    assert!(failing.evidence[0].text.ends_with("(create: no_auth)"), "{failing:?}");
}

#[test]
fn an_unreadable_znode_is_reported_with_its_reason() {
    for (reason, action) in [
        ("no_node", "the writer of the znode"),
        ("no_auth", "ACL"),
        ("timeout", "sessions fail"),
        ("tls", "tls of the module"),
    ] {
        let samples: [(Own, &[&str], i64); 2] =
            [(Own::ZnodeFailure, &["/load", reason], 1), (Own::ZnodeFailure, &["/other", "pointer"], 1)];
        let explained = explained(probed(&samples), &FlightRecorder::default());
        let unreadable = cause(&explained, "ZooKeeperZnodeUnreadable");
        let text = &unreadable.evidence.iter().find(|fact| fact.text.contains("/load")).unwrap().text;
        assert!(text.ends_with(&format!("({reason})")), "{text}");
        assert!(unreadable.first_action.contains(action), "{reason}: {unreadable:?}");
    }
}

#[test]
fn thresholds_of_znodes_are_recorded_in_both_directions() {
    let (recorder, thresholds) = (FlightRecorder::default(), Thresholds::default());
    let value = |value: i64| (Own::ZnodeValue, &["/load", ""][..], value);
    let warning = (Own::ZnodeAlarmThreshold, &["/load", "warning"][..], 80);
    let critical = (Own::ZnodeAlarmThreshold, &["/load", "critical"][..], 90);
    let failure = (Own::ZnodeFailure, &["/load", "timeout"][..], 1);
    let reports: [&[(Own, &[&str], i64)]; 8] = [
        &[value(50), warning, critical],
        &[value(85), warning, critical],
        &[value(95), warning, critical],
        // Neither a missing reading nor one that failed is a recovery.
        &[],
        &[failure],
        &[value(95), warning, critical],
        &[value(60), warning, critical],
        &[value(85), warning, critical],
    ];
    for (time, samples) in (0_u32..).zip(reports) {
        recorder.note_at(&probed(samples), &thresholds, f64::from(time));
    }
    let page = recorder.read(&EventQuery { limit: 100, ..EventQuery::default() });
    let lines: Vec<String> = page.events.iter().map(TransitionInfo::line).collect();
    assert_eq!(
        lines,
        [
            "threshold ZooKeeperZnodeAboveThreshold /load ok -> warning (85, limit 80)",
            "threshold ZooKeeperZnodeAboveThreshold /load warning -> critical (95, limit 90)",
            "znode ZooKeeperZnodeUnreadable /load readable -> timeout",
            "znode ZooKeeperZnodeUnreadable /load timeout -> readable",
            "threshold ZooKeeperZnodeAboveThreshold /load critical -> ok (60, limit 90)",
            "threshold ZooKeeperZnodeAboveThreshold /load ok -> warning (85, limit 80)",
        ]
    );
    assert_eq!((page.events[0].path.as_deref(), page.events[0].member.as_deref()), (Some("/load"), None));
    // Removing the threshold ends it too.
    recorder.note_at(&probed(&[value(85)]), &thresholds, 8.0);
    let last = recorder.read(&EventQuery { limit: 100, ..EventQuery::default() }).events.pop().unwrap();
    assert_eq!(
        last.line(),
        "threshold ZooKeeperZnodeAboveThreshold /load warning -> ok (85, its threshold was removed)"
    );
    recorder.note_at(&probed(&[value(95), warning, critical]), &thresholds, 9.0);
    let other = (Own::ZnodeValue, &["/other", ""][..], 1);
    let explained = explained(probed(&[value(95), warning, critical, other]), &recorder);
    let above = cause(&explained, "ZooKeeperZnodeAboveThreshold");
    assert!(above.sure && above.severity == "critical", "{above:?}");
    let fact = &above.evidence[0];
    assert!(fact.text.contains("/load") && fact.text.ends_with("(warning 80, critical 90)"), "{fact:?}");
    assert_eq!(fact.since.as_deref(), Some("1970-01-01T00:00:09.000Z"));
}

#[test]
fn configurations_that_differ_are_reported_by_key_value_and_member() {
    let mut made = Made::all_up("3.8.0");
    let mut conf = (**made.id(2).conf.as_ref().unwrap()).clone();
    conf.settings.iter_mut().find(|(key, _)| key == "tickTime").unwrap().1 = "4000".to_owned();
    made.id(2).conf = Some(Arc::new(conf));
    let explained = explained(made.report(), &FlightRecorder::default());
    let text = &cause(&explained, "ZooKeeperConfigMismatch").evidence[0].text;
    assert!(text.contains("tickTime is ") && text.contains("4000 (zk-2:2181)"), "{text}");
    assert!(!text.contains("syncLimit"), "only what differs: {text}");
}

/// Whether a cause explains an alert.
fn explains(explained: &Explanation, alert: &str, symptom: &str) -> bool {
    cause(explained, alert).explains.iter().any(|other| other.alert == symptom)
}

/// A standalone member, whose configuration lists no other members.
fn alone(mut made: Made, id: usize) -> Made {
    made.id(id).state = State::Standalone;
    made.id(id).conf = None;
    made
}

#[test]
fn a_standalone_server_without_a_vote_explains_no_margin() {
    let stranger = explained(alone(Made::all_up("3.8.0"), 4).silent(2).counts(1).report(), &FlightRecorder::default());
    assert_eq!(stranger.causes[0].alert, "ZooKeeperMemberDown", "{stranger:?}");
    assert!(explains(&stranger, "ZooKeeperMemberDown", "ZooKeeperQuorumMarginZero"), "{stranger:?}");
    let other = cause(&stranger, "ZooKeeperStandaloneInEnsemble");
    assert!(!other.sure && other.doubts[0].contains("another ensemble"), "{other:?}");
    assert!(other.first_action.contains("before you stop it"), "{other:?}");
    // A standalone voter is missing from the margin.
    let voter = explained(alone(Made::all_up("3.8.0"), 2).counts(1).report(), &FlightRecorder::default());
    assert!(explains(&voter, "ZooKeeperStandaloneInEnsemble", "ZooKeeperQuorumMarginZero"), "{voter:?}");
    assert!(cause(&voter, "ZooKeeperStandaloneInEnsemble").sure, "{voter:?}");
}

#[test]
fn a_hung_leader_explains_znodes_that_time_out_and_no_others() {
    for (reason, is_explained) in [("timeout", true), ("connect", true), ("no_auth", false), ("no_node", false)] {
        let samples = probed(&[(Own::ZnodeFailure, &["/load", reason], 1)]).samples;
        let report = EnsembleReport { samples, ..Made::all_up("3.8.0").silent(3).report() };
        let hangs = explained(report, &FlightRecorder::default());
        let found = explains(&hangs, "ZooKeeperLeaderSilent", "ZooKeeperZnodeUnreadable");
        assert_eq!(found, is_explained, "{reason}: {hangs:?}");
    }
}

#[test]
fn a_dead_leader_explains_members_that_begin_to_look_for_another() {
    let mut report = Made::all_up("3.8.0").silent(3).not_serving(1).report();
    let epoch = report.members[1].epoch().unwrap();
    report.known.leader = Some(LastLeader { member: "zk-3:2181".into(), epoch, serves_no_clients: false });
    let looking = explained(report, &FlightRecorder::default());
    assert_eq!(looking.causes[0].alert, "ZooKeeperMemberDown", "{looking:?}");
    assert!(explains(&looking, "ZooKeeperMemberDown", "ZooKeeperMemberNotServing"), "{looking:?}");
}

/// The mean of five minutes is not known after seconds, and a list does not end with its separator.
#[test]
fn texts_claim_no_longer_window_than_was_observed() {
    let report = |count: &str, sum: &str| {
        let changes = [("zk_cnt_fsynctime\t", count), ("zk_sum_fsynctime\t", sum)];
        Arc::new(Report { ensembles: vec![Arc::new(Made::all_up("3.8.0").leader(&changes).report())] })
    };
    let (before, now) = (
        report("zk_cnt_fsynctime\t1", "zk_sum_fsynctime\t1"),
        report("zk_cnt_fsynctime\t9", "zk_sum_fsynctime\t990000"),
    );
    let thresholds = Thresholds::default();
    let judged = Judged::new(now, Some((&*before, std::time::Duration::from_secs(2))), &thresholds);
    let texts: Vec<&str> = judged.conditions_of("prod").map(|found| found.says.as_str()).collect();
    assert!(
        texts.iter().any(|text| text.contains(" on average (limit ") && text.contains("[observed for 2 s]")),
        "{texts:?}"
    );
    assert!(texts.iter().all(|text| !text.contains("5 minutes")), "{texts:?}");
    let mut two = Made::all_up("3.8.0");
    two.id(2).state = State::Leader;
    let two = explained(two.report(), &FlightRecorder::default());
    let leaders = cause(&two, "ZooKeeperMultipleLeaders");
    assert!(leaders.evidence[0].text.ends_with("zk-4:2181 observer."), "{leaders:?}");
}

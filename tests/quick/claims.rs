//! `why` claims nothing that was not observed: old figures, causes without samples, votes that a member does not have.

use std::sync::Arc;
use std::time::Duration;

use zookeeper_exporter::alert::{Page, Thresholds, conditions};
use zookeeper_exporter::incident::{Cause, EventHistory, Explanation, FlightRecorder, Judged, Sighting, why};
use zookeeper_exporter::scrape::{EnsembleReport, MemberReport, Report, State};

use crate::common::root;
use crate::verdicts::Made;

/// A healthy ensemble whose leader reports these figures.
fn led(figures: &[(&str, u64)]) -> EnsembleReport {
    let fixture = std::fs::read_to_string(root().join("tests/fixtures/3.8.0/leader/mntr.txt")).unwrap();
    let changes: Vec<(String, String)> = figures
        .iter()
        .map(|(key, value)| {
            let is_it = |line: &&str| line.split_once('\t').is_some_and(|(name, _)| name == format!("zk_{key}"));
            let line = fixture.lines().find(is_it).unwrap_or_else(|| panic!("no {key}"));
            (format!("{line}\n"), format!("zk_{key}\t{value}\n"))
        })
        .collect();
    let changes: Vec<(&str, &str)> = changes.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    Made::all_up("3.8.0").leader(&changes).report()
}

/// The fsyncs of the leader so far with their time in milliseconds, its waiting requests, znodes, received bytes and
/// uptime.
fn load(fsyncs: (u64, u64), waiting: u64, znodes: u64, life: (u64, u64)) -> EnsembleReport {
    led(&[
        ("cnt_fsynctime", fsyncs.0),
        ("sum_fsynctime", fsyncs.1),
        ("outstanding_requests", waiting),
        ("znode_count", znodes),
        ("bytes_received_count", life.0),
        ("uptime", life.1),
    ])
}

/// The start of the recorded histories, in seconds since 1970.
const BEGIN: f64 = 1e9;

/// A leader whose figures exceeded their limits 30 s after the start, when this was recorded.
fn exceeded() -> FlightRecorder {
    let recorder = FlightRecorder::default();
    let reports = [
        load((100, 100), 0, 5, (9000, 100_000)),
        load((200, 200), 0, 5, (9100, 115_000)),
        load((300, 40_200), 150, 9_000_000, (9200, 130_000)),
    ];
    for (round, report) in (0_u32..).zip(&reports) {
        recorder.note_at(report, &Thresholds::default(), BEGIN + 15.0 * f64::from(round));
    }
    recorder
}

const EXCEEDED: [&str; 3] = ["OutstandingRequests", "SlowFsync", "ZnodesHigh"];

/// The conditions of [`EXCEEDED`] that the history reports.
fn sighted(recorder: &FlightRecorder, thresholds: &Thresholds, now: f64) -> Vec<Sighting> {
    let mut all = EventHistory::of(recorder, "prod").unwrap().sightings("prod", thresholds, now);
    all.retain(|sighting| EXCEEDED.contains(&sighting.condition.name));
    all.sort_by_key(|sighting| sighting.condition.name);
    all
}

fn present(recorder: &FlightRecorder, now: f64) -> Vec<&'static str> {
    let all = sighted(recorder, &Thresholds::default(), now);
    all.into_iter().filter(|sighting| !sighting.past).map(|sighting| sighting.condition.name).collect()
}

#[test]
fn a_figure_that_is_not_measured_now_is_not_a_present_fault() {
    let later = BEGIN + 45.0;
    assert_eq!(present(&exceeded(), later), EXCEEDED);
    let dead = exceeded();
    let without_leader = Made::all_up("3.8.0").silent(3).report();
    dead.note_at(&without_leader, &Thresholds::default(), later);
    assert_eq!(present(&dead, later), [""; 0], "the member does not reply");
    let removed = exceeded();
    removed.note_at(&EnsembleReport { members: Vec::new(), ..without_leader }, &Thresholds::default(), later);
    assert_eq!(present(&removed, later), [""; 0], "the member was removed");
    let restarted = exceeded();
    restarted.note_at(&load((0, 0), 0, 9_000_000, (50, 1000)), &Thresholds::default(), later);
    assert_eq!(present(&restarted, later), ["ZnodesHigh"], "the process is a new one");
    let idle = exceeded();
    for round in 1_u32..12 {
        let now = later + 15.0 * f64::from(round);
        idle.note_at(&load((300, 40_200), 0, 5, (9200, 130_000)), &Thresholds::default(), now);
    }
    assert_eq!(present(&idle, later + 180.0), [""; 0], "there were no further fsyncs");
    assert_eq!(present(&exceeded(), later + 3600.0), [""; 0], "there were no further reports");
}

#[test]
fn a_condition_that_is_off_is_not_reported_from_the_history() {
    let off = "alerts: {thresholds: {SlowFsync: off, OutstandingRequests: off, ZnodesHigh: off}}";
    let off = configured(off);
    let recorder = exceeded();
    assert!(sighted(&recorder, &off, BEGIN + 31.0).is_empty(), "before the next report");
    recorder.note_at(&load((400, 80_200), 150, 9_000_000, (9300, 145_000)), &off, BEGIN + 45.0);
    assert!(sighted(&recorder, &off, BEGIN + 46.0).is_empty());
    assert!(sighted(&recorder, &Thresholds::default(), BEGIN + 46.0).is_empty(), "not compared while it was off");
}

fn configured(alerts: &str) -> Thresholds {
    let text = format!("ensembles: [{{name: prod, members: [zk-1]}}]\n{alerts}\n");
    let config = zookeeper_exporter::config::parse(std::path::Path::new("test.yml"), &text).unwrap();
    Thresholds::of(&config).unwrap()
}

#[test]
fn a_condition_of_the_ensemble_is_reported_once() {
    let recorder = exceeded();
    let seen = sighted(&recorder, &Thresholds::default(), BEGIN + 31.0);
    let members: Vec<bool> = seen.iter().map(|sighting| sighting.member.is_some()).collect();
    assert_eq!(members, [true, true, false], "{seen:?}");
    // Another member has as many znodes.
    let mut two = load((300, 40_200), 150, 9_000_000, (9200, 130_000));
    two.members[1] = MemberReport { name: Arc::clone(&two.members[1].name), ..two.members[2].clone() };
    recorder.note_at(&two, &Thresholds::default(), BEGIN + 45.0);
    let seen = sighted(&recorder, &Thresholds::default(), BEGIN + 46.0);
    assert_eq!(seen.iter().filter(|sighting| sighting.condition.name == "ZnodesHigh").count(), 1, "{seen:?}");
    let now = zookeeper_exporter::incident::clock::now();
    let recorder = FlightRecorder::default();
    for (age, znodes) in [(20.0, 5), (10.0, 9_000_000), (0.0, 9_000_000)] {
        recorder.note_at(&load((1, 1), 0, znodes, (1, 1)), &Thresholds::default(), now - age);
    }
    let all = explained(&[load((1, 1), 0, 9_000_000, (1, 1))], &Thresholds::default(), Some(&recorder));
    let evidence = &cause(&all[0], "ZooKeeperZnodesHigh").evidence;
    assert_eq!(evidence.len(), 1, "{evidence:?}");
}

/// The explanation of each ensemble, by one scrape.
fn explained(
    ensembles: &[EnsembleReport],
    thresholds: &Thresholds,
    recorder: Option<&FlightRecorder>,
) -> Vec<Explanation> {
    let report = Arc::new(Report { ensembles: ensembles.iter().cloned().map(Arc::new).collect() });
    let judged = Judged::new(Arc::clone(&report), None, thresholds);
    let history = recorder.and_then(|recorder| EventHistory::of(recorder, "prod"));
    report.ensembles.iter().map(|ensemble| why(&judged, ensemble, thresholds, history.as_ref())).collect()
}

fn cause<'e>(explained: &'e Explanation, alert: &str) -> &'e Cause {
    explained.causes.iter().find(|cause| cause.alert == alert).unwrap_or_else(|| panic!("no {alert}: {explained:?}"))
}

/// The alerts in the doubts that begin with a text.
fn listed(explained: &Explanation, begin: &str) -> Vec<String> {
    let doubts = explained.causes.iter().flat_map(|cause| &cause.doubts);
    let lists = doubts.filter_map(|doubt| doubt.strip_prefix(begin));
    lists.flat_map(|list| list.split(", ").map(str::to_owned)).collect()
}

/// Each member replies to `srvr` only.
fn without_mntr(name: &str) -> EnsembleReport {
    let mut made = Made::all_up("3.8.0");
    for member in &mut made.members {
        member.samples = zookeeper_exporter::scrape::Samples::default();
    }
    EnsembleReport { name: name.into(), ..made.not_serving(1).not_serving(2).not_serving(3).report() }
}

#[test]
fn a_cause_without_samples_is_not_reported_as_absent() {
    let busy = led(&[("outstanding_requests", 150)]);
    let blind = without_mntr("blind");
    let lost = Made::all_up("3.8.0").not_serving(1).not_serving(2).not_serving(3).not_serving(4).report();
    let mut absent = 0;
    for ensembles in [vec![busy.clone(), blind.clone()], vec![blind, busy], vec![lost]] {
        let found = explained(&ensembles, &Thresholds::default(), None);
        for (ensemble, explained) in ensembles.into_iter().zip(&found) {
            let page = Page::of(&Report { ensembles: vec![Arc::new(ensemble)] });
            assert!(!explained.causes.is_empty(), "{explained:?}");
            for alert in listed(explained, "checked, not present: ") {
                let condition = conditions().iter().find(|one| one.alert() == alert).unwrap();
                let samples = condition.samples();
                let known = samples.iter().any(|sample| !page.samples(sample).is_empty());
                assert!(known, "{alert}: no sample of {samples:?}: {explained:?}");
                absent += 1;
            }
            let unknown = listed(explained, "not visible (no data, or switched off): ");
            // The alerts that deadlocked threads may cause.
            let symptoms = ["ZooKeeperOutstandingRequests", "ZooKeeperMemberNotServing"];
            let may_be = explained.causes.iter().any(|cause| symptoms.contains(&cause.alert.as_str()));
            let is_unknown = unknown.iter().any(|alert| alert == "ZooKeeperThreadsDeadlocked");
            assert_eq!(is_unknown, may_be, "without metrics of the JVM: {explained:?}");
        }
    }
    assert!(absent > 4, "{absent}");
}

#[test]
fn a_cause_that_is_switched_off_is_not_reported_as_absent() {
    let busy = [led(&[("outstanding_requests", 150)])];
    let checked = |thresholds: &Thresholds| {
        let explained = explained(&busy, thresholds, None);
        cause(&explained[0], "ZooKeeperOutstandingRequests");
        listed(&explained[0], "checked, not present: ")
    };
    let alert = checked(&Thresholds::default()).swap_remove(0);
    let off = format!("alerts: {{thresholds: {{{}: off}}}}", &alert["ZooKeeper".len()..]);
    assert!(!checked(&configured(&off)).contains(&alert), "{alert}");
}

#[test]
fn each_ensemble_has_its_own_list_of_conditions_that_were_not_judged() {
    let fsyncs = |count, time| led(&[("cnt_fsynctime", count), ("sum_fsynctime", time)]);
    let (earlier, prod) = (fsyncs(100, 100), fsyncs(200, 40_100));
    let new = EnsembleReport { name: "new".into(), ..prod.clone() };
    let before = Report { ensembles: vec![Arc::new(earlier)] };
    let report = Arc::new(Report { ensembles: vec![Arc::new(prod), Arc::new(new)] });
    let thresholds = Thresholds::default();
    let judged = Judged::new(Arc::clone(&report), Some((&before, Duration::from_secs(3))), &thresholds);
    let waits = |place: usize| {
        let explained = why(&judged, &report.ensembles[place], &thresholds, None);
        explained.not_judged.contains(&"ZooKeeperSlowFsync".to_owned())
    };
    assert!(!waits(0) && waits(1), "only one of them was scraped twice");
}

#[test]
fn no_text_claims_samples_of_minutes_after_seconds() {
    let busy = led(&[("outstanding_requests", 150)]);
    let report = || Arc::new(Report { ensembles: vec![Arc::new(busy.clone())] });
    let judged = Judged::new(report(), Some((&report(), Duration::from_secs(3))), &Thresholds::default());
    let texts: Vec<&str> = judged.conditions_of("prod").map(|found| found.says.as_str()).collect();
    assert!(texts.iter().any(|text| text.contains("requests have waited")), "{texts:?}");
    assert!(texts.iter().all(|text| !text.contains("minutes")), "{texts:?}");
}

/// Member 1 is a standalone server; the others do not reply and have not replied before.
fn only_server() -> Made {
    let mut made = Made::all_up("3.8.0");
    made.id(1).state = State::Standalone;
    made.id(1).conf = None;
    for id in 2..=4 {
        *made.id(id) = MemberReport::silent(Arc::clone(&made.id(id).name));
    }
    made
}

#[test]
fn the_only_server_that_replies_is_not_stopped() {
    let stop = |made: Made| {
        let explained = explained(&[made.report()], &Thresholds::default(), None).swap_remove(0);
        let cause = cause(&explained, "ZooKeeperStandaloneInEnsemble").clone();
        (cause.first_action.contains("Stop it at once") || cause.look.contains("then stop it"), cause.sure, cause)
    };
    let (stops, sure, cause) = stop(only_server());
    assert!(!stops && !sure, "{cause:?}");
    assert!(cause.first_action.contains("before you stop it"), "{cause:?}");
    // Others are part of an ensemble, or were when they replied last.
    let alone = || {
        let mut made = Made::all_up("3.8.0").counts(1);
        made.id(2).state = State::Standalone;
        made.id(2).conf = None;
        made
    };
    let replied = alone().silent(1).silent(3).silent(4);
    for made in [alone(), replied] {
        let (stops, _, cause) = stop(made);
        assert!(stops, "{cause:?}");
    }
}

#[test]
fn an_observer_is_not_called_a_lost_voter() {
    let action = |id: usize| {
        let mut made = Made::all_up("3.8.0");
        made.id(id).state = State::ReadOnly;
        let explained = explained(&[made.report()], &Thresholds::default(), None).swap_remove(0);
        cause(&explained, "ZooKeeperMemberReadOnly").first_action.clone()
    };
    assert!(action(1).contains("lost voter"), "{}", action(1));
    assert!(!action(4).contains("lost voter") && action(4).contains("no vote"), "{}", action(4));
}

//! The flight recorder: transitions between reports, their limits, and how they are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zookeeper_exporter::alert::Thresholds;
use zookeeper_exporter::config::Command;
use zookeeper_exporter::ensemble::Known;
use zookeeper_exporter::incident::{
    EventHistory, EventPage, EventQuery, Explanation, FlightRecorder, RING_BYTES, TOTAL_BYTES, TransitionInfo,
};
use zookeeper_exporter::scrape::{EnsembleReport, MemberReport, Samples, State};
use zookeeper_exporter::wire::{CONNECTION_REFUSED, Reason};

use crate::common::exporter::{Exporter, run};
use crate::common::listeners::Listener;
use crate::common::root;
use crate::reload::request;
use crate::verdicts::Made;

fn all() -> EventQuery {
    EventQuery { limit: 1000, ..EventQuery::default() }
}

/// Kind, member, and the values before and after.
fn lines(page: &EventPage) -> Vec<String> {
    page.events.iter().map(TransitionInfo::line).collect()
}

fn healthy() -> Made {
    Made::all_up("3.8.0")
}

#[test]
fn failure_and_recovery_are_recorded_but_not_the_first_report() {
    let (recorder, thresholds) = (FlightRecorder::default(), Thresholds::default());
    let note = |made: Made, time: f64| recorder.note_at(&made.report(), &thresholds, time);
    note(healthy(), 100.0);
    note(healthy(), 115.0);
    assert!(recorder.read(&all()).events.is_empty());
    note(healthy().silent(2).counts(1), 130.0);
    let page = recorder.read(&all());
    assert_eq!(
        lines(&page),
        [
            "state zk-2:2181 follower -> no-answer",
            "margin 1 -> 0 (2 of 3 voters in sync, majority 2, margin 0, leader zk-3:2181)"
        ]
    );
    assert_eq!((page.events[0].time.as_str(), page.events[0].ensemble.as_str()), ("1970-01-01T00:02:10.000Z", "prod"));
    note(healthy(), 145.0);
    let back = recorder.read(&EventQuery { after: Some(page.next), ..all() });
    assert_eq!(back.events.len(), 2, "{back:?}");
    assert_eq!(back.events[0].line(), "state zk-2:2181 no-answer -> follower");
    let history = EventHistory::of(&recorder, "prod").unwrap();
    assert_eq!(history.recorded_since(), "1970-01-01T00:01:40.000Z");
}

#[test]
fn an_empty_page_continues_after_the_newest_transition() {
    let (recorder, thresholds) = (FlightRecorder::default(), Thresholds::default());
    for (time, made) in [(1.0, healthy()), (2.0, healthy().silent(2)), (3.0, healthy())] {
        recorder.note_at(&made.report(), &thresholds, time);
    }
    let empty = recorder.read(&EventQuery { since: Some(10.0), ..all() });
    assert!(empty.events.is_empty() && !recorder.read(&all()).events.is_empty());
    let after = |next| recorder.read(&EventQuery { after: Some(next), ..all() }).events;
    assert!(after(empty.next).is_empty(), "what --since excluded is not printed later");
    recorder.note_at(&healthy().silent(2).report(), &thresholds, 11.0);
    assert!(!after(empty.next).is_empty());
}

#[test]
fn transitions_from_or_to_unknown_are_not_recorded() {
    let (recorder, thresholds) = (FlightRecorder::default(), Thresholds::default());
    let unknown = |mut made: Made| {
        let name = Arc::clone(&made.id(3).name);
        *made.id(3) = MemberReport { state: State::Unknown, ..MemberReport::silent(name) };
        made
    };
    for (time, made) in [0, 15, 30, 45].into_iter().zip([healthy(), unknown(healthy()), unknown(healthy()), healthy()])
    {
        recorder.note_at(&made.report(), &thresholds, f64::from(time));
    }
    assert!(recorder.read(&all()).events.is_empty(), "{:?}", recorder.read(&all()));
}

#[test]
fn threshold_version_and_member_changes_are_recorded_in_both_directions() {
    let (recorder, thresholds) = (FlightRecorder::default(), Thresholds::default());
    let waiting = |number: &str| healthy().leader(&[("zk_outstanding_requests\t0\n", number)]);
    let mut gone = healthy().report();
    gone.members.remove(3);
    let reports = [
        healthy().report(),
        waiting("zk_outstanding_requests\t150\n").report(),
        healthy().report(),
        gone,
        healthy().report(),
    ];
    for (time, report) in [0, 15, 30, 45, 60].into_iter().zip(reports) {
        recorder.note_at(&report, &thresholds, f64::from(time));
    }
    let page = recorder.read(&all());
    assert_eq!(
        lines(&page),
        [
            "threshold ZooKeeperOutstandingRequests zk-3:2181 ok -> critical (150, limit 100)",
            "threshold ZooKeeperOutstandingRequests zk-3:2181 critical -> ok (0, limit 100)",
            "left zk-4:2181",
            "joined zk-4:2181",
        ]
    );
}

/// Member 2 with settings of its own.
fn set(settings: &[(&str, &str)]) -> EnsembleReport {
    let mut made = healthy();
    let mut conf = (**made.id(2).conf.as_ref().unwrap()).clone();
    for (key, value) in settings {
        conf.settings.retain(|(name, _)| name != key);
        conf.settings.push(((*key).to_owned(), (*value).to_owned()));
    }
    made.id(2).conf = Some(Arc::new(conf));
    made.report()
}

#[test]
fn sizes_of_directories_are_not_settings() {
    let (recorder, thresholds) = (FlightRecorder::default(), Thresholds::default());
    for time in 0_u32..5 {
        let size = (time * 67_108_880).to_string();
        let report = set(&[("dataDirSize", &size), ("dataLogSize", &size)]);
        recorder.note_at(&report, &thresholds, f64::from(time));
    }
    assert_eq!(lines(&recorder.read(&all())), [""; 0]);
}

#[test]
fn a_mismatch_holds_since_it_began() {
    let since = |reports: &[EnsembleReport]| {
        let recorder = FlightRecorder::default();
        for (time, report) in (0_u32..).zip(reports) {
            recorder.note_at(report, &Thresholds::default(), f64::from(time));
        }
        let condition =
            zookeeper_exporter::alert::conditions().iter().find(|one| one.name == "ConfigMismatch").unwrap();
        let since = EventHistory::of(&recorder, "prod").unwrap().since(condition, None, None);
        (since, lines(&recorder.read(&all())))
    };
    let slow = || set(&[("tickTime", "4000")]);
    let (began, events) = since(&[healthy().report(), slow(), set(&[("tickTime", "4000"), ("dataDir", "/data2")])]);
    assert_eq!(began.as_deref(), Some("1970-01-01T00:00:01.000Z"), "another setting was changed later");
    assert_eq!(events[1], "mismatch ZooKeeperConfigMismatch equal -> different (tickTime)", "{events:?}");
    // It was so at the first report, and other settings changed since.
    assert_eq!(since(&[slow(), set(&[("tickTime", "4000"), ("dataDir", "/data2")])]).0, None);
    assert_eq!(since(&[healthy().report(), slow(), healthy().report()]).0, None, "it ended");
}

#[test]
fn a_threshold_is_crossed_since_it_was_ok() {
    let (recorder, thresholds) = (FlightRecorder::default(), Thresholds::default());
    let condition =
        zookeeper_exporter::alert::conditions().iter().find(|one| one.name == "OutstandingRequests").unwrap();
    for (time, waiting) in (0_u32..).zip([0, 20, 200, 30]) {
        let made =
            healthy().leader(&[("zk_outstanding_requests\t0\n", &format!("zk_outstanding_requests\t{waiting}\n"))]);
        recorder.note_at(&made.report(), &thresholds, f64::from(time));
    }
    let since = |recorder| EventHistory::of(recorder, "prod").unwrap().since(condition, Some("zk-3:2181"), None);
    assert_eq!(since(&recorder).as_deref(), Some("1970-01-01T00:00:01.000Z"));
    recorder.note_at(&healthy().report(), &thresholds, 4.0);
    assert_eq!(since(&recorder), None, "it is no longer crossed");
}

/// The leader has received this many bytes and has been in its role for this many milliseconds.
fn life(bytes: u32, uptime: u32) -> Made {
    let bytes = format!("zk_bytes_received_count\t{bytes}\n");
    let fixture = std::fs::read_to_string(root().join("tests/fixtures/3.8.0/leader/mntr.txt")).unwrap();
    let was = fixture.lines().find(|line| line.starts_with("zk_bytes_received_count")).unwrap().to_owned() + "\n";
    healthy().leader(&[(&was, &bytes), ("zk_uptime\t5082\n", &format!("zk_uptime\t{uptime}\n"))])
}

#[test]
fn a_restart_is_distinguished_from_reset_counters_and_elections() {
    let thresholds = Thresholds::default();
    let restarts = |lives: &[(u32, u32)]| {
        let recorder = FlightRecorder::default();
        for (round, (bytes, uptime)) in (0_u32..).zip(lives) {
            recorder.note_at(&life(*bytes, *uptime).report(), &thresholds, f64::from(round) * 15.0);
        }
        let page = recorder.read(&all());
        page.events.iter().filter(|event| event.kind == "restart").count()
    };
    // srst after each scrape: every counter begins again, the uptime does not.
    assert_eq!(restarts(&[(9000, 100_000), (50, 115_000), (40, 130_000), (30, 145_000)]), 0);
    // Elections.
    assert_eq!(restarts(&[(9000, 100_000), (9900, 5000), (9990, 2000)]), 0);
    assert_eq!(restarts(&[(9000, 100_000), (50, 5000), (900, 20_000)]), 1);
    // The first lifetime was short.
    assert_eq!(restarts(&[(9000, 3000), (50, 8000)]), 1);
}

/// Member 2 gives no reply for this reason.
fn without_two(detail: &str) -> EnsembleReport {
    let mut made = healthy().silent(2).counts(1);
    made.id(2).failures = vec![(Command::Mntr, Reason::Connect)];
    made.id(2).failure_details = vec![(Reason::Connect, detail.into())];
    made.report()
}

#[test]
fn a_process_that_starts_without_a_quorum_is_seen_to_restart() {
    let restarts = |detail: &str, back: Made| {
        let recorder = FlightRecorder::default();
        for (time, report) in
            (0_u32..).zip([healthy().report(), without_two(detail), back.report(), healthy().report()])
        {
            recorder.note_at(&report, &Thresholds::default(), f64::from(time));
        }
        lines(&recorder.read(&all())).into_iter().filter(|line| line.starts_with("restart")).count()
    };
    let refused = format!("127.0.0.1:2181: {CONNECTION_REFUSED}");
    // It replies without counters first; the counters that follow are not a second restart.
    assert_eq!(restarts(&refused, healthy().not_serving(2)), 1);
    // The uptime continues, so that the same process replies again.
    assert_eq!(restarts(&refused, healthy()), 0);
    assert_eq!(restarts("127.0.0.1:2181: no answer to the connect in time", healthy().not_serving(2)), 0);
}

#[test]
fn a_member_without_uptime_that_was_refused_is_not_seen_to_restart() {
    let read = |file: &str| std::fs::read(root().join(format!("tests/fixtures/3.8.0/follower/{file}.txt"))).unwrap();
    let mut made = healthy();
    *made.id(2) = crate::common::member("zk-2:2181", None, Some(&read("srvr")), None);
    let by_srvr = made.report();
    let recorder = FlightRecorder::default();
    let refused = without_two(&format!("127.0.0.1:2181: {CONNECTION_REFUSED}"));
    for (time, report) in (0_u32..).zip([&by_srvr, &refused, &by_srvr, &refused, &by_srvr]) {
        recorder.note_at(report, &Thresholds::default(), f64::from(time));
    }
    let found = lines(&recorder.read(&all()));
    assert!(found.iter().any(|line| line == "state zk-2:2181 no-answer -> follower"), "{found:?}");
    assert!(!found.iter().any(|line| line.starts_with("restart")), "{found:?}");
}

#[test]
fn fewer_packets_after_a_refused_port_are_a_restart_without_uptime() {
    let text = std::fs::read_to_string(root().join("tests/fixtures/3.8.0/follower/srvr.txt")).unwrap();
    let received = |packets: &str| {
        let lines = text.lines().map(|line| match line.strip_prefix("Received: ") {
            Some(_) => format!("Received: {packets}\n"),
            None => format!("{line}\n"),
        });
        let mut made = healthy();
        *made.id(2) = crate::common::member("zk-2:2181", None, Some(lines.collect::<String>().as_bytes()), None);
        made.report()
    };
    let recorder = FlightRecorder::default();
    let refused = without_two(&format!("127.0.0.1:2181: {CONNECTION_REFUSED}"));
    // The second reply has more packets than the first, the third one fewer.
    for (time, report) in (0_u32..).zip([received("900"), refused.clone(), received("950"), refused, received("3")]) {
        recorder.note_at(&report, &Thresholds::default(), f64::from(time));
    }
    let found = lines(&recorder.read(&all()));
    assert_eq!(found.iter().filter(|line| line.starts_with("restart")).count(), 1, "{found:?}");
}

#[test]
fn a_member_that_comes_and_goes_is_a_cause_while_it_replies() {
    let (recorder, thresholds) = (FlightRecorder::default(), Thresholds::default());
    let now = zookeeper_exporter::incident::clock::now();
    // 20 s of 40 s without a reply.
    for round in 0_u32..10 {
        let report = if round.is_multiple_of(2) { healthy().report() } else { without_two("timed out") };
        recorder.note_at(&report, &thresholds, now - 200.0 + 20.0 * f64::from(round));
    }
    recorder.note_at(&healthy().report(), &thresholds, now);
    let history = EventHistory::of(&recorder, "prod").unwrap();
    let named = |now: f64| -> Vec<(&str, Option<String>)> {
        let seen = history.sightings("prod", &thresholds, now);
        seen.into_iter().map(|sighting| (sighting.condition.name, sighting.member)).collect()
    };
    assert_eq!(named(now), [("MemberDown", Some("zk-2:2181".to_owned()))]);
    assert!(named(now + 300.0).is_empty(), "it has replied for most of the time");
    let seen = &history.sightings("prod", &thresholds, now)[0];
    assert!(seen.doubts.iter().any(|doubt| doubt.contains("it replies now")), "{seen:?}");
    assert!(!seen.actions.is_empty() && !seen.actions.concat().contains("bring the member back"), "{seen:?}");
    recorder.note_at(&without_two("timed out"), &thresholds, now + 1.0);
    let away = &EventHistory::of(&recorder, "prod").unwrap().sightings("prod", &thresholds, now + 1.0)[0];
    assert!(away.doubts.is_empty() && away.actions.is_empty(), "{away:?}");
    // A single restart is not intermittent.
    let recorder = FlightRecorder::default();
    for (time, report) in
        [(0.0, healthy()), (10.0, healthy().silent(2)), (40.0, healthy().not_serving(2)), (60.0, healthy())]
    {
        recorder.note_at(&report.report(), &thresholds, now - 100.0 + time);
    }
    assert!(EventHistory::of(&recorder, "prod").unwrap().sightings("prod", &thresholds, now).is_empty());
}

#[test]
fn frequent_elections_are_detected_in_the_history_only() {
    let (recorder, thresholds) = (FlightRecorder::default(), Thresholds::default());
    let now = zookeeper_exporter::incident::clock::now();
    for epoch in 9_u32..15 {
        let made = (1..=4).fold(healthy(), |made, id| made.zxid(id, epoch.into(), 0));
        recorder.note_at(&made.report(), &thresholds, now - 60.0 + f64::from(epoch));
    }
    let history = EventHistory::of(&recorder, "prod").unwrap();
    let names = |now: f64| -> Vec<&str> {
        history.sightings("prod", &thresholds, now).iter().map(|sighting| sighting.condition.name).collect()
    };
    assert_eq!(names(now), ["FrequentElections"]);
    assert!(names(now + 3600.0).is_empty(), "the window is over");
}

/// An ensemble of one member that is up in every second report.
fn flapping(name: &str, round: u32) -> EnsembleReport {
    let up = round.is_multiple_of(2);
    let state = if up { State::Standalone } else { State::NoAnswer };
    let member = MemberReport { up, state, ..MemberReport::silent("zk-1.a-rather-long-name.example.com:2181".into()) };
    EnsembleReport { name: name.into(), members: vec![member], known: Known::default(), samples: Samples::default() }
}

#[test]
fn events_of_ten_thousand_flapping_ensembles_are_bounded() {
    let (recorder, thresholds) = (FlightRecorder::default(), Thresholds::default());
    let names: Vec<String> = (0..10_000).map(|number| format!("ensemble-{number}")).collect();
    // One ensemble flaps long before the others.
    for round in 0..2000 {
        recorder.note_at(&flapping(&names[0], round), &thresholds, f64::from(round));
    }
    let alone = recorder.bytes();
    assert!((RING_BYTES * 9 / 10..=RING_BYTES).contains(&alone), "{alone}");
    for round in 0..8 {
        for name in &names {
            recorder.note_at(&flapping(name, round), &thresholds, f64::from(round));
        }
        assert!(recorder.bytes() <= 2 * TOTAL_BYTES, "{}", recorder.bytes());
    }
    assert!(recorder.bytes() >= TOTAL_BYTES / 2, "the test flaps too little: {}", recorder.bytes());
    let last = EventQuery { ensemble: Some(names[9_999].clone()), ..all() };
    assert!(!recorder.read(&last).events.is_empty(), "each keeps its newest transitions");
    // Ensembles removed from the configuration are dropped.
    recorder.note_reload(&Ok(&names[..1]));
    assert!(recorder.bytes() <= RING_BYTES + 1024, "{}", recorder.bytes());
}

/// A member that can be stopped.
fn member() -> (Listener, Arc<AtomicBool>) {
    let read = |file: &str| std::fs::read(root().join(format!("tests/fixtures/3.8.0/standalone/{file}.txt"))).unwrap();
    let (mntr, srvr) = (read("mntr"), read("srvr"));
    let up = Arc::new(AtomicBool::new(true));
    let answers = Arc::clone(&up);
    let listener = Listener::start(move |mut stream| {
        use std::io::{Read, Write};
        let mut word = [0; 4];
        if answers.load(Ordering::Relaxed) && stream.read_exact(&mut word).is_ok() {
            let _ = stream.write_all(if &word == b"mntr" { &mntr } else { &srvr });
        }
    });
    (listener, up)
}

fn page(exporter: &Exporter, query: &str) -> EventPage {
    let (status, json) = request(exporter, "GET", &format!("/api/v1/events{query}"));
    assert_eq!(status, 200, "{json}");
    serde_json::from_str(&json).unwrap()
}

#[test]
fn the_api_pages_through_events_across_a_reload() {
    let (listener, up) = member();
    let target = format!("prod={}", listener.address);
    let exporter = Exporter::start(&["--zookeeper", &target, "--web.enable-lifecycle"]);
    exporter.scrape("5");
    up.store(false, Ordering::Relaxed);
    exporter.scrape("5");
    let first = page(&exporter, "?ensemble=prod&limit=1");
    assert!(first.more && first.events.len() == 1 && first.recorded_since.is_some(), "{first:?}");
    assert!(
        first.events[0].line().starts_with(&format!("state {} standalone -> no-answer", listener.address)),
        "{first:?}"
    );
    assert_eq!(request(&exporter, "POST", "/-/reload").0, 200);
    up.store(true, Ordering::Relaxed);
    // A probe of a configured ensemble counts as a scrape of it.
    assert_eq!(request(&exporter, "GET", "/probe?ensemble=prod").0, 200);
    let rest = page(&exporter, &format!("?after={}", first.next));
    let kinds: Vec<&str> = rest.events.iter().map(|event| event.kind.as_str()).collect();
    assert!(kinds.contains(&"reload") && kinds.contains(&"quorum"), "{rest:?}");
    let back = format!("state {} no-answer -> standalone", listener.address);
    assert!(rest.events.iter().any(|event| event.line() == back) && !rest.more, "{rest:?}");
    assert!(page(&exporter, "?since=2099-01-01T00:00:00Z").events.is_empty());
    assert_eq!(page(&exporter, "?since=1h").events.len(), rest.events.len() + 1);
    for (wrong, status) in [
        ("/api/v1/events?ensemble=other", 404),
        ("/api/v1/events?since=yesterday", 400),
        ("/api/v1/events?after=x", 400),
        ("/api/v1/events?limit=0", 400),
        ("/api/v1/events?limit=100000", 400),
        ("/api/v1/events?x=y", 400),
        ("/api/v1/why?ensemble=other", 404),
        ("/api/v1/why?x=y", 400),
    ] {
        assert_eq!(request(&exporter, "GET", wrong).0, status, "{wrong}");
    }
    let url = format!("http://{}", exporter.address);
    let output = run(&["events", "prod", "--url", &url]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains(&back) && text.lines().count() == rest.events.len() + 1, "{text}");
    let json = run(&["events", "--url", &url, "--since", "1h", "--output", "json"]).stdout;
    let read = String::from_utf8(json).unwrap();
    assert!(read.lines().all(|line| serde_json::from_str::<TransitionInfo>(line).is_ok()), "{read}");
    let bogus = run(&["events", "--url", &url, "--since", "bogus"]);
    let said = String::from_utf8_lossy(&bogus.stderr).into_owned();
    assert!(bogus.status.code() == Some(2) && said.contains("\"bogus\": expected seconds since 1970"), "{bogus:?}");
    let ftp = run(&["events", "--url", "ftp://x"]);
    let said = String::from_utf8_lossy(&ftp.stderr).into_owned();
    assert!(ftp.status.code() == Some(2) && said.contains("http://HOST:PORT or"), "{said}");
    assert!(!said.contains("/metrics") && !said.contains("***"), "{said}");
    let unknown = run(&["events", "other", "--url", &url]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("unknown ensemble"), "{unknown:?}");
    let shown = request(&exporter, "GET", "/ensemble/prod").1;
    assert!(shown.contains("Recent transitions") && shown.contains("no-answer -&gt; standalone"), "{shown}");
}

#[test]
fn why_reports_the_start_time_from_a_running_exporter() {
    let (listener, up) = member();
    let target = format!("prod={}", listener.address);
    let exporter = Exporter::start(&["--zookeeper", &target]);
    exporter.scrape("5");
    up.store(false, Ordering::Relaxed);
    exporter.scrape("5");
    let url = format!("http://{}", exporter.address);
    let output = run(&["why", "prod", "--url", &url]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("ZooKeeperEnsembleUnreachable") && text.contains("(since 20"), "{text}");
    assert!(text.contains("history since 20"), "{text}");
    let json = run(&["why", "--url", &url, "--output", "json"]).stdout;
    let json: Vec<Explanation> = serde_json::from_slice(&json).unwrap();
    assert!(json[0].causes[0].evidence[0].since.is_some() && json[0].history_since.is_some(), "{json:?}");
    let shown = request(&exporter, "GET", "/").1;
    assert!(
        shown.contains("Most probable cause") && shown.contains("/runbooks/ZooKeeperEnsembleUnreachable\""),
        "{shown}"
    );
    // The error for an unreachable exporter names the address and the alternative.
    let gone = run(&["why", "--url", "http://127.0.0.1:1"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&gone.stderr).contains("without --url the members are queried"), "{gone:?}");
}

#[test]
fn events_require_the_password_of_the_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yml");
    // The hash of `secret`.
    std::fs::write(&file, format!("basic_auth_users:\n  ann: {}\n", bcrypt::hash("secret", 4).unwrap())).unwrap();
    let (listener, _up) = member();
    let target = format!("prod={}", listener.address);
    let exporter = Exporter::start(&["--zookeeper", &target, "--web.config.file", file.to_str().unwrap()]);
    for path in ["/api/v1/events", "/api/v1/why"] {
        assert_eq!(request(&exporter, "GET", path).0, 401, "{path}");
    }
    let url = format!("http://ann:secret@{}", exporter.address);
    assert!(run(&["events", "--url", &url]).status.success());
}

/// Replies with one status after the other; the last one is repeated.
fn replying(statuses: &'static [&'static str]) -> Listener {
    let count = std::sync::atomic::AtomicUsize::new(0);
    Listener::start(move |mut stream| {
        use std::io::{Read, Write};
        let mut request = Vec::new();
        let mut byte = [0; 1];
        while !request.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
            request.push(byte[0]);
        }
        let place = count.fetch_add(1, Ordering::Relaxed).min(statuses.len() - 1);
        let _ = write!(stream, "HTTP/1.1 {}\r\nContent-Length: 3\r\n\r\n{{}}\n", statuses[place]);
    })
}

#[test]
fn following_ends_if_the_exporter_refuses_the_request() {
    for (statuses, reported) in [
        (&["200 OK", "503 Service Unavailable", "404 Not Found"][..], "404 Not Found"),
        (&["200 OK", "401 Unauthorized"], "user and password required"),
    ] {
        let server = replying(statuses);
        let url = format!("http://{}", server.address);
        let mut command = std::process::Command::new("timeout");
        command.args(["20", env!("CARGO_BIN_EXE_zookeeper-exporter"), "events", "--follow", "--url", &url]);
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "124 is a timeout: {errors}");
        assert!(errors.matches(reported).count() == 1, "{errors}");
        assert_eq!(errors.lines().count(), statuses.len() - 1, "{errors}");
    }
}

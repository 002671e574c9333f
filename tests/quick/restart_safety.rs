//! Properties of the restart check: it permits nothing that stops the ensemble and nothing that it cannot judge, under
//! any name of a server, and one server at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zookeeper_exporter::alert::Thresholds;
use zookeeper_exporter::ensemble::Hierarchy;
use zookeeper_exporter::incident::FlightRecorder;
use zookeeper_exporter::scrape::{EnsembleReport, MemberReport, State};
use zookeeper_exporter::verdict::{RestartPolicy, judge, restart_objections, restart_order, without};

use crate::common::exporter::Exporter;
use crate::common::listeners::Listener;
use crate::common::{member, root};
use crate::reload::request;
use crate::verdicts::Made;

/// The replies were captured seconds after the start.
const ANY: RestartPolicy = RestartPolicy { settle: Duration::from_secs(1), allow_leader: true };

/// Releases with and without membership and uptime.
const RELEASES: [&str; 2] = ["3.4.14", "3.8.0"];

/// The reasons against a restart, if an exporter has observed the roles of all members for an hour.
fn objections(report: &EnsembleReport, place: usize, policy: RestartPolicy) -> Vec<String> {
    restart_objections(report, &judge(report), place, policy, &|_| Some(3600.0))
}

fn file(path: &str) -> String {
    std::fs::read_to_string(root().join("tests/fixtures").join(path)).unwrap()
}

fn standalone() -> EnsembleReport {
    let (mntr, srvr) = (file("3.8.0/standalone/mntr.txt"), file("3.8.0/standalone/srvr.txt"));
    let mut report = Made::all_up("3.8.0").report();
    report.members = vec![member("zk-1:2181", Some(mntr.as_bytes()), Some(srvr.as_bytes()), None)];
    report
}

/// Each combination of members that serve, are silent, do not serve, or are not listed, with each number of followers
/// that the leader may report.
fn states(release: &'static str) -> Vec<EnsembleReport> {
    let mut all = vec![standalone()];
    for followers in 0..=2 {
        let healthy = Made::all_up(release).counts(followers).report();
        for combination in 0..4_usize.pow(4) {
            let mut report = healthy.clone();
            let listed = healthy.members.iter().enumerate().filter_map(|(place, up)| {
                let silent = || MemberReport { conf: up.conf.clone(), ..MemberReport::silent(Arc::clone(&up.name)) };
                match combination / 4_usize.pow(u32::try_from(place).unwrap()) % 4 {
                    0 => Some(up.clone()),
                    1 => Some(silent()),
                    2 => Some(MemberReport { up: true, state: State::NotServing, ..silent() }),
                    _ => None,
                }
            });
            report.members = listed.collect();
            all.push(report);
        }
    }
    all
}

/// The report with a second name of the member at this place, as the last member.
fn twice(report: &EnsembleReport, place: usize) -> EnsembleReport {
    let mut report = report.clone();
    report.members.push(MemberReport { name: "alias:2181".into(), ..report.members[place].clone() });
    report
}

fn shown(report: &EnsembleReport) -> String {
    report.members.iter().map(|member| format!("{} {}, ", member.name, member.state.text())).collect()
}

#[test]
fn may_restart_permits_nothing_that_stops_the_ensemble_according_to_simulate() {
    let mut permitted = 0;
    for report in RELEASES.into_iter().flat_map(states) {
        let aliases = (0..report.members.len()).map(|place| twice(&report, place));
        for report in aliases.chain([report.clone()]) {
            for place in 0..report.members.len() {
                if objections(&report, place, ANY).is_empty() {
                    permitted += 1;
                    let left = without(&report, &BTreeSet::from([place])).margin;
                    let name = &report.members[place].name;
                    assert!(left.is_some_and(|left| left >= 0), "{name} of {}{left:?}", shown(&report));
                }
            }
        }
    }
    assert!(permitted > 20, "{permitted}");
}

#[test]
fn an_uptime_that_is_not_a_time_is_unknown() {
    let healthy = Made::all_up("3.8.0").report();
    let given = |uptime: &str| {
        let mut report = healthy.clone();
        report.members = (1..=3)
            .map(|id| {
                let role = if id == 3 { "leader" } else { "follower" };
                let mntr = file(&format!("3.8.0/{role}/mntr.txt"));
                let mntr: Vec<String> =
                    mntr.lines()
                        .map(|line| {
                            if line.starts_with("zk_uptime\t") {
                                format!("zk_uptime\t{uptime}")
                            } else {
                                line.to_owned()
                            }
                        })
                        .collect();
                let (mntr, srvr) = (mntr.join("\n") + "\n", file(&format!("3.8.0/{role}/srvr.txt")));
                let conf = file(&format!("3.8.0/{role}/conf.txt")).replace("serverId=", &format!("serverId={id}\nx="));
                member(&format!("zk-{id}:2181"), Some(mntr.as_bytes()), Some(srvr.as_bytes()), Some(conf.as_bytes()))
            })
            .collect();
        restart_objections(&report, &judge(&report), 0, ANY, &|_| None)
    };
    let about_time = |uptime: &str| given(uptime).iter().filter(|text| text.contains("uptime")).count();
    assert_eq!(about_time("90000000"), 0, "{:?}", given("90000000"));
    for uptime in ["NaN", "-1000", "+Inf", "-Inf"] {
        let all = given(uptime);
        assert_eq!(about_time(uptime), 2, "{uptime}: {all:?}");
        assert!(!all.iter().any(|text| text.contains("-0") || text.contains("NaN")), "{uptime}: {all:?}");
    }
}

#[test]
fn an_answer_does_not_depend_on_which_of_two_names_of_a_server_is_given() {
    let mut compared = 0;
    for report in RELEASES.into_iter().flat_map(states) {
        for place in 0..report.members.len() {
            let report = twice(&report, place);
            let alias = report.members.len() - 1;
            let verdict = judge(&report);
            if verdict.server_of(alias) != verdict.server_of(place) {
                continue;
            }
            compared += 1;
            for allow_leader in [false, true] {
                let policy = RestartPolicy { allow_leader, ..ANY };
                let answers = [place, alias].map(|place| objections(&report, place, policy));
                assert_eq!(answers[0], answers[1], "{}", shown(&report));
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn groups_and_weights_are_judged_as_by_simulate() {
    let mut refused = 0;
    for weights in [[0, 1, 1], [1, 0, 1], [1, 1, 0], [1, 1, 1], [5, 1, 1]] {
        let mut report = Made::all_up("3.8.0").report();
        let pairs: Vec<(String, String)> =
            weights.iter().zip(1..).map(|(weight, id)| (format!("{id}"), weight.to_string())).collect();
        let groups = [("1".to_owned(), "1:2:3".to_owned())];
        for member in &mut report.members {
            let mut conf = (*member.conf.clone().unwrap()).clone();
            let hierarchy = Hierarchy::new(&groups, &pairs, &["1", "2", "3"].into());
            conf.membership.as_mut().unwrap().hierarchy = Some(hierarchy);
            member.conf = Some(Arc::new(conf));
        }
        for place in 0..3 {
            let left = without(&report, &BTreeSet::from([place])).margin.unwrap();
            let reasons = objections(&report, place, ANY);
            assert_eq!(reasons.is_empty(), left >= 0, "{weights:?} {place}: {left} {reasons:?}");
            refused += usize::from(left < 0);
        }
    }
    assert!(refused > 0);
}

/// Ways to hide a part of an ensemble.
type Hide = fn(&mut EnsembleReport, usize);

#[test]
fn a_value_that_is_not_visible_is_a_reason_to_wait() {
    let hidden: [(&str, Hide); 5] = [
        ("not listed", |report, place| drop(report.members.remove(place))),
        ("not queried", |report, place| report.members[place].state = State::Unknown),
        ("silent", |report, place| {
            let (name, conf) = (Arc::clone(&report.members[place].name), report.members[place].conf.clone());
            report.members[place] = MemberReport { conf, ..MemberReport::silent(name) };
        }),
        ("only srvr", |report, place| {
            let id = place + 1;
            let role = if id == 3 { "leader" } else { "follower" };
            let srvr = file(&format!("3.8.0/{role}/srvr.txt"));
            let conf = report.members[place].conf.clone();
            report.members[place] =
                MemberReport { conf, ..member(&format!("zk-{id}:2181"), None, Some(srvr.as_bytes()), None) };
        }),
        // Only the given member is listed.
        ("all others not listed", |report, place| {
            report.members = vec![report.members.swap_remove((place + 1) % 3)];
        }),
    ];
    for (way, hide) in hidden {
        for voter in 0..3 {
            let mut report = Made::all_up("3.8.0").report();
            let name = Arc::clone(&report.members[voter].name);
            hide(&mut report, voter);
            for place in (0..report.members.len()).filter(|place| report.members[*place].name != name) {
                let reasons = objections(&report, place, ANY);
                assert!(!reasons.is_empty(), "{way}: {name}; permitted: {}", report.members[place].name);
            }
        }
    }
    // Without a membership, the leader reports the number of voters.
    let mut without_conf = Made::all_up("3.8.0").report();
    without_conf.members.iter_mut().for_each(|member| member.conf = None);
    assert!(objections(&without_conf, 0, ANY).is_empty());
    without_conf.members.remove(1);
    let reasons = objections(&without_conf, 0, ANY);
    assert_eq!(reasons, ["1 of 3 voters not listed: their state is not known"]);
}

#[test]
fn without_an_uptime_the_recorded_time_in_the_role_decides() {
    let report = Made::all_up("3.4.14").report();
    let reasons = |settle: u64, recorded: Option<f64>| {
        let policy = RestartPolicy { settle: Duration::from_secs(settle), allow_leader: true };
        restart_objections(&report, &judge(&report), 0, policy, &|_| recorded)
    };
    assert_eq!(reasons(60, Some(61.0)), Vec::<String>::new());
    assert_eq!(reasons(0, None), Vec::<String>::new());
    assert!(reasons(60, None)[0].contains("zk-2:2181 does not report its uptime"), "{:?}", reasons(60, None));
    let recent = reasons(60, Some(5.0));
    assert!(recent[0].contains("zk-2:2181 has been observed as follower for 5 s, less than 60 s"), "{recent:?}");
}

#[test]
fn the_recorder_knows_the_time_in_a_role() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let recorder = FlightRecorder::default();
    let in_role =
        |id: usize| recorder.in_role("prod", &format!("zk-{id}:2181")).map(|time| (time / 10.0).round() * 10.0);
    assert_eq!(in_role(1), None);
    recorder.note_at(&Made::all_up("3.4.14").report(), &Thresholds::default(), now - 1000.0);
    assert_eq!(in_role(1), Some(1000.0));
    recorder.note_at(&Made::all_up("3.4.14").silent(1).report(), &Thresholds::default(), now - 500.0);
    recorder.note_at(&Made::all_up("3.4.14").report(), &Thresholds::default(), now - 100.0);
    assert_eq!((in_role(1), in_role(2)), (Some(100.0), Some(1000.0)));
    // An election concerns every member.
    let elected = Made::all_up("3.4.14").zxid(3, 9, 0).report();
    recorder.note_at(&elected, &Thresholds::default(), now - 50.0);
    assert_eq!((in_role(1), in_role(2)), (Some(50.0), Some(50.0)));
}

#[test]
fn a_leader_that_serves_no_clients_is_last_and_blocks_nothing() {
    let mut report = Made::all_up("3.8.0").not_serving(3).report();
    let order = |report: &EnsembleReport| restart_order(report, &judge(report));
    // A single look cannot distinguish it from a leader that is lost.
    assert_eq!(order(&report), [3, 0, 1, 2]);
    assert!((0..4).all(|place| !objections(&report, place, ANY).is_empty()));
    report.known.unseen = Some(Duration::from_mins(2));
    assert_eq!(judge(&report).leader, Some(2));
    assert_eq!(order(&report), [3, 0, 1, 2]);
    for place in 0..4 {
        assert_eq!(objections(&report, place, ANY), Vec::<String>::new(), "{place}");
        let last = objections(&report, place, RestartPolicy { allow_leader: false, ..ANY });
        assert_eq!(last.is_empty(), place != 2, "{last:?}");
    }
    // It settles like any other.
    let early = objections(&report, 0, RestartPolicy::default());
    assert!(early.iter().any(|reason| reason.contains("zk-2:2181 has been follower for 8 s")), "{early:?}");
}

#[test]
fn without_a_quorum_dead_members_are_first_and_are_to_be_started() {
    let mut report = Made::all_up("3.8.0").silent(2).silent(3).not_serving(1).not_serving(4).report();
    report.members[0].state = State::ReadOnly;
    let order = restart_order(&report, &judge(&report));
    assert_eq!(order[..3], [1, 2, 0], "{order:?}");
    let has_remedy = |place| objections(&report, place, ANY).iter().any(|reason| reason.contains("start it"));
    assert!(has_remedy(1) && has_remedy(2) && !has_remedy(0));
}

#[test]
fn simultaneous_requests_permit_one_server() {
    let listeners = ["follower", "follower", "leader"].map(|role| {
        let long = |text: &str| text.replace("zk_uptime\t7794", "zk_uptime\t900000").replace("\t5082\n", "\t900000\n");
        let (mntr, srvr) = (file(&format!("3.8.0/{role}/mntr.txt")), file(&format!("3.8.0/{role}/srvr.txt")));
        Listener::answering_words(&[("mntr", &long(&mntr)), ("srvr", &srvr)])
    });
    let members = listeners.each_ref().map(|listener| listener.address.clone());
    let exporter = Exporter::start(&["--zookeeper", &format!("prod={}", members.join(","))]);
    let path = |member: &String| format!("/-/may-restart?ensemble=prod&member={member}&allow_leader=true");
    let answers: Vec<(u16, String)> = thread::scope(|scope| {
        let asked = members.each_ref().map(|member| scope.spawn(|| request(&exporter, "GET", &path(member))));
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let permitted: Vec<usize> = (0..3).filter(|place| answers[*place].0 == 200).collect();
    assert_eq!(permitted.len(), 1, "{answers:?}");
    for place in 0..3 {
        let (status, json) = request(&exporter, "GET", &path(&members[place]));
        let granted = &members[permitted[0]];
        assert_eq!(status, if place == permitted[0] { 200 } else { 409 }, "{json}");
        assert_eq!(json.contains(&format!("{granted} was permitted")), place != permitted[0], "{json}");
    }
}

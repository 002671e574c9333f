//! An ensemble that lost committed transactions: the newest zxid falls below one seen before.

use proptest::prelude::*;

use zookeeper_exporter::alert::Thresholds;
use zookeeper_exporter::ensemble::{Known, NewestZxid};
use zookeeper_exporter::incident::{EventQuery, FlightRecorder, Judged, TransitionInfo, why};
use zookeeper_exporter::scrape::{EnsembleReport, MemberReport, Report, Samples, State, note_newest};
use zookeeper_exporter::verdict::{ZxidHistory, ZxidRegression, judge};

use crate::verdicts::Made;

/// An ensemble between scrapes, as a target keeps it.
#[derive(Default)]
struct Watched(Known);

impl Watched {
    /// The next report, with what is known from earlier ones.
    fn sees(&mut self, mut report: EnsembleReport) -> EnsembleReport {
        note_newest(&mut self.0, &report.members, &[]);
        report.known = self.0.clone();
        report
    }

    fn judges(&mut self, report: EnsembleReport) -> ZxidHistory {
        judge(&self.sees(report)).zxid_history
    }
}

fn at(epoch: u64, sequence: u64) -> Made {
    (1..=4).fold(Made::all_up("3.8.0"), |made, id| made.zxid(id, epoch, sequence))
}

/// The leader has led for this many milliseconds.
fn led_for(made: Made, millis: &str) -> Made {
    let zxid = made.members[2].zxid;
    let mut made = made.leader(&[("zk_uptime\t5082\n", &format!("zk_uptime\t{millis}\n"))]);
    made.id(3).zxid = zxid;
    made
}

/// Members 2 to 4 were emptied and elect a leader in epoch 1; member 1 is refused with its data of epoch 2.
fn wiped() -> EnsembleReport {
    at(1, 7).counts(1).zxid(3, 1, 7).not_serving(1).report()
}

#[test]
fn a_lower_epoch_names_the_member_that_still_has_the_data() {
    let mut watched = Watched::default();
    assert_eq!(watched.judges(at(2, 0x12c).report()), ZxidHistory::Intact);
    // No leader and no follower: unknown.
    let none = (1..=4).fold(at(2, 0), Made::not_serving).report();
    assert_eq!(watched.judges(none), ZxidHistory::Unknown);
    let lost = ZxidRegression { newest: 0x2_0000_012c, now: 0x1_0000_0007, holders: vec![0] };
    assert_eq!(watched.judges(wiped()), ZxidHistory::Regressed(lost));
    // It remains so, also after a reload, until the epoch is above again.
    watched.0.keep(
        &["zk-1:2181", "zk-2:2181"].map(|name| name.parse::<zookeeper_exporter::config::Address>().unwrap().into()),
    );
    assert!(matches!(watched.judges(wiped()), ZxidHistory::Regressed(_)));
    assert_eq!(watched.judges(at(3, 1).report()), ZxidHistory::Intact);
}

#[test]
fn a_second_term_in_the_same_epoch_is_a_loss() {
    let mut watched = Watched::default();
    assert_eq!(watched.judges(led_for(at(1, 300), "600000").report()), ZxidHistory::Intact);
    // A reply of an overlapping round that began earlier.
    assert_eq!(watched.judges(led_for(at(1, 290), "598000").report()), ZxidHistory::Intact);
    let again = led_for(at(1, 7), "5000").report();
    assert!(matches!(watched.judges(again), ZxidHistory::Regressed(lost) if lost.holders.is_empty()));
}

#[test]
fn members_of_another_ensemble_do_not_count() {
    let mut report = at(2, 5).report();
    let conf = report.members[3].conf.clone().unwrap();
    let mut other = (*conf).clone();
    for server in &mut other.membership.as_mut().unwrap().servers {
        for (host, _) in &mut server.addresses {
            *host = "10.9.9.9".to_owned();
        }
    }
    report.members[3].conf = Some(std::sync::Arc::new(other));
    report.members[3].state = State::Leader;
    report.members[3].zxid = Some(9 << 32);
    let mut watched = Watched::default();
    assert_eq!(watched.judges(report.clone()), ZxidHistory::Intact);
    assert_eq!(watched.0.newest["zk-4:2181"].zxid, 9 << 32);
    report.members[3] =
        MemberReport { conf: report.members[3].conf.clone(), ..MemberReport::silent("zk-4:2181".into()) };
    assert_eq!(watched.judges(report), ZxidHistory::Intact);
}

#[test]
fn the_loss_is_an_event_and_the_first_cause() {
    let (mut watched, recorder, thresholds) = (Watched::default(), FlightRecorder::default(), Thresholds::default());
    let reports = [at(2, 0x12c).report(), wiped(), wiped()].map(|report| watched.sees(report));
    for (time, report) in [0.0, 15.0, 30.0].into_iter().zip(&reports) {
        recorder.note_at(report, &thresholds, time);
    }
    let page = recorder.read(&EventQuery { limit: 100, ..EventQuery::default() });
    let events: Vec<String> = page.events.iter().map(TransitionInfo::line).collect();
    let event = "regression zxid 0x20000012c -> zxid 0x100000007 (epoch 2 -> 1: committed transactions are missing)";
    assert_eq!(events.iter().filter(|line| *line == event).count(), 1, "{events:?}");
    let [.., last] = reports;
    let report = std::sync::Arc::new(Report { ensembles: vec![std::sync::Arc::new(last)] });
    let judged = Judged::new(std::sync::Arc::clone(&report), None, &thresholds);
    let explained = why(&judged, &report.ensembles[0], &thresholds, None);
    let first = &explained.causes[0];
    assert_eq!((first.alert.as_str(), first.sure), ("ZooKeeperZxidRegressed", true), "{explained:?}");
    assert!(first.first_action.contains("Do not clear a data directory"), "{first:?}");
    assert!(first.evidence[0].text.contains("zk-1:2181 had newer ones"), "{first:?}");
    assert!(first.explains.iter().any(|symptom| symptom.alert == "ZooKeeperMemberNotServing"), "{first:?}");
}

/// One step of a healthy history: the state of five members, whether the leader is visible, and its progress.
fn step() -> impl Strategy<Value = (Vec<u8>, bool, bool, u64)> {
    (proptest::collection::vec(0_u8..4, 5), any::<bool>(), any::<bool>(), 0_u64..3)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    /// Elections in rising epochs, members that are silent, do not serve or have not processed the new epoch yet.
    #[test]
    fn rising_epochs_are_never_a_loss(steps in proptest::collection::vec(step(), 1..30), first in 0_usize..5) {
        let (mut watched, mut epoch, mut sequence, mut leader) = (Watched::default(), 1_u64, 5_u64, first);
        // The newest transaction, and the one that a lagging follower has processed.
        let (mut applied, mut lagging) = (epoch << 32 | sequence, epoch << 32 | sequence);
        for (members, visible, elects, written) in steps {
            if elects {
                (epoch, sequence, leader) = (epoch + 1, 0, (leader + 1) % 5);
            }
            sequence += written;
            let newest = epoch << 32 | sequence;
            if written > 0 {
                (applied, lagging) = (newest, applied);
            }
            let report = |(place, kind): (usize, &u8)| {
                let silent = MemberReport::silent(format!("zk-{place}:2181").into());
                let (state, zxid) = match kind {
                    _ if place == leader && visible => (State::Leader, Some(newest)),
                    _ if place == leader => (State::NotServing, None),
                    0 => return silent,
                    1 => (State::NotServing, None),
                    2 => (State::Follower, Some(lagging)),
                    _ => (State::Follower, Some(applied)),
                };
                MemberReport { up: true, state, zxid, ..silent }
            };
            let members = members.iter().enumerate().map(report).collect();
            let report =
                EnsembleReport { name: "prod".into(), members, known: Known::default(), samples: Samples::default() };
            let history = watched.judges(report);
            prop_assert!(!matches!(history, ZxidHistory::Regressed(_)), "{history:?}");
        }
        prop_assert!(watched.0.newest.len() <= 5);
    }
}

#[test]
fn zxids_of_removed_members_are_evicted() {
    let mut known = Known::default();
    known.newest.insert("zk-9:2181".into(), NewestZxid { zxid: 7, led_for: None });
    known.keep([]);
    assert!(known.newest.is_empty());
}

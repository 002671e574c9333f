//! States of real ensembles: the ensemble metrics on every page, and the status page as rendered by a browser.

use std::time::{Duration, Instant};

use crate::browser::{Browser, DESK, PHONE, Sight};
use crate::common::Page;
use crate::common::exporter::Exporter;
use crate::common::listeners::Listener;
use crate::live::{Ensemble, command, release, scrape, state};

/// The ensemble metrics of a page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Numbers {
    pub up: i64,
    pub voters_serving: i64,
    pub synced: i64,
    pub margin: i64,
    pub has_quorum: i64,
    pub leaders: i64,
}

pub const ALL_UP: Numbers = Numbers { up: 4, voters_serving: 3, synced: 3, margin: 1, has_quorum: 1, leaders: 1 };
const OBSERVER_DOWN: Numbers = Numbers { up: 3, ..ALL_UP };
pub const ONE_VOTER_DOWN: Numbers = Numbers { up: 3, voters_serving: 2, synced: 2, margin: 0, ..ALL_UP };
const NO_LEADER: Numbers = Numbers { up: 3, voters_serving: 2, synced: 0, margin: -2, has_quorum: 0, leaders: 0 };
const TWO_DOWN: Numbers = Numbers { up: 2, voters_serving: 0, ..NO_LEADER };
const ALL_DOWN: Numbers = Numbers { up: 0, ..TWO_DOWN };

/// Represents an absent metric: members follow a leader that no replying member claims to be, or a leader continues
/// with less than a majority.
const UNKNOWN: i64 = -99;

#[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
pub fn number(page: &Page, name: &str) -> Option<i64> {
    page.value(&format!("zk_ensemble_{name}"), &[]).map(|value| value as i64)
}

impl Numbers {
    pub fn of(page: &Page) -> Self {
        let names = ["voters_synced", "quorum_margin", "has_quorum"];
        let known = names.map(|name| number(page, name));
        assert_eq!(known[1].is_some(), known[2].is_some(), "{known:?}");
        let [synced, margin, has_quorum] = known.map(|number| number.unwrap_or(UNKNOWN));
        let number = |name| number(page, name).unwrap_or_else(|| panic!("no zk_ensemble_{name}"));
        let (up, voters_serving, leaders) = (number("members_up"), number("voters_serving"), number("leaders"));
        Self { up, voters_serving, synced, margin, has_quorum, leaders }
    }
}

/// Invariants of every page, whatever the state of the members.
pub fn consistent(page: &Page, voters: i64) {
    let numbers = Numbers::of(page);
    let majority = voters / 2 + 1;
    assert_eq!((number(page, "voters"), number(page, "majority")), (Some(voters), Some(majority)), "{numbers:?}");
    if numbers.has_quorum == UNKNOWN {
        // A newly elected member still reports that it is not serving while others already follow it; a leader that has
        // just lost its followers is about to step down.
        let takes_part = |state: &&str| matches!(*state, "leader" | "follower" | "observer");
        assert!(states(page).iter().any(takes_part), "{:?}", states(page));
        return;
    }
    assert_eq!(numbers.margin, numbers.synced - majority, "{numbers:?}");
    assert_eq!(numbers.has_quorum == 1, numbers.margin >= 0, "the page contradicts itself: {numbers:?}");
    let named: Vec<_> = page.series.iter().filter(|(series, _)| series.name == "zk_ensemble_leader_info").collect();
    assert_eq!(named.len(), usize::try_from(numbers.leaders).unwrap(), "{numbers:?}");
    match named[..] {
        [] => assert_eq!((numbers.synced, numbers.has_quorum), (0, 0)),
        [(leader, _)] => assert_eq!(state(page, leader.label("member")), "leader"),
        _ => panic!("two leaders: {named:?}"),
    }
}

/// Stricter invariants for three voters without load or partition.
fn hold(page: &Page) {
    consistent(page, 3);
    let numbers = Numbers::of(page);
    // There is a quorum if a leader reports synced followers or, without a report from any leader, if a leader has a
    // follower.
    let claims: Vec<bool> = page
        .series
        .iter()
        .filter(|(series, _)| series.name == "zk_synced_followers")
        .map(|(series, followers)| {
            let member = [("member", series.label("member"))];
            followers - page.value("zk_synced_non_voting_followers", &member).unwrap_or(0.0) >= 1.0
        })
        .collect();
    let expected = match claims[..] {
        [] => numbers.leaders == 1 && states(page).contains(&"follower"),
        _ => claims.contains(&true),
    };
    if numbers.has_quorum != UNKNOWN {
        assert_eq!(numbers.has_quorum == 1, expected, "{numbers:?} {:?} {claims:?}", states(page));
    }
    for name in ["distinct_versions", "distinct_quorum_sizes"] {
        assert!(number(page, name).is_none_or(|different| different == 1), "{name}");
    }
    for (series, lag) in page.series.iter().filter(|(series, _)| series.name == "zk_zxid_lag") {
        assert_eq!(*lag, 0.0, "{series:?}");
    }
}

pub fn look(exporter: &Exporter) -> Page {
    let page = scrape(exporter, Duration::from_secs(2));
    hold(&page);
    page
}

/// The sorted states of all members.
fn states(page: &Page) -> Vec<&str> {
    let told = page.series.iter().filter(|(series, value)| series.name == "zk_server_state" && *value == 1.0);
    let mut states: Vec<_> = told.map(|(series, _)| series.label("state")).collect();
    states.sort_unstable();
    states
}

/// Scrapes until a page is in the expected state, and returns all pages.
fn until(exporter: &Exporter, expected: Numbers, members: &[&str]) -> Vec<Page> {
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut pages = Vec::new();
    loop {
        let page = look(exporter);
        let seen = (Numbers::of(&page), states(&page).join(" "));
        let reached = seen.0 == expected && states(&page) == members;
        pages.push(page);
        if reached {
            return pages;
        }
        assert!(Instant::now() < deadline, "{seen:?} instead of {expected:?} with {members:?}\n{}", exporter.log());
    }
}

/// Like `until`, and the state must persist on the next page.
pub fn settled(exporter: &Exporter, expected: Numbers, members: &[&str]) -> Page {
    until(exporter, expected, members);
    let page = look(exporter);
    assert_eq!((Numbers::of(&page), states(&page).as_slice()), (expected, members));
    page
}

/// Scrapes continuously from before a fault until the state after it is reached.
fn throughout(exporter: &Exporter, fault: impl FnOnce() + Send, after: Numbers, members: &[&str]) -> Vec<Page> {
    let mut pages: Vec<Page> = (0..3).map(|_| look(exporter)).collect();
    std::thread::scope(|threads| {
        threads.spawn(fault);
        pages.extend(until(exporter, after, members));
    });
    pages.extend((0..3).map(|_| look(exporter)));
    pages
}

pub const WHOLE: [&str; 4] = ["follower", "follower", "leader", "observer"];
pub const WITHOUT_ONE: [&str; 4] = ["follower", "leader", "no-answer", "observer"];

#[test]
fn every_state_is_reported_in_metrics_and_findings() {
    // Followers abandon a silent leader after ten seconds, long enough for a scrape on a slow machine.
    let ensemble = Ensemble::start(&["--members", "3", "--observers", "1", "--cfg", "syncLimit=20"]);
    let exporter = Exporter::start(&["--zookeeper", &ensemble.flag("prod")]);
    let mut screen = Screen { browser: Browser::start(), exporter: exporter.address.clone() };
    let members = ensemble.members();
    let page = settled(&exporter, ALL_UP, &WHOLE);
    assert_eq!(number(&page, "distinct_configs"), Some(1));
    assert_eq!(number(&page, "distinct_epochs"), Some(1));
    assert_eq!(page.value("zk_ensemble_voters_source_info", &[("source", "conf")]), Some(1.0));
    let leader = ensemble.leader();
    let seen = screen.look("all-up", "/", &[]);
    assert_eq!(seen.title, "All well · ZooKeeper");
    let facts = format!("4 of 4 members up · 3 of 3 voters in sync · margin 1 · leader {leader}");
    assert!(
        seen.text.starts_with("All well\n1 ensemble, 4 members · queried at ") && seen.text.contains(&facts),
        "{}",
        seen.text
    );

    impostor_and_hostile(&ensemble, &mut screen.browser);

    ensemble.run(&["kill", "4"]);
    settled(&exporter, OBSERVER_DOWN, &["follower", "follower", "leader", "no-answer"]);
    ensemble.run(&["restart", "4"]);

    let follower = ensemble.run(&["mode", "follower"]).lines().next().unwrap().to_owned();
    let address = &members[follower.parse::<usize>().unwrap() - 1];
    ensemble.run(&["kill", &follower]);
    settled(&exporter, ONE_VOTER_DOWN, &WITHOUT_ONE);
    let seen = screen.look("follower-down", "/", &["ZooKeeperMemberDown", "ZooKeeperQuorumMarginZero"]);
    assert!(seen.text.starts_with("1 of 1 ensembles in trouble\n1 ensemble, 4 members · "), "{}", seen.text);
    said_on_top(&seen, &format!("CRITICAL {address} does not answer (connect)."));
    said_on_top(&seen, "WARNING 2 of 3 voters are in sync, exactly a majority: one more failure stops the ensemble.");

    ensemble.run(&["restart", &follower, "--cfg", "tickTime=700", "--wait"]);
    let page = settled(&exporter, ALL_UP, &WHOLE);
    assert_eq!(number(&page, "distinct_configs"), Some(2));
    let seen = screen.look("tick-time", "/ensemble/prod", &["ZooKeeperConfigMismatch"]);
    said_on_top(&seen, "Members have different configurations: tickTime is ");
    said_on_top(&seen, "; maxSessionTimeout is ");
    assert!(seen.text.contains(&format!("tickTime\t700\t{address}")), "{}", seen.text);
    ensemble.run(&["restart", &follower, "--cfg", "tickTime=500", "--wait"]);
    let page = settled(&exporter, ALL_UP, &WHOLE);
    assert_eq!(number(&page, "distinct_configs"), Some(1));

    // The leader is killed: pages from before, during and after the election.
    let pages = throughout(
        &exporter,
        || drop(ensemble.run(&["kill", &ensemble.id(&leader)])),
        ONE_VOTER_DOWN,
        &["follower", "leader", "no-answer", "observer"],
    );
    let next = ensemble.leader();
    assert_ne!(next, leader);
    assert_eq!(Numbers::of(&pages[0]), ALL_UP);
    assert!(
        pages.iter().any(|page| Numbers::of(page).leaders == 0),
        "no page of {} fell into the election",
        pages.len()
    );
    ensemble.run(&["restart", &ensemble.id(&leader), "--wait"]);
    settled(&exporter, ALL_UP, &WHOLE);

    // The leader is paused: its followers stay with it until they time out.
    let id = ensemble.id(&next);
    let pages = throughout(&exporter, || drop(ensemble.run(&["pause", &id])), ONE_VOTER_DOWN, &WITHOUT_ONE);
    let hanging = pages.iter().any(|page| Numbers::of(page) == NO_LEADER && states(page)[..2] == ["follower"; 2]);
    assert!(hanging, "on none of {} pages followed two a silent leader", pages.len());
    // The old leader resumes and briefly still considers itself the leader.
    throughout(&exporter, || drop(ensemble.run(&["resume", &id])), ALL_UP, &WHOLE);

    ensemble.run(&["kill", "follower"]);
    ensemble.run(&["kill", "follower"]);
    settled(&exporter, TWO_DOWN, &["no-answer", "no-answer", "not-serving", "not-serving"]);
    let seen =
        screen.look("two-down", "/", &["ZooKeeperQuorumLost", "ZooKeeperMemberDown", "ZooKeeperMemberNotServing"]);
    said_on_top(&seen, "CRITICAL No quorum answers the exporter: 1 voter answers, and none leads or follows.");
    assert!(seen.text.contains("2 of 4 members up · 0 of 3 voters in sync · margin -2 · leader none"), "{}", seen.text);

    ensemble.run(&["kill", "not-serving"]);
    ensemble.run(&["kill", "not-serving"]);
    settled(&exporter, ALL_DOWN, &["no-answer"; 4]);
    let seen = screen.look("all-down", "/", &["ZooKeeperEnsembleUnreachable"]);
    said_on_top(
        &seen,
        "CRITICAL None of the 4 members answers (connect): the ensemble is down, or the exporter is cut off from it.",
    );
}

/// A standalone server in the place of a voter, and one whose replies contain markup.
fn impostor_and_hostile(ensemble: &Ensemble, browser: &mut Browser) {
    let alone = Ensemble::start(&["--members", "1"]);
    let members = ensemble.members();
    let leader = ensemble.leader();
    let follower = members[..3].iter().find(|member| **member != leader).unwrap();
    let script = "<script>document.title='owned'</script><img/src=x/onerror=alert(1)>";
    let release = release(follower);
    let mntr = command(follower, "mntr").replace(&format!("\t{release}-"), &format!("\t{release}{script}-"));
    let conf = command(follower, "conf").replace("tickTime=500", &format!("tickTime=<b>{script}</b>"));
    assert!(mntr.contains(script) && conf.contains(script), "{mntr}{conf}");
    let hostile = Listener::answering_words(&[("mntr", &mntr), ("srvr", &command(follower, "srvr")), ("conf", &conf)]);
    let impostor = alone.run(&["members"]);
    let exporter = Exporter::start(&[
        "--zookeeper",
        &format!("prod={leader},{follower},{impostor},{}:observer", members[3]),
        "--zookeeper",
        &format!("odd={leader},{follower},{}", hostile.address),
    ]);
    let mut screen = Screen { browser, exporter: exporter.address.clone() };
    let prod = [("ensemble", "prod")];
    let deadline = Instant::now() + Duration::from_mins(1);
    let told = loop {
        let page = scrape(&exporter, Duration::from_secs(2));
        let number = |name: &str| page.value(&format!("zk_ensemble_{name}"), &prod);
        let names = ["members_up", "voters", "voters_synced", "quorum_margin", "has_quorum", "leaders"];
        let told = names.map(number).map(Option::unwrap);
        assert_eq!(state(&page, &impostor), "standalone");
        if number("distinct_configs") == Some(2.0) || Instant::now() > deadline {
            break told;
        }
    };
    assert_eq!(told, [4.0, 3.0, 2.0, 0.0, 1.0, 1.0]);
    let seen = screen.look("impostor", "/", &["ZooKeeperStandaloneInEnsemble", "ZooKeeperConfigMismatch"]);
    said_on_top(&seen, &format!("CRITICAL {impostor} is a standalone server with its own data"));
    let seen = screen.look("hostile", "/ensemble/odd", &["ZooKeeperConfigMismatch"]);
    assert_eq!(seen.title, "odd: warning · ZooKeeper");
    for text in [&format!("{release}{script}"), &format!("<b>{script}</b>")] {
        assert!(seen.text.contains(text), "{text} is not shown as it is:\n{}", seen.text);
    }
}

#[test]
fn the_default_whitelist_allows_a_complete_verdict() {
    let ensemble = Ensemble::start(&["--members", "3", "--observers", "1", "--whitelist", "default"]);
    let exporter = Exporter::start(&["--zookeeper", &ensemble.flag("prod")]);
    // Without a reported count of synced followers, the members in the follower state are counted.
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut page = scrape(&exporter, Duration::from_secs(2));
    while Numbers::of(&page) != ALL_UP && Instant::now() < deadline {
        page = scrape(&exporter, Duration::from_secs(2));
    }
    assert_eq!((Numbers::of(&page), states(&page).as_slice()), (ALL_UP, &WHOLE[..]));
    assert_eq!((number(&page, "voters"), number(&page, "majority")), (Some(3), Some(2)));
    assert_eq!(page.value("zk_ensemble_voters_source_info", &[("source", "configuration")]), Some(1.0));
    ensemble.run(&["kill", "follower"]);
    let page = scrape(&exporter, Duration::from_secs(2));
    assert_eq!((Numbers::of(&page), states(&page).as_slice()), (ONE_VOTER_DOWN, &WITHOUT_ONE[..]));
}

/// The status page of an exporter, on a desktop and on a phone.
struct Screen<B> {
    browser: B,
    exporter: String,
}

impl<B: std::borrow::BorrowMut<Browser>> Screen<B> {
    /// Checks that the page links these runbooks, has no active content and fits both screens; returns its desktop
    /// rendering. If `STATUS_PICTURES=FOLDER` is set, screenshots are saved there.
    fn look(&mut self, name: &str, path: &str, runbooks: &[&str]) -> Sight {
        let address = format!("http://{}{path}", self.exporter);
        let browser = self.browser.borrow_mut();
        // The page judges two visits: neither of them may be from before the fault.
        browser.open(&address, PHONE);
        let mut seen = None;
        for (kind, screen) in [("phone", PHONE), ("desk", DESK)] {
            let mut sight = browser.open(&address, screen);
            sight.text = sight.text.replace("\n\n", "\n");
            assert!(sight.overflow <= 0, "{path} is {} pixels wider than a {kind}:\n{}", sight.overflow, sight.text);
            assert_eq!(sight.active, [""; 0], "{}", sight.text);
            let links = |sight: &Sight, runbook: &str| {
                sight.links.iter().any(|link| link.ends_with(&format!("/runbooks/{runbook}")))
            };
            for runbook in runbooks {
                assert!(links(&sight, runbook), "no link to {runbook} in {:?}:\n{}", sight.links, sight.text);
            }
            let offered =
                sight.links.iter().filter(|link| link.contains("/runbooks/") && !link.ends_with("/runbooks/")).count();
            assert_eq!(offered > 0, !runbooks.is_empty(), "{:?}", sight.links);
            if let Some(folder) = std::env::var_os("STATUS_PICTURES") {
                for (shade, dark) in [("light", false), ("dark", true)] {
                    let file = std::path::Path::new(&folder).join(format!("{name}-{kind}-{shade}.png"));
                    std::fs::write(file, browser.picture(dark)).unwrap();
                }
            }
            seen = Some(sight);
        }
        seen.unwrap()
    }
}

/// Checks that the text appears above the table.
fn said_on_top(seen: &Sight, words: &str) {
    let place = seen.text.find(words).unwrap_or_else(|| panic!("missing: {words}\n{}", seen.text));
    let table = seen.text.find("outstanding").expect("a table");
    assert!(place < table, "below the table: {words}\n{}", seen.text);
}

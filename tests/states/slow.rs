//! States that take minutes or jars of other releases: `scripts/test long verdicts`. Each test prints rows of a table
//! with expected and actual values.
#![allow(clippy::print_stdout, reason = "progress of the table")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::common::Page;
use crate::common::exporter::Exporter;
use crate::live::{Ensemble, scrape};
use crate::verdicts::{ALL_UP, Numbers, ONE_VOTER_DOWN, WHOLE, consistent, look, number, settled};

/// Synced voters, quorum margin, quorum, leaders.
pub type Four = [i64; 4];

pub fn four(page: &Page) -> Four {
    let numbers = Numbers::of(page);
    [numbers.synced, numbers.margin, numbers.has_quorum, numbers.leaders]
}

/// Scrapes until the page has these values, and prints a row of the table.
pub fn row(exporter: &Exporter, voters: i64, what: &str, expected: Four) -> Page {
    let begun = Instant::now();
    let mut pages = 0;
    loop {
        let page = scrape(exporter, Duration::from_secs(2));
        consistent(&page, voters);
        pages += 1;
        let (seen, took) = (four(&page), begun.elapsed());
        let last = took > Duration::from_mins(1);
        if seen == expected || last {
            println!("| {what} | {expected:?} | {seen:?} | page {pages}, {:.1} s |", took.as_secs_f64());
            assert_eq!(seen, expected, "{what}\n{}", exporter.log());
            return page;
        }
    }
}

#[test]
fn three_of_five_members_die() {
    let ensemble = Ensemble::start(&["--members", "5", "--observers", "1"]);
    let exporter = Exporter::start(&["--zookeeper", &ensemble.flag("prod")]);
    row(&exporter, 5, "five and an observer", [5, 2, 1, 1]);
    for (what, expected) in
        [("one down", [4, 1, 1, 1]), ("two down", [3, 0, 1, 1]), ("three down, no quorum", [0, -3, 0, 0])]
    {
        ensemble.run(&["kill", "follower"]);
        row(&exporter, 5, &format!("five, {what}"), expected);
    }
}

#[test]
fn a_rolling_restart_causes_no_false_verdict() {
    let ensemble = Ensemble::start(&["--members", "3", "--observers", "1"]);
    let exporter = Exporter::start(&["--zookeeper", &ensemble.flag("prod")]);
    settled(&exporter, ALL_UP, &WHOLE);
    let done = AtomicBool::new(false);
    let (mut pages, mut without, mut longest, mut since) = (0, 0, Duration::ZERO, None::<Instant>);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for id in ["1", "2", "3", "4"] {
                ensemble.run(&["restart", id, "--wait"]);
                ensemble.run(&["wait"]);
            }
            done.store(true, Ordering::Relaxed);
        });
        let deadline = Instant::now() + Duration::from_mins(4);
        while !done.load(Ordering::Relaxed) && Instant::now() < deadline {
            let page = look(&exporter);
            pages += 1;
            assert!(number(&page, "distinct_configs").is_none_or(|different| different == 1));
            if Numbers::of(&page).has_quorum == 1 {
                since = None;
            } else {
                without += 1;
                longest = longest.max(since.get_or_insert_with(Instant::now).elapsed());
            }
        }
    });
    settled(&exporter, ALL_UP, &WHOLE);
    println!(
        "| rolling restart | no false verdict | none on {pages} pages; {without} without a quorum, longest {:.1} s | |",
        longest.as_secs_f64()
    );
}

#[test]
fn mixed_releases_are_judged_correctly() {
    let jars = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is set by scripts/test"));
    let ensemble = Ensemble::start(&["--members", "3", "--observers", "1"]);
    let exporter = Exporter::start(&["--zookeeper", &ensemble.flag("prod")]);
    for (id, name, release) in [("1", "ZOOKEEPER_3_9_3", "3.9.3"), ("2", "ZOOKEEPER_3_6_3", "3.6.3")] {
        ensemble.run_with(&[("ZOOKEEPER_CLASSPATH", jars(name).into())], &["restart", id, "--wait"]);
        ensemble.run(&["wait"]);
        let member = ensemble.members()[id.parse::<usize>().unwrap() - 1].clone();
        let page = row(&exporter, 3, &format!("member {id} runs {release}"), [3, 1, 1, 1]);
        assert_eq!(page.value("zk_member_info", &[("member", &member), ("version", release)]), Some(1.0));
        println!(
            "| its distinct_versions | {} | {:?} | |",
            id.parse::<i64>().unwrap() + 1,
            number(&page, "distinct_versions")
        );
        assert_eq!(number(&page, "distinct_versions"), Some(id.parse::<i64>().unwrap() + 1));
        assert_eq!(number(&page, "distinct_configs"), Some(1), "releases differ in nothing else");
    }
    ensemble.run(&["kill", "leader"]);
    let page = row(&exporter, 3, "the leader of the three releases killed, elected", [2, 0, 1, 1]);
    assert_eq!(Numbers::of(&page).voters_serving, ONE_VOTER_DOWN.voters_serving);
}

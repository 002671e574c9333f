//! States that need cut or throttled links between members: `scripts/test long verdicts`, as root.
#![allow(clippy::print_stdout, reason = "progress of the table")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::apart::Apart;
use crate::common::exporter::Exporter;
use crate::common::{Page, root};
use crate::live::{scrape, state};
use crate::slow::{four, row};
use crate::verdicts::{Numbers, consistent};

#[test]
fn a_partition_with_the_old_leader_in_the_minority() {
    let apart = Apart::start(5, 10);
    let exporter = Exporter::start(&["--zookeeper", &apart.flag("prod")]);
    let deadline = Instant::now() + Duration::from_mins(1);
    // The voters are known from the servers only after all five have replied once.
    while four(&scrape(&exporter, Duration::from_secs(2))) != [5, 2, 1, 1] {
        assert!(Instant::now() < deadline, "the five never met");
    }
    let page = row(&exporter, 5, "five in namespaces", [5, 2, 1, 1]);
    let leads = |page: &Page| (1..=5).find(|id| state(page, &apart.member(*id)) == "leader");
    let old = leads(&page).unwrap();
    let small = [old, old % 5 + 1];
    let large: Vec<usize> = (1..=5).filter(|id| !small.contains(id)).collect();
    for one in small {
        for other in &large {
            apart.cut(one, *other);
        }
    }
    let deadline = Instant::now() + Duration::from_mins(2);
    let (mut pages, mut two_claims) = (0, 0);
    let page = loop {
        let page = scrape(&exporter, Duration::from_secs(2));
        consistent(&page, 5);
        pages += 1;
        let claims = (1..=5).filter(|id| state(&page, &apart.member(*id)) == "leader").count();
        two_claims += usize::from(claims > 1);
        let read_only = small.iter().all(|id| state(&page, &apart.member(*id)) == "read-only");
        if read_only && leads(&page).is_some() && four(&page) == [3, 0, 1, 1] {
            break page;
        }
        assert!(Instant::now() < deadline, "{:?}", four(&page));
    };
    println!(
        "| two cut off with the old leader | never 2 leaders | none on {pages} pages, {two_claims} with two claims | |"
    );
    let serving = Numbers::of(&page).voters_serving;
    println!("| settled, the small side is read-only | [3, 0, 1, 1], 5 serve | {:?}, {serving} serve | |", four(&page));
    assert!(large.contains(&leads(&page).unwrap()));
    assert_eq!(serving, 5);
}

#[test]
fn a_follower_that_lags_under_load() {
    let apart = Apart::start(3, 60);
    let exporter = Exporter::start(&["--zookeeper", &apart.flag("prod")]);
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut page = scrape(&exporter, Duration::from_secs(2));
    while four(&page) != [3, 1, 1, 1] {
        assert!(Instant::now() < deadline, "the three never met");
        page = scrape(&exporter, Duration::from_secs(2));
    }
    let behind = (1..=3).find(|id| state(&page, &apart.member(*id)) == "follower").unwrap();
    let others: Vec<_> = (1..=3).filter(|id| *id != behind).map(|id| apart.member(id)).collect();
    let mut load = Command::new("/usr/bin/python3")
        .arg(root().join("scripts/lib/zk_load.py"))
        .args(["--rate", "2000", &others.join(",")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lag = |page: &Page, member: &str| page.value("zk_zxid_lag", &[("member", member)]);
    let worst = |pages: usize, before: f64| {
        let (mut most, mut most_behind, mut taken) = (0.0_f64, 0.0_f64, 0);
        let deadline = Instant::now() + Duration::from_mins(2);
        while (taken < pages || most_behind < before) && Instant::now() < deadline {
            let page = scrape(&exporter, Duration::from_secs(2));
            consistent(&page, 3);
            assert_eq!(Numbers::of(&page).has_quorum, 1);
            for member in &others {
                most = most.max(lag(&page, member).unwrap_or(0.0));
            }
            most_behind = most_behind.max(lag(&page, &apart.member(behind)).unwrap_or(0.0));
            taken += 1;
        }
        (taken, most, most_behind)
    };
    let (pages, healthy, _) = worst(100, 0.0);
    println!("| load, no lag | lag 0 | at most {healthy} on {pages} pages | |");
    apart.narrow(behind, "100kbit");
    let (pages, others_most, most) = worst(1, 1001.0);
    println!(
        "| load, one behind a road of 100 kbit/s | its lag over 1000, the others 0 | {most}, the others {others_most} | page {pages} |"
    );
    load.kill().unwrap();
    let _ = load.wait();
    assert!(healthy < 100.0 && others_most < 100.0, "{healthy} {others_most}");
    assert!(most > 1000.0, "{most}");
}

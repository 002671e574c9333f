//! The states that take roads between members to be cut: `scripts/test long verdicts`, as root.
#![allow(clippy::print_stdout, reason = "the table as it grows")]

use std::time::{Duration, Instant};

use crate::apart::Apart;
use crate::common::Page;
use crate::common::exporter::Exporter;
use crate::live::{scrape, state};
use crate::verdicts::{Numbers, consistent};
use crate::verdicts_long::{four, row};

#[test]
#[ignore = "by scripts/test long verdicts"]
fn a_partition_with_the_old_leader_on_the_small_side() {
    let apart = Apart::start(5);
    let exporter = Exporter::start(&["--zookeeper", &apart.flag("prod")]);
    let deadline = Instant::now() + Duration::from_mins(1);
    // Until all five have answered once, the voters are not known from the servers.
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

//! Allocations per reply: counted, because unlike times they do not depend on the machine.

use allocation_counter::measure;
use zookeeper_exporter::exposition::{Format, Names, render};
use zookeeper_exporter::reply::{Number, mntr};
use zookeeper_exporter::scrape::MemberReport;
use zookeeper_exporter::scrape::typed::typed;

use crate::common::{Fixture, fixture_member, fixtures, report};

fn leader() -> Fixture {
    fixtures().into_iter().find(|fixture| fixture.name == "3.9.3/leader").unwrap()
}

#[test]
fn parsing_allocates_nothing() {
    let text = leader().mntr();
    let counted = measure(|| {
        let numbers = mntr::entries(&text).filter(|entry| Number::parse(entry.value).is_some()).count();
        assert!(numbers > 500);
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn typing_allocates_per_label_value_and_not_per_line() {
    let text = leader().mntr();
    let _ = typed(mntr::entries(&text), 0, 10_000);
    let counted = measure(|| drop(typed(mntr::entries(&text), 0, 10_000)));
    assert!(counted.count_total < 60, "{} allocations for {} lines", counted.count_total, text.lines().count());
}

#[test]
fn a_member_holds_little_memory() {
    let fixture = leader();
    let member = || MemberReport { raw: None, ..fixture_member(&fixture) };
    let held = |count: usize| {
        let mut kept = None;
        let counted = measure(|| kept = Some((0..count).map(|_| member()).collect::<Vec<_>>()));
        assert_eq!(kept.map(|members| members.len()), Some(count));
        counted.bytes_current
    };
    // The catalogue is built at its first use.
    held(1);
    let per_member = (held(11) - held(1)) / 10;
    assert!(per_member < 14_000, "{per_member} bytes per member");
}

#[test]
fn writing_a_page_allocates_nothing_per_sample() {
    let members = vec![fixture_member(&leader()), fixture_member(&leader()), fixture_member(&leader())];
    let report = report(members);
    let mut page = Vec::with_capacity(1 << 20);
    let mut write = || {
        page.clear();
        render(&report, None, Names::Catalogue, Format::Classic, &mut page).unwrap();
    };
    write();
    let counted = measure(write);
    // The verdict on the ensemble needs a few dozen; three members have 2 000 samples.
    assert!(counted.count_total < 120, "{} allocations", counted.count_total);
}

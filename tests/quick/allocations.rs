//! What a reply may cost: counted allocations, which do not depend on the machine as times do.

use allocation_counter::measure;
use zookeeper_exporter::exposition::{Format, Names, render};
use zookeeper_exporter::reply::{Number, mntr};
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
fn typing_allocates_by_label_value_not_by_line() {
    let text = leader().mntr();
    let _ = typed(mntr::entries(&text), 0, 10_000);
    let counted = measure(|| drop(typed(mntr::entries(&text), 0, 10_000)));
    assert!(counted.count_total < 60, "{} allocations for {} lines", counted.count_total, text.lines().count());
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
    // The verdict on the ensemble has some tens; three members have 2 000 samples.
    assert!(counted.count_total < 120, "{} allocations", counted.count_total);
}

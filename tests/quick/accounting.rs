//! Every line of every real reply is exported, derivable from exported values, or has no value.

use std::collections::BTreeSet;

use zookeeper_exporter::catalogue::{Kind, Meaning, Part, Sentinel, Shape, catalogue, rows};
use zookeeper_exporter::exposition::Format;
use zookeeper_exporter::reply::mntr::{self, Entry, labels};
use zookeeper_exporter::scrape::typed::typed;

use crate::common::{Page, Series, fixture_member, fixtures, page, read_page, report};

/// How a line is represented on the page.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Exposed,
    Derived,
    NoValue,
    Fact,
}

/// The lines of a reply, split independently of the product.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.strip_prefix("zk_")?.split_once('\t'))
}

#[test]
fn every_line_of_every_fixture_is_exported_or_derivable() {
    let mut fates = BTreeSet::new();
    for fixture in fixtures() {
        let text = fixture.mntr();
        let shown = page(&report(vec![fixture_member(&fixture)]), Format::Classic);
        let shown = read_page(&shown, Format::Classic).expect(&fixture.name);
        let mut exposed = BTreeSet::new();
        for (key, value) in lines(&text) {
            let (fate, series) = fate(&shown, key, value);
            if let Some(series) = series {
                assert!(exposed.insert(series), "{}: {key} gives a series twice", fixture.name);
            }
            fates.insert(fate);
        }
        // Conversely, every series on the page comes from a line.
        let of_mntr = |series: &Series| rows().any(|row| series.name.starts_with(row.name));
        let invented: Vec<_> =
            shown.series.iter().filter(|(series, _)| of_mntr(series) && !exposed.contains(series)).collect();
        let from_srvr = lines(&text).count() == 0;
        assert!(from_srvr || invented.is_empty(), "{}: {invented:?}", fixture.name);
        assert!(!shown.types.contains_key("zk_unknown"), "{} has unknown keys", fixture.name);
    }
    assert_eq!(fates.len(), 4, "the fixtures no longer hold every kind of line: {fates:?}");
}

/// Finds the value of the line on the page or computes it from the page; otherwise checks that there is none.
fn fate(shown: &Page, key: &str, value: &str) -> (Fate, Option<Series>) {
    let entry = Entry::new(key, value);
    let (meaning, name) = catalogue().lookup(entry.key).unwrap_or_else(|| panic!("zk_{key} is not in the catalogue"));
    let slot = match meaning {
        Meaning::Fact(_) => {
            let said = shown.series.iter().any(|(series, one)| {
                *one == 1.0 && series.labels.values().any(|label| value == label || value.starts_with(label.as_str()))
            });
            assert!(said, "the page lacks zk_{key} {value}");
            return (Fate::Fact, None);
        }
        Meaning::Derivable => {
            derive(shown, key, value, name);
            return (Fate::Derived, None);
        }
        Meaning::Sample(slot) => slot,
    };
    let number: f64 = value.parse().unwrap_or_else(|_| panic!("zk_{key} {value}"));
    if slot.sentinel != Sentinel::None && number == -1.0 {
        return (Fate::NoValue, None);
    }
    let family = catalogue().family(slot.family);
    let mut series = Series { name: family.full_name(), labels: common_labels() };
    let quantile = entry.labels.and_then(|text| labels(text).find(|(label, _)| *label == "quantile"));
    match (slot.part, quantile) {
        (Part::Sum, _) => series.name.push_str("_sum"),
        (Part::Count, _) => series.name.push_str("_count"),
        (_, Some((_, quantile))) => {
            series.labels.insert("quantile".into(), quantile.into());
        }
        (part, None) => {
            series.labels.extend(part.quantile().map(|quantile| ("quantile".to_owned(), quantile.to_owned())));
        }
    }
    for (place, label) in family.labels.iter().enumerate() {
        let told = entry.labels.into_iter().flat_map(labels).find(|(known, _)| *known == "key" || known == label);
        let value = if place == 0 { name.or(told.map(|(_, value)| value)) } else { told.map(|(_, value)| value) };
        series.labels.insert((*label).into(), value.unwrap_or("").into());
    }
    let found = shown
        .map()
        .get(&series)
        .copied()
        .unwrap_or_else(|| panic!("zk_{key} {value} is not on the page as {series:?}"));
    // Computed independently of the slot: all parts of a row except counts are scaled by its unit.
    let row = rows().find(|row| family.name.trim_end_matches("_min").trim_end_matches("_max") == row.name).unwrap();
    let divisor = if slot.part == Part::Count { 1.0 } else { f64::from(row.unit.divisor()) };
    let expected = if family.kind == Kind::Info { 1.0 } else { number / divisor };
    assert!(found == expected || found.is_nan() && expected.is_nan(), "zk_{key} {value} is exported as {found}");
    (Fate::Exposed, Some(series))
}

fn common_labels() -> std::collections::BTreeMap<String, String> {
    [("ensemble", "prod"), ("member", "zk-1:2181")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Recomputes a derivable key: a lifetime mean is sum / count, rounded as Java does.
fn derive(shown: &Page, key: &str, value: &str, name: Option<&str>) {
    let mean_of = key.strip_prefix("avg_").unwrap_or_else(|| panic!("zk_{key} is omitted without a documented reason"));
    let row = rows()
        .filter(|row| row.shape.is_summary() && row.shape != Shape::Gauge)
        .find(|row| mean_of == row.key || row.label.is_some() && mean_of.ends_with(&format!("_{}", row.key)))
        .unwrap_or_else(|| panic!("zk_{key} is the mean of nothing"));
    let labels: Vec<(&str, &str)> =
        row.label.iter().map(|label| (label.names()[0], name.expect("a set key"))).collect();
    let part =
        |suffix: &str| shown.value(&format!("{}{suffix}", row.name), &labels).expect("the summary is on the page");
    let (sum, count) = (part("_sum") * f64::from(row.unit.divisor()), part("_count"));
    let mean = if count == 0.0 { 0.0 } else { sum / count };
    let said: f64 = value.parse().unwrap();
    assert!((mean - said).abs() <= 0.000_051, "zk_{key} {value}, the page gives {mean}");
}

/// Omitted lines are counted under the reason that the page gives.
#[test]
fn omitted_lines_are_counted() {
    let text = "zk_znode_count\t5\nnonsense\n\nzk_open_file_descriptor_count 9\nzk_max_latency\tInfinity\nzk_packets_sent\t-4\n\
                zk_watch_count\tmany\nzk_ephemerals_count\t1";
    let (samples, _) = typed(mntr::entries(text), mntr::lines(text), 10_000);
    let dropped: Vec<(&str, u64)> = samples.dropped().iter().map(|(why, number)| (why.text(), *number)).collect();
    assert_eq!(dropped, [("impossible", 1), ("not_finite", 1), ("not_a_number", 1), ("not_a_line", 3)]);
    assert_eq!(samples.cells().len(), 1, "the last line may be cut, and the others are no samples");
}

/// A text is not a number that could not be read; an unreadable number is counted.
#[test]
fn texts_in_place_of_numbers_are_not_dropped_values() {
    for text in
        ["zookeeper", "/var/lib/zk", "10.0.0.1:2181", "v2.0.5", "0x1a", "[1, 2]", "2024-01-01T00:00:00Z", "\u{6c49}"]
    {
        let line = format!("zk_some_text\t{text}\n");
        let (samples, _) = typed(mntr::entries(&line), 1, 10_000);
        assert!(samples.dropped().is_empty() && samples.cells().is_empty(), "{text}: {:?}", samples.dropped());
    }
    for text in ["0,39", "1.2.3", "1 234", "12-", "\u{661}\u{662}"] {
        let line = format!("zk_some_number\t{text}\n");
        let (samples, _) = typed(mntr::entries(&line), 1, 10_000);
        assert_eq!(samples.dropped().len(), 1, "{text}");
    }
}

/// Labels have room in proportion to the number of series, and the longest ones are not all kept.
#[test]
fn the_bytes_of_labels_are_bounded() {
    let lines = |length: usize| -> String {
        let line = |number: usize| format!("zk_max_{number:0length$}_write_per_namespace\t1\n");
        (0..9000).map(line).collect()
    };
    for (length, whole) in [(30, true), (1000, false)] {
        let text = lines(length);
        let (samples, _) = typed(mntr::entries(&text), 9000, 10_000);
        assert!(samples.label_bytes() <= 640_000, "{}", samples.label_bytes());
        assert_eq!((samples.dropped().is_empty(), samples.cells().len() == 9000), (whole, whole), "{length}");
        let kept = samples.cells().len() as u64 + samples.dropped().values().sum::<u64>();
        assert_eq!(kept, 9000, "each value is shown or counted");
    }
}

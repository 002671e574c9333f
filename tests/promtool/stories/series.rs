//! Series in promtool's notation, with staleness markers as in Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Samples of one series that one token of the notation represents.
#[derive(Clone, Debug, PartialEq)]
enum Run {
    /// No sample: `_x3`.
    Gap(usize),
    /// The series ended: it is on the previous page and not on this one.
    Stale,
    /// A number, followed by further ones that each differ by `delta`: `10+2x5`.
    Value { first: String, last: String, delta: Option<i64>, more: usize },
}

/// The series of equidistant scrapes.
#[derive(Debug, Default)]
pub struct Book {
    series: BTreeMap<String, Vec<Run>>,
    scrapes: usize,
}

impl Book {
    /// Adds one scrape: every sample with its name and labels. Series without a sample end.
    pub fn scrape(&mut self, samples: BTreeMap<String, String>) {
        let scrapes = self.scrapes;
        for (name, runs) in &mut self.series {
            if samples.contains_key(name) {
                continue;
            }
            match runs.last_mut() {
                Some(Run::Gap(length)) => *length += 1,
                Some(Run::Stale) => runs.push(Run::Gap(1)),
                Some(Run::Value { .. }) | None => runs.push(Run::Stale),
            }
        }
        for (name, value) in samples {
            let runs = self.series.entry(name).or_insert_with(|| match scrapes {
                0 => Vec::new(),
                gap => vec![Run::Gap(gap)],
            });
            push(runs, value);
        }
        self.scrapes += 1;
    }

    /// The lines of `input_series` of a test, for the names that are `wanted`.
    pub fn input_series(&self, wanted: &BTreeSet<String>) -> String {
        let mut out = String::new();
        let is_wanted = |name: &str| wanted.contains(name.split('{').next().unwrap_or(name));
        for (name, runs) in self.series.iter().filter(|(name, _)| is_wanted(name)) {
            write!(out, "      - {{series: '{name}', values: '").expect("a string takes all");
            for run in runs {
                match run {
                    Run::Gap(length) => write!(out, "_x{length} "),
                    Run::Stale => write!(out, "stale "),
                    Run::Value { first, more: 0, .. } => write!(out, "{first} "),
                    Run::Value { first, delta: None | Some(0), more, .. } => write!(out, "{first}x{more} "),
                    Run::Value { first, delta: Some(delta), more, .. } => write!(out, "{first}{delta:+}x{more} "),
                }
                .expect("a string takes all");
            }
            out.push_str("'}\n");
        }
        out
    }

    /// The names and labels of all series.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.series.keys().map(String::as_str)
    }
}

fn push(runs: &mut Vec<Run>, value: String) {
    if let Some(Run::Value { last, delta, more, .. }) = runs.last_mut() {
        let step = difference(last, &value);
        let fits = match (*delta, *more) {
            (_, 0) => *last == value || step.is_some(),
            (None, _) => *last == value,
            (Some(delta), _) => step == Some(delta),
        };
        if fits {
            *delta = step;
            *more += 1;
            *last = value;
            return;
        }
    }
    runs.push(Run::Value { first: value.clone(), last: value, delta: None, more: 0 });
}

/// The difference of two whole numbers.
fn difference(from: &str, to: &str) -> Option<i64> {
    to.parse::<i64>().ok()?.checked_sub(from.parse().ok()?)
}

#[test]
fn series_are_written_in_promtool_notation() {
    let mut book = Book::default();
    let page = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    book.scrape(page(&[("a", "1"), ("b", "5")]));
    book.scrape(page(&[("a", "1"), ("b", "7")]));
    book.scrape(page(&[("a", "1"), ("b", "9"), ("c", "0.5")]));
    book.scrape(page(&[("b", "9")]));
    book.scrape(page(&[("b", "0")]));
    book.scrape(page(&[("a", "2"), ("b", "1"), ("c", "0.5")]));
    let text = book.input_series(&["a", "b", "c"].map(String::from).into());
    assert!(text.contains("{series: 'a', values: '1x2 stale _x1 2 '}"), "{text}");
    assert!(text.contains("{series: 'b', values: '5+2x2 9-9x1 1 '}"), "{text}");
    assert!(text.contains("{series: 'c', values: '_x2 0.5 stale _x1 0.5 '}"), "{text}");
}

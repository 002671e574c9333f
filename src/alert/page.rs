//! A page of samples, parsed for evaluation by `check`: its own scrape, or a page fetched from a running exporter.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rustc_hash::FxHashSet;

use super::conditions;
use crate::exposition::visit_samples;
use crate::scrape::{EnsembleReport, Report};
use crate::text::{cut, page_labels};

/// One sample, with its labels sorted by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The labels.
    pub labels: Labels,
    /// The value.
    pub value: f64,
}

/// Label values by name.
pub type Labels = BTreeMap<String, String>;

/// All samples of one scrape, by sample name.
#[derive(Clone, Debug, Default)]
pub struct Page {
    samples: BTreeMap<String, Vec<Sample>>,
}

impl Page {
    /// Parses a page in either text format. Invalid lines are skipped, so that foreign or truncated pages give partial
    /// data.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut page = Self::default();
        for line in text.lines() {
            page.read_line(line);
        }
        page
    }

    /// The samples of a report's page.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let mut page = Self::default();
        report.ensembles.iter().for_each(|ensemble| page.add_ensemble(ensemble, |_| true));
        page
    }

    /// The samples of an ensemble that conditions are evaluated on.
    #[must_use]
    pub fn to_judge(ensemble: &EnsembleReport) -> Self {
        static NAMES: LazyLock<FxHashSet<&str>> = LazyLock::new(|| {
            let levels =
                conditions().iter().flat_map(|condition| condition.levels.iter().map(move |level| (condition, level)));
            let all = levels.flat_map(|(condition, level)| level.expr.as_ref().unwrap_or(&condition.expr).selectors());
            all.map(|selector| selector.name).collect()
        });
        let mut page = Self::default();
        page.add_ensemble(ensemble, |name| NAMES.contains(name));
        page
    }

    fn add_ensemble(&mut self, ensemble: &EnsembleReport, wanted: impl Fn(&str) -> bool) {
        visit_samples(ensemble, wanted, &mut |name, labels, value| {
            let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            self.add(name, Sample { labels, value });
        });
    }

    /// Parses one line and adds its sample; returns whether the line contained one.
    pub fn read_line(&mut self, line: &str) -> bool {
        let read = if line.starts_with('#') { None } else { sample(line) };
        read.map(|(name, sample)| self.add(name, sample)).is_some()
    }

    /// Adds a sample.
    pub fn add(&mut self, name: &str, sample: Sample) {
        match self.samples.get_mut(name) {
            Some(samples) => samples.push(sample),
            None => {
                self.samples.insert(name.to_owned(), vec![sample]);
            }
        }
    }

    /// Whether it has samples whose names begin with this.
    #[must_use]
    pub fn has_family(&self, prefix: &str) -> bool {
        let mut from = self.samples.range(prefix.to_owned()..);
        from.next().is_some_and(|(name, _)| name.starts_with(prefix))
    }

    /// The samples with this name.
    #[must_use]
    pub fn samples(&self, name: &str) -> &[Sample] {
        self.samples.get(name).map_or(&[], Vec::as_slice)
    }

    /// The names of the ensembles on the page.
    #[must_use]
    pub fn ensembles(&self) -> Vec<&str> {
        let all = self.samples.values().flatten().filter_map(|sample| sample.labels.get("ensemble"));
        let mut names: Vec<&str> = all.map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Parses `name{label="value",...} 1.5`, with or without a suffix after the value.
fn sample(line: &str) -> Option<(&str, Sample)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        let (found, behind) = page_labels(inner)?;
        if !found.iter().all(|(name, _)| is_name(name) && !name.contains(':')) {
            return None;
        }
        labels.extend(found.into_iter().map(|(name, value)| (cut(name).to_owned(), cut(&value).to_owned())));
        rest = behind;
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    is_name(name).then_some((name, Sample { labels, value }))
}

/// Whether a text is a name of a metric or label; `check` writes labels into the textfile of `node_exporter`.
fn is_name(text: &str) -> bool {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(of_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp, reason = "values pass unchanged")]
    fn parses_both_formats_and_any_input() {
        let page = Page::read(
            "# HELP a b\n# TYPE a gauge\na 1\nb_total{ensemble=\"p\",x=\"a\\\"b\\\\c\\nd\"} 2.5 1700000000\n\
             b_total{ensemble=\"q\"} NaN\nnonsense\n{\nc{x=\"y\nd{x=\"y\"} z\ne{ 3\n# EOF\n",
        );
        assert_eq!(page.samples("a")[0].value, 1.0);
        assert_eq!(page.samples("b_total")[0].labels["x"], "a\"b\\c\nd");
        assert!(page.samples("b_total")[1].value.is_nan());
        assert_eq!(page.ensembles(), ["p", "q"]);
        assert!(["c", "d", "e", "nonsense"].iter().all(|name| page.samples(name).is_empty()));
        let page = Page::read(&format!("a{{member=\"{}\"}} 1\n", "x".repeat(3000)));
        assert_eq!(page.samples("a")[0].labels["member"].len(), 1024);
    }
}

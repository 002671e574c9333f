//! A page of samples read back: what `check` judges, whether it scraped itself or asked a running exporter.

use std::collections::BTreeMap;

use crate::text::quoted;

/// One sample: labels in the order of their names.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The labels.
    pub labels: Labels,
    /// The value.
    pub value: f64,
}

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

/// All samples of one scrape, by the name of the sample.
#[derive(Clone, Debug, Default)]
pub struct Page {
    samples: BTreeMap<String, Vec<Sample>>,
}

impl Page {
    /// Reads a page in either text format. A line that is no sample is passed over: a page of another exporter, or one
    /// that was cut, gives what it holds.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut page = Self::default();
        for line in text.lines() {
            page.read_line(line);
        }
        page
    }

    /// Reads one more line; whether it is a sample.
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

    /// The samples of this name.
    #[must_use]
    pub fn samples(&self, name: &str) -> &[Sample] {
        self.samples.get(name).map_or(&[], Vec::as_slice)
    }

    /// The names of the ensembles on it.
    #[must_use]
    pub fn ensembles(&self) -> Vec<&str> {
        let all = self.samples.values().flatten().filter_map(|sample| sample.labels.get("ensemble"));
        let mut names: Vec<&str> = all.map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// `name{label="value",...} 1.5`, with or without a suffix after the value.
fn sample(line: &str) -> Option<(&str, Sample)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            rest = rest.trim_start_matches([',', ' ']);
            if let Some(behind) = rest.strip_prefix('}') {
                rest = behind;
                break;
            }
            let (label, behind) = rest.split_once("=\"")?;
            let (value, behind) = quoted(behind)?;
            labels.insert(label.to_owned(), value.into_owned());
            rest = behind;
        }
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    (!name.is_empty()).then_some((name, Sample { labels, value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp, reason = "values pass unchanged")]
    fn reads_both_formats_and_survives_anything() {
        let page = Page::read(
            "# HELP a b\n# TYPE a gauge\na 1\nb_total{ensemble=\"p\",x=\"a\\\"b\\\\c\\nd\"} 2.5 1700000000\n\
             b_total{ensemble=\"q\"} NaN\nnonsense\n{\nc{x=\"y\nd{x=\"y\"} z\ne{ 3\n# EOF\n",
        );
        assert_eq!(page.samples("a")[0].value, 1.0);
        assert_eq!(page.samples("b_total")[0].labels["x"], "a\"b\\c\nd");
        assert!(page.samples("b_total")[1].value.is_nan());
        assert_eq!(page.ensembles(), ["p", "q"]);
        assert!(["c", "d", "e", "nonsense"].iter().all(|name| page.samples(name).is_empty()));
    }
}

//! A strict parser for exposition pages, shared with the fuzz targets.

use std::collections::{BTreeMap, BTreeSet};

use zookeeper_exporter::exposition::Format;

/// A series, identified by name and labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    pub name: String,
    pub labels: BTreeMap<String, String>,
}

impl Series {
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// A parsed page.
#[derive(Debug, Default)]
pub struct Page {
    pub series: Vec<(Series, f64)>,
    pub types: BTreeMap<String, String>,
    pub units: BTreeMap<String, String>,
}

impl Page {
    pub fn map(&self) -> BTreeMap<&Series, f64> {
        self.series.iter().map(|(series, value)| (series, *value)).collect()
    }

    /// The value of the only series with this name whose labels include `labels`.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut fitting = self.series.iter().filter(|(series, _)| {
            series.name == name && labels.iter().all(|(label, value)| series.label(label) == *value)
        });
        let found = fitting.next()?;
        assert!(fitting.next().is_none(), "{name}{labels:?} fits several series");
        Some(found.1)
    }
}

/// Parses a page and checks the rules of its format: one HELP and TYPE per family, samples grouped by family, valid
/// names, escaped values, no duplicate series.
pub fn read_page(text: &str, format: Format) -> Result<Page, String> {
    let mut page = Page::default();
    let mut seen = BTreeSet::new();
    let (mut family, mut kind, mut helped) = (String::new(), String::new(), String::new());
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let line = line.strip_suffix('\n').ok_or("the last line has no end")?;
        if line == "# EOF" {
            if format != Format::OpenMetrics || lines.peek().is_some() {
                return Err("# EOF where it does not belong".into());
            }
            return Ok(page);
        }
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("HELP without text")?;
            if help.contains(['\\', '"']) || help.trim() != help || help.is_empty() {
                return Err(format!("bad HELP: {line}"));
            }
            name.clone_into(&mut helped);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, word) = rest.split_once(' ').ok_or("TYPE without type")?;
            if name != helped || !valid_name(name) {
                return Err(format!("TYPE of another family than HELP: {line}"));
            }
            if page.types.insert(name.into(), word.into()).is_some() {
                return Err(format!("family twice: {name}"));
            }
            (family, kind) = (name.to_owned(), word.to_owned());
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            // Units exist only in OpenMetrics: one UNIT line after TYPE, and the name must end with the unit.
            let (name, unit) = rest.split_once(' ').ok_or("UNIT without unit")?;
            let fits = name == family && (unit.is_empty() || name.ends_with(&format!("_{unit}")) && kind != "info");
            if format != Format::OpenMetrics || !fits || page.units.insert(name.into(), unit.into()).is_some() {
                return Err(format!("bad UNIT: {line}"));
            }
        } else if line.starts_with('#') {
            return Err(format!("stray comment: {line}"));
        } else {
            let (series, value) = read_sample(line).ok_or_else(|| format!("no sample: {line}"))?;
            let suffix = series.name.strip_prefix(family.as_str()).ok_or_else(|| format!("{line} within {family}"))?;
            let fits = match (kind.as_str(), format) {
                ("counter", Format::OpenMetrics) => suffix == "_total",
                ("info", Format::OpenMetrics) => suffix == "_info",
                ("summary", _) => match suffix {
                    "" => series.labels.contains_key("quantile"),
                    _ => suffix == "_sum" || suffix == "_count",
                },
                ("histogram", _) => match suffix {
                    "_bucket" => series.labels.contains_key("le"),
                    _ => suffix == "_sum" || suffix == "_count",
                },
                _ => suffix.is_empty(),
            };
            if !fits {
                return Err(format!("{line} does not fit type {kind}"));
            }
            if kind == "counter" && !(value >= 0.0 && value.is_finite()) {
                return Err(format!("impossible counter: {line}"));
            }
            if !seen.insert(series.clone()) {
                return Err(format!("series twice: {line}"));
            }
            page.series.push((series, value));
        }
    }
    if format == Format::OpenMetrics { Err("no # EOF".into()) } else { Ok(page) }
}

fn valid_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
}

fn read_sample(line: &str) -> Option<(Series, f64)> {
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, behind) = rest.split_once("=\"")?;
            if !valid_name(label) || label.contains(':') {
                return None;
            }
            let mut value = String::new();
            let mut characters = behind.char_indices();
            let end = loop {
                match characters.next()? {
                    (place, '"') => break place,
                    (_, '\\') => value.push(match characters.next()?.1 {
                        'n' => '\n',
                        same @ ('\\' | '"') => same,
                        _ => return None,
                    }),
                    (_, '\n') => return None,
                    (_, other) => value.push(other),
                }
            };
            rest = &behind[end + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
            if labels.insert(label.to_owned(), value).is_some() {
                return None;
            }
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ')?.parse().ok()?;
    valid_name(name).then(|| (Series { name: name.into(), labels }, value))
}

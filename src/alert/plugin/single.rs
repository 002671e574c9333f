//! Checks one metric against ranges given on the command line.

use super::{Detail, Figure, Of, PluginOutput, Range, Status};
use crate::alert::evaluate::Scrapes;
use crate::alert::page::{Labels, Sample};
use crate::catalogue::{Kind, Meaning, catalogue};

/// The requested metric and its ranges.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Metric name, with or without `_total`, or `mntr` key, with or without `zk_`.
    pub metric: String,
    /// Required label values.
    pub labels: Vec<(String, String)>,
    /// Warning range.
    pub warning: Option<Range>,
    /// Critical range.
    pub critical: Option<Range>,
    /// Check the increase per second instead of the value.
    pub rate: bool,
}

/// Checks the metric; the most severe status of its series is reported. For a summary, the mean between the two scrapes
/// is checked.
#[must_use]
pub fn single(question: &Question, scrapes: Scrapes<'_>, of: Of<'_>) -> PluginOutput {
    let fits = |labels: &Labels| {
        of.includes(labels) && question.labels.iter().all(|(name, value)| labels.get(name) == Some(value))
    };
    let (name, values) = match values(question, scrapes, &fits) {
        Ok(found) => found,
        Err(why) => return PluginOutput::unknown(why),
    };
    if values.is_empty() {
        return PluginOutput::unknown(format!(
            "no matching sample of `{}`: docs/metrics.md lists the members that report it",
            question.metric
        ));
    }
    let unit = match () {
        () if question.rate => "",
        () if name.ends_with("_total") => "c",
        () if name.ends_with("_seconds") => "s",
        () if name.ends_with("_bytes") => "B",
        () => "",
    };
    let status_of = |value: f64| {
        let alerts = |range: Option<Range>| range.is_some_and(|range| range.alerts(value));
        match () {
            () if value.is_nan() => Status::Unknown,
            () if alerts(question.critical) => Status::Critical,
            () if alerts(question.warning) => Status::Warning,
            () => Status::Ok,
        }
    };
    let mut details = Vec::new();
    let mut figures = Vec::new();
    for (labels, value) in values {
        let whom: Vec<&str> = labels.values().map(String::as_str).collect();
        figures.push(Figure {
            label: format!("{name} {}", whom.join(" ")),
            value,
            unit,
            warning: question.warning,
            critical: question.critical,
            of_member: labels.contains_key("member"),
        });
        let of = labels.get("member").or_else(|| labels.get("ensemble")).cloned().unwrap_or_default();
        let shown = if value.is_nan() { "unknown".to_owned() } else { format!("{}{unit}", super::short(value)) };
        let what = if question.rate { " a second" } else { "" };
        details.push(Detail {
            status: status_of(value),
            name: name.clone(),
            text: format!(
                "{of} has {shown}{what} ({})",
                labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
            ),
            labels,
            value,
            runbook: None,
        });
    }
    let status = details.iter().fold(Status::Ok, |worst, detail| worst.worse(detail.status));
    // Most severe first; the sort is stable and keeps the order of the page.
    details.sort_by_key(|detail| detail.status != status);
    let (worst, more) = (&details[0], details.len() - 1);
    let line = if more == 0 {
        format!("{name}: {}", worst.text)
    } else {
        format!("{name}: {} ({more} more series)", worst.text)
    };
    PluginOutput { status, line, figures, details, notes: Vec::new() }
}

type Values = Vec<(Labels, f64)>;

/// The values of the requested series.
fn values(
    question: &Question,
    scrapes: Scrapes<'_>,
    fits: &dyn Fn(&Labels) -> bool,
) -> Result<(String, Values), String> {
    let name = name_on_page(question, scrapes);
    let plain = |samples: &[Sample]| -> Values {
        samples
            .iter()
            .filter(|sample| fits(&sample.labels))
            .map(|sample| (sample.labels.clone(), sample.value))
            .collect()
    };
    let wants_quantile = question.labels.iter().any(|(name, _)| name == "quantile");
    let (sum, count) = (format!("{name}_sum"), format!("{name}_count"));
    let is_summary = catalogue().is_summary(&name) && !wants_quantile;
    if !is_summary && !question.rate {
        return Ok((name.clone(), plain(scrapes.now.samples(&name))));
    }
    let Some((before, time)) = scrapes.before else {
        return Err(format!("`{name}` needs two scrapes: set --interval above 0"));
    };
    // A counter that decreased was reset to 0.
    let growth = |name: &str| -> Values {
        let old = before.samples(name);
        plain(scrapes.now.samples(name))
            .into_iter()
            .filter_map(|(labels, new)| {
                let old = old.iter().find(|sample| sample.labels == labels)?.value;
                Some((labels, if new < old { new } else { new - old }))
            })
            .collect()
    };
    if !is_summary {
        let seconds = time.as_secs_f64().max(0.001);
        return Ok((
            name.clone(),
            growth(&name).into_iter().map(|(labels, value)| (labels, value / seconds)).collect(),
        ));
    }
    let counts = growth(&count);
    let means = growth(&sum).into_iter().filter_map(|(labels, sum)| {
        let count = counts.iter().find(|(other, _)| *other == labels)?.1;
        // No events between the scrapes.
        Some((labels, if count > 0.0 { sum / count } else { 0.0 }))
    });
    Ok((name, means.collect()))
}

/// Resolves the metric name to the sample name on the page.
fn name_on_page(question: &Question, scrapes: Scrapes<'_>) -> String {
    let written = question.metric.as_str();
    let total = format!("{written}_total");
    for name in [written, &total] {
        if !scrapes.now.samples(name).is_empty() {
            return name.to_owned();
        }
    }
    if let Some((Meaning::Sample(slot), _)) = catalogue().lookup(written.strip_prefix("zk_").unwrap_or(written)) {
        let family = catalogue().family(slot.family);
        return if family.kind == Kind::Counter { family.full_name() } else { family.name.to_string() };
    }
    written.to_owned()
}

//! Checks all conditions for ensembles, or for one member.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Detail, Figure, PluginOutput, Range, Status};
use crate::alert::condition::{Severity, Unit};
use crate::alert::evaluate::{Scrapes, evaluate};
use crate::alert::expr::{Cmp, Expr, Keys};
use crate::alert::judge::Finding;
use crate::alert::page::{Labels, Page, Sample};
use crate::alert::thresholds::{InForce, Thresholds};

/// Subject of a check.
#[derive(Clone, Copy, Debug, Default)]
pub struct Of<'o> {
    /// Ensembles to check; empty for all.
    pub ensembles: &'o [String],
    /// Only this member.
    pub member: Option<&'o str>,
}

impl Of<'_> {
    pub(super) fn includes(&self, labels: &Labels) -> bool {
        let of = |name: &str| labels.get(name).map(String::as_str);
        let ensemble = self.ensembles.is_empty()
            || of("ensemble").is_some_and(|name| self.ensembles.iter().any(|wanted| wanted == name));
        ensemble && self.member.is_none_or(|wanted| of("member") == Some(wanted))
    }
}

/// Maximum number of member names in a message; a page may have hundreds.
const NAMES_SHOWN: usize = 8;

/// The message for members without a state, because the exporter could not query them.
fn not_asked(page: &Page, of: Of<'_>) -> Option<String> {
    let is_limit = |labels: &Labels| labels.get("reason").is_some_and(|reason| reason == "limit");
    let mut limited = page.samples("zk_scrape_failure").iter().filter(|sample| is_limit(&sample.labels));
    limited.find(|sample| of.includes(&sample.labels))?;
    let of = Of { member: None, ..of };
    let limits = page.samples("zk_exporter_limited_members").iter().filter(|sample| of.includes(&sample.labels));
    let limits: BTreeSet<&str> = limits.filter_map(|sample| sample.labels.get("limit")).map(String::as_str).collect();
    let limits = limits.iter().take(NAMES_SHOWN).copied().collect::<Vec<_>>().join(", ");
    Some(format!("not queried because of the exporter's own limits ({limits}): state unknown"))
}

/// Error message for a member or ensemble that the page does not contain.
fn absent(members: &[&Labels], of: Of<'_>) -> String {
    let names = |label: &str, of: Of<'_>| {
        let names = members.iter().filter(|labels| of.includes(labels)).filter_map(|labels| labels.get(label));
        let names: BTreeSet<&str> = names.map(String::as_str).collect();
        let shown = names.iter().take(NAMES_SHOWN).copied().collect::<Vec<_>>().join(", ");
        if names.len() > NAMES_SHOWN { format!("{shown}, ...") } else { shown }
    };
    let ensembles = Of { member: None, ..of };
    match of.member {
        _ if members.is_empty() => "no zk_up on the page: is it a page of zookeeper-exporter?".to_owned(),
        Some(member) if members.iter().any(|labels| ensembles.includes(labels)) => {
            format!("--member: unknown member `{member}`: expected one of {}", names("member", ensembles))
        }
        _ => format!(
            "--ensemble: unknown ensemble `{}`: expected one of {}",
            of.ensembles.join("`, `"),
            names("ensemble", Of::default())
        ),
    }
}

/// Checks all conditions. `runbooks` is the base URL of the runbooks; `detailed` returns what was seen in the texts of a
/// report, which has more than its page.
#[must_use]
pub fn whole(
    thresholds: &Thresholds,
    scrapes: Scrapes<'_>,
    of: Of<'_>,
    runbooks: &str,
    detailed: &dyn Fn(&Finding) -> Option<String>,
) -> PluginOutput {
    let present = |labels: &&Labels| of.includes(labels);
    let members: Vec<&Labels> = scrapes.now.samples("zk_up").iter().map(|sample| &sample.labels).collect();
    if !members.iter().any(present) {
        return PluginOutput::unknown(not_asked(scrapes.now, of).unwrap_or_else(|| absent(&members, of)));
    }
    // Neither up nor down: conditions would take it for up.
    let is_flag = |value: f64| [0.0, 1.0].contains(&value);
    let unclear = |sample: &&Sample| of.includes(&sample.labels) && !is_flag(sample.value);
    if let Some(sample) = scrapes.now.samples("zk_up").iter().find(unclear) {
        let member = sample.labels.get("member").map_or("", String::as_str);
        return PluginOutput::unknown(format!(
            "zk_up of {member} is {}, neither 0 nor 1: is it a page of zookeeper-exporter?",
            sample.value
        ));
    }
    let mut judgement = thresholds.judge(scrapes);
    for finding in &mut judgement.findings {
        if let Some(says) = detailed(finding).map(|says| format!("{}.", says.trim_end_matches('.'))) {
            finding.text = finding.text.replacen(&finding.says, &says, 1);
            finding.says = says;
        }
    }
    let findings: Vec<_> = judgement.findings.iter().filter(|finding| of.includes(&finding.labels)).collect();
    let details: Vec<Detail> = findings
        .iter()
        .map(|finding| Detail {
            status: finding.severity.into(),
            name: finding.condition.alert(),
            labels: finding.labels.clone(),
            value: finding.value,
            text: finding.text.clone(),
            runbook: Some(format!("{}/{}.md", runbooks.trim_end_matches('/'), finding.condition.alert())),
        })
        .collect();
    let status = details.iter().fold(Status::Ok, |worst, detail| worst.worse(detail.status));
    let line = match (findings.first(), findings.len()) {
        (None, _) => format!("{} ({})", well(scrapes.now, of), judgement.extent(scrapes.before.map(|(_, time)| time))),
        (Some(worst), 1) => worst.says.clone(),
        (Some(worst), more) => format!("{} ({} more)", worst.says, more - 1),
    };
    let mut notes = vec![judgement.extent(scrapes.before.map(|(_, time)| time))];
    notes.extend(
        judgement.not_judged.iter().map(|(condition, why)| format!("not judged: {}: {why}", condition.alert())),
    );
    PluginOutput { status, line, figures: figures(thresholds, scrapes, of), details, notes }
}

/// Up to this number, the ensembles are listed one by one when there are no findings.
const SPELLED: usize = 3;

/// The first line when there are no findings.
fn well(page: &Page, of: Of<'_>) -> String {
    if let Some(member) = of.member {
        let state =
            page.samples("zk_server_state").iter().find(|sample| of.includes(&sample.labels) && sample.value > 0.0);
        let state = state.and_then(|sample| sample.labels.get("state")).map_or("", String::as_str);
        return format!("{member} is {state}, no problems found");
    }
    let names: Vec<&str> = page
        .ensembles()
        .into_iter()
        .filter(|name| of.ensembles.is_empty() || of.ensembles.iter().any(|one| one == name))
        .collect();
    let number = |sample: &str, ensemble: &str| {
        let is_of = |labels: &Labels| labels.get("ensemble").is_some_and(|name| name == ensemble);
        page.samples(sample).iter().find(|sample| is_of(&sample.labels)).map(|sample| sample.value)
    };
    let one = |ensemble: &&str| {
        let synced = number("zk_ensemble_voters_synced", ensemble).zip(number("zk_ensemble_voters", ensemble));
        let up = number("zk_ensemble_members_up", ensemble).zip(number("zk_ensemble_members", ensemble));
        let mut parts = Vec::new();
        parts.extend(up.map(|(up, all)| format!("{up} of {all} members up")));
        parts.extend(synced.map(|(synced, voters)| format!("{synced} of {voters} voters in sync")));
        format!("{ensemble}: {}", parts.join(", "))
    };
    if names.len() <= SPELLED {
        names.iter().map(one).collect::<Vec<_>>().join("; ")
    } else {
        format!("no problems found in {} ensembles", names.len())
    }
}

/// Performance data: the value of every condition with a limit, active or not, and the member counts.
fn figures(thresholds: &Thresholds, scrapes: Scrapes<'_>, of: Of<'_>) -> Vec<Figure> {
    let mut figures = Vec::new();
    if of.member.is_none() {
        for (label, sample) in [
            ("members_up", "zk_ensemble_members_up"),
            ("voters_synced", "zk_ensemble_voters_synced"),
            ("quorum_margin", "zk_ensemble_quorum_margin"),
            ("leaders", "zk_ensemble_leaders"),
        ] {
            for sample in scrapes.now.samples(sample).iter().filter(|sample| of.includes(&sample.labels)) {
                let label = format!("{label} {}", sample.labels.get("ensemble").map_or("", String::as_str));
                figures.push(Figure {
                    label,
                    value: sample.value,
                    unit: "",
                    warning: None,
                    critical: None,
                    of_member: false,
                });
            }
        }
    }
    let several = scrapes.now.ensembles().len() > 1;
    let mut seen: Vec<&str> = Vec::new();
    for level in thresholds.levels().iter().filter(|level| level.is_on()) {
        let condition = level.condition;
        if seen.contains(&condition.name) {
            continue;
        }
        seen.push(condition.name);
        // A count over a shorter period than the window is not comparable with its limit.
        if Duration::from_secs(level.expr().counts_over().0) > scrapes.covers() {
            continue;
        }
        let Some((cmp, measured)) = measured(&condition.expr) else { continue };
        let Ok(values) = evaluate(measured, f64::NAN, scrapes) else { continue };
        for (labels, value) in values.into_iter().filter(|(labels, _)| of.includes(labels)) {
            let whom = whom(condition.keys(), &labels, several);
            let limit = |severity| range_of(thresholds, condition.name, severity, cmp, &labels, condition.unit);
            figures.push(Figure {
                label: format!("{} {whom}", condition.name),
                value: scaled(condition.unit, value),
                unit: unit(condition.unit),
                warning: limit(Severity::Warning),
                critical: limit(Severity::Critical),
                of_member: condition.keys() != Keys::Ensemble,
            });
        }
    }
    figures
}

/// The side of a comparison that is compared with the limit.
fn measured(expr: &Expr) -> Option<(Cmp, &Expr)> {
    match expr {
        Expr::Compare(cmp, left, right) if **right == Expr::Limit => Some((*cmp, left)),
        Expr::By(_, _, inner) => measured(inner),
        Expr::Compare(_, left, right) | Expr::Math(_, left, right) | Expr::Sets(_, _, left, right) => {
            measured(left).or_else(|| measured(right))
        }
        _ => None,
    }
}

fn whom(keys: Keys, labels: &Labels, several: bool) -> String {
    let of = |name: &str| labels.get(name).map_or("", String::as_str);
    match keys {
        Keys::Ensemble => of("ensemble").to_owned(),
        Keys::Certificate => format!("{} {}", of("member"), of("subject")),
        _ if several => format!("{}/{}", of("ensemble"), of("member")),
        _ => of("member").to_owned(),
    }
}

fn range_of(
    thresholds: &Thresholds,
    condition: &str,
    severity: Severity,
    cmp: Cmp,
    labels: &Labels,
    unit: Unit,
) -> Option<Range> {
    let fits = |level: &&InForce| level.condition.name == condition && level.level.severity == severity;
    let level = thresholds.levels().iter().find(fits)?;
    let limit = scaled(unit, level.of_ensemble(labels.get("ensemble").map_or("", String::as_str))??);
    Some(if matches!(cmp, Cmp::Lt | Cmp::Le) { Range::below(limit) } else { Range::above(limit) })
}

fn scaled(unit: Unit, value: f64) -> f64 {
    if unit == Unit::Ratio { value * 100.0 } else { value }
}

const fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::State | Unit::Count | Unit::Number => "",
        Unit::Seconds => "s",
        Unit::Bytes => "B",
        Unit::Ratio => "%",
    }
}

//! Judges one or two scrapes with all applicable conditions of the alert catalogue, using the configured limits.
//!
//! The conditions determine what is wrong and how severe it is. The verdict contributes texts that are more precise
//! than a condition, e.g. alternative explanations for a silent leader, and notices without a condition.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::clock::now;
use super::details::detail;
use crate::alert::{Finding as Condition, Judgement, Page, Scrapes, Severity, Thresholds};
use crate::scrape::{EnsembleReport, Report};
use crate::verdict::{Finding, Level, Verdict, findings, judge};

/// The newest report and its findings.
#[derive(Debug)]
pub struct Judged {
    /// The newest report.
    pub report: Arc<Report>,
    /// Time between the two scrapes; zero for a single one.
    pub over: Duration,
    /// Describes how much was evaluated.
    pub extent: String,
    conditions: Vec<Condition>,
    coverage: BTreeMap<Arc<str>, Coverage>,
}

/// What was evaluated for one ensemble.
#[derive(Debug)]
struct Coverage {
    not_judged: Vec<String>,
    checked: Vec<String>,
}

impl Judged {
    /// Judges a report; `before` is an earlier report and the time between the two.
    #[must_use]
    pub fn new(report: Arc<Report>, before: Option<(&Report, Duration)>, thresholds: &Thresholds) -> Self {
        let mut judgement = Judgement::default();
        let mut coverage = BTreeMap::new();
        let time = now();
        for ensemble in &report.ensembles {
            let page = Page::to_judge(ensemble);
            let of_name = |report: &Report| report.ensembles.iter().find(|one| one.name == ensemble.name).cloned();
            let earlier = before.and_then(|(report, passed)| Some((Page::to_judge(&*of_name(report)?), passed)));
            let before = earlier.as_ref().map(|(page, passed)| (page, *passed));
            let found = thresholds.judge(Scrapes { now: &page, before, time });
            let not_judged = found.not_judged.iter().map(|(condition, _)| condition.alert()).collect();
            let checked = found.checked.iter().map(|condition| condition.alert()).collect();
            coverage.insert(Arc::clone(&ensemble.name), Coverage { not_judged, checked });
            judgement.add(found);
        }
        let over = before.map(|(_, passed)| passed);
        Self {
            over: over.unwrap_or_default(),
            extent: judgement.extent(over),
            conditions: judgement.findings,
            coverage,
            report,
        }
    }

    /// The conditions that hold for an ensemble or one of its members.
    pub fn conditions_of<'j>(&'j self, ensemble: &'j str) -> impl Iterator<Item = &'j Condition> {
        let is_of = move |found: &&Condition| found.labels.get("ensemble").is_some_and(|name| name == ensemble);
        self.conditions.iter().filter(is_of)
    }

    /// Alerts that need a longer time or a history for this ensemble.
    #[must_use]
    pub fn not_judged(&self, ensemble: &str) -> &[String] {
        self.coverage.get(ensemble).map_or(&[], |coverage| &coverage.not_judged)
    }

    /// Alerts that were evaluated on samples of this ensemble, whether active or not.
    pub(super) fn checked(&self, ensemble: &str) -> &[String] {
        self.coverage.get(ensemble).map_or(&[], |coverage| &coverage.checked)
    }

    /// All findings of an ensemble, the worst first.
    ///
    /// A finding of the verdict is listed if the condition of its runbook holds, with the severity of the condition;
    /// notices are always listed. A condition without a finding of the verdict is listed with its own text.
    #[must_use]
    pub fn findings(&self, ensemble: &EnsembleReport, verdict: &Verdict) -> Vec<Finding> {
        let mut all = Vec::new();
        for mut finding in findings(ensemble, verdict) {
            if let Some(alert) = finding.alert().filter(|_| finding.level < Level::Notice) {
                let of = |found: &&Condition| {
                    let member = found.labels.get("member").filter(|member| !member.is_empty());
                    let same = member.zip(finding.member.as_deref()).is_none_or(|(one, other)| *one == *other);
                    found.condition.alert() == alert && same
                };
                let Some(severity) = self.conditions_of(&ensemble.name).filter(of).map(|found| found.severity).max()
                else {
                    continue;
                };
                finding.level = level(severity);
            }
            all.push(finding);
        }
        let further: Vec<Finding> = self
            .conditions_of(&ensemble.name)
            .map(|found| Finding {
                level: level(found.severity),
                text: sentence(&observation(found, ensemble, verdict)),
                guide: format!("docs/runbooks/{}.md", found.condition.alert()).into(),
                member: found.labels.get("member").filter(|member| !member.is_empty()).map(|name| name.as_str().into()),
            })
            .filter(|found| {
                // If no member replies, the finding about the ensemble replaces those about members.
                if verdict.members_up == 0 && found.alert() == Some("ZooKeeperMemberDown") && ensemble.members.len() > 1
                {
                    return false;
                }
                let is_same = |other: &Finding| {
                    other.guide == found.guide && (other.member.is_none() || other.member == found.member)
                };
                !all.iter().any(is_same)
            })
            .collect();
        all.extend(further);
        all.sort_by_key(|finding| finding.level);
        all
    }
}

/// The observation, with the details that are known without a history.
fn observation(found: &Condition, ensemble: &EnsembleReport, verdict: &Verdict) -> String {
    detail(found, ensemble, verdict, None).says.unwrap_or_else(|| found.says.clone())
}

/// The texts of conditions with the details of a report, e.g. the settings that differ; `None` for those without.
#[must_use]
pub fn detailed(found: &Condition, report: &Report) -> Option<String> {
    let of =
        |ensemble: &&Arc<EnsembleReport>| found.labels.get("ensemble").is_some_and(|name| **name == *ensemble.name);
    let ensemble = report.ensembles.iter().find(of)?;
    detail(found, ensemble, &judge(ensemble), None).says
}

const fn level(severity: Severity) -> Level {
    match severity {
        Severity::Critical => Level::Critical,
        Severity::Warning | Severity::Info => Level::Warning,
    }
}

/// Capitalises the first letter.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

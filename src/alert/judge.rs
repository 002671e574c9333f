//! Evaluates all conditions over one or two scrapes: which fire, which do not, and which could not be evaluated.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use super::condition::{Condition, Severity, Unit};
use super::conditions;
use super::evaluate::{NotJudged, Scrapes, evaluate};
use super::expr::Expr;
use super::history_query::{needs, split};
use super::page::{Labels, Page};
use super::text::{Words, without_pipes};
use super::thresholds::{InForce, Thresholds};

/// The windows that the texts of conditions name, and what two scrapes permit instead.
const WINDOWS: [(&str, &str); 4] = [
    (" on average of 5 minutes", " on average"),
    (" on average of the last hour", " on average"),
    (" in half of the samples of 5 minutes", ""),
    (" in every round of 5 minutes", ""),
];

/// A condition that is active for one ensemble, member or certificate.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The condition.
    pub condition: &'static Condition,
    /// The highest severity reached.
    pub severity: Severity,
    /// Labels of the subject: `ensemble`, and the other labels that identify the alert.
    pub labels: Labels,
    /// The value of the expression.
    pub value: f64,
    /// The description.
    pub says: String,
    /// The first action.
    pub first: String,
    /// Description and first action.
    pub text: String,
}

/// Result of an evaluation.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// Active findings, most severe first. `for` is not considered, because a page has no history.
    pub findings: Vec<Finding>,
    /// Conditions that could not be evaluated, without duplicates.
    pub not_judged: Vec<(&'static Condition, NotJudged)>,
    /// Names of the conditions that were evaluated, whether active or not.
    pub judged: BTreeSet<&'static str>,
    /// Those of them whose samples exist, of one ensemble: if they are not active, they are known to be absent.
    pub checked: Vec<&'static Condition>,
}

impl Thresholds {
    /// Evaluates every enabled level. `Watchdog` and conditions about scrape targets are left to Prometheus.
    #[must_use]
    pub fn judge(&self, scrapes: Scrapes<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        for level in self.levels().iter().rev().filter(|level| level.is_on() && !level.condition.keys().is_outside()) {
            match level.firing(scrapes) {
                Ok(_) if self.lacks_background(level.condition, scrapes.now) => {
                    judgement.skip(level.condition, NotJudged::Background);
                }
                Ok(firing) => {
                    let window = level.expr().counts_over();
                    if firing.is_empty() && Duration::from_secs(window.0) > scrapes.covers() {
                        judgement.skip(level.condition, NotJudged::Window(window));
                    } else {
                        judgement.judged.insert(level.condition.name);
                        let known = judgement.checked.iter().any(|condition| condition.name == level.condition.name);
                        if !known && level.has_samples(scrapes.now) {
                            judgement.checked.push(level.condition);
                        }
                    }
                    for (labels, value) in firing {
                        let known = |finding: &Finding| {
                            finding.condition.name == level.condition.name && finding.labels == labels
                        };
                        // The critical level is evaluated first and supersedes the warning.
                        if !judgement.findings.iter().any(known) {
                            judgement.findings.push(level.finding(labels, value, scrapes));
                        }
                    }
                }
                Err(why) => judgement.skip(level.condition, why),
            }
        }
        judgement.not_judged.retain(|(condition, _)| !judgement.judged.contains(condition.name));
        judgement.not_judged.reverse();
        judgement.findings.reverse();
        // Ensemble findings come first: they explain those of the members.
        judgement.findings.sort_by_key(|finding| {
            let of_member = finding.condition.keys().names().contains(&"member");
            (std::cmp::Reverse(finding.severity), of_member)
        });
        judgement
    }
}

impl Judgement {
    /// Adds the result of another ensemble for the same period.
    pub fn add(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.judged.extend(other.judged);
        for (condition, why) in other.not_judged {
            self.skip(condition, why);
        }
        self.not_judged.retain(|(condition, _)| !self.judged.contains(condition.name));
    }

    /// Number of evaluated conditions: `41 conditions judged over 1 s, 35 need a longer time`.
    #[must_use]
    pub fn extent(&self, time: Option<Duration>) -> String {
        let over = match time {
            Some(time) => Unit::Seconds.words((time.as_secs_f64() * 1000.0).round() / 1000.0),
            None => "one scrape".to_owned(),
        };
        let waits = self.not_judged.iter().filter(|(_, why)| *why != NotJudged::Background).count();
        let mut text = format!("{} conditions judged over {over}, {waits} need a longer time", self.judged.len());
        let background = self.not_judged.len() - waits;
        if background > 0 {
            text.push_str(&format!(", {background} need a running exporter (--from)"));
        }
        text
    }

    fn skip(&mut self, condition: &'static Condition, why: NotJudged) {
        if !self.not_judged.iter().any(|(known, _)| known.name == condition.name) {
            self.not_judged.push((condition, why));
        }
    }
}

impl super::expr::Keys {
    /// Whether it uses data that is not part of an exporter page.
    const fn is_outside(self) -> bool {
        matches!(self, Self::Target | Self::EnsembleOfTarget | Self::Nothing)
    }
}

impl InForce {
    /// The expression of the level.
    #[must_use]
    pub fn expr(&self) -> &Expr {
        self.level.expr.as_ref().unwrap_or(&self.condition.expr)
    }

    /// Whether the page has the samples without which an empty result is inconclusive.
    fn has_samples(&self, page: &Page) -> bool {
        /// Alternative sets of samples, by condition and severity.
        type NeededSamples = BTreeMap<(&'static str, Severity), Vec<Vec<&'static str>>>;
        static NEEDS: LazyLock<NeededSamples> = LazyLock::new(|| {
            let of_condition = |condition: &'static Condition| {
                condition.levels.iter().map(move |level| {
                    let expr = level.expr.as_ref().unwrap_or(&condition.expr);
                    ((condition.name, level.severity), needs(&split(expr).0))
                })
            };
            conditions().iter().flat_map(of_condition).collect()
        });
        let has = |name: &&str| !page.samples(name).is_empty();
        let needs = NEEDS.get(&(self.condition.name, self.level.severity));
        needs.is_some_and(|sets| sets.iter().any(|set| set.iter().all(has)))
            && self.expr().selectors().iter().any(|selector| has(&selector.name))
    }

    /// The subjects for which the level is reached, with their values.
    ///
    /// # Errors
    /// When the expression cannot be evaluated over these scrapes.
    pub fn firing(&self, scrapes: Scrapes<'_>) -> Result<super::evaluate::Vector, NotJudged> {
        let expr = self.expr();
        let of = |labels: &Labels| labels.get("ensemble").cloned().unwrap_or_default();
        let mut firing = super::evaluate::Vector::new();
        if let Some(limit) = self.usual {
            let mut all = evaluate(expr, limit.unwrap_or(f64::NAN), scrapes)?;
            all.retain(|labels, _| !self.own.iter().any(|(name, _)| *name == of(labels)));
            firing.append(&mut all);
        }
        for (ensemble, limit) in &self.own {
            if let Some(limit) = limit {
                let mut all = evaluate(expr, limit.unwrap_or(f64::NAN), scrapes)?;
                all.retain(|labels, _| of(labels) == *ensemble);
                firing.append(&mut all);
            }
        }
        Ok(firing)
    }

    fn finding(&self, labels: Labels, value: f64, scrapes: Scrapes<'_>) -> Finding {
        let page = scrapes.now;
        let limits: Vec<(String, f64)> =
            self.own.iter().filter_map(|(name, limit)| Some((name.clone(), limit.flatten()?))).collect();
        let words = Words {
            keys: self.condition.keys(),
            unit: self.condition.unit,
            limit: self.usual.flatten().or(self.level.limit),
            limits: &limits,
            hold: self.hold,
            keep: &[],
        };
        let mut description = words.plain(self.condition.says, &labels, value, page);
        // A list ends with a separator.
        if description.ends_with(';') {
            description.pop();
            description.push('.');
        }
        if Duration::from_secs(self.expr().looks_back().0) > scrapes.covers() {
            for (claim, observed) in WINDOWS {
                description = description.replace(claim, observed);
            }
        }
        if Duration::from_secs(self.expr().counts_over().0) > scrapes.covers() {
            description.push_str(&format!(" [observed for {}]", Unit::Seconds.words(scrapes.covers().as_secs_f64())));
        }
        let text = format!("{description} {}", words.plain(&without_pipes(self.condition.first), &labels, value, page));
        let first = words.plain(self.condition.first, &labels, value, page);
        Finding {
            condition: self.condition,
            severity: self.level.severity,
            labels,
            value,
            says: description,
            first,
            text,
        }
    }
}

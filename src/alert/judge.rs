//! All conditions judged over one scrape or two: what fires, what is quiet, and what could not be judged, and why.

use std::time::Duration;

use super::condition::{Condition, Severity, Unit};
use super::evaluate::{NotJudged, Scrapes, evaluate};
use super::expr::Expr;
use super::page::Labels;
use super::text::{Words, without_pipes};
use super::thresholds::{InForce, Thresholds};

/// One condition that holds for one ensemble, member or certificate.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The condition.
    pub condition: &'static Condition,
    /// The worst level that it reached.
    pub severity: Severity,
    /// For whom: `ensemble`, and what else tells its alerts apart.
    pub labels: Labels,
    /// The value.
    pub value: f64,
    /// What is so, in words.
    pub says: String,
    /// What is so and what to do first, in words.
    pub text: String,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// What fires, worst first. How long it has held (`for`) is not asked: there is no history.
    pub findings: Vec<Finding>,
    /// Conditions that could not be judged, each once.
    pub not_judged: Vec<(&'static Condition, NotJudged)>,
    /// How many conditions were judged: those that fire, and those that would be seen if they did.
    pub judged: usize,
}

impl Thresholds {
    /// Judges every level that is on; `Watchdog` and what is about scrape targets are left to Prometheus.
    #[must_use]
    pub fn judge(&self, scrapes: Scrapes<'_>) -> Judgement {
        let (mut judgement, mut judged) = (Judgement::default(), Vec::new());
        for level in self.levels().iter().rev().filter(|level| level.is_on() && !level.condition.keys().is_outside()) {
            match level.firing(scrapes) {
                Ok(firing) => {
                    let window = level.expr().counts_over();
                    if firing.is_empty() && Duration::from_secs(window.0) > scrapes.covers() {
                        judgement.skip(level.condition, NotJudged::Window(window));
                    } else if !judged.contains(&level.condition.name) {
                        judged.push(level.condition.name);
                    }
                    for (labels, value) in firing {
                        let known = |finding: &Finding| {
                            finding.condition.name == level.condition.name && finding.labels == labels
                        };
                        // Critical comes before its warning here, and says it all.
                        if !judgement.findings.iter().any(known) {
                            judgement.findings.push(level.finding(labels, value, scrapes));
                        }
                    }
                }
                Err(why) => judgement.skip(level.condition, why),
            }
        }
        judgement.not_judged.retain(|(condition, _)| !judged.contains(&condition.name));
        judgement.not_judged.reverse();
        judgement.judged = judged.len();
        judgement.findings.reverse();
        // An ensemble that fails explains its members, and not the other way round.
        judgement.findings.sort_by_key(|finding| {
            let of_member = finding.condition.keys().names().contains(&"member");
            (std::cmp::Reverse(finding.severity), of_member)
        });
        judgement
    }
}

impl Judgement {
    /// What the judgement is made of: `41 conditions judged over 1 s, 35 need a longer time`.
    #[must_use]
    pub fn extent(&self, scrapes: Scrapes<'_>) -> String {
        let over = match scrapes.before {
            Some((_, time)) => Unit::Seconds.words((time.as_secs_f64() * 1000.0).round() / 1000.0),
            None => "one scrape".to_owned(),
        };
        format!("{} conditions judged over {over}, {} need a longer time", self.judged, self.not_judged.len())
    }

    fn skip(&mut self, condition: &'static Condition, why: NotJudged) {
        if !self.not_judged.iter().any(|(known, _)| known.name == condition.name) {
            self.not_judged.push((condition, why));
        }
    }
}

impl super::expr::Keys {
    /// Whether it is about something that is on no page of ours.
    const fn is_outside(self) -> bool {
        matches!(self, Self::Target | Self::EnsembleOfTarget | Self::Nothing)
    }
}

impl InForce {
    /// When the level is reached.
    #[must_use]
    pub fn expr(&self) -> &Expr {
        self.level.expr.as_ref().unwrap_or(&self.condition.expr)
    }

    /// For whom the level is reached, with the value.
    ///
    /// # Errors
    /// When it cannot be judged over these scrapes.
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
        };
        let mut says = words.plain(self.condition.says, &labels, value, page);
        if Duration::from_secs(self.expr().counts_over().0) > scrapes.covers() {
            says.push_str(&format!(" [observed for {}]", Unit::Seconds.words(scrapes.covers().as_secs_f64())));
        }
        let text = format!("{says} {}", words.plain(&without_pipes(self.condition.first), &labels, value, page));
        Finding { condition: self.condition, severity: self.level.severity, labels, value, says, text }
    }
}

//! Two looks at ensembles, judged: by the verdict, and by every condition of the alert catalogue that they can judge.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep_until};

use super::look::ask;
use crate::alert::{Finding as Condition, Group, Page, Scrapes, Severity, Thresholds};
use crate::exposition::{Format, Names, render};
use crate::scrape::{EnsembleReport, Report, Scraper};
use crate::verdict::{Finding, Level, Verdict, findings};

/// The newest look, and what was found.
pub(super) struct Judged {
    pub(super) report: Arc<Report>,
    /// The time between the two looks; none where there was one.
    pub(super) over: Duration,
    /// How much was judged, in words.
    pub(super) extent: String,
    /// Alerts that need a longer time, or a history.
    pub(super) unjudged: Vec<String>,
    conditions: Vec<Condition>,
}

impl Judged {
    /// Looks once, and again after `interval`; once alone where that is nothing, or where no member answers.
    pub(super) async fn of(scraper: &Arc<Scraper>, thresholds: &Thresholds, interval: Duration) -> Self {
        let begun = Instant::now();
        let first = Arc::new(ask(scraper).await);
        let answers = first.ensembles.iter().any(|ensemble| ensemble.members.iter().any(|member| member.up));
        if interval.is_zero() || !answers {
            return Self::new(first, None, thresholds);
        }
        sleep_until(begun + interval).await;
        let again = Instant::now();
        let second = Arc::new(ask(scraper).await);
        Self::new(second, Some((&first, again - begun)), thresholds)
    }

    fn new(report: Arc<Report>, before: Option<(&Arc<Report>, Duration)>, thresholds: &Thresholds) -> Self {
        let now = page(&report);
        let earlier = before.map(|(report, time)| (page(report), time));
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
        let scrapes = Scrapes { now: &now, before: earlier.as_ref().map(|(page, time)| (page, *time)), time };
        let judgement = thresholds.judge(scrapes);
        Self {
            over: scrapes.covers(),
            extent: judgement.extent(scrapes),
            unjudged: judgement.not_judged.iter().map(|(condition, _)| condition.alert()).collect(),
            conditions: judgement.findings,
            report,
        }
    }

    /// Everything that is wrong with an ensemble, the worst first. What the verdict says comes before what conditions
    /// say, and for both is said once.
    pub(super) fn findings(&self, ensemble: &EnsembleReport, verdict: &Verdict) -> Vec<Finding> {
        let mut all = findings(ensemble, verdict);
        let is_of =
            |condition: &&Condition| condition.labels.get("ensemble").is_some_and(|name| **name == *ensemble.name);
        let further: Vec<Finding> = self
            .conditions
            .iter()
            .filter(is_of)
            .filter(|found| !by_verdict(found.condition.group))
            .map(|found| Finding {
                level: if found.severity == Severity::Critical { Level::Critical } else { Level::Warning },
                text: sentence(&found.says),
                guide: format!("docs/runbooks/{}.md", found.condition.alert()).into(),
            })
            .filter(|found| all.iter().all(|said| said.guide != found.guide))
            .collect();
        all.extend(further);
        all.sort_by_key(|finding| finding.level);
        all
    }
}

/// Of these the verdict says more than a condition can.
const fn by_verdict(group: Group) -> bool {
    matches!(group, Group::Availability | Group::Leadership | Group::Drift | Group::Exporter)
}

fn page(report: &Arc<Report>) -> Page {
    let mut text = Vec::new();
    // Fails only where a report holds what cannot be formatted, which none does; what was written is judged then.
    let _ = render(report, None, Names::Catalogue, Format::Classic, &mut text);
    Page::read(&String::from_utf8_lossy(&text))
}

/// With a capital at its beginning.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

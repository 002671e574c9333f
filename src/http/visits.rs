//! What disks and writes took since the status page was last visited, held against the limits of the alerts: one page has
//! no past of its own. Remembered are a few numbers of each member, until the next visit or reload.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::alert::{Severity, Thresholds, Unit};
use crate::scrape::EnsembleReport;
use crate::verdict::{Finding, Level, Mark, Pace};

/// A shorter time says too little; visitors within it see what the last one saw the beginning of,
const SHORTEST: Duration = Duration::from_secs(5);

/// and a longer one says nothing of now.
const LONGEST: Duration = Duration::from_mins(10);

/// The counters of each ensemble at its last visit.
#[derive(Debug, Default)]
pub(super) struct Visits(Mutex<HashMap<Arc<str>, Visit>>);

#[derive(Debug)]
struct Visit {
    at: Instant,
    marks: HashMap<Arc<str>, Mark>,
}

/// One of the means of a member.
type Mean = fn(&Pace) -> Option<f64>;

/// What one ensemble did since its last visit.
#[derive(Debug, Default)]
pub struct Since {
    /// How long that is; `None` on the first visit, or after too short or too long a time.
    pub over: Option<Duration>,
    /// What is too slow.
    pub findings: Vec<Finding>,
}

impl Visits {
    /// Compares with the last visit, and remembers this one.
    pub(super) fn since(&self, report: &EnsembleReport, thresholds: &Thresholds) -> Since {
        let now = Instant::now();
        let marks: HashMap<Arc<str>, Mark> =
            report.members.iter().map(|member| (Arc::clone(&member.name), Mark::of(member))).collect();
        let mut visits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut since = Since::default();
        if let Some(last) = visits.get(&report.name) {
            let passed = now - last.at;
            if passed < SHORTEST {
                return since;
            }
            if passed <= LONGEST {
                since.over = Some(passed);
                since.findings = slow(report, thresholds, passed, |name| {
                    marks.get(name).zip(last.marks.get(name)).map(|(now, then)| now.since(then, passed.as_secs_f64()))
                });
            }
        }
        visits.insert(Arc::clone(&report.name), Visit { at: now, marks });
        since
    }
}

/// Members whose means are above the limits, the disks first: they are the usual cause.
fn slow(
    report: &EnsembleReport,
    thresholds: &Thresholds,
    over: Duration,
    pace: impl Fn(&Arc<str>) -> Option<Pace>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let judged: [(&str, &str, Mean); 2] = [
        ("SlowFsync", "an fsync of the transaction log", |pace| pace.fsync),
        ("SlowWrites", "a write", |pace| pace.writes),
    ];
    for (condition, what, of) in judged {
        for member in &report.members {
            let Some(mean) = pace(&member.name).as_ref().and_then(of) else { continue };
            for (severity, level) in [(Severity::Critical, Level::Critical), (Severity::Warning, Level::Warning)] {
                let Some(limit) = limit(thresholds, condition, severity, &report.name) else { continue };
                if mean > limit {
                    let words = |seconds: f64| Unit::Seconds.words(seconds);
                    let text = format!(
                        "{}: {what} has taken {} on average of the last {} (limit {}).",
                        member.name,
                        words((mean * 1000.0).round() / 1000.0),
                        words(over.as_secs_f64().round()),
                        words(limit)
                    );
                    found.push(Finding { level, text, guide: format!("docs/runbooks/ZooKeeper{condition}.md").into() });
                    break;
                }
            }
        }
    }
    found
}

fn limit(thresholds: &Thresholds, condition: &str, severity: Severity, ensemble: &str) -> Option<f64> {
    let is = |level: &&crate::alert::InForce| level.condition.name == condition && level.level.severity == severity;
    thresholds.levels().iter().find(is)?.of_ensemble(ensemble)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape::MemberReport;

    fn report() -> EnsembleReport {
        EnsembleReport {
            name: "prod".into(),
            members: vec![MemberReport::silent("zk-1:2181".into()), MemberReport::silent("zk-2:2181".into())],
            known: crate::ensemble::Known::default(),
            samples: crate::scrape::Samples::default(),
        }
    }

    #[test]
    fn a_slow_disk_is_told_with_its_limit() {
        let over = Duration::from_secs(15);
        let pace = |name: &Arc<str>| {
            let fsync = if &**name == "zk-2:2181" { 0.4 } else { 0.002 };
            Some(Pace { fsync: Some(fsync), writes: Some(0.002), ..Pace::default() })
        };
        let found = slow(&report(), &Thresholds::default(), over, pace);
        let texts: Vec<&str> = found.iter().map(|finding| finding.text.as_str()).collect();
        assert_eq!(
            texts,
            ["zk-2:2181: an fsync of the transaction log has taken 400 ms on average of the last 15 s (limit 100 ms)."]
        );
        assert_eq!(found[0].level, Level::Warning);
        let worse =
            slow(&report(), &Thresholds::default(), over, |_| Some(Pace { fsync: Some(0.6), ..Pace::default() }));
        assert!(worse.len() == 2 && worse.iter().all(|finding| finding.level == Level::Critical), "{worse:?}");
    }

    #[test]
    fn the_first_visit_and_one_right_after_it_say_nothing_of_the_time_between() {
        let (visits, thresholds) = (Visits::default(), Thresholds::default());
        assert!(visits.since(&report(), &thresholds).over.is_none());
        assert!(visits.since(&report(), &thresholds).over.is_none());
        for visit in visits.0.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
            visit.at -= SHORTEST;
        }
        assert!(visits.since(&report(), &thresholds).over.is_some_and(|over| over >= SHORTEST));
    }
}

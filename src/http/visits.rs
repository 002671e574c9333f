//! The reports of the last visits of the status pages: conditions that need two samples are judged over the time since
//! then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::alert::Thresholds;
use crate::incident::{Explanation, Judged, TransitionInfo};
use crate::scrape::{EnsembleReport, MemberReport, Report};
use crate::verdict::{Finding, Mark, Rates, judge};

/// Minimum interval between two visits: a shorter one is too noisy. A visit within it is judged without a comparison
/// and not recorded.
const SHORTEST: Duration = Duration::from_secs(5);

/// Maximum time between two visits; a mean over a longer interval does not describe the present.
const LONGEST: Duration = Duration::from_mins(10);

/// Maximum number of members whose reports are kept; the ensembles visited least recently are evicted.
const MAX_MEMBERS: usize = 300;

/// The last visit of each ensemble.
#[derive(Debug, Default)]
pub(super) struct Visits(Mutex<HashMap<Arc<str>, Visit>>);

#[derive(Debug)]
struct Visit {
    at: Instant,
    report: Arc<EnsembleReport>,
}

/// The judgement of an ensemble that is shown with its report.
#[derive(Debug, Default)]
pub struct Since {
    /// The interval it was judged over; `None` on the first visit and outside the bounds of the interval.
    pub over: Option<Duration>,
    /// The activity of each member in that interval, in the order of the report; empty without one.
    pub rates: Vec<Rates>,
    /// The findings, the worst first.
    pub findings: Vec<Finding>,
    /// The explanation of the findings, if there are any.
    pub explanation: Option<Explanation>,
    /// The newest transitions, newest first.
    pub events: Vec<TransitionInfo>,
}

impl Since {
    /// Judges an ensemble from a single report.
    #[must_use]
    pub fn first(report: &Arc<EnsembleReport>, thresholds: &Thresholds) -> Self {
        Self::judged(report, None, thresholds)
    }

    fn judged(
        report: &Arc<EnsembleReport>,
        before: Option<(Arc<EnsembleReport>, Duration)>,
        thresholds: &Thresholds,
    ) -> Self {
        let rates = before.as_ref().map(|(earlier, passed)| rates(report, earlier, *passed)).unwrap_or_default();
        let alone = |report: Arc<EnsembleReport>| Report { ensembles: vec![report] };
        let before = before.map(|(report, passed)| (alone(report), passed));
        let over = before.as_ref().map(|(_, passed)| *passed);
        let earlier = before.as_ref().map(|(report, passed)| (report, *passed));
        let judged = Judged::new(Arc::new(alone(Arc::clone(report))), earlier, thresholds);
        Self { over, rates, findings: judged.findings(report, &judge(report)), ..Self::default() }
    }
}

/// The activity of each member since an earlier report; members that are new have none.
fn rates(report: &EnsembleReport, earlier: &EnsembleReport, passed: Duration) -> Vec<Rates> {
    let marks: HashMap<&str, Mark> = earlier.members.iter().map(|member| (&*member.name, Mark::of(member))).collect();
    let of = |member: &MemberReport| {
        let earlier = marks.get(&*member.name)?;
        Some(Mark::of(member).since(earlier, passed.as_secs_f64()))
    };
    report.members.iter().map(|member| of(member).unwrap_or_default()).collect()
}

impl Visits {
    /// Judges an ensemble over the time since its last visit, and records this visit.
    pub(super) fn since(&self, report: &Arc<EnsembleReport>, thresholds: &Thresholds) -> Since {
        Since::judged(report, self.before(report, Instant::now()), thresholds)
    }

    /// The report of the last visit and its age, if the age is within the bounds.
    fn before(&self, report: &Arc<EnsembleReport>, now: Instant) -> Option<(Arc<EnsembleReport>, Duration)> {
        let mut visits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = visits.get(&report.name).map(|last| (Arc::clone(&last.report), now - last.at));
        if last.as_ref().is_some_and(|(_, passed)| *passed < SHORTEST) {
            return None;
        }
        visits.insert(Arc::clone(&report.name), Visit { at: now, report: Arc::clone(report) });
        let mut members: usize = visits.values().map(|visit| visit.report.members.len()).sum();
        while members > MAX_MEMBERS {
            let Some(oldest) = visits.iter().min_by_key(|(_, visit)| visit.at).map(|(name, _)| Arc::clone(name)) else {
                break;
            };
            members -= visits.remove(&oldest).map_or(0, |visit| visit.report.members.len());
        }
        last.filter(|(_, passed)| *passed <= LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, members: usize) -> Arc<EnsembleReport> {
        let member = |number| MemberReport::silent(format!("zk-{number}:2181").into());
        Arc::new(EnsembleReport {
            name: name.into(),
            members: (0..members).map(member).collect(),
            known: crate::ensemble::Known::default(),
            samples: crate::scrape::Samples::default(),
        })
    }

    #[test]
    fn a_visit_is_compared_with_the_last_one_within_the_interval_bounds() {
        let (visits, one, begun) = (Visits::default(), report("prod", 2), Instant::now());
        let over =
            |after: u64| visits.before(&one, begun + Duration::from_secs(after)).map(|(_, passed)| passed.as_secs());
        assert_eq!(over(0), None);
        assert_eq!(over(1), None);
        assert_eq!(over(15), Some(15));
        assert_eq!(over(16), None);
        assert_eq!(over(30), Some(15));
        assert_eq!(over(1000), None);
        assert_eq!(over(1010), Some(10));
    }

    #[test]
    fn reports_of_a_bounded_number_of_members_are_kept() {
        let (visits, begun) = (Visits::default(), Instant::now());
        for number in 0..10_u32 {
            visits.before(
                &report(&format!("e{number}"), MAX_MEMBERS / 4),
                begun + Duration::from_secs(u64::from(number)),
            );
        }
        let kept = visits.0.lock().expect("not poisoned");
        let mut names: Vec<&str> = kept.keys().map(|name| &**name).collect();
        names.sort_unstable();
        assert_eq!(names, ["e6", "e7", "e8", "e9"]);
    }
}

//! Limits that may be fitted to an ensemble, and their range: a limit outside of it would hide a fault.

use super::condition::Unit;
use super::expr::Cmp;

/// Permitted range of a condition's warning limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TuningRange {
    /// The condition, without the prefix `ZooKeeper`.
    pub condition: &'static str,
    /// The loosest warning limit. It is stricter than the default critical limit, which is never changed.
    pub loosest: f64,
    /// The strictest warning limit to propose; `None` if the default is not tightened.
    pub strictest: Option<f64>,
    /// Why the limit may not be looser.
    pub end: &'static str,
}

/// The loosest warning limit as a fraction of the critical one.
const BEFORE_CRITICAL: f64 = 0.8;

impl TuningRange {
    /// The range with a warning that comes before a critical limit.
    #[must_use]
    pub fn before(self, critical: f64, compare: Cmp) -> Self {
        if compare.holds(critical, self.loosest) {
            return self;
        }
        let larger_is_worse = matches!(compare, Cmp::Gt | Cmp::Ge);
        let loosest = if larger_is_worse { critical * BEFORE_CRITICAL } else { critical / BEFORE_CRITICAL };
        Self { loosest, end: "the critical limit of the ensemble is near", ..self }
    }
}

const fn range(condition: &'static str, loosest: f64, strictest: Option<f64>, end: &'static str) -> TuningRange {
    TuningRange { condition, loosest, strictest, end }
}

/// Conditions whose warning limit depends on the usual load of the ensemble. The limits of all others are absolute, or
/// depend on these.
pub const TUNING: &[TuningRange] = &[
    range("SlowFsync", 0.4, Some(0.02), "at 0.5 s clients time out, at 1 s ZooKeeper itself logs it"),
    range("SlowWrites", 0.25, Some(0.01), "at 0.3 s clients are affected"),
    range("SlowReads", 0.1, Some(0.005), "reads are served from memory: slower ones wait for a pause or a CPU"),
    range(
        "OutstandingRequests",
        80.0,
        Some(5.0),
        "at 100 requests queue up; at 1000 ZooKeeper throttles (globalOutstandingLimit)",
    ),
    range("ZxidLag", 10_000.0, Some(200.0), "a member that far behind serves old data and needs a snapshot soon"),
    range("PendingSyncs", 100.0, None, "each one is a waiting client"),
    range("FileDescriptors", 0.9, None, "at 100 % no client can connect and no snapshot be written"),
    range("DiskSpaceLow", 0.1, None, "a member stops when its disk is full"),
    range("HeapHigh", 0.93, None, "at 100 % the JVM only collects garbage"),
    range("GarbageCollection", 0.25, None, "a member that stops for a quarter of the time misses pings"),
    range("JvmPauses", 0.15, None, "a pause delays every client, and longer ones end sessions"),
    range("CpuBound", 0.92, None, "at 100 % requests queue up"),
    range("WatchesHigh", 250_000.0, None, "each watch uses memory, and a change that triggers many blocks the member"),
    range("ZnodesHigh", 5_000_000.0, None, "the tree is in memory, and a member that starts reads all of it"),
    range("DataSizeHigh", 2_684_354_560.0, None, "the tree is in memory, and a follower that starts copies all of it"),
];

/// A limit in configuration syntax: `120ms`, `88%`, `15`.
#[must_use]
pub fn written(unit: Unit, limit: f64) -> String {
    let short = |value: f64| format!("{}", (value * 1e6).round() / 1e6);
    match unit {
        Unit::Seconds if limit < 1.0 => format!("{}ms", short(limit * 1000.0)),
        Unit::Seconds => format!("{}s", short(limit)),
        Unit::Ratio => format!("{}%", short(limit * 100.0)),
        Unit::State | Unit::Count | Unit::Number | Unit::Bytes => short(limit),
    }
}

/// Candidate limits within a range, the stricter first, rounded to two significant digits.
#[must_use]
pub fn ladder(unit: Unit, from: f64, to: f64) -> Vec<f64> {
    const STEPS: [f64; 13] = [1.0, 1.2, 1.5, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0];
    let (low, high) = (from.min(to), from.max(to));
    let mut limits: Vec<f64> = if unit == Unit::Ratio {
        (1..100).map(|percent| f64::from(percent) / 100.0).collect()
    } else {
        (-6..13).flat_map(|power| STEPS.map(|step| step * 10.0_f64.powi(power))).collect()
    };
    // Removes rounding errors of powers of ten.
    for limit in &mut limits {
        *limit = format!("{limit:.6e}").parse().unwrap_or(*limit);
    }
    limits.retain(|limit| *limit > low && *limit < high);
    limits.extend([low, high]);
    limits.sort_by(f64::total_cmp);
    limits.dedup();
    if from > to {
        limits.reverse();
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::super::condition::Severity;
    use super::super::conditions;
    use super::*;

    #[test]
    fn ranges_include_the_limits_of_the_catalogue() {
        for range in TUNING {
            let condition =
                conditions().iter().find(|condition| condition.name == range.condition).expect("a condition");
            let limit = |severity| condition.level_of(severity).and_then(|level| level.limit);
            let warning = limit(Severity::Warning).expect("a warning with a limit");
            let larger = condition.larger_is_worse().expect("a comparison");
            let stricter = |one: f64, other: f64| if larger { one < other } else { one > other };
            assert!(stricter(warning, range.loosest), "{range:?}");
            assert!(range.strictest.is_none_or(|strictest| stricter(strictest, warning)), "{range:?}");
            assert!(limit(Severity::Critical).is_none_or(|critical| stricter(range.loosest, critical)), "{range:?}");
        }
    }

    #[test]
    fn a_proposed_warning_comes_before_the_critical_limit() {
        let bounds = |loosest| range("x", loosest, None, "clients suffer");
        for (loosest, critical, compare, expected) in
            [(0.4, 0.1, Cmp::Gt, 0.08), (0.4, 1.0, Cmp::Gt, 0.4), (0.1, 0.08, Cmp::Lt, 0.1), (0.1, 0.16, Cmp::Lt, 0.2)]
        {
            let found = bounds(loosest).before(critical, compare).loosest;
            assert!((found - expected).abs() < 1e-9, "{found} for {critical}");
            assert!(compare.holds(critical, found), "the critical limit is beyond the warning");
        }
    }

    #[test]
    fn candidate_limits_are_rounded() {
        assert_eq!(ladder(Unit::Seconds, 0.05, 0.12), [0.05, 0.06, 0.07, 0.08, 0.1, 0.12]);
        assert_eq!(ladder(Unit::Ratio, 0.12, 0.1), [0.12, 0.11, 0.1]);
        assert_eq!(ladder(Unit::Count, 10.0, 25.0), [10.0, 12.0, 15.0, 18.0, 20.0, 25.0]);
        for (unit, limit, text) in [
            (Unit::Seconds, 0.12, "120ms"),
            (Unit::Seconds, 2.5, "2.5s"),
            (Unit::Ratio, 0.88, "88%"),
            (Unit::Count, 15.0, "15"),
        ] {
            assert_eq!(written(unit, limit), text);
        }
    }
}

//! The indicators: alerts of the catalogue whose value rises before a fault, and the group of each.

use super::super::condition::{Condition, Severity};
use super::super::conditions;
use super::super::expr::{Cmp, Expr, Keys, Op};

/// A value that rises before a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indicator {
    /// The label `indicator`.
    pub name: &'static str,
    /// The label `group`: indicators that rise together; only the highest score of a group counts.
    pub group: &'static str,
    /// Name of the condition in the catalogue, without `ZooKeeper`; the indicator uses its expression and limits.
    pub condition: &'static str,
    /// Whether a start alone raises it (cold caches, returning clients); if so, it is suppressed after a restart.
    pub cold: bool,
    /// Whether it stays higher after clients move here from another member.
    pub moves: bool,
}

const fn of(name: &'static str, group: &'static str, condition: &'static str, cold: bool) -> Indicator {
    Indicator { name, group, condition, cold, moves: false }
}

const fn moving(indicator: Indicator) -> Indicator {
    Indicator { moves: true, ..indicator }
}

/// Every indicator.
pub const INDICATORS: &[Indicator] = &[
    of("fsync", "disk", "SlowFsync", true),
    of("disk_space", "disk", "DiskSpaceLow", false),
    of("heap", "jvm", "HeapHigh", false),
    of("garbage_collection", "jvm", "GarbageCollection", true),
    of("jvm_pauses", "jvm", "JvmPauses", true),
    of("write_latency", "load", "SlowWrites", true),
    of("read_latency", "load", "SlowReads", true),
    of("outstanding_requests", "load", "OutstandingRequests", true),
    of("cpu", "load", "CpuBound", true),
    of("zxid_lag", "replication", "ZxidLag", true),
    of("pending_syncs", "replication", "PendingSyncs", true),
    moving(of("file_descriptors", "connections", "FileDescriptors", false)),
    moving(of("connections", "connections", "ConnectionsHigh", false)),
    moving(of("watches", "data", "WatchesHigh", false)),
    of("znodes", "data", "ZnodesHigh", false),
    of("data_size", "data", "DataSizeHigh", false),
];

impl Indicator {
    /// The condition of the catalogue.
    ///
    /// # Panics
    /// Never: a test checks that every indicator names a condition.
    #[must_use]
    pub fn condition(&self) -> &'static Condition {
        // Tested for every indicator; the fallback only avoids an `expect`.
        conditions().iter().find(|condition| condition.name == self.condition).unwrap_or(&conditions()[0])
    }

    /// The measured value of each member, oriented so that larger is worse: the left side of the alert's comparison.
    #[must_use]
    pub fn measured(&self) -> Expr {
        let measured = match &self.condition().expr {
            Expr::Compare(_, left, _) => of_member(left),
            other => other.clone(),
        };
        if self.falls() { Expr::Math(Op::Sub, Box::new(Expr::Number(1.0)), Box::new(measured)) } else { measured }
    }

    /// Whether the alert fires for low values; the indicator is then 1 minus the value.
    #[must_use]
    pub fn falls(&self) -> bool {
        matches!(&self.condition().expr, Expr::Compare(Cmp::Lt | Cmp::Le, ..))
    }

    /// A limit of the alert as a limit of the indicator.
    #[must_use]
    pub fn limit(&self, of_alert: f64) -> f64 {
        // Rounded: the difference of two decimal fractions is inexact in binary.
        if self.falls() { ((1.0 - of_alert) * 1e6).round() / 1e6 } else { of_alert }
    }
}

/// Aggregates by member where the alert aggregates by ensemble.
fn of_member(expr: &Expr) -> Expr {
    match expr {
        Expr::By(agg, Keys::Ensemble, inner) => Expr::By(*agg, Keys::Member, inner.clone()),
        other => other.clone(),
    }
}

/// Nu and tau of W(x) = 1 / (1 + exp(-(x - nu) / tau)). Nu is the warning limit; tau is chosen so that the critical
/// limit scores at least 0.9 and the value 0 at most 1 / (1 + e^6) = 0.0025. `None` if tau would not be above 0.
#[must_use]
pub fn steepness(warning: f64, critical: Option<f64>) -> Option<(f64, f64)> {
    let from_zero = warning / 6.0;
    let tau = critical.map_or(from_zero, |critical| from_zero.min((critical - warning) / 9.0_f64.ln()));
    (tau > 0.0).then_some((warning, tau))
}

/// Why no score can be computed from the limits of a condition; completes the sentence "the warning of X ...".
#[must_use]
pub fn refused(condition: &Condition, warning: Option<f64>, critical: Option<f64>) -> Option<String> {
    let indicator = INDICATORS.iter().find(|indicator| indicator.condition == condition.name)?;
    let warning = warning?;
    if steepness(indicator.limit(warning), critical.map(|limit| indicator.limit(limit))).is_some() {
        return None;
    }
    let wanted = if indicator.falls() { "below 100 %" } else { "above 0" };
    Some(format!("gives its early-warning score no steepness (tau is 0): expected a limit {wanted}, or off"))
}

/// The levels whose limits determine nu and tau.
pub(super) const LEVELS: [Severity; 2] = [Severity::Warning, Severity::Critical];

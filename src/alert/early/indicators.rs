//! The indicators: which alerts of the catalogue have a number that rises before the fault, and what they are about.

use super::super::condition::{Condition, Severity};
use super::super::conditions;
use super::super::expr::{Cmp, Expr, Keys, Op};

/// A number that rises before a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indicator {
    /// The label `indicator`.
    pub name: &'static str,
    /// The label `group`: indicators that rise together, of which only the worst counts.
    pub group: &'static str,
    /// The condition of the catalogue, without `ZooKeeper`: its expression and its limits are the indicator's.
    pub condition: &'static str,
    /// Whether a start makes it high by itself (cold caches, clients that come back): then the restart gate holds it.
    pub cold: bool,
    /// Whether it rises for good when clients move here from another member.
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
    /// The condition that it follows.
    ///
    /// # Panics
    /// Never: a test holds that every indicator names one.
    #[must_use]
    pub fn condition(&self) -> &'static Condition {
        // A test holds that there is one; the fall-back only spares an `expect`.
        conditions().iter().find(|condition| condition.name == self.condition).unwrap_or(&conditions()[0])
    }

    /// What is measured, of each member, so that larger is worse: the left side of the alert's comparison.
    #[must_use]
    pub fn measured(&self) -> Expr {
        let measured = match &self.condition().expr {
            Expr::Compare(_, left, _) => of_member(left),
            other => other.clone(),
        };
        if self.falls() { Expr::Math(Op::Sub, Box::new(Expr::Number(1.0)), Box::new(measured)) } else { measured }
    }

    /// Whether the alert is about too little: then the indicator is what is lacking to 1.
    #[must_use]
    pub fn falls(&self) -> bool {
        matches!(&self.condition().expr, Expr::Compare(Cmp::Lt | Cmp::Le, ..))
    }

    /// A limit of the alert as a limit of the indicator.
    #[must_use]
    pub fn limit(&self, of_alert: f64) -> f64 {
        // The difference of two decimal fractions has a tail of nines; it is rounded.
        if self.falls() { ((1.0 - of_alert) * 1e6).round() / 1e6 } else { of_alert }
    }
}

/// What an alert says of an ensemble is measured at each of its members.
fn of_member(expr: &Expr) -> Expr {
    match expr {
        Expr::By(agg, Keys::Ensemble, inner) => Expr::By(*agg, Keys::Member, inner.clone()),
        other => other.clone(),
    }
}

/// Nu and tau of W(x) = 1 / (1 + exp(-(x - nu) / tau)): nu is the warning limit; tau is such that the critical limit scores
/// at least 0.9, and that nothing at all scores at most 1 / (1 + e^6) = 0.0025. `None` where tau would not be above 0.
#[must_use]
pub fn steepness(warning: f64, critical: Option<f64>) -> Option<(f64, f64)> {
    let from_zero = warning / 6.0;
    let tau = critical.map_or(from_zero, |critical| from_zero.min((critical - warning) / 9.0_f64.ln()));
    (tau > 0.0).then_some((warning, tau))
}

/// Why the limits of a condition make no score: a text that ends the sentence "the warning of X ...".
#[must_use]
pub fn refused(condition: &Condition, warning: Option<f64>, critical: Option<f64>) -> Option<String> {
    let indicator = INDICATORS.iter().find(|indicator| indicator.condition == condition.name)?;
    let warning = warning?;
    if steepness(indicator.limit(warning), critical.map(|limit| indicator.limit(limit))).is_some() {
        return None;
    }
    let wanted = if indicator.falls() { "below 100 %" } else { "above 0" };
    Some(format!("leaves its early-warning score no steepness (tau is 0); write a limit {wanted}, or off"))
}

/// Both levels of a condition, for the indicator's nu and tau.
pub(super) const LEVELS: [Severity; 2] = [Severity::Warning, Severity::Critical];

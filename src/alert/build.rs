//! Builder functions for expressions: `series("zk_up").of_member().eq(0.0)`.

use std::ops::{Div, Sub};

use super::expr::{Agg, Cmp, Expr, Fold, Keys, Op, Selector, Set, Span};

/// Placeholder for the limit of the level.
pub const LIMIT: Expr = Expr::Limit;

/// The series with this name.
#[must_use]
pub fn series(name: &'static str) -> Expr {
    Expr::Series(Selector { name, labels: Vec::new() })
}

/// The series with this name and label.
#[must_use]
pub fn series_with(name: &'static str, label: &'static str, value: &'static str) -> Expr {
    Expr::Series(Selector { name, labels: vec![(label, value)] })
}

/// Minimum rate per second for a mean: 15 requests in 5 minutes. With fewer requests, one slow request dominates the
/// mean and delays no others.
pub const MIN_RATE: f64 = 0.05;

/// Share of a value that was reached a week ago to count as usual.
pub const WEEKLY: f64 = 0.9;

/// Mean of a summary over a window: `rate(sum) / rate(count)`. No result where the rate is below `min_rate` per second.
#[must_use]
pub fn mean(sum: &'static str, count: &'static str, window: Span, min_rate: f64) -> Expr {
    let happened = series(count).rate(window).gt(min_rate);
    Expr::Math(Op::Div, Box::new(series(sum).rate(window)), Box::new(happened))
}

/// Sustained growth: each of the last three periods contributed at least half of their mean.
///
/// Compares the minimum of four consecutive periods. A step (clients that move after a failover, a bulk load shorter
/// than a period) raises only one of them, and a peak shorter than a period raises none. Differences are computed after
/// the aggregation, so that a restarted or replaced exporter continues the series of its predecessor.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// Name of the growing series.
    pub name: &'static str,
    /// Aggregation labels.
    pub keys: Keys,
    /// Length of one period.
    pub period: Span,
}

impl Growth {
    /// Minimum of a period; 0 is the most recent.
    fn floor(&self, number: u64) -> Expr {
        let floor = series(self.name).min(self.period);
        let floor = if number == 0 { floor } else { floor.ago(Span(number * self.period.0)) };
        // The lower value, if two exporters report the series.
        let floor = floor.by(Agg::Min, Keys::Member);
        if self.keys == Keys::Member { floor } else { floor.by(Agg::Max, self.keys) }
    }

    /// Growth between two periods.
    fn between(&self, newer: u64, older: u64) -> Expr {
        self.floor(newer) - self.floor(older)
    }

    /// Projected value after `ahead`, at the rate of the last three periods.
    #[must_use]
    pub fn forecast(&self, ahead: Span) -> Expr {
        #[expect(clippy::cast_precision_loss, reason = "seconds of some hours")]
        let part = (3 * self.period.0) as f64 / ahead.0 as f64;
        series(self.name).by(Agg::Max, self.keys) - self.between(3, 0) / part.into()
    }

    /// Restricts `expr` to sustained growth with a value above that of the previous day, which excludes daily peaks, and
    /// above the peak of the same day a week ago, which excludes each Monday. A level that the day before had as well is not a
    /// peak, and a window of the whole week would hide a second leak within it.
    #[must_use]
    pub fn gate(&self, expr: Expr) -> Expr {
        let steady = |newer| self.between(newer, newer + 1).gt(self.between(0, 3) / 6.0.into());
        let before = || series(self.name).max(Span::hours(24)).ago(Span(4 * self.period.0)).by(Agg::Max, self.keys);
        let a_week_ago = || series(self.name).max(Span::hours(24)).ago(Span::hours(156)).by(Agg::Max, self.keys);
        let now = || series(self.name).by(Agg::Max, self.keys);
        expr.and(steady(0))
            .and(steady(1))
            .and(steady(2))
            .unless(before().ge(now()))
            .unless((a_week_ago() / WEEKLY.into()).ge(now()).and(a_week_ago().gt(before() / WEEKLY.into())))
    }
}

impl From<f64> for Expr {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl Sub for Expr {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::Math(Op::Sub, Box::new(self), Box::new(other))
    }
}

impl Div for Expr {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        Self::Math(Op::Div, Box::new(self), Box::new(other))
    }
}

impl Expr {
    fn fold(self, fold: Fold, window: Span) -> Self {
        match self {
            Self::Series(selector) => Self::Window(fold, selector, window),
            other => other,
        }
    }

    /// Mean over a window.
    #[must_use]
    pub fn avg(self, window: Span) -> Self {
        self.fold(Fold::Avg, window)
    }

    /// Maximum over a window.
    #[must_use]
    pub fn max(self, window: Span) -> Self {
        self.fold(Fold::Max, window)
    }

    /// Minimum over a window.
    #[must_use]
    pub fn min(self, window: Span) -> Self {
        self.fold(Fold::Min, window)
    }

    /// Latest value in a window; a failed scrape does not count as a recovery.
    #[must_use]
    pub fn last(self, window: Span) -> Self {
        self.fold(Fold::Last, window)
    }

    /// Rate of increase per second.
    #[must_use]
    pub fn rate(self, window: Span) -> Self {
        self.fold(Fold::Rate, window)
    }

    /// Increase over a window.
    #[must_use]
    pub fn increase(self, window: Span) -> Self {
        self.fold(Fold::Increase, window)
    }

    /// The median of the samples of a window.
    #[must_use]
    pub fn median(self, window: Span) -> Self {
        self.fold(Fold::Median, window)
    }

    /// 10th percentile of the samples in a window.
    #[must_use]
    pub fn low(self, window: Span) -> Self {
        self.fold(Fold::Low, window)
    }

    /// Number of value changes in a window.
    #[must_use]
    pub fn changes(self, window: Span) -> Self {
        self.fold(Fold::Changes, window)
    }

    /// Number of counter resets in a window.
    #[must_use]
    pub fn resets(self, window: Span) -> Self {
        self.fold(Fold::Resets, window)
    }

    /// Offset: the series, or the window, as it was `span` ago.
    #[must_use]
    pub fn ago(self, span: Span) -> Self {
        match self {
            Self::Series(selector) => Self::Past(selector, span),
            Self::Window(fold, selector, window) => Self::WindowAgo(fold, selector, window, span),
            other => other,
        }
    }

    /// Aggregates by these labels.
    #[must_use]
    pub fn by(self, agg: Agg, keys: Keys) -> Self {
        Self::By(agg, keys, Box::new(self))
    }

    /// Maximum per member; merges the values of several exporters.
    #[must_use]
    pub fn of_member(self) -> Self {
        self.by(Agg::Max, Keys::Member)
    }

    /// Maximum per ensemble.
    #[must_use]
    pub fn of_ensemble(self) -> Self {
        self.by(Agg::Max, Keys::Ensemble)
    }

    fn compare(self, cmp: Cmp, other: impl Into<Self>) -> Self {
        Self::Compare(cmp, Box::new(self), Box::new(other.into()))
    }

    /// Series above `other`.
    #[must_use]
    pub fn gt(self, other: impl Into<Self>) -> Self {
        self.compare(Cmp::Gt, other)
    }

    /// Series at or above `other`.
    #[must_use]
    pub fn ge(self, other: impl Into<Self>) -> Self {
        self.compare(Cmp::Ge, other)
    }

    /// Series below `other`.
    #[must_use]
    pub fn lt(self, other: impl Into<Self>) -> Self {
        self.compare(Cmp::Lt, other)
    }

    /// Series at or below `other`.
    #[must_use]
    pub fn le(self, other: impl Into<Self>) -> Self {
        self.compare(Cmp::Le, other)
    }

    /// Series equal to `other`.
    #[must_use]
    pub fn eq(self, other: impl Into<Self>) -> Self {
        self.compare(Cmp::Eq, other)
    }

    /// Keeps series for which the gate has a series of the same ensemble or member.
    #[must_use]
    pub fn and(self, gate: Self) -> Self {
        let keys = gate.keys();
        self.sets(Set::And, keys, gate)
    }

    /// Keeps series for which the gate has no series of the same ensemble or member.
    #[must_use]
    pub fn unless(self, gate: Self) -> Self {
        let keys = gate.keys();
        self.sets(Set::Unless, keys, gate)
    }

    /// Like [`Self::and`], for a gate whose labels are not aggregated.
    #[must_use]
    pub fn and_on(self, keys: Keys, gate: Self) -> Self {
        self.sets(Set::And, Some(keys), gate)
    }

    /// Like [`Self::unless`], for a gate whose labels are not aggregated.
    #[must_use]
    pub fn unless_on(self, keys: Keys, gate: Self) -> Self {
        self.sets(Set::Unless, Some(keys), gate)
    }

    /// Union; the left side takes precedence.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.sets(Set::Or, None, other)
    }

    fn sets(self, set: Set, keys: Option<Keys>, other: Self) -> Self {
        Self::Sets(set, keys, Box::new(self), Box::new(other))
    }
}

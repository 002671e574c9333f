//! How expressions are put together: `series("zk_up").of_member().eq(0.0)`.

use std::ops::{Div, Sub};

use super::expr::{Agg, Cmp, Expr, Fold, Keys, Op, Selector, Set, Span};

/// The limit of the level, in an expression.
pub const LIMIT: Expr = Expr::Limit;

/// The series of this name.
#[must_use]
pub fn series(name: &'static str) -> Expr {
    Expr::Series(Selector { name, labels: Vec::new() })
}

/// The series of this name with this label.
#[must_use]
pub fn series_with(name: &'static str, label: &'static str, value: &'static str) -> Expr {
    Expr::Series(Selector { name, labels: vec![(label, value)] })
}

/// Fewer requests a second than this make no mean: 15 in 5 minutes. A handful of slow requests of an idle ensemble
/// keeps no other request waiting.
pub const MIN_RATE: f64 = 0.05;

/// Mean of a summary in a window: `rate(sum) / rate(count)`, nothing where less than `min_rate` a second happened.
#[must_use]
pub fn mean(sum: &'static str, count: &'static str, window: Span, min_rate: f64) -> Expr {
    let happened = series(count).rate(window).gt(min_rate);
    Expr::Math(Op::Div, Box::new(series(sum).rate(window)), Box::new(happened))
}

/// Growth that goes on: each of the last three periods brought at least half of their mean.
///
/// Compared are the lowest values of four periods. A step (clients that move after a failover, one bulk load of less
/// than a period) raises only one of them, and a wave that is shorter than a period raises none. Counted after the
/// aggregation, so that a new exporter instance goes on where the old one ended, and has no history of its own to prove.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// What grows.
    pub name: &'static str,
    /// What it is aggregated by.
    pub keys: Keys,
    /// The length of a period.
    pub period: Span,
}

impl Growth {
    /// The lowest value of a period; 0 is the newest.
    fn floor(&self, number: u64) -> Expr {
        let floor = series(self.name).min(self.period);
        let floor = if number == 0 { floor } else { floor.ago(Span(number * self.period.0)) };
        // Of two exporters, or of an old and a new one, the lower.
        let floor = floor.by(Agg::Min, Keys::Member);
        if self.keys == Keys::Member { floor } else { floor.by(Agg::Max, self.keys) }
    }

    /// What came between two periods.
    fn between(&self, newer: u64, older: u64) -> Expr {
        self.floor(newer) - self.floor(older)
    }

    /// The value after `ahead`, at the pace of the last three periods.
    #[must_use]
    pub fn forecast(&self, ahead: Span) -> Expr {
        #[expect(clippy::cast_precision_loss, reason = "seconds of some hours")]
        let part = (3 * self.period.0) as f64 / ahead.0 as f64;
        series(self.name).by(Agg::Max, self.keys) - self.between(3, 0) / part.into()
    }

    /// Gates `expr`: only where the growth goes on, and where the value is higher than a day before: a wave that comes
    /// every day is not.
    #[must_use]
    pub fn gate(&self, expr: Expr) -> Expr {
        let steady = |newer| self.between(newer, newer + 1).gt(self.between(0, 3) / 6.0.into());
        let before = series(self.name).max(Span::hours(24)).ago(Span(4 * self.period.0)).by(Agg::Max, self.keys);
        expr.and(steady(0)).and(steady(1)).and(steady(2)).unless(before.ge(series(self.name).by(Agg::Max, self.keys)))
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

    /// Largest in a window.
    #[must_use]
    pub fn max(self, window: Span) -> Self {
        self.fold(Fold::Max, window)
    }

    /// Smallest in a window.
    #[must_use]
    pub fn min(self, window: Span) -> Self {
        self.fold(Fold::Min, window)
    }

    /// Newest in a window, so that a failed scrape is not taken for a recovery.
    #[must_use]
    pub fn last(self, window: Span) -> Self {
        self.fold(Fold::Last, window)
    }

    /// Growth a second.
    #[must_use]
    pub fn rate(self, window: Span) -> Self {
        self.fold(Fold::Rate, window)
    }

    /// Growth in a window.
    #[must_use]
    pub fn increase(self, window: Span) -> Self {
        self.fold(Fold::Increase, window)
    }

    /// The value that a tenth of the samples of a window are at or below.
    #[must_use]
    pub fn low(self, window: Span) -> Self {
        self.fold(Fold::Low, window)
    }

    /// Changes of the value in a window.
    #[must_use]
    pub fn changes(self, window: Span) -> Self {
        self.fold(Fold::Changes, window)
    }

    /// Falls in a window.
    #[must_use]
    pub fn resets(self, window: Span) -> Self {
        self.fold(Fold::Resets, window)
    }

    /// Where the straight line through a window ends `ahead`.
    #[must_use]
    pub fn predict(self, window: Span, ahead: Span) -> Self {
        match self {
            Self::Series(selector) => Self::Predict(selector, window, ahead),
            other => other,
        }
    }

    /// As it was: the series, or a window of them.
    #[must_use]
    pub fn ago(self, span: Span) -> Self {
        match self {
            Self::Series(selector) => Self::Past(selector, span),
            Self::Window(fold, selector, window) => Self::WindowAgo(fold, selector, window, span),
            other => other,
        }
    }

    /// Joined.
    #[must_use]
    pub fn by(self, agg: Agg, keys: Keys) -> Self {
        Self::By(agg, keys, Box::new(self))
    }

    /// The largest of each member: what two exporters say becomes one.
    #[must_use]
    pub fn of_member(self) -> Self {
        self.by(Agg::Max, Keys::Member)
    }

    /// The largest of each ensemble.
    #[must_use]
    pub fn of_ensemble(self) -> Self {
        self.by(Agg::Max, Keys::Ensemble)
    }

    fn compare(self, cmp: Cmp, other: impl Into<Self>) -> Self {
        Self::Compare(cmp, Box::new(self), Box::new(other.into()))
    }

    /// Those above.
    #[must_use]
    pub fn gt(self, other: impl Into<Self>) -> Self {
        self.compare(Cmp::Gt, other)
    }

    /// Those at least as large.
    #[must_use]
    pub fn ge(self, other: impl Into<Self>) -> Self {
        self.compare(Cmp::Ge, other)
    }

    /// Those below.
    #[must_use]
    pub fn lt(self, other: impl Into<Self>) -> Self {
        self.compare(Cmp::Lt, other)
    }

    /// Those at most as large.
    #[must_use]
    pub fn le(self, other: impl Into<Self>) -> Self {
        self.compare(Cmp::Le, other)
    }

    /// Those that are equal.
    #[must_use]
    pub fn eq(self, other: impl Into<Self>) -> Self {
        self.compare(Cmp::Eq, other)
    }

    /// A gate: only where the other side has the same ensemble or member.
    #[must_use]
    pub fn and(self, gate: Self) -> Self {
        let keys = gate.keys();
        self.sets(Set::And, keys, gate)
    }

    /// A gate: only where the other side has none of the same ensemble or member.
    #[must_use]
    pub fn unless(self, gate: Self) -> Self {
        let keys = gate.keys();
        self.sets(Set::Unless, keys, gate)
    }

    /// As [`Self::and`] with a side whose labels were not reduced.
    #[must_use]
    pub fn and_on(self, keys: Keys, gate: Self) -> Self {
        self.sets(Set::And, Some(keys), gate)
    }

    /// As [`Self::unless`] with a side whose labels were not reduced.
    #[must_use]
    pub fn unless_on(self, keys: Keys, gate: Self) -> Self {
        self.sets(Set::Unless, Some(keys), gate)
    }

    /// This, or else that.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.sets(Set::Or, None, other)
    }

    fn sets(self, set: Set, keys: Option<Keys>, other: Self) -> Self {
        Self::Sets(set, keys, Box::new(self), Box::new(other))
    }
}

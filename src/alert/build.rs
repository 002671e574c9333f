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

/// Mean of a summary in a window: `rate(sum) / rate(count)`, nothing where nothing happened.
#[must_use]
pub fn mean(sum: &'static str, count: &'static str, window: Span) -> Expr {
    let happened = series(count).rate(window).gt(0.0);
    Expr::Math(Op::Div, Box::new(series(sum).rate(window)), Box::new(happened))
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

//! Expressions over metrics, made so that they can be written as `PromQL` and judged over one or two scrapes.

use std::fmt;

use super::trouble::{Held, Newest, Trouble, WINDOW};
use super::watch;

/// A duration in seconds, written as Prometheus writes it: `5m`, `1h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub u64);

impl Span {
    /// So many minutes.
    #[must_use]
    pub const fn minutes(number: u64) -> Self {
        Self(number * 60)
    }

    /// So many hours.
    #[must_use]
    pub const fn hours(number: u64) -> Self {
        Self(number * 3600)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let (size, unit) = UNITS.into_iter().find(|(size, _)| self.0.is_multiple_of(*size)).unwrap_or((1, "s"));
        write!(f, "{}{unit}", self.0 / size)
    }
}

/// Series of one name, with what their labels must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The name of the samples, with `_total`, `_sum` or `_count`.
    pub name: &'static str,
    /// Labels and the values they may have: one, or several divided by `|`. Behind a `!` stand the values that they must
    /// not have; `.*` in a value stands for any text.
    pub labels: Vec<(&'static str, &'static str)>,
}

/// What is made of the samples of one series in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// The mean.
    Avg,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// The value that a tenth of the samples are at or below: a short dip does not lower it, a short peak does not raise it.
    Low,
    /// The newest, which outlives a failed scrape.
    Last,
    /// Growth a second of a counter.
    Rate,
    /// Growth of a counter.
    Increase,
    /// How often a counter fell back.
    Resets,
    /// How often the value changed.
    Changes,
}

/// How series are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agg {
    /// The largest value.
    Max,
    /// The smallest value.
    Min,
    /// The sum.
    Sum,
    /// 1 for each group.
    Group,
}

/// What remains of the labels, and what alerts are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// One alert an ensemble.
    Ensemble,
    /// One alert a member.
    Member,
    /// One alert a certificate of a member.
    Certificate,
    /// One alert a canary: of an ensemble, or of a member.
    Canary,
    /// One alert a znode of an ensemble.
    Znode,
    /// One alert an indicator of a member.
    Indicator,
    /// One alert an objective of an ensemble.
    Objective,
    /// One alert a resource of an ensemble.
    Resource,
    /// One alert a scrape target: the one case in which `job` and `instance` stay.
    Target,
    /// One alert an ensemble and scrape target.
    EnsembleOfTarget,
    /// One series a member and scrape target; only within another aggregation.
    MemberOfTarget,
    /// Nothing at all.
    Nothing,
}

impl Keys {
    /// The names of the labels.
    #[must_use]
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Ensemble => &["ensemble"],
            Self::Member | Self::Canary => &["ensemble", "member"],
            Self::Znode => &["ensemble", "path"],
            Self::Indicator => &["ensemble", "member", "indicator"],
            Self::Objective => &["ensemble", "objective"],
            Self::Resource => &["ensemble", "resource"],
            Self::Certificate => &["ensemble", "member", "subject"],
            Self::Target => &["job", "instance"],
            Self::EnsembleOfTarget => &["ensemble", "job", "instance"],
            Self::MemberOfTarget => &["ensemble", "member", "job", "instance"],
            Self::Nothing => &[],
        }
    }
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cmp {
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Equal.
    Eq,
}

/// How two numbers are reckoned together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Difference.
    Sub,
    /// Quotient.
    Div,
}

/// What an expression does with two sets of series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Those on the left that have a partner on the right.
    And,
    /// Those on the left that have none.
    Unless,
    /// Those on the left, and those on the right that are not on the left.
    Or,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// The series as they are now.
    Series(Selector),
    /// A window of every series.
    Window(Fold, Selector, Span),
    /// A window of every series that ended so long ago.
    WindowAgo(Fold, Selector, Span, Span),
    /// Where the straight line through the window ends so much later.
    Predict(Selector, Span, Span),
    /// The series as they were.
    Past(Selector, Span),
    /// Series joined.
    By(Agg, Keys, Box<Expr>),
    /// Arithmetic between series of the same labels, or with a number.
    Math(Op, Box<Expr>, Box<Expr>),
    /// The series of the left side for which it holds.
    Compare(Cmp, Box<Expr>, Box<Expr>),
    /// Sets of series; matched by these labels, or by all where there are none.
    Sets(Set, Option<Keys>, Box<Expr>, Box<Expr>),
    /// A flag that is bad, judged over time.
    Trouble(Trouble),
    /// What fires or is pending, for as long as no page says more.
    Held(Held),
    /// What pages say now; where none does, what the last one said.
    Newest(Newest),
    /// 1 for each configured ensemble of which there is no such series at all.
    AbsentEnsembles(Selector),
    /// A number.
    Number(f64),
    /// The limit of the level.
    Limit,
    /// How long the level must hold (`for`), in seconds.
    Hold,
    /// Now, in seconds since 1970.
    Time,
    /// 1, always.
    Always,
}

impl Expr {
    /// What remains of the labels; `None` where all do.
    #[must_use]
    pub fn keys(&self) -> Option<Keys> {
        match self {
            Self::By(_, keys, _) | Self::Trouble(Trouble { keys, .. }) | Self::Held(Held { keys, .. }) => Some(*keys),
            Self::Newest(newest) => Some(newest.keys),
            Self::Math(_, left, right) => left.keys().or_else(|| right.keys()),
            Self::Compare(_, left, _) | Self::Sets(_, _, left, _) => left.keys(),
            Self::AbsentEnsembles(_) => Some(Keys::Ensemble),
            Self::Always => Some(Keys::Nothing),
            _ => None,
        }
    }

    /// Every selector in it.
    #[must_use]
    pub fn selectors(&self) -> Vec<&Selector> {
        match self {
            Self::Series(selector)
            | Self::Window(_, selector, _)
            | Self::WindowAgo(_, selector, ..)
            | Self::Predict(selector, ..)
            | Self::Past(selector, _)
            | Self::Trouble(Trouble { flag: selector, .. })
            | Self::Held(Held { flag: selector, .. })
            | Self::Newest(Newest { selector, .. })
            | Self::AbsentEnsembles(selector) => vec![selector],
            Self::By(_, _, inner) => inner.selectors(),
            Self::Math(_, left, right) | Self::Compare(_, left, right) | Self::Sets(_, _, left, right) => {
                let mut all = left.selectors();
                all.extend(right.selectors());
                all
            }
            Self::Number(_) | Self::Limit | Self::Hold | Self::Time | Self::Always => Vec::new(),
        }
    }

    /// How the value is compared with the limit, where it is.
    #[must_use]
    pub fn limit_comparison(&self) -> Option<Cmp> {
        match self {
            Self::Compare(cmp, _, right) if **right == Self::Limit => Some(*cmp),
            Self::By(_, _, inner) => inner.limit_comparison(),
            Self::Compare(_, left, right) | Self::Math(_, left, right) | Self::Sets(_, _, left, right) => {
                left.limit_comparison().or_else(|| right.limit_comparison())
            }
            _ => None,
        }
    }

    /// The longest window in which it counts what grows or changes: a shorter look may find what it wants, but finding
    /// nothing says nothing. What a gauge shows now is a judgement in itself.
    #[must_use]
    pub fn counts_over(&self) -> Span {
        match self {
            // What is recorded is on no page, and what is judged beside it is judged.
            Self::Window(_, selector, _) if watch::is_recorded(selector.name) => Span(0),
            Self::Window(Fold::Rate | Fold::Increase | Fold::Resets | Fold::Changes, _, window) => *window,
            Self::By(_, _, inner) => inner.counts_over(),
            // What can be judged of the two is.
            Self::Sets(Set::Or, _, left, right) => left.counts_over().min(right.counts_over()),
            Self::Math(_, left, right) | Self::Compare(_, left, right) | Self::Sets(_, _, left, right) => {
                left.counts_over().max(right.counts_over())
            }
            _ => Span(0),
        }
    }

    /// The longest time it looks back, the memory of [`Fold::Last`] left aside.
    #[must_use]
    pub fn looks_back(&self) -> Span {
        match self {
            Self::Window(Fold::Last, ..) => Span(0),
            Self::Window(_, _, window) | Self::Predict(_, window, _) | Self::Past(_, window) => *window,
            Self::WindowAgo(_, _, window, ago) => Span(window.0 + ago.0),
            Self::Trouble(_) => WINDOW,
            Self::Series(selector) if watch::is_recorded(selector.name) => WINDOW,
            Self::By(_, _, inner) => inner.looks_back(),
            Self::Math(_, left, right) | Self::Compare(_, left, right) | Self::Sets(_, _, left, right) => {
                left.looks_back().max(right.looks_back())
            }
            _ => Span(0),
        }
    }
}

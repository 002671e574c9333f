//! Expressions over metrics that can be written as `PromQL` and evaluated over one or two scrapes.

use std::fmt;

use super::trouble::{Held, Newest, Trouble, WINDOW};
use super::watch;

/// A duration in seconds, formatted like a Prometheus duration: `5m`, `1h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub u64);

impl Span {
    /// A span of minutes.
    #[must_use]
    pub const fn minutes(number: u64) -> Self {
        Self(number * 60)
    }

    /// A span of hours.
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

/// Series with one name, and label matchers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// Sample name, including `_total`, `_sum` or `_count`.
    pub name: &'static str,
    /// Labels and their permitted values, separated by `|`. A leading `!` negates the list; `.*` in a value matches any
    /// text.
    pub labels: Vec<(&'static str, &'static str)>,
}

/// A function over the samples of one series in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// The mean.
    Avg,
    /// The maximum.
    Max,
    /// The minimum.
    Min,
    /// The 10th percentile: a short dip does not lower it, a short peak does not raise it.
    Low,
    /// The median.
    Median,
    /// The latest value, which persists over a failed scrape.
    Last,
    /// Increase of a counter per second.
    Rate,
    /// Increase of a counter.
    Increase,
    /// Number of counter resets.
    Resets,
    /// Number of value changes.
    Changes,
}

/// An aggregation operator.
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

/// The labels that an aggregation keeps; they identify one alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// One alert per ensemble.
    Ensemble,
    /// One alert per member.
    Member,
    /// One alert per certificate of a member.
    Certificate,
    /// One alert per canary, of an ensemble or of a member.
    Canary,
    /// One alert per znode of an ensemble.
    Znode,
    /// One alert per indicator of a member.
    Indicator,
    /// One alert per objective of an ensemble.
    Objective,
    /// One alert per resource of an ensemble.
    Resource,
    /// One alert per scrape target; the only variant that keeps `job` and `instance`.
    Target,
    /// One alert per ensemble and scrape target.
    EnsembleOfTarget,
    /// One series per member and scrape target; used only within another aggregation.
    MemberOfTarget,
    /// One series per server that answers under the name of a member; used only within another aggregation.
    ServerOfMember,
    /// No labels.
    Nothing,
}

impl Keys {
    /// The label names.
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
            Self::ServerOfMember => &["ensemble", "member", "server_id"],
            Self::Nothing => &[],
        }
    }
}

/// Comparison operator.
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

/// Arithmetic operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Difference.
    Sub,
    /// Quotient.
    Div,
}

/// Set operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Series on the left with a match on the right.
    And,
    /// Series on the left without a match on the right.
    Unless,
    /// Series on the left, and series on the right without a match on the left.
    Or,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// The current value of the series.
    Series(Selector),
    /// A function over a window of each series.
    Window(Fold, Selector, Span),
    /// A function over a window that ended the second span ago.
    WindowAgo(Fold, Selector, Span, Span),
    /// The series with an offset.
    Past(Selector, Span),
    /// An aggregation.
    By(Agg, Keys, Box<Expr>),
    /// Arithmetic between series with equal labels, or with a number.
    Math(Op, Box<Expr>, Box<Expr>),
    /// The series of the left side for which the comparison is true.
    Compare(Cmp, Box<Expr>, Box<Expr>),
    /// A set operation, matched on these labels, or on all labels if `None`.
    Sets(Set, Option<Keys>, Box<Expr>, Box<Expr>),
    /// A bad flag, evaluated over time.
    Trouble(Trouble),
    /// Keeps firing and pending alerts while pages do not report the flag.
    Held(Held),
    /// The current value on pages, or the last known one.
    Newest(Newest),
    /// 1 for each configured ensemble without any such series.
    AbsentEnsembles(Selector),
    /// A constant.
    Number(f64),
    /// The limit of the level.
    Limit,
    /// How long the level must hold (`for`), in seconds.
    Hold,
    /// The current time, in seconds since the Unix epoch.
    Time,
    /// Constant 1.
    Always,
}

impl Expr {
    /// The labels that remain; `None` if all do.
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

    /// All selectors in the expression.
    #[must_use]
    pub fn selectors(&self) -> Vec<&Selector> {
        match self {
            Self::Series(selector)
            | Self::Window(_, selector, _)
            | Self::WindowAgo(_, selector, ..)
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

    /// How the value is compared with the limit; `None` if it is not.
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

    /// The longest window over which it counts increases or changes. A shorter observation may detect an event, but its
    /// absence is inconclusive. A gauge's current value is conclusive.
    #[must_use]
    pub fn counts_over(&self) -> Span {
        match self {
            // Recorded series are not part of a page; only the remaining operands are evaluated.
            Self::Window(_, selector, _) if watch::is_recorded(selector.name) => Span(0),
            Self::Window(Fold::Rate | Fold::Increase | Fold::Resets | Fold::Changes, _, window) => *window,
            Self::By(_, _, inner) => inner.counts_over(),
            // A shorter observation of a baseline is lower, and hides nothing that exceeds it.
            Self::Compare(Cmp::Gt | Cmp::Ge, left, _) => left.counts_over(),
            // If only one side can be evaluated, that side is used.
            Self::Sets(Set::Or, _, left, right) => left.counts_over().min(right.counts_over()),
            Self::Math(_, left, right) | Self::Compare(_, left, right) | Self::Sets(_, _, left, right) => {
                left.counts_over().max(right.counts_over())
            }
            _ => Span(0),
        }
    }

    /// The longest time it looks back, excluding the memory of [`Fold::Last`].
    #[must_use]
    pub fn looks_back(&self) -> Span {
        match self {
            Self::Window(Fold::Last, ..) => Span(0),
            Self::Window(_, _, window) | Self::Past(_, window) => *window,
            // A comparison with the week or the day before suppresses; without that history nothing is missing.
            Self::WindowAgo(_, _, _, ago) if *ago > Span::hours(12) => Span(0),
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

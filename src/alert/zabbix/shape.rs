//! What the shape of an expression says of how Zabbix can look at it.

use super::expression::Reason;
use crate::alert::expr::{Agg, Cmp, Expr, Fold, Keys, Op, Selector, Set};
use crate::alert::promql::family_of;
use crate::alert::watch;
use crate::catalogue::Scope;

/// The rule for a condition: counters of members that only grow cannot be joined before their growth is known.
pub(super) fn rule_of(expr: &Expr) -> Keys {
    match expr.keys() {
        Some(Keys::Ensemble) if grows_by_member(expr) => Keys::Member,
        Some(keys) => keys,
        None => Keys::Nothing,
    }
}

pub(super) fn grows_by_member(expr: &Expr) -> bool {
    match expr {
        Expr::By(_, Keys::Ensemble, inner) => grows(inner) && inner.selectors().iter().any(|one| is_of_member(one)),
        Expr::By(_, _, inner) => grows_by_member(inner),
        Expr::Math(_, left, right) | Expr::Compare(_, left, right) | Expr::Sets(_, _, left, right) => {
            grows_by_member(left) || grows_by_member(right)
        }
        _ => false,
    }
}

pub(super) fn grows(expr: &Expr) -> bool {
    match expr {
        Expr::Window(fold, ..) => matches!(fold, Fold::Rate | Fold::Increase | Fold::Resets),
        Expr::By(_, _, inner) => grows(inner),
        _ => false,
    }
}

pub(super) fn is_of_member(selector: &Selector) -> bool {
    family_of(selector.name).is_none_or(|family| family.scope == Scope::Member || family.labels.contains(&"member"))
}

/// What only Prometheus has: whether a scrape of the exporter succeeded.
pub(super) fn is_up(expr: &Expr) -> bool {
    match expr {
        Expr::Series(selector) | Expr::Window(_, selector, _) => selector.name == "up",
        Expr::By(_, Keys::Target, inner) | Expr::Compare(_, inner, _) | Expr::Sets(_, _, inner, _) => is_up(inner),
        _ => false,
    }
}

/// What an alarm is held by in Prometheus while no page comes.
pub(super) fn is_held(expr: &Expr) -> bool {
    match expr {
        Expr::Held(_) => true,
        Expr::Math(_, left, _) => is_held(left),
        _ => false,
    }
}

/// A state over time, with what else must be so.
pub(super) fn is_trouble(expr: &Expr) -> bool {
    match expr {
        Expr::Trouble(_) => true,
        Expr::Sets(Set::And | Set::Unless, _, left, _) => is_trouble(left),
        _ => false,
    }
}

/// What only the recording rules of who watches know.
pub(super) fn is_recorded(expr: &Expr) -> bool {
    // What is left of it stays out as well.
    if let Expr::Sets(Set::Unless, _, left, _) = expr {
        return is_recorded(left);
    }
    let all = expr.selectors();
    !all.is_empty() && all.iter().all(|selector| watch::is_recorded(selector.name))
}

/// Which members are observers, dead ones included.
pub(super) fn is_of_observers(expr: &Expr) -> bool {
    match expr {
        Expr::Compare(Cmp::Eq, series, _) | Expr::By(_, _, series) => is_of_observers(series),
        Expr::Series(selector) => selector.name == watch::OBSERVER,
        _ => false,
    }
}

/// Ensembles that were watched, and of which no page comes.
pub(super) fn is_unwatched(expr: &Expr) -> bool {
    matches!(expr, Expr::Sets(Set::Unless, Some(Keys::Ensemble), left, _) if is_recorded(left))
}

pub(super) fn tells_time(expr: &Expr) -> bool {
    match expr {
        Expr::Time => true,
        Expr::Math(_, left, right) => tells_time(left) || tells_time(right),
        _ => false,
    }
}

/// Whether the least (or the largest) of a time is one function of Zabbix.
pub(super) fn has_extreme(expr: &Expr, low: bool) -> bool {
    match expr {
        Expr::Number(_) | Expr::Limit | Expr::Series(_) | Expr::Window(Fold::Last, ..) => true,
        Expr::Math(Op::Sub, left, right) => has_extreme(left, low) && has_extreme(right, !low),
        Expr::By(_, _, inner) => has_extreme(inner, low),
        Expr::Sets(Set::And | Set::Or, None, leaf, now) if leaf.selectors() == now.selectors() => {
            has_extreme(leaf, low)
        }
        Expr::Window(Fold::Min, ..) => low,
        Expr::Window(Fold::Max, ..) => !low,
        _ => false,
    }
}

/// A quotient in its two parts, with what the divisor must be above; absent where the divisor is a number.
pub(super) fn quotient(expr: &Expr) -> Result<(Expr, Option<(Expr, f64)>), Reason> {
    match expr {
        Expr::Math(Op::Div, _, below) if matches!(**below, Expr::Number(_)) => Ok((expr.clone(), None)),
        Expr::Math(Op::Div, above, below) => Ok(((**above).clone(), Some(((**below).clone(), 0.0)))),
        Expr::By(agg, keys, inner) => match &**inner {
            Expr::Math(Op::Div, above, below) => {
                let several = |one: &&Selector| family_of(one.name).is_some_and(|family| !family.labels.is_empty());
                if inner.selectors().iter().any(several) {
                    return Err("divides the series of one directory or collector each before they are joined");
                }
                let (below, least) = match &**below {
                    Expr::Compare(Cmp::Gt, below, least) => match **least {
                        Expr::Number(least) => (&**below, least),
                        _ => return Err("divides by what is compared with other series"),
                    },
                    other => (other, 0.0),
                };
                let by = |part: &Expr| Expr::By(*agg, *keys, Box::new(part.clone()));
                Ok((by(above), Some((by(below), least))))
            }
            _ => Ok((expr.clone(), None)),
        },
        _ => Ok((expr.clone(), None)),
    }
}

/// What two aggregations within each other come to, where there is one exporter.
pub(super) fn source(agg: Agg, keys: Keys, inner: &Expr) -> Result<(Agg, Keys, &Expr), Reason> {
    match inner {
        Expr::By(Agg::Sum, Keys::MemberOfTarget, leaf) => Ok((Agg::Sum, keys, leaf)),
        Expr::By(Agg::Max | Agg::Min, Keys::Member, leaf) if keys == Keys::Ensemble => Ok((agg, keys, leaf)),
        // An item that joins the members of an ensemble holds those that answer.
        Expr::Sets(Set::And, Some(Keys::Member), left, right) if matches!(**right, Expr::By(..)) => {
            source(agg, keys, left)
        }
        // A window of series that a page has now, or of their newest values where it is empty.
        Expr::Sets(Set::And | Set::Or, None, leaf, now) if leaf.selectors() == now.selectors() => Ok((agg, keys, leaf)),
        Expr::By(..) | Expr::Math(..) | Expr::Compare(..) | Expr::Sets(..) => {
            Err("reckons with series before they are joined")
        }
        leaf => Ok((agg, keys, leaf)),
    }
}

/// What is compared with the limit.
pub(super) fn limited(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::Compare(_, left, right) if **right == Expr::Limit => Some(left),
        Expr::Sets(_, _, left, right) => limited(left).or_else(|| limited(right)),
        _ => None,
    }
}

/// What is compared first.
pub(super) fn first(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::Compare(_, left, _) if !is_up(left) => Some(left),
        Expr::Sets(_, _, left, _) => first(left),
        _ => None,
    }
}

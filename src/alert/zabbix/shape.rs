//! Properties of an expression that determine how Zabbix can evaluate it.

use super::expression::Reason;
use crate::alert::expr::{Agg, Cmp, Expr, Fold, Keys, Op, Selector, Set, Span};
use crate::alert::promql::family_of;
use crate::alert::watch;
use crate::catalogue::Scope;

/// The discovery rule of a condition. Counters of members must be converted to rates before they are aggregated.
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
        // An alternative that only the members have is omitted for an ensemble.
        Expr::Sets(Set::Or, _, left, _) => grows_by_member(left),
        Expr::Math(_, left, right) | Expr::Compare(_, left, right) | Expr::Sets(_, _, left, right) => {
            grows_by_member(left) || grows_by_member(right)
        }
        _ => false,
    }
}

/// Whether one of several alternatives is shown by the items of each member only.
pub(super) fn has_alternative_of_members(expr: &Expr) -> bool {
    match expr {
        Expr::Sets(Set::Or, _, left, right) => {
            grows_by_member(left) || grows_by_member(right) || has_alternative_of_members(left)
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

/// Whether it uses `up`, which only Prometheus has.
pub(super) fn is_up(expr: &Expr) -> bool {
    match expr {
        Expr::Series(selector) | Expr::Window(_, selector, _) => selector.name == "up",
        Expr::By(_, Keys::Target, inner) | Expr::Compare(_, inner, _) | Expr::Sets(_, _, inner, _) => is_up(inner),
        _ => false,
    }
}

/// Whether it holds an active alert while no page is available.
pub(super) fn is_held(expr: &Expr) -> bool {
    match expr {
        Expr::Held(_) => true,
        Expr::Math(_, left, _) => is_held(left),
        _ => false,
    }
}

/// Whether it is a state over time, possibly with further conditions.
pub(super) fn is_trouble(expr: &Expr) -> bool {
    match expr {
        Expr::Trouble(_) => true,
        Expr::Sets(Set::And | Set::Unless, _, left, _) => is_trouble(left),
        _ => false,
    }
}

/// Whether it sums the changes of each member, which an item of the ensemble does not show.
pub(super) fn sums_changes(expr: &Expr) -> bool {
    match expr {
        Expr::By(Agg::Sum, Keys::Ensemble, inner) => {
            matches!(&**inner, Expr::By(_, Keys::Member, leaf) if matches!(**leaf, Expr::Window(Fold::Changes, ..)))
        }
        Expr::Math(_, left, _) | Expr::Compare(_, left, _) | Expr::Sets(_, _, left, _) => sums_changes(left),
        _ => false,
    }
}

/// Whether it compares with the week before.
pub(super) fn is_weekly(expr: &Expr) -> bool {
    match expr {
        Expr::WindowAgo(_, _, _, ago) => *ago > Span::hours(48),
        Expr::By(_, _, inner) => is_weekly(inner),
        Expr::Math(_, left, _) | Expr::Compare(_, left, _) | Expr::Sets(_, _, left, _) => is_weekly(left),
        _ => false,
    }
}

/// The expression as a single exporter sees it, with all of its series trusted.
pub(super) fn of_trusted(expr: &Expr) -> Expr {
    match expr {
        Expr::By(agg, keys, inner) => Expr::By(*agg, *keys, Box::new(of_trusted(inner))),
        Expr::Sets(Set::Unless, _, leaf, other) if is_recorded(other) => (**leaf).clone(),
        // An item of the ensemble has no values of single members.
        Expr::Sets(Set::And, Some(Keys::MemberOfTarget), leaf, _) => (**leaf).clone(),
        other => other.clone(),
    }
}

/// Whether it uses states of the watch recording rules.
pub(super) fn is_recorded(expr: &Expr) -> bool {
    // The remaining part is omitted as well.
    match expr {
        Expr::Sets(Set::And | Set::Unless, _, left, _) => return is_recorded(left),
        Expr::By(_, _, inner) => return is_recorded(inner),
        _ => {}
    }
    let all = expr.selectors();
    !all.is_empty() && all.iter().all(|selector| watch::is_recorded(selector.name))
}

/// Whether it selects observers, including unreachable ones.
pub(super) fn is_of_observers(expr: &Expr) -> bool {
    match expr {
        Expr::Compare(Cmp::Eq, series, _) | Expr::By(_, _, series) => is_of_observers(series),
        Expr::Series(selector) => selector.name == watch::OBSERVER,
        _ => false,
    }
}

/// Whether it selects ensembles that were watched and no longer have a page.
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

/// Whether its minimum (or maximum) over time is a single Zabbix function.
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

/// Splits a quotient into dividend and divisor, with the lower bound of the divisor; `None` if the divisor is a
/// constant.
pub(super) fn quotient(expr: &Expr) -> Result<(Expr, Option<(Expr, f64)>), Reason> {
    match expr {
        Expr::Math(Op::Div, _, below) if matches!(**below, Expr::Number(_)) => Ok((expr.clone(), None)),
        Expr::Math(Op::Div, above, below) => Ok(((**above).clone(), Some(((**below).clone(), 0.0)))),
        Expr::By(agg, keys, inner) => match &**inner {
            Expr::Math(Op::Div, above, below) => {
                let several = |one: &&Selector| family_of(one.name).is_some_and(|family| !family.labels.is_empty());
                if inner.selectors().iter().any(several) {
                    return Err("it divides the series of each directory or collector before they are aggregated");
                }
                let (below, least) = match &**below {
                    Expr::Compare(Cmp::Gt, below, least) => match **least {
                        Expr::Number(least) => (&**below, least),
                        _ => return Err("it divides by a value that is compared with other series"),
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

/// Combines two nested aggregations; valid for a single exporter.
pub(super) fn source(agg: Agg, keys: Keys, inner: &Expr) -> Result<(Agg, Keys, &Expr), Reason> {
    match inner {
        Expr::By(Agg::Sum, Keys::MemberOfTarget, leaf) => Ok((Agg::Sum, keys, leaf)),
        Expr::By(Agg::Max | Agg::Min, Keys::Member, leaf) if keys == Keys::Ensemble => Ok((agg, keys, leaf)),
        // An item aggregated over an ensemble covers only members that reply.
        Expr::Sets(Set::And, Some(Keys::Member), left, right) if matches!(**right, Expr::By(..)) => {
            source(agg, keys, left)
        }
        // A window of series that are on the current page, or their latest values if it is empty.
        Expr::Sets(Set::And | Set::Or, None, leaf, now) if leaf.selectors() == now.selectors() => Ok((agg, keys, leaf)),
        // The host has a single exporter.
        Expr::Sets(Set::Unless, _, leaf, other) if is_recorded(other) => source(agg, keys, leaf),
        Expr::By(..) | Expr::Math(..) | Expr::Compare(..) | Expr::Sets(..) => {
            Err("it computes with single series before they are aggregated")
        }
        leaf => Ok((agg, keys, leaf)),
    }
}

/// The side that is compared with the limit.
pub(super) fn limited(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::Compare(_, left, right) if **right == Expr::Limit => Some(left),
        Expr::Sets(_, _, left, right) => limited(left).or_else(|| limited(right)),
        _ => None,
    }
}

/// The side that is compared first.
pub(super) fn first(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::Compare(_, left, _) if !is_up(left) => Some(left),
        Expr::Sets(_, _, left, _) => first(left),
        _ => None,
    }
}

//! Expressions in Zabbix trigger syntax, or the reason why they cannot be expressed.
//!
//! Zabbix has no `for` and no staleness. A condition that must hold for a period uses the minimum or maximum over that
//! period, or its values at several times. Each item reference is guarded by `nodata`, because a missing series must
//! not fire; `0 and` an expression that cannot be calculated is 0.

use super::TEMPLATE;
use super::item::Items;
use super::shape::{
    first, grows, grows_by_member, has_alternative_of_members, has_extreme, is_held, is_of_member, is_of_observers,
    is_recorded, is_trouble, is_unwatched, is_up, is_weekly, limited, of_trusted, quotient, source, sums_changes,
    tells_time,
};
use crate::alert::expr::{Agg, Cmp, Expr, Fold, Keys, Op, Selector, Set, Span};
use crate::alert::promql::number;
use crate::alert::trouble::{
    CHANGES, CHANGES_WINDOW, GOOD_SHARE, LONG_GOOD_SHARE, LONG_WINDOW, RECENT, Trouble, WINDOW,
};

/// Age from which a value counts as missing, as in Prometheus.
const STALE: Span = Span::minutes(5);

/// Context of an expression.
pub(super) struct Writer<'w> {
    /// The discovery rule of the trigger.
    pub(super) rule: Keys,
    /// Value of [`Expr::Limit`].
    pub(super) limit: &'w str,
    /// How long it must hold (`for`).
    pub(super) hold: Span,
    /// Whether it is part of another trigger, whose length is limited; then only the current state is used.
    pub(super) brief: bool,
    /// Collects the items that the expression refers to.
    pub(super) items: &'w mut Items,
    /// Keys of items that are known to have a recent value when the next part is calculated.
    pub(super) given: Vec<String>,
}

/// Why Zabbix cannot express a condition.
pub(super) type Reason = &'static str;

/// How a value is sampled over time.
#[derive(Clone, Copy, PartialEq)]
enum Sampling {
    /// The value at this offset.
    At(Span),
    /// The minimum over the `for` period.
    Low,
    /// The maximum over the `for` period.
    High,
}

/// Requires a value of the item that is not older than the memory.
#[derive(PartialEq)]
struct Gate {
    key: String,
    memory: Span,
}

impl Gate {
    fn text(&self) -> String {
        format!("nodata(/{TEMPLATE}/{},{})=0", self.key, self.memory)
    }
}

fn negation(text: &str) -> String {
    format!("not ({text})")
}

fn both(left: &str, right: &str) -> String {
    format!("{left} and {right}")
}

impl Writer<'_> {
    /// Writes the complete expression.
    pub(super) fn write(&mut self, expr: &Expr) -> Result<String, Reason> {
        self.holds(expr, false)
    }

    /// A boolean expression; `denied` if it is negated.
    fn holds(&mut self, expr: &Expr, denied: bool) -> Result<String, Reason> {
        match expr {
            // Omitted for Zabbix: an item keeps its last value without a new page, the template does not know the
            // configured ensembles, the only state of the exporter is whether its page is available, and recorded
            // states are part of the flag's own expression.
            Expr::Sets(Set::Or, _, left, right)
                if is_held(right)
                    || is_up(right)
                    || is_recorded(right)
                    || matches!(**right, Expr::AbsentEnsembles(_)) =>
            {
                self.holds(left, denied)
            }
            Expr::Sets(set @ (Set::And | Set::Unless), _, left, right) if is_of_observers(right) => {
                let one = self.holds(left, denied)?;
                let key = self.items.observer(self.rule);
                // An unreachable observer remains one; a member whose vote is unknown counts as a voter.
                let observes = format!("count(/{TEMPLATE}/{key},#1,\"eq\",\"1\")=1");
                Ok(both(&format!("({one})"), &if *set == Set::And { observes } else { negation(&observes) }))
            }
            // The host has a single exporter; there is no second view to compare.
            Expr::Sets(Set::And | Set::Unless, _, left, right) if is_recorded(right) => self.holds(left, denied),
            Expr::Sets(Set::Unless, ..) if is_unwatched(expr) => Ok(self.unwatched()),
            Expr::Sets(Set::And | Set::Unless, _, left, _) if self.brief && is_trouble(left) => {
                self.holds(left, denied)
            }
            // What only the items of each member show.
            Expr::Sets(Set::Or, _, left, right)
                if self.rule == Keys::Ensemble && (grows_by_member(right) || sums_changes(right)) =>
            {
                self.holds(left, denied)
            }
            // Without the alternative of the members, the gate would be stricter than in the rule.
            Expr::Sets(Set::And, _, left, right)
                if self.rule == Keys::Ensemble && has_alternative_of_members(right) =>
            {
                self.holds(left, denied)
            }
            // The comparison with the week before exceeds the length of an expression.
            Expr::Sets(Set::Unless, _, left, right) if is_weekly(right) => self.holds(left, denied),
            Expr::Trouble(trouble) => self.trouble(trouble, denied),
            Expr::Sets(Set::Or, _, left, right) => {
                let given = self.given.clone();
                let one = self.holds(left, denied)?;
                self.given.clone_from(&given);
                let other = self.holds(right, denied)?;
                self.given = given;
                Ok(format!("({one}) or ({other})"))
            }
            Expr::Sets(set, keys, left, right) => {
                let one = self.holds(left, denied)?;
                let bracketed =
                    if matches!(**left, Expr::Sets(Set::Or, ..)) { format!("({one})") } else { one.clone() };
                if *set == Set::And {
                    let other = self.part(right, *keys, denied)?;
                    return Ok(both(&bracketed, &other));
                }
                let given = self.given.clone();
                let other = self.part(right, *keys, !denied)?;
                self.given = given;
                Ok(both(&bracketed, &negation(&other)))
            }
            Expr::By(Agg::Group, keys, inner) => self.part(inner, Some(*keys), denied),
            Expr::Compare(cmp, left, right) => self.compare(*cmp, left, right, denied),
            _ => Err("it always fires, which a Zabbix trigger must not"),
        }
    }

    /// An uninterrupted period, or a share of the window with changes.
    fn trouble(&mut self, trouble: &Trouble, denied: bool) -> Result<String, Reason> {
        let flag = Expr::Series(trouble.flag.clone()).by(Agg::Max, trouble.keys);
        let given = self.given.clone();
        let spell = self.compare(Cmp::Eq, &flag, &Expr::Number(trouble.bad), denied)?;
        // Only one side of an `or` has to be true, so neither proves that its items are recent.
        self.given = given;
        if trouble.recorded.is_none() || self.brief {
            return Ok(spell);
        }
        let key = self.items.number(self.rule, trouble.keys, Agg::Max, &trouble.flag);
        let item = format!("/{TEMPLATE}/{key}");
        let long = if trouble.keys == Keys::Ensemble {
            format!(
                " or (avg({item},{LONG_WINDOW})<{LONG_GOOD_SHARE} and changecount({item},{LONG_WINDOW})>={CHANGES} and min({item},{RECENT})=0)"
            )
        } else {
            String::new()
        };
        Ok(format!(
            "(({spell}) or (avg({item},{WINDOW})<{GOOD_SHARE} and changecount({item},{CHANGES_WINDOW})>={CHANGES}){long})"
        ))
    }

    /// The page is missing, and with it the ensemble.
    fn unwatched(&mut self) -> String {
        let selector = Selector { name: "zk_up", labels: Vec::new() };
        let key = self.items.number(self.rule, Keys::Ensemble, Agg::Max, &selector);
        both(&self.gone(), &format!("nodata(/{TEMPLATE}/{key},{})=1", self.hold))
    }

    /// One side of a set operation; a plain series is true if it exists.
    fn part(&mut self, expr: &Expr, keys: Option<Keys>, denied: bool) -> Result<String, Reason> {
        let (selector, memory) = match expr {
            Expr::Series(selector) => (selector, STALE),
            Expr::Window(Fold::Last, selector, window) => (selector, *window),
            Expr::Sets(..) => return Ok(format!("({})", self.holds(expr, denied)?)),
            _ => return self.holds(expr, denied),
        };
        let key = self.items.number(self.rule, keys.unwrap_or(self.rule), Agg::Max, selector);
        Ok(format!("nodata(/{TEMPLATE}/{key},{memory})=0"))
    }

    /// The exporter returns no page.
    fn gone(&mut self) -> String {
        let selector = Selector { name: "zk_exporter_build_info", labels: Vec::new() };
        let key = self.items.number(Keys::Target, Keys::Target, Agg::Max, &selector);
        format!("nodata(/{TEMPLATE}/{key},{})=1", self.hold.max(Span::minutes(1)))
    }

    fn compare(&mut self, cmp: Cmp, left: &Expr, right: &Expr, denied: bool) -> Result<String, Reason> {
        if is_up(left) {
            return Ok(if *right == Expr::Number(0.0) { self.gone() } else { negation(&self.gone()) });
        }
        let left = &of_trusted(left);
        let (above, below) = quotient(left)?;
        let mut low = match cmp {
            Cmp::Gt | Cmp::Ge => Some(true),
            Cmp::Lt | Cmp::Le => Some(false),
            // A value of 0 or more is always 0 if its maximum is 0; a value of 1 or less is always 1 if its minimum is
            // 1.
            Cmp::Eq if *right == Expr::Number(0.0) => Some(false),
            Cmp::Eq => (*right == Expr::Number(1.0)).then_some(true),
        };
        if denied {
            low = low.map(|low| !low);
        }
        let looks = self.looks(left, &above, below.as_ref().map(|(below, _)| below), low);
        let mut gates = Vec::new();
        let mut said = Vec::new();
        let sign = match cmp {
            Cmp::Gt => ">",
            Cmp::Ge => ">=",
            Cmp::Lt => "<",
            Cmp::Le => "<=",
            Cmp::Eq => "=",
        };
        for look in looks {
            if below.is_none()
                && let Some((value, against)) = self.with_a_common_term(&above, right, look, &mut gates)?
            {
                said.push(format!("{value}{sign}{against}"));
                continue;
            }
            let value = self.number(&above, look, &mut gates)?;
            let against = self.number(right, look, &mut gates)?;
            match &below {
                None => said.push(format!("{value}{sign}{against}")),
                Some((below, least)) => {
                    let opposite = match look {
                        Sampling::At(_) => look,
                        Sampling::Low => Sampling::High,
                        Sampling::High => Sampling::Low,
                    };
                    let below = self.number(below, opposite, &mut gates)?;
                    // Multiplication instead of division, which fails at 0.
                    said.push(format!("{below}>{} and {value}{sign}{against}*{below}", number(*least)));
                }
            }
        }
        let said = if denied && said.len() > 1 { format!("({})", said.join(" or ")) } else { said.join(" and ") };
        let mut all = self.needed(&gates);
        all.push(said);
        Ok(all.join(" and "))
    }

    /// Guards for the items of an expression. A recent value implies an older one; items in `given` need no second
    /// guard.
    fn needed(&mut self, gates: &[Gate]) -> Vec<String> {
        let fresh: Vec<String> =
            gates.iter().filter(|gate| gate.memory == STALE).map(|gate| gate.key.clone()).collect();
        let needed = gates
            .iter()
            .filter(|gate| !self.given.contains(&gate.key) && (gate.memory == STALE || !fresh.contains(&gate.key)));
        let texts = needed.map(Gate::text).collect();
        self.given.extend(fresh);
        texts
    }

    /// Rewrites `a - b > (a - c) / n` as `(n - 1) * a + c > n * b`, which has one item reference less; Zabbix limits
    /// the length of an expression.
    fn with_a_common_term(
        &mut self,
        left: &Expr,
        right: &Expr,
        look: Sampling,
        gates: &mut Vec<Gate>,
    ) -> Result<Option<(String, String)>, Reason> {
        let (Expr::Math(Op::Sub, more, less), Expr::Math(Op::Div, whole, parts)) = (left, right) else {
            return Ok(None);
        };
        let (Expr::Math(Op::Sub, end, begin), Expr::Number(parts), Sampling::At(_)) = (&**whole, &**parts, look) else {
            return Ok(None);
        };
        let (times, fewer) = (number(*parts), number(parts - 1.0));
        let mut of = |expr: &Expr| self.number(expr, look, gates);
        Ok(if more == end {
            Some((format!("{fewer}*{}+{}", of(more)?, of(begin)?), format!("{times}*{}", of(less)?)))
        } else if less == begin {
            Some((format!("{times}*{}", of(more)?), format!("{}+{fewer}*{}", of(end)?, of(less)?)))
        } else {
            None
        })
    }

    /// The times at which a comparison is sampled, so that it is known to hold for the whole `for` period.
    fn looks(&self, whole: &Expr, above: &Expr, below: Option<&Expr>, low: Option<bool>) -> Vec<Sampling> {
        if self.hold == Span(0) || tells_time(whole) {
            return vec![Sampling::At(Span(0))];
        }
        if let Some(low) = low
            && has_extreme(above, low)
            && below.is_none_or(|below| has_extreme(below, !low))
        {
            return vec![if low { Sampling::Low } else { Sampling::High }];
        }
        // A value computed over a much longer window cannot recover and fail again within the `for` period.
        if whole.looks_back() >= Span(4 * self.hold.0) {
            return vec![Sampling::At(Span(0))];
        }
        let half = (whole.looks_back() < self.hold).then_some(Sampling::At(Span(self.hold.0 / 2)));
        [Some(Sampling::At(Span(0))), half, Some(Sampling::At(self.hold))].into_iter().flatten().collect()
    }

    fn number(&mut self, expr: &Expr, look: Sampling, gates: &mut Vec<Gate>) -> Result<String, Reason> {
        match expr {
            Expr::Number(value) => Ok(number(*value)),
            Expr::Limit => Ok(self.limit.to_owned()),
            Expr::Time => Ok("now()".to_owned()),
            Expr::Math(Op::Sub, left, right) => {
                let other = match look {
                    Sampling::At(_) => look,
                    Sampling::Low => Sampling::High,
                    Sampling::High => Sampling::Low,
                };
                Ok(format!("({}-{})", self.number(left, look, gates)?, self.number(right, other, gates)?))
            }
            Expr::Math(Op::Div, left, right) => {
                Ok(format!("{}/{}", self.number(left, look, gates)?, self.number(right, look, gates)?))
            }
            Expr::By(agg, keys, inner) => {
                let (agg, keys, leaf) = source(*agg, *keys, inner)?;
                self.look(agg, keys, leaf, look, gates)
            }
            _ => Err("it computes with single series before they are aggregated"),
        }
    }

    fn look(
        &mut self,
        agg: Agg,
        keys: Keys,
        leaf: &Expr,
        look: Sampling,
        gates: &mut Vec<Gate>,
    ) -> Result<String, Reason> {
        let Some(selector) = leaf.selectors().first().copied() else { return Err("it uses no series") };
        let mut of = keys;
        if grows(leaf) && keys == Keys::Ensemble && is_of_member(selector) {
            match agg {
                Agg::Max => of = self.rule,
                _ => return Err("it aggregates the increases of counters of several members"),
            }
        }
        if keys == Keys::Canary {
            return Err("it covers canaries of ensembles and of members, which a single discovery rule cannot");
        }
        let key = self.items.number(self.rule, of, agg, selector);
        let before = if let Expr::WindowAgo(_, _, _, before) = leaf { *before } else { Span(0) };
        let at = |window: Span, function: &str, more: &str| match Span(before.0 + ago(look).0) {
            Span(0) => format!("{function}(/{TEMPLATE}/{key},{window}{more})"),
            ago => format!("{function}(/{TEMPLATE}/{key},{window}:now-{ago}{more})"),
        };
        let extreme = |window: Span| {
            let function = if look == Sampling::Low { "min" } else { "max" };
            format!("{function}(/{TEMPLATE}/{key},{})", Span(window.0 + self.hold.0))
        };
        let newest = |ago: Span| match ago {
            Span(0) => format!("last(/{TEMPLATE}/{key})"),
            ago => format!("last(/{TEMPLATE}/{key},#1:now-{ago})"),
        };
        let far = matches!(look, Sampling::Low | Sampling::High);
        let (text, memory) = match leaf {
            Expr::Series(_) if far => (extreme(Span(0)), STALE),
            Expr::Window(Fold::Last, _, window) if far => (extreme(Span(0)), *window),
            Expr::Series(_) => (newest(ago(look)), STALE),
            Expr::Window(Fold::Last, _, window) => (newest(ago(look)), *window),
            Expr::Window(Fold::Min | Fold::Max, _, window) if far => (extreme(*window), *window),
            Expr::Window(fold, _, window) | Expr::WindowAgo(fold, _, window, _) => {
                let text = match fold {
                    Fold::Avg => at(*window, "avg", ""),
                    Fold::Max => at(*window, "max", ""),
                    Fold::Min => at(*window, "min", ""),
                    Fold::Rate => at(*window, "rate", ""),
                    Fold::Increase => format!("{}*{}", at(*window, "rate", ""), window.0),
                    Fold::Resets => at(*window, "changecount", ",\"dec\""),
                    Fold::Changes => at(*window, "changecount", ""),
                    Fold::Low => at(*window, "percentile", ",10"),
                    Fold::Median => at(*window, "percentile", ",50"),
                    Fold::Last => newest(ago(look)),
                };
                (text, Span(before.0 + window.0))
            }
            Expr::Past(_, span) => (newest(Span(span.0 + ago(look).0)), STALE),
            _ => return Err("it computes with single series before they are aggregated"),
        };
        let gate = Gate { key, memory: memory.max(STALE) };
        if !gates.contains(&gate) {
            gates.push(gate);
        }
        Ok(text)
    }
}

const fn ago(look: Sampling) -> Span {
    match look {
        Sampling::At(span) => span,
        Sampling::Low | Sampling::High => Span(0),
    }
}

impl Writer<'_> {
    /// The number that is compared with the limit, or first, in the syntax of Zabbix event names.
    pub(super) fn value(&mut self, expr: &Expr) -> Option<String> {
        let left = limited(expr).or_else(|| first(expr))?;
        let (above, below) = quotient(left).ok()?;
        let mut gates = Vec::new();
        let now = Sampling::At(Span(0));
        let value = self.number(&above, now, &mut gates).ok()?;
        let text = match below {
            Some((below, _)) => format!("{value}/{}", self.number(&below, now, &mut gates).ok()?),
            None => value,
        };
        Some(text.replace(&format!("/{TEMPLATE}/"), "/{HOST.HOST}/"))
    }
}

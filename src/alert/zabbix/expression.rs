//! Expressions in the language of Zabbix' triggers, or the reason why that cannot say them.
//!
//! Zabbix knows no `for` and no staleness. A condition that must hold for a time looks at the least or the largest value of
//! that time, or at several moments of it; and beside every look at an item stands `nodata`, since a series that is gone
//! fires nothing, and `0 and` what cannot be reckoned is 0.

use super::TEMPLATE;
use super::item::Items;
use super::shape::{
    first, grows, has_extreme, is_held, is_of_member, is_of_observers, is_recorded, is_trouble, is_unwatched, is_up,
    limited, quotient, source, tells_time,
};
use crate::alert::expr::{Agg, Cmp, Expr, Fold, Keys, Op, Selector, Set, Span};
use crate::alert::promql::number;
use crate::alert::trouble::{CHANGES, CHANGES_WINDOW, GOOD_SHARE, Trouble, WINDOW};

/// Older than this is no value any more, as in Prometheus.
const STALE: Span = Span::minutes(5);

/// What stands around an expression.
pub(super) struct Writer<'w> {
    /// The discovery rule to which the trigger belongs.
    pub(super) rule: Keys,
    /// What [`Expr::Limit`] is.
    pub(super) limit: &'w str,
    /// How long it must hold.
    pub(super) hold: Span,
    /// Whether it is part of another trigger, which must not become too long: then the bare state is enough.
    pub(super) brief: bool,
    /// Where the items that it looks at are noted.
    pub(super) items: &'w mut Items,
    /// Keys of items that are known to have a new value where the next part is reckoned.
    pub(super) given: Vec<String>,
}

/// Why Zabbix cannot say it.
pub(super) type Reason = &'static str;

/// How a number is looked at.
#[derive(Clone, Copy, PartialEq)]
enum Look {
    /// As it was so long ago.
    At(Span),
    /// The least of the time that it must hold.
    Low,
    /// The largest of that time.
    High,
}

/// That an item has a value which is not older than this.
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
    /// The whole expression.
    pub(super) fn write(&mut self, expr: &Expr) -> Result<String, Reason> {
        self.holds(expr, false)
    }

    /// A boolean; `denied` after `not`.
    fn holds(&mut self, expr: &Expr, denied: bool) -> Result<String, Reason> {
        match expr {
            // The last value of an item outlives a missing page, configured ensembles are not known to the template, of
            // the exporter it knows only whether its page comes, and what is recorded is written beside the flag itself.
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
                // An observer that died is one still; a member of which nothing was ever known is none.
                let observes = format!("count(/{TEMPLATE}/{key},#1,\"eq\",\"1\")=1");
                Ok(both(&format!("({one})"), &if *set == Set::And { observes } else { negation(&observes) }))
            }
            // There is one exporter, the host, and nothing that another one sees.
            Expr::Sets(Set::And | Set::Unless, _, left, right) if is_recorded(right) => self.holds(left, denied),
            Expr::Sets(Set::Unless, ..) if is_unwatched(expr) => Ok(self.unwatched()),
            Expr::Sets(Set::And | Set::Unless, _, left, _) if self.brief && is_trouble(left) => {
                self.holds(left, denied)
            }
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
            _ => Err("needs a rule that always fires, which Zabbix does not want"),
        }
    }

    /// A spell, or a share of the window with changes in it.
    fn trouble(&mut self, trouble: &Trouble, denied: bool) -> Result<String, Reason> {
        let flag = Expr::Series(trouble.flag.clone()).by(Agg::Max, trouble.keys);
        let given = self.given.clone();
        let spell = self.compare(Cmp::Eq, &flag, &Expr::Number(trouble.bad), denied)?;
        // Beside an `or` nothing is given by one of its sides.
        self.given = given;
        if trouble.recorded.is_none() || self.brief {
            return Ok(spell);
        }
        let key = self.items.number(self.rule, trouble.keys, Agg::Max, &trouble.flag);
        let item = format!("/{TEMPLATE}/{key}");
        Ok(format!(
            "(({spell}) or (avg({item},{WINDOW})<={GOOD_SHARE} and changecount({item},{CHANGES_WINDOW})>={CHANGES}))"
        ))
    }

    /// The page is gone, and with it the ensemble.
    fn unwatched(&mut self) -> String {
        let selector = Selector { name: "zk_up", labels: Vec::new() };
        let key = self.items.number(self.rule, Keys::Ensemble, Agg::Max, &selector);
        both(&self.gone(), &format!("nodata(/{TEMPLATE}/{key},{})=1", self.hold))
    }

    /// One side of a set; a bare series means that there is one.
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

    /// The exporter gives no page.
    fn gone(&mut self) -> String {
        let selector = Selector { name: "zk_exporter_build_info", labels: Vec::new() };
        let key = self.items.number(Keys::Target, Keys::Target, Agg::Max, &selector);
        format!("nodata(/{TEMPLATE}/{key},{})=1", self.hold.max(Span::minutes(1)))
    }

    fn compare(&mut self, cmp: Cmp, left: &Expr, right: &Expr, denied: bool) -> Result<String, Reason> {
        if is_up(left) {
            return Ok(if *right == Expr::Number(0.0) { self.gone() } else { negation(&self.gone()) });
        }
        let (above, below) = quotient(left)?;
        let mut low = match cmp {
            Cmp::Gt | Cmp::Ge => Some(true),
            Cmp::Lt | Cmp::Le => Some(false),
            // Of what is 0 or more, the largest is 0; of what is 1 or less, the least is 1.
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
                        Look::At(_) => look,
                        Look::Low => Look::High,
                        Look::High => Look::Low,
                    };
                    let below = self.number(below, opposite, &mut gates)?;
                    // Written without a division, which fails at 0.
                    said.push(format!("{below}>{} and {value}{sign}{against}*{below}", number(*least)));
                }
            }
        }
        let said = if denied && said.len() > 1 { format!("({})", said.join(" or ")) } else { said.join(" and ") };
        let mut all = self.needed(&gates);
        all.push(said);
        Ok(all.join(" and "))
    }

    /// What must be looked at before the rest is reckoned: an item with a new value has an older one as well, and what is
    /// given already needs no second look.
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

    /// `a - b > (a - c) / n` as `(n - 1) * a + c > n * b`: shorter by one look, since Zabbix takes no long expression.
    fn with_a_common_term(
        &mut self,
        left: &Expr,
        right: &Expr,
        look: Look,
        gates: &mut Vec<Gate>,
    ) -> Result<Option<(String, String)>, Reason> {
        let (Expr::Math(Op::Sub, more, less), Expr::Math(Op::Div, whole, parts)) = (left, right) else {
            return Ok(None);
        };
        let (Expr::Math(Op::Sub, end, begin), Expr::Number(parts), Look::At(_)) = (&**whole, &**parts, look) else {
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

    /// How the numbers of a comparison are looked at, so that it holds for the whole time.
    fn looks(&self, whole: &Expr, above: &Expr, below: Option<&Expr>, low: Option<bool>) -> Vec<Look> {
        if self.hold == Span(0) || tells_time(whole) {
            return vec![Look::At(Span(0))];
        }
        if let Some(low) = low
            && has_extreme(above, low)
            && below.is_none_or(|below| has_extreme(below, !low))
        {
            return vec![if low { Look::Low } else { Look::High }];
        }
        // What is made of a far longer time does not come and go within the time that it must hold.
        if whole.looks_back() >= Span(4 * self.hold.0) {
            return vec![Look::At(Span(0))];
        }
        let half = (whole.looks_back() < self.hold).then_some(Look::At(Span(self.hold.0 / 2)));
        [Some(Look::At(Span(0))), half, Some(Look::At(self.hold))].into_iter().flatten().collect()
    }

    fn number(&mut self, expr: &Expr, look: Look, gates: &mut Vec<Gate>) -> Result<String, Reason> {
        match expr {
            Expr::Number(value) => Ok(number(*value)),
            Expr::Limit => Ok(self.limit.to_owned()),
            Expr::Time => Ok("now()".to_owned()),
            Expr::Math(Op::Sub, left, right) => {
                let other = match look {
                    Look::At(_) => look,
                    Look::Low => Look::High,
                    Look::High => Look::Low,
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
            _ => Err("reckons with series before they are joined"),
        }
    }

    fn look(&mut self, agg: Agg, keys: Keys, leaf: &Expr, look: Look, gates: &mut Vec<Gate>) -> Result<String, Reason> {
        let Some(selector) = leaf.selectors().first().copied() else { return Err("looks at no series") };
        let mut of = keys;
        if grows(leaf) && keys == Keys::Ensemble && is_of_member(selector) {
            match agg {
                Agg::Max => of = self.rule,
                _ => return Err("joins the growth of counters of several members"),
            }
        }
        if keys == Keys::Canary {
            return Err("is told of each canary, of an ensemble or of a member, which one discovery rule cannot");
        }
        let key = self.items.number(self.rule, of, agg, selector);
        let before = if let Expr::WindowAgo(_, _, _, before) = leaf { *before } else { Span(0) };
        let at = |window: Span, function: &str, more: &str| match Span(before.0 + ago(look).0) {
            Span(0) => format!("{function}(/{TEMPLATE}/{key},{window}{more})"),
            ago => format!("{function}(/{TEMPLATE}/{key},{window}:now-{ago}{more})"),
        };
        let extreme = |window: Span| {
            let function = if look == Look::Low { "min" } else { "max" };
            format!("{function}(/{TEMPLATE}/{key},{})", Span(window.0 + self.hold.0))
        };
        let newest = |ago: Span| match ago {
            Span(0) => format!("last(/{TEMPLATE}/{key})"),
            ago => format!("last(/{TEMPLATE}/{key},#1:now-{ago})"),
        };
        let far = matches!(look, Look::Low | Look::High);
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
                    Fold::Last => newest(ago(look)),
                };
                (text, Span(before.0 + window.0))
            }
            Expr::Past(_, span) => (newest(Span(span.0 + ago(look).0)), STALE),
            Expr::Predict(_, window, ahead) => (at(*window, "forecast", &format!(",{ahead}")), *window),
            _ => return Err("reckons with series before they are joined"),
        };
        let gate = Gate { key, memory: memory.max(STALE) };
        if !gates.contains(&gate) {
            gates.push(gate);
        }
        Ok(text)
    }
}

const fn ago(look: Look) -> Span {
    match look {
        Look::At(span) => span,
        Look::Low | Look::High => Span(0),
    }
}

impl Writer<'_> {
    /// The number that is compared with the limit, or first, in the language of Zabbix' event names.
    pub(super) fn value(&mut self, expr: &Expr) -> Option<String> {
        let left = limited(expr).or_else(|| first(expr))?;
        let (above, below) = quotient(left).ok()?;
        let mut gates = Vec::new();
        let now = Look::At(Span(0));
        let value = self.number(&above, now, &mut gates).ok()?;
        let text = match below {
            Some((below, _)) => format!("{value}/{}", self.number(&below, now, &mut gates).ok()?),
            None => value,
        };
        Some(text.replace(&format!("/{TEMPLATE}/"), "/{HOST.HOST}/"))
    }
}

//! Writes expressions as `PromQL` with literal numbers, on one or several lines.

use super::early;
use super::expr::{Agg, Cmp, Expr, Fold, Keys, Op, Selector, Set, Span};
use super::watch::{self, WATCH};
use crate::catalogue::{Scope, catalogue};

/// The ensembles that an expression covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ensembles {
    /// All ensembles.
    #[default]
    All,
    /// One ensemble.
    Only(String),
    /// All but these.
    But(Vec<String>),
}

/// Values for the placeholders of an expression, and its label settings.
#[derive(Clone, Debug)]
pub struct Setting<'s> {
    /// Value of [`Expr::Limit`].
    pub limit: f64,
    /// Value of [`Expr::Hold`].
    pub hold: Span,
    /// Labels kept in addition to those of the expression.
    pub keep: &'s [String],
    /// The ensembles it covers.
    pub ensembles: Ensembles,
    /// Names of the configured ensembles, for [`Expr::AbsentEnsembles`].
    pub configured: &'s [String],
}

/// Longer lines are broken at set operators.
const LINE: usize = 96;

/// The expression as `PromQL`, without a trailing newline.
#[must_use]
pub fn promql(expr: &Expr, setting: &Setting<'_>) -> String {
    setting.fit(&expr.expanded())
}

/// A number in Prometheus syntax.
#[must_use]
pub fn number(value: f64) -> String {
    format!("{value}")
}

impl Setting<'_> {
    /// The expression on one line.
    fn flat(&self, expr: &Expr) -> String {
        match expr {
            Expr::Series(selector) => self.selector(selector),
            Expr::Window(fold, selector, window) => {
                format!("{}{}[{window}])", function(*fold), self.selector(selector))
            }
            Expr::WindowAgo(fold, selector, window, ago) => {
                format!("{}{}[{window}] offset {ago})", function(*fold), self.selector(selector))
            }
            Expr::Past(selector, span) => format!("{} offset {span}", self.selector(selector)),
            Expr::By(agg, keys, inner) => format!("{} ({})", self.head(*agg, *keys), self.flat(inner)),
            Expr::Math(op, left, right) => {
                let sign = match op {
                    Op::Sub => "-",
                    Op::Div => "/",
                };
                format!("{} {sign} {}", self.operand(left, false), self.operand(right, true))
            }
            Expr::Compare(cmp, left, right) => {
                format!("{} {} {}", self.compared(left), sign(*cmp), self.operand(right, true))
            }
            Expr::Sets(set, keys, left, right) => {
                let (left_flat, right_flat) = (self.flat(left), self.flat(right));
                let left_text = if needs_brackets(*set, left) { format!("({left_flat})") } else { left_flat };
                let right_text = if is_set(right) { format!("({right_flat})") } else { right_flat };
                format!("{left_text} {} {right_text}", self.operator(*set, *keys, left, right))
            }
            Expr::AbsentEnsembles(selector) => self.absent(selector).join(" or "),
            Expr::Trouble(trouble) => self.flat(&trouble.expanded()),
            Expr::Held(held) => self.flat(&held.expanded()),
            Expr::Newest(newest) => self.flat(&newest.expanded()),
            Expr::Hold => self.hold.0.to_string(),
            Expr::Number(value) => number(*value),
            Expr::Limit => number(self.limit),
            Expr::Time => "time()".to_owned(),
            Expr::Always => "vector(1)".to_owned(),
        }
    }

    /// The expression on several lines.
    fn tall(&self, expr: &Expr) -> String {
        match expr {
            Expr::Sets(set, keys, left, right) => {
                let bracketed = |expr: &Expr, needed: bool| {
                    let text = self.fit(expr);
                    if needed { format!("(\n{}\n)", indent(&text)) } else { text }
                };
                let (left_text, right_text) =
                    (bracketed(left, needs_brackets(*set, left)), bracketed(right, is_set(right)));
                format!("{left_text}\n{}\n{right_text}", self.operator(*set, *keys, left, right))
            }
            Expr::Compare(cmp, left, right) => {
                let text = self.fit(left);
                let text = if is_set(left) { format!("(\n{}\n)", indent(&text)) } else { text };
                format!("{text}\n{} {}", sign(*cmp), self.operand(right, true))
            }
            Expr::By(agg, keys, inner) => {
                format!("{} (\n{}\n)", self.head(*agg, *keys), indent(&self.fit(inner)))
            }
            Expr::Math(op, left, right) if is_plain(left) && is_plain(right) => {
                let sign = if *op == Op::Sub { "-" } else { "/" };
                format!("{}\n{sign}\n{}", self.fit(left), self.fit(right))
            }
            Expr::AbsentEnsembles(selector) => self.absent(selector).join("\nor\n"),
            _ => self.flat(expr),
        }
    }

    fn fit(&self, expr: &Expr) -> String {
        let flat = self.flat(expr);
        if flat.len() <= LINE { flat } else { self.tall(expr) }
    }

    /// An operand of arithmetic; the right side of `a - (b - c)` needs parentheses.
    fn operand(&self, expr: &Expr, right: bool) -> String {
        let text = self.flat(expr);
        match expr {
            Expr::Compare(..) | Expr::Sets(..) | Expr::Math(Op::Sub, ..) => format!("({text})"),
            Expr::Math(..) if right => format!("({text})"),
            _ => text,
        }
    }

    /// The left side of a comparison; arithmetic binds tighter.
    fn compared(&self, expr: &Expr) -> String {
        if matches!(expr, Expr::Math(..)) { self.flat(expr) } else { self.operand(expr, false) }
    }

    fn head(&self, agg: Agg, keys: Keys) -> String {
        let word = match agg {
            Agg::Max => "max",
            Agg::Min => "min",
            Agg::Sum => "sum",
            Agg::Group => "group",
        };
        format!("{word} by ({})", self.labels(keys))
    }

    fn labels(&self, keys: Keys) -> String {
        let kept = self.keep.iter().map(String::as_str);
        keys.names().iter().copied().chain(kept).collect::<Vec<_>>().join(", ")
    }

    /// No `on` clause is needed if both sides have the same labels.
    fn operator(&self, set: Set, keys: Option<Keys>, left: &Expr, right: &Expr) -> String {
        let word = match set {
            Set::And => "and",
            Set::Unless => "unless",
            Set::Or => "or",
        };
        match keys {
            Some(keys) if left.keys() != Some(keys) || right.keys() != Some(keys) || set == Set::Unless => {
                format!("{word} on ({})", self.labels(keys))
            }
            _ => word.to_owned(),
        }
    }

    fn selector(&self, selector: &Selector) -> String {
        let about = if names_ensemble(selector.name) { &self.ensembles } else { &Ensembles::All };
        format!("{}{}", selector.name, matched(about, &selector.labels))
    }

    fn absent(&self, selector: &Selector) -> Vec<String> {
        let about = |name: &&String| match &self.ensembles {
            Ensembles::All => true,
            Ensembles::Only(only) => *name == only,
            Ensembles::But(others) => !others.contains(name),
        };
        let names = self.configured.iter().filter(about);
        let absent = |name: &String| format!("absent({}{{ensemble=\"{name}\"}})", selector.name);
        if self.keep.is_empty() {
            return names.map(absent).collect();
        }
        // The result of `absent` lacks the kept labels; ensembles that were watched before have an alert with these
        // labels.
        names.map(|name| format!("{} unless on (ensemble) {WATCH} == 1", absent(name))).collect()
    }
}

/// Label matchers in braces; empty if every label value matches.
#[must_use]
pub(super) fn matched(ensembles: &Ensembles, labels: &[(&str, &str)]) -> String {
    let mut matchers = Vec::new();
    match ensembles {
        Ensembles::All => {}
        Ensembles::Only(name) => matchers.push(format!("ensemble=\"{name}\"")),
        Ensembles::But(names) => match &names[..] {
            [] => {}
            [name] => matchers.push(format!("ensemble!=\"{name}\"")),
            // The dot is the only character of an ensemble name with a special meaning in a regular expression.
            names => matchers.push(format!("ensemble!~\"{}\"", names.join("|").replace('.', "\\\\."))),
        },
    }
    for (label, value) in labels {
        let (value, sign) = match value.strip_prefix('!') {
            Some("") => ("", "!="),
            Some(others) => (others, "!~"),
            None => (*value, if value.contains('|') { "=~" } else { "=" }),
        };
        matchers.push(format!("{label}{sign}\"{value}\""));
    }
    if matchers.is_empty() { String::new() } else { format!("{{{}}}", matchers.join(",")) }
}

/// The function, up to the opening of its series argument.
const fn function(fold: Fold) -> &'static str {
    match fold {
        Fold::Avg => "avg_over_time(",
        Fold::Max => "max_over_time(",
        Fold::Min => "min_over_time(",
        Fold::Last => "last_over_time(",
        Fold::Rate => "rate(",
        Fold::Increase => "increase(",
        Fold::Resets => "resets(",
        Fold::Changes => "changes(",
        Fold::Low => "quantile_over_time(0.1, ",
        Fold::Median => "quantile_over_time(0.5, ",
    }
}

const fn sign(cmp: Cmp) -> &'static str {
    match cmp {
        Cmp::Gt => ">",
        Cmp::Ge => ">=",
        Cmp::Lt => "<",
        Cmp::Le => "<=",
        Cmp::Eq => "==",
    }
}

const fn is_set(expr: &Expr) -> bool {
    matches!(expr, Expr::Sets(..) | Expr::AbsentEnsembles(_))
}

/// Whether it needs no parentheses in arithmetic.
const fn is_plain(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::By(..) | Expr::Series(_) | Expr::Window(..) | Expr::WindowAgo(..) | Expr::Time | Expr::Number(_)
    )
}

/// `and` and `unless` bind tighter than `or`.
const fn needs_brackets(set: Set, left: &Expr) -> bool {
    !matches!(set, Set::Or) && matches!(left, Expr::Sets(Set::Or, ..) | Expr::AbsentEnsembles(_))
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// Whether series with this name have the label `ensemble`.
pub(super) fn names_ensemble(name: &str) -> bool {
    if early::is_recorded(name) || watch::is_recorded(name) || name.starts_with("ALERTS") {
        return true;
    }
    let known = family_of(name).map(|family| (family.scope, family.labels));
    known.is_some_and(|(scope, labels)| scope != Scope::Exporter || labels.contains(&"ensemble"))
}

/// The family of a sample name.
#[must_use]
pub fn family_of(name: &str) -> Option<&'static crate::catalogue::Family> {
    let of_summary = name.strip_suffix("_sum").or_else(|| name.strip_suffix("_count"));
    let of_summary = of_summary.filter(|name| catalogue().is_summary(name));
    catalogue().families().map(|(_, family)| family).find(|family| family.full_name() == of_summary.unwrap_or(name))
}

//! The rules under test: as shipped or as generated for a configuration, and as evaluated by a Prometheus that
//! evaluates some time after a scrape, has slow scrapes in flight, or excludes the left boundary of ranges.
//!
//! promtool evaluates exactly at the times of the samples. Instead of the samples, the selectors are shifted: an expression
//! evaluated `age` seconds after a scrape uses `x offset -age`; while the scrape is still in flight, it uses only older
//! samples. Recorded series have samples at the times of the evaluation and are not shifted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use promql_parser::parser::{Expr, Offset, VectorSelector, parse};
use serde_json::Value;

use crate::common::promql;

/// How Prometheus sees the samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Seconds from a scrape to the next evaluation.
    pub age: u64,
    /// The scrape has started, and its samples are not available yet.
    pub under_way: bool,
    /// Ranges exclude their left boundary, as in Prometheus 3.
    pub left_open: bool,
}

const MILLISECOND: Duration = Duration::from_millis(1);

impl View {
    /// The expression for an evaluation at the times of the scrapes.
    pub fn of(self, expr: &str) -> String {
        let mut parsed = parse(expr).unwrap_or_else(|error| panic!("{expr}: {error}"));
        self.walk(&mut parsed);
        parsed.to_string()
    }

    fn walk(self, expr: &mut Expr) {
        match expr {
            Expr::Aggregate(inner) => self.walk(&mut inner.expr),
            Expr::Unary(inner) => self.walk(&mut inner.expr),
            Expr::Paren(inner) => self.walk(&mut inner.expr),
            Expr::Subquery(inner) => {
                self.walk(&mut inner.expr);
                if self.left_open {
                    inner.range -= MILLISECOND;
                }
            }
            Expr::Binary(both) => {
                self.walk(&mut both.lhs);
                self.walk(&mut both.rhs);
            }
            Expr::Call(call) => call.args.args.iter_mut().for_each(|argument| self.walk(argument)),
            Expr::VectorSelector(selector) => self.shift(selector),
            Expr::MatrixSelector(matrix) => {
                if is_scraped(&matrix.vs) && self.under_way && matrix.vs.offset.is_none() {
                    matrix.range -= Duration::from_secs(self.age) + MILLISECOND;
                }
                self.shift(&mut matrix.vs);
                if self.left_open {
                    matrix.range -= MILLISECOND;
                }
            }
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
        }
    }

    fn shift(self, selector: &mut VectorSelector) {
        if !is_scraped(selector) {
            return;
        }
        let own = match &selector.offset {
            None => 0,
            Some(Offset::Pos(by)) => i64::try_from(by.as_millis()).expect("a short offset"),
            Some(Offset::Neg(by)) => -i64::try_from(by.as_millis()).expect("a short offset"),
        };
        let age = i64::try_from(self.age * 1000).expect("a short age");
        let shifted = if self.under_way && own == 0 { 1 } else { own - age };
        let length = Duration::from_millis(shifted.unsigned_abs());
        selector.offset = match shifted {
            0 => None,
            1.. => Some(Offset::Pos(length)),
            _ => Some(Offset::Neg(length)),
        };
    }
}

/// Whether the series is scraped, not recorded.
fn is_scraped(selector: &VectorSelector) -> bool {
    let name = selector.name.as_deref().unwrap_or_default();
    !name.contains(':') && !name.starts_with("ALERTS")
}

/// Whether `ALERTS=A,B` selects an alert, by its name without `ZooKeeper`; without it, all are.
pub fn is_selected(alert: &str) -> bool {
    static SELECTED: LazyLock<Option<Vec<String>>> =
        LazyLock::new(|| Some(std::env::var("ALERTS").ok()?.split(',').map(str::to_owned).collect()));
    SELECTED.as_ref().is_none_or(|selected| selected.iter().any(|one| one == alert))
}

/// Writes the shifted rule files to another folder; returns the files, and the names of the series that they
/// use.
pub fn write(from: &Path, names: &[&str], view: View, to: &Path) -> (Vec<PathBuf>, BTreeSet<String>) {
    let mut wanted = BTreeSet::new();
    let files = names
        .iter()
        .map(|name| {
            let text = std::fs::read_to_string(from.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut rules: Value = serde_saphyr::from_str(&text).expect("rules are YAML");
            for group in rules["groups"].as_array_mut().expect("groups") {
                group["rules"].as_array_mut().expect("rules").retain(|rule| {
                    let alert = rule["alert"].as_str().map(|alert| alert.trim_start_matches("ZooKeeper"));
                    alert.is_none_or(|alert| alert == "Watchdog" || is_selected(alert))
                });
                for rule in group["rules"].as_array_mut().expect("rules") {
                    let expr = rule["expr"].as_str().expect("an expression").to_owned();
                    wanted.extend(promql::selectors(&expr).expect("an expression").into_iter().map(|one| one.name));
                    rule["expr"] = view.of(&expr).into();
                    // Texts take most of the evaluation time of a firing alert and do not affect when it fires.
                    rule.as_object_mut().expect("a rule").remove("annotations");
                }
            }
            let file = to.join(name);
            // JSON is YAML.
            std::fs::write(&file, rules.to_string()).unwrap();
            file
        })
        .collect();
    (files, wanted)
}

#[test]
fn selectors_are_shifted_and_recorded_series_are_not() {
    let seen = |view: View, expr: &str| view.of(expr);
    let late = View { age: 5, ..View::default() };
    assert_eq!(seen(late, "max by (a) (x) == 0"), "max by (a) (x offset -5s) == 0");
    assert_eq!(seen(late, "rate(x[5m]) > a:x:b"), "rate(x[5m] offset -5s) > a:x:b");
    assert_eq!(seen(late, "x offset 1h"), "x offset 59m55s");
    let under_way = View { age: 5, under_way: true, ..View::default() };
    assert_eq!(seen(under_way, "x[1m]"), "x[54s999ms] offset 1ms");
    let left_open = View { left_open: true, ..View::default() };
    assert_eq!(seen(left_open, "x[1m]"), "x[59s999ms]");
}

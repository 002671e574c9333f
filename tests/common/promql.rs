//! Splits expressions into their selectors and the functions around them.

use promql_parser::label::Matcher;
use promql_parser::parser::{Expr, VectorSelector, parse};

/// A selector with its range and the enclosing functions and aggregations, outermost first.
#[derive(Debug)]
pub struct Selected {
    pub name: String,
    pub matchers: Vec<Matcher>,
    pub within: Vec<String>,
    pub range: Option<std::time::Duration>,
}

impl Selected {
    /// Returns whether the selector has the matcher `label=~"value"` or `label="value"`.
    pub fn has(&self, label: &str, value: &str) -> bool {
        self.matchers.iter().any(|matcher| matcher.name == label && matcher.value == value)
    }
}

/// Placeholder for Grafana's `$__rate_interval`: an unusual value, so that it can be recognised.
pub const RATE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(7 * 60 + 7);

/// All selectors of an expression, which may contain Grafana variables.
pub fn selectors(expr: &str) -> Result<Vec<Selected>, String> {
    let text = expr.replace("$__rate_interval", "7m7s");
    let mut found = Vec::new();
    walk(&parse(&text)?, &mut Vec::new(), &mut found);
    Ok(found)
}

fn walk(expr: &Expr, within: &mut Vec<String>, found: &mut Vec<Selected>) {
    match expr {
        Expr::Aggregate(inner) => {
            within.push(inner.op.to_string());
            walk(&inner.expr, within, found);
            within.pop();
        }
        Expr::Unary(inner) => walk(&inner.expr, within, found),
        Expr::Binary(both) => {
            walk(&both.lhs, within, found);
            walk(&both.rhs, within, found);
        }
        Expr::Paren(inner) => walk(&inner.expr, within, found),
        Expr::Subquery(inner) => walk(&inner.expr, within, found),
        Expr::VectorSelector(selector) => found.push(selected(selector, within, None)),
        Expr::MatrixSelector(matrix) => found.push(selected(&matrix.vs, within, Some(matrix.range))),
        Expr::Call(call) => {
            within.push(call.func.name.to_owned());
            for argument in &call.args.args {
                walk(argument, within, found);
            }
            within.pop();
        }
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

fn selected(selector: &VectorSelector, within: &[String], range: Option<std::time::Duration>) -> Selected {
    Selected {
        name: selector.name.clone().unwrap_or_default(),
        matchers: selector.matchers.matchers.clone(),
        within: within.to_vec(),
        range,
    }
}

//! Evaluates an expression over one or two scrapes: the equivalent of `PromQL`, as far as two samples permit.

use std::collections::BTreeMap;
use std::time::Duration;

use super::early::is_recorded;
use super::expr::{Agg, Cmp, Expr, Fold, Op, Selector, Set, Span};
use super::page::{Labels, Page};
use super::watch;

/// The scrapes to evaluate over.
#[derive(Clone, Copy, Debug)]
pub struct Scrapes<'p> {
    /// The newest page.
    pub now: &'p Page,
    /// An earlier page, and the time between the two.
    pub before: Option<(&'p Page, Duration)>,
    /// Timestamp of the newest page, in seconds since the Unix epoch.
    pub time: f64,
}

impl Scrapes<'_> {
    /// The time between the two pages; zero for a single page.
    #[must_use]
    pub fn covers(&self) -> Duration {
        self.before.map_or(Duration::ZERO, |(_, time)| time)
    }
}

/// Why an expression cannot be evaluated over these scrapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotJudged {
    /// It needs a second scrape.
    #[error("needs two scrapes")]
    TwoScrapes,
    /// It counts events over a longer window than was observed, and found none.
    #[error("counts over {0}")]
    Window(Span),
    /// It needs a history of minutes or hours, which only Prometheus has.
    #[error("needs the history that only Prometheus has")]
    History,
    /// Its samples come from a background task of the exporter.
    #[error("needs a running exporter: --from http://HOST:9141/metrics")]
    Background,
}

/// Values by label set, sorted by labels.
pub type Vector = BTreeMap<Labels, f64>;

enum Value {
    Scalar(f64),
    Vector(Vector),
}

/// Evaluates the expression to a vector. The only differences from Prometheus: a window reaches from `before` to `now`,
/// regardless of its length, and an increase is the observed one, without extrapolation.
///
/// # Errors
/// When the expression cannot be evaluated over these scrapes.
pub fn evaluate(expr: &Expr, limit: f64, scrapes: Scrapes<'_>) -> Result<Vector, NotJudged> {
    match value(expr, limit, scrapes)? {
        Value::Vector(vector) => Ok(vector),
        Value::Scalar(number) => Ok(Vector::from([(Labels::new(), number)])),
    }
}

fn value(expr: &Expr, limit: f64, scrapes: Scrapes<'_>) -> Result<Value, NotJudged> {
    let vector = |expr: &Expr| evaluate(expr, limit, scrapes);
    Ok(match expr {
        // With a single exporter there is no second view to compare, and a page has no earlier alert to hold.
        Expr::Held(_) => Value::Vector(Vector::new()),
        Expr::Series(selector) if selector.name == watch::OBSERVER => Value::Vector(observers(scrapes.now)),
        Expr::Series(selector) | Expr::Window(_, selector, _) if watch::is_recorded(selector.name) => {
            Value::Vector(Vector::new())
        }
        Expr::Trouble(trouble) => value(&trouble.on_a_page(), limit, scrapes)?,
        Expr::Newest(newest) => value(&newest.on_a_page(), limit, scrapes)?,
        // Recorded series are not part of a page.
        Expr::Series(selector) | Expr::Window(_, selector, _) if is_recorded(selector.name) => {
            return Err(NotJudged::History);
        }
        Expr::Series(selector) => Value::Vector(instant(selector, scrapes.now)),
        Expr::Window(fold, selector, _) => Value::Vector(window(*fold, selector, scrapes)?),
        Expr::WindowAgo(..) | Expr::Past(..) | Expr::AbsentEnsembles(_) | Expr::Hold => {
            return Err(NotJudged::History);
        }
        Expr::By(agg, keys, inner) => {
            let mut joined: BTreeMap<Labels, f64> = BTreeMap::new();
            for (labels, value) in vector(inner)? {
                let kept = labels.into_iter().filter(|(name, _)| keys.names().contains(&name.as_str())).collect();
                joined.entry(kept).and_modify(|other| *other = join(*agg, *other, value)).or_insert(match agg {
                    Agg::Group => 1.0,
                    _ => value,
                });
            }
            Value::Vector(joined)
        }
        Expr::Math(op, left, right) => match (value(left, limit, scrapes)?, value(right, limit, scrapes)?) {
            (Value::Scalar(left), Value::Scalar(right)) => Value::Scalar(reckon(*op, left, right)),
            (Value::Vector(left), Value::Scalar(right)) => {
                Value::Vector(left.into_iter().map(|(labels, left)| (labels, reckon(*op, left, right))).collect())
            }
            (Value::Scalar(left), Value::Vector(right)) => {
                Value::Vector(right.into_iter().map(|(labels, right)| (labels, reckon(*op, left, right))).collect())
            }
            (Value::Vector(left), Value::Vector(right)) => {
                let both = |(labels, left)| right.get(&labels).map(|right| (reckon(*op, left, *right), labels));
                Value::Vector(left.into_iter().filter_map(both).map(|(value, labels)| (labels, value)).collect())
            }
        },
        Expr::Compare(cmp, left, right) => {
            let right = value(right, limit, scrapes)?;
            let holds = |labels: &Labels, value: f64| match &right {
                Value::Scalar(other) => compare(*cmp, value, *other),
                Value::Vector(others) => others.get(labels).is_some_and(|other| compare(*cmp, value, *other)),
            };
            let mut left = vector(left)?;
            left.retain(|labels, value| holds(labels, *value));
            Value::Vector(left)
        }
        Expr::Sets(Set::Or, _, left, right) => match (vector(left), vector(right)) {
            (Ok(left), Ok(mut both)) => {
                both.extend(left);
                Value::Vector(both)
            }
            // If only one side can be evaluated, use that side.
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => Value::Vector(one),
            (Err(why), Err(_)) => return Err(why),
        },
        Expr::Sets(set, keys, left, right) => {
            let names = keys.map(super::expr::Keys::names);
            let reduced = |labels: &Labels| -> Labels {
                let kept = labels.iter().filter(|(name, _)| names.is_none_or(|names| names.contains(&name.as_str())));
                kept.map(|(name, value)| (name.clone(), value.clone())).collect()
            };
            let partners: std::collections::BTreeSet<Labels> = vector(right)?.keys().map(reduced).collect();
            let mut left = vector(left)?;
            left.retain(|labels, _| partners.contains(&reduced(labels)) == (*set == Set::And));
            Value::Vector(left)
        }
        Expr::Number(number) => Value::Scalar(*number),
        Expr::Limit => Value::Scalar(limit),
        Expr::Time => Value::Scalar(scrapes.time),
        Expr::Always => Value::Vector(Vector::from([(Labels::new(), 1.0)])),
    })
}

fn instant(selector: &Selector, page: &Page) -> Vector {
    let fits = |labels: &Labels| {
        selector.labels.iter().all(|(name, wanted)| matches(labels.get(*name).map_or("", String::as_str), wanted))
    };
    let fitting = page.samples(selector.name).iter().filter(|sample| fits(&sample.labels));
    fitting.map(|sample| (sample.labels.clone(), sample.value)).collect()
}

/// The members without a vote on a page. On pages of releases without `zk_member_voter`, an unreachable member is one if
/// all voters serve and it does not.
fn observers(page: &Page) -> Vector {
    let of = |labels: &Labels, names: &[&str]| -> Labels {
        let kept = labels.iter().filter(|(name, _)| names.contains(&name.as_str()));
        kept.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let of_ensembles = |name: &str| -> Vector {
        page.samples(name).iter().map(|sample| (of(&sample.labels, &["ensemble"]), sample.value)).collect()
    };
    let (voters, serving) = (of_ensembles("zk_ensemble_voters"), of_ensembles("zk_ensemble_voters_serving"));
    let all_serve = |ensemble: &Labels| {
        voters.get(ensemble).zip(serving.get(ensemble)).is_some_and(|(all, serving)| *all > 0.0 && serving >= all)
    };
    let is_one = |labels: &Labels| labels.get("state").is_some_and(|state| state == "observer");
    let observe = page.samples("zk_server_state").iter().filter(|sample| sample.value > 0.0 && is_one(&sample.labels));
    let silent = page.samples("zk_serving").iter().filter(|sample| sample.value == 0.0);
    let states_votes = of_ensembles("zk_member_voter");
    let silent = silent.filter(|sample| {
        let ensemble = of(&sample.labels, &["ensemble"]);
        !states_votes.contains_key(&ensemble) && all_serve(&ensemble)
    });
    let without_vote = page.samples("zk_member_voter").iter().filter(|sample| sample.value == 0.0);
    let all = observe.chain(without_vote).chain(silent);
    all.map(|sample| (of(&sample.labels, &["ensemble", "member"]), 1.0)).collect()
}

/// Whether a label value satisfies a selector; a missing label is empty.
fn matches(value: &str, wanted: &str) -> bool {
    let one_of = |wanted: &str| wanted.split('|').any(|pattern| fits(value, pattern));
    wanted.strip_prefix('!').map_or_else(|| one_of(wanted), |others| !one_of(others))
}

/// Whether a text matches the pattern, in which `.*` matches any text.
fn fits(value: &str, pattern: &str) -> bool {
    let Some((begin, mut rest)) = pattern.split_once(".*") else { return value == pattern };
    let Some(mut value) = value.strip_prefix(begin) else { return false };
    while let Some((part, behind)) = rest.split_once(".*") {
        let Some((_, after)) = value.split_once(part) else { return false };
        (value, rest) = (after, behind);
    }
    value.ends_with(rest)
}

/// Folds the samples of the two scrapes, older first.
fn window(fold: Fold, selector: &Selector, scrapes: Scrapes<'_>) -> Result<Vector, NotJudged> {
    let now = instant(selector, scrapes.now);
    let Some((before, time)) = scrapes.before else {
        return match fold {
            Fold::Rate | Fold::Increase | Fold::Resets | Fold::Changes => Err(NotJudged::TwoScrapes),
            _ => Ok(now),
        };
    };
    let before = instant(selector, before);
    let needs_both = matches!(fold, Fold::Rate | Fold::Increase);
    let mut found = Vector::new();
    for labels in before.keys().chain(now.keys()) {
        let (old, new) = (before.get(labels).copied(), now.get(labels).copied());
        let Some(newest) = new.or(old) else { continue };
        let oldest = old.unwrap_or(newest);
        if needs_both && (old.is_none() || new.is_none()) {
            continue;
        }
        let growth = if newest < oldest { newest } else { newest - oldest };
        let value = match fold {
            Fold::Avg | Fold::Median => f64::midpoint(oldest, newest),
            Fold::Max => oldest.max(newest),
            Fold::Min | Fold::Low => oldest.min(newest),
            Fold::Last => newest,
            Fold::Rate => growth / time.as_secs_f64().max(0.001),
            Fold::Increase => growth,
            Fold::Resets => f64::from(u8::from(newest < oldest)),
            #[expect(clippy::float_cmp, reason = "a value that did not change is the same value")]
            Fold::Changes => f64::from(u8::from(newest != oldest)),
        };
        found.insert(labels.clone(), value);
    }
    Ok(found)
}

fn join(agg: Agg, one: f64, other: f64) -> f64 {
    match agg {
        Agg::Max => one.max(other),
        Agg::Min => one.min(other),
        Agg::Sum => one + other,
        Agg::Group => 1.0,
    }
}

fn reckon(op: Op, left: f64, right: f64) -> f64 {
    match op {
        Op::Sub => left - right,
        Op::Div => left / right,
    }
}

#[expect(clippy::float_cmp, reason = "the numbers compared for equality are counts and flags")]
fn compare(cmp: Cmp, left: f64, right: f64) -> bool {
    match cmp {
        Cmp::Gt => left > right,
        Cmp::Ge => left >= right,
        Cmp::Lt => left < right,
        Cmp::Le => left <= right,
        Cmp::Eq => left == right,
    }
}

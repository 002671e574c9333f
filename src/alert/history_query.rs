//! Range queries that fetch a server's history for a replay of the alert rules. Levels that differ only in their limits
//! share one query.

use super::condition::{Condition, Severity};
use super::expr::{Agg, Cmp, Expr, Keys, Op, Set, Span};
use super::inline::Inliner;
use super::promql::{Ensembles, Setting, promql};
use super::rules::{Deployment, LeftOut, RuleFile, expression_of};
use super::thresholds::{InForce, Thresholds};
use super::trouble::{Held, watched};
use super::watch;

/// A query and the levels that are replayed over its result.
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    /// The condition.
    pub condition: &'static Condition,
    /// `PromQL` without recorded series; a long expression is divided, and its result is that of all parts. If `compare`
    /// is set, it is filtered by the loosest limit of all levels.
    pub exprs: Vec<String>,
    /// How values are compared with the limit of each level; `None` if the expression includes the comparison.
    pub compare: Option<Cmp>,
    /// The levels replayed over the result.
    pub levels: Vec<ReplayedLevel>,
    /// Queries that keep an active alert when the expression returns nothing.
    pub held: Option<HeldQueries>,
    /// Alternative sets of member sample names; the expression is conclusive only if one set is present.
    pub needs: Vec<Vec<&'static str>>,
}

/// Queries that keep an active alert while pages do not report its flag (`super::trouble::Held`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldQueries {
    /// Ensembles without a page.
    pub no_page: String,
    /// Members or ensembles that a page does not report.
    pub unknown: String,
    /// Members or ensembles without a page whose last value was good; `None` if that is not considered.
    pub recovered: Option<String>,
}

/// A level in one of the compared configurations.
#[derive(Clone, Debug)]
pub struct ReplayedLevel {
    /// Index of the configuration: 0, or 1 for the one it is compared with.
    pub configuration: usize,
    /// The severity.
    pub severity: Severity,
    /// How long it must hold (`for`).
    pub hold: Span,
    /// How long it keeps firing after its end (`keep_firing_for`).
    pub keep: Span,
    /// The level with its active limits.
    pub level: InForce,
}

/// The rules of one configuration, for a replay.
#[derive(Clone, Copy, Debug)]
pub struct Configured<'c> {
    /// The active limits.
    pub thresholds: &'c Thresholds,
    /// The deployment the rules are generated for.
    pub deployment: &'c Deployment,
}

/// The severity of the alert that always fires.
const ALWAYS: Severity = Severity::Info;

impl HeldQueries {
    /// All queries, in the order of the fields.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        [&self.no_page, &self.unknown].into_iter().chain(&self.recovered).map(String::as_str)
    }
}

impl ReplayedLevel {
    /// Whether the level is enabled for the ensemble and the value reaches its limit.
    #[must_use]
    pub fn is_reached(&self, compare: Option<Cmp>, ensemble: Option<&str>, value: f64) -> bool {
        let Some(compare) = compare else { return true };
        let limit = ensemble.map_or(self.level.usual, |name| self.level.of_ensemble(name));
        limit.flatten().is_some_and(|limit| compare.holds(value, limit))
    }
}

impl Cmp {
    /// Whether the comparison is true. As in Prometheus, every comparison with NaN is false.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "the comparison of PromQL")]
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Gt => left > right,
            Self::Ge => left >= right,
            Self::Lt => left < right,
            Self::Le => left <= right,
            Self::Eq => left == right,
        }
    }
}

/// The queries for a list of configurations, and the rules omitted from each.
#[must_use]
pub fn queries(configurations: &[Configured<'_>], step: Span) -> (Vec<HistoryQuery>, Vec<Vec<LeftOut>>) {
    let mut all: Vec<HistoryQuery> = Vec::new();
    let mut left_out = Vec::new();
    for (number, configured) in configurations.iter().enumerate() {
        let deployment = configured.deployment;
        let file = RuleFile::new(configured.thresholds, deployment);
        let inliner = inliner(&file, step);
        for level in configured.thresholds.levels().iter().filter(|level| is_replayed(&file, level)) {
            let (expr, held) = split(level.expr());
            let shared = value_comparison(&expr);
            let setting = Setting {
                limit: f64::NAN,
                hold: level.hold,
                keep: &deployment.keep_labels,
                ensembles: Ensembles::All,
                configured: &deployment.ensembles,
            };
            let text = match shared {
                Some(_) => promql(&expr, &setting),
                None => expression_of(&expr, level, deployment),
            };
            let exprs = inliner.expand_parts(&text, level.condition.keys().names());
            let replayed = ReplayedLevel {
                configuration: number,
                severity: level.level.severity,
                hold: level.hold,
                keep: deployment.keep_of(level),
                level: level.clone(),
            };
            // What counts as recovered depends on the limit, too.
            let limit = loosest(shared.unwrap_or(Cmp::Gt), std::slice::from_ref(&replayed));
            let held = held.map(|held| held_queries(&held, &Setting { limit, ..setting }, &inliner));
            let same = |query: &&mut HistoryQuery| {
                query.condition.name == level.condition.name && query.exprs == exprs && query.held == held
            };
            if let Some(query) = all.iter_mut().find(same) {
                query.levels.push(replayed);
            } else {
                all.push(HistoryQuery {
                    condition: level.condition,
                    exprs,
                    compare: shared,
                    levels: vec![replayed],
                    held,
                    needs: needs(&expr),
                });
            }
        }
        left_out.push(file.left_out);
    }
    for query in &mut all {
        if let Some(compare) = query.compare {
            let limit = super::promql::number(loosest(compare, &query.levels));
            query.exprs.iter_mut().for_each(|expr| *expr = expr.replace("NaN", &limit));
        }
    }
    (all, left_out)
}

/// The value that a condition compares with its limit, as `PromQL` without recorded series and without the comparison;
/// `None` if there is no such value.
#[must_use]
pub fn indicator(level: &InForce, configured: Configured<'_>, step: Span) -> Option<(String, Cmp)> {
    let (expr, held) = split(level.expr());
    let compare = value_comparison(&expr).filter(|_| held.is_none())?;
    level.level.limit?;
    let file = RuleFile::new(configured.thresholds, configured.deployment);
    if !is_replayed(&file, level) {
        return None;
    }
    let setting = Setting {
        limit: f64::NAN,
        hold: level.hold,
        keep: &configured.deployment.keep_labels,
        ensembles: Ensembles::All,
        configured: &configured.deployment.ensembles,
    };
    Some((inliner(&file, step).expand(&promql(&uncompared(&expr), &setting)), compare))
}

/// `PromQL` for the ensembles that an exporter watches.
#[must_use]
pub fn watched_ensembles() -> &'static str {
    "group by (ensemble) (zk_up)"
}

/// Whether series with this name existed within each hour, by ensemble.
#[must_use]
pub fn present(name: &str) -> String {
    format!("group by (ensemble) (present_over_time({name}[1h]))")
}

fn is_replayed(file: &RuleFile, level: &InForce) -> bool {
    level.level.severity != ALWAYS
        && file.rules().any(|rule| {
            rule.condition.name == level.condition.name
                && rule.labels.get("severity").is_some_and(|severity| severity == level.level.severity.text())
        })
}

fn inliner(file: &RuleFile, step: Span) -> Inliner {
    let early = file.records.iter().flat_map(|group| group.records.iter().map(|record| (record, group.interval)));
    Inliner::new(file.watch.iter().map(|record| (record, None)).chain(early), step)
}

/// The loosest limit of all levels; stricter levels filter its result.
fn loosest(compare: Cmp, levels: &[ReplayedLevel]) -> f64 {
    let limits = levels.iter().flat_map(|one| {
        let own = one.level.own.iter().map(|(_, limit)| *limit);
        [one.level.usual].into_iter().chain(own).flatten().flatten()
    });
    let best = if matches!(compare, Cmp::Lt | Cmp::Le) { f64::max } else { f64::min };
    limits.reduce(best).unwrap_or(f64::NAN)
}

/// Splits an expression into its condition and the part that holds an active alert.
pub(super) fn split(expr: &Expr) -> (Expr, Option<Held>) {
    if let Expr::Sets(Set::Or, _, left, right) = expr {
        let held = match &**right {
            Expr::Held(held) => Some(held),
            Expr::Math(Op::Sub, inner, _) => match &**inner {
                Expr::Held(held) => Some(held),
                _ => None,
            },
            _ => None,
        };
        if let Some(held) = held {
            return ((**left).clone(), Some(held.clone()));
        }
    }
    (expr.clone(), None)
}

/// The parts of `Held::expanded` that do not depend on the state of the alert.
fn held_queries(held: &Held, setting: &Setting<'_>, inliner: &Inliner) -> HeldQueries {
    let no_page = super::build::series(watch::WATCH).eq(1.0).by(Agg::Group, Keys::Ensemble);
    let no_page = no_page.unless_on(Keys::Ensemble, watched());
    let mut unknown = super::build::series_with("zk_scrape_failure", "reason", "limit").by(Agg::Group, held.keys);
    let mut unseen = super::build::series("zk_up").by(Agg::Group, held.keys);
    let recovered = held.recovered();
    if recovered.is_none() {
        unknown = unknown.unless_on(held.keys, Expr::Series(held.flag.clone()));
        unseen = unseen.unless_on(Keys::Member, watched());
    } else {
        unseen = unseen.unless_on(Keys::Member, held.mute());
    }
    if held.keys == Keys::Member {
        unknown = unknown.or(unseen);
    }
    if let Some(recovered) = &recovered {
        unknown = unknown.unless_on(held.keys, recovered.clone());
    }
    let recovered = recovered.map(|recovered| recovered.and_on(Keys::Ensemble, no_page.clone()));
    let text = |expr: &Expr| inliner.expand(&promql(expr, setting));
    HeldQueries { no_page: text(&no_page), unknown: text(&unknown), recovered: recovered.as_ref().map(text) }
}

/// How the value of the whole expression is compared with the limit, if the limit is used nowhere else.
fn value_comparison(expr: &Expr) -> Option<Cmp> {
    match expr {
        Expr::Compare(cmp, left, right) if **right == Expr::Limit && left.limit_comparison().is_none() => Some(*cmp),
        Expr::Sets(Set::And | Set::Unless, _, left, right) if !has_limit(right) => value_comparison(left),
        _ => None,
    }
}

fn has_limit(expr: &Expr) -> bool {
    match expr {
        Expr::Limit | Expr::Hold | Expr::Held(_) => true,
        Expr::By(_, _, inner) => has_limit(inner),
        Expr::Math(_, left, right) | Expr::Compare(_, left, right) | Expr::Sets(_, _, left, right) => {
            has_limit(left) || has_limit(right)
        }
        _ => false,
    }
}

/// The expression without the comparison with the limit.
fn uncompared(expr: &Expr) -> Expr {
    match expr {
        Expr::Compare(_, left, right) if **right == Expr::Limit => (**left).clone(),
        Expr::Sets(set, keys, left, right) => Expr::Sets(*set, *keys, Box::new(uncompared(left)), right.clone()),
        other => other.clone(),
    }
}

/// Alternative sets of member samples; without any of them an empty result is inconclusive. The exporter's own metrics
/// always exist while it runs.
pub(super) fn needs(expr: &Expr) -> Vec<Vec<&'static str>> {
    let join = |left: Vec<Vec<&'static str>>, right: Vec<Vec<&'static str>>| {
        let both = left.iter().flat_map(|one| {
            right.iter().map(|other| {
                let mut names = [&one[..], &other[..]].concat();
                names.sort_unstable();
                names.dedup();
                names
            })
        });
        both.collect::<Vec<_>>()
    };
    match expr {
        Expr::Sets(Set::Or, _, left, right) => [needs(left), needs(right)].concat(),
        Expr::Sets(Set::Unless, _, left, _) => needs(left),
        Expr::Sets(Set::And, _, left, right) | Expr::Math(_, left, right) | Expr::Compare(_, left, right) => {
            join(needs(left), needs(right))
        }
        Expr::By(_, _, inner) => needs(inner),
        other => {
            let of_members = |name: &&str| super::condition::row_of(name).is_some();
            vec![other.selectors().into_iter().map(|selector| selector.name).filter(of_members).collect()]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::early;
    use super::*;

    fn all(configurations: &[Configured<'_>]) -> Vec<HistoryQuery> {
        queries(configurations, Span(60)).0
    }

    #[test]
    fn levels_of_one_expression_share_a_query() {
        let (thresholds, deployment) = (Thresholds::default(), Deployment::default());
        let configured = Configured { thresholds: &thresholds, deployment: &deployment };
        let queries = all(&[configured, configured]);
        let fsync: Vec<_> = queries.iter().filter(|query| query.condition.name == "SlowFsync").collect();
        assert_eq!(fsync.len(), 1);
        assert_eq!((fsync[0].levels.len(), fsync[0].compare), (4, Some(Cmp::Gt)));
        assert!(fsync[0].exprs[0].ends_with("> 0.1"), "{:?}", fsync[0].exprs);
        assert_eq!(fsync[0].needs, [["zk_fsynctime_seconds_count", "zk_fsynctime_seconds_sum"]]);
        assert!(queries.iter().all(|query| query.condition.name != "Watchdog"));
    }

    #[test]
    fn no_query_uses_recorded_series() {
        let (thresholds, deployment) = (Thresholds::default(), Deployment::default());
        let queries = all(&[Configured { thresholds: &thresholds, deployment: &deployment }]);
        assert!(queries.len() > 60, "{}", queries.len());
        for query in queries {
            let held = query.held.iter().flat_map(HeldQueries::all);
            for text in held.chain(query.exprs.iter().map(String::as_str)) {
                assert!(text.len() < 14 << 10, "{}: {} bytes", query.condition.name, text.len());
                let recorded = watch::RECORDED.iter().chain(early::RECORDED).find(|(name, _)| text.contains(name));
                assert_eq!(recorded, None, "{}: {text}", query.condition.name);
                assert!(!text.contains("ALERTS") && !text.contains("NaN"), "{}: {text}", query.condition.name);
            }
        }
    }
}

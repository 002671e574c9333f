//! Conditions evaluated over two scrapes give the same result as in Prometheus: each kind of expression is given to
//! both.

use std::fmt::Write;
use std::process::Command;
use std::time::Duration;

use zookeeper_exporter::alert::build::{mean, series, series_with};
use zookeeper_exporter::alert::evaluate::Vector;
use zookeeper_exporter::alert::expr::{Agg, Cmp, Keys, Span};
use zookeeper_exporter::alert::promql::{Ensembles, Setting, promql};
use zookeeper_exporter::alert::{Expr, NotJudged, Page, Scrapes, evaluate};

/// Series with their values one minute ago and now. A series with only one value appeared or disappeared in between.
const SERIES: [(&str, Option<f64>, Option<f64>); 16] = [
    ("queue{ensemble=\"a\",member=\"m1\"}", Some(3.0), Some(5.0)),
    ("queue{ensemble=\"a\",member=\"m2\"}", Some(7.0), Some(2.0)),
    ("queue{ensemble=\"b\",member=\"m1\"}", Some(1.0), Some(1.0)),
    ("queue{ensemble=\"b\",member=\"m9\"}", None, Some(40.0)),
    ("queue{ensemble=\"c\",member=\"m1\"}", Some(60.0), None),
    ("room{ensemble=\"a\",member=\"m1\"}", Some(10.0), Some(10.0)),
    ("room{ensemble=\"a\",member=\"m2\"}", Some(4.0), Some(0.0)),
    ("room{ensemble=\"b\",member=\"m1\"}", Some(1.0), Some(1.0)),
    ("asked_total{ensemble=\"a\",member=\"m1\",kind=\"read\"}", Some(600.0), Some(1500.0)),
    ("asked_total{ensemble=\"a\",member=\"m1\",kind=\"write\"}", Some(300.0), Some(450.0)),
    ("asked_total{ensemble=\"a\",member=\"m2\",kind=\"read\"}", Some(9000.0), Some(240.0)),
    ("asked_total{ensemble=\"b\",member=\"m1\",kind=\"read\"}", Some(77.0), Some(77.0)),
    ("asked_total{ensemble=\"b\",member=\"m9\",kind=\"read\"}", None, Some(5.0)),
    ("took_sum{ensemble=\"a\",member=\"m1\"}", Some(100.0), Some(190.0)),
    ("took_count{ensemble=\"a\",member=\"m1\"}", Some(500.0), Some(560.0)),
    ("took_count{ensemble=\"a\",member=\"m2\"}", Some(8.0), Some(8.0)),
];

/// No value above is close enough to a limit for the extrapolation of an increase to matter.
const LIMITS: [f64; 15] = [-6.5, -0.5, 0.05, 0.35, 0.7, 1.2, 1.7, 3.3, 4.4, 6.4, 14.0, 22.0, 45.0, 200.0, 700.0];

/// A window that contains both scrapes, neither of them at its ends.
const WINDOW: Span = Span(61);

fn expressions() -> Vec<Expr> {
    let (queue, room, asked) = (|| series("queue"), || series("room"), || series("asked_total"));
    let busy = || queue().gt(4.0);
    let mut all = vec![
        queue(),
        series_with("asked_total", "kind", "write"),
        series_with("asked_total", "kind", "write|read").rate(WINDOW),
        queue().avg(WINDOW),
        queue().max(WINDOW),
        queue().min(WINDOW),
        queue().last(WINDOW),
        asked().rate(WINDOW),
        asked().increase(WINDOW),
        asked().resets(WINDOW),
        asked().changes(WINDOW),
        queue().changes(WINDOW),
        series_with("asked_total", "kind", "!write"),
        series_with("asked_total", "kind", "!w.*|.*x"),
        series_with("asked_total", "kind", "!.*ea.*").resets(WINDOW),
        mean("took_sum", "took_count", WINDOW, 0.0),
        mean("took_sum", "took_count", WINDOW, 0.9),
        mean("took_sum", "took_count", WINDOW, 1.1),
        queue() - room(),
        queue() / room(),
        queue() - 3.0.into(),
        Expr::from(4.0) - queue(),
        Expr::from(9.0) / queue(),
        Expr::from(9.0) / 2.0.into() - room(),
        busy(),
        queue().and(room()),
        queue().and(busy()),
        queue().unless(busy()),
        queue().unless(room()),
        queue().and_on(Keys::Ensemble, busy()),
        queue().unless_on(Keys::Ensemble, busy()),
        busy().or(room()),
        room().or(queue()),
        queue().gt(room()),
        queue().le(room()),
        room().eq(1.0),
    ];
    for agg in [Agg::Max, Agg::Min, Agg::Sum, Agg::Group] {
        for keys in [Keys::Ensemble, Keys::Member, Keys::Nothing] {
            all.extend([queue().by(agg, keys), asked().rate(WINDOW).by(agg, keys)]);
        }
    }
    all
}

/// Compares the expression with the limit.
fn compared(cmp: Cmp, expr: Expr, limit: f64) -> Expr {
    match cmp {
        Cmp::Gt => expr.gt(limit),
        Cmp::Ge => expr.ge(limit),
        Cmp::Lt => expr.lt(limit),
        Cmp::Le => expr.le(limit),
        Cmp::Eq => expr.eq(limit),
    }
}

fn page(value: impl Fn(&(&str, Option<f64>, Option<f64>)) -> Option<f64>) -> Page {
    let line = |one: &(&str, _, _)| value(one).map(|value| format!("{} {value}\n", one.0));
    Page::read(&SERIES.iter().filter_map(line).collect::<String>())
}

/// The samples expected from promtool: the existing series, without their values.
fn samples(found: &Vector) -> String {
    let sample = |labels: &zookeeper_exporter::alert::page::Labels| {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        format!("{{labels: '{{{}}}', value: 1}}", labels.join(","))
    };
    found.keys().map(sample).collect::<Vec<_>>().join(", ")
}

#[test]
fn two_scrapes_are_evaluated_like_in_prometheus() {
    let (before, now) = (page(|one| one.1), page(|one| one.2));
    let scrapes = Scrapes { now: &now, before: Some((&before, Duration::from_mins(1))), time: 60.0 };
    let mut tests = String::from("rule_files: []\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series:\n");
    for (series, before, now) in SERIES {
        let value = |value: Option<f64>, none: &str| value.map_or(none.to_owned(), |value| value.to_string());
        writeln!(tests, "  - {{series: '{series}', values: '{} {}'}}", value(before, "_"), value(now, "stale"))
            .unwrap();
    }
    tests.push_str("  promql_expr_test:\n");
    let (mut asked, mut kinds) = (0, [0, 0]);
    for expr in expressions() {
        // Whole numbers occur as values: equality distinguishes `>` from `>=`.
        let near = LIMITS.into_iter().flat_map(|limit| [(Cmp::Gt, limit), (Cmp::Lt, limit)]);
        let exact = [Cmp::Ge, Cmp::Le, Cmp::Eq, Cmp::Gt, Cmp::Lt].map(|cmp| (cmp, 1.0));
        for (cmp, limit) in near.chain(exact) {
            let whole = compared(cmp, expr.clone(), limit);
            let found = evaluate(&whole, f64::NAN, scrapes).expect("two scrapes are enough");
            let setting =
                Setting { limit: f64::NAN, hold: Span(0), keep: &[], ensembles: Ensembles::All, configured: &[] };
            let text = promql(&whole, &setting).replace('\n', " ");
            writeln!(tests, "  - {{expr: 'clamp({text}, 1, 1)', eval_time: 1m, exp_samples: [{}]}}", samples(&found))
                .unwrap();
            asked += 1;
            kinds[usize::from(found.is_empty())] += 1;
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, &tests).unwrap();
    let output = Command::new("promtool").args(["test", "rules"]).arg(file.path()).output().expect("promtool runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(asked > 1500 && kinds.iter().all(|kind| *kind > asked / 10), "{asked} asked, found and not: {kinds:?}");
}

#[test]
fn one_scrape_has_no_rates_but_gauge_windows() {
    let now = page(|one| one.2);
    let scrapes = Scrapes { now: &now, before: None, time: 60.0 };
    for fold in [Expr::rate, Expr::increase, Expr::resets, Expr::changes] {
        assert!(evaluate(&fold(series("asked_total"), WINDOW), 0.0, scrapes).is_err());
    }
    for fold in [Expr::avg, Expr::max, Expr::min, Expr::low, Expr::last] {
        let (folded, plain) = (fold(series("queue"), WINDOW), series("queue"));
        assert_eq!(evaluate(&folded, 0.0, scrapes), evaluate(&plain, 0.0, scrapes));
    }
}

#[test]
fn expressions_that_need_history_are_not_evaluated() {
    let now = page(|one| one.2);
    let scrapes = Scrapes { now: &now, before: Some((&now, Duration::from_mins(1))), time: 60.0 };
    let never = || series("queue").ago(WINDOW);
    let recorded = || series("member:zk_risk:noisy_or");
    for expr in [
        never(),
        series("queue").min(WINDOW).ago(WINDOW),
        recorded(),
        recorded().max(WINDOW),
        never().or(recorded()),
        series("queue").and(never()),
        series("queue") - never(),
    ] {
        assert_eq!(evaluate(&expr, 0.0, scrapes), Err(NotJudged::History), "{expr:?}");
    }
    // If only one side of an `or` can be evaluated, its result is used.
    let queue = evaluate(&series("queue"), 0.0, scrapes);
    for either in [series("queue").or(never()), never().or(series("queue"))] {
        assert_eq!(evaluate(&either, 0.0, scrapes), queue);
    }
}

#[test]
fn constants_and_arithmetic_are_evaluated() {
    let now = page(|one| one.2);
    let scrapes = Scrapes { now: &now, before: None, time: 60.0 };
    let judged = |expr: Expr| evaluate(&expr, 5.0, scrapes).unwrap().into_values().collect::<Vec<_>>();
    assert_eq!(judged(Expr::Limit), [5.0]);
    assert_eq!(judged(Expr::Time), [60.0]);
    assert_eq!(judged(Expr::Always), [1.0]);
    assert_eq!(judged(Expr::from(9.0) - 2.0.into()), [7.0]);
    assert_eq!(judged(Expr::from(9.0) / 2.0.into()), [4.5]);
    assert_eq!(judged(series("queue").ge(Expr::Limit)), [5.0, 40.0]);
}

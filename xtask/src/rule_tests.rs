//! Unit tests for `promtool test rules`, generated from the cases of the conditions and the series of a healthy
//! ensemble.

use std::collections::BTreeMap;

use zookeeper_exporter::alert::expr::Span;
use zookeeper_exporter::alert::{Case, Condition, Severity, watch};
use zookeeper_exporter::config::parse_duration;

/// Members of the healthy ensemble, `m1` to `m3`; the first is the leader.
const MEMBERS: [&str; 3] = ["zk-1:2181", "zk-2:2181", "zk-3:2181"];

/// Series of a healthy ensemble: of every member, of the ensemble (`e`) and of the exporter (`x`). Phases as in
/// [`Case`].
const HEALTHY: &[&str] = &[
    "up x 1",
    "zk_exporter_build_info{version=\"1.0.0\"} x 1",
    "zk_up m 1",
    "zk_serving m 1",
    "zk_mntr_complete m 1",
    "zk_scrape_duration_seconds m 0.01",
    "zk_unavailable_time_seconds_sum m 10",
    "zk_server_state{state=\"leader\"} m1 1",
    "zk_server_state{state=\"leader\"} m2 0",
    "zk_server_state{state=\"leader\"} m3 0",
    "zk_server_state{state=\"follower\"} m1 0",
    "zk_server_state{state=\"follower\"} m2 1",
    "zk_server_state{state=\"follower\"} m3 1",
    "zk_server_state{state=\"observer\"} m 0",
    "zk_server_state{state=\"read-only\"} m 0",
    "zk_server_state{state=\"standalone\"} m 0",
    "zk_server_state{state=\"not-serving\"} m 0",
    "zk_ensemble_members e 3",
    "zk_ensemble_members_up e 3",
    "zk_ensemble_voters e 3",
    "zk_ensemble_voters_serving e 3",
    "zk_ensemble_voters_synced e 3",
    "zk_ensemble_majority e 2",
    "zk_ensemble_quorum_margin e 1",
    "zk_ensemble_has_quorum e 1",
    "zk_ensemble_leaders e 1",
    "zk_ensemble_distinct_versions e 1",
    "zk_ensemble_distinct_configs e 1",
    "zk_ensemble_distinct_epochs e 1",
    "zk_ensemble_zxid_regressed e 0",
    "zk_ensemble_distinct_quorum_sizes e 1",
];

/// Windows from this length on have steps of [`LONG_STEP`].
const LONG_WINDOW: Span = Span::hours(48);

/// Step of conditions about days; the phases of their cases are multiples of it.
const LONG_STEP: Span = Span::minutes(20);

/// Scrape and evaluation interval of a test; longer for longer cases, so that all tests run within seconds.
fn step(condition: &Condition, whole: Span) -> Span {
    match whole.0 {
        _ if condition.expr.looks_back() >= LONG_WINDOW => LONG_STEP,
        ..=2700 => Span(15),
        2701..=14_400 => Span(60),
        _ => Span(240),
    }
}

/// Evaluation time of a case: after every window and `for` have elapsed.
fn moment(condition: &Condition, severity: Severity) -> Span {
    let hold = condition.level_of(severity).map_or(Span(0), |level| level.hold);
    let whole = Span(condition.expr.looks_back().0 + hold.0 + 300);
    // The last evaluation must not be older than 5 minutes.
    if step(condition, whole) == LONG_STEP { Span(whole.0.next_multiple_of(LONG_STEP.0)) } else { whole }
}

/// The length of a case that sets it: every phase of one of its series has a duration. It is evaluated at its end.
fn length(case: &Case) -> Option<Span> {
    let phase = |text: &str| text.split_once(" for ").and_then(|(_, time)| parse_duration(time).ok());
    let of = |line: &&str| split(line).2.split(" then ").map(phase).sum::<Option<std::time::Duration>>();
    case.series.iter().filter_map(of).max().map(|length| Span(length.as_secs()))
}

/// The test file of one condition; `rules` is the path of the rule file relative to it.
#[must_use]
pub fn of_condition(condition: &Condition, rules: &str, cases: &[Case]) -> String {
    let mut out = format!("rule_files: [{rules}]\n");
    let moments = cases.iter().map(|case| length(case).unwrap_or_else(|| moment(condition, case.severity)));
    let whole = moments.max().unwrap_or_default();
    let step = step(condition, whole);
    out.push_str(&format!("evaluation_interval: {step}\ntests:\n"));
    for case in cases {
        let at = length(case).unwrap_or_else(|| moment(condition, case.severity));
        let story = if case.fires.is_some() { "fires" } else { "stays quiet" };
        let (alert, severity) = (condition.alert(), case.severity.text());
        out.push_str(&format!("  - name: '{alert} ({severity}) {story}: {}'\n", case.why.replace('\'', "''")));
        out.push_str(&format!("    interval: {step}\n    input_series:\n"));
        for (series, values) in series_of(condition, case) {
            out.push_str(&format!("      - {{series: '{series}', values: '{}'}}\n", phases(&values, at, step)));
        }
        out.push_str(&format!(
            "    promql_expr_test:\n      - expr: ALERTS{{alertname=\"{alert}\",severity=\"{severity}\",alertstate=\"firing\"}}\n        eval_time: {at}\n        exp_samples: "
        ));
        match case.fires {
            None => out.push_str("[]\n"),
            Some(whom) => {
                let mut labels = BTreeMap::from([
                    ("alertname".to_owned(), alert.clone()),
                    ("alertstate".to_owned(), "firing".to_owned()),
                    ("severity".to_owned(), severity.to_owned()),
                ]);
                labels.extend(labels_of(whom));
                let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
                out.push_str(&format!("\n          - {{labels: 'ALERTS{{{}}}', value: 1}}\n", labels.join(",")));
            }
        }
    }
    out
}

/// The labels of an alert for `m1`, `e`, `x` or no subject, followed by further labels as `name=value`.
fn labels_of(whom: &str) -> BTreeMap<String, String> {
    let (whom, more) = whom.split_once(' ').unwrap_or((whom, ""));
    let pairs: Vec<(&str, &str)> = match whom {
        "e" => vec![("ensemble", "a")],
        "x" => vec![("job", "zookeeper"), ("instance", "e1:9141")],
        "" => vec![],
        member => vec![("ensemble", "a"), ("member", member_of(member))],
    };
    let more = more.split_once('=');
    pairs.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn member_of(whom: &str) -> &'static str {
    let number: usize = whom.trim_start_matches('m').parse().unwrap_or(1);
    MEMBERS[(number - 1).min(MEMBERS.len() - 1)]
}

/// The series of a healthy ensemble that the condition uses, changed by the case.
fn series_of(condition: &Condition, case: &Case) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let wanted = condition.samples();
    // Carried states depend on more series than the expression names.
    let is_all = wanted.iter().any(|name| watch::is_recorded(name)) || condition.expr.expanded() != condition.expr;
    let healthy = HEALTHY.iter().filter(|line| is_all || wanted.contains(&name_of(line)));
    for line in healthy.chain(case.series) {
        let mut parts = split(line);
        if parts.1 == "m" {
            for member in ["m1", "m2", "m3"] {
                parts.1 = member;
                all.insert(named(parts.0, parts.1), parts.2.to_owned());
            }
        } else {
            all.insert(named(parts.0, parts.1), parts.2.to_owned());
        }
    }
    all
}

fn name_of(line: &str) -> &str {
    line.split(['{', ' ']).next().unwrap_or(line)
}

/// Splits a line into series, subject and phases.
fn split(line: &str) -> (&str, &str, &str) {
    let end = line.rfind("} ").map_or_else(|| line.find(' ').unwrap_or(line.len()), |place| place + 1);
    let (series, rest) = line.split_at(end);
    let (whose, phases) = rest.trim_start().split_once(' ').unwrap_or((rest, ""));
    (series, whose, phases)
}

fn named(series: &str, whose: &str) -> String {
    let (name, own) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
    let (whose, exporter) = whose.split_once('@').unwrap_or((whose, "1"));
    let mut labels = labels_of("x");
    labels.insert("instance".to_owned(), format!("e{exporter}:9141"));
    if whose != "x" {
        labels.extend(labels_of(whose));
    }
    let mut text: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    if !own.is_empty() {
        text.push(own.to_owned());
    }
    format!("{name}{{{}}}", text.join(","))
}

/// Phases in promtool's notation, from the start to shortly after the last phase.
fn phases(text: &str, whole: Span, step: Span) -> String {
    let mut out = Vec::new();
    let (mut begun, mut current) = (0, 0.0_f64);
    for phase in text.split(" then ") {
        let (value, time) = phase.split_once(" for ").unwrap_or((phase, ""));
        let end = if time.is_empty() {
            whole.0 + 2 * step.0
        } else {
            begun + parse_duration(time).map_or(0, |time| time.as_secs())
        };
        let samples = (end / step.0).saturating_sub(begun.div_ceil(step.0)).max(u64::from(end > begun));
        begun = end;
        if samples == 0 {
            continue;
        }
        let repeats = samples - 1;
        match value {
            "absent" => out.push(format!("_x{samples}")),
            "stale" => out.push(if samples > 1 { format!("stale _x{repeats}") } else { "stale".to_owned() }),
            _ => {
                let slope = value.strip_prefix('+').and_then(|rest| rest.strip_suffix("/m"));
                if let Some(slope) = slope.and_then(|slope| slope.parse::<f64>().ok()) {
                    #[expect(clippy::cast_precision_loss, reason = "seconds of some hours")]
                    let (growth, grown) = (slope * step.0 as f64 / 60.0, samples as f64);
                    out.push(format!("{current}+{growth}x{repeats}"));
                    current += growth * grown;
                } else {
                    current = value.parse().unwrap_or(f64::NAN);
                    out.push(format!("{value}x{repeats}"));
                }
            }
        }
    }
    out.join(" ")
}

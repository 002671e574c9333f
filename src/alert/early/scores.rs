//! Detection P, warning W, and the risk of members and ensembles.
//!
//! Each indicator has a value for each member. P compares it with the last day, W with the limits of its alert. The
//! highest W of each group are combined into the risk of a member, and the risks of voters into that of their ensemble.

use super::indicators::{INDICATORS, Indicator, LEVELS, steepness};
use super::{INDICATOR, Record, RecordGroup};
use crate::alert::expr::Span;
use crate::alert::promql::{Ensembles, Setting, matched, number, promql};
use crate::alert::rules::{Deployment, LeftOut};
use crate::alert::thresholds::{InForce, Thresholds};

/// Scores below this are ignored: those of idle indicators would add up.
pub const DEAD_ZONE: f64 = 0.05;

/// Upper bound of a risk that is combined; at 1 the logarithm would be infinite.
const CERTAIN: f64 = 0.999;

/// An indicator in use, with nu and tau for each set of ensembles with its own limits.
pub(super) struct InUse {
    pub(super) indicator: &'static Indicator,
    pub(super) limits: Vec<(Ensembles, f64, f64)>,
}

pub(super) fn groups(thresholds: &Thresholds, deployment: &Deployment) -> (Vec<RecordGroup>, Vec<LeftOut>) {
    let (mut used, mut left_out) = (Vec::new(), Vec::new());
    for indicator in INDICATORS {
        let without = |reason: String| LeftOut { alert: format!("the indicator {}", indicator.name), reason };
        if let Some(reason) = deployment.lacks(indicator.condition()) {
            left_out.push(without(reason));
            continue;
        }
        let limits = limits(indicator, thresholds);
        if limits.is_empty() {
            left_out.push(without(format!("the warning of {} is off", indicator.condition().alert())));
            continue;
        }
        used.push(InUse { indicator, limits });
    }
    let by = By::new(&deployment.keep_labels);
    let mut groups = vec![
        RecordGroup { name: "zookeeper-indicators", interval: None, records: indicators(&used, deployment, &by) },
        RecordGroup { name: "zookeeper-baselines", interval: None, records: baselines(&used) },
        RecordGroup { name: "zookeeper-detection", interval: None, records: vec![detection(&by)] },
        RecordGroup { name: "zookeeper-warning-scores", interval: None, records: scores(&used, &by) },
        RecordGroup { name: "zookeeper-risk", interval: None, records: risks(&by) },
    ];
    groups.extend(super::objectives::groups(&used, &by));
    (groups, left_out)
}

/// Label lists for aggregation by member and by ensemble, including `keep_labels`.
pub(super) struct By {
    pub(super) member: String,
    pub(super) ensemble: String,
}

impl By {
    pub(super) fn new(keep: &[String]) -> Self {
        let with =
            |first: &str| [first].into_iter().chain(keep.iter().map(String::as_str)).collect::<Vec<_>>().join(", ");
        Self { member: with("ensemble, member"), ensemble: with("ensemble") }
    }
}

/// Nu and tau for each ensemble with its own limits, and for all others.
fn limits(indicator: &Indicator, thresholds: &Thresholds) -> Vec<(Ensembles, f64, f64)> {
    let level = |severity| {
        let mut all = thresholds.levels().iter();
        all.find(|level| level.condition.name == indicator.condition && level.level.severity == severity)
    };
    let [warning, critical] = LEVELS.map(level);
    let Some(warning) = warning else { return Vec::new() };
    let limit = |limit: Option<Option<f64>>| limit.flatten().map(|limit| indicator.limit(limit));
    // The default critical limit is used even if that level is off, since it marks where the fault would be.
    let of_catalogue = critical.and_then(|level| level.level.limit).map(|limit| indicator.limit(limit));
    let curve = |warning: f64, critical: Option<f64>| {
        let critical = critical.or(of_catalogue.filter(|critical| *critical > warning));
        steepness(warning, critical)
    };
    let own = |level: Option<&InForce>| {
        level.map(|level| level.own.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()).unwrap_or_default()
    };
    let mut names = own(Some(warning));
    names.extend(own(critical));
    names.sort();
    names.dedup();
    let mut found = Vec::new();
    for name in &names {
        let both = (limit(warning.of_ensemble(name)), limit(critical.and_then(|level| level.of_ensemble(name))));
        if let Some((nu, tau)) = both.0.and_then(|warning| curve(warning, both.1)) {
            found.push((Ensembles::Only(name.clone()), nu, tau));
        }
    }
    let usual = limit(warning.usual).and_then(|nu| curve(nu, limit(critical.and_then(|level| level.usual))));
    if let Some((nu, tau)) = usual {
        let others = if names.is_empty() { Ensembles::All } else { Ensembles::But(names) };
        found.push((others, nu, tau));
    }
    found
}

fn indicators(used: &[InUse], deployment: &Deployment, by: &By) -> Vec<Record> {
    let keep = &deployment.keep_labels[..];
    let value = |in_use: &InUse| {
        let setting = Setting { limit: f64::NAN, hold: Span(0), keep, ensembles: Ensembles::All, configured: &[] };
        Record {
            name: INDICATOR,
            expr: promql(&in_use.indicator.measured(), &setting),
            labels: vec![("indicator", in_use.indicator.name.to_owned())],
        }
    };
    let mut all: Vec<Record> = used.iter().map(value).collect();
    let members = &by.member;
    all.push(Record {
        name: "member:zk_restarted:group15m",
        expr: format!(
            "group by ({members}) (\n    max by ({members}) (resets(zk_uptime_seconds[15m])) > 0\n  or\n    max by ({members}) (avg_over_time(zk_up[15m])) < 0.9\n)"
        ),
        labels: Vec::new(),
    });
    all
}

fn baselines(used: &[InUse]) -> Vec<Record> {
    let record = |name, expr: String| Record { name, expr, labels: Vec::new() };
    let mut all = vec![
        // The offset of an hour keeps a current fault out of its own baseline, which must span at least five hours.
        record(
            "member:zk_indicator:mean1d",
            format!("avg_over_time({INDICATOR}[1d] offset 1h)\nand\nlast_over_time({INDICATOR}[1h] offset 6h)"),
        ),
        record("member:zk_indicator:stddev1d", format!("stddev_over_time({INDICATOR}[1d] offset 1h)")),
    ];
    for InUse { indicator, limits } in used {
        let part = |(ensembles, nu, _): &(Ensembles, f64, f64)| {
            let of = matched(ensembles, &[("indicator", indicator.name)]);
            let (mean, deviation) = ("member:zk_indicator:mean1d", "member:zk_indicator:stddev1d");
            format!(
                "clamp_min(\n    ({deviation}{of} > 0.1 * {mean}{of})\n  or\n    0.1 * {mean}{of},\n  {}\n)",
                rounded(nu / 20.0)
            )
        };
        all.push(Record {
            name: "member:zk_indicator:sigma1d",
            expr: joined(limits.iter().map(part)),
            labels: vec![("indicator", indicator.name.to_owned())],
        });
    }
    all
}

fn detection(by: &By) -> Record {
    let of = |matcher: &str| {
        format!(
            "1 / (1 + exp(-({INDICATOR}{matcher} - member:zk_indicator:mean1d) / member:zk_indicator:sigma1d))\nunless on ({})\nmember:zk_restarted:group15m",
            by.member
        )
    };
    let moving: Vec<&str> = INDICATORS.iter().filter(|one| one.moves).map(|one| one.name).collect();
    let moving = moving.join("|");
    // Clients that moved do not return: the restart of another member has changed the usual values.
    let expr = format!(
        "(\n{}\n)\nor\n(\n{}\nunless on ({})\nlast_over_time(member:zk_restarted:group15m[1d])\n)",
        of(&format!("{{indicator!~\"{moving}\"}}")),
        of(&format!("{{indicator=~\"{moving}\"}}")),
        by.ensemble
    );
    Record { name: "member:zk_detection:probability", expr, labels: Vec::new() }
}

fn scores(used: &[InUse], by: &By) -> Vec<Record> {
    let one = |InUse { indicator, limits }: &InUse| {
        let part = |(ensembles, nu, tau): &(Ensembles, f64, f64)| {
            let of = matched(ensembles, &[("indicator", indicator.name)]);
            format!("1 / (1 + exp(-({INDICATOR}{of} - {}) / {}))", number(*nu), rounded(*tau))
        };
        let mut expr = joined(limits.iter().map(part));
        if indicator.cold {
            let bracketed = if limits.len() > 1 { format!("(\n{expr}\n)") } else { expr };
            expr = format!("{bracketed}\nunless on ({})\nmember:zk_restarted:group15m", by.member);
        }
        let labels = vec![("indicator", indicator.name.to_owned()), ("group", indicator.group.to_owned())];
        Record { name: "member:zk_warning:score", expr, labels }
    };
    used.iter().map(one).collect()
}

fn risks(by: &By) -> Vec<Record> {
    let (member, ensemble) = (&by.member, &by.ensemble);
    let record = |name, expr: String| Record { name, expr, labels: Vec::new() };
    vec![
        record("member:zk_risk_group:max", format!("max by ({member}, group) (member:zk_warning:score > {DEAD_ZONE})")),
        // The product of (1 - risk), as exp(sum(ln)). A member without a score has the risk 0 instead of no sample.
        record(
            "member:zk_risk:noisy_or",
            format!(
                "1 - exp(sum by ({member}) (ln(1 - clamp_max(member:zk_risk_group:max, {CERTAIN}))))\nor\n0 * group by ({member}) (last_over_time(zk_up[5m]))"
            ),
        ),
        record(
            "ensemble:zk_risk:noisy_or",
            format!(
                "1 - exp(\n    sum by ({ensemble}) (\n      ln(1 - clamp_max(member:zk_risk:noisy_or, {CERTAIN}))\n      unless on ({member})\n      max by ({member}) (last_over_time(zk_server_state{{state=\"observer\"}}[5m])) == 1\n    )\n  /\n    (\n      1 + clamp_min(\n        max by ({ensemble}) (zk_ensemble_quorum_margin)\n        or\n        max by ({ensemble}) (last_over_time(zk_ensemble_quorum_margin[5m]))\n        or\n        0 * group by ({ensemble}) (last_over_time(zk_up[5m])),\n        0\n      )\n    )\n)\nor\n0 * group by ({ensemble}) (last_over_time(zk_up[5m]))"
            ),
        ),
    ]
}

/// Joins the expressions for different ensembles with `or`.
pub(super) fn joined(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    match &parts[..] {
        [one] => one.clone(),
        several => several.iter().map(|part| format!("(\n{part}\n)")).collect::<Vec<_>>().join("\nor\n"),
    }
}

/// Rounds to four significant digits, which are enough for a steepness.
fn rounded(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    #[expect(clippy::cast_possible_truncation, reason = "the exponent of a limit")]
    let digits = 3 - value.abs().log10().floor() as i32;
    let factor = 10.0_f64.powi(digits);
    format!("{}", (value * factor).round() / factor)
}

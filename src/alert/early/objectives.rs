//! Objectives: current state, burn rate and remaining budget; and the forecasts of resources that run out.

use super::indicators::INDICATORS;
use super::scores::{By, InUse, joined};
use super::{INDICATOR, Record, RecordGroup};
use crate::alert::build::WEEKLY;
use crate::alert::expr::Span;
use crate::alert::promql::{matched, number};
use crate::alert::trouble::MEMORY;

/// The objectives: the label `objective`, and the fraction of time in which it may be missed.
pub const OBJECTIVES: [(&str, f64); 2] = [("availability", 0.001), ("write_latency", 0.005)];

/// Windows of the burn rate that are computed at every evaluation. Those of `LONG` are computed from thinned samples.
const SHORT: [(&str, &str); 5] = [
    ("ensemble:zk_budget_burn:avg5m", "5m"),
    ("ensemble:zk_budget_burn:avg30m", "30m"),
    ("ensemble:zk_budget_burn:avg1h", "1h"),
    ("ensemble:zk_budget_burn:avg2h", "2h"),
    ("ensemble:zk_budget_burn:avg6h", "6h"),
];
const LONG: [(&str, &str); 2] = [("ensemble:zk_budget_burn:avg1d", "1d"), ("ensemble:zk_budget_burn:avg3d", "3d")];

const MISSED: &str = "ensemble:zk_objective_missed:bool";
const BURN: &str = "ensemble:zk_budget_burn:ratio";
const THINNED: &str = "ensemble:zk_budget_burn:ratio_thinned";
/// Samples of `THINNED` in 30 days, one every two minutes.
const THINNED_30D: u32 = 30 * 24 * 30;
/// The same day a week ago, 12 hours before and after this time.
const WEEK_BEFORE: &str = "[1d] offset 156h";

pub(super) fn groups(used: &[InUse], by: &By) -> Vec<RecordGroup> {
    let ensemble = &by.ensemble;
    let record = |name, expr: String| Record { name, expr, labels: Vec::new() };
    let about =
        |name, expr: String, objective: &str| Record { name, expr, labels: vec![("objective", objective.to_owned())] };
    let mut now = vec![about(
        MISSED,
        // The last value of each exporter: while one restarts, another one may report a lost quorum because it reaches no
        // member.
        format!("max by ({ensemble}) (last_over_time(zk_ensemble_has_quorum[{MEMORY}])) == bool 0"),
        "availability",
    )];
    if let Some(writes) = used.iter().find(|one| one.indicator.name == "write_latency") {
        let part = |(ensembles, nu, _): &_| {
            let of = matched(ensembles, &[("indicator", "write_latency")]);
            format!("max by ({ensemble}) ({INDICATOR}{of}) > bool {}", number(*nu))
        };
        // Without writes the objective is met (0); if writes are not measured, there is no sample.
        let idle = format!("0 * group by ({ensemble}) (last_over_time(zk_updatelatency_seconds_count[2m]))");
        now.push(about(MISSED, format!("{}\nor\n{idle}", joined(writes.limits.iter().map(part))), "write_latency"));
    }
    for (objective, budget) in OBJECTIVES {
        now.push(about(BURN, format!("{MISSED}{{objective=\"{objective}\"}} / {budget}"), objective));
    }
    now.extend(SHORT.map(|(name, window)| record(name, format!("avg_over_time({BURN}[{window}])"))));
    let mut later = vec![record(THINNED, format!("avg_over_time({BURN}[2m])"))];
    later.extend(LONG.map(|(name, window)| record(name, format!("avg_over_time({THINNED}[{window}])"))));
    for (objective, budget) in OBJECTIVES {
        let day = format!("1 - {budget} * ensemble:zk_budget_burn:avg1d{{objective=\"{objective}\"}}");
        later.push(about("ensemble:zk_objective_kept:ratio1d", day, objective));
    }
    // Time without samples counts as met: an hour of fault in the first hour of a Prometheus is one hour of 30 days.
    later
        .push(record("ensemble:zk_budget_left:ratio30d", format!("1 - sum_over_time({THINNED}[30d]) / {THINNED_30D}")));
    vec![
        RecordGroup { name: "zookeeper-objectives", interval: None, records: now },
        // 30 days of samples from every evaluation would be too many to query.
        RecordGroup { name: "zookeeper-budgets", interval: Some(Span::minutes(2)), records: later },
        RecordGroup { name: "zookeeper-forecasts", interval: None, records: forecasts(used, by) },
    ]
}

/// Forecast of the time until a resource reaches its limit, at the growth of the last three periods.
struct Line<'l> {
    resource: &'l str,
    /// The value now.
    value: String,
    /// The maximum of the day before the periods: a value that was as high then is a daily pattern, not growth.
    before: Option<String>,
    /// The maximum of the same day a week ago: a value that was nearly reached then is a weekly pattern.
    week: Option<String>,
    /// The lowest values of four periods, the newest first.
    floors: [String; 4],
    /// Length of three periods in seconds.
    spell: u32,
    limit: String,
}

impl Line<'_> {
    /// The recording rule with its conditions: the value is above 30 % of the limit, and each of the three periods grew
    /// by at least half of their mean, which excludes a step (`alert::build::Growth` does the same for alerts).
    fn record(self, by: &By) -> Record {
        let Self { resource, value, before, week, floors: [now, one, two, three], spell, limit } = self;
        let steady = |newer: &str, older: &str| format!("\nand\n{newer} - {older} > ({now} - {three}) / 6");
        let mut expr = format!(
            "clamp_min(({limit} - {value}) * {spell} / ({now} - {three}), 0)\nand\n{value} > 0.3 * {limit}{}{}{}",
            steady(&now, &one),
            steady(&one, &two),
            steady(&two, &three)
        );
        if let Some(before) = &before {
            expr = format!("{expr}\nunless\n{before} >= {value}");
        }
        // A level that the day before had as well is not the peak of a weekday.
        if let (Some(before), Some(week)) = (&before, &week) {
            expr = format!("{expr}\nunless\n({week} >= {WEEKLY} * {value} and {WEEKLY} * {week} > {before})");
        }
        // Aggregated, to remove the label `indicator`.
        let inner: String = expr.lines().map(|line| format!("  {line}\n")).collect();
        let expr = format!("max by ({}) (\n{inner})", by.member);
        let labels = vec![("resource", resource.to_owned())];
        Record { name: "member:zk_forecast:seconds", expr, labels }
    }
}

/// Length of each of the four periods of a forecast.
struct Periods {
    minutes: u32,
}

impl Periods {
    /// Expressions for the minimum of each period, newest first; `of` receives a window and its offset.
    fn floors(&self, of: impl Fn(&str, &str) -> String) -> [String; 4] {
        let window = format!("{}m", self.minutes);
        [0, 1, 2, 3].map(|number| match number * self.minutes {
            0 => of(&window, ""),
            ago => of(&window, &format!(" offset {ago}m")),
        })
    }

    fn day_before(&self) -> String {
        format!("[1d] offset {}m", 4 * self.minutes)
    }

    const fn spell(&self) -> u32 {
        3 * 60 * self.minutes
    }
}

fn forecasts(used: &[InUse], by: &By) -> Vec<Record> {
    let member = &by.member;
    let mut all = Vec::new();
    let hours = Periods { minutes: 90 };
    // Indicator and periods.
    let rows = [
        ("file_descriptors", Periods { minutes: 30 }),
        ("heap", Periods { minutes: 90 }),
        ("disk_space", Periods { minutes: 90 }),
        ("data_size", Periods { minutes: 90 }),
        ("znodes", Periods { minutes: 90 }),
        ("watches", Periods { minutes: 90 }),
    ];
    for (name, periods) in rows {
        debug_assert!(INDICATORS.iter().any(|indicator| indicator.name == name));
        let Some(InUse { limits, .. }) = used.iter().find(|one| one.indicator.name == name) else { continue };
        // A ratio ends at 1; a quantity without a fixed maximum at its warning limit.
        let is_part = matches!(name, "file_descriptors" | "heap" | "disk_space");
        let line = |(ensembles, nu, _): &_| {
            let of = format!("{INDICATOR}{}", matched(ensembles, &[("indicator", name)]));
            Line {
                resource: name,
                before: Some(format!("max_over_time({of}{})", periods.day_before())),
                week: Some(format!("max_over_time({of}{WEEK_BEFORE})")),
                floors: periods.floors(|window, ago| format!("min_over_time({of}[{window}]{ago})")),
                spell: periods.spell(),
                value: of,
                limit: if is_part { "1".to_owned() } else { number(*nu) },
            }
            .record(by)
        };
        let mut records: Vec<Record> = limits.iter().map(line).collect();
        let expr = joined(records.iter().map(|record| record.expr.clone()));
        if let Some(mut record) = records.pop() {
            record.expr = expr;
            all.push(record);
        }
    }
    // Aggregated before the comparison, so that a new exporter instance continues the series of the old one.
    let of = |name: &str| format!("max by ({member}) ({name})");
    let floors =
        |name: &str| hours.floors(|window, ago| format!("min by ({member}) (min_over_time({name}[{window}]{ago}))"));
    all.push(
        // Each connection uses a file descriptor; open files use descriptors as well.
        Line {
            resource: "connections",
            value: of("zk_open_file_descriptors"),
            before: Some(of(&format!("max_over_time(zk_open_file_descriptors{})", hours.day_before()))),
            week: Some(of(&format!("max_over_time(zk_open_file_descriptors{WEEK_BEFORE})"))),
            floors: floors("zk_num_alive_connections"),
            spell: hours.spell(),
            limit: of("zk_max_file_descriptors"),
        }
        .record(by),
    );
    all.push(
        // No comparison with the day before: a new epoch begins at 0, which is not a daily pattern.
        Line {
            resource: "zxid",
            value: of("zk_zxid_sequence"),
            before: None,
            week: None,
            floors: floors("zk_zxid_sequence"),
            spell: hours.spell(),
            limit: "4294967296".to_owned(),
        }
        .record(by),
    );
    all
}

//! Objectives: whether they are kept at this moment, how fast their budgets burn, and what is left of them.

use super::indicators::INDICATORS;
use super::scores::{By, InUse, VALUE, joined};
use super::{Record, RecordGroup};
use crate::alert::promql::{matched, number};

/// An objective: the label `objective`, and the part of the time in which it may be missed.
pub const OBJECTIVES: [(&str, f64); 2] = [("availability", 0.001), ("write_latency", 0.005)];

/// Windows of the burn rate that are short enough to be reckoned at every evaluation, and those that are not.
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
/// Samples of it in 30 days, one every two minutes.
const THINNED_30D: u32 = 30 * 24 * 30;

pub(super) fn groups(used: &[InUse], by: &By) -> Vec<RecordGroup> {
    let ensemble = &by.ensemble;
    let record = |name, expr: String| Record { name, expr, labels: Vec::new() };
    let about =
        |name, expr: String, objective: &str| Record { name, expr, labels: vec![("objective", objective.to_owned())] };
    let mut now = vec![about(
        MISSED,
        // Of the pages that there are; without one, of the last.
        format!(
            "(\n    max by ({ensemble}) (zk_ensemble_has_quorum)\n  or\n    max by ({ensemble}) (last_over_time(zk_ensemble_has_quorum[2m]))\n) == bool 0"
        ),
        "availability",
    )];
    if let Some(writes) = used.iter().find(|one| one.indicator.name == "write_latency") {
        let part = |(ensembles, nu, _): &_| {
            let of = matched(ensembles, &[("indicator", "write_latency")]);
            format!("max by ({ensemble}) ({VALUE}{of}) > bool {}", number(*nu))
        };
        // Without writes there is no latency; where writes are not measured there is no value.
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
    // Time that was not seen counts as kept: an hour of fault in the first hour of a Prometheus is an hour of 30 days.
    later
        .push(record("ensemble:zk_budget_left:ratio30d", format!("1 - sum_over_time({THINNED}[30d]) / {THINNED_30D}")));
    vec![
        RecordGroup { name: "zookeeper-objectives", interval: None, records: now },
        // A month of samples of every evaluation would be too many.
        RecordGroup { name: "zookeeper-budgets", interval: Some("2m"), records: later },
        RecordGroup { name: "zookeeper-forecasts", interval: None, records: forecasts(used, by) },
    ]
}

/// When a resource reaches its limit, if it goes on growing as in the last three periods.
struct Line<'l> {
    resource: &'l str,
    /// The value now.
    value: String,
    /// The value a day before the periods began: what was as high yesterday is a wave, not a growth.
    before: Option<String>,
    /// The lowest values of four periods, the newest first.
    floors: [String; 4],
    /// Seconds of three periods.
    spell: u32,
    limit: String,
}

impl Line<'_> {
    /// With its guards: it has gone a part of the way, and each of the three periods brought at least half of their mean,
    /// which a step does not (`alert::build::Growth` is the same for alerts).
    fn record(self, by: &By) -> Record {
        let Self { resource, value, before, floors: [now, one, two, three], spell, limit } = self;
        let steady = |newer: &str, older: &str| format!("\nand\n{newer} - {older} > ({now} - {three}) / 6");
        let mut expr = format!(
            "clamp_min(({limit} - {value}) * {spell} / ({now} - {three}), 0)\nand\n{value} > 0.3 * {limit}{}{}{}",
            steady(&now, &one),
            steady(&one, &two),
            steady(&two, &three)
        );
        if let Some(before) = before {
            expr = format!("{expr}\nunless\n{before} >= {value}");
        }
        // Without the label of the indicator.
        let inner: String = expr.lines().map(|line| format!("  {line}\n")).collect();
        let expr = format!("max by ({}) (\n{inner})", by.member);
        let labels = vec![("resource", resource.to_owned())];
        Record { name: "member:zk_forecast:seconds", expr, labels }
    }
}

/// How long the periods are that a forecast is made of: their minutes, and those of the four of them.
struct Periods {
    minutes: u32,
}

impl Periods {
    /// Written with `of`, which takes a window and its offset.
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
    // Indicator, and periods.
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
        // What is a part of something ends at the whole; what has no end of its own, at the warning limit.
        let is_part = matches!(name, "file_descriptors" | "heap" | "disk_space");
        let line = |(ensembles, nu, _): &_| {
            let of = format!("{VALUE}{}", matched(ensembles, &[("indicator", name)]));
            Line {
                resource: name,
                before: Some(format!("max_over_time({of}{})", periods.day_before())),
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
    // Joined before they are compared, so that a new exporter instance goes on where the old one ended.
    let of = |name: &str| format!("max by ({member}) ({name})");
    let floors =
        |name: &str| hours.floors(|window, ago| format!("min by ({member}) (min_over_time({name}[{window}]{ago}))"));
    all.push(
        // Each connection is a file descriptor, and files use some too.
        Line {
            resource: "connections",
            value: of("zk_open_file_descriptors"),
            before: Some(of(&format!("max_over_time(zk_open_file_descriptors{})", hours.day_before()))),
            floors: floors("zk_num_alive_connections"),
            spell: hours.spell(),
            limit: of("zk_max_file_descriptors"),
        }
        .record(by),
    );
    all.push(
        // A new epoch begins at 0, and is no wave.
        Line {
            resource: "zxid",
            value: of("zk_zxid_sequence"),
            before: None,
            floors: floors("zk_zxid_sequence"),
            spell: hours.spell(),
            limit: "4294967296".to_owned(),
        }
        .record(by),
    );
    all
}

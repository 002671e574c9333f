//! `docs/metrics.md`, generated from the catalogue.

use std::fmt::Write;

use zookeeper_exporter::catalogue::metric::Role;
use zookeeper_exporter::catalogue::{Catalogue, Family, Metric, Scope, Shape, catalogue, rows};

const INTRODUCTION: &str = "\
# Metrics

Generated from the catalogue in `src/catalogue`; `cargo xtask gen` rewrites it.

Every series of a member has the labels `ensemble` and `member` (its address as configured); the column *labels* lists
further labels of a family. A series of an ensemble has the label `ensemble`. Times are in seconds, sizes in bytes. The name
of a counter ends in `_total`, that of an info metric in `_info`. *Since* is the first ZooKeeper release that has the key;
*updated on* lists the members that update it (elsewhere counters and summaries remain 0, and gauges are absent). A value of
`mntr` that means \"no value\" (-1, or a limit from 2^63 up) has no sample.

A summary has the quantiles of the member's metrics provider: 0.5, 0.95, 0.99 and 0.999 by default, 0.5, 0.9 and 0.99
(over the last ten minutes) with ZooKeeper's PrometheusMetricsProvider. The default provider's quantiles, minima and
maxima cover the whole time since the start and hardly change on a long-running server: use
`rate(x_sum[5m]) / rate(x_count[5m])` for alerts and graphs. The lifetime mean, `zk_avg_<summary>`, is omitted: it is the sum
divided by the count.
";

/// The complete document.
pub(super) fn markdown() -> String {
    let catalogue = catalogue();
    let mut out = String::from(INTRODUCTION);
    own(&mut out, "Metrics of the exporter about members", catalogue, Scope::Member);
    own(&mut out, "Metrics of the exporter about ensembles", catalogue, Scope::Ensemble);
    own(&mut out, "Metrics of the exporter about itself", catalogue, Scope::Exporter);
    table(&mut out, "Gauges of mntr", |row| row.shape == Shape::Gauge && !row.provider_only);
    table(&mut out, "Counters of mntr", |row| row.shape == Shape::Counter && !row.provider_only);
    out.push_str("\nEach summary also has the gauges `<name>_min` and `<name>_max`, smallest and largest value since the start.\n");
    table(&mut out, "Summaries of mntr", |row| row.shape.is_summary() && !row.provider_only);
    out.push_str(
        "\nOnly members with the PrometheusMetricsProvider and `metricsProvider.exportJvmInfo=true` report the following metrics.\n",
    );
    table(&mut out, "JVM metrics of the Prometheus dialect", |row| row.provider_only);
    essentials(&mut out);
    out
}

/// The families of `metrics: essential`.
fn essentials(out: &mut String) {
    out.push_str(
        "\n## Essential\n\nA module with `metrics: essential` exports the exporter's own metrics and those below, of summaries only `_sum` and `_count`:\nthe metrics that the alert rules enabled by default and the main dashboards need, at most 80 series per member.\n\n",
    );
    for row in rows().filter(|row| row.essential) {
        let suffix = if row.shape == Shape::Counter { "_total" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "- {}", code(&format!("{}{suffix}", row.name)));
    }
}

/// The exporter's own families, which have no `mntr` key.
fn own(out: &mut String, title: &str, catalogue: &Catalogue, scope: Scope) {
    heading(out, title, "| metric | type | labels | meaning |\n|---|---|---|---|\n");
    let of_rows = |family: &Family| rows().any(|row| family.name.starts_with(row.name));
    for (_, family) in catalogue.families().filter(|(_, family)| family.scope == scope && !of_rows(family)) {
        let labels = family.labels.join(", ");
        line(out, &[&code(&family.full_name()), family.kind.word(), &labels, &family.help]);
    }
}

fn table(out: &mut String, title: &str, wanted: impl Fn(&Metric) -> bool) {
    heading(out, title, "| metric | labels | since | updated on | meaning |\n|---|---|---|---|---|\n");
    for row in rows().filter(|row| wanted(row)) {
        let suffix = if row.shape == Shape::Counter { "_total" } else { "" };
        let suffix = if row.shape == Shape::Info { "_info" } else { suffix };
        let labels = row.label.map(|label| label.names().join(", ")).unwrap_or_default();
        let since = if row.until.is_empty() { row.since.to_owned() } else { format!("{} to {}", row.since, row.until) };
        line(out, &[&code(&format!("{}{suffix}", row.name)), &labels, &since, members(row.role), row.help]);
    }
}

fn heading(out: &mut String, title: &str, columns: &str) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\n## {title}\n\n{columns}");
}

fn line(out: &mut String, cells: &[&str]) {
    for cell in cells {
        out.push_str("| ");
        // A pipe character would end the cell, and `<` would start a tag.
        out.push_str(&cell.replace('|', "\\|").replace('<', "&lt;"));
        out.push(' ');
    }
    out.push_str("|\n");
}

fn code(name: &str) -> String {
    format!("`{name}`")
}

/// The members that have a metric.
fn members(role: Role) -> &'static str {
    match role {
        Role::All => "all",
        Role::Leader => "leader",
        Role::Quorum => "leader, follower, observer",
        Role::LeaderStandalone => "leader, standalone",
        Role::Follower => "follower",
        Role::Observer => "observer",
        Role::Learner => "follower, observer",
        Role::Voter => "leader, follower",
        Role::ObserverMaster => "leader, observer master",
        Role::Netty => "all with Netty",
        Role::Nio => "all with NIO",
        Role::WatchManager => "all with the optimized watch manager",
    }
}

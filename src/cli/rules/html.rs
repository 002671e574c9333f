//! The result of a backtest as an HTML page without scripts: the table, and a timeline for each alert.

use maud::{DOCTYPE, Markup, html};

use super::output::{Pair, ShownBacktest, minute, percent, span};
use crate::history::grid::{Grid, Moment};
use crate::history::report::BacktestRow;

/// Width of a timeline, in units of the drawing.
const WIDTH: i64 = 1000;

/// Maximum number of firings drawn in one timeline; the table counts all.
const MAX_DRAWN: usize = 2000;

const STYLE: &str = "body{font:14px/1.4 sans-serif;margin:2em;color:#222;background:#fff}\
table{border-collapse:collapse}td,th{padding:.2em .7em;text-align:left;border-bottom:1px solid #ddd;white-space:nowrap}\
td.n{text-align:right}svg{width:24em;height:1.1em;background:#eef2ee}.critical{color:#b00020}.warning{color:#8a5a00}\
svg .critical{fill:#b00020}svg .warning{fill:#d98a00}svg .gap{fill:#bbb}.partial{background:#fde8e8;padding:.5em}";

/// Renders the page.
pub(super) fn page(shown: &ShownBacktest<'_>) -> String {
    let grid = &shown.plan.grid;
    let pairs = shown.pairs();
    let fired: Vec<&Pair<'_>> =
        pairs.iter().filter(|pair| pair.iter().flatten().any(|row| !row.firings.is_empty())).collect();
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "Backtest of ZooKeeper alerts" }
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                h1 { "Backtest of ZooKeeper alerts" }
                p { (shown.server) ": " (Moment(grid.start)) " to " (Moment(grid.end)) ", evaluated every " (span(grid.step)) }
                @for line in shown.trouble() { p.partial { (line) } }
                h2 { "Ensembles" }
                (ensembles(shown))
                h2 { "Alerts that would have fired" }
                @if fired.is_empty() { p { "none" } }
                table {
                    tr {
                        th { "Alert" } th { "Level" } th { "Ensemble" }
                        @for _ in 0..=usize::from(shown.against) {
                            th { "Firings" } th { "Total" } th { "Longest" } th { "Share" } th { "Then critical" } th { "When" }
                        }
                    }
                    @for pair in fired { (alert(shown, pair, grid)) }
                }
            }
        }
    };
    markup.into_string() + "\n"
}

fn ensembles(shown: &ShownBacktest<'_>) -> Markup {
    let grid = &shown.plan.grid;
    html! {
        table {
            tr { th { "Ensemble" } th { "Seen" } th { "Not seen" } th { "When" } }
            @for (name, presence) in &shown.done.watched {
                @let seen = presence.seconds(grid.step);
                tr {
                    td { (name) }
                    td.n { (span(seen)) }
                    td.n { (span(grid.end - grid.start + grid.step - seen)) }
                    td {
                        svg viewBox=(format!("0 0 {WIDTH} 10")) preserveAspectRatio="none" {
                            @for pair in presence.spans().windows(2).take(MAX_DRAWN) {
                                (bar(grid, "gap", pair[0].1 + grid.step, pair[1].0))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn alert(shown: &ShownBacktest<'_>, pair: &Pair<'_>, grid: &Grid) -> Markup {
    let one = pair[0].or(pair[1]);
    html! {
        @if let Some(one) = one {
            tr {
                td { (one.condition.alert()) }
                td class=(one.severity.text()) { (one.severity.text()) }
                td { (one.ensemble.as_deref().unwrap_or("-")) }
                @for row in pair.iter().take(1 + usize::from(shown.against)) { (cells(*row, grid)) }
            }
        }
    }
}

fn cells(row: Option<&BacktestRow>, grid: &Grid) -> Markup {
    html! {
        @if let Some(row) = row {
            td.n { (row.firings.len()) }
            td.n { (span(row.total)) }
            td.n { (span(row.longest)) }
            td.n { (row.share().map(percent).unwrap_or_default()) }
            td.n { (row.ahead.map(|(count, lead)| if count == 0 { "0".to_owned() } else { format!("{count}, {} ahead", span(lead)) }).unwrap_or_default()) }
            td {
                svg viewBox=(format!("0 0 {WIDTH} 10")) preserveAspectRatio="none" {
                    title { (row.firings.iter().take(20).map(|one| minute(one.time.start)).collect::<Vec<_>>().join(", ")) }
                    @for one in row.firings.iter().take(MAX_DRAWN) {
                        (bar(grid, row.severity.text(), one.time.start, one.time.end))
                    }
                }
            }
        } @else {
            @for _ in 0..6 { td { "off" } }
        }
    }
}

/// A bar between two times, with a visible minimum width.
fn bar(grid: &Grid, class: &str, start: i64, end: i64) -> Markup {
    let whole = (grid.end - grid.start + grid.step).max(1);
    let at = |moment: i64| (moment - grid.start) * WIDTH / whole;
    html! { rect class=(class) x=(at(start)) y="0" width=((at(end) - at(start)).max(2)) height="10" {} }
}

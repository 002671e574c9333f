//! Formats the result of a backtest as a table and as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::super::table::Table;
use crate::alert::condition::Severity;
use crate::alert::{LeftOut, expr::Span};
use crate::history::backtest::{BacktestPlan, Replayed};
use crate::history::grid::Moment;
use crate::history::report::{BacktestRow, FailedQuery};
use crate::history::seen::HOUR;
use crate::text;

/// Maximum number of lines about missing samples in the table; JSON contains all.
const MAX_UNSEEN_LINES: usize = 20;

/// The input of all output formats of a backtest.
#[derive(Debug)]
pub(super) struct ShownBacktest<'s> {
    pub(super) server: &'s str,
    pub(super) plan: &'s BacktestPlan,
    pub(super) done: &'s Replayed,
    pub(super) rows: &'s [BacktestRow],
    pub(super) failed: &'s [FailedQuery],
    pub(super) left_out: &'s [Vec<LeftOut>],
    pub(super) warnings: &'s [String],
    pub(super) against: bool,
    pub(super) resume: Option<&'s Path>,
}

/// The rows of one alert, severity and ensemble: of the configuration, and of the one given with `--against`.
pub(super) type Pair<'s> = [Option<&'s BacktestRow>; 2];

impl<'s> ShownBacktest<'s> {
    /// Whether every alert was replayed over the whole range.
    pub(super) fn is_complete(&self) -> bool {
        self.done.ended.is_none() && self.failed.is_empty()
    }

    /// Describes each missing part in one line.
    pub(super) fn trouble(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(why) = &self.done.ended {
            let (reached, all) = (self.done.firings.iter().flatten().count(), self.plan.queries.len());
            let how = match self.resume {
                Some(file) => format!("the same command continues ({})", file.display()),
                None => "with --resume FILE it can be continued".to_owned(),
            };
            lines.push(format!("incomplete: {}: {why}: {reached} of {all} queries are done; {how}", self.server));
        }
        lines.extend(self.failed.iter().map(|failed| format!("not replayed: {}: {}", failed.alert, failed.why)));
        lines.extend(self.warnings.iter().map(|warning| format!("warning of {}: {warning}", self.server)));
        lines
    }

    /// The rows of both configurations side by side, in catalogue order.
    pub(super) fn pairs(&self) -> Vec<Pair<'s>> {
        let mut order: Vec<(&str, Severity, Option<&str>)> = Vec::new();
        let mut pairs: BTreeMap<(&str, Severity, Option<&str>), Pair<'s>> = BTreeMap::new();
        for row in self.rows {
            let key = (row.condition.name, row.severity, row.ensemble.as_deref());
            let pair = pairs.entry(key).or_insert_with(|| {
                order.push(key);
                [None, None]
            });
            if let Some(place) = pair.get_mut(row.configuration) {
                *place = Some(row);
            }
        }
        order.iter().filter_map(|key| pairs.get(key).copied()).collect()
    }
}

/// The table of firings, with notes about missing data.
pub(super) fn text(shown: &ShownBacktest<'_>) -> String {
    let grid = &shown.plan.grid;
    let mut lines = vec![format!(
        "Backtest of {}: {} to {}, evaluated every {}",
        shown.server,
        Moment(grid.start),
        Moment(grid.end),
        span(grid.step)
    )];
    if let Some(why) = &shown.done.ended {
        lines.push(format!("INCOMPLETE: {why}; alerts that are not listed were not replayed"));
    }
    lines.push(String::new());
    let whole = grid.end - grid.start + grid.step;
    let mut ensembles = Table::new(&["ENSEMBLE", "SEEN", "NOT SEEN", "GAPS"]);
    for (name, presence) in &shown.done.watched {
        let seen = presence.seconds(grid.step);
        let gaps = presence.spans().len().saturating_sub(1).to_string();
        ensembles.row(vec![name.clone(), span(seen), span(whole - seen), gaps]);
    }
    lines.extend(ensembles.lines());
    lines.push(String::new());
    let pairs = shown.pairs();
    let fired = |pair: &&Pair<'_>| pair.iter().flatten().any(|row| !row.firings.is_empty());
    let table = if shown.against { compared(pairs.iter().filter(fired)) } else { plain(pairs.iter().filter(fired)) };
    let count = pairs.iter().filter(fired).count();
    if count > 0 {
        lines.extend(table.lines());
    } else if shown.is_complete() {
        lines.push("no alert would have fired".to_owned());
    } else {
        lines.push("no replayed alert would have fired".to_owned());
    }
    lines.push(String::new());
    let quiet = pairs.iter().filter(|pair| !fired(pair)).filter_map(|pair| pair[0].or(pair[1]));
    let quiet = quiet.filter(|row| row.seen > 0).count();
    lines.push(format!("{count} combinations of alert, level and ensemble fired; {quiet} had data and did not fire"));
    lines.extend(unseen(shown));
    lines.join("\n") + "\n"
}

fn plain<'p>(pairs: impl Iterator<Item = &'p Pair<'p>>) -> Table {
    let mut table = Table::new(&[
        "ALERT",
        "LEVEL",
        "ENSEMBLE",
        "FIRINGS",
        "TOTAL",
        "LONGEST",
        "SHARE",
        "FIRST",
        "LAST",
        "THEN CRITICAL",
        "LEAD",
    ]);
    for row in pairs.filter_map(|pair| pair[0]) {
        let ends = [row.firings.first(), row.firings.last()].map(|one| one.map(|one| minute(one.time.start)));
        let [first, last] = ends.map(Option::unwrap_or_default);
        let (followed, lead) = match row.ahead {
            Some((0, _)) => ("0".to_owned(), String::new()),
            Some((count, lead)) => (count.to_string(), span(lead)),
            None => (String::new(), String::new()),
        };
        let count = row.firings.len().to_string();
        let share = row.share().map(percent).unwrap_or_default();
        table.row(vec![
            row.condition.alert(),
            row.severity.text().to_owned(),
            row.ensemble.clone().unwrap_or_default(),
            count,
            span(row.total),
            span(row.longest),
            share,
            first,
            last,
            followed,
            lead,
        ]);
    }
    table
}

fn compared<'p>(pairs: impl Iterator<Item = &'p Pair<'p>>) -> Table {
    let mut table = Table::new(&[
        "ALERT",
        "LEVEL",
        "ENSEMBLE",
        "FIRINGS",
        "AGAINST",
        "TOTAL",
        "AGAINST",
        "LONGEST",
        "AGAINST",
        "THEN CRITICAL",
        "AGAINST",
    ]);
    for pair in pairs {
        let Some(one) = pair[0].or(pair[1]) else { continue };
        let mut cells =
            vec![one.condition.alert(), one.severity.text().to_owned(), one.ensemble.clone().unwrap_or_default()];
        let figures: [fn(&BacktestRow) -> String; 4] = [
            |row| row.firings.len().to_string(),
            |row| span(row.total),
            |row| span(row.longest),
            |row| row.ahead.map(|(count, _)| count.to_string()).unwrap_or_default(),
        ];
        for figure in figures {
            // A disabled level has no row.
            cells.extend(pair.iter().map(|row| row.map_or_else(|| "off".to_owned(), figure)));
        }
        table.row(cells);
    }
    table
}

/// Alerts without samples for all or part of the range.
fn unseen(shown: &ShownBacktest<'_>) -> Vec<String> {
    let mut found: Vec<(String, String)> = Vec::new();
    for row in shown.rows.iter().filter(|row| row.configuration == 0) {
        let Some(ensemble) = &row.ensemble else { continue };
        let watched = shown.done.watched.get(ensemble).map_or(0, |presence| presence.seconds(shown.plan.grid.step));
        // Availability of families is looked up per hour.
        if row.seen + HOUR < watched || row.seen == 0 && watched > 0 {
            let what = if row.seen == 0 {
                format!("{}: no data", row.condition.alert())
            } else {
                format!("{}: data for {} of {}", row.condition.alert(), span(row.seen), span(watched))
            };
            if !found.iter().any(|(name, known)| (name, known) == (ensemble, &what)) {
                found.push((ensemble.clone(), what));
            }
        }
    }
    if found.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), format!("Not seen, so not evaluated ({}):", found.len())];
    lines.extend(found.iter().take(MAX_UNSEEN_LINES).map(|(name, what)| text::line(&format!("  {name}: {what}"), 200)));
    if found.len() > MAX_UNSEEN_LINES {
        lines.push(format!("  and {} more: --output json has all", found.len() - MAX_UNSEEN_LINES));
    }
    lines
}

/// The complete result with every firing.
pub(super) fn json(shown: &ShownBacktest<'_>) -> String {
    let grid = &shown.plan.grid;
    let whole = grid.end - grid.start + grid.step;
    let moment = |seconds: i64| Moment(seconds).to_string();
    let ensembles: Vec<Value> = shown
        .done
        .watched
        .iter()
        .map(|(name, presence)| {
            let seen = presence.seconds(grid.step);
            let spans: Vec<Value> =
                presence.spans().iter().map(|(from, to)| json!([moment(*from), moment(*to)])).collect();
            json!({"ensemble": name, "seen_seconds": seen, "not_seen_seconds": whole - seen, "seen": spans})
        })
        .collect();
    let alerts: Vec<Value> = shown
        .rows
        .iter()
        .map(|row| {
            let firings: Vec<Value> = row
                .firings
                .iter()
                .map(|one| {
                    json!({
                        "labels": one.labels, "start": moment(one.time.start), "end": moment(one.time.end),
                        "from_before": one.time.from_before, "goes_on": one.time.goes_on,
                    })
                })
                .collect();
            let ahead = row.ahead.map(|(count, lead)| json!({"firings": count, "median_lead_seconds": lead}));
            json!({
                "alert": row.condition.alert(), "severity": row.severity.text(), "ensemble": row.ensemble,
                "configuration": if row.configuration == 0 { "config" } else { "against" },
                "firings": row.firings.len(), "total_seconds": row.total, "longest_seconds": row.longest,
                "seen_seconds": row.seen, "not_seen_seconds": whole - row.seen, "share": row.share(),
                "ended_by_gap": row.cut, "then_critical": ahead, "list": firings,
            })
        })
        .collect();
    let failed: Vec<Value> = shown.failed.iter().map(|one| json!({"alert": one.alert, "error": one.why})).collect();
    let left_out: Vec<Value> = shown
        .left_out
        .first()
        .into_iter()
        .flatten()
        .map(|one| json!({"alert": one.alert, "reason": one.reason}))
        .collect();
    let all = json!({
        "server": shown.server, "from": moment(grid.start), "until": moment(grid.end), "interval_seconds": grid.step,
        "complete": shown.is_complete(), "ended": shown.done.ended, "warnings": shown.warnings,
        "ensembles": ensembles, "alerts": alerts, "not_replayed": failed, "left_out": left_out,
    });
    let text = serde_json::to_string_pretty(&all).unwrap_or_default();
    text::escape_json(&text).into_owned() + "\n"
}

/// Formats a duration with its two largest units: `3d 4h`, `12m`.
pub(super) fn span(seconds: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let Some(first) = UNITS.iter().position(|(size, _)| seconds >= *size) else { return Span(0).to_string() };
    let (size, unit) = UNITS[first];
    let rest = UNITS.get(first + 1).map(|(size, unit)| ((seconds % UNITS[first].0) / size, unit));
    match rest {
        Some((number, of)) if number > 0 => format!("{}{unit} {number}{of}", seconds / size),
        _ => format!("{}{unit}", seconds / size),
    }
}

/// Formats a time in minutes: `2026-11-30 06:45`.
pub(super) fn minute(seconds: i64) -> String {
    Moment(seconds).to_string().replacen('T', " ", 1)[..16].to_owned()
}

/// Formats a share as a percentage, with two decimals if it is small.
pub(super) fn percent(share: f64) -> String {
    if share >= 0.1 { format!("{:.0}%", share * 100.0) } else { format!("{:.2}%", share * 100.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        for (seconds, words) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m 59s"),
            (7260, "2h 1m"),
            (2_592_000, "30d"),
            (2_592_060, "30d"),
        ] {
            assert_eq!(span(seconds), words);
        }
        assert_eq!(
            (minute(1_709_164_800), percent(0.123), percent(0.0012)),
            ("2024-02-29 00:00".to_owned(), "12%".to_owned(), "0.12%".to_owned())
        );
    }
}

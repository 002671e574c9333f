//! Aligned tables of plain text. Text from members is made safe for a terminal.
//!
//! In a pipe all columns and names are complete. On a terminal a table is fitted to the width: first the common suffix
//! of all names is removed, then columns are hidden, then the last column is wrapped.

use super::one_shot::Style;
use super::screen::{Screen, wrapped};
use crate::text;
use crate::verdict::Level;

/// A table whose columns are as wide as their widest cell.
#[derive(Debug)]
pub(super) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// The severity of the state of each row.
    levels: Vec<Option<Level>>,
    /// Columns that may be hidden, in this order.
    optional: &'static [&'static str],
    /// Whether a common suffix of the names is kept on a terminal.
    whole_names: bool,
}

/// Maximum width of a cell: a hostile text must not push other columns off the screen.
const MAX_CELL: usize = 60;

/// Maximum width of a name; a host name has at most 253 characters.
const MAX_NAME: usize = 270;

/// Minimum width of a wrapped last column.
const MIN_LAST: usize = 12;

const GAP: usize = 2;

impl Table {
    pub(super) fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new(), levels: Vec::new(), optional: &[], whole_names: false }
    }

    /// Sets the columns that a narrow terminal hides.
    pub(super) fn optional(self, optional: &'static [&'static str]) -> Self {
        Self { optional, ..self }
    }

    /// Keeps names as they are on a narrow terminal: the end of an address is not a domain.
    pub(super) fn with_whole_names(self) -> Self {
        Self { whole_names: true, ..self }
    }

    /// Adds a row; an empty cell becomes `-`.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.levelled(cells, None);
    }

    /// Adds a row whose state is coloured on a terminal.
    pub(super) fn levelled(&mut self, cells: Vec<String>, level: Option<Level>) {
        let cell = |(place, cell): (usize, String)| match cell {
            cell if cell.is_empty() => "-".to_owned(),
            cell if place == 0 => text::line(&cell, MAX_NAME),
            cell => clean(&cell),
        };
        self.rows.push(cells.into_iter().enumerate().map(cell).collect());
        self.levels.push(level);
    }

    /// The lines for a pipe, with the header first. Columns of numbers are right-aligned.
    pub(super) fn lines(&self) -> Vec<String> {
        self.drawn(&(0..self.head.len()).collect::<Vec<_>>(), None, None)
    }

    /// The lines for a terminal.
    pub(super) fn on(&self, screen: Screen) -> Vec<String> {
        let all: Vec<usize> = (0..self.head.len()).collect();
        let Some(width) = screen.width() else { return self.drawn(&all, None, Some(screen.style)) };
        if self.width(&all) <= width {
            return self.drawn(&all, Some(width), Some(screen.style));
        }
        let suffix = if self.whole_names { String::new() } else { self.common_suffix() };
        let cut = |row: &Vec<String>| {
            let mut row = row.clone();
            if let Some(name) = row.first_mut() {
                name.truncate(name.len() - suffix.len());
            }
            row
        };
        let rows = self.rows.iter().map(cut).collect();
        let short = Self { head: self.head.clone(), rows, levels: self.levels.clone(), ..*self };
        let mut shown = all;
        let mut hidden = Vec::new();
        for name in self.optional {
            if short.least(&shown) <= width {
                break;
            }
            shown.retain(|&place| short.head[place] != *name);
            hidden.push(*name);
        }
        let mut lines = short.drawn(&shown, Some(width), Some(screen.style));
        if !hidden.is_empty() {
            lines.push(format!("hidden at {width} columns: {}", hidden.join(", ")));
        }
        if !suffix.is_empty() {
            lines.insert(0, format!("all names end in {suffix}"));
        }
        lines
    }

    /// The common suffix of all names, from a dot or colon on.
    fn common_suffix(&self) -> String {
        let names: Vec<&str> = self.rows.iter().filter_map(|row| row.first().map(String::as_str)).collect();
        let [first, others @ ..] = &names[..] else { return String::new() };
        let starts = first.char_indices().skip(1).filter(|(_, c)| matches!(c, '.' | ':')).map(|(at, _)| &first[at..]);
        // Addresses have no domain, and the colons of `[::1]:2181` do not begin a suffix.
        let is_name = |name: &str| !name.starts_with('[') && name.bytes().any(|byte| byte.is_ascii_alphabetic());
        let common = |end: &&str| names.iter().all(|name| name.len() > end.len() && name.ends_with(end));
        let found = starts.into_iter().find(|end| common(end) && (is_name(first) || end.starts_with(':')));
        found.filter(|_| !others.is_empty()).unwrap_or_default().to_owned()
    }

    fn widths(&self, shown: &[usize]) -> Vec<usize> {
        let cells = |place: usize| self.rows.iter().filter_map(move |row| row.get(place));
        let widest = |place: usize| cells(place).map(|cell| cell.chars().count()).max().unwrap_or(0);
        shown.iter().map(|&place| widest(place).max(self.head[place].chars().count())).collect()
    }

    fn width(&self, shown: &[usize]) -> usize {
        self.widths(shown).iter().sum::<usize>() + GAP * shown.len().saturating_sub(1)
    }

    /// The minimum width with a wrapped last column.
    fn least(&self, shown: &[usize]) -> usize {
        let last = self.widths(shown).last().copied().unwrap_or(0);
        self.width(shown) - last + last.min(MIN_LAST)
    }

    fn drawn(&self, shown: &[usize], width: Option<usize>, style: Option<Style>) -> Vec<String> {
        let mut widths = self.widths(shown);
        let room = width.map(|width| width.saturating_sub(self.width(shown) - widths.last().copied().unwrap_or(0)));
        if let (Some(last), Some(room)) = (widths.last_mut(), room) {
            *last = (*last).min(room.max(MIN_LAST));
        }
        let number = |cell: &String| cell == "-" || cell.trim_end_matches("ms").parse::<f64>().is_ok();
        let right: Vec<bool> =
            shown.iter().map(|&place| self.rows.iter().filter_map(|row| row.get(place)).all(number)).collect();
        let head: Vec<String> = self.head.iter().map(|&name| name.to_owned()).collect();
        let mut lines = vec![line(&head, shown, &widths, &right, None).concat()];
        for (row, level) in self.rows.iter().zip(&self.levels) {
            let mut row = row.clone();
            let mut rest = Vec::new();
            if let (Some(&last), Some(&most), true) = (shown.last(), widths.last(), width.is_some())
                && let Some(cell) = row.get_mut(last)
            {
                rest = wrapped(cell, most, 0);
                *cell = rest.remove(0);
            }
            let paint = style
                .zip(*level)
                .map(|(style, level)| (self.head.iter().position(|&name| name == "STATE"), style, level));
            lines.push(line(&row, shown, &widths, &right, paint).concat().trim_end().to_owned());
            let indent = widths.iter().rev().skip(1).sum::<usize>() + GAP * (shown.len() - 1);
            lines.extend(rest.iter().map(|rest| format!("{}{rest}", " ".repeat(indent))));
        }
        let end = lines[0].trim_end().len();
        lines[0].truncate(end);
        lines
    }
}

type CellStyle = (Option<usize>, Style, Level);

/// The padded cells of a line.
fn line(cells: &[String], shown: &[usize], widths: &[usize], right: &[bool], paint: Option<CellStyle>) -> Vec<String> {
    let padded = |(place, &column): (usize, &usize)| {
        let cell = cells.get(column).map_or("", String::as_str);
        let gap = " ".repeat(widths[place].saturating_sub(cell.chars().count()));
        let painted = match paint {
            Some((Some(state), style, level)) if state == column => style.level(level, cell),
            _ => cell.to_owned(),
        };
        let (before, behind) = if right[place] { (gap.as_str(), "") } else { ("", gap.as_str()) };
        format!("{before}{painted}{behind}{}", " ".repeat(GAP))
    };
    shown.iter().enumerate().map(padded).collect()
}

/// Replaces unprintable characters, truncates to the width of a cell, and shortens white space, so that a text cannot
/// look like further columns.
pub(super) fn clean(text: &str) -> String {
    text::line(text, MAX_CELL).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_are_right_aligned() {
        let mut table = Table::new(&["MEMBER", "LAG", "ZXID"]);
        table.row(vec!["zk-1:2181".into(), "7".into(), "0x1".into()]);
        table.row(vec!["é:1".into(), String::new(), "0x100000001".into()]);
        table.row(vec!["x".into(), "1200".into(), String::new()]);
        let expected =
            ["MEMBER      LAG  ZXID", "zk-1:2181     7  0x1", "é:1           -  0x100000001", "x          1200  -"];
        assert_eq!(table.lines(), expected);
    }

    #[test]
    fn text_from_members_cannot_control_the_terminal() {
        assert_eq!(clean("3.8.0\u{1b}[2J\n\u{9b}x"), "3.8.0\u{fffd}[2J\u{fffd}\u{fffd}x");
        assert_eq!(clean(&"v".repeat(100)).chars().count(), MAX_CELL + 1);
        assert_eq!(clean("3.9.3   leader  ok \u{3000} "), "3.9.3 leader ok", "columns have two spaces between them");
    }

    #[test]
    fn the_common_suffix_of_names_is_found() {
        for (names, expected) in [
            (&["zk-0.zk.svc:2181", "zk-1.zk.svc:2181"][..], ".zk.svc:2181"),
            (&["zk-0.a.svc:2181", "zk-1.b.svc:2181"], ".svc:2181"),
            (&["zk-0:2181", "zk-1:2182"], ""),
            (&["10.0.0.1:2181", "11.0.0.1:2181"], ":2181"),
            (&["[::1]:2181", "[::2]:2181"], ":2181"),
            (&["zk.svc:2181"], ""),
            (&["a.zk.svc:2181", "zk.svc:2181"], ".svc:2181"),
        ] {
            let mut table = Table::new(&["MEMBER"]);
            for name in names {
                table.row(vec![(*name).to_owned()]);
            }
            assert_eq!(table.common_suffix(), expected, "{names:?}");
        }
    }
}

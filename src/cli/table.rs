//! Aligned tables of plain text. What members said is made harmless for a terminal.

use crate::text;

/// A table whose columns are as wide as their widest cell.
#[derive(Debug)]
pub(super) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// Longer cells are cut: no name of ZooKeeper's is longer, and a hostile one must not push the others off the screen.
const MAX_CELL: usize = 60;

impl Table {
    pub(super) fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; an empty cell becomes `-`.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows
            .push(cells.into_iter().map(|cell| if cell.is_empty() { "-".to_owned() } else { clean(&cell) }).collect());
    }

    /// The lines, the head first. Columns of numbers stand to the right.
    pub(super) fn lines(&self) -> Vec<String> {
        let columns: Vec<(usize, bool)> = self
            .head
            .iter()
            .enumerate()
            .map(|(place, head)| {
                let cells = || self.rows.iter().filter_map(move |row| row.get(place));
                let width = cells().map(|cell| cell.chars().count()).max().unwrap_or(0).max(head.chars().count());
                let number = |cell: &String| cell == "-" || cell.trim_end_matches("ms").parse::<f64>().is_ok();
                (width, cells().all(number))
            })
            .collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut line = String::new();
            for (cell, (width, right)) in cells.zip(&columns) {
                let gap = " ".repeat(width.saturating_sub(cell.chars().count()));
                let (before, behind) = if *right { (gap.as_str(), "") } else { ("", gap.as_str()) };
                line.push_str(before);
                line.push_str(cell);
                line.push_str(behind);
                line.push_str("  ");
            }
            line.trim_end().to_owned()
        };
        std::iter::once(line(&mut self.head.iter().copied()))
            .chain(self.rows.iter().map(|row| line(&mut row.iter().map(String::as_str))))
            .collect()
    }
}

/// Printable, and not longer than a cell may be.
pub(super) fn clean(text: &str) -> String {
    text::line(text, MAX_CELL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_stand_right() {
        let mut table = Table::new(&["MEMBER", "LAG", "ZXID"]);
        table.row(vec!["zk-1:2181".into(), "7".into(), "0x1".into()]);
        table.row(vec!["é:1".into(), String::new(), "0x100000001".into()]);
        table.row(vec!["x".into(), "1200".into(), String::new()]);
        let expected =
            ["MEMBER      LAG  ZXID", "zk-1:2181     7  0x1", "é:1           -  0x100000001", "x          1200  -"];
        assert_eq!(table.lines(), expected);
    }

    #[test]
    fn what_members_say_cannot_paint_the_terminal() {
        assert_eq!(clean("3.8.0\u{1b}[2J\n\u{9b}x"), "3.8.0\u{fffd}[2J\u{fffd}\u{fffd}x");
        assert_eq!(clean(&"v".repeat(100)).chars().count(), MAX_CELL + 1);
    }
}

//! A dashboard as described: what it is for, and its rows.

use super::panel::Panel;

/// One dashboard.
#[derive(Clone, Debug)]
pub struct Board {
    /// The fixed identity, which is the name of the file too.
    pub uid: &'static str,
    /// The name in Grafana.
    pub title: &'static str,
    /// The question it answers.
    pub about: &'static str,
    /// How far it looks back when opened: `1h`, `30d`.
    pub span: &'static str,
    /// Its rows, from the top.
    pub rows: Vec<Row>,
}

/// Panels below one heading.
#[derive(Clone, Debug)]
pub struct Row {
    /// The heading.
    pub title: &'static str,
    /// The panels, from left to right; those that do not fit go to the next line.
    pub panels: Vec<Panel>,
}

impl Board {
    /// A dashboard without rows that looks back one hour.
    pub(super) fn new(uid: &'static str, title: &'static str, about: &'static str) -> Self {
        Self { uid, title, about, span: "1h", rows: Vec::new() }
    }

    /// How far it looks back.
    pub(super) fn looking_back(mut self, span: &'static str) -> Self {
        self.span = span;
        self
    }

    /// Another row below.
    pub(super) fn row(mut self, title: &'static str, panels: Vec<Panel>) -> Self {
        self.rows.push(Row { title, panels });
        self
    }
}

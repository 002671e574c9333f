//! The description of a dashboard: its purpose and its rows.

use super::panel::Panel;

/// One dashboard.
#[derive(Clone, Debug)]
pub struct Board {
    /// The fixed uid, also used as the file name.
    pub uid: &'static str,
    /// The name in Grafana.
    pub title: &'static str,
    /// The question that the dashboard answers.
    pub about: &'static str,
    /// Default time range, e.g. `1h` or `30d`.
    pub span: &'static str,
    /// The rows from top to bottom.
    pub rows: Vec<Row>,
}

/// Panels with a common heading.
#[derive(Clone, Debug)]
pub struct Row {
    /// The heading.
    pub title: &'static str,
    /// The panels from left to right; wrapped if they do not fit.
    pub panels: Vec<Panel>,
}

impl Board {
    /// A dashboard without rows and with a default time range of one hour.
    pub(super) fn new(uid: &'static str, title: &'static str, about: &'static str) -> Self {
        Self { uid, title, about, span: "1h", rows: Vec::new() }
    }

    /// Sets the default time range.
    pub(super) fn looking_back(mut self, span: &'static str) -> Self {
        self.span = span;
        self
    }

    /// Appends a row.
    pub(super) fn row(mut self, title: &'static str, panels: Vec<Panel>) -> Self {
        self.rows.push(Row { title, panels });
        self
    }
}

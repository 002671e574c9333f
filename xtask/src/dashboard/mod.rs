//! Grafana dashboards: a compact description of each panel, and the JSON that Grafana imports.
//!
//! [`Board`] is the description, `layout` assigns positions, and [`grafana`] is the file format. [`query`] contains
//! common selectors and expressions, `limits` the limits of the alert catalogue.

mod board;
pub mod grafana;
mod layout;
mod limits;
mod looks;
mod panel;
pub mod query;
mod set;
mod shared;

pub use board::{Board, Row};
pub use panel::{Column, Panel, PanelKind, Target, Unit};
pub use set::boards;

/// File name and content of every dashboard, in order.
#[must_use]
pub fn files() -> Vec<(String, String)> {
    boards().iter().map(|board| (format!("{}.json", board.uid), layout::dashboard(board).to_text())).collect()
}

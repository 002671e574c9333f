//! Grafana dashboards: a compact description of what each panel answers, and the JSON that Grafana imports.
//!
//! [`Board`] describes, `layout` places, [`grafana`] is the form on disk. What is described once - a selector, a limit, a
//! mean over a window - is written by [`query`] and taken from the alert catalogue by `limits`.

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
pub use panel::{Column, Look, Panel, Target, Unit};
pub use set::boards;

/// Every dashboard as the name of its file and the text in it, in the order of the set.
#[must_use]
pub fn files() -> Vec<(String, String)> {
    boards().iter().map(|board| (format!("{}.json", board.uid), layout::dashboard(board).to_text())).collect()
}

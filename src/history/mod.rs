//! Replays the alert rules over the history of a Prometheus-compatible server.
//!
//! [`client`] queries the server, [`fetch`] splits queries into pieces within its limits, [`levels`] replays the levels
//! of one query with the pure state machine of [`replay`], [`backtest`] runs all queries, and [`report`] summarises
//! them. [`seen`] records gaps in the data. [`suggest`] fits warning limits to the values read by [`indicators`].

pub mod backtest;
pub mod client;
pub mod fetch;
pub mod grid;
pub mod indicators;
pub mod journal;
pub mod levels;
pub mod matrix;
pub mod replay;
pub mod report;
pub mod seen;
pub mod suggest;

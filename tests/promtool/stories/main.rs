//! Stories of ensembles and exporters, on which the alert rules are tested: what must fire, what must not, and when.
//!
//! A story is a model of an ensemble that changes over time. Its series are the product's own pages of that model, and
//! `promtool test rules` evaluates the rules on them: at several scrape intervals, with several delays between scrape
//! and evaluation, with scrapes in flight, and with the ranges of Prometheus 3.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "clarity before speed in tests")]
#![allow(unreachable_pub, reason = "one crate a test binary")]
#![allow(missing_docs, reason = "tests are read by their names")]
#![allow(clippy::print_stderr, reason = "progress of minutes of work, shown by --nocapture")]
#![allow(clippy::too_many_lines, reason = "a list of stories is as long as there are stories")]

#[path = "../../common/mod.rs"]
#[allow(dead_code, reason = "shared with the quick tests")]
mod common;

mod ensemble;
mod expect;
mod exporter;
mod figures;
mod matrix;
mod model;
mod month;
mod promtool;
mod rules;
mod series;
mod server;
mod story;
mod told;
mod world;

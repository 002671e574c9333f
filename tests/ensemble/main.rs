//! Tests against real ensembles, started by `scripts/ensemble`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "readability over speed in tests")]
#![allow(unreachable_pub, reason = "each test binary is its own crate")]
#![allow(missing_docs, reason = "test names describe the tests")]
#![allow(clippy::float_cmp, reason = "values are passed unchanged or scaled exactly")]

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "shared with the quick tests")]
mod common;

mod beyond;
mod browser;
mod check;
mod clients;
mod discovery;
mod example;
mod fallback;
mod faults;
mod legal;
mod live;
mod prometheus;
mod readme;
mod restart;
mod roles;
mod runbooks;
mod sessions;
mod tls;
#[path = "../common/trial.rs"]
mod trial;
mod values;
mod verdicts;
mod zones;

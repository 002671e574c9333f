//! The product against real ensembles, made by `scripts/ensemble`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "clarity before speed in tests")]
#![allow(unreachable_pub, reason = "one crate a test binary")]
#![allow(missing_docs, reason = "tests are read by their names")]
#![allow(clippy::float_cmp, reason = "values pass unchanged or scaled exactly")]

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "shared with the quick tests")]
mod common;

mod beyond;
mod browser;
mod check;
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
mod sessions;
mod tls;
#[path = "../common/trial.rs"]
mod trial;
mod values;
mod verdicts;

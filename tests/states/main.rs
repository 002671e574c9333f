//! States of real ensembles that take minutes, root, or other releases of ZooKeeper: `scripts/test long verdicts`. A
//! bare `cargo test` runs none of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "readability over speed in tests")]
#![allow(unreachable_pub, reason = "each test binary is its own crate")]
#![allow(missing_docs, reason = "test names describe the tests")]
#![allow(clippy::float_cmp, reason = "values are passed unchanged or scaled exactly")]

mod apart;
#[path = "../ensemble/browser.rs"]
#[allow(dead_code, reason = "shared with the tests on real ensembles")]
mod browser;
#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod common;
mod cut;
#[path = "../ensemble/live.rs"]
#[allow(dead_code, reason = "shared with the tests on real ensembles")]
mod live;
mod slow;
#[path = "../ensemble/verdicts.rs"]
#[allow(dead_code, reason = "shared with the tests on real ensembles")]
mod verdicts;

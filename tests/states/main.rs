//! States of real ensembles that take minutes, root, or other releases of ZooKeeper: `scripts/test long verdicts`.
//! Nothing here is run by a bare `cargo test`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "clarity before speed in tests")]
#![allow(unreachable_pub, reason = "one crate a test binary")]
#![allow(missing_docs, reason = "tests are read by their names")]
#![allow(clippy::float_cmp, reason = "values pass unchanged or scaled exactly")]

mod apart;
#[path = "../ensemble/browser.rs"]
#[allow(dead_code, reason = "shared with the tests of real ensembles")]
mod browser;
#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod common;
mod cut;
#[path = "../ensemble/live.rs"]
#[allow(dead_code, reason = "shared with the tests of real ensembles")]
mod live;
mod slow;
#[path = "../ensemble/verdicts.rs"]
#[allow(dead_code, reason = "shared with the tests of real ensembles")]
mod verdicts;

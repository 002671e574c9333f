//! All tests that need no server: fixtures of real replies, golden pages, properties, structure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "clarity before speed in tests")]
#![allow(unreachable_pub, reason = "one crate a test binary")]
#![allow(missing_docs, reason = "tests are read by their names")]
#![allow(clippy::float_cmp, reason = "values pass unchanged or scaled exactly")]

#[path = "../common/mod.rs"]
mod common;

mod accounting;
mod alerts;
mod allocations;
mod bounds;
mod burst;
mod catalogue;
mod chart;
mod check;
mod chinese;
mod clients;
mod commandline;
mod configuration;
mod corpus;
mod dashboards;
mod dependencies;
mod deploy;
mod edges;
mod endpoint;
mod evaluate;
mod golden;
mod host;
mod hostile;
mod large;
mod legal;
mod limits;
mod links;
mod lint;
mod looks;
mod mixin;
mod monitor;
mod panels;
mod probe;
mod properties;
mod prose;
mod protobuf;
mod reload;
mod restart;
mod roles;
mod routes;
mod rules_read;
mod sessions;
mod shipped;
mod streams;
mod structure;
mod verdicts;
mod zabbix;

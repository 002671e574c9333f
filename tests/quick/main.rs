//! All tests that need no server: fixtures of real replies, golden pages, properties, structure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "readability over speed in tests")]
#![allow(unreachable_pub, reason = "each test binary is its own crate")]
#![allow(missing_docs, reason = "test names describe the tests")]
#![allow(clippy::float_cmp, reason = "values are passed unchanged or scaled exactly")]

#[path = "../common/mod.rs"]
mod common;

mod accounting;
mod alerts;
mod allocations;
mod bounds;
mod burst;
mod catalogue;
mod causes;
mod chart;
mod check;
mod chinese;
mod claims;
mod clients;
mod commandline;
mod configuration;
mod connections;
mod corpus;
mod dashboard_links;
mod dashboards;
mod dependencies;
mod deploy;
mod discovered;
mod edges;
mod endpoint;
mod evaluate;
mod events;
mod evidence;
mod generated;
mod golden;
mod host;
mod hostile;
mod instructions;
mod judged_page;
mod large;
mod legal;
mod limits;
mod links;
mod lint;
mod looks;
mod memberships;
mod mistaken;
mod mixin;
mod monitor;
mod native;
mod panels;
mod probe;
mod properties;
mod prose;
mod protobuf;
mod reload;
mod remedies;
mod replicas;
mod restart;
mod restart_safety;
mod roles;
mod routes;
mod rules_read;
mod runbook_pages;
mod service_manager;
mod sessions;
mod shipped;
mod siblings;
mod strangers;
mod streams;
mod structure;
mod verdicts;
mod web_config;
mod why;
mod zabbix;
mod zones;
mod zxid_history;

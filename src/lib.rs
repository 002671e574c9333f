//! Prometheus exporter for Apache ZooKeeper ensembles.
//!
//! # Modules
//! A module imports only from lower layers; `ARCHITECTURE.md` describes them and `tests/quick/structure.rs` checks the
//! imports.
//!
//! | module | purpose |
//! |---|---|
//! | [`runbook`] | the runbooks and their URLs |
//! | [`version`] | build information |
//! | [`text`] | untrusted texts: truncated, and escaped for terminal, log and JSON |
//! | [`histogram`] | histograms of durations |
//! | [`config`] | flags and configuration file, validated, errors with position |
//! | [`reply`] | pure parsers of member replies, one file per command |
//! | [`catalogue`] | the definitions of all metrics |
//! | [`ensemble`] | the members of an ensemble |
//! | [`wire`] | one command to one member: bytes or a failure reason |
//! | [`host`] | the process of a member on this host, and its disks |
//! | [`session`] | one client session with an ensemble |
//! | [`canary`] | a client that checks that an ensemble serves requests |
//! | [`znode`] | znodes read as numbers, and their alarm thresholds |
//! | [`scrape`] | concurrent queries of all members, combined into one typed report |
//! | [`verdict`] | conclusions from a whole report: quorum, leaders, lag, drift |
//! | [`exposition`] | the report as a page, in text formats and protobuf |
//! | [`alert`] | alert conditions, and the rules, templates and checks made of them |
//! | [`settings`] | file, flags and environment as one parsed configuration |
//! | [`incident`] | changes of an ensemble, and their causes |
//! | [`history`] | alert rules replayed over the history of a Prometheus-compatible server |
//! | [`log`] | non-blocking log output on standard error |
//! | [`telemetry`] | the exporter's own metrics |
//! | [`http`] | HTTP endpoints, connection limits, shutdown |
//! | [`cli`] | flags and sub-commands |
//!
//! The library exists for the binary, tests, benchmarks and the generators in `xtask`; it has no stable interface.
#![forbid(unsafe_code)]

pub mod alert;
pub mod canary;
pub mod catalogue;
pub mod cli;
pub mod config;
pub mod ensemble;
pub mod exposition;
pub mod histogram;
pub mod history;
pub mod host;
pub mod http;
pub mod incident;
pub mod log;
pub mod reply;
pub mod runbook;
pub mod scrape;
pub mod session;
pub mod settings;
pub mod telemetry;
pub mod text;
pub mod verdict;
pub mod version;
pub mod wire;
pub mod znode;

//! Prometheus exporter for Apache ZooKeeper ensembles.
//!
//! # The house
//! Data flows down this list and never back; `ARCHITECTURE.md` states the rules and a test holds them.
//!
//! | room | what happens there |
//! |---|---|
//! | [`text`] | texts from outside: cut, and made harmless for terminal, log and JSON |
//! | [`config`] | flags and file, validated, one clear error per mistake |
//! | [`reply`] | pure parsers of what members answer, one file per command |
//! | [`catalogue`] | the one place that knows a metric |
//! | [`ensemble`] | which members there are |
//! | [`wire`] | send one command to one member: bytes or a reason |
//! | [`host`] | the process of a member on this host, and its disks |
//! | [`session`] | one client session with an ensemble |
//! | [`canary`] | a client that proves that an ensemble works |
//! | [`znode`] | znodes read as numbers, and their alarm thresholds |
//! | [`scrape`] | all members side by side: one typed report |
//! | [`verdict`] | what follows from a report as a whole: quorum, leaders, lag, drift |
//! | [`exposition`] | the report as a page, in both text formats |
//! | [`log`] | lines on standard error that never block |
//! | [`telemetry`] | the exporter's own metrics |
//! | [`dashboard`] | Grafana dashboards, described once and written as JSON |
//! | [`http`] | endpoints, accept loop, drain |
//! | [`cli`] | flags and sub-commands |
//!
//! The library exists for the binary, its tests and its benchmarks; it promises no stable interface.
#![forbid(unsafe_code)]

pub mod alert;
pub mod canary;
pub mod catalogue;
pub mod cli;
pub mod config;
pub mod dashboard;
pub mod ensemble;
pub mod exposition;
pub mod host;
pub mod http;
pub mod log;
pub mod reply;
pub mod scrape;
pub mod session;
pub mod telemetry;
pub mod text;
pub mod verdict;
pub mod wire;
pub mod znode;

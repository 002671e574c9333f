//! The catalogue of conditions and everything derived from it: rules, thresholds, evaluation.
//!
//! # Structure
//!
//! - [`conditions`] returns every [`Condition`]: name, group, levels (limit, `for`, enabled or not), texts, and an
//!   [`Expr`].
//! - [`promql()`] writes an [`Expr`] as `PromQL` with literal numbers, [`evaluate()`] evaluates it over one or two
//!   scrapes. Every series is first aggregated by `max by (ensemble, member)` or `(ensemble)`, so that several
//!   exporters give the result of one.
//! - A [`Page`] holds flat samples: name, labels, value. [`Page::read`] parses the exporter's text format, so that
//!   `check` evaluates its own scrape (rendered by `exposition`) and a fetched page in the same way. `up` and other
//!   series of Prometheus itself are not part of a page.
//! - [`Thresholds`] are the active limits, including those of the configuration: [`Thresholds::levels`] for rules,
//!   `zk_alert_threshold` and `check`. [`Thresholds::judge`] evaluates all of them.
//! - Texts have placeholders ([`text`]): the same sentence becomes an annotation and a line of `check`.

#![allow(clippy::format_push_string, clippy::format_collect, reason = "rules are written once and read often")]

pub mod alertmanager;
pub mod build;
pub mod catalogue;
pub mod causes;
pub mod condition;
pub mod dashboard_link;
pub mod early;
pub mod evaluate;
pub mod expr;
pub mod history_query;
pub mod inhibit;
pub mod inline;
pub mod judge;
pub mod page;
pub mod plugin;
pub mod profiles;
pub mod promql;
pub mod rules;
pub mod text;
pub mod thresholds;
pub mod trouble;
pub mod tuning;
pub mod watch;
mod yaml;
pub mod zabbix;

pub use catalogue::conditions;
pub use condition::{Case, Condition, Group, Level, Severity, Unit};
pub use evaluate::{NotJudged, Scrapes, evaluate};
pub use expr::Expr;
pub use judge::{Finding, Judgement};
pub use page::Page;
pub use promql::promql;
pub use rules::{Deployment, Format, LeftOut, RuleFile};
pub use thresholds::{InForce, Thresholds};
pub use zabbix::Template;

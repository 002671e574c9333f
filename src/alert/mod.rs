//! The one catalogue of conditions, and all that follows from it: rules, their tests, thresholds, judgement.
//!
//! # The seam
//!
//! - [`conditions`] gives every [`Condition`]: name, group, levels (limit, `for`, on or off), texts, and an [`Expr`].
//! - An [`Expr`] is written as `PromQL` with literal numbers by [`promql()`], and judged over one or two scrapes by
//!   [`evaluate()`]. Every series is joined by `max by (ensemble, member)` or `(ensemble)` first, so that two exporters
//!   say what one says.
//! - What is judged is a [`Page`] of flat samples: name, labels, value. [`Page::read`] makes it of the text that the
//!   exporter serves, so that `check` judges its own scrape (rendered by `exposition`) and a page it fetched the same
//!   way. `up` and other series that only Prometheus has are not on it.
//! - The active limits, with those of the configuration, are a [`Thresholds`]: [`Thresholds::levels`] for rules,
//!   `zk_alert_threshold` and `check`. [`Thresholds::judge`] judges all of them.
//! - Texts have placeholders ([`text`]): the same sentence becomes an annotation and a line of `check`.

#![allow(clippy::format_push_string, clippy::format_collect, reason = "rules are written once and read often")]

pub mod alertmanager;
pub mod build;
pub mod catalogue;
pub mod condition;
pub mod document;
pub mod early;
pub mod evaluate;
pub mod expr;
pub mod inhibit;
pub mod judge;
pub mod page;
pub mod plugin;
pub mod profiles;
pub mod promql;
pub mod rules;
pub mod text;
pub mod thresholds;
pub mod trouble;
pub mod unit_tests;
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

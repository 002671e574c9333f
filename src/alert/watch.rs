//! Recording rules that carry a state forward, so that an alert about a missing exporter does not resolve prematurely.
//!
//! Every carried state is 1 and ends with one sample 0. A window of length `CARRIED`, which is longer than a restart of
//! Prometheus, then finds the 0 instead of an older 1.
//!
//! - [`WATCH`]: an exporter reports an ensemble, or reported it and has been missing since. It ends when the ensemble
//!   is removed from the configuration: its target reports without it, or the target is gone and another one replaced
//!   it. For `/metrics` the replacement is a new target of the same job that reports an ensemble of the old one, or one
//!   that is new in the job: a new exporter of another ensemble replaces another exporter. For `/probe`, where each
//!   target is an ensemble, it is any other target of the job.
//! - [`NEW`]: a target that may be a replacement. It counts from its second scrape on: at the first one after a gap, a
//!   target that is still there may not have been scraped yet.
//! - [`UNSEEN`]: an exporter does not reach a member that another exporter reaches; ends when it does.
//! - [`OBSERVER`]: a member has no vote, or had none and has neither served nor been reported as a voter since.
//!
//! [`NEW`] and [`WATCHED`] carry no state.

use super::condition::Condition;
use super::early::Record;
use super::expr::{Expr, Span};
use super::promql::{Ensembles, Setting, promql};
use super::trouble::Trouble;

/// Target and ensemble: the target started minutes ago, or is one of `/probe`.
pub const NEW: &str = "target:zk_new:bool";
/// Target and ensemble: the target reports the ensemble.
pub const WATCH: &str = "target:zk_watch:bool";
/// Target and member: the target does not reach the member.
pub const UNSEEN: &str = "target:zk_unseen:bool";
/// Member: it has no vote.
pub const OBSERVER: &str = "member:zk_observer:bool";
/// Whether some exporter reports an ensemble now.
pub const WATCHED: &str = "ensemble:zk_watched:bool";
/// Whether a member serves, according to the trusted exporters.
pub const SERVING: &str = "member:zk_serving:max";
/// Whether an ensemble has a quorum, according to the trusted exporters.
pub const HAS_QUORUM: &str = "ensemble:zk_has_quorum:max";

/// How long a state persists while Prometheus is down.
const CARRIED: &str = "1h";

/// Series recorded by the rules of this module: name and meaning.
pub const RECORDED: &[(&str, &str)] = &[
    (NEW, "1 for each ensemble of a target that started less than 5 minutes ago, and of each target of `/probe`"),
    (WATCH, "1 for each ensemble that a target reports, or reported and still should; one 0 when it is removed"),
    (UNSEEN, "1 for each member that a target does not reach and another one does; one 0 at the end"),
    (OBSERVER, "1 for each member without a vote, including dead ones; one 0 when it votes"),
    (WATCHED, "1 while an exporter that reaches some member reports the ensemble; then 0 for 20 minutes"),
    (SERVING, "whether the member serves, by the exporters that reach it"),
    (HAS_QUORUM, "whether the ensemble has a quorum, by the exporters that reach some member"),
];

/// Whether a rule of this module records series with this name.
#[must_use]
pub fn is_recorded(name: &str) -> bool {
    RECORDED.iter().any(|(recorded, _)| *recorded == name)
}

/// The recording rules. They precede the alerts in their group, so that the alerts see them without delay.
#[must_use]
pub fn records(conditions: &[Condition], keep: &[String]) -> Vec<Record> {
    let with = |names: &str| [names].into_iter().chain(keep.iter().map(String::as_str)).collect::<Vec<_>>().join(", ");
    let member = with("ensemble, member");
    let (ensemble, job) = (with("ensemble"), with("job"));
    let (pair, target) = (with("ensemble, member, job, instance"), with("job, instance"));
    let (of_target, of_job) = (with("ensemble, job, instance"), with("ensemble, job"));
    let record = |name, expr: String| Record { name, expr, labels: Vec::new() };
    let new = format!(
        "group by ({of_target}) (\n  \
           zk_up\n  \
           and on ({target}) count_over_time(up[5m]) >= 2\n  \
           unless on ({target}) last_over_time(zk_exporter_build_info[{CARRIED}] offset 5m)\n\
         )"
    );
    // A job without a page of an exporter has targets of `/probe`.
    let watch = format!(
        "group by ({of_target}) (zk_up or zk_ensemble_members)\n\
         or\n\
         (last_over_time({WATCH}[{CARRIED}]) == 1 and on ({target}) up == 0)\n\
         or\n\
         (\n  \
           last_over_time({WATCH}[{CARRIED}]) == 1\n  \
           unless on ({target}) up\n  \
           unless on ({ensemble}) zk_up\n  \
           unless on ({target}) (last_over_time({WATCH}[10m]) and on ({of_job}) {NEW})\n  \
           unless on ({job}) (\n    \
             {NEW}\n    \
             unless on ({of_job}) (last_over_time({WATCH}[{CARRIED}] offset 5m) == 1 and on ({job}) zk_exporter_build_info)\n  \
           )\n\
         )\n\
         or\n\
         0 * (last_over_time({WATCH}[{CARRIED}]) == 1)"
    );
    // Compares the last ten minutes of both exporters: an unreachable member lowers both equally.
    let unseen = format!(
        "group by ({pair}) (\n  \
           avg_over_time(zk_up[10m]) < 0.5\n  \
           and last_over_time(zk_up[5m] offset 10m)\n  \
           and zk_up\n  \
           and on ({member}) max by ({member}) (avg_over_time(zk_up[10m]) and zk_up) > 0.9\n\
         )\n\
         or\n\
         (last_over_time({UNSEEN}[{CARRIED}]) == 1 and on ({pair}) avg_over_time(zk_up[10m]) < 0.5)\n\
         or\n\
         0 * (last_over_time({UNSEEN}[{CARRIED}]) == 1)"
    );
    let observer = format!(
        "group by ({member}) (\n  \
           zk_server_state{{state=\"observer\"}} == 1\n  \
           or\n  \
           zk_member_voter == 0 unless on ({member}) zk_member_voter == 1\n\
         )\n\
         or\n\
         (\n  \
           last_over_time({OBSERVER}[{CARRIED}]) == 1\n  \
           unless on ({member}) (zk_serving == 1 or zk_member_voter == 1)\n  \
           and on ({member}) last_over_time(zk_up[{CARRIED}])\n\
         )\n\
         or\n\
         0 * (last_over_time({OBSERVER}[{CARRIED}]) == 1)"
    );
    let watched = format!(
        "group by ({ensemble}) (zk_up unless on ({pair}) {UNSEEN} == 1)\n\
         or\n\
         0 * group by ({ensemble}) (last_over_time(zk_up[20m]))"
    );
    let mut all = vec![
        record(NEW, new),
        record(WATCH, watch),
        record(UNSEEN, unseen),
        record(WATCHED, watched),
        record(OBSERVER, observer),
    ];
    let setting = Setting { limit: f64::NAN, hold: Span(0), keep, ensembles: Ensembles::All, configured: &[] };
    for (name, _) in RECORDED {
        let of_this = |trouble: &&Trouble| trouble.recorded == Some(name);
        let troubles = conditions.iter().flat_map(|condition| troubles(&condition.expr));
        if let Some(trouble) = troubles.collect::<Vec<_>>().into_iter().find(of_this) {
            all.push(record(name, promql(&trouble.joined(), &setting)));
        }
    }
    all
}

/// Every [`Trouble`] in an expression.
fn troubles(expr: &Expr) -> Vec<&Trouble> {
    match expr {
        Expr::Trouble(trouble) => vec![trouble],
        Expr::By(_, _, inner) => troubles(inner),
        Expr::Math(_, left, right) | Expr::Compare(_, left, right) | Expr::Sets(_, _, left, right) => {
            let mut all = troubles(left);
            all.extend(troubles(right));
            all
        }
        _ => Vec::new(),
    }
}

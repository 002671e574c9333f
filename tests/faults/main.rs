//! Faults of real ensembles, made on purpose: the right alert must reach the webhook through real Prometheus and
//! Alertmanager, with the right labels and text, and end when the fault ends. Every duration in the rules is divided by
//! `bench::FACTOR`. `long` makes all faults, those of `lists`, `members` and `partition` among them, and writes the table
//! of `docs/alerts.md`; `flapping` has what comes and goes, `clusters` two ensembles of one name: all by hand with
//! `scripts/test long faults`. `ramps` holds the early warning, `scripts/test long ramps` and `long steady`. Nothing here is run by a bare `cargo test`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "clarity before speed in tests")]
#![allow(unreachable_pub, reason = "one crate a test binary")]
#![allow(missing_docs, reason = "tests are read by their names")]
#![allow(clippy::print_stdout, reason = "the table as it grows")]
#![allow(clippy::float_cmp, reason = "flags are 0 or 1")]
#![allow(clippy::too_many_lines, reason = "one fault after the other")]
#![allow(clippy::disallowed_methods, reason = "a test without a runtime waits by sleeping")]

#[path = "../states/apart.rs"]
#[allow(dead_code, reason = "shared with the tests of states")]
mod apart;
mod bench;
mod clusters;
#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod common;
mod flapping;
mod lists;
#[path = "../ensemble/live.rs"]
#[allow(dead_code, reason = "shared with the tests of real ensembles")]
mod live;
mod long;
mod members;
mod partition;
mod quiet;
mod ramps;
mod routes;
mod short;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use bench::Bench;

/// One at a time: each has three JVMs, Prometheus and Alertmanager.
static ALONE: Mutex<()> = Mutex::new(());

/// What a fault must bring.
struct Expected<'e> {
    fault: &'e str,
    alert: &'e str,
    severity: &'e str,
    /// The label `member`, where the alert is about one.
    member: Option<&'e str>,
    /// A word that the description must hold.
    says: &'e str,
}

/// A line of the table.
struct Row {
    fault: String,
    alert: String,
    severity: String,
    fires: f64,
    resolves: f64,
    /// What went wrong.
    problem: Option<String>,
}

/// Makes the fault, waits for its alert, mends it, waits for the end of the alert. A fault whose alert does not come is
/// mended all the same, so that the next one finds a whole ensemble.
fn prove(
    bench: &mut Bench,
    expected: &Expected<'_>,
    fault: impl FnOnce(&mut Bench),
    mend: impl FnOnce(&mut Bench),
) -> Row {
    let within = Duration::from_mins(4);
    let is_it = |status: &'static str| {
        move |notice: &bench::Notice| {
            notice.status == status
                && notice.labels["alertname"] == expected.alert
                && notice.labels["severity"] == expected.severity
                && expected.member.is_none_or(|member| notice.labels.get("member").is_some_and(|label| label == member))
        }
    };
    // What fires still from the fault before would bring no notice of its own.
    let earlier = format!("ALERTS{{alertname=\"{}\",alertstate=\"firing\"}}", expected.alert);
    bench.until("the alert of the fault before has ended", || bench.query(&earlier).is_none());
    std::thread::sleep(Duration::from_secs(2));
    let begun = Instant::now();
    fault(bench);
    let fired = bench.notice(begun, within, is_it("firing"));
    let mended = Instant::now();
    mend(bench);
    let mut row = Row {
        fault: expected.fault.to_owned(),
        alert: expected.alert.to_owned(),
        severity: expected.severity.to_owned(),
        fires: f64::NAN,
        resolves: f64::NAN,
        problem: None,
    };
    match fired {
        Err(said) => row.problem = Some(format!("{}: {} does not fire; {said}", expected.fault, expected.alert)),
        Ok(fired) => {
            row.fires = fired.at.duration_since(begun).as_secs_f64();
            row.problem = wrong(&fired, expected);
            // A fault that takes long may be over, with its alert, before it is mended.
            match bench.notice(fired.at, within, is_it("resolved")) {
                Ok(resolved) => row.resolves = resolved.at.saturating_duration_since(mended).as_secs_f64(),
                Err(said) => {
                    row.problem = Some(format!("{}: {} does not end; {said}", expected.fault, expected.alert));
                }
            }
        }
    }
    println!("| {} | {} | {} | {:.1} | {:.1} |", row.fault, row.alert, row.severity, row.fires, row.resolves);
    if let Some(problem) = &row.problem {
        println!("{problem}");
    }
    row
}

/// What is wrong with the labels or the text of a notice.
fn wrong(notice: &bench::Notice, expected: &Expected<'_>) -> Option<String> {
    let about = |what: &str| Some(format!("{}: {what}: {:?} {:?}", expected.fault, notice.labels, notice.annotations));
    let of_target = notice.labels.contains_key("instance") || notice.labels.contains_key("job");
    let about_target = ["ZooKeeperExporterDown", "ZooKeeperExporterBlind"].contains(&expected.alert);
    let of_ensemble = notice.labels.contains_key("ensemble");
    if of_target != about_target || of_ensemble == (expected.alert == "ZooKeeperExporterDown") {
        return about("the labels are wrong");
    }
    let description = &notice.annotations["description"];
    for wanted in expected.member.into_iter().chain([expected.says]) {
        if !description.contains(wanted) {
            return about(&format!("`{wanted}` is not in the description"));
        }
    }
    let bad = |text: &String| text.contains("<error") || text.contains("<no value>") || text.contains("{{");
    if notice.annotations.values().any(bad) {
        return about("a text was not expanded");
    }
    if !notice.annotations["runbook_url"].ends_with(&format!("/docs/runbooks/{}.md", expected.alert)) {
        return about("the runbook is another's");
    }
    None
}

/// Every fault must have gone well.
fn assert_well(rows: &[Row]) {
    let problems: Vec<&str> = rows.iter().filter_map(|row| row.problem.as_deref()).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

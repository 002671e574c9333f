//! Faults of real ensembles: each must raise the right alert at the webhook through real Prometheus and Alertmanager,
//! with the right labels and text, and the alert must resolve when the fault ends. All durations in the rules are
//! divided by `bench::FACTOR`.
//!
//! - `long` runs all faults, also those of `lists`, `members`, `partition` and `placement`, and writes a table to `docs/alerts.md`.
//! - `flapping` has intermittent faults, `clusters` two ensembles of the same name.
//! - `ramps` tests early warning.
//!
//! A bare `cargo test` runs none of them: see `scripts/test long faults`, `long ramps` and `long steady`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "readability over speed in tests")]
#![allow(unreachable_pub, reason = "each test binary is its own crate")]
#![allow(missing_docs, reason = "test names describe the tests")]
#![allow(clippy::print_stdout, reason = "progress of the table")]
#![allow(clippy::float_cmp, reason = "flags are 0 or 1")]
#![allow(clippy::too_many_lines, reason = "a test lists its faults in sequence")]
#![allow(clippy::disallowed_methods, reason = "these tests have no async runtime and wait by sleeping")]

#[path = "../states/apart.rs"]
#[allow(dead_code, reason = "shared with the state tests")]
mod apart;
mod bench;
mod causes;
mod clusters;
#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod common;
mod flapping;
mod lists;
#[path = "../ensemble/live.rs"]
#[allow(dead_code, reason = "shared with the tests on real ensembles")]
mod live;
mod long;
mod members;
mod partition;
mod placement;
mod quiet;
mod ramps;
mod routes;
mod short;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use bench::Bench;

/// Serialises the tests: each runs three JVMs, Prometheus and Alertmanager.
static ALONE: Mutex<()> = Mutex::new(());

/// The alert expected for a fault.
struct Expected<'e> {
    fault: &'e str,
    alert: &'e str,
    severity: &'e str,
    /// The label `member`, for alerts about a single member.
    member: Option<&'e str>,
    /// Text that the description must contain.
    says: &'e str,
}

/// A row of the table.
struct Row {
    fault: String,
    alert: String,
    severity: String,
    fires: f64,
    resolves: f64,
    /// The cause reported by `why` when the alert fired.
    named: Option<causes::Named>,
    /// Why the row failed, if it did.
    problem: Option<String>,
}

/// Injects the fault, waits for its alert, removes the fault and waits until the alert is resolved. The fault is also
/// removed if its alert does not fire, so that the next one starts with a healthy ensemble.
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
    // An alert that is still firing from the previous fault would not be notified again.
    let earlier = format!("ALERTS{{alertname=\"{}\",alertstate=\"firing\"}}", expected.alert);
    bench.until("the alert of the fault before has ended", || bench.query(&earlier).is_none());
    std::thread::sleep(Duration::from_secs(2));
    let begun = Instant::now();
    fault(bench);
    let fired = bench.notice(begun, within, is_it("firing"));
    let named = fired.as_ref().ok().and_then(|notice| causes::named(bench, notice));
    let mended = Instant::now();
    mend(bench);
    let mut row = Row {
        fault: expected.fault.to_owned(),
        alert: expected.alert.to_owned(),
        severity: expected.severity.to_owned(),
        fires: f64::NAN,
        resolves: f64::NAN,
        named,
        problem: None,
    };
    match fired {
        Err(said) => row.problem = Some(format!("{}: {} does not fire; {said}", expected.fault, expected.alert)),
        Ok(fired) => {
            row.fires = fired.at.duration_since(begun).as_secs_f64();
            row.problem = wrong(&fired, expected);
            // A slow fault and its alert may be over before the fault is removed.
            match bench.notice(fired.at, within, is_it("resolved")) {
                Ok(resolved) => row.resolves = resolved.at.saturating_duration_since(mended).as_secs_f64(),
                Err(said) => {
                    row.problem = Some(format!("{}: {} does not end; {said}", expected.fault, expected.alert));
                }
            }
        }
    }
    println!("| {} | {} | {} | {:.1} | {:.1} |", row.fault, row.alert, row.severity, row.fires, row.resolves);
    println!("{}", causes::told(&row));
    if let Some(problem) = &row.problem {
        println!("{problem}");
    }
    row
}

/// Describes the mismatch in labels or text of a notification, if any.
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

/// Panics if any fault failed.
fn assert_well(rows: &[Row]) {
    let problems: Vec<&str> = rows.iter().filter_map(|row| row.problem.as_deref()).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

//! Runs `promtool test rules`, and extracts the alerts that fired.
//!
//! promtool prints the result of an expression where none was expected. Each evaluation therefore expects no firing alert;
//! the watchdog always fires, so an evaluation without output is an error of the run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An alert that fired.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Firing {
    /// Name without `ZooKeeper`.
    pub alert: String,
    /// Labels without name and state.
    pub labels: BTreeMap<String, String>,
}

/// The alerts that fired, and the minutes of the evaluation.
pub type Fired = BTreeMap<Firing, Vec<f64>>;

/// The alert that always fires.
const WATCHDOG: &str = "ZooKeeperWatchdog";

/// Runs a test on series with samples and evaluations every `interval` seconds, up to `seconds`.
pub fn run(folder: &Path, rules: &[PathBuf], input_series: &str, interval: u64, seconds: u64) -> Fired {
    let files: Vec<String> = rules.iter().map(|file| file.display().to_string()).collect();
    let mut text = format!(
        "rule_files: [{}]\nevaluation_interval: {interval}s\ntests:\n  - interval: {interval}s\n    input_series:\n{input_series}    promql_expr_test:\n",
        files.join(", ")
    );
    let moments: Vec<u64> = (0..=seconds / interval).map(|number| number * interval).collect();
    for moment in &moments {
        writeln!(text, "      - {{expr: 'ALERTS{{alertstate=\"firing\"}}', eval_time: {moment}s, exp_samples: []}}")
            .unwrap();
    }
    let file = folder.join("test.yml");
    std::fs::write(&file, text).unwrap();
    let output = Command::new("promtool").args(["test", "rules"]).arg(&file).output().expect("promtool runs");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let (fired, seen) = read(&said);
    assert_eq!(seen, moments.len(), "promtool did not speak of every moment: {}", said.get(..2000).unwrap_or(&said));
    fired
}

/// The alerts that fired according to promtool's output, and the number of reported evaluations.
fn read(said: &str) -> (Fired, usize) {
    let (mut fired, mut seen, mut minute) = (Fired::new(), 0, 0.0);
    for line in said.lines() {
        if let Some((_, time)) = line.split_once(", time: ") {
            minute = seconds_of(time.trim_end_matches(',')) / 60.0;
        } else if let Some(got) = line.trim_start().strip_prefix("got: ") {
            seen += usize::from(got.contains(WATCHDOG));
            for series in got.split("{__name__=\"ALERTS\", ").skip(1) {
                let labels = labels_of(series);
                let alert = labels.get("alertname").cloned().unwrap_or_default();
                if alert == WATCHDOG {
                    continue;
                }
                let alert = alert.trim_start_matches("ZooKeeper").to_owned();
                let mut labels = labels;
                labels.retain(|name, _| name != "alertname" && name != "alertstate");
                fired.entry(Firing { alert, labels }).or_default().push(minute);
            }
        }
    }
    (fired, seen)
}

fn labels_of(series: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = series;
    while let Some((name, behind)) = rest.split_once("=\"") {
        let Some((value, more)) = behind.split_once('"') else { break };
        labels.insert(name.to_owned(), value.to_owned());
        let Some(next) = more.strip_prefix(", ") else { break };
        rest = next;
    }
    labels
}

/// Converts `1h2m3s` to seconds.
fn seconds_of(text: &str) -> f64 {
    let (mut total, mut number) = (0.0, 0.0);
    for character in text.chars() {
        match character {
            'h' => total += std::mem::take(&mut number) * 3600.0,
            'm' => total += std::mem::take(&mut number) * 60.0,
            's' => total += std::mem::take(&mut number),
            'd' => total += std::mem::take(&mut number) * 86_400.0,
            digit => number = number * 10.0 + f64::from(digit.to_digit(10).unwrap_or(0)),
        }
    }
    total
}

#[test]
fn promtool_output_is_parsed() {
    let said = "    expr: \"x\", time: 1h2m3s,\n        exp: nil\n        got: {__name__=\"ALERTS\", alertname=\"ZooKeeperA\", \
        alertstate=\"firing\", ensemble=\"e\", severity=\"warning\"} 1E+00, {__name__=\"ALERTS\", \
        alertname=\"ZooKeeperWatchdog\", alertstate=\"firing\", severity=\"info\"} 1E+00\n";
    let (fired, seen) = read(said);
    let labels = [("ensemble", "e"), ("severity", "warning")].map(|(name, value)| (name.into(), value.into())).into();
    assert_eq!((fired, seen), ([(Firing { alert: "A".into(), labels }, vec![62.05])].into(), 1));
}

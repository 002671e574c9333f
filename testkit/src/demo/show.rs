//! The texts of the demo: addresses, faults to try, and alerts.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::parts::{FACTOR, Parts};
use super::processes::Processes;
use super::prometheus::page;
use super::screen::{Colours, Screen};
use crate::failure::Failure;
use crate::wait;

struct Trial {
    fault: &'static str,
    /// The command that ends the fault.
    end: &'static str,
    /// The alerts to expect, each with a delay in seconds in addition to its `for`: a scrape, an evaluation, and the range of
    /// the rule.
    alerts: &'static [(&'static str, u64)],
}

const TRIALS: [Trial; 2] = [
    Trial {
        fault: "kill leader",
        end: "restart down",
        alerts: &[("ZooKeeperMemberDown", 3), ("ZooKeeperQuorumMarginZero", 15)],
    },
    Trial { fault: "pause follower", end: "resume paused", alerts: &[("ZooKeeperMemberDown", 3)] },
];

pub(super) fn table(screen: &Screen, lines: &[String]) -> std::io::Result<()> {
    let Colours { bold, plain, .. } = screen.colours;
    let mut text = String::from("\n");
    for (number, line) in lines.iter().enumerate() {
        text += &if number == 0 { format!("  {bold}{line}{plain}\n") } else { format!("  {line}\n") };
    }
    screen.print(&text)
}

pub(super) fn places(processes: &Processes, parts: &Parts) -> std::io::Result<()> {
    // Debian's Prometheus has the page of alerts at another path, and its Alertmanager has no pages.
    let alerts = page(parts.prometheus, &["/alerts", "/classic/alerts"]).unwrap_or("/");
    let manager = if page(parts.alertmanager, &["/"]).is_some() {
        format!("http://127.0.0.1:{}/", parts.alertmanager)
    } else {
        format!("amtool --alertmanager.url=http://127.0.0.1:{} alert query", parts.alertmanager)
    };
    processes.screen.print(&format!(
        "\n  status page   http://127.0.0.1:{exporter}/\n  \
           metrics       http://127.0.0.1:{exporter}/metrics\n  \
           alerts        http://127.0.0.1:{}{alerts}\n  \
           Alertmanager  {manager}\n  \
           logs          {}\n",
        parts.prometheus,
        processes.dir.display(),
        exporter = parts.exporter,
    ))
}

/// The available faults, each with the alerts of the loaded rules for it.
pub(super) fn trials(processes: &Processes, waits: &BTreeMap<String, u64>) -> std::io::Result<()> {
    let Colours { bold, dim, plain, .. } = processes.screen.colours;
    let script = crate::root().join("scripts/ensemble");
    let folder = processes.dir.join("zk");
    let ensemble = format!("{} --dir {}", word(&script.to_string_lossy()), word(&folder.to_string_lossy()));
    let mut text =
        format!("\n{bold}Try from another terminal{plain} (all durations of the rules are divided by {FACTOR}):\n");
    for Trial { fault, end, alerts } in TRIALS {
        let hints: Vec<String> = alerts
            .iter()
            .filter_map(|(alert, more)| Some(format!("{alert} in about {} s", waits.get(*alert)? + more)))
            .collect();
        if hints.is_empty() {
            continue;
        }
        text += &format!("  {ensemble} {fault}\n      {dim}{}{plain}\n", hints.join(", "));
        text += &format!("  {ensemble} {end}\n      {dim}resolved some seconds later{plain}\n");
    }
    processes.screen.print(&text)
}

/// A word for the shell, with quotes if it needs them.
fn word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,=".contains(&byte);
    if text.bytes().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Prints alerts until the time is over; without a time, until the user ends the demo.
pub(super) fn alerts(
    processes: &mut Processes,
    seconds: u64,
    member_width: usize,
    lines: &Receiver<String>,
) -> Result<(), Failure> {
    let Colours { bold, dim, plain, .. } = processes.screen.colours;
    let until = if seconds > 0 { format!("for {seconds} s") } else { "Ctrl-C ends the demo".to_owned() };
    processes.screen.print(&format!("\n{bold}Alerts as they fire{plain} ({until}):\n"))?;
    processes.forget_ended();
    let begun = Instant::now();
    let whole = Duration::from_secs(seconds);
    while seconds == 0 || begun.elapsed() < whole {
        processes.proceed()?;
        if processes.screen.live && seconds > 0 {
            let left = whole.saturating_sub(begun.elapsed()).as_millis().div_ceil(1000);
            processes.screen.print(&format!("{dim}{left} s left{plain}"))?;
        }
        wait::pause(Duration::from_millis(200));
        for line in lines.try_iter() {
            let fields: Vec<&str> = line.split('\t').collect();
            if let Ok(fields) = fields.try_into() {
                alert(&processes.screen, fields, member_width)?;
            }
        }
        processes.report_ended();
    }
    processes.screen.clear();
    Ok(())
}

/// Prints an alert: time, FIRING or RESOLVED, severity, name, ensemble, member, summary.
fn alert(screen: &Screen, fields: [&str; 7], member_width: usize) -> std::io::Result<()> {
    let [time, status, severity, name, ensemble, member, summary] = fields;
    let Colours { red, yellow, green, plain, .. } = screen.colours;
    let colour = match (status, severity) {
        ("FIRING", "critical") => red,
        ("FIRING", _) => yellow,
        _ => green,
    };
    let state = format!("{status:<8}  {severity:<8}  {name:<28}");
    let mut of = format!("  {ensemble:<4}  {member:<width$}  ", width = member_width + 1);
    // A summary that does not fit on the line of a terminal has a line of its own.
    let width = time.len() + 2 + state.len() + of.len() + summary.chars().count();
    if screen.live && width > Screen::width() {
        of = format!("{}\n          ", of.trim_end());
    }
    screen.print(&format!("{time}  {colour}{state}{plain}{of}{summary}\n"))
}

//! The parts of the demo, in the order in which they start.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::processes::{AtDeath, Output, Processes};
use super::prometheus::Prometheus;
use crate::ensemble;
use crate::failure::{Failure, fail};
use crate::wait;

const PARTICIPANTS: usize = 3;
const OBSERVERS: usize = 1;
const SCRAPE_SECONDS: u32 = 2;
/// Divisor of the durations in the alert rules.
pub(super) const FACTOR: u32 = 10;
/// Seconds; three scrapes.
const SHORTEST_RANGE: u32 = 6;
/// Operations per second of the load.
const RATE: u32 = 40;
const MEMBERS_TIMEOUT: Duration = Duration::from_mins(1);

/// The ports of the servers.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) exporter: u16,
    pub(super) alertmanager: u16,
    pub(super) prometheus: u16,
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn script(name: &str) -> String {
    crate::root().join("scripts/lib").join(name).display().to_string()
}

/// Debian's Python is preferred to one of a version manager.
fn python() -> String {
    let debian = "/usr/bin/python3";
    if Path::new(debian).exists() { debian } else { "python3" }.to_owned()
}

/// Builds the exporter; returns its path.
pub(super) fn build(processes: &mut Processes) -> Result<PathBuf, Failure> {
    let mut step = processes.screen.begin("build", "building the exporter")?;
    if !processes.screen.live {
        processes.screen.print("  build         building the exporter; the first time takes minutes\n")?;
    }
    let messages = processes.dir.join("build.json");
    let cargo = "exec cargo build --release --locked --message-format=json-render-diagnostics >\"$0\"";
    let mut command = words(["env", "CARGO_TERM_COLOR=never", "CARGO_TERM_PROGRESS_WHEN=always"]);
    command.push("CARGO_TERM_PROGRESS_WIDTH=80".to_owned());
    // A relative directory is relative to the directory where cargo is called.
    if let Some(target) = std::env::var_os("CARGO_TARGET_DIR").filter(|target| !target.is_empty()) {
        command.push(format!("CARGO_TARGET_DIR={}", std::path::absolute(target)?.display()));
    }
    command.extend(words(["sh", "-c", cargo]));
    command.push(messages.display().to_string());
    let place = processes.launch(AtDeath::Term, "build", &command)?;
    let log = processes.log("build");
    processes.await_end(place, &mut step, "cargo could not build the exporter", |step| {
        if let Some((done, all)) = compiled(&log) {
            step.text = format!("building the exporter, {done} of {all} parts");
        }
    })?;
    let text = std::fs::read_to_string(messages)?;
    let executable = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    };
    let Some(exporter) = text.lines().rev().find_map(executable) else {
        return fail("cargo built no binary; see: cargo build --release --locked");
    };
    let version = Command::new(&exporter).arg("--version").output()?;
    let version = String::from_utf8_lossy(&version.stdout).lines().next().unwrap_or_default().to_owned();
    processes.screen.end(&step, &version)?;
    Ok(exporter)
}

/// The count from the progress bar of cargo.
fn compiled(log: &Path) -> Option<(u32, u32)> {
    let bytes = std::fs::read(log).ok()?;
    let end = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(300)..]).into_owned();
    let (_, bar) = end.rsplit_once("Building [")?;
    let (_, counts) = bar.split_once("] ")?;
    let (done, rest) = counts.split_once('/')?;
    let all: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((done.parse().ok()?, all.parse().ok()?))
}

/// Starts the ensemble; returns the addresses of its members, and the same with the mark of the observer.
pub(super) fn start_ensemble(processes: &mut Processes) -> Result<(Vec<String>, String), Failure> {
    let mut step = processes.screen.begin("ensemble", "starting ZooKeeper")?;
    let dir = processes.dir.join("zk");
    let own = std::env::current_exe()?.display().to_string();
    let mut command = vec![own, "ensemble".to_owned(), "--dir".to_owned(), dir.display().to_string()];
    command.extend(words(["start", "--members", &PARTICIPANTS.to_string(), "--observers", &OBSERVERS.to_string()]));
    command.extend(words(["--with-pid", &std::process::id().to_string()]));
    let place = processes.launch(AtDeath::Term, "ensemble", &command)?;
    processes.await_end(place, &mut step, "the ensemble did not start", |_| ())?;
    processes.screen.end(&step, &format!("{PARTICIPANTS} participants, {OBSERVERS} observer"))?;
    let members = ensemble::members(&dir, false)?.split(',').map(str::to_owned).collect();
    Ok((members, ensemble::members(&dir, true)?))
}

pub(super) fn start_load(processes: &mut Processes, members: &[String]) -> Result<(), Failure> {
    let step = processes.screen.begin("load", "starting clients")?;
    let command = [&python(), "-IBu", &script("zk_load.py"), "--rate", &RATE.to_string(), &members.join(",")];
    processes.launch(AtDeath::Kill, "load", &words(command))?;
    Ok(processes.screen.end(&step, &format!("{} clients, {RATE} operations a second", members.len()))?)
}

pub(super) fn start_exporter(processes: &mut Processes, binary: &Path, members: &str) -> Result<u16, Failure> {
    let step = processes.screen.begin("exporter", "starting")?;
    let command = [
        &binary.display().to_string(),
        "--web.listen-address",
        "127.0.0.1:{port}",
        "--zookeeper",
        &format!("demo={members}"),
    ];
    let server = processes.serve(&step, ("exporter", 9141, "/-/ready"), Output::Log, &words(command))?;
    processes.screen.end(&step, &format!("ensemble `demo`, port {}", server.port))?;
    Ok(server.port)
}

/// Starts Alertmanager and its webhook; returns the port, and the lines of the webhook.
pub(super) fn start_alertmanager(processes: &mut Processes) -> Result<(u16, Receiver<String>), Failure> {
    let step = processes.screen.begin("alertmanager", "starting")?;
    let command = words([&python(), "-IB", &script("alert_log.py"), "{port}"]);
    let webhook = processes.serve(&step, ("webhook", 9099, "/"), Output::Pipe, &command)?;
    let (sender, lines) = channel();
    if let Some(output) = webhook.output {
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
    }
    let folder = processes.dir.join("alertmanager");
    std::fs::create_dir_all(&folder)?;
    let configuration = folder.join("alertmanager.yml");
    std::fs::write(&configuration, routes(webhook.port) + &inhibitions())?;
    let command = [
        "prometheus-alertmanager",
        "--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        &format!("--config.file={}", configuration.display()),
        &format!("--storage.path={}", folder.join("data").display()),
        "--log.level=warn",
    ];
    let server = processes.serve(&step, ("alertmanager", 9093, "/-/ready"), Output::Log, &words(command))?;
    processes.screen.end(&step, &format!("port {}, its webhook on port {}", server.port, webhook.port))?;
    Ok((server.port, lines))
}

fn routes(webhook: u16) -> String {
    format!(
        "\
# Every alert at once and on its own to the webhook of the demo.
route:
  receiver: webhook
  group_by: ['...']
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 4h
  routes:
    # Fires always, which is no news here.
    - matchers: [alertname = ZooKeeperWatchdog]
      receiver: none
receivers:
  - name: none
  - name: webhook
    webhook_configs:
      - url: http://127.0.0.1:{webhook}/
        send_resolved: true
"
    )
}

/// The recommended inhibition rules.
fn inhibitions() -> String {
    let shipped = crate::root().join("deploy/alertmanager/alertmanager.yml");
    let text = std::fs::read_to_string(shipped).unwrap_or_default();
    let mut lines = text.lines().skip_while(|line| !line.starts_with("inhibit_rules:"));
    let head = lines.next().into_iter();
    let body = lines.take_while(|line| !line.starts_with(|first: char| first.is_ascii_lowercase()));
    head.chain(body).map(|line| format!("{line}\n")).collect()
}

/// Starts Prometheus; returns its port, and the `for` of each alert in seconds.
pub(super) fn start_prometheus(
    processes: &mut Processes,
    parts: &Parts,
) -> Result<(u16, BTreeMap<String, u64>), Failure> {
    let step = processes.screen.begin("prometheus", "starting")?;
    let folder = processes.dir.join("prometheus");
    std::fs::create_dir_all(folder.join("rules"))?;
    let (rules, waits) = quick_rules(&folder.join("rules"))?;
    let configuration = folder.join("prometheus.yml");
    std::fs::write(
        &configuration,
        format!(
            "\
# Prometheus of the demo: frequent scrapes, and rules with their durations divided by {FACTOR}.
global:
  scrape_interval: {SCRAPE_SECONDS}s
  scrape_timeout: 1500ms
  evaluation_interval: 1s
rule_files:
  - rules/*.yml
alerting:
  alertmanagers:
    - static_configs:
        - targets: ['127.0.0.1:{}']
scrape_configs:
  - job_name: zookeeper
    static_configs:
      - targets: ['127.0.0.1:{}']
",
            parts.alertmanager, parts.exporter
        ),
    )?;
    let command = [
        "prometheus",
        "--web.listen-address=127.0.0.1:{port}",
        &format!("--config.file={}", configuration.display()),
        &format!("--storage.tsdb.path={}", folder.join("data").display()),
        "--log.level=warn",
    ];
    let server = processes.serve(&step, ("prometheus", 9090, "/-/ready"), Output::Log, &words(command))?;
    processes.screen.end(
        &step,
        &format!(
            "port {}, scrapes every {SCRAPE_SECONDS} s, {rules} alert rules with durations divided by {FACTOR}",
            server.port
        ),
    )?;
    Ok((server.port, waits))
}

/// Writes the shipped rules with shorter durations; returns the number of alerts, and the `for` of each in seconds. If an
/// alert has two levels, the first one to fire counts.
fn quick_rules(folder: &Path) -> Result<(usize, BTreeMap<String, u64>), Failure> {
    let entries = std::fs::read_dir(crate::root().join("alert-rules"))?.flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "yml")).collect();
    files.sort();
    if files.is_empty() {
        return fail("there are no rules in alert-rules/");
    }
    let written = Command::new(python())
        .args(["-IB", &script("quick_rules.py"), &FACTOR.to_string(), &SHORTEST_RANGE.to_string()])
        .arg(folder)
        .args(files)
        .output()?;
    if !written.status.success() {
        let error = String::from_utf8_lossy(&written.stderr).trim_end().to_owned();
        return fail(format!("the rules in alert-rules/ could not be copied: {error}"));
    }
    let (mut number, mut waits) = (0, BTreeMap::new());
    for line in String::from_utf8_lossy(&written.stdout).lines() {
        if let [name, _, wait] = line.split(' ').collect::<Vec<_>>()[..]
            && let Ok(wait) = wait.parse::<u64>()
        {
            number += 1;
            waits.entry(name.to_owned()).and_modify(|first: &mut u64| *first = wait.min(*first)).or_insert(wait);
        }
    }
    Ok((number, waits))
}

pub(super) fn await_members(processes: &Processes, prometheus: &Prometheus) -> Result<(), Failure> {
    let step = processes.screen.begin("members", "waiting until Prometheus has all members")?;
    let deadline = Instant::now() + MEMBERS_TIMEOUT;
    loop {
        let missing = prometheus.missing();
        if missing.is_empty() {
            break;
        }
        if Instant::now() >= deadline {
            let why = format!("after 60 s Prometheus does not hold zk_up 1 for {}", missing.join(", "));
            return processes.fail_with_log("exporter", &why);
        }
        processes.proceed()?;
        processes.screen.show(&step)?;
        wait::pause(Duration::from_millis(200));
    }
    let text = format!("all {} up, reported by Prometheus", prometheus.members.len());
    Ok(processes.screen.end(&step, &text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_the_last_count_of_cargo() {
        let file = std::env::temp_dir().join(format!("testkit-progress-{}", std::process::id()));
        std::fs::write(&file, "   Compiling a\r    Building [=>  ] 9/180: a\r    Building [==> ] 12/180: b, c(bin)")
            .unwrap();
        assert_eq!(compiled(&file), Some((12, 180)));
        std::fs::write(&file, "   Compiling a\n").unwrap();
        assert_eq!(compiled(&file), None);
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn the_shipped_inhibitions_are_copied_whole() {
        let text = inhibitions();
        assert!(text.starts_with("inhibit_rules:\n") && text.matches("source_matchers").count() > 3);
        assert!(!text.contains("receivers:"));
    }
}

//! Early warning on a real ensemble: slow ramps must warn before they become critical, and steady load must not warn.
//! `./scripts/test long ramps` writes the table of `docs/validation/early-warning.md`; `./scripts/test long steady`
//! runs the steady load.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use crate::ALONE;
use crate::bench::{Bench, Notice, Script, slow_fsync};
use crate::common::root;
use crate::live::Ensemble;

/// Divisor for the durations of the rules: the one-day baseline becomes 24 minutes.
const FACTOR: u64 = 60;

/// Opens sessions with the raw protocol at a given rate and keeps them alive with pings: a client library would need a
/// thread for each.
const SESSIONS: &str = "
import socket, struct, sys, time
host, port, rate, most = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
hello = struct.pack('>iqiqi', 0, 0, 40000, 0, 16) + bytes(16) + b'\\0'
ping = struct.pack('>iii', 8, -2, 11)
held, begun, pinged = [], time.time(), time.time()
while True:
    if len(held) < min(most, (time.time() - begun) * rate):
        try:
            one = socket.create_connection((host, port), timeout=5)
            one.sendall(struct.pack('>i', len(hello)) + hello)
            held.append(one)
        except OSError:
            time.sleep(0.2)
    else:
        time.sleep(0.02)
    if time.time() - pinged > 5:
        pinged = time.time()
        for one in held:
            try: one.setblocking(False); one.sendall(ping)
            except OSError: pass
            try: one.recv(65536)
            except OSError: pass
";

const CLIENT: &str = "
import sys, time
from kazoo.client import KazooClient
zk = KazooClient(hosts=sys.argv[1], timeout=20)
zk.start(timeout=30)
zk.ensure_path('/ramp')
begun = time.time()
def passed(): return time.time() - begun
";

/// The course of a ramp, in seconds from its start.
struct Ramp {
    name: &'static str,
    limits: &'static str,
    /// All warnings about the ramp, in order of arrival.
    warnings: Vec<(f64, String)>,
    critical: Option<f64>,
    begun: SystemTime,
}

/// The definition of a ramp.
struct Plan {
    name: &'static str,
    limits: &'static str,
    /// The alert whose critical level marks the fault.
    alert: &'static str,
}

fn python(code: &str, arguments: &[&str]) -> Script {
    let listed: Vec<String> = arguments.iter().map(|argument| format!("{argument:?}")).collect();
    Script::start(&format!("import sys\nsys.argv = ['-', {}]\n{code}", listed.join(", ")))
}

/// Runs `step` every half second, with the seconds since the start, until the critical alert fires.
fn climb(bench: &Bench, plan: &Plan, member: &str, mut step: impl FnMut(f64)) -> Ramp {
    let quiet = "count(ALERTS{alertstate=\"firing\",severity!=\"info\"})";
    bench.until("nothing fires before the ramp", || bench.query(quiet).is_none());
    // A recent start suppresses the indicators, and alerts that fired before must not fire again.
    bench.until("no member has just started", || bench.query("count(member:zk_restarted:group15m)").is_none());
    let (begun, clock) = (Instant::now(), SystemTime::now());
    let about = |notice: &Notice| {
        let label = |name: &str| notice.labels.get(name).map(String::as_str);
        notice.status == "firing" && label("member").is_none_or(|about| about == member)
    };
    let mut critical = None;
    while critical.is_none() && begun.elapsed() < Duration::from_mins(5) {
        step(begun.elapsed().as_secs_f64());
        std::thread::sleep(Duration::from_millis(500));
        critical = bench.since(begun).into_iter().find(|notice| {
            about(notice) && notice.labels["severity"] == "critical" && notice.labels["alertname"] == plan.alert
        });
    }
    let after = |notice: &Notice| notice.at.duration_since(begun).as_secs_f64();
    let early = ["ZooKeeperMemberRisk", "ZooKeeperEnsembleRisk", "ZooKeeperUnusualIndicator", plan.alert];
    let warnings = bench.since(begun).into_iter().filter(|notice| {
        about(notice) && notice.labels["severity"] == "warning" && early.contains(&notice.labels["alertname"].as_str())
    });
    let mut named: Vec<(f64, String)> =
        warnings.map(|notice| (after(&notice), notice.labels["alertname"].clone())).collect();
    named.sort_by(|one, other| one.0.total_cmp(&other.0));
    let ramp = Ramp {
        name: plan.name,
        limits: plan.limits,
        warnings: named,
        critical: critical.as_ref().map(after),
        begun: clock,
    };
    println!("{}", ramp.line());
    ramp
}

impl Ramp {
    fn line(&self) -> String {
        let (first, which) = self.warnings.first().map_or((f64::NAN, "-"), |(at, name)| (*at, name));
        let risk = self.warnings.iter().find(|(_, name)| name.ends_with("Risk")).map_or(f64::NAN, |(at, _)| *at);
        let critical = self.critical.unwrap_or(f64::NAN);
        #[expect(clippy::cast_precision_loss, reason = "60")]
        let real = (critical - first) * FACTOR as f64 / 60.0;
        format!(
            "| {} | {} | {which} | {first:.1} | {risk:.1} | {critical:.1} | {:.1} | {real:.0} |",
            self.name,
            self.limits,
            critical - first
        )
    }

    fn problem(&self) -> Option<String> {
        match (self.warnings.first(), self.critical) {
            (_, None) => Some(format!("{}: the critical alert did not fire", self.name)),
            (None, _) => Some(format!("{}: no warning came", self.name)),
            (Some((first, _)), Some(critical)) if *first >= critical => {
                Some(format!("{}: the critical alert fired before the warning", self.name))
            }
            _ => None,
        }
    }
}

/// The index of a member in the list, its address, and host and port of the address.
fn member<'m>(ensemble: &Ensemble, members: &'m [String], role: &str) -> (String, &'m str, &'m str, &'m str) {
    let id = ensemble.run(&["mode", role]).lines().next().unwrap().to_owned();
    let address = &members[id.parse::<usize>().unwrap() - 1];
    let (host, port) = address.split_once(':').unwrap();
    (id, address, host, port)
}

fn process(ensemble: &Ensemble, id: &str) -> String {
    let status = ensemble.run(&["status"]);
    let mut lines = status.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    (*lines.find(|words| words.first() == Some(&id)).unwrap().last().unwrap()).to_owned()
}

#[test]
fn ramps_warn_before_the_alert_fires() {
    let _alone = ALONE.lock();
    let folder = tempfile::tempdir().unwrap();
    let delay = folder.path().join("delay");
    let preload = [("LD_PRELOAD", slow_fsync(folder.path())), ("SLOW_FSYNC", delay.clone())];
    let ensemble = Ensemble::start_with(&preload, &["--cfg", "maxClientCnxns=0"]);
    let members = ensemble.members();
    let config = format!(
        "ensembles: [{{name: e, members: [{}]}}]\nalerts:\n  thresholds:\n    WatchesHigh: {{warning: 1000, critical: 3000}}\n    \
         DataSizeHigh: {{warning: 10MiB, critical: 30MiB}}\n    ConnectionsHigh: {{warning: 100, critical: 300}}\n    SlowWrites: off\n    EnsembleRisk: off\n    DataGrowth: off\n",
        members.join(", ")
    );
    let bench = Bench::start_with(&config, 1, FACTOR);
    let _load = Script::load(&members.join(","));
    let (id, follower, host, port) = member(&ensemble, &members, "follower");
    let delayed = |milliseconds: f64| std::fs::write(&delay, format!("{}", milliseconds.round())).unwrap();
    let mut ramps = Vec::new();

    {
        let plan = Plan {
            name: "outstanding requests, 2.5 more a second in flight over a disk of 60 ms",
            limits: "10, 100",
            alert: "ZooKeeperOutstandingRequests",
        };
        let in_flight = format!(
            "{CLIENT}flying = []\nwhile True:\n  flying = [one for one in flying if not one.ready()]\n  while len(flying) < passed() * 2.5:\n    flying.append(zk.set_async('/ramp', b'x'))\n  time.sleep(0.01)\n"
        );
        delayed(60.0);
        let mut client = None;
        ramps.push(climb(&bench, &plan, follower, |_| {
            client.get_or_insert_with(|| python(&in_flight, &[follower]));
        }));
        drop(client);
        delayed(0.0);
    }
    {
        let plan = Plan { name: "connections, 6 more a second", limits: "100, 300", alert: "ZooKeeperConnectionsHigh" };
        let mut clients = None;
        ramps.push(climb(&bench, &plan, follower, |_| {
            clients.get_or_insert_with(|| python(SESSIONS, &[host, port, "6", "1000"]));
        }));
    }
    {
        let plan = Plan { name: "watches, 60 more a second", limits: "1000, 3000", alert: "ZooKeeperWatchesHigh" };
        let watch = format!(
            "{CLIENT}number = 0\nwhile True:\n  while number < passed() * 60:\n    zk.exists('/ramp/%d' % number, watch=print)\n    number += 1\n  time.sleep(0.01)\n"
        );
        let mut client = None;
        ramps.push(climb(&bench, &plan, follower, |_| {
            client.get_or_insert_with(|| python(&watch, &[follower]));
        }));
    }
    {
        let plan = Plan {
            name: "file descriptors, 6 more a second of 600",
            limits: "80 %, 95 %",
            alert: "ZooKeeperFileDescriptors",
        };
        let limit = format!("--nofile={}:", 600);
        assert!(Command::new("prlimit").args(["--pid", &process(&ensemble, &id), &limit]).status().unwrap().success());
        bench.until("the limit is seen", || {
            bench.query(&format!("zk_max_file_descriptors{{member=\"{follower}\"}}")).is_some_and(|most| most < 700.0)
        });
        // Up to 97 %: with no descriptor left the member would not reply, and another alert would fire.
        let open = bench.query(&format!("zk_open_file_descriptors{{member=\"{follower}\"}}")).unwrap();
        let most = (0.97 * 600.0 - open).round().to_string();
        let mut clients = None;
        ramps.push(climb(&bench, &plan, follower, |_| {
            clients.get_or_insert_with(|| python(SESSIONS, &[host, port, "6", &most]));
        }));
    }
    {
        let plan =
            Plan { name: "data size, 600 kB more a second", limits: "10 MiB, 30 MiB", alert: "ZooKeeperDataSizeHigh" };
        let fill = format!(
            "{CLIENT}number = 0\nwhile True:\n  while number < passed() * 6:\n    zk.create('/ramp/n%d' % number, bytes(100000))\n    number += 1\n  time.sleep(0.01)\n"
        );
        let mut client = None;
        ramps.push(climb(&bench, &plan, follower, |_| {
            client.get_or_insert_with(|| python(&fill, &[follower]));
        }));
        drop(client);
        python(&format!("{CLIENT}zk.delete('/ramp', recursive=True)\n"), &[follower]).finish();
    }
    {
        let plan =
            Plan { name: "fsync delay, 8 ms more a second", limits: "100 ms, 500 ms", alert: "ZooKeeperSlowFsync" };
        let ramp = climb(&bench, &plan, follower, |passed| delayed(passed * 8.0));
        delayed(0.0);
        draw(&bench, follower, ramp.begun);
        ramps.push(ramp);
    }
    write_table(&ramps, &root().join("docs/validation/early-warning.md"));
    let problems: Vec<String> = ramps.iter().filter_map(Ramp::problem).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The chart of `docs/early-warning.md`: the fsync ramp, from ten seconds before its start until shortly after its
/// alert.
fn draw(bench: &Bench, member: &str, begun: SystemTime) {
    let seconds = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().to_string();
    let drawn = Command::new("/usr/bin/python3")
        .arg("-B")
        .arg(root().join("tests/faults/plot.py"))
        .args([&bench.prometheus_port.to_string(), member, "fsync"])
        .args([seconds(begun - Duration::from_secs(10)), seconds(SystemTime::now())])
        .args(["0.1", "0.5"])
        .arg(root().join("docs/images/early-warning-ramp.svg"))
        .status()
        .unwrap();
    assert!(drawn.success());
}

fn write_table(ramps: &[Ramp], page: &Path) {
    let day = Command::new("date").arg("+%F").output().unwrap();
    let day = String::from_utf8_lossy(&day.stdout).trim().to_owned();
    let lines: Vec<String> = ramps.iter().map(Ramp::line).collect();
    let table = format!(
        "Measured {day} with Debian's ZooKeeper 3.8.0, Prometheus and Alertmanager on one machine of 2 cores, under a load of 40\nrequests a second, all durations in the rules divided by {FACTOR}, scrape and evaluation every second. Seconds from the start of the ramp\nto the webhook. `./scripts/test long ramps` repeats the measurement and writes this table. The last column is the lead time with ramp\nand durations slower by the same factor. Connections and file descriptors are one group: in the ramp of the latter, the limit of the\nformer raises the risk first.\n\n| ramp | warning, critical | first warning | after s | risk after s | alarm after s | lead s | with undivided durations, min |\n|---|---|---|---|---|---|---|---|\n{}\n",
        lines.join("\n")
    );
    let text = std::fs::read_to_string(page).unwrap();
    let heading = "## Slow ramps\n\n";
    let begin = text.find(heading).unwrap() + heading.len();
    let end = text[begin..].find("\n## ").map_or(text.len(), |place| begin + place);
    std::fs::write(page, format!("{}{table}{}", &text[..begin], &text[end..])).unwrap();
}

#[test]
fn steady_load_raises_no_warning() {
    let _alone = ALONE.lock();
    let number = |name: &str, usual: u64| std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap());
    let (minutes, factor) = (number("STEADY_MINUTES", 120), number("STEADY_FACTOR", 1));
    let ensemble = Ensemble::start(&[]);
    let members = ensemble.members();
    let bench = Bench::start_with(&format!("ensembles: [{{name: e, members: [{}]}}]\n", members.join(", ")), 1, factor);
    let _load = Script::load(&members.join(","));
    let begun = Instant::now();
    let mut worst = 0.0_f64;
    while begun.elapsed() < Duration::from_mins(minutes) {
        std::thread::sleep(Duration::from_secs(5));
        worst = worst.max(bench.query("max(member:zk_risk:noisy_or)").unwrap_or(0.0));
        let loud: Vec<Notice> = bench
            .since(begun)
            .into_iter()
            .filter(|notice| notice.labels.get("severity").is_some_and(|severity| severity != "info"))
            .collect();
        assert!(loud.is_empty(), "after {:?}: {loud:#?}", begun.elapsed());
    }
    let written = bench.query("sum(rate(zk_updatelatency_seconds_count[1m]))").unwrap_or(0.0);
    assert!(written > 1.0, "nothing was written: {written} a second");
    println!(
        "{minutes} minutes, durations divided by {factor}: no warning; the largest risk {worst}; {written:.1} writes a second"
    );
}

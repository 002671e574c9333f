//! Probes on real ensembles: host metrics, canary, znodes and alarm thresholds.
#![allow(clippy::disallowed_methods, reason = "these tests have no async runtime and wait by sleeping")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::common::exporter::{Exporter, run};
use crate::common::{Page, root};
use crate::live::{Ensemble, command, scrape, until};

/// A configuration file with one ensemble and the given lines in its module.
pub struct Configured {
    folder: tempfile::TempDir,
}

impl Configured {
    pub fn new(members: &str, module: &str) -> Self {
        let configured = Self { folder: tempfile::tempdir().unwrap() };
        configured.write(members, module);
        configured
    }

    pub fn write(&self, members: &str, module: &str) {
        let module: String = module.lines().map(|line| format!("    {}\n", line.trim_start())).collect();
        let text = format!("ensembles: [{{name: prod, members: [{members}]}}]\nmodules:\n  default:\n{module}");
        std::fs::write(self.file(), text).unwrap();
    }

    /// Appends text to the file.
    pub fn append(&self, text: &str) {
        let so_far = std::fs::read_to_string(self.file()).unwrap();
        std::fs::write(self.file(), so_far + text).unwrap();
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("zookeeper-exporter.yml")
    }

    pub fn start(&self) -> Exporter {
        Exporter::start(&["--config.file", self.file().to_str().unwrap()])
    }

    /// Runs `alarm` with this file and returns its exit code and output.
    pub fn alarm(&self, arguments: &[&str]) -> (i32, String) {
        let mut all = vec!["alarm"];
        all.extend(arguments);
        let file = self.file();
        all.extend(["--config.file", file.to_str().unwrap()]);
        let output = run(&all);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), said)
    }
}

/// Runs the independent client `zk_client.py` and returns its output.
pub fn client(members: &str, arguments: &[&str]) -> String {
    let script = root().join("tests/ensemble/zk_client.py");
    let output = Command::new("/usr/bin/python3").arg(script).arg(members).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn canary_up(page: &Page) -> Option<f64> {
    page.value("zk_canary_up", &[("ensemble", "prod"), ("member", "")])
}

fn canary_time(page: &Page, operation: &str) -> Option<f64> {
    page.value("zk_canary_duration_seconds", &[("member", ""), ("operation", operation)])
}

fn pid(ensemble: &Ensemble, id: &str) -> String {
    let table = ensemble.run(&["status"]);
    let line = table.lines().find(|line| line.split_whitespace().next() == Some(id)).unwrap();
    line.split_whitespace().last().unwrap().to_owned()
}

#[test]
fn the_process_of_each_member_and_its_disks() {
    let ensemble = Ensemble::start(&["--members", "3"]);
    let members = ensemble.members();
    let exporter =
        Configured::new(&format!("{}, 192.0.2.1:2181", members.join(",")), "host: true\ntimeout: 1s").start();
    let page = scrape(&exporter, Duration::from_secs(3));
    for (place, member) in members.iter().enumerate() {
        let value = |name: &str| page.value(name, &[("member", member)]);
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid(&ensemble, &(place + 1).to_string()))).unwrap();
        let fields: Vec<f64> =
            stat.rsplit_once(')').unwrap().1.split_whitespace().map(|text| text.parse().unwrap_or(0.0)).collect();
        let (cpu, threads) = ((fields[11] + fields[12]) / 100.0, fields[17]);
        let told = value("zk_process_cpu_seconds_total").unwrap();
        assert!(told > 0.0 && told <= cpu + 0.02, "{told} of {cpu}");
        assert!((value("zk_process_threads").unwrap() - threads).abs() <= 5.0);
        assert!(value("zk_process_resident_memory_bytes").unwrap() > 2e7);
        assert!(value("zk_process_cpus").unwrap() > 0.0);
        assert!(value("zk_process_open_fds").unwrap() < value("zk_process_max_fds").unwrap());
        assert!(value("zk_process_written_bytes_total").is_some());
        for dir in ["data", "log"] {
            let of = |name: &str| page.value(name, &[("member", member), ("dir", dir)]).unwrap();
            assert!(of("zk_dir_free_bytes") > 0.0 && of("zk_dir_free_bytes") <= of("zk_dir_filesystem_size_bytes"));
            assert!(of("zk_dir_used_bytes") > 0.0, "transaction logs are there");
        }
        assert_eq!(value("zk_host_failure"), None);
    }
    // A remote member has no local process; this is not an error.
    let elsewhere = |series: &&(crate::common::Series, f64)| series.0.label("member") == "192.0.2.1:2181";
    let odd =
        page.series.iter().filter(elsewhere).filter(|(series, _)| {
            ["zk_process", "zk_dir", "zk_host"].iter().any(|begin| series.name.starts_with(begin))
        });
    assert_eq!(odd.count(), 0);

    let before = page.value("zk_process_start_time_seconds", &[("member", &members[0])]).unwrap();
    ensemble.run(&["kill", "1"]);
    let page = scrape(&exporter, Duration::from_secs(3));
    let failure = [("member", members[0].as_str()), ("reason", "no_listener")];
    assert_eq!(page.value("zk_host_failure", &failure), Some(1.0));
    assert_eq!(page.value("zk_process_cpu_seconds_total", &[("member", &members[0])]), None, "no figure of the dead");
    ensemble.run(&["restart", "1", "--wait"]);
    until(&exporter, "the successor's start", |page| {
        page.value("zk_process_start_time_seconds", &[("member", &members[0])]).is_some_and(|start| start > before)
    });
}

/// A TCP proxy that delays each chunk by a configurable number of milliseconds.
fn slow_road(to: String) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, delay) = (listener.local_addr().unwrap().to_string(), Arc::new(AtomicU64::new(0)));
    let later = Arc::clone(&delay);
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let Ok(far) = TcpStream::connect(&to) else { continue };
            for (mut from, mut onto) in
                [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far.try_clone().unwrap(), near)]
            {
                let later = Arc::clone(&later);
                std::thread::spawn(move || {
                    let mut piece = [0; 8192];
                    while let Ok(read @ 1..) = from.read(&mut piece) {
                        std::thread::sleep(Duration::from_millis(later.load(Ordering::Relaxed)));
                        if onto.write_all(&piece[..read]).is_err() {
                            break;
                        }
                    }
                    let _ = onto.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    (address, delay)
}

#[test]
fn the_canary_follows_delay_and_loss_of_quorum() {
    let ensemble = Ensemble::start(&["--members", "3", "--whitelist", "mntr,srvr,conf,ruok"]);
    let members = ensemble.members();
    let (road, delay) = slow_road(ensemble.leader());
    let interval = Duration::from_secs(4);
    let slow = Configured::new(&road, "canary: {interval: 3s}").start();
    let direct = Configured::new(&members.join(","), "canary: {interval: 4s, timeout: 3s, per_member: true}").start();

    let operations = ["create", "read", "update", "watch", "delete"];
    let page = until(&slow, "a quick round", |page| canary_up(page) == Some(1.0));
    assert!(operations.iter().all(|operation| canary_time(&page, operation).is_some_and(|time| time < 0.3)), "quick");
    // 150 ms in each direction.
    delay.store(150, Ordering::Relaxed);
    let page = until(&slow, "slow rounds", |page| {
        operations.iter().all(|operation| canary_time(page, operation).is_some_and(|time| time >= 0.3))
    });
    assert!(operations.iter().all(|operation| canary_time(&page, operation).unwrap() < 1.5), "as slow as the road");
    delay.store(0, Ordering::Relaxed);
    until(&slow, "quick rounds again", |page| canary_time(page, "create").is_some_and(|time| time < 0.3));

    // One canary per member in addition to the one of the ensemble.
    let page = until(&direct, "four canaries", |page| {
        canary_up(page) == Some(1.0)
            && members.iter().all(|member| page.value("zk_canary_up", &[("member", member)]) == Some(1.0))
    });
    assert!(page.value("zk_canary_age_seconds", &[("member", "")]).unwrap() < 8.0);

    // Two of three members are killed: the last one still answers `ruok` with `imok`, and the canary fails within one
    // interval.
    ensemble.run(&["kill", "1"]);
    ensemble.run(&["kill", "2"]);
    let lost = Instant::now();
    until(&direct, "the canary's failure", |page| canary_up(page) == Some(0.0));
    assert!(lost.elapsed() <= interval, "{:?}", lost.elapsed());
    assert_eq!(command(&members[2], "ruok"), "imok");
    // The cycle in progress at that time failed in a different operation.
    let failures = |page: &Page| page.value("zk_canary_failures_total", &[("member", ""), ("operation", "connect")]);
    until(&direct, "a session that cannot be had", |page| failures(page).is_some_and(|count| count >= 1.0));

    for id in ["1", "2"] {
        ensemble.run(&["restart", id]);
    }
    until(&direct, "the canary's recovery", |page| canary_up(page) == Some(1.0));
}

const CANARIES: &str = "/zookeeper-exporter/canary";

fn no_znode_within(members: &str, patience: Duration) {
    let begun = Instant::now();
    loop {
        // A cycle creates and removes its znode within milliseconds, and the listing may happen in between.
        let left = client(members, &["children", CANARIES]);
        if left.is_empty() {
            return;
        }
        assert!(begun.elapsed() < patience, "left behind: {left}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Runs canary cycles, then every way in which an exporter or its session can end.
fn nothing_is_left_behind(rounds: f64) {
    let ensemble = Ensemble::start(&["--members", "3"]);
    let members = ensemble.members().join(",");
    // tickTime is 500 ms, so the minimum session timeout is 1 s.
    let configured = Configured::new(&members, "session: {timeout: 2s}\ncanary: {interval: 1s, per_member: true}");
    let count =
        |page: &Page| page.series.iter().filter(|(s, _)| s.name == "zk_canary_rounds_total").map(|(_, v)| v).sum();
    let deadline = Duration::from_secs_f64(60.0 + rounds);
    let wait_for = |exporter: &Exporter, wanted: f64| {
        let begun = Instant::now();
        loop {
            let page = scrape(exporter, Duration::from_secs(5));
            let done: f64 = count(&page);
            if done >= wanted {
                return page;
            }
            assert!(begun.elapsed() < deadline, "{done} of {wanted} rounds");
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    let znodes = || {
        command(&ensemble.members()[0], "mntr")
            .lines()
            .find_map(|line| line.strip_prefix("zk_ephemerals_count\t").map(str::to_owned))
            .unwrap()
    };

    let exporter = configured.start();
    let page = wait_for(&exporter, rounds);
    let failed: f64 = page.series.iter().filter(|(s, _)| s.name == "zk_canary_failures_total").map(|(_, v)| v).sum();
    // On a busy machine a cycle may exceed its 1 s interval; its znode is removed nevertheless.
    assert!(failed <= rounds / 4.0, "{}", exporter.log());

    // The session expires while the exporter is stopped; it then opens a new one.
    exporter.signal("STOP");
    no_znode_within(&members, Duration::from_secs(15));
    std::thread::sleep(Duration::from_secs(4));
    exporter.signal("CONT");
    let before: f64 = count(&scrape(&exporter, Duration::from_secs(5)));
    wait_for(&exporter, before + 8.0);
    until(&exporter, "rounds that succeed again", |page| canary_up(page) == Some(1.0));

    // SIGKILL: the sessions expire on the ensemble.
    exporter.signal("KILL");
    drop(exporter);
    no_znode_within(&members, Duration::from_secs(15));

    // SIGTERM: the exporter closes its sessions.
    let exporter = configured.start();
    until(&exporter, "a round", |page| canary_up(page) == Some(1.0));
    exporter.signal("TERM");
    assert_eq!(exporter.wait(), 0);
    assert_eq!(client(&members, &["children", CANARIES]), "");
    assert_eq!(znodes(), "0", "no ephemeral znode at all");
}

/// `CANARY_ROUNDS` sets the number of cycles; there are four per second. `scripts/test long canary` runs 1 000.
#[test]
fn no_canary_znode_is_left_behind() {
    nothing_is_left_behind(std::env::var("CANARY_ROUNDS").map_or(20.0, |text| text.parse().expect("a number")));
}

#[test]
fn znodes_alarms_and_every_kind_of_bad_data() {
    let ensemble = Ensemble::start(&["--members", "3"]);
    let members = ensemble.members().join(",");
    let folder = tempfile::tempdir().unwrap();
    let digest = folder.path().join("digest");
    std::fs::write(&digest, "exporter:wrong\n").unwrap();
    client(&members, &["set", "/good", "42.5"]);
    client(&members, &["set", "/text", "high"]);
    client(&members, &["set-size", "/large", "1000000"]);
    client(&members, &["set", "/secret", "7", "exporter:right"]);
    client(&members, &["set", "/app/a/load", "{\"queue\": {\"length\": 3}}"]);
    client(&members, &["set", "/app/b/load", "no json"]);
    client(&members, &["set", "/app/c/other", "1"]);
    client(&members, &["set", "/alarm/text", "loud"]);
    client(&members, &["set", "/brokers/ids", "null"]);
    client(&members, &["set", "/brokers/ids/1", "{\"host\": \"kafka-1\"}"]);
    client(&members, &["set", "/brokers/locked", "7", "other:user"]);
    let module = format!(
        "session: {{digest_file: {}}}\nznodes: {{interval: 1s, paths: [/good, /text, /large, /secret, /none, {{path: /app/*/load, pointer: /queue/length}}, {{path: /brokers/*, value: false}}]}}",
        digest.display()
    );
    let configured = Configured::new(&members, &module);
    let exporter = configured.start();
    let value = |page: &Page, path: &str| page.value("zk_znode_value", &[("path", path)]);
    let page = until(&exporter, "the first reading", |page| value(page, "/good") == Some(42.5));
    let why = |page: &Page, path: &str| -> Vec<String> {
        let of = page.series.iter().filter(|(s, _)| s.name == "zk_znode_failure" && s.label("path") == path);
        of.map(|(series, _)| series.label("reason").to_owned()).collect()
    };
    assert_eq!(why(&page, "/none"), ["no_node"]);
    assert_eq!(why(&page, "/text"), ["not_a_number"]);
    assert_eq!(why(&page, "/large"), ["too_large"]);
    assert_eq!(why(&page, "/secret"), ["no_auth"], "a wrong password");
    assert_eq!(why(&page, "/alarm/text"), ["bad_alarm"]);
    assert_eq!(why(&page, "/app/b/load"), ["pointer"]);
    assert_eq!(why(&page, "/app/c/load"), ["no_node"]);
    assert_eq!(why(&page, "/good"), [] as [&str; 0]);
    assert_eq!(page.value("zk_znode_value", &[("path", "/app/a/load"), ("pointer", "/queue/length")]), Some(3.0));
    assert_eq!(page.value("zk_znode_children", &[("path", "/large")]), Some(0.0));
    // With `value: false` the data does not matter, and before 3.9 neither does the permission to read it.
    let version = page
        .series
        .iter()
        .find_map(|(series, _)| (series.name == "zk_member_info").then(|| series.label("version").to_owned()));
    let checks_exists = version.is_some_and(|version| version.starts_with("3.9."));
    for (path, children, refused) in [("/brokers/ids", 1.0, false), ("/brokers/locked", 0.0, checks_exists)] {
        let reasons: &[&str] = if refused { &["no_auth"] } else { &[] };
        assert_eq!((why(&page, path), value(&page, path)), (reasons.iter().map(ToString::to_string).collect(), None));
        assert_eq!(page.value("zk_znode_children", &[("path", path)]), (!refused).then_some(children), "{path}");
        let changed = page.value("zk_znode_last_change_timestamp_seconds", &[("path", path)]);
        assert_eq!(changed > Some(1.6e9), !refused, "{path}");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let changed = page.value("zk_znode_last_change_timestamp_seconds", &[("path", "/good")]).unwrap();
    assert!((now - changed).abs() < 120.0, "{changed} of {now}");
    for member in ensemble.members() {
        assert_eq!(page.value("zk_mntr_complete", &[("member", &member)]), Some(1.0), "nothing else is disturbed");
    }

    // Correct the password without a restart: the file is read again for the next session.
    std::fs::write(&digest, "exporter:right\n").unwrap();
    configured.write(&members, &format!("{module}\ntimeout: 4s"));
    exporter.signal("HUP");
    until(&exporter, "the secret", |page| value(page, "/secret") == Some(7.0));

    // Alarms are set, exported, listed and cleared.
    let threshold = |page: &Page, path: &str, severity: &str| {
        page.value("zk_znode_alarm_threshold", &[("path", path), ("severity", severity)])
    };
    assert_eq!(configured.alarm(&["set", "/good", "90", "--warning", "80"]).0, 0);
    assert_eq!(client(&members, &["get", "/alarm/good"]), "{\"warning\":80,\"critical\":90}");
    assert_eq!(configured.alarm(&["set", "/app/*/load", "5"]).0, 0);
    until(&exporter, "thresholds", |page| {
        threshold(page, "/good", "warning") == Some(80.0)
            && threshold(page, "/good", "critical") == Some(90.0)
            && threshold(page, "/app/a/load", "critical") == Some(5.0)
    });
    let (code, list) = configured.alarm(&["list"]);
    assert!(code == 0 && list.contains("/good") && list.contains("ok") && list.contains("unknown"), "{list}");
    let (code, json) = configured.alarm(&["list", "--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, json[1]["path"].as_str(), json[1]["critical"].as_f64()), (0, Some("/good"), Some(90.0)));
    assert_eq!(configured.alarm(&["clear", "/good"]).0, 0);
    let (code, said) = configured.alarm(&["clear", "/good"]);
    assert!(code == 1 && said.contains("no alarm /alarm/good"), "{said}");
    until(&exporter, "no threshold", |page| threshold(page, "/good", "critical").is_none());
    let (code, said) = configured.alarm(&["set", "/good", "80", "--warning", "90"]);
    assert!(code == 2 && said.contains("expected less than the critical threshold 80"), "{said}");

    // A reload that removes the znodes from the module also ends their reads and the session.
    configured.write(&members, "timeout: 5s");
    exporter.signal("HUP");
    until(&exporter, "no znodes", |page| page.series.iter().all(|(series, _)| !series.name.starts_with("zk_znode_")));
    let page = scrape(&exporter, Duration::from_secs(3));
    assert!(page.series.iter().all(|(series, _)| !series.name.starts_with("zk_canary_")));
}

/// The `alarm` process of the test below, killed on drop.
struct Waiting(std::process::Child);

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_ephemeral_alarm_ends_with_its_command_and_acls_are_as_configured() {
    let ensemble = Ensemble::start(&["--members", "1"]);
    let members = ensemble.members().join(",");
    let folder = tempfile::tempdir().unwrap();
    let digest = folder.path().join("digest");
    std::fs::write(&digest, "exporter:right\n").unwrap();
    let module = format!(
        "session: {{digest_file: {}, acl: ['auth::cdrwa', 'world:anyone:r']}}\nznodes: {{interval: 1s, paths: [/load]}}",
        digest.display()
    );
    let configured = Configured::new(&members, &module);
    client(&members, &["set", "/load", "3"]);
    let exporter = configured.start();
    let threshold =
        |page: &Page| page.value("zk_znode_alarm_threshold", &[("path", "/load"), ("severity", "critical")]);

    let mut command = crate::common::exporter::binary();
    command.args(["alarm", "set", "/load", "5", "--ephemeral", "--config.file", configured.file().to_str().unwrap()]);
    let mut waiting = Waiting(command.spawn().unwrap());
    until(&exporter, "the threshold", |page| threshold(page) == Some(5.0));
    // 31: all permissions for the digest user; 1: read permission for everyone.
    // ZooKeeper 3.4 lists them in another order.
    let acl = client(&members, &["acl", "/alarm/load"]);
    let mut entries: Vec<&str> = acl.lines().collect();
    entries.sort_unstable();
    assert_eq!(entries, ["digest exporter 31", "world anyone 1"]);
    let (_, list) = configured.alarm(&["list"]);
    assert!(list.contains("ephemeral"), "{list}");

    assert!(waiting.0.try_wait().unwrap().is_none(), "it waits");
    assert!(Command::new("kill").arg(waiting.0.id().to_string()).status().unwrap().success());
    assert_eq!(waiting.0.wait().unwrap().code(), Some(0));
    until(&exporter, "no threshold", |page| threshold(page).is_none());
    assert_eq!(client(&members, &["children", "/alarm"]), "");
}

#[test]
fn canary_and_alarms_over_tls() {
    let ensemble = Ensemble::start(&["--members", "3", "--tls=need"]);
    let folder = ensemble.run(&["env"]);
    let of = |name: &str| {
        let line = folder.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap();
        line.trim_matches(['\'', '"']).to_owned()
    };
    let tls = format!(
        "tls: {{ca_file: {}, cert_file: {}, key_file: {}}}\ncanary: {{interval: 1s}}",
        of("ENSEMBLE_CA"),
        of("ENSEMBLE_CLIENT_CERT"),
        of("ENSEMBLE_CLIENT_KEY")
    );
    let configured = Configured::new(&of("ENSEMBLE_TLS_MEMBERS"), &tls);
    let exporter = configured.start();
    until(&exporter, "a round over TLS", |page| canary_up(page) == Some(1.0));
    let (code, said) = configured.alarm(&["set", "/load", "5"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(client(&ensemble.members().join(","), &["get", "/alarm/load"]), "5");
}

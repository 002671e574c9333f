//! Runs the example "An alarm on CPU, end to end" of `docs/probes.md` literally: a CPU-bound member, real Prometheus,
//! real Alertmanager and a webhook.
#![allow(clippy::disallowed_methods, reason = "these tests have no async runtime and wait by sleeping")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::beyond::{Configured, client};
use crate::common::exporter::run;
use crate::common::root;
use crate::live::{Ensemble, memory, until};

/// A process, killed on drop.
struct Process(Child);

impl Process {
    fn start(program: &str, arguments: &[&str], log: &Path) -> Self {
        let log = std::fs::File::create(log).unwrap();
        let child = Command::new(program).args(arguments).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        Self(child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A webhook that records the bodies of notifications.
fn webhook() -> (String, Arc<Mutex<Vec<serde_json::Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, kept) = (listener.local_addr().unwrap().to_string(), Arc::<Mutex<Vec<_>>>::default());
    let notifications = Arc::clone(&kept);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_ok() {
                kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (address, notifications)
}

/// Sends requests continuously over several connections until the returned flag is set.
fn besiege(member: &str) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    for _ in 0..6 {
        let (member, stop) = (member.to_owned(), Arc::clone(&stop));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let Ok(mut stream) = TcpStream::connect(&member) else { continue };
                let _ = stream.write_all(b"mntr");
                let _ = stream.read_to_end(&mut Vec::new());
            }
        });
    }
    stop
}

struct Siege(Arc<AtomicBool>);

impl Drop for Siege {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits for a notification about this alert in this status.
fn arrives(notifications: &Mutex<Vec<serde_json::Value>>, alert: &str, severity: &str, status: &str) {
    let deadline = Instant::now() + Duration::from_mins(3);
    loop {
        let kept = notifications.lock().unwrap().clone();
        let alerts = kept.iter().flat_map(|body| body["alerts"].as_array().unwrap());
        let mut named =
            alerts.filter(|one| one["labels"]["alertname"] == alert && one["labels"]["severity"] == severity);
        // An alert may end and fire again while the load lasts; after the load the last notification counts.
        let found = if status == "firing" { named.find(|one| one["status"] == status) } else { named.next_back() };
        if let Some(found) = found.filter(|one| one["status"] == status) {
            assert!(found["annotations"]["description"].as_str().unwrap().contains("ensemble prod"));
            return;
        }
        assert!(Instant::now() < deadline, "{alert} ({severity}) never {status}: {kept:#?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn the_alarm_on_cpu_of_the_document_end_to_end() {
    // In interpreted mode (`-Xint`) a request costs so much CPU that a few clients saturate the member.
    let ensemble = Ensemble::start(&["--members", "3", "--jvm", "-Xint"]);
    let (all, member) = (ensemble.members(), ensemble.members()[0].clone());
    let table = ensemble.run(&["status"]);
    let pid =
        table.lines().find(|line| line.contains(&member)).and_then(|line| line.split_whitespace().last()).unwrap();
    // Pin the member to one CPU with real-time priority, so that other load on the machine has no effect.
    let tune = format!("taskset -acp 0 {pid} && chrt -a -r -p 1 {pid}");
    assert!(Command::new("bash").args(["-c", &tune]).stdout(Stdio::null()).status().unwrap().success());

    let configured = Configured::new(&all.join(","), "host: true\nznodes: {interval: 1s, paths: [/cpu_usage]}");
    // The CPU share of a process depends on the machine; the 80 % limit has its own test.
    configured.append("alerts: {thresholds: {CpuBound: {warning: 50%}}}\n");
    let exporter = configured.start();
    let folder = memory();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (hook, notifications) = webhook();
    let free = || format!("127.0.0.1:{}", testkit::http::free_port(0).unwrap());
    let (prometheus, manager) = (free(), free());

    // Rules with durations divided by 30: the window of a rate is ten scrapes.
    let rules = run(&["rules", "--config.file", configured.file().to_str().unwrap()]);
    assert!(rules.status.success(), "{rules:?}");
    std::fs::create_dir(path("slow")).unwrap();
    std::fs::write(path("slow/rules.yml"), rules.stdout).unwrap();
    let quick = root().join("scripts/lib/quick_rules.py");
    let arguments = [quick.to_str().unwrap(), "30", "5", folder.path().to_str().unwrap(), &path("slow/rules.yml")];
    assert!(Command::new("/usr/bin/python3").args(arguments).stdout(Stdio::null()).status().unwrap().success());
    std::fs::write(
        path("prometheus.yml"),
        format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s, scrape_timeout: 1s}}\nrule_files: [rules.yml]\n\
             alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{manager}']}}]}}]}}\n\
             scrape_configs: [{{job_name: zookeeper, static_configs: [{{targets: ['{}']}}]}}]\n",
            exporter.address
        ),
    )
    .unwrap();
    std::fs::write(
        path("alertmanager.yml"),
        format!(
            "route: {{receiver: hook, group_by: [alertname, severity, path, member], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
             receivers: [{{name: hook, webhook_configs: [{{url: 'http://{hook}/', send_resolved: true}}]}}]\n"
        ),
    )
    .unwrap();
    let _manager = Process::start(
        "prometheus-alertmanager",
        &[
            &format!("--config.file={}", path("alertmanager.yml")),
            &format!("--storage.path={}", path("alertmanager")),
            &format!("--web.listen-address={manager}"),
            "--cluster.listen-address=",
        ],
        Path::new(&path("alertmanager.log")),
    );
    let _prometheus = Process::start(
        "prometheus",
        &[
            &format!("--config.file={}", path("prometheus.yml")),
            &format!("--storage.tsdb.path={}", path("prometheus")),
            &format!("--web.listen-address={prometheus}"),
        ],
        Path::new(&path("prometheus.log")),
    );

    // The steps of the document: set a threshold, write values, exceed the threshold.
    assert_eq!(configured.alarm(&["set", "/cpu_usage", "90"]).0, 0);
    let script = root().join("tests/ensemble/zk_client.py");
    let writer = [script.to_str().unwrap(), &all.join(","), "cpu", "/cpu_usage", pid, "300"];
    let _writer = Process::start("/usr/bin/python3", &writer, Path::new(&path("writer.log")));
    let value = |page: &crate::common::Page| page.value("zk_znode_value", &[("path", "/cpu_usage")]);
    until(&exporter, "the value, below the threshold", |page| value(page).is_some_and(|value| value < 90.0));
    assert!(
        notifications.lock().unwrap().iter().all(|body| !body.to_string().contains("ZooKeeperZnodeAboveThreshold"))
    );

    let siege = Siege(besiege(&member));
    arrives(&notifications, "ZooKeeperZnodeAboveThreshold", "critical", "firing");
    // The alert on the kernel's CPU accounting fires as well.
    arrives(&notifications, "ZooKeeperCpuBound", "warning", "firing");
    drop(siege);
    arrives(&notifications, "ZooKeeperZnodeAboveThreshold", "critical", "resolved");
    arrives(&notifications, "ZooKeeperCpuBound", "warning", "resolved");
    assert_eq!(client(&member, &["get", "/alarm/cpu_usage"]), "90");
}

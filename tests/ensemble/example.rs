//! `docs/beyond-mntr.md`, "An alarm on CPU, end to end", run literally: a member that is CPU-bound, real Prometheus, real
//! Alertmanager, a webhook.
#![allow(clippy::disallowed_methods, reason = "a test without a runtime waits by sleeping")]

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

/// A process that ends with the test.
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

/// Takes notifications and keeps their bodies.
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

/// Questions without a pause, from several connections at once, until it is told to stop.
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

/// Waits for an alert in this status at the webhook.
fn arrives(notifications: &Mutex<Vec<serde_json::Value>>, alert: &str, severity: &str, status: &str, since: usize) {
    let deadline = Instant::now() + Duration::from_mins(3);
    loop {
        let kept = notifications.lock().unwrap().clone();
        let alerts = kept.iter().skip(since).flat_map(|body| body["alerts"].as_array().unwrap());
        let mut named =
            alerts.filter(|one| one["labels"]["alertname"] == alert && one["labels"]["severity"] == severity);
        if let Some(found) = named.find(|one| one["status"] == status) {
            assert!(found["annotations"]["description"].as_str().unwrap().contains("ensemble prod"));
            return;
        }
        assert!(Instant::now() < deadline, "{alert} ({severity}) never {status}: {kept:#?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn the_alarm_on_cpu_of_the_document_end_to_end() {
    // Without its compiler, a member needs so much CPU for a question that a few clients can use all of it.
    let ensemble = Ensemble::start(&["--members", "3", "--jvm", "-Xint"]);
    let (all, member) = (ensemble.members(), ensemble.members()[0].clone());
    let table = ensemble.run(&["status"]);
    let pid =
        table.lines().find(|line| line.contains(&member)).and_then(|line| line.split_whitespace().last()).unwrap();
    // One CPU, and before all others on it, so that the machine's other work does not decide.
    let tune = format!("taskset -acp 0 {pid} && chrt -a -r -p 1 {pid}");
    assert!(Command::new("bash").args(["-c", &tune]).stdout(Stdio::null()).status().unwrap().success());

    let configured = Configured::new(&all.join(","), "host: true\nznodes: {interval: 1s, paths: [/cpu_usage]}");
    // How much of a CPU a process gets is up to the machine; the limit of 80 % has its own test.
    configured.append("alerts: {thresholds: {CpuBound: {warning: 50%}}}\n");
    let exporter = configured.start();
    let folder = memory();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (hook, notifications) = webhook();
    let (prometheus, manager) = (free(), free());

    // The rules, thirty times as fast: the window of a rate is ten scrapes.
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

    // The document's words: a threshold, a client that writes, a value that passes it.
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
    arrives(&notifications, "ZooKeeperZnodeAboveThreshold", "critical", "firing", 0);
    // The kernel's own figure says the same.
    arrives(&notifications, "ZooKeeperCpuBound", "warning", "firing", 0);
    let so_far = notifications.lock().unwrap().len();
    drop(siege);
    arrives(&notifications, "ZooKeeperZnodeAboveThreshold", "critical", "resolved", so_far);
    arrives(&notifications, "ZooKeeperCpuBound", "warning", "resolved", so_far);
    assert_eq!(client(&member, &["get", "/alarm/cpu_usage"]), "90");
}

/// An address that is free now, for a server that cannot be given port 0.
fn free() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

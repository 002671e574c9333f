//! A test bench for faults: exporter, Prometheus with accelerated rules, Alertmanager, and a webhook that records
//! notifications.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use testkit::http::{self, encoded, free_port};

use crate::common::exporter::binary;
use crate::common::root;

/// Divisor for every duration in the rules.
pub const FACTOR: u64 = 30;

/// Minimum window in seconds: a rate needs several samples.
const SHORTEST: u64 = 5;

/// An alert as received by the webhook.
#[derive(Clone, Debug)]
pub struct Notice {
    pub at: Instant,
    pub status: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// A process, killed on drop.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The parts of a bench.
pub struct Plan<'p> {
    /// The configuration of each exporter, and the label `cluster` of its target.
    pub exporters: Vec<(&'p str, Option<&'p str>)>,
    /// Divisor for every duration in the rules.
    pub factor: u64,
    /// Scrape interval in seconds.
    pub every: u64,
    /// Whether Alertmanager uses the routes and inhibitions of `rules --format alertmanager`, instead of one group per
    /// alert with the shipped inhibitions.
    pub written_routes: bool,
}

pub struct Bench {
    pub folder: tempfile::TempDir,
    exporters: Vec<Option<Server>>,
    exporter_ports: Vec<u16>,
    _prometheus: Server,
    _alertmanager: Server,
    pub prometheus_port: u16,
    notices: Arc<Mutex<Vec<Notice>>>,
}

impl Bench {
    /// Starts `exporters` exporters that all use the configuration `config`.
    pub fn start(config: &str, exporters: usize) -> Self {
        Self::start_with(config, exporters, FACTOR)
    }

    /// Like `start`, with another divisor for the durations.
    pub fn start_with(config: &str, exporters: usize, factor: u64) -> Self {
        Self::of(&Plan { exporters: vec![(config, None); exporters], factor, every: 1, written_routes: false })
    }

    /// The rules are generated for the configuration of the first exporter.
    pub fn of(plan: &Plan<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (number, (config, _)) in plan.exporters.iter().enumerate() {
            std::fs::write(path(&file_of(number)), config).unwrap();
        }
        std::fs::create_dir_all(path("rules")).unwrap();
        std::fs::create_dir_all(path("written")).unwrap();
        let rules = |more: &[&str]| {
            let mut command = binary();
            let wrote = command.args(["rules", "--config.file"]).arg(path(&file_of(0))).args(more).output().unwrap();
            assert!(wrote.status.success(), "{}", String::from_utf8_lossy(&wrote.stderr));
            String::from_utf8(wrote.stdout).unwrap()
        };
        rules(&["--out", path("written").to_str().unwrap()]);
        let quickened = Command::new("/usr/bin/python3")
            .arg(root().join("scripts/lib/quick_rules.py"))
            .args([plan.factor.to_string(), SHORTEST.max(3 * plan.every).to_string()])
            .arg(path("rules"))
            .args([path("written/zookeeper.yml"), path("written/early-warning.yml")])
            .output()
            .unwrap();
        assert!(quickened.status.success(), "{}", String::from_utf8_lossy(&quickened.stderr));

        let notices = Arc::new(Mutex::new(Vec::new()));
        let webhook = listen(Arc::clone(&notices));
        let exporter_ports: Vec<u16> = plan.exporters.iter().map(|_| free_port(0).unwrap()).collect();
        let (prometheus_port, alertmanager_port) = (free_port(0).unwrap(), free_port(0).unwrap());
        let hook = format!("webhook_configs: [{{url: 'http://127.0.0.1:{webhook}/', send_resolved: true}}]");
        let routes = if plan.written_routes {
            quick_routes(&rules(&["--format", "alertmanager"]), &hook)
        } else {
            let shipped = std::fs::read_to_string(root().join("deploy/alertmanager/alertmanager.yml")).unwrap();
            let inhibit = shipped.split("\ninhibit_rules:").nth(1).unwrap().split("\nreceivers:").next().unwrap();
            format!(
                "route: {{receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 4h}}\n\
                 inhibit_rules:{inhibit}\nreceivers:\n  - name: hook\n    {hook}\n"
            )
        };
        std::fs::write(path("alertmanager.yml"), routes).unwrap();
        let targets: Vec<String> = plan
            .exporters
            .iter()
            .zip(&exporter_ports)
            .map(|((_, cluster), port)| {
                let labels = cluster.map_or_else(String::new, |cluster| format!(", labels: {{cluster: {cluster}}}"));
                format!("{{targets: ['127.0.0.1:{port}']{labels}}}")
            })
            .collect();
        std::fs::write(
            path("prometheus.yml"),
            format!(
                "global: {{scrape_interval: {0}s, scrape_timeout: {0}s, evaluation_interval: 1s}}\nrule_files: ['rules/*.yml']\n\
                 alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager_port}']}}]}}]}}\n\
                 scrape_configs: [{{job_name: zookeeper, static_configs: [{1}]}}]\n",
                plan.every,
                targets.join(", ")
            ),
        )
        .unwrap();
        let alertmanager = server(Command::new("prometheus-alertmanager").args([
            format!("--web.listen-address=127.0.0.1:{alertmanager_port}"),
            "--cluster.listen-address=".to_owned(),
            format!("--config.file={}", path("alertmanager.yml").display()),
            format!("--storage.path={}", path("alertmanager").display()),
        ]));
        let prometheus = server(Command::new("prometheus").args([
            format!("--web.listen-address=127.0.0.1:{prometheus_port}"),
            format!("--config.file={}", path("prometheus.yml").display()),
            format!("--storage.tsdb.path={}", path("prometheus").display()),
        ]));
        let mut bench = Self {
            exporters: exporter_ports.iter().map(|_| None).collect(),
            exporter_ports,
            _prometheus: prometheus,
            _alertmanager: alertmanager,
            prometheus_port,
            notices,
            folder,
        };
        (0..plan.exporters.len()).for_each(|number| bench.start_exporter(number));
        bench.until("Prometheus has the ensemble", || bench.query("count(zk_up)").is_some());
        bench
    }

    pub fn start_exporter(&mut self, number: usize) {
        let child = binary()
            .arg("--config.file")
            .arg(self.folder.path().join(file_of(number)))
            .arg("--web.listen-address")
            .arg(format!("127.0.0.1:{}", self.exporter_ports[number]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.exporters[number] = Some(Server(child));
    }

    /// The port of an exporter.
    pub fn exporter_port(&self, number: usize) -> u16 {
        self.exporter_ports[number]
    }

    pub fn stop_exporter(&mut self, number: usize) {
        self.exporters[number] = None;
    }

    /// Restarts an exporter with another configuration.
    pub fn configure(&mut self, number: usize, config: &str) {
        std::fs::write(self.folder.path().join(file_of(number)), config).unwrap();
        self.stop_exporter(number);
        self.start_exporter(number);
    }

    /// The first value of an instant query.
    pub fn query(&self, expr: &str) -> Option<f64> {
        let answer = self.get(&format!("/api/v1/query?query={}", encoded(expr)))?;
        answer["data"]["result"].get(0)?["value"][1].as_str()?.parse().ok()
    }

    /// A response of the Prometheus API.
    pub fn get(&self, path: &str) -> Option<serde_json::Value> {
        serde_json::from_slice(&http::get(self.prometheus_port, path).ok()?.1).ok()
    }

    #[allow(clippy::unused_self, reason = "a method like the other waits")]
    pub fn until(&self, what: &str, mut reached: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(90);
        while !reached() {
            assert!(Instant::now() < deadline, "it never came: {what}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits for a notification after `since`; `within` allows for a busy machine.
    pub fn notice(&self, since: Instant, within: Duration, fits: impl Fn(&Notice) -> bool) -> Result<Notice, String> {
        let deadline = Instant::now() + within;
        loop {
            let notices = self.notices.lock().unwrap().clone();
            if let Some(found) = notices.iter().find(|notice| notice.at >= since && fits(notice)) {
                return Ok(found.clone());
            }
            if Instant::now() > deadline {
                let said = notices.iter().filter(|notice| notice.at >= since);
                let said: Vec<String> = said.map(|notice| format!("{} {:?}", notice.status, notice.labels)).collect();
                return Err(format!("only these came:\n{}", said.join("\n")));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// All notifications after `since`.
    pub fn since(&self, since: Instant) -> Vec<Notice> {
        self.notices.lock().unwrap().iter().filter(|notice| notice.at >= since).cloned().collect()
    }
}

/// The file name of an exporter's configuration.
fn file_of(number: usize) -> String {
    format!("ensembles-{number}.yml")
}

/// The generated routes without their waiting times, and with the webhook as receiver.
fn quick_routes(written: &str, hook: &str) -> String {
    let (routes, _) = written.split_once("receivers:").unwrap();
    let quick = routes
        .replacen("  receiver: warning\n", "  receiver: warning\n  group_wait: 0s\n  group_interval: 1s\n", 1)
        .replace("group_wait: 10s", "group_wait: 0s")
        .replace("group_interval: 1m", "group_interval: 1s");
    let receivers = ["critical", "warning", "watchdog"].map(|name| format!("  - name: {name}\n    {hook}\n")).concat();
    format!("{quick}receivers:\n{receivers}")
}

fn server(command: &mut Command) -> Server {
    Server(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it is installed by scripts/test"))
}

/// The webhook: accepts Alertmanager's JSON and records firing and resolved alerts.
fn listen(notices: Arc<Mutex<Vec<Notice>>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let notices = Arc::clone(&notices);
            std::thread::spawn(move || take(stream, &notices));
        }
    });
    port
}

fn take(stream: TcpStream, notices: &Mutex<Vec<Notice>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = number.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let message: serde_json::Value = serde_json::from_slice(&body).ok()?;
        for alert in message["alerts"].as_array()? {
            let words = |key: &str| -> BTreeMap<String, String> {
                let pairs = alert[key].as_object().into_iter().flatten();
                pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or("").to_owned())).collect()
            };
            let status = alert["status"].as_str()?.to_owned();
            notices.lock().unwrap().push(Notice {
                at: Instant::now(),
                status,
                labels: words("labels"),
                annotations: words("annotations"),
            });
        }
        reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    }
}

/// A Python script, e.g. a client load, killed on drop.
pub struct Script(Server);

impl Script {
    pub fn start(code: &str) -> Self {
        let mut command = Command::new("/usr/bin/python3");
        Self(Server(child_of(command.args(["-c", code]).stdout(Stdio::null()).stderr(Stdio::null()))))
    }

    pub fn load(members: &str) -> Self {
        let mut command = Command::new("/usr/bin/python3");
        command.arg("-B").arg(root().join("scripts/lib/zk_load.py")).args(["--rate", "40", members]);
        Self(Server(child_of(command.stdout(Stdio::null()).stderr(Stdio::null()))))
    }

    /// Waits for its exit, which must be successful.
    pub fn finish(mut self) {
        assert!(self.0.0.wait().unwrap().success());
    }
}

fn child_of(command: &mut Command) -> Child {
    command.spawn().expect("python3 runs")
}

/// Builds the library that delays fsync, once.
pub fn slow_fsync(folder: &Path) -> std::path::PathBuf {
    let library = folder.join("slow_fsync.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(root().join("tests/demo/slow_fsync.c"))
        .arg("-ldl")
        .status()
        .unwrap();
    assert!(built.success());
    library
}

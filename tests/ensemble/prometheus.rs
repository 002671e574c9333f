//! A real Prometheus scrapes through each of the shipped configurations: all targets are up and have the documented
//! labels.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::http;

use crate::common::exporter::Exporter;
use crate::common::root;
use crate::live::Ensemble;

struct Prometheus {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Starts Prometheus with a shipped file whose marked lines are changed as its comments describe.
    fn start(file: &str, changes: &[(&str, &str)]) -> Self {
        let shipped = root().join("deploy/prometheus").join(file);
        let mut text = std::fs::read_to_string(shipped).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{file} no longer has `{from}`");
            text = text.replace(from, to);
        }
        // Shorter intervals keep the test short.
        text = text
            .replace("scrape_interval: 15s", "scrape_interval: 1s")
            .replace("scrape_timeout: 10s", "scrape_timeout: 1s");
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join("prometheus.yml");
        std::fs::write(&path, text).unwrap();
        let checked = Command::new("promtool").args(["check", "config"]).arg(&path).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        let port = http::free_port(0).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus runs");
        Self { child, port, _folder: folder }
    }

    fn get(&self, path: &str) -> Option<Value> {
        serde_json::from_slice(&http::get(self.port, path).ok()?.1).ok()
    }

    /// The active targets of the job, once there are `count` targets and all are up.
    fn targets(&self, count: usize) -> Vec<Value> {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let found = self.get("/api/v1/targets?state=active");
            let all = found.as_ref().and_then(|found| found["data"]["activeTargets"].as_array().cloned());
            let of_job = |target: &Value| target["labels"]["job"] == "zookeeper";
            let targets: Vec<Value> = all.unwrap_or_default().into_iter().filter(of_job).collect();
            if targets.len() == count && targets.iter().all(|target| target["health"] == "up") {
                return targets;
            }
            assert!(Instant::now() < deadline, "not all up: {found:?}");
            pause();
        }
    }

    /// The label sets of a query, once it returns `count` results.
    fn series(&self, query: &str, count: usize) -> Vec<Value> {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let found = self.get(&format!("/api/v1/query?query={query}"));
            let results = found.as_ref().and_then(|found| found["data"]["result"].as_array().cloned());
            let series: Vec<Value> =
                results.unwrap_or_default().into_iter().map(|result| result["metric"].clone()).collect();
            if series.len() == count {
                return series;
            }
            assert!(Instant::now() < deadline, "{query} gives {series:?}");
            pause();
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "runs in a thread of its own, outside any runtime")]
fn pause() {
    std::thread::sleep(Duration::from_millis(200));
}

/// Checks that the label names are the documented ones.
fn hold_labels(series: &[Value]) {
    for labels in series {
        let names: Vec<_> = labels.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["__name__", "ensemble", "instance", "job", "member"], "{labels}");
    }
}

#[test]
fn through_each_shipped_configuration() {
    let (prod, dev) = (Ensemble::start(&["--members", "3"]), Ensemble::start(&["--members", "1"]));
    let file = tempfile::NamedTempFile::new().unwrap();
    let list =
        |ensemble: &Ensemble| ensemble.members().iter().map(|m| format!("\"{m}\"")).collect::<Vec<_>>().join(", ");
    // More names than ensembles, so that both shards get some.
    let mut text = format!("ensembles:\n- {{name: prod, members: [{}]}}\n", list(&prod));
    for number in 1..8 {
        text.push_str(&format!("- {{name: dev-{number}, members: [{}]}}\n", list(&dev)));
    }
    std::fs::write(file.path(), text).unwrap();
    let config = ["--config.file", file.path().to_str().unwrap()];
    let (first, second) = (Exporter::start(&config), Exporter::start(&config));
    let rules = ("alert-rules/*.yml", format!("{}/alert-rules/*.yml", root().display()));

    let one = Prometheus::start("prometheus.yml", &[(rules.0, &rules.1), ("zookeeper-exporter:9141", &first.address)]);
    one.targets(1);
    hold_labels(&one.series("zk_up==1", 10));

    let bare = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(bare.path(), "ensembles: [{name: none, members: ['127.0.0.1:1']}]\nprobe: {allow: [127.0.0.0/8]}\n")
        .unwrap();
    let third = Exporter::start(&["--config.file", bare.path().to_str().unwrap()]);
    let probe = Prometheus::start(
        "probe.yml",
        &[
            (rules.0, &rules.1),
            ("zk-1:2181,zk-2:2181,zk-3:2181", &prod.members().join(",")),
            ("zk-dev:2181", &dev.members()[0]),
            ("zookeeper-exporter:9141", &third.address),
        ],
    );
    probe.targets(2);
    let up = probe.series("zk_up==1", 4);
    hold_labels(&up);
    assert!(up.iter().all(|labels| labels["ensemble"] == labels["instance"]), "{up:?}");
    assert_eq!(probe.series("zk_ensemble_quorum_margin%7Bensemble%3D%22prod%22%7D==1", 1)[0]["instance"], "prod");

    let sharded = Prometheus::start(
        "http-sd.yml",
        &[
            (rules.0, &rules.1),
            ("zookeeper-exporter-0:9141", &first.address),
            ("zookeeper-exporter-1:9141", &second.address),
        ],
    );
    let targets = sharded.targets(8);
    hold_labels(&sharded.series("zk_up==1", 10));
    let on = |exporter: &Exporter| {
        targets.iter().filter(|target| target["scrapeUrl"].as_str().unwrap().contains(&exporter.address)).count()
    };
    assert!(on(&first) > 0 && on(&second) > 0 && on(&first) + on(&second) == 8, "{} and {}", on(&first), on(&second));
}

//! Runs the demo as a user does and reads its output.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::trial;

pub const FIRING: &str = "FIRING";
pub const RESOLVED: &str = "RESOLVED";

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub struct Demo {
    child: Child,
    lines: Receiver<String>,
    /// All lines printed so far.
    said: Vec<String>,
    /// Alert lines skipped while waiting for another one.
    passed: Vec<String>,
    folder: PathBuf,
    prometheus: u16,
    ports: Vec<u16>,
}

impl Demo {
    /// Waits until the demo reports that everything is running.
    pub fn start(environment: &[(&str, &str)]) -> Self {
        // SIGINT is ignored in a background test run, and the demo would inherit that.
        let mut child = Command::new("env")
            .arg("--default-signal=INT")
            .arg(root().join("scripts/demo"))
            .arg("--no-install")
            .envs(trial::ENVIRONMENT)
            .envs(environment.iter().copied())
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let output = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut demo = Self {
            child,
            lines,
            said: Vec::new(),
            passed: Vec::new(),
            folder: PathBuf::new(),
            prometheus: 0,
            ports: Vec::new(),
        };
        // Includes the first build of the release binary.
        demo.read_until("Alerts as they fire", Duration::from_mins(10));
        for line in &demo.said {
            if let Some(address) = line.split("http://127.0.0.1:").nth(1) {
                let port = address.split(['/', ' ']).next().unwrap().parse().unwrap();
                if line.trim_start().starts_with("alerts ") {
                    demo.prometheus = port;
                }
                if !demo.ports.contains(&port) {
                    demo.ports.push(port);
                }
            }
            if let Some(folder) = line.trim_start().strip_prefix("logs ") {
                demo.folder = folder.trim().into();
            }
        }
        assert_eq!(demo.ports.len(), 3, "{:#?}", demo.said);
        assert!(demo.folder.join("prometheus.log").exists(), "{:#?}", demo.said);
        demo
    }

    fn read_until(&mut self, wanted: &str, within: Duration) {
        let deadline = Instant::now() + within;
        while !self.said.last().is_some_and(|line| line.contains(wanted)) {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said.push(line),
                Err(why) => panic!("the demo did not say `{wanted}` ({why}): {:#?}", self.said),
            }
        }
    }

    /// Runs `scripts/ensemble` on the demo's ensemble, as the demo suggests to the user.
    pub fn ensemble(&self, arguments: &[&str]) -> String {
        let output = Command::new(root().join("scripts/ensemble"))
            .arg("--dir")
            .arg(self.folder.join("zk"))
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// Restarts a member with a wrong port for the leader; returns the correct configuration line.
    pub fn mislead(&self, member: &str) -> String {
        let leader = self.ensemble(&["mode", "leader"]);
        let config = std::fs::read_to_string(self.folder.join("zk").join(member).join("zoo.cfg")).unwrap();
        let key = format!("server.{leader}=");
        let right = config.lines().find(|line| line.starts_with(&key)).unwrap();
        let host = right[key.len()..].split(':').next().unwrap();
        self.ensemble(&["restart", member, "--cfg", &format!("{key}{host}:1:2")]);
        right.to_owned()
    }

    /// Waits for a line of the webhook with this status, severity and name.
    pub fn await_alert(&mut self, status: &str, severity: &str, name: &str, within: Duration) {
        let is_wanted = |line: &String| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.get(1..4) == Some(&[status, severity, name])
        };
        if let Some(place) = self.passed.iter().position(is_wanted) {
            self.passed.remove(place);
            return;
        }
        let deadline = Instant::now() + within;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if is_wanted(&line) => return self.said.push(line),
                Ok(line) => {
                    self.said.push(line.clone());
                    self.passed.push(line);
                }
                Err(RecvTimeoutError::Timeout) => panic!("no {status} {severity} {name}: {:#?}", self.said),
                Err(RecvTimeoutError::Disconnected) => panic!("the demo ended: {:#?}", self.said),
            }
        }
    }

    /// Waits until an instant query returns a sample.
    pub fn await_in_prometheus(&self, query: &str, within: Duration) {
        let deadline = Instant::now() + within;
        loop {
            let output = Command::new("promtool")
                .args(["query", "instant", &format!("http://127.0.0.1:{}", self.prometheus), query])
                .output()
                .unwrap();
            if output.status.success() && !output.stdout.trim_ascii().is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "Prometheus has no {query}: {:#?}", self.said);
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the demo does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Checks that no directory, no listener and no process of the demo is left.
    pub fn assert_nothing_left(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let mut left: Vec<String> = processes_with(&self.folder.to_string_lossy());
            left.extend(
                self.ports
                    .iter()
                    .filter(|port| TcpStream::connect(("127.0.0.1", **port)).is_ok())
                    .map(|port| format!("port {port}")),
            );
            if self.folder.exists() {
                left.push(self.folder.display().to_string());
            }
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "left behind: {left:#?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Command lines of running processes that contain the text.
fn processes_with(text: &str) -> Vec<String> {
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(text))
        .collect()
}

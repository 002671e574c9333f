//! Starts the exporter binary on a free port, sends it HTTP requests and stops it at the end of the test.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A running exporter process, killed on drop.
pub struct Exporter {
    child: Child,
    pub address: String,
    log: File,
}

/// An HTTP response.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    pub took: Duration,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

/// Decodes a chunked body.
pub fn dechunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let line = body.windows(2).position(|two| two == b"\r\n").expect("the size of a chunk");
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            assert_eq!(&body[line..], b"\r\n\r\n", "it ends in the midst");
            return whole;
        }
        whole.extend_from_slice(&body[line + 2..line + 2 + size]);
        body = &body[line + 2 + size + 2..];
    }
}

pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zookeeper-exporter"));
    // Environment variables set by the caller must not override the flags of a test.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ZOOKEEPER_EXPORTER_")) {
        command.env_remove(name);
    }
    command
}

/// Runs the binary until it exits.
pub fn run(arguments: &[&str]) -> Output {
    binary().args(arguments).output().expect("the binary runs")
}

/// Reads the whole file with positional reads: the writing process shares the file offset.
fn read(log: &File) -> String {
    let mut bytes = vec![0; usize::try_from(log.metadata().unwrap().len()).unwrap()];
    log.read_exact_at(&mut bytes, 0).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[expect(clippy::disallowed_methods, reason = "polling interval for a file")]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

impl Exporter {
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_by(binary(), arguments)
    }

    /// Starts the binary through a wrapper command that execs it.
    pub fn start_by(mut command: Command, arguments: &[&str]) -> Self {
        // A file rather than a pipe: log lines written before a response are readable once the response has arrived.
        let log = tempfile::tempfile().expect("a file for the log");
        let mut child = command
            .args(["--web.listen-address", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.try_clone().expect("the file twice"))
            .spawn()
            .expect("the binary starts");
        let address = loop {
            // Check for exit before reading the log, so that the last lines of an exited process are included.
            let ended = child.try_wait().unwrap();
            let said = read(&log);
            let whole = said.rsplit_once('\n').map_or("", |(lines, _)| lines);
            if let Some((_, behind)) = whole.split_once("listening address=") {
                break behind.split_whitespace().next().unwrap().to_owned();
            }
            assert!(ended.is_none(), "the exporter ended: {said}");
            pause();
        };
        Self { child, address, log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        read(&self.log)
    }

    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.try_get(path, headers).expect("a head")
    }

    /// Returns `None` if the connection was closed without a response, which is possible during shutdown.
    pub fn try_get(&self, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(&self.address).expect("the exporter listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{request}\r\n").as_bytes()).ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok()?;
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let body = &bytes[end..];
        let chunked = head.contains("\r\ntransfer-encoding: chunked\r\n");
        let body = if chunked { dechunked(body) } else { body.to_vec() };
        Some(Answer { status, head, body, took: begun.elapsed() })
    }

    /// Scrapes `/metrics` with the timeout header that Prometheus sends.
    pub fn scrape(&self, timeout: &str) -> Answer {
        self.get("/metrics", &[("X-Prometheus-Scrape-Timeout-Seconds", timeout)])
    }

    /// Resident memory in bytes (`VmRSS`).
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// Peak resident memory in bytes (`VmHWM`).
    pub fn peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Sends a signal, given by name.
    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().unwrap().success());
    }

    /// Waits for the process to exit and returns its exit code.
    pub fn wait(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

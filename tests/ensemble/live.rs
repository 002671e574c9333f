//! Starts, breaks and stops a real ensemble through `scripts/ensemble`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::statvfs;
use zookeeper_exporter::exposition::Format;

use crate::common::exporter::Exporter;
use crate::common::{Page, read_page, root};

/// A temporary folder in memory if there is enough space, so that slow or busy disks do not affect the tests.
pub fn memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let room = statvfs(memory).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
    let folder = (room > 2 << 30).then(|| tempfile::tempdir_in(memory).ok()).flatten();
    folder.unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// An ensemble that is stopped on drop, or when the test process exits for any reason.
pub struct Ensemble {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, PathBuf)>,
}

impl Ensemble {
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(&[], arguments)
    }

    /// Like `start`, with additional environment variables for the members, also at every restart.
    pub fn start_with(environment: &[(&'static str, PathBuf)], arguments: &[&str]) -> Self {
        let ensemble = Self { folder: memory(), environment: environment.to_vec() };
        let own_pid = std::process::id().to_string();
        let mut all = vec!["--wait-seconds", "180", "start", "--with-pid", &own_pid];
        all.extend(arguments);
        ensemble.run(&all);
        ensemble
    }

    /// The folder of the ensemble, with `1/zoo.cfg` and `tls/ca.pem`.
    #[allow(dead_code, reason = "used by the fault tests")]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a command of the script and returns its output; panics if it fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.run_with(&[], arguments)
    }

    /// Like `run`, with additional environment variables for this command only.
    pub fn run_with(&self, more: &[(&'static str, PathBuf)], arguments: &[&str]) -> String {
        let environment = self.environment.iter().chain(more).map(|(name, value)| (*name, value));
        let output = script(self.folder.path(), arguments).envs(environment).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said.trim().to_owned()
    }

    /// The addresses of the members as `HOST:PORT`: participants, then observers.
    pub fn members(&self) -> Vec<String> {
        self.run(&["members"]).split(',').map(str::to_owned).collect()
    }

    /// The value for `--zookeeper`, including the observer flag.
    pub fn flag(&self, name: &str) -> String {
        format!("{name}={}", self.run(&["members", "--flag"]))
    }

    /// The address of the leader; there must be exactly one.
    pub fn leader(&self) -> String {
        let id: usize = self.run(&["mode", "leader"]).parse().expect("one leader");
        self.members()[id - 1].clone()
    }

    /// The id of a member, as used by the script.
    pub fn id(&self, address: &str) -> String {
        (self.members().iter().position(|member| member == address).unwrap() + 1).to_string()
    }
}

impl Drop for Ensemble {
    fn drop(&mut self) {
        let _ = script(self.folder.path(), &["stop"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn script(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(root().join("scripts/ensemble"));
    command.arg("--dir").arg(folder).args(arguments);
    command
}

/// Sends a four-letter command without the exporter.
pub fn command(address: &str, command: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the member listens");
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(command.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// The release of ZooKeeper that a member runs, such as `3.8.0`.
pub fn release(address: &str) -> String {
    let srvr = command(address, "srvr");
    let version = srvr.strip_prefix("Zookeeper version: ").expect("srvr begins with the version");
    version.split('-').next().expect("a release before the revision").to_owned()
}

/// Scrapes as Prometheus does, checks the duration and parses the page strictly.
pub fn scrape(exporter: &Exporter, timeout: Duration) -> Page {
    let answer = exporter.scrape(&timeout.as_secs_f64().to_string());
    assert_eq!(answer.status, 200);
    assert!(answer.took < timeout, "the page took {:?} of {timeout:?}", answer.took);
    read_page(answer.text(), Format::Classic).unwrap()
}

/// The state of a member on a page.
pub fn state(page: &Page, member: &str) -> String {
    let states: Vec<_> = page
        .series
        .iter()
        .filter(|(series, value)| series.name == "zk_server_state" && series.label("member") == member && *value == 1.0)
        .map(|(series, _)| series.label("state").to_owned())
        .collect();
    assert_eq!(states.len(), 1, "{member} is in {states:?}");
    states[0].clone()
}

/// The number of series of a member.
pub fn series(page: &Page, member: &str) -> usize {
    page.series.iter().filter(|(series, _)| series.label("member") == member).count()
}

/// The failure reason of a command, or an empty string.
pub fn reason(page: &Page, member: &str, command: &str) -> String {
    let found = page.series.iter().find(|(series, _)| {
        series.name == "zk_scrape_failure" && series.label("member") == member && series.label("command") == command
    });
    found.map(|(series, _)| series.label("reason").to_owned()).unwrap_or_default()
}

/// Scrapes until the condition holds.
pub fn until(exporter: &Exporter, what: &str, shown: impl Fn(&Page) -> bool) -> Page {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let page = scrape(exporter, Duration::from_secs(3));
        if shown(&page) {
            return page;
        }
        assert!(Instant::now() < deadline, "the page never showed: {what}\n{}", exporter.log());
    }
}

/// A port that forwards connections to this address.
pub fn forwarder(to: String) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(&to) else { continue };
            let pairs = [(client.try_clone(), server.try_clone()), (Ok(server), Ok(client))];
            for (from, into) in pairs {
                let (mut from, mut into) = (from.unwrap(), into.unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut into);
                    let _ = into.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    address
}

/// Runs Python code with a ZooKeeper client `zk` connected to `address`.
pub fn client(address: &str, code: &str) {
    let program = format!(
        "from kazoo.client import KazooClient\nzk = KazooClient(hosts='{address}', timeout=10)\nzk.start(timeout=20)\n{code}\nzk.stop()\n"
    );
    let output = Command::new("/usr/bin/python3").arg("-c").arg(program).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

//! The systemd protocol: notifications, watchdog, socket activation.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::common::exporter::{Exporter, binary, run};
use crate::common::listeners::closed_port;

const GOOD: &str = "ensembles: [{name: prod, members: ['127.0.0.1:1', '127.0.0.1:2']}]\n";

/// A notification socket like that of systemd.
struct Manager(UnixDatagram);

impl Manager {
    fn new(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(socket)
    }

    fn next(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.0.recv(&mut bytes).expect("a notification");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }
}

#[test]
fn start_reload_and_stop_are_notified() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = (folder.path().join("notify"), folder.path().join("ensembles.yml"));
    std::fs::write(&file, GOOD).unwrap();
    let manager = Manager::new(&path);
    let mut command = binary();
    command.env("NOTIFY_SOCKET", &path);
    let exporter = Exporter::start_by(command, &["--config.file", file.to_str().unwrap()]);
    assert_eq!(manager.next(), "READY=1\nSTATUS=1 ensembles, 2 members");

    let reloading = |status: &str| {
        exporter.signal("HUP");
        let begun = manager.next();
        let time = begun.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("the reload begins");
        let time: u64 = time.split('\n').next().unwrap().parse().expect("microseconds");
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        assert!((Duration::from_micros(time).as_secs_f64() - uptime).abs() < 60.0, "{time}: the clock since the boot");
        let ended = manager.next();
        assert!(ended.starts_with(&format!("READY=1\nSTATUS={status}")), "{ended}");
        ended
    };
    reloading("1 ensembles, 2 members");
    std::fs::write(&file, "ensembles: [{name: prod}]\n").unwrap();
    let failed = reloading("configuration reload failed: ");
    assert!(failed.contains("ensembles.yml:1:"), "{failed}");

    exporter.signal("TERM");
    assert!(manager.next().starts_with("STOPPING=1\n"));
    assert_eq!(exporter.wait(), 0);
}

#[test]
fn the_watchdog_is_notified() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = Manager::new(&path);
    let mut command = binary();
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let exporter = Exporter::start_by(command, &["--zookeeper", &closed_port()]);
    assert!(manager.next().starts_with("READY=1\n"));
    for _ in 0..3 {
        assert_eq!(manager.next(), "WATCHDOG=1");
    }
    drop(exporter);
    // Meant for another process: no watchdog notifications.
    let mut command = binary();
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000").env("WATCHDOG_PID", "1");
    let exporter = Exporter::start_by(command, &["--zookeeper", &closed_port()]);
    let mut seen = manager.next();
    while seen == "WATCHDOG=1" {
        seen = manager.next();
    }
    assert!(seen.starts_with("READY=1\n"), "{seen}");
    exporter.signal("TERM");
    assert!(manager.next().starts_with("STOPPING=1\n"));
}

/// Binds two ports and execs the exporter, as systemd starts a service with sockets.
const ACTIVATE: &str = "
import os, socket, sys
sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(2)]
for place, sock in enumerate(sockets):
    os.dup2(sock.fileno(), 10 + place)
for place in range(2):
    os.dup2(10 + place, 3 + place)
os.environ.update(LISTEN_FDS='2', LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[1], sys.argv[1:])
";

#[test]
fn passed_sockets_are_served() {
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", ACTIVATE, env!("CARGO_BIN_EXE_zookeeper-exporter")]);
    let exporter = Exporter::start_by(command, &["--web.systemd-socket", "--zookeeper", &closed_port()]);
    let log = exporter.log();
    let addresses: Vec<&str> =
        log.split("listening address=").skip(1).filter_map(|rest| rest.split_whitespace().next()).collect();
    assert_eq!(addresses.len(), 2, "{log}");
    for address in addresses {
        let output = run(&["healthy", "--web.listen-address", address]);
        assert_eq!(output.status.code(), Some(0), "{address}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn without_passed_sockets_it_does_not_start() {
    let output = run(&["--web.systemd-socket"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("--web.systemd-socket: no socket was passed"), "{said}");
}

/// `ExecReload` of the unit: the files named by the environment are checked like those of flags.
#[test]
fn the_files_of_the_environment_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (ensembles, web) = (folder.path().join("ensembles.yml"), folder.path().join("web.yml"));
    std::fs::write(&ensembles, GOOD).unwrap();
    std::fs::write(&web, "rate_limit: {interval: 1s, burst: 5}\n").unwrap();
    let check = || {
        let mut command = binary();
        command.env("ZOOKEEPER_EXPORTER_CONFIG_FILE", &ensembles).env("ZOOKEEPER_EXPORTER_WEB_CONFIG_FILE", &web);
        let output = command.args(["config", "check"]).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, said, _) = check();
    assert_eq!((code, said.lines().count()), (Some(0), 2), "{said}");
    std::fs::write(&web, "rate_limits: {}\n").unwrap();
    let (code, _, said) = check();
    assert!(code == Some(2) && said.contains("web.yml:1:1: unknown field `rate_limits`"), "{said}");
    std::fs::write(&web, "{}\n").unwrap();
    std::fs::write(&ensembles, "ensembles: []\n").unwrap();
    let (code, _, said) = check();
    assert!(code == Some(2) && said.contains("ensembles.yml:"), "{said}");
    for (variable, code) in [("prod=zk-1:2181,zk-2:2181", 0), ("prod=", 2)] {
        let output = binary().args(["config", "check"]).env("ZOOKEEPER_EXPORTER_ZOOKEEPER", variable).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{variable}");
    }
}

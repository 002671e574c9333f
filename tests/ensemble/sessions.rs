//! Session failures on a real ensemble: each fails one canary cycle, is reported, and is recovered from.
#![allow(clippy::disallowed_methods, reason = "these tests have no async runtime and wait by sleeping")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::beyond::{Configured, client};
use crate::common::Page;
use crate::common::certs::Authority;
use crate::common::exporter::{Exporter, run};
use crate::common::listeners::Listener;
use crate::live::{Ensemble, scrape, until};

const CREATE: i32 = 1;
const SET_DATA: i32 = 5;

/// A proxy to a member that delays each frame by a configurable time and records the traffic.
struct Road {
    address: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    delay: AtomicU64,
    /// Types of the requests sent.
    requests: Mutex<Vec<i32>>,
    /// The session id requested by each connection, 0 for a new session.
    asked: Mutex<Vec<i64>>,
    /// Id and password of each session granted.
    granted: Mutex<Vec<(i64, Vec<u8>)>>,
}

impl Road {
    fn start(from: &str, to: &str) -> Self {
        let listener = TcpListener::bind(from).unwrap();
        let road = Self { address: listener.local_addr().unwrap().to_string(), seen: Arc::default() };
        let (seen, to) = (Arc::clone(&road.seen), to.to_owned());
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let (seen, to) = (Arc::clone(&seen), to.clone());
                std::thread::spawn(move || TcpStream::connect(to).is_ok_and(|far| seen.carry(near, far).is_some()));
            }
        });
        road
    }

    /// The last session granted.
    fn session(&self) -> (i64, Vec<u8>) {
        self.seen.granted.lock().unwrap().last().cloned().expect("a session")
    }

    fn count(&self, kind: i32) -> usize {
        self.seen.requests.lock().unwrap().iter().filter(|&&request| request == kind).count()
    }
}

impl Seen {
    fn carry(self: &Arc<Self>, mut near: TcpStream, mut far: TcpStream) -> Option<()> {
        let (mut back, mut home) = (far.try_clone().ok()?, near.try_clone().ok()?);
        let mut length = [0; 4];
        near.read_exact(&mut length).ok()?;
        if u32::from_be_bytes(length) > 1 << 20 {
            // A four-letter command.
            far.write_all(&length).ok()?;
            io::copy(&mut back, &mut home).ok()?;
            return home.shutdown(Shutdown::Both).ok();
        }
        let asked = rest(&mut near, length)?;
        self.asked.lock().unwrap().push(long(&asked, 16));
        far.write_all(&[&length[..], &asked].concat()).ok()?;
        let seen = Arc::clone(self);
        std::thread::spawn(move || {
            let mut is_first = true;
            while let Some(frame) = frame(&mut back) {
                if is_first && frame.len() >= 40 {
                    seen.granted.lock().unwrap().push((long(&frame, 12), frame[24..40].to_vec()));
                }
                is_first = false;
                seen.pause();
                if home.write_all(&frame).is_err() {
                    break;
                }
            }
            let _ = home.shutdown(Shutdown::Both);
        });
        while let Some(frame) = frame(&mut near) {
            self.requests.lock().unwrap().push(i32::from_be_bytes(frame[8..12].try_into().unwrap()));
            self.pause();
            if far.write_all(&frame).is_err() {
                break;
            }
        }
        far.shutdown(Shutdown::Both).ok()
    }

    fn pause(&self) {
        std::thread::sleep(Duration::from_millis(self.delay.load(Ordering::Relaxed)));
    }
}

/// Reads the next frame, including its length field.
fn frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    Some([&length[..], &rest(stream, length)?].concat())
}

fn rest(stream: &mut TcpStream, length: [u8; 4]) -> Option<Vec<u8>> {
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

fn long(bytes: &[u8], place: usize) -> i64 {
    i64::from_be_bytes(bytes[place..place + 8].try_into().unwrap())
}

/// Another client takes over the session at this member, then closes the session or only the connection.
fn steal((session, password): (i64, Vec<u8>), member: &str, close: bool) {
    let password: String = password.iter().map(|byte| format!("{byte:02x}")).collect();
    let end = if close { "zk.stop()" } else { "os._exit(0)" };
    let program = format!(
        "import os\nfrom kazoo.client import KazooClient\n\
         zk = KazooClient(hosts='{member}', timeout=10, client_id=({session}, bytes.fromhex('{password}')))\n\
         zk.start(timeout=20)\nassert zk.client_id[0] == {session}\nzk.sync('/')\n{end}\n"
    );
    let output = Command::new("/usr/bin/python3").arg("-c").arg(program).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn up(page: &Page) -> bool {
    page.value("zk_canary_up", &[("member", "")]) == Some(1.0)
}

fn rounds(page: &Page) -> f64 {
    page.value("zk_canary_rounds_total", &[("member", "")]).unwrap_or(0.0)
}

/// Failed cycles by operation and error.
fn failures(page: &Page) -> Vec<(String, f64)> {
    let of = page.series.iter().filter(|(series, _)| series.name == "zk_canary_failures_total");
    of.map(|(series, count)| (format!("{}: {}", series.label("operation"), series.label("error")), *count)).collect()
}

fn failed(page: &Page) -> f64 {
    failures(page).iter().map(|(_, count)| count).sum()
}

/// Scrapes until `wanted` further cycles have succeeded in a row.
fn steady(exporter: &Exporter, wanted: f64) -> Page {
    let mut since = until(exporter, "a round that succeeds", up);
    let begun = Instant::now();
    loop {
        let is_settled = |page: &Page| failed(page) > failed(&since) || rounds(page) >= rounds(&since) + wanted;
        let page = until(exporter, "rounds that succeed", is_settled);
        if failed(&page) == failed(&since) {
            return page;
        }
        since = until(exporter, "a round that succeeds", up);
        assert!(begun.elapsed() < Duration::from_mins(1), "{:?}: {}", failures(&page), exporter.log());
    }
}

/// The log lines that contain this text.
fn lines(exporter: &Exporter, text: &str) -> Vec<String> {
    exporter.log().lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

fn wait_for(what: &str, happened: impl Fn() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} never happened");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_leader_killed_during_a_round_fails_only_that_round() {
    let ensemble = Ensemble::start(&["--members", "3"]);
    let leader = ensemble.run(&["mode", "leader"]);
    let follower = ensemble.run(&["mode", "follower"]).lines().next().unwrap().to_owned();
    let road = Road::start("127.0.0.1:0", &ensemble.members()[follower.parse::<usize>().unwrap() - 1]);
    let configured =
        Configured::new(&road.address, "session: {timeout: 6s}\ncanary: {interval: 3s, timeout: 3s}\ncommands: [srvr]");
    let exporter = configured.start();
    until(&exporter, "a round that succeeds", up);
    // A cycle now takes more than 2 s and has a write in flight when the leader dies.
    road.seen.delay.store(200, Ordering::Relaxed);
    let before = road.count(SET_DATA);
    wait_for("the change", || road.count(SET_DATA) > before);
    ensemble.run(&["kill", &leader]);
    let page = until(&exporter, "the round that failed", |page| failed(page) >= 1.0);
    assert!(!up(&page), "{:?}", failures(&page));
    road.seen.delay.store(0, Ordering::Relaxed);
    let page = steady(&exporter, 3.0);
    let known = ["create", "read", "update", "watch", "delete", "connect"];
    let is_known = |(name, _): &(String, f64)| known.iter().any(|known| name.starts_with(known));
    assert!(failures(&page).iter().all(is_known) && failed(&page) <= 6.0, "{:?}", failures(&page));
    assert_eq!(lines(&exporter, "canary recovered").len(), 1, "{}", exporter.log());
    drop(exporter);
    // The znode of the failed cycle is removed with its session.
    let members = ensemble.members().join(",");
    wait_for("no znode", || client(&members, &["children", "/zookeeper-exporter/canary"]).is_empty());
}

#[test]
fn a_moved_session_is_continued_and_a_closed_one_is_replaced() {
    let ensemble = Ensemble::start(&["--members", "3"]);
    let members = ensemble.members();
    let road = Road::start("127.0.0.1:0", &members[0]);
    let configured = Configured::new(&road.address, "session: {timeout: 8s}\ncanary: {interval: 2s}");
    let exporter = configured.start();
    let before = failed(&steady(&exporter, 1.0));
    let session = road.session();
    steal(session.clone(), &members[1], false);
    let page = until(&exporter, "the round that failed", |page| failed(page) > before);
    assert!(failures(&page).iter().any(|(name, _)| name.ends_with(": connect")), "{:?}", failures(&page));
    let before = failed(&steady(&exporter, 2.0));
    assert_eq!(road.session().0, session.0, "the session continues");
    assert_eq!(road.seen.asked.lock().unwrap().last(), Some(&session.0), "another connection took it back");

    steal(session.clone(), &members[2], true);
    wait_for("another session", || road.session().0 != session.0);
    let page = steady(&exporter, 2.0);
    assert!(failed(&page) <= before + 2.0, "{:?}: {}", failures(&page), exporter.log());
    assert_eq!(road.seen.asked.lock().unwrap().last(), Some(&0), "the old session is not continued for ever");
}

#[test]
fn a_read_only_member_accepts_no_session() {
    let ensemble = Ensemble::start(&["--members", "3", "--jvm", "-Dreadonlymode.enabled=true"]);
    let members = ensemble.members();
    let znodes = "znodes: {interval: 1s, paths: [/a, /b]}";
    let configured =
        Configured::new(&members[2], &format!("session: {{timeout: 2s}}\ncanary: {{interval: 1s}}\n{znodes}"));
    let exporter = configured.start();
    until(&exporter, "a round that succeeds", up);
    ensemble.run(&["kill", "1"]);
    ensemble.run(&["kill", "2"]);
    ensemble.run(&["wait"]);
    let line = "canary round failed";
    let named = |line: &String| line.contains("read-only") && line.contains(&members[2]);
    until(&exporter, "the canary's failure", |page| !up(page) && lines(&exporter, line).iter().any(named));
    let page = until(&exporter, "unreadable znodes", |page| {
        ["/a", "/b"]
            .iter()
            .all(|path| page.value("zk_znode_failure", &[("path", path), ("reason", "connect")]).is_some())
    });
    assert_eq!(page.value("zk_server_state", &[("state", "read-only")]), Some(1.0));
    assert_eq!(lines(&exporter, "paths=\"/a /b\"").iter().filter(|line| named(line)).count(), 1, "{}", exporter.log());
    let (code, said) = configured.alarm(&["list", "--timeout", "3s"]);
    assert!(code == 1 && said.contains("read-only") && said.lines().count() == 1, "{said}");
    for id in ["1", "2"] {
        ensemble.run(&["restart", id]);
    }
    steady(&exporter, 2.0);
    let page = until(&exporter, "znodes that are not there", |page| {
        page.value("zk_znode_failure", &[("path", "/a"), ("reason", "no_node")]).is_some()
    });
    assert_eq!(page.value("zk_znode_failure", &[("path", "/a"), ("reason", "connect")]), None);
}

/// With 400 requests before it, a request waits longer than 2 ms on a fast host, too.
const FLOOD_CLIENTS: usize = 4;
const FLOOD_REQUESTS: usize = 100;

/// A client with [`FLOOD_REQUESTS`] in flight until it is stopped; kazoo does not support `THROTTLEDOP`.
fn flood(member: &str, ended: &AtomicBool) {
    let request = |body: &[u8]| [&u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat();
    let connect = [&[0; 12][..], &10_000_u32.to_be_bytes(), &[0; 8], &16_u32.to_be_bytes(), &[0; 17]].concat();
    // `create` of a znode whose parent does not exist.
    let create = [&[0; 7][..], &[1], &4_u32.to_be_bytes(), b"/a/b", &[0; 12]].concat();
    while !ended.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(member).unwrap();
        stream.write_all(&request(&connect)).unwrap();
        let mut is_open = frame(&mut stream).is_some();
        while is_open && !ended.load(Ordering::Relaxed) {
            is_open = stream.write_all(&request(&create).repeat(FLOOD_REQUESTS)).is_ok();
            is_open = is_open && (0..FLOOD_REQUESTS).all(|_| frame(&mut stream).is_some());
        }
    }
}

#[test]
fn a_throttled_server_is_reported() {
    let ensemble = Ensemble::start(&[
        "--members=1",
        "--jvm=-Dzookeeper.request_throttle_max_requests=1",
        "--jvm=-Dzookeeper.request_throttle_stall_time=20",
        "--jvm=-Dzookeeper.throttled_op_wait_time=2",
    ]);
    let member = &ensemble.members()[0];
    let exporter = Configured::new(member, "session: {timeout: 10s}\ncanary: {interval: 1s}").start();
    steady(&exporter, 1.0);
    let ended = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for _ in 0..FLOOD_CLIENTS {
            threads.spawn(|| flood(member, &ended));
        }
        let is_throttled = |(name, _): &(String, f64)| name.ends_with(": throttled");
        let begun = Instant::now();
        while !failures(&scrape(&exporter, Duration::from_secs(3))).iter().any(is_throttled)
            && begun.elapsed() < Duration::from_mins(1)
        {
            std::thread::sleep(Duration::from_millis(200));
        }
        ended.store(true, Ordering::Relaxed);
    });
    let named = lines(&exporter, "error=\"throttled\" detail=\"the server sheds load\"");
    assert!(!named.is_empty(), "{}", exporter.log());
    steady(&exporter, 3.0);
}

#[test]
fn sessions_use_tls_or_report_why_not() {
    let ensemble = Ensemble::start(&["--members", "1", "--tls=need"]);
    let env = ensemble.run(&["env"]);
    let of = |name: &str| {
        let line = env.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap();
        line.trim_matches(['\'', '"']).to_owned()
    };
    let [ca, cert, key, secure] =
        ["ENSEMBLE_CA", "ENSEMBLE_CLIENT_CERT", "ENSEMBLE_CLIENT_KEY", "ENSEMBLE_TLS_MEMBERS"].map(of);
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.pem");
    std::fs::write(&other, Authority::new("another CA").pem).unwrap();
    let identity = format!("cert_file: {cert}, key_file: {key}");
    for (tls, hint) in [
        (format!("{{ca_file: {ca}, {identity}}}"), None),
        (format!("{{insecure_skip_verify: true, {identity}}}"), None),
        (format!("{{ca_file: {ca}}}"), Some("demands a client certificate")),
        (format!("{{ca_file: {ca}, {identity}, server_name: zk.example.com}}"), Some("is not for `zk.example.com`")),
        (format!("{{ca_file: {}, {identity}}}", other.display()), Some("issued by CN=throw-away ensemble CA")),
    ] {
        let module =
            format!("timeout: 5s\ncommands: [srvr]\ntls: {tls}\ncanary: {{interval: 5s}}\nsession: {{timeout: 9s}}");
        let configured = Configured::new(&secure, &module);
        let exporter = configured.start();
        let Some(hint) = hint else {
            until(&exporter, "a round over TLS", up);
            assert_eq!(configured.alarm(&["set", "/load", "5"]).0, 0);
            continue;
        };
        let page = until(&exporter, "a failed round", |page| failed(page) >= 1.0);
        // The first cycle may time out on a cold server.
        let named = |page: &Page| failures(page).iter().any(|(name, _)| name == "connect: tls");
        if !named(&page) {
            until(&exporter, hint, named);
        }
        assert!(lines(&exporter, "error=\"tls\"").iter().any(|line| line.contains(hint)), "{hint}: {}", exporter.log());
        let (code, said) = configured.alarm(&["set", "/load", "5"]);
        assert!(code == 1 && said.contains(hint) && said.lines().count() == 1, "{said}");
    }
    // TLS to the plain port, and plain text to the TLS port.
    let plain = &ensemble.members()[0];
    for (member, tls, hint) in [
        (plain, format!("tls: {{ca_file: {ca}}}\n"), "is this the plain client port?"),
        (&secure, String::new(), "is this its TLS port?"),
    ] {
        let configured = Configured::new(member, &format!("{tls}timeout: 5s"));
        let (code, said) = configured.alarm(&["list", "--timeout", "3s"]);
        assert!(code == 1 && said.contains(hint) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn sessions_over_ipv6_and_to_other_services() {
    let ensemble = Ensemble::start(&["--members", "1"]);
    let road = Road::start("[::1]:0", &ensemble.members()[0]);
    let configured = Configured::new(&format!("\"{}\"", road.address), "canary: {interval: 1s}");
    let exporter = configured.start();
    steady(&exporter, 1.0);
    assert_eq!(configured.alarm(&["set", "/load", "5"]).0, 0);
    assert_eq!(client(&ensemble.members()[0], &["get", "/alarm/load"]), "5");
    assert!(road.count(CREATE) >= 3, "over the road");

    let target = |address: &str| {
        let output = run(&["alarm", "list", "--timeout", "2s", "--zookeeper", address]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.lines().count() == 1, "{said}");
        said
    };
    assert!(target(&Listener::closing().address).contains("closed the connection before the session was open"));
    assert!(target(&Listener::silent().address).contains("no session in time"));
    assert!(
        target(&Listener::answering("HTTP/1.1 400 Bad Request\r\n\r\n").address).contains("is this its client port?")
    );
    let refused = crate::common::listeners::closed_port();
    assert!(target(&refused).contains("refused"), "{refused}");
}

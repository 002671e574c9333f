//! Invalid, hostile and slow clients: the right status, no delay for other clients, constant memory.
//!
//! `HOSTILE_CLIENTS` sets the number of clients of each kind; `scripts/test long http` uses 10 000.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::common::certs::Authority;
use crate::common::exporter::Exporter;
use crate::common::listeners::{Listener, closed_port};

fn count() -> usize {
    std::env::var("HOSTILE_CLIENTS").map_or(300, |text| text.parse().expect("a number"))
}

/// Maximum memory growth between a tenth of 10 000 clients and the last; with fewer, allocator effects hide a leak.
const FLAT: u64 = 1 << 20;

/// Time until connections of departed clients are closed.
const SETTLE: Duration = Duration::from_secs(10);

/// 100 connections, plus those for health checks, those that are being closed, and all others.
const MAX_DESCRIPTORS: usize = 180;

#[expect(clippy::disallowed_methods, reason = "this test has no async runtime")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the exporter listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends the request, reads to the end and returns the status; 0 if the connection was closed without one.
fn status(address: &str, request: &[u8]) -> u16 {
    let mut stream = connect(address);
    // The server may reply and close the connection early; the rest of the request then cannot be sent.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "it hangs");
    }
    let text = String::from_utf8_lossy(&answer);
    text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0)
}

/// Another client meanwhile gets an immediate response.
fn nobody_is_held_up(exporter: &Exporter, ask: &dyn Fn(&Exporter)) {
    let begun = Instant::now();
    ask(exporter);
    assert!(begun.elapsed() < Duration::from_secs(10), "a good client waited {:?}", begun.elapsed());
}

/// The number of open descriptors.
fn descriptors(exporter: &Exporter) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", exporter.pid())).unwrap().count()
}

/// Runs `once` repeatedly and checks memory and the latency for other clients.
#[expect(clippy::print_stderr, reason = "prints the measurements")]
fn often(exporter: &Exporter, kind: &str, ask: &dyn Fn(&Exporter), mut once: impl FnMut(usize)) {
    // More than can be open at the same time.
    let warm = (count() / 10).max(300);
    for number in 0..warm {
        once(number);
    }
    let before = exporter.resident();
    let begun = Instant::now();
    for number in 0..count() {
        once(number);
        if number % 100 == 0 {
            nobody_is_held_up(exporter, ask);
        }
    }
    let took = begun.elapsed();
    let flat = if count() < 10_000 { 3 * FLAT } else { FLAT };
    // On a busy machine the last connections are closed slightly later than their clients.
    let mut after = exporter.resident();
    while after > before + flat && begun.elapsed() < took + SETTLE {
        pause(Duration::from_millis(100));
        after = exporter.resident();
    }
    eprintln!("{kind}: {} clients in {took:?}, {before} -> {after} bytes resident", count());
    assert!(after <= before + flat, "{kind}: {before} bytes resident before, {after} after");
}

#[test]
fn invalid_requests_get_the_right_status() {
    let exporter = Exporter::start(&["--zookeeper", &closed_port()]);
    let good = |exporter: &Exporter| assert_eq!(exporter.get("/-/healthy", &[]).status, 200);
    let line = |line: &str, more: &str| format!("{line}\r\nHost: x\r\nConnection: close\r\n{more}\r\n").into_bytes();
    let big = "a".repeat(300 << 10);
    let many: String = (0..300).map(|number| format!("X-{number}: y\r\n")).collect();
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("wrong method", line("POST /metrics HTTP/1.1", "Content-Length: 0\r\n"), &[405]),
        ("unknown method", line("BREW /metrics HTTP/1.1", ""), &[405]),
        ("wrong path", line("GET /metrics/../../etc/passwd HTTP/1.1", ""), &[404]),
        ("wrong query", line("GET /-/healthy?%00=%ff&&=&a HTTP/1.1", ""), &[200]),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n".to_vec(), &[400, 0]),
        ("wrong version", line("GET / HTTP/3.0", ""), &[400]),
        ("broken header", line("GET / HTTP/1.1", "no colon\r\n"), &[400]),
        (
            "timeout that is none",
            line("GET /metrics HTTP/1.1", "X-Prometheus-Scrape-Timeout-Seconds: -1e999\r\n"),
            &[200],
        ),
        ("two lengths", line("POST / HTTP/1.1", "Content-Length: 1\r\nContent-Length: 2\r\n"), &[400]),
        (
            "length and chunks",
            line("POST / HTTP/1.1", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
            &[400, 405],
        ),
        ("long path", line(&format!("GET /{big} HTTP/1.1"), ""), &[414, 431]),
        ("long header", line("GET / HTTP/1.1", &format!("X: {big}\r\n")), &[431]),
        ("many headers", line("GET / HTTP/1.1", &many), &[431]),
        ("large body", line("POST /metrics HTTP/1.1", "Content-Length: 99999999999\r\n"), &[413]),
    ];
    for (kind, request, expected) in cases {
        often(&exporter, kind, &good, |_| {
            let got = status(&exporter.address, &request);
            assert!(expected.contains(&got), "{kind}: {got}");
        });
    }
    assert!(descriptors(&exporter) < 40, "{} descriptors are open", descriptors(&exporter));
}

#[test]
fn wrong_users_and_passwords_are_rejected() {
    use base64::Engine;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yml");
    // Cost 4.
    let secret = "$2y$04$GmNCpwuHkE3ToKCudUGknOmfZ0EtYr1yswyX3ZYAihfVeRtsprI4S";
    std::fs::write(&path, format!("basic_auth_users: {{prometheus: {secret}}}\n")).unwrap();
    let exporter = Exporter::start(&["--zookeeper", &closed_port(), "--web.config.file", path.to_str().unwrap()]);
    let basic = |text: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
    let right = basic("prometheus:secret");
    let good = |exporter: &Exporter| assert_eq!(exporter.get("/", &[("Authorization", &right)]).status, 200);
    for (kind, user, expected) in [
        ("wrong user", "nobody-{}:secret", 401),
        ("wrong password", "prometheus:wrong-{}", 401),
        ("right password", "prometheus:secret", 200),
    ] {
        often(&exporter, kind, &good, |number| {
            let user = basic(&user.replace("{}", &number.to_string()));
            let request = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {user}\r\n\r\n");
            assert_eq!(status(&exporter.address, request.as_bytes()), expected, "{kind}");
        });
    }
}

#[test]
fn half_open_and_endless_connections_are_closed_for_new_ones() {
    let exporter = Exporter::start(&["--zookeeper", &closed_port(), "--web.max-connections", "100"]);
    let good = |exporter: &Exporter| assert_eq!(exporter.get("/-/healthy", &[]).status, 200);
    for (kind, beginning) in [
        ("silent", &b""[..]),
        ("half a line", b"GET /metr"),
        ("half a head", b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-"),
        ("half a body", b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nab"),
        ("never reads", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
    ] {
        // Always hold twice as many connections as the limit allows.
        let mut held = VecDeque::new();
        often(&exporter, kind, &good, |_| {
            let mut stream = connect(&exporter.address);
            let _ = stream.write_all(beginning);
            held.push_back(stream);
            if held.len() > 200 {
                held.pop_front();
            }
        });
        let open = descriptors(&exporter);
        assert!(open < MAX_DESCRIPTORS, "{kind}: {open} descriptors are open while 200 clients are");
    }
    let page = exporter.get("/metrics", &[]);
    assert!(page.text().contains("zk_exporter_http_connections_rejected_total"));

    often(&exporter, "endless head", &good, |_| {
        let mut stream = connect(&exporter.address);
        let _ = stream.write_all(b"GET / HTTP/1.1\r\n");
        let line = format!("X-Pad: {}\r\n", "a".repeat(1000));
        // The server reads up to 64 KiB; the buffers of the kernel take some more.
        let sent = (0..20_000).take_while(|_| stream.write_all(line.as_bytes()).is_ok()).count();
        assert!(sent < 20_000, "a head without end is read");
    });
    often(&exporter, "endless body", &good, |_| {
        let mut stream = connect(&exporter.address);
        let _ = stream.write_all(b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = format!("400\r\n{}\r\n", "a".repeat(0x400));
        let sent = (0..20_000).take_while(|_| stream.write_all(chunk.as_bytes()).is_ok()).count();
        assert!(sent < 20_000, "a body without end is read");
    });
}

#[test]
fn incomplete_and_invalid_handshakes_do_not_block_clients() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new("CA");
    ca.issue("page", &["localhost"]).write(folder.path(), "page");
    let path = folder.path().join("web.yml");
    std::fs::write(&path, "tls_server_config: {cert_file: page.pem, key_file: page.key}\n").unwrap();
    let arguments =
        ["--zookeeper", &closed_port(), "--web.max-connections", "100", "--web.config.file", path.to_str().unwrap()];
    let exporter = Exporter::start(&arguments);
    let good = |exporter: &Exporter| {
        let output = crate::common::exporter::run(&["healthy", "--web.listen-address", &exporter.address]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let mut held = VecDeque::new();
    for (kind, beginning) in [
        ("silent", &b""[..]),
        ("half a hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ("plain HTTP", b"GET / HTTP/1.1\r\n\r\n"),
    ] {
        often(&exporter, kind, &good, |_| {
            let mut stream = connect(&exporter.address);
            let _ = stream.write_all(beginning);
            held.push_back(stream);
            if held.len() > 200 {
                held.pop_front();
            }
        });
    }
    held.clear();
    for (kind, garbage) in
        [("garbage", b"\x16\x03\x01\xff\xff\x00".repeat(2000)), ("plain HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec())]
    {
        often(&exporter, kind, &good, |_| {
            let mut stream = connect(&exporter.address);
            let _ = stream.write_all(&garbage);
            let _ = stream.shutdown(Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(!answer.starts_with(b"HTTP"), "{kind}");
        });
    }
}

#[test]
fn health_checks_are_answered_while_all_connections_are_busy() {
    let silent = Listener::silent();
    let exporter = Exporter::start(&["--zookeeper", &silent.address, "--web.max-connections", "40"]);
    let pipelined = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(50);
    let mut busy = Vec::new();
    let request =
        "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Prometheus-Scrape-Timeout-Seconds: 1\r\n\r\n";
    // Until a request is refused because there is no free slot.
    while status(&exporter.address, request.as_bytes()) != 503 {
        assert!(busy.len() < 400, "the connections are never all busy");
        for _ in 0..20 {
            let mut stream = connect(&exporter.address);
            let _ = stream.write_all(pipelined.as_bytes());
            busy.push(stream);
        }
    }
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        for path in ["/-/healthy", "/-/ready"] {
            let answer = exporter.try_get(path, &[]).expect("an answer");
            assert_eq!(answer.status, 200, "{path}");
            assert!(answer.took < Duration::from_secs(1), "{path}: {:?}", answer.took);
        }
    }
    let page = exporter.get("/metrics", &[("X-Prometheus-Scrape-Timeout-Seconds", "1")]);
    assert!(page.status == 200 || page.head.contains("retry-after: "), "{}", page.head);
    drop(busy);
}

#[test]
fn a_client_that_has_closed_its_sending_side_gets_its_response() {
    let exporter = Exporter::start(&["--zookeeper", &closed_port()]);
    for (path, expected) in [("/-/healthy", "ok\n"), ("/metrics", "\nzk_up{"), ("/", "</html>"), ("/sd", "targets")] {
        for version in ["1.0", "1.1"] {
            let mut stream = connect(&exporter.address);
            stream.write_all(format!("GET {path} HTTP/{version}\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.") && answer.contains(expected), "{path} {version}: {answer}");
        }
    }
}

#[test]
fn every_wait_of_a_request_is_within_its_timeout() {
    use base64::Engine;
    let (folder, silent) = (tempfile::tempdir().unwrap(), Listener::silent());
    let (web, config) = (folder.path().join("web.yml"), folder.path().join("config.yml"));
    std::fs::write(&web, format!("basic_auth_users: {{prometheus: {}}}\n", bcrypt::hash("secret", 7).unwrap()))
        .unwrap();
    let modules = "modules: {default: {timeout: 30s}}";
    std::fs::write(&config, format!("{modules}\nensembles: [{{name: one, members: [\"{}\"]}}]\n", silent.address))
        .unwrap();
    let exporter =
        Exporter::start(&["--config.file", config.to_str().unwrap(), "--web.config.file", web.to_str().unwrap()]);
    let basic = |password: &str| {
        let text = base64::engine::general_purpose::STANDARD.encode(format!("prometheus:{password}"));
        format!("Basic {text}")
    };
    // Wrong passwords waiting for verification, and scrapes waiting for the silent member.
    let waiting: Vec<TcpStream> = (0..25)
        .map(|number| {
            let mut stream = connect(&exporter.address);
            let wrong = basic(&format!("wrong {number}"));
            let request = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: {wrong}\r\n\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    let right = basic("secret");
    for path in ["/metrics", "/probe?ensemble=one", "/", "/ensemble/one"] {
        let headers = [("Authorization", right.as_str()), ("X-Prometheus-Scrape-Timeout-Seconds", "3")];
        let answer = exporter.get(path, &headers);
        assert!(answer.took < Duration::from_secs(3), "{path}: {:?}", answer.took);
        assert_eq!(answer.status, 200, "{path}");
    }
    drop(waiting);
}

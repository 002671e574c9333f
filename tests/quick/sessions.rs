//! Members that violate the session protocol: each violation fails one canary cycle and has no other effect.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::exporter::{Exporter, run};
use crate::common::listeners::Listener;
use crate::common::{Page, read_page, root};
use zookeeper_exporter::exposition::Format;

pub const MNTR: &str = include_str!("../fixtures/3.9.3/follower/mntr.txt");

fn frame(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

/// Reads the next request; `None` when the client has closed the connection.
pub fn request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let length = u32::from_be_bytes(length) as usize;
    let mut body = vec![0; Some(length).filter(|length| *length < 1 << 20)?];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

/// The reply to a client that opens a session.
fn granted(milliseconds: i32, password: &[u8]) -> Vec<u8> {
    let number = 0x1234_u64.to_be_bytes();
    let length = u32::try_from(password.len()).unwrap().to_be_bytes();
    frame(&[&[0; 4], &milliseconds.to_be_bytes()[..], &number, &length, password, &[0]].concat())
}

pub fn six_seconds() -> Vec<u8> {
    granted(6000, &[7; 16])
}

/// A member that opens sessions, and the number opened.
struct Liar {
    listener: Listener,
    opened: Arc<AtomicUsize>,
}

/// A member that grants each session with these bytes and then runs `treat`.
fn liar(grant: Vec<u8>, treat: impl Fn(&mut TcpStream) -> Option<()> + Send + Sync + 'static) -> Liar {
    let opened = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&opened);
    let listener = Listener::start(move |mut stream| {
        // Four-letter commands arrive here too; parsed as a length, they exceed any request.
        if request(&mut stream).is_some_and(|_| stream.write_all(&grant).is_ok()) {
            counted.fetch_add(1, Ordering::Relaxed);
            treat(&mut stream);
        }
    });
    Liar { listener, opened }
}

/// A reply without an error for this xid.
pub fn numbered(xid: &[u8], body: &[u8]) -> Vec<u8> {
    frame(&[xid, &1_u64.to_be_bytes(), &0_u32.to_be_bytes(), body].concat())
}

/// The path of a request including its length: the body of the reply to `create`.
fn path(request: &[u8]) -> &[u8] {
    let length = u32::from_be_bytes(request[8..12].try_into().unwrap()) as usize;
    &request[8..12 + length]
}

/// Replies to every request with the result of `reply`.
fn answering(
    reply: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
) -> impl Fn(&mut TcpStream) -> Option<()> + Send + Sync {
    move |stream| {
        loop {
            let request = request(stream)?;
            stream.write_all(&reply(&request)).ok()?;
        }
    }
}

/// A reply with an error.
fn refused(asked: &[u8], code: i32) -> Vec<u8> {
    frame(&[&asked[..4], &1_u64.to_be_bytes(), &code.to_be_bytes()].concat())
}

/// A watch event for a path.
fn event(path: &[u8]) -> Vec<u8> {
    let length = u32::try_from(path.len()).unwrap().to_be_bytes();
    let watched = [&3_u32.to_be_bytes()[..], &3_u32.to_be_bytes(), &length, path].concat();
    frame(&[&(-1_i32).to_be_bytes()[..], &(-1_i64).to_be_bytes(), &0_u32.to_be_bytes(), &watched].concat())
}

/// Replies to a canary like a server, except that `lie` replaces the reply to one type of request.
pub fn but(
    kind: u8,
    lie: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
) -> impl Fn(&mut TcpStream) -> Option<()> + Send + Sync {
    answering(move |asked| match asked[7] {
        asked_for if asked_for == kind => lie(asked),
        1 => numbered(&asked[..4], path(asked)),
        2 => numbered(&asked[..4], &[]),
        4 => numbered(&asked[..4], &[&1_u32.to_be_bytes()[..], b"0", &stat(1, 0)].concat()),
        5 => [event(&path(asked)[4..]), numbered(&asked[..4], &stat(1, 0))].concat(),
        11 => numbered(&(-2_i32).to_be_bytes(), &[]),
        _ => Vec::new(),
    })
}

/// A frame that is announced as longer than it ever gets.
fn endless(stream: &mut TcpStream) -> Option<()> {
    request(stream)?;
    stream.write_all(&0x7fff_ffff_u32.to_be_bytes()).ok()?;
    while stream.write_all(&[7; 1 << 14]).is_ok() {}
    None
}

/// Events of watches that were not set.
fn chatty(stream: &mut TcpStream) -> Option<()> {
    request(stream)?;
    let many = event(b"/noise").repeat(1000);
    while stream.write_all(&many).is_ok() {}
    None
}

/// No further data.
fn silent(stream: &mut TcpStream) -> Option<()> {
    while stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
    None
}

/// Sends one byte at a time, slower than the timeout of a cycle.
#[expect(clippy::disallowed_methods, reason = "a slow server sleeps")]
fn dripping(stream: &mut TcpStream) -> Option<()> {
    loop {
        for byte in numbered(&request(stream)?[..4], &[0; 1000]) {
            stream.write_all(&[byte]).ok()?;
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// An exporter with an ensemble `innocent`, and one with this member and these lines in its module.
fn exporter(folder: &std::path::Path, innocent: &Listener, liar: &Liar, module: &str) -> Exporter {
    let path = folder.join("ensembles.yml");
    let text = format!(
        "modules:\n  lies:\n    {module}\n    session: {{timeout: 2s}}\n\
         ensembles:\n  - {{name: innocent, members: [\"{}\"]}}\n  - {{name: lies, members: [\"{}\"], module: lies}}\n",
        innocent.address, liar.listener.address
    );
    std::fs::write(&path, text).unwrap();
    Exporter::start(&["--config.file", path.to_str().unwrap()])
}

pub fn page(exporter: &Exporter) -> Page {
    read_page(exporter.scrape("5").text(), Format::Classic).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "polling interval for a page")]
pub fn pause() {
    std::thread::sleep(Duration::from_millis(400));
}

/// Canary failures so far, and their kinds.
fn failures(page: &Page) -> (f64, Vec<String>) {
    let of = |name: &str| -> Vec<_> { page.series.iter().filter(|(series, _)| series.name == name).collect() };
    let failures = of("zk_canary_failures_total");
    let kinds = failures.iter().map(|(series, _)| format!("{}: {}", series.label("operation"), series.label("error")));
    (failures.iter().map(|(_, count)| count).sum(), kinds.collect())
}

#[test]
fn a_protocol_violation_fails_the_canary_only() {
    let innocent = Listener::answering(MNTR);
    let days = 24 * 24 * 3600 * 1000;
    // The violation, and how cycles fail; empty if it depends on which error is detected first.
    let kinds: [(&str, Liar, &str); 29] = [
        ("nameless", liar(six_seconds(), answering(|asked| numbered(&asked[..4], &[0; 4]))), "create: protocol"),
        (
            "another name",
            liar(six_seconds(), answering(|asked| numbered(&asked[..4], b"\0\0\0\x02/x"))),
            "create: protocol",
        ),
        ("negative length", liar(six_seconds(), answering(|_| (-7_i32).to_be_bytes().repeat(9))), "create: protocol"),
        ("endless", liar(six_seconds(), endless), "create: too_large"),
        (
            "cut",
            liar(six_seconds(), |stream| {
                let reply = numbered(&request(stream)?[..4], &[0; 100]);
                stream.write_all(&reply[..40]).ok()
            }),
            "",
        ),
        (
            "repeated",
            liar(six_seconds(), answering(|asked| numbered(&asked[..4], path(asked)).repeat(2))),
            "read: protocol",
        ),
        ("wrong number", liar(six_seconds(), answering(|_| numbered(&[0, 0, 9, 9], &[0; 4]))), "create: protocol"),
        ("short header", liar(six_seconds(), answering(|_| frame(&[0; 7]))), "create: protocol"),
        ("unasked", liar([six_seconds(), numbered(&[0, 0, 0, 1], &[0; 4])].concat(), silent), "create: protocol"),
        (
            "unasked ping",
            liar([six_seconds(), numbered(&(-2_i32).to_be_bytes(), &[])].concat(), silent),
            "create: protocol",
        ),
        ("chatty", liar(six_seconds(), chatty), "create: protocol"),
        ("silent for days", liar(granted(days, &[7; 16]), silent), "create: timeout"),
        ("a millisecond", liar(granted(1, &[7; 16]), silent), ""),
        ("no time", liar(granted(0, &[7; 16]), silent), "connect: protocol"),
        ("a long password", liar(granted(6000, &vec![7; 1 << 20]), silent), "connect: protocol"),
        ("dripping", liar(six_seconds(), dripping), "create: timeout"),
        ("minus five", liar(granted(-5, &[7; 16]), silent), "connect: protocol"),
        ("a session that is none", liar(frame(&[0; 37]), silent), "connect: protocol"),
        ("a short grant", liar(frame(&[0; 15]), silent), "connect: protocol"),
        ("half a grant", liar(six_seconds()[..20].to_vec(), silent), "connect: timeout"),
        ("a web server", liar(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), silent), "connect: protocol"),
        ("hanging up", liar(six_seconds(), |_| None), ""),
        ("unknown code", liar(six_seconds(), but(1, |asked| refused(asked, i32::MIN))), "create: other"),
        ("refused for ever", liar(six_seconds(), but(5, |asked| refused(asked, -103))), "update: changed"),
        ("other data", liar(six_seconds(), but(4, |asked| numbered(&asked[..4], &stat(0, 0)))), ""),
        ("no event", liar(six_seconds(), but(5, |asked| numbered(&asked[..4], &stat(1, 0)))), "watch: timeout"),
        (
            "an event elsewhere",
            liar(six_seconds(), but(5, |asked| [event(b"/x"), numbered(&asked[..4], &stat(1, 0))].concat())),
            "watch: timeout",
        ),
        (
            "an event twice",
            liar(
                six_seconds(),
                but(5, |asked| [event(&path(asked)[4..]).repeat(2), numbered(&asked[..4], &stat(1, 0))].concat()),
            ),
            "update: protocol",
        ),
        (
            "the last transaction of all",
            liar(
                six_seconds(),
                but(2, |asked| frame(&[&asked[..4], &i64::MAX.to_be_bytes(), &(-101_i32).to_be_bytes()].concat())),
            ),
            "delete: no_node",
        ),
    ];
    std::thread::scope(|scope| {
        for (kind, liar, expected) in &kinds {
            scope.spawn(|| costs_the_canary_only(kind, &innocent, liar, expected));
        }
    });
}

fn costs_the_canary_only(kind: &str, innocent: &Listener, liar: &Liar, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let exporter = exporter(folder.path(), innocent, liar, "canary: {interval: 1s, timeout: 900ms}");
    let begun = Instant::now();
    let mut before = None;
    let mut last = (0.0, Vec::new());
    while last.0 < 7.0 {
        assert!(begun.elapsed() < Duration::from_mins(1), "{kind}: {last:?}: {}", exporter.log());
        let page = page(&exporter);
        assert_eq!(page.value("zk_up", &[("ensemble", "innocent")]), Some(1.0), "{kind}");
        let rounds: f64 =
            page.series.iter().filter(|(series, _)| series.name == "zk_canary_rounds_total").map(|(_, n)| n).sum();
        last = failures(&page);
        assert_eq!(last.0, rounds, "{kind}: every round fails once");
        if last.0 >= 2.0 {
            before.get_or_insert_with(|| exporter.resident());
        }
        pause();
    }
    // On a busy machine a cycle may time out instead.
    let is_expected = |found: &String| found == expected || found.ends_with(": timeout");
    let known = last.1.iter().any(|found| found == expected) && last.1.iter().all(is_expected);
    assert!(expected.is_empty() || known, "{kind}: {:?}: {}", last.1, exporter.log());
    let opened = liar.opened.load(Ordering::Relaxed);
    // After an error reply from the server the session continues.
    let is_kept = ["update: changed", "delete: no_node"].contains(&expected);
    assert!(if is_kept { opened == 1 } else { opened > 2 }, "{kind}: {opened} sessions: {}", exporter.log());
    let log = exporter.log();
    let violations = log.lines().filter(|line| line.contains("violated the protocol")).count();
    let warnings = log.lines().filter(|line| line.contains("canary round failed")).count();
    assert!(warnings <= 1 + last.1.len(), "{kind}: a kind of failure has one line: {log}");
    assert!(violations <= 1, "{kind}: a member has one line in ten minutes: {log}");
    // A well-formed reply to a different request is detected by the operation itself.
    let by_operation = ["nameless", "another name"].contains(&kind);
    assert!(violations == 1 || by_operation || !expected.ends_with(": protocol"), "{kind}: {log}");
    let grown = exporter.peak().saturating_sub(before.unwrap());
    assert!(grown < 16 << 20, "{kind}: {grown} bytes more");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a slow server and a stopped exporter")]
fn a_round_during_which_the_exporter_was_stopped_is_not_counted() {
    let creates = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&creates);
    let slow = but(1, move |asked| {
        seen.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(400));
        numbered(&asked[..4], path(asked))
    });
    let (innocent, folder) = (Listener::answering(MNTR), tempfile::tempdir().unwrap());
    let slow = liar(six_seconds(), slow);
    let exporter = exporter(folder.path(), &innocent, &slow, "canary: {interval: 1s, timeout: 900ms}");
    for _ in 0..2 {
        let (before, begun) = (creates.load(Ordering::Relaxed), Instant::now());
        while creates.load(Ordering::Relaxed) == before {
            assert!(begun.elapsed() < Duration::from_secs(20), "no round: {}", exporter.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        exporter.signal("STOP");
        std::thread::sleep(Duration::from_millis(2500));
        exporter.signal("CONT");
    }
    let begun = Instant::now();
    while page(&exporter).value("zk_canary_rounds_total", &[]).is_none_or(|rounds| rounds < 2.0) {
        assert!(begun.elapsed() < Duration::from_secs(20), "no round: {}", exporter.log());
        pause();
    }
    let page = page(&exporter);
    assert_eq!((failures(&page).0, page.value("zk_canary_up", &[])), (0.0, Some(1.0)), "{}", exporter.log());
}

/// `Stat` of a znode with this data length and number of children.
pub fn stat(bytes: i32, children: i32) -> Vec<u8> {
    [&[0; 44][..], &0_i64.to_be_bytes(), &bytes.to_be_bytes(), &children.to_be_bytes(), &[0; 8]].concat()
}

/// Replies to a znode reader: `children` as the list of children, `data` where the stat announces one byte.
fn znodes(children: Vec<u8>, data: &[u8]) -> Liar {
    let data = [&u32::try_from(data.len()).unwrap().to_be_bytes()[..], data, &stat(1, 0)].concat();
    let reply = move |asked: &[u8]| match asked[7] {
        3 if path(asked).ends_with(b"/good") => numbered(&asked[..4], &stat(1, 0)),
        4 if path(asked).ends_with(b"/good") => numbered(&asked[..4], &data),
        8 => numbered(&asked[..4], &children),
        11 => numbered(&(-2_i32).to_be_bytes(), &[]),
        // No such znode.
        _ => refused(asked, -101),
    };
    liar(six_seconds(), answering(reply))
}

/// A list that announces `count` names and contains these.
fn list(count: u32, names: &[&[u8]]) -> Vec<u8> {
    let each = |name: &&[u8]| [&u32::try_from(name.len()).unwrap().to_be_bytes()[..], name].concat();
    [&count.to_be_bytes()[..], &names.iter().flat_map(each).collect::<Vec<_>>()].concat()
}

/// Waits until a path of the misbehaving ensemble has failed and returns the reason.
fn reason(exporter: &Exporter, path: &str) -> String {
    let begun = Instant::now();
    loop {
        let page = page(exporter);
        let mut failures = page.series.iter().filter(|(series, _)| series.name == "zk_znode_failure");
        if let Some((series, _)) = failures.find(|(series, _)| series.label("path") == path) {
            assert_eq!(page.value("zk_up", &[("ensemble", "innocent")]), Some(1.0));
            return series.label("reason").to_owned();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "no failure of {path}: {}", exporter.log());
        pause();
    }
}

#[test]
fn an_invalid_list_of_children_fails_its_glob_only() {
    let innocent = Listener::answering(MNTR);
    let many: Vec<Vec<u8>> = (0..300_000).map(|number| format!("n{number:07}").into_bytes()).collect();
    let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
    let long = vec![b'x'; 70_000];
    for (kind, children, expected) in [
        ("two billion", list(0x7fff_ffff, &[b"a"]), "protocol"),
        ("a billion", list(0x4000_0005, &[b"a"]), "protocol"),
        ("a negative count", list(0xffff_ff00, &[]), "protocol"),
        ("an empty name", list(1, &[b""]), "protocol"),
        ("an escape sequence", list(1, &[b"\x1b[2J"]), "protocol"),
        ("more than a frame has", [list(1, &[b"a"]), vec![0; 5 << 20]].concat(), "too_large"),
        ("300 000 names", list(300_000, &many), "limit"),
        ("a name of 70 000 bytes", list(1, &[&long]), "limit"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let liar = znodes(children, b"1");
        let module = "znodes: {interval: 1s, max_znodes: 2, paths: [/app/*, /good]}";
        let exporter = exporter(folder.path(), &innocent, &liar, module);
        assert_eq!(reason(&exporter, "/app/*"), expected, "{kind}: {}", exporter.log());
        assert!(exporter.peak() < 64 << 20, "{kind}: {} bytes", exporter.peak());
        if expected == "protocol" {
            assert_eq!(page(&exporter).value("zk_znode_value", &[("path", "/good")]), Some(1.0), "{kind}");
        }
    }
}

#[test]
fn data_longer_than_in_stat_is_not_read() {
    let innocent = Listener::answering(MNTR);
    let folder = tempfile::tempdir().unwrap();
    let liar = znodes(list(0, &[]), &[b'1'; 1001]);
    let exporter = exporter(folder.path(), &innocent, &liar, "znodes: {interval: 1s, max_bytes: 1000, paths: [/good]}");
    assert_eq!(reason(&exporter, "/good"), "too_large");
    assert_eq!(page(&exporter).value("zk_znode_value", &[("path", "/good")]), None);
}

#[test]
fn alarm_reports_a_protocol_violation_in_one_line() {
    let nameless = liar(six_seconds(), answering(|asked| numbered(&asked[..4], &[0; 4])));
    let endless = znodes(list(0x7fff_ffff, &[b"a"]), &[]);
    for (liar, arguments, begin) in [
        (nameless, &["set", "/load", "5"][..], "cannot set the alarm /alarm/load: "),
        (endless, &["list"][..], "cannot list the alarms below /alarm: "),
    ] {
        let target = ["--zookeeper", &liar.listener.address, "--timeout", "2s"];
        let output = run(&[&["alarm"], arguments, &target].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(begin) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn a_panic_ends_a_task_and_not_the_process() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("panic = \"abort\""), "what a reply sets off in a parser would end everything");
}

//! Members that lie to a client session: what no server would send costs the canary its round, and nobody anything else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::exporter::{Exporter, run};
use crate::common::listeners::Listener;
use crate::common::{Page, read_page, root};
use zookeeper_exporter::exposition::Format;

const MNTR: &str = include_str!("../fixtures/3.9.3/follower/mntr.txt");

fn frame(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

/// What the client sends next; none when it has hung up.
fn question(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let length = u32::from_be_bytes(length) as usize;
    let mut body = vec![0; Some(length).filter(|length| *length < 1 << 20)?];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

/// The answer to a client that opens a session, which is granted for so many milliseconds.
fn granted(milliseconds: u32) -> Vec<u8> {
    let password = [7; 16];
    let number = 0x1234_u64.to_be_bytes();
    let time = milliseconds.to_be_bytes();
    frame(&[&[0; 4], &time[..], &number, &16_u32.to_be_bytes(), &password, &[0]].concat())
}

/// A member that opens sessions, and how many it has opened.
struct Liar {
    listener: Listener,
    opened: Arc<AtomicUsize>,
}

/// A member that opens sessions and treats each as `treat` does.
fn liar(milliseconds: u32, treat: impl Fn(&mut TcpStream) -> Option<()> + Send + Sync + 'static) -> Liar {
    let opened = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&opened);
    let listener = Listener::start(move |mut stream| {
        // Words come here too, which announce more than anybody sends.
        if question(&mut stream).is_some_and(|_| stream.write_all(&granted(milliseconds)).is_ok()) {
            counted.fetch_add(1, Ordering::Relaxed);
            treat(&mut stream);
        }
    });
    Liar { listener, opened }
}

/// Header of an answer to a question: its number, a transaction, no error.
fn answer(question: &[u8], body: &[u8]) -> Vec<u8> {
    frame(&[&question[..4], &1_u64.to_be_bytes(), &0_u32.to_be_bytes(), body].concat())
}

/// The znode that was made has no name.
fn nameless(stream: &mut TcpStream) -> Option<()> {
    loop {
        let question = question(stream)?;
        stream.write_all(&answer(&question, &0_u32.to_be_bytes())).ok()?;
    }
}

/// Two gigabytes are announced, and sent.
fn endless(stream: &mut TcpStream) -> Option<()> {
    stream.write_all(&0x7fff_ffff_u32.to_be_bytes()).ok()?;
    while stream.write_all(&[7; 1 << 14]).is_ok() {}
    None
}

/// Watches nobody set are told without end.
fn chatty(stream: &mut TcpStream) -> Option<()> {
    let watch = [&3_u32.to_be_bytes()[..], &3_u32.to_be_bytes(), &6_u32.to_be_bytes(), b"/noise"].concat();
    let told = frame(&[&(-1_i32).to_be_bytes()[..], &(-1_i64).to_be_bytes(), &0_u32.to_be_bytes(), &watch].concat());
    let many = told.repeat(1000);
    while stream.write_all(&many).is_ok() {}
    None
}

/// Never another word.
fn silent(stream: &mut TcpStream) -> Option<()> {
    while stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
    None
}

/// An exporter with an innocent ensemble, and one of this member with a canary that flies every second.
fn exporter(folder: &std::path::Path, innocent: &Listener, liar: &Liar) -> Exporter {
    let path = folder.join("ensembles.yml");
    let text = format!(
        "modules:\n  lies:\n    canary: {{interval: 1s, timeout: 300ms}}\n    session: {{timeout: 2s}}\n\
         ensembles:\n  - {{name: innocent, members: [\"{}\"]}}\n  - {{name: lies, members: [\"{}\"], module: lies}}\n",
        innocent.address, liar.listener.address
    );
    std::fs::write(&path, text).unwrap();
    Exporter::start(&["--config.file", path.to_str().unwrap()])
}

fn page(exporter: &Exporter) -> Page {
    read_page(exporter.scrape("1").text(), Format::Classic).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "between two looks at a page")]
fn pause() {
    std::thread::sleep(Duration::from_millis(100));
}

/// Failures of the canary so far.
fn failures(page: &Page) -> f64 {
    let failures = page.series.iter().filter(|(series, _)| series.name == "zk_canary_failures_total");
    failures.map(|(_, count)| count).sum()
}

#[test]
fn a_member_that_lies_to_a_session_costs_the_canary_only() {
    let innocent = Listener::answering(MNTR);
    let days = 24 * 24 * 3600 * 1000;
    let kinds: [(&str, Liar); 4] = [
        ("nameless", liar(6000, nameless)),
        ("endless", liar(6000, endless)),
        ("chatty", liar(6000, chatty)),
        ("silent for days", liar(days, silent)),
    ];
    std::thread::scope(|scope| {
        for (kind, liar) in &kinds {
            scope.spawn(|| costs_the_canary_only(kind, &innocent, liar));
        }
    });
}

fn costs_the_canary_only(kind: &str, innocent: &Listener, liar: &Liar) {
    let folder = tempfile::tempdir().unwrap();
    let exporter = exporter(folder.path(), innocent, liar);
    let begun = Instant::now();
    let before = exporter.resident();
    // More rounds than sessions may be closing: each must find its way to the member.
    let mut seen = 0.0;
    while seen < 7.0 {
        assert!(begun.elapsed() < Duration::from_secs(40), "{kind}: {seen} failures: {}", exporter.log());
        let page = page(&exporter);
        assert_eq!(page.value("zk_up", &[("ensemble", "innocent")]), Some(1.0), "{kind}");
        seen = failures(&page);
        pause();
    }
    let opened = liar.opened.load(Ordering::Relaxed);
    assert!(opened > 2, "{kind}: {opened} sessions: {}", exporter.log());
    let grown = exporter.peak().saturating_sub(before);
    assert!(grown < 40 << 20, "{kind}: {grown} bytes more");
}

#[test]
fn an_alarm_at_a_member_that_lies_is_one_line() {
    let liar = liar(6000, nameless);
    let output = run(&["alarm", "set", "/load", "5", "--zookeeper", &liar.listener.address, "--timeout", "2s"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot set the alarm /alarm/load: "), "{said}");
}

#[test]
fn a_panic_ends_a_task_and_not_the_process() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("panic = \"abort\""), "what a lying member sets off in a crate would end everything");
}

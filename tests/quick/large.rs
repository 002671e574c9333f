//! A page too large for a buffer: it is streamed to every kind of client without being kept.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::common::exporter::{Exporter, dechunked};
use crate::common::listeners::closed_port;

/// Enough silent members for a page of several megabytes.
const MEMBERS: usize = 1500;

fn start() -> Exporter {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yml");
    let address = closed_port();
    let mut config = String::from("ensembles:\n");
    for number in 0..MEMBERS {
        config.push_str(&format!("  - {{name: e{number}, members: [\"{address}\"]}}\n"));
    }
    std::fs::write(&path, config).unwrap();
    Exporter::start(&["--config.file", path.to_str().unwrap()])
}

/// The complete response to a request.
fn ask(exporter: &Exporter, request: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(&exporter.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    (String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase(), bytes[end..].to_vec())
}

/// Every ensemble occurs once, and the exporter's own metrics at the end. A busy machine may not query all members in
/// time: such a member has no `zk_up`, but its ensemble is on the page.
fn is_whole(text: &str) {
    let lines = |begin: &str| text.lines().filter(|line| line.starts_with(begin)).count();
    assert_eq!(lines("zk_ensemble_members{"), MEMBERS);
    assert_eq!(lines("# TYPE zk_ensemble_members "), 1);
    assert!(lines("zk_up{") <= MEMBERS);
    assert!(text.contains("\nzk_exporter_build_info{"), "the exporter's own metrics are missing");
    assert!(text.len() > 1 << 20, "{} bytes are no large page", text.len());
    assert!(text.ends_with('\n'));
}

#[test]
fn large_pages_are_complete_for_every_kind_of_client() {
    let exporter = start();
    let (head, body) = ask(&exporter, "GET /metrics HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    is_whole(&String::from_utf8(dechunked(&body)).unwrap());

    let request = "GET /metrics HTTP/1.1\r\nHost: t\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n";
    let (head, body) = ask(&exporter, request);
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*dechunked(&body)).read_to_string(&mut text).unwrap();
    is_whole(&text);

    let (head, body) = ask(&exporter, "GET /metrics HTTP/1.0\r\nHost: t\r\n\r\n");
    assert!(!head.contains("transfer-encoding"), "{head}");
    is_whole(&String::from_utf8(body).unwrap());

    let (head, body) = ask(&exporter, "HEAD /metrics HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(body.is_empty());

    let openmetrics = "Accept: application/openmetrics-text; version=1.0.0";
    let request = format!("GET /metrics HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{openmetrics}\r\n\r\n");
    let (_, body) = ask(&exporter, &request);
    assert!(dechunked(&body).ends_with(b"\n# EOF\n"));
}

#[test]
fn slow_clients_do_not_delay_others() {
    let exporter = start();
    let request = "GET /metrics HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
    // Each has a response in flight of which it reads only the beginning.
    let dawdlers: Vec<TcpStream> = (0..16)
        .map(|_| {
            let mut stream = TcpStream::connect(&exporter.address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream.read_exact(&mut [0; 1024]).unwrap();
            stream
        })
        .collect();
    let (_, body) = ask(&exporter, request);
    is_whole(&String::from_utf8(dechunked(&body)).unwrap());
    drop(dawdlers);
    let (_, body) = ask(&exporter, request);
    is_whole(&String::from_utf8(dechunked(&body)).unwrap());
}

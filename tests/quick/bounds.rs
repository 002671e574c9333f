//! What servers, visitors and files may make the exporter do: where it connects, what it keeps, what it shows.

use std::sync::atomic::Ordering;

use zookeeper_exporter::exposition::Format;

use crate::common::exporter::Exporter;
use crate::common::listeners::Listener;
use crate::common::{Page, read_page};

const SRVR: &str = include_str!("../fixtures/3.9.3/follower/srvr.txt");

fn exporter(config: &str) -> (Exporter, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config).unwrap();
    (Exporter::start(&["--config.file", file.path().to_str().unwrap()]), file)
}

fn scrape(exporter: &Exporter) -> Page {
    let answer = exporter.scrape("4");
    assert_eq!(answer.status, 200);
    read_page(answer.text(), Format::Classic).unwrap()
}

/// A `conf` that names these clients' addresses.
fn membership(clients: &[String]) -> String {
    let mut text = String::from("clientPort=1\nserverId=1\npeerType=0\nmembership: \n");
    for (place, client) in clients.iter().enumerate() {
        text.push_str(&format!("server.{}=zk-{0}.invalid:2888:3888:participant;{client}\n", place + 1));
    }
    text + "version=100000000"
}

#[test]
fn a_lying_membership_leads_neither_scrape_nor_probe_around_the_exporter() {
    let victim = Listener::answering("secret\n");
    let port = victim.address.rsplit_once(':').unwrap().1;
    let spellings =
        ["127.1", "2130706433", "0x7f000001", "017700000001", "localhost", "127.0.0.1", "0", "ip6-localhost"];
    let clients: Vec<String> = spellings.iter().map(|host| format!("{host}:{port}")).collect();
    let conf = membership(&clients);
    let liar = Listener::answering_words(&[("srvr", SRVR), ("conf", &conf)]);
    // One of the configured members has a name: this ensemble is not on loopback.
    let config =
        format!("ensembles: [{{name: prod, members: [\"{}\", \"zk-1.invalid\"], discovery: conf}}]\n", liar.address);
    let (exporter, _file) = exporter(&config);
    for _ in 0..3 {
        scrape(&exporter);
    }
    for client in &clients {
        let debug = exporter.get(&format!("/probe?target={client}&debug=true"), &[]);
        assert!(!debug.text().contains("secret"), "{client}: {}", debug.text());
    }
    assert_eq!(victim.connections.load(Ordering::Relaxed), 0);
    // The same liar in an ensemble on loopback leads to loopback, which is how a test or a demo runs.
    let config = format!("ensembles: [{{name: prod, members: [\"{}\"], discovery: conf}}]\n", liar.address);
    let (exporter, _file) = self::exporter(&config);
    for _ in 0..3 {
        scrape(&exporter);
    }
    assert!(victim.connections.load(Ordering::Relaxed) > 0);
}

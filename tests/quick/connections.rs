//! Client connections by address: replies of real servers, the exported metrics, the judgement, and `top`.

use zookeeper_exporter::config::Command;
use zookeeper_exporter::exposition::Format;
use zookeeper_exporter::reply::{ReplyKind, cons};
use zookeeper_exporter::scrape::reading::Replies;

use crate::common::exporter::{Exporter, run};
use crate::common::listeners::Listener;
use crate::common::{Page, fixtures, heard, read_page};

const CONS: &str = include_str!("../fixtures/3.8.0/follower/cons.txt");
const BODY: &[u8] = include_bytes!("../fixtures/3.8.0/follower/admin-connections.json");
const MNTR: &str = include_str!("../fixtures/3.8.0/follower/mntr.txt");
const SRVR: &str = include_str!("../fixtures/3.8.0/follower/srvr.txt");
const CONF: &str = include_str!("../fixtures/3.8.0/follower/conf.txt");
const REFUSED: &str = "cons is not executed because it is not in the whitelist.\n";

/// The clients of the captured reply, and their connections.
const CAPTURED: [(&str, f64); 5] =
    [("127.0.0.11", 5.0), ("127.0.0.12", 4.0), ("127.0.9.14", 2.0), ("127.0.0.1", 1.0), ("127.0.9.13", 1.0)];

#[test]
fn captured_cons_replies_are_parsed_or_classified() {
    let mut seen = [0; 3];
    for fixture in fixtures() {
        let Some(bytes) = fixture.read("cons.txt") else { continue };
        let text = String::from_utf8(bytes).unwrap();
        let (expected, kind) = match &*text {
            _ if text.contains("not currently serving") => (ReplyKind::NotServing, 0),
            _ if text.contains("whitelist") => (ReplyKind::NotAllowed, 1),
            _ => (ReplyKind::Answer, 2),
        };
        assert_eq!(cons::kind(&text), expected, "{}", fixture.name);
        let all = cons::parse(&text).by_port.concat();
        let lines = text.lines().filter(|line| line.contains("recved=")).count();
        assert_eq!(all.len(), lines, "{}", fixture.name);
        assert!(all.iter().all(|connection| connection.address.is_loopback()), "{}", fixture.name);
        assert_eq!(all.iter().any(|connection| connection.session > 0), kind == 2, "{}", fixture.name);
        seen[kind] += 1;
    }
    assert!(seen[0] >= 2 && seen[1] >= 1 && seen[2] >= 4, "{seen:?}");
}

#[test]
fn the_admin_server_replaces_a_refused_cons() {
    let read = |admin: &[u8]| {
        let cons = Some(heard(Command::Cons, REFUSED.as_bytes()));
        let admin_connections = Some(heard(Command::AdminConnections, admin));
        Replies { cons, admin_connections, ..Replies::default() }.report("zk-1:2181".into(), None)
    };
    let member = read(BODY);
    let connections = member.connections.expect("connections");
    assert_eq!(connections.by_port.iter().map(Vec::len).collect::<Vec<_>>(), [12, 0]);
    assert!(member.failures.is_empty(), "{:?}", member.failures);
    // Both ways show the same connections, but for those of the queries themselves.
    let sessions = |list: &cons::ConnectionList| {
        let all = list.by_port.concat();
        let mut found: Vec<_> =
            all.iter().filter(|one| one.session > 0).map(|one| (one.address, one.port, one.session)).collect();
        found.sort_unstable();
        found
    };
    assert_eq!(sessions(&connections), sessions(&cons::parse(CONS)));
    for cut in [&BODY[..BODY.len() / 2], &BODY[..0], b"<html>"] {
        let member = read(cut);
        assert!(member.connections.is_none());
        assert!(member.failures.iter().any(|(command, _)| *command == Command::Cons), "{:?}", member.failures);
    }
}

/// A member that allows this many connections from one address.
fn server(limit: u32, list: &str) -> Listener {
    let conf = CONF.replace("maxClientCnxns=0", &format!("maxClientCnxns={limit}"));
    assert!(conf.contains(&format!("maxClientCnxns={limit}\n")), "{conf}");
    Listener::answering_words(&[("mntr", MNTR), ("srvr", SRVR), ("conf", &conf), ("cons", list)])
}

/// A configuration file for these members.
fn configured(members: &[&Listener], module: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let addresses: Vec<&str> = members.iter().map(|member| &*member.address).collect();
    let text =
        format!("ensembles: [{{name: e, members: [{}]}}]\nmodules: {{default: {{{module}}}}}\n", addresses.join(", "));
    std::fs::write(file.path(), text).unwrap();
    file
}

fn first_page(members: &[&Listener], module: &str, flags: &[&str]) -> (Page, String) {
    let file = configured(members, module);
    let arguments = [&["--config.file", file.path().to_str().unwrap()][..], flags].concat();
    let exporter = Exporter::start(&arguments);
    let answer = exporter.get("/metrics", &[]);
    (read_page(answer.text(), Format::Classic).unwrap(), exporter.log())
}

/// The clients of a family with their values, in the order of the page.
fn by_client(page: &Page, family: &str) -> Vec<(String, f64)> {
    let of = page.series.iter().filter(|(series, _)| series.name == family);
    of.map(|(series, value)| (series.label("client").to_owned(), *value)).collect()
}

#[test]
fn connections_are_summed_over_members_and_bounded() {
    let (one, other) = (server(10, CONS), server(0, CONS));
    let (page, _) = first_page(&[&one, &other], "clients: {top: 3}", &[]);
    let expected: Vec<(String, f64)> = [("127.0.0.11", 10.0), ("127.0.0.12", 8.0), ("127.0.9.14", 4.0), ("other", 4.0)]
        .map(|(client, value)| (client.to_owned(), value))
        .into();
    assert_eq!(by_client(&page, "zk_client_connections"), expected);
    let value = |family: &str, client: &str| page.value(family, &[("client", client)]);
    assert_eq!(value("zk_client_sessions", "127.0.0.12"), Some(6.0), "one of four has no session");
    assert_eq!(value("zk_client_max_latency_seconds", "127.0.0.11"), Some(0.184));
    assert_eq!(value("zk_client_max_latency_seconds", "other"), Some(0.033));
    assert_eq!(by_client(&page, "zk_client_outstanding_requests"), [("other".to_owned(), 0.0)]);
    assert!(by_client(&page, "zk_client_packets_received_per_second").is_empty(), "one reading has no rate");
    // Only the first member has a limit.
    let ratio = |client: &str, member: &Listener| {
        page.value("zk_client_connection_limit_ratio", &[("client", client), ("member", &member.address)])
    };
    assert_eq!((ratio("127.0.0.11", &one), ratio("127.0.0.11", &other)), (Some(0.5), None));
    assert_eq!(by_client(&page, "zk_client_connection_limit_ratio").len(), 3);
    assert_eq!(page.value("zk_client_connection_limit", &[("member", &one.address)]), Some(10.0));
    assert_eq!(page.value("zk_client_connection_limit", &[("member", &other.address)]), None);

    let (page, _) = first_page(&[&one], "timeout: 4s", &[]);
    assert!(by_client(&page, "zk_client_connections").is_empty(), "no module key, no query");
}

#[test]
fn a_mask_sums_networks_and_keeps_the_limit_of_one_address() {
    let mapped =
        CONS.replace(" /127.0.0.12:", " /[0:0:0:0:0:ffff:127.0.0.12]:").replace(" /127.0.9.13:", " /[2001:db8::9]:");
    let member = server(10, &mapped);
    let (page, _) = first_page(&[&member], "clients: {mask: 24}", &[]);
    let expected = [("127.0.0.0/24", 10.0), ("127.0.9.0/24", 2.0), ("2001:db8::/64", 1.0), ("other", 0.0)];
    assert_eq!(by_client(&page, "zk_client_connections"), expected.map(|(client, value)| (client.to_owned(), value)));
    let ratio = page.value("zk_client_connection_limit_ratio", &[("client", "127.0.0.0/24")]);
    assert_eq!(ratio, Some(0.5), "the highest of one address, not the sum of the network");
}

#[test]
fn unknown_clients_have_a_reason_and_cost_no_other_metric() {
    let cut = &CONS[..CONS.len() - 30];
    let large = CONS.repeat(30);
    let limit = ["--limit.reply-bytes", "30000"];
    for (reply, reason) in
        [(REFUSED, "not_allowed"), (cut, "truncated"), ("imok", "garbage"), ("", "empty"), (&large, "too_large")]
    {
        let (well, sick) = (server(10, CONS), server(10, reply));
        let (page, log) = first_page(&[&well, &sick], "clients: {}", &limit);
        let failure = [("member", &*sick.address), ("command", "cons"), ("reason", reason)];
        assert_eq!(page.value("zk_scrape_failure", &failure), Some(1.0), "{reason}");
        for (client, connections) in CAPTURED {
            assert_eq!(page.value("zk_client_connections", &[("client", client)]), Some(connections), "{reason}");
        }
        for name in ["zk_up", "zk_mntr_complete", "zk_serving"] {
            assert_eq!(page.value(name, &[("member", &sick.address)]), Some(1.0), "{reason}: {name}");
        }
        let series = |member: &Listener| {
            page.series.iter().filter(|(series, _)| series.label("member") == member.address).count()
        };
        // The failure has two series, the limit one, and the ratios one per client.
        assert_eq!(series(&sick) - 2, series(&well) - 1 - CAPTURED.len(), "{reason}");
        assert_eq!(log.lines().filter(|line| line.contains("WARN")).count(), 1, "{reason}: {log}");
        let (page, _) = first_page(&[&sick], "clients: {}", &limit);
        assert!(by_client(&page, "zk_client_connections").is_empty(), "{reason}: unknown is not zero");
    }
}

#[test]
fn a_client_near_the_limit_is_a_finding_that_names_it() {
    let say = |limit: u32| {
        let member = server(limit, CONS);
        let file = configured(&[&member], "clients: {}");
        let output = run(&["info", "--interval", "0s", "--config.file", file.path().to_str().unwrap()]);
        String::from_utf8(output.stdout).unwrap()
    };
    let said = say(6);
    assert!(said.contains("ZooKeeperClientNearConnectionLimit"), "{said}");
    assert!(said.contains("Nearest to it: 127.0.0.11 83.333 %; 127.0.0.12 66.667 %; 127.0.9.14 33.333 %"), "{said}");
    assert!(!say(7).contains("ZooKeeperClientNearConnectionLimit"), "5 of 7 is below 80 %");
    assert!(!say(0).contains("ZooKeeperClientNearConnectionLimit"), "no limit");
}

#[test]
fn top_lists_clients_and_members() {
    let (one, other) = (server(10, CONS), server(20, CONS));
    let file = configured(&[&one, &other], "digests: {}");
    let top = |arguments: &[&str]| {
        let begin = ["top", "e", "--interval", "50ms", "--config.file", file.path().to_str().unwrap()];
        let output = run(&[&begin[..], arguments].concat());
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let text = top(&["--rows", "2"]);
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][..3], ["CLIENT", "CONNECTIONS", "SESSIONS"], "{text}");
    let near = format!("5 of 10 at {}", one.address);
    let near: Vec<&str> = near.split(' ').collect();
    // Replayed counters are constant, so that rates are 0.
    assert_eq!(rows[1], [&["127.0.0.11", "10", "10", "0.0", "0.0", "0", "184ms"][..], &near].concat(), "{text}");
    assert_eq!(rows[2][..3], ["127.0.0.12", "8", "6"], "{text}");
    assert_eq!(rows[3], ["other", "(3)", "8", "6", "0.0", "0.0", "0", "98ms", "-"], "{text}");
    let text = top(&["--sort", "latency", "--rows", "3"]);
    let third = text.lines().nth(4).unwrap();
    assert!(third.starts_with("127.0.9.14 "), "{text}");
    let text = top(&["--by", "member"]);
    let row = text.lines().find(|line| line.starts_with(&one.address)).expect(&text);
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells[1..6], ["follower", "5", "13", "11", "0.0"], "{text}");
    assert!(row.ends_with("5 of 10 from 127.0.0.11"), "{text}");
    let found: serde_json::Value = serde_json::from_str(&top(&["--output", "json"])).unwrap();
    let ensemble = &found["ensembles"][0];
    assert_eq!((ensemble["ensemble"].as_str(), ensemble["others"].as_object()), (Some("e"), None));
    let client = &ensemble["clients"][0];
    assert_eq!((client["client"].as_str(), client["connections"].as_u64()), (Some("127.0.0.11"), Some(10)));
    assert_eq!(client["requests_per_second"].as_f64(), Some(0.0));
    assert_eq!(
        (client["nearest_limit"]["limit"].as_u64(), client["nearest_limit"]["member"].as_str()),
        (Some(10), Some(&*one.address))
    );
    let member = &ensemble["members"][1];
    assert_eq!((member["clients"].as_u64(), member["connection_limit"].as_u64()), (Some(5), Some(20)));
    assert_eq!(member["most_connections"]["client"].as_str(), Some("127.0.0.11"));
    assert!(member["unknown"].is_null());
}

#[test]
fn top_says_why_clients_are_unknown() {
    let (well, sick) = (server(10, CONS), server(10, REFUSED));
    let look = |members: &[&Listener], arguments: &[&str]| {
        let file = configured(members, "clients: {mask: 16}");
        let begin = ["top", "--interval", "50ms", "--config.file", file.path().to_str().unwrap()];
        let output = run(&[&begin[..], arguments].concat());
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = look(&[&well, &sick], &[]);
    assert_eq!(code, Some(0));
    let why = format!("clients of {} unknown: not_allowed: the server refuses `cons`", sick.address);
    assert!(text.contains(&why) && text.contains("\n127.0.0.0/16 "), "{text}");
    let (code, text) = look(&[&sick], &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&why) && !text.contains("CLIENT "), "{text}");
    let (code, json) = look(&[&sick], &["--output", "json"]);
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    let member = &found["ensembles"][0]["members"][0];
    assert_eq!((code, member["connections"].is_null(), member["clients"].is_null()), (Some(1), true, true), "{json}");
    assert!(member["unknown"].as_str().is_some_and(|why| why.starts_with("not_allowed")), "{json}");
}

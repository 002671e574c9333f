//! Clients of a real ensemble: 90 connections of one address against a limit of 100.

use std::io::Write;

use crate::common::exporter::{Exporter, run};
use crate::common::sessions::Sessions;
use crate::live::{Ensemble, until};

#[test]
fn a_client_near_its_limit_is_named() {
    let ensemble = Ensemble::start(&["--cfg", "maxClientCnxns=100", "--admin"]);
    let members = ensemble.members();
    let many = Sessions::open(&members[0], "127.0.0.5", 90);
    let _few: Vec<Sessions> = members.iter().map(|member| Sessions::open(member, "127.0.0.6", 3)).collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        "ensembles: [{{name: prod, members: [{}]}}]\nmodules: {{default: {{clients: {{interval: 10s}}}}}}\n",
        members.join(", ")
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let exporter = Exporter::start(&["--config.file", path]);
    let page = until(&exporter, "all clients", |page| {
        page.value("zk_client_connections", &[("client", "127.0.0.5")]) == Some(90.0)
    });
    assert_eq!(page.value("zk_client_sessions", &[("client", "127.0.0.6")]), Some(9.0), "of all members");
    let near = |client: &str, member: &str| {
        page.value("zk_client_connection_limit_ratio", &[("client", client), ("member", member)])
    };
    assert_eq!((near("127.0.0.5", &members[0]), near("127.0.0.5", &members[1])), (Some(0.9), None));
    assert_eq!(near("127.0.0.6", &members[2]), Some(0.03));
    assert_eq!(page.value("zk_client_connection_limit", &[("member", &members[1])]), Some(100.0));

    let output = run(&["top", "prod", "--config.file", path, "--output", "json"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let first = &found["ensembles"][0]["clients"][0];
    assert_eq!((first["client"].as_str(), first["connections"].as_u64()), (Some("127.0.0.5"), Some(90)));
    assert_eq!(first["nearest_limit"]["member"].as_str(), Some(&*members[0]));
    let text = String::from_utf8(run(&["top", "--config.file", path]).stdout).unwrap();
    let row = text.lines().find(|line| line.starts_with("127.0.0.5 ")).expect(&text);
    assert!(row.ends_with(&format!("90 of 100 at {}", members[0])), "{text}");
    let info = String::from_utf8(run(&["info", "--interval", "0s", "--config.file", path]).stdout).unwrap();
    let finding = info.lines().find(|line| line.contains("maxClientCnxns, limit")).expect(&info);
    assert!(finding.contains(&members[0]) && finding.contains(" 127.0.0.5 90 %;"), "{finding}");

    // The clients send pings, so that a second reading has rates.
    let page = until(&exporter, "rates", |page| {
        page.value("zk_client_packets_received_per_second", &[("client", "127.0.0.5")]).is_some_and(|rate| rate > 0.0)
    });
    assert_eq!(page.value("zk_client_connections", &[("client", "127.0.0.5")]), Some(90.0));
    drop(many);
    until(&exporter, "the client is gone", |page| {
        page.value("zk_client_connections", &[("client", "127.0.0.5")]).is_none()
            && page.value("zk_client_connections", &[("client", "127.0.0.6")]) == Some(9.0)
    });
}

#[test]
fn the_admin_server_is_queried_if_cons_is_refused() {
    let ensemble = Ensemble::start(&["--members", "1", "--admin", "--whitelist", "mntr,srvr,conf"]);
    let members = ensemble.members();
    let _few = Sessions::open(&members[0], "127.0.0.6", 3);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        "ensembles: [{{name: prod, members: ['{}']}}]\nmodules: {{default: {{clients: {{}}, admin: 'http://{{host}}:28080'}}}}\n",
        members[0]
    )
    .unwrap();
    let exporter = Exporter::start(&["--config.file", file.path().to_str().unwrap()]);
    let page = until(&exporter, "the clients", |page| {
        page.value("zk_client_connections", &[("client", "127.0.0.6")]) == Some(3.0)
    });
    assert!(!page.types.contains_key("zk_scrape_failure"), "the refusal is expected");
}

//! Servers whose whitelist excludes `mntr`: `srvr` alone, or all metrics through the AdminServer.

use std::time::Duration;

use crate::common::Page;
use crate::common::exporter::Exporter;
use crate::live::{Ensemble, reason, scrape, series, state, until};

/// Timeout of a scrape: the first JSON reply of a cold JVM on a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(25);

fn source(page: &Page, member: &str) -> String {
    let found =
        page.series.iter().find(|(series, _)| series.name == "zk_member_info" && series.label("member") == member);
    found.map(|(series, _)| series.label("source").to_owned()).unwrap_or_default()
}

fn exporter(folder: &tempfile::TempDir, members: &[String], admin: &str) -> Exporter {
    let path = folder.path().join("config.yml");
    let config = format!(
        "ensembles: [{{name: prod, members: [{}]}}]\nmodules: {{default: {{timeout: 20s, {admin}}}}}\n",
        members.join(", ")
    );
    std::fs::write(&path, config).unwrap();
    Exporter::start(&["--config.file", path.to_str().unwrap()])
}

/// The metric names of a member's series, without ensemble-wide metrics.
fn names(page: &Page, member: &str) -> std::collections::BTreeSet<String> {
    let of = page.series.iter().filter(|(series, _)| series.label("member") == member);
    of.map(|(series, _)| series.name.clone()).collect()
}

#[test]
fn the_default_whitelist_leaves_the_status() {
    let ensemble = Ensemble::start(&["--members", "3", "--whitelist", "default"]);
    let exporter = Exporter::start(&["--zookeeper", &ensemble.flag("prod")]);
    let leader = ensemble.leader();
    for _ in 0..3 {
        let page = scrape(&exporter, PATIENCE);
        for member in &ensemble.members() {
            let of = |name: &str| page.value(name, &[("member", member)]);
            assert_eq!((of("zk_up"), of("zk_serving"), of("zk_mntr_complete")), (Some(1.0), Some(1.0), Some(0.0)));
            assert_eq!(state(&page, member) == "leader", *member == leader);
            assert_eq!(
                (reason(&page, member, "mntr").as_str(), source(&page, member).as_str()),
                ("not_allowed", "srvr")
            );
            for name in [
                "zk_avg_latency_seconds",
                "zk_max_latency_seconds",
                "zk_num_alive_connections",
                "zk_outstanding_requests",
                "zk_znodes",
                "zk_packets_received_total",
                "zk_zxid_epoch",
                "zk_zxid_sequence",
            ] {
                assert!(of(name).is_some(), "{name} of {member}");
            }
        }
    }
    let log = exporter.log();
    for member in &ensemble.members() {
        let told: Vec<_> = log
            .lines()
            .filter(|line| {
                line.contains(member)
                    && line.contains("refuses `mntr`")
                    && line.contains("4lw.commands.whitelist=mntr,srvr,conf,cons,wchs,isro")
            })
            .collect();
        assert_eq!(told.len(), 1, "once a member, not once a scrape: {log}");
    }
}

#[test]
fn the_admin_server_gives_the_whole_page() {
    let arguments = ["--members", "3", "--admin"];
    let mut refusing = arguments.to_vec();
    refusing.extend(["--whitelist", "default"]);
    let ensemble = Ensemble::start(&refusing);
    let folder = tempfile::tempdir().unwrap();
    let admin = "admin: 'http://{host}:28080'";
    let members = ensemble.members();
    let exporter = exporter(&folder, &members, admin);
    let leader = ensemble.leader();
    let page = scrape(&exporter, PATIENCE);
    for member in &members {
        let of = |name: &str| page.value(name, &[("member", member)]);
        assert_eq!((of("zk_up"), of("zk_mntr_complete")), (Some(1.0), Some(1.0)), "{}", exporter.log());
        assert_eq!(source(&page, member), "adminserver");
        assert_eq!(state(&page, member) == "leader", *member == leader);
        assert!(series(&page, member) > 400, "{}", series(&page, member));
        assert!(of("zk_zxid_sequence").is_some(), "srvr is queried as before");
        assert_eq!((reason(&page, member, "mntr"), reason(&page, member, "monitor")), (String::new(), String::new()));
    }
    let log = exporter.log();
    let told = log
        .lines()
        .filter(|line| line.contains("another source is queried instead") && line.contains("4lw.commands.whitelist"))
        .count();
    assert_eq!(told, 3, "{log}");

    // The metric families are the same as those of `mntr` on a member of the same role.
    let open = Ensemble::start(&arguments);
    let open_exporter = self::exporter(&tempfile::tempdir().unwrap(), &open.members(), admin);
    let open_page = scrape(&open_exporter, PATIENCE);
    let open_leader = open.leader();
    assert_eq!(source(&open_page, &open_leader), "mntr", "the AdminServer is not asked where mntr answers");
    let (by_admin, mut by_mntr) = (names(&page, &leader), names(&open_page, &open_leader));
    by_mntr.retain(|name| !name.starts_with("zk_scrape_failure"));
    let missing: Vec<_> = by_mntr.difference(&by_admin).collect();
    assert!(missing.is_empty(), "{missing:?}");

    // Without a quorum the AdminServer returns status 500: a state, not a failure.
    let followers: Vec<_> = members.iter().filter(|member| **member != leader).collect();
    ensemble.run(&["kill", &ensemble.id(followers[0])]);
    ensemble.run(&["kill", &ensemble.id(&leader)]);
    let last = followers[1];
    // A request that arrived during the role change may be dropped; later ones succeed.
    let page = until(&exporter, "the last member without quorum, and no failure", |page| {
        state(page, last) == "not-serving"
            && reason(page, last, "mntr").is_empty()
            && reason(page, last, "monitor").is_empty()
    });
    assert_eq!(page.value("zk_mntr_complete", &[("member", last)]), Some(0.0));
    assert!(page.value("zk_znodes", &[("member", last)]).is_none(), "no figure of yesterday");
}

#[test]
fn an_unavailable_admin_server_is_reported_with_its_reason() {
    let ensemble = Ensemble::start(&["--members", "1", "--whitelist", "default", "--admin"]);
    for (admin, why, hint) in [
        ("http://{host}:1", "connect", "admin http://{host}:1/commands: "),
        ("http://{host}:28080/zk", "http", "answered 404; if admin.commandURL is not /zk"),
        ("https://{host}:28080", "tls", "is this a plain port?"),
        ("http://no-such-host.invalid:8080", "dns", "does not resolve"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let exporter = exporter(&folder, &ensemble.members(), &format!("admin: '{admin}'"));
        let page = scrape(&exporter, PATIENCE);
        let member = &ensemble.members()[0];
        assert_eq!(reason(&page, member, "monitor"), why, "{admin}: {}", exporter.log());
        assert_eq!((reason(&page, member, "mntr").as_str(), source(&page, member).as_str()), ("not_allowed", "srvr"));
        assert!(exporter.log().contains(hint), "{hint}: {}", exporter.log());
        assert_eq!(state(&page, member), "standalone");
    }
}

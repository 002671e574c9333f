//! Exported values lie between those of a reading before the scrape and one after it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::exporter::Exporter;
use crate::live::{Ensemble, client, command, scrape};

/// `mntr` as numbers, parsed independently of the product.
fn mntr(address: &str) -> BTreeMap<String, f64> {
    command(address, "mntr")
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter_map(|(key, value)| Some((key.to_owned(), value.parse().ok()?)))
        .collect()
}

/// Keys that never decrease while the ensemble is idle, with their metric and scale.
const READINGS: [(&str, &str, f64); 14] = [
    ("zk_uptime", "zk_uptime_seconds", 1000.0),
    ("zk_znode_count", "zk_znodes", 1.0),
    ("zk_ephemerals_count", "zk_ephemerals", 1.0),
    ("zk_watch_count", "zk_watches", 1.0),
    ("zk_approximate_data_size", "zk_approximate_data_size_bytes", 1.0),
    ("zk_max_file_descriptor_count", "zk_max_file_descriptors", 1.0),
    ("zk_packets_received", "zk_packets_received_total", 1.0),
    ("zk_packets_sent", "zk_packets_sent_total", 1.0),
    ("zk_bytes_received_count", "zk_received_bytes_total", 1.0),
    ("zk_cnt_updatelatency", "zk_updatelatency_seconds_count", 1.0),
    ("zk_sum_updatelatency", "zk_updatelatency_seconds_sum", 1000.0),
    ("zk_max_latency", "zk_max_latency_seconds", 1000.0),
    ("zk_cnt_fsynctime", "zk_fsynctime_seconds_count", 1.0),
    ("zk_looking_count", "zk_looking_total", 1.0),
];

#[test]
fn values_are_between_two_readings_and_count_known_writes() {
    let ensemble = Ensemble::start(&["--members", "3", "--observers", "1"]);
    let members = ensemble.members();
    let exporter = Exporter::start(&["--zookeeper", &ensemble.flag("prod")]);
    let value = |name: &str, member: &str, more: &[(&str, &str)]| {
        let mut labels = vec![("member", member)];
        labels.extend(more);
        scrape(&exporter, Duration::from_secs(3)).value(name, &labels).unwrap_or(0.0)
    };
    let follower = members.iter().find(|member| **member != ensemble.leader()).unwrap().clone();
    let znodes = value("zk_znodes", &follower, &[]);
    let writes = value("zk_updatelatency_seconds_count", &follower, &[]);
    let sequence = value("zk_zxid_sequence", &follower, &[]);

    let code = "zk.create('/app')\nfor i in range(50): zk.create('/app/n%d' % i, b'x' * 100)\nassert len(zk.get_children('/app')) == 50";
    client(&follower, code);

    assert_eq!(value("zk_znodes", &follower, &[]) - znodes, 51.0);
    // 51 creates, plus creation and closing of the session.
    let written = value("zk_updatelatency_seconds_count", &follower, &[]) - writes;
    assert!((51.0..=53.0).contains(&written), "{written}");
    assert_eq!(value("zk_zxid_sequence", &follower, &[]) - sequence, 53.0);
    let in_namespace = value("zk_write_per_namespace_bytes_count", &follower, &[("znode_root", "app")]);
    assert_eq!(in_namespace, 51.0);
    let bytes = value("zk_write_per_namespace_bytes_sum", &follower, &[("znode_root", "app")]);
    assert!(bytes > 5000.0, "{bytes}");

    for member in &members {
        let before = mntr(member);
        let page = scrape(&exporter, Duration::from_secs(3));
        let after = mntr(member);
        for (key, series, scale) in READINGS {
            let (low, high) = (before[key] / scale, after[key] / scale);
            let shown = page.value(series, &[("member", member)]).unwrap_or_else(|| panic!("{series} of {member}"));
            assert!(low <= shown && shown <= high, "{series} of {member}: {shown} is not between {low} and {high}");
        }
        // The exporter's own connections are counted: mntr, srvr and conf run concurrently.
        let connections = page.value("zk_num_alive_connections", &[("member", member)]).unwrap();
        assert!((1.0..=6.0).contains(&connections), "{connections}");
        let duration = page.value("zk_scrape_duration_seconds", &[("member", member)]).unwrap();
        let connect = page.value("zk_connect_duration_seconds", &[("member", member)]).unwrap();
        assert!(0.0 < connect && connect < duration && duration < 3.0, "{connect} {duration}");
    }
    // The zxid of every member equals the one in its `srvr` reply.
    let page = scrape(&exporter, Duration::from_secs(3));
    for member in &members {
        let said = command(member, "srvr");
        let zxid = said.lines().find_map(|line| line.strip_prefix("Zxid: 0x")).unwrap();
        let (epoch, sequence) = zxid.split_at(zxid.len().saturating_sub(8));
        let number = |hex: &str| f64::from(u32::from_str_radix(hex, 16).unwrap_or(0));
        let shown = |name| page.value(name, &[("member", member)]).unwrap();
        assert_eq!((shown("zk_zxid_epoch"), shown("zk_zxid_sequence")), (number(epoch), number(sequence)), "{member}");
    }
}

#[test]
fn hostile_namespaces_of_a_real_server_become_labels() {
    let ensemble = Ensemble::start(&["--members", "1"]);
    let member = ensemble.members()[0].clone();
    client(
        &member,
        r#"for name in ['na me', 'q"uo\\te', 'a{b="c"}', 'ünï', 'x_write_per_namespace']: zk.create('/' + name, b'1')"#,
    );
    let exporter = Exporter::start(&["--zookeeper", &member]);
    let page = scrape(&exporter, Duration::from_secs(3));
    for namespace in ["na me", "q\"uo\\te", "a{b=\"c\"}", "ünï", "x_write_per_namespace"] {
        let count = page.value("zk_write_per_namespace_bytes_count", &[("znode_root", namespace)]);
        assert_eq!(count, Some(1.0), "{namespace}");
    }
    assert!(!page.types.contains_key("zk_unknown"));
}

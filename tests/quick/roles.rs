//! The state of a member, derived from the real replies of every role and version.

use zookeeper_exporter::alert::{Page, Scrapes, Thresholds};
use zookeeper_exporter::exposition::Format;
use zookeeper_exporter::scrape::{Source, State};
use zookeeper_exporter::wire::Reason;

use crate::common::{fixture_member, fixtures, member, page, read_page, report};

#[test]
fn state_and_failures_of_every_fixture() {
    for fixture in fixtures() {
        let (version, role) = fixture.name.split_once('/').unwrap();
        let found = fixture_member(&fixture);
        let role = role.trim_end_matches("-prometheus-provider").trim_end_matches("-idle");
        let (state, complete, source) = match role {
            "leader" => (State::Leader, true, Some(Source::Mntr)),
            "follower" => (State::Follower, true, Some(Source::Mntr)),
            "observer" => (State::Observer, true, Some(Source::Mntr)),
            "standalone" => (State::Standalone, true, Some(Source::Mntr)),
            "read-only" => (State::ReadOnly, true, Some(Source::Mntr)),
            "no-quorum" | "no-quorum-observer" | "never-quorum" => (State::NotServing, false, None),
            "whitelist-refuses" => (found.state, false, Some(Source::Srvr)),
            other => panic!("a fixture of an unknown role: {other}"),
        };
        assert!(found.up, "{}", fixture.name);
        assert_eq!(found.state, state, "{}", fixture.name);
        assert_eq!(found.complete, complete, "{}: {:?}", fixture.name, found.failures);
        assert_eq!(found.identity.as_ref().map(|identity| identity.source), source, "{}", fixture.name);
        let refused = role == "whitelist-refuses";
        assert_eq!(found.failures.iter().any(|(_, reason)| *reason == Reason::NotAllowed), refused, "{}", fixture.name);
        assert!(refused || found.failures.is_empty(), "{}: {:?}", fixture.name, found.failures);
        if refused {
            assert!(found.state.serves(), "{}: srvr tells the state where mntr is refused", fixture.name);
            assert!(found.zxid.is_some());
        }
        if let Some(identity) = &found.identity {
            assert_eq!(identity.version, version, "{}", fixture.name);
        }
        if fixture.read("conf.txt").is_some() && matches!(role, "leader" | "follower" | "observer") {
            let identity = found.identity.unwrap();
            assert!(!identity.server_id.is_empty(), "{}", fixture.name);
            assert_eq!(
                identity.peer_type,
                if role == "observer" { "observer" } else { "participant" },
                "{}",
                fixture.name
            );
        }
    }
}

#[test]
fn every_state_is_exported_and_exactly_one_is_set() {
    for fixture in fixtures() {
        let text = page(&report(vec![fixture_member(&fixture)]), Format::Classic);
        let shown = read_page(&text, Format::Classic).unwrap();
        let states: Vec<_> = shown.series.iter().filter(|(series, _)| series.name == "zk_server_state").collect();
        assert_eq!(states.len(), 7, "{}", fixture.name);
        assert_eq!(states.iter().map(|(_, value)| value).sum::<f64>(), 1.0, "{}", fixture.name);
    }
}

#[test]
fn a_truncated_reply_is_reported_and_its_complete_lines_are_kept() {
    let leader = fixtures().into_iter().find(|fixture| fixture.name == "3.9.3/leader").unwrap();
    let whole = leader.mntr();
    let line_ends: Vec<usize> = whole.match_indices('\n').map(|(place, _)| place + 1).collect();
    // In the middle of a line, at the end of a line, and early.
    for cut in [whole.len() - 1, whole.len() / 2, line_ends[line_ends.len() / 2], line_ends[3], 40] {
        let found = member("zk-1:2181", Some(&whole.as_bytes()[..cut]), None, None);
        assert!(!found.complete, "cut at {cut}");
        assert_eq!(
            found.failures.iter().map(|(_, reason)| *reason).collect::<Vec<_>>(),
            [Reason::Truncated],
            "cut at {cut}"
        );
        assert!(found.up || cut == 40, "cut but recognised counts");
        let text = page(&report(vec![found]), Format::Classic);
        read_page(&text, Format::Classic).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
    }
}

#[test]
fn a_member_with_the_null_metrics_provider_falls_back_to_srvr() {
    let fixture = fixtures().into_iter().find(|fixture| fixture.name == "3.9.3/follower").unwrap();
    let three_lines: String = fixture.mntr().lines().take(3).map(|line| format!("{line}\n")).collect();
    let found = member("zk-1:2181", Some(three_lines.as_bytes()), fixture.read("srvr.txt").as_deref(), None);
    assert_eq!(found.identity.map(|identity| identity.source), Some(Source::Srvr));
    assert_eq!(found.state, State::Follower);
    assert!(!found.complete && !found.samples.cells().is_empty());
}

#[test]
fn a_namespace_that_looks_like_labels_does_not_move_a_quantile() {
    // ZooKeeper does not escape label values: this is the line for a znode named `x",quantile="0.9`.
    let reply = "zk_version\t3.8.0-x\nzk_write_per_namespace{key=\"x\",quantile=\"0.9\",quantile=\"0.5\"}\t7.0\n";
    let text = page(&report(vec![member("zk-1:2181", Some(reply.as_bytes()), None, None)]), Format::Classic);
    let shown = read_page(&text, Format::Classic).unwrap();
    assert_eq!(shown.value("zk_write_per_namespace_bytes", &[("quantile", "0.5")]), Some(7.0), "{text}");
}

#[test]
fn unknown_keys_with_the_suffix_of_a_set_remain_unknown() {
    let reply =
        "zk_version\t3.8.0-x\nzk_avg_future_ack_latency\t7\nzk_avg_12_ack_latency\t7\nzk_max_12_ack_latency\t8\n";
    let text = page(&report(vec![member("zk-1:2181", Some(reply.as_bytes()), None, None)]), Format::Classic);
    let shown = read_page(&text, Format::Classic).unwrap();
    assert_eq!(shown.value("zk_unknown", &[("key", "avg_future_ack_latency")]), Some(7.0), "{text}");
    assert_eq!(shown.value("zk_ack_latency_seconds_max", &[("peer", "12")]), Some(0.008), "{text}");
}

/// Replies with the documented keys of ClickHouse Keeper; RaftKeeper's are the same without the keys of a leader.
#[test]
fn healthy_keepers_raise_no_alert() {
    let reply = |state: &str, behind: &str| {
        format!(
            "zk_version\tv23.3.1.2823-lts-46e85357ce2da2a99f56ee83a079e892d7ec3726\nzk_avg_latency\t0\nzk_max_latency\t0\n\
             zk_min_latency\t0\nzk_packets_received\t2\nzk_packets_sent\t2\nzk_num_alive_connections\t1\n\
             zk_outstanding_requests\t0\nzk_server_state\t{state}\nzk_znode_count\t4\nzk_watch_count\t0\n\
             zk_ephemerals_count\t0\nzk_approximate_data_size\t723\nzk_open_file_descriptor_count\t64\n\
             zk_max_file_descriptor_count\t18446744073709551615\n{behind}"
        )
    };
    for behind in ["zk_followers\t2\nzk_synced_followers\t2\n", "zk_synced_followers\t2\n"] {
        let replies = [reply("leader", behind), reply("follower", ""), reply("follower", "")];
        let addresses = ["ch-1:9181", "ch-2:9181", "ch-3:9181"];
        let members = addresses.iter().zip(&replies).map(|(at, said)| member(at, Some(said.as_bytes()), None, None));
        let text = page(&report(members.collect()), Format::Classic);
        let now = Page::read(&text);
        let before = Some((&now, std::time::Duration::from_secs(15)));
        let judged = Thresholds::default().judge(Scrapes { now: &now, before, time: 1.8e9 });
        let found: Vec<&String> = judged.findings.iter().map(|finding| &finding.text).collect();
        assert!(found.is_empty() && judged.judged.len() > 30, "{found:?}");
        // This alert would fire if 2^64 - 1 were parsed as a limit of 0 or -1.
        let starved = text.replace(
            "zk_open_file_descriptors{",
            "zk_max_file_descriptors{ensemble=\"prod\",member=\"ch-1:9181\"} 1\nzk_open_file_descriptors{",
        );
        let now = Page::read(&starved);
        assert!(!Thresholds::default().judge(Scrapes { now: &now, before: None, time: 1.8e9 }).findings.is_empty());
    }
}

#[test]
fn clickhouse_keeper_is_supported() {
    // Not a capture: the documented keys of ClickHouse Keeper, with the limit of ClickHouse#54173.
    let mntr = "zk_version\tv23.3.1.2823-lts-46e85357ce2da2a99f56ee83a079e892d7ec3726\nzk_avg_latency\t0\nzk_max_latency\t0\n\
        zk_min_latency\t0\nzk_packets_received\t2\nzk_packets_sent\t2\nzk_num_alive_connections\t1\nzk_outstanding_requests\t0\n\
        zk_server_state\tleader\nzk_znode_count\t4\nzk_watch_count\t0\nzk_ephemerals_count\t0\nzk_approximate_data_size\t723\n\
        zk_open_file_descriptor_count\t64\nzk_max_file_descriptor_count\t18446744073709551615\nzk_followers\t2\nzk_synced_followers\t2\n";
    let found = member("ch-1:9181", Some(mntr.as_bytes()), None, None);
    assert!(found.complete && found.state == State::Leader);
    let text = page(&report(vec![found]), Format::Classic);
    assert!(text.contains("version=\"v23.3.1.2823\""));
    assert!(!text.contains("zk_max_file_descriptors{"), "2^64 - 1 descriptors is no limit");
    assert!(text.contains("zk_open_file_descriptors{ensemble=\"prod\",member=\"ch-1:9181\"} 64\n"));
}

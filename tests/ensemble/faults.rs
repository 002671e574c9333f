//! Killed, paused, exhausted and hostile members beside healthy ones.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use crate::common::exporter::Exporter;
use crate::common::listeners::{Listener, closed_port};
use crate::live::{Ensemble, reason, scrape, series, state, until};

#[test]
fn killed_paused_and_resumed_members_do_not_affect_others() {
    let ensemble = Ensemble::start(&["--members", "3"]);
    let exporter = Exporter::start(&["--zookeeper", &ensemble.flag("prod")]);
    let (members, leader) = (ensemble.members(), ensemble.leader());
    let followers: Vec<_> = members.iter().filter(|member| **member != leader).cloned().collect();
    let timeout = Duration::from_secs(2);

    // SIGSTOP: the kernel still accepts connections, the process does not reply.
    ensemble.run(&["pause", &ensemble.id(&followers[0])]);
    let page = scrape(&exporter, timeout);
    assert_eq!(
        (state(&page, &followers[0]).as_str(), reason(&page, &followers[0], "mntr").as_str()),
        ("no-answer", "timeout")
    );
    assert_eq!(page.value("zk_up", &[("member", &followers[0])]), Some(0.0));
    for healthy in [&leader, &followers[1]] {
        assert!(series(&page, healthy) > 400, "{healthy}");
        assert_eq!(page.value("zk_mntr_complete", &[("member", healthy)]), Some(1.0));
    }
    ensemble.run(&["resume", &ensemble.id(&followers[0])]);
    until(&exporter, "the resumed follower", |page| state(page, &followers[0]) == "follower");

    // SIGKILL of a follower: its port refuses connections.
    ensemble.run(&["kill", &ensemble.id(&followers[0])]);
    let page = scrape(&exporter, timeout);
    assert_eq!(
        (state(&page, &followers[0]).as_str(), reason(&page, &followers[0], "srvr").as_str()),
        ("no-answer", "connect")
    );
    assert_eq!(state(&page, &leader), "leader");

    // SIGKILL of the leader as well: the remaining member reports that it is not serving.
    ensemble.run(&["kill", &ensemble.id(&leader)]);
    // Not serving is a state, not a failure; only a request during the role change is dropped.
    let page = until(&exporter, "the last member without quorum, and no failure", |page| {
        state(page, &followers[1]) == "not-serving" && reason(page, &followers[1], "mntr").is_empty()
    });
    let last = [("member", followers[1].as_str())];
    assert_eq!((page.value("zk_up", &last), page.value("zk_serving", &last)), (Some(1.0), Some(0.0)));
    assert!(page.value("zk_znodes", &last).is_none(), "no figure of yesterday");

    for dead in [&followers[0], &leader] {
        ensemble.run(&["restart", &ensemble.id(dead)]);
    }
    let page = until(&exporter, "all three again", |page| {
        members.iter().all(|member| page.value("zk_mntr_complete", &[("member", member)]) == Some(1.0))
    });
    let leaders = members.iter().filter(|member| state(&page, member) == "leader").count();
    assert_eq!(leaders, 1);
}

#[test]
fn hostile_servers_do_not_affect_real_members() {
    let ensemble = Ensemble::start(&["--members", "3"]);
    let hostile = [
        ("reset", Listener::resetting()),
        ("empty", Listener::closing()),
        ("garbage", Listener::answering("+OK ready\r\n")),
        ("timeout", Listener::silent()),
        ("timeout", Listener::dripping()),
        ("too_large", Listener::flooding("zk_znode_count\t1\n")),
        ("too_large", Listener::flooding("endless")),
    ];
    let mut members = ensemble.members();
    let (dead, unknown) = (closed_port(), "zk-gone.invalid:2181".to_owned());
    members.extend([dead.clone(), unknown.clone()]);
    members.extend(hostile.iter().map(|(_, listener)| listener.address.clone()));
    let exporter = Exporter::start(&["--zookeeper", &format!("prod={}", members.join(","))]);
    for _ in 0..3 {
        let page = scrape(&exporter, Duration::from_secs(2));
        for healthy in ensemble.members() {
            assert_eq!(page.value("zk_mntr_complete", &[("member", &healthy)]), Some(1.0), "{healthy}");
            assert!(series(&page, &healthy) > 400);
        }
        assert_eq!(reason(&page, &dead, "mntr"), "connect");
        assert_eq!(reason(&page, &unknown, "mntr"), "dns");
        for (why, listener) in &hostile {
            assert_eq!(reason(&page, &listener.address, "mntr"), *why);
            assert_eq!(state(&page, &listener.address), "no-answer");
            assert_eq!(page.value("zk_up", &[("member", &listener.address)]), Some(0.0));
        }
    }
    assert!(exporter.resident() < 64 << 20, "{} bytes resident", exporter.resident());
}

#[test]
fn a_member_at_its_connection_limit() {
    // The limit counts connections per address, including those of the script: leave room for them.
    let ensemble = Ensemble::start(&["--members", "3", "--cfg", "1:maxClientCnxns=8"]);
    let members = ensemble.members();
    let exporter = Exporter::start(&["--zookeeper", &ensemble.flag("prod")]);
    let held: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(&members[0]).unwrap();
            // An incomplete command: the server waits for the rest and keeps the connection.
            let _ = stream.write_all(b"mn");
            stream
        })
        .collect();
    let page = until(&exporter, "the exhausted member", |page| {
        ["empty", "reset"].contains(&reason(page, &members[0], "mntr").as_str())
    });
    assert_eq!(page.value("zk_up", &[("member", &members[0])]), Some(0.0));
    assert_eq!(state(&page, &members[0]), "no-answer");
    assert!(series(&page, &members[1]) > 400 && series(&page, &members[2]) > 400);
    drop(held);
    // The first connection that is admitted may be that of the other command.
    let page =
        until(&exporter, "room again", |page| page.value("zk_mntr_complete", &[("member", &members[0])]) == Some(1.0));
    assert!(page.value("zk_connection_rejected_total", &[("member", &members[0])]).unwrap() > 0.0);
}

//! Memberships: equal ones in unusual spellings, different ones that look alike, hostile sizes, and a member that no longer
//! reports its membership.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use zookeeper_exporter::config::Command;
use zookeeper_exporter::exposition::Format;
use zookeeper_exporter::scrape::{MemberReport, State};

use crate::common::exporter::Exporter;
use crate::common::listeners::Listener;
use crate::common::{fixtures, heard, member, read_page, root};
use crate::legal::{judged, members, stating};

#[test]
fn equal_memberships_in_unusual_spellings_do_not_differ() {
    for memberships in [
        // A link-local address has the interface of the host that writes it.
        [
            "1=[fe80::1%eth0] 2=[fe80::2%eth0] 3=[fe80::3%eth0]",
            "1=[FE80:0:0:0:0:0:0:1%ens3] 2=[fe80::2%2] 3=[fe80::3%bond0.7]",
        ],
        ["1=[fe80::1%eth0] 2=zk-2 3=zk-3", "1=[fe80::1] 2=zk-2.example.com 3=ZK-3."],
        ["1=127.0.0.1 2=zk-2", "1=zk-1 2=[::1]"],
        ["1=localhost 2=10.0.0.2", "1=10.0.0.1 2=localhost."],
    ] {
        let (verdict, found) = judged(stating(&memberships));
        assert_eq!(
            (verdict.strangers, verdict.drift.configs),
            (Vec::<usize>::new(), Some(1)),
            "{memberships:?} {found:?}"
        );
    }
}

#[test]
fn a_truncated_conf_is_a_failure_and_never_another_membership() {
    let mut cuts = 0;
    for fixture in fixtures() {
        let Some(whole) = fixture.read("conf.txt").filter(|bytes| heard(Command::Conf, bytes).conf().is_some()) else {
            continue;
        };
        let complete = heard(Command::Conf, &whole).conf().cloned().unwrap();
        let membership = String::from_utf8_lossy(&whole).find("membership:").unwrap_or(whole.len());
        for end in 1..whole.len() {
            let cut = heard(Command::Conf, &whole[..end]);
            let name = &fixture.name;
            assert!(cut.conf().is_none_or(|conf| conf.membership.is_none()), "{name} cut at {end}");
            assert!(cut.failure.is_some() || end <= membership, "{name} cut at {end}");
            assert!(cut.conf().is_none_or(|conf| conf.server_id == complete.server_id), "{name} cut at {end}");
            cuts += 1;
        }
    }
    assert!(cuts > 10_000, "{cuts}");
}

#[test]
fn a_member_with_a_truncated_conf_keeps_its_membership() {
    let base = root().join("tests/fixtures/3.9.3/leader");
    let read = |file: &str| std::fs::read_to_string(base.join(format!("{file}.txt"))).unwrap();
    let conf = read("conf");
    let cuts = ["membership: ", "server.1=", "server.2=", "server.4=", "version="];
    for cut in cuts.map(|line| conf.find(line).unwrap()).into_iter().chain([conf.len() - 1]) {
        let member =
            Listener::answering_words(&[("mntr", &read("mntr")), ("srvr", &read("srvr")), ("conf", &conf[..cut])]);
        let exporter = Exporter::start(&["--zookeeper", &member.address]);
        let page = read_page(exporter.scrape("5").text(), Format::Classic).unwrap();
        let failed = page.value("zk_scrape_failure", &[("command", "conf"), ("reason", "truncated")]);
        assert_eq!(failed, Some(1.0), "{cut}");
        // The number of voters is that of `mntr`, not that of the lines which arrived.
        assert_eq!(page.value("zk_ensemble_voters", &[]), Some(3.0), "{cut}");
    }
}

#[test]
fn ensembles_with_equal_loopback_addresses_are_two() {
    let ours = ["1=127.0.0.1 2=zk-2 3=zk-3", "1=zk-1 2=127.0.0.1 3=zk-3", "1=zk-1 2=zk-2 3=127.0.0.1"];
    let theirs = "1=127.0.0.1 2=kafka-2 3=kafka-3";
    let (verdict, found) = judged(stating(&[ours[0], ours[1], ours[2], theirs]));
    assert_eq!(verdict.foreign, [3], "{found:?}");
    // Of two ensembles on one host the ports differ; all addresses on loopback are compared.
    let one_host = "1=127.0.0.1 2=127.0.0.2 3=127.0.0.3";
    assert_eq!(judged(stating(&[one_host, one_host, one_host])).0.strangers, Vec::<usize>::new());
}

#[test]
fn the_settings_of_a_foreign_member_do_not_decide_how_long_a_leader_is_followed() {
    let mut made = members("oracle-quorum", &[]);
    let before = judged(made.clone()).0.quorum;
    let mut foreign = stating(&["1=kafka-1 2=kafka-2"]).remove(0);
    let mut conf = (*foreign.conf.clone().unwrap()).clone();
    let of = |key: &str| conf.settings.iter().position(|(name, _)| name == key).unwrap();
    let (limit, tick) = (of("syncLimit"), of("tickTime"));
    (conf.settings[limit].1, conf.settings[tick].1) = ("1000000".into(), "1000000".into());
    foreign = MemberReport { conf: Some(Arc::new(conf)), state: State::Follower, ..foreign };
    made.push(foreign);
    let (verdict, found) = judged(made);
    assert_eq!((verdict.foreign, before.undecided), (vec![2], true), "{found:?}");
    assert_eq!((verdict.quorum.undecided, verdict.quorum.has_quorum()), (true, None), "{found:?}");
}

/// `count` members, each with another membership of the largest size that is read.
fn hostile(count: usize, id_of: &dyn Fn(usize) -> usize) -> Vec<MemberReport> {
    let of = |number: usize| {
        let host = |server: usize, place: usize| format!("a.b.c.d.e.f.g.h{server}x{place}.n{number}:1:1");
        let addresses = |server| (0..8).map(|place| host(server, place)).collect::<Vec<_>>().join("|");
        let lines: String = (0..800).map(|server| format!("server.{server}={}\n", addresses(server))).collect();
        let conf = format!("clientPort=1\nserverId={}\nmembership: \n{lines}version=0", id_of(number));
        assert!(conf.len() < 256 << 10, "{}", conf.len());
        member(&format!("m{number}:2181"), None, None, Some(conf.as_bytes()))
    };
    (0..count).map(of).collect()
}

#[test]
fn hostile_memberships_are_judged_in_a_short_time() {
    // Without optimisation; comparing each pair of members as a whole would take minutes.
    for (what, made) in [("different ids", hostile(40, &|number| number)), ("one id", hostile(40, &|_| 1))] {
        let begun = Instant::now();
        let (verdict, _) = judged(made);
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}: {:?}", begun.elapsed());
        assert!(verdict.drift.configs > Some(1));
    }
}

/// A member of a membership of three, that after `refuses` is set has restarted, refuses `conf` and counts five voters.
fn restarting(refuses: Arc<AtomicBool>) -> Listener {
    let base = root().join("tests/legal/one-server-two-names/m3");
    let read = |file: &str| std::fs::read_to_string(base.join(format!("{file}.txt"))).unwrap();
    let (mntr, srvr, conf) = (read("mntr"), read("srvr"), read("conf"));
    assert!(mntr.contains("zk_packets_received\t4") && mntr.ends_with('\n'), "{mntr}");
    Listener::start(move |mut stream| {
        let mut word = [0; 4];
        if stream.read_exact(&mut word).is_err() {
            return;
        }
        let refuses = refuses.load(Ordering::Relaxed);
        let text = match &word {
            b"mntr" if refuses => {
                mntr.replace("zk_packets_received\t4", "zk_packets_received\t") + "zk_quorum_size\t5\n"
            }
            b"mntr" => mntr.clone(),
            b"conf" if refuses => "conf is not executed because it is not in the whitelist.\n".to_owned(),
            b"conf" => conf.clone(),
            _ => srvr.clone(),
        };
        let _ = stream.write_all(text.as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
    })
}

#[test]
fn a_member_that_refuses_conf_does_not_vote_for_an_old_membership() {
    let refuses = Arc::new(AtomicBool::new(false));
    let leader = restarting(Arc::clone(&refuses));
    let exporter = Exporter::start(&["--zookeeper", &leader.address]);
    let voters = || {
        let page = read_page(exporter.scrape("5").text(), Format::Classic).unwrap();
        let source = page.series.iter().find(|(series, _)| series.name == "zk_ensemble_voters_source_info");
        (page.value("zk_ensemble_voters", &[]), source.map(|(series, _)| series.label("source").to_owned()))
    };
    assert_eq!(voters(), (Some(3.0), Some("conf".to_owned())));
    refuses.store(true, Ordering::Relaxed);
    // The restart is noticed by the counter, and `conf` is queried in the next scrape.
    voters();
    assert_eq!(voters(), (Some(5.0), Some("quorum_size".to_owned())), "{}", exporter.log());
}

#[test]
fn the_status_page_shows_refused_commands_that_are_not_sent_in_every_scrape() {
    let refuses = Arc::new(AtomicBool::new(true));
    let member = restarting(Arc::clone(&refuses));
    let exporter = Exporter::start(&["--zookeeper", &member.address]);
    for _ in 0..3 {
        let page = exporter.get("/", &[]).text().to_owned();
        assert!(page.contains("not_allowed (conf)"), "{page}");
    }
    let page = read_page(exporter.scrape("5").text(), Format::Classic).unwrap();
    assert_eq!(page.value("zk_scrape_failure", &[("command", "conf")]), None, "only the scrape that sent it failed");
}

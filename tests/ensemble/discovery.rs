//! Discovery: following the membership of a real ensemble, and changing DNS replies.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::common::Page;
use crate::common::exporter::{Exporter, binary, run};
use crate::live::{Ensemble, client, reason, scrape, state, until};

fn members(page: &Page) -> BTreeSet<String> {
    page.series.iter().filter(|(s, _)| s.name == "zk_up").map(|(s, _)| s.label("member").to_owned()).collect()
}

fn exporter(text: &str) -> (Exporter, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    (Exporter::start(&["--config.file", file.path().to_str().unwrap()]), file)
}

/// Scrapes twice a second until exactly these members are scraped, and returns the elapsed time.
#[expect(clippy::disallowed_methods, reason = "runs in a thread of its own, outside any runtime")]
fn followed(exporter: &Exporter, expected: &[String]) -> Duration {
    let expected: BTreeSet<_> = expected.iter().cloned().collect();
    let begun = Instant::now();
    loop {
        let found = members(&scrape(exporter, Duration::from_secs(3)));
        if found == expected {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(75), "{found:?} are not {expected:?}\n{}", exporter.log());
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn the_membership_of_an_ensemble_is_followed_through_reconfigurations() {
    let ensemble =
        Ensemble::start(&["--members", "5", "--cfg", "reconfigEnabled=true", "--jvm", "-Dzookeeper.skipACL=yes"]);
    let all = ensemble.members();
    let servers = |client: bool| -> Vec<String> {
        let line = |(place, member): (usize, &String)| {
            let (host, port) = member.rsplit_once(':').unwrap();
            let told = if client { format!(";{host}:{port}") } else { String::new() };
            format!("server.{}={host}:22880:23880:participant{told}", place + 1)
        };
        all.iter().enumerate().map(line).collect()
    };
    let reconfigure = |joining: &str, leaving: &str| {
        let text = |text: &str| if text.is_empty() { "None".to_owned() } else { format!("'{text}'") };
        let (joining, leaving) = (text(joining), text(leaving));
        // If the leader itself leaves, the connection breaks and the client must find another leader.
        let code = format!(
            "import time\nfor left in range(20, -1, -1):\n    try:\n        zk.reconfig(joining={joining}, leaving={leaving}, new_members=None)\n        break\n    except Exception:\n        if not left: raise\n        time.sleep(1)"
        );
        client(&all[0], &code);
    };
    // A single seed is sufficient.
    let (exporter, _file) = exporter(&format!(
        "ensembles: [{{name: prod, members: [\"{}\"], discovery: conf}}]\nmodules: {{default: {{timeout: 2s}}}}\n",
        all[0]
    ));
    followed(&exporter, &all);
    reconfigure("", "4,5");
    let left = followed(&exporter, &all[..3]);
    reconfigure(&servers(true)[3..].join(","), "");
    let joined = followed(&exporter, &all);
    reconfigure("", "4,5");
    let left_again = followed(&exporter, &all[..3]);
    println!("5 -> 3 seen after {left:?}, 3 -> 5 after {joined:?}, 5 -> 3 after {left_again:?}");
    for time in [left, joined, left_again] {
        assert!(time < Duration::from_mins(1), "{time:?}");
    }
    // The commands query the current members, not seeds that have left.
    let seeds = tempfile::NamedTempFile::new().unwrap();
    let text = format!("ensembles: [{{name: prod, members: [{}], discovery: conf}}]\n", all.join(", "));
    std::fs::write(seeds.path(), text).unwrap();
    for (command, says) in [("info", "3 of 3 voters in sync"), ("check", "OK - prod: 3 of 3 members up")] {
        let output = run(&[command, "--config.file", seeds.path().to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains(says), "{command}: {said}");
        assert!(!said.contains(&format!("{} ", all[3])), "{command} names a member that has left: {said}");
    }
    // When no member replies, the last known membership is kept.
    for id in 1..=5 {
        ensemble.run(&["kill", &id.to_string()]);
    }
    let page = scrape(&exporter, Duration::from_secs(3));
    assert_eq!(members(&page), all[..3].iter().cloned().collect());
    assert!(all[..3].iter().all(|member| state(&page, member) == "no-answer"));
    assert_eq!(page.value("zk_ensemble_voters", &[]), Some(3.0));
}

#[test]
fn observers_are_recognised() {
    let ensemble = Ensemble::start(&["--members", "3", "--observers", "1"]);
    let all = ensemble.members();
    let (exporter, _file) =
        exporter(&format!("ensembles: [{{name: prod, members: [\"{}\"], discovery: conf}}]\n", all[1]));
    followed(&exporter, &all);
    ensemble.run(&["kill", "4"]);
    let page = until(&exporter, "the observer gone", |page| state(page, &all[3]) == "no-answer");
    assert_eq!(page.value("zk_ensemble_voters", &[]), Some(3.0));
}

/// The current DNS reply; `None` is NXDOMAIN.
type Answer = Arc<Mutex<Option<Vec<IpAddr>>>>;

/// A DNS server for one name. Runs until the process ends.
fn dns(address: Ipv4Addr, answer: Answer) {
    let socket = UdpSocket::bind((address, 53)).expect("port 53 on loopback: this test needs root");
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((read, from)) = socket.recv_from(&mut question) {
            let Some(end) = question[12..read].iter().position(|byte| *byte == 0).map(|end| 12 + end + 5) else {
                continue;
            };
            let family = question[end - 3];
            let known = answer.lock().unwrap().clone();
            let octets = |address: IpAddr| match (address, family) {
                (IpAddr::V4(ip), 1) => Some(ip.octets().to_vec()),
                (IpAddr::V6(ip), 28) => Some(ip.octets().to_vec()),
                _ => None,
            };
            let addresses: Vec<Vec<u8>> = known.iter().flatten().copied().filter_map(octets).collect();
            let mut reply = question[..2].to_vec();
            reply.extend([0x81, if known.is_some() { 0x80 } else { 0x83 }, 0, 1, 0]);
            reply.push(u8::try_from(addresses.len()).unwrap());
            reply.extend([0; 4]);
            reply.extend(&question[12..end]);
            for address in addresses {
                let length = u8::try_from(address.len()).unwrap();
                reply.extend([0xc0, 12, 0, family, 0, 1, 0, 0, 0, 0, 0, length]);
                reply.extend(address);
            }
            let _ = socket.send_to(&reply, from);
        }
    });
}

#[test]
fn every_address_of_a_name_is_a_member_and_a_removed_name_is_reported() {
    let ensemble = Ensemble::start(&["--members", "3"]);
    let all = ensemble.members();
    let ip = |member: &String| member.rsplit_once(':').unwrap().0.parse::<IpAddr>().unwrap();
    let port = all[0].rsplit_once(':').unwrap().1;
    let answer: Answer = Arc::new(Mutex::new(Some(vec![ip(&all[1]), ip(&all[0])])));
    let server = Ipv4Addr::new(127, 53, u8::try_from(std::process::id() % 250).unwrap(), 1);
    dns(server, Arc::clone(&answer));

    // Only the exporter gets a different resolv.conf, in its own mount namespace.
    let folder = tempfile::tempdir().unwrap();
    let resolv = folder.path().join("resolv.conf");
    std::fs::write(&resolv, format!("nameserver {server}\noptions timeout:1 attempts:2\n")).unwrap();
    let config = folder.path().join("config.yml");
    let name = format!("zk-headless.test:{port}");
    std::fs::write(
        &config,
        format!("ensembles: [{{name: prod, members: [\"{name}\"], discovery: dns}}]\nmodules: {{default: {{timeout: 2s}}}}\n"),
    )
    .unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\""]);
    command.arg(&resolv).arg(binary().get_program());
    let exporter = Exporter::start_by(command, &["--config.file", config.to_str().unwrap()]);

    followed(&exporter, &all[..2]);
    let page = scrape(&exporter, Duration::from_secs(3));
    assert!(all[..2].iter().all(|member| page.value("zk_up", &[("member", member)]) == Some(1.0)));
    *answer.lock().unwrap() = Some(vec![ip(&all[2]), ip(&all[1])]);
    let churned = followed(&exporter, &all[1..]);
    assert!(churned < Duration::from_secs(15), "{churned:?}");

    // The name no longer resolves: the failure is reported for the name, and its last addresses are still scraped.
    *answer.lock().unwrap() = None;
    let page = until(&exporter, "the name fails", |page| reason(page, &name, "mntr") == "dns");
    assert_eq!(page.value("zk_up", &[("member", &name)]), Some(0.0));
    assert!(all[1..].iter().all(|member| page.value("zk_up", &[("member", member)]) == Some(1.0)));
    *answer.lock().unwrap() = Some(all.iter().map(ip).collect());
    followed(&exporter, &all);

    // Each server also has an IPv6 address on which it does not listen: it is still one member, and up.
    let ipv6 = (1..=3).map(|id: u16| IpAddr::from([0xfd00, 0xdead, 0, 0, 0, 0, 0, id]));
    *answer.lock().unwrap() = Some(all.iter().map(ip).chain(ipv6).collect());
    // Resolved addresses are cached for 5 s.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(12) {
        let page = scrape(&exporter, Duration::from_secs(3));
        assert_eq!(members(&page), all.iter().cloned().collect());
        assert!(all.iter().all(|member| page.value("zk_up", &[("member", member)]) == Some(1.0)));
        assert_eq!(
            (page.value("zk_ensemble_leaders", &[]), page.value("zk_ensemble_voters_not_asked", &[])),
            (Some(1.0), Some(0.0))
        );
    }
    // An address is removed from the name: its member is no longer scraped.
    *answer.lock().unwrap() = Some(all[..2].iter().map(ip).collect());
    followed(&exporter, &all[..2]);
    let page = scrape(&exporter, Duration::from_secs(3));
    assert_eq!(page.value("zk_ensemble_voters_not_asked", &[]), Some(1.0));
}

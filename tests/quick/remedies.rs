//! The first action of `why` for members without a reply follows the reason; settings that differ and limits of
//! connections are named by `info` and `check`.

use std::collections::BTreeMap;

use zookeeper_exporter::incident::{Cause, Explanation};

use crate::common::exporter::run;
use crate::common::listeners::{Listener, closed_port};
use crate::common::root;

/// The first cause of each ensemble of a configuration.
fn causes(config: &str) -> BTreeMap<String, Cause> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yml");
    std::fs::write(&file, config).unwrap();
    let output = run(&["why", "--config.file", file.to_str().unwrap(), "--interval", "0s", "--output", "json"]);
    let all: Vec<Explanation> = serde_json::from_slice(&output.stdout).unwrap();
    all.into_iter().map(|mut one| (one.ensemble, one.causes.swap_remove(0))).collect()
}

#[test]
fn the_first_action_follows_the_reason_of_the_failure() {
    let refusing = Listener::answering_words(&[
        ("mntr", "mntr is not executed because it is not in the whitelist.\n"),
        ("srvr", "srvr is not executed because it is not in the whitelist.\n"),
    ]);
    let (closing, resetting, silent) = (Listener::closing(), Listener::resetting(), Listener::silent());
    let (other, endless) = (Listener::answering("HTTP/1.1 400 Bad Request\r\n\r\n"), Listener::flooding("x\t1\n"));
    let refused = closed_port();
    // Name of the ensemble, members, module; then the alert, parts of the first action, and whether a member is suspected.
    let cases: [(&str, &str, &str, &str, &str, bool); 9] = [
        ("dns", "no-such-host.invalid:2181", "plain", "EnsembleUnreachable", "name is not resolved", false),
        ("refused", &refused, "plain", "EnsembleUnreachable", "no process listens on the port. Start it", true),
        ("timeout", &silent.address, "plain", "EnsembleUnreachable", "paused, hung, overloaded", true),
        ("empty", &closing.address, "plain", "EnsembleUnreachable", "maxClientCnxns", true),
        ("reset", &resetting.address, "plain", "EnsembleUnreachable", "maxClientCnxns", true),
        ("tls", &closing.address, "tls", "EnsembleUnreachable", "correct tls of the module", false),
        ("whitelist", &refusing.address, "plain", "MntrMissing", "4lw.commands.whitelist=", false),
        ("garbage", &other.address, "plain", "EnsembleUnreachable", "Another program replies", false),
        ("endless", &endless.address, "plain", "EnsembleUnreachable", "address and port", false),
    ];
    let ensembles: String = cases
        .iter()
        .map(|(name, member, module, ..)| format!("- {{name: {name}, members: ['{member}'], module: {module}}}\n"))
        .collect();
    let modules = "modules: {plain: {timeout: 1s}, tls: {timeout: 1s, tls: {insecure_skip_verify: true}}}\n";
    let found = causes(&format!("ensembles:\n{ensembles}{modules}"));
    for (name, member, _, alert, action, suspected) in cases {
        let cause = &found[name];
        assert_eq!(cause.alert, format!("ZooKeeper{alert}"), "{name}: {cause:?}");
        assert!(cause.first_action.contains(action), "{name}: {cause:?}");
        assert!(cause.evidence[0].text.contains(member), "{name}: {cause:?}");
        if alert == "MntrMissing" {
            assert!(cause.sure && cause.doubts.is_empty(), "{name}: {cause:?}");
            continue;
        }
        assert!(!cause.sure, "{name}: {cause:?}");
        let own = cause.doubts.iter().any(|doubt| doubt.contains("the exporter's configuration"));
        assert_eq!(own, !suspected, "{name}: {cause:?}");
        if !suspected {
            let text = format!("{} {}", cause.first_action, cause.look);
            assert!(!text.contains("Start ") && !text.contains("start the members"), "{name}: {text}");
            assert!(!text.contains("outage"), "{name}: {text}");
        }
    }
}

/// A member with the replies of a real leader, with text replaced.
fn replayed(changes: &[(&str, &str)]) -> Listener {
    let read = |file: &str| {
        let text = std::fs::read_to_string(root().join(format!("tests/fixtures/3.9.3/leader/{file}.txt"))).unwrap();
        changes.iter().fold(text, |text, (from, to)| text.replace(from, to))
    };
    let (mntr, srvr, conf) = (read("mntr"), read("srvr"), read("conf"));
    Listener::answering_words(&[("mntr", &mntr), ("srvr", &srvr), ("conf", &conf)])
}

#[test]
fn a_tls_failure_of_one_member_gives_no_advice_to_start_it() {
    let (leader, other) = (replayed(&[]), Listener::closing());
    let config = format!(
        "ensembles: [{{name: prod, members: ['{}', '{}']}}]\nmodules: {{default: {{timeout: 2s}}}}\n",
        leader.address, other.address
    );
    let closes = &causes(&config)["prod"];
    assert_eq!((closes.alert.as_str(), &closes.members), ("ZooKeeperMemberDown", &vec![other.address.clone()]));
    assert!(closes.first_action.starts_with("Stop all maintenance"), "{closes:?}");
    assert!(closes.first_action.contains("maxClientCnxns") && closes.look.contains("ss -tnH"), "{closes:?}");
    assert!(closes.evidence[0].text.contains("closed without a byte"), "{closes:?}");
    let info = run(&["info", "--zookeeper", &format!("prod={},{}", leader.address, other.address)]);
    let text = String::from_utf8_lossy(&info.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    let said = format!("{} closes connections without a reply (empty), as with maxClientCnxns reached", other.address);
    assert!(text.contains(&said), "{text}");
}

#[test]
fn settings_that_differ_are_named_with_values_and_members() {
    let (one, two) = (
        replayed(&[]),
        replayed(&[("tickTime=500", "tickTime=900"), ("zk_server_state\tleader", "zk_server_state\tfollower")]),
    );
    let flag = format!("prod={},{}", one.address, two.address);
    let said = format!("tickTime is 500 ({}), 900 ({})", one.address, two.address);
    for command in [&["info"][..], &["check"], &["check", "--output", "json"], &["why", "--interval", "0s"]] {
        let output = run(&[command, &["--zookeeper", &flag]].concat());
        let text = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&said), "{command:?}: {text}");
    }
}

#[test]
fn rejected_connections_are_reported_with_the_limit() {
    // The counter grows with each query.
    let read =
        |file: &str| std::fs::read_to_string(root().join(format!("tests/fixtures/3.9.3/leader/{file}.txt"))).unwrap();
    let (mntr, srvr) = (read("mntr"), read("srvr"));
    let conf = read("conf").replace("maxClientCnxns=0", "maxClientCnxns=60");
    let rejected = mntr.lines().find(|line| line.starts_with("zk_connection_rejected\t")).unwrap().to_owned();
    let count = std::sync::atomic::AtomicUsize::new(0);
    let member = Listener::start(move |mut stream| {
        use std::io::{Read, Write};
        let mut command = [0; 4];
        let _ = stream.read_exact(&mut command);
        let reply = match &command {
            b"mntr" => {
                let now = 50 * count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                mntr.replace(&rejected, &format!("zk_connection_rejected\t{now}"))
            }
            b"srvr" => srvr.clone(),
            _ => conf.clone(),
        };
        let _ = stream.write_all(reply.as_bytes());
    });
    for command in
        [&["info", "--interval", "300ms"][..], &["check", "--interval", "300ms"], &["why", "--interval", "300ms"]]
    {
        let output = run(&[command, &["--zookeeper", &format!("prod={}", member.address)]].concat());
        let text = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("has rejected") && text.contains("(maxClientCnxns is 60)"), "{command:?}: {text}");
    }
}

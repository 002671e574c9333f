//! A single member that is slow, flapping, out of disk space or inconsistent; and an ensemble with groups.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Script, slow_fsync};
use crate::common::exporter::run;
use crate::live::Ensemble;
use crate::long::{client, expected, first, pid};
use crate::{Row, prove};

fn config(ensemble: &Ensemble) -> String {
    format!("ensembles: [{{name: e, members: [{}]}}]\n", ensemble.run(&["members", "--flag"]).replace(',', ", "))
}

/// An observer, a leader with a slow disk, a follower that loses its leader.
pub fn one_member(rows: &mut Vec<Row>) {
    let folder = tempfile::tempdir().unwrap();
    let library = slow_fsync(folder.path());
    let delay = |id: &str| folder.path().join(format!("delay-{id}"));
    let ensemble = Ensemble::start(&["--observers", "1", "--cfg", "syncLimit=4"]);
    // Each member has its own file with the fsync delay.
    for id in ["1", "2", "3"] {
        let more = [("LD_PRELOAD", library.clone()), ("SLOW_FSYNC", delay(id))];
        ensemble.run_with(&more, &["restart", id, "--wait"]);
    }
    ensemble.run(&["wait"]);
    let members = ensemble.members();
    let mut bench = Bench::start(&config(&ensemble), 1);
    let begun = Instant::now();
    let _load = Script::load(&members.join(","));
    let (id, address) = first(&ensemble, "observer");
    rows.push(prove(
        &mut bench,
        &expected("observer killed", "ZooKeeperObserverDown", "warning", Some(&address), "observer"),
        |_| drop(ensemble.run(&["kill", &id])),
        |_| drop(ensemble.run(&["restart", &id, "--wait"])),
    ));
    let (id, address) = first(&ensemble, "leader");
    rows.push(prove(
        &mut bench,
        &expected(
            "slow disk of the leader alone (fsync delayed by 400 ms)",
            "ZooKeeperSlowFsync",
            "warning",
            Some(&address),
            "quickest majority",
        ),
        |_| std::fs::write(delay(&id), "400").unwrap(),
        |bench| {
            let file = bench.folder.path().join("ensembles-0.yml");
            let output = run(&["info", "--interval", "3s", "--config.file", file.to_str().unwrap()]);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let said = format!("An fsync of the transaction log of member {address} of ensemble e has taken 4");
            assert!(text.contains(&said) && text.contains("observed for 3"), "{text}");
            std::fs::remove_file(delay(&id)).unwrap();
        },
    ));
    let (id, address) = first(&ensemble, "follower");
    let away = |times: usize| {
        for _ in 0..times {
            ensemble.run(&["pause", &id]);
            std::thread::sleep(Duration::from_millis(2600));
            ensemble.run(&["resume", &id]);
            std::thread::sleep(Duration::from_millis(1800));
        }
    };
    rows.push(prove(
        &mut bench,
        &expected(
            "a follower paused for 3 s, seven times (SIGSTOP), syncLimit 2 s",
            "ZooKeeperMemberLosesLeader",
            "warning",
            Some(&address),
            "has looked for a leader",
        ),
        |_| away(7),
        |_| {},
    ));
    let told = bench.since(begun).into_iter().map(|notice| notice.labels["alertname"].clone());
    let untrue: Vec<_> = told
        .filter(|name| {
            ["MemberDown", "FrequentElections", "SlowWrites", "QuorumLost"].contains(&&name["ZooKeeper".len()..])
        })
        .collect();
    assert!(untrue.is_empty(), "one member alone is in trouble: {untrue:?}");
}

/// A member that cannot write: its files have reached their size limit.
pub fn a_full_disk(rows: &mut Vec<Row>) {
    let ensemble = Ensemble::start(&[]);
    let members = ensemble.members();
    let mut bench = Bench::start(&config(&ensemble), 1);
    let _load = Script::load(&members.join(","));
    let (id, address) = first(&ensemble, "follower");
    let process = pid(&ensemble, &id);
    rows.push(prove(
        &mut bench,
        &expected(
            "a follower cannot write its log (as with a full disk)",
            "ZooKeeperUnrecoverableErrors",
            "warning",
            Some(&address),
            "that it cannot do without",
        ),
        |_| {
            let set = Command::new("prlimit").args(["--pid", &process, "--fsize=1024:"]).status().unwrap();
            assert!(set.success());
        },
        |_| drop(ensemble.run(&["restart", &id, "--wait"])),
    ));
}

/// A follower with the files of another ensemble: the same transactions, other data. Detected by the member's own
/// comparison with the leader, and by the exporter's comparison of all members.
pub fn other_data(rows: &mut Vec<Row>) {
    rows.push(swapped("", "a follower with other data at the same zxid", "ZooKeeperDigestMismatch", "digest mismatch"));
    let module = "modules: {default: {digests: {interval: 5s}}}\n";
    let fault = "a follower with other data at the same zxid, members compared";
    rows.push(swapped(module, fault, "ZooKeeperDataDiverged", "differs from that of the other members"));
}

fn swapped(module: &str, fault: &str, alert: &str, says: &str) -> Row {
    let zxid = |ensemble: &Ensemble| {
        let word = ensemble.run(&["word", "follower", "srvr"]);
        word.lines().find_map(|line| line.strip_prefix("Zxid: ").map(str::to_owned)).unwrap()
    };
    let write = |ensemble: &Ensemble, value: &str| {
        let (_, leader) = first(ensemble, "leader");
        Script::start(&(client(&leader) + &format!("zk.create('/value', b'{value}')\nzk.stop()\n"))).finish();
    };
    let start = || Ensemble::start(&["--whitelist", "mntr,srvr,conf,cons,wchs,isro,hash"]);
    let (ensemble, twin) = (start(), start());
    write(&ensemble, "right");
    write(&twin, "wrong");
    assert_eq!(zxid(&ensemble), zxid(&twin), "both have the same transactions");
    let members = ensemble.members();
    let settings = config(&ensemble) + module;
    let mut bench = Bench::start(&settings, 1);
    let (id, address) = first(&ensemble, "follower");
    let (source, _) = first(&twin, "follower");
    twin.run(&["stop"]);
    let data = ensemble.folder().join(&id).join("data/version-2");
    let restart_with = |files: Option<std::path::PathBuf>| {
        ensemble.run(&["kill", &id]);
        std::fs::remove_dir_all(&data).unwrap();
        if let Some(files) = files {
            let copied = Command::new("cp").arg("-a").arg(files).arg(&data).status().unwrap();
            assert!(copied.success());
        }
        ensemble.run(&["restart", &id, "--wait"]);
    };
    let mut load = None;
    prove(
        &mut bench,
        &expected(fault, alert, "critical", Some(&address), says),
        |_| {
            restart_with(Some(twin.folder().join(&source).join("data/version-2")));
            load = Some(Script::load(&members.join(",")));
        },
        |bench| {
            let file = bench.folder.path().join("now.yml");
            std::fs::write(&file, &settings).unwrap();
            for command in ["info", "check"] {
                let output = run(&[command, "--config.file", file.to_str().unwrap()]);
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                assert!(text.contains("digest mismatch") && text.contains(&address), "{command}: {text}");
            }
            restart_with(None);
        },
    )
}

/// Three groups of two: without two complete groups there is no quorum, regardless of the number of remaining voters.
pub fn groups(rows: &mut Vec<Row>) {
    let mut arguments = vec!["--members", "6"];
    let lines = ["group.1=1:2", "group.2=3:4", "group.3=5:6"];
    let weights: Vec<String> = (1..=6).map(|id| format!("weight.{id}=1")).collect();
    for line in lines.into_iter().chain(weights.iter().map(String::as_str)) {
        arguments.extend(["--cfg", line]);
    }
    let ensemble = Ensemble::start(&arguments);
    let mut bench = Bench::start(&config(&ensemble), 1);
    rows.push(prove(
        &mut bench,
        &expected("two of three groups of voters killed", "ZooKeeperQuorumLost", "critical", None, "not-serving"),
        |_| ["3", "4", "5", "6"].iter().for_each(|id| drop(ensemble.run(&["kill", id]))),
        |_| {
            for id in ["3", "4", "5", "6"] {
                ensemble.run(&["restart", id]);
            }
            ensemble.run(&["wait"]);
        },
    ));
}

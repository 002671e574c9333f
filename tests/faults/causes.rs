//! Compares the cause that `why` reports when the alert of a fault reaches the webhook with the true cause.

use std::process::Command;

use crate::Row;
use crate::bench::{Bench, Notice};
use crate::common::exporter::run;
use crate::common::root;

/// The faults of the matrix with the conditions that identify their true cause; any of them is correct. An empty list
/// means that no member of the ensemble has a fault: `why` must then report no cause.
const TRUE_CAUSES: &[(&str, &[&str])] = &[
    ("follower killed (SIGKILL)", &["MemberDown"]),
    ("follower killed: the margin", &["MemberDown"]),
    ("leader killed (SIGKILL)", &["MemberDown"]),
    ("two of three killed", &["MemberDown"]),
    ("all three killed", &["EnsembleUnreachable"]),
    ("exporter gone", &[]),
    ("mntr refused (whitelist srvr)", &["MntrMissing"]),
    ("slow disk (fsync delayed by 600 ms with LD_PRELOAD)", &["SlowFsync"]),
    ("90 connections of one address, maxClientCnxns 60", &["ConnectionsRejected"]),
    ("2000 writes at once, again and again, fsync delayed by 2 s", &["SlowFsync"]),
    ("1500 watches (limit set to 1000)", &["WatchesHigh"]),
    ("2500 more znodes (limit set to 2000)", &["ZnodesHigh"]),
    ("a write of 900 kB", &["LargeProposal"]),
    ("six elections (the leader killed and restarted)", &["FrequentElections", "MemberRestarting"]),
    ("maxClientCnxns of one member changed", &["ConfigMismatch"]),
    ("limit of open files lowered to where 97 % are open (prlimit)", &["FileDescriptors"]),
    ("leader paused (SIGSTOP), high syncLimit", &["LeaderSilent"]),
    ("a member cut off from the others, read-only mode", &["MemberReadOnly"]),
    ("certificate with 3 days left", &["CertificateExpiring"]),
    ("a standalone server under the address of a member", &["StandaloneInEnsemble"]),
    ("a 3.9.3 follower beside 3.8.0 (captured replies)", &["VersionMismatch"]),
    ("two ensembles in one list", &["EnsemblesMixed"]),
    ("a server listed under two addresses", &["MemberListedTwice"]),
    ("a voter that is not in the list", &["VoterNotWatched"]),
    ("one of two exporters dies together with two of three members", &["MemberDown"]),
    ("one of two exporters speaks TLS to plain members", &[]),
    ("observer killed", &["ObserverDown"]),
    ("slow disk of the leader alone (fsync delayed by 400 ms)", &["SlowFsync"]),
    ("a follower paused for 3 s, seven times (SIGSTOP), syncLimit 2 s", &["MemberLosesLeader"]),
    ("a follower cannot write its log (as with a full disk)", &["UnrecoverableErrors"]),
    ("a follower with other data at the same zxid", &["DigestMismatch"]),
    ("a follower with other data at the same zxid, members compared", &["DigestMismatch", "DataDiverged"]),
    ("two of three groups of voters killed", &["MemberDown"]),
    ("two of five cut off, the leader with them", &["MemberReadOnly"]),
    ("two of five cut off: a member of the small side", &["MemberReadOnly"]),
    ("three of five voters in one zone", &["ZoneLossStopsQuorum"]),
    ("90 connections of one address, maxClientCnxns 100", &["ClientNearConnectionLimit"]),
];

/// The result of `why`.
#[derive(Clone, Debug)]
pub struct Named {
    /// The first cause, without the prefix `ZooKeeper`; empty if there is none.
    pub cause: String,
    pub sure: bool,
    /// Number of symptoms that the cause explains, and number of causes listed separately.
    pub explains: usize,
    pub apart: usize,
}

/// Queries the first exporter, or the members if it does not respond.
pub fn named(bench: &Bench, notice: &Notice) -> Option<Named> {
    let ensemble = notice.labels.get("ensemble").map_or("e", String::as_str);
    let url = format!("http://127.0.0.1:{}", bench.exporter_port(0));
    let output = run(&["why", ensemble, "--url", &url, "--output", "json"]);
    let output = if output.status.success() {
        output
    } else {
        let file = bench.folder.path().join("ensembles-0.yml");
        run(&["why", ensemble, "--config.file", file.to_str().unwrap(), "--output", "json"])
    };
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    // Servers that were killed by earlier faults may keep counting digest mismatches, a true second fault until they are
    // rebuilt.
    let is_second = |one: &serde_json::Value| {
        one["alert"] == "ZooKeeperDigestMismatch"
            && !["ZooKeeperDigestMismatch", "ZooKeeperDataDiverged"].contains(&&*notice.labels["alertname"])
    };
    let causes: Vec<_> = said[0]["causes"].as_array()?.iter().filter(|one| !is_second(one)).collect();
    let first = causes.first();
    Some(Named {
        cause: first.map_or(String::new(), |one| one["alert"].as_str().unwrap_or("")["ZooKeeper".len()..].to_owned()),
        sure: first.is_none_or(|one| one["sure"] == true),
        explains: first.and_then(|one| one["explains"].as_array()).map_or(0, Vec::len),
        apart: causes.len().saturating_sub(1),
    })
}

/// The true causes of a fault of the matrix.
fn truth(fault: &str) -> Option<&'static [&'static str]> {
    TRUE_CAUSES.iter().find(|(known, _)| *known == fault).map(|(_, causes)| *causes)
}

fn is_right(row: &Row) -> bool {
    let truth = truth(&row.fault).unwrap_or_default();
    row.named
        .as_ref()
        .is_some_and(|named| truth.contains(&&*named.cause) || (truth.is_empty() && named.cause.is_empty()))
}

/// Writes docs/validation/causes.md; at least 90 % of the causes must be correct.
pub fn write_table(rows: &[Row]) {
    let day = Command::new("date").arg("+%F").output().unwrap();
    let day = String::from_utf8_lossy(&day.stdout).trim().to_owned();
    let right = rows.iter().filter(|row| is_right(row)).count();
    let mut table = format!(
        "# The cause that `why` reports\n\nMeasured {day} by `./scripts/test long faults`: each fault of a real ensemble, and what `why --url` names at the moment when\nthe alert of the fault reaches the webhook ([the faults](../alerts.md#results-with-real-faults)). Where the exporter is\ngone, `why` queries the members. A member that counts digest mismatches since an earlier fault killed it is a second fault, and is\nleft out here.\n\n**{right} of {} are right.** `sure`: whether the answer is marked as sure.\n\n| fault | true cause | named cause | right | sure | symptoms explained | other causes listed |\n|---|---|---|---|---|---|---|\n",
        rows.len()
    );
    let yes = |is: bool| if is { "yes" } else { "no" };
    for row in rows {
        let truth = truth(&row.fault);
        let cause = match truth.unwrap_or_else(|| panic!("what is the true cause of `{}`?", row.fault)) {
            [] => "none in the ensemble".to_owned(),
            names => names.join(" or "),
        };
        let named = row.named.as_ref();
        let name = named.map_or("no answer", |named| if named.cause.is_empty() { "none" } else { &named.cause });
        table.push_str(&format!(
            "| {} | {cause} | {name} | {} | {} | {} | {} |\n",
            row.fault,
            yes(is_right(row)),
            yes(named.is_some_and(|named| named.sure)),
            named.map_or(0, |named| named.explains),
            named.map_or(0, |named| named.apart),
        ));
    }
    std::fs::write(root().join("docs/validation/causes.md"), table).unwrap();
    assert!(right * 10 >= rows.len() * 9, "{right} of {} causes are right", rows.len());
}

/// Describes the reported cause, for the output of a partial run.
pub fn told(row: &Row) -> String {
    let named = row.named.as_ref().map_or("no answer".to_owned(), |named| {
        let sure = if named.sure { "" } else { " (not sure)" };
        format!("{}{sure}, explains {}, apart {}", named.cause, named.explains, named.apart)
    });
    let judgement = match truth(&row.fault) {
        None => "not in the table",
        Some(_) if is_right(row) => "right",
        Some(_) => "WRONG",
    };
    format!("    why: {named}: {judgement}")
}

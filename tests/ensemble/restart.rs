//! Rolling restarts of real ensembles under acknowledged writes: gated by `may-restart`, in the order of `plan`; and,
//! as a control, without a gate.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use zookeeper_exporter::exposition::Format;
use zookeeper_exporter::incident::EventPage;

use crate::common::exporter::{Exporter, run};
use crate::common::read_page;
use crate::live::{Ensemble, client};

/// The exit code and output of `may-restart`.
fn may_restart(member: &str, targets: &str, wait: &str) -> (Option<i32>, String) {
    let output = run(&["may-restart", member, "--zookeeper", targets, "--settle", "1s", "--wait", wait]);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A client that creates one znode after the other until it is stopped.
struct Writer {
    child: Child,
    folder: tempfile::TempDir,
}

impl Writer {
    fn start(members: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = format!(
            "import itertools, os, sys, time\nfrom kazoo.client import KazooClient\n\
             zk = KazooClient(hosts='{}', timeout=5, connection_retry={{'max_tries': -1, 'max_delay': 1}})\n\
             zk.start(timeout=30)\nzk.ensure_path('/writes')\n\
             with open('{file}', 'w') as log:\n  for number in itertools.count():\n    if os.path.exists('{file}.stop'): break\n    \
             try:\n      zk.create('/writes/%d' % number)\n      print(number, file=log, flush=True)\n    \
             except Exception: time.sleep(0.1)\n    time.sleep(0.02)\n",
            members.join(","),
            file = folder.path().join("acknowledged").display(),
        );
        let child = Command::new("/usr/bin/python3").args(["-c", &program]).stderr(Stdio::null()).spawn().unwrap();
        let writer = Self { child, folder };
        let deadline = Instant::now() + Duration::from_secs(30);
        while writer.acknowledged().len() < 20 {
            assert!(Instant::now() < deadline, "no write is acknowledged");
            pause(Duration::from_millis(50));
        }
        writer
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("acknowledged")
    }

    fn acknowledged(&self) -> BTreeSet<u64> {
        let text = std::fs::read_to_string(self.file()).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Stops the client; every acknowledged znode must exist on the member.
    fn stop(mut self, member: &str) -> usize {
        std::fs::write(self.folder.path().join("acknowledged.stop"), "").unwrap();
        self.child.wait().unwrap();
        let all = self.acknowledged();
        let file = self.file();
        client(
            member,
            &format!(
                "zk.sync('/writes')\nhave = set(zk.get_children('/writes'))\nlost = [line for line in open('{}').read().split() if line not in have]\nassert not lost, lost",
                file.display()
            ),
        );
        all.len()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "these tests have no async runtime")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// The changes of the quorum that the exporter has recorded.
fn quorum_losses(exporter: &Exporter) -> Vec<String> {
    let page: EventPage =
        serde_json::from_str(exporter.get("/api/v1/events?ensemble=prod&limit=1000", &[]).text()).unwrap();
    let lost = page.events.iter().filter(|event| event.kind == "quorum" && event.after == "no");
    lost.map(|event| format!("{} {}", event.time, event.line())).collect()
}

/// Ends the watch, also if the work panics.
struct Done<'d>(&'d AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Scrapes four times a second while the work is done.
fn watched<T>(exporter: &Exporter, work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                exporter.scrape("3");
                pause(Duration::from_millis(250));
            }
        });
        let _done = Done(&done);
        work()
    })
}

/// Restarts all members one after the other, each once `may-restart` allows it.
fn gated(voters: usize, observers: usize) {
    let (number, others) = (voters.to_string(), observers.to_string());
    let ensemble = Ensemble::start(&["--members", &number, "--observers", &others]);
    let targets = ensemble.flag("prod");
    let exporter = Exporter::start(&["--zookeeper", &targets]);
    let plan = run(&["plan", "--names", "--zookeeper", &targets]);
    let order: Vec<String> = String::from_utf8_lossy(&plan.stdout).lines().map(str::to_owned).collect();
    let (members, leader) = (ensemble.members(), ensemble.leader());
    let is_observer = |member: &String| members[voters..].contains(member);
    assert_eq!(order.len(), voters + observers);
    assert!(order[..observers].iter().all(is_observer), "observers first: {order:?}");
    assert_eq!(order.last(), Some(&leader), "leader last");
    let writer = Writer::start(&members[..voters]);

    let (code, early) = may_restart(&leader, &targets, "0s");
    assert!(code == Some(1) && early.contains("it leads"), "{early}");
    let losses = watched(&exporter, || {
        let mut before_the_election = Vec::new();
        for member in &order {
            let (code, why) = may_restart(member, &targets, "60s");
            assert_eq!(code, Some(0), "{why}");
            if *member == leader {
                before_the_election = quorum_losses(&exporter);
            }
            ensemble.run(&["kill", &ensemble.id(member)]);
            // While one member is down, no other voter may be restarted.
            let other = members[..voters].iter().find(|other| *other != member && **other != leader).unwrap();
            let (code, why) = may_restart(other, &targets, "0s");
            assert_eq!(code, Some(i32::from(!is_observer(member))), "{member} is down: {why}");
            let answer = exporter.get(&format!("/-/may-restart?ensemble=prod&member={other}&allow_leader=true"), &[]);
            assert!(answer.status == 409 || is_observer(member), "{}", answer.text());
            ensemble.run(&["restart", &ensemble.id(member), "--wait"]);
        }
        before_the_election
    });
    assert!(losses.is_empty(), "the quorum was lost: {losses:?}");
    let (code, why) = may_restart(&members[0], &targets, "60s");
    assert!(code == Some(0) || ensemble.leader() == members[0], "all are back: {why}");
    let page = read_page(exporter.scrape("5").text(), Format::Classic).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let margin = (voters - (voters / 2 + 1)) as f64;
    assert_eq!(page.value("zk_ensemble_quorum_margin", &[]), Some(margin));
    assert!(writer.stop(&members[0]) > 50, "writes were acknowledged");
}

#[test]
fn a_gated_rolling_restart_never_has_two_members_down() {
    gated(3, 1);
}

#[test]
fn a_gated_rolling_restart_of_five_loses_no_quorum_and_no_write() {
    gated(5, 0);
}

/// The control: the same members, restarted in the same order as fast as the processes start.
#[test]
fn a_rolling_restart_without_the_gate_loses_the_quorum() {
    let ensemble = Ensemble::start(&["--members", "3"]);
    let targets = ensemble.flag("prod");
    let exporter = Exporter::start(&["--zookeeper", &targets]);
    let (members, leader) = (ensemble.members(), ensemble.leader());
    let writer = Writer::start(&members);
    let losses = watched(&exporter, || {
        for member in members.iter().filter(|member| **member != leader) {
            ensemble.run(&["kill", &ensemble.id(member)]);
            ensemble.run(&["restart", &ensemble.id(member)]);
        }
        // The second follower ended while the first one was still starting.
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut losses = quorum_losses(&exporter);
        while losses.is_empty() && Instant::now() < deadline {
            pause(Duration::from_millis(250));
            losses = quorum_losses(&exporter);
        }
        losses
    });
    assert!(!losses.is_empty(), "without the gate the quorum is lost");
    ensemble.run(&["wait"]);
    writer.stop(&members[0]);
}

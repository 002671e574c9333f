//! A list with a member that does not belong to the ensemble: sessions do not use it, and their results do not count.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::exporter::{Exporter, run};
use crate::common::listeners::Listener;
use crate::sessions::{but, page, pause, six_seconds};

const LEADER: &str = include_str!("../fixtures/3.9.3/leader/mntr.txt");
const STANDALONE: &str = include_str!("../fixtures/3.9.3/standalone/mntr.txt");

/// A member with this reply to `mntr`, and the number of sessions it opened. A member that does not grant closes the
/// connection, as one without a quorum does.
fn member(mntr: &'static str, grants: bool) -> (Listener, Arc<AtomicUsize>) {
    let sessions = Arc::new(AtomicUsize::new(0));
    let (counted, serve) = (Arc::clone(&sessions), but(0, |_| Vec::new()));
    let listener = Listener::start(move |mut stream| {
        let mut head = [0; 4];
        let _ = stream.read_exact(&mut head);
        match &head {
            b"mntr" => {
                let _ = stream.write_all(mntr.as_bytes());
            }
            b"srvr" | b"conf" => {}
            _ if grants => {
                let mut request = vec![0; u32::from_be_bytes(head) as usize];
                let _ = stream.read_exact(&mut request);
                let _ = stream.write_all(&six_seconds());
                counted.fetch_add(1, Ordering::Relaxed);
                serve(&mut stream);
            }
            _ => {}
        }
        let _ = stream.shutdown(Shutdown::Both);
    });
    (listener, sessions)
}

/// An exporter of an ensemble with these members, whose canary has a round each second.
fn exporter(folder: &std::path::Path, members: [&Listener; 2]) -> Exporter {
    let path = folder.join("ensembles.yml");
    let members = members.map(|member| format!("{:?}", member.address)).join(", ");
    let text = format!(
        "modules:\n  default:\n    canary: {{interval: 1s, timeout: 900ms, per_member: true}}\n    \
         znodes: {{interval: 1s, paths: [/load]}}\n    session: {{timeout: 2s}}\n\
         ensembles:\n  - {{name: prod, members: [{members}]}}\n"
    );
    std::fs::write(&path, text).unwrap();
    Exporter::start(&["--config.file", path.to_str().unwrap()])
}

fn until(what: &str, exporter: &Exporter, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}: {}", exporter.log());
        pause();
    }
}

#[test]
fn sessions_on_a_standalone_member_do_not_count_for_the_ensemble() {
    for grants in [false, true] {
        let (stranger, sessions) = member(STANDALONE, true);
        let (leader, _) = member(LEADER, grants);
        let folder = tempfile::tempdir().unwrap();
        let exporter = exporter(folder.path(), [&stranger, &leader]);
        // Before the first scrape it is unknown that the member is standalone: a session may be there.
        until("a session", &exporter, || sessions.load(Ordering::Relaxed) > 0);
        let up = |member: &str| page(&exporter).value("zk_canary_up", &[("member", member)]);
        let expected = f64::from(u8::from(grants));
        let is_no_other = |value: Option<f64>| assert!(value.is_none_or(|value| value == expected), "{value:?}");
        // From the first scrape on.
        assert_eq!(up(&stranger.address), None);
        until("the canary", &exporter, || {
            let value = up("");
            is_no_other(value);
            value == Some(expected)
        });
        let opened = sessions.load(Ordering::Relaxed);
        for _ in 0..6 {
            is_no_other(up(""));
            is_no_other(up(&leader.address));
            assert_eq!(up(&stranger.address), None);
            pause();
        }
        assert_eq!(sessions.load(Ordering::Relaxed), opened, "no further session: {}", exporter.log());
        assert!(!grants || up("") == Some(1.0));
    }
}

#[test]
fn an_alarm_is_set_in_the_ensemble_only() {
    let (stranger, sessions) = member(STANDALONE, true);
    let (leader, used) = member(LEADER, true);
    let members = format!("{},{}", stranger.address, leader.address);
    for times in 1..=4 {
        let output = run(&["alarm", "set", "/load", "5", "--zookeeper", &members]);
        let (said, code) = (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code());
        let note = format!("note: {} is standalone and is not used", stranger.address);
        assert!(said.contains(&note) && code == Some(0), "{said}");
        assert_eq!((sessions.load(Ordering::Relaxed), used.load(Ordering::Relaxed)), (0, times));
    }
}

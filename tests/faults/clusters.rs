//! Two clusters with an ensemble `prod` each, one exporter per cluster, one Prometheus, and an Alertmanager with the
//! routes and inhibitions of `rules --format alertmanager`: alerts of one cluster do not inhibit those of the other.

use std::time::{Duration, Instant};

use crate::ALONE;
use crate::bench::{Bench, FACTOR, Notice, Plan};
use crate::live::Ensemble;

fn config(ensemble: &Ensemble) -> String {
    format!(
        "ensembles: [{{name: prod, members: [{}]}}]\nalerts: {{keep_labels: [cluster]}}\n",
        ensemble.members().join(", ")
    )
}

#[test]
fn an_alert_of_one_cluster_does_not_inhibit_those_of_another() {
    let _alone = ALONE.lock();
    let (eu, us) = (Ensemble::start(&[]), Ensemble::start(&[]));
    let (first, second) = (config(&eu), config(&us));
    let mut bench = Bench::of(&Plan {
        exporters: vec![(&first, Some("eu")), (&second, Some("us"))],
        factor: FACTOR,
        every: 1,
        written_routes: true,
    });
    let within = Duration::from_mins(2);
    let is = |status: &'static str, alert: &'static str, cluster: &'static str| {
        move |notice: &Notice| {
            let of = |name: &str| notice.labels.get(name).map_or("", String::as_str);
            notice.status == status
                && of("alertname") == format!("ZooKeeper{alert}")
                && of("cluster") == cluster
                && of("ensemble") == "prod"
        }
    };
    // Quorum loss in eu: it inhibits the alerts about single members of eu only.
    let begun = Instant::now();
    eu.run(&["kill", "follower"]);
    eu.run(&["kill", "leader"]);
    bench.notice(begun, within, is("firing", "QuorumLost", "eu")).unwrap();
    let later = Instant::now();
    us.run(&["kill", "follower"]);
    for alert in ["MemberDown", "QuorumMarginZero"] {
        bench.notice(later, within, is("firing", alert, "us")).unwrap();
    }
    // Both clusters at the same time.
    us.run(&["kill", "leader"]);
    bench.notice(later, within, is("firing", "QuorumLost", "us")).unwrap();
    let held_back = bench.since(begun).into_iter().filter(|notice| is("firing", "MemberNotServing", "eu")(notice));
    assert_eq!(held_back.count(), 0, "covered by the lost quorum of eu");
    // One cluster recovers, the other does not.
    let mended = Instant::now();
    us.run(&["restart", "down"]);
    us.run(&["restart", "down", "--wait"]);
    bench.notice(mended, within, is("resolved", "QuorumLost", "us")).unwrap();
    let ended = bench.since(mended).into_iter().filter(|notice| is("resolved", "QuorumLost", "eu")(notice));
    assert_eq!(ended.count(), 0, "eu has no quorum yet");
    // The exporter of us is killed: eu is monitored under the same ensemble name, us is not.
    let blind = Instant::now();
    bench.stop_exporter(1);
    bench.notice(blind, within, is("firing", "EnsembleUnwatched", "us")).unwrap();
    let unwatched = bench.since(blind).into_iter().filter(|notice| is("firing", "EnsembleUnwatched", "eu")(notice));
    assert_eq!(unwatched.count(), 0, "eu is watched");
    eu.run(&["restart", "down"]);
    eu.run(&["restart", "down", "--wait"]);
    bench.notice(blind, within, is("resolved", "QuorumLost", "eu")).unwrap();
    bench.start_exporter(1);
    bench.notice(blind, within, is("resolved", "EnsembleUnwatched", "us")).unwrap();
}

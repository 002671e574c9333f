//! The verdict on an ensemble in every possible state, composed from replies of real servers.

use std::sync::Arc;

use zookeeper_exporter::alert::{Severity, conditions};
use zookeeper_exporter::ensemble::Known;
use zookeeper_exporter::reply::mntr;
use zookeeper_exporter::scrape::{EnsembleReport, MemberReport, State};
use zookeeper_exporter::verdict::{Finding, Level, Verdict, VotersSource, findings, judge};

use crate::common::{Fixture, fixtures, member, root};

/// Servers 1 to 3 vote, 4 is an observer, 3 leads. The members are named `zk-1:2181` etc.
pub struct Made {
    release: &'static str,
    pub members: Vec<MemberReport>,
    known: Known,
}

fn fixture(name: &str) -> Fixture {
    fixtures().into_iter().find(|fixture| fixture.name == name).unwrap_or_else(|| panic!("no fixture {name}"))
}

/// A member with the replies of a fixture, as server `id`, with text in the replies replaced.
fn real(name: &str, id: usize, changes: &[(&str, &str)]) -> MemberReport {
    let fixture = fixture(name);
    let text = |file: &str| {
        let bytes = fixture.read(file)?;
        let mut text = String::from_utf8(bytes).unwrap();
        for (from, to) in changes {
            text = text.replace(from, to);
        }
        if file == "conf.txt" {
            let own = text.lines().find(|line| line.starts_with("serverId=")).unwrap_or("serverId=").to_owned();
            text = text.replace(&own, &format!("serverId={id}"));
        }
        Some(text.into_bytes())
    };
    let (mntr, srvr, conf) = (text("mntr.txt"), text("srvr.txt"), text("conf.txt"));
    member(&format!("zk-{id}:2181"), mntr.as_deref(), srvr.as_deref(), conf.as_deref())
}

impl Made {
    pub fn all_up(release: &'static str) -> Self {
        let role = |role: &str| format!("{release}/{role}");
        Self {
            release,
            members: vec![
                real(&role("follower"), 1, &[]),
                real(&role("follower"), 2, &[]),
                real(&role("leader"), 3, &[]),
                real(&role("observer"), 4, &[]),
            ],
            known: Known::default(),
        }
    }

    pub fn id(&mut self, id: usize) -> &mut MemberReport {
        &mut self.members[id - 1]
    }

    /// The member does not reply; its `conf` is remembered.
    pub fn silent(mut self, id: usize) -> Self {
        let conf = self.id(id).conf.clone();
        *self.id(id) = MemberReport { conf, ..MemberReport::silent(self.id(id).name.clone()) };
        self
    }

    /// The member reports that it is not serving.
    pub fn not_serving(mut self, id: usize) -> Self {
        self = self.silent(id);
        (self.id(id).up, self.id(id).state) = (true, State::NotServing);
        self
    }

    /// The number of synced followers that the leader reports.
    pub fn counts(self, followers: usize) -> Self {
        let to = format!("zk_synced_followers\t{followers}\n");
        self.leader(&[("zk_synced_followers\t2\n", &to)])
    }

    /// The leader's reply with text replaced.
    pub fn leader(mut self, changes: &[(&str, &str)]) -> Self {
        let conf = self.id(3).conf.clone();
        *self.id(3) = real(&format!("{}/leader", self.release), 3, changes);
        self.id(3).conf = conf;
        self
    }

    fn with(mut self, id: usize, report: MemberReport) -> Self {
        *self.id(id) = MemberReport { name: self.id(id).name.clone(), ..report };
        self
    }

    pub fn zxid(mut self, id: usize, epoch: u64, sequence: u64) -> Self {
        self.id(id).zxid = Some(epoch << 32 | sequence);
        self
    }

    pub fn report(self) -> EnsembleReport {
        EnsembleReport {
            samples: zookeeper_exporter::scrape::Samples::default(),
            name: "prod".into(),
            members: self.members,
            known: self.known,
        }
    }

    fn judge(self) -> Verdict {
        judge(&self.report())
    }
}

/// The findings, most severe first; each guide must exist.
fn wrong(report: &EnsembleReport) -> Vec<Finding> {
    let found = findings(report, &judge(report));
    for finding in &found {
        let (file, anchor) = finding.guide.split_once('#').unwrap_or((&finding.guide, ""));
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_else(|_| panic!("there is no {file}"));
        let anchors = text.lines().filter_map(|line| line.strip_prefix("### "));
        let mut anchors = anchors.map(|title| title.to_lowercase().replace(' ', "-"));
        assert!(anchor.is_empty() || anchors.any(|known| known == anchor), "{file} has no heading {anchor}");
    }
    assert!(found.is_sorted_by_key(|finding| finding.level));
    found
}

/// Voters, serving, synced, quorum margin, has quorum, leaders.
fn numbers(verdict: &Verdict) -> (u64, u64, Option<u64>, Option<i64>, Option<bool>, usize) {
    let quorum = &verdict.quorum;
    let synced = quorum.synced;
    (quorum.voters, quorum.serving, synced, quorum.margin(), quorum.has_quorum(), verdict.leaders.len())
}

const RELEASES: [&str; 5] = ["3.4.14", "3.5.10", "3.6.3", "3.8.0", "3.9.3"];

#[test]
fn a_healthy_ensemble_of_every_release() {
    for release in RELEASES {
        let verdict = Made::all_up(release).judge();
        assert_eq!(numbers(&verdict), (3, 3, Some(3), Some(1), Some(true), 1), "{release}");
        let source = if release == "3.4.14" { VotersSource::Configuration } else { VotersSource::Conf };
        assert_eq!(verdict.quorum.source, source, "{release}");
        assert_eq!((verdict.members_up, verdict.leader), (4, Some(2)));
        assert_eq!((verdict.votes, verdict.strangers), (vec![true, true, true, false], vec![]));
        assert_eq!(verdict.lags, vec![Some(0); 4]);
        let drift = verdict.drift;
        assert_eq!((drift.versions, drift.configs, drift.epochs), (Some(1), Some(1), Some(1)), "{release}");
        assert_eq!(drift.quorum_sizes, if release < "3.6" { None } else { Some(1) });
    }
}

#[test]
fn a_follower_is_down_before_and_after_the_leader_notices() {
    for release in RELEASES {
        for counted in [2, 1] {
            let verdict = Made::all_up(release).silent(1).counts(counted).judge();
            assert_eq!(numbers(&verdict), (3, 2, Some(2), Some(0), Some(true), 1), "{release} {counted}");
        }
    }
}

#[test]
fn a_down_observer_does_not_affect_the_voters() {
    for release in RELEASES {
        let mut made = Made::all_up(release).silent(4);
        made.known.observers.insert("zk-4:2181".into());
        let verdict = made.judge();
        assert_eq!(numbers(&verdict), (3, 3, Some(3), Some(1), Some(true), 1), "{release}");
        assert_eq!(verdict.members_up, 3);
    }
}

#[test]
fn the_leader_is_down_and_an_election_follows() {
    for release in RELEASES {
        // The followers have not noticed yet.
        let before = Made::all_up(release).silent(3).judge();
        assert_eq!(numbers(&before), (3, 2, Some(0), Some(-2), Some(false), 0), "{release}");
        let during = Made::all_up(release).silent(3).not_serving(1).not_serving(2).not_serving(4).judge();
        assert_eq!(numbers(&during), (3, 0, Some(0), Some(-2), Some(false), 0), "{release}");
        let led = real(&format!("{release}/leader"), 2, &[("zk_synced_followers\t2\n", "zk_synced_followers\t1\n")]);
        let after = Made::all_up(release).silent(3).with(2, led).zxid(2, 2, 0).judge();
        assert_eq!(numbers(&after), (3, 2, Some(2), Some(0), Some(true), 1), "{release}");
        // The new epoch has no transaction yet: no member lags or differs.
        assert_eq!(after.lags, [Some(0), Some(0), None, Some(0)], "{release}");
        assert_eq!(after.drift.epochs, Some(1), "{release}");
    }
}

#[test]
fn a_leader_with_a_majority_has_the_quorum_regardless_of_other_replies() {
    // Just after an election both followers are synced, but were not serving yet when they were queried.
    let early = Made::all_up("3.8.0").not_serving(1).not_serving(2).judge();
    assert_eq!(numbers(&early), (3, 1, Some(2), Some(0), Some(true), 1));
    // The exporter reaches only the leader; the leader reports one or both followers.
    for counted in [2, 1] {
        let alone = Made::all_up("3.8.0").silent(1).silent(2).counts(counted).judge();
        assert_eq!(numbers(&alone), (3, 1, Some(2), Some(0), Some(true), 1), "{counted}");
    }
}

#[test]
fn a_paused_leader_means_no_quorum_despite_followers() {
    let verdict = Made::all_up("3.8.0").silent(3).judge();
    assert_eq!(numbers(&verdict), (3, 2, Some(0), Some(-2), Some(false), 0));
    assert_eq!(verdict.lags, [None; 4]);
}

#[test]
fn a_resumed_leader_is_stale() {
    // The new leader is 2; the old one still reports two, one or no followers.
    for counted in [2, 1, 0] {
        let led = real("3.8.0/leader", 2, &[("zk_synced_followers\t2\n", "zk_synced_followers\t1\n")]);
        let verdict = Made::all_up("3.8.0").counts(counted).with(2, led).zxid(2, 2, 5).zxid(1, 2, 5).judge();
        assert_eq!((verdict.leaders.clone(), verdict.leader), (vec![1], Some(1)), "{counted}");
        assert_eq!(verdict.stale_leaders, [2]);
        assert_eq!(numbers(&verdict), (3, 3, Some(2), Some(0), Some(true), 1), "{counted}");
        assert_eq!(verdict.drift.epochs, Some(2));
        assert_eq!(verdict.lags, [Some(0), Some(0), None, None], "{counted}");
    }
}

#[test]
fn two_leaders_of_one_epoch_are_counted() {
    let verdict = Made::all_up("3.8.0").with(2, real("3.8.0/leader", 2, &[])).judge();
    assert_eq!((verdict.leaders, verdict.stale_leaders), (vec![1, 2], vec![]));
}

#[test]
fn two_leaders_with_a_majority_are_counted_in_any_epoch() {
    let one = [("zk_synced_followers\t2\n", "zk_synced_followers\t1\n")];
    let mut members: Vec<MemberReport> = vec![];
    for id in [1, 2, 4, 5] {
        members.push(real("3.8.0/follower", id, &[]));
    }
    members.push(real("3.8.0/leader", 3, &one));
    let mut second = real("3.8.0/leader", 6, &one);
    second.zxid = Some(7 << 32 | 1);
    members.push(second);
    let verdict = judge(&EnsembleReport {
        samples: zookeeper_exporter::scrape::Samples::default(),
        name: "prod".into(),
        members,
        known: Known::default(),
    });
    assert_eq!((verdict.leaders, verdict.leader), (vec![4, 5], Some(5)));
}

#[test]
fn two_of_three_and_all_members_down() {
    let mut made = Made::all_up("3.8.0").silent(1).silent(2).not_serving(3).not_serving(4);
    let memory = made.known.clone();
    assert_eq!(numbers(&Made { members: made.members.clone(), known: memory, ..made }.judge()), {
        (3, 0, Some(0), Some(-2), Some(false), 0)
    });
    made = Made::all_up("3.8.0").silent(1).silent(2).counts(0);
    assert_eq!(numbers(&made.judge()), (3, 1, Some(1), Some(-1), Some(false), 1), "before it notices");
    let all = Made::all_up("3.8.0").silent(1).silent(2).silent(3).silent(4).judge();
    assert_eq!((numbers(&all), all.members_up), ((3, 0, Some(0), Some(-2), Some(false), 0), 0));
    assert_eq!((all.drift.versions, all.drift.epochs), (None, None));
}

#[test]
fn no_member_has_ever_replied() {
    let refused = |known: Known| {
        let members = (1..=5).map(|id| MemberReport::silent(format!("zk-{id}:2181").into())).collect();
        judge(&EnsembleReport {
            samples: zookeeper_exporter::scrape::Samples::default(),
            name: "prod".into(),
            members,
            known,
        })
    };
    let verdict = refused(Known::default());
    assert_eq!(numbers(&verdict), (5, 0, Some(0), Some(-3), Some(false), 0));
    assert_eq!((verdict.quorum.source, verdict.drift.configs), (VotersSource::Configuration, None));
    let observers = ["zk-4:2181".into(), "zk-5:2181".into()].into();
    assert_eq!(refused(Known { observers, ..Known::default() }).quorum.voters, 3);
    let remembered = refused(Known { quorum_size: Some(3), ..Known::default() });
    assert_eq!((remembered.quorum.voters, remembered.quorum.source), (3, VotersSource::QuorumSize));
}

#[test]
fn read_only_members_serve_but_are_not_synced() {
    for release in ["3.5.10", "3.6.3", "3.8.0", "3.9.3"] {
        // As in the exporter: a `conf` reply without a membership is not remembered.
        let conf = Made::all_up(release).id(1).conf.clone();
        let cut_off = MemberReport { conf, ..real(&format!("{release}/read-only"), 1, &[]) };
        let verdict = Made::all_up(release).with(1, cut_off).counts(1).judge();
        assert_eq!(numbers(&verdict), (3, 3, Some(2), Some(0), Some(true), 1), "{release}");
        assert_eq!((verdict.members_up, verdict.strangers, verdict.drift.configs), (4, vec![], Some(1)), "{release}");
    }
}

#[test]
fn a_standalone_server_is_an_ensemble_of_one() {
    for release in RELEASES {
        let members = vec![real(&format!("{release}/standalone"), 0, &[])];
        let verdict = judge(&EnsembleReport {
            samples: zookeeper_exporter::scrape::Samples::default(),
            name: "dev".into(),
            members,
            known: Known::default(),
        });
        assert_eq!(numbers(&verdict), (1, 1, Some(1), Some(0), Some(true), 0), "{release}");
        assert_eq!((verdict.quorum.majority(), verdict.quorum.source), (Some(1), VotersSource::Standalone));
    }
}

#[test]
fn a_standalone_server_among_others_is_foreign() {
    for release in RELEASES {
        let alone = real(&format!("{release}/standalone"), 0, &[]);
        let verdict = Made::all_up(release).with(1, alone).counts(1).judge();
        assert_eq!(verdict.strangers, [0], "{release}");
        assert_eq!(numbers(&verdict).2, Some(2), "{release}");
        assert_eq!(verdict.quorum.margin(), Some(0), "{release}");
        if release != "3.4.14" {
            assert_eq!(verdict.drift.configs, Some(2), "{release}");
            assert!(verdict.drift.differences.iter().any(|difference| difference.key == "servers"));
        }
    }
}

/// Another ensemble of three: the same ids, different hosts.
const ELSEWHERE: [(&str, &str); 1] = [("=127.0.0.1:", "=10.9.9.9:")];

#[test]
fn a_member_of_another_ensemble_is_reported_and_excluded() {
    let other = real("3.8.0/follower", 1, &ELSEWHERE);
    let verdict = Made::all_up("3.8.0").with(1, other).zxid(1, 9, 9).counts(2).judge();
    assert_eq!((verdict.strangers.clone(), verdict.drift.configs), (vec![0], Some(2)));
    // Server 1 of this ensemble is not queried and does not count as down.
    assert_eq!(numbers(&verdict), (3, 2, Some(3), Some(1), Some(true), 1));
    assert_eq!(verdict.lags, [None, Some(0), Some(0), Some(0)]);
    let mut leader = real("3.8.0/leader", 1, &ELSEWHERE);
    leader.zxid = Some(9 << 32);
    let verdict = Made::all_up("3.8.0").with(1, leader).judge();
    assert_eq!((verdict.leaders, verdict.leader), (vec![2], Some(2)), "the leader of another ensemble is not ours");
}

#[test]
fn names_and_addresses_of_a_host_do_not_make_two_ensembles() {
    for other in [
        [("=127.0.0.1:25101", "=zk-1:25101"), ("=127.0.0.1:25102", "=zk-2:25102"), ("=127.0.0.1:2510", "=zk:2510")],
        [("=127.0.0.1:25101", "=0.0.0.0:25101"), ("x", "x"), ("x", "x")],
    ] {
        let verdict = Made::all_up("3.8.0").with(1, real("3.8.0/follower", 1, &other)).judge();
        assert_eq!((verdict.strangers.clone(), numbers(&verdict).2), (vec![], Some(3)), "{other:?}");
    }
    let short = [("=127.0.0.1:", "=zk:")];
    let long = [("=127.0.0.1:", "=zk.example.com:")];
    let members = vec![real("3.8.0/follower", 1, &short), real("3.8.0/leader", 3, &long)];
    let verdict = judge(&EnsembleReport {
        samples: zookeeper_exporter::scrape::Samples::default(),
        name: "prod".into(),
        members,
        known: Known::default(),
    });
    assert!(verdict.strangers.is_empty());
    // The order of several addresses is not a difference either; it depends on their spelling.
    let networks = [("=127.0.0.1:25101:25201", "=127.0.0.1:25101:25201|zk-b:25101:25201")];
    let other = [("=127.0.0.1:25101:25201", "=ZK-B.example.com:25101:25201|127.0.0.1:25101:25201")];
    let fewer = [("=127.0.0.1:25101:25201", "=zk-b:25101:25201")];
    for (networks_of_leader, configs) in [(other, 1), (fewer, 2)] {
        let mut made = Made::all_up("3.8.0");
        for place in [1, 2, 4] {
            made =
                made.with(place, real(if place == 4 { "3.8.0/observer" } else { "3.8.0/follower" }, place, &networks));
        }
        let verdict = made.with(3, real("3.8.0/leader", 3, &networks_of_leader)).judge();
        assert_eq!(
            (verdict.drift.configs, verdict.strangers),
            (Some(configs), vec![]),
            "{:?}",
            verdict.drift.differences
        );
    }
    // A server listening on all addresses may name itself so: no difference.
    let everywhere = [("=127.0.0.1:25101", "=0.0.0.0:25101")];
    let verdict = Made::all_up("3.8.0").with(1, real("3.8.0/follower", 1, &everywhere)).judge();
    assert_eq!((verdict.drift.configs, verdict.drift.differences), (Some(1), vec![]));
}

#[test]
fn differing_settings_are_named() {
    let slow = real("3.8.0/follower", 2, &[("tickTime=500", "tickTime=3000"), ("clientPort=", "clientPort=9")]);
    let verdict = Made::all_up("3.8.0").with(2, slow).judge();
    assert_eq!((verdict.drift.configs, verdict.strangers), (Some(2), vec![]));
    let differences = verdict.drift.differences;
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert_eq!(differences[0].key, "tickTime");
    let values: Vec<_> = differences[0].values.iter().map(|value| value.as_deref().unwrap_or("")).collect();
    assert_eq!(values, ["500", "3000", "500", "500"]);
}

#[test]
fn the_newest_configuration_version_defines_the_voters() {
    // A fifth server was added as a voter, which only the leader knows.
    let added = [("version=0", "server.5=127.0.0.1:25105:25205:participant\nversion=100000007")];
    let verdict = Made::all_up("3.8.0").with(3, real("3.8.0/leader", 3, &added)).judge();
    assert_eq!((verdict.quorum.voters, verdict.quorum.source), (4, VotersSource::Conf));
    assert_eq!(verdict.drift.configs, Some(2));
    let keys: Vec<_> = verdict.drift.differences.iter().map(|difference| difference.key.as_str()).collect();
    assert_eq!(keys, ["version", "servers"]);
}

#[test]
fn refused_commands_leave_the_data_of_srvr() {
    // ZooKeeper's default whitelist: only `srvr`.
    let refused = b"mntr is not executed because it is not in the whitelist.\n";
    let only = |role: &str, id: usize| {
        let srvr = fixture(&format!("3.8.0/{role}")).read("srvr.txt");
        member(&format!("zk-{id}:2181"), Some(refused), srvr.as_deref(), None)
    };
    let ensemble = |members: Vec<MemberReport>| {
        judge(&EnsembleReport {
            samples: zookeeper_exporter::scrape::Samples::default(),
            name: "prod".into(),
            members,
            known: Known::default(),
        })
    };
    let all = ensemble(vec![only("follower", 1), only("follower", 2), only("leader", 3)]);
    assert_eq!(numbers(&all), (3, 3, Some(3), Some(1), Some(true), 1));
    assert_eq!((all.quorum.source, all.drift.configs), (VotersSource::Configuration, None));
    let down = ensemble(vec![MemberReport::silent("zk-1:2181".into()), only("follower", 2), only("leader", 3)]);
    assert_eq!(numbers(&down), (3, 2, Some(2), Some(0), Some(true), 1));
    let alone = ensemble(vec![
        MemberReport::silent("zk-1:2181".into()),
        MemberReport::silent("zk-2:2181".into()),
        only("leader", 3),
    ]);
    // Its followers may be out of sight: without them it steps down within `syncLimit` ticks.
    assert_eq!(numbers(&alone), (3, 1, None, None, None, 1));
    let stepped_down = ensemble(vec![
        MemberReport::silent("zk-1:2181".into()),
        MemberReport::silent("zk-2:2181".into()),
        member("zk-3:2181", Some(refused), Some(b"This ZooKeeper instance is not currently serving requests\n"), None),
    ]);
    assert_eq!(numbers(&stepped_down), (3, 0, Some(0), Some(-2), Some(false), 0));
    // Each of two standalone servers in one list works on its own.
    let alone = |id| {
        let srvr = fixture("3.8.0/standalone").read("srvr.txt");
        member(&format!("zk-{id}:2181"), Some(refused), srvr.as_deref(), None)
    };
    let standalones = ensemble(vec![alone(1), alone(2)]);
    assert_ne!(standalones.quorum.has_quorum(), Some(false));
    // An old leader on the minority side: its followers are in a newer epoch.
    let mut old = only("leader", 3);
    old.zxid = Some(4);
    let old = ensemble(vec![only("follower", 1), only("follower", 2), old]);
    assert_eq!(numbers(&old).2, Some(1));
}

#[test]
fn a_single_configured_follower_leaves_the_quorum_unknown() {
    let verdict = judge(&EnsembleReport {
        samples: zookeeper_exporter::scrape::Samples::default(),
        name: "prod".into(),
        members: vec![real("3.8.0/follower", 1, &[])],
        known: Known::default(),
    });
    assert!(verdict.quorum.incomplete);
    assert_eq!(numbers(&verdict), (3, 1, None, None, None, 0));
    // A leader alone proves the quorum.
    let verdict = judge(&EnsembleReport {
        samples: zookeeper_exporter::scrape::Samples::default(),
        name: "prod".into(),
        members: vec![real("3.8.0/leader", 3, &[])],
        known: Known::default(),
    });
    assert_eq!(numbers(&verdict), (3, 1, Some(3), Some(1), Some(true), 1));
    // A member that is not serving counts as a loss, although the two others may have the quorum.
    let members = Made::all_up("3.8.0").not_serving(1).members.drain(..1).collect();
    let verdict = judge(&EnsembleReport {
        samples: zookeeper_exporter::scrape::Samples::default(),
        name: "prod".into(),
        members,
        known: Known::default(),
    });
    assert_eq!(numbers(&verdict), (3, 0, Some(0), Some(-2), Some(false), 0));
}

#[test]
fn followers_without_a_vote_are_not_counted() {
    let joining = [
        ("zk_synced_followers\t2\n", "zk_synced_followers\t3\n"),
        ("zk_synced_non_voting_followers\t0\n", "zk_synced_non_voting_followers\t1\n"),
    ];
    let mut made = Made::all_up("3.8.0").with(3, real("3.8.0/leader", 3, &joining));
    made.members.push(real("3.8.0/follower", 7, &[]));
    assert_eq!(numbers(&made.judge()), (3, 3, Some(3), Some(1), Some(true), 1));
    // 3.5 does not report which followers vote.
    let mut made = Made::all_up("3.5.10").counts(3);
    made.members.push(real("3.5.10/follower", 7, &[]));
    assert_eq!(numbers(&made.silent(1).judge()), (3, 2, Some(2), Some(0), Some(true), 1));
}

#[test]
fn quorums_by_weight_are_computed() {
    for (weights, margin) in
        [("group.1=1:2:3\nweight.1=1", Some(1)), ("group.1=1:2:3\nweight.3=5", Some(0)), ("weight.1=1", None)]
    {
        let weighted = format!("{weights}\nversion=0");
        let weighted = [("version=0", &*weighted)];
        let mut made = Made::all_up("3.8.0");
        for id in 1..=3 {
            let role = if id == 3 { "3.8.0/leader" } else { "3.8.0/follower" };
            made = made.with(id, real(role, id, &weighted));
        }
        let verdict = made.with(4, real("3.8.0/observer", 4, &weighted)).judge();
        assert!(verdict.quorum.hierarchical);
        let has_quorum = margin.map(|margin| margin >= 0);
        assert_eq!(
            (verdict.quorum.majority(), verdict.quorum.margin(), verdict.quorum.has_quorum()),
            (None, margin, has_quorum)
        );
        assert_eq!((verdict.quorum.unsupported, verdict.leaders), (margin.is_none(), vec![2]), "{weights}");
    }
}

#[test]
fn lag_is_counted_in_one_epoch_and_never_negative() {
    let verdict = Made::all_up("3.8.0").zxid(1, 1, 31).zxid(2, 1, 5000).zxid(4, 0, 7).judge();
    assert_eq!(verdict.lags, [Some(1231 - 31), Some(0), Some(0), None]);
    let verdict = Made::all_up("3.8.0").zxid(3, 1, 0xf000_0000).judge();
    assert_eq!(verdict.epoch_used, Some(0.9375));
    assert_eq!(verdict.drift.epochs, Some(1));
}

#[test]
fn versions_and_quorum_sizes_are_counted() {
    let mixed = Made::all_up("3.8.0").with(1, real("3.9.3/follower", 1, &[])).judge();
    assert_eq!((mixed.drift.versions, mixed.drift.configs), (Some(2), Some(1)));
    let sizes =
        Made::all_up("3.8.0").with(1, real("3.8.0/follower", 1, &[("zk_quorum_size\t3\n", "zk_quorum_size\t4\n")]));
    assert_eq!(sizes.judge().drift.quorum_sizes, Some(2));
}

#[test]
fn findings_describe_the_problems_by_severity() {
    let said = |made: Made| {
        let report = EnsembleReport {
            name: "prod".into(),
            members: made.members,
            known: made.known,
            samples: zookeeper_exporter::scrape::Samples::default(),
        };
        let found = wrong(&report);
        // A finding is not more severe than the corresponding alert.
        for finding in found.iter().filter(|finding| finding.level == Level::Critical) {
            let name = finding.guide.trim_start_matches("docs/runbooks/ZooKeeper").trim_end_matches(".md");
            let condition = conditions().iter().find(|condition| condition.name == name);
            assert!(condition.is_some_and(|one| one.level_of(Severity::Critical).is_some()), "{finding:?}");
        }
        found.into_iter().map(|finding| (finding.level, finding.text)).collect::<Vec<_>>()
    };
    assert_eq!(said(Made::all_up("3.8.0")), []);
    let down = said(Made::all_up("3.8.0").silent(1).counts(1));
    assert_eq!(down[0], (Level::Critical, "zk-1:2181 does not answer.".into()));
    assert!(down[1].1.starts_with("2 of 3 voters are in sync, exactly a majority"), "{down:?}");
    let paused = said(Made::all_up("3.8.0").silent(3));
    assert!(paused[0].1.contains("3 members follow it.") && paused[0].1.contains("within 6 s"), "{paused:?}");
    let election = said(Made::all_up("3.8.0").silent(3).not_serving(1).not_serving(2).not_serving(4));
    assert!(election[0].1.starts_with("No quorum answers the exporter: 2 voters answer"), "{election:?}");
    let found = said(Made::all_up("3.8.0").silent(1).silent(2).silent(3).silent(4));
    assert_eq!(found.len(), 1, "one line, not five: {found:?}");
    let alone = said(Made::all_up("3.8.0").with(1, real("3.8.0/standalone", 0, &[])).counts(1));
    assert!(alone[0].1.starts_with("zk-1:2181 is a standalone server"), "{alone:?}");
    let two = said(Made::all_up("3.8.0").with(2, real("3.8.0/leader", 2, &[])));
    assert_eq!(two[0].0, Level::Critical);
    assert!(two[0].1.starts_with("2 members lead at the same time: zk-2:2181, zk-3:2181."), "{two:?}");
    let stale = said(Made::all_up("3.8.0").with(2, real("3.8.0/leader", 2, &[])).zxid(2, 2, 5).zxid(1, 2, 5));
    assert!(stale.iter().any(|(_, text)| text.starts_with("zk-3:2181 still reports that it leads")), "{stale:?}");
    let lagging = said(Made::all_up("3.8.0").zxid(1, 1, 31));
    assert_eq!(lagging, [], "a condition decides");
    let mixed = said(Made::all_up("3.8.0").with(1, real("3.9.3/follower", 1, &[])));
    assert_eq!(mixed, [(Level::Notice, "Members run different versions: 3.8.0, 3.9.3.".into())]);
    let cut_off = MemberReport { conf: Made::all_up("3.8.0").id(1).conf.clone(), ..real("3.8.0/read-only", 1, &[]) };
    let cut_off = said(Made::all_up("3.8.0").with(1, cut_off).counts(1));
    assert!(cut_off[0].1.contains("serves only reads"), "{cut_off:?}");
    let observer = said(Made::all_up("3.8.0").silent(4));
    assert_eq!(observer, [(Level::Warning, "zk-4:2181 does not answer. It has no vote.".into())]);
    let weighted = [("version=0", "weight.1=1\nversion=0")];
    let weighted = said(Made::all_up("3.8.0").with(3, real("3.8.0/leader", 3, &weighted)));
    assert!(weighted.iter().any(|(_, text)| text.starts_with("The groups and weights")), "{weighted:?}");
}

#[test]
fn verdicts_on_any_mixture_of_members_are_consistent() {
    use proptest::prelude::*;
    let pool: Arc<Vec<MemberReport>> = Arc::new(
        fixtures()
            .iter()
            .filter(|fixture| mntr::entries(&fixture.mntr()).next().is_some() || fixture.name.contains("quorum"))
            .map(|fixture| real(&fixture.name, 1, &[]))
            .collect(),
    );
    let one = (0..pool.len(), 0..6_usize, any::<Option<u64>>(), any::<bool>());
    proptest!(ProptestConfig::with_cases(400), |(picks in proptest::collection::vec(one, 0..9), size in any::<Option<u64>>())| {
        let members: Vec<_> = picks
            .iter()
            .map(|(place, id, zxid, silent)| {
                let found = &pool[*place];
                let found = if *silent { &MemberReport::silent(Arc::clone(&found.name)) } else { found };
                MemberReport { name: format!("zk-{id}:2181").into(), zxid: zxid.or(found.zxid), ..found.clone() }
            })
            .collect();
        let number = members.len();
        let report = EnsembleReport { samples: zookeeper_exporter::scrape::Samples::default(), name: "prod".into(), members, known: Known { quorum_size: size, ..Known::default() } };
        let verdict = judge(&report);
        let quorum = verdict.quorum;
        let synced = quorum.synced;
        prop_assert!(synced.is_none_or(|synced| synced <= quorum.voters));
        prop_assert_eq!(quorum.has_quorum(), quorum.margin().map(|margin| margin >= 0));
        prop_assert!(quorum.serving <= number as u64 && verdict.members_up <= number);
        prop_assert_eq!((verdict.votes.len(), verdict.lags.len()), (number, number));
        let is_counted = |place: &usize| {
            !verdict.strangers.contains(place) && !verdict.duplicates.iter().any(|(duplicate, _)| duplicate == place)
        };
        let claims = |place: &usize| report.members[*place].state == State::Leader && is_counted(place);
        let claimants = (0..number).filter(claims).count();
        prop_assert_eq!(verdict.leaders.len() + verdict.stale_leaders.len(), claimants);
        // A quorum implies a leader or a standalone server; without a known quorum and leader no member counts as
        // synced.
        if quorum.has_quorum() == Some(true) {
            prop_assert!(verdict.leader.is_some() || quorum.source == VotersSource::Standalone);
        } else if verdict.leader.is_none() && quorum.source != VotersSource::Standalone {
            prop_assert!(matches!(synced, Some(0) | None));
        }
        prop_assert!(verdict.leader.is_none_or(|leader| !verdict.strangers.contains(&leader)));
        wrong(&report);
        prop_assert_eq!(judge(&report), verdict);
    });
}

/// `info` and the status page use a single scrape, which is enough for counters that must be zero.
#[test]
fn digest_mismatches_are_reported_after_one_scrape() {
    let report = |count: &str| {
        let changes = [("zk_digest_mismatches_count\t0\n", count)];
        let members = Made::all_up("3.8.0").with(2, real("3.8.0/follower", 2, &changes)).members;
        let samples = zookeeper_exporter::scrape::Samples::default();
        EnsembleReport { samples, name: "prod".into(), members, known: Known::default() }
    };
    let about = |finding: &Finding| finding.guide.ends_with("ZooKeeperDigestMismatch.md");
    let found = wrong(&report("zk_digest_mismatches_count\t13\n"));
    let finding = found.iter().find(|finding| about(finding)).expect("a finding");
    assert!(finding.text.starts_with("zk-2:2181 has counted 13 digest mismatch"), "{}", finding.text);
    assert!(!wrong(&report("zk_digest_mismatches_count\t0\n")).iter().any(about));
}

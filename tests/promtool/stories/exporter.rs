//! A modelled scrape target: the replies that one exporter receives, its state, and the page it serves.
//!
//! The replies of the modelled servers pass the product's own parsers, verdict and encoder, so that a page is
//! the one that the product would serve.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use zookeeper_exporter::config::Command;
use zookeeper_exporter::ensemble::Known;
use zookeeper_exporter::exposition::Format;
use zookeeper_exporter::scrape::leader_watch::LeaderWatch;
use zookeeper_exporter::scrape::reading::{ParsedReply, Replies, SeenConf};
use zookeeper_exporter::scrape::{EnsembleReport, MemberReport, Report, Samples, State, note_newest};
use zookeeper_exporter::verdict::judge;
use zookeeper_exporter::wire::{Failure, Reason};

use super::ensemble::Ensemble;
use super::server::{Process, Reply, Server};
use crate::common::{heard, page};

/// Timeout of the exporter for a member, in seconds.
const TIMEOUT: f64 = 5.0;

/// Interval of `conf` queries, in seconds.
const CONF_AGE: f64 = 60.0;

/// The result of a scrape of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A page.
    Up,
    /// No response: `up` is 0.
    Down,
    /// The target was removed.
    Gone,
}

/// The scraped endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `/metrics`, with the exporter's own families.
    Metrics,
    /// `/probe`: only the ensembles.
    Probe,
}

/// The source of the member list.
#[derive(Clone, Debug)]
pub enum Members {
    /// All servers.
    All,
    /// These ids, and addresses without a server.
    Listed(Vec<u32>, Vec<String>),
    /// A name with the addresses of the servers whose process is running and not suspended.
    Dns,
}

/// A scrape target.
#[derive(Clone, Debug)]
pub struct Exporter {
    pub target: Target,
    pub layout: Layout,
    pub instance: String,
    pub job: String,
    /// The label of the Prometheus server or shard.
    pub cluster: Option<String>,
    /// The indices of the ensembles on its page.
    pub watches: Vec<usize>,
    pub members: Members,
    /// Servers that it does not reach: index of the ensemble, and id; id 0 means all.
    pub unreachable: BTreeSet<(usize, u32)>,
    /// Whether the last reload of its configuration failed.
    pub reload_failed: bool,
    /// Servers of the first ensemble that are listed under a second address, too.
    pub listed_twice: Vec<(u32, String)>,
    /// The index of an ensemble whose servers are also in the list of the first one.
    pub mixed_with: Option<usize>,
    conf: BTreeMap<(usize, u32), (f64, Arc<SeenConf>)>,
    known: BTreeMap<usize, (Known, LeaderWatch)>,
    /// The real time at the start of the story.
    begun: Instant,
}

impl Exporter {
    /// An exporter that serves these ensembles on `/metrics`.
    pub fn new(instance: &str, watches: &[usize]) -> Self {
        Self {
            target: Target::Up,
            layout: Layout::Metrics,
            instance: format!("{instance}:9141"),
            job: "zookeeper".to_owned(),
            cluster: None,
            watches: watches.to_vec(),
            members: Members::All,
            unreachable: BTreeSet::new(),
            reload_failed: false,
            listed_twice: Vec::new(),
            mixed_with: None,
            conf: BTreeMap::new(),
            known: BTreeMap::new(),
            begun: Instant::now(),
        }
    }

    /// A new process at the same address: its state is lost.
    pub fn restart(&mut self) {
        self.target = Target::Up;
        self.conf.clear();
        self.known.clear();
    }

    /// The labels that Prometheus adds to every sample.
    pub fn labels(&self) -> String {
        let cluster = self.cluster.iter().map(|name| format!("cluster=\"{name}\",")).collect::<String>();
        format!("{cluster}instance=\"{}\",job=\"{}\"", self.instance, self.job)
    }

    /// The current page, and the seconds it took.
    pub fn page(&mut self, ensembles: &[Ensemble], now: f64) -> String {
        let watched = self.watches.clone();
        let ensembles = watched.into_iter().map(|place| Arc::new(self.ensemble(place, ensembles, now))).collect();
        let mut text = page(&Arc::new(Report { ensembles }), Format::Classic);
        if self.layout == Layout::Metrics {
            text.push_str("zk_exporter_build_info{version=\"1.0.0\",rustversion=\"1.91\"} 1\n");
            let reloaded = i32::from(!self.reload_failed);
            text.push_str(&format!("zk_exporter_config_last_reload_successful {reloaded}\n"));
        }
        text
    }

    fn ensemble(&mut self, place: usize, ensembles: &[Ensemble], now: f64) -> EnsembleReport {
        let ensemble = &ensembles[place];
        let listed: Vec<&Server> = match &self.members {
            Members::All => ensemble.servers.iter().collect(),
            Members::Listed(ids, _) => {
                ids.iter().filter_map(|id| ensemble.servers.iter().find(|server| server.id == *id)).collect()
            }
            Members::Dns => {
                ensemble.servers.iter().filter(|server| matches!(server.process, Process::Running)).collect()
            }
        };
        let mut members: Vec<MemberReport> =
            listed.iter().map(|server| self.member(place, ensemble, server, now)).collect();
        if let Members::Listed(_, dead) = &self.members {
            members.extend(dead.iter().map(|address| refused(address)));
        }
        for (id, address) in self.listed_twice.clone() {
            if let Some(server) = ensemble.servers.iter().find(|server| server.id == id) {
                let other = Server { address, ..server.clone() };
                members.push(self.member(place, ensemble, &other, now));
            }
        }
        if let Some(other) = self.mixed_with {
            members.extend(
                ensembles[other].servers.iter().map(|server| self.member(other, &ensembles[other], server, now)),
            );
        }
        let (known, watch) = self.known.entry(place).or_default();
        for member in &members {
            match member.state {
                State::Observer => drop(known.observers.insert(Arc::clone(&member.name))),
                State::Leader | State::Follower => drop(known.observers.remove(&member.name)),
                _ => {}
            }
        }
        let mut report = EnsembleReport {
            samples: Samples::default(),
            name: ensemble.name.as_str().into(),
            members,
            known: Known::default(),
        };
        known.quorum_size = report.quorum_size().or(known.quorum_size);
        watch.note(known, &report, &[], self.begun + Duration::from_secs_f64(now));
        report.known = known.clone();
        note_newest(known, &report.members, &judge(&report).strangers);
        report.known.newest.clone_from(&known.newest);
        report
    }

    fn member(&mut self, place: usize, ensemble: &Ensemble, server: &Server, now: f64) -> MemberReport {
        let cut = [server.id, 0].iter().any(|id| self.unreachable.contains(&(place, *id)));
        let ask = |command: Command, reply: Reply| {
            let reply = if cut { Reply::Silent } else { reply };
            match reply {
                Reply::Bytes(text, delay) if delay < TIMEOUT => (heard(command, text.as_bytes()), delay),
                Reply::Bytes(..) | Reply::Silent => {
                    (ParsedReply::failed(Failure::new(Reason::Timeout, "no reply in time")), TIMEOUT)
                }
                Reply::Refused => (ParsedReply::failed(Failure::new(Reason::Connect, "connection refused")), 0.001),
            }
        };
        let (mntr, duration) = ask(Command::Mntr, server.mntr(now, &ensemble.lines(server, now)));
        let (srvr, _) = ask(Command::Srvr, server.srvr());
        let seen = self.conf.get(&(place, server.id)).map(|(at, _)| *at);
        if seen.is_none_or(|at| now - at >= CONF_AGE)
            && let Some(conf) = ask(Command::Conf, server.conf(&ensemble.membership_lines())).0.conf()
        {
            self.conf.insert((place, server.id), (now, Arc::new(conf.clone())));
        }
        let conf = self.conf.get(&(place, server.id)).map(|(_, conf)| Arc::clone(conf));
        let replies = Replies { mntr: Some(mntr), srvr: Some(srvr), ..Replies::default() };
        let mut member = replies.report(server.address.as_str().into(), conf);
        member.duration = Some(Duration::from_secs_f64(duration));
        member
    }
}

fn refused(address: &str) -> MemberReport {
    let failed = || Some(ParsedReply::failed(Failure::new(Reason::Connect, "connection refused")));
    Replies { mntr: failed(), srvr: failed(), ..Replies::default() }.report(address.into(), None)
}

//! Scrapes all members of all ensembles concurrently: sends commands and returns one [`Report`] before the deadline.

mod addresses;
mod cadence;
mod clients;
mod dual_stack;
pub mod leader_watch;
mod limiter;
mod log_budget;
mod member;
mod memory;
pub mod metric_filter;
mod newest_zxid;
mod other_program;
mod probes;
pub mod reading;
mod replicas;
pub mod report;
mod round;
mod same_process;
pub mod samples;
mod seen_conf;
mod target;
pub mod transcript;
pub mod typed;
mod zxid_recheck;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::task::Poll;

use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep_until};

pub use metric_filter::MetricFilter;
pub use newest_zxid::note_newest;
pub use reading::Reading;
pub use report::{EnsembleReport, MemberReport, Report, Source, State};
pub use same_process::figures_agree;
pub use samples::{Cell, Dropped, HistogramSample, Samples};
pub use transcript::Transcript;

use crate::config::{Config, Discovery, Limits, Module, Reach};
use crate::ensemble::{self, Ensemble, Member};
use crate::wire::{Client, Failure};
use limiter::ConnectionLimiter;
use round::{Purpose, Round};
use target::Target;

/// Scrapes ensembles, and keeps bounded state between scrapes.
#[derive(Debug)]
pub struct Scraper {
    targets: Vec<Arc<Target>>,
    /// One client per module; it owns the TLS sessions and files.
    clients: BTreeMap<String, (Arc<Module>, Arc<Client>)>,
    connections: Connections,
    limits: Limits,
    reading: Reading,
    strangers: Strangers,
}

/// The members of a report that are standalone or belong to another ensemble, which no session uses.
pub type Strangers = fn(&EnsembleReport) -> Vec<usize>;

/// Connections to members. Probes have a separate share, so that scrapes and probes do not starve each other.
#[derive(Clone, Debug)]
struct Connections {
    scrapes: Arc<ConnectionLimiter>,
    probes: Arc<ConnectionLimiter>,
}

impl Connections {
    /// A quarter of the connections is reserved for probes.
    fn new(max: usize) -> Self {
        let probes = (max / 4).max(1);
        Self { scrapes: ConnectionLimiter::new((max - max.min(probes)).max(1)), probes: ConnectionLimiter::new(probes) }
    }
}

/// Discovered members of an ensemble that were dropped so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedMembers {
    /// Name of the ensemble.
    pub ensemble: Arc<str>,
    /// Members over the limit.
    pub over_cap: u64,
    /// Members whose address is invalid or excluded by policy.
    pub unusable: u64,
}

impl Scraper {
    /// A scraper for the ensembles of a configuration.
    #[must_use]
    pub fn new(config: &Config, limits: Limits) -> Self {
        let reading = Reading { series_cap: limits.series_per_member, keep_raw: false };
        Self::with_memories(config, limits, reading, Connections::new(limits.sockets), |_| Vec::new(), &[])
    }

    /// Keeps the sessions of this scraper away from these members.
    #[must_use]
    pub fn avoiding(self, strangers: Strangers) -> Self {
        Self { strangers, ..self }
    }

    /// A scraper for a new configuration, which keeps the state of unchanged members.
    #[must_use]
    pub fn renewed(&self, config: &Config) -> Self {
        Self::with_memories(config, self.limits, self.reading, self.connections.clone(), self.strangers, &self.targets)
    }

    fn with_memories(
        config: &Config,
        limits: Limits,
        reading: Reading,
        connections: Connections,
        strangers: Strangers,
        old: &[Arc<Target>],
    ) -> Self {
        let client = |(name, module): (&String, &Arc<Module>)| {
            (name.clone(), (Arc::clone(module), Arc::new(Client::new(module))))
        };
        let clients: BTreeMap<_, _> = config.modules.iter().map(client).collect();
        let target = |(name, ensemble): (&String, Ensemble)| {
            if ensemble.module.tls.as_ref().is_some_and(|tls| tls.insecure_skip_verify) {
                tracing::warn!(
                    ensemble = &*ensemble.name,
                    "insecure_skip_verify: certificate verification is disabled, connections can be intercepted"
                );
            }
            let client = clients.get(name).map(|(_, client)| Arc::clone(client));
            // The configuration guarantees that the module of every ensemble exists.
            let client = client.unwrap_or_else(|| Arc::new(Client::new(&ensemble.module)));
            Arc::new(Target::new(ensemble, client, old))
        };
        let modules = config.ensembles.iter().map(|ensemble| &ensemble.module_name);
        let targets = modules.zip(ensemble::ensembles(config)).map(target).collect();
        Self { targets, clients, connections, limits, reading, strangers }
    }

    /// Keeps the text of every `mntr` reply, for the page with raw names.
    #[must_use]
    pub fn keeping_raw(mut self) -> Self {
        self.reading.keep_raw = true;
        self
    }

    /// Stops all background tasks and closes their sessions. Takes a few seconds at most.
    pub async fn stop(&self) {
        let mut stopping: JoinSet<()> = self
            .targets
            .iter()
            .filter_map(|target| target.probes.clone())
            .map(|probes| async move { probes.stop().await })
            .collect();
        while stopping.join_next().await.is_some() {}
    }

    /// The active limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Number of members that a scrape queries, as far as known in advance.
    #[must_use]
    pub fn members(&self) -> usize {
        self.targets.iter().map(|target| target.size(self.limits.members_per_ensemble)).sum()
    }

    /// The same for one configured ensemble; `None` if there is none with this name.
    #[must_use]
    pub fn members_of(&self, ensemble: &str) -> Option<usize> {
        let target = self.targets.iter().find(|target| *target.ensemble.name == *ensemble)?;
        Some(target.size(self.limits.members_per_ensemble))
    }

    /// Discovered members that were dropped so far, by ensemble.
    #[must_use]
    pub fn dropped_members(&self) -> Vec<DroppedMembers> {
        let of = |target: &Arc<Target>| {
            let (over_cap, unusable) = target.dropped();
            DroppedMembers { ensemble: Arc::clone(&target.ensemble.name), over_cap, unusable }
        };
        self.targets.iter().map(of).collect()
    }

    /// The configured or discovered member with this name (`HOST:PORT`). If several ensembles have it, one that has it
    /// configured takes precedence.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Member> {
        let members = self.targets.iter().filter_map(|target| target.member(name, self.limits.members_per_ensemble));
        members.min_by_key(|member| member.reach != Reach::Configured)
    }

    /// Queries all members concurrently. Ends by `deadline`, and within each module's timeout.
    ///
    /// An ensemble that is being queried by another scrape shares that round. Dropping the future aborts all queries
    /// that no other request waits for; all of them are reads.
    pub async fn scrape(self: &Arc<Self>, deadline: Instant) -> Report {
        self.rounds(&self.targets, deadline).await
    }

    /// Queries one configured ensemble; `None` if there is none with this name.
    pub async fn scrape_one(self: &Arc<Self>, ensemble: &str, deadline: Instant) -> Option<Report> {
        let target = self.targets.iter().find(|target| *target.ensemble.name == *ensemble)?;
        Some(self.rounds(std::slice::from_ref(target), deadline).await)
    }

    async fn rounds(self: &Arc<Self>, targets: &[Arc<Target>], deadline: Instant) -> Report {
        let begun = Instant::now();
        if let Some(timeout) = targets.iter().map(|target| target.ensemble.module.timeout).min() {
            set_the_clock(deadline.min(begun + timeout)).await;
        }
        let join = |target: &Arc<Target>| {
            let deadline = deadline.min(begun + target.ensemble.module.timeout);
            (self.join(target, deadline), deadline)
        };
        let rounds: Vec<_> = targets.iter().map(join).collect();
        let mut ensembles = Vec::with_capacity(rounds.len());
        for (round, deadline) in rounds {
            ensembles.push(round.wait(deadline).await);
        }
        Report { ensembles }
    }

    /// Joins the current round if possible, otherwise starts a new one.
    fn join(self: &Arc<Self>, target: &Arc<Target>, deadline: Instant) -> Arc<Round> {
        let mut slot = target.round.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(round) = slot.upgrade().filter(|round| round.is_open(deadline)) {
            return round;
        }
        let round = Round::begin(self, target, deadline, Purpose::Scrape);
        *slot = Arc::downgrade(&round);
        round
    }

    /// Queries an ensemble independent of the configuration, without keeping state.
    ///
    /// If `places` has addresses for a member, only these are used. `None` if there is no module with this name.
    pub async fn probe(
        self: &Arc<Self>,
        probe: Probe,
        deadline: Instant,
        transcript: Option<Arc<Transcript>>,
    ) -> Option<Report> {
        let (module, client) = self.clients.get(&probe.module)?;
        let ensemble = Ensemble { module: Arc::clone(module), ..probe.ensemble };
        let deadline = deadline.min(Instant::now() + module.timeout);
        let target = Arc::new(Target::pinned(ensemble, Arc::clone(client), probe.places));
        let mut report = Round::begin(self, &target, deadline, Purpose::Probe(transcript)).wait(deadline).await;
        // Totals of a single scrape are meaningless.
        let report_mut = Arc::make_mut(&mut report);
        report_mut.members.iter_mut().for_each(|member| member.failures_total.clear());
        report_mut.known.one_shot = true;
        Some(Report { ensembles: vec![report] })
    }

    /// Whether members are discovered from memberships, so that they are only known after a first scrape.
    #[must_use]
    pub fn follows_memberships(&self) -> bool {
        self.targets.iter().any(|target| target.ensemble.discovery == Discovery::Conf)
    }

    /// Whether the next scrape will query other members than those of this report.
    #[must_use]
    pub fn has_moved_on(&self, report: &Report) -> bool {
        let cap = self.limits.members_per_ensemble;
        self.targets.iter().zip(&report.ensembles).any(|(target, ensemble)| target.asks_others(ensemble, cap))
    }

    /// The current members of a configured ensemble; read-only.
    #[must_use]
    pub fn present(&self, ensemble: &str) -> Option<Ensemble> {
        let target = self.targets.iter().find(|target| *target.ensemble.name == *ensemble)?;
        Some(target.as_it_is(self.limits.members_per_ensemble))
    }
}

/// Registers the earliest deadline with the runtime before the queries register theirs.
///
/// A timer that is earlier than all others costs a system call; without this, every timer registered in the same turn
/// of the event loop may be such a timer.
async fn set_the_clock(deadline: Instant) {
    let mut timer = pin!(sleep_until(deadline));
    poll_fn(|context| {
        let _ = timer.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
    yield_now().await;
}

/// Addresses of members by name, or the reason why they are unknown.
pub type Places = BTreeMap<Arc<str>, Result<Vec<SocketAddr>, Failure>>;

/// An ensemble for a one-shot query.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Name and members.
    pub ensemble: Ensemble,
    /// Name of the module.
    pub module: String,
    /// Addresses of members, instead of name resolution.
    pub places: Places,
}

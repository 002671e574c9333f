//! All members of all ensembles side by side: questions out, one [`Report`] back, before the deadline.

mod addresses;
mod again;
mod beyond;
mod dual_stack;
pub mod leader_watch;
mod limiter;
mod log_budget;
mod member;
mod memory;
pub mod reading;
pub mod report;
mod round;
mod same_process;
pub mod samples;
pub mod shown;
mod target;
pub mod transcript;
pub mod typed;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::task::Poll;

use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep_until};

pub use reading::Reading;
pub use report::{EnsembleReport, MemberReport, Report, Source, State};
pub use same_process::figures_agree;
pub use samples::{Cell, Dropped, Samples};
pub use shown::Shown;
pub use transcript::Transcript;

use crate::config::{Config, Discovery, Limits, Module, Reach};
use crate::ensemble::{self, Ensemble, Member};
use crate::wire::{Client, Failure};
use limiter::ConnectionLimiter;
use round::{Purpose, Round};
use target::Target;

/// Asks ensembles and remembers, bounded, what a scrape needs of the one before.
#[derive(Debug)]
pub struct Scraper {
    targets: Vec<Arc<Target>>,
    /// One for each module: with it go the sessions and files of TLS.
    clients: BTreeMap<String, (Arc<Module>, Arc<Client>)>,
    connections: Connections,
    limits: Limits,
    reading: Reading,
}

/// The connections to members: probes have some of their own, so that neither they nor scrapes starve the others.
#[derive(Clone, Debug)]
struct Connections {
    scrapes: Arc<ConnectionLimiter>,
    probes: Arc<ConnectionLimiter>,
}

impl Connections {
    /// A quarter of all is for probes.
    fn new(max: usize) -> Self {
        let probes = (max / 4).max(1);
        Self { scrapes: ConnectionLimiter::new((max - max.min(probes)).max(1)), probes: ConnectionLimiter::new(probes) }
    }
}

/// What discovery left out of an ensemble so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedMembers {
    /// The ensemble.
    pub ensemble: Arc<str>,
    /// Members over the cap.
    pub over_cap: u64,
    /// Members whose address is invalid or excluded by policy.
    pub unusable: u64,
}

impl Scraper {
    /// A scraper for the ensembles of a configuration.
    #[must_use]
    pub fn new(config: &Config, limits: Limits) -> Self {
        let reading = Reading { series_cap: limits.series_per_member, keep_raw: false };
        Self::with_memories(config, limits, reading, Connections::new(limits.sockets), &[])
    }

    /// A scraper for another configuration, with what this one remembers of members that stay.
    #[must_use]
    pub fn renewed(&self, config: &Config) -> Self {
        Self::with_memories(config, self.limits, self.reading, self.connections.clone(), &self.targets)
    }

    fn with_memories(
        config: &Config,
        limits: Limits,
        reading: Reading,
        connections: Connections,
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
            // Every ensemble names a module that is there: `config` holds it.
            let client = client.unwrap_or_else(|| Arc::new(Client::new(&ensemble.module)));
            Arc::new(Target::new(ensemble, client, old))
        };
        let modules = config.ensembles.iter().map(|ensemble| &ensemble.module_name);
        let targets = modules.zip(ensemble::ensembles(config)).map(target).collect();
        Self { targets, clients, connections, limits, reading }
    }

    /// Keeps the text of every `mntr`, for the page with mntr's own names.
    #[must_use]
    pub fn keeping_raw(mut self) -> Self {
        self.reading.keep_raw = true;
        self
    }

    /// Ends what goes on beside the scrapes, with its sessions. Takes some seconds at most.
    pub async fn stop(&self) {
        let mut stopping: JoinSet<()> = self
            .targets
            .iter()
            .filter_map(|target| target.beyond.clone())
            .map(|beyond| async move { beyond.stop().await })
            .collect();
        while stopping.join_next().await.is_some() {}
    }

    /// The active limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The number of members that a scrape asks, as far as is known before it.
    #[must_use]
    pub fn members(&self) -> usize {
        self.targets.iter().map(|target| target.size(self.limits.members_per_ensemble)).sum()
    }

    /// The same for the configured ensemble of this name; `None` where there is none.
    #[must_use]
    pub fn members_of(&self, ensemble: &str) -> Option<usize> {
        let target = self.targets.iter().find(|target| *target.ensemble.name == *ensemble)?;
        Some(target.size(self.limits.members_per_ensemble))
    }

    /// What discovery left out so far, by ensemble.
    #[must_use]
    pub fn dropped_members(&self) -> Vec<DroppedMembers> {
        let of = |target: &Arc<Target>| {
            let (over_cap, unusable) = target.dropped();
            DroppedMembers { ensemble: Arc::clone(&target.ensemble.name), over_cap, unusable }
        };
        self.targets.iter().map(of).collect()
    }

    /// The member of this name, `HOST:PORT`, that is configured or was discovered; where several ensembles have it, one
    /// that has it configured counts.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Member> {
        let members = self.targets.iter().filter_map(|target| target.member(name, self.limits.members_per_ensemble));
        members.min_by_key(|member| member.reach != Reach::Configured)
    }

    /// Asks every member at the same moment. Ends by `deadline`, and within each module's timeout.
    ///
    /// Ensembles that another scrape is asking just now are asked together with it. Dropping the future ends all
    /// queries that no other request waits for: all of them are reads.
    pub async fn scrape(self: &Arc<Self>, deadline: Instant) -> Report {
        self.rounds(&self.targets, deadline).await
    }

    /// Asks the configured ensemble of this name only; `None` where there is none.
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

    /// The round under way where it may be joined, else a new one.
    fn join(self: &Arc<Self>, target: &Arc<Target>, deadline: Instant) -> Arc<Round> {
        let mut slot = target.round.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(round) = slot.upgrade().filter(|round| round.is_open(deadline)) {
            return round;
        }
        let round = Round::begin(self, target, deadline, Purpose::Scrape);
        *slot = Arc::downgrade(&round);
        round
    }

    /// Asks an ensemble that is in no configuration, or is asked beside it, and remembers nothing of it.
    ///
    /// Where `places` gives addresses for a member, these are connected to and no others. `None` where there is no
    /// module of this name.
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
        // Of one scrape, totals are no totals.
        Arc::make_mut(&mut report).members.iter_mut().for_each(|member| member.failures_total.clear());
        Some(Report { ensembles: vec![report] })
    }

    /// Whether members come from what servers state, so that they are known only after a first scrape.
    #[must_use]
    pub fn follows_memberships(&self) -> bool {
        self.targets.iter().any(|target| target.ensemble.discovery == Discovery::Conf)
    }

    /// Whether the next scrape asks other members than this report has.
    #[must_use]
    pub fn has_moved_on(&self, report: &Report) -> bool {
        let cap = self.limits.members_per_ensemble;
        self.targets.iter().zip(&report.ensembles).any(|(target, ensemble)| target.asks_others(ensemble, cap))
    }

    /// The members of a configured ensemble as they are now, for a look at it that changes nothing.
    #[must_use]
    pub fn present(&self, ensemble: &str) -> Option<Ensemble> {
        let target = self.targets.iter().find(|target| *target.ensemble.name == *ensemble)?;
        Some(target.as_it_is(self.limits.members_per_ensemble))
    }
}

/// Lets the runtime see the earliest deadline before the questions bring theirs.
///
/// A timer earlier than all that the runtime knows of costs a system call, and of many timers that are set in one turn
/// every one would be such.
async fn set_the_clock(deadline: Instant) {
    let mut timer = pin!(sleep_until(deadline));
    poll_fn(|context| {
        let _ = timer.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
    yield_now().await;
}

/// Addresses of members by name, or why they are unknown.
pub type Places = BTreeMap<Arc<str>, Result<Vec<SocketAddr>, Failure>>;

/// An ensemble to be asked once.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Its name and members.
    pub ensemble: Ensemble,
    /// The name of the module to ask it with.
    pub module: String,
    /// Where members are, in place of what their addresses resolve to.
    pub places: Places,
}

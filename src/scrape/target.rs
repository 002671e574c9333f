//! An ensemble, its current members, and the bounded state kept between scrapes.

mod due;
mod membership;
mod resolved;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

pub(super) use due::DueProbes;

use super::Places;
use super::Strangers;
use super::clients::ClientWatch;
use super::dual_stack::{self, Families};
use super::leader_watch::LeaderWatch;
use super::log_budget::LogBudget;
use super::member::{Location, Query};
use super::memory::Memory;
use super::metric_filter::MetricFilter;
use super::newest_zxid::note_newest;
use super::probes::RunningProbes;
use super::replicas::ReplicaWatch;
use super::report::{EnsembleReport, MemberReport, State};
use super::round::{self, Round};
use super::same_process::remember_apart;
use super::samples::Samples;
use crate::canary::OperationDurations;
use crate::catalogue::Own;
use crate::config::{Address, Discovery, Reach};
use crate::ensemble::{Ensemble, Known, Member, REACH_OF_NAMES, ReportedMembership, Roster, by_membership};
use crate::histogram::DurationHistogram;
use crate::wire::Client;

/// An ensemble to scrape.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) ensemble: Ensemble,
    pub(super) client: Arc<Client>,
    pub(super) shown: MetricFilter,
    /// Shared with the target of the next configuration, if it contains the same ensemble.
    remembered: Arc<Mutex<Remembered>>,
    /// Background tasks; `None` for a one-shot query.
    pub(super) probes: Option<Arc<RunningProbes>>,
    /// Addresses of members, instead of name resolution.
    places: Places,
    /// The current round, which other scrapes may join.
    pub(super) round: Mutex<Weak<Round>>,
    /// Log budget for lines about membership, leader and discovered members.
    log: Arc<LogBudget>,
}

/// Bounded by the number of current and configured members.
#[derive(Debug, Default)]
struct Remembered {
    memories: BTreeMap<Arc<str>, Arc<Memory>>,
    leader: Option<Arc<str>>,
    known: Known,
    /// The current membership, if it determines the members.
    told: Option<ReportedMembership>,
    /// The members of the last scrape.
    current: BTreeSet<Arc<str>>,
    /// Server ids reported by the configured members; `None` for one that reported several (a load balancer).
    ids: BTreeMap<Arc<str>, Option<String>>,
    /// Resolved addresses of names.
    names: BTreeMap<Arc<str>, Resolved>,
    /// Number of voters and learners, as reported; the membership may have changed if these do.
    crowd: Option<(Option<u64>, Option<u64>)>,
    /// For names with addresses of both families: which family has the members.
    families: Families,
    /// How long no leader is visible.
    watch: LeaderWatch,
    /// Comparison of the members' data.
    replicas: ReplicaWatch,
    /// Connections of the members by client.
    clients: ClientWatch,
    /// No member replied in the last scrape.
    deserted: bool,
    /// Members dropped so far: over the limit, unusable address.
    dropped: (u64, u64),
    /// Histograms of scrape and connect durations and of canary operations.
    scrapes: DurationHistogram,
    connects: DurationHistogram,
    operations: Arc<OperationDurations>,
}

#[derive(Clone, Debug)]
struct Resolved {
    at: Instant,
    addresses: Vec<SocketAddr>,
}

/// How long resolved addresses are fresh: shorter than usual scrape intervals, so that every scrape resolves again;
/// long enough for several Prometheus servers and probes to share a lookup.
const FRESH: Duration = Duration::from_secs(5);

/// How long the previous addresses are used while a name cannot be resolved.
const STALE: Duration = Duration::from_mins(5);

/// The members of one round.
#[derive(Debug, Default)]
pub(super) struct Present {
    /// The members, in page order.
    pub(super) asked: Vec<Query>,
    /// Configured members that are not current members, queried for the membership while no member replies; or the
    /// other addresses of the names below.
    pub(super) hidden: Vec<Query>,
    /// Names with addresses of both families.
    pub(super) names: Vec<dual_stack::NamedHost>,
    /// The probes that this round sends.
    pub(super) probes: DueProbes,
}

/// The report of a member, and whether its `conf` was read in this scrape.
pub(super) type Answered = (MemberReport, bool);

impl Target {
    /// An ensemble, with the state of the target with the same name in `old`.
    pub(super) fn new(ensemble: Ensemble, client: Arc<Client>, old: &[Arc<Self>]) -> Self {
        let old = old.iter().find(|target| target.ensemble.name == ensemble.name);
        let remembered = old.map(|old| {
            let remembered = Arc::clone(&old.remembered);
            let mut inner = lock(&remembered);
            if inner.is_replaced(&old.ensemble, &ensemble) {
                // A round in progress keeps the state of the ensemble that was watched under this name.
                return Arc::new(Mutex::new(inner.of_another_ensemble()));
            }
            if old.ensemble.discovery != ensemble.discovery {
                inner.told = None;
            }
            // With a discovery, the next round evicts members that left.
            let discovered = ensemble.discovery != Discovery::Static;
            let newest = if discovered { std::mem::take(&mut inner.known.newest) } else { BTreeMap::new() };
            inner.known.keep(ensemble.members.iter().filter(|_| !discovered));
            inner.known.newest.extend(newest);
            drop(inner);
            remembered
        });
        let remembered = remembered.unwrap_or_default();
        let operations = Arc::clone(&lock(&remembered).operations);
        let probes = RunningProbes::start(&ensemble, &client, operations, old.and_then(|old| old.probes.as_ref()));
        Self { remembered, probes: Some(probes), ..Self::bare(ensemble, client) }
    }

    /// An ensemble without state and background tasks.
    fn bare(ensemble: Ensemble, client: Arc<Client>) -> Self {
        let shown = MetricFilter::new(&ensemble.module.metrics);
        Self {
            ensemble,
            client,
            shown,
            remembered: Arc::default(),
            probes: None,
            places: Places::new(),
            round: Mutex::default(),
            log: Arc::new(LogBudget::of_ensemble()),
        }
    }

    /// An ensemble for a one-shot query at the given addresses.
    pub(super) fn pinned(ensemble: Ensemble, client: Arc<Client>, places: Places) -> Self {
        Self { places, ..Self::bare(ensemble, client) }
    }

    /// The ensemble with its current members.
    pub(super) fn as_it_is(&self, cap: usize) -> Ensemble {
        let roster = self.roster(&self.lock(), cap);
        let members = roster.map_or_else(|| self.ensemble.members.clone(), |roster| roster.members);
        let discovery = if self.ensemble.discovery == Discovery::Dns { Discovery::Dns } else { Discovery::Static };
        Ensemble { members, discovery, ..self.ensemble.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        lock(&self.remembered)
    }

    /// Number of members that a scrape queries, as far as known.
    pub(super) fn size(&self, cap: usize) -> usize {
        self.roster(&self.lock(), cap).map_or(self.ensemble.members.len(), |roster| roster.members.len())
    }

    /// Whether the current membership has other members than a report.
    pub(super) fn asks_others(&self, report: &EnsembleReport, cap: usize) -> bool {
        self.roster(&self.lock(), cap).is_some_and(|roster| {
            let asked = report.members.iter().map(|member| &member.name);
            !roster.members.iter().map(|member| &member.name).eq(asked)
        })
    }

    /// Members dropped so far: over the limit, and with an unusable address.
    pub(super) fn dropped(&self) -> (u64, u64) {
        self.lock().dropped
    }

    /// The configured or discovered member with this name. A configured member may have any address.
    pub(super) fn member(&self, name: &str, cap: usize) -> Option<Member> {
        let is = |member: &&Member| *member.name == *name;
        let remembered = self.lock();
        let roster = self.roster(&remembered, cap).unwrap_or_default();
        let known = self.ensemble.members.iter().find(is).or_else(|| roster.members.iter().find(is));
        known.cloned().or_else(|| {
            // An address of a name: the name itself is resolved at each scrape.
            let address: Address = remembered.memories.contains_key(name).then(|| name.parse().ok())??;
            let dns = self.ensemble.discovery == Discovery::Dns;
            Some(Member { reach: if dns { REACH_OF_NAMES } else { Reach::Discovered }, ..address.into() })
        })
    }

    /// The members to query now. Resolves names whose addresses are the members.
    pub(super) async fn present(&self, deadline: Instant, cap: usize) -> Present {
        let probes = self.due_probes();
        Present { probes, ..self.members(deadline, cap).await }
    }

    async fn members(&self, deadline: Instant, cap: usize) -> Present {
        if self.ensemble.discovery == Discovery::Dns {
            return self.resolved(deadline, cap).await;
        }
        let mut remembered = self.lock();
        let Some(roster) = self.roster(&remembered, cap) else {
            let at = |member: &Member| match self.places.get(&member.name) {
                None => Location::ByName,
                Some(Ok(addresses)) => Location::At(addresses.clone()),
                Some(Err(failure)) => Location::Lost(failure.clone()),
            };
            let seeds = self.ensemble.members.iter().map(|member| (member.clone(), at(member)));
            return Present { asked: self.asked(&mut remembered, seeds.collect()), ..Present::default() };
        };
        remembered.dropped.0 += roster.over_cap;
        remembered.dropped.1 += roster.unusable;
        let names: BTreeSet<_> = roster.members.iter().map(|member| Arc::clone(&member.name)).collect();
        let members = roster.members.into_iter().map(|member| (member, Location::ByName)).collect();
        let asked = self.asked(&mut remembered, members);
        let mut hidden = Vec::new();
        if remembered.deserted {
            let elsewhere = self.ensemble.members.iter().filter(|member| !names.contains(&member.name));
            hidden.extend(elsewhere.map(|member| Query {
                member: member.clone(),
                memory: self.memory(&mut remembered.memories, &member.name),
                place: Location::ByName,
                head_start: 0.0,
                sent: OnceLock::new(),
            }));
        }
        Present { asked, hidden, ..Present::default() }
    }

    /// The members according to the membership, if one is known and used.
    fn roster(&self, remembered: &Remembered, cap: usize) -> Option<Roster> {
        let told = remembered.told.as_ref().filter(|_| self.ensemble.discovery == Discovery::Conf)?;
        let id = |member: &Member| Some((remembered.ids.get(&member.name)?.clone()?, member.clone()));
        let known: Vec<_> = self.ensemble.members.iter().filter_map(id).collect();
        let roster = by_membership(told, &known, &self.ensemble.members, self.ensemble.module.tls.is_some(), cap);
        (!roster.members.is_empty()).then_some(roster)
    }

    /// The state of a member; discarded after a one-shot query.
    fn memory(&self, memories: &mut BTreeMap<Arc<str>, Arc<Memory>>, name: &Arc<str>) -> Arc<Memory> {
        let new = || match self.probes {
            None => Memory::of_one_scrape(),
            Some(_) if self.ensemble.members.iter().any(|member| member.name == *name) => Memory::default(),
            Some(_) => Memory::of_discovered(&self.log),
        };
        Arc::clone(memories.entry(Arc::clone(name)).or_insert_with(|| Arc::new(new())))
    }

    /// Combines members with their state, and evicts members that are gone.
    fn asked(&self, remembered: &mut Remembered, members: Vec<(Member, Location)>) -> Vec<Query> {
        let stay = |name: &Arc<str>| {
            members.iter().any(|(member, _)| member.name == *name)
                || self.ensemble.members.iter().any(|member| member.name == *name)
        };
        remembered.memories.retain(|name, _| stay(name));
        remembered.ids.retain(|name, _| stay(name));
        #[expect(clippy::cast_precision_loss, reason = "numbers of members are small")]
        let head_start = |place: usize, of: usize| place as f64 / of as f64;
        let of = members.len();
        let members = members.into_iter().enumerate();
        members
            .map(|(place, (member, found))| Query {
                memory: self.memory(&mut remembered.memories, &member.name),
                member,
                place: found,
                head_start: if self.ensemble.discovery == Discovery::Conf { head_start(place, of) } else { 0.0 },
                sent: OnceLock::new(),
            })
            .collect()
    }

    /// The report before any reply.
    pub(super) fn nothing_heard(&self, asked: &[Query]) -> EnsembleReport {
        EnsembleReport {
            name: Arc::clone(&self.ensemble.name),
            members: asked.iter().map(|asked| round::unasked(self, asked)).collect(),
            known: self.known(asked),
            samples: Samples::default(),
        }
    }

    /// Facts known before this scrape, including the roles of its configured members.
    fn known(&self, asked: &[Query]) -> Known {
        let mut known = self.lock().known.clone();
        let members = || asked.iter().map(|asked| &asked.member);
        known.keep(members());
        known.observers.extend(Known::of(members()).observers);
        let zones = members().filter_map(|member| Some((Arc::clone(&member.name), self.ensemble.zone_of(member)?)));
        known.zones = zones.collect();
        known
    }

    /// Stores what later scrapes need while members are silent, and adds the known facts to the report.
    ///
    /// `begun` is the start of the round, `strangers` finds the members that sessions must avoid.
    pub(super) fn learn(
        &self,
        report: &mut EnsembleReport,
        present: &Present,
        told: &[bool],
        hidden: &[Answered],
        begun: Instant,
        strangers: Strangers,
    ) {
        let mut known = self.known(&present.asked);
        for member in &report.members {
            match member.state {
                State::Observer => known.observers.insert(Arc::clone(&member.name)),
                State::Leader | State::Follower => known.observers.remove(&member.name),
                _ => false,
            };
        }
        known.quorum_size = report.quorum_size().or(known.quorum_size);
        remember_apart(&mut known, &report.members);
        // Rounds may overlap: this one is judged with the marks from its beginning, and its own.
        let newest = std::mem::take(&mut report.known.newest);
        report.known = Known { newest, ..known.clone() };
        // Which members are strangers depends neither on the leader nor on the data.
        let outside = strangers(report);
        self.lock().watch.note(&mut known, report, &outside, Instant::now());
        if self.ensemble.module.probes.digests.is_some() {
            self.lock().replicas.note(&mut known, report, begun, present.probes.digests);
        } else {
            // A reload may have removed them.
            known.replicas = None;
        }
        known.clients = self
            .ensemble
            .module
            .probes
            .clients
            .as_ref()
            .and_then(|config| self.lock().clients.note(config, report, &outside, begun, present.probes.clients));
        let newest = std::mem::take(&mut report.known.newest);
        report.known = Known { newest, ..known.clone() };
        note_newest(&mut known, &report.members, &outside);
        note_newest(&mut report.known, &report.members, &outside);
        if let Some(probes) = &self.probes {
            probes.avoid(report, strangers);
            report.samples = probes.samples(known.clients.as_deref());
        }
        let mut remembered = self.lock();
        if self.probes.is_some() {
            remembered.count_durations(report);
        }
        remembered.known = known;
        remembered.current = report.members.iter().map(|member| Arc::clone(&member.name)).collect();
        remembered.deserted = report.members.iter().all(|member| !member.up && !member.is_unknown());
        remembered.watch_leader(&self.ensemble.name, &self.log, report);
        if self.ensemble.discovery == Discovery::Conf {
            remembered.watch_crowd(report);
            let members = present.asked.iter().zip(report.members.iter().zip(told.iter().copied()));
            // Another ensemble that is listed by mistake must not replace this one.
            let members = members.enumerate().filter(|(place, _)| !outside.contains(place)).map(|(_, member)| member);
            let others = present.hidden.iter().zip(hidden.iter().map(|(report, told)| (report, *told)));
            let fresh: Vec<_> = members.chain(others).filter(|(_, (_, told))| *told).collect();
            let fresh: Vec<_> = fresh.into_iter().map(|(asked, (report, _))| (asked, report)).collect();
            let own = (0..report.members.len()).filter(|place| !outside.contains(place));
            let own: Vec<_> = own.map(|place| &report.members[place]).collect();
            self.follow(&mut remembered, &fresh, &own);
        }
        if self.ensemble.discovery == Discovery::Dns {
            let silent = |member: &&MemberReport| !member.up && !member.is_unknown();
            let silent = report.members.iter().filter(silent).filter_map(|member| member.name.parse().ok());
            remembered.families.reopen(&silent.collect::<Vec<SocketAddr>>());
        }
    }
}

impl Remembered {
    /// Whether the configured members were replaced by others: none of them is a current member.
    fn is_replaced(&self, old: &Ensemble, new: &Ensemble) -> bool {
        let names = |ensemble: &Ensemble| ensemble.members.iter().map(|member| Arc::clone(&member.name)).collect();
        let (before, now): (BTreeSet<_>, BTreeSet<_>) = (names(old), names(new));
        let is_current = |name: &Arc<str>| before.contains(name) || self.current.contains(name);
        before != now && !now.iter().any(is_current)
    }

    /// The state for another ensemble under the same name: only what counts on.
    fn of_another_ensemble(&self) -> Self {
        Self {
            dropped: self.dropped,
            scrapes: self.scrapes.clone(),
            connects: self.connects.clone(),
            operations: Arc::clone(&self.operations),
            ..Self::default()
        }
    }

    /// Observes the durations of a finished round, and adds the histograms to its report.
    fn count_durations(&mut self, report: &mut EnsembleReport) {
        for member in &report.members {
            member.duration.into_iter().for_each(|duration| self.scrapes.observe(duration));
            member.connect.into_iter().for_each(|duration| self.connects.observe(duration));
        }
        report.samples.push_histogram(Own::MemberScrapeDurations, "", self.scrapes.clone());
        report.samples.push_histogram(Own::MemberConnectDurations, "", self.connects.clone());
    }

    /// A new leader may have a new configuration: `conf` becomes due at the next scrape.
    fn watch_leader(&mut self, ensemble: &str, log: &LogBudget, report: &EnsembleReport) {
        let Some(leader) = report.members.iter().find(|member| member.state == State::Leader) else { return };
        if self.leader.as_ref() == Some(&leader.name) {
            return;
        }
        if self.leader.replace(Arc::clone(&leader.name)).is_some() {
            if log.take(Instant::now()).is_some() {
                tracing::info!(ensemble, leader = &*leader.name, "new leader");
            }
            self.memories.values().for_each(|memory| memory.forget_conf_time());
        }
    }

    /// A change in the number of voters or learners may have the same cause.
    fn watch_crowd(&mut self, report: &EnsembleReport) {
        let leader = report.members.iter().find(|member| member.state == State::Leader);
        let Some(leader) = leader else { return };
        let crowd = (report.quorum_size(), leader.count("learners"));
        if self.crowd.replace(crowd).is_some_and(|before| before != crowd) {
            self.memories.values().for_each(|memory| memory.forget_conf_time());
        }
    }
}

/// A panic leaves the data consistent: every change is a single assignment.
fn lock(remembered: &Mutex<Remembered>) -> MutexGuard<'_, Remembered> {
    remembered.lock().unwrap_or_else(PoisonError::into_inner)
}

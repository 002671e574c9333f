//! An ensemble, who its present members are, and what is remembered of it between scrapes, bounded.

mod resolved;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::Places;
use super::beyond::Beyond;
use super::dual_stack::{self, Families};
use super::leader_watch::LeaderWatch;
use super::log_budget::LogBudget;
use super::member::{Asked, Found};
use super::memory::Memory;
use super::report::{EnsembleReport, MemberReport, State};
use super::round::{self, Round};
use super::same_process::remember_apart;
use super::samples::Samples;
use super::shown::Shown;
use crate::config::{Address, Discovery, Reach};
use crate::ensemble::{Ensemble, Known, Member, REACH_OF_NAMES, Roster, Told, by_membership};
use crate::text;
use crate::wire::Client;

/// An ensemble that is asked.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) ensemble: Ensemble,
    pub(super) client: Arc<Client>,
    pub(super) shown: Shown,
    /// Shared with the target of the next configuration, if that has this ensemble too.
    remembered: Arc<Mutex<Remembered>>,
    /// What goes on beside the commands; nothing for an ensemble that is asked once.
    pub(super) beyond: Option<Arc<Beyond>>,
    /// Where members are, in place of what their addresses resolve to.
    places: Places,
    /// The round that may be joined.
    pub(super) round: Mutex<Weak<Round>>,
    /// Lines about the membership, the leader and discovered members.
    log: Arc<LogBudget>,
}

/// Bounded by the members there are and the members written.
#[derive(Debug, Default)]
struct Remembered {
    memories: BTreeMap<Arc<str>, Arc<Memory>>,
    leader: Option<Arc<str>>,
    known: Known,
    /// The current membership, if it determines the members.
    told: Option<Told>,
    /// The server ids of the members written, as they told them; `None` for one that told several: a balancer.
    ids: BTreeMap<Arc<str>, Option<String>>,
    /// What the names resolved to.
    names: BTreeMap<Arc<str>, Resolved>,
    /// Voters and learners, as the members count them: when these change, the membership may have.
    crowd: Option<(Option<u64>, Option<u64>)>,
    /// Of names with addresses of both families, which one has the members.
    families: Families,
    /// How long no leader is seen.
    watch: LeaderWatch,
    /// No member answered last time.
    deserted: bool,
    /// Members left out so far: over the cap, unusable.
    dropped: (u64, u64),
}

#[derive(Clone, Debug)]
struct Resolved {
    at: Instant,
    addresses: Vec<SocketAddr>,
}

/// Shorter than any usual scrape interval, so that a scrape sees what the resolver says now; long enough for several
/// Prometheus servers and probes to share one look.
const FRESH: Duration = Duration::from_secs(5);

/// While its name does not resolve, a member is asked where it was, as long as it is likely to be itself.
const STALE: Duration = Duration::from_mins(5);

/// The members of one round.
#[derive(Debug, Default)]
pub(super) struct Present {
    /// The members, in the order of the page.
    pub(super) asked: Vec<Asked>,
    /// Members written that are no members now, asked for the membership while no member answers; or the other addresses
    /// of the names below.
    pub(super) hidden: Vec<Asked>,
    /// Names with addresses of both families.
    pub(super) names: Vec<dual_stack::NamedHost>,
}

/// What one of them answered, and whether it told its `conf` this time.
pub(super) type Answered = (MemberReport, bool);

impl Target {
    /// An ensemble, with what the target of its name in `old` remembers.
    pub(super) fn new(ensemble: Ensemble, client: Arc<Client>, old: &[Arc<Self>]) -> Self {
        let old = old.iter().find(|target| target.ensemble.name == ensemble.name);
        let remembered = old.map(|old| {
            let remembered = Arc::clone(&old.remembered);
            let mut inner = lock(&remembered);
            if old.ensemble.discovery != ensemble.discovery {
                inner.told = None;
            }
            inner.known.keep(ensemble.members.iter().filter(|_| ensemble.discovery == Discovery::Static));
            drop(inner);
            remembered
        });
        let beyond = Beyond::start(&ensemble, &client, old.and_then(|old| old.beyond.as_ref()));
        Self { remembered: remembered.unwrap_or_default(), beyond: Some(beyond), ..Self::bare(ensemble, client) }
    }

    /// An ensemble of which nothing is remembered and beside which nothing goes on.
    fn bare(ensemble: Ensemble, client: Arc<Client>) -> Self {
        let shown = Shown::new(&ensemble.module.metrics);
        Self {
            ensemble,
            client,
            shown,
            remembered: Arc::default(),
            beyond: None,
            places: Places::new(),
            round: Mutex::default(),
            log: Arc::new(LogBudget::of_ensemble()),
        }
    }

    /// An ensemble that is asked once, at these addresses.
    pub(super) fn pinned(ensemble: Ensemble, client: Arc<Client>, places: Places) -> Self {
        Self { places, ..Self::bare(ensemble, client) }
    }

    /// The ensemble with its present members written out.
    pub(super) fn as_it_is(&self, cap: usize) -> Ensemble {
        let roster = self.roster(&self.lock(), cap);
        let members = roster.map_or_else(|| self.ensemble.members.clone(), |roster| roster.members);
        let discovery = if self.ensemble.discovery == Discovery::Dns { Discovery::Dns } else { Discovery::Static };
        Ensemble { members, discovery, ..self.ensemble.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        lock(&self.remembered)
    }

    /// How many members a scrape asks, as far as is known.
    pub(super) fn size(&self, cap: usize) -> usize {
        self.roster(&self.lock(), cap).map_or(self.ensemble.members.len(), |roster| roster.members.len())
    }

    /// Whether the membership that is known now has other members than a report.
    pub(super) fn asks_others(&self, report: &EnsembleReport, cap: usize) -> bool {
        self.roster(&self.lock(), cap).is_some_and(|roster| {
            let asked = report.members.iter().map(|member| &member.name);
            !roster.members.iter().map(|member| &member.name).eq(asked)
        })
    }

    /// How many members were left out so far: over the cap, with an unusable address.
    pub(super) fn dropped(&self) -> (u64, u64) {
        self.lock().dropped
    }

    /// The member of this name, configured or discovered; a configured one may be anywhere, a discovered one may not.
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
        if self.ensemble.discovery == Discovery::Dns {
            return self.resolved(deadline, cap).await;
        }
        let mut remembered = self.lock();
        let Some(roster) = self.roster(&remembered, cap) else {
            let at = |member: &Member| match self.places.get(&member.name) {
                None => Found::ByName,
                Some(Ok(addresses)) => Found::At(addresses.clone()),
                Some(Err(failure)) => Found::Lost(failure.clone()),
            };
            let seeds = self.ensemble.members.iter().map(|member| (member.clone(), at(member)));
            return Present { asked: self.asked(&mut remembered, seeds.collect()), ..Present::default() };
        };
        remembered.dropped.0 += roster.over_cap;
        remembered.dropped.1 += roster.unusable;
        let names: BTreeSet<_> = roster.members.iter().map(|member| Arc::clone(&member.name)).collect();
        let members = roster.members.into_iter().map(|member| (member, Found::ByName)).collect();
        let asked = self.asked(&mut remembered, members);
        let mut hidden = Vec::new();
        if remembered.deserted {
            let elsewhere = self.ensemble.members.iter().filter(|member| !names.contains(&member.name));
            hidden.extend(elsewhere.map(|member| Asked {
                member: member.clone(),
                memory: self.memory(&mut remembered.memories, &member.name),
                place: Found::ByName,
                head_start: 0.0,
                sent: OnceLock::new(),
            }));
        }
        Present { asked, hidden, ..Present::default() }
    }

    /// The members by the membership, where there is one that decides.
    fn roster(&self, remembered: &Remembered, cap: usize) -> Option<Roster> {
        let told = remembered.told.as_ref().filter(|_| self.ensemble.discovery == Discovery::Conf)?;
        let id = |member: &Member| Some((remembered.ids.get(&member.name)?.clone()?, member.clone()));
        let known: Vec<_> = self.ensemble.members.iter().filter_map(id).collect();
        let roster = by_membership(told, &known, &self.ensemble.members, self.ensemble.module.tls.is_some(), cap);
        (!roster.members.is_empty()).then_some(roster)
    }

    /// What is remembered of a member. Of one that is asked once, nothing will be.
    fn memory(&self, memories: &mut BTreeMap<Arc<str>, Arc<Memory>>, name: &Arc<str>) -> Arc<Memory> {
        let new = || match self.beyond {
            None => Memory::of_one_scrape(),
            Some(_) if self.ensemble.members.iter().any(|member| member.name == *name) => Memory::default(),
            Some(_) => Memory::of_discovered(&self.log),
        };
        Arc::clone(memories.entry(Arc::clone(name)).or_insert_with(|| Arc::new(new())))
    }

    /// Joins members with what is remembered of them, and forgets those that are gone.
    fn asked(&self, remembered: &mut Remembered, members: Vec<(Member, Found)>) -> Vec<Asked> {
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
            .map(|(place, (member, found))| Asked {
                memory: self.memory(&mut remembered.memories, &member.name),
                member,
                place: found,
                head_start: if self.ensemble.discovery == Discovery::Conf { head_start(place, of) } else { 0.0 },
                sent: OnceLock::new(),
            })
            .collect()
    }

    /// The report before anybody answered.
    pub(super) fn nothing_heard(&self, asked: &[Asked]) -> EnsembleReport {
        EnsembleReport {
            name: Arc::clone(&self.ensemble.name),
            members: asked.iter().map(|asked| round::unasked(self, asked)).collect(),
            known: self.known(asked),
            samples: Samples::default(),
        }
    }

    /// What was known before this scrape, with what is said of its members.
    fn known(&self, asked: &[Asked]) -> Known {
        let mut known = self.lock().known.clone();
        let members = || asked.iter().map(|asked| &asked.member);
        known.keep(members());
        known.observers.extend(Known::of(members()).observers);
        known
    }

    /// Remembers what a later scrape may need while members are silent, and gives what is known to the report.
    pub(super) fn learn(&self, report: &mut EnsembleReport, present: &Present, told: &[bool], hidden: &[Answered]) {
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
        self.lock().watch.note(&mut known, report, Instant::now());
        report.known = known.clone();
        report.samples = self.beyond.as_ref().map(|beyond| beyond.samples()).unwrap_or_default();
        let mut remembered = self.lock();
        remembered.known = known;
        remembered.deserted = report.members.iter().all(|member| !member.up && !member.is_unknown());
        remembered.watch_leader(&self.ensemble.name, &self.log, report);
        if self.ensemble.discovery == Discovery::Conf {
            remembered.watch_crowd(report);
            let members = present.asked.iter().zip(report.members.iter().zip(told.iter().copied()));
            let others = present.hidden.iter().zip(hidden.iter().map(|(report, told)| (report, *told)));
            let fresh: Vec<_> = members.chain(others).filter(|(_, (_, told))| *told).collect();
            let fresh: Vec<_> = fresh.into_iter().map(|(asked, (report, _))| (asked, report)).collect();
            self.follow(&mut remembered, &fresh);
        }
    }

    /// Takes the newest membership that serving members told just now.
    fn follow(&self, remembered: &mut Remembered, fresh: &[(&Asked, &MemberReport)]) {
        let mut best: Option<(bool, Told)> = None;
        for (asked, report) in fresh {
            let Some(conf) = &report.conf else { continue };
            if self.ensemble.members.iter().any(|seed| seed.name == asked.member.name) {
                let id = Some(conf.server_id.clone()).filter(|id| !id.is_empty());
                let known = remembered.ids.entry(Arc::clone(&asked.member.name)).or_insert_with(|| id.clone());
                // Who answers with several ids is a proxy in front of several servers.
                *known = known.take().filter(|known| Some(known) == id.as_ref());
            }
            let serves = matches!(report.state, State::Leader | State::Follower | State::Observer);
            let Some(membership) = conf.membership.clone().filter(|_| serves) else { continue };
            let leads = report.state == State::Leader;
            let told = Told { membership, by: asked.member.address.clone(), id: conf.server_id.clone() };
            let newer = best
                .as_ref()
                .is_none_or(|(led, other)| (told.membership.version, leads) > (other.membership.version, *led));
            if newer {
                best = Some((leads, told));
            }
        }
        let Some((leads, told)) = best else { return };
        // An older version is accepted from a leader only: the ensemble was recreated.
        let known = remembered.told.as_ref().map(|known| known.membership.version);
        if known.is_some_and(|known| told.membership.version <= known && !leads) {
            return;
        }
        let changed = remembered.told.as_ref().is_none_or(|known| known.membership != told.membership);
        if changed {
            let servers: Vec<_> = told.membership.servers.iter().map(|server| server.id.as_str()).collect();
            let servers = text::fact(&servers.join(","));
            let (ensemble, version) = (&*self.ensemble.name, told.membership.version);
            if self.log.take(Instant::now()).is_some() {
                tracing::info!(ensemble, version, by = %told.by, servers, "membership");
            }
            remembered.told = Some(told);
        }
    }
}

impl Remembered {
    /// A new leader may mean a new configuration: `conf` is asked again at the next scrape.
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

    /// So may another number of voters or of those that follow the leader.
    fn watch_crowd(&mut self, report: &EnsembleReport) {
        let leader = report.members.iter().find(|member| member.state == State::Leader);
        let Some(leader) = leader else { return };
        let crowd = (report.quorum_size(), leader.count("learners"));
        if self.crowd.replace(crowd).is_some_and(|before| before != crowd) {
            self.memories.values().for_each(|memory| memory.forget_conf_time());
        }
    }
}

/// A panic elsewhere leaves the data whole: every change is one assignment.
fn lock(remembered: &Mutex<Remembered>) -> MutexGuard<'_, Remembered> {
    remembered.lock().unwrap_or_else(PoisonError::into_inner)
}

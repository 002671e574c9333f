//! One member in one scrape: its commands asked side by side, each within the same deadline.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::addresses::{Attempt, Pending, first_reply};
use super::beyond;
use super::limiter::ConnectionLimiter;
use super::memory::{Memory, Who};
use super::reading::{Heard, Reading, Replies};
use super::report::MemberReport;
use super::transcript::{Question, Transcript};
use crate::config::{Command, Limits};
use crate::ensemble::{Ensemble, Member};
use crate::wire::{self, Client, Exchange, Failure, Limit, Reason};

/// What every question of a scrape shares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a> {
    pub(super) client: &'a Client,
    pub(super) connections: &'a Arc<ConnectionLimiter>,
    pub(super) limits: Limits,
    pub(super) begun: Instant,
    pub(super) deadline: Instant,
    /// With less time than this, a missing answer says nothing about the member.
    pub(super) fair: Duration,
    pub(super) reading: Reading,
    /// Set by the first reply of whomever.
    pub(super) replied: &'a AtomicBool,
    /// Transcript of every command, if requested.
    pub(super) transcript: Option<&'a Transcript>,
}

/// A member that allows this few connections of one address gets its commands one after the other.
const FEW_CONNECTIONS: u64 = 4;

/// A timer that fires so late after the deadline shows that the exporter had no CPU.
const STARVED: Duration = Duration::from_millis(250);

/// One member to be asked: who, what is remembered of it, where it is.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) member: Member,
    pub(super) memory: Arc<Memory>,
    pub(super) place: Found,
    /// See [`Memory::remember_conf`].
    pub(super) head_start: f64,
    /// When its first connect left, once it did.
    pub(super) sent: OnceLock<Instant>,
}

/// Where a member is.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// Wherever its address resolves to.
    ByName,
    /// At these addresses and nowhere else.
    At(Vec<SocketAddr>),
    /// Nowhere: its name is gone.
    Lost(Failure),
}

impl Asked {
    async fn addresses(&self, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
        let mut found = match &self.place {
            Found::At(addresses) => return Ok(addresses.clone()),
            Found::Lost(failure) => return Err(failure.clone()),
            Found::ByName => self.resolved(deadline).await?,
        };
        // What is left are the addresses that are connected to: the name is not resolved again.
        found.retain(|address| self.member.reach.allows(address.ip()));
        if found.is_empty() {
            let detail = "a discovered name leads to loopback, link-local, multicast or unspecified addresses only; \
                          if it is meant, add it to the members of the configuration";
            return Err(Failure::new(Reason::Dns, detail));
        }
        // The one that replied last comes first: another one that is silent costs its time only once.
        let last = self.memory.replied_at();
        if let Some(place) = found.iter().position(|address| Some(*address) == last) {
            found[..=place].rotate_right(1);
        }
        Ok(found)
    }

    /// All addresses of the member, those of the first name first; each name has its share of the time.
    async fn resolved(&self, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
        let names = 1 + self.member.others.len();
        let (mut found, mut last) = (Vec::new(), None);
        for (tried, address) in std::iter::once(&self.member.address).chain(&self.member.others).enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let shares = u32::try_from(names - tried).unwrap_or(u32::MAX);
            match wire::resolve(address, Instant::now() + left / shares).await {
                Ok(addresses) => found.extend(addresses),
                Err(failure) => last = last.or(Some(failure)),
            }
        }
        match last {
            Some(failure) if found.is_empty() => Err(failure),
            _ => Ok(found),
        }
    }

    /// The name that its certificate must have.
    fn host(&self) -> &str {
        self.member.host.as_deref().unwrap_or(self.member.address.host())
    }
}

/// Asks one member and reports it; a dead one is reported too. Also whether it told its `conf` this time.
pub(super) async fn scrape(ensemble: &Ensemble, asked: &Asked, terms: Terms<'_>) -> (MemberReport, bool) {
    let (member, memory) = (&asked.member, &*asked.memory);
    let module = &ensemble.module;
    let wanted = |command| module.commands.contains(&command);
    let (host, replies) = match asked.addresses(terms.deadline).await {
        Err(failure) => {
            let failed = |command: Command| wanted(command).then(|| Heard::failed(failure.clone()));
            (None, Replies { mntr: failed(Command::Mntr), srvr: failed(Command::Srvr), ..Replies::default() })
        }
        Ok(addresses) => {
            let commands = commands(ensemble, asked, &addresses, terms);
            if module.extras.host {
                let dirs = beyond::dirs(memory.conf().as_deref());
                tokio::join!(memory.host.read(&addresses, dirs, terms.deadline), commands)
            } else {
                (None, commands.await)
            }
        }
    };
    let who = Who { ensemble: &ensemble.name, member: &member.name };
    let mut told = false;
    let asked_conf = |heard: &&Heard| heard.failure.as_ref().is_none_or(|failure| failure.limit.is_none());
    if let Some(heard) = replies.conf.as_ref().filter(asked_conf) {
        // A member that is cut off from the quorum leaves the membership out of its `conf`.
        let conf = heard.conf().filter(|conf| conf.membership.is_some() || !replies.is_read_only());
        if let Some(conf) = conf {
            memory.note_unreadable(who, conf);
        }
        memory.remember_conf(terms.begun, asked.head_start, conf);
        told = conf.is_some();
    }
    if replies.admin_stands_in() && replies.mntr.as_ref().is_some_and(Heard::is_refused) {
        memory.note_admin(who);
    }
    let failures_total = memory.note(who, replies.failures());
    let duration = replies.duration();
    let report = replies.report(Arc::clone(&member.name), memory.conf());
    if !report.is_unknown() {
        let held = |(_, reason): &(Command, Reason)| matches!(reason, Reason::Connect | Reason::Timeout | Reason::Dns);
        memory.note_asked(terms.begun, report.failures.iter().any(held));
    }
    memory.note_life(report.state, report.count("packets_received"));
    let samples = match &host {
        // The kernel's word on a process is newer than the process's own, and there must be one.
        Some(host) => report.samples.overlaid(&beyond::of_host(host)),
        None => report.samples,
    };
    (MemberReport { samples, failures_total, duration, ..report }, told)
}

/// Asks every command that is wanted.
async fn commands(ensemble: &Ensemble, asked: &Asked, addresses: &[SocketAddr], terms: Terms<'_>) -> Replies {
    let wanted = |command| ensemble.module.commands.contains(&command);
    let memory = &asked.memory;
    let ask = async |command: Command, wanted: bool| {
        if wanted { Some(ask_whole(asked, addresses, command, terms).await) } else { None }
    };
    let mntr = ask(Command::Mntr, wanted(Command::Mntr));
    let srvr = ask(Command::Srvr, wanted(Command::Srvr));
    let conf = ask(Command::Conf, wanted(Command::Conf) && memory.conf_is_due(Instant::now()));
    // Only where `mntr` says nothing of a member that may well lead (`leaderServes=no`): the AdminServer costs the member
    // more than the command does.
    let figures = async {
        let mntr = mntr.await;
        let says_nothing = mntr.as_ref().is_some_and(|heard| heard.is_refused() || heard.is_not_serving());
        let monitor = ask(Command::Monitor, says_nothing && terms.client.has_admin()).await;
        (mntr, monitor)
    };
    if memory.conf().and_then(|conf| conf.max_client_connections).is_some_and(is_few) {
        let (mntr, monitor) = figures.await;
        Replies { mntr, monitor, srvr: srvr.await, conf: conf.await }
    } else {
        let ((mntr, monitor), srvr, conf) = tokio::join!(figures, srvr, conf);
        Replies { mntr, monitor, srvr, conf }
    }
}

/// The last transaction of a member as it is now, where it says so whole.
pub(super) async fn zxid(asked: &Asked, terms: Terms<'_>) -> Option<u64> {
    let addresses = asked.addresses(terms.deadline).await.ok()?;
    ask_once(asked, &addresses, Command::Srvr, terms).await.zxid()
}

fn is_few(connections: u64) -> bool {
    (1..=FEW_CONNECTIONS).contains(&connections)
}

/// Asks a command, and once more where the reply was cut and time is left.
async fn ask_whole(asked: &Asked, addresses: &[SocketAddr], command: Command, terms: Terms<'_>) -> Heard {
    let first = ask_once(asked, addresses, command, terms).await;
    let cut = first.failure.as_ref().is_some_and(|failure| failure.reason == Reason::Truncated);
    if cut && Instant::now() < terms.deadline {
        let second = ask_once(asked, addresses, command, terms).await;
        if second.failure.is_none() {
            return second;
        }
    }
    first
}

async fn ask_once(asked: &Asked, addresses: &[SocketAddr], command: Command, terms: Terms<'_>) -> Heard {
    let begun = Instant::now();
    let attempt = if addresses.len() == 1 || command == Command::Monitor {
        ask_at(asked, addresses, command, terms).await
    } else {
        let ask = |address| -> Pending<'_> { Box::pin(ask_at(asked, address, command, terms)) };
        first_reply(addresses, terms.deadline, &ask).await
    };
    let Attempt { exchange, address, waited, sent } = attempt;
    if let Some(address) = address.filter(|_| addresses.len() > 1) {
        asked.memory.note_replied_at(address);
    }
    let took = sent.elapsed();
    let exchange = blame(exchange, waited, terms);
    let transcript = terms.transcript;
    let question = transcript.map(|_| Question::new(&asked.member.name, command, addresses, &exchange, begun));
    let heard = Heard::new(command, exchange, terms.reading).lasting(took);
    if let (Some(transcript), Some(mut question)) = (transcript, question) {
        question.failure.clone_from(&heard.failure);
        transcript.note(question);
    }
    heard
}

/// Takes a slot and asks there. Of several addresses, the next one is asked where one refuses.
async fn ask_at(asked: &Asked, addresses: &[SocketAddr], command: Command, terms: Terms<'_>) -> Attempt {
    let begun = Instant::now();
    let slot = terms.connections.acquire(asked.memory.priority(), terms.deadline).await;
    let sent = Instant::now();
    let waited = sent - begun;
    let exchange = if slot.is_some() {
        let _ = asked.sent.set(sent);
        // On the heap, and only once there is a slot: thousands of commands may wait for one.
        Box::pin(exchange(asked, addresses, command, terms)).await
    } else {
        Exchange::failed(no_slot(terms, waited))
    };
    drop(slot);
    let has_replied = !exchange.bytes.is_empty();
    if has_replied {
        terms.replied.store(true, Ordering::Relaxed);
    }
    let address = addresses.first().copied().filter(|_| has_replied && addresses.len() == 1);
    Attempt { exchange, address, waited, sent }
}

async fn exchange(asked: &Asked, addresses: &[SocketAddr], command: Command, terms: Terms<'_>) -> Exchange {
    let (client, host, cap) = (terms.client, asked.host(), terms.limits.reply_bytes);
    match command {
        Command::Monitor => client.monitor(host, addresses, terms.deadline, cap).await.unwrap_or_default(),
        command => client.ask(host, addresses, command, terms.deadline, cap).await,
    }
}

/// Whether a command that found no slot waited for one, or came when the time was over.
fn no_slot(terms: Terms<'_>, waited: Duration) -> Failure {
    if waited < terms.fair {
        return too_late(terms);
    }
    let max = terms.connections.max();
    let detail = format!(
        "all {max} connections were in use until the deadline; raise the limit of open files (ulimit -n, LimitNOFILE) \
         or --limit.sockets"
    );
    Failure::limited(Limit::Sockets, detail)
}

fn too_late(terms: Terms<'_>) -> Failure {
    let detail = format!(
        "less than {} ms were left for an answer; raise scrape_timeout or the module's timeout",
        terms.fair.as_millis()
    );
    Failure::limited(Limit::Deadline, detail)
}

/// Takes the blame for an answer that is missing because the exporter left too little time for it.
fn blame(exchange: Exchange, waited: Duration, terms: Terms<'_>) -> Exchange {
    let Some(since) = exchange.unanswered_since else { return exchange };
    let failure = if terms.deadline.elapsed() > STARVED {
        Failure::limited(Limit::Cpu, "the exporter had no CPU to read the answer in time; give it more")
    } else if terms.deadline.saturating_duration_since(since) >= terms.fair {
        return exchange;
    } else if waited >= terms.fair {
        no_slot(terms, waited)
    } else {
        too_late(terms)
    };
    Exchange { failure: Some(failure), ..exchange }
}

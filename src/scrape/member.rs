//! Scrapes one member: sends its commands concurrently, with a common deadline.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::addresses::{Attempt, Pending, first_reply};
use super::limiter::ConnectionLimiter;
use super::memory::{Memory, Who};
use super::probes;
use super::reading::{ParsedReply, Reading, Replies};
use super::report::MemberReport;
use super::target::DueProbes;
use super::transcript::{Question, Transcript};
use crate::config::{Command, Limits};
use crate::ensemble::{Ensemble, Member};
use crate::wire::{self, Client, Exchange, Failure, Limit, Reason};

/// Context shared by all queries of a scrape.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScrapeContext<'a> {
    pub(super) client: &'a Client,
    pub(super) connections: &'a Arc<ConnectionLimiter>,
    pub(super) limits: Limits,
    pub(super) begun: Instant,
    pub(super) deadline: Instant,
    /// With less time than this, a missing reply is not evidence about the member.
    pub(super) fair: Duration,
    pub(super) reading: Reading,
    /// Set by the first reply of any member.
    pub(super) replied: &'a AtomicBool,
    /// Number of client connections that further members may list.
    pub(super) connection_room: &'a AtomicUsize,
    /// The probes that this round sends.
    pub(super) probes: DueProbes,
    /// Transcript of every command, if requested.
    pub(super) transcript: Option<&'a Transcript>,
}

/// Maximum number of client connections of all members of an ensemble in one round; each needs some hundred bytes.
pub(super) const MAX_LISTED_CONNECTIONS: usize = 250_000;

/// Commands are sent one after the other if a member allows at most this many connections per address.
const FEW_CONNECTIONS: u64 = 8;

/// A timer that fires this late shows that the exporter was starved of CPU.
const STARVED: Duration = Duration::from_millis(250);

/// A member to query: its state and location.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) member: Member,
    pub(super) memory: Arc<Memory>,
    pub(super) place: Location,
    /// See [`Memory::remember_conf`].
    pub(super) head_start: f64,
    /// When its first connection was started.
    pub(super) sent: OnceLock<Instant>,
}

/// Location of a member.
#[derive(Clone, Debug)]
pub(super) enum Location {
    /// The addresses its name resolves to.
    ByName,
    /// These addresses only.
    At(Vec<SocketAddr>),
    /// Unknown: its name no longer resolves.
    Lost(Failure),
}

impl Query {
    async fn addresses(&self, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
        let mut found = match &self.place {
            Location::At(addresses) => return Ok(addresses.clone()),
            Location::Lost(failure) => return Err(failure.clone()),
            // These are the addresses that are connected to: the name is not resolved again.
            Location::ByName => self.resolved(deadline).await?,
        };
        if found.is_empty() {
            let detail = "a discovered name resolves to loopback, link-local, multicast or unspecified addresses only: \
                          add it to the members of the configuration if that is intended";
            return Err(Failure::limited(Limit::Address, detail));
        }
        // The address that replied last comes first, so that a silent one costs its delay only once.
        let last = self.memory.replied_at();
        if let Some(place) = found.iter().position(|address| Some(*address) == last) {
            found[..=place].rotate_right(1);
        }
        Ok(found)
    }

    /// All addresses that the member's names resolve to, those of the first name first; each name has a share of the
    /// time.
    async fn resolved(&self, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
        let names = 1 + self.member.others.len();
        let (mut found, mut last) = (Vec::new(), None);
        let others = self.member.others.iter().map(|(address, reach)| (address, *reach));
        let all = std::iter::once((&self.member.address, self.member.reach)).chain(others);
        for (tried, (address, reach)) in all.enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let shares = u32::try_from(names - tried).unwrap_or(u32::MAX);
            match wire::resolve(address, Instant::now() + left / shares).await {
                Ok(addresses) => found.extend(addresses.into_iter().filter(|address| reach.allows(address.ip()))),
                Err(failure) => last = last.or(Some(failure)),
            }
        }
        match last {
            Some(failure) if found.is_empty() => Err(failure),
            _ => Ok(found),
        }
    }

    /// The expected name in its certificate.
    fn host(&self) -> &str {
        self.member.host.as_deref().unwrap_or(self.member.address.host())
    }
}

/// Scrapes one member; a failed member has a report as well. Also returns whether its `conf` was read in this scrape.
pub(super) async fn scrape(ensemble: &Ensemble, asked: &Query, terms: ScrapeContext<'_>) -> (MemberReport, bool) {
    let (member, memory) = (&asked.member, &*asked.memory);
    let module = &ensemble.module;
    let wanted = |command| module.commands.contains(&command);
    let mut ip = None;
    let (host, mut replies) = match asked.addresses(terms.deadline).await {
        Err(failure) => {
            let failed = |command: Command| wanted(command).then(|| ParsedReply::failed(failure.clone()));
            (None, Replies { mntr: failed(Command::Mntr), srvr: failed(Command::Srvr), ..Replies::default() })
        }
        Ok(addresses) => {
            let commands = commands(ensemble, asked, &addresses, terms);
            let read = if module.probes.host {
                let dirs = probes::dirs(memory.conf().as_deref());
                tokio::join!(memory.host.read(&addresses, dirs, terms.deadline), commands)
            } else {
                (None, commands.await)
            };
            let replied_at = if let [only] = *addresses { Some(only) } else { memory.replied_at() };
            ip = replied_at.filter(|address| addresses.contains(address)).map(|address| address.ip().to_canonical());
            read
        }
    };
    let who = Who { ensemble: &ensemble.name, member: &member.name };
    replies.check_conf();
    let mut told = false;
    let asked_conf = |heard: &&ParsedReply| heard.failure.as_ref().is_none_or(|failure| failure.limit.is_none());
    if let Some(heard) = replies.conf.as_ref().filter(asked_conf) {
        // The `conf` of a member that is cut off from the quorum lacks the membership.
        let conf = heard.conf().filter(|conf| conf.membership.is_some() || !replies.is_read_only());
        if let Some(conf) = conf {
            memory.note_unreadable(who, conf);
        }
        memory.remember_conf(terms.begun, asked.head_start, conf);
        if heard.is_refused() {
            memory.forget_conf();
        }
        told = conf.is_some();
    }
    if let Some(source) = replies.replacement().filter(|_| replies.mntr.as_ref().is_some_and(ParsedReply::is_refused)) {
        memory.note_replacement(who, source);
    }
    let sent = |command| replies.has_sent(command);
    let failures_total = memory.note(who, replies.failures(), sent);
    let earlier_failures = memory.earlier_failures(sent);
    let duration = replies.duration();
    let report = replies.report(Arc::clone(&member.name), memory.conf());
    if !report.is_unknown() {
        let held = |(command, reason): &(Command, Reason)| {
            matches!(reason, Reason::Connect | Reason::Timeout | Reason::Dns) && !command.is_of_probe()
        };
        memory.note_asked(terms.begun, report.failures.iter().any(held));
    }
    memory.note_life(report.state, report.count("packets_received"));
    let samples = match &host {
        // Process metrics of the kernel are more recent than those of the process, and each series must be unique.
        Some(host) => report.samples.overlaid(&probes::of_host(host)),
        None => report.samples,
    };
    let ip = ip.filter(|_| report.up);
    (MemberReport { samples, earlier_failures, failures_total, duration, ip, ..report }, told)
}

/// Sends every enabled command.
async fn commands(ensemble: &Ensemble, asked: &Query, addresses: &[SocketAddr], terms: ScrapeContext<'_>) -> Replies {
    let wanted = |command| ensemble.module.commands.contains(&command);
    let memory = &asked.memory;
    let ask = async |command: Command, wanted: bool| {
        if wanted { Some(ask_whole(asked, addresses, command, terms).await) } else { None }
    };
    let mntr = ask(Command::Mntr, wanted(Command::Mntr));
    let srvr = ask(Command::Srvr, wanted(Command::Srvr));
    let conf = ask(Command::Conf, wanted(Command::Conf) && memory.conf_is_due(Instant::now()));
    // HTTP is more expensive for the member than a command, so it is used only if `mntr` has no metrics. A member that
    // does not serve may be the leader (`leaderServes=no`), which only the AdminServer reports.
    let figures = async {
        let mntr = mntr.await;
        let has_none = mntr.as_ref().is_none_or(|heard| heard.is_refused() || heard.is_not_serving());
        let not_serving = mntr.as_ref().is_some_and(ParsedReply::is_not_serving);
        let order = [Command::Native, Command::Monitor];
        let [first, second] = if not_serving { [order[1], order[0]] } else { order };
        let one = ask(first, has_none && terms.client.has(first)).await;
        let enough = one.as_ref().is_some_and(ParsedReply::is_whole);
        let other = ask(second, has_none && !enough && terms.client.has(second)).await;
        let (native, monitor) = if not_serving { (other, one) } else { (one, other) };
        (mntr, native, monitor)
    };
    let or_admin = async |command: Command, admin: Command, wanted: bool| {
        let heard = ask(command, wanted).await;
        let is_refused = heard.as_ref().is_some_and(ParsedReply::is_refused);
        let admin = ask(admin, is_refused && terms.client.has(admin)).await;
        (heard, admin)
    };
    // On the heap, since few scrapes send them: every member of a fleet has such a future.
    let rare = async |command: Command, admin: Command, wanted: bool| {
        if wanted { Box::pin(or_admin(command, admin, true)).await } else { (None, None) }
    };
    let digests = rare(Command::Hash, Command::AdminHash, terms.probes.digests);
    let clients = rare(Command::Cons, Command::AdminConnections, terms.probes.clients);
    if memory.conf().and_then(|conf| conf.max_client_connections).is_some_and(is_few) {
        let (mntr, native, monitor) = figures.await;
        let (srvr, conf) = (srvr.await, conf.await);
        let (hash, admin_hash) = digests.await;
        let (connections, admin_connections) = clients.await;
        Replies { mntr, native, monitor, srvr, conf, hash, admin_hash, cons: connections, admin_connections }
    } else {
        let ((mntr, native, monitor), srvr, conf, (hash, admin_hash), (connections, admin_connections)) =
            tokio::join!(figures, srvr, conf, digests, clients);
        Replies { mntr, native, monitor, srvr, conf, hash, admin_hash, cons: connections, admin_connections }
    }
}

/// The current zxid of a member, from a complete `srvr` reply.
pub(super) async fn zxid(asked: &Query, terms: ScrapeContext<'_>) -> Option<u64> {
    let addresses = asked.addresses(terms.deadline).await.ok()?;
    ask_once(asked, &addresses, Command::Srvr, terms).await.zxid()
}

fn is_few(connections: u64) -> bool {
    (1..=FEW_CONNECTIONS).contains(&connections)
}

/// Sends a command, and repeats it once if the reply was truncated and time is left.
async fn ask_whole(asked: &Query, addresses: &[SocketAddr], command: Command, terms: ScrapeContext<'_>) -> ParsedReply {
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

async fn ask_once(asked: &Query, addresses: &[SocketAddr], command: Command, terms: ScrapeContext<'_>) -> ParsedReply {
    let begun = Instant::now();
    let attempt = if addresses.len() == 1 || command.is_http() {
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
    let mut heard = ParsedReply::new(command, exchange, terms.reading).lasting(took);
    let listed = heard.connection_count();
    let take = |room: usize| room.checked_sub(listed);
    if terms.connection_room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
        let detail = format!("the members of the ensemble list more than {MAX_LISTED_CONNECTIONS} client connections");
        heard = ParsedReply::failed(Failure::limited(Limit::Memory, detail)).lasting(took);
    }
    if let (Some(transcript), Some(mut question)) = (transcript, question) {
        question.failure.clone_from(&heard.failure);
        transcript.note(question);
    }
    heard
}

/// Acquires a slot and sends the command. If one of several addresses refuses the connection, the next one is tried.
async fn ask_at(asked: &Query, addresses: &[SocketAddr], command: Command, terms: ScrapeContext<'_>) -> Attempt {
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

async fn exchange(asked: &Query, addresses: &[SocketAddr], command: Command, terms: ScrapeContext<'_>) -> Exchange {
    let (client, host, cap) = (terms.client, asked.host(), terms.limits.reply_bytes);
    match command {
        command if command.is_http() => {
            client.get(host, addresses, command, terms.deadline, cap).await.unwrap_or_default()
        }
        command => client.ask(host, addresses, command, terms.deadline, cap).await,
    }
}

/// Whether a command without a slot waited for one, or was started too late.
fn no_slot(terms: ScrapeContext<'_>, waited: Duration) -> Failure {
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

fn too_late(terms: ScrapeContext<'_>) -> Failure {
    let detail = format!(
        "less than {} ms were left for a reply; raise scrape_timeout or the module's timeout",
        terms.fair.as_millis()
    );
    Failure::limited(Limit::Deadline, detail)
}

/// Attributes a missing reply to the exporter if it left too little time for it.
fn blame(exchange: Exchange, waited: Duration, terms: ScrapeContext<'_>) -> Exchange {
    let Some(since) = exchange.unanswered_since else { return exchange };
    let failure = if terms.deadline.elapsed() > STARVED {
        Failure::limited(Limit::Cpu, "the exporter had too little CPU to read the reply in time; raise its CPU limit")
    } else if terms.deadline.saturating_duration_since(since) >= terms.fair {
        return exchange;
    } else if waited >= terms.fair {
        no_slot(terms, waited)
    } else {
        too_late(terms)
    };
    Exchange { failure: Some(failure), ..exchange }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Address, Reach};

    #[tokio::test]
    async fn each_address_of_a_member_is_checked_by_its_source() {
        let address = |text: &str| text.parse::<Address>().expect("an address");
        let found = async |reach, others: &[(&str, Reach)]| {
            let others = others.iter().map(|(text, reach)| (address(text), *reach)).collect();
            let member = Member { others, reach, ..Member::from(address("127.0.0.1:1")) };
            let (memory, place) = (Arc::default(), Location::ByName);
            let asked = Query { member, memory, place, head_start: 0.0, sent: OnceLock::new() };
            let found = asked.addresses(Instant::now() + Duration::from_secs(5)).await;
            found.map_err(|failure| failure.reason).map(|found| found.iter().map(SocketAddr::port).collect::<Vec<_>>())
        };
        let around = [("169.254.169.254:2", Reach::Discovered), ("10.0.0.1:3", Reach::Discovered)];
        assert_eq!(found(Reach::Configured, &around).await, Ok(vec![1, 3]));
        assert_eq!(found(Reach::Discovered, &around).await, Ok(vec![3]));
        assert_eq!(found(Reach::Discovered, &[("127.0.0.1:2", Reach::Configured)]).await, Ok(vec![2]));
        assert_eq!(found(Reach::Discovered, &around[..1]).await, Err(Reason::Limit));
    }
}

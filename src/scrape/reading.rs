//! Parses the replies of one member: state, metrics and failures. Pure functions: no I/O, no clock.

use std::sync::Arc;
use std::time::Duration;

use super::other_program::{is_of_another, other_program};
use super::report::{Identity, MemberReport, Source, State};
use super::samples::{Dropped, Samples};
pub use super::seen_conf::SeenConf;
use super::typed::{self, Facts};
use crate::config::Command;
use crate::reply::cons::{self, ConnectionList};
use crate::reply::hash::{self, DigestLog};
use crate::reply::{self, ReplyKind, conf, mntr, monitor, native, srvr};
use crate::text;
use crate::wire::{Exchange, Failure, Limit, PeerCertificate, Reason};

/// How replies are parsed.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Maximum number of series of the member.
    pub series_cap: usize,
    /// Keep the text of `mntr` in the report.
    pub keep_raw: bool,
}

/// A usual `conf` reply has a few kilobytes, that of a thousand servers about 100 kB.
const MAX_CONF_BYTES: usize = 256 << 10;

/// Longer `mntr` lines are omitted from the page with raw names: key and value have at most one text's length each.
const MAX_RAW_LINE_BYTES: usize = 2 * text::MAX_TEXT_BYTES;

/// Bytes of raw text per permitted series; a usual line has some forty.
const RAW_BYTES: usize = 128;

/// Advice for a refused command.
pub(super) const WHITELIST: &str = "add it to the line 4lw.commands.whitelist of its zoo.cfg and restart it, for example \
    4lw.commands.whitelist=mntr,srvr,conf,cons,wchs,isro";

/// The parsed reply to one command, without its bytes.
#[derive(Debug)]
pub struct ParsedReply {
    kind: ReplyKind,
    content: Content,
    /// Why the reply is missing or incomplete.
    pub failure: Option<Failure>,
    connect: Option<Duration>,
    certificates: Vec<PeerCertificate>,
    /// Time from connect to the end of the reply.
    took: Duration,
}

/// Content of a reply, complete or truncated.
#[derive(Debug)]
enum Content {
    /// No reply.
    Nothing,
    /// Metrics of `mntr`.
    Figures { samples: Samples, facts: Facts, raw: Option<String> },
    /// Result of `srvr`, with its metrics.
    Status { samples: Samples, version: Option<String>, mode: Option<String>, zxid: Option<u64> },
    /// Result of `conf`.
    Conf(SeenConf),
    /// Result of `hash`.
    Digests(DigestLog),
    /// Result of `cons`.
    Connections(ConnectionList),
}

impl ParsedReply {
    /// A command without a reply.
    #[must_use]
    pub fn failed(failure: Failure) -> Self {
        Self {
            kind: ReplyKind::Empty,
            content: Content::Nothing,
            failure: Some(failure),
            connect: None,
            certificates: Vec::new(),
            took: Duration::ZERO,
        }
    }

    /// Sets the time from connect to the end of the reply.
    #[must_use]
    pub fn lasting(self, took: Duration) -> Self {
        Self { took, ..self }
    }

    /// Parses the result of an exchange.
    #[must_use]
    pub fn new(command: Command, exchange: Exchange, reading: Reading) -> Self {
        let Exchange { bytes, mut failure, connect, certificates, .. } = exchange;
        if command == Command::Conf && bytes.len() > MAX_CONF_BYTES {
            let detail = format!("the reply to `conf` has more than {MAX_CONF_BYTES} bytes");
            failure = Some(Failure::new(Reason::TooLarge, detail));
        }
        let text = reply::text(&bytes);
        let mut from_json = Content::Nothing;
        let (kind, text) = match command {
            // An empty reply is valid: the server has not recorded a digest yet, or is older than 3.6.
            Command::Hash if is_empty(failure.as_ref()) => {
                failure = None;
                (ReplyKind::Empty, text)
            }
            Command::Hash => (hash::kind(&text), text),
            Command::AdminHash => {
                let (kind, digests) = hash::from_json(&text);
                from_json = Content::Digests(digests);
                (kind, text)
            }
            Command::Cons => (cons::kind(&text), text),
            Command::AdminConnections => {
                let (kind, connections) = cons::from_json(&text);
                from_json = Content::Connections(connections);
                (kind, text)
            }
            Command::Mntr => (mntr::kind(&text), text),
            Command::Srvr => (srvr::kind(&text), text),
            Command::Conf => (conf::kind(&text), text),
            Command::Native => native::as_mntr(&text),
            Command::Monitor => monitor::as_mntr(&text),
        };
        let flooded = failure.as_ref().is_some_and(|failure| failure.reason == Reason::TooLarge);
        if flooded {
            let (kind, content, took) = (ReplyKind::Garbage, Content::Nothing, Duration::ZERO);
            return Self { kind, content, failure, connect, certificates, took };
        }
        let content = match kind {
            ReplyKind::Answer if matches!(command, Command::AdminHash | Command::AdminConnections) => from_json,
            ReplyKind::Empty if command == Command::Hash && failure.is_none() => Content::Digests(DigestLog::default()),
            ReplyKind::Answer => Content::read(command, &text, reading),
            _ => Content::Nothing,
        };
        let failure = match (kind, failure) {
            (ReplyKind::NotAllowed, _) => {
                let with_hash = if command == Command::Hash { ",hash" } else { "" };
                let detail = format!("the server refuses `{command}`; {WHITELIST}{with_hash}");
                Some(Failure::new(Reason::NotAllowed, detail))
            }
            // The complete sentence arrived; the way in which the connection ended is irrelevant.
            (ReplyKind::NotServing, _) => None,
            (ReplyKind::Garbage, failure) if is_of_another(command, &bytes, failure.as_ref()) => {
                Some(other_program(command, &bytes))
            }
            (ReplyKind::Answer, Some(failure)) if failure.reason == Reason::Reset => Some(Failure::new(
                Reason::Truncated,
                format!("the reply to `{command}` was truncated: {}", failure.detail),
            )),
            (ReplyKind::Answer, None) => content.lacks(command, &text).map(|what| {
                Failure::new(
                    Reason::Truncated,
                    format!("the reply to `{command}` of {} bytes is incomplete: {what}", bytes.len()),
                )
            }),
            (_, failure) => failure,
        };
        Self { kind, content, failure, connect, certificates, took: Duration::ZERO }
    }

    /// The content of `conf`, if parsed.
    #[must_use]
    pub fn conf(&self) -> Option<&SeenConf> {
        match &self.content {
            Content::Conf(conf) if self.failure.is_none() => Some(conf),
            _ => None,
        }
    }

    fn mode_and_version(&self) -> (Option<State>, Option<&str>) {
        let (mode, version) = match &self.content {
            Content::Figures { facts, .. } => (&facts.server_state, &facts.version),
            Content::Status { mode, version, .. } => (mode, version),
            _ => return (None, None),
        };
        (mode.as_deref().and_then(State::from_server), version.as_deref())
    }

    /// Whether the command is not in the whitelist.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.kind == ReplyKind::NotAllowed
    }

    /// Whether the member reports that it serves no clients.
    #[must_use]
    pub fn is_not_serving(&self) -> bool {
        self.kind == ReplyKind::NotServing
    }

    /// Whether the reply is complete.
    pub(super) fn is_whole(&self) -> bool {
        self.kind == ReplyKind::Answer && self.failure.is_none()
    }

    /// The zxid of a complete `srvr` reply.
    pub(super) fn zxid(&self) -> Option<u64> {
        match &self.content {
            Content::Status { zxid, .. } if self.failure.is_none() => *zxid,
            _ => None,
        }
    }

    /// The digests of a complete reply.
    fn digests(self) -> Option<DigestLog> {
        match self.content {
            Content::Digests(digests) if self.failure.is_none() => Some(digests),
            _ => None,
        }
    }

    /// The connections of a complete reply.
    fn connections(self) -> Option<ConnectionList> {
        match self.content {
            Content::Connections(connections) if self.failure.is_none() => Some(connections),
            _ => None,
        }
    }

    /// Number of client connections in the reply.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        if let Content::Connections(list) = &self.content { list.len() } else { 0 }
    }

    /// Whether the reply is ZooKeeper's, complete or truncated.
    fn is_zookeepers(&self) -> bool {
        match (self.kind, &self.content) {
            // Other services reply with blank lines, too; a member lists at least the connection of the command.
            (ReplyKind::Answer, Content::Connections(list)) => !list.is_empty(),
            (kind, _) => matches!(kind, ReplyKind::Answer | ReplyKind::NotServing | ReplyKind::NotAllowed),
        }
    }
}

impl Content {
    fn read(command: Command, text: &str, reading: Reading) -> Self {
        match command {
            Command::Mntr | Command::Native | Command::Monitor => {
                let entries = mntr::entries(text)
                    .map(|entry| if command == Command::Native { typed::without_total(entry) } else { entry });
                let (mut samples, facts) = typed::typed(entries, mntr::lines(text), reading.series_cap);
                let raw = reading.keep_raw.then(|| raw(text, reading.series_cap, &mut samples));
                Self::Figures { samples, facts, raw }
            }
            Command::Srvr => {
                let status = srvr::parse(text);
                let (samples, _) = typed::typed(status.entries(), 0, reading.series_cap);
                let owned = |text: Option<&str>| text.map(text::fact);
                Self::Status { samples, version: owned(status.version), mode: owned(status.mode), zxid: status.zxid }
            }
            Command::Conf => Self::Conf(conf::parse(text).into()),
            Command::Hash | Command::AdminHash => Self::Digests(hash::parse(text)),
            Command::Cons | Command::AdminConnections => Self::Connections(cons::parse(text)),
        }
    }

    /// Required content that is missing from a reply that ended normally.
    fn lacks(&self, command: Command, text: &str) -> Option<&'static str> {
        match (self, command) {
            (_, Command::Hash) if !hash::ends_whole(text) => Some("its last line is incomplete"),
            (_, Command::Cons) if !cons::ends_whole(text) => Some("its last line is incomplete"),
            (_, Command::AdminHash | Command::AdminConnections) if !text.trim_end().ends_with('}') => {
                Some("its end is missing")
            }
            (_, Command::Mntr | Command::Native) if !mntr::ends_whole(text) => Some("its last line is incomplete"),
            (Self::Figures { samples, .. }, _) if samples.cells().is_empty() => {
                Some("it has no metrics; is metricsProvider.className the NullMetricsProvider?")
            }
            // The metrics endpoint does not report its version, which determines the required content.
            (Self::Figures { .. }, Command::Native) => None,
            (Self::Figures { samples, facts, .. }, _) if !typed::has_anchors(samples, facts.version.as_deref()) => {
                Some("keys of this version are missing")
            }
            (_, Command::Conf) => conf::lacks(text),
            (_, Command::Srvr) if !srvr::is_whole(&srvr::parse(text)) => Some("its last lines are missing"),
            _ => None,
        }
    }
}

fn is_empty(failure: Option<&Failure>) -> bool {
    failure.is_some_and(|failure| failure.reason == Reason::Empty)
}

/// The `mntr` lines to keep: at most as many as series, none longer than a key and a value, and all of them within the
/// bytes for that number of series.
fn raw(text: &str, cap: usize, samples: &mut Samples) -> String {
    let mut room = cap.saturating_mul(RAW_BYTES);
    let fits = |line: &&str| {
        let left = room.checked_sub(line.len()).filter(|_| line.len() <= MAX_RAW_LINE_BYTES);
        room = left.unwrap_or(room);
        left.is_some()
    };
    let kept: Vec<&str> = text.split_inclusive('\n').filter(fits).collect();
    samples.note_dropped(Dropped::Cap, (text.split_inclusive('\n').count() - kept.len()) as u64);
    kept.into_iter().take(cap).collect()
}

/// The replies of one member; `None` for commands that were not sent.
#[derive(Debug, Default)]
pub struct Replies {
    /// The reply to `mntr`.
    pub mntr: Option<ParsedReply>,
    /// The metrics endpoint, queried where `mntr` is not available.
    pub native: Option<ParsedReply>,
    /// The AdminServer's `monitor`, queried where `mntr` is not available.
    pub monitor: Option<ParsedReply>,
    /// The reply to `srvr`.
    pub srvr: Option<ParsedReply>,
    /// The reply to `conf`.
    pub conf: Option<ParsedReply>,
    /// The reply to `hash`.
    pub hash: Option<ParsedReply>,
    /// The AdminServer's `hash`, queried where `hash` was refused.
    pub admin_hash: Option<ParsedReply>,
    /// The reply to `cons`.
    pub cons: Option<ParsedReply>,
    /// The AdminServer's `connections`, queried where `cons` was refused.
    pub admin_connections: Option<ParsedReply>,
}

impl Replies {
    fn all(&self) -> impl Iterator<Item = (Command, &ParsedReply)> {
        let all = [
            (Command::Mntr, &self.mntr),
            (Command::Native, &self.native),
            (Command::Monitor, &self.monitor),
            (Command::Srvr, &self.srvr),
            (Command::Conf, &self.conf),
            (Command::Hash, &self.hash),
            (Command::AdminHash, &self.admin_hash),
            (Command::Cons, &self.cons),
            (Command::AdminConnections, &self.admin_connections),
        ];
        all.into_iter().filter_map(|(command, heard)| Some((command, heard.as_ref()?)))
    }

    /// Whether the command was sent.
    pub(super) fn has_sent(&self, command: Command) -> bool {
        self.all().any(|(sent, _)| sent == command)
    }

    /// Marks a `conf` as truncated that ends before the membership, which a server in a quorum reports since 3.5.
    pub(super) fn check_conf(&mut self) {
        let in_quorum = self.all().any(|(_, heard)| {
            let (mode, version) = heard.mode_and_version();
            mode.is_some_and(|mode| matches!(mode, State::Leader | State::Follower | State::Observer))
                && version.and_then(reply::release).is_some_and(|release| release >= (3, 5, 0))
        });
        let lacks = |heard: &&mut ParsedReply| heard.conf().is_some_and(|conf| conf.membership.is_none());
        if let Some(heard) = self.conf.as_mut().filter(lacks).filter(|_| in_quorum) {
            let detail = "the reply to `conf` is incomplete: the membership is missing";
            heard.failure = Some(Failure::new(Reason::Truncated, detail));
        }
    }

    fn not_serving(&self) -> bool {
        self.all().any(|(_, heard)| heard.kind == ReplyKind::NotServing)
    }

    /// The source that replaces a refused `mntr`, or would if the member served.
    #[must_use]
    pub fn replacement(&self) -> Option<Source> {
        if self.native.as_ref().is_some_and(ParsedReply::is_whole) {
            return Some(Source::Native);
        }
        self.admin_replaces_mntr().then_some(Source::AdminServer)
    }

    fn admin_replaces_mntr(&self) -> bool {
        let Some(monitor) = &self.monitor else { return false };
        // From 3.6 on, `monitor` returns status 500 while the member does not serve.
        let broke_down = monitor.failure.as_ref().is_some_and(|failure| failure.reason == Reason::Http);
        monitor.is_whole() || self.not_serving() && (monitor.failure.is_none() || broke_down)
    }

    /// Whether the member is cut off from the quorum and read-only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.all().any(|(_, heard)| heard.mode_and_version().0 == Some(State::ReadOnly))
    }

    /// Failures with details for the log. If the AdminServer replaces `mntr`, its refusal is expected and omitted.
    pub fn failures(&self) -> impl Iterator<Item = (Command, &Failure)> {
        let replaced = self.replacement().is_some();
        let is_whole = |heard: &Option<ParsedReply>| heard.as_ref().is_some_and(ParsedReply::is_whole);
        let (hash_replaced, cons_replaced) = (is_whole(&self.admin_hash), is_whole(&self.admin_connections));
        self.all()
            .filter(move |(command, _)| !replaced || !matches!(command, Command::Mntr | Command::Monitor))
            .filter(move |(command, _)| !hash_replaced || *command != Command::Hash)
            .filter(move |(command, _)| !cons_replaced || *command != Command::Cons)
            .filter_map(|(command, heard)| Some((command, heard.failure.as_ref()?)))
    }

    /// Duration of the slowest command; `None` if not all commands could be sent.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        let limited = self.failures().any(|(_, failure)| failure.reason == Reason::Limit);
        let took = |heard: &Option<ParsedReply>| heard.as_ref().map_or(Duration::ZERO, |heard| heard.took);
        // Sequential: the next source is queried only if the previous one has no metrics.
        let figures = took(&self.mntr) + took(&self.native) + took(&self.monitor);
        let digests = took(&self.hash) + took(&self.admin_hash);
        let clients = took(&self.cons) + took(&self.admin_connections);
        (!limited).then(|| figures.max(digests).max(clients).max(took(&self.srvr)).max(took(&self.conf)))
    }

    /// Builds the member report. `conf` is the last known configuration.
    #[must_use]
    pub fn report(self, name: Arc<str>, conf: Option<Arc<SeenConf>>) -> MemberReport {
        let failures: Vec<_> = self.failures().map(|(command, failure)| (command, failure.reason)).collect();
        let mut failure_details: Vec<(Reason, Box<str>)> = Vec::new();
        for (_, failure) in self.failures().filter(|(_, failure)| failure.limit.is_none()) {
            if !failure_details.iter().any(|(reason, _)| *reason == failure.reason) {
                failure_details.push((failure.reason, failure.detail.as_ref().into()));
            }
        }
        let mut limits: Vec<Limit> = self.failures().filter_map(|(_, failure)| failure.limit).collect();
        limits.sort_unstable();
        limits.dedup();
        let connect = self.all().find_map(|(_, heard)| heard.connect);
        let up = self.all().any(|(_, heard)| heard.is_zookeepers());
        let not_serving = self.not_serving();
        let all_refused = [&self.mntr, &self.srvr].into_iter().flatten().all(ParsedReply::is_refused);
        let complete = [&self.mntr, &self.native, &self.monitor].into_iter().flatten().any(ParsedReply::is_whole);
        let certificates = self.all().map(|(_, heard)| &heard.certificates).find(|shown| !shown.is_empty());
        let certificates = certificates.cloned().unwrap_or_default();

        let digests = [self.admin_hash, self.hash].into_iter().flatten().find_map(ParsedReply::digests).map(Box::new);
        let mut lists = [self.admin_connections, self.cons].into_iter().flatten();
        let connections = lists.find_map(ParsedReply::connections).map(Box::new);
        let (mut samples, mut facts, mut raw, mut source) = (Samples::default(), Facts::default(), None, Source::Mntr);
        let sources = [(Source::Mntr, self.mntr), (Source::Native, self.native), (Source::AdminServer, self.monitor)];
        for (from, heard) in sources {
            if let Some(Content::Figures { samples: figures, facts: texts, raw: text }) =
                heard.map(|heard| heard.content)
            {
                (samples, facts, raw, source) = (figures, texts, text, from);
            }
        }
        let mut zxid = None;
        if let Some(Content::Status { samples: figures, version, mode, zxid: last }) =
            self.srvr.map(|heard| heard.content)
        {
            zxid = last;
            facts.version = facts.version.or(version);
            facts.server_state = facts.server_state.or(mode);
            if samples.cells().is_empty() {
                (samples, source) = (figures, Source::Srvr);
            }
        }
        let state = match facts.server_state.as_deref().and_then(State::from_server) {
            Some(state) => state,
            None if not_serving => State::NotServing,
            None if facts.server_state.is_some() => State::Unknown,
            // Failed commands show that a member does not answer; commands that were not sent do not.
            None if !limits.is_empty() && (up || failures.iter().all(|(_, reason)| *reason == Reason::Limit)) => {
                State::Unknown
            }
            // It replies, and the commands that would report its state are not in its whitelist.
            None if up && all_refused => State::Unknown,
            None => State::NoAnswer,
        };
        let identity = facts.version.map(|version| Identity {
            version: reply::short_version(&version).to_owned(),
            server_id: conf.as_ref().map(|conf| conf.server_id.clone()).unwrap_or_default(),
            peer_type: peer_type(conf.as_deref(), state).to_owned(),
            source,
        });
        MemberReport {
            up,
            state,
            complete,
            identity,
            peer_state: facts.peer_state,
            observer_master: facts.observer_master.filter(|id| id != "-1"),
            zxid,
            conf,
            samples,
            failures,
            failure_details,
            limits,
            connect,
            certificates,
            raw,
            digests,
            connections,
            ..MemberReport::silent(name)
        }
    }
}

fn peer_type(conf: Option<&SeenConf>, state: State) -> &'static str {
    match (conf.and_then(|conf| conf.peer_type), state) {
        (Some(told), _) => told,
        (None, State::Observer) => "observer",
        (None, State::Leader | State::Follower) => "participant",
        (None, _) => "",
    }
}

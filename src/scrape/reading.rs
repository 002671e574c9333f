//! The replies of one member read: what it is, its figures, what failed. Pure: no I/O, no clock.

use std::sync::Arc;
use std::time::Duration;

use super::report::{Identity, MemberReport, Source, State};
use super::samples::{Dropped, Samples};
use super::typed::{self, Facts};
use crate::config::Command;
use crate::ensemble::Membership;
use crate::reply::conf::Conf;
use crate::reply::{self, Recognised, conf, mntr, monitor, srvr};
use crate::text;
use crate::wire::{Exchange, Failure, Limit, PeerCertificate, Reason};

/// How a reply is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Most series of the member.
    pub series_cap: usize,
    /// Keep the text of `mntr` in the report.
    pub keep_raw: bool,
}

/// What is kept of a `conf` reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenConf {
    /// The server id.
    pub server_id: String,
    /// `participant` or `observer`, where it was said.
    pub peer_type: Option<&'static str>,
    /// Connections allowed from one address; 0 for no limit.
    pub max_client_connections: Option<u64>,
    /// Every setting as written, `tickTime` and so on, in the order of the reply.
    pub settings: Vec<(String, String)>,
    /// Who belongs to the ensemble; absent before 3.5 and on a standalone server.
    pub membership: Option<Membership>,
}

impl From<Conf<'_>> for SeenConf {
    fn from(conf: Conf<'_>) -> Self {
        Self {
            settings: conf.settings.iter().map(|(name, value)| (text::fact(name), text::fact(value))).collect(),
            membership: Membership::from_conf(&conf),
            server_id: text::fact(conf.server_id.unwrap_or_default()),
            peer_type: match conf.peer_type {
                Some("0") => Some("participant"),
                Some("1") => Some("observer"),
                _ => None,
            },
            max_client_connections: conf.max_client_connections.and_then(|text| text.parse().ok()),
        }
    }
}

/// A `conf` is some kilobytes; one of a thousand servers has a tenth of a megabyte.
const MAX_CONF_BYTES: usize = 256 << 10;

/// A longer line of `mntr` is not kept for the page with `mntr`'s own names: its key and value are at most a text each.
const MAX_RAW_LINE_BYTES: usize = 2 * text::MAX_TEXT_BYTES;

/// What to write where a command is refused.
pub(super) const WHITELIST: &str = "add it to the line 4lw.commands.whitelist of its zoo.cfg and restart it, for example \
    4lw.commands.whitelist=mntr,srvr,conf,cons,wchs,isro";

/// One command's reply, recognised and read; its bytes are gone.
#[derive(Debug)]
pub struct Heard {
    recognised: Recognised,
    content: Content,
    /// Why there is no whole answer.
    pub failure: Option<Failure>,
    connect: Option<Duration>,
    certificates: Vec<PeerCertificate>,
    /// From the connect to the end of the reply.
    took: Duration,
}

/// What was read of an answer, whole or cut.
#[derive(Debug)]
enum Content {
    /// There was no answer to read.
    Nothing,
    /// The figures of `mntr`.
    Figures { samples: Samples, facts: Facts, raw: Option<String> },
    /// What `srvr` says, as figures too.
    Status { samples: Samples, version: Option<String>, mode: Option<String>, zxid: Option<u64> },
    /// What `conf` says.
    Conf(SeenConf),
}

impl Heard {
    /// A question that got nothing.
    #[must_use]
    pub fn failed(failure: Failure) -> Self {
        Self {
            recognised: Recognised::Empty,
            content: Content::Nothing,
            failure: Some(failure),
            connect: None,
            certificates: Vec::new(),
            took: Duration::ZERO,
        }
    }

    /// The same, with the time that it took from the connect to the end.
    #[must_use]
    pub fn lasting(self, took: Duration) -> Self {
        Self { took, ..self }
    }

    /// Reads what an exchange brought.
    #[must_use]
    pub fn new(command: Command, exchange: Exchange, reading: Reading) -> Self {
        let Exchange { bytes, mut failure, connect, certificates, .. } = exchange;
        if command == Command::Conf && bytes.len() > MAX_CONF_BYTES {
            let detail = format!("the reply to `conf` has more than {MAX_CONF_BYTES} bytes");
            failure = Some(Failure::new(Reason::TooLarge, detail));
        }
        let text = reply::text(&bytes);
        let (recognised, text) = match command {
            Command::Mntr => (mntr::recognised(&text), text),
            Command::Srvr => (srvr::recognised(&text), text),
            Command::Conf => (conf::recognised(&text), text),
            Command::Monitor => monitor::as_mntr(&text),
        };
        let flooded = failure.as_ref().is_some_and(|failure| failure.reason == Reason::TooLarge);
        if flooded {
            let (recognised, content, took) = (Recognised::Garbage, Content::Nothing, Duration::ZERO);
            return Self { recognised, content, failure, connect, certificates, took };
        }
        let content = match recognised {
            Recognised::Answer => Content::read(command, &text, reading),
            _ => Content::Nothing,
        };
        let failure = match (recognised, failure) {
            (Recognised::NotAllowed, _) => {
                Some(Failure::new(Reason::NotAllowed, format!("the server refuses `{command}`; {WHITELIST}")))
            }
            // The whole sentence came: how the connection ended does not matter.
            (Recognised::NotServing, _) => None,
            (Recognised::Garbage, None) => Some(Failure::new(
                Reason::Garbage,
                format!("the answer to `{command}` is not ZooKeeper's; does something else listen there?"),
            )),
            (Recognised::Answer, Some(failure)) if failure.reason == Reason::Reset => {
                Some(Failure::new(Reason::Truncated, format!("the reply to `{command}` was cut: {}", failure.detail)))
            }
            (Recognised::Answer, None) => content.lacks(command, &text).map(|what| {
                Failure::new(
                    Reason::Truncated,
                    format!("the reply to `{command}` of {} bytes is not whole: {what}", bytes.len()),
                )
            }),
            (_, failure) => failure,
        };
        Self { recognised, content, failure, connect, certificates, took: Duration::ZERO }
    }

    /// What `conf` said, where it did.
    #[must_use]
    pub fn conf(&self) -> Option<&SeenConf> {
        match &self.content {
            Content::Conf(conf) if self.failure.is_none() => Some(conf),
            _ => None,
        }
    }

    /// The command is not in the whitelist.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.recognised == Recognised::NotAllowed
    }

    /// The member says that it serves no clients.
    #[must_use]
    pub fn is_not_serving(&self) -> bool {
        self.recognised == Recognised::NotServing
    }

    /// A whole answer.
    fn is_whole(&self) -> bool {
        self.recognised == Recognised::Answer && self.failure.is_none()
    }

    /// The last transaction, where a whole `srvr` names it.
    pub(super) fn zxid(&self) -> Option<u64> {
        match &self.content {
            Content::Status { zxid, .. } if self.failure.is_none() => *zxid,
            _ => None,
        }
    }

    /// A reply that is ZooKeeper's, whole or cut.
    fn is_zookeepers(&self) -> bool {
        matches!(self.recognised, Recognised::Answer | Recognised::NotServing | Recognised::NotAllowed)
    }
}

impl Content {
    fn read(command: Command, text: &str, reading: Reading) -> Self {
        match command {
            Command::Mntr | Command::Monitor => {
                let (mut samples, facts) = typed::typed(mntr::entries(text), mntr::lines(text), reading.series_cap);
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
        }
    }

    /// What a reply that ended by itself should hold and does not.
    fn lacks(&self, command: Command, text: &str) -> Option<&'static str> {
        match (self, command) {
            (_, Command::Mntr) if !mntr::ends_whole(text) => Some("its last line has no end"),
            (Self::Figures { samples, .. }, _) if samples.cells().is_empty() => {
                Some("it has no figures; is metricsProvider.className the NullMetricsProvider?")
            }
            (Self::Figures { samples, facts, .. }, _) if !typed::has_anchors(samples, facts.version.as_deref()) => {
                Some("keys are missing that this version has")
            }
            (_, Command::Srvr) if !srvr::is_whole(&srvr::parse(text)) => Some("its last lines are missing"),
            _ => None,
        }
    }
}

/// The lines of `mntr` that are kept: as many as series, none longer than a key and a value may be.
fn raw(text: &str, cap: usize, samples: &mut Samples) -> String {
    let fits = |line: &&str| line.len() <= MAX_RAW_LINE_BYTES;
    let long = text.split_inclusive('\n').filter(|line| !fits(line)).count();
    samples.note_dropped(Dropped::Cap, long as u64);
    text.split_inclusive('\n').filter(fits).take(cap).collect()
}

/// The replies of one member; `None` for a command that was not asked.
#[derive(Debug, Default)]
pub struct Replies {
    /// The reply to `mntr`.
    pub mntr: Option<Heard>,
    /// The AdminServer's `monitor`, asked where `mntr` was refused.
    pub monitor: Option<Heard>,
    /// The reply to `srvr`.
    pub srvr: Option<Heard>,
    /// The reply to `conf`.
    pub conf: Option<Heard>,
}

impl Replies {
    fn all(&self) -> impl Iterator<Item = (Command, &Heard)> {
        let all = [
            (Command::Mntr, &self.mntr),
            (Command::Monitor, &self.monitor),
            (Command::Srvr, &self.srvr),
            (Command::Conf, &self.conf),
        ];
        all.into_iter().filter_map(|(command, heard)| Some((command, heard.as_ref()?)))
    }

    fn not_serving(&self) -> bool {
        self.all().any(|(_, heard)| heard.recognised == Recognised::NotServing)
    }

    /// Whether the AdminServer answers in place of a refused `mntr`, or would if the member served.
    #[must_use]
    pub fn admin_stands_in(&self) -> bool {
        let Some(monitor) = &self.monitor else { return false };
        // From 3.6 on, `monitor` breaks down with a 500 while the member does not serve.
        let broke_down = monitor.failure.as_ref().is_some_and(|failure| failure.reason == Reason::Http);
        monitor.is_whole() || self.not_serving() && (monitor.failure.is_none() || broke_down)
    }

    /// Whether the member is cut off from the quorum and serves reads only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.all().any(|(_, heard)| match &heard.content {
            Content::Figures { facts, .. } => facts.server_state.as_deref() == Some(State::ReadOnly.text()),
            Content::Status { mode, .. } => mode.as_deref() == Some(State::ReadOnly.text()),
            _ => false,
        })
    }

    /// What failed, with the details for the log. Where the AdminServer replaces `mntr`, the refusal is expected.
    pub fn failures(&self) -> impl Iterator<Item = (Command, &Failure)> {
        let stands_in = self.admin_stands_in();
        self.all()
            .filter(move |(command, _)| !stands_in || !matches!(command, Command::Mntr | Command::Monitor))
            .filter_map(|(command, heard)| Some((command, heard.failure.as_ref()?)))
    }

    /// The time of the command that took longest; `None` where not all could be asked.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        let limited = self.failures().any(|(_, failure)| failure.reason == Reason::Limit);
        let took = |heard: &Option<Heard>| heard.as_ref().map_or(Duration::ZERO, |heard| heard.took);
        // The AdminServer is asked after `mntr` was refused.
        let figures = took(&self.mntr) + took(&self.monitor);
        (!limited).then(|| figures.max(took(&self.srvr)).max(took(&self.conf)))
    }

    /// The member as its replies show it. `conf` is what is known of its configuration.
    #[must_use]
    pub fn report(self, name: Arc<str>, conf: Option<Arc<SeenConf>>) -> MemberReport {
        let failures: Vec<_> = self.failures().map(|(command, failure)| (command, failure.reason)).collect();
        let mut limits: Vec<Limit> = self.failures().filter_map(|(_, failure)| failure.limit).collect();
        limits.sort_unstable();
        limits.dedup();
        let connect = self.all().find_map(|(_, heard)| heard.connect);
        let up = self.all().any(|(_, heard)| heard.is_zookeepers());
        let not_serving = self.not_serving();
        let complete = [&self.mntr, &self.monitor].into_iter().flatten().any(Heard::is_whole);
        let certificates = self.all().map(|(_, heard)| &heard.certificates).find(|shown| !shown.is_empty());
        let certificates = certificates.cloned().unwrap_or_default();

        let (mut samples, mut facts, mut raw, mut source) = (Samples::default(), Facts::default(), None, Source::Mntr);
        for (from, heard) in [(Source::Mntr, self.mntr), (Source::AdminServer, self.monitor)] {
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
            // What was asked is evidence against a member that gave nothing; what was not asked is none.
            None if !limits.is_empty() && (up || failures.iter().all(|(_, reason)| *reason == Reason::Limit)) => {
                State::Unknown
            }
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
            limits,
            connect,
            certificates,
            raw,
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

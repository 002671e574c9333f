//! What one scrape found: typed samples of every member, its state, and what failed and why.

use std::sync::Arc;
use std::time::Duration;

use super::reading::SeenConf;
use super::samples::Samples;
use super::shown::Shown;
use crate::catalogue::{Meaning, catalogue};
use crate::config::Command;
use crate::ensemble::Known;
use crate::reply::Number;
use crate::wire::{Limit, PeerCertificate, Reason};

/// All ensembles of one scrape, in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One entry an ensemble; requests that were answered by the same round share it.
    pub ensembles: Vec<Arc<EnsembleReport>>,
}

/// One ensemble.
#[derive(Clone, Debug)]
pub struct EnsembleReport {
    /// The label `ensemble`.
    pub name: Arc<str>,
    /// One entry a member, whether it answered or not.
    pub members: Vec<MemberReport>,
    /// What is known from before this scrape; a bare probe knows nothing.
    pub known: Known,
    /// What the canary and the reader of znodes saw last.
    pub samples: Samples,
}

impl Report {
    /// The number of members in all ensembles.
    #[must_use]
    pub fn members(&self) -> usize {
        self.ensembles.iter().map(|ensemble| ensemble.members.len()).sum()
    }

    /// The bytes of memory that the report holds, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |ensemble: &EnsembleReport| {
            ensemble.samples.bytes() + ensemble.members.iter().map(MemberReport::bytes).sum::<usize>()
        };
        self.ensembles.iter().map(|ensemble| of(ensemble)).sum()
    }
}

impl EnsembleReport {
    /// The number of voters as the member of the newest epoch says it now in `zk_quorum_size`; of two of one epoch, the
    /// leader.
    #[must_use]
    pub fn quorum_size(&self) -> Option<u64> {
        let said = self.members.iter().filter_map(|member| {
            let size = member.count("quorum_size").filter(|size| (1..=MOST_VOTERS).contains(size))?;
            Some((member.epoch(), member.state == State::Leader, size))
        });
        said.max().map(|(_, _, size)| size)
    }
}

/// No ensemble has more voters: a larger number is none.
const MOST_VOTERS: u64 = 10_000;

/// One member.
#[derive(Clone, Debug)]
pub struct MemberReport {
    /// The label `member`.
    pub name: Arc<str>,
    /// At least one reply was recognised as ZooKeeper's. `false` says nothing where [`Self::is_unknown`].
    pub up: bool,
    /// What it is doing.
    pub state: State,
    /// A whole `mntr` reply was read; see [`Self::completeness`].
    pub complete: bool,
    /// Who it says it is; absent when nothing was read.
    pub identity: Option<Identity>,
    /// `following - broadcast` and the like.
    pub peer_state: Option<String>,
    /// The server an observer learns from.
    pub observer_master: Option<String>,
    /// The last transaction it processed.
    pub zxid: Option<u64>,
    /// What `conf` said last, which may have been some scrapes ago.
    pub conf: Option<Arc<SeenConf>>,
    /// The figures.
    pub samples: Samples,
    /// What failed this time, at most one entry a command.
    pub failures: Vec<(Command, Reason)>,
    /// The exporter's own limits behind them, each once.
    pub limits: Vec<Limit>,
    /// What failed since the exporter started, where that is remembered.
    pub failures_total: Vec<((Command, Reason), u64)>,
    /// Time for the member as a whole; `None` where a limit of the exporter's own kept commands waiting or back.
    pub duration: Option<Duration>,
    /// Time of the TCP connect, where one succeeded.
    pub connect: Option<Duration>,
    /// The certificates it showed in this scrape, where there is TLS.
    pub certificates: Vec<PeerCertificate>,
    /// The text of `mntr`, kept only for the page with mntr's own names.
    pub raw: Option<String>,
    /// Which of the figures stand on the page.
    pub shown: Shown,
}

impl MemberReport {
    /// A figure without labels in its base unit, by its key of `mntr` (without `zk_`).
    #[must_use]
    pub fn figure(&self, key: &str) -> Option<Number> {
        match catalogue().lookup(key) {
            Some((Meaning::Sample(slot), _)) => self.samples.value(slot.family, slot.part),
            _ => None,
        }
    }

    /// A figure that counts things; `None` also for what is no count.
    #[must_use]
    pub fn count(&self, key: &str) -> Option<u64> {
        self.figure(key).and_then(Number::as_count)
    }

    /// The server id that it stated last in `conf`.
    #[must_use]
    pub fn server_id(&self) -> Option<&str> {
        self.conf.as_ref().map(|conf| conf.server_id.as_str()).filter(|id| !id.is_empty())
    }

    fn bytes(&self) -> usize {
        let texts = [&self.peer_state, &self.observer_master, &self.raw];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
        size_of::<Self>() + self.samples.bytes() + texts
    }

    /// The epoch of the last transaction: the high half of its zxid.
    #[must_use]
    pub fn epoch(&self) -> Option<u64> {
        self.zxid.map(|zxid| zxid >> 32)
    }

    /// The number of the last transaction within its epoch: the low half of its zxid.
    #[must_use]
    pub fn sequence(&self) -> Option<u64> {
        self.zxid.map(|zxid| zxid & 0xffff_ffff)
    }

    /// Whether the exporter could not find out, for reasons of its own, if the member answers.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        !self.up && self.state == State::Unknown
    }

    /// Whether `mntr` was read whole; `None` where the exporter could not ask for it.
    #[must_use]
    pub fn completeness(&self) -> Option<bool> {
        let unasked = |(command, reason): &(Command, Reason)| {
            matches!(command, Command::Mntr | Command::Monitor) && *reason == Reason::Limit
        };
        (self.complete || !self.failures.iter().any(unasked)).then_some(self.complete)
    }

    /// A member of which nothing was heard.
    #[must_use]
    pub fn silent(name: Arc<str>) -> Self {
        Self {
            name,
            up: false,
            state: State::NoAnswer,
            complete: false,
            identity: None,
            peer_state: None,
            observer_master: None,
            zxid: None,
            conf: None,
            samples: Samples::default(),
            failures: Vec::new(),
            limits: Vec::new(),
            failures_total: Vec::new(),
            duration: None,
            connect: None,
            certificates: Vec::new(),
            raw: None,
            shown: Shown::default(),
        }
    }
}

/// Who a member is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `3.9.3`.
    pub version: String,
    /// The server id, empty where `conf` was not to be had.
    pub server_id: String,
    /// `participant`, `observer`, or empty on a standalone or read-only server that did not say.
    pub peer_type: String,
    /// Who gave the figures.
    pub source: Source,
}

/// Who gave the figures of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The command `mntr`.
    #[default]
    Mntr,
    /// The AdminServer's `monitor`.
    AdminServer,
    /// The command `srvr` alone.
    Srvr,
}

impl Source {
    /// The value of the label.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Mntr => "mntr",
            Self::AdminServer => "adminserver",
            Self::Srvr => "srvr",
        }
    }
}

/// What a member is doing: one of seven, or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Leads.
    Leader,
    /// Follows.
    Follower,
    /// Observes.
    Observer,
    /// Serves alone.
    Standalone,
    /// Cut off from the quorum, serves reads.
    ReadOnly,
    /// Alive, but does not serve clients.
    NotServing,
    /// Nothing was heard that tells.
    NoAnswer,
    /// The exporter could not ask, for reasons of its own. It has no sample.
    Unknown,
}

impl State {
    /// All that have a sample, in the order of the page.
    pub const ALL: [Self; 7] = [
        Self::Leader,
        Self::Follower,
        Self::Observer,
        Self::Standalone,
        Self::ReadOnly,
        Self::NotServing,
        Self::NoAnswer,
    ];

    /// The value of the label `state`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Observer => "observer",
            Self::Standalone => "standalone",
            Self::ReadOnly => "read-only",
            Self::NotServing => "not-serving",
            Self::NoAnswer => "no-answer",
            Self::Unknown => "unknown",
        }
    }

    /// The state a server names: `zk_server_state`, or `Mode` of `srvr`.
    #[must_use]
    pub fn from_server(text: &str) -> Option<Self> {
        [Self::Leader, Self::Follower, Self::Observer, Self::Standalone, Self::ReadOnly]
            .into_iter()
            .find(|state| state.text() == text)
    }

    /// Whether clients are served.
    #[must_use]
    pub const fn serves(self) -> bool {
        !matches!(self, Self::NotServing | Self::NoAnswer | Self::Unknown)
    }
}

//! The result of one scrape: typed samples of every member, its state, and failures with reasons.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::metric_filter::MetricFilter;
use super::reading::SeenConf;
use super::samples::Samples;
use crate::catalogue::{Meaning, catalogue};
use crate::config::Command;
use crate::ensemble::Known;
use crate::reply::Number;
use crate::reply::cons::ConnectionList;
use crate::reply::hash::DigestLog;
use crate::wire::{Limit, PeerCertificate, Reason};

/// All ensembles of one scrape, in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One entry per ensemble; requests served by the same round share it.
    pub ensembles: Vec<Arc<EnsembleReport>>,
}

/// One ensemble.
#[derive(Clone, Debug)]
pub struct EnsembleReport {
    /// The label `ensemble`.
    pub name: Arc<str>,
    /// One entry per member, whether it replied or not.
    pub members: Vec<MemberReport>,
    /// Facts known before this scrape; empty for a probe.
    pub known: Known,
    /// Last results of the canary and the znode reader.
    pub samples: Samples,
}

impl Report {
    /// Number of members in all ensembles.
    #[must_use]
    pub fn members(&self) -> usize {
        self.ensembles.iter().map(|ensemble| ensemble.members.len()).sum()
    }

    /// Approximate memory use of the report, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |ensemble: &EnsembleReport| {
            ensemble.samples.bytes() + ensemble.members.iter().map(MemberReport::bytes).sum::<usize>()
        };
        self.ensembles.iter().map(|ensemble| of(ensemble)).sum()
    }
}

impl EnsembleReport {
    /// Number of voters as currently reported in `zk_quorum_size` by the member with the newest epoch; within an epoch,
    /// the leader takes precedence.
    #[must_use]
    pub fn quorum_size(&self) -> Option<u64> {
        let said = self
            .members
            .iter()
            .filter_map(|member| Some((member.epoch(), member.state == State::Leader, member.quorum_size()?)));
        said.max().map(|(_, _, size)| size)
    }
}

/// Upper bound of a plausible number of voters; larger numbers are ignored.
const MAX_VOTERS: u64 = 10_000;

/// One member.
#[derive(Clone, Debug)]
pub struct MemberReport {
    /// The label `member`.
    pub name: Arc<str>,
    /// At least one reply was recognised as ZooKeeper's. `false` has no meaning if [`Self::is_unknown`].
    pub up: bool,
    /// State of the server.
    pub state: State,
    /// Whether `mntr` was read completely; see [`Self::completeness`].
    pub complete: bool,
    /// Identity as reported by the member; `None` if nothing was read.
    pub identity: Option<Identity>,
    /// Peer state, such as `following - broadcast`.
    pub peer_state: Option<String>,
    /// Id of the server that an observer learns from.
    pub observer_master: Option<String>,
    /// zxid of the last processed transaction.
    pub zxid: Option<u64>,
    /// The last known `conf`, which may be several scrapes old.
    pub conf: Option<Arc<SeenConf>>,
    /// The samples.
    pub samples: Samples,
    /// Failures of this scrape, at most one per command.
    pub failures: Vec<(Command, Reason)>,
    /// Failures of commands that are not sent in every scrape, as of the last scrape that sent them, if kept.
    pub earlier_failures: Vec<(Command, Reason)>,
    /// The detail of the first failure of each reason, without limits of the exporter.
    pub failure_details: Vec<(Reason, Box<str>)>,
    /// The exporter's own limits that caused failures, without duplicates.
    pub limits: Vec<Limit>,
    /// Failures since the start of the exporter, if kept.
    pub failures_total: Vec<((Command, Reason), u64)>,
    /// Scrape duration of the member; `None` if a limit of the exporter delayed or prevented commands.
    pub duration: Option<Duration>,
    /// Duration of the TCP connect, if one succeeded.
    pub connect: Option<Duration>,
    /// The IP address at which it replied.
    pub ip: Option<IpAddr>,
    /// Certificates presented in this scrape, if TLS is used.
    pub certificates: Vec<PeerCertificate>,
    /// The text of `mntr`, kept only for the page with raw names.
    pub raw: Option<String>,
    /// The families and parts to export.
    pub shown: MetricFilter,
    /// Data digests of a round that read them, until they are compared.
    pub digests: Option<Box<DigestLog>>,
    /// Client connections of a round that read them, until they are summed.
    pub connections: Option<Box<ConnectionList>>,
}

impl MemberReport {
    /// The value of a metric without labels, in its base unit, by `mntr` key (without `zk_`).
    #[must_use]
    pub fn figure(&self, key: &str) -> Option<Number> {
        match catalogue().lookup(key) {
            Some((Meaning::Sample(slot), _)) => self.samples.value(slot.family, slot.part),
            _ => None,
        }
    }

    /// The value as an integer; `None` if it is not one.
    #[must_use]
    pub fn count(&self, key: &str) -> Option<u64> {
        self.figure(key).and_then(Number::as_count)
    }

    /// The last server id stated in `conf`.
    #[must_use]
    pub fn server_id(&self) -> Option<&str> {
        self.conf.as_ref().map(|conf| conf.server_id.as_str()).filter(|id| !id.is_empty())
    }

    fn bytes(&self) -> usize {
        let texts = [&self.peer_state, &self.observer_master, &self.raw];
        let details = self.failure_details.iter().map(|(_, detail)| detail.len()).sum::<usize>();
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>() + details;
        size_of::<Self>() + self.samples.bytes() + texts
    }

    /// The detail of the first failure with this reason; empty if there is none.
    #[must_use]
    pub fn failure_detail(&self, reason: Reason) -> &str {
        self.failure_details.iter().find(|(of, _)| *of == reason).map_or("", |(_, detail)| detail)
    }

    /// Whether its zxid has an epoch. Other products number the entries of their log, which is one 64-bit number.
    #[must_use]
    pub fn counts_epochs(&self) -> bool {
        self.identity.as_ref().is_none_or(|identity| crate::reply::release(&identity.version).is_some())
    }

    /// Epoch of the last transaction: the high 32 bits of its zxid.
    #[must_use]
    pub fn epoch(&self) -> Option<u64> {
        self.zxid.map(|zxid| zxid >> 32)
    }

    /// Number of the last transaction within its epoch: the low 32 bits of its zxid.
    #[must_use]
    pub fn sequence(&self) -> Option<u64> {
        self.zxid.map(|zxid| zxid & 0xffff_ffff)
    }

    /// The number of voters that it reports, if plausible.
    #[must_use]
    pub fn quorum_size(&self) -> Option<u64> {
        self.count("quorum_size").filter(|size| (1..=MAX_VOTERS).contains(size))
    }

    /// Whether the exporter could not determine if the member replies, because of its own limits or failures.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        !self.up && self.state == State::Unknown
    }

    /// Whether `mntr` was read completely; `None` if the exporter could not query it.
    #[must_use]
    pub fn completeness(&self) -> Option<bool> {
        let unasked = |(command, reason): &(Command, Reason)| {
            matches!(command, Command::Mntr | Command::Native | Command::Monitor) && *reason == Reason::Limit
        };
        (self.complete || !self.failures.iter().any(unasked)).then_some(self.complete)
    }

    /// The report of a member without any reply.
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
            earlier_failures: Vec::new(),
            failure_details: Vec::new(),
            limits: Vec::new(),
            failures_total: Vec::new(),
            duration: None,
            connect: None,
            ip: None,
            certificates: Vec::new(),
            raw: None,
            shown: MetricFilter::default(),
            digests: None,
            connections: None,
        }
    }
}

/// Identity of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Version, such as `3.9.3`.
    pub version: String,
    /// The server id; empty if `conf` was not available.
    pub server_id: String,
    /// `participant` or `observer`; empty if unknown, as on a standalone or read-only server without `conf`.
    pub peer_type: String,
    /// Source of the metrics.
    pub source: Source,
}

/// Source of a member's metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The command `mntr`.
    #[default]
    Mntr,
    /// ZooKeeper's own metrics endpoint.
    Native,
    /// The AdminServer's `monitor`.
    AdminServer,
    /// The command `srvr` alone.
    Srvr,
}

impl Source {
    /// The label value.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Mntr => "mntr",
            Self::Native => "native",
            Self::AdminServer => "adminserver",
            Self::Srvr => "srvr",
        }
    }
}

/// Server state: one of seven, or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Leader.
    Leader,
    /// Follower.
    Follower,
    /// Observer.
    Observer,
    /// Standalone server.
    Standalone,
    /// Read-only: cut off from the quorum, serves reads.
    ReadOnly,
    /// Running, but not serving clients.
    NotServing,
    /// No reply that shows the state.
    NoAnswer,
    /// Not queried because of the exporter's own limits or failures, or reported in words that the exporter does not know.
    /// Has no sample.
    Unknown,
}

impl State {
    /// All states that have a sample, in page order.
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

    /// Parses `zk_server_state`, or `Mode` of `srvr`.
    #[must_use]
    pub fn from_server(text: &str) -> Option<Self> {
        [Self::Leader, Self::Follower, Self::Observer, Self::Standalone, Self::ReadOnly]
            .into_iter()
            .find(|state| state.text().eq_ignore_ascii_case(text.trim()))
    }

    /// Whether clients are served.
    #[must_use]
    pub const fn serves(self) -> bool {
        !matches!(self, Self::NotServing | Self::NoAnswer | Self::Unknown)
    }
}

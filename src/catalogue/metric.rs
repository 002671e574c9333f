//! The shape of one catalogue row: what is known about one `mntr` key, as data.

/// How a key's value behaves, which decides its Prometheus type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Goes up and down.
    Gauge,
    /// Only grows until its server is rebuilt or restarted.
    Counter,
    /// `AvgMinMaxCounter`: avg, min, max, cnt and sum since the start.
    Basic,
    /// `AvgMinMaxPercentileCounter`: the same with p50, p95, p99 and p999.
    Advanced,
    /// A constant 1 whose labels carry the value.
    Info,
}

impl Shape {
    /// Whether the key is one of ZooKeeper's two kinds of summary.
    #[must_use]
    pub const fn is_summary(self) -> bool {
        matches!(self, Self::Basic | Self::Advanced)
    }
}

/// The unit in which the server writes the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things; the name says of what.
    Things,
    /// Milliseconds; exposed as seconds.
    Milliseconds,
    /// Seconds, exposed unchanged.
    Seconds,
    /// Bytes.
    Bytes,
    /// A fraction between 0 and 1.
    Ratio,
}

impl Unit {
    /// Divisor that converts a value to Prometheus' base unit.
    #[must_use]
    pub const fn divisor(self) -> u32 {
        match self {
            Self::Milliseconds => 1000,
            _ => 1,
        }
    }

    /// The base unit as documentation names it.
    #[must_use]
    pub const fn base(self) -> &'static str {
        match self {
            Self::Things => "",
            Self::Milliseconds | Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Ratio => "ratio",
        }
    }
}

/// What the variable part of a key (or a label of the Prometheus dialect) becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// The first path component of a znode: `{znode_root}`.
    Namespace,
    /// A server id: `{peer}`.
    Peer,
    /// A request type: `{op}`.
    Op,
    /// Labels that the Prometheus dialect writes itself and that are kept by name.
    Same(&'static [&'static str]),
}

impl Label {
    /// The label names on the page, in their order.
    #[must_use]
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Namespace => &["znode_root"],
            Self::Peer => &["peer"],
            Self::Op => &["op"],
            Self::Same(names) => names,
        }
    }
}

/// Which values stand for "there is none" and therefore are no samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sentinel {
    /// Every value is a value.
    None,
    /// -1 means unknown, none yet, or no limit.
    MinusOne,
    /// A limit: -1, and anything from 2^63 up, mean that there is none.
    Limit,
}

/// Which members report a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Every serving member.
    All,
    /// The leader only.
    Leader,
    /// Leader, follower and observer: not standalone, not read-only.
    Quorum,
    /// Fed on the leader and on a standalone server; 0 elsewhere.
    LeaderStandalone,
    /// Followers.
    Follower,
    /// Observers.
    Observer,
    /// Followers and observers.
    Learner,
    /// Leader and followers.
    Voter,
    /// The leader, and a follower that serves observers (`observerMasterPort`).
    ObserverMaster,
    /// Members whose client ports are served by Netty.
    Netty,
    /// Members whose client ports are served by NIO.
    Nio,
    /// Members with the optimized watch manager.
    WatchManager,
}

impl Role {
    /// The words of the documentation for it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Leader => "leader",
            Self::Quorum => "leader, follower, observer",
            Self::LeaderStandalone => "leader, standalone",
            Self::Follower => "follower",
            Self::Observer => "observer",
            Self::Learner => "follower, observer",
            Self::Voter => "leader, follower",
            Self::ObserverMaster => "leader, observer master",
            Self::Netty => "all with Netty",
            Self::Nio => "all with NIO",
            Self::WatchManager => "all with the optimized watch manager",
        }
    }
}

/// One row: a key of `mntr` (without `zk_` and without the prefix of a statistic) and its family.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The key as ZooKeeper registers it, for example `znode_count`.
    pub key: &'static str,
    /// The family on the page, without the `_total` of a counter: `zk_znodes`.
    pub name: &'static str,
    /// What kind of value it is.
    pub shape: Shape,
    /// The unit the server writes.
    pub unit: Unit,
    /// What the variable part of the key becomes.
    pub label: Option<Label>,
    /// Which values are no samples.
    pub sentinel: Sentinel,
    /// Who reports it.
    pub role: Role,
    /// The first ZooKeeper release with it.
    pub since: &'static str,
    /// The last release with it, empty while it lives.
    pub until: &'static str,
    /// A whole reply of a release that has the key must hold it: how a cut reply is recognised.
    pub anchor: bool,
    /// Alerts or main dashboards need it: `metrics: essential` shows it.
    pub essential: bool,
    /// Only the Prometheus provider (`exportJvmInfo`) writes it.
    pub provider_only: bool,
    /// Other spellings of the key, in other releases.
    pub aliases: &'static [&'static str],
    /// HELP: one sentence, no final stop, no line break, no backslash.
    pub help: &'static str,
}

const fn metric(key: &'static str, name: &'static str, shape: Shape, help: &'static str) -> Metric {
    Metric {
        key,
        name,
        shape,
        unit: Unit::Things,
        label: None,
        sentinel: Sentinel::None,
        role: Role::All,
        since: "3.6.0",
        until: "",
        anchor: false,
        essential: false,
        provider_only: false,
        aliases: &[],
        help,
    }
}

/// A gauge row.
pub(super) const fn gauge(key: &'static str, name: &'static str, help: &'static str) -> Metric {
    metric(key, name, Shape::Gauge, help)
}

/// A counter row; `name` without `_total`.
pub(super) const fn counter(key: &'static str, name: &'static str, help: &'static str) -> Metric {
    metric(key, name, Shape::Counter, help)
}

/// A row for a summary without percentiles.
pub(super) const fn basic(key: &'static str, name: &'static str, help: &'static str) -> Metric {
    metric(key, name, Shape::Basic, help)
}

/// A row for a summary with percentiles.
pub(super) const fn advanced(key: &'static str, name: &'static str, help: &'static str) -> Metric {
    metric(key, name, Shape::Advanced, help)
}

/// A row whose labels are its value.
pub(super) const fn info(key: &'static str, name: &'static str, help: &'static str) -> Metric {
    metric(key, name, Shape::Info, help)
}

impl Metric {
    pub(super) const fn ms(mut self) -> Self {
        self.unit = Unit::Milliseconds;
        self
    }
    pub(super) const fn seconds(mut self) -> Self {
        self.unit = Unit::Seconds;
        self
    }
    pub(super) const fn bytes(mut self) -> Self {
        self.unit = Unit::Bytes;
        self
    }
    pub(super) const fn ratio(mut self) -> Self {
        self.unit = Unit::Ratio;
        self
    }
    pub(super) const fn by(mut self, label: Label) -> Self {
        self.label = Some(label);
        self
    }
    pub(super) const fn on(mut self, role: Role) -> Self {
        self.role = role;
        self
    }
    pub(super) const fn since(mut self, version: &'static str) -> Self {
        self.since = version;
        self
    }
    pub(super) const fn until(mut self, version: &'static str) -> Self {
        self.until = version;
        self
    }
    pub(super) const fn minus_one_is_none(mut self) -> Self {
        self.sentinel = Sentinel::MinusOne;
        self
    }
    pub(super) const fn limit(mut self) -> Self {
        self.sentinel = Sentinel::Limit;
        self
    }
    pub(super) const fn anchor(mut self) -> Self {
        self.anchor = true;
        self
    }
    pub(super) const fn essential(mut self) -> Self {
        self.essential = true;
        self
    }
    pub(super) const fn provider_only(mut self) -> Self {
        self.provider_only = true;
        self
    }
    pub(super) const fn aliases(mut self, keys: &'static [&'static str]) -> Self {
        self.aliases = keys;
        self
    }
}

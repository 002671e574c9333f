//! One catalogue row: all facts about one `mntr` key, as data.

/// How the value of a key behaves, which determines its Prometheus type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// May increase and decrease.
    Gauge,
    /// Monotonic until the server is restarted or its state is rebuilt.
    Counter,
    /// `AvgMinMaxCounter`: avg, min, max, cnt and sum since the start.
    Basic,
    /// `AvgMinMaxPercentileCounter`: the same with p50, p95, p99 and p999.
    Advanced,
    /// A constant 1 whose labels contain the value.
    Info,
}

impl Shape {
    /// Whether the key is a summary (`Basic` or `Advanced`).
    #[must_use]
    pub const fn is_summary(self) -> bool {
        matches!(self, Self::Basic | Self::Advanced)
    }
}

/// The unit reported by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A count; the name contains its subject.
    Things,
    /// Milliseconds; exported as seconds.
    Milliseconds,
    /// Seconds; exported unchanged.
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
}

/// The label made of the variable part of a key, or the labels of the Prometheus dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// The first path component of a znode: `{znode_root}`.
    Namespace,
    /// A server id: `{peer}`.
    Peer,
    /// A request type: `{op}`.
    Op,
    /// Labels that the Prometheus dialect reports, which keep their names.
    Same(&'static [&'static str]),
}

impl Label {
    /// The label names, in page order.
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

/// Values that mean "no value" and are not exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sentinel {
    /// No such value.
    None,
    /// -1 means unknown, none yet, or no limit.
    MinusOne,
    /// A limit: -1, and values from 2^63 up, mean unlimited.
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
    /// Updated on the leader and on a standalone server; 0 elsewhere.
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

/// One row: a key of `mntr` (without `zk_` and without the prefix of a statistic) and its family.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The key as ZooKeeper registers it, for example `znode_count`.
    pub key: &'static str,
    /// The family name, without the `_total` of a counter: `zk_znodes`.
    pub name: &'static str,
    /// How the value behaves.
    pub shape: Shape,
    /// The unit reported by the server.
    pub unit: Unit,
    /// The label made of the variable part of the key.
    pub label: Option<Label>,
    /// Values that mean "no value".
    pub sentinel: Sentinel,
    /// The members that report it.
    pub role: Role,
    /// The first ZooKeeper release that has it.
    pub since: &'static str,
    /// The last ZooKeeper release that has it; empty if it still exists.
    pub until: &'static str,
    /// Every complete reply of a release that has the key contains it; used to recognise truncated replies.
    pub anchor: bool,
    /// Required by alerts or main dashboards; part of `metrics: essential`.
    pub essential: bool,
    /// Only reported by the Prometheus provider (`exportJvmInfo`).
    pub provider_only: bool,
    /// Other spellings of the key in other releases.
    pub aliases: &'static [&'static str],
    /// HELP text: one sentence, without a final period, line breaks or backslashes.
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

/// A row whose value is in its labels.
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

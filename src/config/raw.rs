//! The configuration file as written: types for serde, without validation.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::alerts::RawAlerts;
use super::probes::{RawAlarms, RawCanary, RawClients, RawDigests, RawSession, RawZnodes};
use super::tls::RawTls;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    /// The ensembles to monitor.
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) ensembles: Vec<RawEnsemble>,
    /// Named settings for querying members; `default` applies to ensembles without `module`.
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) modules: BTreeMap<String, Option<RawModule>>,
    /// Targets that `/probe` may query in addition to the configured members.
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) probe: RawProbe,
    /// Alert limits for the main client: `default`, `kafka`, `hadoop`, `hbase`, `solr` or `clickhouse`; `alerts`
    /// overrides them.
    pub(super) profile: Option<Spanned<String>>,
    /// Thresholds, and options of the alert rules.
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) alerts: RawAlerts,
}

/// Treats a key without a value as absent, e.g. if everything below it is commented out.
fn or_nothing<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// One ensemble.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEnsemble {
    /// The value of the label `ensemble`.
    pub(super) name: Spanned<String>,
    /// Its members.
    pub(super) members: Spanned<Vec<Spanned<RawMember>>>,
    /// Source of the current members. `static` (the default): the configured members; `dns`: every address of the
    /// configured names; `conf`: the membership in the `conf` reply of a configured member.
    pub(super) discovery: Option<Spanned<String>>,
    /// Regular expression over the host names of the members; its first group is the zone of a member without `zone`,
    /// for example `\.(az[0-9])\.`.
    pub(super) zone_pattern: Option<Spanned<String>>,
    /// The module to query them with; `default` by default.
    pub(super) module: Option<Spanned<String>>,
    /// The profile of this ensemble; the file's `profile` by default.
    pub(super) profile: Option<Spanned<String>>,
}

/// One member, in its short or long form.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a member as HOST:PORT or {address: HOST:PORT, role: observer}")]
pub(super) enum RawMember {
    /// `zk-1:2181`.
    Short(String),
    /// `{address: zk-4:2181, role: observer}`.
    Long(RawLongMember),
}

/// The long form of a member.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLongMember {
    /// `host:port`.
    pub(super) address: String,
    /// `participant` (the default) or `observer`.
    pub(super) role: Option<String>,
    /// The zone that it fails with: an availability zone, a data centre, a rack.
    pub(super) zone: Option<String>,
}

/// How members are queried.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawModule {
    /// Per-member timeout, `5s` by default.
    pub(super) timeout: Option<Spanned<String>>,
    /// Four-letter commands to send; `[mntr, srvr, conf]` by default.
    pub(super) commands: Option<Spanned<Vec<Spanned<String>>>>,
    /// Connect to the members over TLS (`secureClientPort`); `{}` for the system's CAs and no client certificate.
    pub(super) tls: Option<RawTls>,
    /// ZooKeeper's own metrics endpoint (`PrometheusMetricsProvider`), queried where `mntr` is refused or answered with
    /// "not serving", `http://{host}:7000/metrics`.
    pub(super) native: Option<Spanned<String>>,
    /// The AdminServer to query when `mntr` is refused or answered with "not serving" (`leaderServes=no`),
    /// `http://{host}:8080`.
    pub(super) admin: Option<Spanned<String>>,
    /// The exported families: `all` (the default), `essential` (those of the alerts and main dashboards), or a list of
    /// name patterns. The exporter's own metrics are always exported.
    pub(super) metrics: Option<Spanned<RawMetrics>>,
    /// Read the processes of members that run on this host, `false` by default.
    pub(super) host: Option<bool>,
    /// Parameters of client sessions.
    pub(super) session: Option<RawSession>,
    /// A client that verifies that the ensemble works.
    pub(super) canary: Option<RawCanary>,
    /// Znodes that are read as numbers.
    pub(super) znodes: Option<RawZnodes>,
    /// Location of the thresholds of znodes.
    pub(super) alarms: Option<RawAlarms>,
    /// Compare the data of the members by the digests of their trees (command `hash`, 3.6 and later).
    pub(super) digests: Option<RawDigests>,
    /// Sum the connections of the members by client address (command `cons`).
    pub(super) clients: Option<RawClients>,
}

/// `all`, `essential`, or patterns.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected all, essential, or a list of patterns such as [zk_fsync*, zk_znodes]")]
pub(super) enum RawMetrics {
    /// `all` or `essential`.
    Word(String),
    /// `[zk_fsync*, zk_znodes]`.
    Globs(Vec<String>),
}

/// Targets of `/probe`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProbe {
    /// Networks (`10.0.0.0/8:2181`) and name patterns (`*.zk.example.com:2181-2183`), each with a port, a port range,
    /// or neither for every port. Empty (the default): only configured members may be queried.
    #[serde(default)]
    pub(super) allow: Vec<Spanned<String>>,
}

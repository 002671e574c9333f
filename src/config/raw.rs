//! The configuration file as written: types for serde, nothing validated yet.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::alerts::RawAlerts;
use super::extras::{RawAlarms, RawCanary, RawSession, RawZnodes};
use super::tls::RawTls;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// The ensembles to watch.
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) ensembles: Vec<Ensemble>,
    /// Named ways to ask a member; `default` is used where an ensemble names none.
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) modules: BTreeMap<String, Option<Module>>,
    /// Whom `/probe` may ask beside the members of the ensembles above.
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) probe: Probe,
    /// What uses the ensembles: `default`, `kafka`, `hadoop`, `hbase`, `solr` or `clickhouse`; limits of alerts by it, which
    /// `alerts` may change again.
    pub(super) profile: Option<Spanned<String>>,
    /// Thresholds, and how the alert rules are written.
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) alerts: RawAlerts,
}

/// A key with nothing behind it, as is left when all that stood under it is commented out, is as good as no key.
fn or_nothing<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// One ensemble.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ensemble {
    /// The value of the label `ensemble`.
    pub(super) name: Spanned<String>,
    /// Its members.
    pub(super) members: Spanned<Vec<Spanned<Member>>>,
    /// Where the present members come from: `static` (the default): the members written; `dns`: every address of the
    /// names written; `conf`: the servers of the membership that any member written tells in its `conf`.
    pub(super) discovery: Option<Spanned<String>>,
    /// The module to ask them with; `default` where it is left out.
    pub(super) module: Option<Spanned<String>>,
    /// What uses this ensemble, where that is not the file's `profile`.
    pub(super) profile: Option<Spanned<String>>,
}

/// One member, in its short or long form.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a member as HOST:PORT or {address: HOST:PORT, role: observer}")]
pub(super) enum Member {
    /// `zk-1:2181`.
    Short(String),
    /// `{address: zk-4:2181, role: observer}`.
    Long(LongMember),
}

/// The long form of a member.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LongMember {
    /// `host:port`.
    pub(super) address: String,
    /// `participant` (the default) or `observer`.
    pub(super) role: Option<String>,
}

/// How members are asked.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Module {
    /// Most time for a member, `5s`.
    pub(super) timeout: Option<Spanned<String>>,
    /// The words to ask.
    pub(super) commands: Option<Spanned<Vec<Spanned<String>>>>,
    /// Speak TLS to the members (`secureClientPort`); `{}` for the system's CAs and no certificate of one's own.
    pub(super) tls: Option<RawTls>,
    /// The AdminServer to ask where `mntr` is refused or answered with "not serving" (`leaderServes=no`), `http://{host}:8080`.
    pub(super) admin: Option<Spanned<String>>,
    /// The families on the page: `all` (the default), `essential` (what alerts and main dashboards need), or a list of
    /// patterns for their names. What the exporter says itself is always there.
    pub(super) metrics: Option<Spanned<Metrics>>,
    /// Read the processes of members on this host.
    pub(super) host: Option<bool>,
    /// How sessions are made.
    pub(super) session: Option<RawSession>,
    /// A client that proves that the ensemble works.
    pub(super) canary: Option<RawCanary>,
    /// Znodes that are read as numbers.
    pub(super) znodes: Option<RawZnodes>,
    /// Where the thresholds of znodes stand.
    pub(super) alarms: Option<RawAlarms>,
}

/// `all`, `essential`, or patterns.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected all, essential, or a list of patterns such as [zk_fsync*, zk_znodes]")]
pub(super) enum Metrics {
    /// `all` or `essential`.
    Word(String),
    /// `[zk_fsync*, zk_znodes]`.
    Globs(Vec<String>),
}

/// Whom `/probe` may ask.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Probe {
    /// Networks (`10.0.0.0/8:2181`) and patterns for names (`*.zk.example.com:2181-2183`), each with a port, a range of
    /// ports, or none for every port. Empty, the default: only configured members may be asked.
    #[serde(default)]
    pub(super) allow: Vec<Spanned<String>>,
}

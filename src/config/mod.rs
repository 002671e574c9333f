//! Configuration from flags and file, parsed and validated.

mod address;
mod alerts;
pub(crate) mod bounded_read;
pub mod choice;
mod command;
mod discovery;
mod duration;
mod error;
mod file;
pub mod fingerprint;
mod flags;
mod http_url;
pub mod pem;
pub mod probe;
pub mod probes;
pub mod rate_limit;
mod raw;
pub mod reach;
mod server_url;
mod template;
mod tls;
pub mod web;
mod web_crypto;
pub mod znode;
mod zone;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use address::{
    Address, BadAddress, DEFAULT_PORT, canonical, is_number, is_same_host, is_wildcard, without_interface,
};
pub use alerts::{AlertSetting, Alerts, LevelSetting, Located};
pub use choice::Choice;
pub use command::Command;
pub use discovery::Discovery;
pub use duration::{BadDuration, parse as parse_duration, parse_years};
pub use error::{ConfigError, Place};
pub use file::{load, parse};
pub use flags::{DEFAULT_ENSEMBLE, from_flags, member_list};
pub use http_url::HttpUrl;
pub use probe::ProbeConfig;
pub use probes::Probes;
pub use reach::{Reach, is_loopback};
pub use server_url::{ServerUrl, UrlForm};
pub use tls::{TlsConfig, TlsVersion};
pub use zone::ZonePattern;

/// The active configuration: immutable and shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The ensembles, in the configured order.
    pub ensembles: Vec<EnsembleConfig>,
    /// The modules by name; `default` always exists.
    pub modules: BTreeMap<String, Arc<Module>>,
    /// The targets that `/probe` may query, in addition to configured members.
    pub probe: ProbeConfig,
    /// Settings of the alerts.
    pub alerts: Alerts,
    /// Metric name patterns of all modules; validated against the catalogue by the caller.
    pub patterns: Vec<Located<String>>,
}

/// One ensemble as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnsembleConfig {
    /// The value of the label `ensemble`.
    pub name: String,
    /// Its members, in the configured order; never empty. With a discovery, the starting point.
    pub members: Vec<MemberConfig>,
    /// The source of its current members.
    pub discovery: Discovery,
    /// Finds the zone of members without `zone` in their host names.
    pub zone_pattern: Option<ZonePattern>,
    /// The name of its module.
    pub module_name: String,
    /// How its members are queried.
    pub module: Arc<Module>,
}

/// One member as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberConfig {
    /// Its address; the text is the value of the label `member`.
    pub address: Address,
    /// Whether it is configured as an observer, which does not vote.
    pub observer: bool,
    /// Its zone.
    pub zone: Option<String>,
}

/// How the members of an ensemble are queried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Timeout of one member in one scrape.
    pub timeout: Duration,
    /// The commands to send.
    pub commands: Vec<Command>,
    /// TLS to the members; `None` for plain TCP.
    pub tls: Option<TlsConfig>,
    /// ZooKeeper's own metrics endpoint, queried if `mntr` is refused or answered with "not serving".
    pub native: Option<HttpUrl>,
    /// The AdminServer, queried in the same cases. It reports the state, so it is queried before the metrics endpoint
    /// if the member does not serve, otherwise after it.
    pub admin: Option<HttpUrl>,
    /// The exported families.
    pub metrics: Choice,
    /// Optional probes in addition to commands; none by default.
    pub probes: Probes,
}

impl Default for Module {
    fn default() -> Self {
        let commands = vec![Command::Mntr, Command::Srvr, Command::Conf];
        Self {
            timeout: Duration::from_secs(5),
            commands,
            tls: None,
            native: None,
            admin: None,
            metrics: Choice::All,
            probes: Probes::default(),
        }
    }
}

/// Limits that a normal deployment does not reach. Each has a flag, and a metric that shows when it was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum size of a reply in bytes; a larger one is `zk_scrape_failure{reason="too_large"}`.
    pub reply_bytes: usize,
    /// Maximum number of series per member; further ones are counted in
    /// `zk_exporter_dropped_samples_total{reason="cap"}`.
    pub series_per_member: usize,
    /// Maximum number of open connections to members, a quarter of them for `/probe`. If none is free in time, the
    /// failure is `zk_scrape_failure{reason="limit"}`.
    pub sockets: usize,
    /// Maximum number of discovered members per ensemble; others are counted in `zk_exporter_dropped_members_total`.
    pub members_per_ensemble: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { reply_bytes: 4 << 20, series_per_member: 10_000, sockets: 4096, members_per_ensemble: 255 }
    }
}

/// Maximum number of configured members of one ensemble.
pub const MAX_MEMBERS: usize = 1000;

/// The module of ensembles without `module`.
pub const DEFAULT_MODULE: &str = "default";

/// Accepts names that can be used in a label value, a URL and a file name.
pub(crate) fn check_ensemble_name(name: &str) -> Result<(), String> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if first && rest && name.len() <= 128 {
        Ok(())
    } else {
        Err(format!(
            "invalid ensemble name `{name}`: expected at most 128 letters, digits, `-`, `_` and `.`, e.g. prod-eu"
        ))
    }
}

/// Refuses an empty list, too many members, and duplicate addresses.
fn check_members(ensemble: &str, members: &[MemberConfig]) -> Result<(), (usize, String)> {
    if members.is_empty() {
        return Err((0, format!("ensemble `{ensemble}` has no members: expected HOST:PORT, e.g. zk-1:2181")));
    }
    if members.len() > MAX_MEMBERS {
        return Err((
            MAX_MEMBERS,
            format!("ensemble `{ensemble}` has {} members: expected at most {MAX_MEMBERS}", members.len()),
        ));
    }
    let mut seen = BTreeMap::new();
    for (place, member) in members.iter().enumerate() {
        if seen.insert(&member.address, place).is_some() {
            return Err((place, format!("duplicate member `{}` of ensemble `{ensemble}`", member.address)));
        }
    }
    Ok(())
}

/// Refuses duplicate ensemble names.
fn check_ensembles(ensembles: &[EnsembleConfig]) -> Result<(), (usize, String)> {
    let mut seen = BTreeMap::new();
    for (place, ensemble) in ensembles.iter().enumerate() {
        if seen.insert(&ensemble.name, place).is_some() {
            return Err((
                place,
                format!("duplicate ensemble `{}`: expected distinct names, e.g. {0}-2", ensemble.name),
            ));
        }
    }
    Ok(())
}

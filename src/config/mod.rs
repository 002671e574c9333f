//! What the exporter is told to do: flags and file, validated, with one clear error per mistake.

mod address;
mod alerts;
pub mod choice;
mod command;
mod discovery;
mod duration;
mod error;
pub mod extras;
mod file;
mod flags;
pub mod pem;
pub mod probe;
mod raw;
pub mod reach;
pub mod stamp;
mod template;
mod tls;
pub mod web;
pub(crate) mod whole;
pub mod znode;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use address::{Address, BadAddress, DEFAULT_PORT, canonical, is_number, is_same_host, is_wildcard};
pub use alerts::{AlertSetting, Alerts, LevelSetting, Located};
pub use choice::Choice;
pub use command::Command;
pub use discovery::Discovery;
pub use duration::{BadDuration, parse as parse_duration};
pub use error::{ConfigError, Place};
pub use extras::Extras;
pub use file::{load, parse};
pub use flags::{DEFAULT_ENSEMBLE, from_flags, member_list};
pub use probe::ProbeConfig;
pub use reach::Reach;
pub use tls::{AdminUrl, TlsConfig, TlsVersion};

/// The active configuration: immutable and shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The ensembles, in the order written.
    pub ensembles: Vec<EnsembleConfig>,
    /// The modules by name; `default` is always there.
    pub modules: BTreeMap<String, Arc<Module>>,
    /// Whom `/probe` may ask outside the configuration.
    pub probe: ProbeConfig,
    /// What the user wants of the alerts.
    pub alerts: Alerts,
    /// Metric name patterns of all modules; validated against the catalogue by the caller.
    pub patterns: Vec<Located<String>>,
}

/// One ensemble as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnsembleConfig {
    /// The value of the label `ensemble`.
    pub name: String,
    /// Its members, in the order written; never empty. With a discovery, where it begins.
    pub members: Vec<MemberConfig>,
    /// Where its present members come from.
    pub discovery: Discovery,
    /// The name of its module.
    pub module_name: String,
    /// How they are asked.
    pub module: Arc<Module>,
}

/// One member as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberConfig {
    /// Where it listens; its text is the value of the label `member`.
    pub address: Address,
    /// It is said to be an observer: no voter.
    pub observer: bool,
}

/// How the members of an ensemble are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Most time for one member in one scrape.
    pub timeout: Duration,
    /// The commands asked.
    pub commands: Vec<Command>,
    /// TLS to the members; `None` for plain TCP.
    pub tls: Option<TlsConfig>,
    /// Who is asked where `mntr` is refused, or its member says that it serves no clients.
    pub admin: Option<AdminUrl>,
    /// Which families stand on the page.
    pub metrics: Choice,
    /// What is watched beyond commands; nothing by default.
    pub extras: Extras,
}

impl Default for Module {
    fn default() -> Self {
        let commands = vec![Command::Mntr, Command::Srvr, Command::Conf];
        Self {
            timeout: Duration::from_secs(5),
            commands,
            tls: None,
            admin: None,
            metrics: Choice::All,
            extras: Extras::default(),
        }
    }
}

/// Caps that a real deployment never meets; each has a flag and a metric that says when it bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes read of one reply; more is `zk_scrape_failure{reason="too_large"}`.
    pub reply_bytes: usize,
    /// Series of one member; more is counted in `zk_exporter_dropped_samples_total{reason="cap"}`.
    pub series_per_member: usize,
    /// Open connections to members, a quarter of them for probes; none in time is `zk_scrape_failure{reason="limit"}`.
    pub sockets: usize,
    /// Members of one ensemble that discovery may find; more is counted in `zk_exporter_dropped_members_total`.
    pub members_per_ensemble: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { reply_bytes: 4 << 20, series_per_member: 10_000, sockets: 4096, members_per_ensemble: 255 }
    }
}

/// The most members one ensemble may list.
pub const MAX_MEMBERS: usize = 1000;

/// The module of ensembles that name none.
pub const DEFAULT_MODULE: &str = "default";

/// A name that is safe as a label value, in a URL and in a file name.
pub(crate) fn check_ensemble_name(name: &str) -> Result<(), String> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if first && rest && name.len() <= 128 {
        Ok(())
    } else {
        Err(format!(
            "`{name}` is no ensemble name; write letters, digits, `-`, `_` and `.`, beginning with a letter or digit, for example prod-eu"
        ))
    }
}

/// Refuses a second member of the same address.
fn check_members(ensemble: &str, members: &[MemberConfig]) -> Result<(), (usize, String)> {
    if members.is_empty() {
        return Err((
            0,
            format!("ensemble `{ensemble}` has no members; write at least one HOST:PORT, for example zk-1:2181"),
        ));
    }
    if members.len() > MAX_MEMBERS {
        return Err((
            MAX_MEMBERS,
            format!("ensemble `{ensemble}` has {} members, the most is {MAX_MEMBERS}; split it", members.len()),
        ));
    }
    let mut seen = BTreeMap::new();
    for (place, member) in members.iter().enumerate() {
        if seen.insert(&member.address, place).is_some() {
            return Err((
                place,
                format!("member `{}` of ensemble `{ensemble}` is listed twice; remove one", member.address),
            ));
        }
    }
    Ok(())
}

/// Refuses a second ensemble of the same name.
fn check_ensembles(ensembles: &[EnsembleConfig]) -> Result<(), (usize, String)> {
    let mut seen = BTreeMap::new();
    for (place, ensemble) in ensembles.iter().enumerate() {
        if seen.insert(&ensemble.name, place).is_some() {
            return Err((
                place,
                format!("ensemble `{}` is configured twice; give each its own name, for example {0}-2", ensemble.name),
            ));
        }
    }
    Ok(())
}

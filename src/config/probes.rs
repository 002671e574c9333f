//! The optional probes of a module in addition to commands: host process, canary, znodes, alarms, digests and clients.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::bounded_read;
use super::duration;
use super::error::Mistake;
use super::tls::below;
use super::znode::{self, AclEntry, ZnodePath};

/// `session:` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSession {
    /// Requested session timeout, `10s` by default.
    timeout: Option<Spanned<String>>,
    /// A file with `user:password` for the scheme `digest`.
    digest_file: Option<Spanned<String>>,
    /// ACL of created znodes, `scheme:id:perms`.
    acl: Option<Spanned<Vec<Spanned<String>>>>,
}

/// `canary:` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCanary {
    /// Parent of the canary's znode, `/zookeeper-exporter/canary` by default.
    path: Option<Spanned<String>>,
    /// Interval of the rounds, `30s` by default.
    interval: Option<Spanned<String>>,
    /// Timeout of one round, `5s` by default.
    timeout: Option<Spanned<String>>,
    /// Also run one canary per member, in addition to the one for the ensemble.
    #[serde(default)]
    per_member: bool,
}

/// `znodes:` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawZnodes {
    /// The znodes: `/cpu_usage`, or `{path: /app/status, pointer: /queue/length}` for a number within JSON.
    paths: Spanned<Vec<Spanned<RawPath>>>,
    /// Interval of the readings, `15s` by default.
    interval: Option<Spanned<String>>,
    /// Maximum data of one znode in bytes, 1 to 1048576; 65536 by default.
    max_bytes: Option<Spanned<i64>>,
    /// Maximum number of znodes, 1 to 10000; 500 by default.
    max_znodes: Option<Spanned<i64>>,
}

/// A path, with or without a JSON pointer.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a path as /cpu_usage or {path: /app/status, pointer: /queue/length}")]
pub(super) enum RawPath {
    Short(String),
    Long(RawPointed),
}

/// The long form of a path.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPointed {
    /// The znode.
    path: String,
    /// The pointer into its JSON (RFC 6901).
    pointer: Option<String>,
    /// Whether the data is a number, `true` by default; `false` reads only the children and the time of the last change.
    value: Option<bool>,
}

/// `alarms:` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAlarms {
    /// Parent of the alarm znodes, `/alarm` by default.
    root: Option<Spanned<String>>,
}

/// `digests:` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDigests {
    /// How often the digests of all members are read.
    interval: Option<Spanned<String>>,
}

/// `clients:` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClients {
    /// How often the connections of all members are read.
    interval: Option<Spanned<String>>,
    /// Number of clients with series of their own, 1 to 100; the rest is `client="other"`. 10 by default.
    top: Option<Spanned<i64>>,
    /// Prefix length to which IPv4 addresses are masked, 1 to 32; IPv6 addresses to 64 bits, or 48 for less than 24.
    mask: Option<Spanned<i64>>,
}

/// The validated probes of a module; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    /// Whether to read the processes of members that run on this host.
    pub host: bool,
    /// Parameters of the sessions of canary, znodes and alarms.
    pub session: SessionConfig,
    /// The canary.
    pub canary: Option<CanaryConfig>,
    /// Znodes that are read as numbers.
    pub znodes: Option<ZnodesConfig>,
    /// Location of the alarm thresholds.
    pub alarms: AlarmsConfig,
    /// Comparison of the data of the members.
    pub digests: Option<DigestsConfig>,
    /// Connections by client address.
    pub clients: Option<ClientsConfig>,
}

/// Parameters of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// The requested session timeout; the server may grant a different one.
    pub timeout: Duration,
    /// The file with `user:password` for the scheme `digest`.
    pub digest_file: Option<PathBuf>,
    /// The ACL of created znodes; empty for the default.
    pub acl: Vec<AclEntry>,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), digest_file: None, acl: Vec::new() }
    }
}

/// The canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanaryConfig {
    /// Parent of its znode.
    pub path: String,
    /// Time between the starts of two rounds.
    pub interval: Duration,
    /// Timeout of a round.
    pub timeout: Duration,
    /// Whether each member has its own canary, in addition to the one for the ensemble.
    pub per_member: bool,
}

impl Default for CanaryConfig {
    fn default() -> Self {
        let (interval, timeout) = (Duration::from_secs(30), Duration::from_secs(5));
        Self { path: "/zookeeper-exporter/canary".into(), interval, timeout, per_member: false }
    }
}

/// Znodes that are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZnodesConfig {
    /// The paths, in the configured order.
    pub paths: Vec<ZnodePath>,
    /// Time between the starts of two readings.
    pub interval: Duration,
    /// Maximum size of a znode's data; larger data is not read.
    pub max_bytes: u32,
    /// Maximum number of znodes that all globs together may match.
    pub max_znodes: u32,
}

/// Alarm thresholds in znodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmsConfig {
    /// Root of the alarm znodes: the threshold of a znode is stored at the same path below the root.
    pub root: String,
}

impl Default for AlarmsConfig {
    fn default() -> Self {
        Self { root: "/alarm".into() }
    }
}

/// Comparison of the members' data by the digests of their trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestsConfig {
    /// Time between two readings of all members.
    pub interval: Duration,
}

/// Connections summed by client address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientsConfig {
    /// Time between two readings of all members.
    pub interval: Duration,
    /// Number of clients with series of their own, per family.
    pub top: usize,
    /// The mask of client addresses, if they are masked.
    pub mask: Option<AddressMask>,
}

impl Default for ClientsConfig {
    fn default() -> Self {
        Self { interval: Duration::from_mins(1), top: 10, mask: None }
    }
}

/// Prefix lengths to which client addresses are masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressMask {
    ipv4: u8,
}

impl AddressMask {
    /// A mask with a prefix length for IPv4, 1 to 32.
    #[must_use]
    pub fn new(ipv4: u8) -> Option<Self> {
        (1..=32).contains(&ipv4).then_some(Self { ipv4 })
    }

    /// The prefix length for an address: a network of one host or more (/24 and longer) corresponds to an IPv6 subnet, a
    /// shorter one to a site.
    #[must_use]
    pub const fn prefix(self, address: IpAddr) -> u8 {
        match address {
            IpAddr::V4(_) => self.ipv4,
            IpAddr::V6(_) if self.ipv4 >= 24 => 64,
            IpAddr::V6(_) => 48,
        }
    }
}

/// Minimum interval, which limits the load on the ensemble.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Minimum interval of the digests; a reply to `hash` has about 30 kB.
const MIN_DIGEST_INTERVAL: Duration = Duration::from_secs(5);

/// Minimum interval of the clients; a reply to `cons` has about 200 bytes per connection.
const MIN_CLIENTS_INTERVAL: Duration = Duration::from_secs(10);

/// Maximum number of clients with series of their own.
const MAX_TOP: u8 = 100;

/// Maximum number of configured paths.
const MAX_PATHS: usize = 200;

/// Maximum configurable data size of a znode: the default of `jute.maxbuffer`.
const MAX_DATA_BYTES: u32 = 1 << 20;

/// Validates the keys of a module.
#[expect(clippy::too_many_arguments, reason = "one for each key")]
pub(super) fn validate(
    folder: &Path,
    host: Option<bool>,
    session: Option<RawSession>,
    canary: Option<RawCanary>,
    znodes: Option<RawZnodes>,
    alarms: Option<RawAlarms>,
    digests: Option<RawDigests>,
    clients: Option<RawClients>,
) -> Result<Probes, Mistake> {
    Ok(Probes {
        host: host.unwrap_or(false),
        session: session.map(|session| session.validate(folder)).transpose()?.unwrap_or_default(),
        canary: canary.map(RawCanary::validate).transpose()?,
        znodes: znodes.map(RawZnodes::validate).transpose()?,
        alarms: alarms.map(RawAlarms::validate).transpose()?.unwrap_or_default(),
        digests: digests.map(RawDigests::validate).transpose()?,
        clients: clients.map(RawClients::validate).transpose()?,
    })
}

impl RawSession {
    fn validate(self, folder: &Path) -> Result<SessionConfig, Mistake> {
        let default = SessionConfig::default();
        let timeout = time(self.timeout.as_ref(), default.timeout, MIN_INTERVAL)?;
        let digest_file = match self.digest_file {
            None => None,
            Some(file) => {
                let path = below(folder, &file.value);
                digest(&path).map_err(|message| (file.referenced, format!("digest_file: {message}")))?;
                Some(path)
            }
        };
        let entry = |text: Spanned<String>| text.value.parse().map_err(|message| (text.referenced, message));
        let acl = self.acl.map(|acl| acl.value.into_iter().map(entry).collect()).transpose()?.unwrap_or_default();
        Ok(SessionConfig { timeout, digest_file, acl })
    }
}

/// Reads `user:password` from a file; a trailing line break is not part of the password.
///
/// # Errors
/// What is wrong with the file, in one line without the secret.
pub fn digest(path: &Path) -> Result<String, String> {
    const MAX_BYTES: u64 = 4096;
    let name = path.display();
    let unreadable = |error| format!("cannot read {name}: {error} (expected a file with user:password)");
    let text = bounded_read::text(path, MAX_BYTES).map_err(unreadable)?;
    let text = text.trim_end_matches(['\n', '\r']);
    match text.split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("invalid content of {name}: expected user:password on one line")),
    }
}

impl RawCanary {
    fn validate(self) -> Result<CanaryConfig, Mistake> {
        let default = CanaryConfig::default();
        let path = match &self.path {
            None => default.path,
            Some(path) => znode::plain(&path.value).map_err(|message| (path.referenced, message))?,
        };
        let interval = time(self.interval.as_ref(), default.interval, MIN_INTERVAL)?;
        let timeout = time(self.timeout.as_ref(), default.timeout.min(interval), Duration::from_millis(1))?;
        if let Some(written) = self.timeout.filter(|_| timeout > interval) {
            let message = "the canary's timeout exceeds its interval: expected at most the interval";
            return Err((written.referenced, message.into()));
        }
        Ok(CanaryConfig { path, interval, timeout, per_member: self.per_member })
    }
}

impl RawZnodes {
    fn validate(self) -> Result<ZnodesConfig, Mistake> {
        let interval = time(self.interval.as_ref(), Duration::from_secs(15), MIN_INTERVAL)?;
        let max_bytes = within(self.max_bytes.as_ref(), MAX_DATA_BYTES)?.unwrap_or(64 << 10);
        let max_znodes = within(self.max_znodes.as_ref(), 10_000)?.unwrap_or(500);
        if self.paths.value.is_empty() {
            return Err((self.paths.referenced, "empty list of paths: expected e.g. [/cpu_usage]".into()));
        }
        if self.paths.value.len() > MAX_PATHS {
            return Err((
                self.paths.referenced,
                format!("too many paths: expected at most {MAX_PATHS}, or a glob, e.g. /app/*/load"),
            ));
        }
        let mut paths: Vec<ZnodePath> = Vec::new();
        for written in self.paths.value {
            let place = written.referenced;
            let (path, pointer, value) = match written.value {
                RawPath::Short(path) => (path, None, true),
                RawPath::Long(long) => (long.path, long.pointer, long.value.unwrap_or(true)),
            };
            let path = ZnodePath::new(&path, pointer.as_deref()).map_err(|message| (place, message))?;
            let path = if value { path } else { path.without_value().map_err(|message| (place, message))? };
            if paths.contains(&path) {
                return Err((place, format!("duplicate path {path}")));
            }
            paths.push(path);
        }
        Ok(ZnodesConfig { paths, interval, max_bytes, max_znodes })
    }
}

impl RawAlarms {
    fn validate(self) -> Result<AlarmsConfig, Mistake> {
        let Some(root) = self.root else { return Ok(AlarmsConfig::default()) };
        let root = znode::plain(&root.value).map_err(|message| (root.referenced, message))?;
        Ok(AlarmsConfig { root })
    }
}

impl RawDigests {
    fn validate(self) -> Result<DigestsConfig, Mistake> {
        let interval = time(self.interval.as_ref(), Duration::from_mins(1), MIN_DIGEST_INTERVAL)?;
        Ok(DigestsConfig { interval })
    }
}

impl RawClients {
    fn validate(self) -> Result<ClientsConfig, Mistake> {
        let default = ClientsConfig::default();
        let interval = time(self.interval.as_ref(), default.interval, MIN_CLIENTS_INTERVAL)?;
        let top = within(self.top.as_ref(), MAX_TOP)?.map_or(default.top, usize::from);
        let mask = within(self.mask.as_ref(), 32)?.and_then(AddressMask::new);
        Ok(ClientsConfig { interval, top, mask })
    }
}

/// A number from 1 to `max`, if one is written.
fn within<N>(written: Option<&Spanned<i64>>, max: N) -> Result<Option<N>, Mistake>
where
    N: TryFrom<i64> + From<u8> + PartialOrd + Copy + std::fmt::Display,
{
    let Some(number) = written else { return Ok(None) };
    let fitting = N::try_from(number.value).ok().filter(|number| (N::from(1)..=max).contains(number));
    let message = || (number.referenced, format!("{} is out of range: expected 1 to {max}", number.value));
    fitting.map(Some).ok_or_else(message)
}

fn time(written: Option<&Spanned<String>>, default: Duration, min: Duration) -> Result<Duration, Mistake> {
    let Some(written) = written else { return Ok(default) };
    let time = duration::parse(&written.value).map_err(|error| (written.referenced, error.to_string()))?;
    if time < min {
        return Err((written.referenced, format!("duration `{}` too short: expected at least {min:?}", written.value)));
    }
    Ok(time)
}

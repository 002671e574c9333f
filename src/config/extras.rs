//! What a module watches beyond the four-letter words: the host's process, a canary, znodes and their alarms.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::duration;
use super::tls::below;
use super::whole;
use super::znode::{self, AclEntry, ZnodePath};

/// `session:` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSession {
    /// The timeout that sessions ask for.
    timeout: Option<Spanned<String>>,
    /// A file with `user:password` for the scheme `digest`.
    digest_file: Option<Spanned<String>>,
    /// The ACL of znodes that are made, `scheme:id:perms`.
    acl: Option<Spanned<Vec<Spanned<String>>>>,
}

/// `canary:` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCanary {
    /// The znode below which it works.
    path: Option<Spanned<String>>,
    /// How often.
    interval: Option<Spanned<String>>,
    /// Most time for one round.
    timeout: Option<Spanned<String>>,
    /// One canary for each member too, beside the one for the ensemble.
    #[serde(default)]
    per_member: bool,
}

/// `znodes:` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawZnodes {
    /// The znodes: `/cpu_usage`, or `{path: /app/status, pointer: /queue/length}` for a number within JSON.
    paths: Spanned<Vec<Spanned<RawPath>>>,
    /// How often they are read.
    interval: Option<Spanned<String>>,
    /// Most bytes of one znode, 1 to 1048576.
    max_bytes: Option<Spanned<i64>>,
    /// Most znodes in all, 1 to 10000.
    max_znodes: Option<Spanned<i64>>,
}

/// A path, alone or with the pointer into its JSON.
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
}

/// `alarms:` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAlarms {
    /// The znode below which the thresholds stand.
    root: Option<Spanned<String>>,
}

/// All of it, validated; the default watches nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Read the processes of members that run on this host.
    pub host: bool,
    /// How sessions are made, for canary, znodes and alarms alike.
    pub session: SessionConfig,
    /// A client that proves that the ensemble works.
    pub canary: Option<CanaryConfig>,
    /// Znodes that are read as numbers.
    pub znodes: Option<ZnodesConfig>,
    /// Where alarm thresholds stand.
    pub alarms: AlarmsConfig,
}

/// How sessions are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// The session timeout that is asked for; the server may grant another.
    pub timeout: Duration,
    /// Where `user:password` for the scheme `digest` stands.
    pub digest_file: Option<PathBuf>,
    /// The ACL of what is made; empty for the default.
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
    /// Below this its znode is made.
    pub path: String,
    /// From the beginning of a round to that of the next.
    pub interval: Duration,
    /// Most time for a round.
    pub timeout: Duration,
    /// A canary to every member, beside the one to the ensemble.
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
    /// Which, in the order written.
    pub paths: Vec<ZnodePath>,
    /// From the beginning of a reading to that of the next.
    pub interval: Duration,
    /// Data larger than this is not read.
    pub max_bytes: u32,
    /// Most znodes that the globs may find together.
    pub max_znodes: u32,
}

/// Alarm thresholds in znodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmsConfig {
    /// Below it, a znode of the same path holds the threshold of another.
    pub root: String,
}

impl Default for AlarmsConfig {
    fn default() -> Self {
        Self { root: "/alarm".into() }
    }
}

type Mistake = (Location, String);

/// More often than this is load, not monitoring.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// No ensemble is alarmed by that many znodes.
const MOST_PATHS: usize = 200;

/// The default of `jute.maxbuffer`: no server sends more.
const MOST_BYTES: u32 = 1 << 20;

/// Everything that the module's keys say.
pub(super) fn validate(
    folder: &Path,
    host: Option<bool>,
    session: Option<RawSession>,
    canary: Option<RawCanary>,
    znodes: Option<RawZnodes>,
    alarms: Option<RawAlarms>,
) -> Result<Extras, Mistake> {
    Ok(Extras {
        host: host.unwrap_or(false),
        session: session.map(|session| session.validate(folder)).transpose()?.unwrap_or_default(),
        canary: canary.map(RawCanary::validate).transpose()?,
        znodes: znodes.map(RawZnodes::validate).transpose()?,
        alarms: alarms.map(RawAlarms::validate).transpose()?.unwrap_or_default(),
    })
}

impl RawSession {
    fn validate(self, folder: &Path) -> Result<SessionConfig, Mistake> {
        let default = SessionConfig::default();
        let timeout = time(self.timeout.as_ref(), default.timeout, SHORTEST_INTERVAL)?;
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

/// Reads `user:password`; a line break at the end does not belong to the password.
///
/// # Errors
/// One line that says what is wrong with the file; the secret is not in it.
pub fn digest(path: &Path) -> Result<String, String> {
    const MOST: u64 = 4096;
    let name = path.display();
    let unreadable = |error| format!("cannot read {name}: {error}; write user:password into it");
    let text = whole::text(path, MOST).map_err(unreadable)?;
    let text = text.trim_end_matches(['\n', '\r']);
    match text.split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("{name} does not hold user:password on one line")),
    }
}

impl RawCanary {
    fn validate(self) -> Result<CanaryConfig, Mistake> {
        let default = CanaryConfig::default();
        let path = match &self.path {
            None => default.path,
            Some(path) => znode::plain(&path.value).map_err(|message| (path.referenced, message))?,
        };
        let interval = time(self.interval.as_ref(), default.interval, SHORTEST_INTERVAL)?;
        let timeout = time(self.timeout.as_ref(), default.timeout.min(interval), Duration::from_millis(1))?;
        if let Some(written) = self.timeout.filter(|_| timeout > interval) {
            let message = "the canary's timeout is longer than its interval; a round must end before the next begins";
            return Err((written.referenced, message.into()));
        }
        Ok(CanaryConfig { path, interval, timeout, per_member: self.per_member })
    }
}

impl RawZnodes {
    fn validate(self) -> Result<ZnodesConfig, Mistake> {
        let interval = time(self.interval.as_ref(), Duration::from_secs(15), SHORTEST_INTERVAL)?;
        let within = |written: Option<Spanned<i64>>, default: u32, most: u32| {
            let Some(number) = written else { return Ok(default) };
            let fitting = u32::try_from(number.value).ok().filter(|number| (1..=most).contains(number));
            fitting.ok_or_else(|| (number.referenced, format!("{} is out of range; write 1 to {most}", number.value)))
        };
        let max_bytes = within(self.max_bytes, 64 << 10, MOST_BYTES)?;
        let max_znodes = within(self.max_znodes, 500, 10_000)?;
        if self.paths.value.is_empty() {
            return Err((self.paths.referenced, "znodes has no paths; write for example [/cpu_usage]".into()));
        }
        if self.paths.value.len() > MOST_PATHS {
            return Err((
                self.paths.referenced,
                format!("more than {MOST_PATHS} paths; use a glob such as /app/*/load"),
            ));
        }
        let mut paths: Vec<ZnodePath> = Vec::new();
        for written in self.paths.value {
            let place = written.referenced;
            let (path, pointer) = match written.value {
                RawPath::Short(path) => (path, None),
                RawPath::Long(long) => (long.path, long.pointer),
            };
            let path = ZnodePath::new(&path, pointer.as_deref()).map_err(|message| (place, message))?;
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

fn time(written: Option<&Spanned<String>>, default: Duration, least: Duration) -> Result<Duration, Mistake> {
    let Some(written) = written else { return Ok(default) };
    let time = duration::parse(&written.value).map_err(|error| (written.referenced, error.to_string()))?;
    if time < least {
        return Err((written.referenced, format!("{} is too short; write at least {least:?}", written.value)));
    }
    Ok(time)
}

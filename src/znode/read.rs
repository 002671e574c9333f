//! One reading: globs expanded, every znode and its alarm read, each within the deadline.

use std::collections::{BTreeMap, BTreeSet};

use tokio::task::JoinSet;

use super::alarm::{Alarm, Severity};
use super::value;
use crate::config::extras::{AlarmsConfig, ZnodesConfig};
use crate::config::znode::matches;
use crate::session::{Client, SessionError, Stat};

/// What a reading found. Every list is in the order of its paths.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Path, pointer (empty for none), value.
    pub values: Vec<(String, String, f64)>,
    /// Path, severity, threshold.
    pub thresholds: Vec<(String, Severity, f64)>,
    /// Path and number of children.
    pub children: Vec<(String, i64)>,
    /// Path and the time of its last change, in seconds since 1970 by the ensemble's clock.
    pub changed: Vec<(String, f64)>,
    /// Path and why it could not be read.
    pub failures: Vec<(String, SessionError)>,
}

impl Findings {
    /// What there is to say where no session could be had.
    pub(super) fn unreachable(config: &ZnodesConfig, error: SessionError) -> Self {
        let paths: BTreeSet<&str> = config.paths.iter().map(crate::config::znode::ZnodePath::path).collect();
        Self { failures: paths.into_iter().map(|path| (path.to_owned(), error)).collect(), ..Self::default() }
    }
}

/// Znodes that are read at the same time.
const MAX_CONCURRENT: usize = 16;

/// A longer path is not a label that is of use.
const MAX_PATH_BYTES: usize = 1024;

/// What is wanted of one znode: its pointers, and the alarm of the glob that found it.
#[derive(Clone, Debug, Default)]
struct Wanted {
    pointers: BTreeSet<String>,
    alarm_of_glob: Option<Alarm>,
}

/// Reads all. What fails is in the findings, and costs the others nothing.
pub(super) async fn all(client: &Client, config: &ZnodesConfig, alarms: &AlarmsConfig) -> Findings {
    let mut findings = Findings::default();
    let wanted = expand(client, config, alarms, &mut findings.failures).await;
    let mut wanted = wanted.into_iter();
    loop {
        let mut reading = JoinSet::new();
        for (path, wanted) in wanted.by_ref().take(MAX_CONCURRENT) {
            let (client, root, max) = (client.clone(), alarms.root.clone(), config.max_bytes);
            reading.spawn(async move { znode(&client, path, wanted, &root, max).await });
        }
        if reading.is_empty() {
            break;
        }
        while let Some(found) = reading.join_next().await {
            // A bug of ours costs one znode.
            if let Ok(found) = found {
                findings.add(found);
            }
        }
    }
    findings.sort();
    findings
}

impl Findings {
    fn add(&mut self, other: Self) {
        self.values.extend(other.values);
        self.thresholds.extend(other.thresholds);
        self.children.extend(other.children);
        self.changed.extend(other.changed);
        self.failures.extend(other.failures);
    }

    fn sort(&mut self) {
        self.values.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        self.thresholds.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        self.children.sort();
        self.changed.sort_by(|a, b| a.0.cmp(&b.0));
        self.failures.sort();
        // One reason a path: two pointers into the same bad data are one mistake.
        self.failures.dedup();
    }
}

/// Every path to read. A glob whose parent cannot be listed is a failure under its own name.
async fn expand(
    client: &Client,
    config: &ZnodesConfig,
    alarms: &AlarmsConfig,
    failures: &mut Vec<(String, SessionError)>,
) -> BTreeMap<String, Wanted> {
    let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
    for entry in &config.paths {
        let Some((parent, part, rest)) = entry.glob() else {
            wanted.entry(entry.path().to_owned()).or_default().pointers.insert(entry.pointer().to_owned());
            continue;
        };
        let children = match client.children(parent).await {
            Ok(children) => children,
            Err(error) => {
                failures.push((entry.path().to_owned(), error));
                continue;
            }
        };
        let alarm = alarm(client, &alarms.root, entry.path(), config.max_bytes).await;
        let alarm = alarm.unwrap_or_else(|failure| {
            failures.push(failure);
            None
        });
        let prefix = if parent == "/" { "" } else { parent };
        let paths = children.names().filter(|name| matches(part, name)).map(|name| format!("{prefix}/{name}{rest}"));
        let (found, is_whole) = lowest(paths, config.max_znodes as usize);
        let mut is_whole = is_whole;
        for path in found {
            if wanted.len() >= config.max_znodes as usize && !wanted.contains_key(&path) {
                is_whole = false;
                break;
            }
            let one = wanted.entry(path).or_default();
            one.pointers.insert(entry.pointer().to_owned());
            one.alarm_of_glob = one.alarm_of_glob.or(alarm);
        }
        if !is_whole {
            failures.push((entry.path().to_owned(), SessionError::Limit));
        }
    }
    wanted
}

/// The first paths in their order, at most so many, and whether that is all of them.
fn lowest(paths: impl Iterator<Item = String>, max: usize) -> (BTreeSet<String>, bool) {
    let (mut lowest, mut is_whole) = (BTreeSet::new(), true);
    for path in paths {
        let is_short = path.len() <= MAX_PATH_BYTES;
        if is_short {
            lowest.insert(path);
        }
        if !is_short || lowest.len() > max {
            is_whole = false;
        }
        if lowest.len() > max {
            lowest.pop_last();
        }
    }
    (lowest, is_whole)
}

async fn znode(client: &Client, path: String, wanted: Wanted, root: &str, max_bytes: u32) -> Findings {
    let mut found = Findings::default();
    match data(client, &path, max_bytes).await {
        Err(error) => found.failures.push((path.clone(), error)),
        Ok((stat, data)) => {
            found.children.push((path.clone(), i64::from(stat.num_children)));
            found.changed.push((path.clone(), milliseconds(stat.mtime)));
            for pointer in wanted.pointers {
                match data.as_deref().map_err(|error| *error).and_then(|data| value::number(data, &pointer)) {
                    Ok(value) => found.values.push((path.clone(), pointer, value)),
                    Err(error) => found.failures.push((path.clone(), error)),
                }
            }
        }
    }
    match alarm(client, root, &path, max_bytes).await {
        Err(failure) => found.failures.push(failure),
        Ok(alarm) => {
            let alarm = alarm.or(wanted.alarm_of_glob);
            let thresholds = alarm.into_iter().flat_map(Alarm::thresholds);
            found.thresholds.extend(thresholds.map(|(severity, threshold)| (path.clone(), severity, threshold)));
        }
    }
    found
}

/// The alarm of a path; none where there is no such znode.
async fn alarm(
    client: &Client,
    root: &str,
    path: &str,
    max_bytes: u32,
) -> Result<Option<Alarm>, (String, SessionError)> {
    let path = format!("{root}{path}");
    match data(client, &path, max_bytes).await {
        Err(SessionError::NoNode) => Ok(None),
        // A parent of other alarms, with no word of its own.
        Ok((_, Ok(data))) if data.is_empty() => Ok(None),
        Ok((_, Ok(data))) => Alarm::parse(&data).map(Some).ok_or((path, SessionError::BadAlarm)),
        Err(error) | Ok((_, Err(error))) => Err((path, error)),
    }
}

/// The stat of a znode, and its data where that may be read and is no larger than the limit.
///
/// The size is requested first: what is too large is not transferred. The stat may be wrong, so the reply is bounded, too.
async fn data(
    client: &Client,
    path: &str,
    max_bytes: u32,
) -> Result<(Stat, Result<Vec<u8>, SessionError>), SessionError> {
    let stat = client.exists(path).await?.ok_or(SessionError::NoNode)?;
    if u32::try_from(stat.data_length).is_ok_and(|length| length > max_bytes) {
        return Ok((stat, Err(SessionError::TooLarge)));
    }
    match client.data(path, max_bytes as usize).await {
        Ok((data, stat)) => Ok((stat, Ok(data))),
        Err(error @ (SessionError::NoAuth | SessionError::TooLarge)) => Ok((stat, Err(error))),
        Err(error) => Err(error),
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
fn milliseconds(time: i64) -> f64 {
    time as f64 / 1000.0
}

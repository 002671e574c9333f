//! One reading: expands globs, and reads every znode and its alarm within the deadline.

use std::collections::{BTreeMap, BTreeSet};

use tokio::task::JoinSet;

use super::alarm::{Alarm, Severity};
use super::value;
use crate::config::probes::{AlarmsConfig, ZnodesConfig};
use crate::config::znode::matches;
use crate::session::{Client, SessionError, Stat};

/// The result of a reading; all lists are sorted by path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Path, pointer (may be empty), and value.
    pub values: Vec<(String, String, f64)>,
    /// Path, severity and threshold.
    pub thresholds: Vec<(String, Severity, f64)>,
    /// Path and number of children.
    pub children: Vec<(String, i64)>,
    /// Path and time of the last change, in Unix seconds by the ensemble's clock.
    pub changed: Vec<(String, f64)>,
    /// Path and the error of reading it.
    pub failures: Vec<(String, SessionError)>,
}

impl Findings {
    /// The result if no session could be opened.
    pub(super) fn unreachable(config: &ZnodesConfig, error: SessionError) -> Self {
        let paths: BTreeSet<&str> = config.paths.iter().map(crate::config::znode::ZnodePath::path).collect();
        Self { failures: paths.into_iter().map(|path| (path.to_owned(), error)).collect(), ..Self::default() }
    }
}

/// Maximum number of znodes that are read concurrently.
const MAX_CONCURRENT: usize = 16;

/// Maximum length of a path, which becomes a label value.
const MAX_PATH_BYTES: usize = 1024;

/// What to read from a znode: its pointers, and the alarm of the glob that matched it.
#[derive(Clone, Debug, Default)]
struct Wanted {
    pointers: BTreeSet<String>,
    alarm_of_glob: Option<Alarm>,
}

/// Reads all znodes. A failure is part of the result and does not affect other znodes.
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
            // A panic affects one znode only.
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
        // One failure per path and error: two pointers into the same invalid data are one failure.
        self.failures.dedup();
    }
}

/// All paths to read. If the parent of a glob cannot be listed, the failure has the glob as its path.
async fn expand(
    client: &Client,
    config: &ZnodesConfig,
    alarms: &AlarmsConfig,
    failures: &mut Vec<(String, SessionError)>,
) -> BTreeMap<String, Wanted> {
    let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
    for entry in &config.paths {
        let Some((parent, part, rest)) = entry.glob() else {
            wanted.entry(entry.path().to_owned()).or_default().pointers.extend(entry.value().map(str::to_owned));
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
            one.pointers.extend(entry.value().map(str::to_owned));
            one.alarm_of_glob = one.alarm_of_glob.or(alarm);
        }
        if !is_whole {
            failures.push((entry.path().to_owned(), SessionError::Limit));
        }
    }
    wanted
}

/// The first `max` paths in order, and whether they are complete.
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
    let reading = if wanted.pointers.is_empty() {
        let stat = client.exists(&path).await.and_then(|stat| stat.ok_or(SessionError::NoNode));
        stat.map(|stat| (stat, Ok(Vec::new())))
    } else {
        data(client, &path, max_bytes).await
    };
    match reading {
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

/// The alarm of a path; `None` if the znode does not exist.
async fn alarm(
    client: &Client,
    root: &str,
    path: &str,
    max_bytes: u32,
) -> Result<Option<Alarm>, (String, SessionError)> {
    let path = format!("{root}{path}");
    match data(client, &path, max_bytes).await {
        Err(SessionError::NoNode) => Ok(None),
        // An empty znode is only the parent of other alarms.
        Ok((_, Ok(data))) if data.is_empty() => Ok(None),
        Ok((_, Ok(data))) => Alarm::parse(&data).map(Some).ok_or((path, SessionError::BadAlarm)),
        Err(error) | Ok((_, Err(error))) => Err((path, error)),
    }
}

/// The stat of a znode, and its data if it is readable and within the limit.
///
/// The size is requested first, so that large data is not transferred. The reply is bounded as well, because the
/// reported size may be wrong.
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

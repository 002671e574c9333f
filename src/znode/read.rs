//! One reading: globs expanded, every znode and its alarm read, each within the deadline.

use std::collections::{BTreeMap, BTreeSet};

use tokio::task::JoinSet;
use tokio::time::Instant;
use zookeeper_client::{Client, Stat};

use super::alarm::{Alarm, Severity};
use super::value;
use crate::config::extras::{AlarmsConfig, ZnodesConfig};
use crate::config::znode::matches;
use crate::session::{Trouble, within};

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
    pub failures: Vec<(String, Trouble)>,
}

impl Findings {
    /// What there is to say where no session could be had.
    pub(super) fn unreachable(config: &ZnodesConfig, trouble: Trouble) -> Self {
        let paths: BTreeSet<&str> = config.paths.iter().map(crate::config::znode::ZnodePath::path).collect();
        Self { failures: paths.into_iter().map(|path| (path.to_owned(), trouble)).collect(), ..Self::default() }
    }
}

/// Znodes that are read at the same time.
const SIDE_BY_SIDE: usize = 16;

/// What is wanted of one znode: its pointers, and the alarm of the glob that found it.
#[derive(Clone, Debug, Default)]
struct Wanted {
    pointers: BTreeSet<String>,
    alarm_of_glob: Option<Alarm>,
}

/// Reads all. What fails is in the findings, and costs the others nothing.
pub(super) async fn all(client: &Client, config: &ZnodesConfig, alarms: &AlarmsConfig, deadline: Instant) -> Findings {
    let mut findings = Findings::default();
    let wanted = expand(client, config, alarms, deadline, &mut findings.failures).await;
    let mut wanted = wanted.into_iter();
    loop {
        let mut reading = JoinSet::new();
        for (path, wanted) in wanted.by_ref().take(SIDE_BY_SIDE) {
            let (client, root, max) = (client.clone(), alarms.root.clone(), config.max_bytes);
            reading.spawn(async move { znode(&client, path, wanted, &root, max, deadline).await });
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

/// Every path that is to be read. A glob whose parent cannot be listed is a failure under its own name.
async fn expand(
    client: &Client,
    config: &ZnodesConfig,
    alarms: &AlarmsConfig,
    deadline: Instant,
    failures: &mut Vec<(String, Trouble)>,
) -> BTreeMap<String, Wanted> {
    let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
    for entry in &config.paths {
        let Some((parent, part, rest)) = entry.glob() else {
            wanted.entry(entry.path().to_owned()).or_default().pointers.insert(entry.pointer().to_owned());
            continue;
        };
        let children = match within(deadline, client.list_children(parent)).await {
            Ok(children) => children,
            Err(trouble) => {
                failures.push((entry.path().to_owned(), trouble));
                continue;
            }
        };
        let alarm = alarm(client, &alarms.root, entry.path(), config.max_bytes, deadline).await;
        let alarm = alarm.unwrap_or_else(|failure| {
            failures.push(failure);
            None
        });
        let mut names: Vec<String> = children.into_iter().filter(|name| matches(part, name)).collect();
        names.sort();
        for name in names {
            if wanted.len() >= config.max_znodes as usize {
                failures.push((entry.path().to_owned(), Trouble::Limit));
                break;
            }
            let parent = if parent == "/" { "" } else { parent };
            let one = wanted.entry(format!("{parent}/{name}{rest}")).or_default();
            one.pointers.insert(entry.pointer().to_owned());
            one.alarm_of_glob = one.alarm_of_glob.or(alarm);
        }
    }
    wanted
}

async fn znode(
    client: &Client,
    path: String,
    wanted: Wanted,
    root: &str,
    max_bytes: u32,
    deadline: Instant,
) -> Findings {
    let mut found = Findings::default();
    match data(client, &path, max_bytes, deadline).await {
        Err(trouble) => found.failures.push((path.clone(), trouble)),
        Ok((stat, data)) => {
            found.children.push((path.clone(), i64::from(stat.num_children)));
            found.changed.push((path.clone(), milliseconds(stat.mtime)));
            for pointer in wanted.pointers {
                match data.as_deref().map_err(|trouble| *trouble).and_then(|data| value::number(data, &pointer)) {
                    Ok(value) => found.values.push((path.clone(), pointer, value)),
                    Err(trouble) => found.failures.push((path.clone(), trouble)),
                }
            }
        }
    }
    match alarm(client, root, &path, max_bytes, deadline).await {
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
    deadline: Instant,
) -> Result<Option<Alarm>, (String, Trouble)> {
    let path = format!("{root}{path}");
    match data(client, &path, max_bytes, deadline).await {
        Err(Trouble::NoNode) => Ok(None),
        // A parent of other alarms, with no word of its own.
        Ok((_, Ok(data))) if data.is_empty() => Ok(None),
        Ok((_, Ok(data))) => Alarm::parse(&data).map(Some).ok_or((path, Trouble::BadAlarm)),
        Err(trouble) | Ok((_, Err(trouble))) => Err((path, trouble)),
    }
}

/// The stat of a znode, and its data where that may be read and is no larger than the cap.
///
/// The size is asked first: what is too large never crosses the network.
async fn data(
    client: &Client,
    path: &str,
    max_bytes: u32,
    deadline: Instant,
) -> Result<(Stat, Result<Vec<u8>, Trouble>), Trouble> {
    let stat = within(deadline, client.check_stat(path)).await?.ok_or(Trouble::NoNode)?;
    if u32::try_from(stat.data_length).is_ok_and(|length| length > max_bytes) {
        return Ok((stat, Err(Trouble::TooLarge)));
    }
    match within(deadline, client.get_data(path)).await {
        // The member said that it is small; what came decides.
        Ok((data, stat)) if data.len() > max_bytes as usize => Ok((stat, Err(Trouble::TooLarge))),
        Ok((data, stat)) => Ok((stat, Ok(data))),
        Err(Trouble::NoAuth) => Ok((stat, Err(Trouble::NoAuth))),
        Err(trouble) => Err(trouble),
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
fn milliseconds(time: i64) -> f64 {
    time as f64 / 1000.0
}

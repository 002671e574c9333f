//! Alarm znodes: what they hold, and how they are set, listed and cleared.

use serde_json::Value;
use tokio::time::Instant;
use zookeeper_client::{Acls, Client, CreateMode, Error};

use super::value;
use crate::config::extras::SessionConfig;
use crate::session::{Trouble, acl, make_parents, within};

/// How bad it is to pass a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A fault is coming.
    Warning,
    /// A fault is here.
    Critical,
}

impl Severity {
    /// The value of the label `severity`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// The thresholds of one znode; at least one is there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alarm {
    /// Above it, a warning.
    pub warning: Option<f64>,
    /// Above it, an alarm.
    pub critical: Option<f64>,
}

impl Alarm {
    /// Reads a bare number, which is the critical threshold, or `{"warning":80,"critical":90}`.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(data).ok()?;
        if let Some(critical) = value::parse(text) {
            return Some(Self { warning: None, critical: Some(critical) });
        }
        let Value::Object(map) = serde_json::from_str(text).ok()? else { return None };
        let mut alarm = Self { warning: None, critical: None };
        for (key, value) in map {
            let place = match &*key {
                "warning" => &mut alarm.warning,
                "critical" => &mut alarm.critical,
                _ => return None,
            };
            *place = Some(value.as_f64()?);
        }
        (alarm.warning.is_some() || alarm.critical.is_some()).then_some(alarm)
    }

    /// The data of the znode: a bare number where there is only the critical threshold.
    #[must_use]
    pub fn data(&self) -> String {
        match (self.warning, self.critical) {
            (None, Some(critical)) => critical.to_string(),
            (Some(warning), None) => format!("{{\"warning\":{warning}}}"),
            (Some(warning), Some(critical)) => format!("{{\"warning\":{warning},\"critical\":{critical}}}"),
            (None, None) => String::new(),
        }
    }

    /// The thresholds that there are.
    pub fn thresholds(self) -> impl Iterator<Item = (Severity, f64)> {
        let both = [(Severity::Warning, self.warning), (Severity::Critical, self.critical)];
        both.into_iter().filter_map(|(severity, threshold)| Some((severity, threshold?)))
    }
}

/// Sets the alarm of a path: makes the znode and its parents, or changes what it holds.
///
/// # Errors
/// When the ensemble does not let it.
pub async fn set(
    client: &Client,
    root: &str,
    path: &str,
    alarm: Alarm,
    ephemeral: bool,
    config: &SessionConfig,
    deadline: Instant,
) -> Result<(), Trouble> {
    let (path, data, acl) = (format!("{root}{path}"), alarm.data(), acl(config));
    if let Some(parent) = path.rfind('/').filter(|slash| *slash > 0) {
        make_parents(client, &path[..parent], &acl, deadline).await?;
    }
    let mode = if ephemeral { CreateMode::Ephemeral } else { CreateMode::Persistent };
    let options = mode.with_acls(Acls::new(&acl));
    match within(deadline, client.create(&path, data.as_bytes(), &options)).await {
        Ok(_) => Ok(()),
        // An alarm that is to end with this session cannot take over one that stays.
        Err(Trouble::NodeExists) if ephemeral => Err(Trouble::NodeExists),
        Err(Trouble::NodeExists) => within(deadline, client.set_data(&path, data.as_bytes(), None)).await.map(|_| ()),
        Err(trouble) => Err(trouble),
    }
}

/// Removes the alarm of a path. One that has others below it stays as their parent, empty.
///
/// # Errors
/// [`Trouble::NoNode`] where there is none.
pub async fn clear(client: &Client, root: &str, path: &str, deadline: Instant) -> Result<(), Trouble> {
    let path = format!("{root}{path}");
    let (data, _) = within(deadline, client.get_data(&path)).await?;
    if data.is_empty() {
        return Err(Trouble::NoNode);
    }
    // Others below it are no failure: the answer is looked at before it becomes one.
    let deleted = async { Ok(client.delete(&path, None).await) };
    match within(deadline, deleted).await? {
        Err(Error::NotEmpty) => within(deadline, client.set_data(&path, b"", None)).await.map(|_| ()),
        done => done.map_err(|error| Trouble::from(&error)),
    }
}

/// One alarm that is set.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The path it watches.
    pub path: String,
    /// Its thresholds; `None` where its data is neither a number nor thresholds.
    pub alarm: Option<Alarm>,
    /// It ends with the session that set it.
    pub ephemeral: bool,
    /// What the watched znode holds, where it is a number.
    pub value: Option<f64>,
}

/// No ensemble has more alarms; the walk ends there.
const MOST_ALARMS: usize = 10_000;

/// All alarms below the root, by path.
///
/// # Errors
/// When the root cannot be read; without a root there are none.
pub async fn list(client: &Client, root: &str, deadline: Instant) -> Result<Vec<Listed>, Trouble> {
    let (mut alarms, mut folders, mut looked_at) = (Vec::new(), vec![root.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        let children = match within(deadline, client.list_children(&folder)).await {
            Ok(children) => children,
            // It went away while we looked, or there never was one.
            Err(Trouble::NoNode) => continue,
            Err(trouble) => return Err(trouble),
        };
        for child in children {
            let path = format!("{folder}/{child}");
            looked_at += 1;
            if looked_at > MOST_ALARMS {
                return Err(Trouble::Limit);
            }
            let (data, stat) = match within(deadline, client.get_data(&path)).await {
                Ok(read) => read,
                Err(Trouble::NoNode) => continue,
                Err(trouble) => return Err(trouble),
            };
            if !data.is_empty() {
                let watched = path[root.len()..].to_owned();
                let value = within(deadline, client.get_data(&watched)).await.ok();
                let value = value.and_then(|(data, _)| value::number(&data, "").ok());
                let (alarm, ephemeral) = (Alarm::parse(&data), stat.ephemeral_owner != 0);
                alarms.push(Listed { path: watched, alarm, ephemeral, value });
            }
            if stat.num_children > 0 {
                folders.push(path);
            }
        }
    }
    alarms.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(alarms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_as_people_write_them() {
        let both = |warning, critical| Some(Alarm { warning, critical });
        for (data, expected) in [
            ("90", both(None, Some(90.0))),
            (" 90.5\n", both(None, Some(90.5))),
            ("{\"warning\":80,\"critical\":90}", both(Some(80.0), Some(90.0))),
            ("{\"warning\":80}", both(Some(80.0), None)),
            ("{}", None),
            ("{\"warnin\":80}", None),
            ("{\"critical\":\"90\"}", None),
            ("high", None),
            ("[90]", None),
            ("nan", None),
        ] {
            assert_eq!(Alarm::parse(data.as_bytes()), expected, "{data}");
        }
        for alarm in [both(None, Some(90.0)), both(Some(80.0), Some(90.0)), both(Some(0.5), None)] {
            let alarm = alarm.expect("an alarm");
            assert_eq!(Alarm::parse(alarm.data().as_bytes()), Some(alarm));
        }
        assert_eq!(Alarm { warning: None, critical: Some(90.0) }.data(), "90");
    }
}

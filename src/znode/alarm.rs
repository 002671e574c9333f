//! Alarm znodes: what they hold, and how they are set, listed and cleared.

use serde_json::Value;

use super::value;
use crate::config::extras::SessionConfig;
use crate::session::{Client, SessionError, acl, create_parents};

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
) -> Result<(), SessionError> {
    let (path, data, acl) = (format!("{root}{path}"), alarm.data(), acl(config));
    if let Some(parent) = path.rfind('/').filter(|slash| *slash > 0) {
        create_parents(client, &path[..parent], &acl).await?;
    }
    match client.create(&path, data.as_bytes(), &acl, ephemeral).await {
        // An alarm that ends with this session cannot take over one that stays.
        Err(SessionError::NodeExists) if !ephemeral => client.set_data(&path, data.as_bytes()).await.map(drop),
        done => done,
    }
}

/// Removes the alarm of a path. One that has others below it stays as their parent, empty.
///
/// # Errors
/// [`SessionError::NoNode`] where there is none.
pub async fn clear(client: &Client, root: &str, path: &str) -> Result<(), SessionError> {
    let path = format!("{root}{path}");
    // Data above the limit is an alarm, too, if not a valid one.
    if client.data(&path, MAX_ALARM_BYTES).await.is_ok_and(|(data, _)| data.is_empty()) {
        return Err(SessionError::NoNode);
    }
    match client.delete(&path).await {
        Err(SessionError::NotEmpty) => client.set_data(&path, b"").await.map(drop),
        done => done,
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

/// An alarm, or the number that it watches, is shorter.
const MAX_ALARM_BYTES: usize = 64 << 10;

/// Znodes that a list looks at; a larger tree is an error.
const MAX_ALARMS: usize = 10_000;

/// All alarms below the root, by path.
///
/// # Errors
/// When the root cannot be read; without a root there are none.
pub async fn list(client: &Client, root: &str) -> Result<Vec<Listed>, SessionError> {
    let (mut alarms, mut folders, mut looked_at) = (Vec::new(), vec![root.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        let children = match client.children(&folder).await {
            Ok(children) => children,
            // It was deleted meanwhile, or there never was one.
            Err(SessionError::NoNode) => continue,
            Err(error) => return Err(error),
        };
        for child in children.names() {
            let path = format!("{folder}/{child}");
            looked_at += 1;
            if looked_at > MAX_ALARMS {
                return Err(SessionError::Limit);
            }
            let (data, stat) = match client.data(&path, MAX_ALARM_BYTES).await {
                Ok(read) => read,
                Err(SessionError::NoNode) => continue,
                Err(error) => return Err(error),
            };
            if !data.is_empty() {
                let watched = path[root.len()..].to_owned();
                let value = client.data(&watched, MAX_ALARM_BYTES).await.ok();
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

//! Alarm znodes: their format, and the operations to set, list and clear them.

use serde_json::Value;

use super::value;
use crate::config::probes::SessionConfig;
use crate::session::{Client, SessionError, acl, create_parents};

/// Severity of a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// An early warning.
    Warning,
    /// A fault.
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

/// The thresholds of a znode; at least one is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alarm {
    /// Threshold of the warning.
    pub warning: Option<f64>,
    /// Threshold of the critical alarm.
    pub critical: Option<f64>,
}

impl Alarm {
    /// Parses a plain number, which is the critical threshold, or `{"warning":80,"critical":90}`.
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

    /// The data of the znode: a plain number if only the critical threshold is set.
    #[must_use]
    pub fn data(&self) -> String {
        match (self.warning, self.critical) {
            (None, Some(critical)) => critical.to_string(),
            (Some(warning), None) => format!("{{\"warning\":{warning}}}"),
            (Some(warning), Some(critical)) => format!("{{\"warning\":{warning},\"critical\":{critical}}}"),
            (None, None) => String::new(),
        }
    }

    /// The thresholds that are set.
    pub fn thresholds(self) -> impl Iterator<Item = (Severity, f64)> {
        let both = [(Severity::Warning, self.warning), (Severity::Critical, self.critical)];
        both.into_iter().filter_map(|(severity, threshold)| Some((severity, threshold?)))
    }
}

/// Creates or updates the alarm of a path, creating parents as needed.
///
/// # Errors
/// If the ensemble refuses the operation.
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
        // An ephemeral alarm must not replace a persistent one.
        Err(SessionError::NodeExists) if !ephemeral => client.set_data(&path, data.as_bytes()).await.map(drop),
        done => done,
    }
}

/// Removes the alarm of a path. A znode with other alarms below it remains as an empty parent.
///
/// # Errors
/// [`SessionError::NoNode`] if there is none.
pub async fn clear(client: &Client, root: &str, path: &str) -> Result<(), SessionError> {
    let path = format!("{root}{path}");
    // Oversized data is an alarm as well, although an invalid one.
    if client.data(&path, MAX_ALARM_BYTES).await.is_ok_and(|(data, _)| data.is_empty()) {
        return Err(SessionError::NoNode);
    }
    match client.delete(&path).await {
        Err(SessionError::NotEmpty) => client.set_data(&path, b"").await.map(drop),
        done => done,
    }
}

/// An alarm in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The path of the watched znode.
    pub path: String,
    /// The thresholds; `None` if the data is neither a number nor thresholds.
    pub alarm: Option<Alarm>,
    /// Whether it is deleted with the session that set it.
    pub ephemeral: bool,
    /// The value of the watched znode, if it is a number.
    pub value: Option<f64>,
}

/// Maximum data size of an alarm znode or a watched znode, in bytes.
const MAX_ALARM_BYTES: usize = 64 << 10;

/// Maximum number of znodes below the root; a larger tree is an error.
const MAX_ALARMS: usize = 10_000;

/// Lists all alarms below the root, by path.
///
/// # Errors
/// If the root cannot be read. The list is empty if the root does not exist.
pub async fn list(client: &Client, root: &str) -> Result<Vec<Listed>, SessionError> {
    let (mut alarms, mut folders, mut looked_at) = (Vec::new(), vec![root.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        let children = match client.children(&folder).await {
            Ok(children) => children,
            // Deleted meanwhile, or never created.
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

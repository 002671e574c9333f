//! `monitor`: the AdminServer's JSON twin of `mntr`, with the same keys but no `zk_` before them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::mntr::Entry;
use super::{Recognised, says_not_serving};

/// The members of the JSON object, in their order, each value as the text it has in `mntr`.
#[derive(Debug, Default)]
pub struct Monitor<'a> {
    entries: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// It says which command it answers, as every reply of an AdminServer does.
    signed: bool,
    error: Option<String>,
}

/// Why a body is no monitor reply.
#[derive(Debug, thiserror::Error)]
#[error("not the AdminServer's monitor reply: {0}")]
pub struct NotMonitor(#[from] serde_json::Error);

/// Reads the body of `/commands/monitor` (`MonitorCommand` in `Commands`, `CommandResponse.toMap`).
///
/// # Errors
/// When the body is no JSON object.
pub fn parse(body: &str) -> Result<Monitor<'_>, NotMonitor> {
    let mut deserializer = serde_json::Deserializer::from_str(body);
    Ok(deserializer.deserialize_map(MonitorVisitor)?)
}

impl Monitor<'_> {
    /// The same entries as the member's `mntr` has.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.entries.iter().map(|(key, value)| Entry::new(key, value))
    }

    fn lines(&self) -> String {
        let mut lines = String::with_capacity(self.entries.len() * 48);
        for (key, value) in &self.entries {
            // Neither holds a line break in a reply of a real member; in another it may not make a second line.
            for (text, end) in [("zk_", ""), (key, "\t"), (value, "\n")] {
                lines.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
                lines.push_str(end);
            }
        }
        lines
    }

    /// The `error` member, for instance that the server is not serving.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

/// What kind of reply this is, and the figures of an answer as lines of `mntr`.
///
/// A body that was cut is an answer without lines. From 3.6 on a member that does not serve answers with the HTML page
/// of an exception instead (`MonitorCommand.run` finds no server).
#[must_use]
pub fn as_mntr(body: &str) -> (Recognised, Cow<'_, str>) {
    let nothing = |recognised| (recognised, Cow::Borrowed(""));
    match parse(body) {
        Ok(monitor) if monitor.signed => match monitor.error() {
            Some(error) if says_not_serving(error) => nothing(Recognised::NotServing),
            Some(_) => nothing(Recognised::Garbage),
            None => (Recognised::Answer, Cow::Owned(monitor.lines())),
        },
        _ if body.contains("NullPointerException") => nothing(Recognised::NotServing),
        Err(_) if body.is_empty() => nothing(Recognised::Empty),
        Err(_) if body.starts_with('{') => nothing(Recognised::Answer),
        _ => nothing(Recognised::Garbage),
    }
}

struct MonitorVisitor;

impl<'de> Visitor<'de> for MonitorVisitor {
    type Value = Monitor<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Monitor<'de>, M::Error> {
        let mut monitor = Monitor::default();
        while let Some(key) = map.next_key::<Key<'de>>()? {
            match key.0.as_ref() {
                "command" => {
                    map.next_value::<IgnoredAny>()?;
                    monitor.signed = true;
                }
                "error" => monitor.error = map.next_value::<Option<String>>()?,
                _ => {
                    let value = as_mntr_writes_it(map.next_value::<&'de RawValue>()?.get());
                    monitor.entries.push((key.0, value));
                }
            }
        }
        Ok(monitor)
    }
}

/// A key that is borrowed where JSON needed no escape.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// A JSON string loses its quotes and escapes; a number stays as it is written.
fn as_mntr_writes_it(raw: &str) -> Cow<'_, str> {
    if raw.starts_with('"') {
        serde_json::from_str::<String>(raw).map_or(Cow::Borrowed(raw), Cow::Owned)
    } else {
        Cow::Borrowed(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_dialects() {
        let body = r#"{"version":"3.8.0-x, built","avg_latency":0.8942,"a{quantile=\"0.5\"}":"NaN","command":"monitor","error":null}"#;
        let monitor = parse(body).expect("valid");
        let entries: Vec<_> = monitor.entries().collect();
        assert_eq!(
            entries,
            [
                Entry::new("version", "3.8.0-x, built"),
                Entry::new("avg_latency", "0.8942"),
                Entry::new("a{quantile=\"0.5\"}", "NaN")
            ]
        );
        assert_eq!(monitor.error(), None);
    }

    #[test]
    fn refuses_what_is_no_object() {
        for body in ["", "[]", "<html>", "{\"a\":", "3"] {
            assert!(parse(body).is_err(), "{body}");
        }
    }
}

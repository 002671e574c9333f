//! `monitor`: the AdminServer's JSON equivalent of `mntr`, with the same keys without the prefix `zk_`.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::mntr::Entry;
use super::{ReplyKind, is_not_serving};

/// The members of the JSON object, in their order, each value as its text in `mntr`.
#[derive(Debug, Default)]
pub struct Monitor<'a> {
    entries: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Whether it names its command, as every reply of an AdminServer does.
    signed: bool,
    error: Option<String>,
}

/// Why a body is not a monitor reply.
#[derive(Debug, thiserror::Error)]
#[error("not the AdminServer's monitor reply: {0}")]
pub struct NotMonitor(#[from] serde_json::Error);

/// Parses the body of `/commands/monitor` (`MonitorCommand` in `Commands`, `CommandResponse.toMap`).
///
/// # Errors
/// When the body is not a JSON object.
pub fn parse(body: &str) -> Result<Monitor<'_>, NotMonitor> {
    let mut deserializer = serde_json::Deserializer::from_str(body);
    Ok(deserializer.deserialize_map(MonitorVisitor)?)
}

impl Monitor<'_> {
    /// The entries, as in the member's `mntr`.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.entries.iter().map(|(key, value)| Entry::new(key, value))
    }

    fn lines(&self) -> String {
        let mut lines = String::with_capacity(self.entries.len() * 48);
        for (key, value) in &self.entries {
            // Real replies contain no line breaks; in a forged reply they must not create a second line.
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

/// Classifies a body, and converts a reply to lines of `mntr`.
///
/// A truncated body is a reply without lines. Since 3.6 a member that does not serve returns the HTML page of an
/// exception instead (`MonitorCommand.run` finds no server).
#[must_use]
pub fn as_mntr(body: &str) -> (ReplyKind, Cow<'_, str>) {
    let nothing = |kind| (kind, Cow::Borrowed(""));
    match parse(body) {
        Ok(monitor) if monitor.signed => match monitor.error() {
            Some(error) if is_not_serving(error) => nothing(ReplyKind::NotServing),
            Some(_) => nothing(ReplyKind::Garbage),
            None => (ReplyKind::Answer, Cow::Owned(monitor.lines())),
        },
        _ if body.contains("NullPointerException") => nothing(ReplyKind::NotServing),
        Err(_) if body.is_empty() => nothing(ReplyKind::Empty),
        Err(_) if body.starts_with('{') => nothing(ReplyKind::Answer),
        _ => nothing(ReplyKind::Garbage),
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

/// A key, borrowed if JSON needed no escape.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// A JSON string without its quotes and escapes; a number unchanged.
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
    fn parses_both_dialects() {
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
    fn json_other_than_an_object_is_refused() {
        for body in ["", "[]", "<html>", "{\"a\":", "3"] {
            assert!(parse(body).is_err(), "{body}");
        }
    }
}

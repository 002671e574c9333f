//! `--log.format=logfmt`: `time=... level=INFO msg="configuration reloaded" ensembles=2`, as other exporters log.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Formats one event as one line of key-value pairs.
pub(super) struct Logfmt;

impl<S, N> FormatEvent<S, N> for Logfmt
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        out.write_str("time=")?;
        SystemTime.format_time(&mut out)?;
        write!(out, " level={}", event.metadata().level())?;
        let mut fields = Fields::default();
        event.record(&mut fields);
        out.write_str(" msg=")?;
        value(&mut out, &fields.message)?;
        out.write_str(&fields.others)?;
        out.write_char('\n')
    }
}

/// Collects the message and formats the other fields.
#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Fields {
    fn add(&mut self, field: &Field, text: &str) {
        if field.name() == "message" {
            text.clone_into(&mut self.message);
        } else {
            // Writing to memory cannot fail.
            let _ = write!(self.others, " {}=", field.name());
            let _ = value(&mut self.others, text);
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, text: &str) {
        self.add(field, text);
    }

    fn record_debug(&mut self, field: &Field, shown: &dyn Debug) {
        self.add(field, &format!("{shown:?}"));
    }
}

/// Writes a value, quoted if it contains white space or special characters.
fn value(out: &mut impl Write, text: &str) -> fmt::Result {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '=' | '\\');
    if !text.is_empty() && text.chars().all(is_plain) {
        return out.write_str(text);
    }
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(out, "\\{c}")?,
            '\n' => out.write_str("\\n")?,
            c if c.is_control() => write!(out, "\\u{:04x}", u32::from(c))?,
            c => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_when_it_must_be() {
        for (text, expected) in [
            ("zk-1:2181", "zk-1:2181"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a=b", "\"a=b\""),
            ("a\"b\\c\nd\u{1b}", "\"a\\\"b\\\\c\\nd\\u001b\""),
        ] {
            let mut out = String::new();
            assert!(value(&mut out, text).is_ok());
            assert_eq!(out, expected);
        }
    }
}

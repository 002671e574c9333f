//! ZooKeeper's own metrics endpoint (`PrometheusMetricsProvider`): the text format of Prometheus.
//!
//! Its names are the keys of `mntr`'s Prometheus dialect without `zk_`, so a body is converted to lines of that
//! dialect. It has neither the state, nor the version, nor the zxid of the server.

use std::borrow::Cow;

use super::ReplyKind;
use crate::text::page_labels;

/// Metrics that every release registers at startup, before it serves.
const REGISTERED: [&str; 2] = ["fsynctime", "snapshottime"];

/// Classifies a body, and converts its samples to lines of `mntr`.
///
/// As in `mntr`, the last line of a truncated body has no line break. A line that is not a sample is kept as a line, so
/// that it is counted as dropped.
#[must_use]
pub fn as_mntr(body: &str) -> (ReplyKind, Cow<'_, str>) {
    if body.is_empty() {
        return (ReplyKind::Empty, Cow::Borrowed(""));
    }
    let is_own = |line: &str| {
        let rest = REGISTERED.iter().find_map(|name| line.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with(['{', '_', ' ']))
    };
    if !body.lines().any(is_own) {
        return (ReplyKind::Garbage, Cow::Borrowed(""));
    }
    let mut lines = String::with_capacity(body.len());
    for line in body.split_inclusive('\n') {
        let Some(text) = line.strip_suffix('\n') else {
            push(&mut lines, line);
            break;
        };
        let text = text.trim_end_matches('\r');
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match sample(text) {
            // The creation time of a counter is not a metric of the server.
            Some(NativeLine { name, .. }) if name.ends_with("_created") => continue,
            Some(sample) => sample.write(&mut lines),
            None => push(&mut lines, text),
        }
        lines.push('\n');
    }
    (ReplyKind::Answer, Cow::Owned(lines))
}

/// `name{label="value",} 1.0`, with the labels as pairs of name and value.
struct NativeLine<'a> {
    name: &'a str,
    labels: Vec<(&'a str, Cow<'a, str>)>,
    value: &'a str,
}

impl NativeLine<'_> {
    fn write(&self, lines: &mut String) {
        lines.push_str("zk_");
        push(lines, self.name);
        for (place, (name, value)) in self.labels.iter().enumerate() {
            lines.push(if place == 0 { '{' } else { ',' });
            push(lines, name);
            lines.push_str("=\"");
            push(lines, value);
            lines.push('"');
        }
        if !self.labels.is_empty() {
            lines.push('}');
        }
        lines.push('\t');
        push(lines, self.value);
    }
}

fn sample(line: &str) -> Option<NativeLine<'_>> {
    let (name, mut rest) = line.split_at(line.find(['{', ' '])?);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        (labels, rest) = page_labels(inner)?;
    }
    let value = rest.split_ascii_whitespace().next()?;
    (!name.is_empty()).then_some(NativeLine { name, labels, value })
}

/// Appends a text; control characters are replaced, so that it cannot end its line or key.
fn push(lines: &mut String, text: &str) {
    lines.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_become_lines_of_mntr() {
        let body = "# HELP fsynctime fsynctime\n# TYPE fsynctime summary\nfsynctime{quantile=\"0.5\",} NaN\n\
                    fsynctime_count 0.0\nwrite_per_namespace{key=\"a\\\"b\",quantile=\"0.5\",} 1.5 1700000000\r\n\
                    jvm_info_created 1.7E9\nno sample\nznode_count 5.0\n";
        let (kind, lines) = as_mntr(body);
        assert_eq!(kind, ReplyKind::Answer);
        assert_eq!(
            lines,
            "zk_fsynctime{quantile=\"0.5\"}\tNaN\nzk_fsynctime_count\t0.0\n\
             zk_write_per_namespace{key=\"a\"b\",quantile=\"0.5\"}\t1.5\nzk_no\tsample\nzk_znode_count\t5.0\n"
        );
    }

    #[test]
    fn a_truncated_body_ends_without_a_line_break() {
        let (kind, lines) = as_mntr("fsynctime_count 0.0\nznode_co");
        assert_eq!((kind, &*lines), (ReplyKind::Answer, "zk_fsynctime_count\t0.0\nznode_co"));
    }

    #[test]
    fn other_pages_are_not_replies() {
        for body in ["<html>", "node_load1 0.5\n", "fsynctimes 1\n", "# HELP fsynctime x\n", "{\"fsynctime\": 1}"] {
            assert_eq!(as_mntr(body).0, ReplyKind::Garbage, "{body}");
        }
        assert_eq!(as_mntr("").0, ReplyKind::Empty);
    }
}

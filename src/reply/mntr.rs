//! `mntr`: lines of `zk_<key><tab><value>`, in one of two dialects (`MonitorCommand`).
//!
//! The default metrics provider writes plain keys (`zk_p99_updatelatency`); the Prometheus provider adds unescaped
//! labels (`zk_updatelatency{quantile="0.99"}`).

use super::{ReplyKind, classify};

/// One line: a key without `zk_`, the labels of the Prometheus dialect, and the value as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// `znode_count`, `avg_app1_write_per_namespace`.
    pub key: &'a str,
    /// The text between the braces: `key="app1",quantile="0.5"`.
    pub labels: Option<&'a str>,
    /// The text after the first tab.
    pub value: &'a str,
}

impl<'a> Entry<'a> {
    /// Splits the labels off the key.
    #[must_use]
    pub fn new(key: &'a str, value: &'a str) -> Self {
        // Only the Prometheus dialect ends a key with a brace; a namespace may contain one elsewhere.
        if let Some((name, labels)) = key.strip_suffix('}').and_then(|key| key.split_once('{')) {
            return Self { key: name, labels: Some(labels), value };
        }
        Self { key, labels: None, value }
    }
}

/// Classifies a reply.
#[must_use]
pub fn kind(text: &str) -> ReplyKind {
    classify(text, |text| text.starts_with("zk_") && text.lines().next().is_some_and(|line| line.contains('\t')))
}

/// The entries of a reply. A last line without a line break is ignored: it may be truncated.
pub fn entries(text: &str) -> impl Iterator<Item = Entry<'_>> {
    let whole = memchr::memrchr(b'\n', text.as_bytes()).map_or("", |end| &text[..end]);
    Lines { rest: whole }.filter_map(|line| {
        let line = line.strip_prefix("zk_")?;
        // The first tab: values may contain spaces and tabs, keys spaces but no tab.
        let tab = memchr::memchr(b'\t', line.as_bytes())?;
        let value = line[tab + 1..].trim_end_matches('\r');
        Some(Entry::new(&line[..tab], value))
    })
}

/// The number of lines with a line break, entries or not.
#[must_use]
pub fn lines(text: &str) -> usize {
    memchr::memchr_iter(b'\n', text.as_bytes()).count()
}

/// Whether the reply ends with a line break, as a complete one does.
#[must_use]
pub fn ends_whole(text: &str) -> bool {
    text.ends_with('\n')
}

/// Lines split by `memchr`, which is much faster than `str::lines`.
struct Lines<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        match memchr::memchr(b'\n', self.rest.as_bytes()) {
            Some(end) => {
                let line = &self.rest[..end];
                self.rest = &self.rest[end + 1..];
                Some(line)
            }
            None => Some(std::mem::take(&mut self.rest)),
        }
    }
}

/// The labels of the Prometheus dialect as pairs.
///
/// ZooKeeper does not escape label values, so that a value may contain quotes and commas: it ends at a
/// quote that is the last character or is followed by `,name="`.
pub fn labels(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (name, behind) = rest.split_once("=\"")?;
        let end = value_end(behind)?;
        rest = behind.get(end + 2..).unwrap_or("");
        Some((name, &behind[..end]))
    })
}

/// The position of the closing quote of the value at the beginning of `text`.
fn value_end(text: &str) -> Option<usize> {
    memchr::memchr_iter(b'"', text.as_bytes()).find(|&quote| {
        let behind = &text[quote + 1..];
        behind.is_empty() || behind == "," || behind.strip_prefix(',').is_some_and(starts_with_name)
    })
}

/// Whether a text begins with `name="`. Reads no further than the name: a line may have a million quotes.
fn starts_with_name(text: &str) -> bool {
    let end = text.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_'));
    end.is_some_and(|end| end > 0 && text[end..].starts_with("=\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Entry<'_>> {
        entries(text).collect()
    }

    #[test]
    fn splits_at_the_first_tab_and_keeps_spaces() {
        let text = "zk_version\t3.8.0-x, built on 2024\nzk_avg_na me_write_per_namespace\t7.0\r\n";
        assert_eq!(
            all(text),
            [Entry::new("version", "3.8.0-x, built on 2024"), Entry::new("avg_na me_write_per_namespace", "7.0")]
        );
    }

    #[test]
    fn a_brace_inside_a_namespace_is_not_a_label() {
        let entry = Entry::new("avg_a{b}_write_per_namespace", "1");
        assert_eq!((entry.key, entry.labels), ("avg_a{b}_write_per_namespace", None));
        let entry = Entry::new("updatelatency{quantile=\"0.5\"}", "1");
        assert_eq!((entry.key, entry.labels), ("updatelatency", Some("quantile=\"0.5\"")));
    }

    #[test]
    fn a_value_of_a_million_quotes_is_read_in_linear_time() {
        let begun = std::time::Instant::now();
        for (text, count) in [
            (format!("key=\"{}", "\",".repeat(2_000_000)), 1),
            (format!("key=\"{}", "\",a".repeat(1_000_000)), 0),
            ("key=\"\",".repeat(500_000), 500_000),
        ] {
            assert_eq!(labels(&text).count(), count);
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
    }

    #[test]
    fn the_last_line_without_a_line_break_is_omitted() {
        assert_eq!(all("zk_a\t1\nzk_b\t12"), [Entry::new("a", "1")]);
        assert_eq!(all("zk_b\t12"), []);
        assert!(!ends_whole("zk_a\t1\nzk_b\t12"));
    }

    #[test]
    fn labels_with_spaces_quotes_and_commas() {
        let pairs = |text| labels(text).collect::<Vec<_>>();
        assert_eq!(pairs(r#"pool="Compressed Class Space""#), [("pool", "Compressed Class Space")]);
        assert_eq!(pairs(r#"key="q"uo\te",quantile="0.5""#), [("key", r#"q"uo\te"#), ("quantile", "0.5")]);
        assert_eq!(pairs(r#"pool="mapped - 'non-volatile memory'","#), [("pool", "mapped - 'non-volatile memory'")]);
        assert_eq!(pairs(r#"key="a,b","quantile="0.5""#), [("key", r#"a,b","quantile="0.5"#)]);
        assert_eq!(pairs(r#"key="open"#), []);
        assert_eq!(pairs(""), []);
    }

    #[test]
    fn replies_are_classified() {
        use ReplyKind::{Answer, Empty, Garbage, NotAllowed, NotServing};
        for (text, expected) in [
            ("zk_version\t3.9.3\n", Answer),
            ("This ZooKeeper instance is not currently serving requests\n", NotServing),
            ("mntr is not executed because it is not in the whitelist.\n", NotAllowed),
            ("", Empty),
            ("HTTP/1.1 400 Bad Request\r\n\r\n", Garbage),
            ("zk_version", Garbage),
            ("\0\u{1}\u{2}", Garbage),
        ] {
            assert_eq!(kind(text), expected, "{text:?}");
        }
    }

    #[test]
    fn counts_complete_lines() {
        assert_eq!(lines("zk_a\t1\nnonsense\n\nzk_b 2\n"), 4);
        assert_eq!(lines("zk_a\t1\nzk_b\t2\nzk_c"), 2);
        assert_eq!(lines("zk_a"), 0);
    }
}

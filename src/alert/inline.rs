//! Inlines recording rules into the expressions that use them, so that a server without these rules returns the same
//! result.
//!
//! A recorded series is replaced by its expression, a window over one by a subquery at the evaluation interval. The
//! three records of `super::watch` carry their own state forward; they are evaluated over the last hour, the length of
//! their memory.

use std::collections::{BTreeMap, BTreeSet};

use super::early::{INDICATOR, Record};
use super::expr::Span;
use super::promql::names_ensemble;

/// Windows up to this length are evaluated at every interval, longer ones at a minimum of [`POINTS`] points.
const EXACT_WINDOW: Span = Span::hours(6);

/// Number of points in a window of several days.
const POINTS: u64 = 1440;

/// Distance of the points in a long window over indicators, which are means of five minutes themselves.
const INDICATOR_STEP: u64 = 300;

/// Maximum length of a query if it can be divided; VictoriaMetrics accepts 16 KiB, and matchers are added.
const MAX_QUERY_BYTES: usize = 14 << 10;

/// Upper bound of the nesting depth of recording rules.
const MAX_DEPTH: usize = 16;

/// Recording rules by the name of the recorded series.
#[derive(Clone, Debug, Default)]
pub struct Inliner {
    records: BTreeMap<&'static str, Vec<RecordedRule>>,
    step: Span,
}

/// A recording rule, and the interval of its group if the group sets one.
#[derive(Clone, Debug)]
struct RecordedRule {
    record: Record,
    interval: Option<Span>,
}

/// A reference to a series within an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mention<'t> {
    name: &'t str,
    /// The text between the braces.
    matchers: &'t str,
    /// The text between the brackets.
    window: Option<&'t str>,
    offset: Option<&'t str>,
}

impl Inliner {
    /// `step` is the evaluation interval.
    #[must_use]
    pub fn new<'r>(records: impl IntoIterator<Item = (&'r Record, Option<Span>)>, step: Span) -> Self {
        let mut by_name: BTreeMap<&'static str, Vec<RecordedRule>> = BTreeMap::new();
        for (record, interval) in records {
            by_name.entry(record.name).or_default().push(RecordedRule { record: record.clone(), interval });
        }
        Self { records: by_name, step }
    }

    /// The expression with all recorded series replaced.
    #[must_use]
    pub fn expand(&self, expr: &str) -> String {
        self.expanded(expr, None, 0)
    }

    /// The expression as one text, or, if that is longer than `MAX_QUERY_BYTES`, as one for each value of a label of
    /// the records whose results do not depend on each other. `labels` are those of the result.
    #[must_use]
    pub fn expand_parts(&self, expr: &str, labels: &[&str]) -> Vec<String> {
        let whole = self.expand(expr);
        if whole.len() <= MAX_QUERY_BYTES {
            return vec![whole];
        }
        let records = || self.records.values().flatten().flat_map(|entry| &entry.record.labels);
        let Some((label, _)) = records().find(|(label, _)| labels.contains(label)) else { return vec![whole] };
        let values: BTreeSet<&String> = records().filter(|(own, _)| own == label).map(|(_, value)| value).collect();
        let part = |value: &&String| self.expand(&self.with_inherited(expr, &[(label, "=", value)]));
        values.iter().map(part).collect()
    }

    /// `within` is the current record; references to its own series are replaced by its first branch.
    fn expanded(&self, expr: &str, within: Option<&str>, depth: usize) -> String {
        rewritten(expr, &mut |mention| {
            let entries = self.records.get(mention.name).filter(|_| depth < MAX_DEPTH)?;
            let matchers = matchers(mention.matchers);
            let mut parts = Vec::new();
            let mut interval = None;
            for entry in entries.iter().filter(|entry| admits(&entry.record, &matchers)) {
                let itself = within == Some(mention.name);
                let mut text = if itself { base(&entry.record.expr) } else { carried(&entry.record.expr) };
                let own = (text.contains(mention.name)).then_some(mention.name);
                text = self.narrowed(&text, &entry.record, &matchers);
                text = self.expanded(&text, own, depth + 1);
                let rest = about_ensembles(&matchers);
                if !rest.is_empty() {
                    text = with_matcher(&text, &rest);
                }
                for (label, value) in &entry.record.labels {
                    text = format!("label_replace({text}, \"{label}\", \"{value}\", \"\", \"\")");
                }
                interval = interval.or(entry.interval);
                parts.push(text);
            }
            Some(self.placed(&parts, &mention, interval))
        })
    }

    /// The expression of a record, with the matchers for labels that it inherits from other records.
    fn narrowed(&self, expr: &str, record: &Record, matchers: &[(&str, &str, &str)]) -> String {
        let inherited: Vec<_> = matchers
            .iter()
            .filter(|(label, ..)| *label != "ensemble" && record.labels.iter().all(|(own, _)| own != label))
            .copied()
            .collect();
        if inherited.is_empty() { expr.to_owned() } else { self.with_inherited(expr, &inherited) }
    }

    /// The expression with matchers for every recorded series that has their labels.
    fn with_inherited(&self, expr: &str, matchers: &[(&str, &str, &str)]) -> String {
        rewritten(expr, &mut |mention| {
            let carried = matchers.iter().filter(|(label, ..)| self.has_label(mention.name, label, 0));
            let more = carried.map(|(label, sign, value)| format!("{label}{sign}\"{value}\"")).collect::<Vec<_>>();
            (!more.is_empty()).then(|| mention.with(&more.join(",")))
        })
    }

    /// Whether the series of a record have a label that this record, or one that it is computed from, adds.
    fn has_label(&self, name: &str, label: &str, depth: usize) -> bool {
        let Some(entries) = self.records.get(name).filter(|_| depth < MAX_DEPTH) else { return false };
        entries.iter().any(|entry| {
            let mut found = entry.record.labels.iter().any(|(own, _)| *own == label);
            rewritten(&entry.record.expr, &mut |mention| {
                found = found || mention.name != name && self.has_label(mention.name, label, depth + 1);
                None
            });
            found
        })
    }

    /// The replacement expressions, with the window and offset of the reference.
    fn placed(&self, parts: &[String], mention: &Mention<'_>, interval: Option<Span>) -> String {
        let joined = match parts {
            // No recording rule for this series.
            [] => "(vector(1) < 0)".to_owned(),
            [one] => format!("({one})"),
            several => format!("({})", several.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" or ")),
        };
        let step = interval.unwrap_or(self.step).0.max(self.step.0);
        let offset = mention.offset.map(|offset| format!(" offset {offset}")).unwrap_or_default();
        match mention.window {
            None if interval.is_none() && mention.offset.is_none() => joined,
            None => format!("last_over_time({joined}[{step}s:{step}s]{offset})"),
            Some(window) => {
                let seconds = seconds(window).unwrap_or(self.step.0);
                let apart = if mention.name == INDICATOR { INDICATOR_STEP } else { 0 };
                let apart = apart.max(seconds / POINTS).next_multiple_of(step);
                let resolution = if seconds > EXACT_WINDOW.0 { step.max(apart) } else { step };
                // Prometheus before 3.0 includes the sample at the left boundary of a window.
                format!("{joined}[{}ms:{resolution}s]{offset}", seconds * 1000 - 1)
            }
        }
    }
}

/// The expression restricted to ensembles by a matcher for the label `ensemble`: `="a"` or `=~"a|b"`.
#[must_use]
pub fn with_matcher(expr: &str, matcher: &str) -> String {
    rewritten(expr, &mut |mention| {
        if !names_ensemble(mention.name) {
            return None;
        }
        Some(mention.with(matcher))
    })
}

impl Mention<'_> {
    /// The reference with further matchers.
    fn with(&self, matchers: &str) -> String {
        let separator = if self.matchers.is_empty() { "" } else { "," };
        let window = self.window.map(|window| format!("[{window}]")).unwrap_or_default();
        let offset = self.offset.map(|offset| format!(" offset {offset}")).unwrap_or_default();
        format!("{}{{{matchers}{separator}{}}}{window}{offset}", self.name, self.matchers)
    }
}

/// The matcher for a list of ensembles.
#[must_use]
pub fn ensembles_matcher(names: &[String]) -> String {
    match names {
        [one] => format!("ensemble=\"{one}\""),
        // The dot is the only character of an ensemble name with a special meaning in a regular expression.
        several => format!("ensemble=~\"{}\"", several.join("|").replace('.', "\\\\.")),
    }
}

/// A record without its carried state: its first branch.
fn base(expr: &str) -> String {
    expr.split("\nor\n").next().unwrap_or(expr).to_owned()
}

/// Omits the final sample 0 of a state: these records are always compared with 1.
fn carried(expr: &str) -> String {
    expr.split("\nor\n").filter(|branch| !branch.starts_with("0 * (last_over_time(")).collect::<Vec<_>>().join("\nor\n")
}

/// Label, operator and value of each matcher.
fn matchers(text: &str) -> Vec<(&str, &str, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['=', '!']) {
        let label = rest[..at].trim_matches([',', ' ']);
        let Some(open) = rest[at..].find('"').map(|open| at + open) else { break };
        let Some(close) = rest[open + 1..].find('"').map(|close| open + 1 + close) else { break };
        found.push((label, &rest[at..open], &rest[open + 1..close]));
        rest = &rest[close + 1..];
    }
    found
}

/// Whether the labels set by the rule satisfy the matchers.
fn admits(record: &Record, matchers: &[(&str, &str, &str)]) -> bool {
    record.labels.iter().all(|(label, value)| {
        matchers.iter().filter(|(name, ..)| name == label).all(|(_, sign, wanted)| {
            let among = wanted.split('|').any(|wanted| wanted == value);
            if sign.starts_with('!') { !among } else { among }
        })
    })
}

/// The matchers for ensembles, which also apply to the series inside the record.
fn about_ensembles(matchers: &[(&str, &str, &str)]) -> String {
    let of = matchers.iter().filter(|(name, ..)| *name == "ensemble");
    of.map(|(name, sign, value)| format!("{name}{sign}\"{value}\"")).collect::<Vec<_>>().join(",")
}

/// Converts a duration with a single unit to seconds.
fn seconds(text: &str) -> Option<u64> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let factor = match &text[unit..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    text[..unit].parse::<u64>().ok().map(|number| number * factor)
}

const KEYWORDS: [&str; 8] = ["and", "or", "unless", "bool", "offset", "NaN", "Inf", "inf"];
const LISTS: [&str; 6] = ["by", "on", "ignoring", "without", "group_left", "group_right"];

/// Replaces each series reference for which `with` returns a text.
fn rewritten(text: &str, with: &mut dyn FnMut(Mention<'_>) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let end = quoted_end(rest);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if first.is_ascii_digit() {
            // A number or a duration.
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if first.is_ascii_alphabetic() || first == '_' || first == ':' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':').unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            let next = behind.trim_start();
            if LISTS.contains(&word) && next.starts_with('(') {
                let end = rest.find(')').map_or(rest.len(), |end| end + 1);
                out.push_str(&rest[..end]);
                rest = &rest[end..];
            } else if KEYWORDS.contains(&word) || next.starts_with('(') || next.starts_with("by (") {
                out.push_str(word);
                rest = behind;
            } else {
                let (mention, behind) = mention(word, behind);
                let whole = &rest[..rest.len() - behind.len()];
                out.push_str(&with(mention).unwrap_or_else(|| whole.to_owned()));
                rest = behind;
            }
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// Parses a series reference; returns it and the remaining text.
fn mention<'t>(name: &'t str, behind: &'t str) -> (Mention<'t>, &'t str) {
    let mut found = Mention { name, matchers: "", window: None, offset: None };
    let mut rest = behind;
    if rest.starts_with('{') {
        let mut end = 1;
        while let Some(c) = rest[end..].chars().next().filter(|c| *c != '}') {
            end += if c == '"' { quoted_end(&rest[end..]) } else { c.len_utf8() };
        }
        found.matchers = &rest[1..end];
        rest = rest.get(end + 1..).unwrap_or("");
    }
    if let Some((window, behind)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        found.window = Some(window);
        rest = behind;
    }
    if let Some(behind) = rest.strip_prefix(" offset ") {
        let end = behind.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(behind.len());
        found.offset = Some(&behind[..end]);
        rest = &behind[end..];
    }
    (found, rest)
}

/// Index after the closing quote of a string at the start of the text.
fn quoted_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &'static str, expr: &str, labels: &[(&'static str, &str)]) -> Record {
        let labels = labels.iter().map(|(label, value)| (*label, (*value).to_owned())).collect();
        Record { name, expr: expr.to_owned(), labels }
    }

    fn inliner() -> Inliner {
        let records = [
            (record("a:b", "max by (ensemble) (rate(zk_up[5m]))", &[("kind", "x")]), None),
            (record("a:b", "zk_up{member=\"[x] {y}\"} > 1", &[("kind", "y")]), None),
            (record("slow:c", "avg_over_time(a:b[2m])", &[]), Some(Span::minutes(2))),
            (record("mean:e", "avg_over_time(a:b[1h]) and zk_up", &[]), None),
            (
                record(
                    "own:d",
                    "zk_up\nor\n(last_over_time(own:d[1h]) == 1 and on (job) up == 0)\nor\n0 * (last_over_time(own:d[1h]) == 1)",
                    &[],
                ),
                None,
            ),
        ];
        Inliner::new(records.iter().map(|(record, interval)| (record, *interval)), Span(15))
    }

    #[test]
    fn recorded_series_are_replaced_by_expressions() {
        let one = "label_replace(max by (ensemble) (rate(zk_up[5m])), \"kind\", \"x\", \"\", \"\")";
        let two = "label_replace(zk_up{member=\"[x] {y}\"} > 1, \"kind\", \"y\", \"\", \"\")";
        for (written, expanded) in [
            ("sum by (kind) (zk_up) > 5m", "sum by (kind) (zk_up) > 5m".to_owned()),
            ("a:b{kind=\"x\"} > 1", format!("({one}) > 1")),
            ("max(a:b)", format!("max((({one}) or ({two})))")),
            ("a:b{kind!~\"x|z\"}", format!("({two})")),
            ("a:b{kind=\"none\"}", "(vector(1) < 0)".to_owned()),
            ("max_over_time(a:b{kind=\"none\"}[5m])", "max_over_time((vector(1) < 0)[299999ms:15s])".to_owned()),
            (
                "min_over_time(a:b{kind=\"x\"}[1h] offset 30m)",
                format!("min_over_time(({one})[3599999ms:15s] offset 30m)"),
            ),
            ("min_over_time(a:b{kind=\"x\"}[1d])", format!("min_over_time(({one})[86399999ms:60s])")),
            ("a:b{kind=\"x\"} offset 1h", format!("last_over_time(({one})[15s:15s] offset 1h)")),
            ("mean:e{kind=\"x\"}", format!("(avg_over_time(({one})[3599999ms:15s]) and zk_up)")),
            ("a:b{ensemble=\"e\",kind=\"x\"}", format!("({})", one.replace("zk_up[", "zk_up{ensemble=\"e\"}["))),
        ] {
            assert_eq!(inliner().expand(written), expanded, "{written}");
        }
        let indicator = record(INDICATOR, "rate(zk_up[5m])", &[]);
        let inliner_of_indicator = Inliner::new([(&indicator, None)], Span(60));
        for (window, points) in [("6h", "21599999ms:60s"), ("1d", "86399999ms:300s"), ("30d", "2591999999ms:1800s")] {
            let expanded = inliner_of_indicator.expand(&format!("avg_over_time({INDICATOR}[{window}])"));
            assert_eq!(expanded, format!("avg_over_time((rate(zk_up[5m]))[{points}])"));
        }
        let thinned = inliner().expand("max(slow:c)");
        assert!(thinned.starts_with("max(last_over_time((avg_over_time((("), "{thinned}");
        assert!(thinned.ends_with(")[119999ms:15s]))[120s:120s]))"), "{thinned}");
    }

    #[test]
    fn a_record_of_itself_is_unrolled_once() {
        assert_eq!(
            inliner().expand("own:d == 1"),
            "(zk_up\nor\n(last_over_time((zk_up)[3599999ms:15s]) == 1 and on (job) up == 0)) == 1"
        );
    }

    #[test]
    fn series_with_an_ensemble_are_restricted() {
        let matcher = ensembles_matcher(&["a.b".to_owned(), "c".to_owned()]);
        assert_eq!(
            with_matcher("zk_up{member=\"m\"} == 0 and on (job) up == 0 or rate(zk_znodes[5m] offset 1h)", &matcher),
            "zk_up{ensemble=~\"a\\\\.b|c\",member=\"m\"} == 0 and on (job) up == 0 or rate(zk_znodes{ensemble=~\"a\\\\.b|c\"}[5m] offset 1h)"
        );
        assert_eq!(ensembles_matcher(&["a".to_owned()]), "ensemble=\"a\"");
    }
}

//! Expressions that many panels share, and the selectors that every one of them has.
//!
//! In a description `{M}` stands for the members that the variables choose, `{E}` for the ensembles, `{J}` for the scrape
//! jobs; `{M,state="leader"}` adds a label. Whatever is scraped twice - by two exporters, or by `/metrics` beside
//! `/probe` - is joined by `max`.
//!
//! Two clusters may have ensembles, members and hosts of one name. Descriptions do not name the label `cluster`:
//! [`written`] adds it to every list of labels that joins or matches series. Where no series has it, it is empty
//! everywhere and changes nothing.

const MEMBER: &str = r#"job=~"$job",cluster=~"$cluster",ensemble=~"$ensemble",member=~"$member""#;
const ENSEMBLE: &str = r#"job=~"$job",cluster=~"$cluster",ensemble=~"$ensemble""#;
const JOB: &str = r#"job=~"$job",cluster=~"$cluster""#;
/// What recording rules keep of them; without `keep_labels` they keep no cluster.
const RULE_MEMBER: &str = r#"cluster=~"$cluster|",ensemble=~"$ensemble",member=~"$member""#;
const RULE_ENSEMBLE: &str = r#"cluster=~"$cluster|",ensemble=~"$ensemble""#;
/// As descriptions select alerts, and with the cluster: an alert about an exporter has no ensemble.
const ALERT: [&str; 2] = [r#"ensemble=~"$ensemble|""#, r#"cluster=~"$cluster|",ensemble=~"$ensemble|""#];

/// The expression with its selectors written out and the label `cluster` kept; `{RM}` and `{RE}` are the selectors of
/// recording rules.
#[must_use]
pub fn written(expr: &str) -> String {
    let mut text = with_cluster(expr).replace(ALERT[0], ALERT[1]);
    for (short, long) in [("{RM", RULE_MEMBER), ("{RE", RULE_ENSEMBLE), ("{M", MEMBER), ("{E", ENSEMBLE), ("{J", JOB)] {
        for end in ["}", ","] {
            text = text.replace(&format!("{short}{end}"), &format!("{{{long}{end}"));
        }
    }
    // Limits are selected by job and, as alerts, by an ensemble that may be missing.
    text.replace(r#"cluster=~"$cluster",cluster=~"$cluster|""#, r#"cluster=~"$cluster""#)
}

/// Adds `cluster` to the labels of every aggregation and match that has labels.
fn with_cluster(expr: &str) -> String {
    let mut out = String::with_capacity(expr.len());
    let mut rest = expr;
    while let Some((place, opening)) =
        ["by (", "on ("].iter().filter_map(|word| rest.find(word).map(|place| (place, word.len()))).min()
    {
        let (head, labels) = rest.split_at(place + opening);
        out.push_str(head);
        if !labels.starts_with("cluster") && !labels.starts_with(')') {
            out.push_str("cluster, ");
        }
        rest = labels;
    }
    out.push_str(rest);
    out
}

/// The worst of each member.
pub(super) fn of_member(expr: impl AsRef<str>) -> String {
    format!("max by (ensemble, member) ({})", expr.as_ref())
}

/// The worst of each ensemble.
pub(super) fn of_ensemble(expr: impl AsRef<str>) -> String {
    format!("max by (ensemble) ({})", expr.as_ref())
}

/// The sum over the members of each ensemble, each member counted once.
pub(super) fn sum_of_members(expr: impl AsRef<str>) -> String {
    format!("sum by (ensemble) ({})", of_member(expr))
}

/// A gauge of each member.
pub(super) fn gauge(name: &str) -> String {
    of_member(format!("{name}{{M}}"))
}

/// A gauge of each ensemble.
pub(super) fn ensemble_gauge(name: &str) -> String {
    of_ensemble(format!("{name}{{E}}"))
}

/// Alerts of these names that fire, with these labels of theirs.
pub(super) fn firing_of(keys: &str, names: &[&str]) -> String {
    format!(
        r#"group by ({keys}) (ALERTS{{alertname=~"ZooKeeper({})",alertstate="firing",ensemble=~"$ensemble|"}})"#,
        names.join("|")
    )
}

/// Growth a second of a counter.
pub(super) fn rate(name: &str) -> String {
    of_member(format!("rate({name}{{M}}[$__rate_interval])"))
}

/// Growth a second of a counter, over all members of an ensemble.
pub(super) fn rate_of_ensemble(name: &str) -> String {
    sum_of_members(format!("rate({name}{{M}}[$__rate_interval])"))
}

/// The mean of a summary over the window: nothing where nothing happened.
pub(super) fn mean(summary: &str) -> String {
    mean_over(summary, "$__rate_interval")
}

/// The mean of a summary over a fixed window.
pub(super) fn mean_over(summary: &str, window: &str) -> String {
    of_member(format!("rate({summary}_sum{{M}}[{window}]) / (rate({summary}_count{{M}}[{window}]) > 0)"))
}

/// How often a second a summary was fed.
pub(super) fn happened(summary: &str) -> String {
    rate(&format!("{summary}_count"))
}

/// The part of the time that what a summary measures took.
pub(super) fn busy(summary: &str) -> String {
    rate(&format!("{summary}_sum"))
}

/// The one that ends first, of each member.
pub(super) fn first_of_member(expr: impl AsRef<str>) -> String {
    format!("min by (ensemble, member) ({})", expr.as_ref())
}

/// The one that ends first, of each ensemble.
pub(super) fn first_of_ensemble(expr: impl AsRef<str>) -> String {
    format!("min by (ensemble) ({})", expr.as_ref())
}

/// Which of several values of one host counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfHost {
    /// The worst is the largest: the fullest file system, the busiest disk.
    Largest,
    /// The worst is the smallest: the file system that is full first.
    Smallest,
}

/// A figure of the host on its members: `node_exporter` and member must go by the same host name.
pub(super) fn of_host(which: OfHost, expr: &str) -> String {
    let join = if which == OfHost::Largest { "max" } else { "min" };
    let members = r#"group by (ensemble, member, host) (label_replace(zk_scrape_duration_seconds{M}, "host", "$1", "member", "(.+):[0-9]+"))"#;
    let hosts = format!(r#"{join} by (host) (label_replace({expr}, "host", "$1", "instance", "(.+):[0-9]+"))"#);
    format!("{join} by (ensemble, member) ({members} * on (host) group_left () {hosts})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_written_out() {
        let member = r#"{job=~"$job",cluster=~"$cluster",ensemble=~"$ensemble",member=~"$member"}"#;
        assert_eq!(written("zk_up{M}"), format!("zk_up{member}"));
        assert_eq!(
            written(r#"x{E,a="b"} / y{J}"#),
            r#"x{job=~"$job",cluster=~"$cluster",ensemble=~"$ensemble",a="b"} / y{job=~"$job",cluster=~"$cluster"}"#
        );
        assert_eq!(written("a:b:c{RE}"), r#"a:b:c{cluster=~"$cluster|",ensemble=~"$ensemble"}"#);
    }

    #[test]
    fn every_join_keeps_the_cluster() {
        assert_eq!(
            written("max by (ensemble) (x) and on (ensemble) y * on (host) group_left () z or count(v)"),
            "max by (cluster, ensemble) (x) and on (cluster, ensemble) y * on (cluster, host) group_left () z or count(v)"
        );
        assert_eq!(written("max by (cluster, a) (x) > on () y"), "max by (cluster, a) (x) > on () y");
    }
}

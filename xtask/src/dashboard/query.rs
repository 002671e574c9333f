//! Common expressions and selectors of the panels.
//!
//! In a description, `{M}` selects the members, `{E}` the ensembles and `{J}` the scrape jobs that are selected by the
//! variables; `{M,state="leader"}` adds a label. Series that are scraped twice, by two exporters or by `/metrics` and
//! `/probe`, are merged by `max`.
//!
//! Two clusters may have ensembles, members and hosts with the same names. Descriptions do not contain the label
//! `cluster`: [`written`] adds it to every grouping and matching label list, which has no effect if no series has the
//! label.

const MEMBER: &str = r#"job=~"$job",cluster=~"$cluster",ensemble=~"$ensemble",member=~"$member""#;
const ENSEMBLE: &str = r#"job=~"$job",cluster=~"$cluster",ensemble=~"$ensemble""#;
const JOB: &str = r#"job=~"$job",cluster=~"$cluster""#;
/// Selectors of recording rules, whose series have no `cluster` without `keep_labels`.
const RULE_MEMBER: &str = r#"cluster=~"$cluster|",ensemble=~"$ensemble",member=~"$member""#;
const RULE_ENSEMBLE: &str = r#"cluster=~"$cluster|",ensemble=~"$ensemble""#;
/// The selector of alerts in descriptions, without and with the cluster. An alert about an exporter has no ensemble.
const ALERT: [&str; 2] = [r#"ensemble=~"$ensemble|""#, r#"cluster=~"$cluster|",ensemble=~"$ensemble|""#];

/// Expands the selectors and adds the label `cluster`; `{RM}` and `{RE}` are the selectors of recording rules.
#[must_use]
pub fn written(expr: &str) -> String {
    let mut text = with_cluster(expr).replace(ALERT[0], ALERT[1]);
    for (short, long) in [("{RM", RULE_MEMBER), ("{RE", RULE_ENSEMBLE), ("{M", MEMBER), ("{E", ENSEMBLE), ("{J", JOB)] {
        for end in ["}", ","] {
            text = text.replace(&format!("{short}{end}"), &format!("{{{long}{end}"));
        }
    }
    // Limits are selected by job and, like alerts, by an ensemble that may be absent.
    text.replace(r#"cluster=~"$cluster",cluster=~"$cluster|""#, r#"cluster=~"$cluster""#)
}

/// Adds `cluster` to the label list of every aggregation and vector match.
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

/// The maximum by member.
pub(super) fn of_member(expr: impl AsRef<str>) -> String {
    format!("max by (ensemble, member) ({})", expr.as_ref())
}

/// The maximum by ensemble.
pub(super) fn of_ensemble(expr: impl AsRef<str>) -> String {
    format!("max by (ensemble) ({})", expr.as_ref())
}

/// The sum by ensemble, counting each member once.
pub(super) fn sum_of_members(expr: impl AsRef<str>) -> String {
    format!("sum by (ensemble) ({})", of_member(expr))
}

/// A gauge by member.
pub(super) fn gauge(name: &str) -> String {
    of_member(format!("{name}{{M}}"))
}

/// A gauge by ensemble.
pub(super) fn ensemble_gauge(name: &str) -> String {
    of_ensemble(format!("{name}{{E}}"))
}

/// Firing alerts with these names, grouped by these labels.
pub(super) fn firing_of(keys: &str, names: &[&str]) -> String {
    format!(
        r#"group by ({keys}) (ALERTS{{alertname=~"ZooKeeper({})",alertstate="firing",ensemble=~"$ensemble|"}})"#,
        names.join("|")
    )
}

/// The rate of a counter by member.
pub(super) fn rate(name: &str) -> String {
    of_member(format!("rate({name}{{M}}[$__rate_interval])"))
}

/// The rate of a counter, summed by ensemble.
pub(super) fn rate_of_ensemble(name: &str) -> String {
    sum_of_members(format!("rate({name}{{M}}[$__rate_interval])"))
}

/// The mean of a summary over the rate interval; no sample without observations.
pub(super) fn mean(summary: &str) -> String {
    mean_over(summary, "$__rate_interval")
}

/// The mean of a summary over a fixed window.
pub(super) fn mean_over(summary: &str, window: &str) -> String {
    of_member(format!("rate({summary}_sum{{M}}[{window}]) / (rate({summary}_count{{M}}[{window}]) > 0)"))
}

/// A quantile of a histogram of the exporter over a window, from native buckets if Prometheus has them, else from
/// classic ones. Two exporters are aggregated, which hardly affects a quantile.
pub(super) fn quantile(quantile: &str, family: &str, keys: &str, window: &str) -> String {
    let of = |by: &str, suffix: &str| {
        format!("histogram_quantile({quantile}, sum by ({by}) (rate({family}{suffix}{{E}}[{window}])))")
    };
    format!("{} or {}", of(keys, ""), of(&format!("le, {keys}"), "_bucket"))
}

/// The rate of observations of a summary, by member.
pub(super) fn happened(summary: &str) -> String {
    rate(&format!("{summary}_count"))
}

/// The fraction of time spent in the operation measured by a summary.
pub(super) fn busy(summary: &str) -> String {
    rate(&format!("{summary}_sum"))
}

/// The minimum by member.
pub(super) fn first_of_member(expr: impl AsRef<str>) -> String {
    format!("min by (ensemble, member) ({})", expr.as_ref())
}

/// The minimum by ensemble.
pub(super) fn first_of_ensemble(expr: impl AsRef<str>) -> String {
    format!("min by (ensemble) ({})", expr.as_ref())
}

/// Which of several series of a host is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfHost {
    /// The largest, e.g. the fullest file system or the busiest disk.
    Largest,
    /// The smallest, e.g. the file system that will be full first.
    Smallest,
}

/// A metric of the host, joined to its members by host name, which must be equal for `node_exporter` and member.
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
    fn selectors_are_expanded() {
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

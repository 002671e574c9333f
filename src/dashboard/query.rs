//! Expressions that many panels share, and the selectors that every one of them has.
//!
//! In a description `{M}` stands for the members that the variables choose, `{E}` for the ensembles, `{J}` for the scrape
//! jobs; `{M,state="leader"}` adds a label. Whatever is scraped twice - by two exporters, or by `/metrics` beside
//! `/probe` - is joined by `max`.

const MEMBER: &str = r#"job=~"$job",ensemble=~"$ensemble",member=~"$member""#;
const ENSEMBLE: &str = r#"job=~"$job",ensemble=~"$ensemble""#;
const JOB: &str = r#"job=~"$job""#;
/// What recording rules keep of them.
const RULE_MEMBER: &str = r#"ensemble=~"$ensemble",member=~"$member""#;
const RULE_ENSEMBLE: &str = r#"ensemble=~"$ensemble""#;

/// The expression with its selectors written out; `{RM}` and `{RE}` are those of recording rules.
#[must_use]
pub fn written(expr: &str) -> String {
    let mut text = expr.to_owned();
    for (short, long) in [("{RM", RULE_MEMBER), ("{RE", RULE_ENSEMBLE), ("{M", MEMBER), ("{E", ENSEMBLE), ("{J", JOB)] {
        for end in ["}", ","] {
            text = text.replace(&format!("{short}{end}"), &format!("{{{long}{end}"));
        }
    }
    text
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

/// A figure of the host on its members: `node_exporter` and member must go by the same host name. The worst of each host.
pub(super) fn of_host(expr: &str) -> String {
    let members = r#"group by (ensemble, member, host) (label_replace(zk_scrape_duration_seconds{M}, "host", "$1", "member", "(.+):[0-9]+"))"#;
    let hosts = format!(r#"max by (host) (label_replace({expr}, "host", "$1", "instance", "(.+):[0-9]+"))"#);
    of_member(format!("{members} * on (host) group_left () {hosts}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_written_out() {
        assert_eq!(written("zk_up{M}"), r#"zk_up{job=~"$job",ensemble=~"$ensemble",member=~"$member"}"#);
        assert_eq!(written(r#"x{E,a="b"} / y{J}"#), r#"x{job=~"$job",ensemble=~"$ensemble",a="b"} / y{job=~"$job"}"#);
        assert_eq!(
            written("a:b:c{RE} + d:e:f{RM}"),
            r#"a:b:c{ensemble=~"$ensemble"} + d:e:f{ensemble=~"$ensemble",member=~"$member"}"#
        );
    }
}

//! Alertmanager configuration: routes, and inhibition rules that use the labels kept by the alert rules.

use super::inhibit::{Targets, inhibitions};
use super::rules::Deployment;
use super::yaml::quoted;

/// Labels that are equal on the warning and the critical alert of one fault: of one znode, one certificate.
pub const SAME_ALERT: [&str; 5] = ["alertname", "ensemble", "member", "path", "subject"];

/// A complete, valid configuration with placeholder receivers.
#[must_use]
pub fn configuration(deployment: &Deployment) -> String {
    let labels = |names: &[&str]| {
        let kept = deployment.keep_labels.iter().map(String::as_str).filter(|kept| !names.contains(kept));
        format!("[{}]", kept.chain(names.iter().copied()).map(quoted).collect::<Vec<_>>().join(", "))
    };
    let mut out = format!(
        "# Written by `zookeeper-exporter rules --format alertmanager`. Fill in the receivers, or copy group_by and\n\
         # inhibit_rules into your file: every label that the rules keep is in them, so that ensembles of one name in two\n\
         # clusters are kept apart. Check it with: amtool check-config FILE\n\
         route:\n  receiver: warning\n  group_by: {}\n  routes:\n    \
         - matchers: [alertname = ZooKeeperWatchdog]\n      receiver: watchdog\n      group_wait: 0s\n      \
         group_interval: 1m\n      repeat_interval: 5m\n    \
         - matchers: [severity = critical]\n      receiver: critical\n      group_by: {}\n      group_wait: 10s\n      \
         group_interval: 1m\n      repeat_interval: 1h\n\
         inhibit_rules:\n",
        labels(&["ensemble", "alertname"]),
        labels(&["ensemble"]),
    );
    out.push_str(&format!(
        "  - source_matchers: [severity = critical]\n    target_matchers: [severity = warning]\n    equal: {}\n",
        labels(&SAME_ALERT),
    ));
    for rule in inhibitions() {
        let target = match rule.targets {
            Targets::Named(names) => named(names),
            Targets::Warnings => "severity = warning".to_owned(),
        };
        out.push_str(&format!(
            "  - source_matchers: ['{}']\n    target_matchers: ['{target}']\n    equal: {}\n",
            named(rule.sources),
            labels(rule.equal),
        ));
    }
    out.push_str("receivers:\n  - name: critical\n  - name: warning\n  - name: watchdog\n");
    out
}

/// A matcher for the alerts of the named conditions.
fn named(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("ZooKeeper{name}")).collect();
    match &names[..] {
        [one] => format!("alertname = {one}"),
        several => format!("alertname =~ \"{}\"", several.join("|")),
    }
}

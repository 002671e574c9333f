//! Common parts of the dashboards: variables, annotations for elections, restarts and alerts, and links.

use serde_json::json;

use super::grafana::{Annotation, DashboardLink, DataLink, DataSource, List, Variable};
use super::query::written;
use zookeeper_exporter::runbook::RUNBOOKS;

/// The tag by which the dashboards link to each other.
pub(super) const TAG: &str = "zookeeper";

/// The data source selected by the variable.
pub(super) fn data_source() -> DataSource {
    DataSource { kind: "prometheus".into(), uid: "${datasource}".into() }
}

/// Data source, job, cluster, ensemble and member; each selection restricts the next one.
pub(super) fn variables() -> List<Variable> {
    let source = Variable {
        name: "datasource".into(),
        label: "Data source".into(),
        description: "The Prometheus that scrapes the exporter.".into(),
        kind: "datasource".into(),
        query: json!("prometheus"),
        datasource: None,
        definition: None,
        refresh: 1,
        multi: false,
        include_all: false,
        all_value: None,
        current: json!({}),
        sort: None,
        hide: 0,
    };
    let chosen = |name: &str, label: &str, description: &str, selector: &str, all: &str| {
        let definition = format!("label_values(zk_scrape_duration_seconds{selector}, {name})");
        Variable {
            name: name.into(),
            label: label.into(),
            description: description.into(),
            kind: "query".into(),
            query: json!({"query": definition, "refId": name}),
            datasource: Some(data_source()),
            definition: Some(definition),
            refresh: 2,
            multi: true,
            include_all: true,
            all_value: Some(all.into()),
            current: json!({"text": "All", "value": "$__all"}),
            sort: Some(1),
            hide: 0,
        }
    };
    let list = vec![
        source,
        chosen("job", "Job", "The scrape job of the exporter.", "", ".+"),
        // Matches series without the label as well.
        chosen(
            "cluster",
            "Cluster",
            "The label cluster of the targets, where they have one.",
            r#"{job=~"$job"}"#,
            ".*",
        ),
        chosen(
            "ensemble",
            "Ensemble",
            "Ensembles by their name in the exporter's configuration.",
            r#"{job=~"$job",cluster=~"$cluster"}"#,
            ".+",
        ),
        chosen(
            "member",
            "Member",
            "Members by their address.",
            r#"{job=~"$job",cluster=~"$cluster",ensemble=~"$ensemble"}"#,
            ".+",
        ),
    ];
    List { list }
}

/// Elections, restarts and firing alerts. Grafana queries one sample per minute, so each event lasts a minute.
pub(super) fn annotations() -> List<Annotation> {
    let mark = |name: &str, colour: &str, title: &str, text: &str, tags: &str, expr: &str| Annotation {
        name: name.into(),
        datasource: data_source(),
        enable: true,
        hide: false,
        icon_color: colour.into(),
        expr: written(expr),
        step: "60s".into(),
        title_format: title.into(),
        text_format: text.into(),
        tag_keys: tags.into(),
    };
    let list = vec![
        // Leads now but did not a minute ago, while the ensemble was monitored; or has led for less than a minute.
        mark(
            "Elections",
            "blue",
            "{{member}} leads {{ensemble}}",
            "A new leader; writes were impossible during the election.",
            "ensemble",
            "((max by (ensemble, member) (zk_ensemble_leader_info{E}) \
               unless max by (ensemble, member) (zk_ensemble_leader_info{E} offset 1m)) \
              and on (ensemble) max by (ensemble) (zk_ensemble_members{E} offset 1m)) \
             or max by (ensemble, member) (zk_leader_uptime_seconds{M}) < 60",
        ),
        // An election does not reset this counter, srst does not reset the uptime; a restart resets both. The other part is for
        // ZooKeeper before 3.6.
        mark(
            "Restarts",
            "purple",
            "{{member}} restarted",
            "The process was restarted, or the member was unreachable before.",
            "ensemble,member",
            "(max by (ensemble, member) (resets(zk_received_bytes_total{M}[2m])) > 0 \
              and max by (ensemble, member) (resets(zk_uptime_seconds{M}[2m])) > 0) \
             or (max by (ensemble, member) (zk_up{M}) == 1 \
                 and on (ensemble, member) max by (ensemble, member) (zk_up{M} offset 1m) == 0)",
        ),
        mark(
            "Alerts",
            "red",
            "{{alertname}}",
            "{{severity}} {{ensemble}} {{member}}",
            "severity,ensemble,member",
            r#"max by (alertname, severity, ensemble, member) (ALERTS{alertname=~"ZooKeeper.*",alertstate="firing",severity!="info",ensemble=~"$ensemble|"})"#,
        ),
    ];
    List { list }
}

/// A menu with the other dashboards, which keeps time range and variables.
pub(super) fn links() -> Vec<DashboardLink> {
    vec![DashboardLink {
        title: "ZooKeeper".into(),
        kind: "dashboards".into(),
        tags: vec![TAG.into()],
        as_dropdown: true,
        keep_time: true,
        include_vars: true,
        target_blank: false,
        icon: "external link".into(),
        tooltip: "The other ZooKeeper dashboards, with the same time range and variables".into(),
        url: String::new(),
    }]
}

/// URL parameters that keep time range, data source, job and cluster.
const KEPT: &str = "${__url_time_range}&${datasource:queryparam}&${job:queryparam}&${cluster:queryparam}";

/// A link from a row or a series to the overview of its ensemble.
pub(super) fn to_ensemble(ensemble: &str) -> DataLink {
    DataLink {
        title: "This ensemble".into(),
        url: format!("/d/zookeeper-overview?{KEPT}&var-ensemble={ensemble}"),
        target_blank: false,
    }
}

/// A link from a row or a series to its member.
pub(super) fn to_member(ensemble: &str, member: &str) -> DataLink {
    DataLink {
        title: "This member".into(),
        url: format!("/d/zookeeper-member?{KEPT}&var-ensemble={ensemble}&var-member={member}"),
        target_blank: false,
    }
}

/// A link from the name of an alert to its runbook.
pub(super) fn to_runbook() -> DataLink {
    DataLink { title: "Runbook".into(), url: format!("{RUNBOOKS}/${{__value.text}}.md"), target_blank: true }
}

//! The alert rules and the Zabbix template with default thresholds, written by the library as the binary does.

use zookeeper_exporter::alert::{Deployment, Format, RuleFile, Template, Thresholds};

use crate::File;

/// Rule files, the same rules for the Prometheus operator, and the Zabbix template.
pub(crate) fn files() -> Vec<File> {
    let (thresholds, deployment) = (Thresholds::default(), Deployment::default());
    let rules = RuleFile::new(&thresholds, &deployment);
    let files = rules.files().into_iter().map(|(name, text)| (format!("alert-rules/{name}"), text));
    let operator = "deploy/kubernetes/prometheus-operator/prometheusrule.yaml".to_owned();
    let template = Template::new(&thresholds, &deployment).text();
    files
        .chain([
            (operator, rules.text(Format::Kubernetes)),
            ("deploy/zabbix/zookeeper-exporter.yaml".to_owned(), template),
        ])
        .collect()
}

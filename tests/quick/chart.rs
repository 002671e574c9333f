//! The Helm chart contains the shipped rules and dashboards, and has the version of the exporter. `./scripts/test long helm`
//! renders it; `xtask/src/chart.rs` generates its README and schema.

use std::fs;

use serde_json::Value;

use crate::common::root;

const CHART: &str = "deploy/helm/zookeeper-exporter";

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn rules_and_dashboards_of_the_chart_are_the_shipped_files() {
    assert_eq!(read(&format!("{CHART}/files/rules.json")), read("deploy/mixin/rules.json"));
    let names = |folder: &str| {
        let mut names: Vec<_> =
            fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let shipped = names("dashboards");
    assert_eq!(names(&format!("{CHART}/files/dashboards")), shipped);
    for name in shipped {
        let name = name.to_str().unwrap();
        assert_eq!(read(&format!("{CHART}/files/dashboards/{name}")), read(&format!("dashboards/{name}")));
    }
}

#[test]
fn chart_has_the_version_of_the_exporter() {
    let chart: Value = serde_saphyr::from_str(&read(&format!("{CHART}/Chart.yaml"))).unwrap();
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

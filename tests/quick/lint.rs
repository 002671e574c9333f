//! Rules for dashboards: the 17 of grafana/dashboard-linter, with `member` in place of `instance`, and our own.

use std::collections::BTreeSet;

use xtask::dashboard::grafana::{Dashboard, Panel, Variable};
use zookeeper_exporter::catalogue::{Kind, Scope, catalogue};

use crate::common::promql::{RATE_INTERVAL, Selected, selectors};
use crate::common::root;

/// The name of every rule; those about `LogQL` always hold because only Prometheus is queried.
pub const RULES: &[&str] = &[
    "template-datasource-rule",
    "template-job-rule",
    "template-instance-rule",
    "template-ensemble-rule",
    "template-cluster-rule",
    "template-label-promql-rule",
    "template-on-time-change-reload-rule",
    "panel-datasource-rule",
    "panel-title-description-rule",
    "panel-units-rule",
    "panel-no-targets-rule",
    "target-logql-rule",
    "target-logql-auto-rule",
    "target-promql-rule",
    "target-rate-interval-rule",
    "target-job-rule",
    "target-ensemble-rule",
    "target-cluster-rule",
    "target-instance-rule",
    "target-counter-agg-rule",
    "target-family-rule",
    "target-ref-rule",
    "uneditable-dashboard",
    "identity-rule",
    "panel-id-rule",
    "grid-rule",
    "link-rule",
    "annotation-rule",
    "no-value-rule",
    "bad-and-then-rule",
    "mapping-rule",
];

/// The Grafana units in use.
const UNITS: &[&str] = &["short", "s", "dtdurations", "bytes", "Bps", "percentunit", "ops", "string"];

/// Rates over a fixed window: dashboard, panel, and why.
const OWN_WINDOW: &[(&str, &str, &str)] = &[
    ("zookeeper-member", "Snapshots", "snapshots are hours apart"),
    ("zookeeper-capacity", "Snapshot duration", "snapshots are hours apart"),
    ("zookeeper-client", "99th percentile over 1 h, by operation", "a few rounds have no percentile"),
];

/// Series of Prometheus and `node_exporter`.
fn foreign(name: &str) -> bool {
    matches!(name, "ALERTS" | "ALERTS_FOR_STATE" | "scrape_duration_seconds" | "scrape_samples_scraped")
        || name.starts_with("node_")
}

/// Names of recording rules.
fn recorded() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("alert-rules")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        names.extend(
            text.lines()
                .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("record: "))
                .map(|name| name.trim_matches(['\'', '"']).to_owned()),
        );
    }
    names
}

/// The scope of the family that a sample belongs to, and whether the sample is a counter.
fn known(sample: &str) -> Option<(Scope, bool)> {
    // The active limits of the alerts.
    if sample == "zk_alert_threshold" {
        return Some((Scope::Exporter, false));
    }
    catalogue().families().find_map(|(_, family)| {
        let name = family.full_name();
        let counts =
            family.kind == Kind::Summary && (sample == format!("{name}_sum") || sample == format!("{name}_count"));
        // Native buckets have the bare name and count like the classic ones.
        let buckets = family.kind == Kind::Histogram
            && ["", "_bucket", "_sum", "_count"].iter().any(|end| sample == format!("{name}{end}"));
        let counts = counts || buckets;
        (sample == name || counts).then_some((family.scope, counts || family.kind == Kind::Counter))
    })
}

/// Every violation of a rule: the rule, and where.
pub fn faults(dashboard: &Dashboard, all: &[Dashboard]) -> Vec<(&'static str, String)> {
    let mut report = Report { uid: dashboard.uid.clone(), found: Vec::new() };
    whole(dashboard, all, &mut report);
    variables(&dashboard.templating.list, &mut report);
    annotations(dashboard, &mut report);
    let recorded = recorded();
    for panel in dashboard.panels.iter().filter(|panel| panel.kind != "row") {
        shown(panel, all, &mut report);
        for target in &panel.targets {
            asked(panel, &target.expr, &recorded, &mut report);
        }
    }
    report.found
}

struct Report {
    uid: String,
    found: Vec<(&'static str, String)>,
}

impl Report {
    fn check(&mut self, rule: &'static str, holds: bool, what: impl FnOnce() -> String) {
        assert!(RULES.contains(&rule));
        if !holds {
            self.found.push((rule, format!("{rule}: {}: {}", self.uid, what())));
        }
    }
}

fn whole(dashboard: &Dashboard, all: &[Dashboard], report: &mut Report) {
    report.check("uneditable-dashboard", !dashboard.editable, || "is editable".into());
    let named = !dashboard.title.is_empty() && !dashboard.uid.is_empty() && dashboard.uid.len() <= 40;
    report.check("identity-rule", named, || "title and uid".into());
    let ids: BTreeSet<u32> = dashboard.panels.iter().map(|panel| panel.id).collect();
    report.check("panel-id-rule", ids.len() == dashboard.panels.len(), || "two panels with one id".into());
    let mut taken = BTreeSet::new();
    for panel in &dashboard.panels {
        let place = panel.grid_pos;
        let cells = (place.x..place.x + place.w).flat_map(|x| (place.y..place.y + place.h).map(move |y| (x, y)));
        let free = cells.filter(|cell| !taken.insert(*cell) || cell.0 >= 24).count() == 0;
        report.check("grid-rule", free && place.w > 0 && place.h > 0, || format!("{} overlaps", panel.title));
    }
    let menu = dashboard.links.iter().any(|link| {
        link.kind == "dashboards" && link.keep_time && link.include_vars && dashboard.tags.contains(&link.tags[0])
    });
    report.check("link-rule", menu && all.iter().all(|other| other.tags == dashboard.tags), || "no menu".into());
}

fn variables(list: &[Variable], report: &mut Report) {
    let source = list.first().is_some_and(|variable| {
        variable.kind == "datasource" && variable.name == "datasource" && variable.label == "Data source"
    });
    report.check("template-datasource-rule", source, || "no variable of the data source".into());
    for (rule, name, label, all) in [
        ("template-job-rule", "job", "Job", ".+"),
        // The pattern also matches series without the label.
        ("template-cluster-rule", "cluster", "Cluster", ".*"),
        ("template-ensemble-rule", "ensemble", "Ensemble", ".+"),
        ("template-instance-rule", "member", "Member", ".+"),
    ] {
        let sound = list.iter().any(|variable| {
            variable.name == name
                && variable.label == label
                && variable.kind == "query"
                && variable.multi
                && variable.all_value.as_deref() == Some(all)
                && variable.datasource.as_ref().is_some_and(|source| source.uid == "${datasource}")
        });
        report.check(rule, sound, || format!("the variable {name}"));
    }
    for variable in list.iter().filter(|variable| variable.kind == "query") {
        let query = variable.definition.as_deref().unwrap_or_default();
        let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let parsed = inner.and_then(|inner| inner.rsplit_once(',')).map(|(selector, _)| selectors(selector));
        let sound = matches!(&parsed, Some(Ok(found)) if found.iter().all(|selected| known(&selected.name).is_some()));
        report.check("template-label-promql-rule", sound, || format!("{query}: {parsed:?}"));
        report.check("template-on-time-change-reload-rule", variable.refresh == 2, || variable.name.clone());
    }
}

fn annotations(dashboard: &Dashboard, report: &mut Report) {
    let names: Vec<&str> = dashboard.annotations.list.iter().map(|mark| mark.name.as_str()).collect();
    report.check("annotation-rule", names == ["Elections", "Restarts", "Alerts"], || format!("{names:?}"));
    for mark in &dashboard.annotations.list {
        let sound = selectors(&mark.expr).is_ok_and(|found| {
            !found.is_empty()
                && found.iter().all(|one| foreign(&one.name) || known(&one.name).is_some())
                && found.iter().all(|one| foreign(&one.name) || one.has("job", "$job"))
        });
        report.check("annotation-rule", sound && mark.datasource.uid == "${datasource}", || mark.expr.clone());
    }
}

fn shown(panel: &Panel, all: &[Dashboard], report: &mut Report) {
    let title = || panel.title.clone();
    let source = panel.datasource.as_ref().is_some_and(|source| source.uid == "${datasource}");
    report.check("panel-datasource-rule", source, title);
    let description = panel.description.clone().unwrap_or_default();
    report.check("panel-title-description-rule", !panel.title.is_empty() && !description.is_empty(), title);
    // Meaning of the panel, what bad values look like, and what to do: at least a few words each.
    let parts: Vec<&str> = description.split("\n\n").collect();
    let told = parts.len() == 3
        && parts[0].trim_end().ends_with(['?', '.'])
        && parts[1].strip_prefix("**Bad:** ").is_some_and(|text| text.len() > 5)
        && parts[2].strip_prefix("**Then:** ").is_some_and(|text| text.len() > 5);
    report.check("bad-and-then-rule", told, || format!("{}: {description}", panel.title));
    report.check("panel-no-targets-rule", !panel.targets.is_empty(), title);
    let refs: BTreeSet<&str> = panel.targets.iter().map(|target| target.ref_id.as_str()).collect();
    let sound = refs.len() == panel.targets.len()
        && panel
            .targets
            .iter()
            .all(|target| target.datasource.uid == "${datasource}" && target.instant != target.range);
    report.check("target-ref-rule", sound, title);
    let Some(config) = &panel.field_config else {
        report.check("panel-units-rule", false, title);
        return;
    };
    let units = config.overrides.iter().flat_map(|one| &one.properties).filter(|one| one.id == "unit");
    let units: Vec<&str> = units.filter_map(|one| one.value.as_str()).chain([config.defaults.unit.as_str()]).collect();
    report.check("panel-units-rule", units.iter().all(|unit| UNITS.contains(unit)), || {
        format!("{}: {units:?}", panel.title)
    });
    report.check("no-value-rule", config.defaults.no_value.len() > 10, title);
    let steps = &config.defaults.thresholds.steps;
    let rising =
        steps.windows(2).all(|two| two[0].value.unwrap_or(f64::NEG_INFINITY) < two[1].value.unwrap_or(f64::NAN));
    let sound = steps.first().is_some_and(|step| step.value.is_none()) && rising;
    report.check("mapping-rule", sound, || format!("{}: thresholds", panel.title));
    let text = serde_json::to_string(panel).unwrap();
    for behind in text.split("\"/d/").skip(1) {
        let uid = behind.split(['?', '"']).next().unwrap_or_default();
        let keeps = behind.contains("${__url_time_range}") && behind.contains("${datasource:queryparam}");
        let exists = all.iter().any(|other| other.uid == uid);
        report.check("link-rule", exists && keeps, || format!("{}: a link to {uid}", panel.title));
    }
}

fn asked(panel: &Panel, expr: &str, recorded: &BTreeSet<String>, report: &mut Report) {
    let found = match selectors(expr) {
        Ok(found) => found,
        Err(error) => return report.check("target-promql-rule", false, || format!("{}: {error}: {expr}", panel.title)),
    };
    report.check("target-promql-rule", !found.is_empty(), || format!("{}: queries no series: {expr}", panel.title));
    for selected in &found {
        selector(panel, selected, recorded, report);
    }
}

fn selector(panel: &Panel, selected: &Selected, recorded: &BTreeSet<String>, report: &mut Report) {
    let place = || format!("{}: {}", panel.title, selected.name);
    let inside = |names: &[&str]| selected.within.iter().any(|name| names.contains(&name.as_str()));
    if foreign(&selected.name) {
        return;
    }
    if recorded.contains(&selected.name) {
        // Recording rules keep ensemble and member, but not the job.
        report.check("target-ensemble-rule", selected.has("ensemble", "$ensemble"), place);
        return;
    }
    let Some((scope, counter)) = known(&selected.name) else {
        return report.check("target-family-rule", false, || format!("{} is no family", place()));
    };
    report.check("target-job-rule", selected.has("job", "$job"), place);
    report.check("target-cluster-rule", selected.has("cluster", "$cluster"), place);
    // The exporter's own metrics have no ensemble, and limits without an ensemble apply to all.
    let ensemble = selected.has("ensemble", "$ensemble") || selected.has("ensemble", "$ensemble|");
    report.check("target-ensemble-rule", ensemble || scope == Scope::Exporter, place);
    report.check("target-instance-rule", selected.has("member", "$member") || scope != Scope::Member, place);
    let counts = ["rate", "irate", "increase", "resets", "changes"];
    report.check("target-counter-agg-rule", !counter || inside(&counts), place);
    let own = OWN_WINDOW.iter().any(|(uid, title, _)| *uid == report.uid && *title == panel.title);
    let windowed = !inside(&["rate", "irate"]) || selected.range == Some(RATE_INTERVAL);
    report.check("target-rate-interval-rule", windowed || own, place);
}

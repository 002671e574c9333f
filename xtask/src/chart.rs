//! README and schema of the Helm chart, generated from its `values.yaml`, the configuration file and the alert catalogue.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use zookeeper_exporter::alert::{Condition, Severity, Unit, conditions};

use crate::document::configuration;
use crate::{File, read};

const CHART: &str = "deploy/helm/zookeeper-exporter";

fn values() -> Value {
    serde_saphyr::from_str(&read(&format!("{CHART}/values.yaml"))).unwrap()
}

/// A documented key of `values.yaml`.
struct Documented {
    path: String,
    meaning: String,
}

/// A comment `# -- text`, possibly continued on the next lines, describes the key below it.
fn documented() -> Vec<Documented> {
    let (mut found, mut path, mut meaning) = (Vec::new(), Vec::<String>::new(), String::new());
    for line in read(&format!("{CHART}/values.yaml")).lines() {
        let text = line.trim_start();
        if let Some(begin) = text.strip_prefix("# -- ") {
            begin.clone_into(&mut meaning);
        } else if let Some(more) = text.strip_prefix("# ").filter(|_| !meaning.is_empty()) {
            meaning = format!("{meaning} {more}");
        } else if let Some((key, _)) =
            text.split_once(':').filter(|(key, _)| key.bytes().all(|b| b.is_ascii_alphanumeric()))
        {
            path.truncate((line.len() - text.len()) / 2);
            path.push(key.to_owned());
            if !meaning.is_empty() {
                found.push(Documented { path: path.join("."), meaning: std::mem::take(&mut meaning) });
            }
        }
    }
    found
}

fn at<'v>(values: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(values, |value, key| &value[key])
}

/// Keys without subkeys, and keys documented as a whole.
fn leaves(value: &Value, path: &str, whole: &[Documented], out: &mut Vec<String>) {
    match value.as_object() {
        Some(object) if !object.is_empty() && !whole.iter().any(|one| one.path == path) => {
            for (key, inner) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(inner, &path, whole, out);
            }
        }
        _ => out.push(path.to_owned()),
    }
}

/// The chart's README, with a table of all values, and the schema of the values.
pub(crate) fn files() -> [File; 2] {
    [(format!("{CHART}/README.md"), readme()), (format!("{CHART}/values.schema.json"), schema())]
}

fn readme() -> String {
    let (values, documented) = (values(), documented());
    let mut found = Vec::new();
    leaves(&values, "", &documented, &mut found);
    for path in &found {
        assert!(documented.iter().any(|one| one.path == *path), "values.yaml does not describe {path}");
    }
    assert_eq!(found.len(), documented.len(), "values.yaml describes a key twice");
    let mut table = String::from("| value | default | meaning |\n|---|---|---|\n");
    for Documented { path, meaning } in &documented {
        let default = serde_json::to_string(at(&values, path)).unwrap().replace('|', "\\|");
        table.push_str(&format!("| `{path}` | `{default}` | {}. |\n", meaning.replace('|', "\\|")));
    }
    let readme = read(&format!("{CHART}/README.md"));
    let title = "## Values\n\n";
    let begin = readme.find(title).expect("the README has no section Values") + title.len();
    format!("{}{table}", &readme[..begin])
}

/// A schema that accepts the type of the default; maps with keys accept no others.
fn of_default(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::Number(_) => json!({"type": "integer", "minimum": 0}),
        Value::String(_) => json!({"type": "string"}),
        Value::Array(_) => json!({"type": "array"}),
        Value::Object(object) if object.is_empty() => json!({"type": "object"}),
        Value::Object(object) => {
            let properties: Map<String, Value> =
                object.iter().map(|(key, inner)| (key.clone(), of_default(inner))).collect();
            json!({"type": "object", "properties": properties, "additionalProperties": false})
        }
    }
}

/// A number of the unit, or text with a unit.
fn limit(unit: Unit) -> Vec<Value> {
    let (units, most) = match unit {
        Unit::State | Unit::Count | Unit::Number => ("", None),
        Unit::Ratio => (" *%?", Some(10)),
        Unit::Seconds => (" *(ms|s|m|h|d)?", None),
        Unit::Bytes => (" *(KiB|MiB|GiB|kB|MB|GB)?", None),
    };
    let mut number = json!({"type": "number", "minimum": 0});
    if let Some(most) = most {
        number["maximum"] = most.into();
    }
    vec![number, json!({"type": "string", "pattern": format!("^([0-9]+(\\.[0-9]*)?|\\.[0-9]+){units}$")})]
}

fn switch() -> [Value; 2] {
    [json!({"type": "boolean"}), json!({"enum": ["on", "off"]})]
}

/// The settings of a condition in `alerts.thresholds`.
fn setting(condition: &Condition) -> Value {
    let mut properties = Map::new();
    for level in condition.levels.iter().filter(|level| level.severity != Severity::Info) {
        let mut any = switch().to_vec();
        if level.limit.is_some() {
            any.extend(limit(condition.unit));
        }
        properties.insert(level.severity.text().to_owned(), json!({"anyOf": any}));
    }
    let hold =
        json!({"type": "string", "minLength": 1, "pattern": "^([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"});
    properties.insert("for".to_owned(), hold);
    let levels = json!({"type": "object", "properties": properties, "additionalProperties": false});
    json!({"anyOf": switch().into_iter().chain([levels]).collect::<Vec<_>>()})
}

/// The schema of the configuration file, extended with the settings of each alert.
fn config() -> Value {
    let mut schema = configuration::schema();
    let object = schema.as_object_mut().unwrap();
    object.remove("$schema");
    object.remove("title");
    let mut settings = BTreeMap::new();
    for condition in conditions() {
        settings.insert(condition.name.to_owned(), setting(condition));
        settings.insert(condition.alert(), setting(condition));
    }
    let alerts = &mut schema["properties"]["alerts"]["properties"];
    alerts["thresholds"] = json!({
        "type": "object",
        "description": alerts["thresholds"]["description"],
        "properties": settings,
        "additionalProperties": false,
    });
    schema
}

/// Constraints that do not follow from the default of a value.
fn particulars() -> Vec<(&'static str, Value)> {
    let text_or_number = json!({"type": ["integer", "string"]});
    let duration = json!({"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$"});
    let free = json!({"type": "object"});
    vec![
        ("config", config()),
        ("image.pullPolicy", json!({"enum": ["Always", "IfNotPresent", "Never"]})),
        ("image.digest", json!({"type": "string", "pattern": "^$|^sha256:[0-9a-f]{64}$"})),
        ("reloadInterval", json!({"type": "string", "pattern": "^$|^([0-9]+(s|m|h|d))+$"})),
        ("secrets", json!({"type": "array", "uniqueItems": true, "items": {"type": "string", "minLength": 1}})),
        ("web.telemetryPath", json!({"type": "string", "pattern": "^/[A-Za-z0-9/._-]+$"})),
        ("logLevel", json!({"enum": ["error", "warn", "info", "debug", "trace"]})),
        ("logFormat", json!({"enum": ["text", "logfmt", "json"]})),
        ("extraArgs", json!({"type": "array", "items": {"type": "string"}})),
        ("strategy", free.clone()),
        ("podSecurityContext", free.clone()),
        ("securityContext", free.clone()),
        ("resources", free.clone()),
        ("livenessProbe", free.clone()),
        ("readinessProbe", free.clone()),
        ("startupProbe", free.clone()),
        ("service.type", json!({"enum": ["ClusterIP", "NodePort", "LoadBalancer"]})),
        ("service.port", json!({"type": "integer", "minimum": 1, "maximum": 65535})),
        (
            "networkPolicy.memberPorts",
            json!({"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1, "maximum": 65535}}),
        ),
        ("podDisruptionBudget.minAvailable", text_or_number.clone()),
        ("podDisruptionBudget.maxUnavailable", text_or_number),
        ("serviceMonitor.interval", duration.clone()),
        ("serviceMonitor.scrapeTimeout", duration.clone()),
        ("serviceMonitor.scheme", json!({"enum": ["http", "https"]})),
        ("podMonitor.interval", duration.clone()),
        ("podMonitor.scrapeTimeout", duration),
        ("podMonitor.scheme", json!({"enum": ["http", "https"]})),
        ("dashboards.labels", json!({"type": "object", "additionalProperties": {"type": "string"}})),
        ("dashboards.annotations", json!({"type": "object", "additionalProperties": {"type": "string"}})),
    ]
}

fn schema() -> String {
    let mut schema = of_default(&values());
    for (path, particular) in particulars() {
        let place = path.split('.').fold(&mut schema, |schema, key| &mut schema["properties"][key]);
        assert!(!place.is_null(), "values.yaml has no {path}");
        *place = particular;
    }
    for Documented { path, meaning } in documented() {
        let place = path.split('.').fold(&mut schema, |schema, key| &mut schema["properties"][key]);
        place["description"] = meaning.into();
    }
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = "Values of the chart zookeeper-exporter".into();
    // Values that a parent chart passes to all its charts.
    schema["properties"]["global"] = json!({"type": "object"});
    serde_json::to_string_pretty(&schema).unwrap() + "\n"
}

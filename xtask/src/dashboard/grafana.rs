//! Grafana's JSON format of a dashboard; unknown fields are errors when parsing.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A dashboard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names, described in its documentation")]
pub struct Dashboard {
    pub uid: String,
    pub title: String,
    pub description: String,
    pub tags: Vec<String>,
    pub editable: bool,
    pub graph_tooltip: u8,
    pub schema_version: u16,
    pub version: u16,
    pub refresh: String,
    pub timezone: String,
    pub time: Time,
    pub templating: List<Variable>,
    pub annotations: List<Annotation>,
    pub links: Vec<DashboardLink>,
    pub panels: Vec<Panel>,
}

impl Dashboard {
    /// The content of the dashboard file.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Serialising plain data cannot fail; an empty file would fail the tests.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

/// The time range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names")]
pub struct Time {
    pub from: String,
    pub to: String,
}

/// A list within an object, as in Grafana's format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names")]
pub struct List<T> {
    pub list: Vec<T>,
}

/// A data source; always the variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names")]
pub struct DataSource {
    #[serde(rename = "type")]
    pub kind: String,
    pub uid: String,
}

/// A variable of a dashboard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names")]
pub struct Variable {
    pub name: String,
    pub label: String,
    pub description: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// A string for a data source, an object for a query.
    pub query: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datasource: Option<DataSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    pub refresh: u8,
    pub multi: bool,
    pub include_all: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_value: Option<String>,
    pub current: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<u8>,
    pub hide: u8,
}

/// Annotations on the time axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names")]
pub struct Annotation {
    pub name: String,
    pub datasource: DataSource,
    pub enable: bool,
    pub hide: bool,
    pub icon_color: String,
    pub expr: String,
    pub step: String,
    pub title_format: String,
    pub text_format: String,
    pub tag_keys: String,
}

/// Links to the other dashboards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, clippy::struct_excessive_bools, reason = "Grafana's names and form")]
pub struct DashboardLink {
    pub title: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub tags: Vec<String>,
    pub as_dropdown: bool,
    pub keep_time: bool,
    pub include_vars: bool,
    pub target_blank: bool,
    pub icon: String,
    pub tooltip: String,
    pub url: String,
}

/// A panel, or the heading of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names")]
pub struct Panel {
    pub id: u32,
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub grid_pos: GridPos,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datasource: Option<DataSource>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transformations: Vec<Transformation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_config: Option<FieldConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Value>,
    /// For a row: whether it is collapsed; it then contains its panels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collapsed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub panels: Option<Vec<Panel>>,
}

/// A position in the grid of 24 columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names")]
pub struct GridPos {
    pub x: u32,
    pub y: u32,
    pub w: u32,
    pub h: u32,
}

/// A query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names")]
pub struct Target {
    pub ref_id: String,
    pub datasource: DataSource,
    pub expr: String,
    pub legend_format: String,
    pub instant: bool,
    pub range: bool,
    pub format: String,
    pub editor_mode: String,
}

/// A transformation of query results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names")]
pub struct Transformation {
    pub id: String,
    pub options: Value,
}

/// Display options of values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names")]
pub struct FieldConfig {
    pub defaults: Defaults,
    pub overrides: Vec<Override>,
}

/// Options of all series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names")]
pub struct Defaults {
    pub unit: String,
    pub no_value: String,
    pub color: Value,
    pub thresholds: Thresholds,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mappings: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u8>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<DataLink>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom: Option<Value>,
}

/// Colours by value, lowest value first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names")]
pub struct Thresholds {
    pub mode: String,
    pub steps: Vec<Step>,
}

/// The colour from a value upwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names")]
pub struct Step {
    pub color: String,
    pub value: Option<f64>,
}

/// A link of a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names")]
pub struct DataLink {
    pub title: String,
    pub url: String,
    pub target_blank: bool,
}

/// Overrides of some series or columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names")]
pub struct Override {
    pub matcher: Matcher,
    pub properties: Vec<Property>,
}

/// Selects the series or columns of an override.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names")]
pub struct Matcher {
    pub id: String,
    pub options: String,
}

/// A property of an override.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "Grafana's names")]
pub struct Property {
    pub id: String,
    pub value: Value,
}

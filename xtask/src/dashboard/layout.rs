//! Converts dashboard descriptions to Grafana's format: ids, positions, queries and overrides.

use serde_json::{Map, Value, json};

use super::board::Board;
use super::grafana::{
    Dashboard, DataLink, Defaults, FieldConfig, GridPos, Matcher, Override, Panel as Placed, Property, Target as Query,
    Time, Transformation,
};
use super::panel::{ALARM, Column, Paint, Panel, PanelKind, Target};
use super::query::written;
use super::{limits, looks, shared};

/// Number of columns of Grafana's grid.
const WIDTH: u32 = 24;

/// Converts a dashboard to Grafana's format.
pub(super) fn dashboard(board: &Board) -> Dashboard {
    let mut panels = Vec::new();
    let mut y = 0;
    for row in &board.rows {
        let id = next(&panels);
        panels.push(heading(id, row.title, y));
        y += 1;
        let (mut x, mut height) = (0, 0);
        for panel in &row.panels {
            let (w, h) = panel.size;
            if x + w > WIDTH {
                (x, y, height) = (0, y + height, 0);
            }
            let id = next(&panels);
            panels.push(placed(panel, id, GridPos { x, y, w, h }));
            x += w;
            height = height.max(h);
        }
        y += height;
    }
    Dashboard {
        uid: board.uid.into(),
        title: format!("ZooKeeper / {}", board.title),
        description: board.about.into(),
        tags: vec![shared::TAG.into()],
        editable: false,
        graph_tooltip: 1,
        schema_version: 39,
        version: 1,
        refresh: "30s".into(),
        timezone: String::new(),
        time: Time { from: format!("now-{}", board.span), to: "now".into() },
        templating: shared::variables(),
        annotations: shared::annotations(),
        links: shared::links(),
        panels,
    }
}

fn next(panels: &[Placed]) -> u32 {
    panels.last().map_or(1, |panel| panel.id + 1)
}

fn heading(id: u32, title: &str, y: u32) -> Placed {
    Placed {
        id,
        kind: "row".into(),
        title: title.into(),
        description: None,
        grid_pos: GridPos { x: 0, y, w: WIDTH, h: 1 },
        datasource: None,
        targets: Vec::new(),
        transformations: Vec::new(),
        field_config: None,
        options: None,
        collapsed: Some(false),
        panels: Some(Vec::new()),
    }
}

fn placed(panel: &Panel, id: u32, grid_pos: GridPos) -> Placed {
    let (targets, transformations, overrides) = match &panel.look {
        PanelKind::Table { keys, columns, .. } => {
            (columns.iter().enumerate().map(column_query).collect(), joined(keys, columns), cells(keys, columns))
        }
        look => {
            let instant = matches!(look, PanelKind::Number | PanelKind::Name | PanelKind::Bars);
            let lines = panel.limits.map(limits::lines);
            let all = panel.targets.iter().chain(&lines);
            let mut queries: Vec<_> = all.enumerate().map(|(place, target)| query(place, target, instant)).collect();
            if matches!(look, PanelKind::Buckets) {
                // Native histograms are returned as cells; for classic ones, Grafana subtracts the cumulative buckets.
                queries.iter_mut().skip(1).for_each(|query| query.format = "heatmap".into());
            }
            (queries, Vec::new(), curves(panel))
        }
    };
    let single = panel.targets.iter().all(|target| target.legend.is_empty());
    let bar = matches!(panel.look, PanelKind::Bars | PanelKind::Curves { .. });
    Placed {
        id,
        kind: looks::kind(&panel.look).into(),
        title: panel.title.into(),
        description: Some(format!("{}\n\n**Bad:** {}\n\n**Then:** {}", panel.asks, panel.bad, panel.act)),
        grid_pos,
        datasource: Some(shared::data_source()),
        targets,
        transformations,
        field_config: Some(FieldConfig {
            defaults: Defaults {
                unit: panel.unit.id().into(),
                no_value: panel.missing.into(),
                color: looks::color(&panel.look),
                thresholds: looks::thresholds(&panel.look, &panel.paint),
                mappings: mappings(panel),
                min: panel.bounds.0.filter(|_| bar),
                max: panel.bounds.1.filter(|_| bar),
                decimals: looks::decimals(panel.unit, &panel.look),
                links: links(panel),
                custom: looks::custom(&panel.look),
            },
            overrides,
        }),
        options: Some(looks::options(&panel.look, &panel.paint, single)),
        collapsed: None,
        panels: None,
    }
}

/// The value mappings of the panel; includes [`ALARM`] if an alert can replace a number.
fn mappings(panel: &Panel) -> Vec<Value> {
    let alarm = panel.targets.iter().any(|target| target.expr.starts_with(&ALARM.to_string()));
    looks::mappings(&panel.paint).into_iter().chain(alarm.then(looks::alarm)).collect()
}

/// Links from a series to the member or ensemble named by its labels.
fn links(panel: &Panel) -> Vec<DataLink> {
    let by = |label: &str| panel.targets.iter().any(|target| target.legend.contains(label));
    if matches!(panel.look, PanelKind::Table { .. }) {
        Vec::new()
    } else if by("{{member}}") {
        vec![shared::to_member("${__field.labels.ensemble}", "${__field.labels.member}")]
    } else if by("{{ensemble}}") {
        vec![shared::to_ensemble("${__field.labels.ensemble}")]
    } else {
        Vec::new()
    }
}

/// The id of a query: `A`, `B` etc.
fn ref_id(place: usize) -> String {
    // Panels have far fewer than 26 queries; a test verifies that the ids are unique.
    char::from(b'A' + u8::try_from(place).unwrap_or(25).min(25)).into()
}

fn query(place: usize, target: &Target, instant: bool) -> Query {
    Query {
        ref_id: ref_id(place),
        datasource: shared::data_source(),
        expr: written(&target.expr),
        legend_format: target.legend.into(),
        instant,
        range: !instant,
        format: "time_series".into(),
        editor_mode: "code".into(),
    }
}

fn column_query((place, column): (usize, &Column)) -> Query {
    Query {
        ref_id: ref_id(place),
        datasource: shared::data_source(),
        expr: written(&column.expr),
        legend_format: String::new(),
        instant: true,
        range: false,
        format: "table".into(),
        editor_mode: "code".into(),
    }
}

/// Grafana's name for the value column of a query; numbered if there are several queries.
fn value_column(place: usize, columns: &[Column]) -> String {
    if columns.len() == 1 { "Value".into() } else { format!("Value #{}", ref_id(place)) }
}

/// Merges all queries into one table, with named and ordered columns.
fn joined(keys: &[(&str, &str)], columns: &[Column]) -> Vec<Transformation> {
    let (mut order, mut names, mut hidden) = (Map::new(), Map::new(), Map::from_iter([("Time".into(), json!(true))]));
    for (label, title) in keys {
        order.insert((*label).into(), json!(order.len()));
        names.insert((*label).into(), json!(title));
    }
    for (place, column) in columns.iter().enumerate() {
        let value = value_column(place, columns);
        if column.title.is_empty() {
            hidden.insert(value, json!(true));
        } else {
            order.insert(value.clone(), json!(order.len()));
            names.insert(value, json!(column.title));
        }
    }
    vec![
        Transformation { id: "merge".into(), options: json!({}) },
        Transformation {
            id: "organize".into(),
            options: json!({"excludeByName": hidden, "indexByName": order, "renameByName": names}),
        },
    ]
}

/// Overrides of the columns: units, colours, bars and links.
fn cells(keys: &[(&str, &str)], columns: &[Column]) -> Vec<Override> {
    let named = |title: &str, properties| Override {
        matcher: Matcher { id: "byName".into(), options: title.into() },
        properties,
    };
    let has_member = keys.iter().any(|(label, _)| *label == "member");
    let title_of = |label: &str| keys.iter().find(|(key, _)| *key == label).map_or("", |(_, title)| title);
    let field = |label: &str| format!("${{__data.fields[\"{}\"]}}", title_of(label));
    let mut all = Vec::new();
    for (label, title) in keys {
        let link = match *label {
            "ensemble" => shared::to_ensemble(&field("ensemble")),
            "member" if has_member => shared::to_member(&field("ensemble"), &field("member")),
            "alertname" => shared::to_runbook(),
            "severity" => {
                let cell = json!({"type": "color-text"});
                let words = json!([{"type": "value", "options": {
                    "critical": {"text": "critical", "color": "red", "index": 0},
                    "warning": {"text": "warning", "color": "orange", "index": 1}}}]);
                all.push(named(title, vec![property("custom.cellOptions", cell), property("mappings", words)]));
                continue;
            }
            _ => continue,
        };
        all.push(named(title, vec![property("links", json!([link]))]));
    }
    for column in columns.iter().filter(|column| !column.title.is_empty()) {
        let mut properties = vec![property("unit", json!(column.unit.id()))];
        let well = if column.bar { "blue" } else { "transparent" };
        let steps = json!(looks::thresholds_above(&column.paint, well));
        if let Some(decimals) = looks::decimals(column.unit, &PanelKind::Number) {
            properties.push(property("decimals", json!(decimals)));
        }
        if column.bar {
            properties.push(property("custom.cellOptions", json!({"type": "gauge", "mode": "basic"})));
            properties.push(property("min", json!(0)));
            properties.push(property("max", json!(1)));
            properties.push(property("thresholds", steps));
        } else if column.paint != Paint::Plain {
            properties.push(property("custom.cellOptions", json!({"type": "color-background", "mode": "basic"})));
            properties.push(property("thresholds", steps));
            let words = looks::mappings_in_a_table(&column.paint);
            if !words.is_empty() {
                properties.push(property("mappings", json!(words)));
            }
        }
        all.push(named(column.title, properties));
    }
    all
}

fn property(id: &str, value: Value) -> Property {
    Property { id: id.into(), value }
}

/// Overrides of the series: limit lines are dashed and in the colour of their severity; some series use the right axis.
fn curves(panel: &Panel) -> Vec<Override> {
    let mut all = Vec::new();
    if panel.limits.is_some() {
        for (severity, color) in [("warning", "orange"), ("critical", "red")] {
            all.push(Override {
                matcher: Matcher { id: "byRegexp".into(), options: format!("/^{severity} limit/") },
                properties: vec![
                    property("color", json!({"mode": "fixed", "fixedColor": color})),
                    property("custom.lineStyle", json!({"fill": "dash", "dash": [10, 10]})),
                    property("custom.fillOpacity", json!(0)),
                    property("custom.stacking", json!({"group": "limits", "mode": "none"})),
                    property("links", json!([])),
                ],
            });
        }
    }
    for (place, target) in panel.targets.iter().enumerate() {
        if target.forecast {
            all.push(Override {
                matcher: Matcher { id: "byFrameRefID".into(), options: ref_id(place) },
                properties: vec![
                    property("custom.lineStyle", json!({"fill": "dot", "dash": [2, 6]})),
                    property("custom.fillOpacity", json!(0)),
                ],
            });
        }
        if let Some(unit) = target.right {
            all.push(Override {
                matcher: Matcher { id: "byFrameRefID".into(), options: ref_id(place) },
                properties: vec![
                    property("unit", json!(unit.id())),
                    property("custom.axisPlacement", json!("right")),
                    property("custom.scaleDistribution", json!({"type": "linear"})),
                    property("custom.lineStyle", json!({"fill": "dot", "dash": [2, 6]})),
                    property("custom.fillOpacity", json!(0)),
                ],
            });
        }
    }
    all
}

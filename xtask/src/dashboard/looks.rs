//! Panel options for each kind of panel, in Grafana's format.

use serde_json::{Value, json};

use super::grafana::{Step, Thresholds};
use super::panel::{ALARM, Axis, Paint, PanelKind, Unit};

/// Grafana's name of the panel type.
pub(super) fn kind(look: &PanelKind) -> &'static str {
    match look {
        PanelKind::Curves { .. } => "timeseries",
        PanelKind::Number | PanelKind::Name => "stat",
        PanelKind::States => "state-timeline",
        PanelKind::Heat => "status-history",
        PanelKind::Buckets => "heatmap",
        PanelKind::Bars => "bargauge",
        PanelKind::Table { .. } => "table",
    }
}

/// The options of a panel.
pub(super) fn options(look: &PanelKind, paint: &Paint, single: bool) -> Value {
    let last = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
    let tooltip = json!({"mode": "multi", "sort": "desc"});
    let legend = json!({"showLegend": true, "displayMode": "list", "placement": "bottom", "calcs": []});
    match look {
        PanelKind::Curves { .. } => json!({"legend": legend, "tooltip": tooltip}),
        PanelKind::Number => json!({
            "reduceOptions": last,
            "colorMode": if *paint == Paint::Plain { "none" } else { "background" },
            "graphMode": "none",
            "textMode": if single { "value" } else { "value_and_name" },
            "justifyMode": "auto",
            "orientation": "auto",
        }),
        PanelKind::Name => json!({
            "reduceOptions": last,
            "colorMode": "none",
            "graphMode": "none",
            "textMode": "name",
            "justifyMode": "auto",
            "orientation": "auto",
        }),
        PanelKind::States => json!({
            "mergeValues": true,
            "showValue": "auto",
            "alignValue": "left",
            "rowHeight": 0.85,
            "legend": legend,
            "tooltip": {"mode": "single", "sort": "none"},
        }),
        PanelKind::Heat => json!({
            "showValue": "never",
            "rowHeight": 0.85,
            "colWidth": 0.95,
            "legend": {"showLegend": false, "displayMode": "list", "placement": "bottom", "calcs": []},
            "tooltip": {"mode": "single", "sort": "none"},
        }),
        PanelKind::Buckets => json!({
            "calculate": false,
            "cellGap": 1,
            "color": {"mode": "scheme", "scheme": "Oranges", "fill": "dark-orange", "exponent": 0.5, "scale": "exponential",
                      "steps": 64, "reverse": false},
            "yAxis": {"axisPlacement": "left", "unit": "s", "reverse": false},
            "rowsFrame": {"layout": "auto"},
            "filterValues": {"le": 1e-9},
            "showValue": "never",
            "legend": {"show": true},
            "tooltip": {"show": true, "yHistogram": false},
            "exemplars": {"color": "rgba(255,0,255,0.7)"},
        }),
        PanelKind::Bars => json!({
            "reduceOptions": last,
            "displayMode": "basic",
            "orientation": "horizontal",
            "showUnfilled": true,
            "minVizWidth": 8,
            "minVizHeight": 16,
        }),
        PanelKind::Table { sort, .. } => {
            let by: Vec<Value> =
                sort.iter().map(|(title, largest)| json!({"displayName": title, "desc": largest})).collect();
            json!({"showHeader": true, "cellHeight": "sm", "sortBy": by, "footer": {"show": false, "reducer": [], "countRows": false}})
        }
    }
}

/// The default options of the series of a panel.
pub(super) fn custom(look: &PanelKind) -> Option<Value> {
    Some(match look {
        PanelKind::Curves { axis } => json!({
            "drawStyle": "line",
            "lineInterpolation": "linear",
            "lineWidth": 1,
            "fillOpacity": 8,
            "showPoints": "never",
            "spanNulls": false,
            "stacking": {"group": "A", "mode": "none"},
            "axisPlacement": "auto",
            "scaleDistribution": match axis {
                Axis::Linear => json!({"type": "linear"}),
                Axis::Log => json!({"type": "log", "log": 10}),
                Axis::LogWithZero => json!({"type": "symlog", "log": 10, "linearThreshold": 1}),
            },
            "thresholdsStyle": {"mode": "off"},
        }),
        PanelKind::States | PanelKind::Heat => json!({"fillOpacity": 80, "lineWidth": 0}),
        PanelKind::Buckets => json!({
            "hideFrom": {"legend": false, "tooltip": false, "viz": false},
            "scaleDistribution": {"type": "linear"},
        }),
        PanelKind::Table { .. } => json!({"align": "auto", "filterable": false}),
        PanelKind::Number | PanelKind::Name | PanelKind::Bars => return None,
    })
}

/// Colours by value. Green is only used for numbers and states that take the related alerts into account: a value far
/// from its limit does not prove that the system is healthy.
pub(super) fn thresholds(look: &PanelKind, paint: &Paint) -> Thresholds {
    thresholds_above(paint, if matches!(look, PanelKind::Bars | PanelKind::Heat) { "blue" } else { "green" })
}

/// As [`thresholds`], with a given colour for good values; in tables only bad values should be highlighted.
pub(super) fn thresholds_above(paint: &Paint, well: &str) -> Thresholds {
    let step = |color: &str, value: Option<f64>| Step { color: color.into(), value };
    let steps = match paint {
        Paint::Plain | Paint::Words(_) => vec![step("text", None)],
        Paint::From(list) | Paint::Falling(list) | Paint::FromOrWords(list, _) => {
            let first = if matches!(paint, Paint::Falling(_)) { "red" } else { well };
            let rest = list.iter().map(|(value, color)| step(color, Some(*value)));
            std::iter::once(step(first, None)).chain(rest).collect()
        }
        Paint::Part(list) => {
            let rest = list.iter().map(|(value, color)| step(color, Some(*value)));
            std::iter::once(step(well, None)).chain(rest).collect()
        }
    };
    Thresholds { mode: "absolute".into(), steps }
}

/// The mapping for numbers replaced by [`ALARM`].
pub(super) fn alarm() -> Value {
    json!({"type": "value", "options": {ALARM.to_string(): {"text": "alert fires", "color": "red", "index": 0}}})
}

/// Value mappings.
pub(super) fn mappings(paint: &Paint) -> Vec<Value> {
    let (Paint::Words(words) | Paint::FromOrWords(_, words)) = paint else { return Vec::new() };
    let options: serde_json::Map<String, Value> = words
        .iter()
        .enumerate()
        .map(|(index, (value, text, color))| (value.to_string(), json!({"text": text, "color": color, "index": index})))
        .collect();
    vec![json!({"type": "value", "options": options})]
}

/// Value mappings for a table, in which only bad values are highlighted.
pub(super) fn mappings_in_a_table(paint: &Paint) -> Vec<Value> {
    let mut all = mappings(paint);
    let options = all.iter_mut().filter_map(|mapping| mapping["options"].as_object_mut());
    for word in options.flat_map(|options| options.values_mut()) {
        if word["color"].as_str().is_some_and(|color| color.ends_with("green")) {
            word["color"] = json!("transparent");
        }
    }
    all
}

/// The colour mode of the series.
pub(super) fn color(look: &PanelKind) -> Value {
    match look {
        PanelKind::Curves { .. } => json!({"mode": "palette-classic"}),
        _ => json!({"mode": "thresholds"}),
    }
}

/// The number of decimals, if Grafana's default is unsuitable.
pub(super) fn decimals(unit: Unit, look: &PanelKind) -> Option<u8> {
    match (unit, look) {
        (Unit::Age, _) => Some(0),
        (Unit::Ratio, PanelKind::Number | PanelKind::Table { .. } | PanelKind::Bars) => Some(1),
        _ => None,
    }
}

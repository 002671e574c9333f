//! Options of each kind of panel, as Grafana words them.

use serde_json::{Value, json};

use super::grafana::{Step, Thresholds};
use super::panel::{ALARM, Axis, Look, Paint, Unit};

/// Grafana's name of the kind of panel.
pub(super) fn kind(look: &Look) -> &'static str {
    match look {
        Look::Curves { .. } => "timeseries",
        Look::Number | Look::Name => "stat",
        Look::States => "state-timeline",
        Look::Heat => "status-history",
        Look::Bars => "bargauge",
        Look::Table { .. } => "table",
    }
}

/// The options of the panel.
pub(super) fn options(look: &Look, paint: &Paint, single: bool) -> Value {
    let last = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
    let tooltip = json!({"mode": "multi", "sort": "desc"});
    let legend = json!({"showLegend": true, "displayMode": "list", "placement": "bottom", "calcs": []});
    match look {
        Look::Curves { .. } => json!({"legend": legend, "tooltip": tooltip}),
        Look::Number => json!({
            "reduceOptions": last,
            "colorMode": if *paint == Paint::Plain { "none" } else { "background" },
            "graphMode": "none",
            "textMode": if single { "value" } else { "value_and_name" },
            "justifyMode": "auto",
            "orientation": "auto",
        }),
        Look::Name => json!({
            "reduceOptions": last,
            "colorMode": "none",
            "graphMode": "none",
            "textMode": "name",
            "justifyMode": "auto",
            "orientation": "auto",
        }),
        Look::States => json!({
            "mergeValues": true,
            "showValue": "auto",
            "alignValue": "left",
            "rowHeight": 0.85,
            "legend": legend,
            "tooltip": {"mode": "single", "sort": "none"},
        }),
        Look::Heat => json!({
            "showValue": "never",
            "rowHeight": 0.85,
            "colWidth": 0.95,
            "legend": {"showLegend": false, "displayMode": "list", "placement": "bottom", "calcs": []},
            "tooltip": {"mode": "single", "sort": "none"},
        }),
        Look::Bars => json!({
            "reduceOptions": last,
            "displayMode": "basic",
            "orientation": "horizontal",
            "showUnfilled": true,
            "minVizWidth": 8,
            "minVizHeight": 16,
        }),
        Look::Table { sort, .. } => {
            let by: Vec<Value> =
                sort.iter().map(|(title, largest)| json!({"displayName": title, "desc": largest})).collect();
            json!({"showHeader": true, "cellHeight": "sm", "sortBy": by, "footer": {"show": false, "reducer": [], "countRows": false}})
        }
    }
}

/// The options of each series.
pub(super) fn custom(look: &Look) -> Option<Value> {
    Some(match look {
        Look::Curves { axis } => json!({
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
        Look::States | Look::Heat => json!({"fillOpacity": 80, "lineWidth": 0}),
        Look::Table { .. } => json!({"align": "auto", "filterable": false}),
        Look::Number | Look::Name | Look::Bars => return None,
    })
}

/// From which value on which colour. Far from a limit is not yet well: only numbers and states that look at the alerts of
/// their subject are green.
pub(super) fn thresholds(look: &Look, paint: &Paint) -> Thresholds {
    thresholds_above(paint, if matches!(look, Look::Bars | Look::Heat) { "blue" } else { "green" })
}

/// The same, with this colour for what is well: in a table only what is bad should catch the eye.
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

/// The word for numbers that an alarm has taken the place of.
pub(super) fn alarm() -> Value {
    json!({"type": "value", "options": {ALARM.to_string(): {"text": "alert fires", "color": "red", "index": 0}}})
}

/// Words instead of numbers.
pub(super) fn mappings(paint: &Paint) -> Vec<Value> {
    let (Paint::Words(words) | Paint::FromOrWords(_, words)) = paint else { return Vec::new() };
    let options: serde_json::Map<String, Value> = words
        .iter()
        .enumerate()
        .map(|(index, (value, text, color))| (value.to_string(), json!({"text": text, "color": color, "index": index})))
        .collect();
    vec![json!({"type": "value", "options": options})]
}

/// The same in a table, where only what is bad should catch the eye.
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

/// How series get their colours.
pub(super) fn color(look: &Look) -> Value {
    match look {
        Look::Curves { .. } => json!({"mode": "palette-classic"}),
        _ => json!({"mode": "thresholds"}),
    }
}

/// How many decimals, where Grafana would show odd ones.
pub(super) fn decimals(unit: Unit, look: &Look) -> Option<u8> {
    match (unit, look) {
        (Unit::Age, _) => Some(0),
        (Unit::Ratio, Look::Number | Look::Table { .. } | Look::Bars) => Some(1),
        _ => None,
    }
}

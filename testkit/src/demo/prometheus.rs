//! What the demo asks its Prometheus.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::http;

/// Older samples mean that Prometheus, which scrapes every 2 s, has stopped.
const FRESH_SECONDS: u32 = 10;

type Labels = serde_json::Map<String, Value>;

pub(super) struct Prometheus {
    pub(super) port: u16,
    /// The addresses of the members.
    pub(super) members: Vec<String>,
}

impl Prometheus {
    /// The samples of an instant query; none while Prometheus does not answer.
    fn query(&self, expression: &str) -> Vec<(Labels, f64)> {
        let path = format!("/api/v1/query?query={}", http::encoded(expression));
        let Ok((200, body)) = http::get(self.port, &path) else { return Vec::new() };
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let samples = answer["data"]["result"].as_array().into_iter().flatten();
        let read =
            |sample: &Value| Some((sample["metric"].as_object()?.clone(), sample["value"][1].as_str()?.parse().ok()?));
        samples.filter_map(read).collect()
    }

    fn by_member(&self, expression: &str) -> BTreeMap<String, f64> {
        let samples = self.query(expression);
        samples.into_iter().map(|(labels, value)| (label(&labels, "member"), value)).collect()
    }

    fn label_by_member(&self, expression: &str, name: &str) -> BTreeMap<String, String> {
        let samples = self.query(expression);
        samples.into_iter().map(|(labels, _)| (label(&labels, "member"), label(&labels, name))).collect()
    }

    /// The members that are not up, as Prometheus holds them.
    pub(super) fn missing(&self) -> Vec<&str> {
        let up = self.by_member("zk_up == 1");
        self.members.iter().filter(|member| !up.contains_key(*member)).map(String::as_str).collect()
    }

    /// What is wrong: whether Prometheus still scrapes, and every member is up.
    pub(super) fn problem(&self) -> Option<String> {
        let up = "up{job=\"zookeeper\"}";
        if self.query(&format!("{up} == 1 and time() - timestamp({up}) < {FRESH_SECONDS}")).is_empty() {
            return Some("Prometheus does not scrape the exporter any more".to_owned());
        }
        let missing = self.missing();
        (!missing.is_empty()).then(|| format!("not up: {}", missing.join(", ")))
    }

    /// The members as Prometheus holds them: the lines of a table.
    pub(super) fn table(&self) -> Vec<String> {
        let state = self.label_by_member("zk_server_state == 1", "state");
        let version = self.label_by_member("zk_member_info", "version");
        let connections = self.by_member("zk_num_alive_connections");
        let znodes = self.by_member("zk_znodes");
        let lag = self.by_member("zk_zxid_lag");
        let zxid = self.by_member("zk_zxid_epoch * 4294967296 + zk_zxid_sequence");
        let text = |values: &BTreeMap<String, String>, member: &String| {
            values.get(member).filter(|value| !value.is_empty()).cloned().unwrap_or_else(|| "-".to_owned())
        };
        let number = |values: &BTreeMap<String, f64>, member: &String, form: fn(f64) -> String| {
            values.get(member).map_or_else(|| "-".to_owned(), |value| form(*value))
        };
        let whole: fn(f64) -> String = |value| format!("{value:.0}");
        let mut rows = vec![["MEMBER", "ROLE", "VERSION", "CONNECTIONS", "ZNODES", "LAG", "ZXID"].map(str::to_owned)];
        rows.extend(self.members.iter().map(|member| {
            [
                member.clone(),
                text(&state, member),
                text(&version, member),
                number(&connections, member, whole),
                number(&znodes, member, whole),
                number(&lag, member, whole),
                number(&zxid, member, hexadecimal),
            ]
        }));
        let mut widths = [0; 7];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.len().max(*width);
            }
        }
        let line = |row: &[String; 7]| {
            let cells = row.iter().zip(widths).enumerate().map(|(place, (cell, width))| {
                if place < 3 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        rows.iter().map(line).collect()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a zxid is a whole number")]
fn hexadecimal(value: f64) -> String {
    format!("{:#x}", value as u64)
}

fn label(labels: &Labels, name: &str) -> String {
    labels.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The first of these paths that is a page for a browser. Debian's Alertmanager answers with a text that it has no pages.
pub(super) fn page(port: u16, paths: &[&'static str]) -> Option<&'static str> {
    let is_page = |path: &&'static str| {
        http::get(port, path)
            .is_ok_and(|(status, body)| status == 200 && body.windows(7).any(|window| window == b"<script"))
    };
    paths.iter().copied().find(is_page)
}

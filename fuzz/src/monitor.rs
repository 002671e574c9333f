//! The JSON of the AdminServer: any body is classified, and equal figures give the same samples as `mntr`.

use arbitrary::Unstructured;
use serde_json::{Map, Value};
use zookeeper_exporter::config::Command;
use zookeeper_exporter::reply::{self, ReplyKind, mntr, monitor as reply_monitor};
use zookeeper_exporter::scrape::reading::Replies;
use zookeeper_exporter::scrape::typed::typed;

use super::lines;
use super::mntr::page_holds;
use super::replies::heard;

/// Parses arbitrary bytes as a body, and the JSON equivalent of a generated `mntr` reply.
pub fn monitor(data: &[u8]) {
    let body = reply::text(data);
    let ours = reply_monitor::parse(&body);
    if let Ok(Value::Object(map)) = serde_json::from_str::<Value>(&body) {
        let error_fits = matches!(map.get("error"), None | Some(Value::Null | Value::String(_)));
        // The first value of a duplicate key may have been different.
        assert!(ours.is_ok() || !error_fits || body.matches("error").count() > 1 || body.contains('\\'), "{body}");
    }
    let (kind, text) = reply_monitor::as_mntr(&body);
    assert!(kind == ReplyKind::Answer || text.is_empty());
    assert_eq!(mntr::entries(&text).count(), mntr::lines(&text), "a body makes lines that are no entries");
    shown(data);
    if let Ok(text) = lines::reply(&mut Unstructured::new(data)) {
        twin(&text);
    }
}

/// The same entries in both formats must give the same samples.
fn twin(text: &str) {
    let mut map = Map::new();
    for entry in mntr::entries(text) {
        let key = match entry.labels {
            Some(labels) => format!("{}{{{labels}}}", entry.key),
            None => entry.key.to_owned(),
        };
        let is_taken = key == "command" || key == "error" || map.contains_key(&key);
        if is_taken || key.contains(char::is_control) || entry.value.contains(char::is_control) {
            continue;
        }
        map.insert(key, Value::String(entry.value.to_owned()));
    }
    // The lines that the JSON object keeps, in its order.
    let lines: String =
        map.iter().map(|(key, value)| format!("zk_{key}\t{}\n", value.as_str().unwrap_or(""))).collect();
    map.insert("command".into(), "monitor".into());
    map.insert("error".into(), Value::Null);
    let body = Value::Object(map).to_string();
    let (kind, as_mntr) = reply_monitor::as_mntr(&body);
    assert_eq!((kind, &*as_mntr), (ReplyKind::Answer, &*lines));
    let parsed = reply_monitor::parse(&body).expect("an object");
    let (from_json, facts) = typed(parsed.entries(), 0, 10_000);
    let (from_text, same) = typed(mntr::entries(&lines), 0, 10_000);
    assert_eq!(format!("{from_json:?}"), format!("{from_text:?}"));
    assert_eq!(facts, same);
    shown(body.as_bytes());
}

fn shown(body: &[u8]) {
    let replies = Replies { monitor: Some(heard(Command::Monitor, body)), ..Replies::default() };
    page_holds(&replies.report("zk-1:2181".into(), None));
}

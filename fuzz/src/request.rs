//! Input of a request: `Accept`, Prometheus' timeout, and the query and targets of `/probe`.

use std::time::Duration;

use zookeeper_exporter::config::member_list;
use zookeeper_exporter::config::probe::Allow;
use zookeeper_exporter::exposition::{Format, negotiate};
use zookeeper_exporter::http::{ProbeParams, budget};

/// OpenMetrics is selected only if the header contains it, independent of case, order and other media types.
pub fn accept(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let said = negotiate(Some(text));
    let asked = text.to_ascii_lowercase().contains("application/openmetrics-text");
    assert!(said.format == Format::Classic || asked, "OpenMetrics was not requested");
    assert_eq!(negotiate(Some(&text.to_ascii_uppercase())), said, "upper case changes it");
    assert_eq!(negotiate(Some(&format!("application/x-y;q=1,{text}"))), said, "a stranger changes it");
    let mut ranges: Vec<&str> = text.split(',').collect();
    ranges.reverse();
    assert_eq!(negotiate(Some(&ranges.join(","))).format, said.format, "the order changes it");
    let content_type = said.content_type();
    assert!(content_type.contains("version=") && content_type.is_ascii());
}

/// The budget always leaves time for a member to reply, and ends before Prometheus' own timeout.
pub fn timeout(data: &[u8]) {
    let Some((offset, text)) = data.split_first_chunk::<2>() else { return };
    let offset = Duration::from_millis(u16::from_le_bytes(*offset).into());
    let Ok(text) = std::str::from_utf8(text) else { return };
    let (least, most) = (Duration::from_millis(50), Duration::from_mins(1));
    let found = budget(Some(text), offset);
    assert!((least..=most).contains(&found), "{found:?}");
    let Some(seconds) = text.trim().parse::<f64>().ok().filter(|seconds| *seconds > 0.0 && *seconds < 1e6) else {
        return;
    };
    let patience = Duration::from_secs_f64(seconds);
    let clear = patience.saturating_sub(offset).max(patience / 2).max(least);
    assert!(found <= clear, "{found:?} of {patience:?} less {offset:?}");
    assert!(found == most || found + offset >= patience || found >= patience / 2, "time is given away");
    assert!(budget(Some(&(seconds * 2.0).to_string()), offset) >= found, "more patience gives less time");
}

/// A query is parsed or refused with a message; formatting a parsed query and parsing it again gives the same result.
pub fn probe(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    match ProbeParams::read(query) {
        Err((status, line)) => {
            assert_eq!(status.as_u16(), 400);
            assert!(line.len() > 10);
        }
        Ok(params) => {
            let mut again = format!("debug={}", params.debug);
            for (name, value) in
                [("target", &params.target), ("ensemble", &params.ensemble), ("module", &params.module)]
            {
                if let Some(value) = value {
                    again.push_str(&format!("&{name}="));
                    again.extend(value.bytes().map(|byte| format!("%{byte:02X}")));
                }
            }
            assert_eq!(ProbeParams::read(&again).as_ref(), Ok(&params), "{again}");
            members(params.ensemble.as_deref().unwrap_or("default"), params.target.as_deref().unwrap_or(""));
        }
    }
    members("prod", query);
}

/// Accepted members are formatted as they would be parsed again.
fn members(ensemble: &str, list: &str) {
    match member_list(ensemble, list) {
        Err(line) => assert!(line.len() > 10),
        Ok(members) => {
            let write = |member: &zookeeper_exporter::config::MemberConfig| {
                format!("{}{}", member.address, if member.observer { ":observer" } else { "" })
            };
            let again = members.iter().map(write).collect::<Vec<_>>().join(",");
            assert!(again.bytes().all(|byte| byte.is_ascii_graphic()), "{again}");
            assert_eq!(member_list(ensemble, &again).as_ref(), Ok(&members));
        }
    }
}

/// An accepted entry of `probe.allow` has the same meaning when it is formatted and parsed again.
pub fn allow(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<Allow>() {
        Err(line) => assert!(line.contains("expected"), "{line}"),
        Ok(allow) => assert_eq!(allow.to_string().parse().as_ref(), Ok(&allow), "{allow}"),
    }
}

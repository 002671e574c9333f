//! The page that `check` fetches from an arbitrary server: any content is judged, and the output is safe.

use std::sync::LazyLock;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use zookeeper_exporter::alert::plugin::{Of, Status, whole};
use zookeeper_exporter::alert::{Page, Scrapes, Thresholds};
use zookeeper_exporter::exposition::Format;

use super::page::read_page;
use super::replies::{member, page, report};

/// The lines of a real page, without comments.
static LINES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let member = |name: &str, mntr: &str, srvr: &str| member(name, Some(mntr.as_bytes()), Some(srvr.as_bytes()), None);
    let leader = member(
        "zk-1:2181",
        include_str!("../../tests/fixtures/3.9.3/leader/mntr.txt"),
        include_str!("../../tests/fixtures/3.9.3/leader/srvr.txt"),
    );
    let follower = member(
        "zk-2:2181",
        include_str!("../../tests/fixtures/3.9.3/follower/mntr.txt"),
        include_str!("../../tests/fixtures/3.9.3/follower/srvr.txt"),
    );
    let text = page(&report(vec![leader, follower]), Format::Classic);
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
});

const VALUES: [&str; 13] =
    ["0", "1", "-1", "NaN", "+Inf", "-Inf", "1e308", "-1e308", "1e-320", "1.8446744073709552e19", "0x1", "", "1 2 3"];

const NAMES: [&str; 8] =
    ["zk-1:2181", "zk-3:2181", "", "a|b", "\\n\\n", "\u{9b}2J", "\u{202e}evil", "';|&\\\\$(x) {{ 1 }}"];

const MAX_LINES: usize = 48;

/// Judges two pages; the second one is from a later scrape.
pub fn judge(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok((before, seconds, severity)) = first(&mut input) else { return };
    let now = match written(&mut input) {
        Ok(text) => text,
        // The input is used as the page.
        Err(_) => String::from_utf8_lossy(data).into_owned(),
    };
    let (before, now) = (Page::read(&before), Page::read(&now));
    let before = (seconds > 0).then_some((&before, Duration::from_secs(u64::from(seconds))));
    let scrapes = zookeeper_exporter::alert::Scrapes { now: &now, before, time: 1.8e9 };
    let of = Of { ensembles: &[], member: severity.then_some("zk-1:2181") };
    held(scrapes, of);
}

fn held(scrapes: Scrapes<'_>, of: Of<'_>) {
    static THRESHOLDS: LazyLock<Thresholds> = LazyLock::new(Thresholds::default);
    let told = whole(&THRESHOLDS, scrapes, of, "https://example.com", &|_| None);
    let (text, json) = (told.nagios(2), told.json());
    assert!(text.starts_with(&format!("ZOOKEEPER {} - ", told.status.text())), "{text}");
    for text in [&text, &json] {
        let unsafe_for_terminals = |character: char| {
            character != '\n' && character.is_control() || matches!(character, '\u{202a}'..='\u{202e}')
        };
        assert!(!text.contains(unsafe_for_terminals), "{text:?}");
    }
    // The first `|` separates the performance data; there must not be a second one.
    let line = text.lines().next().unwrap_or_default();
    assert!(line.matches('|').count() <= 1, "{line}");
    let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(read["status"], told.status.text());
    if let Err(error) = read_page(&told.prometheus(), Format::Classic) {
        panic!("{error}:\n{}", told.prometheus());
    }
    assert!(told.details.iter().all(|detail| detail.status != Status::Ok));
    let worst = told.details.iter().map(|detail| detail.status.code()).max();
    assert!(worst.is_none_or(|worst| worst <= told.status.code()), "{told:?}");
}

fn first(input: &mut Unstructured<'_>) -> Result<(String, u16, bool)> {
    Ok((written(input)?, input.arbitrary()?, input.arbitrary()?))
}

/// Lines of the real page, some with different values or names, and some arbitrary lines.
fn written(input: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::new();
    for _ in 0..input.int_in_range(0..=MAX_LINES)? {
        let line = input.choose(&LINES)?.as_str();
        let line = match input.int_in_range(0..=3)? {
            0 => line.to_owned(),
            1 => {
                let (series, _) = line.rsplit_once(' ').unwrap_or((line, ""));
                format!("{series} {}", input.choose(&VALUES)?)
            }
            2 => line.replace("zk-2:2181", input.choose(&NAMES)?),
            _ => input.arbitrary::<&str>()?.to_owned(),
        };
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

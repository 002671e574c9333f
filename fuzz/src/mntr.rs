//! `mntr` in both dialects: for any reply the page is valid, and no series of other members are lost.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use arbitrary::Unstructured;
use zookeeper_exporter::config::Command;
use zookeeper_exporter::ensemble::Known;
use zookeeper_exporter::exposition::{Format, Names};
use zookeeper_exporter::reply;
use zookeeper_exporter::scrape::typed::typed;
use zookeeper_exporter::scrape::{EnsembleReport, MemberReport, Report, Samples};

use super::lines;
use super::page::read_page;
use super::replies::{READING, heard, member, named_page};

/// Parses lines with real keys and hostile names and values.
pub fn mntr(data: &[u8]) {
    let mut input = Unstructured::new(data);
    if let Ok(text) = lines::reply(&mut input) {
        reads_plainly(&text);
        page_holds(&member("zk-1:2181", Some(text.as_bytes()), None, None));
    }
}

/// Parses arbitrary bytes as `mntr` and `srvr` of one member.
pub fn mntr_bytes(data: &[u8]) {
    let text = reply::text(data);
    reads_plainly(&text);
    let _ = heard(Command::Monitor, data);
    page_holds(&member("zk-1:2181", Some(data), Some(data), Some(data)));
}

/// The parser must return the same as a simple parser of the format, and account for every line.
fn reads_plainly(text: &str) {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines = || whole.split('\n').filter(|_| !whole.is_empty());
    let plain: Vec<(String, &str)> = lines()
        .filter_map(|line| {
            let (key, value) = line.strip_prefix("zk_")?.split_once('\t')?;
            Some((key.to_owned(), value.trim_end_matches('\r')))
        })
        .collect();
    let found: Vec<(String, &str)> = reply::mntr::entries(text)
        .map(|entry| match entry.labels {
            Some(labels) => (format!("{}{{{labels}}}", entry.key), entry.value),
            None => (entry.key.to_owned(), entry.value),
        })
        .collect();
    assert_eq!(found, plain);
    let all_lines = reply::mntr::lines(text);
    assert!(found.len() <= all_lines, "more entries than lines");

    for cap in [READING.series_cap, 3] {
        let (samples, _) = typed(reply::mntr::entries(text), all_lines, cap);
        let dropped: u64 = samples.dropped().values().sum();
        assert!(samples.cells().len() <= cap);
        assert!(samples.cells().len() as u64 + dropped <= all_lines as u64, "a line counted twice");
        let all: BTreeSet<String> = samples
            .cells()
            .iter()
            .map(|cell| {
                let labels: Vec<_> = samples.label_values(*cell).collect();
                format!("{:?} {:?} {labels:?}", cell.family(), cell.part())
            })
            .collect();
        assert_eq!(all.len(), samples.cells().len(), "a series twice");
    }
}

/// A page with this member and a healthy one of another ensemble must be valid, with the other series unchanged.
pub fn page_holds(member: &MemberReport) {
    // Only every third page uses raw names, which are as expensive and simpler.
    let raw = member.samples.cells().len() % 3 == 2;
    let names = if raw { Names::Mntr } else { Names::Catalogue };
    let count = [Format::Classic, Format::OpenMetrics].map(|format| {
        let report =
            Arc::new(Report { ensembles: vec![ensemble("prod", member.clone()), ensemble("other", healthy())] });
        let text = named_page(&report, names, format);
        let page = read_page(&text, format).unwrap_or_else(|error| panic!("{format:?} {names:?}: {error}"));
        let others: Vec<&str> = text.lines().filter(|line| line.contains("ensemble=\"other\"")).collect();
        assert_eq!(others, alone(names, format), "the other ensemble's series changed, {format:?} {names:?}");
        page.series.len()
    });
    assert_eq!(count[0], count[1], "the formats show different series");
}

fn ensemble(name: &str, member: MemberReport) -> Arc<EnsembleReport> {
    let members = vec![member];
    Arc::new(EnsembleReport { name: name.into(), members, known: Known::default(), samples: Samples::default() })
}

fn healthy() -> MemberReport {
    static HEALTHY: OnceLock<MemberReport> = OnceLock::new();
    let member = || {
        let [mntr, srvr] = [
            &include_bytes!("../../tests/fixtures/3.8.0/standalone/mntr.txt")[..],
            include_bytes!("../../tests/fixtures/3.8.0/standalone/srvr.txt"),
        ];
        // A few lines of the reply are sufficient, and ten times as fast as all five hundred.
        let keep =
            |line: &&str| line.contains("znode_count") || line.contains("version") || line.contains("per_namespace");
        let some: String = String::from_utf8_lossy(mntr).split_inclusive('\n').filter(keep).collect();
        member("zk-9:2181", Some(some.as_bytes()), Some(srvr), None)
    };
    HEALTHY.get_or_init(member).clone()
}

/// The lines of the healthy ensemble on a page without other ensembles.
fn alone(names: Names, format: Format) -> Vec<&'static str> {
    static PAGES: OnceLock<[[String; 2]; 2]> = OnceLock::new();
    let pages = PAGES.get_or_init(|| {
        [Names::Catalogue, Names::Mntr].map(|names| {
            [Format::Classic, Format::OpenMetrics].map(|format| {
                named_page(&Arc::new(Report { ensembles: vec![ensemble("other", healthy())] }), names, format)
            })
        })
    });
    let page = &pages[usize::from(names == Names::Mntr)][usize::from(format == Format::OpenMetrics)];
    page.lines().filter(|line| line.contains("ensemble=\"other\"")).collect()
}

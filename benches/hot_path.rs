//! Time and allocations from a reply to a page, printed as table rows: `cargo bench --bench hot_path`.
#![allow(missing_docs, reason = "a program, not an interface")]
#![allow(clippy::expect_used, clippy::print_stdout, clippy::cast_precision_loss, reason = "it prints what it measures")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zookeeper_exporter::config::Command;
use zookeeper_exporter::ensemble::Known;
use zookeeper_exporter::exposition::{Format, Names, render};
use zookeeper_exporter::reply::{Number, mntr, srvr};
use zookeeper_exporter::scrape::reading::{ParsedReply, Reading, Replies};
use zookeeper_exporter::scrape::typed::typed;
use zookeeper_exporter::scrape::{EnsembleReport, MemberReport, Report};
use zookeeper_exporter::wire::Exchange;

const MNTR: &str = include_str!("../tests/fixtures/3.9.3/follower-idle/mntr.txt");
const SRVR: &str = include_str!("../tests/fixtures/3.9.3/follower/srvr.txt");

const READING: Reading = Reading { series_cap: 10_000, keep_raw: false };

/// The median time per call, over batches that take half a second in total.
fn median(mut call: impl FnMut()) -> Duration {
    let begun = Instant::now();
    let mut warm = 0_u32;
    while begun.elapsed() < Duration::from_millis(100) {
        call();
        warm += 1;
    }
    let batch = (warm / 20).max(1);
    let mut times: Vec<Duration> = (0..101)
        .map(|_| {
            let begun = Instant::now();
            (0..batch).for_each(|_| call());
            begun.elapsed() / batch
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn row(name: &str, bytes: usize, mut call: impl FnMut()) {
    let time = median(&mut call);
    let allocations = allocation_counter::measure(&mut call).count_total;
    let speed = bytes as f64 / time.as_secs_f64() / 1e9;
    println!("| {name} | {:.1} µs | {speed:.2} GB/s | {allocations} |", time.as_secs_f64() * 1e6);
}

fn member(name: &str) -> MemberReport {
    let heard = |word, text: &str| {
        ParsedReply::new(word, Exchange { bytes: text.as_bytes().to_vec(), ..Exchange::default() }, READING)
    };
    let replies = Replies {
        mntr: Some(heard(Command::Mntr, MNTR)),
        srvr: Some(heard(Command::Srvr, SRVR)),
        ..Replies::default()
    };
    replies.report(name.into(), None)
}

fn main() {
    println!("| step | median | speed | allocations |\n|---|---|---|---|");
    let lines = MNTR.lines().count();
    row(&format!("parse {lines} lines of mntr"), MNTR.len(), || {
        let numbers = mntr::entries(black_box(MNTR)).filter(|entry| Number::parse(entry.value).is_some()).count();
        black_box(numbers);
    });
    row(&format!("parse and type {lines} lines"), MNTR.len(), || {
        black_box(typed(mntr::entries(black_box(MNTR)), 0, 10_000));
    });
    row("parse srvr", SRVR.len(), || {
        black_box(srvr::parse(black_box(SRVR)));
    });
    for (count, format) in [(1, Format::Classic), (9, Format::Classic), (9, Format::OpenMetrics), (9, Format::Protobuf)]
    {
        let members: Vec<_> = (0..count).map(|number| member(&format!("zk-{number}.example.com:2181"))).collect();
        let samples: usize = members.iter().map(|member| member.samples.cells().len() + 14).sum();
        let report = Arc::new(Report {
            ensembles: vec![Arc::new(EnsembleReport {
                samples: zookeeper_exporter::scrape::Samples::default(),
                name: "prod".into(),
                members,
                known: Known::default(),
            })],
        });
        let mut page = Vec::new();
        render(&report, None, Names::Catalogue, format, &mut page).expect("a page");
        let bytes = page.len();
        row(&format!("render {samples} samples of {count} members ({format:?})"), bytes, || {
            page.clear();
            render(black_box(&report), None, Names::Catalogue, format, &mut page).expect("a page");
        });
    }
}

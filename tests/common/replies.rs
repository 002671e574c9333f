//! Builds members, reports and pages from replies; shared with the fuzz targets.

use std::sync::Arc;

use zookeeper_exporter::config::Command;
use zookeeper_exporter::ensemble::Known;
use zookeeper_exporter::exposition::{Format, Names, render};
use zookeeper_exporter::scrape::reading::{ParsedReply, Reading, Replies, SeenConf};
use zookeeper_exporter::scrape::{EnsembleReport, MemberReport, Report};
use zookeeper_exporter::wire::Exchange;

pub const READING: Reading = Reading { series_cap: 10_000, keep_raw: true };

pub fn heard(command: Command, bytes: &[u8]) -> ParsedReply {
    ParsedReply::new(command, Exchange { bytes: bytes.to_vec(), ..Exchange::default() }, READING)
}

/// A member with these replies.
pub fn member(name: &str, mntr: Option<&[u8]>, srvr: Option<&[u8]>, conf: Option<&[u8]>) -> MemberReport {
    let conf: Option<SeenConf> = conf.and_then(|bytes| heard(Command::Conf, bytes).conf().cloned());
    let conf = conf.map(Arc::new);
    let replies = Replies {
        mntr: mntr.map(|bytes| heard(Command::Mntr, bytes)),
        srvr: srvr.map(|bytes| heard(Command::Srvr, bytes)),
        ..Replies::default()
    };
    replies.report(name.into(), conf)
}

pub fn report(members: Vec<MemberReport>) -> Arc<Report> {
    Arc::new(Report {
        ensembles: vec![Arc::new(EnsembleReport {
            samples: zookeeper_exporter::scrape::Samples::default(),
            name: "prod".into(),
            members,
            known: Known::default(),
        })],
    })
}

pub fn page(report: &Arc<Report>, format: Format) -> String {
    named_page(report, Names::Catalogue, format)
}

pub fn named_page(report: &Arc<Report>, names: Names, format: Format) -> String {
    let mut out = Vec::new();
    render(report, None, names, format, &mut out).expect("a page can always be written");
    String::from_utf8(out).expect("text")
}

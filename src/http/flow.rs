//! The page of a large fleet on its way: written as fast as the client takes it, a few families at a time.

use std::fmt;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body, Frame};

use crate::exposition::Page;

/// A piece is written when the one before has left, so this, and the largest family, is what a page holds of its text.
const PIECE: usize = 64 << 10;

/// A page as the body of an answer.
pub(super) struct Flow {
    page: Page,
    text: String,
    /// Where the client asked for gzip.
    coder: Option<GzEncoder<Vec<u8>>>,
    ended: bool,
}

impl Flow {
    pub(super) fn new(page: Page, gzip: bool) -> Self {
        let coder = gzip.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        Self { page, text: String::with_capacity(PIECE), coder, ended: false }
    }

    /// The next bytes; none at the end.
    fn next(&mut self) -> Result<Option<Bytes>, fmt::Error> {
        while !self.ended {
            self.text.clear();
            self.ended = !self.page.write(&mut self.text, PIECE)?;
            let bytes = match &mut self.coder {
                None => std::mem::replace(&mut self.text, String::with_capacity(PIECE)).into_bytes(),
                Some(coder) => {
                    // Writing to memory cannot fail.
                    let _ = coder.write_all(self.text.as_bytes());
                    if self.ended {
                        let _ = coder.try_finish();
                    }
                    std::mem::take(coder.get_mut())
                }
            };
            if !bytes.is_empty() {
                return Ok(Some(bytes.into()));
            }
        }
        Ok(None)
    }
}

impl Body for Flow {
    type Data = Bytes;
    type Error = fmt::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, fmt::Error>>> {
        let next = self.next().inspect_err(|error| tracing::error!(%error, "the page could not be written to its end"));
        Poll::Ready(next.transpose().map(|next| next.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use super::*;
    use crate::config::Word;
    use crate::ensemble::Known;
    use crate::exposition::{Format, Names, render};
    use crate::scrape::reading::{Heard, Reading, Replies};
    use crate::scrape::{EnsembleReport, Report, Samples};
    use crate::wire::Exchange;

    /// A fleet of ensembles of three, of whom every seventh member is silent.
    fn fleet(ensembles: usize) -> Arc<Report> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/3.9.3/leader/mntr.txt");
        let mntr = std::fs::read(path).unwrap();
        let reading = Reading { series_cap: 10_000, keep_raw: true };
        let member = |number: usize| {
            let exchange = Exchange { bytes: mntr.clone(), ..Exchange::default() };
            let mntr = (!number.is_multiple_of(7)).then(|| Heard::new(Word::Mntr, exchange, reading));
            Replies { mntr, ..Replies::default() }.report(format!("zk{number}:2181").into(), None)
        };
        let ensemble = |number: usize| {
            Arc::new(EnsembleReport {
                samples: Samples::default(),
                name: format!("e{number}").into(),
                members: (0..3).map(|place| member(3 * number + place)).collect(),
                known: Known::default(),
            })
        };
        Arc::new(Report { ensembles: (0..ensembles).map(ensemble).collect() })
    }

    fn flow(report: &Arc<Report>, names: Names, format: Format, gzip: bool) -> Flow {
        Flow::new(Page::new(Arc::clone(report), None, names, format), gzip)
    }

    #[test]
    fn pieces_make_the_page() {
        let report = fleet(20);
        for names in [Names::Catalogue, Names::Mntr] {
            for format in [Format::Classic, Format::OpenMetrics] {
                let mut whole = String::new();
                render(&report, None, names, format, &mut whole).unwrap();
                for gzip in [false, true] {
                    let mut flow = flow(&report, names, format, gzip);
                    let mut bytes = Vec::new();
                    let mut pieces = 0;
                    while let Some(piece) = flow.next().unwrap() {
                        bytes.extend(piece);
                        pieces += 1;
                    }
                    let mut text = String::new();
                    if gzip {
                        flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut text).unwrap();
                    } else {
                        text = String::from_utf8(bytes).unwrap();
                    }
                    assert!(text == whole, "{names:?} {format:?} {gzip}");
                    assert!(pieces > 3 || names == Names::Mntr, "{pieces} pieces");
                    assert!(flow.next().unwrap().is_none());
                }
            }
        }
    }

    #[test]
    fn a_page_under_way_holds_little_of_its_text() {
        let report = fleet(40);
        let mut whole = String::new();
        render(&report, None, Names::Catalogue, Format::Classic, &mut whole).unwrap();
        let mut length = 0;
        let counted = allocation_counter::measure(|| {
            let mut flow = flow(&report, Names::Catalogue, Format::Classic, false);
            while let Some(piece) = flow.next().unwrap() {
                length += piece.len();
            }
        });
        assert_eq!(length, whole.len());
        assert!(whole.len() > 4 << 20, "{}", whole.len());
        assert!(counted.bytes_max < 1 << 20, "{} bytes", counted.bytes_max);
    }
}

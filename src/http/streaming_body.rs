//! Streaming response for a large fleet: writes a few families at a time, as fast as the client reads.
//!
//! The exporter's own metrics come first. The rate of writing and reading them predicts how many members' metrics can
//! be sent in time. The metrics of the last members are omitted if necessary, and the response reports their number.

use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use axum::body::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body, Frame};
use tokio::time::Instant;

use super::admission::Permit;
use super::render::Renderer;
use super::write_rate::WriteRate;
use crate::exposition::Page;

/// Size of a piece. A piece is written after the previous one was read, so that a response holds at most one piece and
/// the largest family.
const PIECE: usize = 64 << 10;

/// Fraction of the predicted bytes that is used, in tenths; the rate may decrease.
const SAFE_TENTHS: usize = 7;

/// The body of a streamed response.
pub(super) struct StreamingBody {
    state: State,
    renderer: Renderer,
    expires: Instant,
}

enum State {
    /// Ready to write the next piece.
    Idle(Box<Writer>),
    Writing(Pin<Box<dyn Future<Output = Option<Written>> + Send>>),
    Ended,
}

/// The result of writing a piece.
type Written = (Box<Writer>, Result<Option<Bytes>, fmt::Error>);

/// Writes a page piece by piece.
pub(super) struct Writer {
    page: Page,
    bytes: Vec<u8>,
    /// Set if the client accepts gzip.
    coder: Option<GzEncoder<Vec<u8>>>,
    ended: bool,
    clock: Clock,
    _permit: Permit,
}

/// Measures the progress of a page.
struct Clock {
    begun: Instant,
    write_by: Instant,
    /// Time spent writing, without the time spent waiting for the client.
    writing: Duration,
    written: usize,
    pace: Arc<WriteRate>,
}

impl StreamingBody {
    /// A body that fails after the timeout of its client.
    pub(super) fn new(writer: Writer, renderer: Renderer, expires: Instant) -> Self {
        Self { state: State::Idle(Box::new(writer)), renderer, expires }
    }
}

impl Writer {
    /// A writer for a page that began at `begun` and must be complete by `write_by`.
    pub(super) fn new(
        page: Page,
        gzip: bool,
        begun: Instant,
        write_by: Instant,
        measured: Arc<WriteRate>,
        permit: Permit,
    ) -> Self {
        let coder = gzip.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        let clock = Clock { begun, write_by, writing: begun.elapsed(), written: 0, pace: measured };
        Self { page, bytes: Vec::with_capacity(PIECE), coder, ended: false, clock, _permit: permit }
    }

    /// The next bytes; `None` at the end.
    fn next(&mut self) -> Result<Option<Bytes>, fmt::Error> {
        while !self.ended {
            let begun = Instant::now();
            if self.page.is_at_members() {
                self.fit();
            }
            self.bytes.clear();
            self.ended = !self.page.write(&mut self.bytes, PIECE)?;
            self.clock.written += self.bytes.len();
            let bytes = match &mut self.coder {
                None => std::mem::replace(&mut self.bytes, Vec::with_capacity(PIECE)),
                Some(coder) => {
                    // Writing to memory cannot fail.
                    let _ = coder.write_all(&self.bytes);
                    if self.ended {
                        let _ = coder.try_finish();
                    }
                    std::mem::take(coder.get_mut())
                }
            };
            self.clock.writing += begun.elapsed();
            if self.ended {
                self.clock.pace.note(self.page.members(), self.coder.is_some(), self.clock.writing);
            }
            if !bytes.is_empty() {
                return Ok(Some(bytes.into()));
            }
        }
        Ok(None)
    }

    /// Omits the metrics of the last members if they cannot be written in time.
    fn fit(&mut self) {
        let omitted = self.page.fit(self.clock.possible());
        if omitted > 0 {
            tracing::warn!(
                omitted,
                members = self.page.members(),
                "metrics of members omitted: the scrape timeout is too short"
            );
        }
    }
}

impl Clock {
    /// The number of bytes that can be written in time, predicted.
    fn possible(&self) -> usize {
        let spent = self.begun.elapsed().as_micros().max(1);
        let left = self.write_by.saturating_duration_since(Instant::now()).as_micros();
        let bytes = self.written as u128 * left / spent;
        usize::try_from(bytes).unwrap_or(usize::MAX).saturating_mul(SAFE_TENTHS) / 10
    }
}

impl Body for StreamingBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Poll::Ready(None),
                State::Idle(_) if Instant::now() >= self.expires => {
                    tracing::debug!("closing a connection whose page is late");
                    return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
                }
                State::Idle(mut writer) => {
                    let renderer = self.renderer.clone();
                    self.state = State::Writing(Box::pin(async move {
                        let write = move || {
                            let piece = writer.next();
                            (writer, piece)
                        };
                        renderer.run(write).await
                    }));
                }
                State::Writing(mut written) => match written.as_mut().poll(context) {
                    Poll::Pending => {
                        self.state = State::Writing(written);
                        return Poll::Pending;
                    }
                    Poll::Ready(Some((writer, Ok(Some(piece))))) => {
                        if !writer.ended {
                            self.state = State::Idle(writer);
                        }
                        return Poll::Ready(Some(Ok(Frame::data(piece))));
                    }
                    Poll::Ready(Some((_, Ok(None)))) => return Poll::Ready(None),
                    Poll::Ready(Some((_, Err(error)))) => {
                        tracing::error!(%error, "cannot write the page");
                        return Poll::Ready(Some(Err(io::Error::other(error))));
                    }
                    // The task panicked; the panic was logged.
                    Poll::Ready(None) => return Poll::Ready(Some(Err(io::ErrorKind::Other.into()))),
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use super::*;
    use axum::http::HeaderMap;

    use crate::config::Command;
    use crate::ensemble::Known;
    use crate::exposition::{Format, Names, render};
    use crate::http::admission::{Admission, Waiting};
    use crate::http::deadline::Deadline;
    use crate::scrape::reading::{ParsedReply, Reading, Replies};
    use crate::scrape::{EnsembleReport, Report, Samples};
    use crate::wire::Exchange;

    /// A fleet of three-member ensembles; every seventh member does not reply.
    fn fleet(ensembles: usize) -> Arc<Report> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/3.9.3/leader/mntr.txt");
        let mntr = std::fs::read(path).unwrap();
        let reading = Reading { series_cap: 10_000, keep_raw: true };
        let member = |number: usize| {
            let exchange = Exchange { bytes: mntr.clone(), ..Exchange::default() };
            let mntr = (!number.is_multiple_of(7)).then(|| ParsedReply::new(Command::Mntr, exchange, reading));
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

    /// A page that must be written within `seconds`; 0 means already late.
    fn flow_by(seconds: u64, report: &Arc<Report>, names: Names, format: Format, gzip: bool) -> Writer {
        let page = Page::new(Arc::clone(report), None, names, format);
        let begun = Instant::now();
        Writer::new(page, gzip, begun, begun + Duration::from_secs(seconds), Arc::default(), permit())
    }

    fn flow(report: &Arc<Report>, names: Names, format: Format, gzip: bool) -> Writer {
        flow_by(60, report, names, format, gzip)
    }

    fn permit() -> Permit {
        let deadline = Deadline::new(&HeaderMap::new(), Duration::ZERO, Instant::now());
        let admission = Admission::new(1 << 20, &Waiting::default(), &Arc::default());
        // No other request is admitted, so this is ready at once.
        let mut admitted = Box::pin(admission.admit(1, &deadline));
        match admitted.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(Ok(permit)) => permit,
            _ => panic!("no share"),
        }
    }

    fn text(mut flow: Writer) -> String {
        let mut bytes = Vec::new();
        while let Some(piece) = flow.next().unwrap() {
            bytes.extend(piece);
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_late_page_omits_members_and_reports_their_number() {
        let report = fleet(20);
        for names in [Names::Catalogue, Names::Mntr] {
            for format in [Format::Classic, Format::OpenMetrics] {
                let text = text(flow_by(0, &report, names, format, false));
                let count = |begin: &str| text.lines().filter(|line| line.starts_with(begin)).count();
                assert_eq!(count("zk_up{"), 60, "the own metrics of the exporter are complete");
                assert_eq!(count("zk_ensemble_members_omitted{ensemble=\"e7\"} 3"), 1, "{text}");
                assert_eq!(count("zk_ensemble_members_omitted{"), 20);
                assert_eq!(count("zk_znodes{") + count("zk_znode_count{"), 0);
                assert!(format == Format::Classic || text.ends_with("# EOF\n"));
            }
        }
    }

    #[test]
    fn members_are_omitted_one_by_one_from_the_end() {
        let report = fleet(20);
        let mut page = Page::new(Arc::clone(&report), None, Names::Catalogue, Format::Classic);
        let mut out = Vec::new();
        while !page.is_at_members() {
            page.write(&mut out, 1).unwrap();
        }
        let all = crate::exposition::expected_size(&report);
        let omitted = page.fit(all / 4);
        assert!((10..50).contains(&omitted), "{omitted}");
        while page.write(&mut out, usize::MAX).unwrap() {}
        let out = String::from_utf8(out).unwrap();
        let have = |name: &str| out.contains(&format!("zk_znodes{{ensemble=\"{name}\""));
        assert!(have("e1") && !have("e19"));
        let reported =
            out.lines().filter_map(|line| line.strip_prefix("zk_ensemble_members_omitted{")?.split_once("} "));
        let reported: usize = reported.map(|(_, count)| count.parse::<usize>().unwrap()).sum();
        assert_eq!(reported, omitted);
    }

    #[test]
    fn pieces_make_the_page() {
        let report = fleet(20);
        for names in [Names::Catalogue, Names::Mntr] {
            for format in [Format::Classic, Format::OpenMetrics, Format::Protobuf] {
                let mut whole = Vec::new();
                render(&report, None, names, format, &mut whole).unwrap();
                for gzip in [false, true] {
                    let mut flow = flow(&report, names, format, gzip);
                    let mut bytes = Vec::new();
                    let mut pieces = 0;
                    while let Some(piece) = flow.next().unwrap() {
                        bytes.extend(piece);
                        pieces += 1;
                    }
                    if gzip {
                        let coded = std::mem::take(&mut bytes);
                        flate2::read::GzDecoder::new(&*coded).read_to_end(&mut bytes).unwrap();
                    }
                    assert!(bytes == whole, "{names:?} {format:?} {gzip}");
                    assert!(pieces > 3 || names == Names::Mntr, "{pieces} pieces");
                    assert!(flow.next().unwrap().is_none());
                }
            }
        }
    }

    #[test]
    fn a_streamed_page_buffers_little_of_its_text() {
        let report = fleet(40);
        let mut whole = Vec::new();
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

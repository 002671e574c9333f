//! A connection with a timeout for writes to clients that do not read.
//!
//! A blocked write fails at the deadline of the request, after a stall of `MAX_STALL`, or after `STALL` if another
//! request waits for the memory that this response holds.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::admission::Waiting;
use super::slots::Slot;

/// A readable and writable stream.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A client that has read nothing for this long is disconnected if another request waits.
const STALL: Duration = Duration::from_secs(3);

/// A client that has read nothing for this long is disconnected.
const MAX_STALL: Duration = Duration::from_secs(30);

/// Interval of the check for waiting requests.
const RECHECK: Duration = Duration::from_millis(100);

/// A stream with a timeout for writes.
pub(super) struct WriteTimeout {
    stream: Box<dyn Stream>,
    slot: Arc<Slot>,
    waiting: Waiting,
    stalled_since: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl WriteTimeout {
    pub(super) fn new(stream: Box<dyn Stream>, slot: Arc<Slot>, waiting: Waiting) -> Self {
        Self { stream, slot, waiting, stalled_since: None, timer: Box::pin(sleep_until(Instant::now())) }
    }

    /// Passes on the result of a write. A pending write starts the timer, and fails when it expires.
    fn bounded<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled_since = None;
            return outcome;
        }
        loop {
            let now = Instant::now();
            let since = *self.stalled_since.get_or_insert(now);
            let end = self.slot.expires().unwrap_or(since + MAX_STALL).min(since + MAX_STALL);
            let is_stalled = now >= since + STALL;
            if now >= end || (is_stalled && self.waiting.any()) {
                tracing::debug!("closing slow client");
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")));
            }
            let look = if is_stalled { now + RECHECK } else { since + STALL };
            self.timer.as_mut().reset(look.min(end));
            ready!(self.timer.as_mut().poll(context));
        }
    }
}

impl AsyncRead for WriteTimeout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for WriteTimeout {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.bounded(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.bounded(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bounded(context, outcome)
    }
}

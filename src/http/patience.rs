//! A connection whose other end must take what it is sent: a reader that stops, or drips, is cut off in the end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::seats::Seat;

/// Anything that can be read and written.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Fails when what was written is not taken within the time, counted from the first byte that had to wait.
pub(super) struct Patient {
    stream: Box<dyn Stream>,
    time: Duration,
    end: Option<Pin<Box<Sleep>>>,
    /// Told when the other end stops and goes on.
    seat: Arc<Seat>,
    stalled: bool,
}

impl Patient {
    pub(super) fn new(stream: Box<dyn Stream>, time: Duration, seat: Arc<Seat>) -> Self {
        Self { stream, time, end: None, seat, stalled: false }
    }

    /// What became of a write; one that must wait starts the clock, or sees that it ran out.
    fn judge<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if self.stalled || outcome.is_pending() {
            self.stalled = outcome.is_pending();
            self.seat.note_stalled(self.stalled);
        }
        if outcome.is_ready() {
            return outcome;
        }
        let time = self.time;
        let end = self.end.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + time)));
        ready!(end.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not take its answer")))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.judge(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        if outcome.is_ready() {
            // hyper flushes when a whole answer is written: only now is the client out of debt.
            self.end = None;
            self.seat.has_sent();
        }
        self.judge(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(context, outcome)
    }
}

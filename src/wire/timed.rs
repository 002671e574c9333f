//! A stream that cannot be read after its deadline, even if the peer keeps sending.
//!
//! A timer is polled only when the reader waits or returns. A reader that loops without waiting, such as an HTTP client
//! that receives a sequence of `100 Continue` responses, may process megabytes before.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Bytes per read; bounds the work between two checks of the deadline.
const MAX_READ_BYTES: usize = 8 << 10;

/// A stream whose reads fail after the deadline. The caller bounds the time spent waiting.
#[derive(Debug)]
pub struct TimedStream<S> {
    stream: S,
    deadline: Instant,
}

impl<S> TimedStream<S> {
    /// A stream that can be read until `deadline`.
    pub fn new(stream: S, deadline: Instant) -> Self {
        Self { stream, deadline }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if Instant::now() >= self.deadline {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let mut scratch = [0; MAX_READ_BYTES];
        let room = buffer.remaining().min(MAX_READ_BYTES);
        let mut part = ReadBuf::new(&mut scratch[..room]);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
        buffer.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn bytes_available_after_the_deadline_are_not_read() {
        let (early, late) = (Instant::now() + Duration::from_mins(1), Instant::now());
        let mut byte = [0];
        assert_eq!(TimedStream::new(&b"x"[..], early).read(&mut byte).await.ok(), Some(1));
        let read = TimedStream::new(&b"x"[..], late).read(&mut byte).await;
        assert_eq!(read.map_err(|error| error.kind()).err(), Some(io::ErrorKind::TimedOut));
    }
}

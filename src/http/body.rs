//! A response body in memory, sent in pieces; its memory share is released after the last piece.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::admission::Permit;

/// Size of a piece. The connection buffers some pieces in addition to the body.
const PIECE: usize = 16 << 10;

/// A response in memory with its admission permit.
pub(super) struct FullBody {
    bytes: Vec<u8>,
    sent: usize,
    _permit: Permit,
}

impl FullBody {
    pub(super) fn new(bytes: Vec<u8>, permit: Permit) -> Self {
        Self { bytes, sent: 0, _permit: permit }
    }
}

impl Body for FullBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let rest = &self.bytes[self.sent..];
        let piece = &rest[..rest.len().min(PIECE)];
        if piece.is_empty() {
            return Poll::Ready(None);
        }
        // A copy: a slice would keep the whole buffer alive.
        let piece = Bytes::copy_from_slice(piece);
        self.sent += piece.len();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.sent == self.bytes.len()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.bytes.len() - self.sent) as u64)
    }
}

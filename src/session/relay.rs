//! The frames of one connection, carried between client and member: what no honest member sends ends here.
//!
//! The client crate keeps whatever it is sent: a frame of any announced length, notifications nobody asked for, a
//! session of weeks. Each frame is its length in four bytes, big endian, and as many bytes (`ClientCnxnSocketNIO`).

use std::io::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter, split};

/// Four times what a client of ZooKeeper takes (`jute.maxbuffer`, of which `znodes.max_bytes` is at most one): a list
/// of 100 000 children fits.
const MOST_BYTES: u32 = 4 << 20;

/// Carries frames until one side ends, or the member sends what cannot be.
///
/// The session's time, which the member grants in its first frame, is at most `asked`: the client waits that long for a
/// member that is gone.
pub(super) async fn carry(
    near: impl AsyncRead + AsyncWrite + Unpin,
    far: impl AsyncRead + AsyncWrite + Unpin,
    asked: Duration,
) -> Result<()> {
    let (near, to_near) = split(near);
    let (far, to_far) = split(far);
    let sent = AtomicU64::new(0);
    // A frame leaves whole: its length alone would be a packet of its own, whose receipt the kernel is slow to confirm.
    tokio::select! {
        done = questions(BufReader::new(near), BufWriter::new(to_far), &sent) => done,
        done = answers(BufReader::new(far), BufWriter::new(to_near), &sent, asked) => done,
    }
}

/// What the client says, counted before it is passed on.
async fn questions(
    mut from: impl AsyncBufReadExt + Unpin,
    mut to: impl AsyncWrite + Unpin,
    sent: &AtomicU64,
) -> Result<()> {
    while let Some(length) = length(&mut from).await? {
        sent.fetch_add(1, Ordering::Relaxed);
        to.write_all(&length.to_be_bytes()).await?;
        pass(&mut from, &mut to, length).await?;
    }
    Ok(())
}

/// What the member says.
async fn answers(
    mut from: impl AsyncBufReadExt + Unpin,
    mut to: impl AsyncWrite + Unpin,
    sent: &AtomicU64,
    asked: Duration,
) -> Result<()> {
    let mut came: u64 = 0;
    while let Some(length) = length(&mut from).await? {
        came += 1;
        // A question has one answer, and sets at most one watch, which is told once.
        if came > sent.load(Ordering::Relaxed).saturating_mul(2) {
            return Err(lie("it sends more answers than it was asked for"));
        }
        to.write_all(&length.to_be_bytes()).await?;
        let mut left = length;
        if came == 1 && length >= 8 {
            // Protocol version and timeout in milliseconds (`ConnectResponse`).
            to.write_u32(from.read_u32().await?).await?;
            to.write_i32(granted(from.read_i32().await?, asked)).await?;
            left -= 8;
        }
        pass(&mut from, &mut to, left).await?;
    }
    Ok(())
}

/// A session's time as the client is told it.
fn granted(milliseconds: i32, asked: Duration) -> i32 {
    let asked = i32::try_from(asked.as_millis()).unwrap_or(i32::MAX);
    // Zero is how a member says that the session is over.
    milliseconds.clamp(0, asked)
}

/// The length of the next frame; none at the end.
async fn length(from: &mut (impl AsyncBufReadExt + Unpin)) -> Result<Option<u32>> {
    if from.fill_buf().await?.is_empty() {
        return Ok(None);
    }
    let length = from.read_u32().await?;
    if length > MOST_BYTES { Err(lie("it announces an answer of more than 4 MiB")) } else { Ok(Some(length)) }
}

async fn pass(
    from: &mut (impl AsyncBufReadExt + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    length: u32,
) -> Result<()> {
    let passed = tokio::io::copy_buf(&mut from.take(u64::from(length)), to).await?;
    if passed < u64::from(length) {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    to.flush().await
}

fn lie(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll};

    use tokio::io::{DuplexStream, ReadBuf, duplex};
    use tokio::task::JoinHandle;

    use super::*;

    /// Both ends of a relay for a session of six seconds.
    fn relay() -> (DuplexStream, DuplexStream, JoinHandle<Result<()>>) {
        let (near, client) = duplex(64 << 10);
        let (far, member) = duplex(64 << 10);
        let task = tokio::spawn(async move { carry(near, far, Duration::from_secs(6)).await });
        (client, member, task)
    }

    fn frame(body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).expect("short");
        [&length.to_be_bytes(), body].concat()
    }

    async fn take(from: &mut DuplexStream) -> Vec<u8> {
        let length = from.read_u32().await.expect("a frame");
        let mut body = vec![0; length as usize];
        from.read_exact(&mut body).await.expect("its bytes");
        body
    }

    #[tokio::test]
    async fn frames_pass_as_they_are_and_a_session_is_no_longer_than_asked() {
        let (mut client, mut member, task) = relay();
        client.write_all(&frame(b"connect")).await.expect("sent");
        assert_eq!(take(&mut member).await, b"connect");
        let response = |timeout: i32| [&0_u32.to_be_bytes()[..], &timeout.to_be_bytes(), b"and so on"].concat();
        member.write_all(&frame(&response(2_000_000_000))).await.expect("sent");
        assert_eq!(take(&mut client).await, response(6000));
        client.write_all(&[frame(b"create"), frame(b"")].concat()).await.expect("sent");
        assert_eq!((take(&mut member).await, take(&mut member).await), (b"create".to_vec(), Vec::new()));
        let answer = frame(&vec![7; 3 << 20]);
        let (sent, came) = tokio::join!(member.write_all(&answer), take(&mut client));
        sent.expect("sent");
        assert!(frame(&came) == answer);
        drop(client);
        task.await.expect("no panic").expect("an end is no failure");
        assert_eq!([-1, 0, 1, 6000, 6001].map(|time| granted(time, Duration::from_secs(6))), [0, 0, 1, 6000, 6000]);
    }

    /// A member's end that notes how long each write was.
    struct Noting(DuplexStream, Arc<Mutex<Vec<usize>>>);

    impl AsyncRead for Noting {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<Result<()>> {
            Pin::new(&mut self.0).poll_read(context, buffer)
        }
    }

    impl AsyncWrite for Noting {
        fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
            self.1.lock().expect("no panic").push(bytes.len());
            Pin::new(&mut self.0).poll_write(context, bytes)
        }
        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
            Pin::new(&mut self.0).poll_flush(context)
        }
        fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(context)
        }
    }

    #[tokio::test]
    async fn a_frame_is_one_write() {
        let (near, mut client) = duplex(64 << 10);
        let (far, mut member) = duplex(64 << 10);
        let writes = Arc::<Mutex<Vec<usize>>>::default();
        let far = Noting(far, Arc::clone(&writes));
        tokio::spawn(async move { carry(near, far, Duration::from_secs(6)).await });
        for body in [&b"connect"[..], &[7; 1000], b""] {
            client.write_all(&frame(body)).await.expect("sent");
            assert_eq!(take(&mut member).await, body);
        }
        assert_eq!(*writes.lock().expect("no panic"), [11, 1004, 4]);
    }

    #[tokio::test]
    async fn what_nobody_asked_for_ends_the_connection() {
        let (mut client, mut member, task) = relay();
        client.write_all(&frame(b"connect")).await.expect("sent");
        assert_eq!(take(&mut member).await, b"connect");
        for _ in 0..3 {
            member.write_all(&frame(b"notification")).await.expect("sent");
        }
        let error = task.await.expect("no panic").expect_err("a lie");
        assert_eq!(error.to_string(), "it sends more answers than it was asked for");
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.expect("an end");
        assert_eq!(rest.len(), 2 * frame(b"notification").len());
    }

    #[tokio::test]
    async fn a_length_beyond_all_measure_ends_the_connection() {
        let (mut client, mut member, task) = relay();
        client.write_all(&frame(b"connect")).await.expect("sent");
        member.write_all(&0x7fff_ffff_u32.to_be_bytes()).await.expect("sent");
        let error = task.await.expect("no panic").expect_err("a lie");
        assert_eq!(error.to_string(), "it announces an answer of more than 4 MiB");
    }
}

//! Reads whole files with a size limit and a timeout, so that a device, a pipe or a growing file cannot block the
//! exporter or exhaust its memory.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

/// Timeout of a read; the writer of a pipe may need time to produce the text.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The bytes of a file.
///
/// # Errors
/// If it cannot be read; [`ErrorKind::FileTooLarge`] if it has more than `max_bytes`, whatever its metadata reports;
/// [`ErrorKind::TimedOut`] if its end is not reached, e.g. for a pipe without a writer.
pub(crate) fn bytes(path: &Path, max_bytes: u64) -> Result<Vec<u8>> {
    bytes_within(path, max_bytes, READ_TIMEOUT)
}

fn bytes_within(path: &Path, max_bytes: u64, time: Duration) -> Result<Vec<u8>> {
    let deadline = Instant::now() + time;
    // Without `NONBLOCK`, opening a pipe waits for its writer.
    let mut file = File::from(open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?);
    let mut found = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Cannot fail: the duration is at most the timeout.
        let left = Timespec::try_from(left).map_err(Error::other)?;
        match poll(&mut [PollFd::new(&file, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(Error::new(ErrorKind::TimedOut, format!("not read within {} s", time.as_secs()))),
            Err(Errno::INTR) => continue,
            ready => ready?,
        };
        match (&mut file).take(max_bytes + 1 - found.len() as u64).read_to_end(&mut found) {
            // `read_to_end` has kept the bytes read so far.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
            Ok(_) if found.len() as u64 <= max_bytes => return Ok(found),
            Ok(_) => return Err(Error::new(ErrorKind::FileTooLarge, format!("larger than {max_bytes} bytes"))),
        }
    }
}

/// The text of a file.
///
/// # Errors
/// As for [`bytes`]; [`ErrorKind::InvalidData`] if it is not UTF-8.
pub(crate) fn text(path: &Path, max_bytes: u64) -> Result<String> {
    String::from_utf8(bytes(path, max_bytes)?).map_err(|_| Error::new(ErrorKind::InvalidData, "not valid UTF-8"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_pipe_is_read_with_a_timeout() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let begun = Instant::now();
        let silent = bytes_within(&pipe, 1000, Duration::from_millis(100)).unwrap_err();
        assert_eq!(silent.kind(), ErrorKind::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        std::thread::scope(|scope| {
            // The writer waits for its reader, and writes two pieces.
            let writer = scope.spawn(|| {
                let mut pipe = File::options().write(true).open(&pipe).unwrap();
                pipe.write_all(b"12").unwrap();
                std::thread::yield_now();
                pipe.write_all(b"34").unwrap();
            });
            assert_eq!(bytes(&pipe, 4).unwrap(), b"1234");
            writer.join().unwrap();
        });
        // A writer that keeps the pipe open without writing causes a timeout as well.
        let _held = File::options().read(true).write(true).open(&pipe).unwrap();
        let silent = bytes_within(&pipe, 1000, Duration::from_millis(100)).unwrap_err();
        assert_eq!(silent.kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn files_above_the_limit_are_refused() {
        let endless = bytes(Path::new("/dev/zero"), 1000).unwrap_err();
        assert_eq!((endless.kind(), endless.to_string()), (ErrorKind::FileTooLarge, "larger than 1000 bytes".into()));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, b"1234").unwrap();
        assert_eq!(text(file.path(), 4).unwrap(), "1234");
        assert_eq!(text(file.path(), 3).unwrap_err().kind(), ErrorKind::FileTooLarge);
        std::fs::write(&file, b"\xff").unwrap();
        assert_eq!(text(file.path(), 4).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(bytes(file.path(), 4).unwrap(), [0xff]);
    }
}

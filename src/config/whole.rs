//! Files read whole: a device, a pipe or a file that grows gives no more than makes sense, and takes no longer.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

/// The writer of a pipe may have to produce the text first.
const PATIENCE: Duration = Duration::from_secs(10);

/// The bytes of a file.
///
/// # Errors
/// When it cannot be read; [`ErrorKind::FileTooLarge`] when it has more than `most` bytes, whatever it says of its size;
/// [`ErrorKind::TimedOut`] when its end does not come, as that of a pipe without a writer.
pub(crate) fn bytes(path: &Path, most: u64) -> Result<Vec<u8>> {
    bytes_within(path, most, PATIENCE)
}

fn bytes_within(path: &Path, most: u64, time: Duration) -> Result<Vec<u8>> {
    let deadline = Instant::now() + time;
    // The kernel waits for a pipe's other end before it opens it, unless it is told not to.
    let mut file = File::from(open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?);
    let mut found = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Seconds and nanoseconds of a duration that short always fit.
        let left = Timespec::try_from(left).map_err(Error::other)?;
        match poll(&mut [PollFd::new(&file, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(Error::new(ErrorKind::TimedOut, format!("not read within {} s", time.as_secs()))),
            Err(Errno::INTR) => continue,
            ready => ready?,
        };
        match (&mut file).take(most + 1 - found.len() as u64).read_to_end(&mut found) {
            // What has come so far is kept.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
            Ok(_) if found.len() as u64 <= most => return Ok(found),
            Ok(_) => return Err(Error::new(ErrorKind::FileTooLarge, format!("it has more than {most} bytes"))),
        }
    }
}

/// The text of a file.
///
/// # Errors
/// As [`bytes`]; [`ErrorKind::InvalidData`] when it is no UTF-8.
pub(crate) fn text(path: &Path, most: u64) -> Result<String> {
    String::from_utf8(bytes(path, most)?).map_err(|_| Error::new(ErrorKind::InvalidData, "it is no text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_pipe_is_waited_for_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let begun = Instant::now();
        let silent = bytes_within(&pipe, 1000, Duration::from_millis(100)).unwrap_err();
        assert_eq!(silent.kind(), ErrorKind::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        std::thread::scope(|scope| {
            // The writer waits for its reader, and comes in two pieces.
            let writer = scope.spawn(|| {
                let mut pipe = File::options().write(true).open(&pipe).unwrap();
                pipe.write_all(b"12").unwrap();
                std::thread::yield_now();
                pipe.write_all(b"34").unwrap();
            });
            assert_eq!(bytes(&pipe, 4).unwrap(), b"1234");
            writer.join().unwrap();
        });
        // One that holds it open and says nothing is no better than none.
        let _held = File::options().read(true).write(true).open(&pipe).unwrap();
        let silent = bytes_within(&pipe, 1000, Duration::from_millis(100)).unwrap_err();
        assert_eq!(silent.kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn what_never_ends_is_refused() {
        let endless = bytes(Path::new("/dev/zero"), 1000).unwrap_err();
        assert_eq!(
            (endless.kind(), endless.to_string()),
            (ErrorKind::FileTooLarge, "it has more than 1000 bytes".into())
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, b"1234").unwrap();
        assert_eq!(text(file.path(), 4).unwrap(), "1234");
        assert_eq!(text(file.path(), 3).unwrap_err().kind(), ErrorKind::FileTooLarge);
        std::fs::write(&file, b"\xff").unwrap();
        assert_eq!(text(file.path(), 4).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(bytes(file.path(), 4).unwrap(), [0xff]);
    }
}

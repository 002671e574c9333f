//! Files read whole: a device, a pipe or a file that grows gives no more than the most that makes sense.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// The bytes of a file.
///
/// # Errors
/// When it cannot be read; [`ErrorKind::FileTooLarge`] when it has more than `most` bytes, whatever it says of its size.
pub(crate) fn bytes(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut found = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut found)?;
    if found.len() as u64 > most {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it has more than {most} bytes")));
    }
    Ok(found)
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
    use super::*;

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

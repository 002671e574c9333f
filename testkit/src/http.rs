//! Requests to servers on loopback, and their ports.

use std::collections::HashSet;
use std::io::{Error, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);

/// The status and body of a GET request. Not through a proxy of the environment.
///
/// # Errors
/// If there is no whole response within some seconds.
pub fn get(port: u16, path: &str) -> std::io::Result<(u16, Vec<u8>)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    // HTTP/1.0, so that the body ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let invalid = || Error::new(ErrorKind::InvalidData, "not an HTTP response");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(invalid)? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(invalid)?;
    Ok((status, bytes.split_off(end)))
}

/// A query parameter.
#[must_use]
pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A free port of 127.0.0.1: the usual one if it is free.
///
/// # Errors
/// If no port is free.
pub fn free_port(usual: u16) -> std::io::Result<u16> {
    let wanted = [Some(usual), usual.checked_add(10_000), usual.checked_add(20_000), Some(0)];
    let mut last = Error::from(ErrorKind::AddrInUse);
    for port in wanted.into_iter().flatten() {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr()) {
            Ok(address) => return Ok(address.port()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Whether this very process listens on the port: a response alone could come from another process that was faster.
#[must_use]
pub fn listens(pid: u32, port: u16) -> bool {
    let mut sockets = HashSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in std::fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, "0A", _, _, _, _, _, inode, ..] = fields[..] else { continue };
            if local.rsplit_once(':').is_some_and(|(_, hex)| u16::from_str_radix(hex, 16) == Ok(port)) {
                sockets.insert(format!("socket:[{inode}]"));
            }
        }
    }
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .any(|target| target.to_str().is_some_and(|target| sockets.contains(target)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_free_until_a_process_listens() {
        let port = free_port(0).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(listens(std::process::id(), port) && !listens(1, port));
        assert_ne!(free_port(port).unwrap(), port);
        drop(listener);
        assert!(!listens(std::process::id(), port));
    }

    #[test]
    fn a_response_has_status_and_body() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).unwrap();
            stream.write_all(b"HTTP/1.0 404 Not Found\r\nA: b\r\n\r\nnot\r\n\r\nhere").unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        assert_eq!(get(port, "/a?b=c").unwrap(), (404, b"not\r\n\r\nhere".to_vec()));
        assert!(server.join().unwrap().starts_with("GET /a?b=c HTTP/1.0\r\n"));
        assert_eq!(encoded("up{a=\"b\"}"), "up%7Ba%3D%22b%22%7D");
    }
}

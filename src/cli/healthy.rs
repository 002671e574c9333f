//! `healthy`: a health check of the exporter on this host, for containers and service managers.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConnection, StreamOwned};

use super::stdout::tell;
use super::web_flags::PathFlags;
use super::{UsageError, listen};
use crate::wire;

/// Flags of `healthy`.
#[derive(Debug, clap::Args)]
pub(super) struct Healthy {
    /// The address the exporter listens on.
    #[arg(long = "web.listen-address", env = "ZOOKEEPER_EXPORTER_WEB_LISTEN_ADDRESS", value_name = "[HOST]:PORT",
          default_value = ":9141", value_parser = listen::parse)]
    listen_address: String,

    #[command(flatten)]
    paths: PathFlags,
}

/// Timeout of the whole check; a healthy exporter responds immediately.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum number of bytes read from one connection; the largest certificate chain takes a tenth of it.
const MAX_BYTES: usize = 1 << 20;

impl Healthy {
    pub(super) fn run(&self) -> std::result::Result<ExitCode, UsageError> {
        let unreachable = |error: Error| UsageError(format!("--web.listen-address: {}: {error}", self.listen_address));
        let path = self.paths.paths()?.route("/-/healthy");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut why = String::from("no address");
        let addresses = listen::reachable(&self.listen_address).map_err(unreachable)?;
        let end = Instant::now() + CHECK_TIMEOUT;
        for (left, address) in (1..=u32::try_from(addresses.len()).unwrap_or(u32::MAX)).rev().zip(addresses) {
            // Each address gets an equal share of the remaining time.
            let deadline = Instant::now() + end.saturating_duration_since(Instant::now()) / left;
            match ask(address, deadline, &request) {
                Ok(()) => {
                    // The exit code is the result; a failed write is ignored.
                    let _ = writeln!(std::io::stdout(), "healthy");
                    return Ok(ExitCode::SUCCESS);
                }
                Err(error) => why = format!("{address}: {error}"),
            }
        }
        tell(format_args!(
            "not healthy: {why}: expected an exporter with --web.listen-address {}",
            self.listen_address
        ));
        Ok(ExitCode::FAILURE)
    }
}

/// A TLS alert, the response of a TLS server to plain HTTP: type 21, version 3.x.
const ALERT: &[u8] = &[21, 3];

/// Sends a request over plain HTTP, and over TLS if the server requires it.
///
/// Neither certificate nor password is checked: any response proves that the process is alive.
fn ask(address: SocketAddr, deadline: Instant, request: &str) -> Result<()> {
    let head = answer(Bounded::connect(address, deadline)?, request)?;
    if !head.starts_with(ALERT) {
        return judge(&head);
    }
    let config = wire::unverified_tls().map_err(Error::other)?;
    let name = ServerName::from(address.ip());
    let session = ClientConnection::new(config, name).map_err(Error::other)?;
    match answer(StreamOwned::new(session, Bounded::connect(address, deadline)?), request) {
        Ok(head) => judge(&head),
        // A server that requires a client certificate is alive.
        Err(error) if demands_certificate(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A connection with one deadline for all reads and a byte limit.
struct Bounded {
    stream: TcpStream,
    deadline: Instant,
    bytes_left: usize,
}

impl Bounded {
    fn connect(address: SocketAddr, deadline: Instant) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, time_left(deadline)?).map_err(in_words)?;
        Ok(Self { stream, deadline, bytes_left: MAX_BYTES })
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.stream.set_read_timeout(Some(time_left(self.deadline)?))?;
        let read = self.stream.read(buffer).map_err(in_words)?;
        self.bytes_left = self.bytes_left.checked_sub(read).ok_or_else(|| Error::other("response too long"))?;
        Ok(read)
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.stream.set_write_timeout(Some(time_left(self.deadline)?))?;
        self.stream.write(bytes).map_err(in_words)
    }

    fn flush(&mut self) -> Result<()> {
        self.stream.flush()
    }
}

/// The remaining time; never zero, which would disable the timeout.
fn time_left(deadline: Instant) -> Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(in_words(ErrorKind::TimedOut.into())) } else { Ok(left) }
}

/// Replaces `WouldBlock`, which a socket returns at its timeout, with a descriptive error.
fn in_words(error: Error) -> Error {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Error::new(ErrorKind::TimedOut, "no answer in time"),
        _ => error,
    }
}

/// Sends the request and reads the beginning of the response.
fn answer(mut stream: impl Read + Write, request: &str) -> Result<Vec<u8>> {
    let sent = stream.write_all(request.as_bytes()).and_then(|()| stream.flush());
    let mut head = Vec::new();
    match stream.take(2048).read_to_end(&mut head) {
        // The end of the response may be lost if the server closes the connection before it has read the request.
        Err(error) if head.is_empty() => Err(error),
        _ if head.is_empty() => sent.map(|()| head),
        _ => Ok(head),
    }
}

/// Accepts 200, and 401 of the exporter itself: a process that requires a password is alive.
fn judge(head: &[u8]) -> Result<()> {
    let text = String::from_utf8_lossy(head);
    let line = text.lines().next().unwrap_or("");
    let refuses = line.starts_with("HTTP/1.1 401") && text.contains("realm=\"zookeeper-exporter\"");
    if line.starts_with("HTTP/1.1 200") || refuses {
        Ok(())
    } else {
        Err(Error::other(format!("unexpected response `{}`", line.escape_debug())))
    }
}

fn demands_certificate(error: &Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    // TLS 1.2 has no specific alert for a missing certificate.
    matches!(
        inner,
        Some(rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::HandshakeFailure
        ))
    )
}

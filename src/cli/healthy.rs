//! `healthy`: ask the exporter on this host, for containers and service managers.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConnection, StreamOwned};

use super::out::tell;
use super::{UsageError, listen};
use crate::wire;

/// Flags of `healthy`.
#[derive(Debug, clap::Args)]
pub(super) struct Healthy {
    /// The address the exporter listens on.
    #[arg(long = "web.listen-address", env = "ZOOKEEPER_EXPORTER_WEB_LISTEN_ADDRESS", value_name = "[HOST]:PORT",
          default_value = ":9141", value_parser = listen::parse)]
    listen_address: String,
}

/// A healthy exporter answers at once: most time for all of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Most bytes read of one connection; the largest chain of certificates has a tenth of it.
const MOST_BYTES: usize = 1 << 20;

impl Healthy {
    pub(super) fn run(&self) -> std::result::Result<ExitCode, UsageError> {
        let unreachable = |error: Error| UsageError(format!("--web.listen-address: {}: {error}", self.listen_address));
        let mut why = String::from("no address");
        let addresses = listen::reachable(&self.listen_address).map_err(unreachable)?;
        let end = Instant::now() + PATIENCE;
        for (left, address) in (1..=u32::try_from(addresses.len()).unwrap_or(u32::MAX)).rev().zip(addresses) {
            // One address that hangs leaves the others their share.
            let deadline = Instant::now() + end.saturating_duration_since(Instant::now()) / left;
            match ask(address, deadline) {
                Ok(()) => {
                    // The exit code is the answer, read or not.
                    let _ = writeln!(std::io::stdout(), "healthy");
                    return Ok(ExitCode::SUCCESS);
                }
                Err(error) => why = format!("{address}: {error}"),
            }
        }
        tell(format_args!(
            "not healthy: {why}; is the exporter running with --web.listen-address {}?",
            self.listen_address
        ));
        Ok(ExitCode::FAILURE)
    }
}

const REQUEST: &[u8] = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A TLS server answers plain HTTP with an alert: type 21, version 3.x.
const ALERT: &[u8] = &[21, 3];

/// Asks in plain HTTP, and over TLS where that is what listens there.
///
/// Neither the certificate nor a password is needed: the question is whether the process on this host answers.
fn ask(address: SocketAddr, deadline: Instant) -> Result<()> {
    let head = answer(Bounded::connect(address, deadline)?)?;
    if !head.starts_with(ALERT) {
        return judge(&head);
    }
    let config = wire::unverified_tls().map_err(Error::other)?;
    let name = ServerName::from(address.ip());
    let session = ClientConnection::new(config, name).map_err(Error::other)?;
    match answer(StreamOwned::new(session, Bounded::connect(address, deadline)?)) {
        Ok(head) => judge(&head),
        // It is alive enough to want a client certificate.
        Err(error) if demands_certificate(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A connection that ends at a deadline, however slowly bytes come, and with a number of bytes.
struct Bounded {
    stream: TcpStream,
    deadline: Instant,
    bytes_left: usize,
}

impl Bounded {
    fn connect(address: SocketAddr, deadline: Instant) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, time_left(deadline)?).map_err(in_words)?;
        Ok(Self { stream, deadline, bytes_left: MOST_BYTES })
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.stream.set_read_timeout(Some(time_left(self.deadline)?))?;
        let read = self.stream.read(buffer).map_err(in_words)?;
        self.bytes_left = self.bytes_left.checked_sub(read).ok_or_else(|| Error::other("its answer does not end"))?;
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

/// Never zero, which would mean no timeout at all.
fn time_left(deadline: Instant) -> Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(in_words(ErrorKind::TimedOut.into())) } else { Ok(left) }
}

/// The kernel says that a resource is unavailable where no time is left.
fn in_words(error: Error) -> Error {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Error::new(ErrorKind::TimedOut, "no answer in time"),
        _ => error,
    }
}

/// One request; the answer is read until its head is known.
fn answer(mut stream: impl Read + Write) -> Result<Vec<u8>> {
    let sent = stream.write_all(REQUEST).and_then(|()| stream.flush());
    let mut head = Vec::new();
    match stream.take(2048).read_to_end(&mut head) {
        // A server that hangs up without reading all may cost the end of its answer.
        Err(error) if head.is_empty() => Err(error),
        _ if head.is_empty() => sent.map(|()| head),
        _ => Ok(head),
    }
}

/// 200, or 401 with the exporter's own text: a process that demands a password is alive.
fn judge(head: &[u8]) -> Result<()> {
    let text = String::from_utf8_lossy(head);
    let line = text.lines().next().unwrap_or("");
    let refuses = line.starts_with("HTTP/1.1 401") && text.contains("realm=\"zookeeper-exporter\"");
    if line.starts_with("HTTP/1.1 200") || refuses {
        Ok(())
    } else {
        Err(Error::other(format!("answered `{}`", line.escape_debug())))
    }
}

fn demands_certificate(error: &Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    // TLS 1.2 has no alert of its own for it.
    matches!(
        inner,
        Some(rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::HandshakeFailure
        ))
    )
}

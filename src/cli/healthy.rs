//! `healthy`: ask the exporter on this host, for containers and service managers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

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

/// A healthy exporter answers at once.
const PATIENCE: Duration = Duration::from_secs(2);

impl Healthy {
    pub(super) fn run(&self) -> Result<ExitCode, UsageError> {
        let unreachable =
            |error: std::io::Error| UsageError(format!("--web.listen-address: {}: {error}", self.listen_address));
        let mut why = String::from("no address");
        for address in listen::reachable(&self.listen_address).map_err(unreachable)? {
            match ask(address) {
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
fn ask(address: SocketAddr) -> std::io::Result<()> {
    let head = answer(connect(address)?)?;
    if !head.starts_with(ALERT) {
        return judge(&head);
    }
    let config = wire::unverified_tls().map_err(std::io::Error::other)?;
    let name = ServerName::from(address.ip());
    let session = ClientConnection::new(config, name).map_err(std::io::Error::other)?;
    match answer(StreamOwned::new(session, connect(address)?)) {
        Ok(head) => judge(&head),
        // It is alive enough to want a client certificate.
        Err(error) if demands_certificate(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// One request; the answer is read until its head is known.
fn answer(mut stream: impl Read + Write) -> std::io::Result<Vec<u8>> {
    let sent = stream.write_all(REQUEST).and_then(|()| stream.flush());
    let mut head = Vec::new();
    match stream.take(2048).read_to_end(&mut head) {
        // A server that hangs up without reading all may cost the end of its answer.
        Err(error) if head.is_empty() => Err(error),
        _ if head.is_empty() => sent.map(|()| head),
        _ => Ok(head),
    }
}

/// 200, or 401 in the exporter's own words: whoever asks for a password is alive.
fn judge(head: &[u8]) -> std::io::Result<()> {
    let text = String::from_utf8_lossy(head);
    let line = text.lines().next().unwrap_or("");
    let refuses = line.starts_with("HTTP/1.1 401") && text.contains("realm=\"zookeeper-exporter\"");
    if line.starts_with("HTTP/1.1 200") || refuses {
        Ok(())
    } else {
        Err(std::io::Error::other(format!("answered `{}`", line.escape_debug())))
    }
}

fn demands_certificate(error: &std::io::Error) -> bool {
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

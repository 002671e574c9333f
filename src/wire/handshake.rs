//! The TLS handshake with a member. Failures are explained, with what to change.

use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::client::ClientConfig;
use rustls::{AlertDescription, CertificateError, Error, HandshakeKind};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::peer::{self, PeerCertificate};
use super::tls::Tls;
use super::{Failure, Reason, verifier};
use crate::config::TlsConfig;

/// Performs the handshake before `deadline`; returns the presented certificates in either case.
pub(super) async fn secure(
    tls: &Tls,
    host: &str,
    stream: TcpStream,
    deadline: Instant,
) -> (Result<TlsStream<TcpStream>, Failure>, Vec<PeerCertificate>) {
    let (config, name) = match (tls.current(deadline).await, tls.name(host)) {
        (Ok(config), Ok(name)) => (config, name),
        (Err(failure), _) | (_, Err(failure)) => return (Err(failure), Vec::new()),
    };
    let connector = TlsConnector::from(Arc::<ClientConfig>::clone(&config));
    let (outcome, shown) = verifier::noting(timeout_at(deadline, connector.connect(name, stream))).await;
    match outcome {
        Err(_) => {
            let detail = "connected, but the TLS handshake did not end in time; is it paused?";
            (Err(Failure::new(Reason::Timeout, detail)), peer::read_all(&shown))
        }
        Ok(Err(error)) => {
            let certificates = peer::read_all(&shown);
            (Err(explain(&tls.config, host, &certificates, &error)), certificates)
        }
        Ok(Ok(stream)) => {
            let (_, session) = stream.get_ref();
            let certificates = peer::read_all(session.peer_certificates().unwrap_or_default());
            // A resumed session was verified when it began, up to one day ago.
            let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
            match certificates.iter().find(|certificate| certificate.not_after < now()) {
                Some(expired) if resumed && !tls.config.insecure_skip_verify => {
                    (Err(Failure::new(Reason::Tls, has_expired(expired))), certificates)
                }
                _ => (Ok(stream), certificates),
            }
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The failure for an error on a TLS connection; `None` if TLS is not the cause.
pub(super) fn tls_failure(config: &TlsConfig, error: &io::Error) -> Option<Failure> {
    match inner(error)? {
        Error::AlertReceived(alert) => Some(Failure::new(Reason::Tls, refused(config, *alert))),
        error => Some(Failure::new(Reason::Tls, format!("the TLS connection failed: {error}"))),
    }
}

fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn explain(config: &TlsConfig, host: &str, shown: &[PeerCertificate], error: &io::Error) -> Failure {
    let detail = match inner(error) {
        // A plain port parses the beginning of the handshake as a packet length, and closes the connection.
        None => format!(
            "the TLS handshake failed ({}); is this the plain client port? then remove `tls:`, or use the \
             secureClientPort; or is maxClientCnxns reached?",
            short(error)
        ),
        Some(Error::InvalidMessage(_)) => {
            "the answer to the TLS handshake is not TLS; is this a plain port? then remove \
            `tls:`, or use the secureClientPort"
                .to_owned()
        }
        Some(Error::AlertReceived(alert)) => refused(config, *alert),
        Some(Error::InvalidCertificate(why)) => not_trusted(config, host, shown, why),
        Some(error) => format!("the TLS handshake failed: {error}"),
    };
    Failure::new(Reason::Tls, detail)
}

fn short(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "closed by the member",
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset by the member",
        _ => "the connection was lost",
    }
}

fn not_trusted(config: &TlsConfig, host: &str, shown: &[PeerCertificate], why: &CertificateError) -> String {
    let leaf = shown.first();
    let subject = leaf.map_or("unreadable", |leaf| leaf.subject.as_str());
    let store = || config.ca_file.as_ref().map_or_else(|| "the system's store".to_owned(), ToString::to_string);
    match why {
        // A certificate created by `openssl req -x509` that is not in the store; webpki has no variant for this error.
        CertificateError::Other(_) if format!("{why:?}").contains("CaUsedAsEndEntity") => {
            let store = store();
            format!(
                "the certificate of the member ({subject}) is a CA certificate that is not in {store}; add this \
                certificate to ca_file in tls:, or use one that the CA signed"
            )
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            let (issuer, store) = (leaf.map_or("unreadable", |leaf| leaf.issuer.as_str()), store());
            format!(
                "the certificate of the member ({subject}, issued by {issuer}) is not signed by a CA in {store}; is \
                ca_file in tls: the CA of this ensemble?"
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            let expired = shown.iter().find(|certificate| certificate.not_after < now()).or(leaf);
            expired.map_or_else(|| "a certificate of the member has expired".to_owned(), has_expired)
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate of the member ({subject}) is not valid yet; is a clock wrong?")
        }
        CertificateError::NotValidForName => not_for_name(config, host, subject, &[]),
        CertificateError::NotValidForNameContext { presented, .. } => not_for_name(config, host, subject, presented),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => format!(
            "the certificate of the member ({subject}) is not valid for servers; its extendedKeyUsage lacks serverAuth"
        ),
        why => format!("the certificate of the member ({subject}) was rejected: {why}"),
    }
}

fn has_expired(certificate: &PeerCertificate) -> String {
    format!("the certificate of the member ({}) expired on {}; renew it", certificate.subject, certificate.until)
}

/// Maximum number of names in a message; a certificate may have hundreds.
const NAMES_SHOWN: usize = 5;

fn not_for_name(config: &TlsConfig, host: &str, subject: &str, presented: &[String]) -> String {
    let expected = config.server_name.as_ref().map_or_else(|| host.into(), rustls::pki_types::ServerName::to_str);
    let mut names = presented.iter().take(NAMES_SHOWN).map(|name| bare(name)).collect::<Vec<_>>().join(", ");
    if presented.len() > NAMES_SHOWN {
        names.push_str(", ...");
    }
    if names.is_empty() {
        return format!(
            "the certificate of the member ({subject}) is not for `{expected}`: it has no subjectAltName (the CN is not \
            used); renew it with one"
        );
    }
    format!(
        "the certificate of the member ({subject}) is not for `{expected}` but for {names}; set server_name in tls: to \
         one of them"
    )
}

/// The value in the representation of webpki: `zk-1` of `DnsName("zk-1")`, `10.0.0.1` of `IpAddress(10.0.0.1)`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, inner)| inner.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

/// Explains the TLS alert with which the member refused the connection.
fn refused(config: &TlsConfig, alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    let about_certificate = matches!(
        alert,
        Alert::BadCertificate
            | Alert::CertificateRequired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::CertificateExpired
            | Alert::UnsupportedCertificate
            | Alert::AccessDenied
    );
    match (&config.identity, alert) {
        (_, Alert::ProtocolVersion) => {
            "the member supports no TLS version that min_version in tls: allows; ZooKeeper 3.8 and older use TLS12"
                .to_owned()
        }
        (None, alert) if about_certificate => format!(
            "the member demands a client certificate (alert {alert:?}, ssl.clientAuth=need); set cert_file and key_file in tls:"
        ),
        (Some((cert, _)), alert) if about_certificate => format!(
            "the member refuses the client certificate in {cert} (alert {alert:?}); is it expired, or its CA not in the \
             member's ssl.trustStore?"
        ),
        (None, Alert::HandshakeFailure) => {
            "the member refused the TLS handshake (alert HandshakeFailure); it may demand a \
             client certificate: set cert_file and key_file in tls:"
                .to_owned()
        }
        (_, alert) => format!("the member refused the TLS connection (alert {alert:?})"),
    }
}

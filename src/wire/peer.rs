//! Subject, issuer and validity of certificates presented by members.

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::time::Time;

use crate::text;

/// Maximum number of certificates read from a chain; real chains have two or three.
pub(super) const MAX_CHAIN: usize = 8;

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Subject, e.g. `CN=zk-1,O=Example`.
    pub subject: String,
    /// Issuer, in the same format.
    pub issuer: String,
    /// Start of the validity in Unix seconds.
    pub not_before: u64,
    /// End of the validity in Unix seconds.
    pub not_after: u64,
    /// `not_after` as text.
    pub until: String,
}

/// Parses one certificate; `None` if it is not strict DER.
pub(super) fn read(der: &CertificateDer<'_>) -> Option<PeerCertificate> {
    let certificate = Certificate::from_der(der).ok()?;
    let about = certificate.tbs_certificate();
    let seconds = |time: Time| time.to_unix_duration().as_secs();
    let validity = about.validity();
    Some(PeerCertificate {
        subject: name(about.subject()),
        issuer: name(about.issuer()),
        not_before: seconds(validity.not_before),
        not_after: seconds(validity.not_after),
        until: validity.not_after.to_date_time().to_string(),
    })
}

/// Parses a chain. Unreadable certificates are ignored; of two certificates with the same subject, the one that expires
/// first is kept.
pub(super) fn read_all(chain: &[CertificateDer<'_>]) -> Vec<PeerCertificate> {
    let mut found: Vec<PeerCertificate> = Vec::new();
    for certificate in chain.iter().take(MAX_CHAIN).filter_map(read) {
        match found.iter_mut().find(|known| known.subject == certificate.subject) {
            Some(known) if certificate.not_after < known.not_after => *known = certificate,
            Some(_) => {}
            None => found.push(certificate),
        }
    }
    found
}

fn name(name: &x509_cert::name::Name) -> String {
    text::fact(&name.to_string())
}

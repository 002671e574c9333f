//! What a member's certificates say of themselves: who they are for, who signed them, how long they hold.

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::time::Time;

use crate::text;

/// Certificates of one chain beyond this many are not looked at; a real chain has two or three.
pub(super) const MAX_CHAIN: usize = 8;

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Its subject, `CN=zk-1,O=Example`.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Seconds since 1970 from which it holds.
    pub not_before: u64,
    /// Seconds since 1970 until which it holds.
    pub not_after: u64,
    /// `not_after` for people.
    pub until: String,
}

/// Reads one certificate; nothing of one that is no strict DER.
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

/// Reads a chain; what cannot be read is left out, and of two with one subject the one that ends first counts.
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

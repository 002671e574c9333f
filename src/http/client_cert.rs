//! Certificates of clients of the endpoint: asked for, needed, verified, and of whom, as `client_auth_type` says.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::config::pem;
use crate::config::web::{ClientAuth, WebTls};

/// Judges the certificates of clients.
#[derive(Debug)]
struct Verifier {
    /// `None` takes any certificate.
    webpki: Option<Arc<dyn ClientCertVerifier>>,
    needed: bool,
    allowed_sans: Vec<String>,
}

/// The verifier that the configuration asks for.
pub(super) fn verifier(tls: &WebTls) -> Result<Arc<dyn ClientCertVerifier>, String> {
    if tls.client_auth == ClientAuth::NoClientCert {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let webpki = match &tls.client_ca {
        None => None,
        Some(ca) => {
            let roots = Arc::new(ca.roots()?);
            let builder = WebPkiClientVerifier::builder_with_provider(roots, pem::provider());
            Some(builder.build().map_err(|error| format!("{ca} cannot be used: {error}"))?)
        }
    };
    let needed = tls.client_auth.requires();
    Ok(Arc::new(Verifier { webpki, needed, allowed_sans: tls.allowed_sans.clone() }))
}

/// None of the names of a certificate is allowed.
#[derive(Debug)]
struct NotAllowed;

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("none of the certificate's alternative names is in client_allowed_sans")
    }
}

impl std::error::Error for NotAllowed {}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.needed
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.webpki.as_ref().map_or(&[], |webpki| webpki.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(webpki) = &self.webpki {
            webpki.verify_client_cert(end_entity, intermediates, now)?;
        }
        if !self.allowed_sans.is_empty() && !names(end_entity).iter().any(|name| self.allowed_sans.contains(name)) {
            return Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(NotAllowed)))));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &pem::provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &pem::provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        pem::provider().signature_verification_algorithms.supported_schemes()
    }
}

/// The alternative names of a certificate of the kinds that exporter-toolkit compares: DNS, email, URI, address.
fn names(der: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = Certificate::from_der(der) else { return Vec::new() };
    let Ok(Some((_, SubjectAltName(names)))) = certificate.tbs_certificate().get_extension() else { return Vec::new() };
    let text = |name: &GeneralName| match name {
        GeneralName::DnsName(name) | GeneralName::Rfc822Name(name) | GeneralName::UniformResourceIdentifier(name) => {
            Some(name.to_string())
        }
        GeneralName::IpAddress(bytes) => {
            let four = <[u8; 4]>::try_from(bytes.as_bytes()).map(IpAddr::from);
            let sixteen = || <[u8; 16]>::try_from(bytes.as_bytes()).map(IpAddr::from);
            four.or_else(|_| sixteen()).ok().map(|address| address.to_string())
        }
        _ => None,
    };
    names.iter().filter_map(text).collect()
}

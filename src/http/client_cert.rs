//! Client certificates of the endpoint: requested, required and verified according to `client_auth_type`.

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

/// Verifies client certificates against the CA and the allowed names.
#[derive(Debug)]
struct Verifier {
    /// `None` accepts any certificate.
    webpki: Option<Arc<dyn ClientCertVerifier>>,
    needed: bool,
    allowed_sans: Vec<String>,
}

/// The verifier for a TLS configuration.
pub(super) fn verifier(tls: &WebTls) -> Result<Arc<dyn ClientCertVerifier>, String> {
    if tls.client_auth == ClientAuth::NoClientCert {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let roots = match &tls.client_ca {
        None if tls.client_auth.verifies() => Some((pem::system_roots(), "the CA store of the system".to_owned())),
        None => None,
        Some(ca) => Some((ca.roots()?, ca.to_string())),
    };
    let webpki = roots.map(|(roots, source)| {
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), pem::provider());
        builder.build().map_err(|error| format!("{source} cannot be used to verify client certificates: {error}"))
    });
    let webpki = webpki.transpose()?;
    let needed = tls.client_auth.requires();
    Ok(Arc::new(Verifier { webpki, needed, allowed_sans: tls.allowed_sans.clone() }))
}

/// The certificate contains none of the allowed names.
#[derive(Debug)]
struct NotAllowed;

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no subject alternative name of the certificate is in client_allowed_sans")
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

/// The subject alternative names that exporter-toolkit compares: DNS, email, URI and IP address.
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

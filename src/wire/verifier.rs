//! Who may answer for a member: the chain is verified, and noted whether it passes or not.

use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::peer;
use crate::config::pem;

tokio::task_local! {
    /// The chain shown in the handshake of this task: an error of rustls does not hold it.
    static SHOWN: RefCell<Vec<CertificateDer<'static>>>;
}

/// Runs a handshake; gives the chain that was shown beside its outcome.
pub(super) async fn noting<T>(handshake: impl Future<Output = T>) -> (T, Vec<CertificateDer<'static>>) {
    SHOWN
        .scope(RefCell::default(), async {
            let outcome = handshake.await;
            (outcome, SHOWN.with(RefCell::take))
        })
        .await
}

/// Verifies certificates by the CAs of a module, or takes any.
#[derive(Debug)]
pub(super) struct Verifier {
    webpki: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that are trusted as they are: a self-signed server certificate in `ca_file` itself.
    pinned: Vec<CertificateDer<'static>>,
}

impl Verifier {
    /// Verifies.
    pub(super) fn of(webpki: Arc<WebPkiServerVerifier>, pinned: Vec<CertificateDer<'static>>) -> Self {
        Self { webpki: Some(webpki), pinned }
    }

    /// Takes any certificate (`insecure_skip_verify`).
    pub(super) fn of_nothing() -> Self {
        Self { webpki: None, pinned: Vec::new() }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // Outside of `noting` there is no receiver.
        let _ = SHOWN.try_with(|shown| {
            let chain = std::iter::once(end_entity).chain(intermediates);
            *shown.borrow_mut() = chain.take(peer::MAX_CHAIN).map(|der| der.clone().into_owned()).collect();
        });
        let Some(webpki) = &self.webpki else { return Ok(ServerCertVerified::assertion()) };
        if self.pinned.contains(end_entity) {
            // webpki takes no certificate of a CA as that of a server, which most self-signed ones are.
            in_time(end_entity, now)?;
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
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

fn in_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let about = peer::read(certificate).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let wrong = if now.as_secs() > about.not_after {
        CertificateError::Expired
    } else if now.as_secs() < about.not_before {
        CertificateError::NotValidYet
    } else {
        return Ok(());
    };
    Err(Error::InvalidCertificate(wrong))
}

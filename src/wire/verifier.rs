//! Verifies certificates of members, and records the presented chain in either case.

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
    /// The chain presented in the handshake of this task; rustls errors do not contain it.
    static SHOWN: RefCell<Vec<CertificateDer<'static>>>;
}

/// Runs a handshake; returns its result and the presented chain.
pub(super) async fn noting<T>(handshake: impl Future<Output = T>) -> (T, Vec<CertificateDer<'static>>) {
    SHOWN
        .scope(RefCell::default(), async {
            let outcome = handshake.await;
            (outcome, SHOWN.with(RefCell::take))
        })
        .await
}

/// Verifies certificates with the CAs of a module, or accepts any.
#[derive(Debug)]
pub(super) struct Verifier {
    webpki: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that are trusted directly: self-signed server certificates in `ca_file`.
    pinned: Vec<CertificateDer<'static>>,
}

impl Verifier {
    /// Verifies certificates.
    pub(super) fn of(webpki: Arc<WebPkiServerVerifier>, pinned: Vec<CertificateDer<'static>>) -> Self {
        Self { webpki: Some(webpki), pinned }
    }

    /// Accepts any certificate (`insecure_skip_verify`).
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
        // Fails only outside of `noting`.
        let _ = SHOWN.try_with(|shown| {
            let chain = std::iter::once(end_entity).chain(intermediates);
            *shown.borrow_mut() = chain.take(peer::MAX_CHAIN).map(|der| der.clone().into_owned()).collect();
        });
        let Some(webpki) = &self.webpki else { return Ok(ServerCertVerified::assertion()) };
        if self.pinned.contains(end_entity) {
            // webpki rejects CA certificates as server certificates; most self-signed certificates are CA certificates.
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

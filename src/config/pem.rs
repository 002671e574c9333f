//! Certificates and keys from PEM text: read, checked, and what is wrong with them in one line.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};

use super::whole;

/// The one place that chooses who does the arithmetic of TLS.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

/// The cryptography behind all TLS of the exporter.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

/// A PEM file larger than this holds no certificates of one server.
const MAX_BYTES: u64 = 4 << 20;

/// Where PEM text stands.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// In a file of its own.
    File(PathBuf),
    /// In the configuration file itself, under this key.
    Inline(&'static str, String),
}

/// A key in the configuration must not reach the log.
impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({self})")
    }
}

impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Inline(key, _) => f.write_str(key),
        }
    }
}

impl Pem {
    /// The file, where it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Inline(..) => None,
        }
    }

    fn text(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Inline(_, text) => Ok(text.clone().into_bytes()),
            Self::File(path) => {
                let unreadable = |error: std::io::Error| format!("cannot read {self}: {error}");
                let about = std::fs::metadata(path).map_err(unreadable)?;
                if !about.is_file() || about.len() > MAX_BYTES {
                    return Err(format!("{self} is no PEM file: a file of at most {MAX_BYTES} bytes belongs here"));
                }
                whole::bytes(path, MAX_BYTES).map_err(unreadable)
            }
        }
    }

    /// The certificates, in their order.
    ///
    /// # Errors
    /// When the text cannot be read or holds none.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let text = self.text()?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let found = found.map_err(|error| format!("{self} is no valid PEM: {}", plain(&error)))?;
        if found.is_empty() {
            let hint =
                if holds(&text, "PRIVATE KEY-----") { "; it holds a key: are the two files swapped?" } else { "" };
            return Err(format!(
                "{self} holds no certificate; write a PEM file with `-----BEGIN CERTIFICATE-----`{hint}"
            ));
        }
        Ok(found)
    }

    /// The certificates as those that are trusted.
    ///
    /// # Errors
    /// When the text cannot be read, holds none, or one that is broken.
    pub fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots
                .add(certificate)
                .map_err(|error| format!("{self} holds a certificate that cannot be read: {error}"))?;
        }
        Ok(roots)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, String> {
        let text = self.text()?;
        if holds(&text, "ENCRYPTED") {
            return Err(format!(
                "the key in {self} is encrypted, and the exporter knows no password; decrypt it once, readable for the \
                 exporter's user alone: (umask 077; openssl pkey -in {self} -out plain.key)"
            ));
        }
        PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
            pem::Error::NoItemsFound => format!(
                "{self} holds no private key; write a PEM file with `-----BEGIN PRIVATE KEY-----` (PKCS#8, PKCS#1 or SEC1)"
            ),
            error => format!("{self} is no valid PEM: {}", plain(&error)),
        })
    }
}

/// A certificate chain with its private key, checked to belong together.
///
/// # Errors
/// When one of the two cannot be read, or they are not of one pair.
pub fn identity(certificates: &Pem, key: &Pem) -> Result<Arc<CertifiedKey>, String> {
    let chain = certificates.certificates()?;
    let secret = key.key()?;
    CertifiedKey::from_der(chain, secret, &PROVIDER).map(Arc::new).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            format!("the key in {key} does not belong to the first certificate in {certificates}; the own certificate comes first, then its issuers")
        }
        Error::InvalidCertificate(_) => format!("the first certificate in {certificates} cannot be read: {error}"),
        error => format!("the key in {key} cannot be used: {error}; RSA from 2048 bits, ECDSA P-256 and P-384, and Ed25519 can"),
    })
}

fn holds(text: &[u8], part: &str) -> bool {
    memchr::memmem::find(text, part.as_bytes()).is_some()
}

fn plain(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no END line; is the file cut?".to_owned(),
        pem::Error::Base64Decode(_) => "a section is no base64".to_owned(),
        error => error.to_string(),
    }
}

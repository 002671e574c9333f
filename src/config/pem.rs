//! Reads and checks certificates and keys in PEM; errors have one line.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};

use super::bounded_read;

/// The only place that selects the TLS crypto provider.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

/// The crypto provider of all TLS connections.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

/// Maximum size of a PEM file, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// The source of PEM text.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// A separate file.
    File(PathBuf),
    /// The configuration file, under this key.
    Inline(&'static str, String),
}

/// Redacts a key in the configuration file, which must not be logged.
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
    /// The path of the file, if it is one.
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
                    return Err(format!("{self} is not a PEM file: expected a file of at most {MAX_BYTES} bytes"));
                }
                bounded_read::bytes(path, MAX_BYTES).map_err(unreadable)
            }
        }
    }

    /// The certificates, in their order.
    ///
    /// # Errors
    /// If the text cannot be read or contains no certificate.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let text = self.text()?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let found = found.map_err(|error| format!("invalid PEM in {self}: {}", plain(&error)))?;
        if found.is_empty() {
            let hint = if holds(&text, "PRIVATE KEY-----") {
                "; it has a private key: are the two files swapped?"
            } else {
                ""
            };
            return Err(format!(
                "no certificate in {self}: expected a PEM file with `-----BEGIN CERTIFICATE-----`{hint}"
            ));
        }
        Ok(found)
    }

    /// The certificates as trust anchors.
    ///
    /// # Errors
    /// If the text cannot be read, contains no certificate, or an invalid one.
    pub fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots.add(certificate).map_err(|error| format!("unreadable certificate in {self}: {error}"))?;
        }
        Ok(roots)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, String> {
        let text = self.text()?;
        if holds(&text, "ENCRYPTED") {
            return Err(format!(
                "encrypted key in {self}: expected an unencrypted key that only the exporter's user can read; decrypt it \
                with (umask 077; openssl pkey -in {self} -out plain.key)"
            ));
        }
        PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
            pem::Error::NoItemsFound => format!(
                "no private key in {self}: expected a PEM file with `-----BEGIN PRIVATE KEY-----` (PKCS#8, PKCS#1 or SEC1)"
            ),
            error => format!("invalid PEM in {self}: {}", plain(&error)),
        })
    }
}

/// The system's CA certificates; may be empty.
#[must_use]
pub fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// A certificate chain with its private key, checked to match.
///
/// # Errors
/// If one of the two cannot be read, or if they do not match.
pub fn identity(certificates: &Pem, key: &Pem) -> Result<Arc<CertifiedKey>, String> {
    let chain = certificates.certificates()?;
    let secret = key.key()?;
    CertifiedKey::from_der(chain, secret, &PROVIDER).map(Arc::new).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            format!("the key in {key} does not match the first certificate in {certificates}: expected the own certificate first, then its issuers")
        }
        Error::InvalidCertificate(_) => format!("unreadable first certificate in {certificates}: {error}"),
        error => format!("unusable key in {key}: {error}: expected RSA of at least 2048 bits, ECDSA P-256 or P-384, or Ed25519"),
    })
}

fn holds(text: &[u8], part: &str) -> bool {
    memchr::memmem::find(text, part.as_bytes()).is_some()
}

fn plain(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no END line; is the file truncated?".to_owned(),
        pem::Error::Base64Decode(_) => "a section is not base64".to_owned(),
        error => error.to_string(),
    }
}

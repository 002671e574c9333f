//! `tls:` of a module: certificates, CA and expected server name for connections to members.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustls::pki_types::ServerName;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::pem::{self, Pem};

/// `tls:` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    /// CA certificates for the members' certificates, in PEM; the system's store by default.
    pub(super) ca_file: Option<Spanned<String>>,
    /// Client certificate with its issuers, in PEM, for members that require one.
    pub(super) cert_file: Option<Spanned<String>>,
    /// Private key of `cert_file`, in PEM, not encrypted.
    pub(super) key_file: Option<Spanned<String>>,
    /// Expected name in the members' certificates; the host of each address by default.
    pub(super) server_name: Option<Spanned<String>>,
    /// Disable certificate verification: connections can then be intercepted.
    #[serde(default)]
    pub(super) insecure_skip_verify: bool,
    /// Minimum TLS version: `TLS12` (the default) or `TLS13`.
    pub(super) min_version: Option<Spanned<String>>,
}

/// Validated TLS settings for members. The files are reloaded when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// CA certificates; `None` for the system's store.
    pub ca_file: Option<Pem>,
    /// Client certificate and key.
    pub identity: Option<(Pem, Pem)>,
    /// The expected name in the members' certificates; `None` for the host of each member.
    pub server_name: Option<ServerName<'static>>,
    /// Whether certificate verification is disabled.
    pub insecure_skip_verify: bool,
    /// Minimum version.
    pub min_version: TlsVersion,
}

/// A TLS version; older ones are insecure and not supported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2, the newest that ZooKeeper 3.8 and older use by default.
    #[default]
    Tls12,
    /// 1.3.
    Tls13,
}

impl FromStr for TlsVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "TLS12" => Ok(Self::Tls12),
            "TLS13" => Ok(Self::Tls13),
            _ => Err(format!("unsupported TLS version `{text}`: expected TLS12 or TLS13")),
        }
    }
}

impl RawTls {
    /// Validates the keys and reads every file once, so that an error has the position of its key.
    ///
    /// # Errors
    /// The position, and what is expected.
    pub(super) fn validate(self, folder: &Path) -> Result<TlsConfig, (Location, String)> {
        let pem = |file: &Spanned<String>| Pem::File(below(folder, &file.value));
        let ca_file = self.ca_file.as_ref().map(pem);
        if let (Some(ca), Some(written)) = (&ca_file, &self.ca_file) {
            ca.roots().map_err(|message| (written.referenced, format!("ca_file: {message}")))?;
        }
        let identity = match (&self.cert_file, &self.key_file) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some((pem(cert), pem(key), key.referenced)),
            (Some(only), None) => return Err(lonely(only, "cert_file", "key_file")),
            (None, Some(only)) => return Err(lonely(only, "key_file", "cert_file")),
        };
        if let Some((cert, key, place)) = &identity {
            pem::identity(cert, key).map_err(|message| (*place, format!("cert_file and key_file: {message}")))?;
        }
        let server_name = match self.server_name {
            None => None,
            Some(name) => Some(ServerName::try_from(name.value.clone()).map_err(|_| {
                let message = format!(
                    "invalid server name `{}`: expected a name in the certificate, e.g. zk.example.com",
                    name.value
                );
                (name.referenced, message)
            })?),
        };
        let min_version = match self.min_version {
            None => TlsVersion::default(),
            Some(version) => version.value.parse().map_err(|message| (version.referenced, message))?,
        };
        Ok(TlsConfig {
            ca_file,
            identity: identity.map(|(cert, key, _)| (cert, key)),
            server_name,
            insecure_skip_verify: self.insecure_skip_verify,
            min_version,
        })
    }
}

fn lonely(only: &Spanned<String>, present: &str, missing: &str) -> (Location, String) {
    (only.referenced, format!("{present} requires {missing}"))
}

/// Resolves a path relative to the configuration file.
pub(super) fn below(folder: &Path, path: &str) -> PathBuf {
    folder.join(path)
}

impl TlsConfig {
    /// The files of the configuration, for change detection.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let identity = self.identity.iter().flat_map(|(cert, key)| [cert, key]);
        self.ca_file.iter().chain(identity).filter_map(Pem::file)
    }
}

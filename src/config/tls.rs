//! `tls:` and `admin:` of a module: how members are reached beside plain four-letter words.

use std::fmt;
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
    /// The CA certificates that sign the members' certificates, in PEM; the system's store where it is left out.
    pub(super) ca_file: Option<Spanned<String>>,
    /// The exporter's own certificate with its issuers, in PEM, for members that ask for one.
    pub(super) cert_file: Option<Spanned<String>>,
    /// The private key of `cert_file`, in PEM, not encrypted.
    pub(super) key_file: Option<Spanned<String>>,
    /// The name that the members' certificates must have, where it is not the host of their address.
    pub(super) server_name: Option<Spanned<String>>,
    /// Disable certificate verification: connections can then be intercepted.
    #[serde(default)]
    pub(super) insecure_skip_verify: bool,
    /// The oldest version of TLS that is spoken: `TLS12` (the default) or `TLS13`.
    pub(super) min_version: Option<Spanned<String>>,
}

/// TLS to members, validated. The files are read again when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Who signs the members' certificates; `None` for the system's store.
    pub ca_file: Option<Pem>,
    /// The exporter's certificate and key.
    pub identity: Option<(Pem, Pem)>,
    /// The name that is expected in the members' certificates; `None` for the host of each.
    pub server_name: Option<ServerName<'static>>,
    /// No certificate is verified.
    pub insecure_skip_verify: bool,
    /// The oldest version spoken.
    pub min_version: TlsVersion,
}

/// A version of TLS; older ones are broken and not spoken at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2, the newest that ZooKeeper 3.8 and older speak by default.
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
            "TLS10" | "TLS11" => Err(format!("`{text}` is broken and not spoken; write TLS12 or TLS13")),
            _ => Err(format!("`{text}` is no version of TLS; write TLS12 or TLS13")),
        }
    }
}

impl RawTls {
    /// Checks the keys and reads every file once, so that a mistake is found where it stands.
    ///
    /// # Errors
    /// The place and what to write instead.
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
                    "`{}` is no host name or address; write the name as the certificate has it, for example zk.example.com",
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

/// A path in a configuration file is relative to that file.
pub(super) fn below(folder: &Path, path: &str) -> PathBuf {
    folder.join(path)
}

impl TlsConfig {
    /// The files it is made of, to watch them.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let identity = self.identity.iter().flat_map(|(cert, key)| [cert, key]);
        self.ca_file.iter().chain(identity).filter_map(Pem::file)
    }
}

/// Where the AdminServer of a member is: `http://{host}:8080`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminUrl {
    /// Over TLS.
    pub https: bool,
    /// Its host; `None` where it is the member's (`{host}`).
    pub host: Option<String>,
    /// Its port (`admin.serverPort`).
    pub port: u16,
    /// What comes before the command (`admin.commandURL`), without a slash at the end.
    pub path: String,
}

/// What `admin.serverPort` and `admin.commandURL` are by default.
const ADMIN_PORT: u16 = 8080;
const ADMIN_PATH: &str = "/commands";

impl FromStr for AdminUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}` is no address of an AdminServer; write http://{{host}}:8080 or https://{{host}}:8080, where {{host}} stands for the host of each member"
            )
        };
        let (https, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(bad()),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let path = path.trim_end_matches('/');
        let sane = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
        if !path.bytes().all(sane) {
            return Err(bad());
        }
        let path = if path.is_empty() { ADMIN_PATH } else { path };
        let (host, port) = if let Some(port) = authority.strip_prefix("{host}") {
            let port = match port {
                "" => ADMIN_PORT,
                _ => port
                    .strip_prefix(':')
                    .and_then(|port| port.parse().ok())
                    .filter(|port| *port > 0)
                    .ok_or_else(bad)?,
            };
            (None, port)
        } else {
            let address: super::Address = authority.parse().map_err(|_| bad())?;
            // Without a port, an address would get ZooKeeper's client port.
            let port = if authority.ends_with(']') || !authority.contains(':') { ADMIN_PORT } else { address.port() };
            (Some(address.host().to_owned()), port)
        };
        Ok(Self { https, host, port, path: path.to_owned() })
    }
}

impl fmt::Display for AdminUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        let host = self.host.as_deref().unwrap_or("{host}");
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{host}{close}:{}{}", self.port, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_addresses_as_people_write_them() {
        for (text, shown) in [
            ("http://{host}:8080", "http://{host}:8080/commands"),
            ("https://{host}:28443/", "https://{host}:28443/commands"),
            ("http://{host}", "http://{host}:8080/commands"),
            ("http://{host}:8080/zk/commands/", "http://{host}:8080/zk/commands"),
            ("http://admin.example.com:81", "http://admin.example.com:81/commands"),
            ("http://admin", "http://admin:8080/commands"),
            ("http://[::1]", "http://[::1]:8080/commands"),
            ("http://[::1]:81", "http://[::1]:81/commands"),
        ] {
            assert_eq!(text.parse::<AdminUrl>().map(|url| url.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for text in [
            "",
            "{host}:8080",
            "ftp://{host}:1",
            "http://",
            "http://{host}:0",
            "http://{host}x",
            "http://a b",
            "http://{host}/a?b",
            "http://u@h:1",
        ] {
            assert!(text.parse::<AdminUrl>().is_err(), "{text}");
        }
    }
}

//! The web-config file of `--web.config.file`, in the format of Prometheus' exporter-toolkit: TLS, headers, users.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use rustls::SupportedCipherSuite;
use rustls::crypto::SupportedKxGroup;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::ConfigError;
use super::file::{place, read, syntax};
use super::pem::{self, Pem};
use super::tls::{TlsVersion, below};

/// The endpoint's TLS, headers and users, validated.
#[derive(Clone, Debug, Default)]
pub struct WebConfig {
    /// Serve over TLS.
    pub tls: Option<WebTls>,
    /// Headers that every answer carries.
    pub headers: Vec<(&'static str, String)>,
    /// Users and their bcrypt hashes; none means that no password is asked for.
    pub users: BTreeMap<String, Hash>,
    /// The file holds nothing, as while it is being written.
    pub is_empty: bool,
}

/// The hash of a password; it must not reach the log.
#[derive(Clone, PartialEq, Eq)]
pub struct Hash(pub String);

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(..)")
    }
}

/// TLS of the endpoint.
#[derive(Clone, Debug)]
pub struct WebTls {
    /// The certificate chain.
    pub cert: Pem,
    /// Its private key.
    pub key: Pem,
    /// What clients must show.
    pub client_auth: ClientAuth,
    /// Who signs the certificates of clients.
    pub client_ca: Option<Pem>,
    /// At least one of these must stand among the alternative names of a client's certificate.
    pub allowed_sans: Vec<String>,
    /// The oldest version spoken.
    pub min_version: TlsVersion,
    /// The newest version spoken.
    pub max_version: TlsVersion,
    /// The suites of TLS 1.2 and 1.3.
    pub suites: Vec<SupportedCipherSuite>,
    /// The groups of the key exchange, in the order preferred.
    pub groups: Vec<&'static dyn SupportedKxGroup>,
    /// The server's order of suites counts, not the client's.
    pub server_order: bool,
}

/// `client_auth_type`, in the words of Go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// Not asked for.
    #[default]
    NoClientCert,
    /// Asked for, taken unverified, not needed.
    RequestClientCert,
    /// Needed, taken unverified.
    RequireAnyClientCert,
    /// Not needed, verified where given.
    VerifyClientCertIfGiven,
    /// Needed and verified.
    RequireAndVerifyClientCert,
}

impl ClientAuth {
    /// Whether a client without a certificate is sent away.
    #[must_use]
    pub const fn requires(self) -> bool {
        matches!(self, Self::RequireAnyClientCert | Self::RequireAndVerifyClientCert)
    }

    /// Whether a certificate must lead to `client_ca_file`.
    #[must_use]
    pub const fn verifies(self) -> bool {
        matches!(self, Self::VerifyClientCertIfGiven | Self::RequireAndVerifyClientCert)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    tls_server_config: Option<Spanned<RawTls>>,
    http_server_config: Option<RawHttp>,
    basic_auth_users: Option<BTreeMap<String, Spanned<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTls {
    cert_file: Option<Spanned<String>>,
    key_file: Option<Spanned<String>>,
    cert: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    client_auth_type: Option<Spanned<String>>,
    client_ca_file: Option<Spanned<String>>,
    client_ca: Option<Spanned<String>>,
    client_allowed_sans: Option<Vec<String>>,
    min_version: Option<Spanned<String>>,
    max_version: Option<Spanned<String>>,
    cipher_suites: Option<Vec<Spanned<String>>>,
    curve_preferences: Option<Vec<Spanned<String>>>,
    prefer_server_cipher_suites: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHttp {
    /// HTTP/1.1 is spoken either way, which every client falls back to.
    #[serde(rename = "http2")]
    _http2: Option<bool>,
    headers: Option<BTreeMap<String, Option<Spanned<String>>>>,
}

/// The headers that exporter-toolkit allows, and the values that it allows for some of them.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// Above this a single request would occupy a processor for many seconds.
const MAX_BCRYPT_COST: u32 = 16;

type Mistake = (Location, String);

/// Reads and validates the file, and every file it names.
///
/// # Errors
/// When it cannot be read, is no YAML, or says something that cannot be done.
pub fn load(path: &Path) -> Result<WebConfig, ConfigError> {
    parse(path, &read(path, "--web.config.file")?)
}

/// Validates a text, and reads every file that it names beside `path`, which mistakes name.
///
/// # Errors
/// When it is no YAML, or says something that cannot be done.
pub fn parse(path: &Path, text: &str) -> Result<WebConfig, ConfigError> {
    // An empty file is a file that asks for nothing, as for exporter-toolkit.
    let raw: Option<Raw> = serde_saphyr::from_str(text).map_err(|error| syntax(path, &error))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let is_empty = raw.is_none();
    validate(folder, raw.unwrap_or_default())
        .map(|config| WebConfig { is_empty, ..config })
        .map_err(|(location, message)| ConfigError { place: place(path, location.line(), location.column()), message })
}

fn validate(folder: &Path, raw: Raw) -> Result<WebConfig, Mistake> {
    let tls = raw.tls_server_config.map(|tls| tls.value.validate(tls.referenced, folder)).transpose()?;
    let mut headers = Vec::new();
    let written = raw.http_server_config.and_then(|http| http.headers).unwrap_or_default();
    for (name, value) in written {
        let Some(value) = value.filter(|value| !value.value.is_empty()) else { continue };
        headers.push(header(&name, &value).map_err(|message| (value.referenced, message))?);
    }
    let mut users = BTreeMap::new();
    for (user, hash) in raw.basic_auth_users.unwrap_or_default() {
        check_user(&user, &hash.value).map_err(|message| (hash.referenced, message))?;
        users.insert(user, Hash(hash.value));
    }
    Ok(WebConfig { tls, headers, users, is_empty: false })
}

fn header(name: &str, value: &Spanned<String>) -> Result<(&'static str, String), String> {
    let allowed = || HEADERS.map(|(name, _)| name).join(", ");
    let known = HEADERS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let (known, values) =
        known.ok_or_else(|| format!("the header `{name}` cannot be set here; write one of {}", allowed()))?;
    let value = &value.value;
    if !values.is_empty() && !values.iter().any(|allowed| allowed.eq_ignore_ascii_case(value)) {
        return Err(format!("`{value}` is no value of {known}; write {}", values.join(" or ")));
    }
    if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(format!("the value of {known} holds a character that no header may have; write plain ASCII"));
    }
    Ok((known, value.clone()))
}

fn check_user(user: &str, hash: &str) -> Result<(), String> {
    const EXAMPLE: &str = "make one with: htpasswd -nBC 10 \"\" | tr -d ':\\n'";
    if user.is_empty() || user.contains(':') {
        return Err(format!("`{user}` is no user name; write one without a colon"));
    }
    let parts: bcrypt::HashParts =
        hash.parse().map_err(|_| format!("the password of `{user}` is no bcrypt hash ($2y$...); {EXAMPLE}"))?;
    if parts.get_cost() > MAX_BCRYPT_COST {
        return Err(format!(
            "the hash of `{user}` has cost {}, which takes many seconds to verify; the most is {MAX_BCRYPT_COST}; {EXAMPLE}",
            parts.get_cost()
        ));
    }
    Ok(())
}

impl RawTls {
    fn validate(self, start: Location, folder: &Path) -> Result<WebTls, Mistake> {
        let cert = one_of(folder, start, ("cert_file", &self.cert_file), ("cert", &self.cert))?;
        let key = one_of(folder, start, ("key_file", &self.key_file), ("key", &self.key))?;
        let (Some((cert, _)), Some((key, key_at))) = (cert, key) else {
            return Err((
                start,
                "tls_server_config needs a certificate and its key; write cert_file and key_file".into(),
            ));
        };
        pem::identity(&cert, &key).map_err(|message| (key_at, message))?;

        let (client_auth, auth_at) = match &self.client_auth_type {
            None => (ClientAuth::default(), start),
            Some(text) => (client_auth(&text.value).map_err(|message| (text.referenced, message))?, text.referenced),
        };
        let client_ca =
            one_of(folder, start, ("client_ca_file", &self.client_ca_file), ("client_ca", &self.client_ca))?;
        match &client_ca {
            Some((_, at)) if !client_auth.verifies() => {
                return Err((
                    *at,
                    format!(
                        "client_ca_file has no effect with client_auth_type {client_auth:?}; write RequireAndVerifyClientCert or VerifyClientCertIfGiven"
                    ),
                ));
            }
            None if client_auth.verifies() => {
                return Err((
                    auth_at,
                    format!(
                        "client_auth_type {client_auth:?} needs client_ca_file: who signs the certificates of clients"
                    ),
                ));
            }
            Some((ca, at)) => drop(ca.roots().map_err(|message| (*at, message))?),
            None => {}
        }
        let allowed_sans = self.client_allowed_sans.unwrap_or_default();
        if !allowed_sans.is_empty() && client_auth == ClientAuth::NoClientCert {
            return Err((
                start,
                "client_allowed_sans has no effect without client_auth_type; write RequireAndVerifyClientCert".into(),
            ));
        }

        let version = |text: Option<Spanned<String>>, default| match text {
            None => Ok((default, start)),
            Some(text) => match text.value.parse() {
                Ok(version) => Ok((version, text.referenced)),
                Err(message) => Err((text.referenced, message)),
            },
        };
        let (min_version, _) = version(self.min_version, TlsVersion::Tls12)?;
        let (max_version, max_at) = version(self.max_version, TlsVersion::Tls13)?;
        if min_version > max_version {
            return Err((max_at, "min_version is newer than max_version; write TLS12 and TLS13".into()));
        }
        Ok(WebTls {
            cert,
            key,
            client_auth,
            client_ca: client_ca.map(|(ca, _)| ca),
            allowed_sans,
            min_version,
            max_version,
            suites: suites(self.cipher_suites.unwrap_or_default())?,
            groups: groups(self.curve_preferences.unwrap_or_default())?,
            server_order: self.prefer_server_cipher_suites.unwrap_or(true),
        })
    }
}

/// A PEM text by its file or inline, with its place; both at once is a mistake.
fn one_of(
    folder: &Path,
    start: Location,
    file: (&str, &Option<Spanned<String>>),
    inline: (&'static str, &Option<Spanned<String>>),
) -> Result<Option<(Pem, Location)>, Mistake> {
    match (file.1, inline.1) {
        (None, None) => Ok(None),
        (Some(path), None) => Ok(Some((Pem::File(below(folder, &path.value)), path.referenced))),
        (None, Some(text)) => Ok(Some((Pem::Inline(inline.0, text.value.clone()), text.referenced))),
        (Some(_), Some(_)) => Err((start, format!("{} and {} are mutually exclusive", file.0, inline.0))),
    }
}

fn client_auth(text: &str) -> Result<ClientAuth, String> {
    Ok(match text {
        "" | "NoClientCert" => ClientAuth::NoClientCert,
        "RequestClientCert" => ClientAuth::RequestClientCert,
        // The second spelling is an older one of exporter-toolkit.
        "RequireAnyClientCert" | "RequireClientCert" => ClientAuth::RequireAnyClientCert,
        "VerifyClientCertIfGiven" => ClientAuth::VerifyClientCertIfGiven,
        "RequireAndVerifyClientCert" => ClientAuth::RequireAndVerifyClientCert,
        _ => {
            return Err(format!(
                "`{text}` is no client_auth_type; write one of NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert"
            ));
        }
    })
}

/// Go's name of a suite: rustls marks those of TLS 1.3, and leaves the hash of a name out nowhere.
fn name_of(suite: SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
}

/// Suites of TLS 1.3 cannot be chosen, as in Go: all three stay.
fn suites(written: Vec<Spanned<String>>) -> Result<Vec<SupportedCipherSuite>, Mistake> {
    let all = &pem::provider().cipher_suites;
    if written.is_empty() {
        return Ok(all.clone());
    }
    let mut chosen: Vec<_> = all.iter().copied().filter(|suite| suite.tls13().is_some()).collect();
    for text in written {
        let wanted = if text.value.ends_with("CHACHA20_POLY1305") {
            format!("{}_SHA256", text.value)
        } else {
            text.value.clone()
        };
        let Some(suite) = all.iter().copied().find(|suite| name_of(*suite) == wanted) else {
            let names: Vec<_> = all.iter().map(|suite| name_of(*suite)).collect();
            let message =
                format!("the cipher suite `{}` is not spoken; write some of {}", text.value, names.join(", "));
            return Err((text.referenced, message));
        };
        if !chosen.contains(&suite) {
            chosen.push(suite);
        }
    }
    Ok(chosen)
}

fn groups(written: Vec<Spanned<String>>) -> Result<Vec<&'static dyn SupportedKxGroup>, Mistake> {
    let all = &pem::provider().kx_groups;
    if written.is_empty() {
        return Ok(all.clone());
    }
    written
        .into_iter()
        .map(|text| {
            let name = match text.value.as_str() {
                "CurveP256" => "secp256r1",
                "CurveP384" => "secp384r1",
                other => other,
            };
            let found = all.iter().copied().find(|group| format!("{:?}", group.name()) == name);
            found.ok_or_else(|| {
                let message =
                    format!("the curve `{}` is not spoken; write some of X25519, CurveP256, CurveP384", text.value);
                (text.referenced, message)
            })
        })
        .collect()
}

impl WebConfig {
    /// The files it is made of besides the file itself, to watch them.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        let tls = self.tls.iter().flat_map(|tls| [Some(&tls.cert), Some(&tls.key), tls.client_ca.as_ref()]);
        tls.flatten().filter_map(|pem| pem.file().map(Path::to_owned))
    }
}

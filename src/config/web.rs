//! The file of `--web.config.file`, in the format of Prometheus' exporter-toolkit: TLS, headers, users.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use rustls::SupportedCipherSuite;
use rustls::crypto::SupportedKxGroup;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::ConfigError;
use super::error::Mistake;
use super::file::{place, read, syntax};
use super::pem::{self, Pem};
use super::rate_limit::{RateLimit, RawRateLimit};
use super::tls::{TlsVersion, below};
use super::web_crypto::{Chosen, groups, needs_http2_suite, suites};

/// Validated TLS, headers and users of the endpoint.
#[derive(Clone, Debug, Default)]
pub struct WebConfig {
    /// TLS settings; `None` for plain HTTP.
    pub tls: Option<WebTls>,
    /// Headers added to every response.
    pub headers: Vec<(&'static str, String)>,
    /// Users and their bcrypt hashes; without users, no password is required.
    pub users: BTreeMap<String, Hash>,
    /// The limit of the request rate.
    pub rate_limit: Option<RateLimit>,
    /// Warnings to log: accepted settings without effect, or with a different effect.
    pub warnings: Vec<String>,
    /// Whether the file is empty, e.g. while it is being written.
    pub is_empty: bool,
}

/// The hash of a password; never logged.
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
    /// Client certificate policy.
    pub client_auth: ClientAuth,
    /// CA of the client certificates; `None` for the system's CAs if certificates are verified.
    pub client_ca: Option<Pem>,
    /// At least one of these must be among the subject alternative names of a client certificate.
    pub allowed_sans: Vec<String>,
    /// Minimum version.
    pub min_version: TlsVersion,
    /// Maximum version.
    pub max_version: TlsVersion,
    /// Cipher suites of TLS 1.2 and 1.3.
    pub suites: Vec<SupportedCipherSuite>,
    /// Key exchange groups, in the preferred order.
    pub groups: Vec<&'static dyn SupportedKxGroup>,
    /// Whether the server's order of cipher suites has priority over the client's.
    pub server_order: bool,
}

/// `client_auth_type`, with Go's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// Not requested.
    #[default]
    NoClientCert,
    /// Requested, not required, not verified.
    RequestClientCert,
    /// Required, not verified.
    RequireAnyClientCert,
    /// Not required, verified if given.
    VerifyClientCertIfGiven,
    /// Required and verified.
    RequireAndVerifyClientCert,
}

impl ClientAuth {
    /// Whether a client without a certificate is rejected.
    #[must_use]
    pub const fn requires(self) -> bool {
        matches!(self, Self::RequireAnyClientCert | Self::RequireAndVerifyClientCert)
    }

    /// Whether a certificate must be signed by `client_ca_file`.
    #[must_use]
    pub const fn verifies(self) -> bool {
        matches!(self, Self::VerifyClientCertIfGiven | Self::RequireAndVerifyClientCert)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    tls_server_config: Option<Spanned<RawWebTls>>,
    http_server_config: Option<RawHttp>,
    rate_limit: Option<RawRateLimit>,
    basic_auth_users: Option<BTreeMap<String, Spanned<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWebTls {
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
    /// Ignored: HTTP/1.1 is always used, which every client supports.
    http2: Option<bool>,
    headers: Option<BTreeMap<String, Option<Spanned<String>>>>,
}

/// The headers that exporter-toolkit allows, and their allowed values where it restricts them.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// Maximum cost: above it a single request would occupy a CPU for many seconds.
const MAX_BCRYPT_COST: u32 = 18;

/// Cost above which a verification takes seconds; a higher cost is logged as a warning.
const USUAL_BCRYPT_COST: u32 = 14;

/// Reads and validates the file and every file that it refers to.
///
/// # Errors
/// If it cannot be read, is not YAML, or is not a valid configuration.
pub fn load(path: &Path) -> Result<WebConfig, ConfigError> {
    parse(path, &read(path, "--web.config.file")?)
}

/// Parses and validates a text. Files that it refers to are relative to `path`, which is also named in errors.
///
/// # Errors
/// If it is not YAML, or not a valid configuration.
pub fn parse(path: &Path, text: &str) -> Result<WebConfig, ConfigError> {
    // An empty file is valid, as in exporter-toolkit.
    let raw: Option<Raw> = serde_saphyr::from_str(text).map_err(|error| syntax(path, &error))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let is_empty = raw.is_none();
    validate(folder, raw.unwrap_or_default())
        .map(|config| WebConfig { is_empty, ..config })
        .map_err(|(location, message)| ConfigError { place: place(path, location.line(), location.column()), message })
}

fn validate(folder: &Path, raw: Raw) -> Result<WebConfig, Mistake> {
    let mut warnings = Vec::new();
    let (http2, written) = raw.http_server_config.map_or((None, None), |http| (http.http2, http.headers));
    let http2 = http2.unwrap_or(true);
    let tls = raw.tls_server_config;
    let tls = tls.map(|tls| tls.value.validate(tls.referenced, folder, http2, &mut warnings)).transpose()?;
    let mut headers = Vec::new();
    let written = written.unwrap_or_default();
    for (name, value) in written {
        let Some(value) = value.filter(|value| !value.value.is_empty()) else { continue };
        headers.push(header(&name, &value).map_err(|message| (value.referenced, message))?);
    }
    let mut users = BTreeMap::new();
    for (user, hash) in raw.basic_auth_users.unwrap_or_default() {
        let cost = check_user(&user, &hash.value).map_err(|message| (hash.referenced, message))?;
        if cost > USUAL_BCRYPT_COST {
            warnings.push(format!("the hash of `{user}` has cost {cost}: each new password takes seconds to verify"));
        }
        users.insert(user, Hash(hash.value));
    }
    let rate_limit = raw.rate_limit.map_or(Ok(None), RawRateLimit::validate)?;
    if rate_limit.is_some_and(|limit| limit.burst == 0) {
        warnings.push("rate_limit with a burst of 0 refuses every request".to_owned());
    }
    Ok(WebConfig { tls, headers, users, rate_limit, warnings, is_empty: false })
}

fn header(name: &str, value: &Spanned<String>) -> Result<(&'static str, String), String> {
    let allowed = || HEADERS.map(|(name, _)| name).join(", ");
    let known = HEADERS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let (known, values) = known.ok_or_else(|| format!("unsupported header `{name}`: expected one of {}", allowed()))?;
    let value = &value.value;
    if !values.is_empty() && !values.iter().any(|allowed| allowed.eq_ignore_ascii_case(value)) {
        return Err(format!("invalid value `{value}` of {known}: expected {}", values.join(" or ")));
    }
    if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(format!("invalid character in the value of {known}: expected printable ASCII"));
    }
    Ok((known, value.clone()))
}

/// The cost of a user's hash.
fn check_user(user: &str, hash: &str) -> Result<u32, String> {
    const EXAMPLE: &str = "e.g. from htpasswd -nBC 10 \"\" | tr -d ':\\n'";
    if user.is_empty() || user.contains(':') {
        return Err(format!("invalid user name `{user}`: expected a name without a colon"));
    }
    let parts: bcrypt::HashParts = hash
        .parse()
        .map_err(|_| format!("invalid password of `{user}`: expected a bcrypt hash ($2y$...), {EXAMPLE}"))?;
    if parts.get_cost() > MAX_BCRYPT_COST {
        return Err(format!(
            "bcrypt cost {} of `{user}` too high: expected at most {MAX_BCRYPT_COST}, {EXAMPLE}",
            parts.get_cost()
        ));
    }
    Ok(parts.get_cost())
}

impl RawWebTls {
    fn validate(
        self,
        start: Location,
        folder: &Path,
        http2: bool,
        warnings: &mut Vec<String>,
    ) -> Result<WebTls, Mistake> {
        let cert = one_of(folder, start, ("cert_file", &self.cert_file), ("cert", &self.cert))?;
        let key = one_of(folder, start, ("key_file", &self.key_file), ("key", &self.key))?;
        let (Some((cert, _)), Some((key, key_at))) = (cert, key) else {
            return Err((
                start,
                "tls_server_config without certificate or key: expected cert_file and key_file".into(),
            ));
        };
        pem::identity(&cert, &key).map_err(|message| (key_at, message))?;

        let client_auth = match &self.client_auth_type {
            None => ClientAuth::default(),
            Some(text) => client_auth(&text.value).map_err(|message| (text.referenced, message))?,
        };
        let client_ca =
            one_of(folder, start, ("client_ca_file", &self.client_ca_file), ("client_ca", &self.client_ca))?;
        match &client_ca {
            Some((_, at)) if !client_auth.verifies() => {
                return Err((
                    *at,
                    format!(
                        "client_ca_file has no effect with client_auth_type {client_auth:?}: expected RequireAndVerifyClientCert or VerifyClientCertIfGiven"
                    ),
                ));
            }
            None if client_auth.verifies() && self.client_allowed_sans.as_ref().is_none_or(Vec::is_empty) => {
                let what = "without client_ca_file, client certificates of every CA of this system are accepted";
                warnings.push(format!("client_auth_type {client_auth:?}: {what}"));
            }
            Some((ca, at)) => drop(ca.roots().map_err(|message| (*at, message))?),
            None => {}
        }
        let allowed_sans = self.client_allowed_sans.unwrap_or_default();
        if !allowed_sans.is_empty() && client_auth == ClientAuth::NoClientCert {
            return Err((
                start,
                "client_allowed_sans has no effect without client_auth_type: expected RequireAndVerifyClientCert"
                    .into(),
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
            return Err((max_at, "min_version is newer than max_version: expected e.g. TLS12 and TLS13".into()));
        }
        let Chosen { values: suites, omitted } = suites(self.cipher_suites.as_deref().unwrap_or_default())?;
        warnings.extend(omitted);
        let Chosen { values: groups, omitted } = groups(self.curve_preferences.as_deref().unwrap_or_default())?;
        warnings.extend(omitted);
        if http2 && min_version < TlsVersion::Tls13 && self.cipher_suites.as_deref().is_some_and(needs_http2_suite) {
            let message = "cipher_suites lacks TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 and \
                           TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, which HTTP/2 requires: expected one of them, or \
                           http2: false in http_server_config";
            return Err((start, message.to_owned()));
        }
        Ok(WebTls {
            cert,
            key,
            client_auth,
            client_ca: client_ca.map(|(ca, _)| ca),
            allowed_sans,
            min_version,
            max_version,
            suites,
            groups,
            server_order: self.prefer_server_cipher_suites.unwrap_or(true),
        })
    }
}

/// PEM text from a file or inline, with its position; the two keys are mutually exclusive.
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
        // The second spelling was used by earlier releases of exporter-toolkit.
        "RequireAnyClientCert" | "RequireClientCert" => ClientAuth::RequireAnyClientCert,
        "VerifyClientCertIfGiven" => ClientAuth::VerifyClientCertIfGiven,
        "RequireAndVerifyClientCert" => ClientAuth::RequireAndVerifyClientCert,
        _ => {
            return Err(format!(
                "invalid client_auth_type `{text}`: expected one of NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert"
            ));
        }
    })
}

impl WebConfig {
    /// The files of the configuration, for change detection.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        let tls = self.tls.iter().flat_map(|tls| [Some(&tls.cert), Some(&tls.key), tls.client_ca.as_ref()]);
        tls.flatten().filter_map(|pem| pem.file().map(Path::to_owned))
    }
}

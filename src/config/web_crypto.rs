//! Cipher suites and curves of the web-config file, by their names in Go.
//!
//! Names that Go supports and rustls does not are omitted with a warning, so that one file can be used for all
//! exporters on a host.

use rustls::SupportedCipherSuite;
use rustls::crypto::SupportedKxGroup;
use serde_saphyr::Spanned;

use super::error::Mistake;
use super::pem;

/// CBC suites of Go, which rustls does not implement.
const OMITTED_SUITES: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];

const OMITTED_CURVES: [&str; 1] = ["CurveP521"];

/// HTTP/2 requires one of these suites (RFC 9113, section 9.2.2).
const HTTP2_SUITES: [&str; 2] = ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"];

/// The values selected by a list of names.
pub(super) struct Chosen<T> {
    pub(super) values: Vec<T>,
    /// A warning about omitted names.
    pub(super) omitted: Option<String>,
}

/// Go's name of a suite; rustls marks TLS 1.3 suites differently.
fn name_of(suite: SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
}

/// Whether Go would refuse the list for an HTTP/2 server.
pub(super) fn needs_http2_suite(names: &[Spanned<String>]) -> bool {
    !names.is_empty() && !names.iter().any(|name| HTTP2_SUITES.contains(&name.value.as_str()))
}

/// Selects cipher suites. As in Go, TLS 1.3 suites cannot be configured: all three are kept.
pub(super) fn suites(names: &[Spanned<String>]) -> Result<Chosen<SupportedCipherSuite>, Mistake> {
    let all = &pem::provider().cipher_suites;
    if names.is_empty() {
        return Ok(Chosen { values: all.clone(), omitted: None });
    }
    let mut values: Vec<_> = all.iter().copied().filter(|suite| suite.tls13().is_some()).collect();
    let mut omitted = Vec::new();
    for name in names {
        let wanted = if name.value.ends_with("CHACHA20_POLY1305") {
            format!("{}_SHA256", name.value)
        } else {
            name.value.clone()
        };
        match all.iter().copied().find(|suite| name_of(*suite) == wanted) {
            Some(suite) if values.contains(&suite) => {}
            Some(suite) => values.push(suite),
            None if OMITTED_SUITES.contains(&wanted.as_str()) => omitted.push(wanted),
            None => {
                let known: Vec<_> = all.iter().map(|suite| name_of(*suite)).collect();
                let message = format!("unsupported cipher suite `{wanted}`: expected some of {}", known.join(", "));
                return Err((name.referenced, message));
            }
        }
    }
    Ok(Chosen { values, omitted: warning("cipher_suites", &omitted) })
}

/// Selects key exchange groups.
pub(super) fn groups(names: &[Spanned<String>]) -> Result<Chosen<&'static dyn SupportedKxGroup>, Mistake> {
    let all = &pem::provider().kx_groups;
    if names.is_empty() {
        return Ok(Chosen { values: all.clone(), omitted: None });
    }
    let (mut values, mut omitted) = (Vec::new(), Vec::new());
    for name in names {
        let wanted = match name.value.as_str() {
            "CurveP256" => "secp256r1",
            "CurveP384" => "secp384r1",
            other => other,
        };
        match all.iter().copied().find(|group| format!("{:?}", group.name()) == wanted) {
            Some(group) => values.push(group),
            None if OMITTED_CURVES.contains(&wanted) => omitted.push(wanted.to_owned()),
            None => return Err((name.referenced, unsupported_curve(&name.value))),
        }
    }
    match names.first() {
        // An empty list would select all groups.
        Some(name) if values.is_empty() => Err((name.referenced, unsupported_curve(&name.value))),
        _ => Ok(Chosen { values, omitted: warning("curve_preferences", &omitted) }),
    }
}

fn unsupported_curve(name: &str) -> String {
    format!("unsupported curve `{name}`: expected X25519, CurveP256 or CurveP384")
}

fn warning(key: &str, omitted: &[String]) -> Option<String> {
    (!omitted.is_empty()).then(|| format!("{key}: not supported and omitted: {}", omitted.join(", ")))
}
